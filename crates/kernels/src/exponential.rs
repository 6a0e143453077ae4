//! Exponentials of a row of scores: the sums that a softmax needs, and its weights.
//!
//! An [`AffineExponent`] maps scores to exponents: `a_i = slope (x_i - centre)`. With the row's largest value as the
//! centre and a positive slope, every exponent is at most 0 and nothing overflows. `e^a` is `2^n` times a polynomial of
//! degree six on `|r| <= ln 2 / 2` (the coefficients of Cephes' `expf`). Its relative error is at most
//! [`RELATIVE_ERROR`]. Below `-87`, where `f32` runs out of normal numbers, the result is 0.

use crate::simd::{InstructionSet, Lanes, detected, dispatch};

/// Largest relative error of an exponential, given its rounded exponent.
pub const RELATIVE_ERROR: f64 = 3e-7;

/// Exponents below this count as minus infinity.
const LOWEST: f32 = -87.0;
/// Larger exponents are clamped to this.
const HIGHEST: f32 = 88.0;
/// Registers that are summed in `f32` before the sum is added to a total in `f64`.
const BLOCK: usize = 32;

/// The map from scores to exponents: `slope (x - centre)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineExponent {
    /// Factor on the difference; finite.
    pub slope: f32,
    /// Subtracted from the score; finite.
    pub centre: f32,
}

/// Sums over the exponentials of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExponentialSums {
    /// `sum e^{a_i}`.
    pub sum: f64,
    /// `sum a_i e^{a_i}`.
    pub moment: f64,
}

/// The largest value, and whether all values are finite. An empty row gives minus infinity and `true`.
///
/// The value is meaningless if any value is not finite.
pub fn largest(values: &[f32]) -> (f32, bool) {
    largest_with(detected(), values)
}

fn largest_with(set: InstructionSet, values: &[f32]) -> (f32, bool) {
    dispatch!(set, L => fn(values: &[f32]) -> (f32, bool) {
        // SAFETY: the features are those of `L`.
        unsafe { largest_lanes::<L>(values) }
    })
}

/// Sums of the exponentials of a row. It does not check that the values are finite; [`largest`] does.
pub fn sums(values: &[f32], exponent: AffineExponent) -> ExponentialSums {
    sums_with(detected(), values, exponent)
}

fn sums_with(set: InstructionSet, values: &[f32], exponent: AffineExponent) -> ExponentialSums {
    dispatch!(set, L => fn(values: &[f32], exponent: AffineExponent) -> ExponentialSums {
        // SAFETY: the features are those of `L`.
        unsafe { sums_lanes::<L>(values, exponent) }
    })
}

/// Replaces each value by `factor` times its exponential.
pub fn weights(values: &mut [f32], exponent: AffineExponent, factor: f32) {
    weights_with(detected(), values, exponent, factor);
}

fn weights_with(set: InstructionSet, values: &mut [f32], exponent: AffineExponent, factor: f32) {
    dispatch!(set, L => fn(values: &mut [f32], exponent: AffineExponent, factor: f32) {
        // SAFETY: the features are those of `L`.
        unsafe { weights_lanes::<L>(values, exponent, factor) }
    });
}

/// Room for the widest register.
type Spill = [f32; 16];

