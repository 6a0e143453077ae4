//! Retrieval: are the nearest neighbours of the same class?
//!
//! Every embedding is a query once, and all the others are its gallery. Only queries that have an answer count: a sample
//! that is the only one of its class stays in the gallery (it can be found in error) but is no query. Neighbours are
//! ordered by falling cosine and, where cosines are equal, by rising row index.
//!
//! For a query with `R` others of its class, let `hit(i)` be 1 if neighbour `i` (from 1) is one of them. Following
//! Musgrave, Belongie and Lim, *A Metric Learning Reality Check* (2020), section 3.1, a query scores
//!
//! - recall at k: 1 if any of `hit(1..=k)` is 1, else 0;
//! - R-precision: `sum of hit(i) for i in 1..=R, over R`;
//! - AP@R: `sum of hit(i) * P(i) for i in 1..=R, over R`, with `P(i) = (hit(1) + ... + hit(i)) / i`;
//!
//! and each reported number is the mean over queries (not over classes). They are what pytorch-metric-learning's
//! `AccuracyCalculator` gives with the query set as its own reference.
//!
//! [`rank`] does the same for separate galleries and for cameras, over the whole ranking (mAP, nDCG, CMC); [`search()`] finds
//! neighbours, [`identify`] names probes that may be unknown. All are exact and hold tiles of cosines only, never the matrix.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::similarity;

mod bytes;
mod confusion;
mod identification;
mod ranking;
mod search;

pub use confusion::{Confusion, Confusions, confusions, nearest_rows};
pub use identification::{DirAtFar, Identification, TABLE_FAR, identify};
pub use ranking::{Gallery, Progress, RECALL_STEPS, Ranking, rank, rank_with_progress};
pub use search::{Neighbours, search, search_within};

/// How well neighbours agree in class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retrieval {
    /// Queries that counted: samples whose class has another sample.
    pub queries: usize,
    /// Samples that are the only one of their class: in the gallery, but no queries.
    pub excluded_queries: usize,
    /// For each `k`, the share of queries with one of their class among the `k` nearest, in [0, 1]. A `k` beyond the
    /// gallery means the whole gallery.
    pub recall_at: BTreeMap<usize, f64>,
    /// Share of queries whose nearest neighbour is of their class (the same as recall at 1), in [0, 1].
    pub precision_at_1: f64,
    /// Mean R-precision, in [0, 1].
    pub r_precision: f64,
    /// Mean average precision at R, in [0, 1]; never above `r_precision`.
    pub map_at_r: f64,
}

/// One found neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its row.
    pub index: usize,
    /// Its cosine with the query, in [-1, 1].
    pub cosine: f32,
}

/// What one query contributes.
struct QueryScore {
    /// Position, from 0, of the first neighbour of the same class.
    first_hit: Option<usize>,
    r_precision: f64,
    average_precision: f64,
}

/// Lets every embedding look for its class among all the others.
///
/// `ks` are the neighbourhood sizes for recall, usually 1, 5 and 10.
///
/// # Errors
/// [`Error::ZeroK`] for a `k` of 0, [`Error::OneClass`] if there is nothing to confuse, [`Error::NoGenuinePairs`] if no
/// class has two samples.
pub fn evaluate(embeddings: &Embeddings, ks: &[usize]) -> Result<Retrieval> {
    if ks.contains(&0) {
        return Err(Error::ZeroK);
    }
    embeddings.require_two_classes()?;
    let labels = embeddings.labels();
    let mut class_sizes: HashMap<u32, usize> = HashMap::new();
    for &label in labels {
        *class_sizes.entry(label).or_default() += 1;
    }
    let rows = embeddings.rows();
    let furthest = ks.iter().copied().max().unwrap_or(1).min(rows - 1);
    let others = |query: usize| class_sizes[&labels[query]] - 1;
    let expected = |query: usize| if others(query) == 0 { 0 } else { others(query).max(furthest) };
    // In the order of the rows, so that threads change nothing.
    let scores: Vec<QueryScore> =
        search::nearest_of_each(embeddings, embeddings, true, expected, |query, found| {
            let hits = found.iter().map(|neighbour| labels[neighbour.index] == labels[query]);
            (others(query) > 0).then(|| score_query(hits, others(query)))
        })
        .into_iter()
        .flatten()
        .collect();
    if scores.is_empty() {
        return Err(Error::NoGenuinePairs { classes: class_sizes.len() });
    }
    let queries = scores.len();
    let recall = |k: usize| {
        let hits = scores.iter().filter(|score| score.first_hit.is_some_and(|first| first < k)).count();
        hits as f64 / queries as f64
    };
    Ok(Retrieval {
        queries,
        excluded_queries: rows - queries,
        recall_at: ks.iter().map(|&k| (k, recall(k))).collect(),
        precision_at_1: recall(1),
        r_precision: scores.iter().map(|score| score.r_precision).sum::<f64>() / queries as f64,
        map_at_r: scores.iter().map(|score| score.average_precision).sum::<f64>() / queries as f64,
    })
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

/// A number that grows as the cosine falls and, for equal cosines, as the index grows.
fn key(cosine: f32, index: usize) -> u64 {
    // Bits of positive floats rise with their value, those of negative ones fall.
    let bits = cosine.to_bits();
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!rising) << 32 | index as u64
}

fn index_of(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// Fills `keys` with the nearest `expected` rows other than `query`, nearest first.
fn order_neighbours(cosines: &[f32], query: usize, expected: usize, keys: &mut Vec<u64>) {
    keys.clear();
    let others = cosines.iter().enumerate().filter(|&(index, _)| index != query);
    keys.extend(others.map(|(index, &cosine)| key(cosine, index)));
    if expected < keys.len() {
        keys.select_nth_unstable(expected);
        keys.truncate(expected);
    }
    keys.sort_unstable();
}

/// Scores one query from the hits of its neighbours in order; there are at least `others` of them.
fn score_query(hits: impl Iterator<Item = bool>, others: usize) -> QueryScore {
    let mut first_hit = None;
    let mut found = 0_usize;
    let mut precisions = 0.0;
    for (position, hit) in hits.enumerate() {
        if !hit {
            continue;
        }
        first_hit = first_hit.or(Some(position));
        if position >= others {
            break;
        }
        found += 1;
        precisions += found as f64 / (position + 1) as f64;
    }
    QueryScore {
        first_hit,
        r_precision: found as f64 / others as f64,
        average_precision: precisions / others as f64,
    }
}

#[cfg(test)]
mod tests;
