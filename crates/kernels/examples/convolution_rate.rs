//! Prints the rate of the convolution kernels at the shapes of the backbones in GFLOP/s, medians of several rounds.
//!
//! `cargo run --release -p widemargin-kernels --example convolution_rate`
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Instant;
use widemargin_kernels::convolution::{self, ConvolutionShape};
use widemargin_kernels::pooling::{self, PoolShape};
use widemargin_kernels::{batch_norm, detected};

fn median(rounds: usize, mut work: impl FnMut()) -> f64 {
    work();
    let mut seconds: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[rounds / 2]
}

fn main() {
    widemargin_kernels::pages::keep_large_freed_pages();
    println!("{:?}, {} threads", detected(), rayon_threads());
    for (batch, in_channels, out_channels, side, kernel, stride) in [
        (128, 1, 32, 28, 3, 1),
        (128, 32, 32, 28, 3, 1),
        (128, 32, 64, 14, 3, 1),
        (128, 64, 64, 14, 3, 1),
        (8, 64, 64, 112, 3, 1),
        (16, 128, 128, 56, 3, 2),
        (32, 256, 256, 14, 3, 1),
        (32, 512, 512, 7, 3, 1),
        (32, 512, 512, 4, 3, 1),
        (32, 3, 64, 112, 7, 2),
        (32, 64, 256, 28, 1, 1),
        (32, 512, 128, 14, 1, 1),
        (32, 512, 2048, 4, 1, 1),
    ] {
        let shape = ConvolutionShape {
            batch,
            in_channels,
            height: side,
            width: side,
            out_channels,
            kernel,
            stride,
            padding: kernel / 2,
        };
        let input = vec![0.5; shape.input_len()];
        let weights = vec![0.25; shape.weights_len()];
        let output = vec![0.5; shape.output_len()];
        let mut weight_gradient = vec![0.0; shape.weights_len()];
        let work = 2.0 * (shape.output_len() * in_channels * kernel * kernel) as f64;
        let forward = median(15, || drop(convolution::forward(&shape, &input, &weights)));
        let by_input = median(15, || drop(convolution::input_gradient(&shape, &output, &weights)));
        let by_weights =
            median(15, || convolution::weight_gradient(&shape, &input, &output, &mut weight_gradient));
        println!(
            "{kernel} x {kernel} / {stride}, {in_channels:4} -> {out_channels:4} at {side:3}: ms forward {:.1}, input gradient {:.1}, weight gradient {:.1}; GFLOP/s {:.0}, {:.0}, {:.0}",
            forward * 1e3,
            by_input * 1e3,
            by_weights * 1e3,
            work / forward / 1e9,
            work / by_input / 1e9,
            work / by_weights / 1e9
        );
    }
    for (channels, positions) in [(32, 784), (64, 196)] {
        let shape = batch_norm::NormShape { batch: 128, channels, positions };
        let input: Vec<f32> = (0..shape.len()).map(|i| (i % 13) as f32 - 6.0).collect();
        let one = vec![1.0; channels];
        let p = batch_norm::NormParameters { weight: Some(&one), bias: Some(&one), slope: Some(&one) };
        let s = batch_norm::statistics(shape, &input);
        let inverse = batch_norm::inverse_deviation(&s, 1e-5);
        let statistics = median(15, || drop(batch_norm::statistics(shape, &input)));
        let forward = median(15, || drop(batch_norm::forward(shape, &input, &s.mean, &inverse, &p)));
        let backward =
            median(15, || drop(batch_norm::backward(shape, &input, &s.mean, &inverse, &p, &input, true)));
        println!(
            "norm {channels} x {positions}: ms statistics {:.1}, forward {:.1}, backward {:.1}",
            statistics * 1e3,
            forward * 1e3,
            backward * 1e3
        );
        let side = (positions as f64).sqrt() as usize;
        let planes = 128 * channels;
        pool(PoolShape { planes, height: side, width: side, size: 2, stride: 2, padding: 0 }, &input);
    }
    let stem = PoolShape { planes: 32 * 64, height: 56, width: 56, size: 3, stride: 2, padding: 1 };
    let input: Vec<f32> = (0..stem.planes * 56 * 56).map(|at| (at * 7919 % 101) as f32).collect();
    pool(stem, &input);
}

fn pool(shape: PoolShape, input: &[f32]) {
    let (values, chosen) = pooling::maximum(shape, input);
    let forward = median(15, || drop(pooling::maximum(shape, input)));
    let backward = median(15, || drop(pooling::maximum_gradient(shape, &values, &chosen)));
    println!(
        "pool {} / {} at {}: ms forward {:.1}, backward {:.1}",
        shape.size,
        shape.stride,
        shape.height,
        forward * 1e3,
        backward * 1e3
    );
}

fn rayon_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
