//! Bias of the gradients and the loss of a screened head, measured over many draws of one batch.
//!
//! `cargo run --release -p widemargin-head --example estimate_bias [-- DRAWS]`
//!
//! A screened gradient is a sum over kept classes, whose mean over the draws is exact, divided by an estimate of the softmax's sum,
//! which is random as well: it is *self-normalised*. Such an estimate is unbiased only in the limit of many kept classes. For each
//! threshold this prints, relative to the exact gradient: the error of one draw (root mean square); the bias along the exact gradient
//! with its standard error; and the length of the whole bias, from which the part expected of the noise is subtracted (0 if the noise
//! explains all of it). Exact values come from the dense head.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::error::Error;

use widemargin_chance::{Purpose, Stream};
use widemargin_head::{Head, HeadConfig, HeadMode, MatRef, Objective, OptimiserConfig};
use widemargin_objective::normalise;

const CLASSES: usize = 20_000;
const DIM: usize = 128;
const BATCH: usize = 16;

/// Sums over the draws of one quantity with a known exact value.
struct Drawn {
    exact: Vec<f64>,
    sum: Vec<f64>,
    /// Of the squared distance from the exact value, and of the relative component along it and its square.
    square: f64,
    along: [f64; 2],
}

impl Drawn {
    fn new(exact: &[f32]) -> Self {
        let exact: Vec<f64> = exact.iter().map(|&value| value.into()).collect();
        Self { sum: vec![0.0; exact.len()], exact, square: 0.0, along: [0.0; 2] }
    }

    fn length_square(&self) -> f64 {
        self.exact.iter().map(|value| value * value).sum()
    }

    fn add(&mut self, found: &[f32]) {
        let mut product = 0.0;
        for ((sum, exact), &found) in self.sum.iter_mut().zip(&self.exact).zip(found) {
            let error = f64::from(found) - exact;
            *sum += error;
            self.square += error * error;
            product += error * exact;
        }
        let along = product / self.length_square();
        self.along[0] += along;
        self.along[1] += along * along;
    }

    /// Error of one draw; bias along the exact value with its standard error; length of the bias.
    fn figures(&self, draws: f64) -> [f64; 4] {
        let length = self.length_square();
        let of_mean: f64 = self.sum.iter().map(|sum| (sum / draws).powi(2)).sum();
        // E|mean error|^2 = |bias|^2 + variance / draws, and E|error|^2 = |bias|^2 + variance
        let bias = (of_mean - self.square / draws / draws) * draws / (draws - 1.0);
        let along = self.along[0] / draws;
        let variance = (self.along[1] / draws - along * along).max(0.0);
        [
            (self.square / draws / length).sqrt(),
            along,
            (variance / draws).sqrt(),
            (bias.max(0.0) / length).sqrt(),
        ]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let draws: u32 = std::env::args().nth(1).map_or(Ok(2000), |text| text.parse())?;
    println!(
        "| features | threshold | gradient | error of one draw | bias along the gradient | length of the bias |"
    );
    println!("|---|---|---|--:|--:|--:|");
    for (name, cosine) in [("random", 0.0), ("trained", 0.7)] {
        for (title, threshold) in [("2^-4", Some(0.0625)), ("2^-8", Some(1.0 / 256.0)), ("per sample", None)]
        {
            let [of_features, of_centres, of_loss] = measure(cosine, threshold, draws)?;
            for (gradient, [error, along, deviation, bias]) in
                [("features", of_features), ("centres", of_centres), ("loss", of_loss)]
            {
                println!(
                    "| {name} | {title} | {gradient} | {:.3} % | {:+.4} ± {:.4} % | {:.4} % |",
                    100.0 * error,
                    100.0 * along,
                    100.0 * deviation,
                    100.0 * bias
                );
            }
        }
    }
    Ok(())
}

/// The figures of both gradients and of the loss for features at this cosine to the centres of their classes.
fn measure(cosine: f32, threshold: Option<f64>, draws: u32) -> Result<[[f64; 4]; 3], Box<dyn Error>> {
    let new = |mode| {
        let config = HeadConfig { mode, optimiser: OptimiserConfig::sgd(0.0, 0.0), ..HeadConfig::default() };
        Head::new(CLASSES, DIM, Objective::am_softmax(30.0, 0.35)?, config)
    };
    let (dense, mut screened) = (new(HeadMode::Dense)?, new(HeadMode::Screened { threshold })?);
    let mut random = Stream::new(1, Purpose::Benchmark, 3, 0);
    let labels: Vec<u32> = (0..BATCH).map(|_| random.below(CLASSES) as u32).collect();
    let mut features = Vec::with_capacity(BATCH * DIM);
    for &label in &labels {
        let mut row: Vec<f32> = (0..DIM).map(|_| random.normal() as f32).collect();
        normalise(&mut row);
        let centre = dense.centre(label as usize);
        let rest = (1.0 - cosine * cosine).sqrt();
        features.extend(row.iter().zip(&centre).map(|(x, w)| cosine * w + rest * x));
    }
    let features = MatRef::new(&features, BATCH, DIM)?;
    let exact = dense.forward(features, &labels)?;
    let mut drawn = [
        Drawn::new(&exact.grad_features),
        Drawn::new(&dense.gradient(&exact.pending)?),
        Drawn::new(&[exact.loss as f32]),
    ];
    for _ in 0..draws {
        let found = screened.forward(features, &labels)?;
        drawn[0].add(&found.grad_features);
        drawn[1].add(&screened.gradient(&found.pending)?);
        drawn[2].add(&[found.loss as f32]);
        // a learning rate of 0 only counts the step, and with it changes the draw
        screened.apply(found.pending, 0.0, 1.0)?;
    }
    Ok(drawn.map(|drawn| drawn.figures(draws.into())))
}
