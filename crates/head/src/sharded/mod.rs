//! Sharding: the classes of a head are divided among several ranks, each with its part of the optimiser.
//!
//! Every rank processes the same batch. The rank that holds a sample's class broadcasts its similarity; each rank runs the first
//! pass of the loss over its own classes, and a few values per sample are gathered and merged in the order of the classes
//! ([`PointPass::observe_part`](widemargin_objective::PointPass::observe_part)). After that, every rank has the loss and the
//! partition sum of each sample, computes the gradient of its own centres alone, and adds its part to the gradient of the
//! features. Centres and scores are never sent: a step sends a few values per sample and the gradient of the features.
//!
//! This is the dense mode of [`Head`](crate::Head), for every objective. Results differ in rounding only, as with another tile
//! size.

mod agreement;
mod division;
mod files;
mod head;
mod pass;
mod state;

pub use files::{load_shard, load_shards, save_shard};
pub use head::ShardedHead;
pub use state::{ShardState, join_shards, split_shards};
