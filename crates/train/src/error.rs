//! Everything that can go wrong in this crate.

use std::path::PathBuf;

/// Why a run could not be configured, trained, saved or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration file that is not valid TOML, or has an unknown key or a value outside its range.
    #[error("{}, line {line}: {message}", path.display())]
    BadConfiguration {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong: an unknown key and the nearest known one, or `section.key` with what was found and expected.
        message: String,
    },
    /// A value outside its range, in a configuration that was not read from a file.
    #[error("{key}: {message}")]
    BadValue {
        /// `section.key`.
        key: String,
        /// What was found and what is expected.
        message: String,
    },
    /// The data could not be read or split.
    #[error(transparent)]
    Data(#[from] widemargin_data::Error),
    /// The backbone could not be built, or weights do not fit it.
    #[error(transparent)]
    Model(#[from] widemargin_model::Error),
    /// The head rejected its settings or a batch.
    #[error(transparent)]
    Head(#[from] widemargin_head::Error),
    /// A file could not be written or read.
    #[error(transparent)]
    Durable(#[from] widemargin_durable::Error),
    /// The model file could not be written or read.
    #[error(transparent)]
    Embedder(#[from] widemargin_embedder::Error),
    /// `NaN` or infinity in the loss or a gradient; nothing was updated.
    #[error("step {step}: {what} is not finite; nothing was updated and the last checkpoint is intact. Batch {batch} of the epoch, samples: {}", samples.join(", "))]
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
    /// Too few samples for training or evaluation.
    #[error("{0}")]
    TooFew(String),
    /// The run folder already exists.
    #[error("the run folder {} already exists; resume it with --resume, or choose another with --out", .0.display())]
    RunFolderExists(PathBuf),
    /// No checkpoint can be loaded.
    #[error("{}: no checkpoint can be loaded: {reason}", folder.display())]
    NoCheckpoint {
        /// The folder that was searched.
        folder: PathBuf,
        /// Why each checkpoint was rejected, or that there is none.
        reason: String,
    },
    /// A file of a checkpoint or run that is damaged or does not fit.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        reason: String,
    },
}
