//! A run: from the first step, or from a checkpoint, to the last step.

mod folder;
pub(crate) mod settings;

use crate::checkpoint;
use crate::config::Config;
use crate::leak;
use crate::log::{Metrics, RunLog};
use crate::progress::{Observer, Silent};
use crate::record::Record;
use crate::trainer::Done;
use crate::validation::{Found, Validation, ValidationOutcome};
use crate::{Error, Prepared, Schedule, Trainer};
use std::path::{Path, PathBuf};
use std::time::Instant;
use widemargin_data::{Labelled, SampleSet};
use widemargin_durable::remove_stale_scratch;
use widemargin_embedder::{Description, MODEL_FILE, TrainedSamples};

pub use crate::trainer::RunIdentity;
pub use folder::{RunFolder, RunStart};
use settings::Settings;
pub use settings::{Change, EarlierModel, configuration, earlier_model, is_changed};

/// Evaluation samples whose embeddings are checked after the last step.
const CHECKED_SAMPLES: usize = 64;

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
        /// How the evaluations during training ended; `None` if there were none. The trainer is that of the best one, unless the configuration keeps
        /// the last model.
        validation: Option<ValidationOutcome>,
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
        /// As of a finished run.
        validation: Option<ValidationOutcome>,
    },
    /// It was stopped; a checkpoint was saved.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// Trains with the settings of `config` on the samples of `prepared`, in the run folder `folder`.
///
/// `stop` is asked before every step; if it is true, a checkpoint is saved and the run ends. A run that is stopped and resumed ends with the same
/// weights, to the bit, as an uninterrupted one.
///
/// # Errors
/// The errors of [`RunFolder::create`] and [`RunFolder::resume`]; for a resumed run [`Error::SettingsChanged`] and [`Error::DataChanged`] if
/// `config` or `prepared` differ from those it started with; [`Error::Diverged`] if the loss, a gradient, a weight or an embedding is not
/// finite; those of reading and writing.
pub fn train(
    config: &Config,
    prepared: &Prepared,
    folder: &Path,
    start: RunStart,
    observer: &mut dyn Observer,
    stop: &dyn Fn() -> bool,
) -> Result<Ending, Error> {
    let mut run = RunFolder::at(folder, start)?;
    train_until(config, prepared, &mut run, config.training.epochs, observer, stop)
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
    match train(&config, prepared, folder.as_ref(), RunStart::New, &mut Silent, &|| false)? {
        Ending::Finished { trainer, .. } | Ending::Paused { trainer, .. } => {
            trainer.write_model(prepared, folder.as_ref())?;
            Ok(trainer)
        }
        Ending::Stopped { .. } => unreachable!("it is never asked to stop"),
    }
}

