//! Batch normalisation over the channels of `[batch, channel, positions]`, with an optional PReLU after it.
//!
//! ```text
//! normal[b][c][p] = (input[b][c][p] - mean[c]) * inverse_deviation[c]
//! affine          = weight[c] * normal + bias[c]
//! output          = affine                    if affine > 0, or if there are no slopes
//!                 = slope[c] * affine         otherwise
//! ```
//!
//! The two are one operation because each alone is limited by memory bandwidth: fused, a training step reads the input
//! twice forward and twice backward and keeps only the input. Each plane's variance is computed around the plane's own
//! mean, and the planes are merged in `f64` (Chan, Golub and LeVeque, 1983), so a large common offset costs no precision.
//! Sources: Ioffe and Szegedy, 2015, algorithm 1; He et al., 2015 (PReLU), section 2.1.

use crate::plane::{self, ChannelMap};
use rayon::prelude::*;

/// Batch, channels and positions (rows times columns; 1 for plain feature vectors).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormShape {
    /// Samples in the batch.
    pub batch: usize,
    /// Channels; each is normalised separately.
    pub channels: usize,
    /// Values per channel and sample.
    pub positions: usize,
}

impl NormShape {
    /// Values in the input.
    pub fn len(&self) -> usize {
        self.batch * self.channels * self.positions
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Learnt parameters, one value per channel each; all absent for a normalisation without an affine part.
#[derive(Clone, Copy, Debug, Default)]
pub struct NormParameters<'a> {
    /// Factor after the normalisation; 1 if absent.
    pub weight: Option<&'a [f32]>,
    /// Offset after the normalisation; 0 if absent.
    pub bias: Option<&'a [f32]>,
    /// Slope of the PReLU for negative values; no PReLU if absent.
    pub slope: Option<&'a [f32]>,
}

/// Mean and variance of each channel over batch and positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel, divided by the count (not the count minus one).
    pub variance: Vec<f32>,
}

/// The gradients of a fused normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct NormGradients {
    /// Gradient of the input.
    pub input: Vec<f32>,
    /// Gradient of the weight.
    pub weight: Vec<f32>,
    /// Gradient of the bias.
    pub bias: Vec<f32>,
    /// Gradient of the slope; empty without PReLU.
    pub slope: Vec<f32>,
}

/// Mean and variance of each channel of `input`; zeros for an empty batch.
///
/// # Panics
/// If the length of `input` does not match `shape`.
pub fn statistics(shape: NormShape, input: &[f32]) -> Statistics {
    assert_eq!(input.len(), shape.len(), "input of a batch normalisation {shape:?}");
    if shape.is_empty() {
        return Statistics { mean: vec![0.0; shape.channels], variance: vec![0.0; shape.channels] };
    }
    let planes: Vec<(f64, f64)> = input.par_chunks(shape.positions).map(plane::moments).collect();
    let (mut mean, mut variance) = (Vec::new(), Vec::new());
    for channel in 0..shape.channels {
        let of_channel = || planes.iter().skip(channel).step_by(shape.channels);
        let centre = of_channel().map(|(mean, _)| mean).sum::<f64>() / shape.batch as f64;
        let squares: f64 = of_channel()
            .map(|(mean, squares)| squares + shape.positions as f64 * (mean - centre).powi(2))
            .sum();
        mean.push(centre as f32);
        variance.push((squares / (shape.batch * shape.positions) as f64).max(0.0) as f32);
    }
    Statistics { mean, variance }
}

/// `1 / sqrt(variance + epsilon)` of each channel.
pub fn inverse_deviation(statistics: &Statistics, epsilon: f32) -> Vec<f32> {
    statistics.variance.iter().map(|v| (1.0 / (f64::from(*v) + f64::from(epsilon)).sqrt()) as f32).collect()
}

/// The map of one channel.
fn channel_map(p: &NormParameters<'_>, mean: &[f32], inverse: &[f32], channel: usize) -> ChannelMap {
    let scale = inverse[channel] * p.weight.map_or(1.0, |w| w[channel]);
    let offset = p.bias.map_or(0.0, |b| b[channel]) - mean[channel] * scale;
    ChannelMap { scale, offset, slope: p.slope.map_or(1.0, |s| s[channel]), centre: mean[channel] }
}

