//! The gradients of a convolution.

use super::ConvolutionShape;
use super::arithmetic::Arithmetic;
use super::correlation::Correlation;
use super::forward::{Buffers, ShiftedProduct, tasks_per_buffers};
use super::image::{GradientPhase, Layout};
use super::method::Method;
use super::packed::{Patches, Source, packed_product};
use super::shared::SharedOutput;
use super::tile::WeightPanels;
use super::winograd::{self, TileSize};
use crate::fresh::written;
use crate::simd;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// The gradient of the input: `input_gradient[b][c][y][x]` is the sum of `output_gradient * weights` over every output
/// that depends on this value.
///
/// Shapes are those of [`ConvolutionShape`].
///
/// # Panics
/// As [`forward`](super::forward()).
pub fn input_gradient(shape: &ConvolutionShape, output_gradient: &[f32], weights: &[f32]) -> Vec<f32> {
    shape.check();
    let method = winograd::faster(shape, [shape.height, shape.width]).map(Method::Winograd);
    input_gradient_with(Arithmetic::Values(simd::detected()), method, shape, output_gradient, weights)
}

/// [`input_gradient`] with one method for all phases, or the faster direct one for each.
pub(super) fn input_gradient_with(
    arithmetic: Arithmetic,
    method: Option<Method>,
    shape: &ConvolutionShape,
    output_gradient: &[f32],
    weights: &[f32],
) -> Vec<f32> {
    shape.check();
    assert_eq!(output_gradient.len(), shape.output_len(), "output gradient of a convolution {shape:?}");
    assert_eq!(weights.len(), shape.weights_len(), "weights of a convolution {shape:?}");
    if shape.output_len() == 0 {
        return vec![0.0; shape.input_len()];
    }
    if let Some(Method::Winograd(size)) = method {
        // SAFETY: every value of the input gradient is an output of the algorithm.
        return unsafe {
            written(shape.input_len(), |input_gradient| {
                winograd::input_gradient(
                    arithmetic.set(),
                    size,
                    shape,
                    output_gradient,
                    weights,
                    input_gradient,
                );
            })
        };
    }
    // SAFETY: the phases cover all values of the input gradient or it is cleared first, and the sums of every phase are
    // copied to all of its places.
    unsafe {
        written(shape.input_len(), |input_gradient| {
            all_phases(arithmetic, method, shape, output_gradient, weights, input_gradient);
        })
    }
}

/// Every phase of the input gradient. With a stride above the kernel, some values affect no output: their gradient is zero, and the whole is
/// cleared.
fn cleared_phases(shape: &ConvolutionShape, input_gradient: &mut [MaybeUninit<f32>]) -> Vec<GradientPhase> {
    let phases = GradientPhase::all(shape);
    let places: usize = phases.iter().map(|phase| phase.layout.rows * phase.layout.columns).sum();
    if places < shape.height * shape.width {
        input_gradient.fill(MaybeUninit::new(0.0));
    }
    phases
}

