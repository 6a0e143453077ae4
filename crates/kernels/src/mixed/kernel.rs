//! The choice of the kernel.

use super::tile::{COLUMNS, ROWS, portable};
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::simd::{InstructionSet, detected, dispatch};

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
            Self::Avx512 => x86::is_available(),
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
                });
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::multiply(left, right, sums),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 => unreachable!("a kernel of another architecture"),
        }
    }
}
