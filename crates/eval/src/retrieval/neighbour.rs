//! One neighbour, and the order of neighbours.

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity;

/// A neighbour of a query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its row.
    pub index: usize,
    /// Its cosine with the query, in [-1, 1].
    pub cosine: f64,
}

/// The `k` nearest neighbours of one row among all the others, nearest first; fewer if the gallery is smaller. Only among those of other cameras if
/// the rows [have some](Embeddings::across_cameras).
///
/// # Errors
/// [`Error::QueryOutOfRange`] if there is no such row.
pub fn nearest(embeddings: &Embeddings, query: usize, k: usize) -> Result<Vec<Neighbour>> {
    let rows = embeddings.rows();
    if query >= rows {
        return Err(Error::QueryOutOfRange { query, rows });
    }
    let mut scratch = Scratch::default();
    similarity::block(embeddings, query..query + 1, embeddings, 0..rows, &mut scratch.scores);
    let is_other = |index: usize| index != query && embeddings.compares(index, query);
    order_neighbours(&scratch.scores, is_other, k, &mut scratch.keys);
    let neighbour = |&key: &u64| {
        let index = index_of(key);
        Neighbour { index, cosine: score::cosine(scratch.scores[index]) }
    };
    Ok(scratch.keys.iter().map(neighbour).collect())
}

#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    keys: Vec<u64>,
}

/// A sort key: it rises as the score falls and, for equal scores, as the index rises.
pub(super) fn key(score: f32, index: usize) -> u64 {
    // The bits of positive floats rise with the value, those of negative floats fall.
    let bits = score.to_bits();
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!rising) << 32 | index as u64
}

pub(super) fn index_of(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// Fills `keys` with the nearest `k` of the rows that are `others`, nearest first.
fn order_neighbours(scores: &[f32], is_other: impl Fn(usize) -> bool, k: usize, keys: &mut Vec<u64>) {
    keys.clear();
    let others = scores.iter().enumerate().filter(|&(index, _)| is_other(index));
    keys.extend(others.map(|(index, &score)| key(score, index)));
    if k < keys.len() {
        keys.select_nth_unstable(k);
        keys.truncate(k);
    }
    keys.sort_unstable();
}
