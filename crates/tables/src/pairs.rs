//! Lists of pairs of the rows of a table, in any form of `trials.rs`.
//!
//! `a` and `b` are ids if the embeddings have ids, else row numbers from zero.

use std::path::Path;

use super::error::Result;
use super::pair::{Named, Pair, PairFile};
use super::table::EmbeddingTable;
use super::trials::{self, Wanted};

/// Reads pairs of rows of `table`: a `.csv` or `.parquet` with the columns `a`, `b`, `same` and optionally `fold`, or a trial list such as
/// `1 a.wav b.wav` (VoxCeleb) or `a.wav b.wav target` (Kaldi).
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`](crate::Problem): for instance a missing column, an id that `table` does not have, or
/// an invalid word in the column `same`.
pub fn read_pairs(path: &Path, table: &EmbeddingTable) -> Result<PairFile> {
    let rows = Named::new(table);
    let (mut pairs, mut folds) = (Vec::new(), Vec::new());
    trials::each(path, Wanted { pair: true, same: true, score: false }, |trial| {
        let find =
            |column, name: Option<&str>| rows.find(name.unwrap_or_default(), trial.place, column, path);
        pairs.push(Pair { a: find("a", trial.a)?, b: find("b", trial.b)?, same: trial.same == Some(true) });
        folds.extend(trial.fold);
        Ok(())
    })?;
    let folds = (!folds.is_empty()).then_some(folds);
    Ok(PairFile { pairs, folds })
}
