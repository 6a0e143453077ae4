//! The objectives on pairs, triplets and proxies: the settings and formula of each, and one type for all of them.

mod angular;
mod circle;
mod contrastive;
mod fast_ap;
mod info_nce;
mod intra_pair_variance;
mod lifted_structure;
mod multi_similarity;
mod objective;
mod proxy;
mod ranked_list;
mod soft_triple;
mod triplet;
mod tuplet_margin;

pub use angular::Angular;
pub use circle::Circle;
pub use contrastive::{Contrastive, SignalToNoiseRatioContrastive};
pub use fast_ap::FastAp;
pub use info_nce::{NtXent, Supcon};
pub use intra_pair_variance::IntraPairVariance;
pub use lifted_structure::LiftedStructure;
pub use multi_similarity::MultiSimilarity;
pub use objective::PairObjective;
pub use proxy::{ProxyAnchor, ProxyNca};
pub use ranked_list::RankedList;
pub use soft_triple::SoftTriple;
pub use triplet::{TripletKind, TripletMargin};
pub use tuplet_margin::TupletMargin;
