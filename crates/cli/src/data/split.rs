//! `widemargin data split`: which samples are trained on and which judge, as a file.

use super::info::census;
use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_data::{ClassFolder, DivideBy, DivideOptions, Duplicates, SplitPart, divide};

#[derive(Args)]
pub(crate) struct SplitArguments {
    /// An image folder, IDX files, a manifest (.csv, .parquet), .tar shards (a file, a pattern, a folder), or a table of embeddings
    #[arg(value_name = "PATH")]
    data: PathBuf,
    /// The split file to write, a .csv; must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// What is drawn
    #[arg(long, value_enum)]
    by: By,
    /// Share that judges: of the classes, of the samples of each class, of the groups or of the files
    #[arg(long, value_name = "SHARE", value_parser = crate::train::share, default_value = "20%")]
    share: f64,
    /// With --by class: share of each class that is trained on which judges too
    #[arg(long, value_name = "SHARE", value_parser = crate::train::share, default_value = "20%")]
    hold_out: f64,
    /// Decides which
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Labels of a table, one a row, if they are not inside: .npy, .csv with a column `label`, or text with one a line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Which folder of a deeper tree is the class: top, or deepest
    #[arg(long, value_name = "WHICH", value_parser = super::class_folder, default_value = "top")]
    class_folder: ClassFolder,
    /// Print one JSON object (the default is a few lines for people)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// Whole classes, which training never sees; and some samples of each of the others
    Class,
    /// Samples of each class
    Sample,
    /// Whole groups: the column `group` of a manifest or table, or `group` in the JSON of shards
    Group,
    /// Whole folders of pictures, shards, or parts of IDX files
    File,
}

/// What was made.
#[derive(Serialize)]
struct Summary {
    file: PathBuf,
    train: usize,
    test: usize,
    /// Twins of what judges, left out of training.
    out: usize,
    known_classes: usize,
    unseen_classes: usize,
    /// Samples that cannot be used and are in no part.
    bad: usize,
    /// Copies that were kept together.
    copies: usize,
}

pub(crate) fn run(arguments: &SplitArguments) -> anyhow::Result<ExitCode> {
    ensure!(!arguments.out.exists(), "{}: exists already", arguments.out.display());
    let census = census(&arguments.data, arguments.labels.as_deref(), arguments.class_folder)?;
    let by = match arguments.by {
        By::Class => DivideBy::Class,
        By::Sample => DivideBy::Sample,
        By::Group => DivideBy::Group,
        By::File => DivideBy::File,
    };
    let (share, hold_out, seed) = (arguments.share, arguments.hold_out, arguments.seed);
    let split = divide(&census, &DivideOptions { by, share, hold_out, seed })?;
    let classes = census.class_names.len();
    let (mut trained, mut judges) = (vec![false; classes], vec![false; classes]);
    for (sample, (_, part)) in census.samples.iter().zip(split.samples()) {
        if let Some(class) = sample.class {
            trained[class as usize] |= *part == SplitPart::Train;
            judges[class as usize] |= *part == SplitPart::Test;
        }
    }
    split.write(&arguments.out)?;
    for bad in &census.bad {
        eprintln!("left out {}: {}", bad.path.display(), bad.reason);
    }
    let summary = Summary {
        file: arguments.out.clone(),
        train: split.count(SplitPart::Train),
        test: split.count(SplitPart::Test),
        out: split.count(SplitPart::Out),
        known_classes: trained.iter().filter(|trained| **trained).count(),
        unseen_classes: trained
            .iter()
            .zip(&judges)
            .filter(|(trained, judges)| !**trained && **judges)
            .count(),
        bad: census.bad.len(),
        copies: Duplicates::find(&census).copies,
    };
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&summary).context("writing the figures")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Summary { train, test, out: twins, known_classes, unseen_classes, copies, .. } = summary;
    writeln!(
        out,
        "{}: {train} to train on, {test} to judge by; {known_classes} known classes, {unseen_classes} unseen",
        arguments.out.display()
    )?;
    if copies > 0 {
        let left = if twins > 0 {
            format!("; {twins} of them are twins of what judges and left out")
        } else {
            String::new()
        };
        writeln!(out, "{copies} copies of other samples stay on the side of their originals{left}")?;
    }
    Ok(ExitCode::SUCCESS)
}
