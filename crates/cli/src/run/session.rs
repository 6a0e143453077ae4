//! What a command that trains needs throughout: the progress bar, the signals, and the steps from a configuration to an evaluated run.

use super::accuracy::AccuracyBy;
use super::closing::NAMED_CLASSES;
use super::evaluated::{EvaluatedRun, RunReport};
use super::page::{PAGE_FILE, REPORT_FILE};
use super::untrained::{Untrained, Watched};
use crate::calibration::{CALIBRATION_FILE, SavedCalibration, model_file};
use crate::embed::require_as_embedded;
use crate::interrupt::{self, EndsAtOnce};
use crate::loaded::unfinished;
use crate::progress;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;
use widemargin_data::{FolderOptions, Glance, ImageSet, Labelled, Preprocessing, first_names};
use widemargin_embedder::{Fingerprint, MODEL_FILE, Model};
use widemargin_kernels::mixed;
use widemargin_model::BackboneName;
use widemargin_model::device::{self, is_cpu};
use widemargin_report::table::{Column, Table};
use widemargin_tables::columns_in_words;
use widemargin_train::config::PrecisionName;
use widemargin_train::progress::Observer;
use widemargin_train::{Choice, Config, Ending, Error, Prepared, Recipe, RunFolder, train_until};

/// Progress and signals of a command that trains.
pub(crate) struct Session {
    observer: progress::Bar,
    /// The number of a received signal, or 0.
    stop: Arc<AtomicI32>,
    /// Whether steps are being trained, so that a signal makes the run save.
    trains: Arc<AtomicBool>,
    /// Messages about chosen values that were printed already: most runs of a sweep share them.
    printed: Vec<String>,
}

/// How a run ended.
pub(crate) enum Ended {
    /// It reached its epochs and was evaluated.
    Evaluated(Box<EvaluatedRun>),
    /// A signal stopped it after a step; a checkpoint was saved.
    Stopped { step: u64, signal: i32 },
}

/// Chooses the settings that must be known before the data is opened: those of a set with a name, or size and channels of own images, after a look
/// at some of them.
pub(crate) fn choose_before_opening(config: &mut Config, recipe: &mut Recipe) -> anyhow::Result<()> {
    recipe.of_set(config);
    recipe.of_weights(config)?;
    let d = &config.data;
    let Some(path) = &d.path else { return Ok(()) };
    let folders = FolderOptions { class_folder: d.class_folder, parts: d.parts };
    let usual = Preprocessing::default();
    let preprocessing = Preprocessing {
        background: d.background.unwrap_or(usual.background),
        depth: d.depth.unwrap_or(usual.depth),
        ..usual
    };
    if let Some(glance) = Glance::at(path, folders, &preprocessing)? {
        recipe.of_images(config, &glance);
    }
    Ok(())
}

