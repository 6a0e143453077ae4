#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod checkpoint;
mod compared;
pub mod config;
mod division;
mod earlier_run;
mod error;
mod events;
mod fine_tuning;
mod leak;
pub mod log;
mod measure;
mod prepare;
pub mod progress;
mod recipe;
mod record;
mod recorded;
mod run;
mod schedule;
#[cfg(test)]
mod testing;
mod trainer;
mod validation;
mod warm_start;

pub use compared::compared;
pub use config::Config;
pub use error::Error;
pub use measure::{StepTimes, step_seconds};
pub use prepare::Prepared;
pub use recipe::{Choice, Recipe};
pub use record::Record;
pub use run::{
    Change, EarlierModel, Ending, Reopened, RunFolder, RunIdentity, RunStart, configuration, earlier_model,
    fit, identity, is_changed, reopen, train, train_until,
};
pub use schedule::Schedule;
pub use trainer::Trainer;
pub use validation::{Validated, ValidationOutcome};
