//! One small vocabulary of vector registers, so that a kernel is written once and compiled for each instruction set.
//!
//! [`Lanes`] is the register; [`InstructionSet`] is the run-time choice. A kernel is a generic `#[inline(always)]`
//! function over `Lanes`; a thin `#[target_feature]` function per instruction set instantiates it.

use std::sync::OnceLock;

/// The instruction sets that the kernels are compiled for. Of two that one processor has, the greater is the faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// Plain Rust, vectorised by the compiler for the target's baseline.
    Portable,
    /// NEON, which every aarch64 has.
    Neon,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 Foundation.
    Avx512,
}

impl InstructionSet {
    /// Worst first.
    const ALL: [Self; 4] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512];

    /// Whether this processor has it.
    pub(crate) fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            // the kernels take four bytes as one lane in the order of a little-endian machine
            #[cfg(target_arch = "aarch64")]
            Self::Neon => cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            _ => false,
        }
    }
}

/// The best instruction set of this processor, found once.
///
/// The environment variable `WIDEMARGIN_INSTRUCTION_SET` (`portable`, `neon`, `avx2`, `avx512`) can ask for a lower one, to
/// compare results or to look for a fault; a set that the processor lacks is never chosen.
pub fn detected() -> InstructionSet {
    static FOUND: OnceLock<InstructionSet> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let expected = std::env::var("WIDEMARGIN_INSTRUCTION_SET").unwrap_or_default();
        let ceiling = match expected.as_str() {
            "portable" => InstructionSet::Portable,
            "neon" => InstructionSet::Neon,
            "avx2" => InstructionSet::Avx2,
            _ => InstructionSet::Avx512,
        };
        let best = InstructionSet::ALL.into_iter().rfind(|set| *set <= ceiling && set.is_available());
        best.unwrap_or(InstructionSet::Portable)
    })
}

/// Every instruction set that this processor has, worst first.
#[cfg(test)]
pub(crate) fn available() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_available())
}

/// A vector register of `f32`.
///
/// # Safety
/// `load` reads and `store` writes `COUNT` values at an address that need not be aligned; every method must be
/// called only where the instruction set is available.
pub(crate) trait Lanes: Copy {
    /// Values in one register.
    const COUNT: usize;
    /// All lanes zero.
    unsafe fn zero() -> Self;
    /// All lanes equal to `value`.
    unsafe fn splat(value: f32) -> Self;
    /// `COUNT` values from `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// `COUNT` values to `to`.
    unsafe fn store(self, to: *mut f32);
    /// `self * by + plus`.
    unsafe fn multiply_add(self, by: Self, plus: Self) -> Self;
    /// `self - other`.
    unsafe fn minus(self, other: Self) -> Self;
    /// The larger of each pair; `other`, which must be a number, where `self` is a quiet `NaN`.
    unsafe fn largest(self, other: Self) -> Self;
    /// The smaller of each pair; `other`, which must be a number, where `self` is a quiet `NaN`.
    unsafe fn smallest(self, other: Self) -> Self;
    /// `self` where `value > bound`, 0 elsewhere.
    unsafe fn where_above(self, value: Self, bound: Self) -> Self;
    /// `COUNT` integers from `from`, as floats.
    unsafe fn from_integers(from: *const i32) -> Self;
    /// Whether any lane is above the other's.
    unsafe fn any_above(self, other: Self) -> bool;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
    /// `self * 2^n`, `self` and the result being ordinary numbers; `power` is `n + 1.5 * 2^23`, whose lowest bits are `n`.
    unsafe fn times_power_of_two(self, power: Self) -> Self;
}

/// Eight plain floats: what the compiler makes of them is its affair.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; 8]);

