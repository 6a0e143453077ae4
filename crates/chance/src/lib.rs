//! Chance that is looked up, not consumed: a generator for each (seed, purpose, two numbers).
//!
//! The four numbers are the 256-bit key of a ChaCha8 stream, so different ones give unrelated streams and equal ones
//! the same stream, on every platform and in every release. The few functions on top are written out here because
//! those of general libraries may change their values between versions.
#![forbid(unsafe_code)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The generator of (`seed`, `purpose`, `first`, `second`). Each crate numbers its purposes, so that equal counters do not meet.
pub fn generator(seed: u64, purpose: u64, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, purpose, first, second]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number in `0..count`, evenly but for one part in 2^64 / `count`. `count` must not be 0.
pub fn below(generator: &mut ChaCha8Rng, count: usize) -> usize {
    ((u128::from(generator.next_u64()) * count as u128) >> 64) as usize
}

/// A number in `[0, 1)` in steps of 2^-24.
pub fn unit(generator: &mut ChaCha8Rng) -> f32 {
    (generator.next_u32() >> 8) as f32 / (1u32 << 24) as f32
}

/// Fisher and Yates' shuffle.
pub fn shuffle<T>(generator: &mut ChaCha8Rng, values: &mut [T]) {
    for last in (1..values.len()).rev() {
        values.swap(last, below(generator, last + 1));
    }
}
