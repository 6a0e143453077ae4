//! Evaluations on the validation part while a run is trained: which epoch is the best one, and when training has ended.
//!
//! An evaluation measures retrieval: every validation sample is a query among the others. The best evaluation is the one with the largest MAP@R;
//! of equal ones, the earlier. What was found so far is part of every checkpoint, so a resumed run decides as an uninterrupted one.

use crate::config::{Config, KeptModel};
use crate::{Error, Prepared, Trainer, compared};
use serde::{Deserialize, Serialize};
use widemargin_eval::retrieval;

/// One evaluation on the validation part: a line of `validation.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validated {
    /// Steps done, from 1.
    pub step: u64,
    /// Epochs done, from 1.
    pub epoch: u64,
    /// Share of the samples whose nearest neighbour is of their class, in [0, 1].
    pub recall_at_1: f64,
    /// Mean average precision at R, in [0, 1]: the measure that decides which evaluation is the best.
    pub map_at_r: f64,
}

impl Validated {
    /// Whether this evaluation is better than an earlier one.
    pub fn is_better_than(&self, earlier: &Self) -> bool {
        self.map_at_r > earlier.map_at_r
    }
}

/// What the evaluations of a run have found so far; part of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Found {
    pub(crate) best: Option<Validated>,
    pub(crate) last: Option<Validated>,
    /// Evaluations after the best one.
    since: usize,
    /// The epochs of the run when its patience ended.
    ended: Option<usize>,
}

/// The evaluations of a run.
#[derive(Debug)]
pub(crate) struct Validation<'a> {
    prepared: &'a Prepared,
    /// Epochs between evaluations; 0 for none.
    every: u64,
    patience: usize,
    keep: KeptModel,
    steps_per_epoch: u64,
    /// The epochs of the run as it was planned and of its extensions: the last epoch of each is evaluated.
    epochs: Vec<usize>,
    pub(crate) found: Found,
}

impl<'a> Validation<'a> {
    /// The evaluations of a run that was planned for the first of `epochs` and extended to the others, after it has `found` so much.
    pub(crate) fn new(
        config: &Config,
        prepared: &'a Prepared,
        steps_per_epoch: u64,
        epochs: &[usize],
        mut found: Found,
    ) -> Self {
        let t = &config.training;
        // More epochs than those at which the patience ended: the user wants to go on.
        if found.ended.is_some_and(|ended| ended < t.epochs) {
            (found.since, found.ended) = (0, None);
        }
        let (every, patience, keep) = (t.evaluate_every as u64, t.patience, t.keep);
        Self { prepared, every, patience, keep, steps_per_epoch, epochs: epochs.to_vec(), found }
    }

    /// Whether the model is evaluated after `step` steps.
    pub(crate) fn is_due(&self, step: u64) -> bool {
        let epoch = step / self.steps_per_epoch;
        self.every > 0
            && step.is_multiple_of(self.steps_per_epoch)
            && (epoch.is_multiple_of(self.every) || self.epochs.iter().any(|last| *last as u64 == epoch))
    }

    /// Evaluates the model after `step` steps; also returns what to tell the user. `None` if its embeddings cannot be compared, which counts as not
    /// better.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub(crate) fn evaluate(
        &mut self,
        trainer: &Trainer,
        step: u64,
    ) -> Result<(Option<Validated>, String), Error> {
        let epoch = step / self.steps_per_epoch;
        let samples = &self.prepared.validation;
        let values = trainer.embed(self.prepared, samples)?;
        let measured = compared(&self.prepared.set, samples, &values, values.len() / samples.len().max(1))
            .and_then(|embeddings| retrieval::evaluate(&embeddings, &[1]));
        let place = format!("epoch {epoch} of {}", self.epochs.last().copied().unwrap_or_default());
        let measured = match measured {
            Ok(measured) => measured,
            Err(error) => {
                self.add(None);
                return Ok((None, format!("warning: {place}: the model cannot be validated: {error}")));
            }
        };
        let (recall_at_1, map_at_r) = (measured.precision_at_1, measured.map_at_r);
        let now = Validated { step, epoch, recall_at_1, map_at_r };
        self.add(Some(now));
        let best = match &self.found.best {
            Some(best) if best.step != step => {
                format!("the best is {:.2} % of epoch {}", 100.0 * best.map_at_r, best.epoch)
            }
            _ => "the best so far".to_owned(),
        };
        let [recall, map] = [recall_at_1, map_at_r].map(|value| 100.0 * value);
        Ok((Some(now), format!("{place}: validation MAP@R {map:.2} %, recall at 1 {recall:.2} %; {best}")))
    }

    fn add(&mut self, now: Option<Validated>) {
        let found = &mut self.found;
        found.last = now;
        match now {
            Some(now) if found.best.is_none_or(|best| now.is_better_than(&best)) => {
                (found.best, found.since) = (Some(now), 0);
            }
            _ => found.since += 1,
        }
        if self.patience > 0 && found.since >= self.patience {
            found.ended = self.epochs.last().copied();
        }
    }

    /// Whether training has ended, because too many evaluations in a row were not better.
    pub(crate) fn has_ended(&self) -> bool {
        self.found.ended.is_some()
    }

    /// The step of the checkpoint that is kept for the end of the run.
    pub(crate) fn kept_step(&self) -> Option<u64> {
        self.found.best.filter(|_| self.keep == KeptModel::Best).map(|best| best.step)
    }

    /// How the evaluations ended, if there were any, for a run that ends with the model of `step`.
    pub(crate) fn outcome(&self, step: u64) -> Option<ValidationOutcome> {
        let Found { best, last, since, ended } = self.found;
        let best = best?;
        let model = [Some(best), last].into_iter().flatten().find(|found| found.step == step);
        Some(ValidationOutcome { best, model, ended_early: ended.map(|_| since) })
    }
}

