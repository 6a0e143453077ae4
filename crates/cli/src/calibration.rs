//! A calibration file: a threshold, and how to turn a score into a probability.
//!
//! The file is one JSON object with a version; `docs/src/formats/calibration.md` describes it. A training run writes one to its folder, and so
//! does `eval calibrate`; `eval verification`, `compare` and `export` read them.

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::Path;
use widemargin_embedder::{Fingerprint, Model};
use widemargin_eval::verification::Verification;
use widemargin_eval::verification::calibration::{self, CalibrationOptions, LogisticCalibration};
use widemargin_eval::verification::costs::Costs;

/// Name of a calibration in a run folder.
pub(crate) const CALIBRATION_FILE: &str = "calibration.json";

/// The default false accept rate for which thresholds are chosen.
pub(crate) const DEFAULT_FAR: f64 = 1e-3;

/// A threshold that accepts fewer of the genuine pairs than this share gets a warning: it hardly ever says "same".
const FEW_ACCEPTED: f64 = 0.5;

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

/// The size in bytes and the checksum of a model file.
pub(crate) type ModelFile = (u64, u32);

/// A model, and whether its embeddings are averaged over the image and its mirror image.
pub(crate) type ScoredBy = (ModelFile, bool);

/// A cohort whose scores normalise others, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedCohort {
    /// Number of embeddings.
    rows: usize,
    /// CRC-32 of the CRC-32 of each row, in ascending order: the scores do not depend on the order of the rows.
    checksum: u32,
    /// How many of the highest scores are used; absent if all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    top: Option<usize>,
}

impl SavedCohort {
    /// The cohort with these `values`, row-major with `dim` per row.
    pub(crate) fn new(values: &[f32], dim: usize, top: Option<usize>) -> Self {
        let of_row = |row: &[f32]| {
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            crc32fast::hash(&bytes)
        };
        let mut rows: Vec<u32> = values.chunks_exact(dim.max(1)).map(of_row).collect();
        rows.sort_unstable();
        let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        Self { rows: rows.len(), checksum: crc32fast::hash(&bytes), top }
    }
}

/// How the embeddings of a class are combined into one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Templates {
    /// Mean of the embeddings
    Mean,
    /// Mean of the normalised embeddings
    MeanDirection,
}

impl std::fmt::Display for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::MeanDirection => "mean-direction",
        })
    }
}

/// What the two sides of a comparison are, besides the kind of score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// How the enrolled side was combined; `None` for single embeddings.
    pub(crate) templates: Option<Templates>,
    /// The cohort that normalised the scores.
    pub(crate) cohort: Option<SavedCohort>,
}

/// Error rates of a threshold on the pairs from which it was chosen, as shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rates {
    /// Impostor pairs that it accepts.
    pub(crate) far: f64,
    /// Genuine pairs that it accepts.
    pub(crate) tar: f64,
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
    /// What the threshold does with the pairs; absent in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rates: Option<Rates>,
    /// The log-likelihood ratio of a score, in nats: `slope * score + offset`.
    pub(crate) calibration: LogisticCalibration,
    /// Genuine and impostor pairs to which it was fitted.
    pub(crate) genuine: u64,
    pub(crate) impostor: u64,
    /// Whole sentences on a threshold that was chosen from too few pairs.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// The model whose scores they were; absent if the embeddings do not state it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<ModelFile>,
    /// Whether the embeddings were averaged over the image and its mirror image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    flip: bool,
    /// How the enrolled embeddings of a class were combined into templates; absent if single embeddings were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) templates: Option<Templates>,
    /// The cohort that normalised the scores; absent if they are not normalised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cohort: Option<SavedCohort>,
    /// CRC-32 of all other fields, in hexadecimal. A file without it is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

impl SavedCalibration {
    pub(crate) fn new(
        found: &Verification,
        score: &str,
        (chosen_for, threshold): (ChosenFor, f64),
        options: &CalibrationOptions,
    ) -> anyhow::Result<Self> {
        let mut warnings = warnings(found, &chosen_for);
        let point = found.operating_point_at_threshold(threshold);
        if point.tar == 0.0 {
            warnings.push(format!("The threshold accepts none of the {} genuine pairs.", found.genuine));
        } else if let ChosenFor::Far(far) = chosen_for
            && point.tar < FEW_ACCEPTED
        {
            warnings.push(format!(
                "The threshold accepts only {:.1} % of the {} genuine pairs. A higher false accept rate than {far:e} accepts more: choose one with \
                 `eval calibrate --far`.",
                100.0 * point.tar,
                found.genuine
            ));
        }
        let saved = Self {
            version: VERSION,
            score: score.to_owned(),
            threshold,
            chosen_for,
            rates: Some(Rates { far: point.far, tar: point.tar }),
            calibration: calibration::fit(found, options)?,
            genuine: found.genuine,
            impostor: found.impostor,
            warnings,
            model: None,
            flip: false,
            templates: None,
            cohort: None,
            checksum: None,
        };
        saved.sealed()
    }

