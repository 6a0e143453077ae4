//! The untrained baseline of a run: its model before the first step, evaluated with the same code on the same evaluation set.
//!
//! A run stores it in its folder before it trains, so that a resumed run has the baseline of its initial weights, too. The file names its run,
//! so that the baseline of another one, copied into the folder, is noticed.

use super::accuracy::AccuracyBy;
use super::measures::Measures;
use crate::progress::Bar;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use widemargin_durable::{read_sealed, write_sealed};
use widemargin_train::log::Metrics;
use widemargin_train::progress::Observer;
use widemargin_train::{Config, Error, Prepared, RunIdentity, Trainer, identity};

/// Its file in the run folder: JSON in a container of this kind and version.
const FILE: &str = "untrained";
const KIND: &str = "untrained";
const VERSION: u32 = 1;

/// Where random initial weights come from, in place of a file.
const RANDOM: &str = "random";

/// The baseline, as it is in `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Untrained {
    /// The initial weights: `random`, or the file that they were loaded from.
    weights: String,
    #[serde(flatten)]
    pub(crate) measures: Measures,
}

/// The content of its file.
#[derive(Serialize, Deserialize)]
struct Stored {
    run: RunIdentity,
    #[serde(flatten)]
    baseline: Untrained,
}

impl Untrained {
    /// Evaluates the model of a run that has its initial weights.
    fn new(config: &Config, prepared: &Prepared, trainer: &Trainer, by: AccuracyBy) -> anyhow::Result<Self> {
        let accuracy = (by.untrained(config, trainer, prepared)?, by);
        let evaluation = widemargin::evaluate(&trainer.model(prepared)?, prepared)?;
        let weights = config.model.weights.as_ref().or(config.model.from.as_ref());
        Ok(Self {
            weights: weights.map_or_else(|| RANDOM.to_owned(), |path| path.display().to_string()),
            measures: Measures::new(accuracy, &evaluation, prepared.split.is_closed()),
        })
    }

    /// The baseline that the run stored; `None` if it could not be evaluated.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        Self::read_of(identity(folder)?, &path).map(Some)
    }

    fn read_of(run: RunIdentity, path: &Path) -> anyhow::Result<Self> {
        let (_, json) = read_sealed(path, KIND, VERSION)?;
        let found: Stored = serde_json::from_slice(&json)
            .with_context(|| format!("{}: not the baseline of a run", path.display()))?;
        ensure!(
            found.run == run,
            "{}: the baseline of another run; restore that of this run, or remove the file to go on without a baseline",
            path.display()
        );
        Ok(found.baseline)
    }

    fn write(self, run: RunIdentity, path: &Path) -> Result<(), Error> {
        let stored = Stored { run, baseline: self };
        let json = serde_json::to_vec(&stored).expect("numbers and strings always have a JSON form");
        Ok(write_sealed(path, KIND, VERSION, &json)?)
    }

    /// Whether the initial weights are random, so that training has to gain something.
    pub(super) fn is_random(&self) -> bool {
        self.weights == RANDOM
    }

    /// What the baseline is called in tables: the initial weights may be those of another run.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_random() { "untrained" } else { "loaded weights" }
    }

    /// What the baseline is called in sentences.
    pub(super) fn model(&self) -> &'static str {
        if self.is_random() { "the untrained model" } else { "the loaded weights" }
    }

    /// A sentence that says in which measures the trained model of `objective` does not beat this baseline; `None` if it beats it in all.
    pub(super) fn not_beaten_by(&self, objective: &str, trained: &Measures) -> Option<String> {
        let gain = trained.gain_over(&self.measures);
        let (beaten, missed): (Vec<&Improved>, Vec<&Improved>) =
            IMPROVED.iter().partition(|(_, value, _)| value(&gain) > 0.0);
        if missed.is_empty() {
            return None;
        }
        let baseline = self.model();
        let missed: Vec<String> = missed
            .iter()
            .map(|(name, value, text)| {
                let (found, base) = (text(value(trained)), text(value(&self.measures)));
                if found == base {
                    format!("{name} (both {found})")
                } else {
                    format!("{name} ({found} against {base})")
                }
            })
            .collect();
        let missed = missed.join(", ");
        Some(if beaten.is_empty() {
            format!(
                "{objective} does not beat {baseline}: {missed}. On this evaluation set, training improved nothing; the results do not \
                 show that the model learned to separate these classes."
            )
        } else {
            let beaten: Vec<&str> = beaten.iter().map(|(name, ..)| *name).collect();
            format!("{objective} beats {baseline} in {}, but not in {missed}.", beaten.join(", "))
        })
    }

    /// What the baseline is, as a sentence.
    pub(crate) fn in_words(&self) -> String {
        if self.is_random() {
            "untrained: the same model with its random initial weights, evaluated in the same way.".to_owned()
        } else {
            format!("loaded weights: the model with the weights of {}, before training.", self.weights)
        }
    }
}

