//! What chance decides here; the chance itself is [`widemargin_chance`]'s.

use rand_chacha::ChaCha8Rng;
pub(crate) use widemargin_chance::{below, shuffle, unit};

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
    widemargin_chance::generator(seed, purpose as u64, first, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::RngCore;

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
