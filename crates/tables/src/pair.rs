//! Pairs of rows, and how a list of pairs refers to rows.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::echo::echo;
use super::error::{Problem, Result};
use super::spelling::hint;
use super::table::EmbeddingTable;
use super::text_table::Place;

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

    /// The row that a name in a column refers to.
    pub(super) fn find(&self, name: &str, place: Place, column: &'static str, path: &Path) -> Result<usize> {
        let row = match &self.by_id {
            Some(by_id) => by_id.get(name).copied(),
            None => name.parse().ok().filter(|&row: &usize| row < self.table.rows),
        };
        row.ok_or_else(|| {
            let table = self.table.path.display();
            let known = if let Some(ids) = &self.table.about.ids {
                let first = ids.first().map_or_else(String::new, |id| echo(id));
                let hint = hint(name, ids.iter().map(String::as_str));
                format!("an id of {table}, such as \"{first}\"{hint}")
            } else {
                let last = self.table.rows.saturating_sub(1);
                format!("a row from 0 to {last} of {table}, which has no ids")
            };
            Problem::UnknownId { place: format!("{place}, `{column}`"), id: name.to_owned(), known }.at(path)
        })
    }
}
