//! The matrix of distances or similarities of all pairs, and the gradient through it.
//!
//! Every measure is a function of inner products of prepared rows ([`Units`]), so one matrix product gives all values and
//! one more the gradient:
//!
//! | measure | for unit rows `u`, `v` | derivative with respect to `u . v` |
//! |---|---|---|
//! | cosine | `u . v` | `1` |
//! | Euclidean `d` | `sqrt(2 - 2 u . v)` | `-1 / d` |
//! | squared Euclidean | `2 - 2 u . v` | `-2` |
//! | signal-to-noise | `var(u - v) / var(u)`, variances over the coordinates | `-2 / |u - mean u|^2` |
//!
//! The lengths of `u` and `v` do not matter for a gradient, since the normalisation removes the part along `u`.
//!
//! Two rows that are close need care: `2 - 2 u . v` loses digits, and `1 / d` magnifies the error. Value and gradient of pairs
//! closer than [`near`] are therefore computed from the difference of the rows. At `d = 0`, where the derivative of `d` has
//! no direction, the gradient is zero.

use rayon::prelude::*;

use super::product::{dots, weighted, weighted_transposed};
use super::units::Units;
use crate::real::Real;
use crate::unit::squared_distance;

/// How two embeddings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Cosine,
    Euclidean,
    SquaredEuclidean,
    SignalToNoise,
}

/// An anchor whose variance (times the number of coordinates less one) is below this carries no signal: its row of
/// signal-to-noise distances is `NaN`, which violates no margin, and has zero gradient.
const SIGNAL_FLOOR: f64 = 1e-12;

/// Below this distance of two unit vectors `sqrt(2 - 2 u . v)` loses half of its digits or more.
fn near<T: Real>() -> f64 {
    let epsilon: f64 = T::epsilon().into();
    if epsilon > 1e-10 { 0.1 } else { 1e-3 }
}

/// The matrix of one measure, and the rows it was computed from.
#[derive(Clone, Debug)]
pub(crate) struct Matrix<T> {
    pub(crate) measure: Measure,
    pub(crate) values: Vec<T>,
    pub(crate) queries: Units<T>,
    /// `None` if the rows are compared with each other.
    pub(crate) references: Option<Units<T>>,
}

impl<T: Real> Matrix<T> {
    /// Compares every query with every reference, or with every other query.
    pub(crate) fn new(measure: Measure, queries: Units<T>, references: Option<Units<T>>) -> Self {
        let other = references.as_ref().unwrap_or(&queries);
        let mut values = dots(queries.compared(), other.compared(), [queries.rows, other.rows, queries.cols]);
        if measure != Measure::Cosine && other.rows > 0 {
            let itself = references.is_none();
            values.par_chunks_mut(other.rows).enumerate().for_each(|(at, row)| {
                for (to, value) in row.iter_mut().enumerate() {
                    *value = if itself && at == to {
                        T::zero()
                    } else {
                        T::from_f64(distance(measure, &queries, other, at, to, (*value).into()))
                    };
                }
            });
        }
        Self { measure, values, queries, references }
    }

    pub(crate) fn other(&self) -> &Units<T> {
        self.references.as_ref().unwrap_or(&self.queries)
    }

    pub(crate) fn rows(&self) -> usize {
        self.queries.rows
    }

    #[expect(clippy::misnamed_getters, reason = "a column of the matrix is a row of the references")]
    pub(crate) fn cols(&self) -> usize {
        self.other().rows
    }

    /// One row of the matrix.
    pub(crate) fn row(&self, at: usize) -> &[T] {
        &self.values[at * self.cols()..(at + 1) * self.cols()]
    }

    /// Gradients with respect to the given queries and, if `of_references`, the references, from `gradient` (with respect to the
    /// entries of the matrix) times `scale`. Rows compared with each other get the sum of both roles.
    pub(crate) fn backward(
        &self,
        gradient: Vec<T>,
        scale: f64,
        of_references: bool,
    ) -> (Vec<T>, Option<Vec<T>>) {
        let (rows, cols, dim) = (self.rows(), self.cols(), self.queries.cols);
        let lengths = (self.measure == Measure::SignalToNoise).then(|| self.length_slopes(&gradient));
        let products = self.product_slopes(gradient);
        let Some(references) = &self.references else {
            let (both, close) = self.both_roles(&products);
            let mut grad = weighted(&both, self.queries.compared(), [rows, dim, rows]);
            self.add_close(&mut grad, &self.queries, &close);
            if let Some((query, reference)) = lengths {
                let sums: Vec<f64> = query.iter().zip(&reference).map(|(q, r)| q + r).collect();
                add_lengths(&mut grad, &self.queries, &sums);
            }
            return (self.queries.finish(grad, scale), None);
        };
        let (far, close) = self.split_close(products);
        let mut grad = weighted(&far, references.compared(), [rows, dim, cols]);
        self.add_close(&mut grad, references, &close);
        if let Some((query, _)) = &lengths {
            add_lengths(&mut grad, &self.queries, query);
        }
        let grad_references = of_references.then(|| {
            debug_assert!(
                close.is_empty() && lengths.is_none(),
                "proxies are compared by cosines and squares"
            );
            let grad = weighted_transposed(&far, self.queries.compared(), [cols, dim, rows]);
            references.finish(grad, scale)
        });
        (self.queries.finish(grad, scale), grad_references)
    }

