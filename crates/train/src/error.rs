//! What can go wrong with a run.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration file that cannot be read as one, or has a value out of its range.
    #[error("{}, line {line}: {message}", path.display())]
    BadConfiguration {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong: an unknown key with the nearest known one, or `section.key` with what was found and expected.
        message: String,
    },
    /// A value out of its range, in a configuration that was not read from a file.
    #[error("{key}: {message}")]
    BadValue {
        /// `section.key`.
        key: String,
        /// What was found and what is expected.
        message: String,
    },
    /// The data.
    #[error(transparent)]
    Data(#[from] widemargin_data::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] widemargin_model::Error),
    /// The head.
    #[error(transparent)]
    Head(#[from] widemargin_head::Error),
    /// An objective on pairs.
    #[error(transparent)]
    Objective(#[from] widemargin_objective::Error),
    /// A file could not be written or read.
    #[error(transparent)]
    Durable(#[from] widemargin_durable::Error),
    /// The model's own file.
    #[error(transparent)]
    Embedder(#[from] widemargin_embedder::Error),
    /// NaN or infinity; nothing was updated.
    #[error("step {step}: {what} is not finite; nothing was updated, the last checkpoint stays. Batch {batch} of the epoch, samples: {}", samples.join(", "))]
    NonFinite {
        /// The loss, or the gradient of a named parameter.
        what: String,
        /// Step, from 1.
        step: u64,
        /// Batch within the epoch, from 1.
        batch: usize,
        /// The batch's images.
        samples: Vec<String>,
    },
    /// There is nothing to train on, or to judge by.
    #[error("{0}")]
    TooFew(String),
    /// The run folder is there already.
    #[error("the run folder {} already exists; resume the run with --resume, or choose another folder with --out", .0.display())]
    RunFolderExists(PathBuf),
    /// No checkpoint can be loaded.
    #[error("{}: no checkpoint can be loaded: {reason}", folder.display())]
    NoCheckpoint {
        /// The folder that was searched.
        folder: PathBuf,
        /// Why each was refused, or that there is none.
        reason: String,
    },
    /// A file of a checkpoint or run that reads as damaged or does not fit.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        reason: String,
    },
}
