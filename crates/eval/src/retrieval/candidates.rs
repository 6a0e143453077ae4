//! The gallery rows that may still be among the nearest of a query, while the gallery is read tile by tile.
//!
//! Rows come with an approximate cosine. It is computed again exactly only for rows that it does not already rule out.

use super::neighbour::{Neighbour, key};
use crate::score;
use crate::similarity::product_error;

/// Cosines that are compared with the bar together, before any is compared alone.
const LANES: usize = 16;
/// Candidates kept beyond four times `k`. Few, so that the bar rises often.
const SPARE: usize = 256;

/// Gallery rows that may be among the nearest of one query.
pub(super) struct Candidates {
    k: usize,
    /// How far an approximate cosine can be from the exact one.
    error: f32,
    /// The bar: a row with a lower approximate cosine is not among the nearest.
    pub(super) least: f32,
    /// Approximate cosine and row; the rounded exact cosine once it has been computed.
    kept: Vec<(f32, u32)>,
}

impl Candidates {
    pub(super) fn new(k: usize, dim: usize) -> Self {
        // no row may pass the bar of a query without neighbours
        let least = if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { k, error: product_error(dim), least, kept: Vec::new() }
    }

    /// Offers the approximate cosines of the rows from `start` on. `counts` says whether a row may be a neighbour; `exact` gives its
    /// score.
    pub(super) fn offer(
        &mut self,
        cosines: &[f32],
        start: usize,
        counts: impl Fn(usize) -> bool,
        exact: impl Fn(usize) -> f32 + Copy,
    ) {
        if self.k == 0 {
            return;
        }
        for (nth, part) in cosines.chunks(LANES).enumerate() {
            if part.iter().map(|&cosine| u32::from(cosine >= self.least)).sum::<u32>() == 0 {
                continue;
            }
            for (lane, &cosine) in part.iter().enumerate() {
                let row = start + nth * LANES + lane;
                if cosine >= self.least && counts(row) {
                    self.kept.push((cosine, row as u32));
                }
            }
            if self.kept.len() >= 4 * self.k + SPARE - LANES {
                self.prune(exact);
            }
        }
    }

    /// Offers one row by its approximate cosine.
    pub(super) fn offer_one(
        &mut self,
        cosine: f32,
        row: usize,
        counts: impl Fn(usize) -> bool,
        exact: impl Fn(usize) -> f32,
    ) {
        if self.k == 0 || cosine < self.least || !counts(row) {
            return;
        }
        self.kept.push((cosine, row as u32));
        if self.kept.len() >= 4 * self.k + SPARE - LANES {
            self.prune(exact);
        }
    }

    /// Raises the bar if there are more than `k` candidates.
    pub(super) fn prune_if_enough(&mut self, exact: impl Fn(usize) -> f32) {
        if self.k > 0 && self.kept.len() > self.k {
            self.prune(exact);
        }
    }

    /// Drops the rows that are too far for certain. If too many remain, computes exact cosines and keeps the `k` nearest.
    fn prune(&mut self, exact: impl Fn(usize) -> f32) {
        let (_, &mut (last, _), _) = self.kept.select_nth_unstable_by(self.k - 1, |a, b| b.0.total_cmp(&a.0));
        // At least `k` rows have a cosine of `last - error` or more; a row with an approximate cosine below
        // `last - 2 error` has less.
        self.least = self.least.max(last - 2.0 * self.error);
        self.kept.retain(|&(cosine, _)| cosine >= self.least);
        if self.kept.len() > 2 * self.k + SPARE / 2 {
            self.keep_nearest(exact);
            let (last, _) = self.kept[self.k - 1];
            // These cosines are exact. A later row with the same cosine comes after them.
            self.least = self.least.max(last - self.error);
        }
    }

    /// Replaces approximate cosines by exact ones and keeps the `k` nearest, in order. Returns their scores.
    fn keep_nearest(&mut self, exact: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut scored: Vec<(f32, u32)> =
            self.kept.iter().map(|&(_, row)| (exact(row as usize), row)).collect();
        scored.sort_unstable_by_key(|&(score, row)| key(score, row as usize));
        scored.truncate(self.k);
        self.kept.clear();
        self.kept.extend(scored.iter().map(|&(score, row)| (score::rounded(score), row)));
        scored.into_iter().map(|(score, _)| score).collect()
    }

    pub(super) fn finish(mut self, exact: impl Fn(usize) -> f32) -> Vec<Neighbour> {
        if self.k == 0 {
            return Vec::new();
        }
        if self.kept.len() > self.k {
            let (_, &mut (last, _), _) =
                self.kept.select_nth_unstable_by(self.k - 1, |a, b| b.0.total_cmp(&a.0));
            let least = last - 2.0 * self.error;
            self.kept.retain(|&(cosine, _)| cosine >= least);
        }
        let scores = self.keep_nearest(exact);
        let neighbour = |(&(_, row), &score): (&(f32, u32), &f32)| Neighbour {
            index: row as usize,
            cosine: score::cosine(score),
        };
        self.kept.iter().zip(&scores).map(neighbour).collect()
    }
}
