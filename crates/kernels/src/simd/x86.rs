//! The registers of x86-64: AVX2 and AVX-512.

use super::lanes::Lanes;
use core::arch::x86_64::{
    __m256, __m512, __m512bh, _CMP_GT_OQ, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps,
    _mm_shuffle_ps, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_castps_si256,
    _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_extractf128_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps, _mm256_min_ps, _mm256_movemask_ps,
    _mm256_mul_ps, _mm256_permute2f128_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_slli_epi32, _mm256_storeu_ps, _mm256_sub_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_storeu_ps,
    _mm512_sub_ps,
};

/// A 256-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// A 512-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

macro_rules! lanes {
    ($name:ident, $count:literal, $zero:ident, $splat:ident, $load:ident, $store:ident, $fma:ident,
     $plus:ident, $sub:ident, $times:ident, $max:ident, $min:ident, $bits:ident, $floats:ident, $shift:ident, $add:ident, $and:ident, $above:ident, $integers:ident, $any:ident, $sum:ident) => {
        impl Lanes for $name {
            const COUNT: usize = $count;
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller promises the instruction set, here and below.
                Self(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: as above.
                Self(unsafe { $splat(value) })
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as above; the caller promises that many readable values.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as above; the caller promises that many writable values.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn multiply_add(self, by: Self, plus: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $fma(self.0, by.0, plus.0) })
            }
            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $plus(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn minus(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn times(self, by: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $times(self.0, by.0) })
            }
            #[inline(always)]
            unsafe fn largest(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn smallest(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $min(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn where_above(self, value: Self, bound: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $above(self.0, value.0, bound.0) })
            }
            #[inline(always)]
            unsafe fn from_integers(from: *const i32) -> Self {
                // SAFETY: as above; the caller promises that many readable values.
                Self(unsafe { $integers(from) })
            }
            #[inline(always)]
            unsafe fn any_above(self, other: Self) -> bool {
                // SAFETY: as above.
                unsafe { $any(self.0, other.0) }
            }
            #[inline(always)]
            unsafe fn sum(self) -> f32 {
                // SAFETY: as above.
                unsafe { $sum(self.0) }
            }
            #[inline(always)]
            unsafe fn times_power_of_two(self, power: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $floats($add($bits(self.0), $shift::<23>($bits(power.0)))) })
            }
            #[inline(always)]
            unsafe fn first_of_pair(self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $floats($shift::<16>($bits(self.0))) })
            }
            #[inline(always)]
            unsafe fn second_of_pair(self) -> Self {
                // SAFETY: as above.
                unsafe {
                    let upper = Self::splat(f32::from_bits(0xFFFF_0000));
                    Self($floats($and($bits(self.0), $bits(upper.0))))
                }
            }
            #[inline(always)]
            unsafe fn turn_block(from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
                // SAFETY: as above; AVX-512 includes AVX2.
                unsafe { turn_avx2(from, from_pitch, to, to_pitch) }
            }
        }
    };
}
impl Avx512 {
    /// `plus` and both products of each pair of `self` and `by` in bfloat16: `vdpbf16ps`.
    ///
    /// # Safety
    /// The processor has AVX-512 with this instruction.
    #[inline(always)]
    pub(crate) unsafe fn pair_products(self, by: Self, plus: Self) -> Self {
        // SAFETY: the caller promises the instruction; a register of pairs is 512 bits that may hold anything.
        unsafe {
            let pairs = |of: Self| core::mem::transmute::<__m512, __m512bh>(of.0);
            Self(_mm512_dpbf16_ps(plus.0, pairs(self), pairs(by)))
        }
    }
}

#[inline(always)]
unsafe fn above_avx2(of: __m256, value: __m256, bound: __m256) -> __m256 {
    // SAFETY: as above.
    unsafe { _mm256_and_ps(of, _mm256_cmp_ps::<_CMP_GT_OQ>(value, bound)) }
}

#[inline(always)]
unsafe fn above_avx512(of: __m512, value: __m512, bound: __m512) -> __m512 {
    // SAFETY: as above.
    unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, bound), of) }
}

#[inline(always)]
unsafe fn integers_avx2(from: *const i32) -> __m256 {
    // SAFETY: as above.
    unsafe { _mm256_cvtepi32_ps(_mm256_loadu_si256(from.cast())) }
}

#[inline(always)]
unsafe fn integers_avx512(from: *const i32) -> __m512 {
    // SAFETY: as above.
    unsafe { _mm512_cvtepi32_ps(_mm512_loadu_si512(from.cast())) }
}

#[inline(always)]
unsafe fn any_avx2(a: __m256, b: __m256) -> bool {
    // SAFETY: as above.
    unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) != 0 }
}

#[inline(always)]
unsafe fn any_avx512(a: __m512, b: __m512) -> bool {
    // SAFETY: as above.
    unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0 }
}

#[inline(always)]
unsafe fn sum_avx2(of: __m256) -> f32 {
    // SAFETY: as above.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(of), _mm256_extractf128_ps::<1>(of));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

#[inline(always)]
unsafe fn sum_avx512(of: __m512) -> f32 {
    // SAFETY: as above.
    unsafe { _mm512_reduce_add_ps(of) }
}

/// Turns a block of 8 x 8 values: pairs of rows, then pairs of pairs, then the two halves of the registers.
#[inline(always)]
unsafe fn turn_avx2(from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
    // SAFETY: the caller promises AVX2, and eight rows of eight values on both sides.
    unsafe {
        let mut rows = [_mm256_setzero_ps(); 8];
        for (at, row) in rows.iter_mut().enumerate() {
            *row = _mm256_loadu_ps(from.add(at * from_pitch));
        }
        let mut pairs = rows;
        for at in [0, 2, 4, 6] {
            pairs[at] = _mm256_unpacklo_ps(rows[at], rows[at + 1]);
            pairs[at + 1] = _mm256_unpackhi_ps(rows[at], rows[at + 1]);
        }
        // Of four rows: the columns 0 and 4, 1 and 5, 2 and 6, 3 and 7.
        let mut fours = pairs;
        for at in [0, 4] {
            fours[at] = _mm256_shuffle_ps::<0b01_00_01_00>(pairs[at], pairs[at + 2]);
            fours[at + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(pairs[at], pairs[at + 2]);
            fours[at + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(pairs[at + 1], pairs[at + 3]);
            fours[at + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(pairs[at + 1], pairs[at + 3]);
        }
        for column in 0..4 {
            let (upper, lower) = (fours[column], fours[column + 4]);
            _mm256_storeu_ps(to.add(column * to_pitch), _mm256_permute2f128_ps::<0x20>(upper, lower));
            _mm256_storeu_ps(to.add((column + 4) * to_pitch), _mm256_permute2f128_ps::<0x31>(upper, lower));
        }
    }
}

lanes!(
    Avx2,
    8,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    _mm256_castps_si256,
    _mm256_castsi256_ps,
    _mm256_slli_epi32,
    _mm256_add_epi32,
    _mm256_and_si256,
    above_avx2,
    integers_avx2,
    any_avx2,
    sum_avx2
);
lanes!(
    Avx512,
    16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    _mm512_castps_si512,
    _mm512_castsi512_ps,
    _mm512_slli_epi32,
    _mm512_add_epi32,
    _mm512_and_si512,
    above_avx512,
    integers_avx512,
    any_avx512,
    sum_avx512
);
