//! Storage of the class centres: as `f32`, or in half the memory as bfloat16.
//!
//! A bfloat16 has the range of `f32` but only eight significant bits. A step that moves a value by less than a 256th of itself
//! would be rounded away, and most steps are smaller. Values are therefore rounded stochastically, up with a probability
//! proportional to the distance from the lower neighbour, so that nothing is lost on average (Gupta et al., *Deep Learning with
//! Limited Numerical Precision*, 2015, section 2.2). Everything is computed in `f32`; the optimiser's memory stays `f32`.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use widemargin_chance::mixed;
use widemargin_kernels::vector::prefetch;

/// Name of the tensor of the class centres.
pub(crate) const CENTRES: &str = "centres";

/// Precision in which a head stores its class centres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CentrePrecision {
    /// Four bytes per value.
    #[default]
    F32,
    /// bfloat16, two bytes per value, rounded stochastically with the head's seed so that small steps are not lost.
    Bf16,
}

/// Precision of the factors of a head's matrix products. Sums, losses, centres and the optimiser are `f32` in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProductPrecision {
    /// `f32`.
    #[default]
    F32,
    /// bfloat16: faster on processors that multiply it ([`widemargin_kernels::mixed::is_fast`]). A cosine is off by 0.002 at
    /// most, typically by 0.0002.
    Bf16,
}

/// The values of the class centres.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Storage {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

/// Some of them, for reading.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    Bf16(&'a [u16]),
}

/// Some of them, for writing.
#[derive(Debug)]
pub(crate) enum ValuesMut<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [u16]),
}

impl Storage {
    /// Stores values, rounded to the nearest in half precision.
    pub(crate) fn new(values: Vec<f32>, precision: CentrePrecision) -> Self {
        match precision {
            CentrePrecision::F32 => Self::F32(values),
            CentrePrecision::Bf16 => Self::Bf16(values.into_iter().map(nearest).collect()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.view().len()
    }

    pub(crate) fn view(&self) -> Values<'_> {
        match self {
            Self::F32(values) => Values::F32(values),
            Self::Bf16(values) => Values::Bf16(values),
        }
    }

    /// All values in chunks of `size`.
    pub(crate) fn chunks_mut(&mut self, size: usize) -> Box<dyn Iterator<Item = ValuesMut<'_>> + '_> {
        match self {
            Self::F32(values) => Box::new(values.chunks_mut(size).map(ValuesMut::F32)),
            Self::Bf16(values) => Box::new(values.chunks_mut(size).map(ValuesMut::Bf16)),
        }
    }
}

impl<'a> Values<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    pub(crate) fn slice(self, range: Range<usize>) -> Self {
        match self {
            Self::F32(values) => Self::F32(&values[range]),
            Self::Bf16(values) => Self::Bf16(&values[range]),
        }
    }

    /// Prefetches values that will be read soon.
    pub(crate) fn prefetch(self) {
        match self {
            Self::F32(values) => prefetch(values),
            Self::Bf16(values) => prefetch(values),
        }
    }

    /// The values as `f32`: borrowed, or converted.
    pub(crate) fn wide(self) -> Cow<'a, [f32]> {
        match self {
            Self::F32(values) => Cow::Borrowed(values),
            Self::Bf16(values) => Cow::Owned(values.iter().map(|&value| widened(value)).collect()),
        }
    }

    /// Writes the values as `f32`.
    pub(crate) fn write(self, out: &mut [f32]) {
        match self {
            Self::F32(values) => out.copy_from_slice(values),
            Self::Bf16(values) => {
                out.iter_mut().zip(values).for_each(|(out, &value)| *out = widened(value));
            }
        }
    }
}

impl ValuesMut<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// Prefetches values that will be changed soon.
    pub(crate) fn prefetch(&self, range: Range<usize>) {
        match self {
            Self::F32(values) => prefetch(&values[range]),
            Self::Bf16(values) => prefetch(&values[range]),
        }
    }

    /// Reads some of the values as `f32`.
    pub(crate) fn look<R>(
        &self,
        range: Range<usize>,
        scratch: &mut Vec<f32>,
        look: impl FnOnce(&[f32]) -> R,
    ) -> R {
        match self {
            Self::F32(values) => look(&values[range]),
            Self::Bf16(values) => {
                scratch.clear();
                scratch.extend(values[range].iter().map(|&value| widened(value)));
                look(scratch)
            }
        }
    }

    /// Changes some of the values as `f32`. `noise` seeds the rounding; it must differ between steps and places.
    pub(crate) fn change<R>(
        &mut self,
        range: Range<usize>,
        noise: u64,
        scratch: &mut Vec<f32>,
        change: impl FnOnce(&mut [f32]) -> R,
    ) -> R {
        match self {
            Self::F32(values) => change(&mut values[range]),
            Self::Bf16(values) => {
                let values = &mut values[range];
                scratch.clear();
                scratch.extend(values.iter().map(|&value| widened(value)));
                let result = change(scratch);
                let mut random = mixed(noise);
                for (value, &wide) in values.iter_mut().zip(scratch.iter()) {
                    // a linear congruential step; its upper bits are good enough for rounding
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    *value = rounded(wide, (random >> 48) as u16);
                }
                result
            }
        }
    }
}

fn widened(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

/// Rounds up if the bits that are cut off plus `noise` overflow, with `noise` uniform over all 16-bit numbers.
fn rounded(value: f32, noise: u16) -> u16 {
    let bits = value.to_bits();
    let up = (bits.saturating_add(u32::from(noise)) >> 16) as u16;
    // the largest finite number cannot be rounded up
    if widened(up).is_finite() { up } else { (bits >> 16) as u16 }
}

fn nearest(value: f32) -> u16 {
    // ties are rounded up; no result depends on it
    rounded(value, 0x8000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stochastic_rounding_loses_nothing_on_average() {
        for value in [0.044_3_f32, -1.234_567, 3e-12, 65_000.1, 0.0, 1.0] {
            let (low, high) = (widened(rounded(value, 0)), widened(rounded(value, u16::MAX)));
            assert!(
                (low - value).abs() <= value.abs() / 128.0 && (high - value).abs() <= value.abs() / 128.0
            );
            let noises = (0..=u16::MAX).step_by(7);
            let count = noises.len() as f64;
            let mean = noises.map(|noise| f64::from(widened(rounded(value, noise)))).sum::<f64>() / count;
            // 16 bits of noise resolve one part in 65,536 of the distance between neighbours
            assert!(
                (mean - f64::from(value)).abs() <= f64::from(value.abs()) / 128.0 * 1e-3,
                "{value}: {mean}"
            );
            assert!((widened(nearest(value)) - value).abs() <= value.abs() / 256.0);
        }
        assert_eq!(widened(rounded(f32::MAX, u16::MAX)), widened(0x7F7F), "no infinity from a number");
    }

    #[test]
    fn small_steps_add_up() {
        let mut storage = Storage::new(vec![1.0; 1000], CentrePrecision::Bf16);
        let mut scratch = Vec::new();
        // a hundred steps of 1e-4, each a fortieth of the distance to the next bfloat16
        for step in 0..100 {
            for mut part in storage.chunks_mut(1000) {
                part.change(0..1000, step, &mut scratch, |values| {
                    for value in values {
                        *value += 1e-4;
                    }
                });
            }
        }
        let mean = storage.view().wide().iter().sum::<f32>() / 1000.0;
        // 100 roundings of deviation 0.0009 or less, and a thousand values
        assert!((mean - 1.01).abs() < 0.001, "{mean}");
    }
}
