//! Retrieval: are the nearest neighbours of the same class?
//!
//! Each embedding is the query once, and all others (of other [cameras](Embeddings::across_cameras), if they have some) are its gallery. Only queries with an answer count: a sample that is the
//! only one of its class stays in the gallery (where it can be retrieved wrongly) but is not used as a query. Neighbours are
//! ordered by falling cosine; equal cosines are ordered by rising row index.
//!
//! For a query with `R` others of its class, let `hit(i)` be 1 if neighbour `i` (from 1) is one of them. Following
//! Musgrave, Belongie and Lim, *A Metric Learning Reality Check* (2020), section 3.1, a query scores
//!
//! - recall at k: 1 if any of `hit(1..=k)` is 1, else 0;
//! - R-precision: `sum of hit(i) for i in 1..=R, over R`;
//! - AP@R: `sum of hit(i) * P(i) for i in 1..=R, over R`, with `P(i) = (hit(1) + ... + hit(i)) / i`;
//!
//! and each reported value is the mean over queries (not over classes). The values equal those of `AccuracyCalculator` in
//! pytorch-metric-learning with the query set as its own reference.
//!
//! [`rank`] evaluates the whole ranking (mAP, nDCG, CMC), also with a separate gallery and with cameras. [`search()`] finds
//! neighbours. [`identify`] is identification, open-set and closed-set. All are exact, and only tiles of the cosine matrix are in
//! memory. With a separate gallery, the copies of a query ([`Copies`](crate::Copies)) can be excluded.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

mod candidates;
mod codes;
mod confusion;
mod identification;
mod neighbour;
mod ranking;
mod search;

pub use confusion::{ConfusedClasses, Confusion, Confusions, confusions, nearest_rows};
pub use identification::{ClosedSet, DirAtFar, IDENTIFICATION_FAR, Identification, identify};
pub use neighbour::{Neighbour, nearest};
pub use ranking::{
    Gallery, RECALL_STEPS, Ranking, Ranks, RetrievalIntervals, rank, rank_with_progress, ranks,
};
pub use search::{Neighbours, search, search_within, search_without};

/// How often nearest neighbours are of the same class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retrieval {
    /// Number of queries: samples whose class has another sample, of another camera if there are cameras.
    pub queries: usize,
    /// Samples that are the only one of their class, or that no other camera has: in the gallery, but not used as queries.
    pub excluded_queries: usize,
    /// For each `k`, the share of queries with a sample of their class among the `k` nearest, in [0, 1]. A `k` larger than the
    /// gallery stands for the whole gallery.
    pub recall_at: BTreeMap<usize, f64>,
    /// Share of queries whose nearest neighbour is of their class (the same as recall at 1), in [0, 1].
    pub precision_at_1: f64,
    /// Mean R-precision, in [0, 1].
    pub r_precision: f64,
    /// Mean average precision at R, in [0, 1]; never above `r_precision`.
    pub map_at_r: f64,
}

/// What one query contributes.
struct QueryScore {
    /// Position, from 0, of the first neighbour of the same class.
    first_hit: Option<usize>,
    r_precision: f64,
    average_precision: f64,
}

/// Evaluates retrieval within one set: each embedding is searched for among all others, of other cameras if the rows
/// [have some](Embeddings::across_cameras).
///
/// `ks` are the neighbourhood sizes for recall, usually 1, 5 and 10.
///
/// # Errors
/// [`Error::ZeroK`] for a `k` of 0, [`Error::OneClass`] if all samples are of one class, [`Error::NoGenuinePairs`] if no
/// class has two samples.
pub fn evaluate(embeddings: &Embeddings, ks: &[usize]) -> Result<Retrieval> {
    if ks.contains(&0) {
        return Err(Error::ZeroK);
    }
    embeddings.require_two_classes()?;
    let labels = embeddings.labels();
    let class_sizes = counted(labels.iter().copied());
    let rows = embeddings.rows();
    let furthest = ks.iter().copied().max().unwrap_or(1).min(rows - 1);
    // Of the class of a row and its camera, with the row itself.
    let of_camera = |row: usize| Some((labels[row], embeddings.cameras()?[row]));
    let not_compared = counted((0..rows).filter_map(of_camera));
    let others = |query: usize| {
        class_sizes[&labels[query]] - of_camera(query).map_or(1, |camera| not_compared[&camera])
    };
    let count = |query: usize| if others(query) == 0 { 0 } else { others(query).max(furthest) };
    // In the order of the rows, so that the result does not depend on threads.
    let scores: Vec<QueryScore> = search::nearest_of_each(
        embeddings,
        embeddings,
        |query, row| query != row && embeddings.compares(query, row),
        count,
        |query, found| {
            let hits = found.iter().map(|neighbour| labels[neighbour.index] == labels[query]);
            (others(query) > 0).then(|| score_query(hits, others(query)))
        },
    )
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

/// How often each value occurs.
fn counted<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

/// Scores one query from the hits of its neighbours, nearest first; there are at least `others` neighbours.
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
