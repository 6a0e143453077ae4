//! Sums, rectifiers and norms of whole tensors, on all threads.
//!
//! These loops are limited by memory bandwidth. A sum and the rectifier after it are one pass.

use crate::fresh::written;
use crate::simd::{detected, dispatch};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Values of a task.
const CHUNK: usize = 32 * 1024;

/// `one + other`.
///
/// # Panics
/// If the lengths differ.
pub fn sum(one: &[f32], other: &[f32]) -> Vec<f32> {
    combined(one, other, |one, other, out| {
        dispatch!(detected(), fn(one: &[f32], other: &[f32], out: &mut [MaybeUninit<f32>]) {
            for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
                out.write(one + other);
            }
        });
    })
}

/// `max(one + other, 0)`; a NaN stays NaN.
///
/// # Panics
/// If the lengths differ.
pub fn rectified_sum(one: &[f32], other: &[f32]) -> Vec<f32> {
    combined(one, other, |one, other, out| {
        dispatch!(detected(), fn(one: &[f32], other: &[f32], out: &mut [MaybeUninit<f32>]) {
            for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
                let sum = one + other;
                out.write(if sum <= 0.0 { 0.0 } else { sum });
            }
        });
    })
}

/// The gradient of each operand of [`rectified_sum`]: `gradient` where `output` is positive or NaN, 0 elsewhere.
///
/// # Panics
/// If the lengths differ.
pub fn rectified_gradient(output: &[f32], gradient: &[f32]) -> Vec<f32> {
    combined(output, gradient, |output, gradient, out| {
        dispatch!(detected(), fn(output: &[f32], gradient: &[f32], out: &mut [MaybeUninit<f32>]) {
            for ((out, output), gradient) in out.iter_mut().zip(output).zip(gradient) {
                out.write(if *output <= 0.0 { 0.0 } else { *gradient });
            }
        });
    })
}

/// The sum of the squares of all values, in `f64`. The order of summation does not depend on the number of threads.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    const LANES: usize = 8;
    let of_chunk = |values: &[f32]| {
        dispatch!(detected(), fn(values: &[f32]) -> f64 {
            let (blocks, rest) = values.as_chunks::<LANES>();
            let mut sums = [0.0f64; LANES];
            for block in blocks {
                for lane in 0..LANES {
                    sums[lane] += f64::from(block[lane]) * f64::from(block[lane]);
                }
            }
            for (sum, value) in sums.iter_mut().zip(rest) {
                *sum += f64::from(*value) * f64::from(*value);
            }
            sums.iter().sum()
        })
    };
    values.par_chunks(CHUNK).map(of_chunk).collect::<Vec<f64>>().into_iter().sum()
}

fn combined(
    one: &[f32],
    other: &[f32],
    each: impl Fn(&[f32], &[f32], &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    assert_eq!(one.len(), other.len(), "two tensors of one shape");
    // SAFETY: the chunks cover all values, and the loops above write each value of a chunk.
    unsafe {
        written(one.len(), |out| {
            let chunks = out.par_chunks_mut(CHUNK).zip(one.par_chunks(CHUNK)).zip(other.par_chunks(CHUNK));
            chunks.for_each(|((out, one), other)| each(one, other, out));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_that_of_the_plain_formula() {
        for length in [0, 1, 3, 63, 64, 65, CHUNK - 1, CHUNK + 5] {
            let values =
                |step: usize| -> Vec<f32> { (0..length).map(|at| (at * step % 17) as f32 - 8.0).collect() };
            let (one, other) = (values(5), values(7));
            let sums: Vec<f32> = one.iter().zip(&other).map(|(a, b)| a + b).collect();
            assert_eq!(sum(&one, &other), sums);
            let rectified = rectified_sum(&one, &other);
            let gradient = rectified_gradient(&rectified, &one);
            for (at, sum) in sums.iter().enumerate() {
                let expected = if *sum > 0.0 { (*sum, one[at]) } else { (0.0, 0.0) };
                assert_eq!((rectified[at], gradient[at]), expected);
            }
        }
    }

    #[test]
    fn squares_are_summed_in_f64() {
        for length in [0, 1, 7, 8, 65, 3 * CHUNK + 11] {
            let values: Vec<f32> = (0..length).map(|at| (at * 7919 % 1013) as f32 / 100.0 - 5.0).collect();
            let expected: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
            let sums = [1, 3].map(|threads| {
                let pool =
                    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
                pool.install(|| sum_of_squares(&values))
            });
            assert!((sums[0] - expected).abs() <= 1e-12 * expected, "{} {expected}", sums[0]);
            assert_eq!(sums[0].to_bits(), sums[1].to_bits());
        }
        assert!(sum_of_squares(&[1.0, f32::NAN]).is_nan());
    }

    #[test]
    fn a_nan_is_not_hidden() {
        let found = rectified_sum(&[f32::NAN, -0.0, -1.0, f32::INFINITY], &[1.0, 0.0, 1.0, 0.0]);
        assert!(found[0].is_nan());
        assert_eq!(found[1..], [0.0, 0.0, f32::INFINITY]);
        assert_eq!(rectified_gradient(&found, &[1.0, 2.0, 3.0, 4.0]), [1.0, 0.0, 0.0, 4.0]);
    }
}
