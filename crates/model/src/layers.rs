//! The layers of the backbones, as Burn modules.

use crate::operations::{self, BatchNormParameters};
use crate::parameters::host_values;
use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData};
use widemargin_chance::{Purpose, Stream};
use widemargin_head::ProductPrecision;

/// The mode of a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Training: batch statistics, which also update the running statistics, and dropout.
    Training {
        /// Seed of this step's dropout masks; the same seed repeats the step exactly.
        seed: u64,
        /// Precision of the factors in convolutions and fully connected layers on the CPU, in both directions.
        products: ProductPrecision,
    },
    /// Inference: running statistics, no dropout, all in `f32`.
    Inference,
}

impl Pass {
    /// Precision of the factors in convolutions and fully connected layers.
    fn products(self) -> ProductPrecision {
        match self {
            Self::Training { products, .. } => products,
            Self::Inference => ProductPrecision::F32,
        }
    }
}

/// The initial weights of new layers.
#[derive(Debug)]
pub enum Init {
    /// Random weights with each layer's variance.
    Random(Box<Stream>),
    /// Zeros, for a backbone whose parameters are loaded next: drawing millions of weights takes seconds.
    Zeros,
}

impl Init {
    /// Random weights, the same for the same seed on every machine.
    pub fn from_seed(seed: u64) -> Self {
        Self::Random(Box::new(Stream::new(seed, Purpose::BackboneInit, 0, 0)))
    }
}

/// Weight of the newest batch in the running statistics, as in PyTorch.
const MOMENTUM: f32 = 0.1;

/// Added to the variance, as in PyTorch.
pub(crate) const EPSILON: f32 = 1e-5;

/// Initial slope of a PReLU (He et al., 2015).
const INITIAL_SLOPE: f32 = 0.25;

/// A weight tensor, normal with mean 0 and the given standard deviation if it is random.
fn normal_tensor<const D: usize>(
    shape: [usize; D],
    deviation: f32,
    init: &mut Init,
    device: &Device,
) -> Param<Tensor<D>> {
    let mut values = vec![0.0_f32; shape.iter().product()];
    if let Init::Random(stream) = init {
        for pair in values.chunks_mut(2) {
            for (value, normal) in pair.iter_mut().zip(stream.normal_pair()) {
                *value = deviation * normal as f32;
            }
        }
    }
    Param::from_data(TensorData::new(values, shape), device)
}

/// A convolution without bias, since a batch normalisation always precedes or follows it.
#[derive(Module, Debug)]
pub struct Convolution {
    pub(crate) weight: Param<Tensor<4>>,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Convolution {
    /// Weights `[out_channels, in_channels, kernel, kernel]`, normal with variance `2 / (in_channels kernel^2)` (He et al.,
    /// 2015). The padding preserves the image size at stride 1.
    pub fn new(channels: [usize; 2], kernel: usize, stride: usize, init: &mut Init, device: &Device) -> Self {
        let [in_channels, out_channels] = channels;
        let deviation = (2.0 / (in_channels * kernel * kernel) as f32).sqrt();
        let weight = normal_tensor([out_channels, in_channels, kernel, kernel], deviation, init, device);
        Self { weight, stride, padding: kernel / 2 }
    }

    /// Maps `[batch, in_channels, height, width]` to `[batch, out_channels, ceil(height / stride), ceil(width / stride)]`.
    pub fn forward(&self, input: Tensor<4>, pass: Pass) -> Tensor<4> {
        operations::convolution(input, self.weight.val(), self.stride, self.padding, pass.products())
    }
}

/// Batch normalisation with an optional affine part, followed by an optional PReLU or ReLU.
#[derive(Module, Debug)]
pub struct BatchNorm {
    pub(crate) weight: Option<Param<Tensor<1>>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
    pub(crate) slope: Option<Param<Tensor<1>>>,
    pub(crate) running_mean: RunningState<Tensor<1>>,
    pub(crate) running_variance: RunningState<Tensor<1>>,
    /// Whether a ReLU follows.
    pub(crate) rectified: bool,
    /// Whether training also normalises with the running statistics, and does not update them.
    frozen: Param<Flag>,
}

impl BatchNorm {
    /// With a learnt weight (initially 1) and bias (initially 0).
    pub fn new(channels: usize, device: &Device) -> Self {
        let weight = Param::from_data(TensorData::new(vec![1.0f32; channels], [channels]), device);
        Self { weight: Some(weight), ..Self::shifted(channels, device) }
    }

