//! Maximum pooling over square windows, disjoint or overlapping, with or without padding.

use crate::fresh::written;
use crate::simd::{detected, dispatch};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Planes (batch times channels) of `height` rows and `width` columns, pooled in windows of `size` by `size`.
///
/// Windows start `stride` apart, the first one `padding` before the edge. Positions outside the plane are never the
/// maximum. Rows and columns that do not fill a window at the lower and right edge are omitted, as in PyTorch's
/// `MaxPool2d(size, stride, padding)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Batch times channels.
    pub planes: usize,
    /// Rows of a plane.
    pub height: usize,
    /// Columns of a plane.
    pub width: usize,
    /// Rows and columns of a window, 1 to 15.
    pub size: usize,
    /// Rows and columns from one window to the next, at least 1.
    pub stride: usize,
    /// Rows and columns of padding, at most half of `size`, so that every window contains a value.
    pub padding: usize,
}

impl PoolShape {
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        self.windows(self.height)
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        self.windows(self.width)
    }

    fn windows(&self, side: usize) -> usize {
        (side + 2 * self.padding).checked_sub(self.size).map_or(0, |rest| rest / self.stride + 1)
    }

    fn input_plane(&self) -> usize {
        self.height * self.width
    }

    fn output_plane(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// The positions of a side of length `side` that window `at` covers, and the number of its positions before the first.
    fn covered(&self, at: usize, side: usize) -> (std::ops::Range<usize>, usize) {
        let begin = at * self.stride;
        let first = begin.saturating_sub(self.padding);
        (first..(begin + self.size - self.padding).min(side), first + self.padding - begin)
    }

    fn check(&self) {
        assert!((1..=15).contains(&self.size), "a pooling window must have 1 to 15 rows: {self:?}");
        assert!(self.stride > 0, "the stride of a pooling must be at least 1: {self:?}");
        assert!(
            self.padding * 2 <= self.size,
            "the padding of a pooling must be at most half a window: {self:?}"
        );
    }
}

/// The maximum of each window and its position `row * size + column` within the window, the first one of equals.
///
/// A window with a NaN gives NaN, so that an earlier fault is not hidden.
///
/// # Panics
/// If the length of `input` does not match `shape`, or size, stride or padding is out of range.
pub fn maximum(shape: PoolShape, input: &[f32]) -> (Vec<f32>, Vec<u8>) {
    shape.check();
    assert_eq!(input.len(), shape.planes * shape.input_plane(), "input of a pooling {shape:?}");
    let mut values = vec![0.0; shape.planes * shape.output_plane()];
    let mut chosen = vec![0u8; values.len()];
    if values.is_empty() {
        return (values, chosen);
    }
    values
        .par_chunks_mut(shape.output_plane())
        .zip(chosen.par_chunks_mut(shape.output_plane()))
        .zip(input.par_chunks(shape.input_plane()))
        .for_each(|((values, chosen), input)| {
            dispatch!(detected(), fn(shape: PoolShape, values: &mut [f32], chosen: &mut [u8], input: &[f32]) {
                pool_plane(shape, values, chosen, input);
            });
        });
    (values, chosen)
}

#[inline(always)]
fn pool_plane(shape: PoolShape, values: &mut [f32], chosen: &mut [u8], input: &[f32]) {
    let two_by_two = (shape.size, shape.stride, shape.padding) == (2, 2, 0);
    let rows = values.chunks_exact_mut(shape.out_width()).zip(chosen.chunks_exact_mut(shape.out_width()));
    for (row, (values, chosen)) in rows.enumerate() {
        if two_by_two {
            keep_largest_of_four(&input[row * 2 * shape.width..][..2 * shape.width], values, chosen);
        } else {
            pool_row(shape, row, input, values, chosen);
        }
    }
}

