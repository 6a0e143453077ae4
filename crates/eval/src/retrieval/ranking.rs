//! The whole ranking: mean average precision, nDCG and cumulative matching, with or without cameras.
//!
//! All measures follow from the ranks (from 1) of the gallery rows of the query's class. With `R` such rows at ranks
//! `r_1 < ... < r_R`:
//!
//! - recall at k, or CMC rank-k: 1 if `r_1 <= k`;
//! - average precision: `sum over j of j / r_j, over R` (Zheng et al., *Scalable Person Re-identification*, 2015, section 5);
//! - nDCG: `sum over j of 1 / log2(1 + r_j)`, over the same sum for ranks `1..=R`; nDCG at k keeps the ranks up to k in both
//!   sums (Järvelin and Kekäläinen 2002, with gains 0 and 1);
//! - precision at recall `x`: `max over j with j / R >= x of j / r_j`, the interpolated precision of Manning, Raghavan and
//!   Schütze, *Introduction to Information Retrieval* (2008), section 8.4;
//! - R-precision and AP@R as in [`retrieval`](super).
//!
//! Neighbours are ordered by falling cosine, ties by rising row. Ranks are counted instead of sorted: each gallery row is
//! compared with the cosines of the relevant rows only, in tiles, with approximate cosines first as in
//! [`search()`](super::search()).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::codes::GALLERY_TILE;
use super::neighbour::key;
use super::search::{QUERY_TILE, check_k, screen};
use crate::copies::Copies;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::score;
use crate::similarity;
use crate::verification::bootstrap::{self, BootstrapOptions, Interval};

/// The recalls of [`Ranking::precision_at_recall`] are 0, 1/20, ... 1.
pub const RECALL_STEPS: usize = 20;

/// The rows that queries are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Gallery<'a> {
    separate: Option<&'a Embeddings>,
    cameras: Option<(&'a [u32], &'a [u32])>,
    copies: Option<&'a Copies>,
}

impl<'a> Gallery<'a> {
    /// The set of queries itself: each query is compared with all others, of other cameras if the rows
    /// [have some](Embeddings::across_cameras).
    pub fn others() -> Self {
        Self { separate: None, cameras: None, copies: None }
    }

    /// A separate set.
    pub fn separate(set: &'a Embeddings) -> Self {
        Self { separate: Some(set), ..Self::others() }
    }

    /// Excludes gallery rows of the query's class *and* camera, because such images are too easy to find. There is one camera number
    /// per row of the queries and per row of the gallery.
    #[must_use]
    pub fn with_cameras(self, of_queries: &'a [u32], of_gallery: &'a [u32]) -> Self {
        Self { cameras: Some((of_queries, of_gallery)), ..self }
    }

    /// Excludes gallery rows that are copies of the query, of any class; `copies` is between the queries and the separate set.
    #[must_use]
    pub fn without(self, copies: &'a Copies) -> Self {
        Self { copies: Some(copies), ..self }
    }

    pub(super) fn separate_set(self) -> Option<&'a Embeddings> {
        self.separate
    }

    /// The set that is searched.
    pub(super) fn set<'b>(self, queries: &'b Embeddings) -> &'b Embeddings
    where
        'a: 'b,
    {
        self.separate.unwrap_or(queries)
    }

    /// Whether a row of the gallery counts for a query.
    pub(super) fn counts(self, queries: &Embeddings, query: usize, row: usize) -> bool {
        let other_camera = || {
            self.cameras.is_none_or(|(of_queries, of_gallery)| {
                queries.labels()[query] != self.set(queries).labels()[row]
                    || of_queries[query] != of_gallery[row]
            })
        };
        (self.separate.is_some() || (query != row && queries.compares(query, row)))
            && self.copies.is_none_or(|copies| !copies.same(query, row))
            && other_camera()
    }

    fn check_cameras(self, queries: &Embeddings) -> Result<()> {
        let Some((of_queries, of_gallery)) = self.cameras else { return Ok(()) };
        for (what, expected, found) in [
            ("query cameras", queries.rows(), of_queries.len()),
            ("gallery cameras", self.set(queries).rows(), of_gallery.len()),
        ] {
            if expected != found {
                return Err(Error::Length { what, expected, found });
            }
        }
        Ok(())
    }
}

