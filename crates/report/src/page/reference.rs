//! What a reader looks up: the settings and the terms.

use super::input::ReportInput;
use super::markup::{self, DataTable, Section};
use crate::text::add;

pub(super) fn configuration(input: &ReportInput) -> Option<Section> {
    if input.configuration.is_empty() {
        return None;
    }
    let row = |(key, value): &(String, String)| vec![(key.clone(), false), (value.clone(), false)];
    let part = |key: &str| key.split_once('.').map(|(part, _)| part.to_owned());
    let mut body =
        markup::paragraph("All settings of this run, including defaults.") + "<div class=\"many\">\n";
    for settings in input.configuration.chunk_by(|a, b| part(&a.0) == part(&b.0)) {
        let table = DataTable {
            headings: ["Setting", "Value"].map(str::to_owned).to_vec(),
            rows: settings.iter().map(row).collect(),
            numbers: false,
        };
        body.push_str(&table.html());
    }
    body.push_str("</div>\n");
    Some(Section { id: "configuration", heading: "Configuration", body })
}

/// The terms of the page, explained in one or two sentences each.
pub(super) fn glossary() -> Section {
    const TERMS: [(&str, &str); 16] = [
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
        (
            "Genuine and impostor pairs",
            "A genuine pair has two samples of one class, an impostor pair samples of two classes.",
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
        (
            "mAP",
            "Mean average precision: the precision at the place of each image of the class in the whole ranking, averaged. Unlike MAP@R, it also counts images of the class that are far behind.",
        ),
        (
            "Principal components",
            "The orthogonal directions in which embeddings vary most. The share of the variance states how much of their differences a map of two of them shows.",
        ),
        (
            "t-SNE",
            "A projection to the plane that moves points until near embeddings are near. It shows groups, not distances.",
        ),
    ];
    let mut body = String::from("<dl class=\"many\">\n");
    for (term, meaning) in TERMS {
        add(&mut body, format_args!("<div><dt>{term}</dt><dd>{meaning}</dd></div>\n"));
    }
    body.push_str("</dl>\n");
    Section { id: "glossary", heading: "Glossary", body }
}