/// How the evaluations on the validation part of a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidationOutcome {
    /// The best evaluation.
    pub best: Validated,
    /// The evaluation of the model that the run ended with; `None` if that was not evaluated.
    pub model: Option<Validated>,
    /// If training ended before its epochs: how many evaluations in a row were not better than the best one.
    pub ended_early: Option<usize>,
}

impl ValidationOutcome {
    /// What the user must know at the end, if the run stopped early or ends with the model of another epoch than the last of `epochs`.
    pub(crate) fn in_words(&self, epochs: u64) -> Option<String> {
        let ended = self.ended_early.map(|count| {
            format!("training ended after epoch {epochs}, because {count} evaluations in a row were not better than the best one (training.patience)")
        });
        let model = self.model.filter(|model| model.epoch < epochs).map(|model| {
            format!(
                "the model of the run is that of epoch {}, with validation MAP@R {:.2} %",
                model.epoch,
                100.0 * model.map_at_r
            )
        });
        let said: Vec<String> = ended.into_iter().chain(model).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation<'a>(prepared: &'a Prepared, epochs: &[usize], found: Found) -> Validation<'a> {
        let mut config = Config::default();
        (config.training.evaluate_every, config.training.patience) = (2, 2);
        config.training.epochs = *epochs.last().expect("planned");
        Validation::new(&config, prepared, 10, epochs, found)
    }

    fn at(epoch: u64, map_at_r: f64) -> Validated {
        Validated { step: 10 * epoch, epoch, recall_at_1: 0.5, map_at_r }
    }

    #[test]
    fn the_earlier_of_equal_evaluations_is_the_best_and_patience_ends() {
        let mut config = Config::default();
        config.data.path = Some(crate::testing::clothing());
        let prepared = Prepared::new(&config).expect("built in");
        let mut run = validation(&prepared, &[9], Found::default());
        let due: Vec<u64> = (1..=90).filter(|step| run.is_due(*step)).collect();
        assert_eq!(due, [20, 40, 60, 80, 90], "the last epoch is always evaluated");
        run.add(Some(at(2, 0.25)));
        run.add(Some(at(4, 0.5)));
        run.add(Some(at(6, 0.5)));
        assert_eq!((run.kept_step(), run.has_ended()), (Some(40), false));
        let outcome = run.outcome(60).expect("evaluated");
        assert_eq!((outcome.best.epoch, outcome.model.map(|model| model.epoch)), (4, Some(6)));
        run.add(None);
        assert!(run.has_ended());
        assert_eq!(run.outcome(40).expect("evaluated").ended_early, Some(2));
        // The state reads back, and the run stays ended unless it gets more epochs.
        let text = serde_json::to_string(&run.found).expect("JSON");
        let found: Found = serde_json::from_str(&text).expect("its own");
        assert_eq!(found, run.found);
        assert!(validation(&prepared, &[9], found).has_ended());
        let mut longer = validation(&prepared, &[9, 12], found);
        assert!(!longer.has_ended());
        longer.add(Some(at(10, 0.25)));
        assert!(!longer.has_ended(), "the patience begins again");
        longer.add(Some(at(12, 0.25)));
        assert!(longer.has_ended() && longer.kept_step() == Some(40));
        let due: Vec<u64> = (81..=130).filter(|step| longer.is_due(*step)).collect();
        assert_eq!(due, [90, 100, 120], "the planned end stays one");
    }
}
