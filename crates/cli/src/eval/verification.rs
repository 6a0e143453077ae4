//! `eval verification`: are two embeddings of the same class?

use super::figures;
use super::output::{Findings, OutputArguments, number, percent, quantity, score, table};
use super::pairs::{self, COMPUTED_ELSEWHERE, Compared, PairArguments};
use crate::arguments::heading;
use crate::calibration::SavedCalibration;
use crate::progress;
use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use widemargin_eval::Error;
use widemargin_eval::verification::bootstrap::{
    self, BootstrapOptions, FEW_DRAWN, Interval, Intervals, TarInterval,
};
use widemargin_eval::verification::calibration::{self, CalibrationOptions, LogisticCalibration};
use widemargin_eval::verification::costs::Costs;
use widemargin_eval::verification::folds::{self, CrossValidation, FoldAccuracy};
use widemargin_eval::verification::{TarAtFar, Verification};
use widemargin_report::page::EvaluationTable;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval verification embeddings.npy --labels labels.csv --figures figures\n  widemargin eval verification embeddings.npy --pairs pairs.csv\n  widemargin eval verification images.npy --split runs/mine/split.csv"
)]
pub(crate) struct VerificationArguments {
    #[command(flatten)]
    pairs: PairArguments,
    #[command(flatten)]
    measures: MeasureArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// The default of --confidence.
const CONFIDENCE: f64 = 0.95;

/// What to report about scored pairs.
#[derive(Args)]
pub(crate) struct MeasureArguments {
    /// False accept rates (FAR) at which to report the true accept rate (TAR) [default: 1e-1 to 1e-6]
    #[arg(help_heading = heading::MEASURES, long, value_name = "RATES", value_delimiter = ',', value_parser = pairs::rate)]
    far: Vec<f64>,
    /// Cross-validate the threshold over this many folds of consecutive pairs (10 in the LFW protocol), if the pairs have no column
    /// `fold`
    #[arg(help_heading = heading::MEASURES, long, value_name = "FOLDS")]
    folds: Option<usize>,
    /// Compute confidence intervals from this many bootstrap resamples: of identities if the embeddings have labels, otherwise of pairs
    #[arg(help_heading = heading::MEASURES, long, value_name = "DRAWS")]
    bootstrap: Option<usize>,
    /// Confidence level of the intervals
    #[arg(help_heading = heading::MEASURES, long, value_name = "SHARE", default_value_t = CONFIDENCE, requires = "bootstrap")]
    confidence: f64,
    /// Report the minimum detection cost for this prior and these costs, such as 0.01,10,1; may be repeated
    #[arg(help_heading = heading::MEASURES, long, value_name = "PRIOR,MISS,FALSE_ACCEPT", value_parser = pairs::costs)]
    costs: Vec<Costs>,
    /// Evaluate the threshold and the probabilities in this file from `eval calibrate`
    #[arg(help_heading = heading::MEASURES, long, value_name = "FILE")]
    calibration: Option<PathBuf>,
}

impl Default for MeasureArguments {
    fn default() -> Self {
        Self {
            far: Vec::new(),
            folds: None,
            bootstrap: None,
            confidence: CONFIDENCE,
            costs: Vec::new(),
            calibration: None,
        }
    }
}

pub(crate) fn run(arguments: &VerificationArguments) -> anyhow::Result<()> {
    ensure!(
        arguments.measures.folds.is_none() || arguments.pairs.are_listed(),
        "--folds: requires a list of pairs (--pairs), whose consecutive parts are the folds"
    );
    let bootstrap = arguments.measures.bootstrap.is_some();
    arguments.pairs.require_effect(bootstrap, "--sampled, --balanced or --bootstrap")?;
    let compare = || pairs::compare(&arguments.pairs);
    findings(&arguments.measures, arguments.pairs.seed(), arguments.output.draws(), compare)?
        .show(&arguments.output)
}

/// The measures of the pairs that `compare` scores. `seed` is that of the bootstrap.
pub(crate) fn findings(
    arguments: &MeasureArguments,
    seed: u64,
    draws: bool,
    compare: impl FnOnce() -> anyhow::Result<Compared>,
) -> anyhow::Result<Findings> {
    let saved = arguments.calibration.as_deref().map(SavedCalibration::read).transpose()?;
    let mut compared = compare()?;
    if let (Some(saved), Some(path)) = (&saved, &arguments.calibration) {
        ensure!(
            saved.score == compared.score,
            "--calibration: the file is for scores of kind {}, the pairs have {}; calibrate on the same kind",
            saved.score,
            compared.score
        );
        if compared.score != COMPUTED_ELSEWHERE {
            let warning = saved.require_model(path, (compared.model, &compared.place));
            compared.notes.extend(warning.context("--calibration")?);
            saved.require_comparison(path, compared.comparison).context("--calibration")?;
        }
        compared.notes.extend(saved.warnings.iter().map(|warning| format!("--calibration: {warning}")));
    }
    let found = &compared.verification;
    let lines: Vec<TarAtFar> = if arguments.far.is_empty() {
        found.tar_table.clone()
    } else {
        arguments.far.iter().filter_map(|&far| found.tar_line_at(far)).collect()
    };
    let rates: Vec<f64> = lines.iter().map(|line| line.far).collect();
    let bootstrap =
        arguments.bootstrap.map(|draws| intervals(arguments, seed, &compared, draws, rates)).transpose()?;
    let (intervals, no_intervals) = match &bootstrap {
        Some((drawn, Ok(found))) => (Some((*drawn, found)), None),
        Some((_, Err(why))) => (None, Some(why.clone())),
        None => (None, None),
    };
    let folds = cross_validation(arguments, &compared)?;
    let minimum_cllr = found.minimum_cllr();

    let mut tables = vec![main_table(&compared, minimum_cllr, intervals), tar_table(&lines, intervals)];
    let mut json = json!({
        "compared": compared.lead,
        "score": compared.score,
        "verification": found,
        "tar_at_far": lines,
        "minimum_cllr": minimum_cllr,
    });
    for (name, value) in &compared.facts {
        json[name] = value.clone();
    }
    if let Some((drawn, found)) = &bootstrap {
        json["bootstrap"] = json!({ "drawn": drawn, "intervals": found.as_ref().ok() });
    }
    if let Some(folds) = &folds {
        json["cross_validation"] = json!(folds);
        tables.push(folds_table(folds));
    }
    let elsewhere = compared.score == COMPUTED_ELSEWHERE;
    let usual = usual_costs()?;
    let costs = if elsewhere && arguments.costs.is_empty() { &usual[..] } else { &arguments.costs };
    if !costs.is_empty() {
        let (table, value) = costs_table(&compared, costs, saved.as_ref());
        tables.push(table);
        json["costs"] = value;
    }
    if let Some(saved) = &saved {
        let (table, value) = calibration_table(&compared, saved);
        tables.push(table);
        json["calibration"] = value;
    }
    let mut unfitted = None;
    if elsewhere {
        match own_calibration(&compared, minimum_cllr) {
            Ok((table, value)) => {
                unfitted = found.is_separated().then(|| super::pairs::SEPARATED.to_owned());
                tables.push(table);
                json["own_calibration"] = value;
            }
            Err(error) => unfitted = Some(format!("The scores could not be calibrated: {error}.")),
        }
    }
    // Requested rates have their own warnings; for the default table the summary is enough.
    let mut warnings = found.warnings.clone();
    if !arguments.far.is_empty() {
        warnings.retain(|warning| !warning.starts_with("TAR at FAR"));
        warnings.extend(lines.iter().filter_map(|line| line.warning.clone()));
    }
    warnings.extend(compared.notes.iter().cloned());
    warnings.extend(folds.as_ref().and_then(folds_of_one_kind));
    warnings.extend(unfitted);
    warnings.extend(no_intervals);
    if let Some((drawn, intervals)) = intervals {
        warnings.extend(about_intervals(drawn, intervals));
    }
    warnings.extend(super::pairs::binned(found));
    json["warnings"] = json!(warnings);
    let figures = if draws { figures::verification(found, compared.score) } else { Vec::new() };
    let summary = summary(found, &lines);
    Ok(Findings { title: "Verification", lead: compared.lead, tables, warnings, figures, json, summary })
}

/// The rates of the summary.
const SUMMARISED: [f64; 2] = [1e-2, 1e-3];

fn summary(found: &Verification, lines: &[TarAtFar]) -> Vec<[String; 2]> {
    let tar = |line: &TarAtFar| {
        let few = if line.warning.is_some() { " (too few)" } else { "" };
        [format!("TAR at FAR {:e}", line.far), format!("{}{few}", percent(line.tar))]
    };
    let mut rows = vec![
        ["genuine pairs".to_owned(), found.genuine.to_string()],
        ["impostor pairs".to_owned(), found.impostor.to_string()],
        ["AUC".to_owned(), format!("{:.6}", found.auc)],
        ["EER".to_owned(), percent(found.eer)],
    ];
    rows.extend(lines.iter().filter(|line| SUMMARISED.contains(&line.far)).map(tar));
    rows
}

/// What is drawn, and the intervals; or why there are none, as a sentence.
fn intervals(
    arguments: &MeasureArguments,
    seed: u64,
    compared: &Compared,
    draws: usize,
    far: Vec<f64>,
) -> anyhow::Result<(&'static str, Result<Intervals, String>)> {
    let options = BootstrapOptions {
        resamples: draws,
        confidence: arguments.confidence,
        seed,
        far,
        ..BootstrapOptions::default()
    };
    let _waiting = progress::waiting("bootstrap");
    ensure!(
        compared.verification.resolution.is_none(),
        "--bootstrap: {}: resamples keep the score of every pair, but {} pairs were counted in bins; compare fewer with --sampled",
        compared.place,
        compared.verification.pairs
    );
    let (drawn, found) = match &compared.identity_pairs {
        Some(pairs) => ("identities", pairs().and_then(|pairs| bootstrap::identities(&pairs, &options))),
        None => ("pairs", bootstrap::pairs(&compared.verification, &options)),
    };
    match found {
        Ok(found) => Ok((drawn, Ok(found))),
        // The results themselves are as good as before.
        Err(few @ Error::TooFewToDraw { .. }) => {
            let why = format!(
                "--bootstrap: {}: no intervals are given: {few}. So few say too little about how the results vary.",
                compared.place
            );
            Ok((drawn, Err(why)))
        }
        Err(error) => Err(error).with_context(|| format!("--bootstrap: {}", compared.place)),
    }
}

/// Sentences on intervals that are too narrow, and on resamples that were left out.
fn about_intervals(drawn: &str, intervals: &Intervals) -> Vec<String> {
    let mut sentences = Vec::new();
    let (genuine, impostor) = (intervals.drawn_genuine, intervals.drawn_impostor);
    let (count, kind) =
        if genuine <= impostor { (genuine, "genuine pairs") } else { (impostor, "impostor pairs") };
    let what = match drawn {
        "pairs" => kind.to_owned(),
        _ if count == intervals.drawn => drawn.to_owned(),
        _ => format!("{drawn} with {kind}"),
    };
    if drawn == "pairs" {
        sentences.push(
            "The intervals come from drawing pairs, because the identities are unknown: they are too narrow if pairs share samples.".to_owned(),
        );
    }
    if count < FEW_DRAWN {
        sentences.push(format!(
            "The intervals come from drawing {count} {what}. With fewer than {FEW_DRAWN}, they are too narrow: the true value is inside less often than \
             in {:.0} % of all cases.",
            100.0 * intervals.confidence
        ));
    }
    if intervals.discarded > 0 {
        sentences.push(format!(
            "{} of {} resamples were discarded, because they had no genuine or no impostor pairs.",
            intervals.discarded,
            intervals.discarded + intervals.resamples
        ));
    }
    sentences
}

fn cross_validation(
    arguments: &MeasureArguments,
    compared: &Compared,
) -> anyhow::Result<Option<CrossValidation>> {
    let Some(list) = &compared.list else { return Ok(None) };
    let pairs = list.scored.len();
    let (numbers, count): (Vec<usize>, usize) = match (arguments.folds, &list.folds) {
        (Some(count), Some(_)) => bail!(
            "--folds: found {count}, but {} has a column `fold`, which defines the folds; remove one of them",
            compared.place
        ),
        (Some(count), None) => {
            ensure!(
                (2..=pairs).contains(&count),
                "--folds: found {count}, expected 2 to {pairs}, the number of pairs"
            );
            let ends: Vec<usize> = (1..=count).map(|fold| fold * pairs / count).collect();
            ((0..pairs).map(|at| ends.partition_point(|&end| end <= at)).collect(), count)
        }
        (None, Some(folds)) => {
            // Files number their folds from 0, from 1, or with gaps.
            let mut names = folds.clone();
            names.sort_unstable();
            names.dedup();
            let numbers = folds.iter().map(|fold| names.partition_point(|name| name < fold)).collect();
            (numbers, names.len())
        }
        (None, None) => return Ok(None),
    };
    let found = folds::cross_validate(&list.scored, &numbers, count);
    found.map(Some).with_context(|| format!("folds of {}", compared.place))
}

fn main_table(
    compared: &Compared,
    minimum_cllr: f64,
    intervals: Option<(&'static str, &Intervals)>,
) -> EvaluationTable {
    let found = &compared.verification;
    let within = |of: &dyn Fn(&Intervals) -> Interval, shown: &dyn Fn(f64) -> String| {
        intervals.map_or_else(String::new, |(_, intervals)| between(of(intervals), shown))
    };
    let pairs = |compared: u64| compared.to_string();
    let rows = vec![
        ["genuine pairs".to_owned(), pairs(found.genuine), String::new(), String::new()],
        ["impostor pairs".to_owned(), pairs(found.impostor), String::new(), String::new()],
        [
            "AUC".to_owned(),
            format!("{:.6}", found.auc),
            String::new(),
            within(&|i| i.auc, &|v| format!("{v:.6}")),
        ],
        ["EER".to_owned(), percent(found.eer), score(found.eer_threshold), within(&|i| i.eer, &percent)],
        [
            "best accuracy".to_owned(),
            percent(found.best_accuracy.accuracy),
            score(found.best_accuracy.threshold),
            String::new(),
        ],
        [
            "best balanced accuracy".to_owned(),
            percent(found.best_balanced_accuracy.accuracy),
            score(found.best_balanced_accuracy.threshold),
            within(&|i| i.best_balanced_accuracy, &percent),
        ],
        ["minimum Cllr, bits".to_owned(), number(minimum_cllr), String::new(), String::new()],
    ];
    if let Some(intervals) = intervals {
        table("", ["measure", "value", "at threshold", heading(intervals).as_str()], rows)
    } else {
        let rows = rows.into_iter().map(|[name, value, threshold, _]| [name, value, threshold]).collect();
        table("", ["measure", "value", "at threshold"], rows)
    }
}

/// The ends of an interval in words.
fn between(Interval { low, high }: Interval, shown: &dyn Fn(f64) -> String) -> String {
    format!("{} to {}", shown(low), shown(high))
}

/// The heading of a column of intervals.
fn heading((drawn, intervals): (&str, &Intervals)) -> String {
    let confidence = 100.0 * intervals.confidence;
    let Intervals { drawn: all, drawn_genuine, drawn_impostor, .. } = intervals;
    let of_kind = |count: &usize, kind: &str| (count < all).then(|| format!("{count} of them with {kind}"));
    // Every pair is of one kind.
    let kinds = if drawn == "pairs" {
        Vec::new()
    } else {
        vec![of_kind(drawn_genuine, "genuine pairs"), of_kind(drawn_impostor, "impostor pairs")]
    };
    let parts = [Some(format!("{confidence:.0} % interval, drawing {all} {drawn}"))].into_iter().chain(kinds);
    parts.flatten().collect::<Vec<String>>().join(", ")
}

/// TAR at each rate. The intervals are of the same rates.
fn tar_table(lines: &[TarAtFar], intervals: Option<(&'static str, &Intervals)>) -> EvaluationTable {
    let row = |line: &TarAtFar| {
        let few = if line.warning.is_some() { "  (too few)" } else { "" };
        [
            format!("{:e}", line.far),
            percent(line.tar),
            score(line.threshold),
            format!("{} of {}{few}", line.false_accepts, line.impostors),
        ]
    };
    let (title, columns) =
        ("True accept rate at a false accept rate", ["FAR", "TAR", "at threshold", "false accepts"]);
    let Some(found) = intervals else {
        return table(title, columns, lines.iter().map(row).collect());
    };
    let (heading, [far, tar, threshold, accepts]) = (heading(found), columns);
    let with_interval = |(line, interval): (&TarAtFar, &TarInterval)| {
        let [far, tar, threshold, accepts] = row(line);
        [far, tar, between(interval.tar, &percent), threshold, accepts]
    };
    let rows = lines.iter().zip(&found.1.tar_at_far).map(with_interval).collect();
    table(title, [far, tar, heading.as_str(), threshold, accepts], rows)
}

/// A warning about folds whose pairs are all genuine, or all impostors.
fn folds_of_one_kind(found: &CrossValidation) -> Option<String> {
    let is_of_one_kind = |fold: &&FoldAccuracy| fold.genuine == 0 || fold.genuine == fold.pairs;
    let first = found.folds.iter().find(is_of_one_kind)?;
    Some(format!(
        "{} of {} folds have pairs of one kind only; the first is fold {}, with {} genuine pairs of {}. The list seems to be sorted by kind: the \
         thresholds of the other folds are then chosen for another share of genuine pairs. Mix both kinds in each fold.",
        found.folds.iter().filter(is_of_one_kind).count(),
        found.folds.len(),
        first.fold,
        first.genuine,
        first.pairs
    ))
}

fn folds_table(found: &CrossValidation) -> EvaluationTable {
    let mut rows: Vec<[String; 4]> = found
        .folds
        .iter()
        .map(|fold| {
            let (name, pairs) = (format!("fold {}", fold.fold), fold.pairs.to_string());
            [name, pairs, score(fold.threshold), percent(fold.accuracy)]
        })
        .collect();
    let mean = format!("{} +- {}", percent(found.accuracy), percent(found.standard_error));
    rows.push(["mean and standard error".to_owned(), String::new(), String::new(), mean]);
    let columns = ["", "pairs", "threshold chosen on the other folds", "accuracy"];
    table("Cross-validated accuracy", columns, rows)
}

fn costs_table(
    compared: &Compared,
    costs: &[Costs],
    saved: Option<&SavedCalibration>,
) -> (EvaluationTable, Value) {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for costs in costs {
        let minimum = compared.verification.min_dcf(costs);
        let actual = saved.map(|saved| compared.verification.actual_dcf(costs, &saved.calibration));
        rows.push([
            format!("{}, {}, {}", costs.prior(), costs.miss(), costs.false_accept()),
            number(minimum.normalised),
            score(minimum.threshold),
            actual.map_or_else(|| "-".to_owned(), |actual| number(actual.normalised)),
        ]);
        values.push(json!({ "costs": costs, "minimum": minimum, "actual": actual }));
    }
    let columns = ["prior, miss, false accept", "minimum", "at threshold", "actual"];
    (table("Normalised detection costs", columns, rows), json!(values))
}

fn calibration_table(compared: &Compared, saved: &SavedCalibration) -> (EvaluationTable, Value) {
    let found = &compared.verification;
    let point = found.operating_point_at_threshold(saved.threshold);
    let cllr = found.cllr(&saved.calibration);
    let rows = vec![
        ["threshold".to_owned(), score(saved.threshold)],
        ["FAR".to_owned(), format!("{:.3e}", point.far)],
        ["TAR".to_owned(), percent(point.tar)],
        ["Cllr, bits".to_owned(), number(cllr)],
    ];
    let value = json!({ "at_threshold": point, "cllr": cllr, "file": saved });
    (table("Calibration, evaluated on these pairs", ["measure", "value"], rows), value)
}

/// The costs reported for scores that another program computed: those of the NIST and VoxCeleb evaluations.
fn usual_costs() -> anyhow::Result<[Costs; 2]> {
    Ok([Costs::new(0.01, 1.0, 1.0)?, Costs::new(0.05, 1.0, 1.0)?])
}

/// A calibration fitted to the scores themselves, and Cllr with it and without.
fn own_calibration(compared: &Compared, minimum_cllr: f64) -> anyhow::Result<(EvaluationTable, Value)> {
    let found = &compared.verification;
    let fitted = calibration::fit(found, &CalibrationOptions::default())?;
    let (uncalibrated, calibrated) = (found.cllr(&LogisticCalibration::identity()), found.cllr(&fitted));
    let rows = vec![
        ["slope, nats".to_owned(), quantity(fitted.slope())],
        ["offset, nats".to_owned(), quantity(fitted.offset())],
        ["Cllr of the scores as log-likelihood ratios in nats, bits".to_owned(), number(uncalibrated)],
        ["Cllr with the calibration, bits".to_owned(), number(calibrated)],
        ["minimum Cllr, bits".to_owned(), number(minimum_cllr)],
    ];
    let value = json!({
        "calibration": fitted,
        "cllr_of_scores": uncalibrated,
        "cllr": calibrated,
        "minimum_cllr": minimum_cllr,
    });
    Ok((table("Calibration fitted to these scores", ["measure", "value"], rows), value))
}
