//! The choice of the int8 kernel.
//!
//! These kernels do not go through [`dispatch!`](crate::simd::dispatch). Each is written by hand for extensions that
//! [`InstructionSet`] does not distinguish (VNNI, `sdot`). They follow its choice through [`Kernel::detected`].

#[cfg(target_arch = "aarch64")]
use super::neon;
use super::tile::{Precision, Tile, portable};
#[cfg(target_arch = "x86_64")]
use super::{amx, x86};
use crate::simd::{InstructionSet, detected};

/// The kernels that compute a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Portable,
    Neon,
    /// NEON with `sdot`.
    NeonDotProduct,
    Avx2,
    /// AVX-512 with VNNI.
    Vnni,
    /// AMX for whole tiles of samples, VNNI for the rest.
    Amx,
}

impl Kernel {
    /// All kernels, slowest first.
    pub(super) const ALL: [Self; 6] =
        [Self::Portable, Self::Neon, Self::NeonDotProduct, Self::Avx2, Self::Vnni, Self::Amx];

    /// The fastest kernel that this processor has within the instruction set in use.
    pub(super) fn detected() -> Self {
        let ceiling = detected();
        let allowed = |kernel: &Self| kernel.set() <= ceiling && kernel.is_available();
        Self::ALL.into_iter().rfind(allowed).unwrap_or(Self::Portable)
    }

    /// The instruction set that it extends.
    fn set(self) -> InstructionSet {
        match self {
            Self::Portable => InstructionSet::Portable,
            Self::Neon | Self::NeonDotProduct => InstructionSet::Neon,
            Self::Avx2 => InstructionSet::Avx2,
            Self::Vnni => InstructionSet::Avx512,
            Self::Amx => InstructionSet::Amx,
        }
    }

    /// Whether this processor has its instructions.
    pub(super) fn is_available(self) -> bool {
        let extension = match self {
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotProduct => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => amx::is_available(),
            _ => true,
        };
        extension && self.set().is_available()
    }

    /// Whether its sums are exact with codes of this precision.
    pub(super) fn multiplies(self, precision: Precision) -> bool {
        precision == Precision::Seven || matches!(self, Self::Portable | Self::Vnni | Self::Amx)
    }

    /// Computes the tile.
    ///
    /// # Safety
    /// The kernel must be available.
    ///
    /// # Panics
    /// If the lengths of the tile's parts do not match.
    pub(super) unsafe fn score(self, tile: Tile<'_>) {
        // SAFETY: the caller promises the instructions; each kernel checks the lengths.
        match self {
            Self::Portable => portable(tile),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::widening(tile),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotProduct => unsafe { neon::dot_product(tile) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2(tile) },
            #[cfg(target_arch = "x86_64")]
            Self::Vnni | Self::Amx => unsafe { x86::vnni(tile) },
            _ => unreachable!("{self:?} is of another architecture"),
        }
    }
}
