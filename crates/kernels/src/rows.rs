//! The loops of batch normalisation over whole samples, for planes of few positions.
//!
//! A plane of a few values leaves most of a register empty. A sample is one row of `channels * positions` adjacent values,
//! and here the registers run along it: the constants of a channel are repeated for each of its positions, and sums over the
//! batch are added column by column. Plain Rust, compiled once per instruction set, as in [`crate::plane`].

use crate::plane::{ChannelMap, NormShape, affine_terms};
use crate::simd::{detected, dispatch};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Planes with fewer positions are normalised row by row.
pub(crate) const FEW_POSITIONS: usize = 128;

/// Values of a row that are summed or mapped together; sums are of whole channels.
const WIDTH: usize = 1024;

/// Samples that are summed in `f32` before the sums are added in `f64`.
const SAMPLES: usize = 64;

/// Least number of values that a task maps.
const TASK: usize = 16 * 1024;

/// Tasks that the samples of a batch are divided into, if they have enough values.
const TASKS: usize = 16;

/// One value per value of a row.
fn repeated(shape: NormShape, value: impl Fn(usize) -> f32) -> Vec<f32> {
    (0..shape.channels).flat_map(|channel| std::iter::repeat_n(value(channel), shape.positions)).collect()
}

/// Sums over batch and positions of `N` terms of every value: `[channel][term]`. `add(first column, sample, sums)` adds the terms
/// of some columns of one sample.
fn sums<const N: usize>(
    shape: NormShape,
    add: impl Fn(usize, usize, &mut [Vec<f32>; N]) + Sync,
) -> Vec<[f64; N]> {
    let together = (WIDTH / shape.positions).max(1);
    let mut totals = vec![[0.0; N]; shape.channels];
    totals.par_chunks_mut(together).enumerate().for_each(|(task, totals)| {
        let (first, width) = (task * together * shape.positions, totals.len() * shape.positions);
        let mut partial = [const { Vec::new() }; N];
        for samples in (0..shape.batch).step_by(SAMPLES) {
            for partial in &mut partial {
                partial.clear();
                partial.resize(width, 0.0);
            }
            for sample in samples..(samples + SAMPLES).min(shape.batch) {
                add(first, sample, &mut partial);
            }
            for (term, partial) in partial.iter().enumerate() {
                for (total, partial) in totals.iter_mut().zip(partial.chunks_exact(shape.positions)) {
                    total[term] += partial.iter().map(|value| f64::from(*value)).sum::<f64>();
                }
            }
        }
    });
    totals
}

/// Mean and sum of squared distances from the mean of each channel.
pub(crate) fn moments(shape: NormShape, input: &[f32]) -> Vec<(f64, f64)> {
    let row = shape.channels * shape.positions;
    let count = (shape.batch * shape.positions) as f64;
    let values = |first: usize, sample: usize, width: usize| &input[sample * row + first..][..width];
    let totals = sums::<1>(shape, |first, sample, [sum]| {
        let width = sum.len();
        add_values(sum, values(first, sample, width));
    });
    let means: Vec<f64> = totals.into_iter().map(|[sum]| sum / count).collect();
    let centres = repeated(shape, |channel| means[channel] as f32);
    let around = sums::<2>(shape, |first, sample, [drift, squares]| {
        let width = drift.len();
        add_distances(drift, squares, &centres[first..][..width], values(first, sample, width));
    });
    // The centre is the mean rounded to f32.
    let moments = around.into_iter().zip(&means).map(|([drift, squares], mean)| {
        let correction = drift / count;
        (f64::from(*mean as f32) + correction, squares - drift * correction)
    });
    moments.collect()
}

/// The maps of the channels, repeated for each value of a row.
pub(crate) struct RowMap {
    shape: NormShape,
    scale: Vec<f32>,
    offset: Vec<f32>,
    slope: Vec<f32>,
    centre: Vec<f32>,
}

impl RowMap {
    pub(crate) fn new(shape: NormShape, map: impl Fn(usize) -> ChannelMap) -> Self {
        Self {
            shape,
            scale: repeated(shape, |channel| map(channel).scale),
            offset: repeated(shape, |channel| map(channel).offset),
            slope: repeated(shape, |channel| map(channel).slope),
            centre: repeated(shape, |channel| map(channel).centre),
        }
    }

    fn row(&self) -> usize {
        self.scale.len()
    }

    /// Samples of a task: enough values, and several samples that use the same maps.
    fn samples_per_task(&self) -> usize {
        (TASK / self.row()).max(self.shape.batch.div_ceil(TASKS))
    }

    /// The ranges of values that a task maps, one after another: some columns of all its samples, so that the maps of these columns
    /// stay in the first-level cache.
    fn ranges(&self, values: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        let row = self.row();
        (0..row).step_by(WIDTH).flat_map(move |first| {
            let width = WIDTH.min(row - first);
            (0..values / row).map(move |sample| (first, sample * row + first..sample * row + first + width))
        })
    }

    /// The maps of some columns, from `first` on.
    fn columns(&self, first: usize, width: usize) -> [&[f32]; 4] {
        [&self.scale, &self.offset, &self.slope, &self.centre].map(|values| &values[first..][..width])
    }

