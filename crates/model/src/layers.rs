//! The layers that the backbones are made of, as Burn modules.

use crate::operations::{self, NormalisationParameters};
use crate::parameters::host_values;
use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Training: batch statistics, which also move the running ones; dropout drawn from the seed, so that a step
    /// can be repeated to the bit.
    Training {
        /// Seed of this step's dropout.
        seed: u64,
    },
    /// Inference: running statistics, no dropout.
    Inference,
}

/// What the matrices and kernels of a new layer hold.
#[derive(Debug)]
pub enum Start {
    /// Numbers drawn as the layer says.
    Drawn(Box<ChaCha8Rng>),
    /// Zeros, where others are put in their place at once: drawing millions takes seconds.
    Empty,
}

/// Share of the newest batch in the running statistics, as PyTorch's default.
const MOMENTUM: f32 = 0.1;

/// Added to the variance, as PyTorch's default.
pub(crate) const EPSILON: f32 = 1e-5;

/// First slope of a PReLU (He et al., 2015).
const FIRST_SLOPE: f32 = 0.25;

/// A normal number with mean 0 (Box and Muller, 1958), from a generator whose values are the same everywhere.
fn normal(random: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * random.random::<f64>()).cos()) as f32
}

fn normal_tensor<const D: usize>(
    shape: [usize; D],
    deviation: f32,
    start: &mut Start,
    device: &Device,
) -> Param<Tensor<D>> {
    let count = shape.iter().product();
    let values: Vec<f32> = match start {
        Start::Drawn(random) => (0..count).map(|_| deviation * normal(random)).collect(),
        Start::Empty => vec![0.0; count],
    };
    Param::from_data(TensorData::new(values, shape), device)
}

/// A convolution without bias: one always stands before or behind a normalisation.
#[derive(Module, Debug)]
pub struct Convolution {
    pub(crate) weight: Param<Tensor<4>>,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Convolution {
    /// Weights `[out_channels, in_channels, kernel, kernel]`, normal with variance `2 / (in_channels kernel^2)` (He et al., 2015);
    /// padding keeps the size at stride 1.
    pub fn new(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        start: &mut Start,
        device: &Device,
    ) -> Self {
        let [in_channels, out_channels] = channels;
        let deviation = (2.0 / (in_channels * kernel * kernel) as f32).sqrt();
        let weight = normal_tensor([out_channels, in_channels, kernel, kernel], deviation, start, device);
        Self { weight, stride, padding: kernel / 2 }
    }

    /// `[batch, in_channels, height, width]` to `[batch, out_channels, ceil(height / stride), ceil(width / stride)]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        operations::convolution(input, self.weight.val(), self.stride, self.padding)
    }
}

/// Batch normalisation, with or without an affine part, with or without a PReLU or a rectifier behind it.
#[derive(Module, Debug)]
pub struct BatchNorm {
    pub(crate) weight: Option<Param<Tensor<1>>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
    pub(crate) slope: Option<Param<Tensor<1>>>,
    pub(crate) running_mean: RunningState<Tensor<1>>,
    pub(crate) running_variance: RunningState<Tensor<1>>,
    /// A slope of 0 that is not learnt.
    pub(crate) rectified: bool,
    /// Whether training normalises by the running statistics too, and leaves them as they are.
    frozen: Param<Flag>,
}

impl BatchNorm {
    /// With weight 1 and bias 0 to learn.
    pub fn new(channels: usize, device: &Device) -> Self {
        let weight = Param::from_data(TensorData::new(vec![1.0f32; channels], [channels]), device);
        Self { weight: Some(weight), ..Self::shifted(channels, device) }
    }

    /// With weight and bias, and a PReLU of one slope a channel.
    pub fn with_prelu(channels: usize, device: &Device) -> Self {
        let slope = Param::from_data(TensorData::new(vec![FIRST_SLOPE; channels], [channels]), device);
        Self { slope: Some(slope), ..Self::new(channels, device) }
    }

    /// With weight and bias, and `max(x, 0)`.
    pub fn rectified(channels: usize, device: &Device) -> Self {
        Self { rectified: true, ..Self::new(channels, device) }
    }

    /// With bias 0 to learn, and no weight.
    pub fn shifted(channels: usize, device: &Device) -> Self {
        let bias = Param::from_data(TensorData::new(vec![0.0f32; channels], [channels]), device);
        Self { bias: Some(bias), ..Self::plain(channels, device) }
    }

