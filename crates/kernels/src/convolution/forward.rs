//! The forward convolution, and the shifted product that it shares with the gradient of the input.

use super::arithmetic::Arithmetic;
use super::finish::{Finish, apply_to_written};
use super::image::Layout;
use super::method::Method;
use super::packed::{Patches, Source, packed_product};
use super::shared::SharedOutput;
use super::tile::{self, WeightOrder, WeightPanel, WeightPanels};
use super::{ConvolutionShape, winograd};
use crate::fresh::written;
use crate::simd;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Bytes of packed weights that should stay in the second-level cache while an image passes.
const WEIGHTS_BLOCK: usize = 640 * 1024;

/// Most images per task if the weights are larger than a block, so that each block is used several times.
const IMAGES_PER_TASK: usize = 8;

/// Bytes of padded images that a task should keep in the second-level cache.
const IMAGES_BYTES: usize = 512 * 1024;

/// `output[b][o][y][x] = sum over c, i, j of weights[o][c][i][j] * input[b][c][y stride + i - padding][x stride + j - padding]`,
/// where values outside the image are zero.
///
/// Shapes are those of [`ConvolutionShape`]. An empty batch is allowed.
///
/// # Panics
/// If the length of a slice does not match the shape, or the shape is impossible (kernel of zero, padding not below the
/// kernel, kernel larger than the padded image).
pub fn forward(shape: &ConvolutionShape, input: &[f32], weights: &[f32]) -> Vec<f32> {
    shape.check();
    let arithmetic = Arithmetic::Values(simd::detected());
    let method = Method::faster(arithmetic, shape, [shape.out_height(), shape.out_width()]);
    forward_with(arithmetic, method, shape, input, weights, None)
}

/// As [`forward`], with a bias, a residual and an activation.
///
/// # Panics
/// As [`forward`], and if a length of `finish` does not match.
pub fn forward_finished(
    shape: &ConvolutionShape,
    input: &[f32],
    weights: &[f32],
    finish: &Finish<'_>,
) -> Vec<f32> {
    shape.check();
    let arithmetic = Arithmetic::Values(simd::detected());
    let method = Method::faster(arithmetic, shape, [shape.out_height(), shape.out_width()]);
    forward_with(arithmetic, method, shape, input, weights, Some(finish))
}

pub(super) fn forward_with(
    arithmetic: Arithmetic,
    method: Method,
    shape: &ConvolutionShape,
    input: &[f32],
    weights: &[f32],
    finish: Option<&Finish<'_>>,
) -> Vec<f32> {
    shape.check();
    if let Some(finish) = finish {
        finish.check(shape.out_channels, shape.output_len());
    }
    assert_eq!(input.len(), shape.input_len(), "input of a convolution {shape:?}");
    assert_eq!(weights.len(), shape.weights_len(), "weights of a convolution {shape:?}");
    if shape.output_len() == 0 {
        return Vec::new();
    }
    // SAFETY: both methods give the sums of every output channel, image and position, and copy them to the output.
    unsafe {
        written(shape.output_len(), |output| match method {
            Method::Packed => by_patches(arithmetic, shape, Source::Elements(input), weights, output, finish),
            Method::Shifted => by_shifts(arithmetic, shape, input, weights, output, finish),
            Method::Winograd(size) => {
                winograd::forward(arithmetic.set(), size, shape, input, weights, output, finish);
            }
        })
    }
}

/// [`forward_with`] of [`Method::Packed`], from a source that is rounded when it is packed. The channels of `shape` are those of the tiles.
pub(super) fn forward_by_patches(
    arithmetic: Arithmetic,
    shape: &ConvolutionShape,
    input: Source<'_>,
    weights: &[f32],
    finish: Option<&Finish<'_>>,
) -> Vec<f32> {
    if let Some(finish) = finish {
        finish.check(shape.out_channels, shape.output_len());
    }
    if shape.output_len() == 0 {
        return Vec::new();
    }
    // SAFETY: the product gives the sums of every output channel, image and position.
    unsafe {
        written(shape.output_len(), |output| by_patches(arithmetic, shape, input, weights, output, finish))
    }
}

fn by_patches(
    arithmetic: Arithmetic,
    shape: &ConvolutionShape,
    input: Source<'_>,
    weights: &[f32],
    output: &mut [MaybeUninit<f32>],
    finish: Option<&Finish<'_>>,
) {
    let size = [shape.height, shape.width];
    let positions = [shape.out_height(), shape.out_width()];
    let (mut inner, mut taps) = (Vec::new(), Vec::new());
    for i in 0..shape.kernel {
        for j in 0..shape.kernel {
            let tap = (i as isize - shape.padding as isize, j as isize - shape.padding as isize);
            if Patches::reads(tap, size, positions, shape.stride) {
                taps.push(tap);
                inner.push(i * shape.kernel + j);
            }
        }
    }
    let (row_step, outer_step) = (shape.taps(), shape.kernel * shape.kernel);
    let order = WeightOrder { row_step, outer: shape.in_channels, outer_step, inner };
    let panels = WeightPanels::pack(arithmetic, shape.out_channels, weights, &order);
    let patches =
        Patches::new(input, [shape.in_channels, shape.height, shape.width], positions, shape.stride, taps);
    let plane = positions[0] * positions[1];
    let output = SharedOutput::new(output);
    packed_product(arithmetic, &panels, shape.out_channels, &patches, &|row, image, first, sums| {
        let at = (image * shape.out_channels + row) * plane + first;
        // SAFETY: the product gives every position of every row and image once.
        unsafe {
            output.write(at, 1, sums);
            apply_to_written(finish, row, at, output.places(at, sums.len()));
        }
    });
}

