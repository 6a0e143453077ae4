//! The gradients of a convolution.

use super::ConvolutionShape;
use super::forward::{Buffers, ShiftedProduct, TASKS_PER_BUFFERS};
use super::image::{GradientPhase, Layout};
use super::tile::{self, Positions, WeightPanels};
use crate::simd::{self, InstructionSet};
use rayon::prelude::*;

/// The weight gradient is a sum over this many parts of the batch, for any number of threads. The parts are added in
/// order, so that the result is bitwise the same on one core and on many.
const PARTS: usize = 8;

/// The gradient of the input: `input_gradient[b][c][y][x]` is the sum of `output_gradient * weights` over every output
/// that depends on this value.
///
/// Overwrites `input_gradient`. Shapes are those of [`ConvolutionShape`].
///
/// # Panics
/// As [`forward`](super::forward()).
pub fn input_gradient(
    shape: &ConvolutionShape,
    output_gradient: &[f32],
    weights: &[f32],
    input_gradient: &mut [f32],
) {
    input_gradient_with(simd::detected(), shape, output_gradient, weights, input_gradient);
}

pub(super) fn input_gradient_with(
    set: InstructionSet,
    shape: &ConvolutionShape,
    output_gradient: &[f32],
    weights: &[f32],
    input_gradient: &mut [f32],
) {
    shape.check();
    assert_eq!(output_gradient.len(), shape.output_len(), "output gradient of a convolution {shape:?}");
    assert_eq!(weights.len(), shape.weights_len(), "weights of a convolution {shape:?}");
    assert_eq!(input_gradient.len(), shape.input_len(), "input gradient of a convolution {shape:?}");
    let phases = GradientPhase::all(shape);
    // With a stride above the kernel, some values affect no output: their gradient is zero.
    let covered = phases.len() == shape.stride * shape.stride;
    if !covered {
        input_gradient.fill(0.0);
    }
    let image_len = shape.in_channels * shape.height * shape.width;
    let gradient_len = shape.out_channels * shape.out_height() * shape.out_width();
    if image_len == 0 || shape.batch == 0 {
        return;
    }
    for phase in &phases {
        let panels = WeightPanels::pack(
            set,
            shape.in_channels,
            phase.layout.offsets.shifts().len(),
            |channel, tap| {
                let (i, j) = phase.taps[tap % phase.taps.len()];
                let out_channel = tap / phase.taps.len();
                weights[((out_channel * shape.in_channels + channel) * shape.kernel + i) * shape.kernel + j]
            },
        );
        let product = ShiftedProduct { set, panels: &panels, layout: &phase.layout };
        let images = product.images_per_task();
        let plane = shape.height * shape.width;
        input_gradient
            .par_chunks_mut(images * image_len)
            .zip(output_gradient.par_chunks(images * gradient_len))
            .with_min_len(TASKS_PER_BUFFERS)
            .for_each_init(Buffers::default, |buffers, (inputs, gradients)| {
                product.run(
                    buffers,
                    gradients.len() / gradient_len,
                    |index, padded| {
                        phase.fill_gradient(
                            shape,
                            &gradients[index * gradient_len..][..gradient_len],
                            padded,
                        );
                    },
                    |index, panel, sums, pitch| {
                        let channels = panel.rows.min(shape.in_channels - panel.first);
                        let out = &mut inputs[index * image_len + panel.first * plane..][..channels * plane];
                        phase.scatter(shape, sums, pitch, out);
                    },
                );
            });
    }
}

/// The gradient of the weights: `weight_gradient[o][c][i][j]` is the sum of `output_gradient * input` over the batch and
/// all positions.
///
/// Overwrites `weight_gradient`; an empty batch gives zeros. Shapes are those of [`ConvolutionShape`].
///
/// # Panics
/// As [`forward`](super::forward()).
pub fn weight_gradient(
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    weight_gradient: &mut [f32],
) {
    weight_gradient_with(simd::detected(), shape, input, output_gradient, weight_gradient);
}