impl Session {
    /// Listens for signals from here on.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let trains = Arc::new(AtomicBool::new(false));
        let stop = interrupt::listen_while(Arc::clone(&trains))?;
        Ok(Self { observer: progress::Bar::default(), stop, trains, printed: Vec::new() })
    }

    /// Prints a message without disturbing the progress bar.
    pub(crate) fn message(&mut self, text: &str) {
        self.observer.message(text);
    }

    /// Adds how the configured weights read images and their normalisation, and checks the configuration.
    pub(crate) fn complete(&mut self, config: Config) -> anyhow::Result<Config> {
        let config = self.normalised(config)?;
        config.check()?;
        Ok(config)
    }

    /// Adds how the configured weights read images and their normalisation.
    pub(crate) fn normalised(&mut self, mut config: Config) -> anyhow::Result<Config> {
        for message in config.resolve_weights()? {
            self.message(&message);
        }
        if let Some(weights) = &config.model.weights
            && let Ok(fingerprint) = Fingerprint::read(Model::file(weights))
            && let Some(warning) = unfinished(weights, fingerprint)
        {
            self.message(&format!("warning: {warning}"));
        }
        Ok(config)
    }

    /// Chooses settings for own data with the recipe, and opens and splits the data.
    pub(crate) fn prepare_by(
        &mut self,
        config: &mut Config,
        recipe: &mut Recipe,
    ) -> anyhow::Result<Prepared> {
        choose_before_opening(config, recipe)?;
        let before = config.clone();
        let prepared = self.prepare_with(&before, || {
            let split = Prepared::split(&before)?;
            recipe.shape_of_set(config, &split)?;
            recipe.of_samples(config, &split)?;
            split.accepting(config)
        })?;
        config.check()?;
        Ok(prepared)
    }

    /// Prints what the recipe chose, once scale and margin are numbers, and how long the training will take.
    pub(crate) fn finish_recipe(
        &mut self,
        config: &mut Config,
        recipe: &mut Recipe,
        prepared: &Prepared,
        time: Option<Duration>,
    ) -> anyhow::Result<()> {
        let expected = match time {
            None if !recipe.is_worth_timing(config, prepared) => None,
            time => Some(recipe.of_time(config, prepared, time)?),
        };
        recipe.resolved(config, prepared);
        if !recipe.choices().is_empty() {
            let mut table = Table::new(["setting", "value", "chosen because of"].map(Column::left));
            for Choice { setting, value, reason } in recipe.choices() {
                table.row([*setting, value, reason]);
            }
            table.render().lines().for_each(|line| self.message(line));
        }
        if let Some(expected) = expected {
            self.message(&format!(
                "a run takes about {} of training on this machine",
                progress::in_words(expected)
            ));
        }
        Ok(())
    }

    /// Opens and splits the data with `open`. Prints warnings about the configuration, what the data contains, and the images left out.
    pub(crate) fn prepare_with(
        &mut self,
        config: &Config,
        open: impl FnOnce() -> Result<Prepared, Error>,
    ) -> anyhow::Result<Prepared> {
        // Reading the data can take long.
        config.check_device()?;
        if let Some(data) = &config.data.path {
            require_as_embedded(data)?;
        }
        for warning in config.warnings() {
            self.message(&format!("warning: {warning}"));
        }
        let t = &config.training;
        if t.precision == PrecisionName::Mixed && is_cpu(&t.device) && !mixed::is_fast() {
            self.message(
                "warning: training.precision: this processor has no instructions for bfloat16, so `mixed` is slower than `full`",
            );
        }
        if !is_cpu(&t.device) {
            self.message(&format!("device {}", device::description(&t.device)?));
        }
        if device::is_software_adapter(&t.device)? {
            self.message(
                "warning: training.device: this adapter computes on the processor, where `cpu` is faster",
            );
        }
        let prepared = open()?;
        let set = &prepared.set;
        let (kind, shape) = (set.kind(), set.shape());
        self.message(&format!(
            "{}: {} {kind} of {}; training on {} of {} known classes, evaluating on {}",
            set.name(),
            set.len(),
            if set.images().is_some() { shape.to_string() } else { format!("dimension {}", shape.values()) },
            prepared.training.samples.len(),
            prepared.split.known().len(),
            if prepared.split.is_closed() {
                format!("{} test {kind} of the same classes", prepared.known.samples.len())
            } else {
                let names = prepared.split.unseen().iter().map(|class| &set.class_names()[*class as usize]);
                let unseen = first_names(names, NAMED_CLASSES);
                format!("{} {kind} of unseen classes: {unseen}", prepared.unseen.len())
            }
        ));
        if config.training.evaluate_every > 0 {
            self.message(&validated_on(config, &prepared));
        }
        if let Some(columns) = set.columns() {
            self.message(&format!("vectors: the columns {}", columns_in_words(columns)));
        }
        if let Some(endings) = set.images().map(ImageSet::endings).filter(|endings| endings.len() > 1) {
            let count = |(ending, count): (&String, &usize)| {
                format!("{count} {}", if ending.is_empty() { "without an ending" } else { ending })
            };
            self.message(&format!("files: {}", endings.iter().map(count).collect::<Vec<_>>().join(", ")));
        }
        for bad in set.bad() {
            self.message(&format!("left out {}: {}", bad.path.display(), bad.reason));
        }
        for warning in &prepared.warnings {
            self.message(&format!("warning: {warning}"));
        }
        Ok(prepared)
    }

    /// Replaces `"auto"` by the recommended scale and margin, and prints them. Unless the user chose an embedding dimension, the backbone
    /// `identity` gets the only one that it can have.
    pub(crate) fn resolve(
        &mut self,
        mut config: Config,
        dimension_given: bool,
        prepared: &Prepared,
    ) -> anyhow::Result<Config> {
        if !dimension_given {
            set_only_dimension(&mut config, prepared);
        }
        let chosen = config.objective.resolve(prepared.split.known().len(), config.model.embedding)?;
        let chosen = chosen.map(|chosen| format!("{}: {chosen}", config.objective.name));
        if let Some(chosen) = chosen.filter(|chosen| !self.printed.contains(chosen)) {
            self.message(&chosen);
            self.printed.push(chosen);
        }
        Ok(config)
    }

    /// Trains to the end of `epochs` and evaluates, with the accuracy on known classes that all runs to compare have in common; after the last epoch of the configuration it also writes the calibration that `compare`
    /// uses.
    pub(crate) fn train(
        &mut self,
        config: &Config,
        prepared: &Prepared,
        run: &mut RunFolder,
        epochs: usize,
        accuracy_by: AccuracyBy,
    ) -> anyhow::Result<Ended> {
        let folder = run.path().to_owned();
        if !run.starts() {
            // A damaged or foreign baseline is reported before the training and not after it.
            Untrained::read(&folder)?;
        }
        let (bar, trains) = (&mut self.observer, &*self.trains);
        let mut observer = Watched { bar, trains, config, prepared, accuracy_by, folder: &folder };
        widemargin_kernels::pages::keep_large_freed_pages();
        let received = || self.stop.load(Ordering::Relaxed);
        let ending = train_until(config, prepared, run, epochs, &mut observer, &|| received() != 0)?;
        let folder = &*folder;
        let finished = matches!(ending, Ending::Finished { .. });
        match ending {
            Ending::Stopped { step } => Ok(Ended::Stopped { step, signal: received() }),
            Ending::Finished { trainer, step, seconds, samples_per_second, validation }
            | Ending::Paused { trainer, step, seconds, samples_per_second, validation } => {
                let _at_once = EndsAtOnce::saying(format!(
                    "stopped during the evaluation after step {step}; nothing is lost, resume with: widemargin train --resume {} (a run of a \
                     sweep: with the same sweep)",
                    folder.display()
                ));
                // A signal that came after the last step.
                let signal = received();
                if signal != 0 {
                    return Ok(Ended::Stopped { step, signal });
                }
                let timed = (&trainer, seconds, samples_per_second);
                let evaluated = EvaluatedRun::new((config, validation), prepared, folder, timed, accuracy_by);
                if evaluated.is_err() {
                    // Of a diverged run no model is written. Another failure is a matter of the evaluation set.
                    trainer.check_embeddings(prepared, prepared.evaluation_samples(), step)?;
                }
                if finished {
                    // They belong to one model: those of a shorter run must not stay beside the new one, whatever ends the program.
                    for file in [CALIBRATION_FILE, REPORT_FILE, PAGE_FILE] {
                        remove_if_there(&folder.join(file))?;
                    }
                    trainer.write_model(prepared, folder)?;
                    run.model_is_complete()?;
                }
                let mut evaluated = evaluated?;
                if finished {
                    Self::calibrate(&mut evaluated.report, folder)?;
                }
                Ok(Ended::Evaluated(Box::new(evaluated)))
            }
        }
    }

    /// Writes the calibration, fitted to the pairs of the evaluation. The report has its warnings.
    fn calibrate(report: &mut RunReport, folder: &Path) -> anyhow::Result<()> {
        match SavedCalibration::of_cosines(&report.evaluation().verification) {
            Ok(mut saved) => {
                for warning in &saved.warnings {
                    report.warn(format!("{CALIBRATION_FILE}: {warning}"));
                }
                saved.warnings.extend(report.verdict.clone());
                saved
                    .of((model_file(Fingerprint::read(folder.join(MODEL_FILE))?), false))?
                    .write(&folder.join(CALIBRATION_FILE))
            }
            Err(error) => {
                report.warn(format!("{CALIBRATION_FILE} was not written: {error:#}"));
                Ok(())
            }
        }
    }
}

