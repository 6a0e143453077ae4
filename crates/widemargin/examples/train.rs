//! Train on your own images and evaluate the model on classes that training never saw:
//! `cargo run --release -p widemargin --example train -- FOLDER`, with one sub-folder per class.
//! Without a folder, the example draws striped images in memory.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use widemargin::chance::{Purpose, Stream};
use widemargin::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = OpenOptions { channels: 1, height: 16, width: 16, ..OpenOptions::default() };
    let images = match std::env::args().nth(1) {
        Some(folder) => ImageSet::open(folder, &options)?,
        None => stripes(&options)?,
    };

    let mut config = Config::default();
    config.objective.name = "am-softmax".into();
    config.objective.set("scale", Some(Amount::Auto)); // chosen for the number of classes
    config.objective.set("margin", Some(Amount::Value(0.2)));
    config.model.embedding = 32;
    config.sampler.batch = 32;
    config.training.epochs = 3;
    config.data.unseen = Some(4); // classes kept for evaluation

    let data = Prepared::from_set(images, &config)?;
    let runs = tempfile::tempdir()?; // use a folder of your own to keep the model
    let model = fit(&config, &data, runs.path().join("stripes"))?.model(&data)?;

    let found = widemargin::evaluate(&model, &data)?;
    let untrained = widemargin::evaluate_untrained(&config, &data)?; // the same with random weights
    println!("{} images of unseen classes: {}", found.samples, found.classes.join(", "));
    for (name, found) in [("untrained", untrained), ("trained", found)] {
        let (eer, map) = (found.verification.eer, found.retrieval.map_at_r);
        println!("{name}: equal error rate {:.2} %, MAP@R {:.2} %", 100.0 * eer, 100.0 * map);
    }
    Ok(())
}

/// Twelve classes of noisy stripes; a class is the direction of its stripes.
fn stripes(options: &OpenOptions) -> widemargin::data::Result<ImageSet> {
    let (mut pixels, mut classes) = (Vec::new(), Vec::new());
    for class in 0..12u8 {
        let (sin, cos) = (f32::from(class) * std::f32::consts::PI / 12.0).sin_cos();
        for image in 0..40 {
            let mut random = Stream::new(1, Purpose::Test, u64::from(class), image);
            let phase = random.unit() * std::f32::consts::TAU;
            for (y, x) in (0..=255u8).map(|at| (at / 16, at % 16)) {
                let wave = (f32::from(x) * cos + f32::from(y) * sin + phase).sin();
                pixels.push((128.0 + 70.0 * wave + 20.0 * random.normal() as f32) as u8);
            }
            classes.push(format!("{} degrees", 15 * class));
        }
    }
    ImageSet::from_pixels("stripes", &pixels, &classes, options)
}
