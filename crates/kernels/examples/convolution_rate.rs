//! Prints the rate of the convolution kernels at the shapes of the backbones in GFLOP/s on one thread, in f32 and in mixed
//! precision, medians of several rounds. On Linux it measures processor time, so that other programs disturb it less.
//!
//! `cargo run --release -p widemargin-kernels --example convolution_rate [-- BATCH INPUTS OUTPUTS SIDE KERNEL STRIDE]`
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Instant;
use widemargin_kernels::convolution::{self, ConvolutionShape};
use widemargin_kernels::pooling::{self, PoolShape};
use widemargin_kernels::{batch_norm, detected, mixed};

/// Seconds of processor time of this thread on Linux, where it grows in steps of some milliseconds; of wall time elsewhere.
#[expect(clippy::disallowed_methods, reason = "a file of the system")]
fn seconds(since: Instant) -> f64 {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanoseconds = used.ok().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or(since.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

/// Least seconds of a round.
const ROUND: f64 = 0.06;

fn median(rounds: usize, mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    let (before, mut times) = (seconds(start), 0);
    while seconds(start) - before < ROUND {
        work();
        times += 1;
    }
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let before = seconds(start);
            (0..times).for_each(|_| work());
            (seconds(start) - before) / f64::from(times)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}

fn main() {
    widemargin_kernels::pages::keep_large_freed_pages();
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build_global()
        .expect("the first pool of the program");
    let precision = if mixed::is_fast() { "with" } else { "without" };
    println!("{:?} {precision} products of bfloat16, one thread", detected());
    println!("GFLOP/s: forward, input gradient, weight gradient");
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse().expect("a size")).collect();
    if let &[batch, inputs, outputs, side, kernel, stride] = sizes.as_slice() {
        convolutions((batch, inputs, outputs, side, kernel, stride));
        return;
    }
    for shape in [
        (128, 1, 32, 28, 3, 1),
        (128, 32, 32, 28, 3, 1),
        (128, 32, 64, 14, 3, 1),
        (128, 64, 64, 14, 3, 1),
        (8, 3, 64, 112, 3, 1),
        (8, 64, 64, 112, 3, 1),
        (8, 64, 64, 112, 3, 2),
        (8, 64, 64, 56, 3, 1),
        (16, 128, 128, 56, 3, 2),
        (16, 128, 128, 28, 3, 1),
        (32, 256, 256, 14, 3, 1),
        (32, 512, 512, 7, 3, 1),
        (32, 512, 512, 4, 3, 1),
        (32, 3, 64, 112, 7, 2),
        (32, 64, 64, 28, 3, 1),
        (32, 64, 256, 28, 1, 1),
        (32, 256, 64, 28, 1, 1),
        (16, 64, 128, 56, 1, 2),
        (32, 512, 128, 14, 1, 1),
        (32, 512, 1024, 14, 1, 2),
        (32, 512, 2048, 4, 1, 1),
    ] {
        convolutions(shape);
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

fn convolutions(
    (batch, in_channels, out_channels, side, kernel, stride): (usize, usize, usize, usize, usize, usize),
) {
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
    let (full, mixed) = rates(&shape);
    let all = |rates: [f64; 3]| rates.map(|rate| format!("{rate:4.0}")).join(" ");
    let ratios = std::array::from_fn::<f64, 3, _>(|at| mixed[at] / full[at]);
    println!(
        "{kernel} x {kernel} / {stride}, {in_channels:4} -> {out_channels:4} at {side:3}: f32 {}, mixed {}, ratio {}",
        all(full),
        all(mixed),
        ratios.map(|ratio| format!("{ratio:.2}")).join(" ")
    );
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

/// GFLOP/s of the three products in f32 and in mixed precision.
fn rates(shape: &ConvolutionShape) -> ([f64; 3], [f64; 3]) {
    let values =
        |length: usize| (0..length).map(|at| (at * 7919 % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>();
    let (input, weights, output) =
        (values(shape.input_len()), values(shape.weights_len()), values(shape.output_len()));
    let mut gradient = vec![0.0; shape.weights_len()];
    let work = 2.0 * (shape.output_len() * shape.in_channels * shape.kernel * shape.kernel) as f64;
    let rate = |seconds: f64| work / seconds / 1e9;
    let full = [
        median(9, || drop(convolution::forward(shape, &input, &weights))),
        median(9, || drop(convolution::input_gradient(shape, &output, &weights))),
        median(9, || convolution::weight_gradient(shape, &input, &output, &mut gradient)),
    ];
    let mixed = [
        median(9, || drop(convolution::mixed::forward(shape, &input, &weights))),
        median(9, || drop(convolution::mixed::input_gradient(shape, &output, &weights))),
        median(9, || convolution::mixed::weight_gradient(shape, &input, &output, &mut gradient)),
    ];
    (full.map(rate), mixed.map(rate))
}
