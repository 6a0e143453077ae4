//! Prints milliseconds of one forward and backward pass of `small-cnn` on batches of 128 images of 28 x 28.
//!
//! `cargo run --release -p widemargin-model --example backbone_rate`
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use burn::tensor::{Tensor, TensorData};
use std::time::Instant;
use widemargin_model::{Backbone, BackboneConfig, BackboneName, ImageShape, Pass, device, parameters};

fn main() -> Result<(), widemargin_model::Error> {
    let device = device::by_name("cpu")?.autodiff();
    let input = ImageShape { channels: 1, height: 28, width: 28 };
    let config =
        BackboneConfig { name: BackboneName::SmallCnn, input, embedding: 128, dropout: 0.0, hidden: vec![] };
    let mut backbone = Backbone::new(&config, 1, &device)?;
    let batch = 128;
    let pixels: Vec<f32> =
        (0..batch * input.values()).map(|i| ((i * 7919) % 255) as f32 / 127.0 - 1.0).collect();
    let gradient: Vec<f32> = (0..batch * 128).map(|i| ((i * 31) % 17) as f32 / 1000.0).collect();
    let (mut forward, mut backward, mut store) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..40 {
        let start = Instant::now();
        let images = Tensor::<4>::from_data(TensorData::new(pixels.clone(), [batch, 1, 28, 28]), &device);
        let embeddings = backbone.forward(images, Pass::Training { seed: 1 });
        forward.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let gradient = Tensor::<2>::from_data(TensorData::new(gradient.clone(), [batch, 128]), &device);
        let mut gradients = (embeddings * gradient).sum().backward();
        let found = parameters::gradients(&backbone, &mut gradients);
        backward.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        assert!(!found.is_empty());
        let values = parameters::parameters(&backbone);
        backbone = parameters::with_parameters(backbone, &values)?;
        store.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let median = |v: &mut Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v[v.len() / 2]
    };
    println!(
        "forward {:.1} ms, backward {:.1} ms, parameters out and in {:.1} ms",
        median(&mut forward),
        median(&mut backward),
        median(&mut store)
    );
    Ok(())
}
