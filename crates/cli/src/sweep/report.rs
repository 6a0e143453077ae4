//! The reports of a sweep: a printed table, `sweep.json`, and `sweep.html` with figures.

use super::plan::{Plan, RankBy, plain};
use super::results::{RoundResult, SweptRun};
use crate::run::AccuracyBy;
use crate::say::{results, sentence, shown};
use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use widemargin_data::Labelled;
use widemargin_durable::write_atomic;
use widemargin_report::figure::{LineChart, Series, line_chart};
use widemargin_report::page::{EvaluationFigure, EvaluationInput, EvaluationTable, evaluation};
use widemargin_report::table::{Column, Table};
use widemargin_train::Prepared;

/// A caution for readers of the results.
const CHOSEN_BY: &str = "The best of many runs is partly the luckiest, because it was chosen by these results. Evaluate it again on classes \
or images that the sweep did not use.";

/// Most lines in one figure.
const MOST_LINES: usize = 8;

/// `sweep.json`.
#[derive(Serialize)]
struct Report<'a> {
    by: RankBy,
    /// What assigned the test samples of known classes to a class.
    accuracy_by: AccuracyBy,
    /// What a reader of the results must know, as whole sentences.
    warnings: &'a [String],
    /// Best first: runs of the last round, then those that stopped earlier.
    runs: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    rank: usize,
    run: &'a str,
    settings: Map<String, Value>,
    /// Results after each of its rounds.
    rounds: &'a [RoundResult],
}

/// Writes the files and prints the table.
pub(super) fn write(
    folder: &Path,
    plan: &Plan,
    runs: &[SweptRun],
    (prepared, accuracy_by): (&Prepared, AccuracyBy),
    json: bool,
) -> anyhow::Result<()> {
    let mut ranked: Vec<&SweptRun> = runs.iter().collect();
    let key = |run: &SweptRun| {
        run.rounds
            .last()
            .map_or((0, f64::NEG_INFINITY), |result| (run.rounds.len(), result.rank_value(plan.by)))
    };
    ranked.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    let lines = ranked.iter().zip(1..).map(|(run, rank)| {
        let settings = plan.grid.iter().zip(&run.candidate.values);
        let settings = settings.map(|(axis, value)| Ok((axis.key.clone(), serde_json::to_value(value)?)));
        let settings = settings.collect::<Result<_, serde_json::Error>>().context("writing the settings")?;
        Ok(Line { rank, run: &run.candidate.name, settings, rounds: &run.rounds })
    });
    let mut warnings = prepared.warnings.clone();
    warnings.extend(no_gain(plan, &ranked));
    warnings.extend(ties(plan, &ranked));
    warnings.extend(few_false_accepts(plan, prepared));
    let report =
        Report { by: plan.by, accuracy_by, warnings: &warnings, runs: lines.collect::<anyhow::Result<_>>()? };
    let mut text = serde_json::to_string_pretty(&report).context("writing sweep.json")?;
    text.push('\n');
    write_atomic(folder.join("sweep.json"), text.as_bytes())?;

    let kind = if prepared.split.is_closed() { "test images of the known classes" } else { "unseen classes" };
    let (columns, rows) =
        (columns(plan), ranked.iter().zip(1..).map(|(run, rank)| cells(plan, run, rank)).collect::<Vec<_>>());
    let input = EvaluationInput {
        title: format!("Sweep of {}", plan.base.objective.name),
        lead: format!(
            "{} runs, evaluated on {kind}, ranked by {}.{}",
            runs.len(),
            name(plan.by),
            order_of_rounds(plan)
        ),
        notes: vec![CHOSEN_BY.to_owned(), gain_in_words(plan), accuracy_by.in_words().to_owned()],
        warnings: warnings.clone(),
        tables: vec![EvaluationTable {
            heading: String::new(),
            columns: columns.clone(),
            rows: rows.clone(),
        }],
        figures: figures(plan, runs, &ranked),
    };
    write_atomic(folder.join("sweep.html"), evaluation(&input).as_bytes())?;

    let mut out = results();
    if json {
        write!(out, "{text}")?;
        return Ok(());
    }
    let mut table = Table::new(columns.into_iter().map(Column::right));
    for row in rows {
        table.row(row);
    }
    let (table, by) = (table.render(), name(plan.by));
    let evaluated = format!("Evaluated on {kind}, ranked by {by}.{} {CHOSEN_BY}", order_of_rounds(plan));
    write!(
        out,
        "{table}{}{}{}",
        sentence(&evaluated),
        sentence(&gain_in_words(plan)),
        sentence(accuracy_by.in_words())
    )?;
    for warning in &warnings {
        write!(out, "{}", sentence(&format!("warning: {warning}")))?;
    }
    writeln!(out, "\nReport: {}", shown(&folder.join("sweep.html")))?;
    Ok(())
}