/// Measures of whole rankings: means over queries, each in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// Number of queries with at least one relevant gallery row.
    pub queries: usize,
    /// Queries without a relevant gallery row, which are left out.
    pub excluded_queries: usize,
    /// For each `k`, the share of queries with a hit among the `k` nearest (CMC rank-k).
    pub recall_at: BTreeMap<usize, f64>,
    /// Share of queries whose nearest neighbour is a hit.
    pub precision_at_1: f64,
    /// R-precision.
    pub r_precision: f64,
    /// Average precision at R.
    pub map_at_r: f64,
    /// Average precision over the whole gallery (mAP).
    pub mean_average_precision: f64,
    /// nDCG over the whole gallery.
    pub ndcg: f64,
    /// For each `k`, nDCG at k.
    pub ndcg_at: BTreeMap<usize, f64>,
    /// (recall, precision) at each twentieth of recall, averaged over queries.
    pub precision_at_recall: Vec<(f64, f64)>,
}

/// Ranks the gallery for each query.
///
/// `ks` are the values of `k` for recall and nDCG. Memory: one tile of cosines per thread, and 20 bytes per relevant row of the
/// queries of a tile.
///
/// # Errors
/// [`Error::Dimensions`]; [`Error::Length`] unless there is one camera number per row; [`Error::ZeroK`] and
/// [`Error::KTooLarge`]; [`Error::NoAnswers`] if no query has a relevant gallery row.
pub fn rank(queries: &Embeddings, gallery: Gallery<'_>, ks: &[usize]) -> Result<Ranking> {
    rank_with_progress(queries, gallery, ks, &|_, _| ())
}

/// [`rank`] with reports of progress.
///
/// # Errors
/// As [`rank`].
pub fn rank_with_progress(
    queries: &Embeddings,
    gallery: Gallery<'_>,
    ks: &[usize],
    progress: Progress<'_>,
) -> Result<Ranking> {
    let findable = gallery.set(queries).rows() - usize::from(gallery.separate.is_none());
    ks.iter().try_for_each(|&k| check_k(k, findable))?;
    Ok(ranks_with_progress(queries, gallery, progress)?.measures(ks))
}

/// The ranks of the relevant gallery rows of each query, from which all measures follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranks {
    /// The class of each query that has a relevant row, and the ranks of these rows, from 1 and rising.
    of_queries: Vec<(u32, Vec<usize>)>,
    /// Queries without a relevant row.
    without: usize,
}

/// The ranks of the gallery rows that are of the query's class.
///
/// # Errors
/// [`Error::Dimensions`]; [`Error::Length`] unless there is one camera number per row; [`Error::NoAnswers`] if no query has a relevant gallery
/// row.
pub fn ranks(queries: &Embeddings, gallery: Gallery<'_>) -> Result<Ranks> {
    ranks_with_progress(queries, gallery, &|_, _| ())
}

fn ranks_with_progress(queries: &Embeddings, gallery: Gallery<'_>, progress: Progress<'_>) -> Result<Ranks> {
    let done = AtomicU64::new(0);
    let set = gallery.set(queries);
    queries.require_same_dim(set)?;
    gallery.check_cameras(queries)?;
    let counts = |query: usize, row: usize| gallery.counts(queries, query, row);
    let classes = set.classes();
    let blocks: Vec<Vec<Vec<usize>>> = (0..queries.rows().div_ceil(QUERY_TILE))
        .into_par_iter()
        .map_init(Vec::new, |tile, nth| {
            let rows = nth * QUERY_TILE..((nth + 1) * QUERY_TILE).min(queries.rows());
            let mut relevant: Vec<Relevant> = rows
                .clone()
                .map(|query| {
                    let members = classes.get(&queries.labels()[query]).map_or(&[][..], Vec::as_slice);
                    let rows = members.iter().copied().filter(|&row| counts(query, row));
                    Relevant::new(rows, |row| similarity::score(queries, query, set, row))
                })
                .collect();
            let dim = set.dim();
            let block = &queries.unit_rows()[rows.start * dim..rows.end * dim];
            for (column_tile, part) in set.unit_rows().chunks(GALLERY_TILE * dim).enumerate() {
                let start = column_tile * GALLERY_TILE;
                for ((query, relevant), cosines) in
                    rows.clone().zip(&mut relevant).zip(screen(block, part, dim, tile))
                {
                    let label = queries.labels()[query];
                    let labels = &set.labels()[start..start + cosines.len()];
                    let exact = |row| similarity::score(queries, query, set, row);
                    let others = |at: usize| labels[at] != label && counts(query, start + at);
                    relevant.pass(cosines, start, similarity::product_error(dim), others, exact);
                }
            }
            let finished = rows.len() as u64;
            progress(done.fetch_add(finished, Ordering::Relaxed) + finished, queries.rows() as u64);
            relevant.into_iter().map(Relevant::ranks).collect()
        })
        .collect();
    let all = queries.labels().iter().copied().zip(blocks.into_iter().flatten());
    let of_queries: Vec<(u32, Vec<usize>)> = all.filter(|(_, ranks)| !ranks.is_empty()).collect();
    if of_queries.is_empty() {
        return Err(Error::NoAnswers { queries: queries.rows() });
    }
    Ok(Ranks { without: queries.rows() - of_queries.len(), of_queries })
}

