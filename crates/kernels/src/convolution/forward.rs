//! The convolution itself, and the shifted product that it shares with the gradient of the input.

use super::ConvolutionShape;
use super::image::Layout;
use super::tile::{self, Panel, Panels};
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
        .with_min_len(TASKS_A_SCRATCH)
        .for_each_init(Scratch::default, |scratch, (outputs, inputs)| {
            let picture = shape.in_channels * shape.height * shape.width;
            product.run(
                scratch,
                inputs.len() / picture,
                |index, image| layout.fill_input(shape, &inputs[index * picture..][..picture], image),
                |index, panel, sums, pitch| {
                    let out = &mut outputs[(index * shape.out_channels + panel.first) * plane..];
                    let channels = panel.rows.min(shape.out_channels - panel.first);
                    for (out, sums) in out.chunks_exact_mut(plane).zip(sums.chunks(pitch)).take(channels) {
                        let rows = out.chunks_exact_mut(layout.columns).zip(sums.chunks(layout.pitch));
                        for (out, sums) in rows {
                            out.copy_from_slice(&sums[..layout.columns]);
                        }
                    }
                },
            );
        });
}

/// Tasks that share a [`Scratch`] at least: making one costs about as much as a picture.
pub(super) const TASKS_A_SCRATCH: usize = 4;

/// Buffers of one thread, for one product. The images start as zeros, and only what lies inside a picture is ever
/// written, so their padding stays zero.
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
        let bytes = self.panels.panels().len() * self.panels.panel_bytes();
        if bytes <= WEIGHTS_BLOCK { 1 } else { PICTURES_A_TASK }
    }

    /// Runs `pictures` pictures: `fill(picture, image)` writes the picture into the padded image, `take(picture, panel, sums, pitch)`
    /// receives the sums of one panel.
    pub(super) fn run(
        &self,
        scratch: &mut Scratch,
        pictures: usize,
        mut fill: impl FnMut(usize, &mut [f32]),
        mut take: impl FnMut(usize, Panel, &[f32], usize),
    ) {
        let columns = tile::shifted_columns(self.set);
        let pitch = self.layout.positions().next_multiple_of(columns);
        let image_len = self.layout.image_len(columns);
        if scratch.images.len() < image_len * pictures {
            scratch.images.resize(image_len * pictures, 0.0);
        }
        for (picture, image) in scratch.images.chunks_exact_mut(image_len).take(pictures).enumerate() {
            fill(picture, &mut image[..image_len - columns]);
        }
        let panels = self.panels.panels();
        let block = (WEIGHTS_BLOCK / self.panels.panel_bytes().max(1)).clamp(1, panels.len());
        let room = self.panels.tallest() * pitch;
        scratch.sums.resize(block * room, 0.0);
        for panels in panels.chunks(block) {
            for (picture, image) in scratch.images.chunks_exact(image_len).take(pictures).enumerate() {
                for position in (0..pitch).step_by(columns) {
                    for (sums, panel) in scratch.sums.chunks_exact_mut(room).zip(panels) {
                        let (image, sums) = (&image[position..], &mut sums[position..]);
                        tile::shifted(
                            self.set,
                            self.panels,
                            *panel,
                            &self.layout.offsets,
                            image,
                            sums,
                            pitch,
                        );
                    }
                }
                for (sums, panel) in scratch.sums.chunks_exact(room).zip(panels) {
                    take(picture, *panel, sums, pitch);
                }
            }
        }
    }
}
