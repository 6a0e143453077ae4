#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod description;
mod error;
mod file;
mod model;
#[cfg(test)]
mod tests;
mod trained_samples;

pub use description::{Description, Takes};
pub use error::{Error, Result};
pub use file::{MODEL_FILE, UNAVERAGED_FILE};
pub use model::{Fingerprint, Model};
pub use trained_samples::TrainedSamples;
pub use widemargin_tables::TrainingClasses;