fn all_phases(
    arithmetic: Arithmetic,
    method: Option<Method>,
    shape: &ConvolutionShape,
    output_gradient: &[f32],
    weights: &[f32],
    input_gradient: &mut [MaybeUninit<f32>],
) {
    let phases = cleared_phases(shape, input_gradient);
    let image_len = shape.in_channels * shape.height * shape.width;
    let gradient_len = shape.out_channels * shape.out_height() * shape.out_width();
    for phase in &phases {
        let positions = phase.layout.rows * phase.layout.columns;
        if method.unwrap_or(Method::direct(arithmetic, shape.kernel, positions)) == Method::Packed {
            phase_by_patches(
                arithmetic,
                shape,
                phase,
                Source::Elements(output_gradient),
                weights,
                input_gradient,
            );
            continue;
        }
        let panels = WeightPanels::pack(arithmetic, shape.in_channels, weights, &phase.weight_order(shape));
        let product = ShiftedProduct { arithmetic, panels: &panels, layout: &phase.layout };
        let images = product.images_per_task();
        let plane = shape.height * shape.width;
        input_gradient
            .par_chunks_mut(images * image_len)
            .zip(output_gradient.par_chunks(images * gradient_len))
            .with_min_len(tasks_per_buffers(shape.batch.div_ceil(images)))
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

/// [`input_gradient_with`] of [`Method::Packed`], from a source that is rounded when it is packed. The channels of `shape` are those of the
/// tiles.
pub(super) fn input_gradient_by_patches(
    arithmetic: Arithmetic,
    shape: &ConvolutionShape,
    output_gradient: Source<'_>,
    weights: &[f32],
) -> Vec<f32> {
    if shape.output_len() == 0 {
        return vec![0.0; shape.input_len()];
    }
    // SAFETY: the phases cover all values of the input gradient or it is cleared first, and the sums of every phase are
    // copied to all of its places.
    unsafe {
        written(shape.input_len(), |input_gradient| {
            for phase in &cleared_phases(shape, input_gradient) {
                phase_by_patches(arithmetic, shape, phase, output_gradient, weights, input_gradient);
            }
        })
    }
}

fn phase_by_patches(
    arithmetic: Arithmetic,
    shape: &ConvolutionShape,
    phase: &GradientPhase,
    output_gradient: Source<'_>,
    weights: &[f32],
    input_gradient: &mut [MaybeUninit<f32>],
) {
    let size = [shape.out_height(), shape.out_width()];
    let positions = [phase.layout.rows, phase.layout.columns];
    let (mut order, mut taps) = (phase.weight_order(shape), phase.offsets(shape.stride));
    let reads: Vec<bool> = taps.iter().map(|tap| Patches::reads(*tap, size, positions, 1)).collect();
    let mut kept = reads.iter();
    taps.retain(|_| *kept.next().expect("one per tap"));
    let mut kept = reads.iter();
    order.inner.retain(|_| *kept.next().expect("one per tap"));
    let panels = WeightPanels::pack(arithmetic, shape.in_channels, weights, &order);
    let patches = Patches::new(output_gradient, [shape.out_channels, size[0], size[1]], positions, 1, taps);
    let output = SharedOutput::new(input_gradient);
    packed_product(arithmetic, &panels, shape.in_channels, &patches, &|channel, image, first, sums| {
        phase.for_each_row(shape, first, sums.len(), |at, positions| {
            let plane = (image * shape.in_channels + channel) * shape.height * shape.width;
            // SAFETY: the product gives every position of every channel and image once, and phases have no common position.
            unsafe { output.write(plane + at, shape.stride, &sums[positions]) }
        });
    });
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
    shape.check();
    let winograd = winograd::faster(shape, [shape.out_height(), shape.out_width()]);
    let arithmetic = Arithmetic::Values(simd::detected());
    weight_gradient_with(arithmetic, winograd, shape, input, output_gradient, weight_gradient);
}

pub(super) fn weight_gradient_with(
    arithmetic: Arithmetic,
    winograd: Option<TileSize>,
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    weight_gradient: &mut [f32],
) {
    shape.check();
    assert_eq!(input.len(), shape.input_len(), "input of a convolution {shape:?}");
    assert_eq!(output_gradient.len(), shape.output_len(), "output gradient of a convolution {shape:?}");
    assert_eq!(weight_gradient.len(), shape.weights_len(), "weight gradient of a convolution {shape:?}");
    if shape.batch == 0 || shape.input_len() == 0 || shape.output_len() == 0 {
        weight_gradient.fill(0.0);
        return;
    }
    if let Some(size) = winograd {
        winograd::weight_gradient(arithmetic.set(), size, shape, input, output_gradient, weight_gradient);
        return;
    }
    let layout = Layout::of_input(shape);
    let plain = shape.kernel == 1 && shape.stride == 1;
    if plain && shape.in_channels < shape.out_channels {
        // Without a kernel the two sides have the same role, and the side with fewer channels is the one to turn.
        let layout = Layout::of_input(&ConvolutionShape { in_channels: shape.out_channels, ..*shape });
        let (shifted, turned) = (output_gradient, input);
        let swapped = Correlation {
            arithmetic,
            layout: &layout,
            shifted,
            shape,
            plain,
            turned,
            channels: shape.in_channels,
        };
        swapped.run().by_tap(shape.in_channels, weight_gradient);
        return;
    }
    let (shifted, turned, channels) = (input, output_gradient, shape.out_channels);
    let correlation = Correlation { arithmetic, layout: &layout, shifted, shape, plain, turned, channels };
    correlation.run().by_channel(shape.taps(), weight_gradient);
}
