//! The choice of the kernel.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::amx;
use super::pack::{Order, pack};
use super::tile::{COLUMNS, ROWS, portable};
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::matrix::MatRef;
use crate::simd::{InstructionSet, detected, dispatch};

/// The kernels that multiply a panel of each factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Plain Rust, compiled for the instruction set in use.
    #[default]
    Portable,
    /// AVX-512 with `vdpbf16ps`.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AMX with `tdpbf16ps`.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Kernel {
    /// All kernels, slowest first.
    #[cfg(target_arch = "x86_64")]
    pub(super) const ALL: &[Self] = &[Self::Portable, Self::Avx512, Self::Amx];
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) const ALL: &[Self] = &[Self::Portable];

    /// The fastest kernel that this processor has within the instruction set in use.
    pub(super) fn detected() -> Self {
        let ceiling = detected();
        let allowed = |kernel: &Self| kernel.set() <= ceiling && kernel.is_available();
        Self::ALL.iter().copied().rfind(allowed).unwrap_or_default()
    }

    /// The instruction set that it extends.
    fn set(self) -> InstructionSet {
        match self {
            Self::Portable => InstructionSet::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => InstructionSet::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Amx => InstructionSet::Amx,
        }
    }

    /// Whether this processor has its instructions.
    pub(super) fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => amx::is_available(),
        }
    }

    /// Rows of a panel of the left factor.
    pub(super) fn rows(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => amx::ROWS,
            _ => ROWS,
        }
    }

    /// Pairs that the panels hold for so many values: whole steps of the kernel.
    pub(super) fn pairs(self, inner: usize) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => inner.div_ceil(2).next_multiple_of(amx::PAIRS),
            _ => inner.div_ceil(2),
        }
    }

    /// Stores the left factor in panels.
    pub(super) fn pack_left(
        self,
        panels: &mut Vec<u32>,
        matrix: MatRef<'_>,
        order: Order,
        range: Range<usize>,
    ) {
        let pairs = self.pairs(order.inner(matrix));
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => amx::pack(panels, matrix, order, range, pairs),
            _ => pack::<ROWS>(panels, matrix, order, range, pairs),
        }
    }

    /// # Panics
    /// If the kernel is not available.
    pub(super) fn multiplier(self) -> Multiplier {
        match self {
            Self::Portable => Multiplier::Portable(detected(), [0.0; ROWS * COLUMNS]),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Multiplier::Avx512([0.0; ROWS * COLUMNS]),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Multiplier::Amx(amx::Multiplier::new(), [0.0; amx::ROWS * COLUMNS]),
        }
    }
}

/// A kernel on the calling thread, with room for the sums of a panel.
#[cfg_attr(
    target_arch = "x86_64",
    expect(clippy::large_enum_variant, reason = "on the stack of one function")
)]
pub(super) enum Multiplier {
    Portable(InstructionSet, [f32; ROWS * COLUMNS]),
    #[cfg(target_arch = "x86_64")]
    Avx512([f32; ROWS * COLUMNS]),
    #[cfg(target_arch = "x86_64")]
    Amx(amx::Multiplier, [f32; amx::ROWS * COLUMNS]),
}

impl Multiplier {
    /// `out += left x right` for panels of the same number of pairs, of which `[rows, columns]` are in `out`, in rows at a distance of
    /// `pitch`.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub(super) fn add(
        &mut self,
        left: &[u32],
        right: &[u32],
        (out, pitch): (&mut [f32], usize),
        [rows, columns]: [usize; 2],
    ) {
        let sums = match self {
            Self::Portable(set, sums) => {
                let set = *set;
                dispatch!(set, fn(left: &[u32], right: &[u32], sums: &mut [f32; ROWS * COLUMNS]) {
                    portable(left, right, sums);
                });
                sums
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(sums) => {
                x86::multiply(left, right, sums);
                sums
            }
            #[cfg(target_arch = "x86_64")]
            Self::Amx(multiplier, _) if [rows, columns] == [amx::ROWS, COLUMNS] => {
                multiplier.multiply(left, (right, COLUMNS), (out, pitch), true);
                return;
            }
            // Sums at an edge start from the values of `out` too, so that they have the same bits as in a whole panel.
            #[cfg(target_arch = "x86_64")]
            Self::Amx(multiplier, sums) => {
                for (sums, out) in sums.chunks_exact_mut(COLUMNS).zip(out.chunks(pitch)).take(rows) {
                    sums[..columns].copy_from_slice(&out[..columns]);
                }
                multiplier.multiply(left, (right, COLUMNS), (sums, COLUMNS), true);
                for (sums, out) in sums.chunks_exact(COLUMNS).zip(out.chunks_mut(pitch)).take(rows) {
                    out[..columns].copy_from_slice(&sums[..columns]);
                }
                return;
            }
        };
        for (sums, out) in sums.chunks_exact(COLUMNS).zip(out.chunks_mut(pitch)).take(rows) {
            for (out, sum) in out[..columns].iter_mut().zip(sums) {
                *out += sum;
            }
        }
    }
}
