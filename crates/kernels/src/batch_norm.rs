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
//! mean, and the planes are merged in `f64` (Chan, Golub and LeVeque, 1983), so a large common offset costs no precision. Planes
//! of few positions are summed sample by sample instead (`rows`), around the mean of the channel.
//! Sources: Ioffe and Szegedy, 2015, algorithm 1; He et al., 2015 (PReLU), section 2.1.

use crate::fresh::written;
use crate::plane::{self, ChannelMap};
use crate::rows::{self, FEW_POSITIONS, RowMap};
use rayon::prelude::*;

pub use crate::plane::NormShape;

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
    if shape.positions < FEW_POSITIONS {
        let count = (shape.batch * shape.positions) as f64;
        let (mean, variance) = rows::moments(shape, input)
            .into_iter()
            .map(|(mean, squares)| (mean as f32, (squares / count).max(0.0) as f32))
            .unzip();
        return Statistics { mean, variance };
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
    if shape.is_empty() {
        return Vec::new();
    }
    let map = |channel| channel_map(parameters, mean, inverse_deviation, channel);
    // SAFETY: rows or planes cover all values, and `forward` writes every value of them.
    unsafe {
        written(input.len(), |output| {
            if shape.positions < FEW_POSITIONS {
                RowMap::new(shape, map).forward(input, output);
                return;
            }
            let planes = output.par_chunks_mut(shape.positions).zip(input.par_chunks(shape.positions));
            planes.enumerate().for_each(|(plane, (output, input))| {
                plane::forward(map(plane % shape.channels), input, output);
            });
        })
    }
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
        input: Vec::new(),
        weight: empty(),
        bias: empty(),
        slope: if with_slope { empty() } else { Vec::new() },
    };
    if shape.is_empty() {
        return gradients;
    }
    let rows = (shape.positions < FEW_POSITIONS)
        .then(|| RowMap::new(shape, |channel| channel_map(parameters, mean, inverse_deviation, channel)));
    // Sums over each plane or each channel, as `plane::sums` returns them.
    let planes: Vec<[f64; 3]> = if let Some(rows) = &rows {
        rows.sums(input, output_gradient)
    } else {
        input
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
            .collect()
    };
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
    // SAFETY: rows or planes cover all values, and `backward` writes every value of them.
    gradients.input = unsafe {
        written(input.len(), |out| {
            if let Some(rows) = &rows {
                rows.backward(&shares, input, output_gradient, out);
                return;
            }
            let planes = out.par_chunks_mut(shape.positions).zip(input.par_chunks(shape.positions));
            let planes = planes.zip(output_gradient.par_chunks(shape.positions));
            planes.enumerate().for_each(|(plane, ((out, input), gradient))| {
                let channel = plane % shape.channels;
                let map = channel_map(parameters, mean, inverse_deviation, channel);
                plane::backward(map, shares[channel], input, gradient, out);
            });
        })
    };
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
        // Below and above the number of positions from which planes are normalised one by one.
        let positions = prop_oneof![1usize..40, FEW_POSITIONS - 2..FEW_POSITIONS + 3];
        (1usize..5, 1usize..4, positions).prop_flat_map(|(batch, channels, positions)| {
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
        for (batch, positions) in [(4, 50), (200, 1), (1, 200)] {
            let shape = NormShape { batch, channels: 1, positions };
            let x: Vec<f32> = (0..200).map(|i| 4096.0 + (i % 7) as f32 * 0.25).collect();
            let got = statistics(shape, &x);
            let mean = wide(&x).iter().sum::<f64>() / 200.0;
            let variance = wide(&x).iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 200.0;
            assert!((f64::from(got.variance[0]) - variance).abs() < 1e-5 * variance, "{got:?} {variance}");
        }
    }

    /// Wide enough for several tasks and several blocks of samples, and without a multiple of a register.
    #[test]
    fn rows_and_planes_give_the_same_for_any_number_of_threads() {
        let shape = NormShape { batch: 131, channels: 411, positions: 9 };
        let values = |seed: usize| -> Vec<f32> {
            (0..shape.len()).map(|at| ((at * 7919 + seed) % 509) as f32 / 100.0 - 2.5).collect()
        };
        let (x, dy) = (values(1), values(2));
        let channel = |from: f32| (0..411).map(|at| from + at as f32 / 500.0).collect::<Vec<f32>>();
        let (w, b, s) = (channel(0.5), channel(-0.3), channel(-0.4));
        let p = NormParameters { weight: Some(&w), bias: Some(&b), slope: Some(&s) };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool");
            pool.install(|| {
                let found = statistics(shape, &x);
                let inverse = inverse_deviation(&found, 1e-5);
                let y = forward(shape, &x, &found.mean, &inverse, &p);
                let g = backward(shape, &x, &found.mean, &inverse, &p, &dy, true);
                (found, y, g)
            })
        };
        let (found, y, g) = run(1);
        assert_eq!((found.clone(), y.clone(), g.clone()), run(3));
        // The same by the loops over planes: the sums in f64, one value after another.
        for channel in [0, 1, 255, 410] {
            let of = || (0..131).flat_map(|sample| (0..9).map(move |at| (sample * 411 + channel) * 9 + at));
            let count = 131.0 * 9.0;
            let mean = of().map(|at| f64::from(x[at])).sum::<f64>() / count;
            let variance = of().map(|at| (f64::from(x[at]) - mean).powi(2)).sum::<f64>() / count;
            assert!((f64::from(found.mean[channel]) - mean).abs() < 1e-6, "{channel}");
            assert!((f64::from(found.variance[channel]) - variance).abs() < 1e-6 * variance, "{channel}");
            let inverse = 1.0 / (variance + 1e-5).sqrt();
            let (mut bias, mut weight, mut slope) = (0.0, 0.0, 0.0);
            for at in of() {
                let normal = (f64::from(x[at]) - mean) * inverse;
                let affine = f64::from(w[channel]) * normal + f64::from(b[channel]);
                let (factor, gradient) = (f64::from(s[channel]), f64::from(dy[at]));
                let expected = if affine > 0.0 { affine } else { factor * affine };
                assert!((f64::from(y[at]) - expected).abs() < 1e-5, "{channel} {at}");
                let inner = if affine > 0.0 { gradient } else { factor * gradient };
                bias += inner;
                weight += inner * normal;
                slope += if affine > 0.0 { 0.0 } else { gradient * affine };
            }
            for (got, expected) in
                [(g.bias[channel], bias), (g.weight[channel], weight), (g.slope[channel], slope)]
            {
                assert!(
                    (f64::from(got) - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                    "{got} {expected}"
                );
            }
        }
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
