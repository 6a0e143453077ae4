//! Storage of the class centres and of the optimiser's memory of them: as `f32`, or in half the memory as bfloat16.
//!
//! Everything is computed in `f32`. What is stored as bfloat16 is rounded stochastically ([`widemargin_kernels::half`]): most steps
//! move a value by less than the distance to the next bfloat16, and rounding to the nearest would lose them.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use widemargin_chance::{Purpose, mixed, number};
use widemargin_kernels::half::{nearest, round_stochastically, widen};
use widemargin_kernels::vector::prefetch;

/// Name of the tensor of the class centres.
pub(crate) const CENTRES: &str = "centres";

/// Most memories of an optimiser.
const MEMORIES: usize = 2;

/// Values whose pages are written by one task when memory is allocated.
const PAGES: usize = 1 << 16;

/// Precision in which a head stores its class centres or the optimiser's memory of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StoragePrecision {
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

/// Stored values.
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
    pub(crate) fn new(values: Vec<f32>, precision: StoragePrecision) -> Self {
        match precision {
            StoragePrecision::F32 => Self::F32(values),
            StoragePrecision::Bf16 => Self::Bf16(values.into_iter().map(nearest).collect()),
        }
    }

    /// Zeros. Writing all values allocates the pages: the first steps are as fast as the others, and a lack of memory shows now and
    /// not in the middle of a run.
    pub(crate) fn zeros(len: usize, precision: StoragePrecision) -> Self {
        fn written<T: Copy + Default + Send>(len: usize) -> Vec<T> {
            let mut values = vec![T::default(); len];
            values.par_chunks_mut(PAGES).for_each(|values| values.fill(T::default()));
            values
        }
        match precision {
            StoragePrecision::F32 => Self::F32(written(len)),
            StoragePrecision::Bf16 => Self::Bf16(written(len)),
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
    fn chunks_mut(&mut self, size: usize) -> Box<dyn Iterator<Item = ValuesMut<'_>> + '_> {
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
            Self::Bf16(values) => {
                let mut out = vec![0.0; values.len()];
                widen(&mut out, values);
                Cow::Owned(out)
            }
        }
    }

    /// The values as `f32`: borrowed, or converted at the start of `room`, which is large enough.
    pub(crate) fn wide_in<'b>(self, room: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        match self {
            Self::F32(values) => values,
            Self::Bf16(values) => {
                let out = &mut room[..values.len()];
                widen(out, values);
                out
            }
        }
    }

    /// Writes the values as `f32`.
    pub(crate) fn write(self, out: &mut [f32]) {
        match self {
            Self::F32(values) => out.copy_from_slice(values),
            Self::Bf16(values) => widen(out, values),
        }
    }
}

impl ValuesMut<'_> {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    fn prefetch(&self, range: Range<usize>) {
        match self {
            Self::F32(values) => prefetch(&values[range]),
            Self::Bf16(values) => prefetch(&values[range]),
        }
    }

    /// Some of the values for a change in `f32`: themselves, or converted in `scratch`.
    fn open<'b>(&'b mut self, range: Range<usize>, scratch: &'b mut Vec<f32>) -> Opened<'b> {
        match self {
            Self::F32(values) => Opened { wide: &mut values[range], stored: None },
            Self::Bf16(values) => {
                let stored = &mut values[range];
                scratch.resize(stored.len(), 0.0);
                widen(scratch, stored);
                Opened { wide: scratch, stored: Some(stored) }
            }
        }
    }
}

/// Values that are being changed in `f32`.
struct Opened<'a> {
    wide: &'a mut [f32],
    /// Where they are stored, if not in `wide` itself.
    stored: Option<&'a mut [u16]>,
}

impl Opened<'_> {
    /// Stores the changed values, rounded by the draws of `key`; `wide` then holds what was stored.
    fn close(&mut self, key: u64) {
        if let Some(stored) = &mut self.stored {
            round_stochastically(self.wide, stored, key);
        }
    }
}

/// The keys of stochastic rounding: of the class centres, then of each memory of the optimiser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise([u64; 1 + MEMORIES]);

impl Noise {
    /// The keys of a head's next step after `steps` steps.
    pub(crate) fn of_step(seed: u64, steps: u64) -> Self {
        let memory = |at| number(seed, Purpose::MemoryRounding, steps, at);
        Self([number(seed, Purpose::CentreRounding, steps, 0), memory(0), memory(1)])
    }

