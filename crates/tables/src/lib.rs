//! Embeddings, labels and pairs from files.
//!
//! | file | embeddings | labels, ids, cameras, splits, groups inside |
//! |---|---|---|
//! | `.npy` | a matrix `[rows, dim]` of 2, 4 or 8 byte floats | none |
//! | `.safetensors` | the tensor `embeddings`, or the only matrix of floats | whole-number tensors `labels`, `ids`, `cameras`, `groups` |
//! | `.csv` | every other column, in order | the columns `label`, `id`, `camera`, `split`, `group` |
//! | `.parquet` (feature `parquet`) | a column `embedding` of lists, or every other column | as `.csv` |
//!
//! Labels may instead lie beside, in a `.npy` of whole numbers or text, a `.csv` with a column `label`, or a text file with
//! one label a line ([`read_labels`]). Labels are kept as text and numbered by [`ClassNames`], so that several files can
//! share one numbering. Every error names the file, and the row where there is one.
//!
//! What pandas makes of the names of its rows, an unnamed first column, is no number: it is taken for ids where there are none and its
//! entries differ.
//!
//! [`write_table`] writes any of them, a block of rows at a time.
//!
//! [`open`] leaves the numbers of `.npy` and `.safetensors` in the file, to be read row by row; the others are read whole.
//! [`read_embeddings`] reads everything: memory is the matrix. [`read_texts`] reads tables of another kind, all of whose fields are text.
#![forbid(unsafe_code)]

mod about;
#[cfg(feature = "parquet")]
mod columns;
mod error;
#[cfg(feature = "parquet")]
mod moments;
mod npy;
mod numbers;
mod pairs;
#[cfg(feature = "parquet")]
mod plausible;
mod rows;
mod tensors;
mod text;
mod texts;
mod write;

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub use about::{About, AboutColumn};
pub use error::{Error, Problem};
pub use npy::npy_header;
pub use pairs::{Pair, PairFile, read_pairs};
pub use rows::Rows;
pub use texts::{TextTable, is_manifest, read_texts};
pub use write::{Format, write_table};

/// A result whose error is a [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Endings of files of embeddings, in small letters.
pub const ENDINGS: [&str; 4] = ["npy", "safetensors", "csv", "parquet"];

/// Whether a path is named as files of embeddings are, and is no folder.
pub fn is_table(path: &Path) -> bool {
    ENDINGS.contains(&ending(path).as_str()) && !path.is_dir()
}

/// A matrix whose rows can be read, with what came along.
#[derive(Debug)]
pub struct OpenTable {
    /// The numbers, as they are in the file (rounded to `f32`).
    pub rows: Rows,
    /// Labels, ids and more, where the file has them.
    pub about: About,
}

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
    /// Labels, ids and more, where the file has them.
    pub about: About,
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

impl OpenTable {
    /// Takes labels from elsewhere, one a row.
    ///
    /// # Errors
    /// [`Problem::LabelCount`] if there are more or fewer than rows; `beside` is where they came from.
    pub fn set_labels(&mut self, labels: Vec<String>, beside: &Path) -> Result<()> {
        if labels.len() != self.rows.rows() {
            let problem = Problem::LabelCount { rows: self.rows.rows(), found: labels.len() };
            return Err(problem.at(beside));
        }
        self.about.labels = Some(labels);
        Ok(())
    }

    /// Refuses ids that occur twice.
    fn checked(self) -> Result<Self> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (row, id) in self.about.ids.iter().flatten().enumerate() {
            if let Some(first) = seen.insert(id, row) {
                let problem = Problem::RepeatedId { id: id.clone(), first, second: row };
                return Err(problem.at(self.rows.path()));
            }
        }
        Ok(self)
    }

    /// Everything in memory.
    ///
    /// # Errors
    /// [`Problem::Read`].
    pub fn read(self) -> Result<EmbeddingTable> {
        let (path, rows, dim) = (self.rows.path().to_owned(), self.rows.rows(), self.rows.dim());
        Ok(EmbeddingTable { path, data: self.rows.into_data()?, rows, dim, about: self.about })
    }
}

/// Opens a file of embeddings; the ending of its name says how it is read.
///
/// # Errors
/// [`Error`] with the path and the [`Problem`].
pub fn open(path: &Path) -> Result<OpenTable> {
    let unreadable = |source: std::io::Error| Problem::Read(source.to_string()).at(path);
    let file = || File::open(path).map_err(unreadable);
    let (rows, about) = match ending(path).as_str() {
        "npy" => (npy::rows(file()?, path)?, About::default()),
        "safetensors" => tensors::rows(file()?, path)?,
        "csv" => text::rows(&fs::read(path).map_err(unreadable)?, path)?,
        #[cfg(feature = "parquet")]
        "parquet" => columns::rows(path)?,
        #[cfg(not(feature = "parquet"))]
        "parquet" => return Err(Problem::NoParquet.at(path)),
        other => return Err(Problem::Ending { found: other.to_owned() }.at(path)),
    };
    OpenTable { rows, about }.checked()
}

/// The rows of a `.npy`, whatever its name; they stay in the file.
///
/// # Errors
/// As [`open`].
pub fn open_npy(path: &Path) -> Result<Rows> {
    let file = File::open(path).map_err(|source| Problem::Read(source.to_string()).at(path))?;
    npy::rows(file, path)
}

/// Reads the matrix of a `.npy` in full precision: its values, row-major, and the numbers of rows and columns.
///
/// # Errors
/// [`Error`] with the path and the [`Problem`].
pub fn read_npy_f64(path: &Path) -> Result<(Vec<f64>, [usize; 2])> {
    let bytes = fs::read(path).map_err(|source| Problem::Read(source.to_string()).at(path))?;
    npy::matrix(&bytes, path)
}

/// Reads embeddings; the ending of the name says how.
///
/// # Errors
/// As [`open`].
pub fn read_embeddings(path: &Path) -> Result<EmbeddingTable> {
    open(path)?.read()
}

/// Reads labels that lie beside: `.npy` (whole numbers or text), `.csv` (the column `label`), or any other name as text
/// with one label a line.
///
/// # Errors
/// [`Error`] with the path and the [`Problem`].
pub fn read_labels(path: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(path).map_err(|source| Problem::Read(source.to_string()).at(path))?;
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
