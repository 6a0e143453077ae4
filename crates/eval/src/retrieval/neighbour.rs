//! One neighbour, and the order of neighbours.

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::similarity;

/// A neighbour of a query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its row.
    pub index: usize,
    /// Its cosine with the query, in [-1, 1].
    pub cosine: f32,
}

/// The `k` nearest neighbours of one row among all the others, nearest first; fewer if the gallery is smaller.
///
/// # Errors
/// [`Error::QueryOutOfRange`] if there is no such row.
pub fn nearest(embeddings: &Embeddings, query: usize, k: usize) -> Result<Vec<Neighbour>> {
    let rows = embeddings.rows();
    if query >= rows {
        return Err(Error::QueryOutOfRange { query, rows });
    }
    let mut scratch = Scratch::default();
    similarity::block(
        embeddings.unit_rows(),
        embeddings.dim(),
        query..query + 1,
        0..rows,
        &mut scratch.cosines,
    );
    order_neighbours(&scratch.cosines, query, k, &mut scratch.keys);
    let neighbour = |&key: &u64| Neighbour { index: index_of(key), cosine: scratch.cosines[index_of(key)] };
    Ok(scratch.keys.iter().map(neighbour).collect())
}

#[derive(Default)]
struct Scratch {
    cosines: Vec<f32>,
    keys: Vec<u64>,
}

/// A sort key: it rises as the cosine falls and, for equal cosines, as the index rises.
pub(super) fn key(cosine: f32, index: usize) -> u64 {
    // The bits of positive floats rise with the value, those of negative floats fall.
    let bits = cosine.to_bits();
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!rising) << 32 | index as u64
}

pub(super) fn index_of(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// Fills `keys` with the nearest `k` rows other than `query`, nearest first.
fn order_neighbours(cosines: &[f32], query: usize, k: usize, keys: &mut Vec<u64>) {
    keys.clear();
    let others = cosines.iter().enumerate().filter(|&(index, _)| index != query);
    keys.extend(others.map(|(index, &cosine)| key(cosine, index)));
    if k < keys.len() {
        keys.select_nth_unstable(k);
        keys.truncate(k);
    }
    keys.sort_unstable();
}
