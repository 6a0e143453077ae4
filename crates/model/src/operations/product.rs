//! The matrix product of a fully connected layer.

use super::as_input;
use super::custom::{self, CpuTensor, Saved, slice, tensor};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use widemargin_head::{MatRef, ProductPrecision};
use widemargin_kernels::matrix::{Threads, Write, matmul, matmul_transposed_a, matmul_transposed_b};
use widemargin_kernels::mixed::linear;

/// `input x weights`: `[batch, inputs]` and `[inputs, outputs]` give `[batch, outputs]`.
///
/// Computed in the type of `input`; the weights are cast to it. On the CPU, `products` may round the factors of both directions
/// to bfloat16.
///
/// # Panics
/// If the inputs differ.
pub fn product(input: Tensor<2>, weights: Tensor<2>, products: ProductPrecision) -> Tensor<2> {
    let (Some(cpu_input), Some(cpu_weights)) =
        (CpuTensor::new(input.clone()), CpuTensor::new(weights.clone()))
    else {
        let weights = as_input(weights, &input);
        return input.matmul(weights);
    };
    let ([batch, inputs], [_, outputs]) = (input.dims(), weights.dims());
    let saved = SavedProduct {
        products,
        dims: [batch, inputs, outputs],
        input: cpu_input.values(),
        weights: cpu_weights.values(),
    };
    let output = if products == ProductPrecision::F32 {
        in_f32(batch * outputs, matmul, saved.input(), saved.weights())
    } else {
        linear::forward(saved.input(), saved.weights())
    };
    custom::record([&cpu_input, &cpu_weights], tensor(output, &[batch, outputs]), saved)
}

type Multiply = fn(&mut [f32], MatRef<'_>, MatRef<'_>, Write, Threads);

fn in_f32(length: usize, multiply: Multiply, a: MatRef<'_>, b: MatRef<'_>) -> Vec<f32> {
    let mut out = vec![0.0; length];
    multiply(&mut out, a, b, Write::Replace, Threads::Rayon);
    out
}

#[derive(Clone, Debug)]
struct SavedProduct {
    products: ProductPrecision,
    /// Batch, inputs and outputs.
    dims: [usize; 3],
    input: FlexTensor,
    weights: FlexTensor,
}

fn matrix(values: &FlexTensor, rows: usize, columns: usize) -> MatRef<'_> {
    MatRef::new(slice(values), rows, columns).expect("the sizes of the tensors")
}

impl SavedProduct {
    fn input(&self) -> MatRef<'_> {
        matrix(&self.input, self.dims[0], self.dims[1])
    }

    fn weights(&self) -> MatRef<'_> {
        matrix(&self.weights, self.dims[1], self.dims[2])
    }
}

impl Saved<2> for SavedProduct {
    fn gradients(&self, output_gradient: &FlexTensor, expected: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let [batch, inputs, outputs] = self.dims;
        let gradient = matrix(output_gradient, batch, outputs);
        let input = expected[0].then(|| {
            let (weights, length) = (self.weights(), batch * inputs);
            let found = if self.products == ProductPrecision::F32 {
                in_f32(length, matmul_transposed_b, gradient, weights)
            } else {
                linear::input_gradient(gradient, weights)
            };
            tensor(found, &[batch, inputs])
        });
        let weights = expected[1].then(|| {
            let (input, length) = (self.input(), inputs * outputs);
            let found = if self.products == ProductPrecision::F32 {
                in_f32(length, matmul_transposed_a, input, gradient)
            } else {
                linear::weight_gradient(input, gradient)
            };
            tensor(found, &[inputs, outputs])
        });
        [input, weights]
    }
}
