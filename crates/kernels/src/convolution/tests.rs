//! The three products against plain loops in f64, at odd shapes, for every instruction set of this machine.

use super::arithmetic::Arithmetic;
use super::backward::{input_gradient_with, weight_gradient_with};
use super::finish::Finish;
use super::forward::forward_with;
use super::method::Method;
use super::winograd::{self, TileSize};
use super::{ConvolutionShape, forward, input_gradient, weight_gradient};
use crate::simd;
use proptest::prelude::*;

/// For sums of up to a few thousand f32 products: their rounding error grows with the square root of the length.
const TOLERANCE: f64 = 2e-5;

pub(super) fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Calls `visit(output index, weight index, input index)` for every product of the convolution.
pub(super) fn every_product(s: &ConvolutionShape, mut visit: impl FnMut(usize, usize, usize)) {
    let (oh, ow) = (s.out_height(), s.out_width());
    for b in 0..s.batch {
        for o in 0..s.out_channels {
            for y in 0..oh {
                for x in 0..ow {
                    for c in 0..s.in_channels {
                        for i in 0..s.kernel {
                            for j in 0..s.kernel {
                                let (iy, ix) = (y * s.stride + i, x * s.stride + j);
                                if iy < s.padding || ix < s.padding {
                                    continue;
                                }
                                let (iy, ix) = (iy - s.padding, ix - s.padding);
                                if iy >= s.height || ix >= s.width {
                                    continue;
                                }
                                visit(
                                    ((b * s.out_channels + o) * oh + y) * ow + x,
                                    ((o * s.in_channels + c) * s.kernel + i) * s.kernel + j,
                                    ((b * s.in_channels + c) * s.height + iy) * s.width + ix,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn assert_close(what: &str, shape: &ConvolutionShape, got: &[f32], expected: &[f64]) {
    let largest = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    assert_eq!(got.len(), expected.len(), "{what} of {shape:?}");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(*got) - expected).abs() / largest;
        assert!(error < TOLERANCE, "{what} of {shape:?} at {index}: {got}, expected {expected}");
    }
}

/// Random values, and the three products in f64.
struct Case {
    input: Vec<f32>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    output64: Vec<f64>,
    input64: Vec<f64>,
    weights64: Vec<f64>,
}

impl Case {
    fn new(shape: &ConvolutionShape, seed: u64) -> Self {
        let input = values(shape.input_len(), seed);
        let weights = values(shape.weights_len(), seed + 1);
        let gradient = values(shape.output_len(), seed + 2);
        let mut output64 = vec![0.0f64; shape.output_len()];
        let mut input64 = vec![0.0f64; shape.input_len()];
        let mut weights64 = vec![0.0f64; shape.weights_len()];
        every_product(shape, |o, w, i| {
            output64[o] += f64::from(weights[w]) * f64::from(input[i]);
            input64[i] += f64::from(weights[w]) * f64::from(gradient[o]);
            weights64[w] += f64::from(gradient[o]) * f64::from(input[i]);
        });
        Self { input, weights, gradient, output64, input64, weights64 }
    }
}

/// The output with a bias, a residual and an activation, by every method.
fn check_finish(shape: &ConvolutionShape, case: &Case, seed: u64) {
    let plane = shape.out_height() * shape.out_width();
    let (bias, slope) = (values(shape.out_channels, seed + 3), values(shape.out_channels, seed + 4));
    let residual = values(shape.output_len(), seed + 5);
    let winograd = [Method::Winograd(TileSize::Two), Method::Winograd(TileSize::Four)];
    let fitting = if winograd::fits(shape) { &winograd[..] } else { &[] };
    for (with_residual, with_slope) in [(false, false), (false, true), (true, false), (true, true)] {
        let finish = Finish {
            bias: &bias,
            residual: with_residual.then_some(&residual),
            slope: with_slope.then_some(&slope),
        };
        let expected = case.output64.iter().enumerate().map(|(at, sum)| {
            let channel = at / plane % shape.out_channels;
            let added = if with_residual { f64::from(residual[at]) } else { 0.0 };
            let value = sum + f64::from(bias[channel]) + added;
            let slope = if with_slope { f64::from(slope[channel]) } else { 1.0 };
            if value > 0.0 { value } else { slope * value }
        });
        let expected: Vec<f64> = expected.collect();
        for set in simd::InstructionSet::available() {
            for method in [Method::Shifted, Method::Packed].iter().chain(fitting) {
                let arithmetic = Arithmetic::Values(set);
                let got = forward_with(arithmetic, *method, shape, &case.input, &case.weights, Some(&finish));
                assert_close(&format!("finished output ({set:?}, {method:?})"), shape, &got, &expected);
            }
        }
    }
}

fn check(shape: ConvolutionShape, seed: u64) {
    let case = Case::new(&shape, seed);
    check_finish(&shape, &case, seed);
    let Case { input, weights, gradient, output64, input64, weights64 } = case;
    for set in simd::InstructionSet::available().map(Arithmetic::Values) {
        for method in [Method::Shifted, Method::Packed] {
            let output = forward_with(set, method, &shape, &input, &weights, None);
            assert_close(&format!("output ({set:?}, {method:?})"), &shape, &output, &output64);
            let got = input_gradient_with(set, Some(method), &shape, &gradient, &weights);
            assert_close(&format!("input gradient ({set:?}, {method:?})"), &shape, &got, &input64);
        }
        // Filled with NaN: every value must be overwritten.
        let mut got = vec![f32::NAN; shape.weights_len()];
        weight_gradient_with(set, None, &shape, &input, &gradient, &mut got);
        assert_close(&format!("weight gradient ({set:?})"), &shape, &got, &weights64);
        if winograd::fits(&shape) {
            for size in [TileSize::Two, TileSize::Four] {
                let name = format!("({set:?}, {size:?})");
                let output = forward_with(set, Method::Winograd(size), &shape, &input, &weights, None);
                assert_close(&format!("output {name}"), &shape, &output, &output64);
                let got = input_gradient_with(set, Some(Method::Winograd(size)), &shape, &gradient, &weights);
                assert_close(&format!("input gradient {name}"), &shape, &got, &input64);
                let mut got = vec![f32::NAN; shape.weights_len()];
                weight_gradient_with(set, Some(size), &shape, &input, &gradient, &mut got);
                assert_close(&format!("weight gradient {name}"), &shape, &got, &weights64);
            }
        }
    }
}

pub(super) fn shape(
    batch: usize,
    in_channels: usize,
    (height, width): (usize, usize),
    out_channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> ConvolutionShape {
    ConvolutionShape { batch, in_channels, height, width, out_channels, kernel, stride, padding }
}

#[test]
fn shapes_of_the_backbones() {
    check(shape(3, 1, (28, 28), 32, 3, 1, 1), 1);
    check(shape(2, 32, (14, 14), 64, 3, 1, 1), 2);
    check(shape(9, 16, (15, 13), 24, 3, 2, 1), 3);
    check(shape(2, 16, (14, 14), 33, 1, 2, 0), 4);
    check(shape(11, 64, (7, 7), 130, 3, 1, 1), 5);
    // More input channels than a task packs at a time; strips of rows; fewer channels than outputs at 1 x 1, and more.
    check(shape(3, 200, (4, 4), 70, 3, 1, 1), 6);
    check(shape(2, 3, (40, 44), 5, 7, 2, 3), 7);
    check(shape(5, 20, (5, 7), 66, 1, 1, 0), 8);
    check(shape(5, 66, (5, 7), 20, 1, 1, 0), 9);
    // Only the middle tap of the kernel reads a plane of one value.
    check(shape(50, 17, (1, 1), 9, 3, 1, 1), 10);
}

#[test]
fn odd_shapes() {
    check(shape(1, 1, (1, 1), 1, 1, 1, 0), 1);
    check(shape(1, 1, (1, 1), 1, 3, 1, 1), 2);
    check(shape(2, 3, (5, 2), 1, 5, 1, 4), 3);
    check(shape(1, 2, (7, 9), 3, 2, 3, 1), 4);
    check(shape(1, 2, (4, 4), 3, 1, 3, 0), 5);
    check(shape(1, 1, (3, 65), 17, 3, 1, 0), 6);
    check(shape(0, 2, (4, 4), 3, 3, 1, 1), 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_shape(
        batch in 1usize..4, channels in 1usize..6, height in 1usize..12, width in 1usize..30,
        out in 1usize..20, kernel in 1usize..6, stride in 1usize..4, pad in 0usize..5, seed in 0u64..1000,
    ) {
        let padding = pad.min(kernel - 1);
        prop_assume!(height + 2 * padding >= kernel && width + 2 * padding >= kernel);
        check(shape(batch, channels, (height, width), out, kernel, stride, padding), seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_shape_that_fits_winograd(
        batch in 1usize..4, channels in 1usize..40, height in 1usize..14, width in 1usize..14,
        out in 1usize..40, padding in 0usize..3, seed in 0u64..1000,
    ) {
        prop_assume!(height + 2 * padding >= 3 && width + 2 * padding >= 3);
        check(shape(batch, channels, (height, width), out, 3, 1, padding), seed);
    }
}

/// The root mean square of the differences, relative to that of the exact values.
fn relative_error(got: &[f32], exact: &[f64]) -> f64 {
    let squares: f64 = got.iter().zip(exact).map(|(got, exact)| (f64::from(*got) - exact).powi(2)).sum();
    (squares / exact.iter().map(|exact| exact * exact).sum::<f64>()).sqrt()
}

#[test]
fn the_error_of_winograd_is_within_its_bound() {
    for (channels, side) in [(16, 14), (64, 14), (256, 7)] {
        let shape = shape(2, channels, (side, side), channels, 3, 1, 1);
        let Case { input, weights, gradient, output64, input64, weights64 } = Case::new(&shape, 5);
        for set in simd::InstructionSet::available().map(Arithmetic::Values) {
            let error = |method: Method| {
                let winograd = if let Method::Winograd(size) = method { Some(size) } else { None };
                let mut of_weights = vec![0.0; shape.weights_len()];
                weight_gradient_with(set, winograd, &shape, &input, &gradient, &mut of_weights);
                [
                    relative_error(&forward_with(set, method, &shape, &input, &weights, None), &output64),
                    relative_error(
                        &input_gradient_with(set, Some(method), &shape, &gradient, &weights),
                        &input64,
                    ),
                    relative_error(&of_weights, &weights64),
                ]
            };
            let direct = error(Method::Shifted);
            for (size, bound) in
                [(TileSize::Two, winograd::ERROR_OF_TWO), (TileSize::Four, winograd::ERROR_OF_FOUR)]
            {
                for (found, direct) in error(Method::Winograd(size)).into_iter().zip(direct) {
                    assert!(
                        found < bound * direct && found < 5e-6,
                        "{channels} channels, {set:?}, {size:?}: {found}, direct {direct}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_results_are_bitwise_equal_for_any_number_of_threads() {
    for shape in [
        shape(13, 5, (9, 11), 7, 3, 1, 1),
        shape(37, 5, (4, 5), 150, 3, 1, 1),
        // With Winograd's algorithm: tasks of some tiles each, and all threads at the same tiles.
        shape(29, 20, (17, 15), 33, 3, 1, 1),
        shape(41, 80, (13, 14), 112, 3, 1, 1),
        shape(3, 70, (33, 35), 9, 1, 1, 0),
        shape(5, 3, (21, 20), 13, 7, 2, 3),
    ] {
        check_threads(shape);
    }
}

fn check_threads(shape: ConvolutionShape) {
    let input = values(shape.input_len(), 1);
    let weights = values(shape.weights_len(), 2);
    let gradient = values(shape.output_len(), 3);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
        pool.install(|| {
            let mut of_weights = vec![0.0; shape.weights_len()];
            weight_gradient(&shape, &input, &gradient, &mut of_weights);
            let output = forward(&shape, &input, &weights);
            let of_input = input_gradient(&shape, &gradient, &weights);
            [output, of_input, of_weights].concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
#[should_panic(expected = "larger than the padded image")]
fn a_kernel_larger_than_the_image_is_rejected() {
    forward(&shape(1, 1, (2, 2), 1, 5, 1, 0), &[0.0; 4], &[0.0; 25]);
}
