//! Exponentials of a row of scores: the sums that a softmax needs, and the weights that come of them.
//!
//! A row is turned into exponents by a [`Line`], `a_i = slope (x_i - centre)`. With the centre at the row's largest value
//! and a slope above 0 every exponent is at most 0 and nothing overflows. `e^a` is `2^n` times a polynomial of degree six
//! on `|r| <= ln 2 / 2` (the coefficients of Cephes' `expf`), within [`RELATIVE_ERROR`] of the exact value; below `-87`,
//! where `f32` runs out of ordinary numbers, it is 0.

#[cfg(target_arch = "aarch64")]
use crate::simd::aarch64::Neon;
use crate::simd::{InstructionSet, Lanes, Plain, detected};

/// Largest relative error of an exponential here, exponents themselves taken as exact.
pub const RELATIVE_ERROR: f64 = 3e-7;

/// Exponents below this count as minus infinity.
const LOWEST: f32 = -87.0;
/// Exponents above this count as this.
const HIGHEST: f32 = 88.0;
/// Registers of values whose sums are kept in `f32` before they are added up in `f64`.
const BLOCK: usize = 32;

/// What makes exponents of values: `slope (x - centre)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Factor on the difference; finite.
    pub slope: f32,
    /// What is subtracted; finite.
    pub centre: f32,
}

/// Sums over a row of exponentials.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExponentialSums {
    /// `sum e^{a_i}`.
    pub sum: f64,
    /// `sum a_i e^{a_i}`.
    pub moment: f64,
}

/// The largest value, and whether all are finite; minus infinity and true without any.
///
/// If one is not finite the value means nothing.
pub fn largest(values: &[f32]) -> (f32, bool) {
    largest_with(detected(), values)
}

