//! The first section: the main results, as a table and in words.

use super::input::{ObjectiveReport, ReportInput, RetrievalResults, VerificationResults};
use super::markup::{self, DataTable, Section};
use crate::text::{self, add};

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Better {
    Higher,
    Lower,
    /// It says nothing about the quality of the model.
    Neither,
}

/// How the values of a measure are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Percent,
    Fraction,
    Seconds,
    PerSecond,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Percent => text::percent(value, 2),
            Self::Fraction => text::fixed(value, 4),
            Self::Seconds => format!("{} s", text::fixed(value, 1)),
            Self::PerSecond if value.is_finite() && value >= 0.0 => text::count(value.round() as u64),
            Self::PerSecond => NO_VALUE.to_owned(),
        }
    }

    /// A difference with its sign.
    fn show_gain(self, gain: f64) -> String {
        match self {
            _ if !gain.is_finite() => NO_VALUE.to_owned(),
            Self::Percent => format!("{:+.2}\u{a0}pp", 100.0 * gain),
            Self::Fraction => format!("{gain:+.4}"),
            Self::Seconds | Self::PerSecond => NO_VALUE.to_owned(),
        }
    }
}

/// What the arrows of the row headings mean.
const ARROWS: &str = "↑: higher is better. ↓: lower is better.";

/// Shown where there is no value.
const NO_VALUE: &str = "–";

/// One measure: heading, direction, unit, and the value in each column: the objectives, then baselines.
struct Measure {
    heading: String,
    better: Better,
    unit: Unit,
    values: Vec<Option<f64>>,
}

impl Measure {
    /// The value in a column as text.
    fn shown(&self, column: usize) -> String {
        self.values[column].map_or_else(|| NO_VALUE.to_owned(), |value| self.unit.show(value))
    }

    /// Its heading with an arrow to the better values.
    fn row_heading(&self) -> String {
        match self.better {
            Better::Higher => format!("{} ↑", self.heading),
            Better::Lower => format!("{} ↓", self.heading),
            Better::Neither => self.heading.clone(),
        }
    }

    /// How much better the first column is than the second.
    fn gain(&self) -> String {
        let [Some(trained), Some(base), ..] = self.values[..] else { return NO_VALUE.to_owned() };
        self.unit.show_gain(if self.better == Better::Higher { trained - base } else { base - trained })
    }

    /// Which of the first `columns` columns have the best value, as shown. Equal values are equally good; if all are equal, none is marked.
    fn best(&self, columns: usize) -> Vec<bool> {
        let values = &self.values[..columns];
        let finite = || values.iter().flatten().copied().filter(|value| value.is_finite());
        let best = match self.better {
            Better::Higher => finite().reduce(f64::max),
            Better::Lower => finite().reduce(f64::min),
            Better::Neither => return vec![false; columns],
        };
        let show = |value| self.unit.show(value);
        let best = best.map(show);
        let marks: Vec<bool> =
            values.iter().map(|value| value.is_some() && value.map(show) == best).collect();
        if marks.iter().all(|&mark| mark) { vec![false; marks.len()] } else { marks }
    }
}

