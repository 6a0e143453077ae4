//! `widemargin data info`: what a set holds, and what is wrong with it, before anything is trained on it.

use crate::progress;
use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use widemargin_data::{BadImage, Census, ClassFolder, Counted, Duplicates, Part, Source};
use widemargin_durable::write_atomic;
use widemargin_report::figure::{BarSeries, Bars, bars};
use widemargin_report::page::{EvaluationFigure, EvaluationInput, EvaluationTable, evaluation};
use widemargin_report::table::{Column, Table};

/// How many of a kind are named for people; `--json` names all.
const NAMED: usize = 10;
/// Findings of a kind that the page lists.
const LISTED_FINDINGS: usize = 100;
/// Classes that the page lists.
const LISTED_CLASSES: usize = 2000;
/// Width of the longest bar of the text histogram.
const BAR: usize = 40;

#[derive(Args)]
pub(crate) struct InfoArguments {
    /// An image folder, IDX files, a manifest (.csv, .parquet), .tar shards (a file, a pattern, a folder), or a table of embeddings
    #[arg(value_name = "PATH")]
    data: PathBuf,
    /// Labels of a table, one a row, if they are not inside: .npy, .csv with a column `label`, or text with one a line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Which folder of a deeper tree is the class: top, or deepest
    #[arg(long, value_name = "WHICH", value_parser = super::class_folder, default_value = "top")]
    class_folder: ClassFolder,
    /// Also write this: .html, one page; or .svg, the figure of samples a class
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object that names everything (the default is a few lines for people)
    #[arg(long)]
    json: bool,
}

/// Least, middle and most of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Spread {
    min: u64,
    median: u64,
    max: u64,
}

/// A class with the number of its samples.
#[derive(Debug, Serialize)]
struct ClassCount {
    class: String,
    samples: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<usize>,
}

/// Classes with so many samples.
#[derive(Debug, Serialize)]
struct Bin {
    from: u64,
    to: u64,
    classes: usize,
}

/// Everything that is told.
#[derive(Debug, Serialize)]
struct Info {
    path: PathBuf,
    kind: &'static str,
    samples: usize,
    without_class: usize,
    classes: usize,
    /// Samples of each part, where the data says it.
    parts: Option<BTreeMap<&'static str, usize>>,
    groups: Option<usize>,
    samples_per_class: Option<Spread>,
    classes_of_one_sample: usize,
    histogram: Vec<Bin>,
    /// Numbers of a row, or channels, height and width of IDX images.
    shape: Option<Vec<usize>>,
    width: Option<Spread>,
    height: Option<Spread>,
    formats: BTreeMap<&'static str, usize>,
    modes: BTreeMap<&'static str, usize>,
    animated: usize,
    bad: Vec<BadImage>,
    broken_shards: Vec<BadImage>,
    shards_without_end: Vec<PathBuf>,
    left_alone: Vec<BadImage>,
    ignored: usize,
    duplicates: Duplicates,
    per_class: Vec<ClassCount>,
}

