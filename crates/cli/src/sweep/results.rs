//! The results of a sweep: each run with its evaluation after each round.

use super::plan::{Candidate, RankBy};
use crate::run::{Measures, RunReport};
use serde::{Deserialize, Serialize};

/// The results of a run after a round: `evaluation-EPOCHS.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoundResult {
    pub(crate) epochs: usize,
    /// Why there are no results: the loss or a gradient was not finite.
    pub(crate) failed: Option<String>,
    pub(crate) accuracy: Option<f64>,
    pub(crate) recall_at_1: Option<f64>,
    pub(crate) map_at_r: Option<f64>,
    pub(crate) tar_at_far_1e3: Option<f64>,
    pub(crate) eer: Option<f64>,
    /// The model before training; absent if it could not be evaluated.
    #[serde(default)]
    pub(crate) untrained: Option<Measures>,
    /// Seconds of training.
    pub(crate) seconds: f64,
}

impl RoundResult {
    /// The results of an evaluated run.
    pub(super) fn new(epochs: usize, report: &RunReport) -> Self {
        let evaluation = report.evaluation();
        Self {
            epochs,
            failed: None,
            accuracy: report.known_accuracy(),
            recall_at_1: Some(evaluation.retrieval.precision_at_1),
            map_at_r: Some(evaluation.retrieval.map_at_r),
            tar_at_far_1e3: Some(evaluation.verification.tar_at_far(1e-3)),
            eer: Some(evaluation.verification.eer),
            untrained: report.untrained.as_ref().map(|base| base.measures.clone()),
            seconds: report.seconds,
        }
    }

    /// A run that diverged, for this reason.
    pub(super) fn diverged(epochs: usize, reason: String) -> Self {
        Self {
            epochs,
            failed: Some(reason),
            accuracy: None,
            recall_at_1: None,
            map_at_r: None,
            tar_at_far_1e3: None,
            eer: None,
            untrained: None,
            seconds: 0.0,
        }
    }

    /// By how much the measure is better than before training; `None` without results or baseline.
    pub(super) fn gain(&self, by: RankBy) -> Option<f64> {
        let base = self.untrained.as_ref()?;
        let base = match by {
            RankBy::RecallAt1 => base.recall_at_1(),
            RankBy::MapAtR => base.map_at_r(),
            RankBy::Tar => base.tar_at_far("1e-3"),
            RankBy::Eer => -base.eer(),
            RankBy::Accuracy => base.accuracy()?,
        };
        let gain = self.rank_value(by) - base;
        gain.is_finite().then_some(gain)
    }

    /// The measure, with its sign such that more is better; minus infinity if there is none.
    pub(super) fn rank_value(&self, by: RankBy) -> f64 {
        let found = match by {
            RankBy::RecallAt1 => self.recall_at_1,
            RankBy::MapAtR => self.map_at_r,
            RankBy::Tar => self.tar_at_far_1e3,
            RankBy::Eer => self.eer.map(|eer| -eer),
            RankBy::Accuracy => self.accuracy,
        };
        found.unwrap_or(f64::NEG_INFINITY)
    }
}

/// A run of the sweep with its results so far, one per round.
pub(crate) struct SweptRun {
    pub(super) candidate: Candidate,
    pub(super) rounds: Vec<RoundResult>,
}