/// One row of windows of any size: tap by tap over all windows, which the compiler turns into vector instructions.
#[inline(always)]
fn pool_row(shape: PoolShape, row: usize, input: &[f32], values: &mut [f32], chosen: &mut [u8]) {
    let (rows, rows_before) = shape.covered(row, shape.height);
    values.fill(f32::NEG_INFINITY);
    for (column, chosen) in chosen.iter_mut().enumerate() {
        let (_, columns_before) = shape.covered(column, shape.width);
        *chosen = (rows_before * shape.size + columns_before) as u8;
    }
    for (row, within) in rows.zip(rows_before..) {
        let line = &input[row * shape.width..][..shape.width];
        for tap in 0..shape.size {
            // The first window whose tap is inside the plane, and the place that it reads.
            let first = shape.padding.saturating_sub(tap).div_ceil(shape.stride);
            let (Some(line), Some(values), Some(chosen)) = (
                line.get(first * shape.stride + tap - shape.padding..),
                values.get_mut(first..),
                chosen.get_mut(first..),
            ) else {
                continue;
            };
            let (stride, at) = (shape.stride, (within * shape.size + tap) as u8);
            match stride {
                1 => keep_largest(line.iter().copied(), at, values, chosen),
                2 => {
                    let (pairs, rest) = line.as_chunks::<2>();
                    let count = pairs.len().min(values.len());
                    let (values, after) = values.split_at_mut(count);
                    let (chosen, chosen_after) = chosen.split_at_mut(count);
                    keep_largest(pairs.iter().map(|pair| pair[0]), at, values, chosen);
                    keep_largest(rest.iter().copied(), at, after, chosen_after);
                }
                _ => keep_largest(line.iter().copied().step_by(stride), at, values, chosen),
            }
        }
    }
}

/// Replaces each value, and the place it was found, by `found` if that is larger or NaN.
#[inline(always)]
fn keep_largest(found: impl Iterator<Item = f32>, at: u8, values: &mut [f32], chosen: &mut [u8]) {
    for ((value, chosen), found) in values.iter_mut().zip(chosen).zip(found) {
        let larger = (found > *value) | found.is_nan();
        *value = if larger { found } else { *value };
        *chosen = if larger { at } else { *chosen };
    }
}

/// One row of 2 x 2 windows from its two rows of the input. Without branches, so that the compiler uses vector instructions.
#[inline(always)]
fn keep_largest_of_four(rows: &[f32], values: &mut [f32], chosen: &mut [u8]) {
    let (upper, lower) = rows.split_at(rows.len() / 2);
    let windows = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    for ((value, chosen), (upper, lower)) in values.iter_mut().zip(chosen).zip(windows) {
        let (mut best, mut at) = (upper[0], 0);
        for (place, found) in [(1, upper[1]), (2, lower[0]), (3, lower[1])] {
            let larger = (found > best) | found.is_nan();
            best = if larger { found } else { best };
            at = if larger { place } else { at };
        }
        (*value, *chosen) = (best, at);
    }
}

/// The gradient of [`maximum`]: each output gradient is added to its window's maximum; all other values get zero.
///
/// # Panics
/// If the length of a slice does not match `shape`.
pub fn maximum_gradient(shape: PoolShape, output_gradient: &[f32], chosen: &[u8]) -> Vec<f32> {
    shape.check();
    assert_eq!(
        output_gradient.len(),
        shape.planes * shape.output_plane(),
        "output gradient of a pooling {shape:?}"
    );
    assert_eq!(chosen.len(), output_gradient.len(), "positions of a pooling {shape:?}");
    let length = shape.planes * shape.input_plane();
    if output_gradient.is_empty() {
        return vec![0.0; length];
    }
    // SAFETY: every plane is filled.
    unsafe { written(length, |gradient| spread_planes(shape, output_gradient, chosen, gradient)) }
}

fn spread_planes(
    shape: PoolShape,
    output_gradient: &[f32],
    chosen: &[u8],
    gradient: &mut [MaybeUninit<f32>],
) {
    let (size, stride, padding, width) = (shape.size, shape.stride, shape.padding, shape.width);
    let places: Vec<(usize, usize)> = (0..size * size).map(|place| (place / size, place % size)).collect();
    gradient
        .par_chunks_mut(shape.input_plane())
        .zip(output_gradient.par_chunks(shape.output_plane()))
        .zip(chosen.par_chunks(shape.output_plane()))
        .for_each(|((gradient, output), chosen)| {
            gradient.fill(MaybeUninit::new(0.0));
            // SAFETY: all values have just been written.
            let gradient = unsafe { gradient.assume_init_mut() };
            if (size, stride, padding) == (2, 2, 0) {
                let rows = gradient.chunks_exact_mut(2 * width);
                let outputs =
                    output.chunks_exact(shape.out_width()).zip(chosen.chunks_exact(shape.out_width()));
                for (rows, (output, chosen)) in rows.zip(outputs) {
                    dispatch!(detected(), fn(rows: &mut [f32], output: &[f32], chosen: &[u8]) {
                        spread(rows, output, chosen);
                    });
                }
                return;
            }
            let rows = output.chunks_exact(shape.out_width()).zip(chosen.chunks_exact(shape.out_width()));
            for (row, (output, chosen)) in rows.enumerate() {
                for (column, (output, chosen)) in output.iter().zip(chosen).enumerate() {
                    let (down, right) = places[usize::from(*chosen)];
                    gradient[(row * stride + down - padding) * width + column * stride + right - padding] +=
                        *output;
                }
            }
        });
}

