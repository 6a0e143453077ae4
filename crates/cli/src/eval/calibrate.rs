//! `eval calibrate`: a threshold worth using and what a score means, saved as a file.
//!
//! The file is one JSON object with a version; `docs/src/formats/calibration.md` describes it.

use super::figures;
use super::output::{Findings, OutputArguments, number, percent, table};
use super::pairs::{self, PairArguments};
use anyhow::{Context, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use widemargin_eval::verification::calibration::{self, CalibrationOptions, LogisticCalibration};
use widemargin_eval::verification::costs::Costs;

/// The version of the file that this program writes and reads.
const VERSION: u32 = 1;

#[derive(Args)]
pub(crate) struct CalibrateArguments {
    #[command(flatten)]
    pairs: PairArguments,
    /// Choose the lowest threshold that keeps this false accept rate [default: 1e-3]
    #[arg(long, value_name = "RATE", value_parser = pairs::rate, conflicts_with = "costs")]
    far: Option<f64>,
    /// Choose the threshold that is cheapest for a share of genuine pairs and two prices
    #[arg(long, value_name = "PRIOR,MISS,FALSE_ACCEPT", value_parser = pairs::costs)]
    costs: Option<Costs>,
    /// The share of genuine pairs that the calibration is fitted for
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    prior: f64,
    /// Write the calibration here, as JSON
    #[arg(long, short = 'o', value_name = "FILE")]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// What a threshold was chosen for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChosenFor {
    /// This false accept rate.
    Far(f64),
    /// The least cost.
    Costs(Costs),
}

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedCalibration {
    pub(crate) version: u32,
    /// What a score is.
    pub(crate) score: String,
    /// Scores at or above it are accepted.
    pub(crate) threshold: f64,
    pub(crate) chosen_for: ChosenFor,
    /// The log-likelihood ratio of a score, in nats: `slope * score + offset`.
    pub(crate) calibration: LogisticCalibration,
    /// Genuine and impostor pairs that it was made from.
    pub(crate) genuine: u64,
    pub(crate) impostor: u64,
}

/// Reads and checks a file that [`run`] wrote.
pub(crate) fn read(path: &Path) -> anyhow::Result<SavedCalibration> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let saved: SavedCalibration =
        serde_json::from_str(&text).with_context(|| format!("{}: is no calibration", path.display()))?;
    let version = saved.version;
    ensure!(version == VERSION, "{}: found version {version}, wanted {VERSION}", path.display());
    ensure!(saved.threshold.is_finite(), "{}: the threshold is not finite", path.display());
    Ok(saved)
}

pub(crate) fn run(arguments: &CalibrateArguments) -> anyhow::Result<()> {
    let compared = pairs::compare(&arguments.pairs)?;
    let found = &compared.verification;
    let far = arguments.far.unwrap_or(1e-3);
    let mut warnings: Vec<String> = found.warnings.clone();
    let (chosen_for, threshold) = if let Some(costs) = arguments.costs {
        (ChosenFor::Costs(costs), found.min_dcf(&costs).threshold)
    } else {
        let line = found.tar_line_at(far).with_context(|| format!("--far: found {far}, wanted 0 to 1"))?;
        warnings.retain(|warning| !warning.starts_with("TAR at FAR"));
        warnings.extend(line.warning);
        (ChosenFor::Far(far), line.threshold)
    };
    let options = CalibrationOptions { prior: arguments.prior, ..CalibrationOptions::default() };
    let calibration = calibration::fit(found, &options).with_context(|| compared.place.clone())?;
    let saved = SavedCalibration {
        version: VERSION,
        score: compared.score.to_owned(),
        threshold,
        chosen_for,
        calibration,
        genuine: found.genuine,
        impostor: found.impostor,
    };
    let point = found.operating_point_at_threshold(threshold as f32);
    let (cllr, minimum_cllr) = (found.cllr(&calibration), found.minimum_cllr());
    let chosen = match &saved.chosen_for {
        ChosenFor::Far(far) => format!("FAR at most {far:e}"),
        ChosenFor::Costs(costs) => format!(
            "least cost: prior {}, miss {}, false accept {}",
            costs.prior(),
            costs.miss(),
            costs.false_accept()
        ),
    };
    let rows = vec![
        ["chosen for".to_owned(), chosen],
        ["threshold".to_owned(), number(threshold)],
        ["FAR".to_owned(), format!("{:.3e}", point.far)],
        ["TAR".to_owned(), percent(point.tar)],
        ["slope, nats".to_owned(), number(calibration.slope())],
        ["offset, nats".to_owned(), number(calibration.offset())],
        [
            "P(same) at the threshold, both kinds equally likely".to_owned(),
            percent(calibration.probability(threshold, 0.5)),
        ],
        ["Cllr, bits".to_owned(), number(cllr)],
        ["minimum Cllr, bits".to_owned(), number(minimum_cllr)],
    ];
    if let Some(path) = &arguments.output_file {
        let mut text = serde_json::to_string_pretty(&saved).context("writing the calibration")?;
        text.push('\n');
        widemargin_durable::write_atomic(path, text.as_bytes())
            .with_context(|| format!("--output-file {}", path.display()))?;
    }
    let json = json!({
        "compared": compared.lead,
        "saved": saved,
        "at_threshold": point,
        "cllr": cllr,
        "minimum_cllr": minimum_cllr,
        "warnings": warnings,
    });
    let figures = if arguments.output.draws() {
        figures::calibration(found, compared.score, threshold)
    } else {
        Vec::new()
    };
    let tables = vec![table("", ["", "value"], rows)];
    Findings { title: "Calibration", lead: compared.lead, tables, warnings, figures, json }
        .show(&arguments.output)
}
