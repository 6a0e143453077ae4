//! A calibration file: a threshold, and how to turn a score into a probability.
//!
//! The file is one JSON object with a version; `docs/src/formats/calibration.md` describes it. A training run writes one to its folder, and so
//! does `eval calibrate`; `eval verification`, `compare` and `export` read them.

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;
use widemargin_eval::verification::Verification;
use widemargin_eval::verification::calibration::{self, CalibrationOptions, LogisticCalibration};
use widemargin_eval::verification::costs::Costs;

/// Name of a calibration in a run folder.
pub(crate) const CALIBRATION_FILE: &str = "calibration.json";

/// The default false accept rate for which thresholds are chosen.
pub(crate) const DEFAULT_FAR: f64 = 1e-3;

/// The version of the file that this program writes and reads.
const VERSION: u32 = 1;

/// The goal for which a threshold was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChosenFor {
    /// This false accept rate.
    Far(f64),
    /// The lowest detection cost.
    Costs(Costs),
}

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedCalibration {
    version: u32,
    /// The kind of score, such as `cosine`.
    pub(crate) score: String,
    /// Scores at or above it are accepted.
    pub(crate) threshold: f64,
    pub(crate) chosen_for: ChosenFor,
    /// The log-likelihood ratio of a score, in nats: `slope * score + offset`.
    pub(crate) calibration: LogisticCalibration,
    /// Genuine and impostor pairs to which it was fitted.
    pub(crate) genuine: u64,
    pub(crate) impostor: u64,
}

impl SavedCalibration {
    pub(crate) fn new(
        found: &Verification,
        score: &str,
        (chosen_for, threshold): (ChosenFor, f64),
        options: &CalibrationOptions,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            version: VERSION,
            score: score.to_owned(),
            threshold,
            chosen_for,
            calibration: calibration::fit(found, options)?,
            genuine: found.genuine,
            impostor: found.impostor,
        })
    }

    /// A calibration of cosines, with the threshold for [`DEFAULT_FAR`].
    pub(crate) fn of_cosines(found: &Verification) -> anyhow::Result<Self> {
        let line = found.tar_line_at(DEFAULT_FAR).context("there are no pairs to choose a threshold from")?;
        let chosen = (ChosenFor::Far(DEFAULT_FAR), line.threshold);
        Self::new(found, "cosine", chosen, &CalibrationOptions::default())
    }

    /// The calibration of a model's cosines: the given file, or the one in the model's folder if there is one.
    pub(crate) fn of_model(model: &Path, named: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let own = if model.is_dir() {
            model.join(CALIBRATION_FILE)
        } else {
            model.with_file_name(CALIBRATION_FILE)
        };
        let path = match named {
            Some(path) => path,
            None if own.exists() => &own,
            None => return Ok(None),
        };
        let saved = Self::read(path)?;
        ensure!(
            saved.score == "cosine",
            "{}: found a calibration of the score '{}', expected cosine",
            path.display(),
            saved.score
        );
        Ok(Some(saved))
    }

    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let saved: Self = serde_json::from_str(&text)
            .with_context(|| format!("{}: not a calibration file from `eval calibrate`", path.display()))?;
        let version = saved.version;
        ensure!(version == VERSION, "{}: found version {version}, expected {VERSION}", path.display());
        ensure!(saved.threshold.is_finite(), "{}: the threshold is not a finite number", path.display());
        Ok(saved)
    }

    /// Writes the file atomically.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("writing the calibration")?;
        text.push('\n');
        Ok(widemargin_durable::write_atomic(path, text.as_bytes())?)
    }
}

impl std::fmt::Display for ChosenFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Far(far) => write!(f, "FAR at most {far:e}"),
            Self::Costs(costs) => write!(
                f,
                "lowest cost: prior {}, miss {}, false accept {}",
                costs.prior(),
                costs.miss(),
                costs.false_accept()
            ),
        }
    }
}
