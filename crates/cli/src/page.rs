//! What people see of a run: the closing table and `report.html`.

use crate::judge::{Judged, Judgement};
use crate::verdict::verdict;
use widemargin_data::Labelled;
use widemargin_eval::retrieval;
use widemargin_report::figure::{ClassFeatures, RatePoint};
use widemargin_report::neighbours::{FoundNeighbour, Image, NeighbourRow};
use widemargin_report::page::{
    self, Curves, DrawableEmbeddings, Histograms, ObjectiveReport, ReportInput, RetrievalResults,
    VerificationResults,
};
use widemargin_report::table::{Column, Table};
use widemargin_train::log::Metrics;
use widemargin_train::{Config, Prepared};

/// Points of a training curve on the page.
const CURVE_POINTS: usize = 200;
/// Classes that are named in a sentence.
const NAMED_CLASSES: usize = 20;
/// Query images of each compared class.
const QUERIES_A_CLASS: usize = 2;
/// Neighbours of each query.
const NEIGHBOURS: usize = 8;
/// Points of each class in the figure of features.
const FEATURES_A_CLASS: usize = 150;

/// The closing table, an objective a row.
pub(crate) fn closing_table<'a>(judged: impl Iterator<Item = &'a Judged>) -> String {
    let mut table = Table::new([
        Column::left("objective"),
        Column::right("known accuracy"),
        Column::right("EER"),
        Column::right("AUC"),
        Column::right("TAR at FAR 1e-2"),
        Column::right("recall at 1"),
        Column::right("MAP@R"),
        Column::right("seconds"),
        Column::right("samples/s"),
    ]);
    let percent = |value: f64| format!("{:.2} %", 100.0 * value);
    for Judged { judgement: j, .. } in judged {
        let comparison = j.comparison();
        let figure = |of: &dyn Fn(&crate::judge::Comparison) -> f64| {
            comparison.map_or("-".to_owned(), |c| percent(of(c)))
        };
        table.row([
            j.objective.clone(),
            j.known.accuracy.map_or("-".to_owned(), percent),
            figure(&|c| c.verification.eer),
            comparison.map_or("-".to_owned(), |c| format!("{:.4}", c.verification.auc)),
            figure(&|c| c.verification.tar_at_far(1e-2)),
            figure(&|c| c.retrieval.precision_at_1),
            figure(&|c| c.retrieval.map_at_r),
            format!("{:.1}", j.seconds),
            format!("{:.0}", j.samples_per_second),
        ]);
    }
    table.render()
}

/// What the figures were measured on, in words.
pub(crate) fn judged_on(judgement: &Judgement) -> String {
    let Some(comparison) = judgement.comparison() else { return "nothing".to_owned() };
    let kind = if judgement.unseen.is_some() {
        "classes never trained on"
    } else {
        "classes, all of them trained on"
    };
    let classes = first_names(comparison.classes.iter(), "more");
    format!("{} {kind}: {classes} ({} test samples)", comparison.classes.len(), comparison.images)
}

/// The first names, and how many `more` there are: `a, b, c and 7 more`.
pub(crate) fn first_names<'a>(names: impl ExactSizeIterator<Item = &'a String>, more: &str) -> String {
    let rest = names.len().saturating_sub(NAMED_CLASSES);
    let named = names.take(NAMED_CLASSES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if rest == 0 { named } else { format!("{named} and {rest} {more}") }
}

/// The page of one or several runs on the same images.
pub(crate) fn render(
    config: &Config,
    prepared: &Prepared,
    runs: &[(Judged, Vec<Metrics>)],
) -> anyhow::Result<String> {
    let names: Vec<&str> = runs.iter().map(|(judged, _)| judged.judgement.objective.as_str()).collect();
    let mut notes = verdict(runs.iter().map(|(judged, _)| &judged.judgement));
    if !prepared.set.bad().is_empty() {
        let first = &prepared.set.bad()[0];
        notes.push(format!(
            "{} images could not be read and were left out; the first is {} ({}).",
            prepared.set.bad().len(),
            first.path.display(),
            first.reason
        ));
    }
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
        evaluated_on: runs.first().map(|(judged, _)| judged_on(&judged.judgement)).unwrap_or_default(),
        configuration: flat_configuration(config),
        notes,
        objectives: runs
            .iter()
            .map(|(judged, metrics)| objective_report(prepared, judged, metrics))
            .collect::<anyhow::Result<_>>()?,
    };
    Ok(page::render(&input))
}

/// The configuration as rows `section.key`, value.
fn flat_configuration(config: &Config) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in config.to_toml().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(" = ") {
            rows.push((format!("{section}.{key}"), value.trim_matches('"').to_owned()));
        }
    }
    rows
}

