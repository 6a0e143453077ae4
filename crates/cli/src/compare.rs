//! `widemargin compare`: compares two images, or two sets of images, with a trained model.

use crate::calibration::{CALIBRATION_FILE, SavedCalibration, Templates};
use crate::decision::{Decision, significant};
use crate::loaded;
use crate::say::{results, say};
use anyhow::{Context, anyhow, ensure};
use clap::Args;
use serde::Serialize;
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use widemargin_data::{Depth, PixelFacts, images};
use widemargin_embedder::Model;
use widemargin_eval::Error;
use widemargin_eval::templates::{self, TemplateMean};

#[derive(Args)]
#[command(
    after_help = "Exit status: 0 same, 1 different, 2 error.\n\nExamples:\n  widemargin compare --model runs/mine a.png b.png\n  widemargin compare --model runs/mine enrolled/ probe.png --json"
)]
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
    /// Prior probability that both sides are of the same class; decides at a probability of 50 % instead of at the threshold of the
    /// calibration
    #[arg(long, value_name = "SHARE", conflicts_with = "threshold")]
    prior: Option<f64>,
    /// Average the embeddings of each image and its mirror image (left and right exchanged); use a calibration that was made with --flip
    #[arg(long)]
    flip: bool,
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
    /// Cosines at or above it are of the same class; null if none is, or all are.
    threshold: Option<f64>,
    same: bool,
    /// Shares of the calibration's impostor and genuine pairs that the threshold accepts, if it is the calibration's own and applies to this
    /// comparison.
    far: Option<f64>,
    tar: Option<f64>,
    /// Probability that the two are the same, if there is a calibration that applies; never below 0.5 if `same`, never above if not.
    probability: Option<f64>,
    /// The share of pairs that are the same for which this is the probability.
    prior: Option<f64>,
    /// What the calibration is of, in words, if there is one: its rates and probabilities hold for such comparisons.
    calibrated_on: Option<String>,
    /// Whether this comparison is one of them.
    calibration_applies: Option<bool>,
    /// Cautions about the calibration, the model and the images, as whole sentences.
    warnings: Vec<String>,
}

/// What a calibration with these templates is of.
fn calibrated_on(templates: Option<Templates>) -> String {
    templates.map_or_else(
        || "pairs of single images".to_owned(),
        |templates| format!("single images and templates of several (--templates {templates})"),
    )
}

/// Whether a calibration with these templates is of such comparisons: of sides with so many images, each the mean of their directions. An error
/// if single images are compared with a calibration of templates.
fn applies(templates: Option<Templates>, images: [usize; 2]) -> anyhow::Result<bool> {
    let means = images.iter().filter(|count| **count > 1).count();
    ensure!(
        templates.is_none() || means > 0,
        "--calibration: a calibration of {}, but both sides are single images; calibrate on single embeddings",
        calibrated_on(templates)
    );
    Ok(match templates {
        None => means == 0,
        Some(Templates::MeanDirection) => means == 1,
        Some(Templates::Mean) => false,
    })
}

pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<ExitCode> {
    if let Some(prior) = arguments.prior {
        ensure!(prior > 0.0 && prior < 1.0, "--prior: found {prior}, expected a share above 0 and below 1");
    }
    let given = arguments.threshold.map(Decision::given).transpose()?;
    let (model, unfinished) = loaded::load(&arguments.model, arguments.flip)?;
    let saved = calibration(arguments, &model)?;
    let ((a, skipped_a), (b, skipped_b)) =
        (images(&arguments.a, Depth::Flat)?, images(&arguments.b, Depth::Flat)?);
    let mut about: Vec<String> = unfinished.into_iter().chain(skipped_a).chain(skipped_b).collect();
    about.dedup();
    let sides = [a, b];
    let mut facts = PixelFacts::new(model.description().preprocessing());
    let embeddings = model.embed_with_facts(&sides.concat(), &mut facts)?;
    let similarity = similarity(&model, &sides, &embeddings)?;
    about.extend(loaded::about_pixels(&facts));
    about.extend(on_both_sides(&embeddings, model.dim(), [sides[0].len(), sides[1].len()]));
    for warning in &about {
        say!("warning: {warning}");
    }
    let images = [sides[0].len(), sides[1].len()];
    let templates = saved.as_ref().map(|saved| saved.templates);
    let of_this_kind = templates.map(|templates| applies(templates, images)).transpose()?;
    let fits = saved.as_ref().is_none_or(|saved| saved.fits(&model));
    let calibrated_on = templates.map(calibrated_on);
    let mut decision = match given {
        Some(given) => given,
        None => decide(arguments, saved.as_ref())?,
    };
    let in_any_case = decision.in_any_case();
    let mut warnings = saved.map(|saved| saved.warnings).unwrap_or_default();
    for warning in &warnings {
        say!("warning: calibration: {warning}");
    }
    if let Some(warning) = &in_any_case {
        say!("warning: {warning}");
    }
    warnings.extend(in_any_case);
    if !fits {
        // A warning says why.
        decision = Decision::plain(decision.threshold);
    }
    if let (Some(kind), Some(false)) = (&calibrated_on, of_this_kind) {
        let warning = format!(
            "The calibration was fitted to {kind}. Here, a side is the mean of several images, whose cosines are higher, so its error rates and \
             probabilities do not hold, and the threshold may be too low. Give a --threshold that was chosen for such means."
        );
        say!("warning: {warning}");
        warnings.push(warning);
        decision = Decision::plain(decision.threshold);
    }
    warnings.extend(about);
    let answer = Answer {
        a: arguments.a.clone(),
        b: arguments.b.clone(),
        images,
        similarity,
        threshold: decision.cosine(),
        same: similarity >= decision.threshold,
        far: decision.rates.map(|rates| rates.far),
        tar: decision.rates.map(|rates| rates.tar),
        probability: decision.probability(similarity),
        prior: decision.odds.map(|(prior, _)| prior),
        calibrated_on,
        calibration_applies: of_this_kind.map(|applies| applies && fits),
        warnings,
    };
    let mut out = results();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&answer).context("writing the answer")?)?;
    } else {
        writeln!(out, "{}", decision.line(similarity))?;
        if let (Some(probability), Some(prior)) = (answer.probability, answer.prior) {
            writeln!(
                out,
                "probability of being the same {:.2} %, if {} % of all pairs are",
                100.0 * probability,
                significant(100.0 * prior)
            )?;
        }
    }
    Ok(if answer.same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The threshold of the given prior, or that of the calibration.
fn decide(arguments: &CompareArguments, saved: Option<&SavedCalibration>) -> anyhow::Result<Decision> {
    let saved = saved.with_context(|| {
        format!(
            "{}: the model has no {CALIBRATION_FILE}; give --calibration FILE (from `eval calibrate`) or --threshold COSINE",
            arguments.model.display()
        )
    })?;
    let line = saved.calibration;
    Ok(match arguments.prior {
        Some(prior) => Decision {
            threshold: line.threshold(-(prior / (1.0 - prior)).ln()),
            chosen_for: Some("a probability of 50 %".to_owned()),
            rates: None,
            odds: Some((prior, line.slope())),
        },
        None => Decision::of_calibration(saved),
    })
}

/// The given calibration, or that of the run if it has one; none if a threshold is given.
fn calibration(arguments: &CompareArguments, model: &Model) -> anyhow::Result<Option<SavedCalibration>> {
    if arguments.threshold.is_some() {
        return Ok(None);
    }
    SavedCalibration::of_model(model, &arguments.model, arguments.calibration.as_deref())
}

/// A sentence on images of one side that the other has too: their embeddings have equal bits.
fn on_both_sides(embeddings: &[f32], dim: usize, [a, b]: [usize; 2]) -> Option<String> {
    let bits = |row: &[f32]| -> Vec<u32> { row.iter().map(|value| value.to_bits()).collect() };
    let (first, second) = embeddings.split_at(a * dim);
    let first: HashSet<Vec<u32>> = first.chunks_exact(dim).map(bits).collect();
    let shared = second.chunks_exact(dim).filter(|row| first.contains(&bits(row))).count();
    (shared > 0).then(|| {
        format!(
            "{shared} of the {b} images of the second side are also on the first ({a} images), or have equal embeddings: they are compared with themselves, \
             which makes the similarity too high."
        )
    })
}

/// Cosine of the two sides' mean directions.
fn similarity(model: &Model, sides: &[Vec<PathBuf>; 2], embeddings: &[f32]) -> anyhow::Result<f64> {
    let labels: Vec<u32> =
        (0..).zip(sides).flat_map(|(label, side)| side.iter().map(move |_| label)).collect();
    let mean = TemplateMean::AfterNormalising;
    let found =
        templates::build(embeddings, labels.len(), model.dim(), &labels, mean).map_err(
            |error| match error {
                Error::ZeroMean { class, .. } => {
                    let folder = sides[class as usize][0].parent().unwrap_or(Path::new(".")).display();
                    anyhow!("{folder}: the embeddings of its images add up to zero, so they have no mean direction; use other images")
                }
                error => error.into(),
            },
        )?;
    let cosine = found.cosine(0, 1).context("two sides make two templates")?;
    Ok(cosine.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_applies_to_its_own_kind_of_comparison() {
        let direction = Some(Templates::MeanDirection);
        for (templates, images, expected) in [
            (None, [1, 1], true),
            (None, [1, 4], false),
            (None, [3, 4], false),
            (direction, [4, 1], true),
            (direction, [4, 4], false),
            (Some(Templates::Mean), [4, 1], false),
        ] {
            assert_eq!(applies(templates, images).unwrap(), expected, "{templates:?} {images:?}");
        }
        let said = applies(direction, [1, 1]).unwrap_err().to_string();
        assert!(said.contains("both sides are single images"), "{said}");
    }

    #[test]
    fn images_of_both_sides_are_counted() {
        let rows = [0.5, 1.0, 0.25, 1.0, 0.25, 1.0, 0.75, 1.0, 0.5, 1.0];
        let found = on_both_sides(&rows, 2, [2, 3]).unwrap();
        assert!(
            found.starts_with("2 of the 3 images of the second side are also on the first (2 images)"),
            "{found}"
        );
        assert_eq!(on_both_sides(&rows[..8], 2, [1, 3]), None);
    }
}
