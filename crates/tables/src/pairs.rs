//! Lists of pairs of the rows of a table, in any form of `trials.rs`.
//!
//! `a` and `b` are ids if the embeddings have ids, else the texts of another column that tells the rows apart, else row numbers from zero.

use std::path::Path;

use super::error::Result;
use super::pair::{Named, Pair, PairFile};
use super::table::EmbeddingTable;
use super::text_table::Place;
use super::trials::{self, Wanted};

/// Reads pairs of rows of `table`: a `.csv` or `.parquet` with the columns `a`, `b`, `same` and optionally `fold`, or a trial list such as
/// `1 a.wav b.wav` (VoxCeleb) or `a.wav b.wav target` (Kaldi).
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`](crate::Problem): for instance a missing column, an id that `table` does not have, or
/// an invalid word in the column `same`.
pub fn read_pairs(path: &Path, table: &EmbeddingTable) -> Result<PairFile> {
    let (mut listed, mut folds) = (Vec::new(), Vec::new());
    trials::each(path, Wanted { pair: true, same: true, score: false }, |trial| {
        let names = [trial.a, trial.b].map(|name| name.unwrap_or_default().to_owned());
        listed.push((names, trial.place, trial.same == Some(true)));
        folds.extend(trial.fold);
        Ok(())
    })?;
    let rows = Named::new(table, listed.iter().flat_map(|(names, ..)| names).map(String::as_str), path)?;
    let pair = |([a, b], place, same): &([String; 2], Place, bool)| {
        Ok(Pair { a: rows.find(a, *place, "a", path)?, b: rows.find(b, *place, "b", path)?, same: *same })
    };
    let pairs = listed.iter().map(pair).collect::<Result<_>>()?;
    let folds = (!folds.is_empty()).then_some(folds);
    Ok(PairFile { pairs, folds })
}