    /// Applies the maps to every value.
    pub(crate) fn forward(&self, input: &[f32], output: &mut [MaybeUninit<f32>]) {
        if self.row() == 0 {
            return;
        }
        let task = self.row() * self.samples_per_task();
        output.par_chunks_mut(task).zip(input.par_chunks(task)).for_each(|(output, input)| {
            for (first, range) in self.ranges(input.len()) {
                forward_row(self.columns(first, range.len()), &input[range.clone()], &mut output[range]);
            }
        });
    }

    /// The three sums of [`crate::plane::sums`] for each channel, over the batch.
    pub(crate) fn sums(&self, input: &[f32], gradient: &[f32]) -> Vec<[f64; 3]> {
        sums(self.shape, |first, sample, sums| {
            let width = sums[0].len();
            let at = sample * self.row() + first;
            add_terms(self.columns(first, width), &input[at..][..width], &gradient[at..][..width], sums);
        })
    }

    /// The gradient of the input, less the shares of each channel, as [`crate::plane::backward`].
    pub(crate) fn backward(
        &self,
        shares: &[(f32, f32)],
        input: &[f32],
        gradient: &[f32],
        out: &mut [MaybeUninit<f32>],
    ) {
        let common = repeated(self.shape, |channel| shares[channel].0);
        let along = repeated(self.shape, |channel| shares[channel].1);
        if self.row() == 0 {
            return;
        }
        let task = self.row() * self.samples_per_task();
        let tasks = out.par_chunks_mut(task).zip(input.par_chunks(task)).zip(gradient.par_chunks(task));
        tasks.for_each(|((out, input), gradient)| {
            for (first, range) in self.ranges(input.len()) {
                let shares = [&common, &along].map(|values| &values[first..][..range.len()]);
                let (input, gradient) = (&input[range.clone()], &gradient[range.clone()]);
                backward_row(self.columns(first, range.len()), shares, input, gradient, &mut out[range]);
            }
        });
    }
}

fn add_values(sum: &mut [f32], values: &[f32]) {
    dispatch!(detected(), fn(sum: &mut [f32], values: &[f32]) {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    });
}

fn add_distances(drift: &mut [f32], squares: &mut [f32], centre: &[f32], values: &[f32]) {
    dispatch!(detected(), fn(drift: &mut [f32], squares: &mut [f32], centre: &[f32], values: &[f32]) {
        for (((drift, squares), centre), value) in drift.iter_mut().zip(squares).zip(centre).zip(values) {
            let distance = value - centre;
            *drift += distance;
            *squares += distance * distance;
        }
    });
}

fn forward_row(maps: [&[f32]; 4], input: &[f32], output: &mut [MaybeUninit<f32>]) {
    // The loop ends with the shortest slice, and the caller relies on all of the output.
    assert!(maps.iter().all(|map| map.len() == output.len()) && input.len() == output.len());
    dispatch!(detected(), fn(maps: [&[f32]; 4], input: &[f32], output: &mut [MaybeUninit<f32>]) {
        let [scale, offset, slope, _] = maps;
        let values = input.iter().zip(scale).zip(offset).zip(slope).zip(output);
        for ((((value, scale), offset), slope), output) in values {
            let affine = value * scale + offset;
            // Both sides before the choice, so that the loop has no branch and the compiler uses whole registers.
            let sloped = slope * affine;
            output.write(if affine > 0.0 { affine } else { sloped });
        }
    });
}

fn add_terms(maps: [&[f32]; 4], input: &[f32], gradient: &[f32], sums: &mut [Vec<f32>; 3]) {
    let [inner, along, slopes] = sums.each_mut().map(Vec::as_mut_slice);
    dispatch!(detected(), fn(maps: [&[f32]; 4], input: &[f32], gradient: &[f32], inner: &mut [f32], along: &mut [f32], slopes: &mut [f32]) {
        let length = input.len();
        let [scale, offset, slope, centre] = maps.map(|values| &values[..length]);
        let (gradient, inner, along, slopes) =
            (&gradient[..length], &mut inner[..length], &mut along[..length], &mut slopes[..length]);
        for at in 0..length {
            let map = ChannelMap { scale: scale[at], offset: offset[at], slope: slope[at], centre: centre[at] };
            let [a, b, c] = affine_terms(map, input[at], gradient[at]);
            inner[at] += a;
            along[at] += b;
            slopes[at] += c;
        }
    });
}

fn backward_row(
    maps: [&[f32]; 4],
    shares: [&[f32]; 2],
    input: &[f32],
    gradient: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    assert!(maps.iter().chain(&shares).all(|map| map.len() == out.len()));
    assert!(input.len() == out.len() && gradient.len() == out.len());
    dispatch!(detected(), fn(maps: [&[f32]; 4], shares: [&[f32]; 2], input: &[f32], gradient: &[f32], out: &mut [MaybeUninit<f32>]) {
        let [scale, offset, slope, centre] = maps;
        let [common, along] = shares;
        let maps = scale.iter().zip(offset).zip(slope).zip(centre).zip(common).zip(along);
        let values = input.iter().zip(gradient).zip(out);
        for (((value, gradient), out), (((((scale, offset), slope), centre), common), along)) in values.zip(maps) {
            let affine = value * scale + offset;
            let sloped = slope * gradient;
            let inner = if affine > 0.0 { *gradient } else { sloped };
            out.write(scale * (inner - common - along * (value - centre)));
        }
    });
}
