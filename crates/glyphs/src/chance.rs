//! Chance that is looked up, not consumed: a generator for each (seed, purpose, two numbers).
//!
//! A drawing's distortion depends on the seed, its character and its font alone. Another font on the machine adds
//! samples; it changes none.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What chance decides.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Distortion = 1,
    Selection = 2,
    HoldOut = 3,
    Unseen = 4,
}

/// The generator of (`seed`, `purpose`, `first`, `second`): a ChaCha8 stream with these as its key.
pub(crate) fn generator(seed: u64, purpose: Purpose, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, purpose as u64, first, second]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number in `[low, high)`.
pub(crate) fn between(generator: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * ((generator.next_u32() >> 8) as f32 / (1u32 << 24) as f32)
}

/// Fisher and Yates' shuffle.
pub(crate) fn shuffle<T>(generator: &mut ChaCha8Rng, values: &mut [T]) {
    for last in (1..values.len()).rev() {
        let other = (u128::from(generator.next_u64()) * (last as u128 + 1)) >> 64;
        values.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stable_and_purposes_differ() {
        // A set can be drawn again only as long as this holds.
        let shuffled = |purpose, second| {
            let mut numbers: Vec<u32> = (0..8).collect();
            shuffle(&mut generator(1, purpose, 2, second), &mut numbers);
            numbers
        };
        assert_eq!(shuffled(Purpose::HoldOut, 3), shuffled(Purpose::HoldOut, 3));
        assert_eq!(shuffled(Purpose::HoldOut, 3), [6, 4, 5, 1, 2, 0, 7, 3]);
        assert_ne!(shuffled(Purpose::HoldOut, 3), shuffled(Purpose::Unseen, 3));
        assert_ne!(shuffled(Purpose::HoldOut, 3), shuffled(Purpose::HoldOut, 4));
        let mut random = generator(1, Purpose::Distortion, 0, 0);
        assert!((0..1000).all(|_| (-2.0..3.0).contains(&between(&mut random, -2.0, 3.0))));
    }
}