/// What the column of gains is.
fn gain_in_words(plan: &Plan) -> String {
    format!("gain: by how many percentage points {} is better than before the first step.", name(plan.by))
}

/// A sentence about the runs whose last result is no better than before training.
fn no_gain(plan: &Plan, ranked: &[&SweptRun]) -> Option<String> {
    let gains: Vec<f64> = ranked.iter().filter_map(|run| run.rounds.last()?.gain(plan.by)).collect();
    let lost = gains.iter().filter(|gain| **gain <= 0.0).count();
    (lost > 0).then(|| {
        format!(
            "{lost} of {} runs do not beat their model before training in {}.",
            gains.len(),
            name(plan.by)
        )
    })
}

/// A sentence on runs with the same result in the ranking measure: their order, and which of them continued, says nothing.
fn ties(plan: &Plan, ranked: &[&SweptRun]) -> Option<String> {
    let value = |run: &SweptRun, round: usize| {
        run.rounds.get(round).map(|result| result.rank_value(plan.by)).filter(|value| value.is_finite())
    };
    let is_tied = |run: &SweptRun, of: fn(usize, usize) -> bool| {
        let last = run.rounds.len().saturating_sub(1);
        let own = value(run, last);
        let others = ranked
            .iter()
            .filter(|other| !std::ptr::eq(**other, run) && of(other.rounds.len(), run.rounds.len()));
        own.is_some() && others.clone().any(|other| value(other, last) == own)
    };
    let [tied, dropped] = [
        ranked.iter().filter(|run| is_tied(run, |others, own| others >= own)).count(),
        ranked.iter().filter(|run| is_tied(run, |others, own| others > own)).count(),
    ];
    let measure = name(plan.by);
    let stopped = (dropped > 0)
        .then(|| format!(" {dropped} of them stopped although others with the same {measure} continued."));
    (tied > 0).then(|| {
        format!(
            "{tied} of {} runs have the same {measure} as another one: their order is that of the list.{} Another measure (--by) may tell them apart.",
            ranked.len(),
            stopped.unwrap_or_default()
        )
    })
}

/// The fewest false accepts for a reliable rate, as in `eval verification`.
const FEWEST_FALSE_ACCEPTS: f64 = 10.0;

/// A sentence on a ranking by a rate that rests on too few pairs.
fn few_false_accepts(plan: &Plan, prepared: &Prepared) -> Option<String> {
    let samples = if prepared.split.is_closed() { &prepared.known.samples } else { &prepared.unseen };
    let mut counts: HashMap<u32, u64> = HashMap::new();
    for sample in samples {
        *counts.entry(prepared.set.labels()[*sample as usize]).or_default() += 1;
    }
    let pairs = |count: u64| count * count.saturating_sub(1) / 2;
    let impostors = pairs(samples.len() as u64) - counts.values().map(|count| pairs(*count)).sum::<u64>();
    (plan.by == RankBy::Tar && impostors as f64 * 1e-3 < FEWEST_FALSE_ACCEPTS).then(|| {
        format!(
            "The ranking by TAR at FAR 1e-3 rests on fewer than 10 false accepts: there are only {impostors} impostor pairs."
        )
    })
}

/// How runs of different length are ranked, if there are any.
fn order_of_rounds(plan: &Plan) -> &'static str {
    if plan.halving.is_some() { " Runs that stopped after fewer epochs come last." } else { "" }
}

fn columns(plan: &Plan) -> Vec<String> {
    let figures =
        ["epochs", "recall at 1", "MAP@R", "TAR at FAR 1e-3", "EER", "known accuracy", "gain", "seconds"];
    let axes = plan.grid.iter().map(|axis| axis.short().replace('_', " "));
    std::iter::once("rank".to_owned()).chain(axes).chain(figures.map(str::to_owned)).collect()
}

