//! The first section: the main results, as a table and in words.

use super::input::{ObjectiveReport, ReportInput, RetrievalResults, VerificationResults};
use super::markup::{self, DataTable, Section};
use crate::text::{self, add};

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Better {
    Higher,
    Lower,
}

/// One measure: heading, direction, format, and the value of each objective.
struct Measure {
    heading: String,
    better: Better,
    show: fn(f64) -> String,
    values: Vec<Option<f64>>,
}

impl Measure {
    /// Which objectives have the best value, as shown. Equal values are equally good; if all are equal, none is marked.
    fn best(&self) -> Vec<bool> {
        let finite = || self.values.iter().flatten().copied().filter(|value| value.is_finite());
        let best = match self.better {
            Better::Higher => finite().reduce(f64::max),
            Better::Lower => finite().reduce(f64::min),
        };
        let best = best.map(self.show);
        let marks: Vec<bool> =
            self.values.iter().map(|value| value.is_some() && value.map(self.show) == best).collect();
        if marks.iter().all(|&mark| mark) { vec![false; marks.len()] } else { marks }
    }
}

fn measures(objectives: &[ObjectiveReport]) -> Vec<Measure> {
    let mut measures = Vec::new();
    let mut add = |heading: &str, better, show, value: &dyn Fn(&ObjectiveReport) -> Option<f64>| {
        let values: Vec<Option<f64>> = objectives.iter().map(value).collect();
        if values.iter().any(Option::is_some) {
            measures.push(Measure { heading: heading.to_owned(), better, show, values });
        }
    };
    let percent: fn(f64) -> String = |value| text::percent(value, 2);
    let plain: fn(f64) -> String = |value| text::fixed(value, 4);
    let seconds: fn(f64) -> String = |value| format!("{} s", text::fixed(value, 1));
    let rate: fn(f64) -> String = |value| {
        if value.is_finite() && value >= 0.0 { text::count(value.round() as u64) } else { "–".to_owned() }
    };
    add("Accuracy, known classes", Better::Higher, percent, &|o| o.known_accuracy);
    add("EER", Better::Lower, percent, &|o| Some(o.verification.as_ref()?.eer));
    add("AUC", Better::Higher, plain, &|o| Some(o.verification.as_ref()?.auc));
    for key in keys(verifications(objectives).flat_map(|v| &v.tar_at_far).map(|tar| tar.0.as_str())) {
        add(&format!("TAR at FAR {key}"), Better::Higher, percent, &|o| {
            o.verification.as_ref()?.tar_at_far.iter().find(|tar| tar.0 == key).map(|tar| tar.1)
        });
    }
    for k in keys(retrievals(objectives).flat_map(|r| &r.recall_at).map(|recall| recall.0)) {
        add(&format!("Recall at {k}"), Better::Higher, percent, &|o| {
            o.retrieval.as_ref()?.recall_at.iter().find(|recall| recall.0 == k).map(|recall| recall.1)
        });
    }
    add("R-precision", Better::Higher, percent, &|o| Some(o.retrieval.as_ref()?.r_precision));
    add("MAP@R", Better::Higher, percent, &|o| Some(o.retrieval.as_ref()?.map_at_r));
    add("Training time", Better::Lower, seconds, &|o| o.seconds);
    add("Samples per second", Better::Higher, rate, &|o| o.samples_per_second);
    measures
}

fn verifications(objectives: &[ObjectiveReport]) -> impl Iterator<Item = &VerificationResults> {
    objectives.iter().filter_map(|objective| objective.verification.as_ref())
}

fn retrievals(objectives: &[ObjectiveReport]) -> impl Iterator<Item = &RetrievalResults> {
    objectives.iter().filter_map(|objective| objective.retrieval.as_ref())
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
    let measures = measures(objectives);
    let mut body = String::new();
    if !input.evaluated_on.is_empty() {
        body.push_str(&markup::paragraph(&format!(
            "Evaluated on {}.",
            input.evaluated_on.trim_end_matches('.')
        )));
    }
    if let [only] = objectives.as_slice() {
        body.push_str(&in_words(only));
        body.push_str(&single_table(&measures));
    } else {
        body.push_str(&comparison_in_words(objectives));
        body.push_str(&comparison_table(objectives, &measures));
    }
    body.push_str(&markup::notes(&input.notes));
    Some(Section { id: "results", heading: "Results", body })
}

fn single_table(measures: &[Measure]) -> String {
    let row = |measure: &Measure| {
        let value = measure.values[0].map_or_else(|| "–".to_owned(), measure.show);
        let better = if measure.better == Better::Higher { "higher" } else { "lower" };
        vec![(measure.heading.clone(), false), (value, false), (better.to_owned(), false)]
    };
    let table = DataTable {
        headings: ["Measure", "Value", "Better"].map(str::to_owned).to_vec(),
        rows: measures.iter().map(row).collect(),
        numbers: true,
    };
    table.html()
}

/// Measures as rows, so that the table stays narrow enough for a phone.
fn comparison_table(objectives: &[ObjectiveReport], measures: &[Measure]) -> String {
    let mut headings = vec!["Measure".to_owned()];
    headings.extend(objectives.iter().map(|objective| objective.name.clone()));
    let row = |measure: &Measure| {
        let arrow = if measure.better == Better::Higher { "↑" } else { "↓" };
        let mut cells = vec![(format!("{} {arrow}", measure.heading), false)];
        let shown = |value: &Option<f64>| value.map_or_else(|| "–".to_owned(), measure.show);
        cells.extend(measure.values.iter().map(shown).zip(measure.best()));
        cells
    };
    let rows = measures.iter().map(row).collect();
    let note = "The best value of each measure is bold. ↑: higher is better. ↓: lower is better.";
    DataTable { headings, rows, numbers: true }.html() + &markup::paragraph(note)
}

/// The results of one objective, in words.
fn in_words(objective: &ObjectiveReport) -> String {
    let mut text = String::new();
    if let Some(v) =
        objective.verification.as_ref().filter(|v| v.eer.is_finite() && v.eer_threshold.is_finite())
    {
        add(
            &mut text,
            format_args!(
                "With a threshold of {:.3} on the cosine, {} of the genuine pairs are rejected, and the same share of impostor \
             pairs is accepted (EER). ",
                v.eer_threshold,
                text::percent(v.eer, 1)
            ),
        );
    }
    let first = objective.retrieval.as_ref().and_then(|r| r.recall_at.iter().find(|recall| recall.0 == 1));
    if let Some((_, recall)) = first.filter(|recall| recall.1.is_finite()) {
        add(
            &mut text,
            format_args!(
                "For {} of the images, the most similar other image is of the same class (recall at 1).",
                text::percent(*recall, 1)
            ),
        );
    }
    if text.is_empty() { text } else { markup::paragraph(text.trim_end()) }
}

/// The best objective in verification and in retrieval, compared with the second best.
fn comparison_in_words(objectives: &[ObjectiveReport]) -> String {
    let eer = |o: &ObjectiveReport| o.verification.as_ref().map(|v| v.eer);
    let recall = |o: &ObjectiveReport| {
        o.retrieval
            .as_ref()
            .and_then(|r| r.recall_at.iter().find(|recall| recall.0 == 1))
            .map(|recall| recall.1)
    };
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
        (ranked(&recall, -1.0), "the highest recall at 1"),
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
