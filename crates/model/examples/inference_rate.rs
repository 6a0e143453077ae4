//! Prints the images per second of inference with each backbone at its usual size: through Burn, with
//! folded steps, and with folded steps in mixed precision.
//!
//! `cargo run --release -p widemargin-model --example inference_rate [BACKBONE...]`
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use burn::tensor::{Device, Tensor, TensorData};
use std::time::Instant;
use widemargin_model::{Backbone, BackboneConfig, BackboneName, Inference, Pass, ProductPrecision};

const BATCH: usize = 32;
const ROUNDS: usize = 5;

fn rate(mut work: impl FnMut()) -> f64 {
    work();
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    BATCH as f64 / seconds[ROUNDS / 2]
}

fn main() -> Result<(), widemargin_model::Error> {
    widemargin_kernels::pages::keep_large_freed_pages();
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = ["small-cnn", "resnet18", "resnet50", "iresnet18", "iresnet50"].map(str::to_owned).into();
    }
    let device = Device::flex();
    for name in names {
        let name: BackboneName = name.parse()?;
        let input = name.usual_input();
        let config = BackboneConfig { name, input, embedding: 512, dropout: 0.0, hidden: vec![512] };
        let backbone = Backbone::new(&config, 1, &device)?;
        let shape = [input.channels, input.height, input.width];
        let samples: Vec<f32> = (0..BATCH * input.values()).map(|at| (at % 255) as f32 / 255.0).collect();
        let size = [BATCH, input.channels, input.height, input.width];
        let by_burn = rate(|| {
            let images = Tensor::from_data(TensorData::new(samples.clone(), size), &device);
            drop(backbone.forward(images, Pass::Inference));
        });
        let [folded, mixed] = [ProductPrecision::F32, ProductPrecision::Bf16].map(|products| {
            let inference = Inference::new(&backbone, products);
            rate(|| drop(inference.forward(samples.clone(), shape)))
        });
        println!(
            "{name} at {} x {}: {by_burn:.1} through Burn, {folded:.1} folded, {mixed:.1} mixed",
            input.height, input.width
        );
    }
    Ok(())
}
