//! Embeddings of a file with their labels, ids and other columns.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::about::About;
use super::error::{Problem, Result};
use super::keys::{Keys, repeated};
use super::mark::ModelMark;
use super::pattern::ColumnPattern;
use super::rows::{Rows, reorder};

/// Extensions of files of embeddings, in lower case.
pub const ENDINGS: [&str; 7] = ["npy", "npz", "safetensors", "csv", "parquet", "arrow", "feather"];

/// Extensions of files with typed columns, which need the feature `parquet`.
const TYPED: [&str; 3] = ["parquet", "arrow", "feather"];

/// Whether a path has the extension of a file of embeddings and is not a folder.
pub fn is_table(path: &Path) -> bool {
    ENDINGS.contains(&ending(path).as_str()) && !path.is_dir()
}

/// Whether a path has the extension of a file with typed columns.
pub(super) fn has_typed_columns(path: &Path) -> bool {
    TYPED.contains(&ending(path).as_str())
}

/// Whether the columns of a table of this format have names.
pub fn has_column_names(path: &Path) -> bool {
    ending(path) == "csv" || has_typed_columns(path)
}

/// Whether a pattern can select columns of a table of this format, or the name of one array those of an archive.
pub fn can_choose(path: &Path, columns: &ColumnPattern) -> bool {
    has_column_names(path) || (columns.name().is_some() && has_arrays(path))
}

/// Whether a file of this format has arrays with names.
fn has_arrays(path: &Path) -> bool {
    matches!(ending(path).as_str(), "npz" | "safetensors")
}

/// A matrix whose rows can be read, with its labels and other columns.
#[derive(Debug)]
pub struct OpenTable {
    /// The rows, with the values of the file (rounded to `f32`).
    pub rows: Rows,
    /// Labels, ids and other columns, if the file has them.
    pub about: About,
    /// Names of the columns of the embedding, if they have names: in a `.csv`, and in a `.parquet`, `.arrow` or `.feather` without lists.
    pub columns: Option<Vec<String>>,
    /// The model that made the rows, if the file states it.
    pub mark: Option<ModelMark>,
    /// Other columns that may tell the rows apart, of this file and of files that were joined to it.
    pub keys: Keys,
    /// Sentences on how files were joined to it, and on arrays that are not used.
    pub notes: Vec<String>,
}

/// A matrix in memory, with its labels and other columns.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingTable {
    /// The file, for errors.
    pub path: PathBuf,
    /// All values, row-major `[rows, dim]`, as in the file (rounded to `f32`).
    pub data: Vec<f32>,
    /// What `f32` rounded off each value, if the file has values of 64 bits. The value is the sum of both, with 48 bits.
    pub rests: Option<Vec<f32>>,
    /// Number of rows.
    pub rows: usize,
    /// Dimension of a row.
    pub dim: usize,
    /// Labels, ids and other columns, if the file has them.
    pub about: About,
    /// Names of the columns of the embedding, if they have names: in a `.csv`, and in a `.parquet`, `.arrow` or `.feather` without lists.
    pub columns: Option<Vec<String>>,
    /// The model that made the rows, if the file states it.
    pub mark: Option<ModelMark>,
    /// Other columns that may tell the rows apart, of this file and of files that were joined to it.
    pub keys: Keys,
    /// Sentences on how files were joined to it, and on arrays that are not used.
    pub notes: Vec<String>,
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
    /// Rows whose columns have no names, of an unknown model.
    pub fn new(rows: Rows, about: About) -> Self {
        Self { rows, about, columns: None, mark: None, keys: Keys::default(), notes: Vec::new() }
    }

    /// Puts the columns of the embedding into the order of `expected`, the columns of another file or of a model, which `of` names. Columns
    /// without names are used as they are.
    ///
    /// # Errors
    /// [`Problem::OtherColumns`] unless the names are the same in some order.
    pub fn match_columns(&mut self, expected: &[String], of: &str) -> Result<()> {
        let Some(found) = self.columns.as_deref() else { return Ok(()) };
        let order = order(found, expected, of).map_err(|problem| problem.at(self.rows.path()))?;
        if let Some(order) = order {
            self.rows.reorder(&order)?;
            self.columns = Some(expected.to_vec());
        }
        Ok(())
    }

    /// Puts the columns of the embedding into an order, if they are just these columns. Others are left as they are.
    ///
    /// # Errors
    /// [`Problem::Read`].
    pub fn reorder_columns(&mut self, names: &[String]) -> Result<()> {
        match self.columns.as_deref().map(|found| order(found, names, "")) {
            Some(Ok(Some(order))) => {
                self.rows.reorder(&order)?;
                self.columns = Some(names.to_vec());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns an error if an id occurs twice; `source` is the file of the ids.
    pub(super) fn require_unique_ids(&self, source: &Path) -> Result<()> {
        let ids = self.about.ids.as_deref().unwrap_or_default();
        let Some([first, second]) = repeated(ids.iter().map(String::as_str)) else { return Ok(()) };
        Err(Problem::RepeatedId { id: ids[first].clone(), column: "id".into(), first, second }.at(source))
    }

    /// Reads all rows into memory.
    ///
    /// # Errors
    /// [`Problem::Read`].
    pub fn read(self) -> Result<EmbeddingTable> {
        let Self { rows, about, columns, mark, keys, notes } = self;
        let (path, count, dim) = (rows.path().to_owned(), rows.rows(), rows.dim());
        let (data, rests) = rows.into_parts()?;
        Ok(EmbeddingTable { path, data, rests, rows: count, dim, about, columns, mark, keys, notes })
    }
}

impl EmbeddingTable {
    /// As [`OpenTable::match_columns`], for the columns of another table, if both have names.
    ///
    /// # Errors
    /// [`Problem::OtherColumns`].
    pub fn match_columns_of(&mut self, other: &Self) -> Result<()> {
        let (Some(found), Some(expected)) = (&self.columns, &other.columns) else { return Ok(()) };
        let order = order(found, expected, &other.path.display().to_string());
        if let Some(order) = order.map_err(|problem| problem.at(&self.path))? {
            reorder(&mut self.data, &order);
            self.rests.iter_mut().for_each(|rests| reorder(rests, &order));
            self.columns = Some(expected.clone());
        }
        Ok(())
    }
}

/// The position in `found` of each of `expected`; `None` if both are equal.
fn order(found: &[String], expected: &[String], of: &str) -> Result<Option<Vec<usize>>, Problem> {
    if found == expected {
        return Ok(None);
    }
    let at: HashMap<&str, usize> = found.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let known: HashSet<&str> = expected.iter().map(String::as_str).collect();
    let missing: Vec<String> =
        expected.iter().filter(|name| !at.contains_key(name.as_str())).cloned().collect();
    let unexpected: Vec<String> =
        found.iter().filter(|name| !known.contains(name.as_str())).cloned().collect();
    if !missing.is_empty() || !unexpected.is_empty() || found.len() != expected.len() {
        return Err(Problem::OtherColumns { of: of.to_owned(), missing, unexpected });
    }
    Ok(Some(expected.iter().map(|name| at[name.as_str()]).collect()))
}

/// The extension of a file name in lower case, without the dot.
pub(super) fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}
