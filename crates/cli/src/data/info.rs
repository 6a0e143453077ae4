//! `widemargin data info`: describe a data set before training on it.

use super::census::CensusArguments;
use crate::arguments::{FileKind, output_file};
use crate::say::{results, say};
use anyhow::{Context, ensure};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_data::{ClassCount, DataInfo, Error, HistogramBin, Spread, WarningKind, first_names, plural};
use widemargin_durable::write_atomic;
use widemargin_report::figure::{BarSeries, Bars, bars};
use widemargin_report::page::{EvaluationFigure, EvaluationInput, EvaluationTable, evaluation};
use widemargin_report::table::{Column, Table};
use widemargin_report::terminal::visible;
use widemargin_tables::columns_in_words;

/// Lines per warning on the terminal; `--json` has all.
const PRINTED: usize = 10;
/// Lines per warning on the page.
const LISTED_DETAILS: usize = 100;
/// Classes that the page lists.
const LISTED_CLASSES: usize = 2000;
/// Columns that the terminal names.
const NAMED_COLUMNS: usize = 20;
/// Width of the longest bar of the histogram on the terminal.
const BAR: usize = 40;

const REPORT: FileKind = FileKind { name: "a report", mark: "<svg" };

#[derive(Args)]
#[command(
    after_help = "Exit status: 0 done, 1 no usable sample, 2 error.\n\nExamples:\n  widemargin data info images/ -o info.html\n  widemargin data info images/ --json"
)]
pub(crate) struct InfoArguments {
    #[command(flatten)]
    data: CensusArguments,
    /// Also write a report: .html for a page, .svg for the histogram of samples per class
    #[arg(short, long, value_name = "FILE", value_parser = output_file(REPORT))]
    out: Option<PathBuf>,
    /// Print everything as one JSON object instead of a summary
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &InfoArguments) -> anyhow::Result<ExitCode> {
    if let Some(out) = &arguments.out {
        let known = out.extension().is_some_and(|ending| ending == "html" || ending == "svg");
        ensure!(known, "--out: found {}, expected a name that ends in .html or .svg", out.display());
    }
    let (census, ambiguous) = arguments.data.take_ambiguous()?;
    if let Some(error) = ambiguous {
        let reading = match error {
            Error::PartInOneFolder { .. } => "this folder counts as a class, as with --parts only",
            _ => "every folder counts as a class, as with --parts none",
        };
        say!("warning: {error}; `train` rejects this folder. Here {reading}");
    }
    let info = DataInfo::of(&census);
    if let Some(out) = &arguments.out {
        let svg = out.extension().is_some_and(|ending| ending == "svg");
        let text = if svg { figure(&info) } else { page(&info) };
        write_atomic(out, text.as_bytes())?;
    }
    let mut out = results();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&info).context("writing JSON")?)?;
    } else {
        write!(out, "{}", in_words(&info))?;
    }
    match census.nothing_usable() {
        Some(nothing) => {
            say!("{nothing}");
            Ok(ExitCode::FAILURE)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn in_words(info: &DataInfo) -> String {
    let mut text = String::new();
    let mut line = |words: String| text.push_str(&(visible(&words) + "\n"));
    line(format!("{}: {}", info.path.display(), summary(info)));
    if let Some(columns) = &info.columns {
        line(format!("vectors: the columns {}", columns_in_words(columns)));
    }
    if let Some(parts) = &info.parts {
        let unmarked = info.samples - parts.values().sum::<usize>();
        let unmarked = if unmarked > 0 { format!(", {unmarked} unmarked") } else { String::new() };
        line(format!("parts: {} train, {} test{unmarked}", parts["train"], parts["test"]));
    }
    if let Some(groups) = info.groups {
        line(format!("groups: {groups}"));
    }
    if info.without_class > 0 && info.classes > 0 {
        let have = if info.without_class == 1 { "has" } else { "have" };
        line(format!("{} of the {} {have} no class", info.without_class, info.unit));
    }
    if let (Some(width), Some(height)) = (info.width, info.height) {
        line(format!("size: width {width}, height {height}"));
        let counted = |of: &BTreeMap<&str, usize>| {
            of.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
        };
        line(format!("files: {}; {}", counted(&info.formats), counted(&info.modes)));
    }
    if info.animated > 0 {
        let images = plural(info.animated, "image has", "images have");
        line(format!("{images} several frames or pages; only the first is read"));
    }
    if !info.other_columns.is_empty() {
        line(format!(
            "columns that training does not use: {}",
            first_names(
                // pandas writes its index without a name.
                info.other_columns.iter().map(|name| if name.is_empty() {
                    "(without a name)"
                } else {
                    name.as_str()
                }),
                NAMED_COLUMNS
            )
        ));
    }
    if info.ignored > 0 {
        let other =
            if info.ignored == 1 { "other file or folder was" } else { "other files and folders were" };
        line(format!("{} {other} ignored", info.ignored));
    }
    if !info.histogram.is_empty() {
        let mut table =
            Table::new([Column::right("samples per class"), Column::right("classes"), Column::left("")]);
        let most = info.histogram.iter().map(|bin| bin.classes).max().unwrap_or(1);
        for bin in &info.histogram {
            let bar = "█".repeat((bin.classes * BAR).div_ceil(most));
            table.row([bin.range(), bin.classes.to_string(), bar]);
        }
        let _ = write!(text, "\n{}", table.render());
    }
    for warning in &info.warnings {
        let _ = write!(text, "\n{} ({}):\n", heading(warning.kind, info.unit), warning.count);
        for line in info.details(warning.kind).iter().take(PRINTED) {
            let _ = writeln!(text, "  {}", visible(line));
        }
        if warning.count > PRINTED {
            let _ = writeln!(text, "  and {} more; use --json to list all", warning.count - PRINTED);
        }
    }
    text
}

/// Kind, number of samples and classes, samples per class.
fn summary(info: &DataInfo) -> String {
    let shape = info.shape.as_ref().map_or_else(String::new, |shape| match shape.as_slice() {
        [dim] => format!(" of dimension {dim}"),
        sides => format!(" of {}", sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")),
    });
    let classes = match info.samples_per_class {
        Some(spread) => {
            format!(" in {}, {spread} per class", plural(info.classes, "class", "classes"))
        }
        None => ", without classes".to_owned(),
    };
    format!("{}, {} {}{shape}{classes}", info.kind, info.samples, info.unit)
}

/// The text with its first letter in upper case.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The heading above the details of a warning.
pub(super) fn heading(kind: WarningKind, unit: &str) -> String {
    match kind {
        WarningKind::BrokenShards => "Damaged shards; training rejects them".to_owned(),
        WarningKind::BadSamples => format!("Unusable {unit}"),
        WarningKind::ShardsWithoutEnd => {
            "Shards without an end-of-archive marker: either written without one, or cut between two files"
                .to_owned()
        }
        WarningKind::Skipped => "Skipped links".to_owned(),
        WarningKind::SkippedEndings => "Skipped files with endings that are not read".to_owned(),
        WarningKind::EmptyFolders => "Class folders without a file that can be read; they are no classes".to_owned(),
        WarningKind::FoldersOfPrograms => "Skipped folders that other programs created".to_owned(),
        WarningKind::Notes => "Please check that the data is read as you mean it".to_owned(),
        WarningKind::SmallRange => "16-bit images that use little of their range".to_owned(),
        WarningKind::Hidden => {
            "Images that have one colour only, or nearly so, on a white background, because of their transparency; choose `background` in [data]".to_owned()
        }
        WarningKind::SimilarNames => "Class names that look the same, but are different classes".to_owned(),
        WarningKind::MissingLabels => "Classes whose name may mean no class; they are classes like the others".to_owned(),
        WarningKind::GroupsAcrossParts => {
            "Groups in train and test, although the samples of a group belong together; `data split --by group` keeps them together".to_owned()
        }
        WarningKind::OnePartClasses => "Classes in one part only, although most are in both".to_owned(),
        WarningKind::DuplicatesAcrossParts => {
            format!(
                "Duplicate {unit} in train and test: the evaluation set leaks into training; `data split` makes a split without leaks"
            )
        }
        WarningKind::ConflictingDuplicates => {
            format!("Duplicate {unit} with different classes: at least one label is wrong")
        }
        WarningKind::OtherDuplicates => format!("Other duplicate {unit}"),
        WarningKind::SingleSampleClasses => {
            "Classes with a single sample, which forms no genuine pair for training or evaluation".to_owned()
        }
        WarningKind::EmptyClasses => {
            "Classes without a usable sample; training does not count them".to_owned()
        }
    }
}

fn figure(info: &DataInfo) -> String {
    bars(&Bars {
        title: "Samples per class".to_owned(),
        description: format!("Number of classes by samples per class: {}.", summary(info)),
        value_label: "classes".to_owned(),
        categories: info.histogram.iter().map(HistogramBin::range).collect(),
        series: vec![BarSeries {
            name: String::new(),
            values: info.histogram.iter().map(|bin| bin.classes as f64).collect(),
        }],
        percent: false,
    })
}

fn page(info: &DataInfo) -> String {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>();
    // Warnings come first: nobody would see them below the classes.
    let mut tables: Vec<EvaluationTable> = info
        .warnings
        .iter()
        .map(|warning| {
            let more = warning.count.saturating_sub(LISTED_DETAILS);
            let more = (more > 0).then(|| format!("and {more} more; use --json to list all"));
            let lines = info.details(warning.kind).into_iter().take(LISTED_DETAILS);
            EvaluationTable {
                heading: format!("{} ({})", heading(warning.kind, info.unit), warning.count),
                columns: Vec::new(),
                rows: lines.chain(more).map(|line| vec![line]).collect(),
            }
        })
        .collect();
    for (heading, counts) in [("File formats", &info.formats), ("Colour modes", &info.modes)] {
        let rows: Vec<Vec<String>> =
            counts.iter().map(|(what, count)| row(&[what, &count.to_string()])).collect();
        if !rows.is_empty() {
            tables.push(EvaluationTable { heading: heading.to_owned(), columns: row(&["", "images"]), rows });
        }
    }
    let sides =
        [("width", info.width), ("height", info.height), ("samples per class", info.samples_per_class)];
    let sides = sides.into_iter().filter_map(|(name, spread)| {
        let Spread { min, median, max } = spread?;
        Some(row(&[name, &min.to_string(), &median.to_string(), &max.to_string()]))
    });
    let columns = row(&["", "smallest", "median", "largest"]);
    tables.push(EvaluationTable { heading: "Sizes".to_owned(), columns, rows: sides.collect() });
    let mut classes: Vec<&ClassCount> = info.per_class.iter().collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.samples));
    let listed = classes.len().min(LISTED_CLASSES);
    let cells = |class: &&ClassCount| {
        let parts = [class.train, class.test].into_iter().flatten().map(|count| count.to_string());
        [class.class.clone(), class.samples.to_string()].into_iter().chain(parts).collect::<Vec<String>>()
    };
    if listed > 0 {
        let mut columns = row(&["class", "samples"]);
        if info.parts.is_some() {
            columns.extend(row(&["train", "test"]));
        }
        let heading = if listed < classes.len() {
            format!("The {listed} largest classes")
        } else {
            "Classes".to_owned()
        };
        tables.push(EvaluationTable {
            heading,
            columns,
            rows: classes[..listed].iter().map(cells).collect(),
        });
    }
    evaluation(&EvaluationInput {
        title: format!("Data: {}", info.path.display()),
        lead: format!("{}.", capitalised(&summary(info))),
        warnings: Vec::new(),
        notes: Vec::new(),
        tables,
        figures: vec![EvaluationFigure {
            svg: figure(info),
            caption: "Number of classes by samples per class. With many small classes, use a class-balanced sampler.".to_owned(),
        }],
    })
}
