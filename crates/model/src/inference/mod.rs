//! Inference on the CPU without Burn: the steps of a backbone, with fewer passes over memory.
//!
//! Batch normalisation that follows a convolution becomes part of its weights and a bias (Jacob et al., 2018, section 3.2), and the
//! convolution adds the residual and applies the activation while its sums are in the cache. The embeddings equal those of
//! [`Backbone::forward`](crate::Backbone::forward) up to rounding.

mod fold;
#[cfg(test)]
mod tests;

use crate::backbones::Backbone;
use crate::operations::PoolWindow;
use fold::{Folded, FoldedStep, fold};
use widemargin_head::ProductPrecision;
use widemargin_kernels::batch_norm::{self, NormParameters, NormShape};
use widemargin_kernels::convolution::{self, ConvolutionShape, Finish};
use widemargin_kernels::elementwise;
use widemargin_kernels::matrix::{MatRef, Threads, Write, matmul};
use widemargin_kernels::mixed::linear;
use widemargin_kernels::pooling::{self, PoolShape};

/// A backbone for inference on the CPU.
#[derive(Clone, Debug)]
pub struct Inference {
    steps: Vec<FoldedStep>,
    /// How many steps read each value; value 0 is the input, value `n` the result of the `n`-th step.
    uses: Vec<usize>,
    products: ProductPrecision,
}

/// A batch of values: `[sample][channel][height][width]`.
#[derive(Clone, Debug)]
struct Batch {
    values: Vec<f32>,
    channels: usize,
    height: usize,
    width: usize,
}

impl Inference {
    /// Copies the weights of `backbone`. `products` may round the factors of convolutions and of the last layer to bfloat16.
    pub fn new(backbone: &Backbone, products: ProductPrecision) -> Self {
        let steps = fold(backbone.steps());
        let mut uses = vec![0; steps.len() + 1];
        for input in steps.iter().flat_map(FoldedStep::inputs) {
            uses[input] += 1;
        }
        Self { steps, uses, products }
    }

    /// Maps samples `[batch, channels, height, width]` to embeddings `[batch, dimension]`, which are not normalised.
    ///
    /// # Panics
    /// If the length is not a whole number of samples, or the shape is not the backbone's.
    pub fn forward(&self, samples: Vec<f32>, [channels, height, width]: [usize; 3]) -> Vec<f32> {
        let count = samples.len() / (channels * height * width);
        assert_eq!(count * channels * height * width, samples.len(), "a part of a sample");
        let mut values = vec![None; self.steps.len() + 1];
        values[0] = Some(Batch { values: samples, channels, height, width });
        let mut left = self.uses.clone();
        for (at, step) in self.steps.iter().enumerate() {
            let result = step.run(self.products, count, &values);
            values[at + 1] = Some(result);
            for input in step.inputs() {
                left[input] -= 1;
                if left[input] == 0 {
                    values[input] = None;
                }
            }
        }
        values.pop().flatten().map(|batch| batch.values).unwrap_or_default()
    }
}

impl FoldedStep {
    /// The values that it reads.
    fn inputs(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.input).chain(self.other)
    }

    fn run(&self, products: ProductPrecision, count: usize, values: &[Option<Batch>]) -> Batch {
        let value = |at: usize| values[at].as_ref().expect("a step reads what steps before it compute");
        let input = value(self.input);
        let other = self.other.map(value);
        match &self.operation {
            Folded::Convolution { weights, out_channels, kernel, stride, padding, bias, slope } => {
                let shape = ConvolutionShape {
                    batch: count,
                    in_channels: input.channels,
                    height: input.height,
                    width: input.width,
                    out_channels: *out_channels,
                    kernel: *kernel,
                    stride: *stride,
                    padding: *padding,
                };
                let finish = Finish {
                    bias,
                    residual: other.map(|other| other.values.as_slice()),
                    slope: slope.as_deref(),
                };
                let in_f32 = products == ProductPrecision::F32;
                let convolve =
                    if in_f32 { convolution::forward_finished } else { convolution::mixed::forward_finished };
                let values = convolve(&shape, &input.values, weights, &finish);
                Batch {
                    values,
                    channels: *out_channels,
                    height: shape.out_height(),
                    width: shape.out_width(),
                }
            }
            Folded::Affine { scale, offset, slope } => {
                let shape = NormShape {
                    batch: count,
                    channels: input.channels,
                    positions: input.height * input.width,
                };
                let parameters =
                    NormParameters { weight: Some(scale), bias: Some(offset), slope: slope.as_deref() };
                let (zeros, ones) = (vec![0.0; input.channels], vec![1.0; input.channels]);
                let values = batch_norm::forward(shape, &input.values, &zeros, &ones, &parameters);
                Batch { values, ..*input }
            }
            Folded::MaxPool(window) => input.pooled(*window, count),
            Folded::Add { rectified } => {
                let other = other.expect("a sum has two operands");
                let sum = if *rectified { elementwise::rectified_sum } else { elementwise::sum };
                Batch { values: sum(&input.values, &other.values), ..*input }
            }
            Folded::MeanOfPositions => {
                let positions = input.height * input.width;
                let mean = |plane: &[f32]| plane.iter().sum::<f32>() / positions as f32;
                let values = input.values.chunks_exact(positions).map(mean).collect();
                Batch { values, channels: input.channels, height: 1, width: 1 }
            }
            Folded::FullyConnected { weights, bias } => {
                let (inputs, outputs) = (weights.len() / bias.len(), bias.len());
                let input =
                    MatRef::new(&input.values, count, inputs).expect("a sample has the layer's inputs");
                let weights = MatRef::new(weights, inputs, outputs).expect("one weight per input and output");
                let mut values = if products == ProductPrecision::F32 {
                    let mut values = vec![0.0; count * outputs];
                    matmul(&mut values, input, weights, Write::Replace, Threads::Rayon);
                    values
                } else {
                    linear::forward(input, weights)
                };
                for row in values.chunks_exact_mut(outputs) {
                    for (value, bias) in row.iter_mut().zip(bias) {
                        *value += bias;
                    }
                }
                Batch { values, channels: outputs, height: 1, width: 1 }
            }
        }
    }
}

impl Batch {
    fn pooled(&self, window: PoolWindow, count: usize) -> Self {
        let shape = PoolShape {
            planes: count * self.channels,
            height: self.height,
            width: self.width,
            size: window.size,
            stride: window.stride,
            padding: window.padding,
        };
        let (values, _) = pooling::maximum(shape, &self.values);
        Self { values, channels: self.channels, height: shape.out_height(), width: shape.out_width() }
    }
}
