//! Class centres and their optimiser: features and labels in, loss and gradient out.
//!
//! With `C` classes and `D` dimensions the head is nearly all of the cost of training with a margin softmax. This crate
//! holds the class centres, computes an [`Objective`] over all of them with matrix products, and moves them. It knows no
//! deep-learning framework: features come in as a slice, the gradient for the backbone goes out as one.
//!
//! ```
//! use widemargin_head::{Head, HeadConfig, MatRef};
//! use widemargin_objective::Objective;
//!
//! let mut head = Head::new(10, 4, Objective::am_softmax(30.0, 0.35)?, HeadConfig::default())?;
//! let features = [0.1_f32, 0.2, -0.3, 0.4, -0.5, 0.6, 0.7, -0.8];
//! let features = MatRef::new(&features, 2, 4)?;
//! let first = head.step(features, &[3, 7], 0.1)?;
//! let second = head.step(features, &[3, 7], 0.1)?;
//! assert!(second.loss < first.loss);
//! assert_eq!(first.grad_features.len(), 2 * 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A step is two calls, so that a training loop can look at loss and gradient, and clip, before anything moves:
//! [`Head::forward`] changes nothing and returns a [`PendingUpdate`]; [`Head::apply`] carries it out. [`Head::step`] is one
//! after the other.
//!
//! Classes that one machine or one process is not to hold alone go into a [`ShardedHead`], whose ranks talk to each other through a
//! [`Communicator`].
//!
//! Results do not depend on the number of threads. [`Head::state`] and [`Head::from_state`] restore a head to the bit.
#![forbid(unsafe_code)]

mod batch;
mod classes;
mod communicator;
mod config;
mod dense;
mod error;
mod forward;
mod head;
mod lazy;
mod optimiser;
mod sampled;
mod screened;
mod sharded;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod tile;

pub use classes::NewClasses;
pub use communicator::{Communicator, CommunicatorError, Solo, ThreadGroup, ThreadRank};
pub use config::{AUTO_CLASSES, HeadConfig, HeadMode};
pub use error::Error;
pub use forward::{ClassLoss, HeadEvaluation, HeadForward, PendingUpdate, Screening, class_loss};
pub use head::{Head, HeadStep};
pub use optimiser::{Optimiser, OptimiserConfig};
pub use sharded::{
    ShardFileError, ShardState, ShardedHead, join_shards, load_shard, load_shards, save_shard, split_shards,
};
pub use state::{HeadState, HeadTensor};
pub use storage::CentrePrecision;
pub use widemargin_objective::{Diagnostics, MatRef, Objective};
