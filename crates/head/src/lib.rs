#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod auto;
mod batch;
mod centre_optimiser;
mod centres;
mod classes;
mod communicator;
mod config;
mod dense;
mod error;
mod forward;
mod gradient;
mod head;
mod inherit;
mod initial;
mod lazy;
mod modes;
mod optimiser;
mod pairs;
mod sampled;
mod screened;
mod sharded;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod tile;
mod training;

pub use auto::HeadSize;
pub use classes::NewClasses;
pub use communicator::threads::{ThreadGroup, ThreadRank};
pub use communicator::{Communicator, Solo};
pub use config::{HeadConfig, HeadMode};
pub use dense::{ClassGradients, class_loss};
pub use error::Error;
pub use forward::{HeadEvaluation, HeadForward, PendingUpdate, Screening};
pub use head::{Head, HeadStep};
pub use inherit::ClassOrigin;
pub use optimiser::{Optimiser, OptimiserConfig};
pub use pairs::{PairForward, PairHead, PairHeadConfig, PairHeadState, PendingProxies, nearest_class_mean};
pub use sharded::{ShardState, ShardedHead, join_shards, load_shard, load_shards, save_shard, split_shards};
pub use state::{HeadState, HeadTensor};
pub use storage::{ProductPrecision, StoragePrecision};
pub use training::{TrainingForward, TrainingHead, TrainingHeadState, TrainingUpdate};
pub use widemargin_objective::{Diagnostics, MatRef, Objective};
