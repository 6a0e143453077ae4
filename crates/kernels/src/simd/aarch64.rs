//! The NEON register of aarch64.

use super::lanes::Lanes;
use core::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddq_s32, vaddvq_f32, vandq_u32, vcgtq_f32, vcvtq_f32_s32, vdupq_n_f32,
    vfmaq_f32, vld1q_f32, vld1q_s32, vmaxnmq_f32, vmaxvq_u32, vminnmq_f32, vmulq_f32, vreinterpretq_f32_s32,
    vreinterpretq_f32_u32, vreinterpretq_s32_f32, vreinterpretq_u32_f32, vshlq_n_s32, vst1q_f32, vsubq_f32,
};

/// A 128-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

impl Lanes for Neon {
    const COUNT: usize = 4;
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: every aarch64 processor has NEON, here and below.
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
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn times(self, by: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vmulq_f32(self.0, by.0) })
    }
    #[inline(always)]
    unsafe fn largest(self, other: Self) -> Self {
        // SAFETY: as above. For a number and a quiet NaN, `maxnm` gives the number; `max` would give NaN.
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
    #[inline(always)]
    unsafe fn first_of_pair(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<16>(vreinterpretq_s32_f32(self.0))) })
    }
    #[inline(always)]
    unsafe fn second_of_pair(self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let upper = vreinterpretq_u32_f32(vdupq_n_f32(f32::from_bits(0xFFFF_0000)));
            vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self.0), upper))
        })
    }
}
