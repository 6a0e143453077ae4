//! Batch normalisation with an optional PReLU after it.

use super::cast;
use super::custom::{self, CpuTensor, Saved, slice, tensor};
use crate::parameters::host_values;
use burn::tensor::{FloatDType, Tensor, TensorData};
use burn_flex::FlexTensor;
use std::sync::Arc;
use widemargin_kernels::batch_norm::{self as kernel, NormParameters, NormShape, Statistics};

/// Learnt parameters, one value per channel each.
#[derive(Clone, Debug, Default)]
pub struct BatchNormParameters {
    /// Factor after the normalisation; 1 if absent.
    pub weight: Option<Tensor<1>>,
    /// Offset after the normalisation; 0 if absent.
    pub bias: Option<Tensor<1>>,
    /// Slope of the PReLU for negative values; no PReLU if absent.
    pub slope: Option<Tensor<1>>,
}

/// Mean and variance (divided by the count) of each channel of `[batch, channels, ...]`, without gradients.
pub fn batch_statistics<const D: usize>(input: &Tensor<D>) -> (Vec<f32>, Vec<f32>) {
    if let Some(cpu) = CpuTensor::new(input.clone()) {
        let Statistics { mean, variance } = kernel::statistics(norm_shape(input), cpu.slice());
        return (mean, variance);
    }
    let plain = cast(input.clone().without_autodiff(), FloatDType::F32);
    let rows = channels_first(plain);
    let mean = rows.clone().mean_dim(1);
    let variance = (rows - mean.clone()).powi_scalar(2).mean_dim(1);
    (host_values(mean), host_values(variance))
}

/// `weight * (input - mean) / sqrt(variance + epsilon) + bias` per channel of `[batch, channels, ...]`, followed by a PReLU
/// if there is a slope.
///
/// With `of_batch`, mean and variance are those of this batch ([`batch_statistics`]) and the gradient flows through them
/// (training). Without it they are constants (running statistics).
pub fn normalise<const D: usize>(
    input: Tensor<D>,
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
    parameters: &BatchNormParameters,
    of_batch: bool,
) -> Tensor<D> {
    let channels = input.dims()[1];
    let constant = |value: f32| Tensor::<1>::full([channels], value, &input.device());
    let weight = parameters.weight.clone().unwrap_or_else(|| constant(1.0));
    let bias = parameters.bias.clone().unwrap_or_else(|| constant(0.0));
    let slope = parameters.slope.clone().unwrap_or_else(|| constant(1.0));
    let cpu = [CpuTensor::new(weight.clone()), CpuTensor::new(bias.clone()), CpuTensor::new(slope.clone())];
    let (Some(cpu_input), [Some(weight), Some(bias), Some(slope)]) = (CpuTensor::new(input.clone()), cpu)
    else {
        return composed(input, mean, variance, epsilon, parameters, of_batch);
    };
    let statistics = Statistics { mean: mean.to_vec(), variance: variance.to_vec() };
    let shape = norm_shape(&input);
    let saved = SavedNorm {
        shape,
        of_batch,
        dims: input.dims().to_vec(),
        inverse: kernel::inverse_deviation(&statistics, epsilon).into(),
        mean: statistics.mean.into(),
        input: cpu_input.values(),
        weight: weight.values(),
        bias: bias.values(),
        slope: slope.values(),
    };
    let output = kernel::forward(shape, cpu_input.slice(), &saved.mean, &saved.inverse, &saved.parameters());
    custom::record([&cpu_input, &weight, &bias, &slope], tensor(output, &input.dims()), saved)
}

fn norm_shape<const D: usize>(input: &Tensor<D>) -> NormShape {
    let dims: [usize; D] = input.dims();
    NormShape { batch: dims[0], channels: dims[1], positions: dims[2..].iter().product() }
}

/// `[channels, batch * positions]`.
fn channels_first<const D: usize>(input: Tensor<D>) -> Tensor<2> {
    let s = norm_shape(&input);
    input
        .reshape([s.batch, s.channels, s.positions])
        .swap_dims(0, 1)
        .reshape([s.channels, s.batch * s.positions])
}

/// The same composed from Burn's operations, for devices other than the CPU.
pub(super) fn composed<const D: usize>(
    input: Tensor<D>,
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
    parameters: &BatchNormParameters,
    of_batch: bool,
) -> Tensor<D> {
    let (s, dims, device, dtype) =
        (norm_shape(&input), input.dims(), input.device(), FloatDType::from(input.dtype()));
    let by_channel = |t: Tensor<1>| t.reshape([1, s.channels, 1]);
    let flat: Tensor<3> = cast(input, FloatDType::F32).reshape([s.batch, s.channels, s.positions]);
    let (mean, variance) = if of_batch {
        let rows = channels_first(flat.clone());
        let mean = rows.clone().mean_dim(1);
        let variance = (rows - mean.clone()).powi_scalar(2).mean_dim(1);
        (mean.reshape([1, s.channels, 1]), variance.reshape([1, s.channels, 1]))
    } else {
        let load = |v: &[f32]| Tensor::<1>::from_data(TensorData::from(v), &device);
        (by_channel(load(mean)), by_channel(load(variance)))
    };
    let mut output = (flat - mean) / (variance + epsilon).sqrt();
    if let Some(weight) = parameters.weight.clone() {
        output = output * by_channel(weight);
    }
    if let Some(bias) = parameters.bias.clone() {
        output = output + by_channel(bias);
    }
    if let Some(slope) = parameters.slope.clone() {
        output = output.clone().clamp_min(0.0) + by_channel(slope) * output.clamp_max(0.0);
    }
    cast(output.reshape(dims), dtype)
}

#[derive(Clone, Debug)]
struct SavedNorm {
    shape: NormShape,
    of_batch: bool,
    dims: Vec<usize>,
    mean: Arc<[f32]>,
    inverse: Arc<[f32]>,
    input: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    slope: FlexTensor,
}

impl SavedNorm {
    fn parameters(&self) -> NormParameters<'_> {
        NormParameters {
            weight: Some(slice(&self.weight)),
            bias: Some(slice(&self.bias)),
            slope: Some(slice(&self.slope)),
        }
    }
}

impl Saved<4> for SavedNorm {
    fn gradients(&self, output_gradient: &FlexTensor, expected: [bool; 4]) -> [Option<FlexTensor>; 4] {
        let input = slice(&self.input);
        let found = kernel::backward(
            self.shape,
            input,
            &self.mean,
            &self.inverse,
            &self.parameters(),
            slice(output_gradient),
            self.of_batch,
        );
        let channels = [self.shape.channels];
        [
            expected[0].then(|| tensor(found.input, &self.dims)),
            expected[1].then(|| tensor(found.weight, &channels)),
            expected[2].then(|| tensor(found.bias, &channels)),
            expected[3].then(|| tensor(found.slope, &channels)),
        ]
    }
}
