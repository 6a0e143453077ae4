#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chain;
mod descent;
mod error;
mod features;
mod formula;
pub mod page;
mod plain;
mod script;
mod texts;

pub use error::Error;
pub use features::{FeatureClass, FeatureRun, TrainedFeatures};
pub use texts::Language;
