//! `eval scores`: evaluates and calibrates scores of pairs that another program computed.

use super::output::OutputArguments;
use super::pairs;
use super::verification::{MeasureArguments, findings};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin eval scores scores.csv\n  widemargin eval scores scores.csv --far 1e-3 --json"
)]
pub(crate) struct ScoresArguments {
    /// Scores: .csv or .parquet with the columns `score` and `same` (and `fold`, `a`, `b`), or a list such as `1 a.wav b.wav 0.71`
    #[arg(value_name = "SCORES")]
    file: PathBuf,
    /// Read from this list which pairs are of the same class; SCORES then has the columns `a`, `b` and `score`
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Seed of the bootstrap [default: 0]
    #[arg(long, requires = "bootstrap")]
    seed: Option<u64>,
    #[command(flatten)]
    measures: MeasureArguments,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &ScoresArguments) -> anyhow::Result<()> {
    let scored = || pairs::of_scores(&arguments.file, arguments.pairs.as_deref());
    findings(&arguments.measures, arguments.seed.unwrap_or(0), arguments.output.draws(), scored)?
        .show(&arguments.output)
}
