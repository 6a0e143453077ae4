//! Rounding to bfloat16, in the order in which the kernels read.

use crate::matrix::MatRef;
use crate::simd::{detected, dispatch};
use std::ops::Range;

/// What becomes the width of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The rows of the matrix; its columns are the inner dimension.
    Rows,
    /// The columns of the matrix; its rows are the inner dimension.
    Columns,
}

impl Order {
    /// Values of the inner dimension.
    pub(super) fn inner(self, matrix: MatRef<'_>) -> usize {
        match self {
            Self::Rows => matrix.cols(),
            Self::Columns => matrix.rows(),
        }
    }
}

/// Stores a range of the width of `matrix` in panels of `WIDTH` with so many pairs: `[panel][pair][WIDTH]`. What is missing from the last
/// panel and the last pairs is zero.
pub(super) fn pack<const WIDTH: usize>(
    panels: &mut Vec<u32>,
    matrix: MatRef<'_>,
    order: Order,
    range: Range<usize>,
    pairs: usize,
) {
    check(matrix, order, &range, pairs);
    let length = range.len().div_ceil(WIDTH) * pairs * WIDTH;
    panels.resize(length, 0);
    if length == 0 {
        return;
    }
    for (panel, out) in panels.as_chunks_mut::<WIDTH>().0.chunks_exact_mut(pairs).enumerate() {
        let first = range.start + panel * WIDTH;
        let count = WIDTH.min(range.end - first);
        match order {
            Order::Rows => dispatch!(detected(), fn[const WIDTH: usize](
                out: &mut [[u32; WIDTH]], matrix: MatRef<'_>, first: usize, count: usize,
            ) {
                from_rows(out, matrix, first, count);
            }),
            Order::Columns => dispatch!(detected(), fn[const WIDTH: usize](
                out: &mut [[u32; WIDTH]], matrix: MatRef<'_>, first: usize, count: usize,
            ) {
                from_columns(out, matrix, first, count);
            }),
        }
    }
}

/// # Panics
/// If the matrix is not as wide as the range, or has more pairs.
pub(super) fn check(matrix: MatRef<'_>, order: Order, range: &Range<usize>, pairs: usize) {
    let width = match order {
        Order::Rows => matrix.rows(),
        Order::Columns => matrix.cols(),
    };
    assert!(range.start <= range.end && range.end <= width, "{range:?} of {width}");
    assert!(pairs >= order.inner(matrix).div_ceil(2), "{pairs} pairs");
}

/// Pairs of a row that are rounded before they are spread over the panel.
const RUN: usize = 16;

#[inline(always)]
fn from_rows<const WIDTH: usize>(out: &mut [[u32; WIDTH]], matrix: MatRef<'_>, first: usize, count: usize) {
    let inner = matrix.cols();
    for (block, out) in out.chunks_mut(RUN).enumerate() {
        let start = block * RUN * 2;
        let mut runs = [[0_u32; RUN]; WIDTH];
        for (row, run) in runs.iter_mut().enumerate().take(count) {
            let values = &matrix.row(first + row)[start.min(inner)..inner.min(start + RUN * 2)];
            if let Some(values) = values.first_chunk::<{ RUN * 2 }>() {
                for (pair, values) in run.iter_mut().zip(values.chunks_exact(2)) {
                    *pair = pair_of(values[0], values[1]);
                }
            } else {
                for (pair, values) in run.iter_mut().zip(values.chunks(2)) {
                    *pair = pair_of(values[0], values.get(1).copied().unwrap_or(0.0));
                }
            }
        }
        for (pair, out) in out.iter_mut().enumerate() {
            for (out, run) in out.iter_mut().zip(&runs) {
                *out = run[pair];
            }
        }
    }
}

#[inline(always)]
fn from_columns<const WIDTH: usize>(
    out: &mut [[u32; WIDTH]],
    matrix: MatRef<'_>,
    first: usize,
    count: usize,
) {
    let (out, missing) = out.split_at_mut(matrix.rows().div_ceil(2));
    missing.as_flattened_mut().fill(0);
    for (pair, out) in out.iter_mut().enumerate() {
        let upper = &matrix.row(2 * pair)[first..first + count];
        let zeros = [0.0; WIDTH];
        let lower = if 2 * pair + 1 < matrix.rows() {
            &matrix.row(2 * pair + 1)[first..first + count]
        } else {
            &zeros[..count]
        };
        out[count..].fill(0);
        for ((out, a), b) in out.iter_mut().zip(upper).zip(lower) {
            *out = pair_of(*a, *b);
        }
    }
}

#[inline(always)]
pub(crate) fn pair_of(a: f32, b: f32) -> u32 {
    rounded(a) >> 16 | rounded(b) & 0xFFFF_0000
}

/// The bits of the nearest bfloat16, ties to even, in the upper half; the lower half is arbitrary. NaN stays NaN.
#[inline(always)]
pub(super) fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    // The carry of an infinity cannot happen: its lower half is zero.
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
    if value.is_nan() { bits | 0x0040_0000 } else { nearest }
}
