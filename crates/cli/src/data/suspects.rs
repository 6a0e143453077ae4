//! `widemargin data suspects`: list likely mislabelled samples, found with a trained run.
//!
//! Every sample of the known classes, trained on or held out, is compared with all class centres ([`widemargin_eval::suspects`]). A run with
//! a pair objective has no centres and uses the mean directions of the classes in its own data instead.

use crate::progress;
use crate::say::{self, results, say};
use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use widemargin_data::{Labelled, SampleSet, Source, SplitPart};
use widemargin_durable::{check_file, check_folder, create_folders, write_atomic};
use widemargin_eval::Embeddings;
use widemargin_eval::suspects::{Suspect, dominant_centres, suspects};
use widemargin_eval::templates::{self, TemplateMean};
use widemargin_report::Image;
use widemargin_report::page::{self, SuspectRow, SuspectsInput};
use widemargin_report::table::{Column, Table};
use widemargin_tables::{can_choose, echo_list, unsorted_columns};
use widemargin_train::{Prepared, Record, Reopened, Trainer, reopen};

/// The report in the output folder.
const SUSPECTS: &str = "suspects.json";

/// Rows of the table on the terminal.
const PRINTED: usize = 20;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin data suspects --run runs/mine\n  widemargin data suspects --run runs/mine --data more/ -o found"
)]
pub(crate) struct SuspectsArguments {
    /// Run folder; its newest checkpoint is used
    #[arg(long, value_name = "RUN")]
    run: PathBuf,
    /// Check this data instead of the run's own; classes are matched by name
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Labels of a table in --data that does not contain them, one per row: .npy, .csv with a column `label`, or text with one per line
    #[arg(long, value_name = "FILE", requires = "data")]
    labels: Option<PathBuf>,
    /// Column of the labels, in the file of --labels or else in the table [default: that of the run]
    #[arg(long, value_name = "NAME", requires = "data")]
    label_column: Option<String>,
    /// Folder for suspects.json and the page suspects.html [default: the run folder]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of samples to report, the most suspicious first
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    count: usize,
    /// Print one JSON object instead of a table of the first 20
    #[arg(long)]
    json: bool,
}

/// The content of `suspects.json`.
#[derive(Serialize)]
struct SuspectsReport {
    run: PathBuf,
    data: String,
    step: u64,
    /// Number of samples compared.
    samples: usize,
    /// Number of samples closer to another class than to the class of their label.
    nearer_to_another: usize,
    suspects: Vec<SuspectLine>,
}

#[derive(Serialize)]
struct SuspectLine {
    rank: usize,
    sample: String,
    /// What the run used it for: `train`, `test` or `out`. Absent with other data than the run's, unless the run was trained on the sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'static str>,
    label: String,
    own_cosine: f64,
    looks_like: String,
    other_cosine: f64,
    /// How much closer the other class is: difference of the cosines.
    lead: f64,
}

pub(crate) fn run(arguments: &SuspectsArguments) -> anyhow::Result<ExitCode> {
    ensure!(arguments.count >= 1, "--count: found 0, expected at least 1");
    let folder = arguments.out.as_ref().unwrap_or(&arguments.run);
    if folder.exists() {
        check_file(folder.join(SUSPECTS))?;
    } else {
        check_folder(folder)?;
    }
    let found = reopen(&arguments.run)?;
    for warning in &found.warnings {
        say!("warning: skipped a newer checkpoint: {warning}");
    }
    let Checked { set, parts, samples, labels } = checked(arguments, &found)?;
    // Not reported for the run's own data, whose unseen classes are left out on purpose.
    let left_out = if arguments.data.is_some() { set.len() - samples.len() } else { 0 };
    if left_out > 0 {
        say!("left out {left_out} samples of classes that the run was not trained on");
    }
    let bar = progress::waiting("comparing samples with class centres");
    let values = found.trainer.embed_set(&set, found.record.normalisation(), &samples)?;
    let dim = found.trainer.head().dim();
    let embeddings = Embeddings::new(&values, samples.len(), dim, &labels)?;
    // Labels that are checked do not decide which centres they are compared with.
    let own = if arguments.data.is_some() && centres_need_samples(&found.trainer) {
        Some(embedded_own(&found)?)
    } else {
        None
    };
    let all = suspects(&embeddings, &centres(&found.trainer, own.as_ref().unwrap_or(&embeddings))?)?;
    bar.finish_and_clear();

    let nearer = all.iter().filter(|suspect| suspect.lead() > 0.0).count();
    let shown = &all[..arguments.count.min(all.len())];
    let names = SuspectNames { set: &set, known: known_classes(&found.record), samples: &samples, parts };
    let report = SuspectsReport {
        run: arguments.run.clone(),
        data: set.name().to_owned(),
        step: found.step,
        samples: samples.len(),
        nearer_to_another: nearer,
        suspects: shown.iter().zip(1..).map(|(suspect, rank)| names.line(suspect, rank)).collect(),
    };
    let mut json = serde_json::to_string_pretty(&report).context("writing the suspects")?;
    json.push('\n');
    create_folders(folder)?;
    write_atomic(folder.join(SUSPECTS), json.as_bytes())?;
    let html = page::suspects(&names.page(&report, shown, &all)?);
    write_atomic(folder.join("suspects.html"), html.as_bytes())?;

    let mut out = results();
    if arguments.json {
        write!(out, "{json}")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "{} samples, {nearer} of them closer to another class than to the class of their label\n",
        samples.len()
    )?;
    write!(out, "{}", table(&report))?;
    let more = shown.len().saturating_sub(PRINTED);
    let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
    writeln!(out, "\nReport with images: {}{more}", say::shown(&folder.join("suspects.html")))?;
    Ok(ExitCode::SUCCESS)
}

