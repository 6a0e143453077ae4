//! `eval identification`: which enrolled class is a probe of, if any?

use super::figures;
use super::input::{self, SetArguments, Templates, both, explained};
use super::output::{Findings, OutputArguments, number, percent, table};
use super::pairs;
use crate::progress;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use widemargin_eval::retrieval::{self, DirAtFar};
use widemargin_tables::ClassNames;

#[derive(Args)]
pub(crate) struct IdentificationArguments {
    /// Probes; some must be of classes that are not enrolled
    #[command(flatten)]
    set: SetArguments,
    /// Embeddings of the enrolled classes
    #[arg(long, value_name = "FILE")]
    gallery: PathBuf,
    /// Labels of the enrolled embeddings, if the file does not contain them
    #[arg(long, value_name = "FILE")]
    gallery_labels: Option<PathBuf>,
    /// Enrol one template per class instead of every embedding
    #[arg(long, value_enum)]
    templates: Option<Templates>,
    /// False alarm rates (FAR) at which to report the detection and identification rate (DIR) [default: 1e-1 to 1e-4]
    #[arg(long, value_name = "RATES", value_delimiter = ',', value_parser = pairs::rate)]
    far: Vec<f64>,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &IdentificationArguments) -> anyhow::Result<()> {
    let mut classes = ClassNames::new();
    let labels = arguments.gallery_labels.as_deref();
    let gallery = input::enrolled(&arguments.gallery, labels, &mut classes, arguments.templates)?;
    let probes = arguments.set.labelled(&mut classes)?;
    let waiting = progress::waiting("nearest neighbours");
    let found = retrieval::identify(&gallery.embeddings, &probes.embeddings)
        .map_err(|error| explained(error, &classes, &both(&probes.path, &gallery.path)))?;
    drop(waiting);
    let lines: Vec<DirAtFar> = if arguments.far.is_empty() {
        found.table.clone()
    } else {
        arguments.far.iter().filter_map(|&far| found.dir_at_far(far)).collect()
    };
    let row = |line: &DirAtFar| {
        [
            format!("{:e}", line.far),
            percent(line.dir),
            number(line.threshold),
            format!("{} of {}", line.false_alarms, found.unknown),
        ]
    };
    let tables = vec![
        table(
            "",
            ["measure", "value"],
            vec![
                ["probes of enrolled classes".to_owned(), found.known.to_string()],
                ["probes of unknown classes".to_owned(), found.unknown.to_string()],
                ["rank-1 of the enrolled classes".to_owned(), percent(found.rank_1)],
            ],
        ),
        table(
            "Detection and identification rate at a false alarm rate",
            ["FAR", "DIR", "at threshold", "false alarms"],
            lines.iter().map(row).collect(),
        ),
    ];
    let warnings: Vec<String> = lines
        .iter()
        .filter(|line| line.far * (found.unknown as f64) < 10.0 * (1.0 - 1e-12))
        .map(|line| line.far)
        .reduce(f64::max)
        .map(|far| {
            let unknown = found.unknown;
            format!("DIR at FAR {far:e} and below is based on fewer than ten false alarms: there are only {unknown} unknown probes.")
        })
        .into_iter()
        .collect();
    let lead = format!("{} enrolled; probes {}.", gallery.in_words(), probes.in_words());
    let json = json!({
        "compared": lead,
        "identification": found,
        "dir_at_far": lines,
        "warnings": warnings,
    });
    let figures = if arguments.output.draws() { vec![figures::identified(&found)] } else { Vec::new() };
    Findings { title: "Identification", lead, tables, warnings, figures, json }.show(&arguments.output)
}
