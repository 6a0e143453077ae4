//! Accuracy of dense and screened training on a synthetic task with many classes: with SGD and AdamW, at error budgets of 2, 5 and 10 %,
//! and with centres and optimiser state in bfloat16.
//!
//! `cargo run --release -p widemargin-head --example mode_accuracy -- CLASSES NOISE sgd|adamw LEARNING_RATE EPOCHS SEED,...`
//!
//! Classes with six training samples and two held-out samples each: a class mean in 64 dimensions, normal noise with NOISE times the
//! deviation of the means, and a random map to 96 inputs with noise of NOISE / 1.2. A linear map back to 64 dimensions and an
//! AM-Softmax head (scale 30, margin 0.2) are trained from it with a cosine schedule and a batch of 256. Prints the loss of the last
//! tenth of the steps, the accuracy on held-out samples, and the CPU time of a step of the head, for each head and seed. Data, order
//! and initial weights of a seed are the same for all heads.

mod common;

use std::error::Error;
use std::io::Write;

use widemargin_chance::{Purpose, Stream};
use widemargin_head::{
    Head, HeadConfig, HeadMode, MatRef, Objective, Optimiser, OptimiserConfig, StoragePrecision,
};
use widemargin_kernels::matrix::{Threads, Write as Put, matmul, matmul_transposed_a};

use common::cpu_seconds;

const DIM: usize = 64;
const INPUTS: usize = 96;
const BATCH: usize = 256;
const TRAINING: usize = 6;
const HELD_OUT: usize = 2;

struct Samples {
    /// `[samples, INPUTS]`.
    inputs: Vec<f32>,
    labels: Vec<u32>,
}

fn normal(count: usize, deviation: f32, random: &mut Stream) -> Vec<f32> {
    (0..count).map(|_| deviation * random.normal() as f32).collect()
}

/// Training and held-out samples.
fn samples(classes: usize, noise: f32, seed: u64) -> Result<[Samples; 2], Box<dyn Error>> {
    let mut random = Stream::new(seed, Purpose::Benchmark, 1, 0);
    let means = normal(classes * DIM, 1.0, &mut random);
    let map = normal(DIM * INPUTS, (DIM as f32).sqrt().recip(), &mut random);
    let mut draw = |each: usize| -> Result<Samples, Box<dyn Error>> {
        let labels: Vec<u32> = (0..classes as u32).flat_map(|class| (0..each).map(move |_| class)).collect();
        let mut latent = normal(labels.len() * DIM, noise, &mut random);
        for (row, label) in latent.chunks_mut(DIM).zip(&labels) {
            let mean = &means[*label as usize * DIM..];
            row.iter_mut().zip(mean).for_each(|(value, mean)| *value += mean);
        }
        let mut inputs = normal(labels.len() * INPUTS, noise / 1.2, &mut random);
        let (latent, map) = (MatRef::new(&latent, labels.len(), DIM)?, MatRef::new(&map, DIM, INPUTS)?);
        matmul(&mut inputs, latent, map, Put::Add, Threads::Rayon);
        Ok(Samples { inputs, labels })
    };
    Ok([draw(TRAINING)?, draw(HELD_OUT)?])
}

/// Embeddings of some samples.
fn embed(inputs: &[f32], map: &[f32]) -> Result<Vec<f32>, Box<dyn Error>> {
    let rows = inputs.len() / INPUTS;
    let mut out = vec![0.0; rows * DIM];
    let (inputs, map) = (MatRef::new(inputs, rows, INPUTS)?, MatRef::new(map, INPUTS, DIM)?);
    matmul(&mut out, inputs, map, Put::Replace, Threads::Rayon);
    Ok(out)
}

