//! The sections below the results: figures with captions that explain how to read them.

use super::input::{Curves, DrawableEmbeddings, ObjectiveReport, ReportInput};
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
        "In retrieval each image is a query, and all other images are ranked by their cosine with it. {} images have another \
         image of their class and are used as queries.",
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
    body.push_str(&markup::grid(&[markup::figure(&figure, caption)]));
    Some(Section { id: "retrieval", heading: "Retrieval", body })
}

pub(super) fn neighbour_rows(input: &ReportInput) -> Option<Section> {
    let shown: Vec<&ObjectiveReport> = input.objectives.iter().filter(|o| !o.neighbours.is_empty()).collect();
    if shown.is_empty() {
        return None;
    }
    let mut body = markup::paragraph(
        "Each row shows a query on the left, then its nearest neighbours with their cosines. ✓ and a solid green border: the same \
         class. ✗ and a dashed orange border: another class.",
    );
    for objective in &shown {
        if input.objectives.len() > 1 {
            add(&mut body, format_args!("<h3>{}</h3>\n", text::escape(&objective.name)));
        }
        body.push_str(&neighbours::rows(&objective.neighbours));
    }
    Some(Section { id: "neighbours", heading: "Nearest neighbours", body })
}

pub(super) fn drawable(input: &ReportInput) -> Option<Section> {
    let (mut circles, mut spheres) = (Vec::new(), Vec::new());
    for objective in &input.objectives {
        let name = objective.name.clone();
        match &objective.drawable {
            Some(DrawableEmbeddings::Circle(classes)) => {
                circles.push(FeaturePanel { name, classes: classes.clone() });
            }
            Some(DrawableEmbeddings::Sphere(classes)) => {
                spheres.push(FeaturePanel { name, classes: classes.clone() });
            }
            None => {}
        }
    }
    let mut figures = Vec::new();
    let caption = "Each point is the direction of an embedding, each arrow the centre of a class. A margin pulls the points of a class \
                   together and leaves gaps between classes.";
    if !circles.is_empty() {
        let svg = figure::feature_circle(&FeatureFigure {
            title: "Embeddings on the unit circle".to_owned(),
            description: "Directions of 2-D embeddings by class, with class centres as arrows.".to_owned(),
            panels: circles,
        });
        let more = format!(
            "{caption} Points are shifted slightly inwards or outwards so that they do not hide each other."
        );
        figures.push(markup::figure(&svg, &more));
    }
    if !spheres.is_empty() {
        let svg = figure::feature_sphere(&FeatureFigure {
            title: "Embeddings on the unit sphere".to_owned(),
            description: "Directions of 3-D embeddings by class, with class centres as arrows.".to_owned(),
            panels: spheres,
        });
        figures.push(markup::figure(&svg, &format!("{caption} The far side is faded.")));
    }
    let body = markup::grid(&figures);
    (!figures.is_empty()).then_some(Section { id: "embeddings", heading: "Embeddings", body })
}

