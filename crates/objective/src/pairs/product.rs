//! The two matrix products that pair objectives need, in either precision.
//!
//! In `f32` they use [`widemargin_kernels::matrix`]. That crate has no `f64`, which is used for references and gradient
//! checks but not for training, so `f64` uses plain loops, parallel over the rows of the result. Neither depends on the number of
//! threads. A trait method on [`Real`] would be visible outside this crate, so the choice is made by a downcast of the whole
//! vector, which costs nothing.

use std::any::Any;

use rayon::prelude::*;
use widemargin_kernels::matrix::{MatRef, Threads, Write, matmul, matmul_transposed_a, matmul_transposed_b};

use crate::real::Real;
use crate::unit::dot;

/// `a x b^T`: `[m, k]` with `[n, k]` to `[m, n]`.
pub(crate) fn dots<T: Real>(a: &Vec<T>, b: &Vec<T>, [m, n, k]: [usize; 3]) -> Vec<T> {
    let mut out = vec![T::zero(); m * n];
    if let Some((out, a, b)) = as_f32(&mut out, a, b) {
        matmul_transposed_b(out, view(a, m, k), view(b, n, k), Write::Replace, Threads::Rayon);
    } else if n > 0 {
        out.par_chunks_mut(n).enumerate().for_each(|(row, out)| {
            let left = &a[row * k..(row + 1) * k];
            for (col, value) in out.iter_mut().enumerate() {
                *value = T::from_f64(dot(left, &b[col * k..(col + 1) * k]));
            }
        });
    }
    out
}

/// `w x b`: `[m, k]` with `[k, n]` to `[m, n]`.
pub(crate) fn weighted<T: Real>(w: &Vec<T>, b: &Vec<T>, [m, n, k]: [usize; 3]) -> Vec<T> {
    let mut out = vec![T::zero(); m * n];
    if let Some((out, w, b)) = as_f32(&mut out, w, b) {
        matmul(out, view(w, m, k), view(b, k, n), Write::Replace, Threads::Rayon);
    } else {
        sums(&mut out, n, b, |row, at| w[row * k + at], k);
    }
    out
}

/// `w^T x b`: `[k, m]` with `[k, n]` to `[m, n]`.
pub(crate) fn weighted_transposed<T: Real>(w: &Vec<T>, b: &Vec<T>, [m, n, k]: [usize; 3]) -> Vec<T> {
    let mut out = vec![T::zero(); m * n];
    if let Some((out, w, b)) = as_f32(&mut out, w, b) {
        matmul_transposed_a(out, view(w, k, m), view(b, k, n), Write::Replace, Threads::Rayon);
    } else {
        sums(&mut out, n, b, |row, at| w[at * m + row], k);
    }
    out
}

fn sums<T: Real>(
    out: &mut [T],
    cols: usize,
    b: &[T],
    weight: impl Fn(usize, usize) -> T + Sync,
    count: usize,
) {
    if cols == 0 {
        return;
    }
    out.par_chunks_mut(cols).enumerate().for_each(|(row, out)| {
        for at in 0..count {
            let weight = weight(row, at);
            if weight != T::zero() {
                for (sum, &value) in out.iter_mut().zip(&b[at * cols..(at + 1) * cols]) {
                    *sum = *sum + weight * value;
                }
            }
        }
    });
}

type Operands<'a> = (&'a mut Vec<f32>, &'a Vec<f32>, &'a Vec<f32>);

#[expect(clippy::ptr_arg, reason = "a downcast needs a type of known size")]
fn as_f32<'a, T: Real>(out: &'a mut Vec<T>, a: &'a Vec<T>, b: &'a Vec<T>) -> Option<Operands<'a>> {
    let out = (out as &mut dyn Any).downcast_mut::<Vec<f32>>()?;
    let a = (a as &dyn Any).downcast_ref::<Vec<f32>>()?;
    let b = (b as &dyn Any).downcast_ref::<Vec<f32>>()?;
    Some((out, a, b))
}

fn view(data: &[f32], rows: usize, cols: usize) -> MatRef<'_, f32> {
    MatRef::new(data, rows, cols).expect("the callers pass matrices that they sized themselves")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::values;

    #[test]
    fn both_precisions_give_the_same_products() {
        for [m, n, k] in [[0, 3, 2], [1, 1, 1], [3, 5, 7], [9, 4, 17], [4, 3, 0]] {
            let (a, b) = (values(m * k, 1), values(n * k, 2));
            let (w, w_t, c) = (values(m * k, 3), values(k * m, 4), values(k * n, 5));
            let low = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
            let close = |high: Vec<f64>, low: Vec<f32>| {
                assert_eq!(high.len(), low.len());
                for (high, low) in high.iter().zip(low) {
                    assert!((high - f64::from(low)).abs() < 1e-5, "{high} {low}");
                }
            };
            close(dots(&a, &b, [m, n, k]), dots(&low(&a), &low(&b), [m, n, k]));
            close(weighted(&w, &c, [m, n, k]), weighted(&low(&w), &low(&c), [m, n, k]));
            close(
                weighted_transposed(&w_t, &c, [m, n, k]),
                weighted_transposed(&low(&w_t), &low(&c), [m, n, k]),
            );
            for (row, found) in dots(&a, &b, [m, n, k]).chunks(n.max(1)).enumerate() {
                for (col, found) in found.iter().enumerate() {
                    let expected: f64 = (0..k).map(|at| a[row * k + at] * b[col * k + at]).sum();
                    assert!((found - expected).abs() < 1e-14);
                }
            }
        }
    }
}
