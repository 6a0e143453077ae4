//! `widemargin compare`: compares two images, or two sets of images, with a trained model.

use crate::calibration::{CALIBRATION_FILE, SavedCalibration};
use crate::say::results;
use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use widemargin_data::{Depth, images};
use widemargin_embedder::Model;
use widemargin_eval::Error;
use widemargin_eval::templates::{self, TemplateMean};

#[derive(Args)]
pub(crate) struct CompareArguments {
    /// Trained model: the folder of a finished run, or a model.safetensors
    #[arg(long, value_name = "RUN")]
    model: PathBuf,
    /// First image, or a folder of images of the same class
    a: PathBuf,
    /// Second image or folder
    b: PathBuf,
    /// Calibration file from `eval calibrate` [default: calibration.json of the run]
    #[arg(long, value_name = "FILE", conflicts_with = "threshold")]
    calibration: Option<PathBuf>,
    /// Use this cosine threshold instead of a calibration; prints no probability
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Prior probability that both sides are of the same class
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    prior: f64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Serialize)]
struct Answer {
    a: PathBuf,
    b: PathBuf,
    /// Images on each side.
    images: [usize; 2],
    /// Cosine in [-1, 1].
    similarity: f64,
    threshold: f64,
    same: bool,
    /// Probability that the two are the same, if there is a calibration.
    probability: Option<f64>,
    prior: f64,
}

pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<ExitCode> {
    let prior = arguments.prior;
    ensure!(prior > 0.0 && prior < 1.0, "--prior: found {prior}, expected a share above 0 and below 1");
    if let Some(threshold) = arguments.threshold {
        ensure!(
            (-1.0..=1.0).contains(&threshold),
            "--threshold: found {threshold}, expected a cosine from -1 to 1"
        );
    }
    let model = Model::load(&arguments.model)?;
    let saved = calibration(arguments)?;
    let sides = [images(&arguments.a, Depth::Flat)?, images(&arguments.b, Depth::Flat)?];
    let similarity = similarity(&model, &sides)?;
    let threshold = match (&saved, arguments.threshold) {
        (_, Some(threshold)) => threshold,
        (Some(saved), None) => saved.threshold,
        (None, None) => bail!(
            "{}: the model has no {CALIBRATION_FILE}; give --calibration FILE (from `eval calibrate`) or --threshold COSINE",
            arguments.model.display()
        ),
    };
    let answer = Answer {
        a: arguments.a.clone(),
        b: arguments.b.clone(),
        images: [sides[0].len(), sides[1].len()],
        similarity,
        threshold,
        same: similarity >= threshold,
        probability: saved.as_ref().map(|saved| saved.calibration.probability(similarity, prior)),
        prior,
    };
    let mut out = results();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&answer).context("writing the answer")?)?;
    } else {
        let word = if answer.same { "same" } else { "different" };
        let chosen = saved.as_ref().map(|saved| format!(", chosen for {}", saved.chosen_for));
        writeln!(
            out,
            "{word}: similarity {similarity:.4}, threshold {threshold:.4}{}",
            chosen.unwrap_or_default()
        )?;
        if let Some(probability) = answer.probability {
            let percent = 100.0 * prior;
            writeln!(
                out,
                "probability of being the same {:.2} %, if {percent} % of all pairs are",
                100.0 * probability
            )?;
        }
    }
    Ok(if answer.same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The given calibration, or that of the run if it has one; none if a threshold is given.
fn calibration(arguments: &CompareArguments) -> anyhow::Result<Option<SavedCalibration>> {
    if arguments.threshold.is_some() {
        return Ok(None);
    }
    SavedCalibration::of_model(&arguments.model, arguments.calibration.as_deref())
}

/// Cosine of the two sides' mean directions.
fn similarity(model: &Model, sides: &[Vec<PathBuf>; 2]) -> anyhow::Result<f64> {
    let embeddings = model.embed(&sides.concat())?;
    let labels: Vec<u32> =
        (0..).zip(sides).flat_map(|(label, side)| side.iter().map(move |_| label)).collect();
    let mean = TemplateMean::AfterNormalising;
    let found =
        templates::build(&embeddings, labels.len(), model.dim(), &labels, mean).map_err(
            |error| match error {
                Error::ZeroMean { class, .. } => {
                    let folder = sides[class as usize][0].parent().unwrap_or(Path::new(".")).display();
                    anyhow!("{folder}: the embeddings of its images add up to zero, so they have no mean direction; use other images")
                }
                error => error.into(),
            },
        )?;
    let cosine = found.cosine(0, 1).context("two sides make two templates")?;
    Ok(f64::from(cosine).clamp(-1.0, 1.0))
}
