#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The use of a stream. Every use in the project has its own purpose, so that equal seeds and indices never share a stream.
///
/// The discriminants are part of the streams' keys: do not change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
#[non_exhaustive]
pub enum Purpose {
    /// Selection of unseen classes.
    Split = 1,
    /// Selection of the held-out samples of a class.
    HoldOut = 2,
    /// The order of samples in an epoch.
    Sampler = 3,
    /// Augmentation of one sample.
    Augment = 4,
    /// Distortion of one drawn character.
    GlyphDistortion = 5,
    /// Selection of the drawings of a character.
    GlyphSelection = 6,
    /// Selection of the held-out drawings of a character.
    GlyphHoldOut = 7,
    /// Selection of unseen characters.
    GlyphUnseen = 8,
    /// Initial class centres or proxies.
    CentreInit = 9,
    /// Rounding of class centres to half precision.
    CentreRounding = 10,
    /// Selection of the classes that a sampled head scores.
    SampledClasses = 11,
    /// Offsets of the systematic sampling in a screened head.
    ScreenedTail = 12,
    /// Initial weights of a backbone.
    BackboneInit = 13,
    /// Dropout masks.
    Dropout = 14,
    /// Random margins per sample.
    MarginDraw = 15,
    /// Random tuples of a miner.
    MinerDraw = 16,
    /// Random pairs for verification.
    PairSample = 17,
    /// Bootstrap resamples.
    Bootstrap = 18,
    /// Initial clusters.
    ClusterInit = 19,
    /// Inputs of benchmarks.
    Benchmark = 20,
    /// Inputs of tests and examples.
    Test = 21,
    /// Rounding of the optimiser's memory of class centres to half precision.
    MemoryRounding = 22,
    /// The evaluated samples that a report shows.
    ReportSample = 23,
}

/// One random 64-bit number, for single draws on hot paths where a [`Stream`] costs too much.
///
/// Of lower quality than a stream, but also the same on every platform.
#[inline]
pub fn number(seed: u64, purpose: Purpose, first: u64, second: u64) -> u64 {
    let keyed = mixed(seed ^ (purpose as u64).wrapping_mul(0xA076_1D64_78BD_642F));
    mixed(mixed(keyed ^ first) ^ second)
}