fn known_classes(run: &Record) -> Vec<String> {
    run.known_classes().map(str::to_owned).collect()
}

/// What is checked.
struct Checked {
    set: SampleSet,
    /// What the run used each sample of the set for, if it is known.
    parts: Vec<Option<&'static str>>,
    /// The samples of known classes.
    samples: Vec<u32>,
    /// Their labels in the run.
    labels: Vec<u32>,
}

fn checked(arguments: &SuspectsArguments, run: &Reopened) -> anyhow::Result<Checked> {
    let (set, parts) = match &arguments.data {
        None => {
            let own = run.prepared().context("to check data that has changed, give it with --data")?;
            let parts = own.parts.iter().map(|part| Some(part.name())).collect();
            (own.set, parts)
        }
        Some(path) => {
            Source::detect(path)?.require_no_labels(arguments.labels.as_deref())?;
            let mut data = run.config.data.clone();
            (data.path, data.labels, data.set) = (Some(path.clone()), arguments.labels.clone(), None);
            data.columns.take_if(|columns| !can_choose(path, columns));
            data.label_column = arguments.label_column.clone().or(data.label_column);
            let set = Prepared::open(&data, run.record.columns())?;
            if let (Some(found), Some(expected)) = (set.columns(), run.record.columns()) {
                ensure!(
                    found == expected,
                    "{}: found the columns {}, expected those of the run: {}",
                    path.display(),
                    echo_list(found),
                    echo_list(expected)
                );
            }
            let model = format!("the run {}", arguments.run.display());
            let note = unsorted_columns((run.record.columns(), &model), (set.columns(), &path.display()));
            if let Some(note) = note {
                say!("warning: {note}");
            }
            let (found, expected) = (set.shape(), run.record.shape());
            ensure!(
                found == expected,
                "{}: samples of {found}, expected {expected} like those of the run",
                path.display()
            );
            let trained = run.trained_on(&set)?.unwrap_or_else(|| vec![false; set.len()]);
            let parts = trained.into_iter().map(|trained| trained.then_some(SplitPart::Train.name()));
            (set, parts.collect())
        }
    };
    let (samples, labels) = of_known_classes(&set, &run.record);
    ensure!(
        !samples.is_empty(),
        "{}: no sample of a class that the run was trained on; classes are matched by name",
        set.name()
    );
    Ok(Checked { set, parts, samples, labels })
}

/// The samples of a set that are of classes of the run, and the numbers of those classes in the run.
fn of_known_classes(set: &SampleSet, run: &Record) -> (Vec<u32>, Vec<u32>) {
    let known: HashMap<&str, u32> = run.known_classes().zip(0..).collect();
    let numbers: Vec<Option<u32>> =
        set.class_names().iter().map(|name| known.get(name.as_str()).copied()).collect();
    let of = |sample: usize| numbers[set.labels()[sample] as usize];
    (0..set.len()).filter_map(|sample| Some((sample as u32, of(sample)?))).unzip()
}

/// Whether the centres of a run depend on samples: means of classes, or the dominant one of several centres.
fn centres_need_samples(trainer: &Trainer) -> bool {
    trainer.head().class_head().is_none_or(|head| head.sub_centres() > 1)
}

