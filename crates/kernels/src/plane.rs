//! The loops of batch normalisation over one plane (the values of one channel in one sample).
//!
//! Plain Rust with fixed-width blocks, compiled once per instruction set: the compiler vectorises it as well as
//! hand-written register code would, and memory bandwidth is the bound anyway.

use crate::simd::{detected, dispatch};
use std::mem::MaybeUninit;

/// Batch, channels and positions (rows times columns; 1 for plain feature vectors).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormShape {
    /// Samples in the batch.
    pub batch: usize,
    /// Channels; each is normalised separately.
    pub channels: usize,
    /// Values per channel and sample.
    pub positions: usize,
}

impl NormShape {
    /// Values in the input.
    pub fn len(&self) -> usize {
        self.batch * self.channels * self.positions
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The map of one channel: `affine = scale * value + offset`, and `slope * affine` if that is not positive. `centre` is
/// the channel's mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelMap {
    pub(crate) scale: f32,
    pub(crate) offset: f32,
    pub(crate) slope: f32,
    pub(crate) centre: f32,
}

/// Partial sums per block: a multiple of every register width.
const LANES: usize = 16;
type Block = [f32; LANES];

/// The plane's mean and its sum of squared distances from that mean.
pub(crate) fn moments(plane: &[f32]) -> (f64, f64) {
    dispatch!(detected(), fn(plane: &[f32]) -> (f64, f64) { moments_body(plane) })
}

/// Applies `map` to every value.
pub(crate) fn forward(map: ChannelMap, input: &[f32], output: &mut [MaybeUninit<f32>]) {
    dispatch!(detected(), fn(map: ChannelMap, input: &[f32], output: &mut [MaybeUninit<f32>]) {
        forward_body(map, input, output);
    });
}

/// Three sums over the plane: the gradient of the affine value, the same times the distance from the centre, and the
/// gradient of the slope.
pub(crate) fn sums(map: ChannelMap, input: &[f32], gradient: &[f32]) -> [f64; 3] {
    dispatch!(detected(), fn(map: ChannelMap, input: &[f32], gradient: &[f32]) -> [f64; 3] {
        sums_body(map, input, gradient)
    })
}

/// The gradient of the input, less the parts that flow through the mean (`shares.0`) and the deviation (`shares.1`).
pub(crate) fn backward(
    map: ChannelMap,
    shares: (f32, f32),
    input: &[f32],
    gradient: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    dispatch!(
        detected(),
        fn(map: ChannelMap, shares: (f32, f32), input: &[f32], gradient: &[f32], out: &mut [MaybeUninit<f32>]) {
            backward_body(map, shares, input, gradient, out);
        }
    );
}

fn total(lanes: &Block) -> f64 {
    lanes.iter().map(|v| f64::from(*v)).sum()
}

#[inline(always)]
fn moments_body(plane: &[f32]) -> (f64, f64) {
    let (blocks, rest) = plane.as_chunks::<LANES>();
    let mut sum = [0.0f32; LANES];
    for block in blocks {
        for lane in 0..LANES {
            sum[lane] += block[lane];
        }
    }
    for (sum, value) in sum.iter_mut().zip(rest) {
        *sum += value;
    }
    let mean = (total(&sum) / plane.len() as f64) as f32;
    let (mut drift, mut squares) = ([0.0f32; LANES], [0.0f32; LANES]);
    for block in blocks {
        for lane in 0..LANES {
            let distance = block[lane] - mean;
            drift[lane] += distance;
            squares[lane] += distance * distance;
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        let distance = value - mean;
        drift[lane] += distance;
        squares[lane] += distance * distance;
    }
    let correction = total(&drift) / plane.len() as f64;
    (f64::from(mean) + correction, total(&squares) - total(&drift) * correction)
}

#[inline(always)]
fn forward_body(map: ChannelMap, input: &[f32], output: &mut [MaybeUninit<f32>]) {
    for (output, input) in output.iter_mut().zip(input) {
        let affine = input * map.scale + map.offset;
        output.write(if affine > 0.0 { affine } else { map.slope * affine });
    }
}

/// The three terms of [`sums`] for one value.
#[inline(always)]
pub(crate) fn affine_terms(map: ChannelMap, input: f32, gradient: f32) -> [f32; 3] {
    let affine = input * map.scale + map.offset;
    let inner = if affine > 0.0 { gradient } else { map.slope * gradient };
    let negative = if affine > 0.0 { 0.0 } else { affine };
    [inner, inner * (input - map.centre), gradient * negative]
}

#[inline(always)]
fn sums_body(map: ChannelMap, input: &[f32], gradient: &[f32]) -> [f64; 3] {
    let (input_blocks, input_rest) = input.as_chunks::<LANES>();
    let (gradient_blocks, gradient_rest) = gradient.as_chunks::<LANES>();
    let (mut inner, mut along, mut slope) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    for (input, gradient) in input_blocks.iter().zip(gradient_blocks) {
        for lane in 0..LANES {
            let [a, b, c] = affine_terms(map, input[lane], gradient[lane]);
            inner[lane] += a;
            along[lane] += b;
            slope[lane] += c;
        }
    }
    for (lane, (input, gradient)) in input_rest.iter().zip(gradient_rest).enumerate() {
        let [a, b, c] = affine_terms(map, *input, *gradient);
        inner[lane] += a;
        along[lane] += b;
        slope[lane] += c;
    }
    [total(&inner), total(&along), total(&slope)]
}

#[inline(always)]
fn backward_body(
    map: ChannelMap,
    shares: (f32, f32),
    input: &[f32],
    gradient: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    let (common, along) = shares;
    for ((out, input), gradient) in out.iter_mut().zip(input).zip(gradient) {
        let inner = if input * map.scale + map.offset > 0.0 { *gradient } else { map.slope * gradient };
        out.write(map.scale * (inner - common - along * (input - map.centre)));
    }
}
