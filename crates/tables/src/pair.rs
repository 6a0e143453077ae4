//! Pairs of rows, and how a list of pairs refers to rows.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::echo::echo;
use super::error::{Problem, Result};
use super::keys::{counts_from, identify};
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
    by_name: Option<HashMap<&'a str, usize>>,
}

impl<'a> Named<'a> {
    /// By ids, or else by a column of different texts that has all names of the list in `path`, or else by row numbers.
    ///
    /// # Errors
    /// [`Problem::RowsOrNames`] if the names are those of a column and row numbers too.
    pub(super) fn new<'b>(
        table: &'a EmbeddingTable,
        names: impl Iterator<Item = &'b str> + Clone,
        path: &Path,
    ) -> Result<Self> {
        let places = |names: &'a [String]| names.iter().map(String::as_str).zip(0..).collect();
        // Ids that count the rows, such as an index of pandas, may be shadowed by a column that names them.
        let counted = |ids: &Vec<String>| counts_from(0, ids.iter().map(String::as_str));
        if let Some(ids) = table.about.ids.as_ref().filter(|ids| !counted(ids)) {
            return Ok(Self { table, by_name: Some(places(ids)) });
        }
        let is_row = |name: &str| name.parse().is_ok_and(|row: usize| row < table.rows);
        for key in table.keys.iter().filter(|key| identify(key.texts()) && !counts_from(0, key.texts())) {
            let by_name: HashMap<&str, usize> = places(&key.texts);
            if !names.clone().all(|name| by_name.contains_key(name)) {
                continue;
            }
            if names.clone().all(is_row) {
                let (column, table) = (key.name.clone(), table.path.display().to_string());
                return Err(Problem::RowsOrNames { column, table }.at(path));
            }
            return Ok(Self { table, by_name: Some(by_name) });
        }
        Ok(Self { table, by_name: table.about.ids.as_deref().map(places) })
    }

    /// The row that a name in a column refers to.
    pub(super) fn find(&self, name: &str, place: Place, column: &'static str, path: &Path) -> Result<usize> {
        let row = match &self.by_name {
            Some(by_name) => by_name.get(name).copied(),
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