/// Writes the gradients of one row of 2 x 2 windows to their two rows of the input.
#[inline(always)]
fn spread(rows: &mut [f32], output: &[f32], chosen: &[u8]) {
    let (upper, lower) = rows.split_at_mut(rows.len() / 2);
    let (upper, lower) = (upper.as_chunks_mut::<2>().0, lower.as_chunks_mut::<2>().0);
    for ((upper, lower), (output, chosen)) in upper.iter_mut().zip(lower).zip(output.iter().zip(chosen)) {
        let place = |at: u8| if *chosen == at { *output } else { 0.0 };
        (*upper, *lower) = ([place(0), place(1)], [place(2), place(3)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with a plain search of every window.
    fn check(shape: PoolShape) {
        let input: Vec<f32> =
            (0..shape.planes * shape.input_plane()).map(|i| ((i * 7919) % 101) as f32 - 50.0).collect();
        let (values, chosen) = maximum(shape, &input);
        let output_gradient: Vec<f32> = (0..values.len()).map(|at| (at % 17) as f32 - 8.0).collect();
        let gradient = maximum_gradient(shape, &output_gradient, &chosen);
        let mut expected_gradient = vec![0.0; input.len()];
        let inside = |at: usize, within: usize, side: usize| {
            (at * shape.stride + within).checked_sub(shape.padding).filter(|place| *place < side)
        };
        for (out, value) in values.iter().enumerate() {
            let (plane, place) = (out / shape.output_plane(), out % shape.output_plane());
            let (row, column) = (place / shape.out_width(), place % shape.out_width());
            let mut best: Option<usize> = None;
            for within in 0..shape.size * shape.size {
                let row = inside(row, within / shape.size, shape.height);
                let column = inside(column, within % shape.size, shape.width);
                let (Some(row), Some(column)) = (row, column) else { continue };
                let at = (plane * shape.height + row) * shape.width + column;
                if best.is_none_or(|best| input[at] > input[best]) {
                    best = Some(at);
                }
            }
            let best = best.expect("every window contains a value");
            assert_eq!(*value, input[best], "{shape:?}");
            expected_gradient[best] += output_gradient[out];
        }
        assert_eq!(gradient, expected_gradient, "{shape:?}");
    }

    #[test]
    fn every_window_gives_its_maximum() {
        for (height, width, size) in [(4, 4, 2), (5, 7, 2), (1, 1, 1), (9, 6, 3), (3, 3, 4), (14, 14, 2)] {
            check(PoolShape { planes: 3, height, width, size, stride: size, padding: 0 });
        }
    }

    #[test]
    fn windows_may_overlap_and_extend_past_the_edge() {
        for (height, width) in [(1, 1), (2, 3), (7, 4), (8, 9), (14, 14)] {
            for (size, stride, padding) in [(3, 2, 1), (3, 1, 1), (2, 1, 0), (2, 3, 1), (5, 2, 2)] {
                check(PoolShape { planes: 2, height, width, size, stride, padding });
            }
        }
    }

    #[test]
    fn a_nan_is_not_hidden() {
        let shape = PoolShape { planes: 1, height: 2, width: 2, size: 2, stride: 2, padding: 0 };
        assert!(maximum(shape, &[1.0, f32::NAN, 0.0, -1.0]).0[0].is_nan());
        assert_eq!(maximum(shape, &[f32::NEG_INFINITY; 4]).0[0], f32::NEG_INFINITY);
        let shape = PoolShape { size: 3, padding: 1, ..shape };
        assert!(maximum(shape, &[1.0, f32::NAN, 0.0, -1.0]).0[0].is_nan());
        assert_eq!(maximum(shape, &[f32::NEG_INFINITY; 4]).0[0], f32::NEG_INFINITY);
    }
}