    /// With weight and bias, followed by a PReLU with one slope per channel.
    pub fn with_prelu(channels: usize, device: &Device) -> Self {
        let slope = Param::from_data(TensorData::new(vec![INITIAL_SLOPE; channels], [channels]), device);
        Self { slope: Some(slope), ..Self::new(channels, device) }
    }

    /// With weight and bias, followed by `max(x, 0)`.
    pub fn rectified(channels: usize, device: &Device) -> Self {
        Self { rectified: true, ..Self::new(channels, device) }
    }

    /// With a learnt bias (initially 0) and no weight.
    pub fn shifted(channels: usize, device: &Device) -> Self {
        let bias = Param::from_data(TensorData::new(vec![0.0f32; channels], [channels]), device);
        Self { bias: Some(bias), ..Self::plain(channels, device) }
    }

    /// Without learnt parameters.
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

    /// Maps `[batch, channels, ...]` to the same shape.
    pub fn forward<const D: usize>(&self, input: Tensor<D>, pass: Pass) -> Tensor<D> {
        let value = |p: &Option<Param<Tensor<1>>>| p.as_ref().map(Param::val);
        let parameters = BatchNormParameters {
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
                // The running variance is unbiased, as in PyTorch.
                let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
                update_running(&self.running_mean, &mean, 1.0);
                update_running(&self.running_variance, &variance, unbiased);
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

/// Updates a running statistic with that of the batch.
fn update_running(running: &RunningState<Tensor<1>>, batch: &[f32], factor: f32) {
    let old = running.value();
    let device = old.device();
    let mut values = host_values(old);
    for (value, batch) in values.iter_mut().zip(batch) {
        *value += MOMENTUM * (batch * factor - *value);
    }
    let shape = [values.len()];
    running.update(Tensor::from_data(TensorData::new(values, shape), &device));
    // Other threads share the state. This thread is the only writer, so its value becomes current at once.
    running.value_sync();
}

/// `input * weight + bias`, weight `[inputs, outputs]`.
#[derive(Module, Debug)]
pub struct FullyConnected {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Param<Tensor<1>>,
}

impl FullyConnected {
    /// Weights are normal with variance `1 / inputs`, the bias is 0.
    pub fn new(inputs: usize, outputs: usize, init: &mut Init, device: &Device) -> Self {
        let weight = normal_tensor([inputs, outputs], (1.0 / inputs as f32).sqrt(), init, device);
        Self { weight, bias: Param::from_data(TensorData::new(vec![0.0f32; outputs], [outputs]), device) }
    }

    /// Maps `[batch, inputs]` to `[batch, outputs]`.
    pub fn forward(&self, input: Tensor<2>, pass: Pass) -> Tensor<2> {
        let outputs = self.bias.dims()[0];
        let bias = operations::as_input(self.bias.val(), &input);
        operations::product(input, self.weight.val(), pass.products()) + bias.reshape([1, outputs])
    }
}

/// In training, sets each value to zero with probability `rate` and scales the others by `1 / (1 - rate)`.
#[derive(Module, Debug)]
pub struct Dropout {
    rate: f32,
}

impl Dropout {
    /// `rate` in `0..1`.
    pub fn new(rate: f32) -> Self {
        Self { rate }
    }

    /// The mask depends only on the seed of the pass: it is the same on every device and for any number of threads.
    pub fn forward<const D: usize>(&self, input: Tensor<D>, pass: Pass) -> Tensor<D> {
        let Pass::Training { seed, .. } = pass else { return input };
        if self.rate <= 0.0 {
            return input;
        }
        let mut stream = Stream::new(seed, Purpose::Dropout, 0, 0);
        let keep = 1.0 / (1.0 - self.rate);
        let dims = input.dims();
        let mask: Vec<f32> =
            (0..dims.iter().product()).map(|_| if stream.unit() < self.rate { 0.0 } else { keep }).collect();
        let mask = Tensor::from_data(TensorData::new(mask, dims), &input.device());
        let mask = operations::as_input(mask, &input);
        input * mask
    }
}