/// One step of the generator SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014).
#[inline]
pub fn mixed(state: u64) -> u64 {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// One of the 2^32 random 32-bit numbers of a key, by its index. For many draws in a loop: no draw depends on another, so that the
/// loop vectorises, and every result is the same for any division of the work.
///
/// The finaliser of 32-bit hashes by Chris Wellons (*Prospecting for hash functions*, 2018), with the two halves of the key
/// entering before and between its rounds. Good enough for rounding; take a key from [`number`].
#[inline(always)]
pub fn indexed(key: u64, index: u32) -> u32 {
    let bits = index.wrapping_mul(0x9E37_79B9) ^ key as u32;
    let bits = (bits ^ (bits >> 16)).wrapping_mul(0x7FEB_352D) ^ (key >> 32) as u32;
    let bits = (bits ^ (bits >> 15)).wrapping_mul(0x846C_A68B);
    bits ^ (bits >> 16)
}

/// Two independent normal numbers with mean 0 and standard deviation 1, from two independent uniform numbers in `[0, 1)` (Box
/// and Muller, *A note on the generation of random normal deviates*, 1958).
pub fn box_muller(first: f64, second: f64) -> [f64; 2] {
    // 1 - first is never 0.
    let radius = (-2.0 * (1.0 - first).ln()).sqrt();
    let (sine, cosine) = (std::f64::consts::TAU * second).sin_cos();
    [radius * cosine, radius * sine]
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a seed, a purpose and two indices, such as epoch and sample.
    pub fn new(seed: u64, purpose: Purpose, first: u64, second: u64) -> Self {
        let mut key = [0; 32];
        for (bytes, number) in key.chunks_exact_mut(8).zip([seed, purpose as u64, first, second]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Skips `count` 64-bit numbers without computing them.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.0.set_word_pos(2 * u128::from(count));
        self
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// An integer in `0..count`, uniform up to a relative error of `count / 2^64`. `count` must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A uniform number in `[0, 1)`, a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// A uniform number in `[0, 1)`, a multiple of 2^-53.
    pub fn unit_f64(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A uniform number in `[low, high)`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Two independent normal numbers with mean 0 and standard deviation 1: [`box_muller`] of two 64-bit numbers.
    pub fn normal_pair(&mut self) -> [f64; 2] {
        box_muller(self.unit_f64(), self.unit_f64())
    }

    /// A normal number with mean 0 and standard deviation 1: the first of [`Stream::normal_pair`].
    pub fn normal(&mut self) -> f64 {
        self.normal_pair()[0]
    }

    /// Shuffles the values (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_stable() {
        // Saved runs resume, and sets can be drawn again, only while this holds.
        let mut numbers: Vec<u32> = (0..10).collect();
        Stream::new(1, Purpose::Sampler, 2, 3).shuffle(&mut numbers);
        assert_eq!(numbers, [5, 8, 6, 0, 7, 2, 9, 1, 4, 3]);
    }

    #[test]
    fn seeds_purposes_and_indices_differ() {
        let first = |seed, purpose, a, b| Stream::new(seed, purpose, a, b).bits();
        let mut seen = vec![
            first(1, Purpose::Split, 0, 0),
            first(1, Purpose::Sampler, 0, 0),
            first(2, Purpose::Split, 0, 0),
            first(1, Purpose::Split, 1, 0),
            first(1, Purpose::Split, 0, 1),
            number(1, Purpose::Split, 0, 0),
            number(1, Purpose::Sampler, 0, 0),
            number(2, Purpose::Split, 0, 0),
            number(1, Purpose::Split, 1, 0),
            number(1, Purpose::Split, 0, 1),
        ];
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10);
    }

    #[test]
    fn draws_stay_in_range_and_fill_it() {
        let mut stream = Stream::new(5, Purpose::Test, 0, 0);
        let mut counts = [0; 7];
        for _ in 0..7000 {
            counts[stream.below(7)] += 1;
            assert!((0.0..1.0).contains(&stream.unit()));
            assert!((0.0..1.0).contains(&stream.unit_f64()));
            assert!((-2.0..3.0).contains(&stream.between(-2.0, 3.0)));
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn indexed_numbers_are_uniform_and_independent_of_their_neighbours() {
        const COUNT: u32 = 1 << 16;
        let unit = |key, index| f64::from(indexed(key, index)) / 2.0_f64.powi(32) - 0.5;
        for key in [0, 1, 1 << 32, number(7, Purpose::Test, 0, 0)] {
            let mut bits = [0_u32; 32];
            let (mut mean, mut next, mut other_key) = (0.0, 0.0, 0.0);
            for index in 0..COUNT {
                let found = indexed(key, index);
                bits.iter_mut().enumerate().for_each(|(at, count)| *count += found >> at & 1);
                mean += unit(key, index);
                next += unit(key, index) * unit(key, index + 1);
                other_key += unit(key, index) * unit(key ^ 1, index);
            }
            let root = f64::from(COUNT).sqrt();
            // Five standard errors: of a bit 1/2, of a uniform number 1 / sqrt(12), of the product of two 1/12.
            for count in bits {
                assert!((f64::from(count) / f64::from(COUNT) - 0.5).abs() < 2.5 / root, "{key:x}: {bits:?}");
            }
            let size = f64::from(COUNT);
            assert!((mean / size).abs() < 5.0 / 12.0_f64.sqrt() / root, "{key:x}: {mean}");
            assert!((next / size).abs() < 5.0 / 12.0 / root, "{key:x}: {next}");
            assert!((other_key / size).abs() < 5.0 / 12.0 / root, "{key:x}: {other_key}");
        }
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_normal_distribution() {
        let mut stream = Stream::new(6, Purpose::Test, 0, 0);
        let values: Vec<f64> = (0..20_000).flat_map(|_| stream.normal_pair()).collect();
        let moment = |power: i32| values.iter().map(|value| value.powi(power)).sum::<f64>() / 40_000.0;
        // Four standard errors of each moment.
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03, "{} {}", moment(1), moment(2));
        assert!(moment(3).abs() < 0.08 && (moment(4) - 3.0).abs() < 0.2, "{} {}", moment(3), moment(4));
    }

    #[test]
    fn a_skipped_stream_continues_where_the_numbers_end() {
        let mut whole = Stream::new(7, Purpose::Test, 1, 2);
        for _ in 0..37 {
            whole.bits();
        }
        assert_eq!(Stream::new(7, Purpose::Test, 1, 2).skip(37).bits(), whole.bits());
    }
}
