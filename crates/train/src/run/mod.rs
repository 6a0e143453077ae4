//! A run: from the first step, or from a checkpoint, to the last step.

use crate::checkpoint;
use crate::config::Config;
use crate::log::{Metrics, RunLog};
use crate::progress::{Observer, Silent};
use crate::{Error, Prepared, Schedule, Trainer};
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;
use widemargin_durable::{create_folders, write_atomic};
use widemargin_embedder::MODEL_FILE;

/// The file of a run folder that holds its resolved configuration.
const CONFIGURATION: &str = "config.toml";

/// The file of a run folder with the use of each sample.
pub(crate) const SPLIT_FILE: &str = "split.csv";

/// Evaluation samples whose embeddings are checked after the last step.
const CHECKED_SAMPLES: usize = 64;

/// Where a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStart {
    /// At the first step, in a new run folder.
    New,
    /// At the newest checkpoint of the run folder.
    Resume,
}

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// All steps are done. The model is not written yet: evaluate it first, then call [`Trainer::write_model`].
    Finished {
        /// The trained model.
        trainer: Trainer,
        /// Steps done.
        step: u64,
        /// Seconds spent in steps, including those before a resume.
        seconds: f64,
        /// Training samples per second, over the same time.
        samples_per_second: f64,
    },
    /// It reached the requested epoch; a checkpoint was saved.
    Paused {
        /// The model so far.
        trainer: Trainer,
        /// Steps done.
        step: u64,
        /// Seconds spent in steps so far, including those before a resume.
        seconds: f64,
        /// Training samples per second, over the same time.
        samples_per_second: f64,
    },
    /// It was stopped; a checkpoint was saved.
    Stopped {
        /// Steps done.
        step: u64,
        /// The signal that was received.
        signal: i32,
    },
}

/// The configuration of the run in `folder`, as it was when the run started.
///
/// # Errors
/// [`Error::BadFile`] if it cannot be read, and those of [`Config::from_toml`].
pub fn continue_from(folder: &Path) -> Result<Config, Error> {
    let path = folder.join(CONFIGURATION);
    let text = widemargin_durable::read_text(&path).map_err(|error| Error::BadFile {
        path: path.clone(),
        reason: format!("cannot be read: {error}; is this a run folder?"),
    })?;
    let mut config = Config::from_toml(&path, &text)?;
    if config.data.split.is_some() {
        // the run's copy: the original file may have changed since
        config.data.split = Some(folder.join(SPLIT_FILE));
    }
    Ok(config)
}

/// Trains with the settings of `config` on the samples of `prepared`, in the run folder `folder`.
///
/// Set `stop` to a signal's number to end the run: the step in progress is finished and a checkpoint saved. A run that is stopped
/// and resumed ends with the same weights, to the bit, as an uninterrupted one.
///
/// # Errors
/// [`Error::RunFolderExists`] for a new run in an existing folder; [`Error::NoCheckpoint`] for a resumed run without a checkpoint;
/// [`Error::Diverged`] if the loss, a gradient, a weight or an embedding is not finite; those of reading and writing.
pub fn train(
    config: &Config,
    prepared: &Prepared,
    folder: &Path,
    start: RunStart,
    observer: &mut dyn Observer,
    stop: &AtomicI32,
) -> Result<Ending, Error> {
    train_until(config, prepared, folder, (start, config.training.epochs), observer, stop)
}

/// Trains a new run to its end, writes its model and returns the trainer: [`train`] without progress output and without a way to stop it.
///
/// Checks `config` first, and replaces a scale or margin of `"auto"` by the recommended value.
///
/// # Errors
/// The errors of [`Config::check`] and [`train`].
pub fn fit(config: &Config, prepared: &Prepared, folder: impl AsRef<Path>) -> Result<Trainer, Error> {
    config.check()?;
    let mut config = config.clone();
    config.objective.resolve(prepared.split.known().len(), config.model.embedding)?;
    let never = AtomicI32::new(0);
    match train(&config, prepared, folder.as_ref(), RunStart::New, &mut Silent, &never)? {
        Ending::Finished { trainer, .. } | Ending::Paused { trainer, .. } => {
            trainer.write_model(prepared, &folder.as_ref().join(MODEL_FILE))?;
            Ok(trainer)
        }
        Ending::Stopped { .. } => unreachable!("nothing stores a signal in `never`"),
    }
}

