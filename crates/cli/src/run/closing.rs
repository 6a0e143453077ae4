//! What a command that trains prints at the end, and its page repeats: the table, the warnings, and sentences on what was measured.

use super::evaluated::{EvaluatedRun, RunReport};
use super::measures::Measures;
use super::seeds::Seeds;
use super::untrained::Untrained;
use widemargin::EvaluationIntervals;
use widemargin_data::{Labelled, first_names};
use widemargin_eval::verification::bootstrap::Interval;
use widemargin_report::table::{Column, Table};
use widemargin_train::Prepared;

/// Most classes named in a sentence.
pub(super) const NAMED_CLASSES: usize = 20;

/// The printed table: the untrained baseline, and each objective with what it gained over it.
pub(crate) fn closing_table(runs: &[EvaluatedRun]) -> String {
    let mut table = Table::new([
        Column::left("objective"),
        Column::right("known accuracy"),
        Column::right("EER"),
        Column::right("AUC"),
        Column::right("TAR at FAR 1e-2"),
        Column::right("recall at 1"),
        Column::right("MAP@R"),
    ]);
    let percent = |value: f64| format!("{:.2} %", 100.0 * value);
    let points = |value: f64| format!("{:+.2}", 100.0 * value);
    let cells = |name: &str, m: &Measures, percent: &dyn Fn(f64) -> String, auc: String| {
        let accuracy = m.accuracy().map_or("-".to_owned(), percent);
        let rates = [m.tar_at_far("1e-2"), m.recall_at_1(), m.map_at_r()].map(percent);
        [&[name.to_owned(), accuracy, percent(m.eer()), auc][..], &rates].concat()
    };
    let mut shown: Option<&Measures> = None;
    for EvaluatedRun { report, .. } in runs {
        let base = report.untrained.as_ref();
        if let Some(base) = base.filter(|base| shown != Some(&base.measures)) {
            table.row(cells(base.name(), &base.measures, &percent, format!("{:.4}", base.measures.auc())));
            shown = Some(&base.measures);
        }
        let measures = report.measures();
        table.row(cells(&report.objective, &measures, &percent, format!("{:.4}", measures.auc())));
        if let Some(gain) = &report.gain {
            table.row(cells("  gain", gain, &points, format!("{:+.4}", gain.auc())));
        }
    }
    table.render()
}

/// The lines below the table: what the baseline is, and the warnings.
pub(crate) fn closing_notes(
    runs: &[EvaluatedRun],
    seeds: Option<&Seeds>,
    prepared: &Prepared,
) -> Vec<String> {
    let bases: Vec<&Untrained> = runs.iter().filter_map(|run| run.report.untrained.as_ref()).collect();
    let mut lines: Vec<String> = bases.first().map(|base| base.in_words()).into_iter().collect();
    if !bases.is_empty() && seeds.is_none() {
        lines.push(
            "gain: difference to that baseline, in percentage points except for AUC; positive is better."
                .to_owned(),
        );
    }
    lines.extend(accuracy_in_words(runs));
    lines.extend(validation_in_words(runs));
    lines.extend(comparison_in_words(prepared));
    if seeds.is_none() {
        lines.extend(intervals_in_words(runs.iter()));
        lines.extend(training_in_words(runs));
    }
    // A verdict is the last line of all.
    let (_, others) = verdicts_and_others(runs);
    lines.extend(others.into_iter().map(|warning| format!("warning: {warning}")));
    lines
}

/// What the accuracy on known classes is, if there is one.
pub(super) fn accuracy_in_words(runs: &[EvaluatedRun]) -> Option<String> {
    let report = runs.iter().map(|run| &run.report).find(|report| report.known_accuracy().is_some())?;
    Some(report.accuracy_by().in_words().to_owned())
}

