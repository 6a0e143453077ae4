//! A cosine in 32 bits, with the resolution of `f64` near 1.
//!
//! Embeddings that share a large mean have cosines such as `1 - 2e-8`. As an `f32` they would all be 1. So a cosine above [`NEAR`]
//! is stored by its distance from 1, which an `f32` resolves to 24 bits; a lower cosine is stored as itself. Stored values sort like
//! the cosines. [`cosine`] and [`stored`] convert exactly in both directions: a stored value stands for one `f64`.

/// Cosines above this are computed from differences and stored by their distance from 1.
pub(crate) const NEAR: f32 = 1.0 - DISTANCE;
/// The distance of [`NEAR`] from 1: 2^-10.
const DISTANCE: f32 = 1.0 / 1024.0;
/// The bits of the stored value of the cosine 1. Those of distance `d` are this minus the bits of `d`, so that they fall as `d` rises.
/// The largest distance gives the bits of 2, above every cosine stored as itself.
const TOP: u32 = 0x4000_0000 + DISTANCE.to_bits();

/// Bits of a stored distance that a bin does not distinguish: its width is 2^-11 of the distance or less.
const BIN_BITS: u32 = 12;
/// The stored bits of the first bin of near cosines.
const FIRST: u32 = 0x4000_0000;
/// The distance of the last bin, 2^-42: the edges of nearer ones would not be exact in `f64`.
const LAST_DISTANCE: f32 = DISTANCE / (1_u64 << 32) as f32;
/// Bins of near cosines, in order of rising cosine; the last holds all cosines within 2^-42 of 1.
pub(crate) const NEAR_BINS: usize = ((DISTANCE.to_bits() - LAST_DISTANCE.to_bits()) >> BIN_BITS) as usize + 1;

/// The stored value of a cosine in [-1, 1].
pub(crate) fn stored(cosine: f64) -> f32 {
    // Exact for the cosines in question: both are within a factor of two.
    let distance = (1.0 - cosine) as f32;
    if (0.0..DISTANCE).contains(&distance) {
        f32::from_bits(TOP - distance.to_bits())
    } else {
        // Adding zero turns -0 into 0, so that equal scores have equal bits.
        (cosine as f32).min(NEAR) + 0.0
    }
}

/// The cosine of a stored value.
pub(crate) fn cosine(stored: f32) -> f64 {
    if stored > NEAR { 1.0 - f64::from(f32::from_bits(TOP - stored.to_bits())) } else { f64::from(stored) }
}

/// The cosine of a stored value in `f32`, rounded; rises with the stored value, but not strictly.
pub(crate) fn rounded(stored: f32) -> f32 {
    cosine(stored) as f32
}

/// The bin of a stored value above [`NEAR`], below [`NEAR_BINS`].
pub(crate) fn near_bin(stored: f32) -> usize {
    (((stored.to_bits() - FIRST) >> BIN_BITS) as usize).min(NEAR_BINS - 1)
}

/// The first bin of near cosines whose lower edge is at least `cosine`, which is above [`NEAR`]; [`NEAR_BINS`] if there is none.
pub(crate) fn near_bin_from(cosine: f64) -> usize {
    let bits = stored(cosine.min(1.0)).to_bits().max(FIRST) - FIRST;
    let bin = (bits.div_ceil(1 << BIN_BITS) as usize).min(NEAR_BINS);
    // A cosine just above an edge is stored as the edge.
    let is_below = bin < NEAR_BINS && self::cosine(near_edge(bin)) < cosine;
    bin + usize::from(is_below)
}

/// The lowest stored value of a bin of near cosines.
pub(crate) fn near_edge(bin: usize) -> f32 {
    f32::from_bits(FIRST + ((bin as u32) << BIN_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_are_where_they_belong() {
        assert_eq!(cosine(stored(1.0)), 1.0);
        assert_eq!(cosine(stored(f64::from(NEAR))), f64::from(NEAR));
        assert_eq!(stored(-1.0), -1.0);
        assert_eq!(stored(-0.0).to_bits(), 0);
        assert!(stored(1.0).is_finite() && stored(1.0) > stored(1.0_f64.next_down()));
        assert!(stored(f64::from(NEAR).next_up()) >= stored(f64::from(NEAR)));
        assert_eq!(near_bin(stored(1.0)), NEAR_BINS - 1);
        assert_eq!(cosine(near_edge(NEAR_BINS - 1)), 1.0 - (-42.0_f64).exp2());
        assert_eq!(near_bin_from(1.0_f64.next_up()), NEAR_BINS);
    }

    proptest! {
        #[test]
        fn stored_cosines_sort_and_convert_exactly(power in 0.0_f64..54.0, other in 0.0_f64..54.0) {
            let of = |power: f64| 1.0 - (-power).exp2() * 2.0;
            let (a, b) = (of(power), of(other));
            prop_assert!(a > b || stored(a) <= stored(b));
            for value in [a, b] {
                let back = cosine(stored(value));
                // 24 bits of the distance near 1, 24 bits of the cosine elsewhere
                let allowed = if value > f64::from(NEAR) { (1.0 - value) * 6e-8 } else { 6e-8 };
                prop_assert!((back - value).abs() <= allowed, "{} {}", back, value);
                prop_assert_eq!(stored(back).to_bits(), stored(value).to_bits());
            }
        }

        #[test]
        fn bins_of_near_cosines_follow_their_edges(power in 11.0_f64..53.0) {
            // as it is stored: rounding can move a cosine to the next bin
            let value = cosine(stored(1.0 - (-power).exp2()));
            let bin = near_bin(stored(value));
            let edge = cosine(near_edge(bin));
            prop_assert!(edge <= value && 1.0 - edge <= ((1.0 - value) * 1.0006).max((-42.0_f64).exp2()));
            prop_assert_eq!(near_bin_from(edge), bin);
            prop_assert_eq!(near_bin_from(edge.next_up()), bin + 1);
        }
    }
}