fn objective_report(
    prepared: &Prepared,
    judged: &Judged,
    metrics: &[Metrics],
) -> anyhow::Result<ObjectiveReport> {
    let j = &judged.judgement;
    let mut report = ObjectiveReport {
        name: j.objective.clone(),
        seconds: Some(j.seconds),
        samples_per_second: Some(j.samples_per_second),
        known_accuracy: j.known.accuracy,
        curves: Curves {
            loss: curve(metrics, |m| m.loss),
            learning_rate: curve(metrics, |m| m.learning_rate),
            accuracy: curve(metrics, |m| m.accuracy),
            target_cosine: curve(metrics, |m| m.target_cosine),
            push: curve(metrics, |m| m.push),
            effective_competitors: curve(metrics, |m| m.effective_competitors),
            margin_met: curve(metrics, |m| m.margin_met),
        },
        neighbours: neighbours(prepared, judged)?,
        drawable: drawable(prepared, judged),
        ..ObjectiveReport::default()
    };
    if let Some(comparison) = j.comparison() {
        let (v, r) = (&comparison.verification, &comparison.retrieval);
        report.verification = Some(VerificationResults {
            genuine: v.genuine,
            impostor: v.impostor,
            auc: v.auc,
            eer: v.eer,
            eer_threshold: v.eer_threshold,
            tar_at_far: v.tar_at_far.iter().map(|(far, tar)| ((*far).to_owned(), *tar)).collect(),
            warnings: v.warnings.clone(),
        });
        report.retrieval = Some(RetrievalResults {
            queries: r.queries as u64,
            recall_at: r.recall_at.iter().map(|(k, recall)| (*k, *recall)).collect(),
            r_precision: r.r_precision,
            map_at_r: r.map_at_r,
        });
        report.histograms = Some(Histograms {
            low: v.genuine_histogram.low,
            high: v.genuine_histogram.high,
            genuine: v.genuine_histogram.counts.clone(),
            impostor: v.impostor_histogram.counts.clone(),
        });
        report.roc = v.roc.iter().map(|point| RatePoint { far: point.far, tar: point.tar }).collect();
    }
    Ok(report)
}

/// Means over equal stretches of steps.
fn curve(metrics: &[Metrics], of: impl Fn(&Metrics) -> f64) -> Vec<(f64, f64)> {
    let stretch = metrics.len().div_ceil(CURVE_POINTS).max(1);
    let mean =
        |part: &[Metrics], of: &dyn Fn(&Metrics) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
    metrics.chunks(stretch).map(|part| (mean(part, &|m| m.step as f64), mean(part, &of))).collect()
}

fn neighbours(prepared: &Prepared, judged: &Judged) -> anyhow::Result<Vec<NeighbourRow>> {
    let (Some(set), labels) = (prepared.set.images(), judged.embeddings.labels()) else {
        return Ok(Vec::new());
    };
    let shape = set.shape();
    let image = |row: usize| -> anyhow::Result<Image> {
        let pixels = set.read(judged.compared[row] as usize)?;
        Ok(Image::new(shape.channels, shape.height, shape.width, &pixels)?)
    };
    let name = |row: usize| set.class_names()[labels[row] as usize].clone();
    let mut classes: Vec<u32> = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let mut rows = Vec::new();
    for class in classes {
        for query in (0..labels.len()).filter(|row| labels[*row] == class).take(QUERIES_A_CLASS) {
            let found = retrieval::nearest(&judged.embeddings, query, NEIGHBOURS)?
                .into_iter()
                .map(|neighbour| {
                    Ok(FoundNeighbour {
                        image: image(neighbour.index)?,
                        class: name(neighbour.index),
                        cosine: f64::from(neighbour.cosine),
                        same_class: labels[neighbour.index] == class,
                    })
                })
                .collect::<anyhow::Result<_>>()?;
            rows.push(NeighbourRow { query: image(query)?, query_class: name(query), neighbours: found });
        }
    }
    Ok(rows)
}

fn drawable(prepared: &Prepared, judged: &Judged) -> Option<DrawableEmbeddings> {
    match judged.dim {
        2 => Some(DrawableEmbeddings::Circle(class_features(prepared, judged))),
        3 => Some(DrawableEmbeddings::Sphere(class_features(prepared, judged))),
        _ => None,
    }
}

/// Directions of known test images with their centres, then of the compared unseen ones.
fn class_features<const D: usize>(prepared: &Prepared, judged: &Judged) -> Vec<ClassFeatures<D>> {
    let unit = |values: &[f32]| -> [f64; D] {
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-12);
        std::array::from_fn(|axis| f64::from(values[axis]) / norm)
    };
    let names = prepared.set.class_names();
    let known = prepared.split.known().iter().enumerate().map(|(label, class)| {
        let of_class = prepared.known.labels.iter().zip(judged.known_embeddings.chunks_exact(D));
        let points = of_class.filter(|(found, _)| **found as usize == label).take(FEATURES_A_CLASS);
        ClassFeatures {
            name: names[*class as usize].clone(),
            points: points.map(|(_, values)| unit(values)).collect(),
            centre: judged.centres.chunks_exact(D).nth(label).map(unit),
        }
    });
    let unseen = prepared.split.unseen().iter().map(|class| {
        let of_class = judged.embeddings.labels().iter().zip(judged.embeddings.unit_rows().chunks_exact(D));
        let points = of_class.filter(|(found, _)| *found == class).take(FEATURES_A_CLASS);
        ClassFeatures {
            name: format!("{} (unseen)", names[*class as usize]),
            points: points.map(|(_, values)| unit(values)).collect(),
            centre: None,
        }
    });
    known.chain(unseen).collect()
}
