//! The folder of a run, which one process at a time trains in.

use super::settings::{CONFIGURATION, Change, Settings, configuration};
use crate::config::Config;
use crate::log::has_steps;
use crate::prepare::SPLIT_FILE;
use crate::{Error, Prepared, checkpoint};
use std::path::{Path, PathBuf};
use widemargin_durable::{Error as DurableError, Lock, create_folders};
use widemargin_embedder::{Fingerprint, MODEL_FILE};

/// The file of a run folder that is locked while a process trains in it.
const LOCK_FILE: &str = ".lock";

/// Where a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStart {
    /// At the first step, in a new run folder.
    New,
    /// At the newest checkpoint of the run folder; at the first step if the run was stopped before its first checkpoint.
    Resume,
}

/// The folder of a run, locked for this process from the moment it exists.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// `None` for a run without a checkpoint, which starts at the first step.
    settings: Option<Settings>,
    /// The configuration of a run that is resumed.
    config: Option<Config>,
    lock: Option<Lock>,
}

impl RunFolder {
    /// A new run in `path`. Nothing is created until the run starts.
    ///
    /// # Errors
    /// [`Error::RunFolderExists`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            return Err(Error::RunFolderExists(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), settings: None, config: None, lock: None })
    }

    /// Locks the folder of an existing run and reads its settings.
    ///
    /// # Errors
    /// [`Error::RunInUse`] if another process trains in it; [`Error::BadFile`] if it is not a run folder; [`Error::SettingsChanged`] if its
    /// `config.toml` was edited; [`Error::NoCheckpoint`] if its checkpoints were removed.
    pub fn resume(path: &Path) -> Result<Self, Error> {
        let config = configuration(path)?;
        let lock = locked(path)?;
        let mut run = Self { path: path.to_owned(), settings: None, config: Some(config), lock: Some(lock) };
        if checkpoint::exists(path)? {
            let settings = Settings::read(path)?;
            run.config = Some(settings.config().clone());
            run.settings = Some(settings);
        } else if has_steps(path) {
            let reason =
                "there is none, but there is a log of steps; restore the checkpoints or start a new run";
            return Err(Error::NoCheckpoint { folder: path.to_owned(), reason: reason.to_owned() });
        }
        Ok(run)
    }

    /// As [`create`](Self::create) or [`resume`](Self::resume).
    ///
    /// # Errors
    /// The errors of both.
    pub fn at(path: &Path, start: RunStart) -> Result<Self, Error> {
        match start {
            RunStart::New => Self::create(path),
            RunStart::Resume => Self::resume(path),
        }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration of a run that is resumed; `None` for a new run.
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// Whether the run starts at the first step: it is new, or was stopped before its first checkpoint.
    pub fn starts(&self) -> bool {
        self.settings.is_none()
    }

    /// A warning for the user if the file system has no locks.
    pub fn warning(&self) -> Option<String> {
        self.lock.as_ref().and_then(Lock::warning)
    }

    /// Changes the settings of a run that is resumed. The run folder has them once the run continues.
    ///
    /// # Errors
    /// [`Error::BadValue`] for fewer epochs than before, and those of [`Config::check`].
    pub fn change(&mut self, change: &Change) -> Result<(), Error> {
        if let Some(settings) = &mut self.settings {
            let model = self.path.join(MODEL_FILE);
            let extends = change.epochs.is_some() && model.exists();
            let model = if extends { Some(Fingerprint::read(&model)?) } else { None };
            settings.change(change, model)?;
            self.config = Some(settings.config().clone());
        } else if let Some(config) = &self.config {
            // Nothing is trained yet, so that the run simply starts with the changed settings.
            let mut settings = Settings::new(config);
            settings.change(change, None)?;
            self.config = Some(settings.config().clone());
        }
        Ok(())
    }

    /// Epochs of the model in the folder, if the run was extended and the model is still that of fewer epochs.
    pub fn earlier_epochs(&self) -> Option<usize> {
        self.settings.as_ref().and_then(Settings::earlier_epochs)
    }

    /// Notes that the model of all epochs is written.
    ///
    /// # Errors
    /// [`Error::Durable`] if it cannot be written.
    pub fn model_is_complete(&mut self) -> Result<(), Error> {
        let Some(settings) = &mut self.settings else { return Ok(()) };
        settings.model_is_complete();
        settings.write(&self.path)
    }

    /// The data of a run that is resumed, with the split in its `split.csv` and its normalisation.
    ///
    /// # Errors
    /// [`Error::DataChanged`] if the data is not that of the run, by name; those of reading the data.
    pub fn prepared(&self) -> Result<Prepared, Error> {
        let config = self.config.as_ref().ok_or_else(|| Error::NoCheckpoint {
            folder: self.path.clone(),
            reason: "the run is new".to_owned(),
        })?;
        prepared(&self.path, config, self.starts())
    }

    /// The settings of a run that continues.
    pub(super) fn settings(&mut self) -> Option<&mut Settings> {
        self.settings.as_mut()
    }

    /// Creates and locks the folder and writes what describes the run, for a run that starts at its first step. Returns its settings and the
    /// checksum of its data.
    pub(super) fn begin(&mut self, config: &Config, prepared: &Prepared) -> Result<(&Settings, u32), Error> {
        if self.lock.is_none() {
            create_folders(&self.path)?;
            self.lock = Some(locked(&self.path)?);
            if self.path.join(CONFIGURATION).exists() {
                return Err(Error::RunFolderExists(self.path.clone()));
            }
        }
        let mut settings = Settings::new(config);
        settings.write(&self.path)?;
        let samples = prepared.write_record(&self.path)?;
        self.config = Some(config.clone());
        Ok((self.settings.insert(settings), samples))
    }
}

/// The data of the run in `folder`; `starts` if nothing is recorded yet.
pub(super) fn prepared(folder: &Path, config: &Config, starts: bool) -> Result<Prepared, Error> {
    if starts {
        let (mut config, split) = (config.clone(), folder.join(SPLIT_FILE));
        if config.data.split.is_some() && split.exists() {
            // The run's copy: the original file may have changed since.
            config.data.split = Some(split);
        }
        return Prepared::new(&config);
    }
    Prepared::of_record(config, folder)
}

fn locked(path: &Path) -> Result<Lock, Error> {
    Lock::take(path.join(LOCK_FILE)).map_err(|error| match error {
        DurableError::Locked { .. } => Error::RunInUse(path.to_owned()),
        other => other.into(),
    })
}
