//! Reads files of embeddings for evaluation, and puts file names and class names into errors.

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use widemargin_eval::files;
use widemargin_eval::templates::{self, TemplateMean};
use widemargin_eval::{Embeddings, Error};
use widemargin_tables::{
    ClassNames, EmbeddingTable, Error as FileError, Problem, open, read_embeddings, read_labels,
};

/// The evaluated set.
#[derive(Args)]
pub(crate) struct SetArguments {
    /// Embeddings, one per row: .npy, .safetensors, .csv, or .parquet if the program was built with it
    #[arg(value_name = "EMBEDDINGS")]
    pub(crate) embeddings: PathBuf,
    /// Labels, one per row, if the file does not contain them: .npy, .csv with a column `label`, or text with one per line
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
}

/// How the embeddings of a class are combined into one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Templates {
    /// Mean of the embeddings
    Mean,
    /// Mean of the normalised embeddings
    MeanDirection,
}

/// Labelled embeddings with the cameras and ids of their file.
pub(crate) struct LabelledEmbeddings {
    pub(crate) path: PathBuf,
    pub(crate) embeddings: Embeddings,
    pub(crate) cameras: Option<Vec<u32>>,
    pub(crate) ids: Option<Vec<String>>,
}

impl LabelledEmbeddings {
    /// A summary for the first line of a report.
    pub(crate) fn in_words(&self) -> String {
        let mut labels = self.embeddings.labels().to_vec();
        labels.sort_unstable();
        labels.dedup();
        let (rows, dim) = (self.embeddings.rows(), self.embeddings.dim());
        let (path, classes) = (self.path.display(), labels.len());
        format!("{path}: {rows} embeddings of {classes} classes, dimension {dim}")
    }
}

/// A file of embeddings with the labels of another file, if one is given.
pub(crate) fn table(path: &Path, labels: Option<&Path>) -> anyhow::Result<EmbeddingTable> {
    let mut table = open(path)?;
    if let Some(file) = labels {
        table.set_labels(read_labels(file)?, file)?;
    }
    Ok(table.read()?)
}

/// Reads labelled embeddings. The classes of several files share one numbering.
pub(crate) fn labelled(
    path: &Path,
    labels: Option<&Path>,
    classes: &mut ClassNames,
) -> anyhow::Result<LabelledEmbeddings> {
    let table = table(path, labels)?;
    let embeddings = files::labelled(&table, classes).map_err(|error| without_labels(error, labels))?;
    Ok(LabelledEmbeddings {
        path: path.to_owned(),
        embeddings,
        cameras: table.about.cameras,
        ids: table.about.ids,
    })
}

/// As [`labelled`], but with one template per class instead of its embeddings.
pub(crate) fn enrolled(
    path: &Path,
    labels: Option<&Path>,
    classes: &mut ClassNames,
    templates: Option<Templates>,
) -> anyhow::Result<LabelledEmbeddings> {
    let Some(templates) = templates else { return labelled(path, labels, classes) };
    let mean = match templates {
        Templates::Mean => TemplateMean::BeforeNormalising,
        Templates::MeanDirection => TemplateMean::AfterNormalising,
    };
    let table = table(path, labels)?;
    // This also reports problems of the file by row and id.
    let rows = files::labelled(&table, classes).map_err(|error| without_labels(error, labels))?;
    let embeddings = templates::build(&table.data, table.rows, table.dim, rows.labels(), mean)
        .map_err(|error| explained(error, classes, &path.display()))?;
    Ok(LabelledEmbeddings { path: path.to_owned(), embeddings, cameras: None, ids: None })
}

/// Embeddings without labels.
pub(crate) fn unlabelled(path: &Path) -> anyhow::Result<Embeddings> {
    Ok(files::unlabelled(&read_embeddings(path)?)?)
}

fn without_labels(error: FileError, labels: Option<&Path>) -> anyhow::Error {
    let missing = matches!(error.problem, Problem::NoLabels);
    if missing && labels.is_none() {
        anyhow!("{error} (--labels, --probe-labels or --gallery-labels)")
    } else {
        error.into()
    }
}

/// Cameras of a set, from the given file or from the set's own file.
pub(crate) fn cameras(set: &LabelledEmbeddings, file: Option<&Path>, flag: &str) -> anyhow::Result<Vec<u32>> {
    let Some(path) = file else {
        let inside = set.cameras.clone();
        return inside
            .with_context(|| format!("{}: has no cameras; give them with {flag}", set.path.display()));
    };
    let number = |(row, text): (usize, &String)| {
        text.parse().map_err(|_| {
            anyhow!("{}: row {row}: found camera {text:?}, expected a whole number", path.display())
        })
    };
    let cameras: Vec<u32> =
        read_labels(path)?.iter().enumerate().map(number).collect::<anyhow::Result<_>>()?;
    let (rows, found) = (set.embeddings.rows(), cameras.len());
    anyhow::ensure!(
        rows == found,
        "{}: {found} cameras for {rows} embeddings; give one camera per embedding",
        path.display()
    );
    Ok(cameras)
}

/// Rejects sets that together have a single class.
pub(crate) fn require_two_classes(sets: &[&LabelledEmbeddings], classes: &ClassNames) -> anyhow::Result<()> {
    if let [only] = classes.names() {
        let paths: Vec<String> = sets.iter().map(|set| set.path.display().to_string()).collect();
        let rows: usize = sets.iter().map(|set| set.embeddings.rows()).sum();
        anyhow::bail!(
            "{}: all {rows} embeddings are of class {only:?}; need at least 2 classes",
            paths.join(" and ")
        );
    }
    Ok(())
}

/// An error of the library with the file or flag at fault, and with class names instead of numbers.
pub(crate) fn explained(error: Error, classes: &ClassNames, place: &dyn std::fmt::Display) -> anyhow::Error {
    let name = |class: u32| classes.names().get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    match error {
        Error::OneClass { class, rows } => {
            let name = name(class);
            anyhow!("{place}: all {rows} embeddings are of class {name:?}; need at least 2 classes")
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

/// The names of two compared files.
pub(crate) fn both(a: &Path, b: &Path) -> String {
    format!("{} and {}", a.display(), b.display())
}
