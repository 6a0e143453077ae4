//! `widemargin data split`: split a data set into training and held-out samples, as a file.

use super::census::CensusArguments;
use super::info::heading;
use crate::say::{results, say, shown};
use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_data::{
    Census, DataInfo, DivideBy, DivideOptions, Duplicates, Part, SplitFile, SplitPart, WarningKind,
    class_share_far_off, divide, first_names, plural, share_far_off,
};
use widemargin_durable::check_file;

/// Default share of each known class to hold out, with `--by class`.
const HOLD_OUT: f64 = 0.2;
/// Cases of a kind that a note names.
const NAMED: usize = 3;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin data split images/ --by class --share 20% -o split.csv\n  widemargin data split table.parquet --by sample --share 10% -o split.csv"
)]
pub(crate) struct SplitArguments {
    #[command(flatten)]
    data: CensusArguments,
    /// Split file to write, for `train --split`; a new .csv file
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Unit to hold out
    #[arg(long, value_enum)]
    by: SplitBy,
    /// Share to hold out: of the classes, of the samples per class, or of all samples (as close as whole groups or files allow)
    #[arg(long, value_name = "SHARE", value_parser = crate::arguments::share, default_value = "20%")]
    share: f64,
    /// Only with --by class: share of the samples of each known class to hold out [default: 20%]
    #[arg(long, value_name = "SHARE", value_parser = crate::arguments::share)]
    hold_out: Option<f64>,
    /// Seed of the random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object instead of a summary
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SplitBy {
    /// Whole classes, which become unseen, and some samples of each other class
    Class,
    /// Some samples of each class
    Sample,
    /// Whole groups: the column `group` of a manifest or table, or `group` in the JSON of shards
    Group,
    /// Whole folders of images, shards, or parts of IDX files
    File,
}

/// The JSON output.
#[derive(Serialize)]
struct SplitSummary {
    file: String,
    train: usize,
    test: usize,
    /// Duplicates of samples of unseen classes, left out of training.
    out: usize,
    known_classes: usize,
    unseen_classes: usize,
    /// Unusable samples, which are in no part.
    bad: usize,
    /// Duplicates, which were kept in the part of their originals.
    copies: usize,
}

pub(crate) fn run(arguments: &SplitArguments) -> anyhow::Result<ExitCode> {
    let csv = arguments.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    ensure!(csv, "--out: found {}, expected a name that ends in .csv", arguments.out.display());
    ensure!(
        !arguments.out.exists(),
        "{}: already exists; choose another name with --out",
        arguments.out.display()
    );
    ensure!(
        arguments.hold_out.is_none() || matches!(arguments.by, SplitBy::Class),
        "--hold-out: only for --by class, where it is a share of the known classes; use --share"
    );
    check_file(&arguments.out)?;
    let census = arguments.data.take()?;
    let by = match arguments.by {
        SplitBy::Class => DivideBy::Class,
        SplitBy::Sample => DivideBy::Sample,
        SplitBy::Group => DivideBy::Group,
        SplitBy::File => DivideBy::File,
    };
    let (share, seed) = (arguments.share, arguments.seed);
    let hold_out = arguments.hold_out.unwrap_or(HOLD_OUT);
    let options = DivideOptions { by, share, hold_out, seed };
    let split = divide(&census, &options)?;
    let classes = census.class_names.len();
    let (mut trained, mut held_out) = (vec![false; classes], vec![false; classes]);
    for (sample, (_, part)) in census.samples.iter().zip(split.samples()) {
        if let Some(class) = sample.class {
            trained[class as usize] |= *part == SplitPart::Train;
            held_out[class as usize] |= *part == SplitPart::Test;
        }
    }
    split.write_new(&arguments.out)?;
    for bad in &census.bad {
        say!("left out {}: {}", bad.path.display(), bad.reason);
    }
    for sentence in census.sentences() {
        say!("note: {sentence}");
    }
    let info = DataInfo::of(&census);
    for kind in [WarningKind::SimilarNames, WarningKind::MissingLabels, WarningKind::ConflictingDuplicates] {
        let details = info.details(kind);
        if !details.is_empty() {
            say!("note: {}: {}", heading(kind, info.unit), first_names(&details, NAMED));
        }
    }
    for note in notes(&census, &split, &options) {
        say!("note: {note}");
    }
    let summary = SplitSummary {
        file: arguments.out.display().to_string(),
        train: split.count(SplitPart::Train),
        test: split.count(SplitPart::Test),
        out: split.count(SplitPart::Out),
        known_classes: trained.iter().filter(|trained| **trained).count(),
        unseen_classes: trained
            .iter()
            .zip(&held_out)
            .filter(|(trained, held_out)| !**trained && **held_out)
            .count(),
        bad: census.bad.len(),
        copies: Duplicates::find(&census).copies,
    };
    let mut out = results();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&summary).context("writing JSON")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let SplitSummary { train, test, out: left_out, known_classes, unseen_classes, copies, .. } = summary;
    writeln!(
        out,
        "{}: {train} training and {}; {known_classes} known and {}",
        shown(&arguments.out),
        plural(test, "held-out sample", "held-out samples"),
        plural(unseen_classes, "unseen class", "unseen classes")
    )?;
    if copies > 0 {
        let left_out = if left_out > 0 {
            let were = plural(left_out, "duplicate was", "duplicates were");
            format!("; {were} left out, because the class of another is unseen")
        } else {
            String::new()
        };
        let were = plural(copies, "duplicate was", "duplicates were");
        writeln!(out, "{were} kept in the part of the original{left_out}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the split ignores the parts and groups of the data, and how far it is from the requested share.
fn notes(census: &Census, split: &SplitFile, options: &DivideOptions) -> Vec<String> {
    let mut notes = Vec::new();
    let unit = census.source.unit();
    let samples = || census.samples.iter().zip(split.samples()).map(|(sample, (_, part))| (sample, *part));
    let crossing = |of: Part, to: SplitPart| {
        samples().filter(|(sample, part)| sample.part == Some(of) && *part == to).count()
    };
    let crossed: Vec<String> = [
        (Part::Test, SplitPart::Train, "trained on"),
        (Part::Validation, SplitPart::Train, "trained on"),
        (Part::Validation, SplitPart::Test, "held out for the final evaluation"),
        (Part::Train, SplitPart::Test, "held out"),
    ]
    .into_iter()
    .map(|(of, to, what)| (crossing(of, to), of.name(), what))
    .filter(|(count, ..)| *count > 0)
    .map(|(count, of, what)| format!("{count} {unit} marked `{of}` are {what}"))
    .collect();
    if !crossed.is_empty() {
        notes.push(format!(
            "the existing train/test split of the data is ignored: {}; `train` uses it if you do not give --split",
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
    let divided = sides.values().filter(|sides| sides[0] && sides[1]).count();
    if divided > 0 {
        notes.push(format!(
            "{divided} of {} groups have both training and held-out samples; use --by group to keep groups together",
            sides.len()
        ));
    }
    notes.extend(far_off(census, split, options));
    notes
}

/// How far the split is from the requested shares.
fn far_off(census: &Census, split: &SplitFile, options: &DivideOptions) -> Vec<String> {
    let DivideOptions { by, share, hold_out, .. } = *options;
    let unit = census.source.unit();
    let samples = || census.samples.iter().zip(split.samples()).map(|(sample, (_, part))| (sample, *part));
    let has_copies = Duplicates::find(census).copies > 0;
    // Samples of the known classes: whether they are held out, and their classes.
    let of_classes = |is_known: &dyn Fn(u32) -> bool| -> (Vec<bool>, Vec<u32>) {
        let used = samples().filter(|(_, part)| *part != SplitPart::Out);
        let known = used.filter_map(|(sample, part)| Some((part == SplitPart::Test, sample.class?)));
        known.filter(|(_, class)| is_known(*class)).unzip()
    };
    match by {
        DivideBy::Group | DivideBy::File => {
            let held_out = split.count(SplitPart::Test) as f64 / census.samples.len() as f64;
            let why = format!("each {} is kept together", by.name());
            share_far_off(held_out, share, unit, &why).into_iter().collect()
        }
        DivideBy::Sample => {
            let (test, classes) = of_classes(&|_| true);
            class_share_far_off(&test, &classes, has_copies, (share, unit)).into_iter().collect()
        }
        DivideBy::Class => {
            let of_part = |part: SplitPart| -> BTreeSet<u32> {
                samples().filter(|(_, found)| *found == part).filter_map(|(sample, _)| sample.class).collect()
            };
            let (trained, held_out) = (of_part(SplitPart::Train), of_part(SplitPart::Test));
            let unseen = held_out.difference(&trained).count();
            let classes = held_out.union(&trained).count();
            let why = "whole classes are held out, at least two";
            let (test, labels) = of_classes(&|class| trained.contains(&class));
            let drawn = (hold_out > 0.0)
                .then(|| class_share_far_off(&test, &labels, has_copies, (hold_out, unit)))
                .flatten()
                .map(|sentence| format!("known classes: {sentence}"));
            share_far_off(unseen as f64 / classes as f64, share, "classes", why)
                .into_iter()
                .chain(drawn)
                .collect()
        }
    }
}
