//! Objectives on pairs, triplets and proxies: embeddings compared with each other instead of with class centres.
//!
//! Margin softmax (the rest of this crate) compares each sample with one vector a class. The objectives here ask directly
//! for what retrieval needs: samples of one class near each other, samples of different classes apart. They are those of
//! pytorch-metric-learning 2.9.0, with its names, defaults and reductions, so that a run can be moved over and its numbers
//! compared.
//!
//! Each is a function of one matrix: the distances or similarities of every row of the batch to every reference (the batch
//! itself, a [`CrossBatchMemory`], or proxies). The value and its slopes by the entries of that matrix are worked out by
//! hand, one anchor at a time; two products of matrices do the rest.
//!
//! ```
//! use widemargin_objective::MatRef;
//! use widemargin_objective::pairs::{Miner, PairObjective, PairOptions, PairParameters};
//!
//! let embeddings = [1.0_f32, 0.1, 0.9, 0.2, -0.3, 1.0, 0.1, 0.8];
//! let embeddings = MatRef::new(&embeddings, 4, 2)?;
//! let labels = [3, 3, 8, 8];
//! let parameters = PairParameters::from([("margin".to_owned(), 0.2.into())]);
//! let objective = PairObjective::from_name("triplet-margin", &parameters)?;
//! let out = objective.evaluate(embeddings, None, &labels, &PairOptions::default())?;
//! assert_eq!(out.counts.triplets, 8);
//!
//! let miner = Miner::from_name("batch-hard", &PairParameters::new())?;
//! let hardest = PairOptions { miner: Some(&miner), ..PairOptions::default() };
//! assert_eq!(objective.evaluate(embeddings, None, &labels, &hardest)?.counts.triplets, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod angular;
mod circle;
mod contrastive;
mod distance;
mod error;
mod evaluate;
mod fast_ap;
mod info_nce;
mod intra_pair_variance;
mod lifted_structure;
mod memory;
mod miners;
mod multi_similarity;
mod objective;
mod parameters;
mod product;
mod proxy;
mod ranked_list;
mod rows;
mod soft_triple;
#[cfg(test)]
mod tests;
mod triplet;
mod tuples;
mod tuplet_margin;
mod units;
mod weighted;

pub use angular::Angular;
pub use circle::Circle;
pub use contrastive::{Contrastive, SignalToNoiseRatioContrastive};
pub use error::PairError;
pub use evaluate::{PairCounts, PairEvaluation, PairOptions, PairReference, PairWarning};
pub use fast_ap::FastAp;
pub use info_nce::{NtXent, SupCon};
pub use intra_pair_variance::IntraPairVariance;
pub use lifted_structure::LiftedStructure;
pub use memory::CrossBatchMemory;
pub use miners::{
    BatchEasyHard, DistanceWeighted, MinedTriplets, Miner, MiningStrategy, MultiSimilarityMiner, PairMargin,
    TripletMarginMiner,
};
pub use multi_similarity::MultiSimilarity;
pub use objective::PairObjective;
pub use parameters::{PairParameter, PairParameters};
pub use proxy::{ProxyAnchor, ProxyNca};
pub use ranked_list::RankedList;
pub use soft_triple::SoftTriple;
pub use triplet::{TripletKind, TripletMargin};
pub use tuples::Tuples;
pub use tuplet_margin::TupletMargin;
pub use weighted::{WeightedObjective, WeightedObjectives, WeightedSum};
