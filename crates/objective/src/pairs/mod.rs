//! Objectives on pairs, triplets and proxies: embeddings are compared with each other or with proxies.
//!
//! Margin softmax (the rest of this crate) compares each sample with one vector per class. The objectives here aim directly
//! at retrieval: samples of one class close together, samples of different classes apart. They are those of
//! pytorch-metric-learning 2.9.0, with its names, defaults and reductions, so that results can be compared.
//!
//! Each is a function of one matrix: the distances or similarities between every row of the batch and every reference (the
//! batch itself, a [`CrossBatchMemory`], or proxies). The loss and its derivatives with respect to the entries of that
//! matrix are computed one anchor at a time; two matrix products do the rest.
//!
//! ```
//! use widemargin_objective::pairs::{Miner, PairObjective, PairOptions};
//! use widemargin_objective::{MatRef, Parameters, parameters};
//!
//! let embeddings = [1.0_f32, 0.1, 0.9, 0.2, -0.3, 1.0, 0.1, 0.8];
//! let embeddings = MatRef::new(&embeddings, 4, 2)?;
//! let labels = [3, 3, 8, 8];
//! let objective = PairObjective::from_name("triplet-margin", &parameters([("margin", 0.2.into())]))?;
//! let out = objective.evaluate(embeddings, None, &labels, &PairOptions::default())?;
//! assert_eq!(out.counts.triplets, 8);
//!
//! let miner = Miner::from_name("batch-hard", &Parameters::new())?;
//! let hardest = PairOptions { miner: Some(&miner), ..PairOptions::default() };
//! assert_eq!(objective.evaluate(embeddings, None, &labels, &hardest)?.counts.triplets, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod distance;
mod evaluate;
mod memory;
mod miners;
mod objectives;
mod product;
mod reference;
mod rows;
mod tags;
#[cfg(test)]
mod tests;
mod tuples;
mod units;
mod weighted;

pub use evaluate::{PairCounts, PairEvaluation, PairOptions, PairWarning};
pub use memory::CrossBatchMemory;
pub use miners::{
    BatchEasyHard, DistanceWeighted, MinedTriplets, Miner, MiningStrategy, MultiSimilarityMiner, PairMargin,
    TripletMarginMiner,
};
pub use objectives::{
    Angular, Circle, Contrastive, FastAp, IntraPairVariance, LiftedStructure, MultiSimilarity, NtXent,
    PairObjective, ProxyAnchor, ProxyNca, RankedList, SignalToNoiseRatioContrastive, SoftTriple, Supcon,
    TripletKind, TripletMargin, TupletMargin,
};
pub use reference::PairReference;
pub use tuples::Tuples;
pub use weighted::{WeightedObjective, WeightedObjectives, WeightedSum};