/// The validation part, in a sentence.
fn validated_on(config: &Config, prepared: &Prepared) -> String {
    let set = &prepared.set;
    let mut classes: Vec<u32> =
        prepared.validation.iter().map(|sample| set.labels()[*sample as usize]).collect();
    classes.sort_unstable();
    classes.dedup();
    let trained = classes.iter().filter(|class| prepared.split.known_label(**class).is_some()).count();
    let every = match config.training.evaluate_every {
        1 => "epoch".to_owned(),
        every => format!("{every} epochs"),
    };
    format!(
        "after every {every}: validation on {} {} of {} classes, {} of them trained on: {}",
        prepared.validation.len(),
        set.kind(),
        classes.len(),
        if trained == 0 { "none".to_owned() } else { trained.to_string() },
        first_names(classes.iter().map(|class| &set.class_names()[*class as usize]), NAMED_CLASSES)
    )
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}: cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// Gives the backbone `identity` the only embedding dimension that it can have.
pub(crate) fn set_only_dimension(config: &mut Config, prepared: &Prepared) {
    if config.model.backbone == BackboneName::Identity {
        config.model.embedding = prepared.set.shape().values();
    }
}

/// The first of `runs/NAME`, `runs/NAME-2`, ... that does not exist.
pub(crate) fn free_folder(name: &str) -> PathBuf {
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    let numbered = (2..).map(|number| format!("{safe}-{number}"));
    let mut candidates =
        std::iter::once(safe.clone()).chain(numbered).map(|name| Path::new("runs").join(name));
    candidates.find(|folder| !folder.exists()).unwrap_or_else(|| Path::new("runs").join(safe))
}
