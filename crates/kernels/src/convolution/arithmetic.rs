//! What the register tiles multiply: values in f32, or pairs in bfloat16 with sums in f32.
//!
//! A pair takes the 32 bits of one f32. So padded images, patches and panels of weights are the same for both: they copy
//! elements, and only the tiles compute with them.

#[cfg(target_arch = "x86_64")]
use crate::simd::x86::Avx512;
use crate::simd::{InstructionSet, Lanes};

/// The arithmetic of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// Elements are values in f32.
    Values(InstructionSet),
    /// Elements are pairs in bfloat16, whose two products are computed in f32.
    Pairs(InstructionSet),
    /// Elements are pairs in bfloat16, multiplied by `vdpbf16ps` of AVX-512.
    #[cfg(target_arch = "x86_64")]
    PairProducts,
    /// Elements are pairs in bfloat16, multiplied by `tdpbf16ps` of AMX. Its products are those of packed patches and
    /// [`super::mixed::correlation`].
    #[cfg(target_arch = "x86_64")]
    TileProducts,
}

impl Arithmetic {
    /// The fastest arithmetic of pairs within an instruction set.
    pub(super) fn of_pairs(set: InstructionSet) -> Self {
        #[cfg(target_arch = "x86_64")]
        match set {
            InstructionSet::Amx => return Self::TileProducts,
            InstructionSet::Avx512 if is_x86_feature_detected!("avx512bf16") => return Self::PairProducts,
            _ => {}
        }
        Self::Pairs(set)
    }

    /// Whether its products are those of tile registers.
    pub(super) fn is_of_tiles(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::TileProducts => true,
            _ => false,
        }
    }

    /// The instruction set of the loops around the tiles, whose registers the tiles use too.
    pub(super) fn set(self) -> InstructionSet {
        match self {
            Self::Values(set) | Self::Pairs(set) => set,
            #[cfg(target_arch = "x86_64")]
            Self::PairProducts => InstructionSet::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::TileProducts => InstructionSet::Amx,
        }
    }
}

/// The product of two registers of elements, added to a sum.
pub(super) trait Product<L: Lanes> {
    /// # Safety
    /// The processor has the instructions of `L` and of this product.
    unsafe fn add(a: L, b: L, sum: L) -> L;
}

/// Of [`Arithmetic::Values`].
pub(super) struct OfValues;

impl<L: Lanes> Product<L> for OfValues {
    #[inline(always)]
    unsafe fn add(a: L, b: L, sum: L) -> L {
        // SAFETY: the caller promises the instructions.
        unsafe { a.multiply_add(b, sum) }
    }
}

/// Of [`Arithmetic::Pairs`].
pub(super) struct OfPairs;

impl<L: Lanes> Product<L> for OfPairs {
    #[inline(always)]
    unsafe fn add(a: L, b: L, sum: L) -> L {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let sum = a.second_of_pair().multiply_add(b.second_of_pair(), sum);
            a.first_of_pair().multiply_add(b.first_of_pair(), sum)
        }
    }
}

/// Of [`Arithmetic::PairProducts`].
#[cfg(target_arch = "x86_64")]
pub(super) struct OfPairsAtOnce;

#[cfg(target_arch = "x86_64")]
impl Product<Avx512> for OfPairsAtOnce {
    #[inline(always)]
    unsafe fn add(a: Avx512, b: Avx512, sum: Avx512) -> Avx512 {
        // SAFETY: the caller promises the instructions.
        unsafe { a.pair_products(b, sum) }
    }
}

/// Compiles a block once per arithmetic, with the names of its registers and its product, and calls the version for one of them.
/// As [`dispatch!`](crate::simd::dispatch), on which it builds.
macro_rules! dispatch_tile {
    ($arithmetic:expr, $lanes:ident, $product:ident => fn($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        match $arithmetic {
            $crate::convolution::arithmetic::Arithmetic::Values(set) => {
                $crate::simd::dispatch!(set, $lanes => fn($($argument: $kind),*) {
                    type $product = $crate::convolution::arithmetic::OfValues;
                    $body
                });
            }
            $crate::convolution::arithmetic::Arithmetic::Pairs(set) => {
                $crate::simd::dispatch!(set, $lanes => fn($($argument: $kind),*) {
                    type $product = $crate::convolution::arithmetic::OfPairs;
                    $body
                });
            }
            #[cfg(target_arch = "x86_64")]
            $crate::convolution::arithmetic::Arithmetic::PairProducts => {
                #[target_feature(enable = "avx512f,avx512bf16")]
                fn version($($argument: $kind),*) {
                    type $lanes = $crate::simd::x86::Avx512;
                    type $product = $crate::convolution::arithmetic::OfPairsAtOnce;
                    $body
                }
                // SAFETY: `Arithmetic::of_pairs` chooses this only if the processor has the instructions.
                unsafe { version($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            $crate::convolution::arithmetic::Arithmetic::TileProducts => {
                unreachable!("AMX multiplies patches and turned images only")
            }
        }
    };
}
pub(super) use dispatch_tile;
