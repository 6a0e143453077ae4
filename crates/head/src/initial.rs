//! The size and the initial values of class centres.

use rayon::prelude::*;
use widemargin_chance::{Purpose, Stream};
use widemargin_objective::normalise;

use crate::error::{Error, within};

/// Number of values in the class centres, if a head can have this many classes, centres per class and dimensions.
pub(crate) fn check_size(classes: usize, per_class: usize, dim: usize) -> Result<usize, Error> {
    within(1.0..=f64::from(u32::MAX), "number of classes", classes as f64, "1 to 2^32 - 1")?;
    within(1.0..=f64::from(u32::MAX), "dimension", dim as f64, "1 to 2^32 - 1")?;
    // an edited state can hold a number that no constructor accepts
    within(1.0..=1000.0, "sub-centres", per_class as f64, "1 to 1000 centres per class")?;
    // rows have numbers of 32 bits
    let rows = classes as f64 * per_class as f64;
    within(1.0..=f64::from(u32::MAX), "number of class centres", rows, "1 to 2^32 - 1")?;
    classes.checked_mul(dim).and_then(|len| len.checked_mul(per_class)).ok_or(Error::OutOfRange {
        setting: "number of classes",
        found: classes as f64,
        expected: "few enough for all class centres to be addressed",
    })
}

/// Initial values of class centres or proxies, from place `first` on, the start of a row: random unit directions if `normalised`,
/// otherwise normal values with standard deviation `1 / sqrt(dim)`. They do not depend on where a shard begins.
pub(crate) fn initial_rows(first: usize, count: usize, dim: usize, normalised: bool, seed: u64) -> Vec<f32> {
    let mut centres = normal_values(seed, 0, first, count, (dim as f64).sqrt().recip());
    if normalised {
        normalise_rows(&mut centres, dim);
    }
    centres
}

/// Random unit directions of `count` values for rows added to a head of `rows` rows. They differ from the initial directions of
/// the same seed.
pub(crate) fn added_directions(rows: usize, count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut centres = normal_values(seed, rows as u64, 0, count, 1.0);
    normalise_rows(&mut centres, dim);
    centres
}

fn normalise_rows(values: &mut [f32], dim: usize) {
    values.par_chunks_mut(dim).for_each(|row| {
        normalise(row);
    });
}

/// `count` values of a stream of normal values from place `first` on, computed in parallel.
fn normal_values(seed: u64, stream: u64, first: usize, count: usize, deviation: f64) -> Vec<f32> {
    /// Values per task; even, because they are drawn in pairs.
    const CHUNK: usize = 1 << 14;
    let skipped = first % 2;
    let mut values = vec![0.0; count + skipped];
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(at, values)| {
        // two values take two 64-bit numbers
        let place = first - skipped + at * CHUNK;
        let mut random = Stream::new(seed, Purpose::CentreInit, stream, 0).skip(place as u64);
        for pair in values.chunks_mut(2) {
            let drawn = random.normal_pair();
            pair.iter_mut().zip(drawn).for_each(|(value, drawn)| *value = (deviation * drawn) as f32);
        }
    });
    values.drain(..skipped);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_depend_on_where_they_begin() {
        let whole = normal_values(3, 1, 0, 40_000, 0.5);
        let mut serial = Stream::new(3, Purpose::CentreInit, 1, 0);
        let expected: Vec<f32> =
            (0..20_000).flat_map(|_| serial.normal_pair()).map(|value| (0.5 * value) as f32).collect();
        assert_eq!(whole, expected);
        for first in [1, 2, 16_383, 16_384, 39_999] {
            assert_eq!(normal_values(3, 1, first, 40_000 - first, 0.5), whole[first..], "{first}");
        }
        assert_ne!(added_directions(1, 64, 8, 3), added_directions(2, 64, 8, 3));
    }
}
