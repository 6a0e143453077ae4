//! The convolution itself, and the shifted product that it shares with the gradient of the input.

use super::ConvolutionShape;
use super::image::Layout;
use super::tile::{self, Panels};
use crate::simd::{self, InstructionSet};
use rayon::prelude::*;

/// Bytes of packed weights that should stay in the second-level cache while several pictures pass.
const WEIGHTS_BLOCK: usize = 192 * 1024;

/// Pictures that one task takes through a block of weights together, when the weights are larger than a block.
const PICTURES_A_TASK: usize = 8;

/// `output[b][o][y][x] = sum over c, i, j of weights[o][c][i][j] * input[b][c][y stride + i - padding][x stride + j - padding]`,
/// values outside the picture being zero.
///
/// Overwrites `output`. Shapes are those of [`ConvolutionShape`]. An empty batch is allowed.
///
/// # Panics
/// If a slice has another length than the shape says, or the shape is impossible (kernel of zero, padding not below the
/// kernel, kernel larger than the padded picture).
pub fn forward(shape: &ConvolutionShape, input: &[f32], weights: &[f32], output: &mut [f32]) {
    forward_with(simd::detected(), shape, input, weights, output);
}

pub(super) fn forward_with(
    set: InstructionSet,
    shape: &ConvolutionShape,
    input: &[f32],
    weights: &[f32],
    output: &mut [f32],
) {
    shape.check();
    assert_eq!(input.len(), shape.input_len(), "input of a convolution {shape:?}");
    assert_eq!(weights.len(), shape.weights_len(), "weights of a convolution {shape:?}");
    assert_eq!(output.len(), shape.output_len(), "output of a convolution {shape:?}");
    if output.is_empty() {
        return;
    }
    let taps = shape.taps();
    let panels = Panels::pack(set, shape.out_channels, taps, |row, tap| weights[row * taps + tap]);
    let layout = Layout::of_input(shape);
    let product = ShiftedProduct { set, panels: &panels, layout: &layout };
    let plane = shape.out_height() * shape.out_width();
    let pictures = product.pictures_a_task();
    output
        .par_chunks_mut(pictures * shape.out_channels * plane)
        .zip(input.par_chunks(pictures * shape.in_channels * shape.height * shape.width))
        .for_each_init(Scratch::default, |scratch, (outputs, inputs)| {
            let picture = shape.in_channels * shape.height * shape.width;
            product.run(
                scratch,
                inputs.len() / picture,
                |index, image| layout.fill_input(shape, &inputs[index * picture..][..picture], image),
                |index, first_channel, sums, pitch| {
                    let out = &mut outputs[(index * shape.out_channels + first_channel) * plane..];
                    let channels = product.panels.rows().min(shape.out_channels - first_channel);
                    for (out, sums) in out.chunks_exact_mut(plane).zip(sums.chunks(pitch)).take(channels) {
                        for (out, sums) in out.chunks_exact_mut(layout.columns).zip(sums.chunks(layout.pitch))
                        {
                            out.copy_from_slice(&sums[..layout.columns]);
                        }
                    }
                },
            );
        });
}

/// Buffers of one thread, grown once.
#[derive(Default)]
pub(super) struct Scratch {
    images: Vec<f32>,
    sums: Vec<f32>,
}

/// `sums[row][position] = sum over taps of weights[row][tap] * image[offset[tap] + position]` for whole pictures.
pub(super) struct ShiftedProduct<'a> {
    pub(super) set: InstructionSet,
    pub(super) panels: &'a Panels,
    pub(super) layout: &'a Layout,
}

impl ShiftedProduct<'_> {
    /// Few weights: one picture a task. Many weights: several pictures, so that a block of weights is used again.
    pub(super) fn pictures_a_task(&self) -> usize {
        if self.panels.count() * self.panels.panel_bytes() <= WEIGHTS_BLOCK { 1 } else { PICTURES_A_TASK }
    }

    /// Runs `pictures` pictures: `fill(picture, image)` prepares the padded image, `take(picture, first_row, sums, pitch)`
    /// receives the sums of one panel of rows.
    pub(super) fn run(
        &self,
        scratch: &mut Scratch,
        pictures: usize,
        mut fill: impl FnMut(usize, &mut [f32]),
        mut take: impl FnMut(usize, usize, &[f32], usize),
    ) {
        let columns = tile::shifted_columns(self.set);
        let rows = self.panels.rows();
        let pitch = self.layout.positions().next_multiple_of(columns);
        let image_len = self.layout.image_len(columns);
        scratch.images.resize(image_len * pictures, 0.0);
        for (picture, image) in scratch.images.chunks_exact_mut(image_len).enumerate() {
            let used = image_len - columns;
            fill(picture, &mut image[..used]);
            image[used..].fill(0.0);
        }
        let block = (WEIGHTS_BLOCK / self.panels.panel_bytes().max(1)).clamp(1, self.panels.count());
        scratch.sums.resize(block * rows * pitch, 0.0);
        for first in (0..self.panels.count()).step_by(block) {
            let last = (first + block).min(self.panels.count());
            for (picture, image) in scratch.images.chunks_exact(image_len).enumerate() {
                for position in (0..pitch).step_by(columns) {
                    for panel in first..last {
                        let sums = &mut scratch.sums[(panel - first) * rows * pitch + position..];
                        let image = &image[position..];
                        tile::shifted(self.set, self.panels, panel, &self.layout.offsets, image, sums, pitch);
                    }
                }
                for panel in first..last {
                    take(
                        picture,
                        panel * rows,
                        &scratch.sums[(panel - first) * rows * pitch..][..rows * pitch],
                        pitch,
                    );
                }
            }
        }
    }
}