/// Normalises `input` with the given mean and inverse deviation of each channel. The output has the shape of the input.
///
/// # Panics
/// If the length of a slice does not match `shape`.
pub fn forward(
    shape: NormShape,
    input: &[f32],
    mean: &[f32],
    inverse_deviation: &[f32],
    parameters: &NormParameters<'_>,
) -> Vec<f32> {
    check(shape, input, mean, inverse_deviation, parameters);
    let mut output = vec![0.0; input.len()];
    if shape.is_empty() {
        return output;
    }
    output.par_chunks_mut(shape.positions).zip(input.par_chunks(shape.positions)).enumerate().for_each(
        |(plane, (output, input))| {
            plane::forward(
                channel_map(parameters, mean, inverse_deviation, plane % shape.channels),
                input,
                output,
            );
        },
    );
    output
}

/// The gradients of [`forward`].
///
/// With `of_batch`, mean and deviation are those of the batch and the gradient flows through them (training). Without it
/// they are constants (running statistics).
///
/// # Panics
/// If the length of a slice does not match `shape`.
pub fn backward(
    shape: NormShape,
    input: &[f32],
    mean: &[f32],
    inverse_deviation: &[f32],
    parameters: &NormParameters<'_>,
    output_gradient: &[f32],
    of_batch: bool,
) -> NormGradients {
    check(shape, input, mean, inverse_deviation, parameters);
    assert_eq!(output_gradient.len(), input.len(), "output gradient of a batch normalisation {shape:?}");
    let with_slope = parameters.slope.is_some();
    let empty = || vec![0.0; shape.channels];
    let mut gradients = NormGradients {
        input: vec![0.0; input.len()],
        weight: empty(),
        bias: empty(),
        slope: if with_slope { empty() } else { Vec::new() },
    };
    if shape.is_empty() {
        return gradients;
    }
    // Sums over each plane, as `plane::sums` returns them.
    let planes: Vec<[f64; 3]> = input
        .par_chunks(shape.positions)
        .zip(output_gradient.par_chunks(shape.positions))
        .enumerate()
        .map(|(plane, (input, gradient))| {
            plane::sums(
                channel_map(parameters, mean, inverse_deviation, plane % shape.channels),
                input,
                gradient,
            )
        })
        .collect();
    let count = (shape.batch * shape.positions) as f64;
    // Per channel: the constant subtracted from every inner gradient, and the factor on the distance from the mean.
    let mut shares = Vec::with_capacity(shape.channels);
    for channel in 0..shape.channels {
        let mut sums = [0.0f64; 3];
        for plane in planes.iter().skip(channel).step_by(shape.channels) {
            for (sum, value) in sums.iter_mut().zip(plane) {
                *sum += value;
            }
        }
        let inverse = f64::from(inverse_deviation[channel]);
        gradients.bias[channel] = sums[0] as f32;
        gradients.weight[channel] = (sums[1] * inverse) as f32;
        if with_slope {
            gradients.slope[channel] = sums[2] as f32;
        }
        let share = if of_batch { 1.0 / count } else { 0.0 };
        shares.push(((sums[0] * share) as f32, (sums[1] * inverse * inverse * share) as f32));
    }
    gradients
        .input
        .par_chunks_mut(shape.positions)
        .zip(input.par_chunks(shape.positions))
        .zip(output_gradient.par_chunks(shape.positions))
        .enumerate()
        .for_each(|(plane, ((out, input), gradient))| {
            let channel = plane % shape.channels;
            let map = channel_map(parameters, mean, inverse_deviation, channel);
            plane::backward(map, shares[channel], input, gradient, out);
        });
    gradients
}

