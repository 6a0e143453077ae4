//! Embeddings, labels and pairs from files.
//!
//! | file | embeddings | labels, ids, cameras inside |
//! |---|---|---|
//! | `.npy` | a matrix `[rows, dim]` of 2, 4 or 8 byte floats | none |
//! | `.safetensors` | the tensor `embeddings`, or the only matrix of floats | whole-number tensors `labels`, `ids`, `cameras` |
//! | `.csv` | every other column, in order | the columns `label`, `id`, `camera` |
//! | `.parquet` (feature `parquet`) | a column `embedding` of lists, or every other column | as `.csv` |
//!
//! Labels may instead lie beside, in a `.npy` of whole numbers or text, a `.csv` with a column `label`, or a text file with
//! one label a line ([`read_labels`]). Labels are kept as text and numbered by [`ClassNames`], so that several files can
//! share one numbering. Every error names the file, and the row where there is one. Files are read whole: memory is the
//! file and the matrix.

#[cfg(feature = "parquet")]
mod columns;
mod error;
mod npy;
mod numbers;
mod pairs;
mod tensors;
mod text;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use error::{FileError, FileProblem};
pub use pairs::{PairFile, read_pairs};

use crate::embeddings::Embeddings;
use crate::error::Error;

/// A result whose error is a [`FileError`].
pub type FileResult<T> = Result<T, FileError>;

/// A matrix read from a file, with what came along.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingTable {
    /// Where it came from; errors name it.
    pub path: PathBuf,
    /// All numbers, row-major `[rows, dim]`, as they are in the file (rounded to `f32`).
    pub data: Vec<f32>,
    /// Number of rows.
    pub rows: usize,
    /// Numbers of a row.
    pub dim: usize,
    /// One label a row, if the file has labels.
    pub labels: Option<Vec<String>>,
    /// One id a row, if the file has ids. They are different from each other.
    pub ids: Option<Vec<String>>,
    /// One camera a row, if the file has cameras.
    pub cameras: Option<Vec<u32>>,
}

/// Numbers for names of classes, in order of first appearance. One of these serves all files of a comparison.
#[derive(Debug, Clone, Default)]
pub struct ClassNames {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl ClassNames {
    /// No classes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a name, which becomes known if it is new.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// All names, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl EmbeddingTable {
    /// Takes labels from elsewhere, one a row.
    ///
    /// # Errors
    /// [`FileProblem::LabelCount`] if there are more or fewer than rows; `beside` is where they came from.
    pub fn set_labels(&mut self, labels: Vec<String>, beside: &Path) -> FileResult<()> {
        if labels.len() != self.rows {
            let problem = FileProblem::LabelCount { rows: self.rows, found: labels.len() };
            return Err(problem.at(beside));
        }
        self.labels = Some(labels);
        Ok(())
    }

    /// The rows as unit rows with numbered labels.
    ///
    /// # Errors
    /// [`FileProblem::NoLabels`] if there are none; [`FileProblem::Embeddings`] with what
    /// [`Embeddings::new`](crate::Embeddings::new) found, and the id of the row if rows have ids.
    pub fn embeddings(&self, classes: &mut ClassNames) -> FileResult<Embeddings> {
        let labels = self.labels.as_ref().ok_or_else(|| FileProblem::NoLabels.at(&self.path))?;
        let numbers: Vec<u32> = labels.iter().map(|label| classes.number(label)).collect();
        self.with_labels(&numbers)
    }

    /// The rows as unit rows, all of class 0, for uses that need no labels such as a cohort or a list of pairs.
    ///
    /// # Errors
    /// [`FileProblem::Embeddings`].
    pub fn unlabelled(&self) -> FileResult<Embeddings> {
        self.with_labels(&vec![0; self.rows])
    }

    fn with_labels(&self, labels: &[u32]) -> FileResult<Embeddings> {
        Embeddings::new(&self.data, self.rows, self.dim, labels).map_err(|problem| {
            let row = match problem {
                Error::NonFinite { row, .. } | Error::ZeroRow { row } => Some(row),
                _ => None,
            };
            let id = row.and_then(|row| self.ids.as_ref()?.get(row).cloned());
            FileProblem::Embeddings { problem, id }.at(&self.path)
        })
    }

    /// Refuses ids that occur twice.
    fn checked(self) -> FileResult<Self> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (row, id) in self.ids.iter().flatten().enumerate() {
            if let Some(first) = seen.insert(id, row) {
                return Err(FileProblem::RepeatedId { id: id.clone(), first, second: row }.at(&self.path));
            }
        }
        Ok(self)
    }
}

/// Reads embeddings; the ending of the name says how.
///
/// # Errors
/// [`FileError`] with the path and the [`FileProblem`].
pub fn read_embeddings(path: &Path) -> FileResult<EmbeddingTable> {
    let bytes = || fs::read(path).map_err(|source| FileProblem::Read(source.to_string()).at(path));
    match ending(path).as_str() {
        "npy" => npy::embeddings(&bytes()?, path),
        "safetensors" => tensors::embeddings(&bytes()?, path),
        "csv" => text::embeddings(&bytes()?, path),
        #[cfg(feature = "parquet")]
        "parquet" => columns::embeddings(path),
        #[cfg(not(feature = "parquet"))]
        "parquet" => Err(FileProblem::NoParquet.at(path)),
        other => Err(FileProblem::Ending { found: other.to_owned() }.at(path)),
    }?
    .checked()
}

/// Reads labels that lie beside: `.npy` (whole numbers or text), `.csv` (the column `label`), or any other name as text
/// with one label a line.
///
/// # Errors
/// [`FileError`] with the path and the [`FileProblem`].
pub fn read_labels(path: &Path) -> FileResult<Vec<String>> {
    let bytes = fs::read(path).map_err(|source| FileProblem::Read(source.to_string()).at(path))?;
    match ending(path).as_str() {
        "npy" => npy::labels(&bytes, path),
        "csv" => text::labels(&bytes, path),
        _ => text::lines(&bytes, path),
    }
}

/// The ending of a file's name in small letters, without the dot.
fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