/// The measures of these columns. A measure that no objective has is left out.
fn measures(columns: &[&ObjectiveReport]) -> Vec<Measure> {
    let mut measures = Vec::new();
    let mut add = |heading: &str, better, unit, value: &dyn Fn(&ObjectiveReport) -> Option<f64>| {
        let values: Vec<Option<f64>> = columns.iter().map(|column| value(column)).collect();
        if values.iter().any(Option::is_some) {
            measures.push(Measure { heading: heading.to_owned(), better, unit, values });
        }
    };
    add("Accuracy, known classes", Better::Higher, Unit::Percent, &|o| o.known_accuracy);
    add("EER", Better::Lower, Unit::Percent, &|o| Some(o.verification.as_ref()?.eer));
    add("AUC", Better::Higher, Unit::Fraction, &|o| Some(o.verification.as_ref()?.auc));
    for key in keys(verifications(columns).flat_map(|v| &v.tar_at_far).map(|tar| tar.0.as_str())) {
        add(&format!("TAR at FAR {key}"), Better::Higher, Unit::Percent, &|o| {
            o.verification.as_ref()?.tar_at_far.iter().find(|tar| tar.0 == key).map(|tar| tar.1)
        });
    }
    for k in keys(retrievals(columns).flat_map(|r| &r.recall_at).map(|recall| recall.0)) {
        add(&format!("Recall at {k}"), Better::Higher, Unit::Percent, &|o| {
            o.retrieval.as_ref()?.recall_at.iter().find(|recall| recall.0 == k).map(|recall| recall.1)
        });
    }
    add("R-precision", Better::Higher, Unit::Percent, &|o| Some(o.retrieval.as_ref()?.r_precision));
    add("MAP@R", Better::Higher, Unit::Percent, &|o| Some(o.retrieval.as_ref()?.map_at_r));
    add("mAP", Better::Higher, Unit::Percent, &|o| o.retrieval.as_ref()?.mean_average_precision);
    add("Training time", Better::Neither, Unit::Seconds, &|o| o.seconds);
    add("Samples per second", Better::Neither, Unit::PerSecond, &|o| o.samples_per_second);
    measures
}

fn verifications<'a>(columns: &[&'a ObjectiveReport]) -> impl Iterator<Item = &'a VerificationResults> {
    columns.iter().filter_map(|column| column.verification.as_ref())
}

fn retrievals<'a>(columns: &[&'a ObjectiveReport]) -> impl Iterator<Item = &'a RetrievalResults> {
    columns.iter().filter_map(|column| column.retrieval.as_ref())
}

/// The baselines of the objectives. Objectives with the same initial weights share one.
fn baselines(objectives: &[ObjectiveReport]) -> Vec<&ObjectiveReport> {
    keys(objectives.iter().filter_map(|objective| objective.untrained.as_deref()))
}