/// [`train`] up to the end of the given epoch, on the schedule of the whole run: continued, it ends with the same bits. Returns
/// [`Ending::Paused`] until all epochs are done.
///
/// A run that was extended with [`RunFolder::change`] keeps the schedule of its planned epochs. The added epochs follow the schedule of a run
/// that was planned for the new number of epochs, from their first step on.
///
/// # Errors
/// The errors of [`train`].
pub fn train_until(
    config: &Config,
    prepared: &Prepared,
    run: &mut RunFolder,
    epochs: usize,
    observer: &mut dyn Observer,
    stop: &dyn Fn() -> bool,
) -> Result<Ending, Error> {
    let mut trainer = Trainer::new(config, prepared)?;
    let folder = run.path().to_owned();
    let (mut step, mut seconds, mut evaluations) = (0, 0.0, Found::default());
    let starts = run.starts();
    let (planned, origin, mut log) = if let Some(settings) = run.settings() {
        settings.require(config)?;
        let (record, samples) = Record::read(&folder)?;
        record.require_same(prepared)?;
        let origin = RunIdentity { settings: settings.checksum(), samples };
        let found = checkpoint::newest(&folder)?;
        for warning in &found.warnings {
            observer.message(&format!("warning: skipped a newer checkpoint: {warning}"));
        }
        let done = trainer
            .load(&found.parts, origin)
            .map_err(|reason| Error::BadFile { path: found.folder.clone(), reason })?;
        (step, seconds, evaluations) = (done.step, done.seconds, done.validation.unwrap_or_default());
        settings.write(&folder)?;
        observer.message(&format!("resuming at step {}", step + 1));
        let log = RunLog::resume(&folder, step)?;
        for warning in done.log.map(|expected| log.changes(expected)).into_iter().flatten() {
            observer.message(&format!("warning: {warning}"));
        }
        (settings.epochs().to_vec(), origin, log)
    } else {
        for message in trainer.load_weights(config, prepared)? {
            observer.message(&message);
        }
        if run.config().is_some() {
            observer.message("the run was stopped before its first checkpoint; starting again");
        }
        let (settings, samples) = run.begin(config, prepared)?;
        let origin = RunIdentity { settings: settings.checksum(), samples };
        (settings.epochs().to_vec(), origin, RunLog::resume(&folder, 0)?)
    };
    if let Some(warning) = run.warning() {
        observer.message(&format!("warning: {warning}"));
    }
    remove_stale_scratch(&folder)?;

    let steps_per_epoch = prepared.steps(config, (0, 0))?.per_epoch();
    let whole = steps_per_epoch * config.training.epochs as u64;
    let total = whole.min(steps_per_epoch * epochs as u64);
    let schedule = schedule(config, &planned, steps_per_epoch);
    if let [.., before, last] = planned.as_slice() {
        let rate = schedule.learning_rate(*before as u64 * steps_per_epoch);
        observer.message(&format!(
            "extended from {before} to {last} epochs; the added epochs follow the schedule of {last} epochs, from a learning rate of {rate:.4} on"
        ));
        if let Some(earlier) = run.earlier_epochs() {
            observer.message(&format!(
                "until they are done, {MODEL_FILE} and the reports are those of {earlier} epochs"
            ));
        }
    }
    let every = match config.training.checkpoint_every as u64 {
        0 => steps_per_epoch,
        every => every,
    };
    let mut validation = Validation::new(config, prepared, steps_per_epoch, &planned, evaluations);
    let save = |trainer: &Trainer, (log, validation): (&RunLog, &Validation<'_>), step: u64, seconds: f64| {
        log.sync()?;
        let found = (validation.found != Found::default()).then_some(validation.found);
        let done = Done { step, seconds, log: Some(log.sums()), validation: found };
        checkpoint::save(&folder, step, &trainer.parts(done, origin)?)?;
        checkpoint::prune(&folder, config.training.keep_checkpoints, validation.kept_step())
    };
    if starts {
        observer.initialised(&trainer)?;
        save(&trainer, (&log, &validation), 0, 0.0)?;
    }

    observer.begin(&config.objective.name, step, total);
    let mut reported: Vec<String> = Vec::new();
    let mut clock = Instant::now();
    let mut steps = prepared.steps(config, (step / steps_per_epoch, step % steps_per_epoch))?;
    while step < total
        && !validation.has_ended()
        && let Some(batches) = steps.next()
    {
        if stop() {
            observer.end();
            save(&trainer, (&log, &validation), step, seconds)?;
            return Ok(Ending::Stopped { step });
        }
        let batches = batches?;
        let epoch = batches.first().map_or(0, |batch| batch.epoch);
        let count: usize = batches.iter().map(|batch| batch.labels.len()).sum();
        let learning_rate = schedule.learning_rate(step);
        let name_of = |id: u32| prepared.set.sample_id(id as usize);
        let outcome = trainer.step(batches, step, learning_rate, schedule.margin_share(step), name_of);
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
        let is_due = validation.is_due(step);
        if is_due {
            let (found, said) = validation.evaluate(&trainer, step).inspect_err(|_| observer.end())?;
            if let Some(found) = &found {
                log.append_validation(found)?;
            }
            observer.message(&said);
            // The time of an evaluation is not that of a step.
            clock = Instant::now();
        }
        let is_last = step == total || validation.has_ended();
        if is_last {
            // Running statistics are used in evaluation only, so it can be the first to fail.
            let samples = prepared.evaluation_samples();
            let some = &samples[..samples.len().min(CHECKED_SAMPLES)];
            trainer.check_embeddings(prepared, some, step).inspect_err(|_| observer.end())?;
        }
        if step % every == 0 || is_last || is_due && validation.kept_step() == Some(step) {
            save(&trainer, (&log, &validation), step, seconds).inspect_err(|_| observer.end())?;
        }
    }
    observer.end();
    let kept = validation.kept_step().unwrap_or(step);
    if kept != step {
        let found = checkpoint::at(&folder, kept)?;
        trainer
            .load(&found.parts, origin)
            .map_err(|reason| Error::BadFile { path: found.folder.clone(), reason })?;
    }
    let outcome = validation.outcome(kept);
    if let Some(text) = outcome.as_ref().and_then(|outcome| outcome.in_words(step / steps_per_epoch)) {
        observer.message(&text);
    }
    let samples = (step * config.step_size() as u64) as f64;
    let samples_per_second = samples / seconds.max(1e-9);
    let (is_paused, validation) = (step < whole && !validation.has_ended(), outcome);
    if is_paused {
        return Ok(Ending::Paused { trainer, step, seconds, samples_per_second, validation });
    }
    Ok(Ending::Finished { trainer, step, seconds, samples_per_second, validation })
}