/// [`train`] up to the end of the given epoch, on the schedule of the whole run: resumed with [`RunStart::Resume`] it ends with the same
/// bits. Returns [`Ending::Paused`] until all epochs are done.
///
/// # Errors
/// The errors of [`train`].
pub fn train_until(
    config: &Config,
    prepared: &Prepared,
    folder: &Path,
    (start, epochs): (RunStart, usize),
    observer: &mut dyn Observer,
    stop: &AtomicI32,
) -> Result<Ending, Error> {
    let mut trainer = Trainer::new(config, prepared)?;
    let (mut step, mut seconds) = (0, 0.0);
    let mut log = match start {
        RunStart::New => {
            if folder.exists() {
                return Err(Error::RunFolderExists(folder.to_owned()));
            }
            for message in trainer.load_weights(config)? {
                observer.message(&message);
            }
            create_folders(folder)?;
            write_atomic(folder.join(CONFIGURATION), config.to_toml().as_bytes())?;
            prepared.split_file().write(folder.join(SPLIT_FILE))?;
            RunLog::create(folder)?
        }
        RunStart::Resume => {
            let found = checkpoint::newest(folder)?;
            for warning in &found.warnings {
                observer.message(&format!("warning: skipped a newer checkpoint: {warning}"));
            }
            (step, seconds) = trainer
                .load(&found.parts)
                .map_err(|reason| Error::BadFile { path: found.folder.clone(), reason })?;
            observer.message(&format!("resuming at step {}", step + 1));
            RunLog::resume(folder, step)?
        }
    };

    let steps_per_epoch = prepared.loader(config, (0, 0))?.steps_per_epoch();
    let whole = steps_per_epoch * config.training.epochs as u64;
    let total = whole.min(steps_per_epoch * epochs as u64);
    let rate = config.optimiser.learning_rate;
    let schedule = Schedule::new(&config.schedule, rate, steps_per_epoch as usize, config.training.epochs);
    let every = match config.training.checkpoint_every as u64 {
        0 => steps_per_epoch,
        every => every,
    };
    let save = |trainer: &Trainer, log: &RunLog, step: u64, seconds: f64| {
        log.sync()?;
        checkpoint::save(folder, step, &trainer.parts(step, seconds)?)?;
        checkpoint::prune(folder, config.training.keep_checkpoints)
    };
    if start == RunStart::New {
        observer.initialised(&trainer)?;
        save(&trainer, &log, 0, 0.0)?;
    }

    observer.begin(&config.objective.name, step, total);
    let mut reported: Vec<String> = Vec::new();
    let mut clock = Instant::now();
    let mut batches = prepared.loader(config, (step / steps_per_epoch, step % steps_per_epoch))?;
    while step < total
        && let Some(batch) = batches.next()
    {
        let signal = stop.load(Ordering::Relaxed);
        if signal != 0 {
            observer.end();
            save(&trainer, &log, step, seconds)?;
            return Ok(Ending::Stopped { step, signal });
        }
        let batch = batch?;
        let (epoch, count) = (batch.epoch, batch.labels.len());
        let learning_rate = schedule.learning_rate(step);
        let name_of = |id: u32| prepared.set.sample_id(id as usize);
        let outcome = trainer.step(batch, step, learning_rate, schedule.margin_share(step), name_of);
        let outcome = outcome.inspect_err(|_| observer.end())?;
        step += 1;
        let elapsed = clock.elapsed().as_secs_f64();
        clock = Instant::now();
        seconds += elapsed;
        if let Some(warning) = outcome.warning.filter(|warning| !reported.contains(warning)) {
            observer.message(&format!("warning: step {step}: {warning}"));
            reported.push(warning);
        }
        let d = outcome.diagnostics;
        let metrics = Metrics {
            step,
            epoch: epoch + 1,
            loss: outcome.loss,
            learning_rate,
            margin: outcome.margin,
            accuracy: d.accuracy,
            target_cosine: d.mean_target_cosine,
            push: d.mean_push,
            effective_competitors: d.effective_competitors,
            margin_met: d.margin_met,
            gradient_norm: outcome.gradient_norm,
            samples_per_second: count as f64 / elapsed.max(1e-9),
        };
        log.append(&metrics)?;
        observer.step(&metrics);
        if step == total {
            // Running statistics are used in evaluation only, so it can be the first to fail.
            let samples = prepared.evaluation_samples();
            let some = &samples[..samples.len().min(CHECKED_SAMPLES)];
            trainer.check_embeddings(prepared, some, step).inspect_err(|_| observer.end())?;
        }
        if step % every == 0 || step == total {
            save(&trainer, &log, step, seconds).inspect_err(|_| observer.end())?;
        }
    }
    observer.end();
    let samples = (step * config.sampler.batch_size() as u64) as f64;
    let samples_per_second = samples / seconds.max(1e-9);
    if step < whole {
        return Ok(Ending::Paused { trainer, step, seconds, samples_per_second });
    }
    Ok(Ending::Finished { trainer, step, seconds, samples_per_second })
}

/// A finished or stopped run, restored from its newest checkpoint.
#[derive(Debug)]
pub struct Reopened {
    /// Its configuration.
    pub config: Config,
    /// Its data, with the same split and normalisation.
    pub prepared: Prepared,
    /// Backbone and head.
    pub trainer: Trainer,
    /// Steps done.
    pub step: u64,
    /// Newer checkpoints that were skipped, and why.
    pub warnings: Vec<String>,
}

/// Opens the run in `folder` for inspection.
///
/// # Errors
/// The errors of [`continue_from`] and [`Prepared::new`]; [`Error::NoCheckpoint`]; [`Error::BadFile`] for a checkpoint that does not fit.
pub fn reopen(folder: &Path) -> Result<Reopened, Error> {
    let config = continue_from(folder)?;
    let prepared = Prepared::new(&config)?;
    let mut trainer = Trainer::new(&config, &prepared)?;
    let found = checkpoint::newest(folder)?;
    let bad = |reason| Error::BadFile { path: found.folder.clone(), reason };
    let (step, _) = trainer.load(&found.parts).map_err(bad)?;
    Ok(Reopened { config, prepared, trainer, step, warnings: found.warnings })
}

#[cfg(test)]
mod tests;