pub(super) fn weight_gradient_with(
    set: InstructionSet,
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    weight_gradient: &mut [f32],
) {
    shape.check();
    assert_eq!(input.len(), shape.input_len(), "input of a convolution {shape:?}");
    assert_eq!(output_gradient.len(), shape.output_len(), "output gradient of a convolution {shape:?}");
    assert_eq!(weight_gradient.len(), shape.weights_len(), "weight gradient of a convolution {shape:?}");
    weight_gradient.fill(0.0);
    let image_len = shape.in_channels * shape.height * shape.width;
    let gradient_len = shape.out_channels * shape.out_height() * shape.out_width();
    if shape.batch == 0 || image_len == 0 || gradient_len == 0 {
        return;
    }
    let layout = Layout::of_input(shape);
    let part = shape.batch.div_ceil(PARTS);
    let partial: Vec<Vec<f32>> = input
        .par_chunks(part * image_len)
        .zip(output_gradient.par_chunks(part * gradient_len))
        .map(|(inputs, gradients)| correlate_part(set, shape, &layout, inputs, gradients))
        .collect();
    let (taps, pitch) = (shape.taps(), padded_channels(set, shape));
    for (channel, row) in weight_gradient.chunks_exact_mut(taps).enumerate() {
        for partial in &partial {
            for (tap, sum) in row.iter_mut().enumerate() {
                *sum += partial[tap * pitch + channel];
            }
        }
    }
}

fn padded_channels(set: InstructionSet, shape: &ConvolutionShape) -> usize {
    shape.out_channels.next_multiple_of(tile::correlation_channels(set))
}

/// The weight gradient of some images, as `[tap][output channel]`, both padded to whole tiles.
fn correlate_part(
    set: InstructionSet,
    shape: &ConvolutionShape,
    layout: &Layout,
    inputs: &[f32],
    gradients: &[f32],
) -> Vec<f32> {
    let tile_taps = tile::correlation_taps(set);
    let tile_channels = tile::correlation_channels(set);
    let pitch = padded_channels(set, shape);
    // A tap of the padding reads the same pixels as the first tap; its sums are not used.
    let mut offsets = layout.offsets.shifts().to_vec();
    offsets.resize(shape.taps().next_multiple_of(tile_taps), 0);
    let mut sums = vec![0.0; offsets.len() * pitch];
    let mut padded = vec![0.0; layout.padded_len(0)];
    let positions = shape.out_height() * shape.out_width();
    let mut turned = vec![0.0; positions * pitch];
    let walk = Positions { rows: layout.rows, columns: layout.columns, row_pitch: layout.pitch };
    let image_len = shape.in_channels * shape.height * shape.width;
    let pairs = inputs.chunks_exact(image_len).zip(gradients.chunks_exact(shape.out_channels * positions));
    for (image, gradient) in pairs {
        layout.fill_input(shape, image, &mut padded);
        turn_into_panels(gradient, positions, tile_channels, &mut turned);
        for (block, panel) in turned.chunks_exact(positions * tile_channels).enumerate() {
            for (group, offsets) in offsets.chunks_exact(tile_taps).enumerate() {
                let sums = &mut sums[group * tile_taps * pitch + block * tile_channels..];
                tile::correlate(set, offsets, &padded, walk, panel, sums, pitch);
            }
        }
    }
    sums
}

/// Reorders `[channel][position]` to `[block of channels][position][channel within the block]`.
fn turn_into_panels(gradient: &[f32], positions: usize, block: usize, turned: &mut [f32]) {
    for (index, channels) in gradient.chunks(block * positions).enumerate() {
        let panel = &mut turned[index * positions * block..][..positions * block];
        for (within, channel) in channels.chunks_exact(positions).enumerate() {
            for (target, value) in panel[within..].iter_mut().step_by(block).zip(channel) {
                *target = *value;
            }
        }
    }
}