/// Final loss, held-out accuracy, and CPU seconds per step of the head.
fn train(
    [training, held_out]: &[Samples; 2],
    config: HeadConfig,
    peak: f64,
    epochs: usize,
) -> Result<[f64; 3], Box<dyn Error>> {
    let HeadConfig { optimiser, seed, .. } = config;
    let classes = training.labels.len() / TRAINING;
    let mut head = Head::new(classes, DIM, Objective::am_softmax(30.0, 0.2)?, config)?;
    let mut random = Stream::new(seed, Purpose::Benchmark, 2, 0);
    let mut map = normal(INPUTS * DIM, (INPUTS as f32).sqrt().recip(), &mut random);
    let mut of_map = Optimiser::new(optimiser, map.len())?;
    let mut order: Vec<usize> = (0..training.labels.len()).collect();
    let steps = epochs * (order.len() / BATCH);
    let (mut step, mut late, mut seconds) = (0, Vec::new(), 0.0);
    for _ in 0..epochs {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        for batch in order.chunks_exact(BATCH) {
            let row = |sample: &usize| &training.inputs[sample * INPUTS..(sample + 1) * INPUTS];
            let inputs: Vec<f32> = batch.iter().flat_map(row).copied().collect();
            let labels: Vec<u32> = batch.iter().map(|&sample| training.labels[sample]).collect();
            let progress = step as f64 / steps as f64;
            let rate =
                peak * (progress / 0.05).min(1.0) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
            let features = embed(&inputs, &map)?;
            let start = cpu_seconds()?;
            let found = head.step(MatRef::new(&features, BATCH, DIM)?, &labels, rate)?;
            seconds += cpu_seconds()? - start;
            let mut gradient = vec![0.0; map.len()];
            let (inputs, by_features) =
                (MatRef::new(&inputs, BATCH, INPUTS)?, MatRef::new(&found.grad_features, BATCH, DIM)?);
            matmul_transposed_a(&mut gradient, inputs, by_features, Put::Replace, Threads::Rayon);
            of_map.step(&mut map, &gradient, rate, 1.0);
            step += 1;
            if step > steps - steps / 10 {
                late.push(found.loss);
            }
        }
    }
    let mut correct = 0;
    for (inputs, labels) in held_out.inputs.chunks(2000 * INPUTS).zip(held_out.labels.chunks(2000)) {
        let features = embed(inputs, &map)?;
        let predicted = head.predict(MatRef::new(&features, labels.len(), DIM)?)?;
        correct += predicted.iter().zip(labels).filter(|(found, label)| found == label).count();
    }
    let loss = late.iter().sum::<f64>() / late.len() as f64;
    Ok([loss, correct as f64 / held_out.labels.len() as f64, seconds / steps as f64])
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [classes, noise, name, peak, epochs, seeds] = arguments.as_slice() else {
        return Err("expected: CLASSES NOISE sgd|adamw LEARNING_RATE EPOCHS SEED,...".into());
    };
    let optimiser = match name.as_str() {
        "sgd" => OptimiserConfig::sgd(0.9, 0.0),
        "adamw" => OptimiserConfig::adam_w(0.01),
        other => return Err(format!("found optimiser {other}, expected sgd or adamw").into()),
    };
    let (classes, noise) = (classes.parse()?, noise.parse()?);
    let (peak, epochs) = (peak.parse()?, epochs.parse()?);
    #[expect(clippy::disallowed_methods, reason = "an example prints its results")]
    let mut out = std::io::stdout().lock();
    writeln!(out, "| optimiser | head | seed | final loss | held-out accuracy | CPU time of a step |")?;
    writeln!(out, "|---|---|--:|--:|--:|--:|")?;
    for seed in seeds.split(',') {
        let seed = seed.parse()?;
        let samples = samples(classes, noise, seed)?;
        let dense = HeadConfig { mode: HeadMode::Dense, optimiser, seed, ..HeadConfig::default() };
        let screened = |screened_error| HeadConfig { mode: HeadMode::screened(), screened_error, ..dense };
        let half = StoragePrecision::Bf16;
        for (head, config) in [
            ("dense", dense),
            ("screened, 2 %", screened(0.02)),
            ("screened, 5 %", screened(0.05)),
            ("screened, 10 %", screened(0.1)),
            ("screened, 2 %, bf16", HeadConfig { centres: half, optimiser_state: half, ..screened(0.02) }),
        ] {
            let [loss, accuracy, seconds] = train(&samples, config, peak, epochs)?;
            let (accuracy, seconds) = (100.0 * accuracy, 1e3 * seconds);
            writeln!(out, "| {name} | {head} | {seed} | {loss:.3} | {accuracy:.2} % | {seconds:.1} ms |")?;
            out.flush()?;
        }
    }
    Ok(())
}