/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
unsafe fn largest_lanes<L: Lanes>(values: &[f32]) -> (f32, bool) {
    let whole = values.chunks_exact(L::COUNT);
    let rest = whole.remainder();
    let (mut best, mut finite) = (f32::NEG_INFINITY, true);
    // SAFETY: each chunk has COUNT values, and a spill has room for as many.
    unsafe {
        let (mut largest, mut probe) = (L::splat(f32::NEG_INFINITY), L::zero());
        for chunk in whole {
            let x = L::load(chunk.as_ptr());
            largest = x.largest(largest);
            // 0 times an infinity or a NaN is NaN, and the sum stays NaN.
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

/// The clamped exponent of a score, and its exponential.
///
/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
unsafe fn exponential<L: Lanes>(x: L, slope: L, centre: L) -> (L, L) {
    // SAFETY: the caller promises the instruction set.
    unsafe { of_exponent(x.minus(centre).multiply_add(slope, L::zero())) }
}

/// The clamped exponent, and its exponential.
///
/// # Safety
/// The instruction set of `L` must be available.
#[inline(always)]
pub(crate) unsafe fn of_exponent<L: Lanes>(exponent: L) -> (L, L) {
    // SAFETY: the caller promises the instruction set.
    unsafe {
        // 1.5 * 2^23: adding it rounds to an integer.
        let magic = L::splat(12_582_912.0);
        let lowest = L::splat(LOWEST);
        let exponent = exponent.smallest(L::splat(HIGHEST)).largest(lowest);
        let power = exponent.multiply_add(L::splat(std::f32::consts::LOG2_E), magic);
        let whole = power.minus(magic);
        // ln 2 in two parts; the first has few enough digits that its product is exact.
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
unsafe fn sums_lanes<L: Lanes>(values: &[f32], exponent: AffineExponent) -> ExponentialSums {
    let mut total = ExponentialSums::default();
    // SAFETY: `load` reads COUNT values, of a whole chunk or of the padded copy of the remainder.
    unsafe {
        let (slope, centre) = (L::splat(exponent.slope), L::splat(exponent.centre));
        for block in values.chunks(BLOCK * L::COUNT) {
            let (mut sum, mut moment) = (L::zero(), L::zero());
            let whole = block.chunks_exact(L::COUNT);
            let rest = whole.remainder();
            for chunk in whole {
                let (a, value) = exponential(L::load(chunk.as_ptr()), slope, centre);
                sum = value.multiply_add(L::splat(1.0), sum);
                moment = value.multiply_add(a, moment);
            }
            total.sum += spilled(sum, L::COUNT);
            total.moment += spilled(moment, L::COUNT);
            if !rest.is_empty() {
                let mut padded: Spill = [exponent.centre; 16];
                padded[..rest.len()].copy_from_slice(rest);
                let (a, value) = exponential(L::load(padded.as_ptr()), slope, centre);
                total.sum += spilled(value, rest.len());
                total.moment += spilled(value.multiply_add(a, L::zero()), rest.len());
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
unsafe fn weights_lanes<L: Lanes>(values: &mut [f32], exponent: AffineExponent, factor: f32) {
    // SAFETY: `load` and `store` access COUNT values, of a whole chunk or of the padded copy of the remainder.
    unsafe {
        let (slope, centre, factor) = (L::splat(exponent.slope), L::splat(exponent.centre), L::splat(factor));
        let mut whole = values.chunks_exact_mut(L::COUNT);
        for chunk in &mut whole {
            let (_, value) = exponential(L::load(chunk.as_ptr()), slope, centre);
            value.multiply_add(factor, L::zero()).store(chunk.as_mut_ptr());
        }
        let rest = whole.into_remainder();
        if !rest.is_empty() {
            let mut padded: Spill = [exponent.centre; 16];
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

    /// Lengths around the widths of registers and of a block.
    const LENGTHS: [usize; 9] = [0, 1, 7, 8, 15, 17, 33, 512, 1030];

    fn row(count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + 13) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    #[test]
    fn every_exponential_is_within_its_bound() {
        for set in InstructionSet::available() {
            let exponents: Vec<f32> = (-90_000..=88_000).map(|at| at as f32 / 1000.0).collect();
            let line = AffineExponent { slope: 1.0, centre: 0.0 };
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
        let line = AffineExponent { slope: 12.5, centre: 0.75 };
        for set in InstructionSet::available() {
            for length in LENGTHS {
                // Start at the second value, so that nothing is aligned.
                let all = row(length + 1);
                let values = &all[1..];
                let exponents = || values.iter().map(|&x| f64::from(line.slope * (x - line.centre)));
                let sum: f64 = exponents().map(f64::exp).sum();
                let moment: f64 = exponents().map(|exponent| exponent * exponent.exp()).sum();
                let found = sums_with(set, values, line);
                // Exponents of up to 22 are rounded to f32: half a unit in the last place is about 1e-6.
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
    fn a_value_that_is_not_finite_is_found_at_any_position() {
        for set in InstructionSet::available() {
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
