//! Embeddings of a file with their labels, ids and other columns.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::about::About;
use super::error::{Problem, Result};
use super::rows::Rows;

/// Extensions of files of embeddings, in lower case.
pub const ENDINGS: [&str; 4] = ["npy", "safetensors", "csv", "parquet"];

/// Whether a path has the extension of a file of embeddings and is not a folder.
pub fn is_table(path: &Path) -> bool {
    ENDINGS.contains(&ending(path).as_str()) && !path.is_dir()
}

/// A matrix whose rows can be read, with its labels and other columns.
#[derive(Debug)]
pub struct OpenTable {
    /// The rows, with the values of the file (rounded to `f32`).
    pub rows: Rows,
    /// Labels, ids and other columns, if the file has them.
    pub about: About,
}

/// A matrix in memory, with its labels and other columns.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingTable {
    /// The file, for errors.
    pub path: PathBuf,
    /// All values, row-major `[rows, dim]`, as in the file (rounded to `f32`).
    pub data: Vec<f32>,
    /// Number of rows.
    pub rows: usize,
    /// Dimension of a row.
    pub dim: usize,
    /// Labels, ids and other columns, if the file has them.
    pub about: About,
}

/// Numbers for class names, in order of first appearance. Share one of these between all files of a comparison.
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

    /// The number of a name; a new name gets the next number.
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
    /// Returns an error if an id occurs twice; `source` is the file of the ids.
    pub(super) fn require_unique_ids(&self, source: &Path) -> Result<()> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (row, id) in self.about.ids.iter().flatten().enumerate() {
            if let Some(first) = seen.insert(id, row) {
                return Err(Problem::RepeatedId { id: id.clone(), first, second: row }.at(source));
            }
        }
        Ok(())
    }

    /// Reads all rows into memory.
    ///
    /// # Errors
    /// [`Problem::Read`].
    pub fn read(self) -> Result<EmbeddingTable> {
        let (path, rows, dim) = (self.rows.path().to_owned(), self.rows.rows(), self.rows.dim());
        Ok(EmbeddingTable { path, data: self.rows.into_data()?, rows, dim, about: self.about })
    }
}

/// The extension of a file name in lower case, without the dot.
pub(super) fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}
