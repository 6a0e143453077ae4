//! `eval all`: verification, retrieval, clustering and geometry of the same rows, as one summary, one JSON object or one page.

use super::clustering::{self, MethodArguments};
use super::geometry::{self, SAMPLED};
use super::input::{self, AcrossCameras, LabelledEmbeddings, SetArguments};
use super::output::{Findings, OutputArguments, table};
use super::pairs::{self, Choice};
use super::retrieval::{self, RankingArguments, Search};
use super::verification::{self, MeasureArguments};
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use widemargin_eval::geometry::GeometryOptions;
use widemargin_report::page::EvaluationTable;
use widemargin_tables::ClassNames;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval all embeddings.npy --labels labels.csv\n  widemargin eval all images.npy --split runs/mine/split.csv --figures evaluation"
)]
pub(crate) struct AllArguments {
    #[command(flatten)]
    set: SetArguments,
    #[command(flatten)]
    across: AcrossCameras,
    /// Seed of the clustering, and of the choice of pairs where not all are compared
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputArguments,
}

/// A protocol by its name in the summary and in the JSON, and its results. The error says what the data lacks.
type Protocol = (&'static str, anyhow::Result<Findings>);

pub(crate) fn run(arguments: &AllArguments) -> anyhow::Result<()> {
    let mut classes = arguments.set.shared();
    let set = arguments.across.apply(arguments.set.labelled(&mut classes)?)?;
    classes.require_ignored()?;
    input::require_two_classes(&[&set], &classes)?;
    let across = if set.embeddings.cameras().is_some() {
        "; verification and retrieval compare only rows of different cameras."
    } else {
        "."
    };
    let protocols = protocols(&set, &classes, arguments.seed, arguments.output.draws());
    if protocols.iter().all(|(_, found)| found.is_err()) {
        let why: Vec<String> = protocols.into_iter().filter_map(skipped).collect();
        bail!("no protocol fits this data. {}", why.join(" "));
    }
    let (summary, found) = joined(format!("{}{}", set.in_words(), across), protocols);
    found.show_summary(&arguments.output, &summary)
}

/// Runs every protocol with the defaults of its own command.
fn protocols(set: &LabelledEmbeddings, classes: &ClassNames, seed: u64, draws: bool) -> [Protocol; 4] {
    let (pairs, clusters) = (Choice::with_seed(seed), MethodArguments::with_seed(seed));
    let geometry = GeometryOptions { max_pairs: SAMPLED, seed };
    let compare = || pairs::within(set, classes, &pairs);
    let search = Search::within(set, classes);
    [
        ("verification", verification::findings(&MeasureArguments::default(), seed, draws, compare)),
        ("retrieval", retrieval::findings(&search, &RankingArguments::default(), draws)),
        ("clustering", clustering::findings(set, classes, &clusters).map(|(found, _)| found)),
        ("geometry", geometry::findings(set, classes, &geometry, draws)),
    ]
}

/// A sentence on a protocol that the data cannot support.
fn skipped((name, found): Protocol) -> Option<String> {
    found.err().map(|error| format!("The protocol {name} is skipped: {error:#}."))
}

/// The table for the terminal, and everything else in the order of the protocols. Each sentence is there once.
fn joined(lead: String, protocols: [Protocol; 4]) -> (EvaluationTable, Findings) {
    let (mut rows, mut all) = (Vec::new(), Findings { title: "Evaluation", lead, ..Findings::default() });
    let mut json = json!({ "compared": all.lead });
    let mut left_out = serde_json::Map::new();
    for (name, found) in protocols {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                rows.push([name.to_owned(), "skipped".to_owned(), "see the warning".to_owned()]);
                json[name] = Value::Null;
                left_out.insert(name.to_owned(), json!(format!("{error:#}")));
                all.warnings.extend(skipped((name, Err(error))));
                continue;
            }
        };
        for (at, [measure, value]) in found.summary.into_iter().enumerate() {
            let protocol = if at == 0 { name } else { "" };
            rows.push([protocol.to_owned(), measure, value]);
        }
        for mut of_protocol in found.tables {
            of_protocol.heading = match of_protocol.heading.as_str() {
                "" => found.title.to_owned(),
                heading => format!("{}: {heading}", found.title),
            };
            all.tables.push(of_protocol);
        }
        for warning in found.warnings {
            if !all.warnings.contains(&warning) {
                all.warnings.push(warning);
            }
        }
        all.figures.extend(found.figures);
        json[name] = found.json;
    }
    json["skipped"] = json!(left_out);
    json["warnings"] = json!(all.warnings);
    all.json = json;
    (table("", ["protocol", "measure", "value"], rows), all)
}
