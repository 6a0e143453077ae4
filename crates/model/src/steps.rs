//! A backbone as a list of steps with their parameters, for export to other programs.

use crate::layers::{BatchNorm, Convolution, Dropout, EPSILON, FullyConnected};
use crate::operations::PoolWindow;
use crate::parameters::host_values;
use crate::traversal::Traversal;
use burn::tensor::Tensor;

/// A parameter of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Shape, in row-major order.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

impl Values {
    fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        Self { shape: tensor.dims().to_vec(), values: host_values(tensor) }
    }
}

/// The operation of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A convolution without bias.
    Convolution {
        /// `[out_channels, in_channels, kernel, kernel]`.
        weight: Values,
        /// Step between adjacent outputs.
        stride: usize,
        /// Zeros on each side.
        padding: usize,
    },
    /// `weight * (x - mean) / sqrt(variance + epsilon) + bias` per channel of `[batch, channels]` or
    /// `[batch, channels, height, width]`.
    BatchNorm {
        /// One per channel.
        mean: Values,
        /// One per channel.
        variance: Values,
        /// One per channel; 1 if absent.
        weight: Option<Values>,
        /// One per channel; 0 if absent.
        bias: Option<Values>,
        /// Added to the variance.
        epsilon: f32,
    },
    /// `max(x, 0) + slope * min(x, 0)` per channel.
    Prelu {
        /// One per channel.
        slope: Values,
        /// Number of dimensions of the input: 2 or 4.
        rank: usize,
    },
    /// `max(x, 0)`.
    Rectifier,
    /// The maximum of each window.
    MaxPool(PoolWindow),
    /// The sum of two inputs of the same shape.
    Add,
    /// The mean over rows and columns: `[batch, channels]`.
    MeanOfPositions,
    /// One row per sample: `[batch, channels * height * width]`.
    Flatten,
    /// `x * weight + bias`.
    FullyConnected {
        /// `[inputs, outputs]`.
        weight: Values,
        /// One per output.
        bias: Values,
    },
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its operation.
    pub operation: Operation,
    /// Its inputs: 0 is the input of the backbone, `n` the result of the `n`-th step, counted from 1.
    pub inputs: Vec<usize>,
}

/// Records the steps of inference. A value is the index of the step that computes it.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) steps: Vec<Step>,
}

impl Recorder {
    fn add_step(&mut self, operation: Operation, inputs: Vec<usize>) -> usize {
        self.steps.push(Step { operation, inputs });
        self.steps.len()
    }
}

impl Traversal for Recorder {
    type Value<const D: usize> = usize;

    fn convolution(&mut self, layer: &Convolution, input: usize) -> usize {
        let weight = Values::of(layer.weight.val());
        let operation = Operation::Convolution { weight, stride: layer.stride, padding: layer.padding };
        self.add_step(operation, vec![input])
    }

    fn batch_norm<const D: usize>(&mut self, layer: &BatchNorm, input: usize) -> usize {
        let operation = Operation::BatchNorm {
            mean: Values::of(layer.running_mean.value()),
            variance: Values::of(layer.running_variance.value()),
            weight: layer.weight.as_ref().map(|weight| Values::of(weight.val())),
            bias: layer.bias.as_ref().map(|bias| Values::of(bias.val())),
            epsilon: EPSILON,
        };
        let found = self.add_step(operation, vec![input]);
        match &layer.slope {
            _ if layer.rectified => self.add_step(Operation::Rectifier, vec![found]),
            Some(slope) => {
                self.add_step(Operation::Prelu { slope: Values::of(slope.val()), rank: D }, vec![found])
            }
            None => found,
        }
    }

    fn max_pool(&mut self, window: PoolWindow, input: usize) -> usize {
        self.add_step(Operation::MaxPool(window), vec![input])
    }

    fn add(&mut self, one: usize, other: usize) -> usize {
        self.add_step(Operation::Add, vec![one, other])
    }

    fn add_rectified(&mut self, one: usize, other: usize) -> usize {
        let sum = self.add(one, other);
        self.add_step(Operation::Rectifier, vec![sum])
    }

    fn mean_of_positions(&mut self, input: usize) -> usize {
        self.add_step(Operation::MeanOfPositions, vec![input])
    }

    fn flatten(&mut self, input: usize) -> usize {
        self.add_step(Operation::Flatten, vec![input])
    }

    fn fully_connected(&mut self, layer: &FullyConnected, input: usize) -> usize {
        let (weight, bias) = (Values::of(layer.weight.val()), Values::of(layer.bias.val()));
        self.add_step(Operation::FullyConnected { weight, bias }, vec![input])
    }

    fn dropout<const D: usize>(&mut self, _layer: &Dropout, input: usize) -> usize {
        input
    }
}
