//! Convolution in mixed precision: factors rounded to bfloat16, sums in f32.
//!
//! A product in mixed precision sums pairs along its inner dimension ([`crate::mixed`]). That dimension is the channels of
//! the input for the output, the channels of the output for the gradient of the input, and the images for the gradient of the
//! weights. So both factors are first copied into pairs of adjacent channels or images. The pairs are a convolution of half as
//! many channels or images, which the functions for f32 compute with another tile. What is missing from the last pair is zero.
//! Where a value is copied once anyway, it is rounded then: in patches of a kernel of 1 x 1, and by `correlation`.
//!
//! Where f32 is faster than these direct products, it is used: on AMX for images of few channels, elsewhere for many shapes of
//! Winograd's algorithm. It is more accurate too. Winograd's algorithm in bfloat16 was not tried: the sums of a tile's values need more digits than the values themselves.
//!
//! Shapes, panics and the independence of the number of threads are those of the functions for f32.

#[cfg(target_arch = "x86_64")]
mod correlation;
#[cfg(test)]
mod tests;

use super::arithmetic::Arithmetic;
use super::backward::{input_gradient_by_patches, input_gradient_with, weight_gradient_with};
use super::finish::Finish;
use super::forward::{forward_by_patches, forward_with};
use super::method::Method;
use super::packed::Source;
use super::{ConvolutionShape, winograd};
use crate::fresh::written;
use crate::mixed::pair_of;
use crate::simd::{self, dispatch};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Rate of a direct product of pairs relative to f32, if the processor has `vdpbf16ps`: 1.7 to 2.1 for kernels of 3 x 3 on one core of
/// an EPYC with AVX-512. Used for every processor without AMX, so that the choice is the same for all of them.
const RATE: f64 = 1.85;

/// Channels of the input from which on tiles of AMX are faster than f32. Below, a tile is mostly empty: with 3 channels and a kernel of 7 x 7
/// the products run at 84, 15 and 21 GFLOP/s in tiles, and at 111, 36 and 99 in f32.
const LEAST_CHANNELS: usize = 8;

/// The arithmetic of pairs for a convolution of so many rows and columns of outputs, or none where f32 is faster: on AMX for few
/// channels, elsewhere where Winograd's algorithm is.
fn pairs_if_faster(shape: &ConvolutionShape, outputs: [usize; 2]) -> Option<Arithmetic> {
    let arithmetic = Arithmetic::of_pairs(simd::detected());
    let in_f32 = if arithmetic.is_of_tiles() {
        shape.in_channels < LEAST_CHANNELS
    } else {
        winograd::faster_than(RATE, shape, outputs).is_some()
    };
    (!in_f32).then_some(arithmetic)
}

/// As [`forward`](super::forward()), in mixed precision.
pub fn forward(shape: &ConvolutionShape, input: &[f32], weights: &[f32]) -> Vec<f32> {
    shape.check();
    match pairs_if_faster(shape, [shape.out_height(), shape.out_width()]) {
        Some(arithmetic) => forward_by(arithmetic, None, shape, input, weights, None),
        None => super::forward(shape, input, weights),
    }
}

/// As [`forward_finished`](super::forward_finished), in mixed precision. The end is computed in f32.
pub fn forward_finished(
    shape: &ConvolutionShape,
    input: &[f32],
    weights: &[f32],
    finish: &Finish<'_>,
) -> Vec<f32> {
    shape.check();
    match pairs_if_faster(shape, [shape.out_height(), shape.out_width()]) {
        Some(arithmetic) => forward_by(arithmetic, None, shape, input, weights, Some(finish)),
        None => super::forward_finished(shape, input, weights, finish),
    }
}

/// As [`input_gradient`](super::input_gradient), in mixed precision.
pub fn input_gradient(shape: &ConvolutionShape, output_gradient: &[f32], weights: &[f32]) -> Vec<f32> {
    shape.check();
    match pairs_if_faster(shape, [shape.height, shape.width]) {
        Some(arithmetic) => input_gradient_by(arithmetic, None, shape, output_gradient, weights),
        None => super::input_gradient(shape, output_gradient, weights),
    }
}

/// As [`weight_gradient`](super::weight_gradient), in mixed precision.
pub fn weight_gradient(
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    weight_gradient: &mut [f32],
) {
    shape.check();
    match pairs_if_faster(shape, [shape.out_height(), shape.out_width()]) {
        Some(arithmetic) => weight_gradient_by(arithmetic, shape, input, output_gradient, weight_gradient),
        None => super::weight_gradient(shape, input, output_gradient, weight_gradient),
    }
}

