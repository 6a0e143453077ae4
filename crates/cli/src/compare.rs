//! `widemargin compare`: compares two images, or two sets of images, with a trained model.

use crate::calibration::{CALIBRATION_FILE, SavedCalibration, Templates};
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
    /// Probability that the two are the same, if there is a calibration; never below 0.5 if `same`, never above if not.
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

/// A threshold and how far a score is above it.
struct Decision {
    threshold: f64,
    chosen_for: Option<String>,
    /// The prior for which the probability at the threshold is 50 %, and the slope of the log-odds.
    odds: Option<(f64, f64)>,
}

impl Decision {
    /// The probability of a score. It follows from the distance to the threshold, so that it never contradicts the decision.
    fn probability(&self, similarity: f64) -> Option<f64> {
        self.odds.map(|(_, slope)| 1.0 / (1.0 + (-slope * (similarity - self.threshold)).exp()))
    }

    /// A sentence if the answer is the same for every cosine.
    fn in_any_case(&self) -> Option<String> {
        let (answer, which, cosine) = if self.threshold > 1.0 {
            ("different", "highest", 1.0)
        } else if self.threshold < -1.0 {
            ("same", "lowest", -1.0)
        } else {
            return None;
        };
        let chosen = self.chosen_for.as_ref().map(|chosen| format!(" for {chosen}")).unwrap_or_default();
        let probability = self.probability(cosine).map(|probability| {
            format!(
                "; the {which} cosine, {cosine}, has a probability of {} %",
                significant(100.0 * probability)
            )
        });
        Some(format!(
            "The answer{chosen} is {answer:?} for every cosine from -1 to 1{}.",
            probability.unwrap_or_default()
        ))
    }
}

pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<ExitCode> {
    if let Some(prior) = arguments.prior {
        ensure!(prior > 0.0 && prior < 1.0, "--prior: found {prior}, expected a share above 0 and below 1");
    }
    if let Some(threshold) = arguments.threshold {
        ensure!(
            (-1.0..=1.0).contains(&threshold),
            "--threshold: found {threshold}, expected a cosine from -1 to 1"
        );
    }
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
    let calibration_applies = templates.map(|templates| applies(templates, images)).transpose()?;
    let calibrated_on = templates.map(calibrated_on);
    let mut decision = decide(arguments, saved.as_ref())?;
    let in_any_case = decision.in_any_case();
    let mut warnings = saved.map(|saved| saved.warnings).unwrap_or_default();
    for warning in &warnings {
        say!("warning: calibration: {warning}");
    }
    if let Some(warning) = &in_any_case {
        say!("warning: {warning}");
    }
    warnings.extend(in_any_case);
    if let (Some(kind), Some(false)) = (&calibrated_on, calibration_applies) {
        let warning = format!(
            "The calibration was fitted to {kind}. Here, a side is the mean of several images, whose cosines are higher, so its error rates and \
             probabilities do not hold. Give a --threshold that was chosen for such means."
        );
        say!("warning: {warning}");
        warnings.push(warning);
        decision.chosen_for =
            decision.chosen_for.map(|chosen| format!("{chosen} of {kind}, not of such means"));
    }
    warnings.extend(about);
    let answer = Answer {
        a: arguments.a.clone(),
        b: arguments.b.clone(),
        images,
        similarity,
        threshold: (-1.0..=1.0).contains(&decision.threshold).then_some(decision.threshold),
        same: similarity >= decision.threshold,
        probability: decision.probability(similarity),
        prior: decision.odds.map(|(prior, _)| prior),
        calibrated_on,
        calibration_applies,
        warnings,
    };
    let mut out = results();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&answer).context("writing the answer")?)?;
    } else {
        let word = if answer.same { "same" } else { "different" };
        let chosen = decision.chosen_for.map(|chosen| format!(", chosen for {chosen}"));
        let (similarity, threshold) = told_apart(similarity, decision.threshold);
        let threshold = match (answer.threshold, answer.same) {
            (Some(_), _) => format!("threshold {threshold}"),
            (None, true) => "every cosine is enough".to_owned(),
            (None, false) => "no cosine is enough".to_owned(),
        };
        writeln!(out, "{word}: similarity {similarity}, {threshold}{}", chosen.unwrap_or_default())?;
        if let (Some(probability), Some(prior)) = (answer.probability, answer.prior) {
            writeln!(
                out,
                "probability of being the same {:.2} %, if {} % of all pairs are{}",
                100.0 * probability,
                significant(100.0 * prior),
                if answer.calibration_applies == Some(false) { " (for single images)" } else { "" }
            )?;
        }
    }
    Ok(if answer.same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The threshold: the given one, that of the given prior, or that of the calibration.
fn decide(arguments: &CompareArguments, saved: Option<&SavedCalibration>) -> anyhow::Result<Decision> {
    if let Some(threshold) = arguments.threshold {
        return Ok(Decision { threshold, chosen_for: None, odds: None });
    }
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
            odds: Some((prior, line.slope())),
        },
        // The threshold is the best one for the share of pairs that makes its probability 50 %.
        None => Decision {
            threshold: saved.threshold,
            chosen_for: Some(saved.chosen_for.to_string()),
            odds: Some((1.0 / (1.0 + line.log_likelihood_ratio(saved.threshold).exp()), line.slope())),
        },
    })
}

