//! A tile: some neighbouring classes, ready to be scored.
//!
//! Cosines do not need unit rows: the product with a row as stored is divided by the row's length, which costs one
//! multiplication per score instead of a copy of all centres.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use widemargin_kernels::matrix::{Threads, Write, matmul_transposed_b};
use widemargin_kernels::mixed;
use widemargin_kernels::vector::{add_scaled, dot};
use widemargin_objective::{MatRef, NORM_FLOOR, Score, norm, normalise};

use crate::batch::Batch;

/// Lengths of rows, and their reciprocals, whose plain products neither overflow nor lose digits.
const SAFE_LENGTHS: RangeInclusive<f32> = 1e-6..=1e6;

/// Length of a class centre; 0 if it is too short to have a direction.
pub(crate) fn length(row: &[f32]) -> f32 {
    let square = dot(row, row);
    // far from where a square in f32 loses digits
    if square > 1e-20 && square < 1e20 {
        return square.sqrt();
    }
    let norm = norm(row);
    if norm < NORM_FLOOR { 0.0 } else { norm as f32 }
}

/// Similarities of a batch with the classes of a tile, `[batch, classes]`; with several centres per class also the number of
/// the nearest one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scored {
    pub(crate) similarities: Vec<f32>,
    pub(crate) nearest: Vec<u16>,
}

/// Buffers that one step leaves for the next. Memory that is freed and allocated again in every step costs a page fault per
/// page, and an interruption of the other threads per block.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Vec<Scored>>);

impl Spare {
    pub(crate) fn take(&self) -> Scored {
        self.lock().pop().unwrap_or_default()
    }

    pub(crate) fn put(&self, scored: impl IntoIterator<Item = Scored>) {
        self.lock().extend(scored);
    }

    /// A buffer of a thread that panicked is as good as any other.
    fn lock(&self) -> MutexGuard<'_, Vec<Scored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy starts empty: buffers only save time.
impl Clone for Spare {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Some neighbouring classes, ready to be multiplied.
pub(crate) struct Tile<'a> {
    pub(crate) first_class: usize,
    pub(crate) classes: usize,
    per_class: usize,
    dim: usize,
    /// `[classes * per_class, dim]`.
    rows: Cow<'a, [f32]>,
    /// Factors that turn products into cosines, one per row; empty if scores are dot products.
    factors: Vec<f32>,
    /// Rows whose length is not safe, which were divided by it beforehand: place and reciprocal of the length, 0 for a row
    /// without a direction.
    divided: Vec<(usize, f32)>,
}

impl<'a> Tile<'a> {
    /// The classes from `first_class` on; `rows` is `[classes * per_class, dim]`.
    pub(crate) fn new(
        first_class: usize,
        mut rows: Cow<'a, [f32]>,
        per_class: usize,
        dim: usize,
        score: Score,
    ) -> Self {
        let classes = rows.len() / (dim * per_class);
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
        Self { first_class, classes, per_class, dim, rows, factors, divided }
    }

    pub(crate) fn rows(&self) -> usize {
        self.classes * self.per_class
    }

    /// The position of a row in this tile, if the tile contains it.
    pub(crate) fn place(&self, row: usize) -> Option<usize> {
        row.checked_sub(self.first_class * self.per_class).filter(|place| *place < self.rows())
    }

    /// The rows as they are multiplied.
    pub(crate) fn view(&self) -> MatRef<'_> {
        MatRef::new(&self.rows, self.rows(), self.dim).expect("a tile is cut in whole rows")
    }

    pub(crate) fn row(&self, place: usize) -> &[f32] {
        &self.rows[place * self.dim..(place + 1) * self.dim]
    }

    /// Computes the similarities of a batch with the classes.
    pub(crate) fn score(&self, batch: &Batch, scored: &mut Scored) {
        let Scored { similarities, nearest } = scored;
        similarities.resize(batch.rows * self.rows(), 0.0);
        match &batch.rounded {
            None => {
                matmul_transposed_b(similarities, batch.view(), self.view(), Write::Replace, Threads::Serial);
            }
            Some(rounded) => {
                mixed::product_transposed(similarities, &rounded.left, self.view(), Write::Replace);
            }
        }
        self.divide_by_lengths(similarities);
        nearest.clear();
        if self.per_class == 1 {
            return;
        }
        let mut largest = vec![f32::NEG_INFINITY; batch.rows * self.classes];
        nearest.resize(largest.len(), 0);
        let all = similarities.chunks_exact(self.per_class);
        for (all, (largest, nearest)) in all.zip(largest.iter_mut().zip(nearest)) {
            for (at, &value) in all.iter().enumerate() {
                if value > *largest {
                    (*largest, *nearest) = (value, at as u16);
                }
            }
        }
        *similarities = largest;
    }

    /// Turns derivatives with respect to similarities into `share` times the derivatives with respect to the underlying products.
    pub(crate) fn through_lengths(&self, slopes: &mut [f32], share: f32) {
        if self.factors.is_empty() || self.per_class > 1 {
            for slope in slopes.iter_mut() {
                *slope *= share;
            }
            return;
        }
        for slopes in slopes.chunks_exact_mut(self.classes.max(1)) {
            slopes.iter_mut().zip(&self.factors).for_each(|(slope, factor)| *slope *= share * factor);
        }
    }

    /// Spreads the result of [`Tile::through_lengths`], `[batch, classes]`, over the rows: `[batch, classes * per_class]`, zero
    /// for all centres of a class but the nearest.
    pub(crate) fn of_rows<'b>(&self, slopes: &'b Scored) -> Cow<'b, [f32]> {
        if self.per_class == 1 {
            return Cow::Borrowed(&slopes.similarities);
        }
        let mut all = vec![0.0; slopes.similarities.len() * self.per_class];
        let rows = all.chunks_exact_mut(self.per_class).zip(&slopes.similarities);
        for ((all, slope), &at) in rows.zip(&slopes.nearest) {
            all[usize::from(at)] = *slope;
        }
        self.divide_by_lengths(&mut all);
        Cow::Owned(all)
    }

    /// Removes from gradients their component along the rows, which does not change a row's direction. The gradients are
    /// products of [`Tile::of_rows`] with a batch: gradients with respect to the directions, divided by the lengths. Does
    /// nothing for dot products.
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
