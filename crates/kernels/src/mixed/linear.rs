//! The three products of a fully connected layer in mixed precision, on all threads.
//!
//! The weights are `[inputs, outputs]`. They can be much larger than the batch, so every product divides the work by the
//! columns or rows of the weights: each task rounds its part of them once and reads it while it is in the cache.

use super::{Left, Right, product, with_spare};
use crate::matrix::{MatRef, Write};
use rayon::prelude::*;
use std::ops::Range;

/// Tasks that a product is divided into, if it is large enough. A property of the shape, not of the machine.
const TASKS: usize = 32;

/// Least rows or columns of the weights per task: two panels of the right factor.
const LEAST: usize = 64;

/// `input x weights`: `[batch, outputs]`.
///
/// # Panics
/// If `input` does not have as many columns as `weights` has rows.
pub fn forward(input: MatRef<'_>, weights: MatRef<'_>) -> Vec<f32> {
    assert_eq!(input.cols(), weights.rows(), "inputs of a fully connected layer");
    by_columns(input, weights.cols(), |right, columns| right.store_columns(weights, columns))
}

/// The gradient of the input: `output_gradient x weights^T`, `[batch, inputs]`.
///
/// # Panics
/// If both do not have the same number of columns.
pub fn input_gradient(output_gradient: MatRef<'_>, weights: MatRef<'_>) -> Vec<f32> {
    assert_eq!(output_gradient.cols(), weights.cols(), "outputs of a fully connected layer");
    by_columns(output_gradient, weights.rows(), |right, rows| {
        right.store_transposed(weights.slice_rows(rows));
    })
}

/// The gradient of the weights: `input^T x output_gradient`, `[inputs, outputs]`.
///
/// # Panics
/// If both do not have the same number of rows.
pub fn weight_gradient(input: MatRef<'_>, output_gradient: MatRef<'_>) -> Vec<f32> {
    assert_eq!(input.rows(), output_gradient.rows(), "batch of a fully connected layer");
    let (inputs, outputs) = (input.cols(), output_gradient.cols());
    let mut out = vec![0.0; inputs * outputs];
    if out.is_empty() {
        return out;
    }
    let mut right = Right::default();
    right.store(output_gradient);
    let rows = per_task(inputs);
    out.par_chunks_mut(rows * outputs).enumerate().for_each(|(task, out)| {
        let first = task * rows;
        with_spare(|left, _| {
            left.store_columns(input, first..first + out.len() / outputs);
            product(out, left, &right, Write::Replace);
        });
    });
    out
}

/// `left x right` for a right factor of so many columns, of which `store` stores some.
fn by_columns(left: MatRef<'_>, columns: usize, store: impl Fn(&mut Right, Range<usize>) + Sync) -> Vec<f32> {
    let rows = left.rows();
    let mut out = vec![0.0; rows * columns];
    if out.is_empty() {
        return out;
    }
    let mut stored = Left::default();
    stored.store(left);
    let wide = per_task(columns);
    let parts: Vec<Vec<f32>> = (0..columns.div_ceil(wide))
        .into_par_iter()
        .map(|task| {
            let range = task * wide..((task + 1) * wide).min(columns);
            let mut part = vec![0.0; rows * range.len()];
            with_spare(|_, right| {
                store(right, range);
                product(&mut part, &stored, right, Write::Replace);
            });
            part
        })
        .collect();
    out.par_chunks_exact_mut(columns).enumerate().for_each(|(row, out)| {
        for (out, part) in out.chunks_mut(wide).zip(&parts) {
            out.copy_from_slice(&part[row * out.len()..][..out.len()]);
        }
    });
    out
}

/// Rows or columns of a task.
fn per_task(total: usize) -> usize {
    total.div_ceil(TASKS).next_multiple_of(LEAST)
}

#[cfg(test)]
mod tests {
    use super::super::tests::nearest;
    use super::*;
    use crate::matrix::tests::{transposed, values};

    /// Sums in f64 of rounded factors; the bound is that of a sum in f32 in any order.
    fn assert_product(found: &[f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) {
        assert_eq!(found.len(), m * n);
        for (at, found) in found.iter().enumerate() {
            let terms =
                (0..k).map(|p| f64::from(nearest(a[at / n * k + p])) * f64::from(nearest(b[p * n + at % n])));
            let (value, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            let bound = (k as f64 + 2.0) * f64::from(f32::EPSILON) * size;
            assert!((f64::from(*found) - value).abs() <= bound, "[{m}, {k}, {n}] at {at}: {found}, {value}");
        }
    }

    #[test]
    fn the_three_products_are_those_of_plain_sums_for_any_number_of_threads() {
        for [batch, inputs, outputs] in
            [[1, 1, 1], [3, 65, 2], [15, 2, 63], [5, 130, 129], [33, 70, 64], [2, 2100, 3], [4, 3, 2100]]
        {
            let (x, w, g) =
                (values(batch * inputs, 1), values(inputs * outputs, 2), values(batch * outputs, 3));
            let view = |data, rows, cols| MatRef::new(data, rows, cols).expect("sizes of the test");
            let (input, weights, gradient) =
                (view(&x, batch, inputs), view(&w, inputs, outputs), view(&g, batch, outputs));
            let run = |threads| {
                let pool =
                    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
                pool.install(|| {
                    [
                        forward(input, weights),
                        input_gradient(gradient, weights),
                        weight_gradient(input, gradient),
                    ]
                })
            };
            let [output, of_input, of_weights] = run(1);
            assert_product(&output, &x, &w, [batch, inputs, outputs]);
            assert_product(&of_input, &g, &transposed(&w, inputs, outputs), [batch, outputs, inputs]);
            assert_product(&of_weights, &transposed(&x, batch, inputs), &g, [inputs, batch, outputs]);
            assert_eq!([output, of_input, of_weights], run(3));
        }
    }

    #[test]
    fn an_empty_batch_gives_no_outputs_and_zero_gradients() {
        let weights = [1.0; 6];
        let weights = MatRef::new(&weights, 2, 3).expect("a matrix");
        let (input, gradient) =
            (MatRef::new(&[], 0, 2).expect("empty"), MatRef::new(&[], 0, 3).expect("empty"));
        assert!(forward(input, weights).is_empty());
        assert!(input_gradient(gradient, weights).is_empty());
        assert_eq!(weight_gradient(input, gradient), [0.0; 6]);
    }
}
