//! `widemargin explain`: writes the derivation from the hinge to AM-Softmax as a page with interactive figures.
//!
//! The trained features of chapter 10 ship with the program; `--train` trains them again on
//! Fashion-MNIST.

use crate::arguments::{FileKind, require_replaceable};
use crate::interrupt::{self, EndsAtOnce};
use crate::progress;
use crate::say::{results, say, shown};
use anyhow::{Context, Error, bail, ensure};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use widemargin_data::{Labelled, NamedSet};
use widemargin_durable::{create_folders, write_atomic};
use widemargin_explain::{FeatureClass, FeatureRun, Language, TrainedFeatures, page};
use widemargin_train::config::{Amount, Config};
use widemargin_train::progress::Observer;
use widemargin_train::{Ending, Prepared, RunStart, Trainer, train};

/// What the page of an earlier `explain` contains, in every language.
const PAGE: FileKind = FileKind { name: "a page of `explain`", mark: "AM-Softmax" };
/// Test images per class in the figure.
const POINTS_PER_CLASS: usize = 70;
/// Training images per run.
const IMAGES: usize = 4200;
/// Epochs per run.
const EPOCHS: usize = 12;
/// Scale of the cosine objectives.
const SCALE: f64 = 30.0;
/// Epochs over which the margin rises to its full value.
const MARGIN_WARM_UP: f64 = 1.0;
/// Objective and margin of each run.
const RUNS: [(&str, Option<f64>); 5] = [
    ("softmax", None),
    ("normalized-softmax", None),
    ("am-softmax", Some(0.2)),
    ("am-softmax", Some(0.35)),
    ("am-softmax", Some(0.5)),
];

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin explain -o explain/ --lang en\n  widemargin explain -o explain/ --lang zh"
)]
pub(crate) struct ExplainArguments {
    /// Folder for the page, created if missing; pages of an earlier `explain` are replaced
    #[arg(short, long, value_name = "DIR", default_value = "explain")]
    output: PathBuf,
    /// Write one language only: en (index.html) or zh (index.zh.html) [default: both, linked to each other]
    #[arg(long, value_name = "TAG")]
    lang: Option<Tag>,
    /// Train the features of chapter 10 again on Fashion-MNIST, of Debian's package dataset-fashion-mnist (ten small runs, about ten minutes), and
    /// also write them to features.json
    #[arg(long)]
    train: bool,
    /// With --train: training images per run
    #[arg(long, value_name = "COUNT", default_value_t = IMAGES, requires = "train")]
    images: usize,
    /// With --train: epochs per run
    #[arg(long, value_name = "COUNT", default_value_t = EPOCHS, requires = "train")]
    epochs: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tag {
    En,
    Zh,
}

pub(crate) fn run(arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    let folder = &arguments.output;
    ensure!(!folder.is_file(), "--output: {} is a file; give a folder", folder.display());
    create_folders(folder)?;
    let languages = match arguments.lang {
        None => vec![Language::English, Language::Chinese],
        Some(Tag::En) => vec![Language::English],
        Some(Tag::Zh) => vec![Language::Chinese],
    };
    for language in &languages {
        require_replaceable(&folder.join(language.file_name()), PAGE).map_err(Error::msg)?;
    }
    let features = if arguments.train {
        match trained(arguments)? {
            Ok(features) => {
                write_atomic(folder.join("features.json"), features.to_json().as_bytes())?;
                features
            }
            Err(code) => return Ok(code),
        }
    } else {
        TrainedFeatures::shipped()?
    };
    let _at_once = EndsAtOnce::saying(format!("stopped while the pages are written to {}", folder.display()));
    let paths: Vec<PathBuf> = languages.iter().map(|language| folder.join(language.file_name())).collect();
    for (language, path) in languages.iter().zip(&paths) {
        write_atomic(path, page::render(*language, &languages, &features)?.as_bytes())?;
    }
    // After all pages: a reader of these lines that stops reading ends the program.
    let mut out = results();
    for path in &paths {
        writeln!(out, "{}", shown(path))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Trains all runs. Returns an exit code if a signal stopped them.
fn trained(arguments: &ExplainArguments) -> anyhow::Result<Result<TrainedFeatures, ExitCode>> {
    let stop = interrupt::listen()?;
    let mut observer = progress::Bar::default();
    let mut config = Config::default();
    config.data.set = Some(NamedSet::FashionMnist);
    config.training.limit = arguments.images;
    config.training.epochs = arguments.epochs;
    config.schedule.margin_warm_up_epochs = MARGIN_WARM_UP;
    let prepared = Prepared::new(&config)?;
    let mut features = TrainedFeatures {
        command: "widemargin explain --train".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: prepared.set.name().to_owned(),
        training: format!(
            "{}, {} images, {} epochs, batch {}, seed {}",
            config.model.backbone,
            prepared.training.samples.len(),
            config.training.epochs,
            config.sampler.batch,
            config.training.seed
        ),
        classes: classes(&prepared),
        runs: Vec::new(),
    };
    let folder_of_runs = arguments.output.join("training");
    for dim in [2, 3] {
        for (objective, margin) in RUNS {
            config.model.embedding = dim;
            objective.clone_into(&mut config.objective.name);
            let scale = (objective != "softmax").then_some(SCALE);
            config.objective.set("scale", scale.map(Amount::Value));
            config.objective.set("margin", margin.map(Amount::Value));
            config.check()?;
            let name = margin.map_or(format!("{dim}d-{objective}"), |m| format!("{dim}d-{objective}-{m}"));
            let folder = folder_of_runs.join(&name);
            if folder.exists() {
                bail!(
                    "--train: the run folder {} already exists; remove it or choose another --output",
                    folder.display()
                );
            }
            create_folders(folder.parent().unwrap_or(Path::new(".")))?;
            observer.message(&format!("training {name}"));
            let received = || stop.load(Ordering::Relaxed);
            match train(&config, &prepared, &folder, RunStart::New, &mut observer, &|| received() != 0)? {
                Ending::Stopped { .. } => {
                    say!("stopped; the finished runs are in {}", folder_of_runs.display());
                    return Ok(Err(ExitCode::from((128 + received()) as u8)));
                }
                Ending::Finished { trainer, .. } | Ending::Paused { trainer, .. } => {
                    let run = features_of_run(&trainer, &prepared, (objective, scale, margin));
                    features.runs.push(run.with_context(|| name)?);
                }
            }
        }
    }
    Ok(Ok(features))
}

/// The known classes by label, then the unseen ones.
fn classes(prepared: &Prepared) -> Vec<FeatureClass> {
    let class = |unseen| {
        move |class: &u32| FeatureClass { name: prepared.set.class_names()[*class as usize].clone(), unseen }
    };
    let known = prepared.split.known().iter().map(class(false));
    known.chain(prepared.split.unseen().iter().map(class(true))).collect()
}

/// What the page shows of a run: the features of the first test images per class, and the centres.
fn features_of_run(
    trainer: &Trainer,
    prepared: &Prepared,
    (objective, scale, margin): (&str, Option<f64>, Option<f64>),
) -> anyhow::Result<FeatureRun> {
    let dim = trainer.head().dim();
    let test = prepared.known.samples.iter().chain(&prepared.unseen);
    let mut points = Vec::new();
    let mut norms = Vec::new();
    for (classes, unseen) in [(prepared.split.known(), false), (prepared.split.unseen(), true)] {
        for class in classes {
            let of_class = |sample: &&u32| prepared.set.labels()[**sample as usize] == *class;
            let samples: Vec<u32> = test.clone().filter(of_class).take(POINTS_PER_CLASS).copied().collect();
            let values = trainer.embed(prepared, &samples)?;
            if !unseen {
                norms.extend(values.chunks_exact(dim).map(norm));
            }
            points.push(FeatureRun::directions(dim, &values));
        }
    }
    let centres = trainer.head().class_head().map(widemargin_head::Head::settled_centres).unwrap_or_default();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    Ok(FeatureRun {
        dim,
        objective: objective.to_owned(),
        scale,
        margin,
        accuracy: rounded(trainer.known_accuracy(prepared)?.unwrap_or(0.0)),
        feature_norm: rounded(mean(&norms)),
        centre_norm: rounded(mean(&centres.chunks_exact(dim).map(norm).collect::<Vec<_>>())),
        points,
        centres: FeatureRun::directions(dim, &centres),
    })
}

fn norm(row: &[f32]) -> f64 {
    row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}
