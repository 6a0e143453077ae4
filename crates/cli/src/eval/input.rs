//! Files of embeddings on their way into a comparison, and errors in terms of files and names of classes.

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use widemargin_eval::files;
use widemargin_eval::templates::{self, TemplateMean};
use widemargin_eval::{Embeddings, Error};
use widemargin_tables::{
    ClassNames, EmbeddingTable, Error as FileError, Problem, open, read_embeddings, read_labels,
};

/// The set that a subcommand judges.
#[derive(Args)]
pub(crate) struct SetArguments {
    /// Embeddings, one a row: .npy, .safetensors, .csv, or .parquet if the program was built with it
    #[arg(value_name = "EMBEDDINGS")]
    pub(crate) embeddings: PathBuf,
    /// Labels, one a row, if they are not inside: .npy, .csv with a column `label`, or text with one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
}

/// How the embeddings of a class become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Templates {
    /// The mean of the embeddings as they are
    Mean,
    /// The mean of their directions
    MeanDirection,
}

/// A set that is ready to be compared.
pub(crate) struct Labelled {
    pub(crate) path: PathBuf,
    pub(crate) embeddings: Embeddings,
    pub(crate) cameras: Option<Vec<u32>>,
    pub(crate) ids: Option<Vec<String>>,
}

impl Labelled {
    /// What was read, for the head of a report.
    pub(crate) fn in_words(&self) -> String {
        let mut labels = self.embeddings.labels().to_vec();
        labels.sort_unstable();
        labels.dedup();
        let (rows, dim) = (self.embeddings.rows(), self.embeddings.dim());
        let (path, classes) = (self.path.display(), labels.len());
        format!("{path}: {rows} embeddings of {classes} classes, dimension {dim}")
    }
}

/// A file of embeddings with the labels beside it, if any.
pub(crate) fn table(path: &Path, labels: Option<&Path>) -> anyhow::Result<EmbeddingTable> {
    let mut table = open(path)?;
    if let Some(beside) = labels {
        table.set_labels(read_labels(beside)?, beside)?;
    }
    Ok(table.read()?)
}

/// Labelled embeddings; classes of several files share one numbering.
pub(crate) fn labelled(
    path: &Path,
    labels: Option<&Path>,
    classes: &mut ClassNames,
) -> anyhow::Result<Labelled> {
    let table = table(path, labels)?;
    let embeddings = files::labelled(&table, classes).map_err(|error| without_labels(error, labels))?;
    Ok(Labelled { path: path.to_owned(), embeddings, cameras: table.about.cameras, ids: table.about.ids })
}

/// As [`labelled`], with one template a class instead of its embeddings.
pub(crate) fn enrolled(
    path: &Path,
    labels: Option<&Path>,
    classes: &mut ClassNames,
    templates: Option<Templates>,
) -> anyhow::Result<Labelled> {
    let Some(templates) = templates else { return labelled(path, labels, classes) };
    let mean = match templates {
        Templates::Mean => TemplateMean::BeforeNormalising,
        Templates::MeanDirection => TemplateMean::AfterNormalising,
    };
    let table = table(path, labels)?;
    // Also finds what is wrong with the file, by row and id.
    let rows = files::labelled(&table, classes).map_err(|error| without_labels(error, labels))?;
    let embeddings = templates::build(&table.data, table.rows, table.dim, rows.labels(), mean)
        .map_err(|error| explained(error, classes, &path.display()))?;
    Ok(Labelled { path: path.to_owned(), embeddings, cameras: None, ids: None })
}

/// Embeddings whose labels do not matter.
pub(crate) fn unlabelled(path: &Path) -> anyhow::Result<Embeddings> {
    Ok(files::unlabelled(&read_embeddings(path)?)?)
}

fn without_labels(error: FileError, labels: Option<&Path>) -> anyhow::Error {
    let missing = matches!(error.problem, Problem::NoLabels);
    if missing && labels.is_none() { anyhow!("{error}; name a file of labels") } else { error.into() }
}

/// Cameras of a set: from a file beside it, or from inside.
pub(crate) fn cameras(set: &Labelled, beside: Option<&Path>, flag: &str) -> anyhow::Result<Vec<u32>> {
    let Some(path) = beside else {
        let inside = set.cameras.clone();
        return inside
            .with_context(|| format!("{}: has no cameras, and {flag} names none", set.path.display()));
    };
    let number = |(row, text): (usize, &String)| {
        text.parse().map_err(|_| {
            anyhow!("{}: row {row}: found camera {text:?}, expected a whole number", path.display())
        })
    };
    let cameras: Vec<u32> =
        read_labels(path)?.iter().enumerate().map(number).collect::<anyhow::Result<_>>()?;
    let (rows, found) = (set.embeddings.rows(), cameras.len());
    anyhow::ensure!(rows == found, "{}: holds {found} cameras for {rows} rows of embeddings", path.display());
    Ok(cameras)
}

/// Refuses sets that together have one class only: nothing could be confused.
pub(crate) fn require_two_classes(sets: &[&Labelled], classes: &ClassNames) -> anyhow::Result<()> {
    if let [only] = classes.names() {
        let paths: Vec<String> = sets.iter().map(|set| set.path.display().to_string()).collect();
        let rows: usize = sets.iter().map(|set| set.embeddings.rows()).sum();
        anyhow::bail!(
            "{}: all {rows} embeddings are of class {only:?}; at least two classes are needed",
            paths.join(" and ")
        );
    }
    Ok(())
}

/// What the library found wrong, with the file or flag to blame and with names instead of numbers of classes.
pub(crate) fn explained(error: Error, classes: &ClassNames, place: &dyn std::fmt::Display) -> anyhow::Error {
    let name = |class: u32| classes.names().get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    match error {
        Error::OneClass { class, rows } => {
            let name = name(class);
            anyhow!("{place}: all {rows} embeddings are of class {name:?}; at least two classes are needed")
        }
        Error::ZeroMean { class, rows } => {
            let name = name(class);
            anyhow!(
                "{place}: the mean of the {rows} embeddings of class {name:?} is zero and has no direction"
            )
        }
        error => anyhow!("{place}: {error}"),
    }
}

/// The names of two files that were compared.
pub(crate) fn both(a: &Path, b: &Path) -> String {
    format!("{} and {}", a.display(), b.display())
}
