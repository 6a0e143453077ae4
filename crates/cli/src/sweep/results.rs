//! The results of a sweep: each run with its evaluation after each round.

use super::plan::{Candidate, RankBy};
use crate::run::{Measures, RunReport};
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use widemargin_durable::write_atomic;
use widemargin_train::{RunIdentity, identity};

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

/// The content of a file of results.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// CRC-32 of the results as JSON without spaces.
    checksum: u32,
    /// The run that was evaluated.
    run: RunIdentity,
    #[serde(flatten)]
    results: RoundResult,
}

impl RoundResult {
    /// Reads the results of the run in `folder` after so many epochs; `None` if there are none.
    pub(super) fn read(folder: &Path, epochs: usize) -> anyhow::Result<Option<Self>> {
        let path = path(folder, epochs);
        let bytes = match widemargin_durable::read_file(&path, u64::MAX) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.with_context(|| format!("{}: cannot be read", path.display()))?,
        };
        let stored: Stored = serde_json::from_slice(&bytes)
            .with_context(|| format!("{}: not the results of a run; remove it", path.display()))?;
        ensure!(
            stored.checksum == stored.results.checksum()? && stored.results.epochs == epochs,
            "{}: damaged or edited: its checksum does not fit; remove it to evaluate the run again",
            path.display()
        );
        ensure!(
            stored.run == identity(folder)?,
            "{}: the results of another run; remove it to evaluate this run again",
            path.display()
        );
        Ok(Some(stored.results))
    }

    /// Writes the results of the run in `folder`.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let stored = Stored { checksum: self.checksum()?, run: identity(folder)?, results: self.clone() };
        let json = serde_json::to_vec_pretty(&stored).context("writing the results of a run")?;
        Ok(write_atomic(path(folder, self.epochs), &json)?)
    }

    fn checksum(&self) -> anyhow::Result<u32> {
        Ok(crc32fast::hash(&serde_json::to_vec(self).context("the results of a run as JSON")?))
    }

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

fn path(folder: &Path, epochs: usize) -> PathBuf {
    folder.join(format!("evaluation-{epochs}.json"))
}

/// A run of the sweep with its results so far, one per round.
pub(crate) struct SweptRun {
    pub(super) candidate: Candidate,
    pub(super) rounds: Vec<RoundResult>,
}
