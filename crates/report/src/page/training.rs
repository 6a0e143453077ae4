//! The curves of training, and of the evaluations during it.

use super::input::{Curves, ReportInput};
use super::markup::{self, Section};
use crate::figure::{self, LineChart, Series, ValueScale};
use crate::text;

pub(super) fn section(input: &ReportInput) -> Option<Section> {
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
    let body = markup::dense_grid(&figures);
    (!figures.is_empty()).then_some(Section { id: "training", heading: "Training", body })
}

fn last_value(series: &Series) -> Option<String> {
    let (step, value) =
        series.points.iter().rev().find(|point| point.0.is_finite() && point.1.is_finite())?;
    Some(format!("{}: {} at step {step}.", series.name, text::fixed(*value, 4)))
}
