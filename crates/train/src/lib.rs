//! The training loop: configuration, schedules, checkpoints, exact resume, logs.
//!
//! A run is a pure function of its [`Config`] and the data: the same configuration gives the same weights to
//! the bit, whatever the number of loader threads, and however often it was stopped and resumed on the way.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod config;
mod criterion;
mod error;
mod events;
mod fine_tuning;
pub mod log;
mod measure;
mod prepare;
pub mod progress;
mod run;
mod schedule;
mod trainer;

pub use config::Config;
pub use criterion::{Criterion, PairCriterion};
pub use error::Error;
pub use measure::step_seconds;
pub use prepare::Prepared;
pub use run::{Ending, Reopened, Start, continue_from, fit, reopen, train, train_until};
pub use schedule::Schedule;
pub use trainer::Trainer;
