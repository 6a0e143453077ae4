//! The evaluations of a run while it was trained, as `report.json` has them.

use serde::Serialize;
use widemargin_train::config::KeptModel;
use widemargin_train::{Config, Validated, ValidationOutcome};

/// The measure that decides which evaluation is the best.
const MEASURE: &str = "MAP@R";

/// `validation` in `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct ValidationReport {
    /// The measure that decided which epoch is the best.
    measure: &'static str,
    /// Samples of the validation part.
    samples: usize,
    /// Epochs between the evaluations.
    every: usize,
    /// Which model the run ended with.
    keep: KeptModel,
    /// Epoch of the model that the report is about; absent if it was not evaluated.
    epoch: Option<u64>,
    /// The best evaluation.
    best: Validated,
    /// How many evaluations in a row were not better, if that ended the training; absent if all epochs were trained.
    ended_early: Option<usize>,
    /// All evaluations, in order.
    pub(super) history: Vec<Validated>,
}

impl ValidationReport {
    /// The evaluations `history` of a run, with their `outcome`.
    pub(super) fn new(
        config: &Config,
        samples: usize,
        outcome: ValidationOutcome,
        history: Vec<Validated>,
    ) -> Self {
        let ValidationOutcome { best, model, ended_early } = outcome;
        let t = &config.training;
        let epoch = model.map(|model| model.epoch);
        Self {
            measure: MEASURE,
            samples,
            every: t.evaluate_every,
            keep: t.keep,
            epoch,
            best,
            ended_early,
            history,
        }
    }

    /// Which epoch the model is of, as a sentence about the objective `name`.
    pub(super) fn in_words(&self, name: &str) -> String {
        let best = format!("{:.2} % after epoch {}", 100.0 * self.best.map_at_r, self.best.epoch);
        let model = match (self.keep, self.epoch) {
            (KeptModel::Best, _) => "the model of that epoch is the result".to_owned(),
            (KeptModel::Last, Some(epoch)) => format!("the result is the last model, of epoch {epoch}"),
            (KeptModel::Last, None) => "the result is the last model".to_owned(),
        };
        let ended = self.ended_early.map_or_else(String::new, |count| match count {
            1 => " Training ended early, after an evaluation that was not better.".to_owned(),
            count => {
                format!(" Training ended early, after {count} evaluations in a row that were not better.")
            }
        });
        format!("{name}: the best validation {MEASURE} was {best}; {model}.{ended}")
    }
}
