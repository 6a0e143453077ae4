//! Reads embeddings and labels; the file extension gives the format.

use std::fs::{self, File};
use std::path::Path;

use super::about::About;
#[cfg(feature = "parquet")]
use super::columns;
use super::error::{Problem, Result};
use super::rows::Rows;
use super::table::{EmbeddingTable, OpenTable, ending};
use super::{npy, tensors, text};

/// Opens a file of embeddings; its extension gives the format.
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`].
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

/// The rows of a `.npy` file of any name; they stay in the file.
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
/// [`Error`](crate::Error) with the path and the [`Problem`].
pub fn read_npy_f64(path: &Path) -> Result<(Vec<f64>, [usize; 2])> {
    let bytes = fs::read(path).map_err(|source| Problem::Read(source.to_string()).at(path))?;
    npy::matrix(&bytes, path)
}

/// Reads embeddings; the file extension gives the format.
///
/// # Errors
/// As [`open`].
pub fn read_embeddings(path: &Path) -> Result<EmbeddingTable> {
    open(path)?.read()
}

/// Reads a file of labels: `.npy` (integers or text), `.csv` (the column `label`), or any other file as text with one label per
/// line.
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`].
pub fn read_labels(path: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(path).map_err(|source| Problem::Read(source.to_string()).at(path))?;
    match ending(path).as_str() {
        "npy" => npy::labels(&bytes, path),
        "csv" => text::labels(&bytes, path),
        _ => text::lines(&bytes, path),
    }
}