fn check(shape: NormShape, input: &[f32], mean: &[f32], inverse: &[f32], p: &NormParameters<'_>) {
    assert_eq!(input.len(), shape.len(), "input of a batch normalisation {shape:?}");
    for values in [Some(mean), Some(inverse), p.weight, p.bias, p.slope].into_iter().flatten() {
        assert_eq!(values.len(), shape.channels, "one value per channel of a batch normalisation {shape:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain twin in f64, which computes its own statistics.
    fn twin(shape: NormShape, x: &[f64], w: &[f64], b: &[f64], s: &[f64], epsilon: f64) -> Vec<f64> {
        let count = (shape.batch * shape.positions) as f64;
        let of = |c: usize| {
            (0..shape.batch).flat_map(move |i| {
                let start = (i * shape.channels + c) * shape.positions;
                start..start + shape.positions
            })
        };
        let mut out = vec![0.0; x.len()];
        for c in 0..shape.channels {
            let mean = of(c).map(|i| x[i]).sum::<f64>() / count;
            let variance = of(c).map(|i| (x[i] - mean).powi(2)).sum::<f64>() / count;
            for i in of(c) {
                let affine = w[c] * (x[i] - mean) / (variance + epsilon).sqrt() + b[c];
                out[i] = if affine > 0.0 { affine } else { s[c] * affine };
            }
        }
        out
    }

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|v| f64::from(*v)).collect()
    }

    fn values(count: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-2.0f32..2.0, count)
    }

    /// Shape, input, weight, bias, slope, output gradient.
    type Case = (NormShape, Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>);

    fn case() -> impl Strategy<Value = Case> {
        (1usize..5, 1usize..4, 1usize..40).prop_flat_map(|(batch, channels, positions)| {
            let shape = NormShape { batch, channels, positions };
            (
                Just(shape),
                values(shape.len()),
                values(channels),
                values(channels),
                values(channels),
                values(shape.len()),
            )
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn forward_and_backward_match_the_f64_twin((shape, x, w, b, s, dy) in case()) {
            prop_assume!(shape.batch * shape.positions > 2);
            let epsilon = 1e-2;
            let statistics = statistics(shape, &x);
            let inverse = inverse_deviation(&statistics, epsilon);
            let p = NormParameters { weight: Some(&w), bias: Some(&b), slope: Some(&s) };
            let y = forward(shape, &x, &statistics.mean, &inverse, &p);
            let y64 = twin(shape, &wide(&x), &wide(&w), &wide(&b), &wide(&s), f64::from(epsilon));
            for (got, expected) in y.iter().zip(&y64) {
                prop_assert!((f64::from(*got) - expected).abs() < 1e-4, "{got} {expected}");
            }
            let g = backward(shape, &x, &statistics.mean, &inverse, &p, &dy, true);
            // Finite differences of the twin are meaningless if a step crosses the kink of the PReLU.
            let loss = |x: &[f64], w: &[f64], b: &[f64], s: &[f64]| -> f64 {
                twin(shape, x, w, b, s, f64::from(epsilon)).iter().zip(&dy).map(|(y, d)| y * f64::from(*d)).sum()
            };
            let kink = y64.iter().any(|v| v.abs() < 1e-4);
            prop_assume!(!kink);
            let step = 1e-6;
            let inputs = [wide(&x), wide(&w), wide(&b), wide(&s)];
            for (which, gradient) in [&g.input, &g.weight, &g.bias, &g.slope].into_iter().enumerate() {
                for at in 0..gradient.len().min(12) {
                    let moved = |by: f64| {
                        let mut v = inputs.clone();
                        v[which][at] += by;
                        loss(&v[0], &v[1], &v[2], &v[3])
                    };
                    let expected = (moved(step) - moved(-step)) / (2.0 * step);
                    let got = f64::from(gradient[at]);
                    prop_assert!((got - expected).abs() < 2e-3 * (1.0 + expected.abs()), "{which} {at}: {got} {expected}");
                }
            }
        }
    }

    #[test]
    fn a_large_offset_costs_no_precision() {
        let shape = NormShape { batch: 4, channels: 1, positions: 50 };
        let x: Vec<f32> = (0..200).map(|i| 4096.0 + (i % 7) as f32 * 0.25).collect();
        let got = statistics(shape, &x);
        let mean = wide(&x).iter().sum::<f64>() / 200.0;
        let variance = wide(&x).iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 200.0;
        assert!((f64::from(got.variance[0]) - variance).abs() < 1e-5 * variance, "{got:?} {variance}");
    }

    #[test]
    fn a_constant_channel_and_an_empty_batch_are_defined() {
        let shape = NormShape { batch: 2, channels: 1, positions: 3 };
        let got = statistics(shape, &[5.0; 6]);
        assert_eq!(got, Statistics { mean: vec![5.0], variance: vec![0.0] });
        let y =
            forward(shape, &[5.0; 6], &got.mean, &inverse_deviation(&got, 1e-5), &NormParameters::default());
        assert_eq!(y, vec![0.0; 6]);
        let none = NormShape { batch: 0, channels: 2, positions: 3 };
        assert_eq!(statistics(none, &[]).mean, vec![0.0; 2]);
        assert!(forward(none, &[], &[0.0; 2], &[1.0; 2], &NormParameters::default()).is_empty());
    }
}