/// A measure that a trained model must improve: its name, its value, and its text.
type Improved = (&'static str, fn(&Measures) -> f64, fn(f64) -> String);

const IMPROVED: [Improved; 4] = [
    ("EER", Measures::eer, percent),
    ("AUC", Measures::auc, |value| format!("{value:.4}")),
    ("recall at 1", Measures::recall_at_1, percent),
    ("MAP@R", Measures::map_at_r, percent),
];

fn percent(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}

/// The observer of a run: the progress bar, and the evaluation of the initial weights.
pub(super) struct Watched<'a> {
    pub(super) bar: &'a mut Bar,
    /// Set while steps are being trained, so that a signal makes the run save.
    pub(super) trains: &'a AtomicBool,
    pub(super) config: &'a Config,
    pub(super) prepared: &'a Prepared,
    pub(super) accuracy_by: AccuracyBy,
    pub(super) folder: &'a Path,
}

impl Observer for Watched<'_> {
    fn initialised(&mut self, trainer: &Trainer) -> Result<(), Error> {
        match Untrained::new(self.config, self.prepared, trainer, self.accuracy_by) {
            Ok(found) => found.write(identity(self.folder)?, &self.folder.join(FILE)),
            Err(error) => {
                self.message(&format!("warning: the model cannot be evaluated before training: {error:#}"));
                Ok(())
            }
        }
    }

    fn begin(&mut self, name: &str, done: u64, steps: u64) {
        self.trains.store(true, Ordering::Relaxed);
        self.bar.begin(name, done, steps);
    }

    fn step(&mut self, metrics: &Metrics) {
        self.bar.step(metrics);
    }

    fn message(&mut self, text: &str) {
        self.bar.message(text);
    }

    fn end(&mut self) {
        self.bar.end();
        self.trains.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Untrained {
    pub(super) fn of_random_weights(measures: Measures) -> Self {
        Self { weights: RANDOM.to_owned(), measures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::measures::tests::measures;

    #[test]
    fn a_baseline_reads_back_and_that_of_another_run_or_a_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Untrained::read(folder.path()).expect("none"), None);
        let path = folder.path().join(FILE);
        let run = |settings: u32| -> RunIdentity {
            serde_json::from_value(serde_json::json!({ "settings": settings, "samples": 2 }))
                .expect("two sums")
        };
        let found = Untrained::of_random_weights(measures(0.1 + 0.2, 0.7, 0.9, 0.4));
        found.clone().write(run(1), &path).expect("written");
        assert_eq!(Untrained::read_of(run(1), &path).expect("its own"), found);
        let error = Untrained::read_of(run(3), &path).expect_err("of another run").to_string();
        assert!(error.contains("untrained: the baseline of another run"), "{error}");
        let mut bytes = widemargin_durable::read_file(&path, u64::MAX).expect("there");
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        widemargin_durable::write_atomic(&path, &bytes).expect("written");
        assert!(Untrained::read_of(run(1), &path).is_err());
    }

    #[test]
    fn a_model_that_does_not_beat_its_baseline_gets_a_plain_sentence() {
        let base = Untrained::of_random_weights(measures(0.2, 0.8, 0.9, 0.5));
        let said = |eer, auc, recall, map| base.not_beaten_by("am-softmax", &measures(eer, auc, recall, map));
        assert_eq!(said(0.1, 0.9, 0.95, 0.6), None);
        let worse = said(0.3, 0.7, 0.9, 0.4).expect("a sentence");
        assert!(
            worse.starts_with(
                "am-softmax does not beat the untrained model: EER (30.00 % against 20.00 %), AUC (0.7000 against 0.8000), \
                 recall at 1 (both 90.00 %), MAP@R (40.00 % against 50.00 %). "
            ),
            "{worse}"
        );
        assert_eq!(
            said(0.2, 0.81, 0.95, 0.6).as_deref(),
            Some(
                "am-softmax beats the untrained model in AUC, recall at 1, MAP@R, but not in EER (both 20.00 %)."
            )
        );
    }
}
