//! `eval geometry`: spread and separation of the classes, and use of the space.

use super::copies::{contradictory_labels, crowded};
use super::figures;
use super::input::{LabelledEmbeddings, SetArguments, all_different, explained};
use super::output::{Findings, OutputArguments, number, small, table};
use crate::progress;
use clap::Args;
use serde_json::json;
use widemargin_eval::geometry::{self, CosineDistribution, GeometryOptions};
use widemargin_tables::ClassNames;

/// The default of --sampled.
pub(super) const SAMPLED: u64 = 10_000_000;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval geometry embeddings.npy\n  widemargin eval geometry images.npy --split runs/mine/split.csv --json"
)]
pub(crate) struct GeometryArguments {
    #[command(flatten)]
    set: SetArguments,
    /// Compare at most this many pairs, chosen at random with --seed
    #[arg(long, value_name = "PAIRS", default_value_t = SAMPLED)]
    sampled: u64,
    /// Seed of the random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &GeometryArguments) -> anyhow::Result<()> {
    let mut classes = arguments.set.shared();
    let set = arguments.set.labelled(&mut classes)?;
    classes.require_ignored()?;
    let options = GeometryOptions { max_pairs: arguments.sampled, seed: arguments.seed };
    findings(&set, &classes, &options, arguments.output.draws())?.show(&arguments.output)
}

pub(super) fn findings(
    set: &LabelledEmbeddings,
    classes: &ClassNames,
    options: &GeometryOptions,
    draws: bool,
) -> anyhow::Result<Findings> {
    let waiting = progress::waiting("comparing pairs");
    let found = geometry::geometry(&set.embeddings, options)
        .map_err(|error| explained(error, classes, &set.path.display()))?;
    drop(waiting);
    // As a distance: the mean itself may round to 1.
    let mean = |d: &CosineDistribution| {
        let close = d.mean_distance > 0.0 && d.mean_distance < 5e-4;
        if close { format!("1 - {:.3e}", d.mean_distance) } else { number(d.mean) }
    };
    let cosines = |name: &str, d: &CosineDistribution| {
        let pairs = if d.pairs < d.pairs_in_all {
            format!("{} of {}", d.pairs, d.pairs_in_all)
        } else {
            d.pairs.to_string()
        };
        [name.to_owned(), mean(d), small(d.standard_deviation), pairs]
    };
    let centres = &found.centres;
    let degrees = |angle: f64| {
        if angle > 0.0 && angle < 0.05 {
            format!("{angle:.2e} degrees")
        } else {
            format!("{angle:.2} degrees")
        }
    };
    let rank = format!("{:.1} of {}", found.effective_rank, set.embeddings.dim());
    let summary = vec![
        ["mean cosine within classes".to_owned(), mean(&found.within)],
        ["mean cosine between classes".to_owned(), mean(&found.between)],
        ["smallest angle between class means".to_owned(), degrees(centres.smallest)],
        ["effective rank".to_owned(), rank.clone()],
    ];
    let tables = vec![
        table(
            "Cosines",
            ["", "mean", "standard deviation", "pairs"],
            vec![cosines("within classes", &found.within), cosines("between classes", &found.between)],
        ),
        table(
            "Angles between class means",
            ["", "angle"],
            vec![
                ["smallest".to_owned(), degrees(centres.smallest)],
                [
                    if centres.bound_attained {
                        "largest possible smallest"
                    } else {
                        "upper bound of the smallest"
                    }
                    .to_owned(),
                    degrees(centres.bound),
                ],
                ["mean to the nearest neighbour".to_owned(), degrees(centres.mean_nearest)],
                ["mean".to_owned(), degrees(centres.mean)],
                ["largest".to_owned(), degrees(centres.largest)],
            ],
        ),
        table(
            "Use of the space",
            ["measure", "value"],
            vec![
                ["alignment".to_owned(), small(found.alignment)],
                ["uniformity".to_owned(), small(found.uniformity)],
                ["effective rank".to_owned(), rank],
            ],
        ),
    ];
    let lead = format!("{}.", set.in_words());
    let mut warnings = set.notes.clone();
    warnings.extend(crowded(&set.path.display(), &set.embeddings));
    warnings.extend(contradictory_labels(set, classes));
    warnings.extend(all_different(set));
    let crowding = set.embeddings.crowding();
    let json = json!({ "compared": lead, "geometry": found, "crowding": crowding, "warnings": warnings });
    let figures = if draws { vec![figures::geometry(&found)] } else { Vec::new() };
    Ok(Findings { title: "Geometry", lead, tables, warnings, figures, json, summary })
}
