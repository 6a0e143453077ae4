//! Time of a dense step, in f32 and with products in bfloat16, and of a screened step over a grid of sizes, from which the mode `auto`
//! was chosen.
//!
//! `cargo run --release -p widemargin-head --example mode_speed [-- SCALE,... [CLASSES,... [DIM,... [BATCH,...]]]]`
//!
//! Steps of the three heads alternate, so that all meet the same load, and the CPU time of all threads is compared, not the time of
//! the clock. AM-Softmax with margin 0.35 and, by default, a scale of 64; SGD with momentum 0.9 and weight decay 5e-4. *Random*:
//! features in random directions, as at the start of training. *Trained*: features with a cosine of 0.7 to the centre of their
//! class. Prints one line per size, with commas: the median milliseconds of each head.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod common;

use std::error::Error;
use std::str::FromStr;

use widemargin_chance::{Purpose, Stream};
use widemargin_head::{Head, HeadConfig, HeadMode, MatRef, Objective, ProductPrecision};
use widemargin_objective::normalise;

use common::cpu_seconds;

/// Sizes that are measured if none are given: classes, dimensions, batches.
const SIZES: [&[usize]; 3] =
    [&[5_000, 10_000, 20_000, 50_000, 100_000], &[64, 128, 256, 512], &[32, 128, 512]];

/// Measured steps of each mode, after two warm-up steps: at least five, and more if they are short.
const SCORES_PER_SIZE: usize = 40_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let scales: Vec<f64> = arguments.first().map_or(Ok(vec![64.0]), |text| list(text))?;
    let size = |at: usize| arguments.get(at + 1).map_or(Ok(SIZES[at].to_vec()), |text| list(text));
    let [all_classes, dims, batches] = [size(0)?, size(1)?, size(2)?];
    println!("scale,classes,dimension,batch,dense,dense bf16,screened random,screened trained");
    for &scale in &scales {
        for &classes in &all_classes {
            for &dim in &dims {
                for &batch in &batches {
                    let [_, _, random] = measure(classes, dim, batch, scale, 0.0)?;
                    let [dense, half, trained] = measure(classes, dim, batch, scale, 0.7)?;
                    let [dense, half, random, trained] =
                        [dense, half, random, trained].map(|time| 1e3 * time);
                    println!("{scale},{classes},{dim},{batch},{dense:.2},{half:.2},{random:.2},{trained:.2}");
                }
            }
        }
    }
    Ok(())
}

/// Numbers separated by commas.
fn list<T: FromStr>(text: &str) -> Result<Vec<T>, T::Err> {
    text.split(',').map(str::parse).collect()
}

/// Median CPU seconds of a step of each head, with features at this cosine to the centres of their classes: dense, dense with
/// products in bfloat16, screened.
fn measure(
    classes: usize,
    dim: usize,
    batch: usize,
    scale: f64,
    cosine: f32,
) -> Result<[f64; 3], Box<dyn Error>> {
    let new = |mode, products| {
        let config = HeadConfig { mode, products, ..HeadConfig::default() };
        Head::new(classes, dim, Objective::am_softmax(scale, 0.35)?, config)
    };
    let mut heads = [
        new(HeadMode::Dense, ProductPrecision::F32)?,
        new(HeadMode::Dense, ProductPrecision::Bf16)?,
        new(HeadMode::screened(), ProductPrecision::F32)?,
    ];
    let mut times = [const { Vec::new() }; 3];
    let mut random = Stream::new(1, Purpose::Benchmark, 0, 0);
    let steps = (SCORES_PER_SIZE / (batch * classes)).clamp(5, 30);
    for step in 0..steps + 2 {
        let labels: Vec<u32> = (0..batch).map(|_| random.below(classes) as u32).collect();
        let mut features = Vec::with_capacity(batch * dim);
        for &label in &labels {
            let mut row: Vec<f32> = (0..dim).map(|_| random.normal() as f32).collect();
            let mut centre = heads[0].centre(label as usize);
            normalise(&mut row);
            normalise(&mut centre);
            let rest = (1.0 - cosine * cosine).sqrt();
            features.extend(row.iter().zip(&centre).map(|(x, w)| cosine * w + rest * x));
        }
        for (head, times) in heads.iter_mut().zip(&mut times) {
            let start = cpu_seconds()?;
            let found = head.forward(MatRef::new(&features, batch, dim)?, &labels)?;
            head.apply(found.pending, 0.1, 1.0)?;
            if step >= 2 {
                times.push(cpu_seconds()? - start);
            }
        }
    }
    Ok(times.map(|mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}
