//! Verification and retrieval: figures with captions that explain how to read them.

use super::input::{ObjectiveReport, ReportInput};
use super::markup::{self, DataTable, Section};
use crate::figure::{self, BarSeries, Bars, HistogramPair, HistogramPanel, RateCurve, RateFigure};
use crate::text;

pub(super) fn verification(input: &ReportInput) -> Option<Section> {
    let measured: Vec<&ObjectiveReport> = input
        .objectives
        .iter()
        .filter(|o| o.verification.is_some() || o.histograms.is_some() || !o.roc.is_empty())
        .collect();
    if measured.is_empty() {
        return None;
    }
    let mut body = markup::paragraph(
        "Verification decides whether two images are of the same class: yes if the cosine of their embeddings reaches a \
         threshold. Pairs of the same class are called genuine pairs, pairs of different classes impostor pairs.",
    );
    let mut figures = Vec::new();
    let panel = |o: &&ObjectiveReport| {
        let histograms = o.histograms.as_ref()?;
        Some(HistogramPanel {
            name: o.name.clone(),
            low: histograms.low,
            high: histograms.high,
            genuine: histograms.genuine.clone(),
            impostor: histograms.impostor.clone(),
            threshold: o.verification.as_ref().map(|v| v.eer_threshold),
        })
    };
    let panels: Vec<HistogramPanel> = measured.iter().filter_map(panel).collect();
    if !panels.is_empty() {
        let description =
            format!("Histograms of the cosines of genuine and impostor pairs. {}", eer_facts(&measured));
        figures.push(markup::figure(
            &figure::histogram_pair(&HistogramPair {
                title: "Cosines of genuine and impostor pairs".to_owned(),
                description,
                threshold_label: "threshold at EER".to_owned(),
                score_label: String::new(),
                panels,
            }),
            "The less the two histograms overlap, the better. The dashed line is the threshold at which both error rates are \
             equal (EER). Genuine pairs to its left are rejected, and impostor pairs to its right are accepted.",
        ));
    }
    let curves: Vec<RateCurve> = measured
        .iter()
        .filter(|o| !o.roc.is_empty())
        .map(|o| RateCurve { name: o.name.clone(), points: o.roc.clone() })
        .collect();
    if !curves.is_empty() {
        figures.push(markup::figure(
            &figure::roc(&RateFigure {
                title: "ROC curve".to_owned(),
                description: format!("True accept rate against false accept rate. {}", tar_facts(&measured)),
                curves: curves.clone(),
            }),
            "For each false accept rate (horizontal), the curve shows the share of genuine pairs accepted (vertical). Curves \
             closer to the upper left corner are better. The dotted line is chance level.",
        ));
        figures.push(markup::figure(
            &figure::det(&RateFigure {
                title: "DET curve".to_owned(),
                description: format!("False reject rate against false accept rate. {}", eer_facts(&measured)),
                curves,
            }),
            "The same trade-off with both error rates on probit axes. Curves closer to the lower left corner are better. Each \
             curve crosses the dotted diagonal at its equal error rate.",
        ));
    }
    body.push_str(&markup::dense_grid(&figures));
    let pairs = |o: &&ObjectiveReport| {
        let v = o.verification.as_ref()?;
        let cells = [
            o.name.clone(),
            text::count(v.genuine),
            text::count(v.impostor),
            text::fixed(v.eer_threshold, 4),
        ];
        Some(cells.map(|cell| (cell, false)).to_vec())
    };
    let rows: Vec<_> = measured.iter().filter_map(pairs).collect();
    if !rows.is_empty() {
        let headings =
            ["Objective", "Genuine pairs", "Impostor pairs", "Threshold at EER"].map(str::to_owned).to_vec();
        body.push_str(&DataTable { headings, rows, numbers: true }.html());
    }
    Some(Section { id: "verification", heading: "Verification", body })
}

fn eer_facts(objectives: &[&ObjectiveReport]) -> String {
    let fact = |o: &&ObjectiveReport| {
        Some(format!("{}: EER {}.", o.name, text::percent(o.verification.as_ref()?.eer, 2)))
    };
    objectives.iter().filter_map(fact).collect::<Vec<_>>().join(" ")
}

fn tar_facts(objectives: &[&ObjectiveReport]) -> String {
    let fact = |o: &&ObjectiveReport| {
        let tar = &o.verification.as_ref()?.tar_at_far;
        let list: Vec<String> =
            tar.iter().map(|(key, tar)| format!("{} at FAR {key}", text::percent(*tar, 1))).collect();
        Some(format!("{}: TAR {}.", o.name, list.join(", ")))
    };
    objectives.iter().filter_map(fact).collect::<Vec<_>>().join(" ")
}

pub(super) fn retrieval(input: &ReportInput) -> Option<Section> {
    let measured: Vec<_> =
        input.objectives.iter().filter_map(|o| Some((&o.name, o.retrieval.as_ref()?))).collect();
    let (_, first) = measured.first()?;
    let introduction = markup::paragraph(&format!(
        "In retrieval each image is a query, and the images that it is compared with are ranked by their cosine with it. {} images have \
         such an image of their class and are used as queries.",
        text::count(first.queries)
    ));
    let mut categories: Vec<String> = first.recall_at.iter().map(|(k, _)| format!("Recall at {k}")).collect();
    categories.extend(["R-precision", "MAP@R"].map(str::to_owned));
    let bars = |(name, numbers): &(&String, &super::RetrievalResults)| {
        let recall =
            |(k, _): &(usize, f64)| numbers.recall_at.iter().find(|r| r.0 == *k).map_or(f64::NAN, |r| r.1);
        let mut values: Vec<f64> = first.recall_at.iter().map(recall).collect();
        values.extend([numbers.r_precision, numbers.map_at_r]);
        BarSeries { name: (*name).clone(), values }
    };
    let figure = figure::bars(&Bars {
        title: "Retrieval".to_owned(),
        description: "Recall, R-precision and MAP@R of each objective. The table of results has the values."
            .to_owned(),
        value_label: "mean over queries".to_owned(),
        categories,
        series: measured.iter().map(bars).collect(),
        percent: true,
    });
    let caption = "Recall at k is the share of queries with at least one image of their class among the k nearest. R-precision and \
                   MAP@R count all images of the class, so they are harder and separate good embeddings from very good ones.";
    let body = markup::sides(&[introduction, markup::figure(&figure, caption)]);
    Some(Section { id: "retrieval", heading: "Retrieval", body })
}
