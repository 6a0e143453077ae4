//! Values stored as bfloat16: widening to `f32`, and rounding.
//!
//! A bfloat16 is the upper half of an `f32`: it has the same range and eight significant bits. A value between two of them is
//! rounded *stochastically*: up with a probability proportional to its distance from the lower one. The rounded value is then right
//! on average, so that steps much smaller than the distance between two neighbours add up instead of being lost (Gupta et al., *Deep
//! Learning with Limited Numerical Precision*, 2015, section 2.2).

use widemargin_chance::indexed;

use crate::simd::{InstructionSet, detected, dispatch};

/// Bits of the exponent, in the upper half of an `f32`. All are set in infinity and NaN.
const EXPONENT: u32 = 0x7F80;

/// The `f32` of a bfloat16: exact.
pub fn wide(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

/// The nearest bfloat16, the larger in magnitude of two equally near. The largest numbers become the largest finite bfloat16, not
/// infinity.
pub fn nearest(value: f32) -> u16 {
    rounded(value.to_bits(), 0x8000) as u16
}

/// Writes values as `f32`.
///
/// # Panics
/// If the lengths differ.
pub fn widen(out: &mut [f32], values: &[u16]) {
    widen_with(detected(), out, values);
}

fn widen_with(set: InstructionSet, out: &mut [f32], values: &[u16]) {
    assert_eq!(out.len(), values.len(), "both rows must have the same length");
    dispatch!(set, fn(out: &mut [f32], values: &[u16]) {
        for (out, &value) in out.iter_mut().zip(values) {
            *out = wide(value);
        }
    });
}

/// Stores values as bfloat16, rounded stochastically; on return `values` holds what was stored.
///
/// The draw for a value depends on the key and its position only ([`indexed`]), so all instruction sets give the same bits. A finite
/// value stays finite, a value that is not stays so, and a bfloat16 is stored as it is.
///
/// # Panics
/// If the lengths differ.
pub fn round_stochastically(values: &mut [f32], out: &mut [u16], key: u64) {
    round_stochastically_with(detected(), values, out, key);
}

fn round_stochastically_with(set: InstructionSet, values: &mut [f32], out: &mut [u16], key: u64) {
    assert_eq!(out.len(), values.len(), "both rows must have the same length");
    dispatch!(set, fn(values: &mut [f32], out: &mut [u16], key: u64) {
        for (index, (value, out)) in values.iter_mut().zip(out).enumerate() {
            let bits = rounded(value.to_bits(), indexed(key, index as u32) >> 16);
            *out = bits as u16;
            *value = f32::from_bits(bits << 16);
        }
    });
}

/// The upper half of `bits` after rounding: up if the lower half plus `noise` overflows, with `noise` uniform over all 16-bit numbers.
#[inline(always)]
fn rounded(bits: u32, noise: u32) -> u32 {
    let down = bits >> 16;
    // only the largest finite numbers, infinity and NaN could reach the exponent of infinity: they are cut off
    let up = (bits & 0x7FFF_FFFF).wrapping_add(noise) >> 16 | down & 0x8000;
    if up & EXPONENT == EXPONENT { down } else { up }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Draws until the mean of the rounded values is compared with the value.
    const DRAWS: usize = 1 << 14;

    proptest! {
        /// One of the two neighbours, a bfloat16 unchanged, and nothing finite becomes infinite, nor the other way round.
        #[test]
        fn a_value_becomes_one_of_its_neighbours(bits: u32, key: u64) {
            let value = f32::from_bits(bits);
            let (mut values, mut stored) = ([value; 5], [0; 5]);
            round_stochastically(&mut values, &mut stored, key);
            for (found, stored) in values.into_iter().zip(stored) {
                prop_assert_eq!(found.to_bits(), wide(stored).to_bits());
                prop_assert_eq!(found.is_finite(), value.is_finite());
                if value.is_finite() {
                    // the distance between neighbours is at most 2^-7 of the value, or of the smallest normal number
                    let step = value.abs().max(f32::MIN_POSITIVE) * 2.0_f32.powi(-7);
                    prop_assert!((found - value).abs() <= step, "{} {}", value, found);
                    prop_assert!((wide(nearest(value)) - value).abs() <= step / 2.0 || value.abs() > 3.38e38);
                }
                if bits.trailing_zeros() >= 16 && value.is_finite() {
                    prop_assert_eq!(found.to_bits(), bits);
                }
            }
        }

        /// The mean of many draws is the value, within five standard errors of a draw between two neighbours, plus the resolution of
        /// the noise: one part in 65,536 of their distance.
        #[test]
        fn rounding_is_unbiased(value in prop_oneof![-10.0_f32..10.0, -1e-3_f32..1e-3, 1e-38_f32..1e-36], key: u64) {
            let (mut values, mut stored) = (vec![value; DRAWS], vec![0; DRAWS]);
            round_stochastically(&mut values, &mut stored, key);
            let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / DRAWS as f64;
            let low = value.to_bits() >> 16 << 16;
            let distance = f64::from(f32::from_bits(low + (1 << 16)) - f32::from_bits(low)).abs();
            let share = f64::from(value.to_bits() & 0xFFFF) / 65_536.0;
            let spread = (share * (1.0 - share) / DRAWS as f64).sqrt();
            let bound = distance * (5.0 * spread + 1.0 / 65_536.0);
            prop_assert!((mean - f64::from(value)).abs() <= bound, "{} {} {}", value, mean, bound);
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for length in [0, 1, 7, 8, 15, 16, 17, 63, 64, 65, 512, 515] {
            let values: Vec<f32> =
                (0..length).map(|at| (at as f32 * 0.37 - 40.0) * 1.001_f32.powi(at)).collect();
            let (mut expected, mut stored) = (values.clone(), vec![0; values.len()]);
            round_stochastically(&mut expected, &mut stored, 0x1234_5678_9ABC_DEF0);
            for set in InstructionSet::available() {
                let (mut found, mut bits) = (values.clone(), vec![0; values.len()]);
                round_stochastically_with(set, &mut found, &mut bits, 0x1234_5678_9ABC_DEF0);
                assert_eq!((&found, &bits), (&expected, &stored), "{set:?} {length}");
                let mut wide = vec![0.0; values.len()];
                widen_with(set, &mut wide, &bits);
                assert_eq!(wide, expected, "{set:?} {length}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_stay_on_their_side() {
        let ends = [f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0, -0.0];
        for key in 0..100 {
            let (mut values, mut stored) = (ends, [0; 7]);
            round_stochastically(&mut values, &mut stored, key);
            assert_eq!(values[..4], [wide(0x7F7F), wide(0xFF7F), f32::INFINITY, f32::NEG_INFINITY]);
            assert!(!values[4].is_finite());
            assert_eq!([values[5].to_bits(), values[6].to_bits()], [0, 1 << 31]);
        }
        assert_eq!(wide(nearest(f32::MAX)), wide(0x7F7F), "no infinity from a number");
    }
}
