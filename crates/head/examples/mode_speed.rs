//! Time of a dense and of a screened step over a grid of sizes, from which the mode `auto` was chosen.
//!
//! `cargo run --release -p widemargin-head --example mode_speed [-- SCALE]`
//!
//! Dense and screened steps alternate, so that both meet the same load, and the CPU time of all threads is compared, not the time of
//! the clock. AM-Softmax with margin 0.35 and, by default, a scale of 64; SGD with momentum 0.9 and weight decay 5e-4. *Random*:
//! features in random directions, as at the start of training. *Trained*: features with a cosine of 0.7 to the centre of their
//! class.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod common;

use std::error::Error;

use widemargin_chance::{Purpose, Stream};
use widemargin_head::{Head, HeadConfig, HeadMode, MatRef, Objective};
use widemargin_objective::normalise;

use common::cpu_seconds;

const CLASSES: [usize; 4] = [5_000, 10_000, 20_000, 100_000];
const DIMS: [usize; 4] = [64, 128, 256, 512];
const BATCHES: [usize; 3] = [32, 128, 512];

/// Measured steps of each mode, after two warm-up steps: at least three, and more if they are short.
const SCORES_PER_SIZE: usize = 40_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let scale = std::env::args().nth(1).map_or(Ok(64.0), |text| text.parse())?;
    let random = ["random", "trained"];
    println!("| classes | dimension | batch | dense, ms | screened / dense, {} | {} |", random[0], random[1]);
    println!("|--:|--:|--:|--:|--:|--:|");
    for classes in CLASSES {
        for dim in DIMS {
            for batch in BATCHES {
                let [dense, first] = seconds(classes, dim, batch, scale, 0.0)?;
                let [again, second] = seconds(classes, dim, batch, scale, 0.7)?;
                println!(
                    "| {classes} | {dim} | {batch} | {:.1} | {:.2} | {:.2} |",
                    1e3 * dense,
                    first / dense,
                    second / again
                );
            }
        }
    }
    Ok(())
}

/// Median CPU seconds of a dense and of a screened step, with features at this cosine to the centres of their classes.
fn seconds(
    classes: usize,
    dim: usize,
    batch: usize,
    scale: f64,
    cosine: f32,
) -> Result<[f64; 2], Box<dyn Error>> {
    let new = |mode| {
        let config = HeadConfig { mode, ..HeadConfig::default() };
        Head::new(classes, dim, Objective::am_softmax(scale, 0.35)?, config)
    };
    let mut heads = [new(HeadMode::Dense)?, new(HeadMode::screened())?];
    let mut times = [Vec::new(), Vec::new()];
    let mut random = Stream::new(1, Purpose::Benchmark, 0, 0);
    let steps = (SCORES_PER_SIZE / (batch * classes)).clamp(3, 30);
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
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}
