//! What most programs need, in one line: `use widemargin::prelude::*;`.
//!
//! It has data sets, objectives and evaluation, and with the feature `train` the configuration, training and trained models. Functions and types
//! whose names say little without their module, such as `retrieval::evaluate`, come as modules.

pub use widemargin_data::{ImageSet, Labelled, OpenOptions, SampleSet, VectorOptions, VectorSet};
pub use widemargin_eval::{Embeddings, retrieval, verification};
pub use widemargin_objective::{
    AnyObjective, ClassObjective, Link, Margin, MatRef, Objective, Parameters, Pool, Score, parameters,
};
pub use widemargin_tables::read_embeddings;

#[cfg(feature = "train")]
pub use crate::evaluation::{Evaluation, evaluate, evaluate_untrained};
#[cfg(feature = "train")]
pub use widemargin_embedder::Model;
#[cfg(feature = "train")]
pub use widemargin_model::BackboneName;
#[cfg(feature = "train")]
pub use widemargin_train::config::Amount;
#[cfg(feature = "train")]
pub use widemargin_train::{Config, Ending, Prepared, RunFolder, RunStart, fit, train};
