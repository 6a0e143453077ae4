//! Embeddings of a file with their labels, ids and other columns.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::about::About;
use super::error::{Problem, Result};
use super::rows::Rows;

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
    pub(super) fn checked(self) -> Result<Self> {
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

/// The ending of a file's name in small letters, without the dot.
pub(super) fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}
