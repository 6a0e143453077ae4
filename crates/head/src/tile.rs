//! The class centres as they are scored, a tile of classes at a time.
//!
//! Cosines do not need rows of length one: a product with a row as it is kept is divided by the row's length, which costs a
//! multiplication a score instead of a copy of all centres.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use widemargin_kernels::matrix::{Threads, Write, matmul_transposed_b};
use widemargin_kernels::vector::{add_scaled, dot, prefetch};
use widemargin_objective::{MatRef, Score, normalise};

use crate::Optimiser;
use crate::batch::Batch;
use crate::lazy::Lazy;
use crate::screened::length;
use crate::storage::Values;

/// Parts that tiles are worked through in at once. A number of its own and not that of the threads, so that sums are added
/// in the same order on every machine.
pub(crate) const GROUPS: usize = 16;

/// Classes below which a tile is not cut further to have one for each group: products become too short.
const LEAST_TILE: usize = 64;

/// Lengths of rows, and so one over them, whose plain products are safe from overflow and from the loss of digits.
const SAFE_LENGTHS: std::ops::RangeInclusive<f32> = 1e-6..=1e6;

/// The class centres and how they are to be scored.
#[derive(Clone, Copy)]
pub(crate) struct Centres<'a> {
    /// `[classes * each, dim]`.
    pub(crate) values: Values<'a>,
    pub(crate) dim: usize,
    pub(crate) score: Score,
    /// Centres of a class.
    pub(crate) each: usize,
    /// At most so many classes in a tile.
    pub(crate) tile_classes: usize,
    /// At most so many scores are held between two passes.
    pub(crate) kept_scores: usize,
    /// Rows that are behind, and what the optimiser remembers of them.
    pub(crate) behind: Option<(&'a Lazy, &'a Optimiser)>,
    pub(crate) spare: &'a Spare,
}

/// Some classes, ready to be multiplied.
pub(crate) struct Tile<'a> {
    pub(crate) first_class: usize,
    pub(crate) classes: usize,
    each: usize,
    dim: usize,
    /// `[classes * each, dim]`.
    rows: Cow<'a, [f32]>,
    /// What makes cosines of products; empty where scores are dot products.
    factors: Vec<f32>,
    /// Rows that are kept at lengths at which products are not safe, and had to be divided before: place, and one over the
    /// length, 0 for a row without a direction.
    divided: Vec<(usize, f32)>,
}

/// Similarities of a batch with a tile's classes, `[batch, classes]`, and with several centres a class which one was the
/// nearest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scored {
    pub(crate) similarities: Vec<f32>,
    pub(crate) nearest: Vec<u16>,
}

/// Buffers that a step leaves for the next: memory that is given back and taken anew for each step costs a fault a page, and
/// the other threads an interruption for each piece.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Vec<Scored>>);

impl Spare {
    pub(crate) fn take(&self) -> Scored {
        self.lock().pop().unwrap_or_default()
    }

    pub(crate) fn put(&self, scored: impl IntoIterator<Item = Scored>) {
        self.lock().extend(scored);
    }

    /// Whatever a thread left behind that died is as good as any other buffer.
    fn lock(&self) -> MutexGuard<'_, Vec<Scored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy has none: buffers are worth nothing but the time to make them.
impl Clone for Spare {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<'a> Centres<'a> {
    pub(crate) fn classes(&self) -> usize {
        self.values.len() / (self.dim * self.each)
    }

    /// Classes of a tile, the last one's apart: as many as expected, but with a tile for each group where there are enough.
    pub(crate) fn classes_of_tile(&self) -> usize {
        let shared = self.classes().div_ceil(GROUPS).next_multiple_of(16).max(LEAST_TILE);
        self.tile_classes.min(shared)
    }

    pub(crate) fn tiles(&self) -> usize {
        self.classes().div_ceil(self.classes_of_tile())
    }

    /// Writes a row at its true place, of length one where the score wants it; what `normalise` returned, or 1.
    pub(crate) fn unit(&self, row: usize, out: &mut [f32]) -> f64 {
        self.row(row, out);
        if self.score.normalises_centres() { normalise(out) } else { 1.0 }
    }