impl Ranks {
    /// The measures, with recall and nDCG at these `ks`.
    pub fn measures(&self, ks: &[usize]) -> Ranking {
        let mean = |of: &dyn Fn(&[usize]) -> f64| self.mean(of);
        Ranking {
            queries: self.of_queries.len(),
            excluded_queries: self.without,
            recall_at: ks.iter().map(|&k| (k, mean(&|ranks| recall(ranks, k)))).collect(),
            precision_at_1: mean(&|ranks| recall(ranks, 1)),
            r_precision: mean(&|ranks| {
                ranks.partition_point(|&rank| rank <= ranks.len()) as f64 / ranks.len() as f64
            }),
            map_at_r: mean(&|ranks| average_precision(ranks, ranks.len())),
            mean_average_precision: self.mean_average_precision(),
            ndcg: mean(&|ranks| ndcg(ranks, usize::MAX)),
            ndcg_at: ks.iter().map(|&k| (k, mean(&|ranks| ndcg(ranks, k)))).collect(),
            precision_at_recall: (0..=RECALL_STEPS)
                .map(|step| {
                    (step as f64 / RECALL_STEPS as f64, mean(&|ranks| precision_at_recall(ranks, step)))
                })
                .collect(),
        }
    }

    /// Average precision over the whole gallery (mAP).
    pub fn mean_average_precision(&self) -> f64 {
        self.mean(|ranks| average_precision(ranks, usize::MAX))
    }

    /// The mean over queries, summed in their order, so that the result does not depend on threads.
    fn mean(&self, of: impl Fn(&[usize]) -> f64) -> f64 {
        self.of_queries.iter().map(|(_, ranks)| of(ranks)).sum::<f64>() / self.of_queries.len() as f64
    }

    /// Intervals of the measures from resampling the classes of the queries: a class that is drawn `m` times has each of its queries `m` times. The
    /// gallery stays the same. Of the options, `resamples`, `confidence` and `seed` apply.
    ///
    /// # Errors
    /// [`Error::Option`] for options outside their range; [`Error::TooFewToDraw`] with fewer than
    /// [`LEAST_DRAWN`](crate::verification::bootstrap::LEAST_DRAWN) classes.
    pub fn intervals(&self, ks: &[usize], options: &BootstrapOptions) -> Result<RetrievalIntervals> {
        let mut of_class: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (class, ranks) in &self.of_queries {
            // The number of queries, and the sums of their measures.
            let measures = [1.0, average_precision(ranks, ranks.len()), average_precision(ranks, usize::MAX)];
            let measures = measures.into_iter().chain(ks.iter().map(|&k| recall(ranks, k)));
            let sums = of_class.entry(*class).or_insert_with(|| vec![0.0; 3 + ks.len()]);
            sums.iter_mut().zip(measures).for_each(|(sum, value)| *sum += value);
        }
        let of_class: Vec<Vec<f64>> = of_class.into_values().collect();
        let found = bootstrap::of_sums("classes of queries", &of_class, options)?;
        Ok(RetrievalIntervals {
            confidence: options.confidence,
            resamples: options.resamples,
            classes: of_class.len(),
            map_at_r: found[0],
            mean_average_precision: found[1],
            recall_at: ks.iter().copied().zip(found[2..].iter().copied()).collect(),
        })
    }
}

