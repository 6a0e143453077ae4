//! What chance decides of a set; the chance itself is [`widemargin_chance`]'s.
//!
//! A drawing's distortion depends on the seed, its character and its font alone. Another font on the machine adds
//! samples; it changes none.

use rand_chacha::ChaCha8Rng;
pub(crate) use widemargin_chance::shuffle;
use widemargin_chance::unit;

/// What chance decides.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Distortion = 1,
    Selection = 2,
    HoldOut = 3,
    Unseen = 4,
}

/// The generator of (`seed`, `purpose`, `first`, `second`).
pub(crate) fn generator(seed: u64, purpose: Purpose, first: u64, second: u64) -> ChaCha8Rng {
    widemargin_chance::generator(seed, purpose as u64, first, second)
}

/// A number in `[low, high)`.
pub(crate) fn between(generator: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * unit(generator)
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