/// The schedule of a run that was planned for the first of `epochs` and extended to the others.
fn schedule(config: &Config, epochs: &[usize], steps_per_epoch: u64) -> Schedule {
    let planned = epochs.first().copied().unwrap_or(config.training.epochs);
    let rate = config.optimiser.learning_rate;
    let schedule = Schedule::new(&config.schedule, rate, steps_per_epoch as usize, planned);
    epochs.iter().skip(1).fold(schedule, |schedule, epochs| schedule.extended_to(*epochs))
}

/// A finished or stopped run, restored for inspection: from its newest checkpoint, or from that of its best epoch if the run keeps it.
#[derive(Debug)]
pub struct Reopened {
    folder: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// Its classes, split and normalisation.
    pub record: Record,
    /// Backbone and head.
    pub trainer: Trainer,
    /// Steps of the checkpoint.
    pub step: u64,
    /// Newer checkpoints that were skipped, and why.
    pub warnings: Vec<String>,
}

impl Reopened {
    /// Opens the data of the run, with the same split and normalisation.
    ///
    /// # Errors
    /// [`Error::DataChanged`] if the data is not that of the run, by name; those of reading the data.
    pub fn prepared(&self) -> Result<Prepared, Error> {
        folder::prepared(&self.folder, &self.config, false)
    }

    /// Which samples of other data the run was trained on, by their content; `None` if its model file does not list its training samples.
    ///
    /// # Errors
    /// If the model file cannot be read.
    pub fn trained_on(&self, set: &SampleSet) -> Result<Option<Vec<bool>>, Error> {
        let model = self.folder.join(MODEL_FILE);
        let trained = if model.exists() { Description::read(&model)?.trained_samples } else { None };
        let is_trained = |trained: &TrainedSamples, sample| trained.contains(leak::digest(set, sample));
        Ok(trained.map(|trained| (0..set.len() as u32).map(|sample| is_trained(&trained, sample)).collect()))
    }
}

/// What the run in `folder` is: the checksums of the settings with which it started and of its data. Files that belong to the run have it.
///
/// # Errors
/// As [`reopen`], without those about checkpoints.
pub fn identity(folder: &Path) -> Result<RunIdentity, Error> {
    let settings = Settings::read(folder)?.checksum();
    Ok(RunIdentity { settings, samples: Record::checksum(folder)? })
}

/// Opens the run in `folder` for inspection, without its data.
///
/// # Errors
/// [`Error::BadFile`] if it is not a run folder, or for a checkpoint that does not fit; [`Error::SettingsChanged`] if its `config.toml` was
/// edited; [`Error::NoCheckpoint`].
pub fn reopen(folder: &Path) -> Result<Reopened, Error> {
    configuration(folder)?;
    let settings = Settings::read(folder)?;
    let (record, samples) = Record::read(folder)?;
    let config = settings.config().clone();
    let origin = RunIdentity { settings: settings.checksum(), samples };
    let (trainer, step, warnings) = Trainer::reopened(&config, &record, folder, origin)?;
    Ok(Reopened { folder: folder.to_owned(), config, record, trainer, step, warnings })
}

#[cfg(test)]
mod tests;