impl Lanes for Plain {
    const COUNT: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 8])
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises eight readable values.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises eight writable values.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, by: Self, plus: Self) -> Self {
        let mut out = plus.0;
        for ((out, a), b) in out.iter_mut().zip(self.0).zip(by.0) {
            *out += a * b;
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn largest(self, other: Self) -> Self {
        self.with(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn smallest(self, other: Self) -> Self {
        self.with(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn where_above(self, value: Self, bound: Self) -> Self {
        let above = value.with(bound, |a, b| if a > b { 1.0 } else { 0.0 });
        self.with(above, |a, above| if above > 0.0 { a } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn from_integers(from: *const i32) -> Self {
        // SAFETY: the caller promises eight readable values.
        Self(unsafe { from.cast::<[i32; 8]>().read_unaligned() }.map(|value| value as f32))
    }
    #[inline(always)]
    unsafe fn any_above(self, other: Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a > b)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    unsafe fn times_power_of_two(self, power: Self) -> Self {
        self.with(power, |a, power| f32::from_bits(a.to_bits().wrapping_add(power.to_bits() << 23)))
    }
}

impl Plain {
    #[inline(always)]
    fn with(self, other: Self, each: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self.0;
        for (out, b) in out.iter_mut().zip(other.0) {
            *out = each(*out, b);
        }
        Self(out)
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64 {
    //! The register of aarch64. NEON belongs to the baseline, so that a kernel over it needs no `#[target_feature]`.
    use super::Lanes;
    use core::arch::aarch64::{
        float32x4_t, vaddq_s32, vaddvq_f32, vandq_u32, vcgtq_f32, vcvtq_f32_s32, vdupq_n_f32, vfmaq_f32,
        vld1q_f32, vld1q_s32, vmaxnmq_f32, vmaxvq_u32, vminnmq_f32, vreinterpretq_f32_s32,
        vreinterpretq_f32_u32, vreinterpretq_s32_f32, vreinterpretq_u32_f32, vshlq_n_s32, vst1q_f32,
        vsubq_f32,
    };

    /// A 128-bit register.
    #[derive(Clone, Copy)]
    pub(crate) struct Neon(float32x4_t);

    impl Lanes for Neon {
        const COUNT: usize = 4;
        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: every aarch64 has NEON, here and below.
            unsafe { Self::splat(0.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as above.
            Self(unsafe { vdupq_n_f32(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above; the caller promises four readable values.
            Self(unsafe { vld1q_f32(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above; the caller promises four writable values.
            unsafe { vst1q_f32(to, self.0) }
        }
        #[inline(always)]
        unsafe fn multiply_add(self, by: Self, plus: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { vfmaq_f32(plus.0, self.0, by.0) })
        }
        #[inline(always)]
        unsafe fn minus(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { vsubq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn largest(self, other: Self) -> Self {
            // SAFETY: as above. Of a number and a quiet NaN `maxnm` gives the number; `max` would give the NaN.
            Self(unsafe { vmaxnmq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn smallest(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { vminnmq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn where_above(self, value: Self, bound: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe {
                let above = vcgtq_f32(value.0, bound.0);
                vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self.0), above))
            })
        }
        #[inline(always)]
        unsafe fn from_integers(from: *const i32) -> Self {
            // SAFETY: as above; the caller promises four readable values.
            Self(unsafe { vcvtq_f32_s32(vld1q_s32(from)) })
        }
        #[inline(always)]
        unsafe fn any_above(self, other: Self) -> bool {
            // SAFETY: as above.
            unsafe { vmaxvq_u32(vcgtq_f32(self.0, other.0)) != 0 }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: as above.
            unsafe { vaddvq_f32(self.0) }
        }
        #[inline(always)]
        unsafe fn times_power_of_two(self, power: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe {
                let exponents = vshlq_n_s32::<23>(vreinterpretq_s32_f32(power.0));
                vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(self.0), exponents))
            })
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    //! The registers of x86-64.
    use super::Lanes;
    use core::arch::x86_64::{
        __m256, __m512, _CMP_GT_OQ, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps,
        _mm256_add_epi32, _mm256_and_ps, _mm256_castps_si256, _mm256_castps256_ps128, _mm256_castsi256_ps,
        _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_loadu_si256, _mm256_max_ps, _mm256_min_ps, _mm256_movemask_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_epi32,
        _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_min_ps,
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
         $sub:ident, $max:ident, $min:ident, $bits:ident, $floats:ident, $shift:ident, $add:ident, $above:ident, $integers:ident, $any:ident, $sum:ident) => {
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
                unsafe fn minus(self, other: Self) -> Self {
                    // SAFETY: as above.
                    Self(unsafe { $sub(self.0, other.0) })
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
            }
        };
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

    lanes!(
        Avx2,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_sub_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        _mm256_castps_si256,
        _mm256_castsi256_ps,
        _mm256_slli_epi32,
        _mm256_add_epi32,
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
        _mm512_sub_ps,
        _mm512_max_ps,
        _mm512_min_ps,
        _mm512_castps_si512,
        _mm512_castsi512_ps,
        _mm512_slli_epi32,
        _mm512_add_epi32,
        above_avx512,
        integers_avx512,
        any_avx512,
        sum_avx512
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation against the scalar one that it stands for, on values of both signs, zeros and a `NaN`.
    ///
    /// # Safety
    /// The instruction set of `L` must be available.
    unsafe fn check<L: Lanes>() {
        let a: Vec<f32> = (0..=L::COUNT).map(|at| ((at * 7) % 11) as f32 - 4.5).collect();
        let b: Vec<f32> = (0..=L::COUNT).map(|at| ((at * 5) % 13) as f32 - 6.0).collect();
        let c: Vec<f32> = (0..=L::COUNT).map(|at| (at % 3) as f32 - 1.0).collect();
        let integers: Vec<i32> = (0..=L::COUNT).map(|at| at as i32 * 1000 - 2500).collect();
        // one in, so that nothing is aligned
        let (a, b, c, integers) = (&a[1..], &b[1..], &c[1..], &integers[1..]);
        let stored = |lanes: L| {
            let mut room = vec![7.0; L::COUNT + 2];
            // SAFETY: there is room for `COUNT` values from the second on.
            unsafe { lanes.store(room.as_mut_ptr().add(1)) };
            assert_eq!((room[0], room[L::COUNT + 1]), (7.0, 7.0), "nothing beside it is written");
            room[1..=L::COUNT].to_vec()
        };
        let each = |of: &dyn Fn(usize) -> f32| (0..L::COUNT).map(of).collect::<Vec<_>>();
        // SAFETY: `COUNT` values are readable behind every pointer.
        unsafe {
            let (x, y, z) = (L::load(a.as_ptr()), L::load(b.as_ptr()), L::load(c.as_ptr()));
            assert_eq!(stored(x), a);
            assert_eq!(stored(L::zero()), each(&|_| 0.0));
            assert_eq!(stored(L::splat(2.5)), each(&|_| 2.5));
            assert_eq!(stored(x.multiply_add(y, z)), each(&|at| a[at] * b[at] + c[at]));
            assert_eq!(stored(x.minus(y)), each(&|at| a[at] - b[at]));
            assert_eq!(stored(x.largest(y)), each(&|at| a[at].max(b[at])));
            assert_eq!(stored(x.smallest(y)), each(&|at| a[at].min(b[at])));
            assert_eq!(stored(L::splat(f32::NAN).largest(y)), b);
            assert_eq!(stored(L::splat(f32::NAN).smallest(y)), b);
            assert_eq!(stored(x.where_above(y, z)), each(&|at| if b[at] > c[at] { a[at] } else { 0.0 }));
            assert_eq!(stored(x.where_above(L::splat(f32::NAN), z)), each(&|_| 0.0));
            assert_eq!(stored(L::from_integers(integers.as_ptr())), each(&|at| integers[at] as f32));
            for at in 0..L::COUNT {
                let mut higher = a.to_vec();
                higher[at] += 0.5;
                assert!(L::load(higher.as_ptr()).any_above(x), "lane {at}");
                assert!(!x.any_above(L::load(higher.as_ptr())), "lane {at}");
            }
            assert!(!L::splat(f32::NAN).any_above(x));
            // halves and small whole numbers: exact in any order
            assert_eq!(x.sum(), a.iter().sum::<f32>());
            for power in [-3, 0, 5] {
                let found = L::splat(1.5).times_power_of_two(L::splat(12_582_912.0 + power as f32));
                assert_eq!(stored(found), each(&|_| 1.5 * 2.0_f32.powi(power)));
            }
        }
    }

    #[test]
    fn every_register_does_what_plain_floats_do() {
        for set in available() {
            // SAFETY: `available` names only what this processor has.
            match set {
                #[cfg(target_arch = "aarch64")]
                InstructionSet::Neon => unsafe { check::<aarch64::Neon>() },
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => unsafe { check::<x86::Avx2>() },
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => unsafe { check::<x86::Avx512>() },
                _ => unsafe { check::<Plain>() },
            }
        }
    }

    #[test]
    fn the_detected_set_is_available() {
        assert!(detected().is_available());
    }
}
