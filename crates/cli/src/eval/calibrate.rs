//! `eval calibrate`: chooses a threshold and fits probabilities, and saves both as a file.

use super::figures;
use super::output::{Findings, OutputArguments, number, percent, quantity, score, table};
use super::pairs::{self, PairArguments};
use crate::arguments::{FileKind, output_file};
use crate::calibration::{ChosenFor, DEFAULT_FAR, SavedCalibration};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use widemargin_eval::verification::calibration::CalibrationOptions;
use widemargin_eval::verification::costs::Costs;

const CALIBRATION: FileKind = FileKind { name: "a calibration", mark: "\"threshold\"" };

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval calibrate embeddings.npy -o calibration.json\n  widemargin eval calibrate images.npy --split runs/mine/split.csv --far 1e-2 -o calibration.json"
)]
pub(crate) struct CalibrateArguments {
    #[command(flatten)]
    pairs: PairArguments,
    /// Choose the lowest threshold with at most this false accept rate [default: 1e-3]
    #[arg(long, value_name = "RATE", value_parser = pairs::rate, conflicts_with = "costs")]
    far: Option<f64>,
    /// Choose the threshold with the lowest detection cost for this prior and these costs, such as 0.01,10,1
    #[arg(long, value_name = "PRIOR,MISS,FALSE_ACCEPT", value_parser = pairs::costs)]
    costs: Option<Costs>,
    /// Fit the calibration for this prior probability of a genuine pair
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    prior: f64,
    /// Write the calibration to this JSON file, for `compare`, `export` and `eval verification`
    #[arg(long, short = 'o', value_name = "FILE", value_parser = output_file(CALIBRATION))]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &CalibrateArguments) -> anyhow::Result<()> {
    arguments.pairs.require_effect(false, "--sampled or --balanced")?;
    let compared = pairs::compare(&arguments.pairs)?;
    let found = &compared.verification;
    let far = arguments.far.unwrap_or(DEFAULT_FAR);
    let (chosen_for, threshold) = if let Some(costs) = arguments.costs {
        (ChosenFor::Costs(costs), found.min_dcf(&costs).threshold)
    } else {
        let line = found.tar_line_at(far).with_context(|| format!("--far: found {far}, expected 0 to 1"))?;
        (ChosenFor::Far(far), line.threshold)
    };
    let options = CalibrationOptions { prior: arguments.prior, ..CalibrationOptions::default() };
    let saved = SavedCalibration::new(found, compared.score, (chosen_for, threshold), &options);
    let saved = saved.and_then(|saved| saved.comparing(compared.comparison));
    let saved = saved.and_then(|saved| match compared.model {
        Some(model) => saved.of(model),
        None => Ok(saved),
    });
    let saved = saved.with_context(|| compared.place.clone())?;
    let mut warnings = saved.warnings.clone();
    warnings.extend(compared.notes.iter().cloned());
    warnings.extend(found.is_separated().then(|| pairs::SEPARATED.to_owned()));
    warnings.extend(pairs::binned(found));
    let calibration = saved.calibration;
    let point = found.operating_point_at_threshold(threshold);
    let (cllr, minimum_cllr) = (found.cllr(&calibration), found.minimum_cllr());
    let rows = vec![
        ["chosen for".to_owned(), saved.chosen_for.to_string()],
        ["threshold".to_owned(), score(threshold)],
        ["FAR".to_owned(), format!("{:.3e}", point.far)],
        ["TAR".to_owned(), percent(point.tar)],
        ["slope, nats".to_owned(), quantity(calibration.slope())],
        ["offset, nats".to_owned(), quantity(calibration.offset())],
        [
            "P(same) at the threshold, for a prior of 0.5".to_owned(),
            percent(calibration.probability(threshold, 0.5)),
        ],
        ["Cllr, bits".to_owned(), number(cllr)],
        ["minimum Cllr, bits".to_owned(), number(minimum_cllr)],
    ];
    if let Some(path) = &arguments.output_file {
        saved.write(path).with_context(|| format!("--output-file {}", path.display()))?;
    }
    let mut json = json!({
        "compared": compared.lead,
        "saved": saved,
        "at_threshold": point,
        "cllr": cllr,
        "minimum_cllr": minimum_cllr,
        "warnings": warnings,
    });
    for (name, value) in &compared.facts {
        json[name] = value.clone();
    }
    let figures = if arguments.output.draws() {
        figures::calibration(found, compared.score, threshold)
    } else {
        Vec::new()
    };
    let tables = vec![table("", ["", "value"], rows)];
    Findings {
        title: "Calibration",
        lead: compared.lead,
        tables,
        warnings,
        figures,
        json,
        summary: Vec::new(),
    }
    .show(&arguments.output)
}