fn forward_by(
    arithmetic: Arithmetic,
    method: Option<Method>,
    shape: &ConvolutionShape,
    input: &[f32],
    weights: &[f32],
    finish: Option<&Finish<'_>>,
) -> Vec<f32> {
    shape.check();
    assert_eq!(input.len(), shape.input_len(), "input of a convolution {shape:?}");
    assert_eq!(weights.len(), shape.weights_len(), "weights of a convolution {shape:?}");
    let method =
        method.unwrap_or(Method::direct(arithmetic, shape.kernel, shape.out_height() * shape.out_width()));
    let channels = shape.in_channels;
    let weights = pairs(weights, channels, shape.kernel * shape.kernel);
    let of_pairs = ConvolutionShape { in_channels: channels.div_ceil(2), ..*shape };
    if method == Method::Packed && shape.kernel == 1 {
        return forward_by_patches(arithmetic, &of_pairs, Source::Halves(input, channels), &weights, finish);
    }
    let input = pairs(input, channels, shape.height * shape.width);
    forward_with(arithmetic, method, &of_pairs, &input, &weights, finish)
}

fn input_gradient_by(
    arithmetic: Arithmetic,
    method: Option<Method>,
    shape: &ConvolutionShape,
    output_gradient: &[f32],
    weights: &[f32],
) -> Vec<f32> {
    shape.check();
    assert_eq!(output_gradient.len(), shape.output_len(), "output gradient of a convolution {shape:?}");
    assert_eq!(weights.len(), shape.weights_len(), "weights of a convolution {shape:?}");
    let channels = shape.out_channels;
    let weights = pairs(weights, channels, shape.taps());
    let of_pairs = ConvolutionShape { out_channels: channels.div_ceil(2), ..*shape };
    let packed = method.is_none_or(|method| method == Method::Packed);
    if packed && shape.kernel == 1 {
        let output_gradient = Source::Halves(output_gradient, channels);
        return input_gradient_by_patches(arithmetic, &of_pairs, output_gradient, &weights);
    }
    let output_gradient = pairs(output_gradient, channels, shape.out_height() * shape.out_width());
    input_gradient_with(arithmetic, method, &of_pairs, &output_gradient, &weights)
}

fn weight_gradient_by(
    arithmetic: Arithmetic,
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    weight_gradient: &mut [f32],
) {
    shape.check();
    assert_eq!(input.len(), shape.input_len(), "input of a convolution {shape:?}");
    assert_eq!(output_gradient.len(), shape.output_len(), "output gradient of a convolution {shape:?}");
    #[cfg(target_arch = "x86_64")]
    if arithmetic.is_of_tiles() {
        correlation::weight_gradient(shape, input, output_gradient, weight_gradient);
        return;
    }
    let images = shape.batch;
    let input = pairs(input, images, input.len() / images.max(1));
    let output_gradient = pairs(output_gradient, images, output_gradient.len() / images.max(1));
    let of_pairs = ConvolutionShape { batch: images.div_ceil(2), ..*shape };
    weight_gradient_with(arithmetic, None, &of_pairs, &input, &output_gradient, weight_gradient);
}

/// Pairs of a task.
const CHUNK: usize = 16 * 1024;

/// Pairs of adjacent rows: `values` is `[..., rows, columns]`, the result `[..., rows / 2 rounded up, columns]`. A pair takes the
/// bits of an f32, the first number in the lower half.
fn pairs(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    if values.is_empty() {
        return Vec::new();
    }
    let length = values.len() / rows * rows.div_ceil(2);
    // SAFETY: the chunks cover all pairs, and every pair of a chunk is written.
    unsafe {
        written(length, |out| {
            out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
                some_pairs(values, [rows, columns], chunk * CHUNK, out);
            });
        })
    }
}

/// The pairs from the one at `first` on.
fn some_pairs(values: &[f32], [rows, columns]: [usize; 2], first: usize, out: &mut [MaybeUninit<f32>]) {
    dispatch!(simd::detected(), fn(values: &[f32], rows: usize, columns: usize, first: usize, out: &mut [MaybeUninit<f32>]) {
        if columns == 1 && rows.is_multiple_of(2) {
            // The values of a pair follow each other, as in the weights of 1 x 1.
            for (out, [one, other]) in out.iter_mut().zip(values[2 * first..].as_chunks::<2>().0) {
                out.write(f32::from_bits(pair_of(*one, *other)));
            }
            return;
        }
        let paired = rows.div_ceil(2);
        let (mut row, mut column, mut rest) = (first / columns, first % columns, out);
        while !rest.is_empty() {
            let length = (columns - column).min(rest.len());
            let (out, after) = rest.split_at_mut(length);
            let upper = row / paired * rows + row % paired * 2;
            let at = upper * columns + column;
            let places = out.iter_mut().zip(&values[at..at + length]);
            if row % paired * 2 + 1 < rows {
                for ((out, one), other) in places.zip(&values[at + columns..]) {
                    out.write(f32::from_bits(pair_of(*one, *other)));
                }
            } else {
                for (out, one) in places {
                    out.write(f32::from_bits(pair_of(*one, 0.0)));
                }
            }
            (row, column, rest) = (row + 1, 0, after);
        }
    });
}