pub(super) fn training(input: &ReportInput) -> Option<Section> {
    let chart = |title: &str, y_label: &str, scale, caption: &str, of: fn(&Curves) -> &Vec<(f64, f64)>| {
        let recorded = input.objectives.iter().filter(|o| !of(&o.curves).is_empty());
        let series: Vec<Series> =
            recorded.map(|o| Series { name: o.name.clone(), points: of(&o.curves).clone() }).collect();
        let facts: Vec<String> = series.iter().filter_map(last_value).collect();
        let chart = LineChart {
            title: title.to_owned(),
            description: format!("{title} by training step. {}", facts.join(" ")).trim_end().to_owned(),
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
            "The value that training minimises. Different objectives have different scales: compare the shapes of the curves, not \
             their heights.",
            |curves| &curves.loss,
        ),
        chart(
            "Training accuracy",
            "accuracy without margin",
            ValueScale::FromZero,
            "The share of training samples whose nearest class centre is that of their own class.",
            |curves| &curves.accuracy,
        ),
        chart(
            "Target cosine",
            "mean cosine with the target's centre",
            ValueScale::Fitted,
            "The mean cosine between an embedding and the centre of its class; 1 is perfect. With a margin it keeps rising after the \
             accuracy has levelled off.",
            |curves| &curves.target_cosine,
        ),
        chart(
            "Push",
            "mean push per sample",
            ValueScale::FromZero,
            "How strongly a sample still moves embeddings and centres: one minus the probability of its class with the margin. Near \
             0 there is little left to learn. If it stays near 1, the margin is too large.",
            |curves| &curves.push,
        ),
        chart(
            "Effective non-target classes",
            "non-target classes that share the push",
            ValueScale::FromZero,
            "The number of non-target classes that share the push of a sample (the exponential of the entropy). 1 means a single \
             class; a larger scale brings the number closer to 1.",
            |curves| &curves.effective_competitors,
        ),
        chart(
            "Margin met",
            "share of samples that meet the margin",
            ValueScale::FromZero,
            "The share of training samples whose target class leads every other class by at least the margin.",
            |curves| &curves.margin_met,
        ),
        chart(
            "Validation MAP@R",
            "MAP@R on the validation part",
            ValueScale::Fitted,
            "Mean average precision at R on samples that are neither trained on nor in the evaluation set, during training. The best model is that \
             of the highest point.",
            |curves| &curves.validation_map_at_r,
        ),
        chart(
            "Validation recall at 1",
            "recall at 1 on the validation part",
            ValueScale::Fitted,
            "The share of validation samples whose nearest neighbour among the others is of their class.",
            |curves| &curves.validation_recall_at_1,
        ),
        chart(
            "Learning rate",
            "learning rate",
            ValueScale::FromZero,
            "The learning rate of the schedule at each step.",
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
    let body = markup::paragraph("All settings of this run, including defaults.") + &table.html();
    Some(Section { id: "configuration", heading: "Configuration", body })
}

/// The terms of the page, explained in one or two sentences each.
pub(super) fn glossary() -> Section {
    const TERMS: [(&str, &str); 12] = [
        (
            "Embedding",
            "The vector that a network computes for an image. Images are compared by the cosine of their embeddings.",
        ),
        (
            "Known and unseen classes",
            "Known classes were used in training. Unseen classes were held out, so they show how well the embeddings generalise.",
        ),
        (
            "Untrained",
            "The same model with its initial weights, before the first training step, evaluated in the same way. What it reaches is not due to training.",
        ),
        (
            "Gain",
            "How much better the trained model is than the untrained one. Positive is better; pp stands for percentage points.",
        ),
        ("FAR, false accept rate", "The share of impostor pairs that a threshold accepts as the same class."),
        (
            "TAR, true accept rate",
            "The share of genuine pairs that a threshold accepts. The false reject rate (FRR) is 100 % minus TAR.",
        ),
        (
            "TAR at FAR 1e-3",
            "The share of genuine pairs accepted at a threshold that accepts at most one impostor pair in a thousand.",
        ),
        (
            "EER, equal error rate",
            "The error rate at the threshold where FAR and FRR are equal; 0 % is perfect, 50 % is chance level.",
        ),
        (
            "AUC",
            "The area under the ROC curve: the probability that a random genuine pair has a higher cosine than a random impostor pair; 1 is perfect, 0.5 is chance level.",
        ),
        ("Recall at k", "The share of queries with at least one image of their class among the k nearest."),
        (
            "R-precision",
            "For a query with R other images of its class: the share of images of its class among its R nearest neighbours.",
        ),
        (
            "MAP@R",
            "Mean average precision at R: like R-precision, but nearer neighbours of the same class count more. 100 % means that every class forms its own cluster.",
        ),
    ];
    let mut body = String::from("<dl>\n");
    for (term, meaning) in TERMS {
        add(&mut body, format_args!("<dt>{term}</dt><dd>{meaning}</dd>\n"));
    }
    body.push_str("</dl>\n");
    Section { id: "glossary", heading: "Glossary", body }
}
