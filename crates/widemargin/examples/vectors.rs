//! Train a projection on ready-made embeddings, evaluate it on unseen classes, and apply it to new rows.
//! The embeddings here are made up: the class is in 4 of 64 dimensions, the rest is noise. Yours would come from
//! `widemargin::tables::read_embeddings` or another program.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use widemargin::chance::{Purpose, Stream};
use widemargin::prelude::*;

const DIM: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for class in 0..30 {
        for sample in 0..30 {
            rows.extend(embedding(class, sample));
            labels.push(format!("class {class}"));
        }
    }
    let set = VectorSet::from_rows("made-up", rows, DIM, labels, VectorOptions::default())?;

    let mut config = Config::default();
    config.model.backbone = BackboneName::Linear;
    config.model.embedding = 8;
    config.training.epochs = 30;
    config.data.unseen = Some(10);
    let data = Prepared::from_set(set, &config)?;
    let runs = tempfile::tempdir()?;
    let model = fit(&config, &data, runs.path().join("projection"))?.model(&data)?;

    // the same unseen samples before and after the projection
    let found = widemargin::evaluate(&model, &data)?;
    let samples = data.evaluation_samples();
    let before = data.set.read_batch(samples, &data.normalisation)?;
    let before = Embeddings::new(&before, samples.len(), DIM, found.embeddings.labels())?;
    let before = retrieval::evaluate(&before, &[1])?;
    println!("MAP@R on {} unseen classes", found.classes.len());
    let random = widemargin::evaluate_untrained(&config, &data)?;
    println!("embeddings as they are  {:.2} %", 100.0 * before.map_at_r);
    println!("a random projection     {:.2} %", 100.0 * random.retrieval.map_at_r);
    println!("the trained projection  {:.2} %", 100.0 * found.retrieval.map_at_r);

    let projected = model.embed_vectors(&embedding(100, 0))?;
    println!("a new row, projected to {} dimensions: {projected:.2?}", model.dim());
    Ok(())
}

/// An embedding whose class shows in its first four dimensions.
fn embedding(class: u64, sample: u64) -> Vec<f32> {
    let mut centre = Stream::new(1, Purpose::Test, class, 0);
    let mut noise = Stream::new(2, Purpose::Test, class, sample);
    (0..DIM)
        .map(|at| if at < 4 { 3.0 * centre.normal() + 0.5 * noise.normal() } else { 2.0 * noise.normal() })
        .map(|value| value as f32)
        .collect()
}