    /// Turns derivatives with respect to the entries into derivatives with respect to the inner products.
    fn product_slopes(&self, mut slopes: Vec<T>) -> Vec<T> {
        if self.measure == Measure::Cosine || self.cols() == 0 {
            return slopes;
        }
        slopes.par_chunks_mut(self.cols()).enumerate().for_each(|(at, row)| {
            let square = self.queries.squares[at];
            for (slope, &value) in row.iter_mut().zip(self.row(at)) {
                let (wide, value): (f64, f64) = ((*slope).into(), value.into());
                *slope = T::from_f64(match self.measure {
                    Measure::Cosine => wide,
                    Measure::SquaredEuclidean => -2.0 * wide,
                    Measure::Euclidean if value > 0.0 => -wide / value,
                    Measure::SignalToNoise if square >= SIGNAL_FLOOR => -2.0 * wide / square,
                    Measure::Euclidean | Measure::SignalToNoise => 0.0,
                });
            }
        });
        slopes
    }

    /// For the signal-to-noise ratio: derivatives with respect to the squared lengths of queries and references.
    fn length_slopes(&self, slopes: &[T]) -> (Vec<f64>, Vec<f64>) {
        let mut query = vec![0.0; self.rows()];
        let mut reference = vec![0.0; self.cols()];
        for (at, query) in query.iter_mut().enumerate() {
            let square = self.queries.squares[at];
            if square < SIGNAL_FLOOR {
                continue;
            }
            let row = &slopes[at * self.cols()..(at + 1) * self.cols()];
            for ((&slope, &value), reference) in row.iter().zip(self.row(at)).zip(&mut reference) {
                let (slope, value): (f64, f64) = (slope.into(), value.into());
                *query += slope * (1.0 - value) / square;
                *reference += slope / square;
            }
        }
        (query, reference)
    }

    fn is_close(&self, at: usize, to: usize) -> bool {
        let value: f64 = self.values[at * self.cols() + to].into();
        self.measure == Measure::Euclidean && value < near::<T>()
    }

    /// `slopes + slopes^T`, with the entries of close pairs returned separately.
    fn both_roles(&self, slopes: &[T]) -> (Vec<T>, Vec<Vec<(usize, f64)>>) {
        let rows = self.rows();
        let mut both = vec![T::zero(); rows * rows];
        if rows == 0 {
            return (both, Vec::new());
        }
        let close = both
            .par_chunks_mut(rows)
            .enumerate()
            .map(|(at, out)| {
                let mut close = Vec::new();
                for (to, out) in out.iter_mut().enumerate() {
                    let slope = slopes[at * rows + to] + slopes[to * rows + at];
                    if slope != T::zero() && self.is_close(at, to) {
                        close.push((to, slope.into()));
                    } else {
                        *out = slope;
                    }
                }
                close
            })
            .collect();
        (both, close)
    }

    fn split_close(&self, mut slopes: Vec<T>) -> (Vec<T>, Vec<Vec<(usize, f64)>>) {
        if self.measure != Measure::Euclidean || self.cols() == 0 {
            return (slopes, Vec::new());
        }
        let close = slopes
            .par_chunks_mut(self.cols())
            .enumerate()
            .map(|(at, row)| {
                let mut close = Vec::new();
                for (to, slope) in row.iter_mut().enumerate() {
                    if *slope != T::zero() && self.is_close(at, to) {
                        close.push((to, (*slope).into()));
                        *slope = T::zero();
                    }
                }
                close
            })
            .collect();
        (slopes, close)
    }

    /// Adds the gradient of close pairs, computed from the difference of the two rows.
    fn add_close(&self, grad: &mut [T], references: &Units<T>, close: &[Vec<(usize, f64)>]) {
        let dim = self.queries.cols;
        if dim == 0 || close.is_empty() {
            return;
        }
        grad.par_chunks_mut(dim).zip(close).enumerate().for_each(|(at, (grad, close))| {
            let query = self.queries.row(at);
            let mut sums = vec![0.0; if close.is_empty() { 0 } else { dim }];
            for &(to, slope) in close {
                for ((sum, &v), &u) in sums.iter_mut().zip(references.row(to)).zip(query) {
                    *sum += slope * (v.into() - u.into());
                }
            }
            for (grad, sum) in grad.iter_mut().zip(sums) {
                *grad = T::from_f64((*grad).into() + sum);
            }
        });
    }
}

fn distance<T: Real>(
    measure: Measure,
    queries: &Units<T>,
    references: &Units<T>,
    at: usize,
    to: usize,
    product: f64,
) -> f64 {
    let sizes = queries.squares[at] + references.squares[to];
    let mut square = sizes - 2.0 * product;
    if square < near::<T>().powi(2) * 0.5 * sizes || square < near::<T>().powi(2) {
        square = squared_distance(queries.row(at), references.row(to));
    }
    match measure {
        Measure::Cosine => product,
        Measure::Euclidean => square.sqrt(),
        Measure::SquaredEuclidean => square,
        Measure::SignalToNoise if queries.squares[at] >= SIGNAL_FLOOR => square / queries.squares[at],
        Measure::SignalToNoise => f64::NAN,
    }
}

/// Adds the gradient of squared lengths: `2 slope row`.
fn add_lengths<T: Real>(grad: &mut [T], units: &Units<T>, slopes: &[f64]) {
    for (at, (grad, slope)) in grad.chunks_mut(units.cols.max(1)).zip(slopes).enumerate() {
        for (grad, &value) in grad.iter_mut().zip(units.row(at)) {
            *grad = T::from_f64((*grad).into() + 2.0 * slope * value.into());
        }
    }
}