pub(crate) fn run(arguments: &InfoArguments) -> anyhow::Result<ExitCode> {
    if let Some(out) = &arguments.out {
        let known = out.extension().is_some_and(|ending| ending == "html" || ending == "svg");
        ensure!(known, "--out: found {}, expected a name that ends in .html or .svg", out.display());
    }
    let census = census(&arguments.data, arguments.labels.as_deref(), arguments.class_folder)?;
    let info = Info::of(&census);
    if let Some(out) = &arguments.out {
        let svg = out.extension().is_some_and(|ending| ending == "svg");
        let text = if svg { figure(&info) } else { page(&info) };
        write_atomic(out, text.as_bytes())?;
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&info).context("writing the figures")?)?;
    } else {
        write!(out, "{}", in_words(&info))?;
    }
    match census.nothing_usable() {
        Some(nothing) => {
            eprintln!("{nothing}");
            Ok(ExitCode::FAILURE)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Looks at every sample, with a bar.
pub(super) fn census(
    path: &Path,
    labels: Option<&Path>,
    class_folder: ClassFolder,
) -> anyhow::Result<Census> {
    let bar = progress::counted("samples", 0);
    let advance = progress::advancing(&bar);
    Ok(Census::take(path, labels, class_folder, &advance)?)
}

impl Spread {
    fn of(values: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Self { min, median: values[values.len() / 2], max })
    }

    fn in_words(self) -> String {
        let Self { min, median, max } = self;
        if min == max { min.to_string() } else { format!("{min} to {max} (median {median})") }
    }
}

impl Info {
    fn of(census: &Census) -> Self {
        let samples = &census.samples;
        let part_of = |sample: &Counted, part| sample.part == Some(part);
        let with_parts = samples.iter().any(|sample| sample.part.is_some());
        let count = |of: &dyn Fn(&Counted) -> bool| samples.iter().filter(|sample| of(sample)).count();
        let parts = with_parts.then(|| {
            [Part::Train, Part::Test].map(|part| (part.name(), count(&|sample| part_of(sample, part)))).into()
        });
        let mut counts = vec![[0_usize; 3]; census.class_names.len()];
        for sample in samples {
            if let Some(class) = sample.class {
                let counts = &mut counts[class as usize];
                counts[0] += 1;
                counts[1] += usize::from(part_of(sample, Part::Train));
                counts[2] += usize::from(part_of(sample, Part::Test));
            }
        }
        let per_class =
            counts.iter().zip(&census.class_names).map(|([all, train, test], class)| ClassCount {
                class: class.clone(),
                samples: *all,
                train: with_parts.then_some(*train),
                test: with_parts.then_some(*test),
            });
        let mut groups: Vec<&str> = samples.iter().filter_map(|sample| sample.group.as_deref()).collect();
        groups.sort_unstable();
        groups.dedup();
        let looks = || samples.iter().filter_map(|sample| sample.look);
        let (mut formats, mut modes) = (BTreeMap::new(), BTreeMap::new());
        for look in looks() {
            *formats.entry(look.format).or_default() += 1;
            *modes.entry(look.mode).or_default() += 1;
        }
        Self {
            path: census.path.clone(),
            kind: kind(census.source),
            samples: samples.len(),
            without_class: count(&|sample| sample.class.is_none()),
            classes: census.class_names.len(),
            parts,
            groups: (!groups.is_empty()).then_some(groups.len()),
            samples_per_class: Spread::of(counts.iter().map(|[all, ..]| *all as u64)),
            classes_of_one_sample: counts.iter().filter(|[all, ..]| *all == 1).count(),
            histogram: histogram(counts.iter().map(|[all, ..]| *all as u64)),
            shape: census.shape.map(|shape| match census.source {
                Source::Table => vec![shape.values()],
                _ => vec![shape.channels, shape.height, shape.width],
            }),
            width: Spread::of(looks().map(|look| u64::from(look.width))),
            height: Spread::of(looks().map(|look| u64::from(look.height))),
            formats,
            modes,
            animated: looks().filter(|look| look.animated).count(),
            bad: census.bad.clone(),
            broken_shards: census.broken.clone(),
            shards_without_end: census.unended.clone(),
            left_alone: census.left_alone.clone(),
            ignored: census.ignored,
            duplicates: Duplicates::find(census),
            per_class: per_class.collect(),
        }
    }

    /// `images` or `rows`.
    fn unit(&self) -> &'static str {
        if self.kind == kind(Source::Table) { "rows" } else { "images" }
    }
}

fn kind(source: Source) -> &'static str {
    match source {
        Source::Idx => "IDX files",
        Source::Folder => "image folder",
        Source::Manifest => "manifest",
        Source::Shards => "tar shards",
        Source::Table => "table of embeddings",
        Source::Image => "image",
    }
}

/// How many classes have 1 sample, 2 to 3, 4 to 7, and so on: from the least that occurs to the most.
fn histogram(counts: impl Iterator<Item = u64>) -> Vec<Bin> {
    let mut bins: BTreeMap<u32, usize> = BTreeMap::new();
    for count in counts {
        *bins.entry(count.checked_ilog2().map_or(0, |log| log + 1)).or_default() += 1;
    }
    let (Some(first), Some(last)) = (bins.keys().next().copied(), bins.keys().last().copied()) else {
        return Vec::new();
    };
    let bin = |number: u32| {
        let (from, to) = if number == 0 { (0, 0) } else { (1 << (number - 1), (1_u64 << number) - 1) };
        Bin { from, to, classes: bins.get(&number).copied().unwrap_or(0) }
    };
    (first..=last).map(bin).collect()
}