    /// Nothing to learn.
    pub fn plain(channels: usize, device: &Device) -> Self {
        let inner = device.clone().inner();
        Self {
            weight: None,
            bias: None,
            slope: None,
            running_mean: RunningState::new(Tensor::zeros([channels], &inner)),
            running_variance: RunningState::new(Tensor::ones([channels], &inner)),
            rectified: false,
            frozen: Param::from_bool(false),
        }
    }

    /// Any `[batch, channels, ...]`, to the same shape.
    pub fn forward<const D: usize>(&self, input: Tensor<D>, pass: Pass) -> Tensor<D> {
        let value = |p: &Option<Param<Tensor<1>>>| p.as_ref().map(Param::val);
        let parameters = NormalisationParameters {
            weight: value(&self.weight),
            bias: value(&self.bias),
            slope: if self.rectified {
                Some(Tensor::zeros(self.running_mean.value().dims(), &input.device()))
            } else {
                value(&self.slope)
            },
        };
        match pass {
            Pass::Training { .. } if !self.frozen.val().is_enabled() => {
                let (mean, variance) = operations::batch_statistics(&input);
                let dims = input.dims();
                let count = (dims.iter().product::<usize>() / dims[1].max(1)) as f32;
                // Running variances are those of the population, as in PyTorch.
                let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
                follow(&self.running_mean, &mean, 1.0);
                follow(&self.running_variance, &variance, unbiased);
                operations::normalise(input, &mean, &variance, EPSILON, &parameters, true)
            }
            Pass::Training { .. } | Pass::Inference => {
                let (mean, variance) =
                    (host_values(self.running_mean.value()), host_values(self.running_variance.value()));
                operations::normalise(input, &mean, &variance, EPSILON, &parameters, false)
            }
        }
    }
}

/// Moves a running statistic towards that of the batch.
fn follow(running: &RunningState<Tensor<1>>, batch: &[f32], factor: f32) {
    let old = running.value();
    let device = old.device();
    let mut values = host_values(old);
    for (value, batch) in values.iter_mut().zip(batch) {
        *value += MOMENTUM * (batch * factor - *value);
    }
    let shape = [values.len()];
    running.update(Tensor::from_data(TensorData::new(values, shape), &device));
    // The state is shared between threads; this thread is the only writer, so its value counts at once.
    running.value_sync();
}

/// `input * weight + bias`, weight `[inputs, outputs]`.
#[derive(Module, Debug)]
pub struct FullyConnected {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Param<Tensor<1>>,
}

impl FullyConnected {
    /// Weights normal with variance `1 / inputs`, bias 0.
    pub fn new(inputs: usize, outputs: usize, start: &mut Start, device: &Device) -> Self {
        let weight = normal_tensor([inputs, outputs], (1.0 / inputs as f32).sqrt(), start, device);
        Self { weight, bias: Param::from_data(TensorData::new(vec![0.0f32; outputs], [outputs]), device) }
    }

    /// `[batch, inputs]` to `[batch, outputs]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let outputs = self.bias.dims()[0];
        let weight = operations::as_input(self.weight.val(), &input);
        let bias = operations::as_input(self.bias.val(), &input);
        input.matmul(weight) + bias.reshape([1, outputs])
    }
}

/// Sets each value to zero with probability `rate` in training and scales the others by `1 / (1 - rate)`.
#[derive(Module, Debug)]
pub struct Dropout {
    rate: f32,
}

impl Dropout {
    /// `rate` in `0..1`.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }

    /// The mask is drawn from the seed of the pass: the same on every device and for any number of threads.
    pub fn forward<const D: usize>(&self, input: Tensor<D>, pass: Pass) -> Tensor<D> {
        let Pass::Training { seed } = pass else { return input };
        if self.rate <= 0.0 {
            return input;
        }
        let mut random: ChaCha8Rng = rand::SeedableRng::seed_from_u64(seed);
        let keep = 1.0 / (1.0 - self.rate);
        let dims = input.dims();
        let mask: Vec<f32> = (0..dims.iter().product())
            .map(|_| if random.random::<f32>() < self.rate { 0.0 } else { keep })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, dims), &input.device());
        let mask = operations::as_input(mask, &input);
        input * mask
    }
}
