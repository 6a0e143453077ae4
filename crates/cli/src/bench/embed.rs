//! `widemargin bench embed`: embeddings of images or vectors in memory.

use super::memory::peak_memory;
use crate::arguments::{one_of, size};
use crate::say::results;
use anyhow::{Context, ensure};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use widemargin_data::{ImageShape, Normalisation, Preprocessing};
use widemargin_embedder::{Description, Model, Takes};
use widemargin_model::{Backbone, BackboneConfig, BackboneName, ProductPrecision, device};
use widemargin_train::config::PrecisionName;

/// Dimension of the embeddings, as in `bench train`.
const EMBEDDING: usize = 128;

/// Values of the first embedding that are printed, to compare with another program.
const SHOWN: usize = 8;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin bench embed --backbone iresnet18\n  widemargin bench embed --backbone resnet18 --precision mixed"
)]
pub(crate) struct BenchEmbed {
    /// Backbone, as in `train`; its weights are random
    #[arg(long, default_value = "iresnet18")]
    backbone: BackboneName,
    /// Height and width of an image; 1xWIDTH for vectors [default: the usual size of the backbone]
    #[arg(long, value_name = "H[xW]", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Channels of an image, 1 or 3 [default: as usual for the backbone]
    #[arg(long)]
    channels: Option<usize>,
    /// Images or vectors per batch, at most 64
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Measured batches
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Batches before the first measured one
    #[arg(long, default_value_t = 3)]
    warm_up: usize,
    /// Precision: full, or mixed for products in bfloat16 with sums in f32
    #[arg(long, value_name = "NAME", value_parser = one_of::<PrecisionName>, default_value = "full")]
    precision: PrecisionName,
    /// Also write the model to this ONNX file, for another program
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// Print one JSON object instead of a line of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &BenchEmbed) -> anyhow::Result<ExitCode> {
    let BenchEmbed { backbone, batch, steps, .. } = arguments;
    ensure!(*steps > 0, "--steps: found 0, expected at least 1");
    ensure!((1..=64).contains(batch), "--batch: found {batch}, expected 1 to 64");
    let usual = backbone.usual_input();
    let [height, width] = arguments.size.unwrap_or([usual.height, usual.width]);
    let shape = ImageShape { channels: arguments.channels.unwrap_or(usual.channels), height, width };
    let model = random_model(*backbone, shape)?;
    if let Some(file) = &arguments.onnx {
        widemargin_onnx::write(file, &model, None)?;
    }
    let mixed = arguments.precision == PrecisionName::Mixed;
    let model = if mixed { model.with_products(ProductPrecision::Bf16) } else { model };
    widemargin_kernels::pages::keep_large_freed_pages();
    // The same values in every program that compares itself with this one.
    let pixels: Vec<u8> = (0..batch * shape.values()).map(|at| (at * 7919 % 251) as u8).collect();
    let vectors: Vec<f32> = pixels.iter().map(|pixel| f32::from(*pixel)).collect();
    let embed = || match model.description().takes {
        Takes::Images => model.embed_pixels(&pixels),
        Takes::Vectors => model.embed_vectors(&vectors),
    };
    let first = embed()?;
    for _ in 1..arguments.warm_up {
        embed()?;
    }
    let mut seconds = Vec::with_capacity(*steps);
    for _ in 0..*steps {
        let start = Instant::now();
        embed()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| 1e3 * seconds[((seconds.len() - 1) as f64 * share).round() as usize];
    let median = at(0.5);
    let samples_per_second = *batch as f64 / median * 1e3;
    let mut out = results();
    if arguments.json {
        let figures = serde_json::json!({
            "ms_per_batch": { "median": median, "p10": at(0.1), "p90": at(0.9) },
            "samples_per_second": samples_per_second,
            "peak_rss_mib": peak_memory().unwrap_or(f64::NAN),
            "backbone": backbone.as_str(),
            "size": [height, width],
            "channels": shape.channels,
            "batch": batch,
            "first": first[..SHOWN.min(first.len())],
            "threads": rayon::current_num_threads(),
            "precision": if mixed { "mixed" } else { "f32" },
            "instruction_set": format!("{:?}", widemargin_kernels::detected()),
            "version": env!("CARGO_PKG_VERSION"),
        });
        writeln!(out, "{figures}").context("writing the results")?;
    } else {
        writeln!(
            out,
            "{backbone}, {batch} samples of {shape}: {median:.1} ms per batch (10 % to 90 %: {:.1} to {:.1}), \
             {samples_per_second:.0} samples per second",
            at(0.1),
            at(0.9)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A model with random weights. Vectors are rows of one channel, as in `bench train`.
fn random_model(name: BackboneName, input: ImageShape) -> anyhow::Result<Model> {
    let vectors = (input.channels, input.height) == (1, 1);
    let embedding = if name == BackboneName::Identity { input.values() } else { EMBEDDING };
    let hidden = widemargin_train::Config::default().model.hidden;
    let backbone = BackboneConfig { name, input, embedding, dropout: 0.0, hidden };
    let device = device::by_name("cpu")?;
    let network = Backbone::new(&backbone, 1, &device)?;
    let description = Description {
        backbone,
        takes: if vectors { Takes::Vectors } else { Takes::Images },
        normalisation: if vectors {
            Normalisation { mean: vec![125.0], deviation: vec![72.0] }
        } else {
            Normalisation::half(input.channels)
        },
        preprocessing: (!vectors).then(Preprocessing::default),
        objective: "none: random weights".to_owned(),
        columns: None,
        classes: None,
        trained_samples: None,
    };
    Ok(Model::from_backbone(description, network, device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backbone_has_a_model_of_its_usual_input() {
        for name in BackboneName::ALL {
            if name.depths().is_some_and(|depths| depths.iter().sum::<usize>() > 16) {
                continue;
            }
            let model = random_model(name, name.usual_input()).expect("a model");
            assert_eq!(model.description().shape(), name.usual_input(), "{name}");
        }
    }
}