/// How long the training took; with several runs, that of each objective with its first seed.
fn training_in_words(runs: &[EvaluatedRun]) -> Option<String> {
    let first = runs.first()?.report.seed;
    let reports: Vec<&RunReport> =
        runs.iter().map(|run| &run.report).filter(|report| report.seed == first).collect();
    let of =
        |report: &RunReport| format!("{:.1} s ({:.0} samples/s)", report.seconds, report.samples_per_second);
    let each: Vec<String> = match reports[..] {
        [report] => vec![of(report)],
        _ => reports.iter().map(|report| format!("{} {}", report.objective, of(report))).collect(),
    };
    Some(format!("training: {}.", each.join(", ")))
}

/// The warnings of all runs, verdicts first.
pub(super) fn warnings(runs: &[EvaluatedRun]) -> Vec<String> {
    let (verdicts, others) = verdicts_and_others(runs);
    [verdicts, others].concat()
}

/// The verdicts and the other warnings of all runs, each once. One that not every run has starts with the name of its run.
fn verdicts_and_others(runs: &[EvaluatedRun]) -> (Vec<String>, Vec<String>) {
    let has = |run: &EvaluatedRun, warning: &String| run.report.warnings.contains(warning);
    let several_seeds = runs.iter().any(|run| run.report.seed != runs[0].report.seed);
    let (mut verdicts, mut others): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for run in runs {
        for warning in &run.report.warnings {
            let (objective, seed) = (&run.report.objective, run.report.seed);
            let text = if runs.iter().all(|run| has(run, warning)) {
                warning.clone()
            } else if several_seeds {
                format!("{objective}, seed {seed}: {warning}")
            } else if warning.starts_with(objective.as_str()) {
                warning.clone()
            } else {
                format!("{objective}: {warning}")
            };
            let list = if run.report.verdict.as_ref() == Some(warning) { &mut verdicts } else { &mut others };
            if !list.contains(&text) {
                list.push(text);
            }
        }
    }
    (verdicts, others)
}

/// What a run was evaluated on, in words.
pub(crate) fn evaluated_on(report: &RunReport) -> String {
    let evaluation = report.evaluation();
    let kind = if report.is_closed() { "classes, all of them trained on" } else { "unseen classes" };
    let classes = first_names(&evaluation.classes, NAMED_CLASSES);
    format!("{} {kind}: {classes} ({} test samples)", evaluation.classes.len(), evaluation.samples)
}

/// Which samples were not compared, if there are such.
pub(super) fn comparison_in_words(prepared: &Prepared) -> Option<String> {
    let cameras = prepared.set.camera_names();
    (!cameras.is_empty()).then(|| {
        format!(
            "Only samples of different cameras are compared: {}. Samples of one camera are neither hits nor misses, and no pairs.",
            first_names(cameras.iter(), NAMED_CLASSES)
        )
    })
}

/// The 95 % intervals of each run.
pub(super) fn intervals_in_words<'a>(
    runs: impl Iterator<Item = &'a EvaluatedRun>,
) -> impl Iterator<Item = String> {
    runs.filter_map(|run| {
        let EvaluationIntervals { verification, retrieval } = run.report.intervals.as_ref()?;
        let shown = |name: &str, range: &Interval| {
            format!("{name} {:.1} to {:.1}", 100.0 * range.low, 100.0 * range.high)
        };
        let mut parts = vec![shown("EER", &verification.eer)];
        let tar = verification.tar_at_far.iter().filter(|tar| tar.far < 0.1);
        parts.extend(tar.map(|tar| shown(&format!("TAR at FAR {:e}", tar.far), &tar.tar)));
        if let Some(found) = retrieval {
            parts.extend(found.recall_at.iter().map(|(k, range)| shown(&format!("recall at {k}"), range)));
            parts.push(shown("MAP@R", &found.map_at_r));
            parts.push(shown("mAP", &found.mean_average_precision));
        }
        Some(format!(
            "{}: 95 % intervals in percent, from drawing the {} classes again: {}.",
            run.report.objective,
            verification.drawn,
            parts.join(", ")
        ))
    })
}

/// Which epoch each model is of, if there were evaluations during training.
pub(super) fn validation_in_words(runs: &[EvaluatedRun]) -> impl Iterator<Item = String> + '_ {
    let reports = runs.iter().map(|run| &run.report);
    reports.filter_map(|report| Some(report.validation.as_ref()?.in_words(&report.objective)))
}