impl Bin {
    fn range(&self) -> String {
        if self.from == self.to { self.from.to_string() } else { format!("{} to {}", self.from, self.to) }
    }
}

fn in_words(info: &Info) -> String {
    let mut text = String::new();
    let mut line = |words: String| text.push_str(&(words + "\n"));
    line(format!("{}: {}", info.path.display(), summary(info)));
    if let Some(parts) = &info.parts {
        let unsaid = info.samples - parts.values().sum::<usize>();
        let unsaid = if unsaid > 0 { format!(", {unsaid} of neither") } else { String::new() };
        line(format!("parts: {} train, {} test{unsaid}", parts["train"], parts["test"]));
    }
    if let Some(groups) = info.groups {
        line(format!("groups: {groups}"));
    }
    if info.without_class > 0 && info.classes > 0 {
        line(format!("{} {} have no class", info.without_class, info.unit()));
    }
    if let (Some(width), Some(height)) = (info.width, info.height) {
        line(format!("size: {} wide, {} high", width.in_words(), height.in_words()));
        let counted = |of: &BTreeMap<&str, usize>| {
            of.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
        };
        line(format!("files: {}; {}", counted(&info.formats), counted(&info.modes)));
    }
    if info.animated > 0 {
        line(format!("{} are animated; of these the first frame is taken", info.animated));
    }
    if info.ignored > 0 {
        line(format!("{} other files and folders are left alone", info.ignored));
    }
    if !info.histogram.is_empty() {
        let mut table =
            Table::new([Column::right("samples a class"), Column::right("classes"), Column::left("")]);
        let most = info.histogram.iter().map(|bin| bin.classes).max().unwrap_or(1);
        for bin in &info.histogram {
            let bar = "█".repeat((bin.classes * BAR).div_ceil(most));
            table.row([bin.range(), bin.classes.to_string(), bar]);
        }
        let _ = write!(text, "\n{}", table.render());
    }
    for (heading, lines) in findings(info) {
        let _ = write!(text, "\n{heading}\n");
        for line in lines.iter().take(NAMED) {
            let _ = writeln!(text, "  {line}");
        }
        if lines.len() > NAMED {
            let _ = writeln!(text, "  and {} more; --json names all", lines.len() - NAMED);
        }
    }
    text
}

