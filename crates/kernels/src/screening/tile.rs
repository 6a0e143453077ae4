//! The operands of the int8 kernels, and the portable kernel.

use super::{BLOCK, PANEL};

/// One panel of classes and one block of samples.
pub(super) struct Tile<'a> {
    /// `[depth / 4][PANEL][4]`.
    pub(super) values: &'a [i8],
    /// `[depth / 4][BLOCK][4]`.
    pub(super) block: &'a [u8],
    /// Subtracted from the scores of each class, to correct the offset of the samples.
    pub(super) sums: &'a [i32],
    /// `[BLOCK][PANEL]`.
    pub(super) out: &'a mut [i32],
}

pub(super) fn portable(Tile { values, block, sums, out }: Tile<'_>) {
    for out in out.chunks_exact_mut(PANEL) {
        for (score, sum) in out.iter_mut().zip(sums) {
            *score = -sum;
        }
    }
    for (values, block) in values.chunks_exact(PANEL * 4).zip(block.chunks_exact(BLOCK * 4)) {
        for (out, x) in out.chunks_exact_mut(PANEL).zip(block.chunks_exact(4)) {
            for (score, w) in out.iter_mut().zip(values.chunks_exact(4)) {
                *score += (0..4).map(|at| i32::from(x[at]) * i32::from(w[at])).sum::<i32>();
            }
        }
    }
}