fn largest_with(set: InstructionSet, values: &[f32]) -> (f32, bool) {
    // SAFETY: `set` is one that this processor has: the detected one, or in the tests an available one.
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { largest_lanes::<Neon>(values) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { x86::largest_avx2(values) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { x86::largest_avx512(values) },
        _ => unsafe { largest_lanes::<Plain>(values) },
    }
}

/// Sums of the exponentials of a row; values that are not finite are not looked for ([`largest`] does).
pub fn sums(values: &[f32], line: Line) -> ExponentialSums {
    sums_with(detected(), values, line)
}

fn sums_with(set: InstructionSet, values: &[f32], line: Line) -> ExponentialSums {
    // SAFETY: as in `largest_with`.
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { sums_lanes::<Neon>(values, line) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { x86::sums_avx2(values, line) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { x86::sums_avx512(values, line) },
        _ => unsafe { sums_lanes::<Plain>(values, line) },
    }
}

/// Each value becomes `factor` times its exponential.
pub fn weights(values: &mut [f32], line: Line, factor: f32) {
    weights_with(detected(), values, line, factor);
}

fn weights_with(set: InstructionSet, values: &mut [f32], line: Line, factor: f32) {
    // SAFETY: as in `largest_with`.
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { weights_lanes::<Neon>(values, line, factor) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { x86::weights_avx2(values, line, factor) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { x86::weights_avx512(values, line, factor) },
        _ => unsafe { weights_lanes::<Plain>(values, line, factor) },
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ExponentialSums, Line, largest_lanes, sums_lanes, weights_lanes};
    use crate::simd::x86::{Avx2, Avx512};

    macro_rules! instances {
        ($lanes:ident, $features:literal, $largest:ident, $sums:ident, $weights:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $largest(values: &[f32]) -> (f32, bool) {
                // SAFETY: the features are those of the registers.
                unsafe { largest_lanes::<$lanes>(values) }
            }
            #[target_feature(enable = $features)]
            pub(super) fn $sums(values: &[f32], line: Line) -> ExponentialSums {
                // SAFETY: as above.
                unsafe { sums_lanes::<$lanes>(values, line) }
            }
            #[target_feature(enable = $features)]
            pub(super) fn $weights(values: &mut [f32], line: Line, factor: f32) {
                // SAFETY: as above.
                unsafe { weights_lanes::<$lanes>(values, line, factor) }
            }
        };
    }
    instances!(Avx2, "avx2,fma", largest_avx2, sums_avx2, weights_avx2);
    instances!(Avx512, "avx512f", largest_avx512, sums_avx512, weights_avx512);
}

/// Room for one register of any instruction set.
type Spill = [f32; 16];

/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
unsafe fn largest_lanes<L: Lanes>(values: &[f32]) -> (f32, bool) {
    let whole = values.chunks_exact(L::COUNT);
    let rest = whole.remainder();
    let (mut best, mut finite) = (f32::NEG_INFINITY, true);
    // SAFETY: each chunk has COUNT values, and a spill room for as many.
    unsafe {
        let (mut largest, mut probe) = (L::splat(f32::NEG_INFINITY), L::zero());
        for chunk in whole {
            let x = L::load(chunk.as_ptr());
            largest = x.largest(largest);
            // 0 times a number that is not finite is not a number, and stays so
            probe = x.multiply_add(L::zero(), probe);
        }
        let (mut tops, mut probes): (Spill, Spill) = ([f32::NEG_INFINITY; 16], [0.0; 16]);
        largest.store(tops.as_mut_ptr());
        probe.store(probes.as_mut_ptr());
        for (&top, &probe) in tops.iter().zip(&probes) {
            best = best.max(top);
            finite &= !probe.is_nan();
        }
    }
    for &value in rest {
        best = best.max(value);
        finite &= value.is_finite();
    }
    (best, finite)
}

/// The clamped exponent and its exponential.
///
/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
unsafe fn exponential<L: Lanes>(x: L, slope: L, centre: L) -> (L, L) {
    // SAFETY: the caller promises the instruction set.
    unsafe { of_exponent(x.minus(centre).multiply_add(slope, L::zero())) }
}

/// The exponent, kept within bounds, and its exponential.
///
/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
pub(crate) unsafe fn of_exponent<L: Lanes>(exponent: L) -> (L, L) {
    // SAFETY: the caller promises the instruction set.
    unsafe {
        let magic = L::splat(12_582_912.0); // 1.5 * 2^23: adding it rounds to an integer
        let lowest = L::splat(LOWEST);
        let exponent = exponent.smallest(L::splat(HIGHEST)).largest(lowest);
        let power = exponent.multiply_add(L::splat(std::f32::consts::LOG2_E), magic);
        let whole = power.minus(magic);
        // ln 2 in two parts, the first with few enough digits for the product to be exact
        let rest = whole.multiply_add(L::splat(-0.693_359_4), exponent);
        let rest = whole.multiply_add(L::splat(2.121_944_4e-4), rest);
        let mut series = L::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0] {
            series = series.multiply_add(rest, L::splat(coefficient));
        }
        (exponent, series.times_power_of_two(power).where_above(exponent, lowest))
    }
}

/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
unsafe fn sums_lanes<L: Lanes>(values: &[f32], line: Line) -> ExponentialSums {
    let mut total = ExponentialSums::default();
    // SAFETY: `load` gets COUNT values: of a whole chunk, or of the padded copy of what is left over.
    unsafe {
        let (slope, centre) = (L::splat(line.slope), L::splat(line.centre));
        for block in values.chunks(BLOCK * L::COUNT) {
            let (mut sum, mut moment) = (L::zero(), L::zero());
            let whole = block.chunks_exact(L::COUNT);
            let rest = whole.remainder();
            for chunk in whole {
                let (exponent, value) = exponential(L::load(chunk.as_ptr()), slope, centre);
                sum = value.multiply_add(L::splat(1.0), sum);
                moment = value.multiply_add(exponent, moment);
            }
            total.sum += spilled(sum, L::COUNT);
            total.moment += spilled(moment, L::COUNT);
            if !rest.is_empty() {
                let mut padded: Spill = [line.centre; 16];
                padded[..rest.len()].copy_from_slice(rest);
                let (exponent, value) = exponential(L::load(padded.as_ptr()), slope, centre);
                total.sum += spilled(value, rest.len());
                total.moment += spilled(value.multiply_add(exponent, L::zero()), rest.len());
            }
        }
    }
    total
}

/// The sum of the first `count` lanes.
///
/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
unsafe fn spilled<L: Lanes>(lanes: L, count: usize) -> f64 {
    let mut room: Spill = [0.0; 16];
    // SAFETY: a spill has room for the widest register.
    unsafe { lanes.store(room.as_mut_ptr()) };
    room[..count].iter().map(|&value| f64::from(value)).sum()
}

/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
unsafe fn weights_lanes<L: Lanes>(values: &mut [f32], line: Line, factor: f32) {
    // SAFETY: `load` and `store` get COUNT values: a whole chunk, or the padded copy of what is left over.
    unsafe {
        let (slope, centre, factor) = (L::splat(line.slope), L::splat(line.centre), L::splat(factor));
        let mut whole = values.chunks_exact_mut(L::COUNT);
        for chunk in &mut whole {
            let (_, value) = exponential(L::load(chunk.as_ptr()), slope, centre);
            value.multiply_add(factor, L::zero()).store(chunk.as_mut_ptr());
        }
        let rest = whole.into_remainder();
        if !rest.is_empty() {
            let mut padded: Spill = [line.centre; 16];
            padded[..rest.len()].copy_from_slice(rest);
            let (_, value) = exponential(L::load(padded.as_ptr()), slope, centre);
            value.multiply_add(factor, L::zero()).store(padded.as_mut_ptr());
            rest.copy_from_slice(&padded[..rest.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::available;

    /// Sizes around the widths of registers and of a block.
    const LENGTHS: [usize; 9] = [0, 1, 7, 8, 15, 17, 33, 512, 1030];

    fn row(count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + 13) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    #[test]
    fn every_exponential_is_within_its_bound() {
        for set in available() {
            let exponents: Vec<f32> = (-90_000..=88_000).map(|at| at as f32 / 1000.0).collect();
            let line = Line { slope: 1.0, centre: 0.0 };
            let mut found = exponents.clone();
            weights_with(set, &mut found, line, 1.0);
            for (&exponent, &found) in exponents.iter().zip(&found) {
                let expected = if exponent <= LOWEST { 0.0 } else { f64::from(exponent).exp() };
                let error = (f64::from(found) - expected).abs();
                assert!(error <= RELATIVE_ERROR * expected, "{set:?} e^{exponent}: {found}, {expected}");
            }
        }
    }

    #[test]
    fn sums_and_weights_equal_the_plain_twin_at_every_length() {
        let line = Line { slope: 12.5, centre: 0.75 };
        for set in available() {
            for length in LENGTHS {
                // one more in front, so that nothing is aligned
                let all = row(length + 1);
                let values = &all[1..];
                let exponents = || values.iter().map(|&x| f64::from(line.slope * (x - line.centre)));
                let sum: f64 = exponents().map(f64::exp).sum();
                let moment: f64 = exponents().map(|exponent| exponent * exponent.exp()).sum();
                let found = sums_with(set, values, line);
                // the exponents are rounded to f32: up to 22 in size, half a unit of 2e-6
                assert!((found.sum - sum).abs() <= 4e-6 * sum, "{set:?} {length}: {found:?} {sum}");
                let size: f64 = exponents().map(|exponent| exponent.abs() * exponent.exp()).sum();
                assert!((found.moment - moment).abs() <= 4e-6 * size, "{set:?} {length}: {found:?} {moment}");
                let mut weighted = values.to_vec();
                weights_with(set, &mut weighted, line, 0.5);
                for (found, exponent) in weighted.iter().zip(exponents()) {
                    let expected = 0.5 * exponent.exp();
                    assert!((f64::from(*found) - expected).abs() <= 4e-6 * expected, "{set:?} {length}");
                }
                let (top, finite) = largest_with(set, values);
                assert_eq!(top, values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                assert!(finite);
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_found_wherever_it_stands() {
        for set in available() {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in [0, 5, 16, 30, 32] {
                    let mut values = row(33);
                    values[at] = bad;
                    assert!(!largest_with(set, &values).1, "{set:?} {bad} at {at}");
                }
            }
        }
    }
}
