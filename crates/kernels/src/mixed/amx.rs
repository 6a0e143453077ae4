//! The kernel of AMX: 32 rows with 32 columns at a time, in four tile registers of sums.
//!
//! `tdpbf16ps` multiplies 16 rows of 16 pairs by 16 pairs of 16 columns. The second factor has that order already ([`Right`]): its
//! pairs follow each other at a constant distance. The first is stored in tiles.
//!
//! [`Right`]: super::Right

use std::arch::asm;
use std::ops::Range;

use super::pack::{Order, check, pair_of};
pub(crate) use super::tile::COLUMNS;
use crate::matrix::MatRef;
use crate::simd::amx::{Configured, Contents, ROW_BYTES, ROWS as TILE_ROWS};
use crate::simd::turn::turn;
use crate::simd::{Lanes, detected, dispatch};

/// Rows of a panel of the first factor: two tiles.
pub(crate) const ROWS: usize = 2 * TILE_ROWS;
/// Pairs of a tile.
pub(crate) const PAIRS: usize = ROW_BYTES / size_of::<u32>();

const _: () = assert!(COLUMNS == 2 * PAIRS, "two tiles of columns");

pub(super) fn is_available() -> bool {
    Contents::Bfloat16.is_available()
}

/// The tile registers, ready to multiply.
pub(crate) struct Multiplier(Configured);

impl Multiplier {
    /// # Panics
    /// If this processor lacks AMX.
    pub(crate) fn new() -> Self {
        Self(Configured::new(Contents::Bfloat16))
    }

    /// `out = left x right`, or `out += left x right`, of [`ROWS`] rows and 32 columns.
    ///
    /// `left` is `[step][ROWS][PAIRS]`, `right` is `[step][PAIRS]` rows of 32 pairs at a distance of `right_pitch`, and `out` is
    /// `[ROWS]` rows of 32 sums at a distance of `pitch`.
    ///
    /// Without steps the product is zero.
    ///
    /// # Panics
    /// If a slice is too short, or `left` is not a whole number of steps.
    #[expect(clippy::unused_self, reason = "shows that the registers are configured")]
    pub(crate) fn multiply(
        &self,
        left: &[u32],
        (right, right_pitch): (&[u32], usize),
        (out, pitch): (&mut [f32], usize),
        add: bool,
    ) {
        let steps = left.len() / (ROWS * PAIRS);
        assert_eq!(left.len(), steps * ROWS * PAIRS, "whole steps");
        assert!((ROWS - 1) * pitch + COLUMNS <= out.len(), "no room for the sums");
        if steps == 0 {
            if !add {
                out.chunks_mut(pitch).take(ROWS).for_each(|out| out[..COLUMNS].fill(0.0));
            }
            return;
        }
        assert!((steps * PAIRS - 1) * right_pitch + COLUMNS <= right.len(), "{steps} steps");
        // SAFETY: a step reads 2048 bytes of `left`, and 128 bytes at each of PAIRS rows of `right`; the sums are 128 bytes at each of
        // ROWS rows of `out`. All are within the slices, by the assertions. `self` shows that the registers are configured, and this
        // is the only code that uses them meanwhile.
        unsafe {
            let low = out.as_mut_ptr();
            let high = low.add(TILE_ROWS * pitch);
            if add {
                asm!(
                    "tileloadd tmm0, [{low} + {pitch}*1]",
                    "tileloadd tmm1, [{low} + {pitch}*1 + 64]",
                    "tileloadd tmm2, [{high} + {pitch}*1]",
                    "tileloadd tmm3, [{high} + {pitch}*1 + 64]",
                    low = in(reg) low,
                    high = in(reg) high,
                    pitch = in(reg) pitch * 4,
                    options(nostack, readonly),
                );
            } else {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    options(nostack, nomem)
                );
            }
            asm!(
                "2:",
                "tileloadd tmm4, [{left} + {row}*1]",
                "tileloadd tmm6, [{right} + {right_pitch}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right} + {right_pitch}*1 + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{left} + {row}*1 + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {left}, 2048",
                "add {right}, {step}",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{low} + {pitch}*1], tmm0",
                "tilestored [{low} + {pitch}*1 + 64], tmm1",
                "tilestored [{high} + {pitch}*1], tmm2",
                "tilestored [{high} + {pitch}*1 + 64], tmm3",
                left = inout(reg) left.as_ptr() => _,
                right = inout(reg) right.as_ptr() => _,
                right_pitch = in(reg) right_pitch * 4,
                step = in(reg) right_pitch * 4 * PAIRS,
                row = in(reg) 64_usize,
                steps = inout(reg) steps => _,
                low = in(reg) low,
                high = in(reg) high,
                pitch = in(reg) pitch * 4,
                options(nostack),
            );
        }
    }
}