/// The embeddings of the run's own samples of known classes.
fn embedded_own(run: &Reopened) -> anyhow::Result<Embeddings> {
    let prepared = run.prepared().context("the centres of this run's classes come from its own data")?;
    let (samples, labels) = of_known_classes(&prepared.set, &run.record);
    let values = run.trainer.embed_set(&prepared.set, run.record.normalisation(), &samples)?;
    Ok(Embeddings::new(&values, samples.len(), run.trainer.head().dim(), &labels)?)
}

/// One centre per class: the trained centre, the dominant one of several, or the mean direction if the run has no centres.
fn centres(trainer: &Trainer, embeddings: &Embeddings) -> anyhow::Result<Embeddings> {
    let dim = embeddings.dim();
    let Some(head) = trainer.head().class_head() else {
        let rows = embeddings.unit_rows();
        let mean = TemplateMean::AfterNormalising;
        return Ok(templates::build(rows, embeddings.rows(), dim, embeddings.labels(), mean)?);
    };
    let chosen = dominant_centres(embeddings, &head.settled_centres(), head.sub_centres())?;
    let labels: Vec<u32> = (0..head.classes() as u32).collect();
    Ok(Embeddings::new(&chosen, labels.len(), dim, &labels)?)
}

fn table(report: &SuspectsReport) -> String {
    let mut table = Table::new([
        Column::right("rank"),
        Column::left("sample"),
        Column::left("labelled"),
        Column::right("cosine"),
        Column::left("looks like"),
        Column::right("cosine"),
    ]);
    for line in report.suspects.iter().take(PRINTED) {
        table.row([
            line.rank.to_string(),
            line.sample.clone(),
            line.label.clone(),
            format!("{:.3}", line.own_cosine),
            line.looks_like.clone(),
            format!("{:.3}", line.other_cosine),
        ]);
    }
    table.render()
}

/// Names and images of samples and classes.
struct SuspectNames<'a> {
    set: &'a SampleSet,
    /// Names of the known classes.
    known: Vec<String>,
    samples: &'a [u32],
    /// What the run used each sample of the set for, if it is known.
    parts: Vec<Option<&'static str>>,
}

impl SuspectNames<'_> {
    fn class(&self, number: u32) -> String {
        self.known[number as usize].clone()
    }

    fn line(&self, suspect: &Suspect, rank: usize) -> SuspectLine {
        let sample = self.samples[suspect.row] as usize;
        SuspectLine {
            rank,
            sample: self.set.sample_id(sample),
            part: self.parts[sample],
            label: self.class(suspect.label),
            own_cosine: suspect.label_cosine,
            looks_like: self.class(suspect.other),
            other_cosine: suspect.other_cosine,
            lead: suspect.lead(),
        }
    }

    fn image(&self, row: usize) -> anyhow::Result<Option<Image>> {
        let Some(set) = self.set.images() else { return Ok(None) };
        let shape = set.shape();
        let pixels = set.read(self.samples[row] as usize)?;
        Ok(Some(Image::new(shape.channels, shape.height, shape.width, &pixels)?))
    }

    fn page(
        &self,
        report: &SuspectsReport,
        shown: &[Suspect],
        all: &[Suspect],
    ) -> anyhow::Result<SuspectsInput> {
        // The sample of each class that is closest to its centre.
        let mut typical: HashMap<u32, (f64, usize)> = HashMap::new();
        for suspect in all {
            let best = typical.entry(suspect.label).or_insert((f64::NEG_INFINITY, suspect.row));
            if suspect.label_cosine > best.0 {
                *best = (suspect.label_cosine, suspect.row);
            }
        }
        let side = |class: u32, cosine: f64| -> anyhow::Result<(String, Option<Image>, f64)> {
            let image = typical.get(&class).map(|(_, row)| self.image(*row)).transpose()?.flatten();
            Ok((self.class(class), image, cosine))
        };
        let rows = shown.iter().zip(&report.suspects).map(|(suspect, line)| {
            Ok(SuspectRow {
                name: line.sample.clone(),
                image: self.image(suspect.row)?,
                label: side(suspect.label, suspect.label_cosine)?,
                other: side(suspect.other, suspect.other_cosine)?,
            })
        });
        Ok(SuspectsInput {
            title: format!("Likely mislabelled samples in {}", report.data),
            lead: format!("Found with the run {}, step {}.", report.run.display(), report.step),
            counts: [report.samples, report.nearer_to_another, shown.len()].map(|count| count as u64),
            notes: vec![
                "The small image next to a class name is the image of that class closest to its centre."
                    .to_owned(),
            ],
            rows: rows.collect::<anyhow::Result<_>>()?,
        })
    }
}
