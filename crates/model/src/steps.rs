//! A backbone as a list of steps with their numbers, for programs that run it without this one.

use crate::layers::{BatchNorm, Convolution, Dropout, EPSILON, FullyConnected};
use crate::operations::Squares;
use crate::parameters::host_values;
use crate::walk::Walk;
use burn::tensor::Tensor;

/// Numbers of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Shape, in row-major order.
    pub shape: Vec<usize>,
    /// As many values as the shape says.
    pub values: Vec<f32>,
}

impl Values {
    fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        Self { shape: tensor.dims().to_vec(), values: host_values(tensor) }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A convolution without bias.
    Convolution {
        /// `[out_channels, in_channels, kernel, kernel]`.
        weight: Values,
        /// Step between neighbouring outputs.
        stride: usize,
        /// Zeros on each side.
        padding: usize,
    },
    /// `weight * (x - mean) / sqrt(variance + epsilon) + bias` by channel, of `[batch, channels]` or `[batch, channels, height, width]`.
    BatchNorm {
        /// One a channel.
        mean: Values,
        /// One a channel.
        variance: Values,
        /// One a channel; 1 where absent.
        weight: Option<Values>,
        /// One a channel; 0 where absent.
        bias: Option<Values>,
        /// Added to the variance.
        epsilon: f32,
    },
    /// `max(x, 0) + slope * min(x, 0)` by channel.
    Prelu {
        /// One a channel.
        slope: Values,
        /// Dimensions of what it is applied to: 2 or 4.
        rank: usize,
    },
    /// `max(x, 0)`.
    Rectifier,
    /// The largest value of each square.
    MaxPool(Squares),
    /// The sum of two values of one shape.
    Add,
    /// The mean over rows and columns: `[batch, channels]`.
    MeanOfPositions,
    /// All of a sample in one row: `[batch, channels * height * width]`.
    Flatten,
    /// `x * weight + bias`.
    FullyConnected {
        /// `[inputs, outputs]`.
        weight: Values,
        /// One an output.
        bias: Values,
    },
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub operation: Operation,
    /// What it does it to: 0 is the input of the backbone, `n` the result of the `n`-th step, counted from 1.
    pub inputs: Vec<usize>,
}

/// Writes down what is to be computed in inference. A value is its number.
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

impl Walk for Recorder {
    type Value<const D: usize> = usize;

    fn convolution(&mut self, layer: &Convolution, input: usize) -> usize {
        let weight = Values::of(layer.weight.val());
        let operation = Operation::Convolution { weight, stride: layer.stride, padding: layer.padding };
        self.add_step(operation, vec![input])
    }

    fn normalisation<const D: usize>(&mut self, layer: &BatchNorm, input: usize) -> usize {
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

    fn max_pool(&mut self, squares: Squares, input: usize) -> usize {
        self.add_step(Operation::MaxPool(squares), vec![input])
    }

    fn add(&mut self, one: usize, other: usize) -> usize {
        self.add_step(Operation::Add, vec![one, other])
    }

    fn rectify(&mut self, input: usize) -> usize {
        self.add_step(Operation::Rectifier, vec![input])
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
