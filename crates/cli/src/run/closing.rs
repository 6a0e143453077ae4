//! What a command that trains prints at the end, and its page repeats: the table, the warnings, and sentences on what was measured.

use super::evaluated::{EvaluatedRun, RunReport};
use super::measures::Measures;
use super::seeds::Seeds;
use super::untrained::Untrained;
use widemargin_data::first_names;
use widemargin_report::table::{Column, Table};

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
        Column::right("seconds"),
        Column::right("samples/s"),
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
        let mut row = cells(&report.objective, &measures, &percent, format!("{:.4}", measures.auc()));
        row.extend([format!("{:.1}", report.seconds), format!("{:.0}", report.samples_per_second)]);
        table.row(row);
        if let Some(gain) = &report.gain {
            table.row(cells("  gain", gain, &points, format!("{:+.4}", gain.auc())));
        }
    }
    table.render()
}

/// The lines below the table: what the baseline is, and the warnings.
pub(crate) fn closing_notes(runs: &[EvaluatedRun], seeds: Option<&Seeds>) -> Vec<String> {
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
    // A verdict is the last line of all.
    let verdicts: Vec<&String> = runs.iter().filter_map(|run| run.report.verdict.as_ref()).collect();
    let others = warnings(runs).into_iter().filter(|warning| !verdicts.contains(&warning));
    lines.extend(others.map(|warning| format!("warning: {warning}")));
    lines
}

/// What the accuracy on known classes is, if there is one.
pub(super) fn accuracy_in_words(runs: &[EvaluatedRun]) -> Option<String> {
    let report = runs.iter().map(|run| &run.report).find(|report| report.known_accuracy().is_some())?;
    Some(report.accuracy_by().in_words().to_owned())
}

/// The warnings of all runs, each once. One that not every run has is of one objective.
pub(super) fn warnings(runs: &[EvaluatedRun]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for warning in runs.iter().flat_map(|run| &run.report.warnings) {
        if !all.contains(warning) {
            all.push(warning.clone());
        }
    }
    all
}

/// What a run was evaluated on, in words.
pub(crate) fn evaluated_on(report: &RunReport) -> String {
    let evaluation = report.evaluation();
    let kind = if report.is_closed() { "classes, all of them trained on" } else { "unseen classes" };
    let classes = first_names(&evaluation.classes, NAMED_CLASSES);
    format!("{} {kind}: {classes} ({} test samples)", evaluation.classes.len(), evaluation.samples)
}

/// Which epoch each model is of, if there were evaluations during training.
pub(super) fn validation_in_words(runs: &[EvaluatedRun]) -> impl Iterator<Item = String> + '_ {
    let reports = runs.iter().map(|run| &run.report);
    reports.filter_map(|report| Some(report.validation.as_ref()?.in_words(&report.objective)))
}