/// Kind, samples, classes, samples a class.
fn summary(info: &Info) -> String {
    let shape = info.shape.as_ref().map_or_else(String::new, |shape| match shape.as_slice() {
        [numbers] => format!(" of {numbers} numbers"),
        sides => format!(" of {}", sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")),
    });
    let classes = match info.samples_per_class {
        Some(spread) => format!(" of {} classes, {} a class", info.classes, spread.in_words()),
        None => ", without classes".to_owned(),
    };
    format!("{}, {} {}{shape}{classes}", info.kind, info.samples, info.unit())
}

/// With a large first letter, as sentences have it.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What is wrong: headings and what belongs below each.
fn findings(info: &Info) -> Vec<(String, Vec<String>)> {
    let unit = info.unit();
    let named = |bad: &Vec<BadImage>| {
        bad.iter().map(|bad| format!("{}: {}", bad.path.display(), bad.reason)).collect::<Vec<_>>()
    };
    let shards = info.shards_without_end.iter().map(|shard| shard.display().to_string()).collect();
    let d = &info.duplicates;
    let twins = |expected: &dyn Fn(&widemargin_data::DuplicateGroup) -> bool| -> Vec<String> {
        d.groups.iter().filter(|group| expected(group)).map(|group| group.samples.join(" = ")).collect()
    };
    let conflicts = d.groups.iter().filter(|group| group.conflicting);
    let conflicts =
        conflicts.map(|group| format!("{} ({})", group.samples.join(" = "), group.classes.join(", ")));
    let one = if unit == "rows" { "Rows" } else { "Images" };
    let of = |samples: usize| {
        info.per_class.iter().filter(move |class| class.samples == samples).map(|class| class.class.clone())
    };
    let (singles, empty) = (of(1), of(0));
    let mut found = vec![
        (
            "Shards that cannot be read to their end, which training refuses".to_owned(),
            named(&info.broken_shards),
        ),
        (format!("{one} that cannot be used"), named(&info.bad)),
        (
            "Shards without the empty blocks that end an archive: whole as some programs write them, or cut between two files".to_owned(),
            shards,
        ),
        ("Folders and links that are left alone".to_owned(), named(&info.left_alone)),
        (
            format!(
                "Equal {unit} in both parts, so that what judges was learnt from (`data split` draws parts without)"
            ),
            twins(&|group| group.across_parts),
        ),
        (format!("Equal {unit} of different classes, of which one at least is wrong"), conflicts.collect()),
        (format!("Equal {unit} otherwise"), twins(&|group| !group.across_parts && !group.conflicting)),
        (
            "Classes of a single sample: it is trained on, or can be mistaken for another where its class is unseen".to_owned(),
            singles.collect(),
        ),
        ("Classes of which no sample can be used, which are none".to_owned(), empty.collect()),
    ];
    found.retain(|(_, lines)| !lines.is_empty());
    for (heading, lines) in &mut found {
        let _ = write!(heading, " ({}):", lines.len());
    }
    found
}

fn figure(info: &Info) -> String {
    bars(&Bars {
        title: "Samples a class".to_owned(),
        description: format!("How many classes have how many samples; {}.", summary(info)),
        value_label: "classes".to_owned(),
        categories: info.histogram.iter().map(Bin::range).collect(),
        series: vec![BarSeries {
            name: String::new(),
            values: info.histogram.iter().map(|bin| bin.classes as f64).collect(),
        }],
        percent: false,
    })
}

fn page(info: &Info) -> String {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>();
    // What is wrong stands first: below the classes nobody would see it.
    let mut tables: Vec<EvaluationTable> = findings(info)
        .into_iter()
        .map(|(heading, lines)| {
            let more = lines.len().saturating_sub(LISTED_FINDINGS);
            let more = (more > 0).then(|| format!("and {more} more; --json names all"));
            let rows = lines.into_iter().take(LISTED_FINDINGS).chain(more).map(|line| vec![line]).collect();
            EvaluationTable { heading: heading.trim_end_matches(':').to_owned(), columns: Vec::new(), rows }
        })
        .collect();
    for (heading, counts) in [("File formats", &info.formats), ("Channels", &info.modes)] {
        let rows: Vec<Vec<String>> =
            counts.iter().map(|(what, count)| row(&[what, &count.to_string()])).collect();
        if !rows.is_empty() {
            tables.push(EvaluationTable { heading: heading.to_owned(), columns: row(&["", "images"]), rows });
        }
    }
    let sides = [("width", info.width), ("height", info.height), ("samples a class", info.samples_per_class)];
    let sides = sides.into_iter().filter_map(|(name, spread)| {
        let Spread { min, median, max } = spread?;
        Some(row(&[name, &min.to_string(), &median.to_string(), &max.to_string()]))
    });
    let columns = row(&["", "least", "median", "most"]);
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
        notes: Vec::new(),
        tables,
        figures: vec![EvaluationFigure {
            svg: figure(info),
            caption: "How many classes have how many samples. A long tail of small classes asks for a class-balanced sampler.".to_owned(),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_double_and_none_is_left_out() {
        let bins = histogram([1, 2, 3, 3, 9].into_iter());
        let found: Vec<(String, usize)> = bins.iter().map(|bin| (bin.range(), bin.classes)).collect();
        let expected = [("1", 1), ("2 to 3", 3), ("4 to 7", 0), ("8 to 15", 1)];
        assert_eq!(found, expected.map(|(range, classes)| (range.to_owned(), classes)));
        assert_eq!(histogram([0, 0].into_iter()).len(), 1);
        assert!(histogram([].into_iter()).is_empty());
        assert_eq!(Spread::of([5, 1, 9, 7]), Some(Spread { min: 1, median: 7, max: 9 }));
        assert_eq!(Spread::of([]), None);
    }
}
