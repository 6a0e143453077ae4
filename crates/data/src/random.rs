//! Chance that is looked up, not consumed: a generator for each (seed, purpose, two counters).
//!
//! The four numbers are the 256-bit key of a ChaCha8 stream, so different ones give unrelated streams and equal ones
//! the same stream, on every platform and in every release. The few functions on top are written out here because
//! those of general libraries may change their values between versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What randomness is used for, so that equal counters do not meet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Split = 1,
    HoldOut = 2,
    Sampler = 3,
    Augment = 4,
}

/// The generator of (`seed`, `purpose`, `first`, `second`).
pub(crate) fn generator(seed: u64, purpose: Purpose, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, purpose as u64, first, second]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number in `0..count`, evenly but for one part in 2^64 / `count`. `count` must not be 0.
pub(crate) fn below(generator: &mut ChaCha8Rng, count: usize) -> usize {
    ((u128::from(generator.next_u64()) * count as u128) >> 64) as usize
}

/// A number in `[0, 1)` in steps of 2^-24.
pub(crate) fn unit(generator: &mut ChaCha8Rng) -> f32 {
    (generator.next_u32() >> 8) as f32 / (1u32 << 24) as f32
}

/// Fisher and Yates' shuffle.
pub(crate) fn shuffle<T>(generator: &mut ChaCha8Rng, values: &mut [T]) {
    for last in (1..values.len()).rev() {
        values.swap(last, below(generator, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stable() {
        // Saved runs resume only as long as this holds.
        let mut numbers: Vec<u32> = (0..10).collect();
        shuffle(&mut generator(1, Purpose::Sampler, 2, 3), &mut numbers);
        assert_eq!(numbers, [5, 8, 6, 0, 7, 2, 9, 1, 4, 3]);
    }

    #[test]
    fn purposes_and_counters_differ() {
        let first = |seed, purpose, a, b| generator(seed, purpose, a, b).next_u64();
        let mut seen = vec![
            first(1, Purpose::Split, 0, 0),
            first(1, Purpose::Sampler, 0, 0),
            first(2, Purpose::Split, 0, 0),
            first(1, Purpose::Split, 1, 0),
            first(1, Purpose::Split, 0, 1),
        ];
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn below_and_unit_stay_in_range_and_fill_it() {
        let mut random = generator(5, Purpose::Augment, 0, 0);
        let mut counts = [0; 7];
        for _ in 0..7000 {
            counts[below(&mut random, 7)] += 1;
            assert!((0.0..1.0).contains(&unit(&mut random)));
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
