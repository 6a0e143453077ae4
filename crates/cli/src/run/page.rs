//! The reports of finished runs: `report.json` and `report.html`.

use super::closing::{
    accuracy_in_words, comparison_in_words, evaluated_on, intervals_in_words, validation_in_words, warnings,
};
use super::conclusions::conclusions;
use super::evaluated::{EvaluatedRun, RunReport};
use super::seeds::Seeds;
use super::shown::{Chosen, Samples, confusions, maps, queries, worst_pairs};
use super::untrained::Untrained;
use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use widemargin::Evaluation;
use widemargin_data::Labelled;
use widemargin_durable::write_atomic;
use widemargin_report::figure::{ClassFeatures, RatePoint};
use widemargin_report::page::{
    self, Curves, DrawableEmbeddings, Histograms, ObjectiveReport, ReportInput, RetrievalResults,
    VerificationResults,
};
use widemargin_train::log::Metrics;
use widemargin_train::{Config, Prepared, Validated};

/// The files of the reports in a run folder.
pub(super) const REPORT_FILE: &str = "report.json";
pub(super) const PAGE_FILE: &str = "report.html";
/// Points per training curve on the page.
const CURVE_POINTS: usize = 200;
/// A note of a comparison with several seeds.
const FIRST_SEED: &str = "Tables and figures below are those of the first seed; report.json has the spread of every measure over the seeds.";
/// Points per class in the figure of features.
const FEATURES_PER_CLASS: usize = 150;

/// Writes `report.json` and `report.html`.
pub(crate) fn write_reports(
    folder: &Path,
    report: &impl Serialize,
    config: &Config,
    prepared: &Prepared,
    runs: &[EvaluatedRun],
) -> anyhow::Result<()> {
    let mut json = serde_json::to_string_pretty(report).context("writing report.json")?;
    json.push('\n');
    write_atomic(folder.join(REPORT_FILE), json.as_bytes())?;
    let html = render(config, prepared, runs)?;
    Ok(write_atomic(folder.join(PAGE_FILE), html.as_bytes())?)
}

/// The page of one or several runs on the same data.
fn render(config: &Config, prepared: &Prepared, runs: &[EvaluatedRun]) -> anyhow::Result<String> {
    let seeds = Seeds::of(runs.iter().map(|run| &run.report));
    // With several seeds, the figures are those of the first.
    let first_seed = runs.first().map(|run| run.report.seed);
    let shown: Vec<&EvaluatedRun> = runs.iter().filter(|run| Some(run.report.seed) == first_seed).collect();
    let names: Vec<&str> = shown.iter().map(|run| run.report.objective.as_str()).collect();
    let mut notes = conclusions(runs.iter().map(|run| &run.report), seeds.as_ref());
    if seeds.is_some() {
        notes.push(FIRST_SEED.to_owned());
    }
    notes.extend(accuracy_in_words(runs));
    notes.extend(validation_in_words(runs));
    notes.extend(comparison_in_words(prepared));
    notes.extend(intervals_in_words(shown.iter().copied()));
    let mut samples = Samples::new(prepared);
    let chosen = Chosen::new(prepared.evaluation_samples().len(), config.training.seed);
    let objectives = shown
        .iter()
        .map(|run| objective_report(prepared, run, &chosen, &mut samples))
        .collect::<anyhow::Result<_>>()?;
    let input = ReportInput {
        title: format!("{} on {}", names.join(", "), prepared.set.name()),
        lead: format!(
            "Backbone {}, embedding dimension {}, {} training {} of {} known classes, {} epochs, seed {}.",
            config.model.backbone,
            config.model.embedding,
            prepared.training.samples.len(),
            prepared.set.kind(),
            prepared.split.known().len(),
            config.training.epochs,
            config.training.seed
        ),
        evaluated_on: runs.first().map(|run| evaluated_on(&run.report)).unwrap_or_default(),
        configuration: flat_configuration(config),
        warnings: warnings(runs),
        notes,
        samples: samples.into_shown(),
        credits: prepared.set.credits().unwrap_or_default().to_owned(),
        objectives,
    };
    Ok(page::render(&input))
}

/// The configuration as rows of `section.key` and value.
fn flat_configuration(config: &Config) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in config.to_toml().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if section == "model.weights_classes" {
            // Possibly thousands of names; a warning names those that matter.
        } else if let Some((key, value)) = line.split_once(" = ") {
            rows.push((format!("{section}.{key}"), value.trim_matches('"').to_owned()));
        }
    }
    rows
}

