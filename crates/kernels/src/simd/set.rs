//! The instruction sets, and which of them this processor has.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use super::amx::Contents;

/// The instruction sets that the kernels are compiled for. If a processor has two of them, the greater is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// Plain Rust, vectorised by the compiler for the target's baseline.
    Portable,
    /// NEON, which every aarch64 processor has.
    Neon,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 Foundation, with the extensions that a kernel knows and the processor has (VNNI, BF16).
    Avx512,
    /// The same with the tile registers of AMX, where a kernel uses them.
    Amx,
}

impl InstructionSet {
    /// All sets, slowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512, Self::Amx];

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            // The integer kernels read four codes as one lane in little-endian order.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Contents::Bytes.is_available() && Contents::Bfloat16.is_available(),
            _ => false,
        }
    }

    /// The sets that this processor has, slowest first.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|set| set.is_available())
    }
}

/// The name that the environment variable uses: `portable`, `neon`, `avx2`, `avx512` or `amx`.
impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        })
    }
}
