//! One anchor at a time: the loop that every pair objective shares.
//!
//! An objective says what one row of the matrix contributes; [`sweep`] goes through the rows in parallel, keeps each
//! row's gradient where it belongs, and adds the rows' sums in their order, so that the number of threads changes nothing.
//! Rows are handed out in `f64` whatever the precision of the matrix. The mean over what was counted comes last: it is one
//! factor on the whole gradient.

use rayon::prelude::*;

use super::distance::Matrix;
use super::tuples::{Entry, Pairing};
use crate::Real;

/// What an objective sees of one anchor.
pub(crate) struct Row<'a> {
    pub(crate) anchor: usize,
    /// The anchor's row of the matrix.
    pub(crate) values: &'a [f64],
    pub(crate) positives: &'a [Entry],
    pub(crate) negatives: &'a [Entry],
}

/// What one anchor adds to the loss.
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
    /// All of them, added in their order.
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

    /// The same term some times.
    pub(crate) fn add(&mut self, loss: f64, times: f64) {
        self.loss += times * loss;
        self.terms += times;
        if loss > 0.0 {
            self.active += times;
        }
    }
}

/// A loss and its slopes by the entries of the matrix.
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

/// Goes through all anchors; `row` adds to the slopes that it is given.
pub(crate) fn sweep<T: Real>(
    matrix: &Matrix<T>,
    pairing: &Pairing<'_>,
    row: impl Fn(&Row<'_>, &mut [f64]) -> Sums + Sync,
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

/// What every anchor says, in their order; for objectives that need a sum over the batch before the slopes.
pub(crate) fn survey<T: Real, S: Send>(
    matrix: &Matrix<T>,
    pairing: &Pairing<'_>,
    row: impl Fn(&Row<'_>) -> S + Sync,
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
        then: impl FnOnce(&Row<'_>) -> S,
    ) -> S {
        self.values.clear();
        self.values.extend(matrix.row(anchor).iter().map(|&value| value.into()));
        pairing.fill(anchor, &mut self.positives, &mut self.negatives);
        let Self { values, positives, negatives } = self;
        then(&Row { anchor, values, positives, negatives })
    }
}

/// `ln sum_i times_i e^{x_i}`, with 1 added to the sum where `add_one`; the list becomes the derivative by each `x_i`
/// (softmax weights).
///
/// An empty list gives 0, with or without the 1. The maximum is taken out first, so that nothing overflows; with the 1, a
/// small sum goes through `ln_1p` and keeps its digits.
pub(crate) fn log_sum_exp(list: &mut [f64], times: impl Fn(usize) -> f64, add_one: bool) -> f64 {
    if list.is_empty() {
        return 0.0;
    }
    let start = if add_one { 0.0 } else { f64::NEG_INFINITY };
    let largest = list.iter().copied().fold(start, f64::max);
    let mut sum = 0.0;
    for (at, value) in list.iter_mut().enumerate() {
        *value = times(at) * (*value - largest).exp();
        sum += *value;
    }
    let (total, log) = if !add_one {
        (sum, largest + sum.ln())
    } else if largest == 0.0 {
        (1.0 + sum, sum.ln_1p())
    } else {
        let total = sum + (-largest).exp();
        (total, largest + total.ln())
    };
    for value in list.iter_mut() {
        *value /= total;
    }
    log
}

/// `ln(1 + e^x)` and its derivative.
pub(crate) fn softplus(x: f64) -> (f64, f64) {
    let small = (-x.abs()).exp();
    let value = x.max(0.0) + small.ln_1p();
    let slope = if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    (value, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_is_safe_and_keeps_small_sums() {
        let mut list = [1e4, 1e4 + 1.0];
        let found = log_sum_exp(&mut list, |_| 1.0, false);
        assert!((found - (1e4 + 1.0 + (-1.0_f64).exp().ln_1p())).abs() < 1e-11);
        assert!((list[0] + list[1] - 1.0).abs() < 1e-15);
        let mut list = [-40.0];
        assert!((log_sum_exp(&mut list, |_| 2.0, true) / (2.0 * (-40.0_f64).exp()) - 1.0).abs() < 1e-15);
        let mut list = [3.0_f64, -1.0];
        let expected = (1.0 + 3.0_f64.exp() + 2.0 * (-1.0_f64).exp()).ln();
        assert!((log_sum_exp(&mut list, |at| 1.0 + at as f64, true) - expected).abs() < 1e-15);
        assert_eq!(log_sum_exp(&mut [], |_| 1.0, false), 0.0);
    }

    #[test]
    fn softplus_holds_at_both_ends() {
        assert_eq!(softplus(1e4), (1e4, 1.0));
        assert_eq!(softplus(-1e4), (0.0, 0.0));
        let (value, slope) = softplus(0.0);
        assert!((value - 2.0_f64.ln()).abs() < 1e-15 && slope == 0.5);
    }
}