/// Two numbers with four decimals, or as many as it takes to tell them apart.
fn told_apart(a: f64, b: f64) -> (String, String) {
    let with = |digits: usize| (format!("{a:.digits$}"), format!("{b:.digits$}"));
    (4..17).map(with).find(|(a, b)| a != b).unwrap_or_else(|| with(4))
}

/// A positive number with three significant digits.
fn significant(value: f64) -> String {
    if (1e-3..99.99).contains(&value) {
        let digits = (2 - value.log10().floor() as i32).max(0) as usize;
        let text = format!("{value:.digits$}");
        return if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
    }
    format!("{value:.2e}")
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
    fn the_probability_never_contradicts_the_decision() {
        for slope in [0.1, 20.0, 1e5] {
            let decision = Decision { threshold: 0.7, chosen_for: None, odds: Some((0.01, slope)) };
            for similarity in [-1.0, 0.2, 0.699_999, 0.7_f64.next_down(), 0.7, 0.700_001, 1.0] {
                let probability = decision.probability(similarity).unwrap();
                assert!(similarity < 0.7 || probability >= 0.5, "{slope} {similarity}: {probability}");
                assert!(similarity >= 0.7 || probability <= 0.5, "{slope} {similarity}: {probability}");
            }
        }
    }

    #[test]
    fn a_threshold_that_no_cosine_reaches_is_reported() {
        let of = |threshold| Decision {
            threshold,
            chosen_for: Some("a probability of 50 %".to_owned()),
            odds: Some((0.001, 0.7)),
        };
        assert_eq!([of(0.5), of(1.0), of(-1.0)].map(|decision| decision.in_any_case()), [None, None, None]);
        assert_eq!(
            of(10.18).in_any_case().unwrap(),
            "The answer for a probability of 50 % is \"different\" for every cosine from -1 to 1; the highest cosine, 1, has a probability of 0.162 %."
        );
        let always = of(-3.0).in_any_case().unwrap();
        assert!(always.contains("\"same\"") && always.contains("lowest cosine, -1"), "{always}");
    }

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

    #[test]
    fn numbers_have_the_digits_that_tell_them_apart() {
        let of = |a: f64, b: f64| -> [String; 2] { told_apart(a, b).into() };
        assert_eq!(of(0.5, 0.75), ["0.5000", "0.7500"]);
        assert_eq!(of(0.8, 0.8), ["0.8000", "0.8000"]);
        assert_eq!(of(1.0, 0.999_999_2), ["1.000000", "0.999999"]);
        assert_eq!(of(1.0, 1.0_f64.next_up()), ["1.0000000000000000", "1.0000000000000002"]);
    }

    #[test]
    fn shares_have_three_digits() {
        for (value, text) in
            [(50.0, "50"), (0.1, "0.1"), (0.012_345, "0.0123"), (12.34, "12.3"), (3e-7, "3.00e-7")]
        {
            assert_eq!(significant(value), text);
        }
    }
}
