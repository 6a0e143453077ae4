//! `widemargin suggest`: recommended scale and margin for a number of classes, with the bounds they follow from.

use crate::say::{results, sentence};
use anyhow::Context;
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::process::ExitCode;
use widemargin_objective::{Suggestion, suggest};
use widemargin_report::table::{Column, Table};
use widemargin_train::config::{Amount, ObjectiveConfig};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin suggest --classes 10000 --dim 512\n  widemargin suggest --classes 10000 --dim 512 --probability 0.999 --json"
)]
pub(crate) struct SuggestArguments {
    /// Number of training classes
    #[arg(long)]
    classes: usize,
    /// Embedding dimension
    #[arg(long)]
    dim: usize,
    /// Target-class probability that the scale must be able to reach
    #[arg(long, default_value_t = 0.99)]
    probability: f64,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Serialize)]
struct Output {
    #[serde(flatten)]
    found: Suggestion,
    /// The margin that `train --margin auto` uses for AM-Softmax.
    auto_margin: Option<f64>,
}

pub(crate) fn run(arguments: &SuggestArguments) -> anyhow::Result<ExitCode> {
    let found = suggest(arguments.classes, arguments.dim, arguments.probability)?;
    let auto_margin = auto_margin(arguments.classes, arguments.dim)?;
    let mut out = results();
    if arguments.json {
        let output = Output { found, auto_margin };
        writeln!(out, "{}", serde_json::to_string(&output).context("writing the results")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    write!(out, "{}", in_words(&found))?;
    if let Some(margin) = auto_margin.filter(|margin| *margin < found.margin) {
        let words = format!(
            "With so few classes, `train --margin auto` uses {margin}: a larger margin discards what would separate new classes from each other."
        );
        write!(out, "{}", sentence(&words))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The margin of AM-Softmax that a run with `margin = "auto"` uses.
fn auto_margin(classes: usize, dim: usize) -> anyhow::Result<Option<f64>> {
    let mut objective = ObjectiveConfig::default();
    objective.set("margin", Some(Amount::Auto));
    objective.resolve(classes, dim)?;
    Ok(objective.parameters.get("margin").and_then(serde_json::Value::as_f64))
}

fn in_words(s: &Suggestion) -> String {
    let mut table = Table::new([Column::left("setting"), Column::right("value"), Column::left("meaning")]);
    let mut row = |name: &str, value: String, why: &str| {
        table.row([name.to_owned(), value, why.to_owned()]);
    };
    row("scale", format!("{:.1}", s.scale), "recommended: train --scale");
    row("margin in cosine", format!("{:.3}", s.margin), "recommended for am-softmax: train --margin");
    row("margin in angle", format!("{:.3}", s.angle_margin), "radians, for arcface");
    row(
        "smallest scale, no margin",
        format!("{:.2}", s.scale_without_margin),
        "lower ones cannot reach the probability",
    );
    row(
        "sufficient scale, margin",
        s.scale_with_margin.map_or("none".to_owned(), |scale| format!("{scale:.2}")),
        if s.scale_with_margin.is_some() {
            "enough to reach the probability"
        } else {
            "no scale is known to reach it"
        },
    );
    row("AdaCos fixed scale", format!("{:.2}", s.adacos_scale), "sqrt(2) ln(C - 1), for comparison");
    row(
        "largest margin",
        format!("{:.4}", s.margin_bound.largest),
        if s.margin_bound.attained {
            "attained by some arrangement"
        } else {
            "an upper bound; not known to be attained"
        },
    );
    if !s.margin_bound.attained {
        row("reachable margin", format!("{:.4}", s.reachable_margin), "some arrangement certainly meets it");
    }
    row("loss, lower bound", format!("{:.3e}", s.loss_floor), "at the recommended scale and margin");
    row(
        "probability, reachable",
        probability(s.reachable_probability),
        "some arrangement certainly gives it",
    );
    row("probability, upper bound", probability((-s.loss_floor).exp()), "no arrangement gives more");
    let mut text = format!(
        "{} classes in {} dimensions; target probability {}\n\n{}",
        s.classes,
        s.dim,
        s.target_probability,
        table.render()
    );
    if s.is_out_of_reach() {
        text.push_str(
            "\nThe recommended scale and margin cannot reach the target probability: use more dimensions.\n",
        );
    } else if !s.reaches_target {
        text.push_str(
            "\nWhether the recommended scale and margin can reach the target probability is not known; more dimensions make it certain.\n",
        );
    }
    text.push_str(
        "\nTraining from scratch with the full margin can diverge: warm it up (schedule.margin_warm_up_epochs).\n",
    );
    text
}

/// A probability, with enough digits near 0.
fn probability(value: f64) -> String {
    if value < 1e-3 { format!("{value:.1e}") } else { format!("{value:.4}") }
}
