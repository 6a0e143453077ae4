//! The sections below the result, each a few figures with how to read them.

use super::input::{Curves, Features, ObjectiveReport, ReportInput};
use super::markup::{self, DataTable, Section};
use crate::figure::{
    self, BarSeries, Bars, FeatureFigure, FeaturePanel, HistogramPair, HistogramPanel, LineChart, RateCurve,
    RateFigure, Series, ValueScale,
};
use crate::neighbours;
use crate::text::{self, add};

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
        "Verification asks of two images whether they are of one class, and answers yes if the cosine of their \
         embeddings reaches a threshold. Pairs of one class are called genuine, pairs of two classes impostors.",
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
            "The less the two hills overlap, the better. Genuine pairs left of the dashed line are missed, impostors \
             right of it let through; it stands where both errors are equally frequent (EER).",
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
                title: "ROC: genuine pairs accepted".to_owned(),
                description: format!("True accept rate over false accept rate. {}", tar_facts(&measured)),
                curves: curves.clone(),
            }),
            "Choose how many impostors may be let through (across), read how many genuine pairs are then accepted (up). \
             Nearer to the upper left corner is better; the dotted line is guessing.",
        ));
        figures.push(markup::figure(
            &figure::det(&RateFigure {
                title: "DET: both errors".to_owned(),
                description: format!("False reject rate over false accept rate. {}", eer_facts(&measured)),
                curves,
            }),
            "The same trade with both errors on stretched axes. Nearer to the lower left corner is better; each curve \
             meets the dotted diagonal at its equal error rate.",
        ));
    }
    body.push_str(&markup::grid(&figures));
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
    // Objectives are measured on the same pairs, so their warnings are mostly the same.
    let mut warnings: Vec<String> = Vec::new();
    for warning in measured.iter().filter_map(|o| o.verification.as_ref()).flat_map(|v| &v.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    body.push_str(&markup::notes(&warnings));
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
    let mut body = markup::paragraph(&format!(
        "Retrieval takes each image as a query and ranks all others by cosine: {} queries had another image of \
         their class to find.",
        text::count(first.queries)
    ));
    let mut categories: Vec<String> = first.recall_at.iter().map(|(k, _)| format!("Recall at {k}")).collect();
    categories.extend(["R-precision", "MAP@R"].map(str::to_owned));
    let bars = |(name, numbers): &(&String, &super::RetrievalNumbers)| {
        let recall =
            |(k, _): &(usize, f64)| numbers.recall_at.iter().find(|r| r.0 == *k).map_or(f64::NAN, |r| r.1);
        let mut values: Vec<f64> = first.recall_at.iter().map(recall).collect();
        values.extend([numbers.r_precision, numbers.map_at_r]);
        BarSeries { name: (*name).clone(), values }
    };
    let figure = figure::bars(&Bars {
        title: "Retrieval".to_owned(),
        description: "Recall, R-precision and MAP@R of each objective, as in the table of results."
            .to_owned(),
        value_label: "mean over queries".to_owned(),
        categories,
        series: measured.iter().map(bars).collect(),
        percent: true,
    });
    let caption = "Recall at k: how often at least one of the k nearest is of the right class. R-precision and MAP@R ask \
                   for all of a class, not just one, and are harder: they tell good embeddings from very good ones.";
    body.push_str(&markup::grid(&[markup::figure(&figure, caption)]));
    Some(Section { id: "retrieval", heading: "Retrieval", body })
}

pub(super) fn neighbour_rows(input: &ReportInput) -> Option<Section> {
    let shown: Vec<&ObjectiveReport> = input.objectives.iter().filter(|o| !o.neighbours.is_empty()).collect();
    if shown.is_empty() {
        return None;
    }
    let mut body = markup::paragraph(
        "Left the query, then its nearest neighbours with their cosines, nearest first: ✓ in a solid green border is \
         of the same class, ✗ in a dashed orange one is not.",
    );
    for objective in &shown {
        if input.objectives.len() > 1 {
            add(&mut body, format_args!("<h3>{}</h3>\n", text::escape(&objective.name)));
        }
        body.push_str(&neighbours::rows(&objective.neighbours));
    }
    Some(Section { id: "neighbours", heading: "Nearest neighbours", body })
}

pub(super) fn features(input: &ReportInput) -> Option<Section> {
    let (mut circles, mut spheres) = (Vec::new(), Vec::new());
    for objective in &input.objectives {
        let name = objective.name.clone();
        match &objective.features {
            Some(Features::Circle(classes)) => circles.push(FeaturePanel { name, classes: classes.clone() }),
            Some(Features::Sphere(classes)) => spheres.push(FeaturePanel { name, classes: classes.clone() }),
            None => {}
        }
    }
    let mut figures = Vec::new();
    let caption = "Every point is the direction of an embedding, every arrow the centre of a class. A margin draws the \
                   points of a class closer together and leaves gaps between classes.";
    if !circles.is_empty() {
        let svg = figure::feature_circle(&FeatureFigure {
            title: "Embeddings on the circle".to_owned(),
            description: "Directions of two-dimensional embeddings by class, with class centres as arrows."
                .to_owned(),
            panels: circles,
        });
        let more =
            format!("{caption} Points are moved a little in and out so that they do not hide each other.");
        figures.push(markup::figure(&svg, &more));
    }
    if !spheres.is_empty() {
        let svg = figure::feature_sphere(&FeatureFigure {
            title: "Embeddings on the sphere".to_owned(),
            description: "Directions of three-dimensional embeddings by class, with class centres as arrows."
                .to_owned(),
            panels: spheres,
        });
        figures.push(markup::figure(&svg, &format!("{caption} What lies on the far side is faded.")));
    }
    let body = markup::grid(&figures);
    (!figures.is_empty()).then_some(Section { id: "features", heading: "Features", body })
}