/// All distinct keys in order of appearance.
fn keys<K: PartialEq>(all: impl Iterator<Item = K>) -> Vec<K> {
    let mut keys = Vec::new();
    for key in all {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

pub(super) fn section(input: &ReportInput) -> Option<Section> {
    let objectives = &input.objectives;
    if objectives.is_empty() {
        return None;
    }
    let columns: Vec<&ObjectiveReport> = objectives.iter().chain(baselines(objectives)).collect();
    let measures = measures(&columns);
    let mut body = String::new();
    let mut words = String::new();
    if !input.evaluated_on.is_empty() {
        words.push_str(&markup::paragraph(&format!(
            "Evaluated on {}.",
            input.evaluated_on.trim_end_matches('.')
        )));
    }
    body.push_str(&markup::warnings(&input.warnings));
    let table = if let [only] = objectives.as_slice() {
        words.push_str(&in_words(only));
        single_table(&columns, &measures)
    } else {
        words.push_str(&comparison_in_words(objectives));
        comparison_table(&columns, objectives.len(), &measures)
    };
    words.push_str(&markup::notes(&input.notes));
    body.push_str(&markup::sides(&[words, table]));
    Some(Section { id: "results", heading: "Results", body })
}

/// Measures as rows: the baseline, if there is one, the trained model and its gain.
fn single_table(columns: &[&ObjectiveReport], measures: &[Measure]) -> String {
    let base = columns.get(1);
    let row = |measure: &Measure| {
        let values = match base {
            Some(_) => vec![measure.shown(1), measure.shown(0), measure.gain()],
            None => vec![measure.shown(0)],
        };
        std::iter::once(measure.row_heading()).chain(values).map(|cell| (cell, false)).collect()
    };
    let headings = match base {
        Some(base) => vec!["Measure", base.name.as_str(), "trained", "gain"],
        None => vec!["Measure", "Value"],
    };
    let table = DataTable {
        headings: headings.into_iter().map(str::to_owned).collect(),
        rows: measures.iter().map(row).collect(),
        numbers: true,
    };
    table.html() + &markup::paragraph(ARROWS)
}

/// Measures as rows, so that the table stays narrow enough for a phone. The first `objectives` columns are trained, the others baselines.
fn comparison_table(columns: &[&ObjectiveReport], objectives: usize, measures: &[Measure]) -> String {
    let mut headings = vec!["Measure".to_owned()];
    headings.extend(columns.iter().map(|column| column.name.clone()));
    let row = |measure: &Measure| {
        let mut cells = vec![(measure.row_heading(), false)];
        let best = measure.best(objectives).into_iter().chain(std::iter::repeat(false));
        cells.extend((0..columns.len()).map(|column| measure.shown(column)).zip(best));
        cells
    };
    let rows = measures.iter().map(row).collect();
    let note = format!("The best value of each measure among the trained models is bold. {ARROWS}");
    DataTable { headings, rows, numbers: true }.html() + &markup::paragraph(&note)
}

/// The results of one objective, in words, next to those of its baseline.
fn in_words(objective: &ObjectiveReport) -> String {
    let base = objective.untrained.as_deref();
    let before = |value: Option<f64>| match (base, value.filter(|value| value.is_finite())) {
        (Some(base), Some(value)) => format!("; {}: {}", base.name, text::percent(value, 1)),
        _ => String::new(),
    };
    let mut sentences = Vec::new();
    let finite = |v: &&VerificationResults| v.eer.is_finite() && v.eer_threshold.is_finite();
    if let Some(v) = objective.verification.as_ref().filter(finite) {
        sentences.push(format!(
            "With a threshold of {:.3} on the cosine, {} of the genuine pairs are rejected, and the same share of impostor pairs is \
             accepted (EER{}).",
            v.eer_threshold,
            text::percent(v.eer, 1),
            before(base.and_then(|base| Some(base.verification.as_ref()?.eer)))
        ));
    }
    if let Some(recall) = recall_at_1(objective).filter(|recall| recall.is_finite()) {
        sentences.push(format!(
            "For {} of the samples, the most similar other sample is of the same class (recall at 1{}).",
            text::percent(recall, 1),
            before(base.and_then(recall_at_1))
        ));
    }
    let confused = objective.confusions.as_ref().and_then(|found| found.most_frequent.first());
    if let Some(most) = confused {
        sentences.push(format!(
            "The most frequent confusion: {} taken for {} ({} of {} queries).",
            most.class,
            most.found,
            text::count(most.queries),
            text::count(most.total)
        ));
    }
    sentences.iter().map(|sentence| markup::paragraph(sentence)).collect()
}

fn recall_at_1(objective: &ObjectiveReport) -> Option<f64> {
    objective.retrieval.as_ref()?.recall_at.iter().find(|recall| recall.0 == 1).map(|recall| recall.1)
}

/// The best objective in verification and in retrieval, compared with the second best.
fn comparison_in_words(objectives: &[ObjectiveReport]) -> String {
    let eer = |o: &ObjectiveReport| o.verification.as_ref().map(|v| v.eer);
    let ranked = |value: &dyn Fn(&ObjectiveReport) -> Option<f64>, sign: f64| {
        let mut ranked: Vec<(&str, f64)> = objectives
            .iter()
            .filter_map(|o| Some((o.name.as_str(), value(o).filter(|value| value.is_finite())?)))
            .collect();
        ranked.sort_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));
        ranked
    };
    let mut sentences = String::new();
    for (ranked, what) in [
        (ranked(&eer, 1.0), "the lowest equal error rate"),
        (ranked(&recall_at_1, -1.0), "the highest recall at 1"),
    ] {
        let [first, second, ..] = ranked.as_slice() else { continue };
        let (a, b) = (text::percent(first.1, 2), text::percent(second.1, 2));
        if a == b {
            add(&mut sentences, format_args!("{} and {} both have {what} ({a}). ", first.0, second.0));
        } else {
            add(
                &mut sentences,
                format_args!("{} has {what} ({a}), followed by {} ({b}). ", first.0, second.0),
            );
        }
    }
    if sentences.is_empty() {
        return sentences;
    }
    sentences.push_str("Results also vary from seed to seed: differences of that size are not significant.");
    markup::paragraph(&sentences)
}
