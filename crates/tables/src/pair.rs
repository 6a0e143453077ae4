//! Pairs of rows, and how a list of pairs refers to rows.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{Error, Problem, Result};
use super::table::EmbeddingTable;

/// Two rows to compare, and whether they are of the same class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// One row of the matrix.
    pub a: usize,
    /// The other row.
    pub b: usize,
    /// Whether both are of the same class. The labels of the matrix are not used.
    pub same: bool,
}

/// The pairs of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFile {
    /// The pairs, in the order of the file.
    pub pairs: Vec<Pair>,
    /// The fold of each pair, if the file has folds.
    pub folds: Option<Vec<usize>>,
}

/// The meaning of a word in the column `same`.
pub(super) fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// Finds the rows that a list of pairs refers to.
pub(super) struct Named<'a> {
    table: &'a EmbeddingTable,
    by_id: Option<HashMap<&'a str, usize>>,
}

impl<'a> Named<'a> {
    pub(super) fn new(table: &'a EmbeddingTable) -> Self {
        let by_id =
            |ids: &'a Vec<String>| ids.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
        Self { table, by_id: table.about.ids.as_ref().map(by_id) }
    }

    pub(super) fn find(&self, name: &str, line: u64, path: &Path) -> Result<usize, Error> {
        let (row, known) = if let Some(by_id) = &self.by_id {
            (by_id.get(name).copied(), "an id".to_owned())
        } else {
            let row = name.parse().ok().filter(|&row: &usize| row < self.table.rows);
            (row, format!("a row from 0 to {}", self.table.rows.saturating_sub(1)))
        };
        row.ok_or_else(|| {
            let known = format!("{known} of {}", self.table.path.display());
            Problem::UnknownId { line, id: name.to_owned(), known }.at(path)
        })
    }
}
