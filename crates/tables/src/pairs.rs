//! Lists of pairs: a `.csv` with the columns `a`, `b` and `same`, and `fold` if the list has folds.
//!
//! `a` and `b` are ids where the embeddings have ids, else row numbers from zero. `same` is 1, true or yes, or 0, false or
//! no. With the feature `parquet` the same columns may come from a `.parquet` file.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::text::{broken, headers, line, reader};
use super::{EmbeddingTable, Error, Problem, Result};

/// Two rows to compare and the truth about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// One row of the matrix.
    pub a: usize,
    /// The other row.
    pub b: usize,
    /// Whether both show the same; the labels of the matrix are not asked.
    pub same: bool,
}

/// The pairs of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFile {
    /// In order of the file.
    pub pairs: Vec<Pair>,
    /// The fold of each pair, if the file has folds.
    pub folds: Option<Vec<usize>>,
}

/// Reads pairs of rows of `table`.
///
/// # Errors
/// [`Error`] with the path and the [`Problem`]: among others a missing column, an id that `table` does not have
/// (with its line), a word that says neither same nor different.
pub fn read_pairs(path: &Path, table: &EmbeddingTable) -> Result<PairFile> {
    let rows = Named::new(table);
    #[cfg(feature = "parquet")]
    if super::ending(path) == "parquet" {
        return super::columns::pairs(path, &rows);
    }
    let bytes = fs::read(path).map_err(|source| Problem::Read(source.to_string()).at(path))?;
    let mut reader = reader(&bytes, None);
    let headers = headers(&mut reader, path)?;
    let optional = |name: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
    let column = |name| {
        optional(name).ok_or_else(|| Problem::NoColumn { column: name, found: headers.join(", ") }.at(path))
    };
    let (a, b, same, fold) = (column("a")?, column("b")?, column("same")?, optional("fold"));
    let (mut pairs, mut folds) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error, path))?;
        let field = |at: usize| record.get(at).unwrap_or_default();
        let wrong = |at: usize, expected| {
            let column = headers[at].clone();
            Problem::Field { line: line(&record), column, found: field(at).to_owned(), expected }.at(path)
        };
        let row = |at: usize| rows.find(field(at), line(&record), path);
        pairs.push(Pair {
            a: row(a)?,
            b: row(b)?,
            same: truth(field(same)).ok_or_else(|| wrong(same, "1 or 0, true or false, yes or no"))?,
        });
        if let Some(at) = fold {
            folds.push(field(at).parse().map_err(|_| wrong(at, "a whole number"))?);
        }
    }
    if pairs.is_empty() {
        return Err(Problem::Empty.at(path));
    }
    Ok(PairFile { pairs, folds: fold.map(|_| folds) })
}

/// What a word says about a pair.
pub(super) fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// How rows are named in a list of pairs.
pub(super) struct Named<'a> {
    table: &'a EmbeddingTable,
    by_id: Option<HashMap<&'a str, usize>>,
}

impl<'a> Named<'a> {
    fn new(table: &'a EmbeddingTable) -> Self {
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