    /// Writes a row at its true place.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.dim..(row + 1) * self.dim;
        match self.behind.and_then(|(lazy, optimiser)| Some((lazy.motion(row)?, optimiser))) {
            None => self.values.slice(range).write(out),
            Some((motion, optimiser)) => {
                let (mut memory, mut count) = ([&[][..]; 2], 0);
                for ((_, values), row) in optimiser.memory().zip(&mut memory) {
                    *row = &values[range.clone()];
                    count += 1;
                }
                motion.values(&self.values.slice(range.clone()).wide(), &memory[..count], out);
            }
        }
    }

    /// Asks for a row that is soon to be written out.
    pub(crate) fn prefetch(&self, row: usize) {
        let range = row * self.dim..(row + 1) * self.dim;
        self.values.slice(range.clone()).prefetch();
        if let Some((_, optimiser)) = self.behind.filter(|(lazy, _)| lazy.age(row) > 0) {
            optimiser.memory().for_each(|(_, values)| prefetch(&values[range.clone()]));
        }
    }

    /// A tile by its number.
    pub(crate) fn tile(&self, at: usize) -> Tile<'a> {
        let of_tile = self.classes_of_tile();
        let first_class = at * of_tile;
        let classes = of_tile.min(self.classes() - first_class);
        let (first, count) = (first_class * self.each, classes * self.each);
        let rows = if self.behind.is_none() {
            self.values.slice(first * self.dim..(first + count) * self.dim).wide()
        } else {
            let mut rows = vec![0.0; count * self.dim];
            rows.chunks_exact_mut(self.dim).enumerate().for_each(|(at, out)| self.row(first + at, out));
            Cow::Owned(rows)
        };
        Tile::new(first_class, rows, self.each, self.dim, self.score)
    }
}

impl<'a> Tile<'a> {
    /// Classes from `first_class` on; `rows` is `[classes * each, dim]`.
    pub(crate) fn new(
        first_class: usize,
        mut rows: Cow<'a, [f32]>,
        each: usize,
        dim: usize,
        score: Score,
    ) -> Self {
        let classes = rows.len() / (dim * each);
        let (mut factors, mut divided) = (Vec::new(), Vec::new());
        if score.normalises_centres() {
            factors = rows.chunks_exact(dim).map(|row| length(row).recip()).collect();
            for (at, factor) in factors.iter_mut().enumerate() {
                if !SAFE_LENGTHS.contains(factor) {
                    let norm = normalise(&mut rows.to_mut()[at * dim..(at + 1) * dim]);
                    divided.push((at, if norm > 0.0 { norm.recip() as f32 } else { 0.0 }));
                    *factor = 1.0;
                }
            }
        }
        Self { first_class, classes, each, dim, rows, factors, divided }
    }

    pub(crate) fn rows(&self) -> usize {
        self.classes * self.each
    }

    /// Whether a row is of this tile.
    pub(crate) fn place(&self, row: usize) -> Option<usize> {
        row.checked_sub(self.first_class * self.each).filter(|place| *place < self.rows())
    }