fn cells(plan: &Plan, run: &SweptRun, rank: usize) -> Vec<String> {
    let mut cells = vec![rank.to_string()];
    cells.extend(run.candidate.values.iter().map(plain));
    let Some(result) = run.rounds.last() else { return cells };
    cells.push(result.epochs.to_string());
    if result.failed.is_some() {
        cells.push("diverged".to_owned());
        return cells;
    }
    let figures = [result.recall_at_1, result.map_at_r, result.tar_at_far_1e3, result.eer, result.accuracy];
    let percent = |value: f64| format!("{:.2} %", 100.0 * value);
    cells.extend(figures.map(|figure| figure.map_or("-".to_owned(), percent)));
    cells.push(result.gain(plan.by).map_or("-".to_owned(), |gain| format!("{:+.2}", 100.0 * gain)));
    cells.push(format!("{:.1}", result.seconds));
    cells
}

fn name(by: RankBy) -> &'static str {
    match by {
        RankBy::RecallAt1 => "recall at 1",
        RankBy::MapAtR => "MAP@R",
        RankBy::Tar => "TAR at FAR 1e-3",
        RankBy::Eer => "EER",
        RankBy::Accuracy => "accuracy on known classes",
    }
}

/// The measure in per cent, as in the table.
fn percent(result: &RoundResult, by: RankBy) -> f64 {
    let value = 100.0 * result.rank_value(by);
    if !value.is_finite() {
        f64::NAN
    } else if by == RankBy::Eer {
        -value
    } else {
        value
    }
}

/// The measure against each numeric axis, for all runs after the first round; and, with several rounds, against epochs.
fn figures(plan: &Plan, runs: &[SweptRun], ranked: &[&SweptRun]) -> Vec<EvaluationFigure> {
    let mut figures = Vec::new();
    let of = name(plan.by);
    let first = |run: &SweptRun| run.rounds.first().map_or(f64::NAN, |result| percent(result, plan.by));
    for (at, axis) in plan.grid.iter().enumerate() {
        let number =
            |value: &toml::Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        if axis.values.len() < 2 || axis.values.iter().any(|value| number(value).is_none()) {
            continue;
        }
        // one line per combination of the other settings
        let mut series: Vec<Series> = Vec::new();
        for run in runs {
            let others =
                plan.grid.iter().zip(&run.candidate.values).enumerate().filter(|(other, _)| *other != at);
            let others: Vec<String> = others
                .map(|(_, (axis, value))| format!("{} {}", axis.short().replace('_', " "), plain(value)))
                .collect();
            let point = (number(&run.candidate.values[at]).unwrap_or(f64::NAN), first(run));
            let others = others.join(", ");
            match series.iter_mut().find(|series| series.name == others) {
                Some(series) => series.points.push(point),
                None => series.push(Series { name: others, points: vec![point] }),
            }
        }
        series.truncate(MOST_LINES);
        for series in &mut series {
            series.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        let label = axis.short().replace('_', " ");
        let rounds = if plan.halving.is_some() { ", after the first round" } else { "" };
        let chart = LineChart {
            title: format!("{of} against {label}"),
            description: format!("{of} of each run against its {label}{rounds}."),
            x_label: label.clone(),
            y_label: format!("{of} in %"),
            series,
            ..LineChart::default()
        };
        let caption =
            format!("{of} against {label}{rounds}, one line per combination of the other settings.");
        figures.push(EvaluationFigure { svg: line_chart(&chart), caption });
    }
    if plan.halving.is_some() {
        // A single point is no line.
        let continued = || ranked.iter().filter(|run| run.rounds.len() > 1).take(MOST_LINES);
        let series = continued().map(|run| Series {
            name: run.candidate.name.clone(),
            points: run
                .rounds
                .iter()
                .map(|result| (result.epochs as f64, percent(result, plan.by)))
                .collect(),
        });
        let chart = LineChart {
            title: format!("{of} after each round"),
            description: format!("{of} of the best runs after each round of successive halving."),
            x_label: "epochs".to_owned(),
            y_label: format!("{of} in %"),
            series: series.collect(),
            ..LineChart::default()
        };
        let caption = format!(
            "{of} after each round, for the {} best runs that continued after the first. A line ends where its run was stopped.",
            continued().count()
        );
        figures.push(EvaluationFigure { svg: line_chart(&chart), caption });
    }
    figures
}
