//! Everything that can go wrong in this crate.

use crate::config::Difference;
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
    /// The run diverged: the loss, a gradient, a weight or an embedding is not finite or too large. No checkpoint and no model of
    /// this state is written.
    #[error(
        "{}. Try a lower learning rate (optimiser.learning_rate), a longer warm-up (schedule.warm_up_epochs), or a limit on the \
         gradient (optimiser.clip_norm = 5). The last good checkpoint is kept and no model was written{}",
        diverged(*step, what),
        samples_of_batch(samples)
    )]
    Diverged {
        /// What is wrong with which value, such as `the gradient of embedding.weight is not finite`.
        what: String,
        /// The step that failed or had just been done, from 1; 0 for the initial weights.
        step: u64,
        /// The samples of the step's batch; empty if the state was checked between steps.
        samples: Vec<String>,
    },
    /// Too few samples for training or evaluation.
    #[error("{0}")]
    TooFew(String),
    /// The run folder already exists.
    #[error("the run folder {} already exists; resume it with --resume, or choose another with --out", .0.display())]
    RunFolderExists(PathBuf),
    /// Another process trains in the run folder.
    #[error("{}: another process is training this run; wait for it to end", .0.display())]
    RunInUse(PathBuf),
    /// Settings that differ from those of the run that resumes.
    #[error(
        "{place}: {}; a run keeps its settings: start a new run, or use --resume with --epochs (more epochs) or --data (data that moved)",
        listed(differences)
    )]
    SettingsChanged {
        /// What was compared with the settings of the run.
        place: String,
        /// The settings that differ.
        differences: Vec<Difference>,
    },
    /// Data that differs from that of the run.
    #[error(
        "{data}: the data has changed since the run started: {changes}; restore the data or start a new run"
    )]
    DataChanged {
        /// Name of the data.
        data: String,
        /// What changed, by name.
        changes: String,
    },
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

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Most samples that an error lists.
const LISTED: usize = 20;

fn diverged(step: u64, what: &str) -> String {
    format!("the run diverged at step {step}: {what}")
}

fn samples_of_batch(samples: &[String]) -> String {
    if samples.is_empty() {
        return String::new();
    }
    format!(". Samples of the batch: {}", widemargin_data::first_names(samples, LISTED))
}

impl Error {
    /// For a run that diverged, when and how, in one sentence without the samples and without advice.
    pub fn divergence(&self) -> Option<String> {
        match self {
            Self::Diverged { what, step, .. } => Some(diverged(*step, what)),
            _ => None,
        }
    }
}
