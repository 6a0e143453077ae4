//! `eval identification`: which enrolled class is a probe of, if any? With unknown probes the open-set question, and always the
//! closed-set one.

use super::copies::{self, SelfArguments, crowded};
use super::figures;
use super::input::{self, SetArguments, both, explained};
use super::output::{Findings, OutputArguments, number, percent, score, table};
use super::pairs;
use crate::arguments::heading;
use crate::calibration::Templates;
use crate::progress;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use widemargin_eval::retrieval::{self, DirAtFar};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval identification probes.npy --gallery enrolled.npy\n  widemargin eval identification probes.npy --gallery enrolled.npy --far 1e-2 --json"
)]
pub(crate) struct IdentificationArguments {
    /// Probes; those of classes that are not enrolled are unknown
    #[command(flatten)]
    set: SetArguments,
    /// Embeddings of the enrolled classes
    #[arg(help_heading = heading::GALLERY, long, value_name = "FILE")]
    gallery: PathBuf,
    /// Labels of the enrolled embeddings, if the file does not contain them
    #[arg(help_heading = heading::GALLERY, long, value_name = "FILE")]
    gallery_labels: Option<PathBuf>,
    /// Enrol one template per class instead of every embedding
    #[arg(help_heading = heading::GALLERY, long, value_enum)]
    templates: Option<Templates>,
    /// False alarm rates (FAR) at which to report the detection and identification rate (DIR) [default: 1e-1 to 1e-4]
    #[arg(help_heading = heading::MEASURES, long, value_name = "RATES", value_delimiter = ',', value_parser = pairs::rate)]
    far: Vec<f64>,
    #[command(flatten)]
    itself: SelfArguments,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &IdentificationArguments) -> anyhow::Result<()> {
    let mut classes = arguments.set.shared();
    let rows = input::rows(&arguments.gallery, arguments.gallery_labels.as_deref(), &mut classes)?;
    let probes = arguments.set.labelled(&mut classes)?;
    classes.require_ignored()?;
    let (gallery, matches) =
        copies::enrolled(rows, arguments.templates, &probes, &arguments.itself, &classes)?;
    let waiting = progress::waiting("nearest neighbours");
    let found = retrieval::identify(&gallery.embeddings, &probes.embeddings, matches.excluded())
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
            score(line.threshold),
            format!("{} of {}", line.false_alarms, found.unknown),
        ]
    };
    let closed = &found.closed_set;
    let mut rows = vec![
        ["probes of enrolled classes".to_owned(), found.known.to_string()],
        ["probes of unknown classes".to_owned(), found.unknown.to_string()],
        ["enrolled classes".to_owned(), closed.identities.to_string()],
    ];
    rows.extend(matches.row());
    rows.extend(
        closed.rank.iter().map(|(k, share)| [format!("rank-{k} of the enrolled classes"), percent(*share)]),
    );
    rows.push(["mean reciprocal rank".to_owned(), number(closed.mean_reciprocal_rank)]);
    let mut tables = vec![table("", ["measure", "value"], rows)];
    let mut warnings = matches.warnings();
    warnings
        .extend([&gallery, &probes].iter().filter_map(|set| crowded(&set.path.display(), &set.embeddings)));
    if found.excluded > 0 {
        warnings.push(format!(
            "{} probes are left out: their class is enrolled only by the probe itself.",
            found.excluded
        ));
    }
    if found.unknown == 0 {
        warnings.push(
            "All probes are of enrolled classes, so there are no false alarms to measure: only the closed-set results are reported.".to_owned(),
        );
    } else {
        let heading = "Detection and identification rate at a false alarm rate";
        tables.push(table(
            heading,
            ["FAR", "DIR", "at threshold", "false alarms"],
            lines.iter().map(row).collect(),
        ));
    }
    let few = lines.iter().filter(|line| line.far * (found.unknown as f64) < 10.0 * (1.0 - 1e-12));
    warnings.extend(few.map(|line| line.far).reduce(f64::max).map(|far| {
        let unknown = found.unknown;
        format!("DIR at FAR {far:e} and below is based on fewer than ten false alarms: there are only {unknown} unknown probes.")
    }));
    let lead = format!("{} enrolled; probes {}.", gallery.in_words(), probes.in_words());
    let json = json!({
        "compared": lead,
        "identification": found,
        "dir_at_far": lines,
        "self_matches": matches.json(),
        "crowding": gallery.embeddings.crowding(),
        "warnings": warnings,
    });
    let figures = if arguments.output.draws() { figures::identified(&found) } else { Vec::new() };
    Findings { title: "Identification", lead, tables, warnings, figures, json, summary: Vec::new() }
        .show(&arguments.output)
}