    /// Whether its rates and probabilities hold for embeddings of `model`, for which it was read ([`of_model`](Self::of_model)). Not if only one of both
    /// is with flip averaging, as one of `warnings` says.
    pub(crate) fn fits(&self, model: &Model) -> bool {
        self.model.is_none() || self.flip == model.flips()
    }

    /// The calibration with its checksum.
    fn sealed(self) -> anyhow::Result<Self> {
        Ok(Self { checksum: Some(self.computed_checksum()?), ..self })
    }

    /// As a calibration of the scores of one model, with or without flip averaging.
    pub(crate) fn of(self, (model, flip): ScoredBy) -> anyhow::Result<Self> {
        Self { model: Some(model), flip, ..self }.sealed()
    }

    /// As a calibration of scores that were compared in this way.
    pub(crate) fn comparing(self, Comparison { templates, cohort }: Comparison) -> anyhow::Result<Self> {
        Self { templates, cohort, ..self }.sealed()
    }

    /// Rejects scores of other templates or of another cohort: they mean different things.
    pub(crate) fn require_comparison(&self, path: &Path, found: Comparison) -> anyhow::Result<()> {
        let path = path.display();
        let kind = |templates: Option<Templates>| {
            templates.map_or_else(
                || "single embeddings".to_owned(),
                |kind| format!("templates (--templates {kind})"),
            )
        };
        ensure!(
            self.templates == found.templates,
            "{path}: a calibration of {}, but the pairs are of {}; calibrate on the same kind",
            kind(self.templates),
            kind(found.templates)
        );
        if let (Some(own), Some(other)) = (self.cohort, found.cohort) {
            let (own_top, top) = (own.top.unwrap_or(own.rows), other.top.unwrap_or(other.rows));
            ensure!(
                (own.rows, own.checksum) == (other.rows, other.checksum),
                "{path}: a calibration of scores that another cohort normalised ({} embeddings, here {}); use the same cohort, or calibrate again",
                own.rows,
                other.rows
            );
            ensure!(
                own_top == top,
                "{path}: a calibration of scores normalised with --top {own_top}, found --top {top}; use the same number, or calibrate again"
            );
        }
        Ok(())
    }

    /// The checksum of all other fields. It is of their values, so that the file may be formatted differently.
    fn computed_checksum(&self) -> anyhow::Result<String> {
        let unchecked = Self { checksum: None, ..self.clone() };
        let text = serde_json::to_vec(&unchecked).context("computing a checksum")?;
        Ok(format!("{:08x}", crc32fast::hash(&text)))
    }

    /// A calibration of cosines, with the threshold for [`DEFAULT_FAR`].
    pub(crate) fn of_cosines(found: &Verification) -> anyhow::Result<Self> {
        let line = found.tar_line_at(DEFAULT_FAR).context("there are no pairs to choose a threshold from")?;
        let chosen = (ChosenFor::Far(DEFAULT_FAR), line.threshold);
        Self::new(found, "cosine", chosen, &CalibrationOptions::default())
    }

    /// The calibration of the cosines of `model`, which was loaded from `place`: the given file, or the one in the model's folder if there is
    /// one. One of another model is an error; one that states no model gets a warning.
    pub(crate) fn of_model(
        model: &Model,
        place: &Path,
        named: Option<&Path>,
    ) -> anyhow::Result<Option<Self>> {
        let own = if place.is_dir() {
            place.join(CALIBRATION_FILE)
        } else {
            place.with_file_name(CALIBRATION_FILE)
        };
        let path = match named {
            Some(path) => path,
            None if own.exists() => &own,
            None => return Ok(None),
        };
        let mut saved = Self::read(path)?;
        ensure!(
            saved.score == "cosine",
            "{}: found a calibration of the score '{}', expected cosine",
            path.display(),
            saved.score
        );
        ensure!(
            saved.cohort.is_none(),
            "{}: found a calibration of scores that a cohort normalised, expected one of cosines",
            path.display()
        );
        let file = model.fingerprint().map(|fingerprint| (model_file(fingerprint), model.flips()));
        let warning = saved.require_model(path, (file, &place.display()))?;
        saved.warnings.extend(warning);
        Ok(Some(saved))
    }

