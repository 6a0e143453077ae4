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
    if seeds.is_none() {
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

/// Which epoch each model is of, if there were evaluations during training.
pub(super) fn validation_in_words(runs: &[EvaluatedRun]) -> impl Iterator<Item = String> + '_ {
    let reports = runs.iter().map(|run| &run.report);
    reports.filter_map(|report| Some(report.validation.as_ref()?.in_words(&report.objective)))
}