fn objective_report(
    prepared: &Prepared,
    run: &EvaluatedRun,
    chosen: &Chosen,
    samples: &mut Samples<'_>,
) -> anyhow::Result<ObjectiveReport> {
    let (report, metrics) = (&run.report, &run.metrics);
    let Evaluation { verification, retrieval, mean_average_precision, embeddings, .. } = report.evaluation();
    let extremes = chosen.extremes(embeddings)?;
    Ok(ObjectiveReport {
        name: report.objective.clone(),
        untrained: report.untrained.as_ref().map(|base| Box::new(baseline(base))),
        seconds: Some(report.seconds),
        samples_per_second: Some(report.samples_per_second),
        known_accuracy: report.known_accuracy(),
        curves: Curves {
            loss: curve(metrics, |m| m.loss),
            learning_rate: curve(metrics, |m| m.learning_rate),
            accuracy: curve(metrics, |m| m.accuracy),
            target_cosine: curve(metrics, |m| m.target_cosine),
            push: curve(metrics, |m| m.push),
            effective_competitors: curve(metrics, |m| m.effective_competitors),
            margin_met: curve(metrics, |m| m.margin_met),
            validation_map_at_r: validation_curve(report, |found| found.map_at_r),
            validation_recall_at_1: validation_curve(report, |found| found.recall_at_1),
        },
        confusions: Some(confusions(embeddings, samples)?),
        worst_pairs: Some(worst_pairs(chosen, &extremes, samples)?),
        neighbours: queries(embeddings, chosen, &extremes, samples)?,
        maps: maps(embeddings, chosen, samples)?,
        drawable: drawable(prepared, run),
        verification: Some(VerificationResults {
            genuine: verification.genuine,
            impostor: verification.impostor,
            auc: verification.auc,
            eer: verification.eer,
            eer_threshold: verification.eer_threshold,
            tar_at_far: verification.tar_at_far.iter().map(|(far, tar)| ((*far).to_owned(), *tar)).collect(),
        }),
        retrieval: Some(RetrievalResults {
            queries: retrieval.queries as u64,
            recall_at: retrieval.recall_at.iter().map(|(k, recall)| (*k, *recall)).collect(),
            r_precision: retrieval.r_precision,
            map_at_r: retrieval.map_at_r,
            mean_average_precision: *mean_average_precision,
        }),
        histograms: Some(Histograms {
            low: verification.genuine_histogram.low,
            high: verification.genuine_histogram.high,
            genuine: verification.genuine_histogram.counts.clone(),
            impostor: verification.impostor_histogram.counts.clone(),
        }),
        roc: verification.roc.iter().map(|point| RatePoint { far: point.far, tar: point.tar }).collect(),
    })
}

/// The measures of the untrained model, for the columns next to the trained one.
fn baseline(base: &Untrained) -> ObjectiveReport {
    let m = &base.measures;
    ObjectiveReport {
        name: base.name().to_owned(),
        known_accuracy: m.accuracy(),
        verification: Some(VerificationResults {
            auc: m.auc(),
            eer: m.eer(),
            tar_at_far: m.all_tar().map(|(far, tar)| (far.clone(), tar)).collect(),
            ..VerificationResults::default()
        }),
        retrieval: Some(RetrievalResults {
            recall_at: m.all_recall().collect(),
            r_precision: m.r_precision(),
            map_at_r: m.map_at_r(),
            mean_average_precision: m.mean_average_precision(),
            ..RetrievalResults::default()
        }),
        ..ObjectiveReport::default()
    }
}

/// A measure of the evaluations during training.
fn validation_curve(report: &RunReport, of: impl Fn(&Validated) -> f64) -> Vec<(f64, f64)> {
    let history = report.validation.iter().flat_map(|validation| &validation.history);
    history.map(|found| (found.step as f64, of(found))).collect()
}

/// Means over equal numbers of steps.
fn curve(metrics: &[Metrics], of: impl Fn(&Metrics) -> f64) -> Vec<(f64, f64)> {
    let stretch = metrics.len().div_ceil(CURVE_POINTS).max(1);
    let mean =
        |part: &[Metrics], of: &dyn Fn(&Metrics) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
    metrics.chunks(stretch).map(|part| (mean(part, &|m| m.step as f64), mean(part, &of))).collect()
}

fn drawable(prepared: &Prepared, run: &EvaluatedRun) -> Option<DrawableEmbeddings> {
    match run.report.evaluation().embeddings.dim() {
        2 => Some(DrawableEmbeddings::Circle(class_features(prepared, run))),
        3 => Some(DrawableEmbeddings::Sphere(class_features(prepared, run))),
        _ => None,
    }
}

/// Directions of known test samples with their class centres, then of samples of unseen classes.
fn class_features<const D: usize>(prepared: &Prepared, run: &EvaluatedRun) -> Vec<ClassFeatures<D>> {
    let unit = |values: &[f32]| -> [f64; D] {
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-12);
        std::array::from_fn(|axis| f64::from(values[axis]) / norm)
    };
    let (names, embeddings) = (prepared.set.class_names(), &run.report.evaluation().embeddings);
    let known = prepared.split.known().iter().enumerate().map(|(label, class)| {
        let of_class = prepared.known.labels.iter().zip(run.known_embeddings.chunks_exact(D));
        let points = of_class.filter(|(found, _)| **found as usize == label).take(FEATURES_PER_CLASS);
        ClassFeatures {
            name: names[*class as usize].clone(),
            points: points.map(|(_, values)| unit(values)).collect(),
            centre: run.centres.chunks_exact(D).nth(label).map(unit),
        }
    });
    let unseen = prepared.split.unseen().iter().map(|class| {
        let of_class = embeddings.labels().iter().zip(embeddings.unit_rows().chunks_exact(D));
        let points = of_class.filter(|(found, _)| *found == class).take(FEATURES_PER_CLASS);
        ClassFeatures {
            name: format!("{} (unseen)", names[*class as usize]),
            points: points.map(|(_, values)| unit(values)).collect(),
            centre: None,
        }
    });
    known.chain(unseen).collect()
}