pub(super) fn training(input: &ReportInput) -> Option<Section> {
    let chart = |title: &str, y_label: &str, scale, caption: &str, of: fn(&Curves) -> &Vec<(f64, f64)>| {
        let recorded = input.objectives.iter().filter(|o| !of(&o.curves).is_empty());
        let series: Vec<Series> =
            recorded.map(|o| Series { name: o.name.clone(), points: of(&o.curves).clone() }).collect();
        let facts: Vec<String> = series.iter().filter_map(last_value).collect();
        let chart = LineChart {
            title: title.to_owned(),
            description: format!("{title} over training steps. {}", facts.join(" ")).trim_end().to_owned(),
            x_label: "step".to_owned(),
            y_label: y_label.to_owned(),
            scale,
            series,
        };
        (!chart.series.is_empty()).then(|| markup::figure(&figure::line_chart(&chart), caption))
    };
    let figures: Vec<String> = [
        chart(
            "Loss",
            "loss",
            ValueScale::FromZero,
            "What training makes smaller. Losses of different objectives measure different things: compare their shapes, \
             not their heights.",
            |curves| &curves.loss,
        ),
        chart(
            "Accuracy in training",
            "accuracy without the margin",
            ValueScale::FromZero,
            "The share of training samples nearest to the centre of their own class.",
            |curves| &curves.accuracy,
        ),
        chart(
            "Target cosine",
            "mean cosine with the own class centre",
            ValueScale::Fitted,
            "How closely embeddings point at the centre of their class; 1 is a perfect hit. A margin keeps raising it \
             after accuracy has settled.",
            |curves| &curves.target_cosine,
        ),
        chart(
            "Push",
            "mean push of a sample",
            ValueScale::FromZero,
            "How much a sample still moves features and centres: one minus the probability of its class under the margin. \
             Near 0, nothing is left to learn from; stuck at 1, the margin asks for too much.",
            |curves| &curves.push,
        ),
        chart(
            "Competitors",
            "classes that share the push",
            ValueScale::FromZero,
            "Among how many other classes the push of a sample is shared, as the exponential of the entropy: 1 is a \
             single rival, a large scale tends to it.",
            |curves| &curves.effective_competitors,
        ),
        chart(
            "Margin met",
            "share that leads by the margin",
            ValueScale::FromZero,
            "The share of training samples whose own class leads every other by at least the margin.",
            |curves| &curves.margin_met,
        ),
        chart(
            "Learning rate",
            "learning rate",
            ValueScale::FromZero,
            "How large the steps of the optimiser were, as the schedule set them.",
            |curves| &curves.learning_rate,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let body = markup::grid(&figures);
    (!figures.is_empty()).then_some(Section { id: "training", heading: "Training", body })
}

fn last_value(series: &Series) -> Option<String> {
    let (step, value) =
        series.points.iter().rev().find(|point| point.0.is_finite() && point.1.is_finite())?;
    Some(format!("{}: {} at step {step}.", series.name, text::fixed(*value, 4)))
}

pub(super) fn configuration(input: &ReportInput) -> Option<Section> {
    if input.configuration.is_empty() {
        return None;
    }
    let row = |(key, value): &(String, String)| vec![(key.clone(), false), (value.clone(), false)];
    let table = DataTable {
        headings: ["Setting", "Value"].map(str::to_owned).to_vec(),
        rows: input.configuration.iter().map(row).collect(),
        numbers: false,
    };
    let body = markup::paragraph("Every setting of this run, defaults included.") + &table.html();
    Some(Section { id: "configuration", heading: "Configuration", body })
}

/// The words of the page, one plain sentence each.
pub(super) fn words() -> Section {
    const WORDS: [(&str, &str); 10] = [
        (
            "Embedding",
            "The vector a network makes of an image; images are compared by the cosine between their embeddings.",
        ),
        (
            "Known and unseen classes",
            "Known classes were trained on; unseen ones were kept away from training, so that only they show how well comparing generalises.",
        ),
        ("FAR, false accept rate", "The share of impostor pairs that a threshold takes for one class."),
        (
            "TAR, true accept rate",
            "The share of genuine pairs that a threshold accepts; the false reject rate (FRR) is what is missing to 100 %.",
        ),
        (
            "TAR at FAR 1e-3",
            "The share of genuine pairs accepted if at most one impostor pair in a thousand may be.",
        ),
        (
            "EER, equal error rate",
            "The error at the threshold where FAR and FRR are equal; 0 % is perfect, 50 % is guessing.",
        ),
        (
            "AUC",
            "The chance that a random genuine pair has a higher cosine than a random impostor pair; 1 is perfect, 0.5 is guessing.",
        ),
        ("Recall at k", "The share of queries with at least one image of their class among the k nearest."),
        ("R-precision", "If a query has R others of its class, the share of right ones among its R nearest."),
        (
            "MAP@R",
            "As R-precision, but a right neighbour counts more the earlier it comes; 100 % means that every class is a cluster of its own.",
        ),
    ];
    let mut body = String::from("<dl>\n");
    for (word, meaning) in WORDS {
        add(&mut body, format_args!("<dt>{word}</dt><dd>{meaning}</dd>\n"));
    }
    body.push_str("</dl>\n");
    Section { id: "words", heading: "Words", body }
}
