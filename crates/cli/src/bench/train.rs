//! `widemargin bench train`: whole training steps on random images or vectors in memory.

use super::memory::peak_memory;
use crate::arguments::{one_of, size};
use crate::say::results;
use anyhow::{Context, ensure};
use clap::Args;
use std::io::Write;
use std::process::ExitCode;
use widemargin_chance::{Purpose, Stream};
use widemargin_data::{ImageSet, ImageShape, OpenOptions, SampleSet, VectorOptions, VectorSet};
use widemargin_model::BackboneName;
use widemargin_train::config::PrecisionName;
use widemargin_train::{Config, Prepared, step_seconds};

/// Classes of the random data, as on the side of the peers.
const CLASSES: usize = 10;

/// Share of the random samples that is held out, because a run must have an evaluation set.
const HELD_OUT: f64 = 0.2;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin bench train --backbone resnet18 --size 112 --batch 32\n  widemargin bench train --backbone iresnet18 --precision mixed"
)]
pub(crate) struct BenchTrain {
    /// Backbone, as in `train`
    #[arg(long, default_value = "small-cnn")]
    backbone: BackboneName,
    /// Height and width of an image; 1xWIDTH for vectors [default: the usual size of the backbone]
    #[arg(long, value_name = "H[xW]", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Channels of an image, 1 or 3 [default: as usual for the backbone]
    #[arg(long)]
    channels: Option<usize>,
    /// Images or vectors per batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Measured steps
    #[arg(long, default_value_t = 60)]
    steps: usize,
    /// Steps before the first measured one
    #[arg(long, default_value_t = 10)]
    warm_up: usize,
    /// Precision, as in `train`: full, or mixed for products in bfloat16 with sums in f32
    #[arg(long, value_name = "NAME", value_parser = one_of::<PrecisionName>, default_value = "full")]
    precision: PrecisionName,
    /// Print one JSON object instead of a line of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &BenchTrain) -> anyhow::Result<ExitCode> {
    ensure!(arguments.steps > 0, "--steps: found 0, expected at least 1");
    ensure!(arguments.batch > 0, "--batch: found 0, expected at least 1");
    let backbone = arguments.backbone;
    let usual = backbone.usual_input();
    let [height, width] = arguments.size.unwrap_or([usual.height, usual.width]);
    let channels = arguments.channels.unwrap_or(usual.channels);
    let shape = ImageShape { channels, height, width };
    let mut config = Config::default();
    config.data.closed_set = true;
    config.model.backbone = backbone;
    config.sampler.batch = arguments.batch;
    config.training.precision = arguments.precision;
    if backbone == BackboneName::Identity {
        config.model.embedding = shape.values();
    }
    config.check()?;
    let prepared = Prepared::from_set(random_set(shape, arguments.batch)?, &config)?;
    widemargin_kernels::pages::keep_large_freed_pages();
    let mut times = step_seconds(&config, &prepared, arguments.warm_up, arguments.steps)?;
    times.seconds.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = (times.seconds.len() - 1) as f64;
        1e3 * times.seconds[(last * share).round() as usize]
    };
    let median = at(0.5);
    let samples_per_second = arguments.batch as f64 / median * 1e3;
    let mut out = results();
    if arguments.json {
        let figures = serde_json::json!({
            "ms_per_step": { "median": median, "p10": at(0.1), "p90": at(0.9) },
            "samples_per_second": samples_per_second,
            "peak_rss_mib": peak_memory().unwrap_or(f64::NAN),
            "backbone": backbone.as_str(),
            "size": [height, width],
            "channels": channels,
            "batch": arguments.batch,
            "classes": times.classes,
            "embedding": config.model.embedding,
            "weights": times.weights,
            "steps": arguments.steps,
            "threads": rayon::current_num_threads(),
            "precision": match arguments.precision {
                PrecisionName::Full => "f32",
                PrecisionName::Mixed => "mixed",
            },
            "instruction_set": format!("{:?}", widemargin_kernels::detected()),
            "version": env!("CARGO_PKG_VERSION"),
        });
        writeln!(out, "{figures}").context("writing the results")?;
    } else {
        writeln!(
            out,
            "{backbone}, {} samples of {shape}, {} classes: {median:.1} ms per step (10 % to 90 %: {:.1} to {:.1}), \
             {samples_per_second:.0} samples per second",
            arguments.batch,
            times.classes,
            at(0.1),
            at(0.9)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Random images, or random vectors for one channel of height 1: at least two batches of training samples.
fn random_set(shape: ImageShape, batch: usize) -> anyhow::Result<SampleSet> {
    let samples = (3 * batch).max(10 * CLASSES);
    let classes: Vec<String> = (0..samples).map(|sample| format!("{}", sample % CLASSES)).collect();
    let mut random = Stream::new(1, Purpose::Benchmark, 0, 1);
    if (shape.channels, shape.height) == (1, 1) {
        let values = (0..samples * shape.width).map(|_| random.between(-1.0, 1.0)).collect();
        let options = VectorOptions { hold_out: HELD_OUT, ..VectorOptions::default() };
        return Ok(VectorSet::from_rows("random", values, shape.width, classes, options)?.into());
    }
    let mut pixels = vec![0; samples * shape.values()];
    random.fill(&mut pixels);
    let ImageShape { channels, height, width } = shape;
    let options = OpenOptions { channels, height, width, hold_out: HELD_OUT, ..OpenOptions::default() };
    Ok(ImageSet::from_pixels("random", &pixels, &classes, &options)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_side_or_a_height_and_a_width() {
        assert_eq!(size("28"), Ok([28, 28]));
        assert_eq!(size("112x96"), Ok([112, 96]));
        for wrong in ["", "x", "0", "28x0", "28x", "x28", "28x28x3", "-1", "2.5"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_random_data_fill_two_batches() {
        for (shape, batch) in [
            (BackboneName::SmallCnn.usual_input(), 1),
            (ImageShape { channels: 3, height: 5, width: 7 }, 33),
            (BackboneName::Mlp.usual_input(), 16),
        ] {
            let mut config = Config::default();
            config.data.closed_set = true;
            config.sampler.batch = batch;
            let set = random_set(shape, batch).expect("a set");
            let prepared = Prepared::from_set(set, &config).expect("enough samples");
            assert!(prepared.training.samples.len() >= 2 * batch, "{shape}, {batch}");
            assert_eq!((prepared.set.shape(), prepared.split.known().len()), (shape, CLASSES));
        }
    }
}
