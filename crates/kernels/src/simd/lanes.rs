//! The register type that kernels are written over, and its portable version.

/// A vector register of `f32`.
///
/// # Safety
/// `load` reads and `store` writes `COUNT` values at an address that need not be aligned. The processor must have the
/// instruction set, for every method.
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
    /// `self + other`.
    unsafe fn plus(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn minus(self, other: Self) -> Self;
    /// `self * by`.
    unsafe fn times(self, by: Self) -> Self;
    /// The larger of each pair; `other`, which must not be NaN, where `self` is a quiet NaN.
    unsafe fn largest(self, other: Self) -> Self;
    /// The smaller of each pair; `other`, which must not be NaN, where `self` is a quiet NaN.
    unsafe fn smallest(self, other: Self) -> Self;
    /// `self` where `value > bound`, 0 elsewhere.
    unsafe fn where_above(self, value: Self, bound: Self) -> Self;
    /// `COUNT` integers from `from`, as floats.
    unsafe fn from_integers(from: *const i32) -> Self;
    /// Whether any lane is above the corresponding lane of `other`.
    unsafe fn any_above(self, other: Self) -> bool;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
    /// `self * 2^n`, if both are normal numbers. `power` is `n + 1.5 * 2^23`, whose lowest bits are `n`.
    unsafe fn times_power_of_two(self, power: Self) -> Self;
    /// The first number of a pair in bfloat16, which is in the lower half of each lane.
    unsafe fn first_of_pair(self) -> Self;
    /// The second number of a pair in bfloat16, which is in the upper half of each lane.
    unsafe fn second_of_pair(self) -> Self;
    /// Turns a block of 8 x 8 values: `to[column * to_pitch + row] = from[row * from_pitch + column]`. Every row of `from` and of
    /// `to` has 8 values.
    #[inline(always)]
    unsafe fn turn_block(from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
        for row in 0..8 {
            for column in 0..8 {
                // SAFETY: the caller promises eight rows of eight values on both sides.
                unsafe { *to.add(column * to_pitch + row) = *from.add(row * from_pitch + column) };
            }
        }
    }
}

/// Eight plain floats, which the compiler vectorises as it can.
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
    unsafe fn plus(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn times(self, by: Self) -> Self {
        self.with(by, |a, b| a * b)
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
    #[inline(always)]
    unsafe fn first_of_pair(self) -> Self {
        Self(self.0.map(|pair| f32::from_bits(pair.to_bits() << 16)))
    }
    #[inline(always)]
    unsafe fn second_of_pair(self) -> Self {
        Self(self.0.map(|pair| f32::from_bits(pair.to_bits() & 0xFFFF_0000)))
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
