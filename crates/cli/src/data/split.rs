//! `widemargin data split`: which samples are trained on and which judge, as a file.

use super::census::CensusArguments;
use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_data::{Census, DivideBy, DivideOptions, Duplicates, Part, SplitFile, SplitPart, divide};

/// Share of each class that is trained on which judges too, where nothing else is said.
const HOLD_OUT: f64 = 0.2;
/// How far from the share that was asked for is worth a word.
const FAR_OFF: f64 = 0.05;

#[derive(Args)]
pub(crate) struct SplitArguments {
    #[command(flatten)]
    data: CensusArguments,
    /// The split file to write, whose name ends in .csv; must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// What is drawn
    #[arg(long, value_enum)]
    by: By,
    /// Share that judges: of the classes, of the samples of each class, or of all samples, as near as whole groups or files come to it
    #[arg(long, value_name = "SHARE", value_parser = crate::arguments::share, default_value = "20%")]
    share: f64,
    /// With --by class alone: share of each class that is trained on which judges too [default: 20%]
    #[arg(long, value_name = "SHARE", value_parser = crate::arguments::share)]
    hold_out: Option<f64>,
    /// Decides which
    #[arg(long, default_value_t = 0)]
    seed: u64,
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
    /// Whole folders of images, shards, or parts of IDX files
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
    let csv = arguments.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    ensure!(csv, "--out: found {}, expected a name that ends in .csv", arguments.out.display());
    ensure!(!arguments.out.exists(), "{}: exists already", arguments.out.display());
    ensure!(
        arguments.hold_out.is_none() || matches!(arguments.by, By::Class),
        "--hold-out: expected with --by class alone, where it is a share of the classes that are trained on; otherwise --share says it all"
    );
    let census = arguments.data.take()?;
    let by = match arguments.by {
        By::Class => DivideBy::Class,
        By::Sample => DivideBy::Sample,
        By::Group => DivideBy::Group,
        By::File => DivideBy::File,
    };
    let (share, seed) = (arguments.share, arguments.seed);
    let hold_out = arguments.hold_out.unwrap_or(HOLD_OUT);
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
    for note in notes(&census, &split, by, share) {
        eprintln!("note: {note}");
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

/// What the data says itself and the split does not keep to, and how far it is from the share that was asked for.
fn notes(census: &Census, split: &SplitFile, by: DivideBy, share: f64) -> Vec<String> {
    let mut notes = Vec::new();
    let unit = census.source.unit();
    let samples = || census.samples.iter().zip(split.samples()).map(|(sample, (_, part))| (sample, *part));
    let crossing = |of: Part, to: SplitPart| {
        samples().filter(|(sample, part)| sample.part == Some(of) && *part == to).count()
    };
    let (learnt, judging) = (crossing(Part::Test, SplitPart::Train), crossing(Part::Train, SplitPart::Test));
    let crossed = [(learnt, "`test` are trained on"), (judging, "`train` judge")];
    let crossed: Vec<String> = crossed
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {unit} that the data itself marks {what}"))
        .collect();
    if !crossed.is_empty() {
        notes.push(format!(
            "the parts of the data are not kept to: {}; without --split, `train` keeps to them",
            crossed.join(", and ")
        ));
    }
    let mut sides: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
    for (sample, part) in samples() {
        if let Some(group) = sample.group.as_deref() {
            let sides = sides.entry(group).or_default();
            sides[0] |= part == SplitPart::Train;
            sides[1] |= part == SplitPart::Test;
        }
    }
    let parted = sides.values().filter(|sides| sides[0] && sides[1]).count();
    if parted > 0 {
        notes.push(format!(
            "{parted} of {} groups of the column `group` are parted, so that some of each is trained on and some judges; --by group keeps them whole",
            sides.len()
        ));
    }
    let judges = split.count(SplitPart::Test) as f64 / census.samples.len() as f64;
    if matches!(by, DivideBy::Group | DivideBy::File) && (judges - share).abs() > FAR_OFF {
        notes.push(format!(
            "{:.0} % of the {unit} judge where {:.0} % were asked for: no {} is parted",
            100.0 * judges,
            100.0 * share,
            by.name()
        ));
    }
    notes
}