fn by_shifts(
    arithmetic: Arithmetic,
    shape: &ConvolutionShape,
    input: &[f32],
    weights: &[f32],
    output: &mut [MaybeUninit<f32>],
    finish: Option<&Finish<'_>>,
) {
    let taps = shape.taps();
    let order = WeightOrder { row_step: taps, outer: 1, outer_step: 0, inner: (0..taps).collect() };
    let panels = WeightPanels::pack(arithmetic, shape.out_channels, weights, &order);
    let layout = Layout::of_input(shape);
    let product = ShiftedProduct { arithmetic, panels: &panels, layout: &layout };
    let plane = shape.out_height() * shape.out_width();
    let images = product.images_per_task();
    output
        .par_chunks_mut(images * shape.out_channels * plane)
        .zip(input.par_chunks(images * shape.in_channels * shape.height * shape.width))
        .with_min_len(tasks_per_buffers(shape.batch.div_ceil(images)))
        .enumerate()
        .for_each_init(Buffers::default, |buffers, (task, (outputs, inputs))| {
            let image_len = shape.in_channels * shape.height * shape.width;
            product.run(
                buffers,
                inputs.len() / image_len,
                |index, padded| layout.fill_input(shape, &inputs[index * image_len..][..image_len], padded),
                |index, panel, sums, pitch| {
                    let out = &mut outputs[(index * shape.out_channels + panel.first) * plane..];
                    let channels = panel.rows.min(shape.out_channels - panel.first);
                    let planes = out.chunks_exact_mut(plane).zip(sums.chunks(pitch)).take(channels);
                    for (channel, (plane_out, sums)) in (panel.first..).zip(planes) {
                        let rows = plane_out.chunks_exact_mut(layout.columns).zip(sums.chunks(layout.pitch));
                        for (out, sums) in rows {
                            out.write_copy_of_slice(&sums[..layout.columns]);
                        }
                        let at = ((task * images + index) * shape.out_channels + channel) * plane;
                        // SAFETY: all rows of the plane are written.
                        unsafe { apply_to_written(finish, channel, at, plane_out) };
                    }
                },
            );
        });
}

/// Least number of tasks that share [`Buffers`]: allocating them costs about as much as one image. With few tasks, they should
/// still run on all threads.
pub(super) fn tasks_per_buffers(tasks: usize) -> usize {
    (tasks / 8).clamp(1, 4)
}

/// The buffers of one thread for one product. The padded images start as zeros and only their interior is ever written,
/// so the padding stays zero.
#[derive(Default)]
pub(super) struct Buffers {
    padded: Vec<f32>,
    sums: Vec<f32>,
}

/// `sums[row][position] = sum over taps of weights[row][tap] * padded[offset[tap] + position]` for whole images.
pub(super) struct ShiftedProduct<'a> {
    pub(super) arithmetic: Arithmetic,
    pub(super) panels: &'a WeightPanels,
    pub(super) layout: &'a Layout,
}

impl ShiftedProduct<'_> {
    /// One image per task with few weights, several with many, so that a block of weights is reused.
    pub(super) fn images_per_task(&self) -> usize {
        let bytes = self.panels.panels().len() * self.panels.panel_bytes();
        let padded = size_of::<f32>() * self.layout.padded_len(0);
        if bytes <= WEIGHTS_BLOCK { 1 } else { (IMAGES_BYTES / padded.max(1)).clamp(1, IMAGES_PER_TASK) }
    }

    /// Runs the product for `images` images. `fill(image, padded)` copies an image into its padded image;
    /// `take(image, panel, sums, pitch)` receives the sums of one panel.
    pub(super) fn run(
        &self,
        buffers: &mut Buffers,
        images: usize,
        mut fill: impl FnMut(usize, &mut [f32]),
        mut take: impl FnMut(usize, WeightPanel, &[f32], usize),
    ) {
        let columns = tile::shifted_columns(self.arithmetic);
        let pitch = self.layout.positions().next_multiple_of(columns);
        let padded_len = self.layout.padded_len(columns);
        if buffers.padded.len() < padded_len * images {
            buffers.padded.resize(padded_len * images, 0.0);
        }
        for (image, padded) in buffers.padded.chunks_exact_mut(padded_len).take(images).enumerate() {
            fill(image, &mut padded[..padded_len - columns]);
        }
        let panels = self.panels.panels();
        let block = (WEIGHTS_BLOCK / self.panels.panel_bytes().max(1)).clamp(1, panels.len());
        let room = self.panels.tallest() * pitch;
        buffers.sums.resize(block * room, 0.0);
        for panels in panels.chunks(block) {
            for (image, padded) in buffers.padded.chunks_exact(padded_len).take(images).enumerate() {
                for position in (0..pitch).step_by(columns) {
                    for (sums, panel) in buffers.sums.chunks_exact_mut(room).zip(panels) {
                        let (padded, sums) = (&padded[position..], &mut sums[position..]);
                        tile::shifted(
                            self.arithmetic,
                            self.panels,
                            *panel,
                            &self.layout.offsets,
                            padded,
                            sums,
                            pitch,
                        );
                    }
                }
                for (sums, panel) in buffers.sums.chunks_exact(room).zip(panels) {
                    take(image, *panel, sums, pitch);
                }
            }
        }
    }
}
