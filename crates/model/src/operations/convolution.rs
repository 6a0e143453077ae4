//! Two-dimensional convolution.

use super::as_input;
use super::custom::{self, CpuTensor, Saved, slice, tensor};
use burn::tensor::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn_flex::FlexTensor;
use widemargin_head::ProductPrecision;
use widemargin_kernels::convolution::{self as kernel, ConvolutionShape};

/// The convolution of `input` `[batch, in_channels, height, width]` with `weights`
/// `[out_channels, in_channels, kernel, kernel]`, without bias:
/// `[batch, out_channels, (height + 2 padding - kernel) / stride + 1, ...]`.
///
/// Computed in the type of `input`; the weights are cast to it. On the CPU, `products` may round the factors of both directions
/// to bfloat16.
///
/// # Panics
/// If the channels differ, the kernel is not square, `padding` is not below the kernel or `stride` is zero.
pub fn convolution(
    input: Tensor<4>,
    weights: Tensor<4>,
    stride: usize,
    padding: usize,
    products: ProductPrecision,
) -> Tensor<4> {
    let [batch, in_channels, height, width] = input.dims();
    let [out_channels, weight_channels, kernel, kernel_width] = weights.dims();
    assert_eq!(in_channels, weight_channels, "input and weights must have the same channels");
    assert_eq!(kernel, kernel_width, "the kernel must be square");
    let shape = ConvolutionShape { batch, in_channels, height, width, out_channels, kernel, stride, padding };
    let (Some(cpu_input), Some(cpu_weights)) =
        (CpuTensor::new(input.clone()), CpuTensor::new(weights.clone()))
    else {
        let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
        return conv2d(input.clone(), as_input(weights, &input), None, options);
    };
    let mixed = products == ProductPrecision::Bf16;
    let forward = if mixed { kernel::mixed::forward } else { kernel::forward };
    let output = forward(&shape, cpu_input.slice(), cpu_weights.slice());
    let saved = SavedConvolution { shape, mixed, input: cpu_input.values(), weights: cpu_weights.values() };
    let output_shape = [batch, out_channels, shape.out_height(), shape.out_width()];
    custom::record([&cpu_input, &cpu_weights], tensor(output, &output_shape), saved)
}

#[derive(Clone, Debug)]
struct SavedConvolution {
    shape: ConvolutionShape,
    mixed: bool,
    input: FlexTensor,
    weights: FlexTensor,
}

impl Saved<2> for SavedConvolution {
    fn gradients(&self, output_gradient: &FlexTensor, expected: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let (s, output_gradient) = (&self.shape, slice(output_gradient));
        let input = expected[0].then(|| {
            let of = if self.mixed { kernel::mixed::input_gradient } else { kernel::input_gradient };
            let gradient = of(s, output_gradient, slice(&self.weights));
            tensor(gradient, &[s.batch, s.in_channels, s.height, s.width])
        });
        let weights = expected[1].then(|| {
            let mut gradient = vec![0.0; s.weights_len()];
            let of = if self.mixed { kernel::mixed::weight_gradient } else { kernel::weight_gradient };
            of(s, slice(&self.input), output_gradient, &mut gradient);
            tensor(gradient, &[s.out_channels, s.in_channels, s.kernel, s.kernel])
        });
        [input, weights]
    }
}
