//! The panels that the kernels multiply, and the portable kernel.

/// Rows of a panel of the left factor. With two registers of 16 columns they need 28 of the 32 registers of AVX-512.
pub(super) const ROWS: usize = 14;
/// Columns of a panel of the right factor.
pub(crate) const COLUMNS: usize = 32;

/// Each product is exact in f32, so a fused multiply-add would give the same bits.
#[inline(always)]
pub(super) fn portable(left: &[u32], right: &[u32], sums: &mut [f32; ROWS * COLUMNS]) {
    for (row, sums) in sums.chunks_exact_mut(COLUMNS).enumerate() {
        let mut sum = [0.0_f32; COLUMNS];
        for (left, right) in left.chunks_exact(ROWS).zip(right.chunks_exact(COLUMNS)) {
            let (a, b) = halves(left[row]);
            for (sum, right) in sum.iter_mut().zip(right) {
                let (c, d) = halves(*right);
                *sum = *sum + a * c + b * d;
            }
        }
        sums.copy_from_slice(&sum);
    }
}

/// The two numbers of a pair, the first in the lower half.
#[inline(always)]
fn halves(pair: u32) -> (f32, f32) {
    (f32::from_bits(pair << 16), f32::from_bits(pair & 0xFFFF_0000))
}
