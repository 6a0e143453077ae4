//! Prints milliseconds of the forward and backward pass of a backbone on random images: the fastest and the median of several rounds.
//!
//! `cargo run --release -p widemargin-model --example backbone_rate -- resnet50 112 32 5` measures `resnet50` on batches of 32 images of
//! 112 x 112, five times, and a last argument `mixed` in mixed precision. Without arguments it measures `small-cnn` on batches of 128.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use burn::tensor::{Tensor, TensorData};
use std::time::Instant;
use widemargin_head::ProductPrecision;
use widemargin_model::{Backbone, BackboneConfig, BackboneName, Error, Pass, device, parameters};

fn main() -> Result<(), Error> {
    widemargin_kernels::pages::keep_large_freed_pages();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        arguments.get(at).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let name: BackboneName = arguments.first().map_or("small-cnn", String::as_str).parse()?;
    let mut input = name.usual_input();
    (input.height, input.width) = (number(1, input.height), number(1, input.width));
    let (batch, rounds) = (number(2, 128), number(3, 20));
    let mixed = arguments.get(4).is_some_and(|text| text == "mixed");
    let products = if mixed { ProductPrecision::Bf16 } else { ProductPrecision::F32 };
    let device = device::by_name("cpu")?.autodiff();
    let embedding = if name == BackboneName::Identity { input.values() } else { 128 };
    let config = BackboneConfig { name, input, embedding, dropout: 0.0, hidden: vec![512] };
    let mut backbone = Backbone::new(&config, 1, &device)?;
    let pixels: Vec<f32> =
        (0..batch * input.values()).map(|i| ((i * 7919) % 255) as f32 / 127.0 - 1.0).collect();
    let gradient: Vec<f32> = (0..batch * embedding).map(|i| ((i * 31) % 17) as f32 / 1000.0).collect();
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let start = Instant::now();
        let images = TensorData::new(pixels.clone(), [batch, input.channels, input.height, input.width]);
        let pass = Pass::Training { seed: 1, products };
        let embeddings = backbone.forward(Tensor::<4>::from_data(images, &device), pass);
        times[0].push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let gradient = Tensor::<2>::from_data(TensorData::new(gradient.clone(), [batch, embedding]), &device);
        let mut gradients = (embeddings * gradient).sum().backward();
        let found = parameters::gradients(&backbone, &mut gradients);
        times[1].push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        assert!(!found.is_empty());
        let values = parameters::parameters(&backbone);
        backbone = parameters::replace_parameters(backbone, values)?;
        times[2].push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{name}, {batch} of {input}, products in {products:?}");
    for (what, mut times) in ["forward", "backward", "parameters out and in"].into_iter().zip(times) {
        times.sort_by(f64::total_cmp);
        println!("{what}: fastest {:.1} ms, median {:.1} ms", times[0], times[times.len() / 2]);
    }
    Ok(())
}