    /// The keys of a part of the values; `place` must differ between the parts of a step.
    pub(crate) fn at(self, place: usize) -> Self {
        Self(self.0.map(|key| mixed(key ^ place as u64)))
    }
}

/// Buffers of one thread for changing values that are not stored as `f32`.
#[derive(Debug, Default)]
pub(crate) struct Scratch([Vec<f32>; 1 + MEMORIES]);

/// The same part of the class centres and of the optimiser's memory, for changes.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    centres: ValuesMut<'a>,
    memory: Vec<ValuesMut<'a>>,
}

impl<'a> Part<'a> {
    /// All values in parts of `size`.
    pub(crate) fn all(
        centres: &'a mut Storage,
        memory: &'a mut [Storage],
        size: usize,
    ) -> impl Iterator<Item = Self> {
        let mut memories: Vec<_> = memory.iter_mut().map(|values| values.chunks_mut(size)).collect();
        centres.chunks_mut(size).map(move |centres| Self {
            centres,
            memory: memories.iter_mut().filter_map(Iterator::next).collect(),
        })
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.centres.len()
    }

    /// Prefetches values that will be changed soon.
    pub(crate) fn prefetch(&self, range: Range<usize>) {
        self.centres.prefetch(range.clone());
        self.memory.iter().for_each(|values| values.prefetch(range.clone()));
    }

    /// Changes a range of the centres and their memory as `f32`, and stores it. Then `look` sees what was stored, as a restored head
    /// would.
    pub(crate) fn change<R>(
        &mut self,
        range: Range<usize>,
        noise: Noise,
        scratch: &mut Scratch,
        change: impl FnOnce(&mut [f32], &mut [&mut [f32]]),
        look: impl FnOnce(&[f32], &[&[f32]]) -> R,
    ) -> R {
        let Scratch([of_centres, of_memory @ ..]) = scratch;
        let mut centres = self.centres.open(range.clone(), of_centres);
        let mut memory: Vec<Opened<'_>> = self
            .memory
            .iter_mut()
            .zip(of_memory)
            .map(|(values, scratch)| values.open(range.clone(), scratch))
            .collect();
        let count = memory.len();
        let mut rows: [&mut [f32]; MEMORIES] = Default::default();
        memory.iter_mut().zip(&mut rows).for_each(|(opened, row)| *row = opened.wide);
        change(centres.wide, &mut rows[..count]);
        let Noise([of_centres, of_memory @ ..]) = noise;
        centres.close(of_centres);
        memory.iter_mut().zip(of_memory).for_each(|(opened, key)| opened.close(key));
        let mut rows: [&[f32]; MEMORIES] = Default::default();
        memory.iter().zip(&mut rows).for_each(|(opened, row)| *row = opened.wide);
        look(centres.wide, &rows[..count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_add_up() {
        let half = |value: f32| Storage::new(vec![value; 1000], StoragePrecision::Bf16);
        let (mut centres, mut memory, mut scratch) = (half(1.0), [half(-1.0)], Scratch::default());
        // a hundred steps of 1e-4, each a fortieth of the distance to the next bfloat16
        for step in 0..100 {
            for mut part in Part::all(&mut centres, &mut memory, 1000) {
                let change = |values: &mut [f32], memory: &mut [&mut [f32]]| {
                    for value in &mut *values {
                        *value += 1e-4;
                    }
                    memory[0].iter_mut().for_each(|value| *value -= 1e-4);
                };
                part.change(0..1000, Noise::of_step(1, step), &mut scratch, change, |values, memory| {
                    assert!(
                        values.iter().chain(memory[0]).all(|value| value.to_bits().trailing_zeros() >= 16)
                    );
                });
            }
        }
        for (storage, expected) in [(&centres, 1.01), (&memory[0], -1.01)] {
            let mean = storage.view().wide().iter().sum::<f32>() / 1000.0;
            // 100 roundings of deviation 0.0009 or less, and a thousand values
            assert!((mean - expected).abs() < 0.001, "{mean}");
        }
    }

    #[test]
    fn the_keys_of_steps_places_and_kinds_differ() {
        let mut keys: Vec<u64> = (0..10)
            .flat_map(|step| (0..10).flat_map(move |place| Noise::of_step(3, step).at(place).0))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 300);
    }
}
