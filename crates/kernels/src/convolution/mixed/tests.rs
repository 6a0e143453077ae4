//! The three products against plain loops in f64 over rounded factors, for every arithmetic of this machine.

use super::*;
use crate::convolution::tests::{every_product, shape, values};
use crate::simd::InstructionSet;
use proptest::prelude::*;

/// The nearest value in bfloat16, which the tests of [`crate::mixed`] check.
fn rounded(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(f32::from_bits(pair_of(*value, 0.0) << 16))).collect()
}

/// A sum in f64, and the sum of the sizes of its terms.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    size: f64,
    terms: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
        self.terms += 1.0;
    }
}

/// The products of rounded factors are exact in f32. So the only error is that of a sum in f32, in any order.
fn assert_close(what: &str, shape: &ConvolutionShape, found: &[f32], expected: &[Sum]) {
    assert_eq!(found.len(), expected.len(), "{what} of {shape:?}");
    for (at, (found, sum)) in found.iter().zip(expected).enumerate() {
        let bound = (sum.terms + 2.0) * f64::from(f32::EPSILON) * sum.size;
        let error = (f64::from(*found) - sum.value).abs();
        assert!(error <= bound, "{what} of {shape:?} at {at}: {found}, expected {}", sum.value);
    }
}

fn every_arithmetic() -> Vec<Arithmetic> {
    let portable = InstructionSet::available().map(Arithmetic::Pairs);
    let fastest = InstructionSet::available().map(Arithmetic::of_pairs);
    portable.chain(fastest.filter(|arithmetic| !matches!(arithmetic, Arithmetic::Pairs(_)))).collect()
}

fn check(shape: ConvolutionShape, seed: u64) {
    let input = values(shape.input_len(), seed);
    let weights = values(shape.weights_len(), seed + 1);
    let gradient = values(shape.output_len(), seed + 2);
    let [rounded_input, rounded_weights, rounded_gradient] =
        [&input, &weights, &gradient].map(|values| rounded(values));
    let mut of_output = vec![Sum::default(); shape.output_len()];
    let mut of_input = vec![Sum::default(); shape.input_len()];
    let mut of_weights = vec![Sum::default(); shape.weights_len()];
    every_product(&shape, |o, w, i| {
        of_output[o].add(rounded_weights[w] * rounded_input[i]);
        of_input[i].add(rounded_weights[w] * rounded_gradient[o]);
        of_weights[w].add(rounded_gradient[o] * rounded_input[i]);
    });
    for arithmetic in every_arithmetic() {
        for method in [Some(Method::Shifted), Some(Method::Packed), None] {
            // The method that AMX lacks.
            if method == Some(Method::Shifted) && arithmetic.is_of_tiles() {
                continue;
            }
            let found = forward_by(arithmetic, method, &shape, &input, &weights, None);
            assert_close(&format!("output ({arithmetic:?}, {method:?})"), &shape, &found, &of_output);
            let found = input_gradient_by(arithmetic, method, &shape, &gradient, &weights);
            assert_close(&format!("input gradient ({arithmetic:?}, {method:?})"), &shape, &found, &of_input);
        }
        // Filled with NaN: every value must be overwritten.
        let mut found = vec![f32::NAN; shape.weights_len()];
        weight_gradient_by(arithmetic, &shape, &input, &gradient, &mut found);
        assert_close(&format!("weight gradient ({arithmetic:?})"), &shape, &found, &of_weights);
    }
}

#[test]
fn shapes_of_the_backbones() {
    check(shape(3, 1, (28, 28), 32, 3, 1, 1), 1);
    check(shape(2, 32, (14, 14), 64, 3, 1, 1), 2);
    check(shape(9, 16, (15, 13), 24, 3, 2, 1), 3);
    check(shape(2, 16, (14, 14), 33, 1, 2, 0), 4);
    check(shape(11, 64, (7, 7), 130, 3, 1, 1), 5);
    check(shape(3, 200, (4, 4), 70, 3, 1, 1), 6);
    check(shape(2, 3, (40, 44), 5, 7, 2, 3), 7);
    check(shape(5, 20, (5, 7), 66, 1, 1, 0), 8);
    check(shape(5, 66, (5, 7), 20, 1, 1, 0), 9);
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
    check(shape(3, 63, (4, 4), 65, 3, 1, 1), 8);
    // A phase of the input gradient that no tap reads.
    check(shape(1, 1, (3, 1), 1, 3, 3, 1), 10);
    // A row of pairs that is longer than a task.
    check(shape(3, 5, (130, 140), 2, 1, 1, 0), 9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_shape(
        batch in 1usize..6, channels in 1usize..6, height in 1usize..12, width in 1usize..30,
        out in 1usize..20, kernel in 1usize..6, stride in 1usize..4, pad in 0usize..5, seed in 0u64..1000,
    ) {
        let padding = pad.min(kernel - 1);
        prop_assume!(height + 2 * padding >= kernel && width + 2 * padding >= kernel);
        check(shape(batch, channels, (height, width), out, kernel, stride, padding), seed);
    }
}

#[test]
fn the_results_are_bitwise_equal_for_any_number_of_threads() {
    for shape in [
        // With Winograd's algorithm, and without.
        shape(4, 16, (28, 28), 16, 3, 1, 1),
        shape(13, 5, (9, 11), 7, 3, 1, 1),
        shape(37, 5, (4, 5), 150, 3, 1, 1),
        shape(3, 70, (33, 35), 9, 1, 1, 0),
        shape(5, 3, (21, 20), 13, 7, 2, 3),
    ] {
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
}

#[test]
#[should_panic(expected = "larger than the padded image")]
fn a_kernel_larger_than_the_image_is_rejected() {
    forward(&shape(1, 1, (2, 2), 1, 5, 1, 0), &[0.0; 4], &[0.0; 25]);
}