    /// The rows as they are multiplied.
    pub(crate) fn view(&self) -> MatRef<'_> {
        MatRef::new(&self.rows, self.rows(), self.dim).expect("a tile is cut in whole rows")
    }

    pub(crate) fn row(&self, place: usize) -> &[f32] {
        &self.rows[place * self.dim..(place + 1) * self.dim]
    }

    /// Similarities of a batch with the classes.
    pub(crate) fn score(&self, batch: &Batch, scored: &mut Scored) {
        let Scored { similarities, nearest } = scored;
        similarities.resize(batch.rows * self.rows(), 0.0);
        matmul_transposed_b(similarities, batch.view(), self.view(), Write::Replace, Threads::Serial);
        self.divide_by_lengths(similarities);
        nearest.clear();
        if self.each == 1 {
            return;
        }
        let mut largest = vec![f32::NEG_INFINITY; batch.rows * self.classes];
        nearest.resize(largest.len(), 0);
        let all = similarities.chunks_exact(self.each);
        for (all, (largest, nearest)) in all.zip(largest.iter_mut().zip(nearest)) {
            for (at, &value) in all.iter().enumerate() {
                if value > *largest {
                    (*largest, *nearest) = (value, at as u16);
                }
            }
        }
        *similarities = largest;
    }

    /// Derivatives by the similarities, times `share`, as such by the products with the rows that similarities are made of.
    pub(crate) fn through_lengths(&self, slopes: &mut [f32], share: f32) {
        if self.factors.is_empty() || self.each > 1 {
            for slope in slopes.iter_mut() {
                *slope *= share;
            }
            return;
        }
        for slopes in slopes.chunks_exact_mut(self.classes.max(1)) {
            slopes.iter_mut().zip(&self.factors).for_each(|(slope, factor)| *slope *= share * factor);
        }
    }

    /// What [`Tile::through_lengths`] has made, `[batch, classes]`, for each row, `[batch, classes * each]`.
    pub(crate) fn of_rows<'b>(&self, slopes: &'b Scored) -> Cow<'b, [f32]> {
        if self.each == 1 {
            return Cow::Borrowed(&slopes.similarities);
        }
        let mut all = vec![0.0; slopes.similarities.len() * self.each];
        let rows = all.chunks_exact_mut(self.each).zip(&slopes.similarities);
        for ((all, slope), &at) in rows.zip(&slopes.nearest) {
            all[usize::from(at)] = *slope;
        }
        self.divide_by_lengths(&mut all);
        Cow::Owned(all)
    }

    /// Takes products of [`Tile::of_rows`] and a batch, which are gradients by the rows' directions over their lengths, across
    /// those: what lies along a row does not change its direction. Nothing to do for dot products.
    pub(crate) fn project(&self, gradients: &mut [f32]) {
        let rows = gradients.chunks_exact_mut(self.dim).zip(self.rows.chunks_exact(self.dim));
        for ((gradient, row), factor) in rows.zip(&self.factors) {
            let along = dot(gradient, row) * factor * factor;
            add_scaled(gradient, -along, row);
        }
        for &(at, factor) in &self.divided {
            for value in &mut gradients[at * self.dim..(at + 1) * self.dim] {
                *value *= factor;
            }
        }
    }

    fn divide_by_lengths(&self, products: &mut [f32]) {
        if self.factors.is_empty() {
            return;
        }
        for products in products.chunks_exact_mut(self.factors.len()) {
            products.iter_mut().zip(&self.factors).for_each(|(product, factor)| *product *= factor);
        }
    }
}

impl Centres<'_> {
    /// Shows each sample its similarities with every class: `observe(sample, first_class, similarities)`, tile after tile within a
    /// group, with a copy of `start` for each group; the groups' samples are then put together in their order. Gives back the
    /// scores of the first tiles too, up to `keep` of them, in buffers of [`Centres::spare`].
    pub(crate) fn sweep<R: Clone + Send + Sync>(
        &self,
        batch: &Batch,
        start: &[R],
        keep: usize,
        observe: impl Fn(&mut R, usize, &[f32]) + Sync,
        merge: impl Fn(&mut R, R),
    ) -> (Vec<R>, Vec<Scored>) {
        let kept_tiles = keep / (batch.rows * self.classes_of_tile()).max(1);
        let group = |tiles: &std::ops::Range<usize>| {
            let mut samples = start.to_vec();
            let (mut scored, mut kept) = (self.spare.take(), Vec::new());
            for at in tiles.clone() {
                let tile = self.tile(at);
                tile.score(batch, &mut scored);
                let rows = scored.similarities.chunks_exact(tile.classes);
                samples.iter_mut().zip(rows).for_each(|(sample, row)| observe(sample, tile.first_class, row));
                if at < kept_tiles {
                    kept.push(std::mem::replace(&mut scored, self.spare.take()));
                }
            }
            self.spare.put([scored]);
            (samples, kept)
        };
        let groups: Vec<_> = self.groups().par_iter().map(group).collect();
        let mut groups = groups.into_iter();
        let (mut samples, mut kept) = groups.next().unwrap_or_else(|| (start.to_vec(), Vec::new()));
        for (group, of_group) in groups {
            samples.iter_mut().zip(group).for_each(|(sample, group)| merge(sample, group));
            kept.extend(of_group);
        }
        (samples, kept)
    }

    /// The tiles of each group, in order; none without any.
    pub(crate) fn groups(&self) -> Vec<std::ops::Range<usize>> {
        let tiles = self.tiles();
        let each = tiles.div_ceil(GROUPS).max(1);
        (0..tiles).step_by(each).map(|first| first..tiles.min(first + each)).collect()
    }
}