/// Bootstrap intervals of the main measures of a [`Ranking`], over classes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrievalIntervals {
    /// Share of results inside each interval.
    pub confidence: f64,
    /// Resamples used.
    pub resamples: usize,
    /// Classes drawn for each resample.
    pub classes: usize,
    /// Recall at each `k`.
    pub recall_at: BTreeMap<usize, Interval>,
    /// Average precision at R.
    pub map_at_r: Interval,
    /// Average precision over the whole gallery.
    pub mean_average_precision: Interval,
}

/// 1 if the first relevant row is among the `k` nearest.
fn recall(ranks: &[usize], k: usize) -> f64 {
    f64::from(u8::from(ranks[0] <= k))
}

/// `sum of j / r_j` over ranks up to `limit`, over R.
fn average_precision(ranks: &[usize], limit: usize) -> f64 {
    let within = ranks.iter().enumerate().take_while(|&(_, &rank)| rank <= limit);
    within.map(|(nth, &rank)| (nth + 1) as f64 / rank as f64).sum::<f64>() / ranks.len() as f64
}

fn ndcg(ranks: &[usize], limit: usize) -> f64 {
    let gain = |rank: usize| 1.0 / (rank as f64 + 1.0).log2();
    let found: f64 = ranks.iter().take_while(|&&rank| rank <= limit).map(|&rank| gain(rank)).sum();
    let ideal: f64 = (1..=ranks.len().min(limit)).map(gain).sum();
    found / ideal
}

/// The best precision at a recall of `step` twentieths or more.
fn precision_at_recall(ranks: &[usize], step: usize) -> f64 {
    // The first `j` with `j / R >= step / 20`, in whole numbers.
    let first = (step * ranks.len()).div_ceil(RECALL_STEPS).max(1);
    let precisions = (first..).zip(&ranks[first - 1..]).map(|(nth, &rank)| nth as f64 / rank as f64);
    precisions.fold(0.0, f64::max)
}

/// The relevant rows of one query, and how many other rows come before each.
struct Relevant {
    /// Keys and rounded cosines of the relevant rows, nearest first.
    keys: Vec<u64>,
    cosines: Vec<f32>,
    /// `before[j]` other rows come after `j` relevant ones and before the next.
    before: Vec<usize>,
}

impl Relevant {
    fn new(rows: impl Iterator<Item = usize>, exact: impl Fn(usize) -> f32) -> Self {
        let mut found: Vec<(u64, f32)> =
            rows.map(|row| (exact(row), row)).map(|(s, row)| (key(s, row), score::rounded(s))).collect();
        found.sort_unstable_by_key(|&(key, _)| key);
        let (keys, cosines): (Vec<u64>, Vec<f32>) = found.into_iter().unzip();
        Self { before: vec![0; keys.len()], keys, cosines }
    }

    /// Counts the rows of a tile that come before each relevant row. `others` are the places in the tile of rows that are neither
    /// relevant nor excluded.
    fn pass(
        &mut self,
        cosines: &[f32],
        start: usize,
        error: f32,
        others: impl Fn(usize) -> bool,
        exact: impl Fn(usize) -> f32,
    ) {
        let Some(&farthest) = self.cosines.last() else { return };
        let least = farthest - error;
        for (nth, &cosine) in cosines.iter().enumerate() {
            if cosine < least || !others(nth) {
                continue;
            }
            let certainly_ahead = self.cosines.partition_point(|&relevant| relevant > cosine + error);
            let perhaps_ahead =
                self.cosines[certainly_ahead..].partition_point(|&relevant| relevant >= cosine - error);
            let ahead = if perhaps_ahead == 0 {
                certainly_ahead
            } else {
                let row = start + nth;
                let own = key(exact(row), row);
                self.keys.partition_point(|&relevant| relevant < own)
            };
            if let Some(count) = self.before.get_mut(ahead) {
                *count += 1;
            }
        }
    }

    fn ranks(self) -> Vec<usize> {
        let mut others = 0;
        self.before
            .iter()
            .enumerate()
            .map(|(nth, count)| {
                others += count;
                nth + 1 + others
            })
            .collect()
    }
}