/// Stores a range of the width of `matrix` in panels of [`ROWS`] with so many pairs, a whole number of steps:
/// `[panel][step][ROWS][PAIRS]`. What is missing from the last panel and the last pairs is zero.
pub(super) fn pack(
    panels: &mut Vec<u32>,
    matrix: MatRef<'_>,
    order: Order,
    range: Range<usize>,
    pairs: usize,
) {
    check(matrix, order, &range, pairs);
    assert!(pairs.is_multiple_of(PAIRS), "{pairs} pairs");
    panels.resize(range.len().div_ceil(ROWS) * pairs * ROWS, 0);
    if panels.is_empty() {
        return;
    }
    for (panel, out) in panels.chunks_exact_mut(pairs * ROWS).enumerate() {
        let first = range.start + panel * ROWS;
        let count = ROWS.min(range.end - first);
        let steps = out.as_chunks_mut::<PAIRS>().0;
        match order {
            Order::Rows => dispatch!(detected(), fn(
                steps: &mut [[u32; PAIRS]], matrix: MatRef<'_>, first: usize, count: usize,
            ) {
                from_rows(steps, matrix, first, count);
            }),
            Order::Columns => dispatch!(detected(), L => fn(
                steps: &mut [[u32; PAIRS]], matrix: MatRef<'_>, first: usize, count: usize,
            ) {
                from_columns::<L>(steps, matrix, first, count);
            }),
        }
    }
}

#[inline(always)]
fn from_rows(steps: &mut [[u32; PAIRS]], matrix: MatRef<'_>, first: usize, count: usize) {
    for (step, out) in steps.chunks_exact_mut(ROWS).enumerate() {
        let start = (step * PAIRS * 2).min(matrix.cols());
        let end = (start + PAIRS * 2).min(matrix.cols());
        let (out, missing) = out.split_at_mut(count);
        missing.as_flattened_mut().fill(0);
        for (row, out) in out.iter_mut().enumerate() {
            let values = &matrix.row(first + row)[start..end];
            if let Some(values) = values.first_chunk::<{ PAIRS * 2 }>() {
                for (out, values) in out.iter_mut().zip(values.as_chunks::<2>().0) {
                    *out = pair_of(values[0], values[1]);
                }
            } else {
                out.fill(0);
                for (out, values) in out.iter_mut().zip(values.chunks(2)) {
                    *out = pair_of(values[0], values.get(1).copied().unwrap_or(0.0));
                }
            }
        }
    }
}

#[inline(always)]
fn from_columns<L: Lanes>(steps: &mut [[u32; PAIRS]], matrix: MatRef<'_>, first: usize, count: usize) {
    let zeros = [0.0; ROWS];
    let row = |row: usize| if row < matrix.rows() { &matrix.row(row)[first..first + count] } else { &zeros };
    for (step, out) in steps.chunks_exact_mut(ROWS).enumerate() {
        let mut pairs = [[0_u32; ROWS]; PAIRS];
        for (pair, to) in pairs.iter_mut().enumerate() {
            let at = 2 * (step * PAIRS + pair);
            for ((to, a), b) in to.iter_mut().zip(row(at)).zip(row(at + 1)) {
                *to = pair_of(*a, *b);
            }
        }
        // SAFETY: `pairs` has PAIRS rows of ROWS elements, `out` ROWS rows of PAIRS; both are 32 bits that may hold anything.
        unsafe {
            let (from, to) = (pairs.as_ptr().cast(), out.as_mut_ptr().cast());
            turn::<L>([PAIRS, ROWS], (from, ROWS), (to, PAIRS));
        }
    }
}
