//! Lists of pairs: a `.csv` with the columns `a`, `b` and `same`, and optionally `fold`.
//!
//! `a` and `b` are ids if the embeddings have ids, else row numbers from zero. `same` is 1, true or yes, or 0, false or
//! no. With the feature `parquet`, a `.parquet` file can have the same columns.

use std::fs;
use std::path::Path;

use super::error::{Problem, Result};
use super::pair::{Named, Pair, PairFile, truth};
use super::table::EmbeddingTable;
#[cfg(feature = "parquet")]
use super::table::ending;
use super::text::{broken, headers, line, reader};

/// Reads pairs of rows of `table`.
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`]: for instance a missing column, an id that `table` does not
/// have, or an invalid word in the column `same`.
pub fn read_pairs(path: &Path, table: &EmbeddingTable) -> Result<PairFile> {
    let rows = Named::new(table);
    #[cfg(feature = "parquet")]
    if ending(path) == "parquet" {
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
