//! One anchor at a time: the loop that every pair objective shares.
//!
//! An objective is a function of one row of the matrix. [`sweep`] applies it to the rows in parallel, stores each row's
//! gradient in its place, and adds the rows' sums in order, so that the number of threads does not matter. Rows are passed in
//! `f64` whatever the precision of the matrix. The mean comes last: it is one factor on the whole gradient.

use rayon::prelude::*;

use super::distance::Matrix;
use super::tuples::{Entry, Pairing};
use crate::real::Real;

/// One anchor as an objective sees it.
pub(crate) struct AnchorRow<'a> {
    pub(crate) anchor: usize,
    /// The anchor's row of the matrix.
    pub(crate) values: &'a [f64],
    pub(crate) positives: &'a [Entry],
    pub(crate) negatives: &'a [Entry],
}

/// The contribution of one anchor to the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Sum of the terms.
    pub(crate) loss: f64,
    /// Number of terms.
    pub(crate) terms: f64,
    /// Number of terms above zero.
    pub(crate) active: f64,
}

impl Sums {
    /// The total, added in order.
    pub(crate) fn total(all: &[Self]) -> Self {
        all.iter().fold(Self::default(), |total, sums| Self {
            loss: total.loss + sums.loss,
            terms: total.terms + sums.terms,
            active: total.active + sums.active,
        })
    }

    /// One term.
    pub(crate) fn one(loss: f64) -> Self {
        Self { loss, terms: 1.0, active: f64::from(u8::from(loss > 0.0)) }
    }

    /// A term that occurs `times` times.
    pub(crate) fn add(&mut self, loss: f64, times: f64) {
        self.loss += times * loss;
        self.terms += times;
        if loss > 0.0 {
            self.active += times;
        }
    }
}

/// A loss and its derivatives with respect to the entries of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Pass<T> {
    pub(crate) loss: f64,
    /// To be multiplied by `scale`.
    pub(crate) slopes: Vec<T>,
    pub(crate) scale: f64,
    pub(crate) terms: f64,
    pub(crate) active: f64,
}

impl<T> Pass<T> {
    /// The mean of all terms; 0 without any.
    pub(crate) fn mean(sums: Sums, slopes: Vec<T>) -> Self {
        let scale = if sums.terms > 0.0 { sums.terms.recip() } else { 0.0 };
        Self { loss: sums.loss * scale, slopes, scale, terms: sums.terms, active: sums.active }
    }

    /// The mean of the terms above zero; 0 without any.
    pub(crate) fn mean_of_active(sums: Sums, slopes: Vec<T>) -> Self {
        let scale = if sums.active > 0.0 { sums.active.recip() } else { 0.0 };
        Self { loss: sums.loss * scale, slopes, scale, terms: sums.terms, active: sums.active }
    }
}

/// Applies `row` to all anchors; it adds to the slopes that it is given.
pub(crate) fn sweep<T: Real>(
    matrix: &Matrix<T>,
    pairing: &Pairing<'_>,
    row: impl Fn(&AnchorRow<'_>, &mut [f64]) -> Sums + Sync,
) -> (Sums, Vec<T>) {
    let (rows, cols) = (matrix.rows(), matrix.cols());
    let mut slopes = vec![T::zero(); rows * cols];
    if cols == 0 {
        return (Sums::default(), slopes);
    }
    let sums: Vec<Sums> = slopes
        .par_chunks_mut(cols)
        .enumerate()
        .map_init(
            || (vec![0.0; cols], Scratch::default()),
            |(wide, scratch), (anchor, out)| {
                wide.fill(0.0);
                let sums = scratch.with_row(matrix, pairing, anchor, |view| row(view, wide));
                for (out, &wide) in out.iter_mut().zip(wide.iter()) {
                    *out = T::from_f64(wide);
                }
                sums
            },
        )
        .collect();
    (Sums::total(&sums), slopes)
}

/// The value of `row` for every anchor, in order; for objectives that need a sum over the batch before the slopes.
pub(crate) fn survey<T: Real, S: Send>(
    matrix: &Matrix<T>,
    pairing: &Pairing<'_>,
    row: impl Fn(&AnchorRow<'_>) -> S + Sync,
) -> Vec<S> {
    (0..matrix.rows())
        .into_par_iter()
        .map_init(Scratch::default, |scratch, anchor| {
            scratch.with_row(matrix, pairing, anchor, |view| row(view))
        })
        .collect()
}

#[derive(Default)]
struct Scratch {
    values: Vec<f64>,
    positives: Vec<Entry>,
    negatives: Vec<Entry>,
}

impl Scratch {
    fn with_row<T: Real, S>(
        &mut self,
        matrix: &Matrix<T>,
        pairing: &Pairing<'_>,
        anchor: usize,
        then: impl FnOnce(&AnchorRow<'_>) -> S,
    ) -> S {
        self.values.clear();
        self.values.extend(matrix.row(anchor).iter().map(|&value| value.into()));
        pairing.fill(anchor, &mut self.positives, &mut self.negatives);
        let Self { values, positives, negatives } = self;
        then(&AnchorRow { anchor, values, positives, negatives })
    }
}