    /// Rejects a calibration, read from `path`, of another model than `model`, which is that of `of`. Returns a warning if one of both is
    /// unknown, or if only one of both is with flip averaging.
    pub(crate) fn require_model(
        &self,
        path: &Path,
        (model, of): (Option<ScoredBy>, &dyn std::fmt::Display),
    ) -> anyhow::Result<Option<String>> {
        let path = path.display();
        let unknown = match (self.model, model) {
            (Some(own), Some((model, flip))) => {
                ensure!(
                    own == model,
                    "{path}: the calibration of another model than {of}: their cosines mean different things; calibrate again with `eval calibrate`"
                );
                let how = |flip| if flip { "with" } else { "without" };
                return Ok((self.flip != flip).then(|| {
                    format!(
                        "{path} is of embeddings made {} --flip, and these are made {here} it: averaging over mirror images changes the cosines, \
                         so its threshold, error rates and probabilities do not hold. Calibrate on embeddings made {here} it.",
                        how(self.flip),
                        here = how(flip)
                    )
                }));
            }
            (None, _) => format!("{path} does not state which model it is for"),
            (_, None) => format!("{of} does not state which model made it"),
        };
        Ok(Some(format!("{unknown}; a calibration of another model has no meaning here.")))
    }

    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = widemargin_durable::read_text(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        let saved: Self = serde_json::from_str(&text)
            .with_context(|| format!("{}: not a calibration file from `eval calibrate`", path.display()))?;
        let version = saved.version;
        ensure!(version == VERSION, "{}: found version {version}, expected {VERSION}", path.display());
        saved.check().with_context(|| path.display().to_string())?;
        Ok(saved)
    }

    /// Checks the range of every value, then the checksum if there is one.
    fn check(&self) -> anyhow::Result<()> {
        let threshold = self.threshold;
        if self.score == "cosine" {
            // A threshold that accepts nothing lies just above the highest score.
            ensure!(
                (-1.0..=1.0_f64.next_up()).contains(&threshold),
                "found the threshold {threshold}, expected a cosine from -1 to 1; calibrate again with `eval calibrate`"
            );
        }
        ensure!(threshold.is_finite(), "found the threshold {threshold}, expected a finite number");
        if let ChosenFor::Far(far) = self.chosen_for {
            ensure!((0.0..=1.0).contains(&far), "found a false accept rate of {far}, expected 0 to 1");
        }
        for (name, rate) in self.rates.iter().flat_map(|rates| [("false", rates.far), ("true", rates.tar)]) {
            ensure!(
                (0.0..=1.0).contains(&rate),
                "found a {name} accept rate of {rate} in `rates`, expected 0 to 1"
            );
        }
        ensure!(
            self.genuine > 0 && self.impostor > 0,
            "found {} genuine and {} impostor pairs, expected at least one of each",
            self.genuine,
            self.impostor
        );
        if let Some(checksum) = &self.checksum {
            let computed = self.computed_checksum()?;
            ensure!(
                *checksum == computed,
                "the checksum is {checksum}, but that of the values is {computed}: the file was changed or is damaged; calibrate again, or remove \
                 the field `checksum` if you changed it yourself"
            );
        }
        Ok(())
    }

    /// Writes the file atomically.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("writing the calibration")?;
        text.push('\n');
        Ok(widemargin_durable::write_atomic(path, text.as_bytes())?)
    }
}

/// A fingerprint as calibrations store it.
pub(crate) fn model_file(file: Fingerprint) -> ModelFile {
    (file.bytes as u64, file.checksum)
}

/// What makes a threshold unreliable: too few pairs of either kind.
fn warnings(found: &Verification, chosen_for: &ChosenFor) -> Vec<String> {
    let mut warnings = found.warnings.clone();
    if let ChosenFor::Far(far) = chosen_for {
        // The warning about this rate instead of that about the tabulated ones.
        warnings.retain(|warning| !warning.starts_with("TAR at FAR"));
        warnings.extend(found.tar_line_at(*far).and_then(|line| line.warning));
    }
    warnings
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
