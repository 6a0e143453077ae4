//! The choice of the kernel, and the portable one.

#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::simd::{InstructionSet, detected, dispatch};

/// Rows of a panel of the left factor. With two registers of 16 columns they need 28 of the 32 registers of AVX-512.
pub(super) const ROWS: usize = 14;
/// Columns of a panel of the right factor.
pub(super) const COLUMNS: usize = 32;

/// The kernels that multiply a panel of each factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Plain Rust, compiled for the instruction set in use.
    Portable,
    /// AVX-512 with `vdpbf16ps`.
    Avx512,
}

impl Kernel {
    /// The fastest kernel that this processor has within the instruction set in use.
    pub(super) fn detected() -> Self {
        if detected() == InstructionSet::Avx512 && Self::Avx512.is_available() {
            Self::Avx512
        } else {
            Self::Portable
        }
    }

    /// Whether this processor has its instructions.
    pub(super) fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => InstructionSet::Avx512.is_available() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 => false,
        }
    }

    /// `sums = left x right`, `[ROWS, COLUMNS]`, for panels of the same number of pairs.
    ///
    /// # Panics
    /// If the kernel is not available, or the lengths do not match.
    pub(super) fn multiply(self, left: &[u32], right: &[u32], sums: &mut [f32; ROWS * COLUMNS]) {
        let pairs = left.len() / ROWS;
        assert!(left.len() == pairs * ROWS && right.len() == pairs * COLUMNS, "panels of {pairs} pairs");
        match self {
            Self::Portable => {
                dispatch!(detected(), fn(left: &[u32], right: &[u32], sums: &mut [f32; ROWS * COLUMNS]) {
                    portable(left, right, sums);
                })
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::multiply(left, right, sums),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 => unreachable!("a kernel of another architecture"),
        }
    }
}

/// Each product is exact in f32, so a fused multiply-add would give the same bits.
#[inline(always)]
fn portable(left: &[u32], right: &[u32], sums: &mut [f32; ROWS * COLUMNS]) {
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
pub(super) fn halves(pair: u32) -> (f32, f32) {
    (f32::from_bits(pair << 16), f32::from_bits(pair & 0xFFFF_0000))
}
