//! `widemargin train`: the main job.

use crate::calibration::{CALIBRATION_FILE, SavedCalibration};
use crate::judge::{Judged, judge};
use crate::verdict::{ONE_SEED, verdict};
use crate::{interrupt, page, progress};
use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicI32;
use widemargin_data::{ClassFolder, Labelled};
use widemargin_durable::{create_folders, write_atomic};
use widemargin_model::BackboneName;
use widemargin_train::config::{Amount, ObjectiveConfig, PrecisionName, SamplerName};
use widemargin_train::log::{self, Metrics};
use widemargin_train::progress::Observer;
use widemargin_train::{Config, Ending, Prepared, Start, continue_from, train};

#[derive(Args)]
pub(crate) struct TrainArguments {
    /// Folder of IDX files, or of pictures with one folder a class; a manifest (.csv or .parquet with a column `path`); .tar shards (a
    /// file, a pattern, a folder); or a table of embeddings: .npy, .safetensors, .csv, .parquet [default: Fashion-MNIST]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Labels of a table, one a row, if they are not inside: .npy, .csv with a column `label`, or text with one a line
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    labels: Option<PathBuf>,
    /// Which samples are trained on and which judge: a file of `data split`. Classes without a sample to train on are unseen
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "unseen", "unseen_classes", "closed_set", "hold_out"])]
    split: Option<PathBuf>,
    /// Which folder of a deeper tree is the class: top (the default), or deepest
    #[arg(long, value_name = "WHICH", value_parser = crate::data::class_folder, conflicts_with = "resume")]
    class_folder: Option<ClassFolder>,
    /// TOML file with the configuration; the flags below take precedence
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    config: Option<PathBuf>,
    /// Run folder; must not exist [default: runs/ and a name made of data and objective]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Continue the run in this folder from its newest checkpoint, with its own configuration
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// A small, quick run: the built-in pictures, two epochs on about 2,100 of them
    #[arg(long)]
    quick: bool,
    /// Train once with each of these objectives from the same seed and compare them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with_all = ["resume", "objective"])]
    compare: Vec<String>,
    /// Objective: am-softmax, normalized-softmax, softmax, arcface, ...
    #[arg(long, value_name = "NAME")]
    objective: Option<String>,
    /// Scale s on the cosine, or auto: by the number of classes
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    scale: Option<Amount>,
    /// Margin m, or auto: by the number of classes
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    margin: Option<Amount>,
    /// A margin for each class by its number of samples, n^-POWER of the rarest's: long tails [default without a number: 0.25]
    #[arg(long, value_name = "POWER", num_args = 0..=1, default_missing_value = "0.25", allow_negative_numbers = true)]
    margin_by_count: Option<f64>,
    /// How batches are drawn: shuffled, class-balanced (P x K), by-frequency (classes by a power of their size)
    #[arg(long, value_name = "NAME", value_parser = sampler)]
    sampler: Option<SamplerName>,
    /// P of class-balanced: classes in a batch
    #[arg(long, value_name = "P")]
    classes_per_batch: Option<usize>,
    /// K of class-balanced: samples of each
    #[arg(long, value_name = "K")]
    samples_per_class: Option<usize>,
    /// Power of by-frequency: 1 as they are, 0.5 square root, 0 all classes alike
    #[arg(long, value_name = "POWER")]
    sampling_power: Option<f64>,
    /// Backbone: small-cnn, iresnet18, iresnet34, iresnet50, resnet18, resnet34, resnet50, mlp, linear, identity [default: small-cnn;
    /// linear for a table]
    #[arg(long, value_name = "NAME")]
    backbone: Option<BackboneName>,
    /// Begin with these weights: safetensors with PyTorch's names (insightface's iresnet, torchvision's resnet), or a model.safetensors
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    weights: Option<PathBuf>,
    /// Parts of the backbone that are not trained, by the beginning of their parameters' names: conv1,bn1,layer1
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "resume")]
    freeze: Vec<String>,
    /// Factor on the learning rate of the backbone
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true, conflicts_with = "resume")]
    backbone_factor: Option<f64>,
    /// Factors on the learning rate of parts of the backbone: layer4=0.5,fc=1
    #[arg(long, value_name = "NAME=FACTOR", value_delimiter = ',', value_parser = factor, conflicts_with = "resume")]
    factors: Vec<(String, f64)>,
    /// Numbers in an embedding; 2 and 3 can be looked at
    #[arg(long, value_name = "DIM")]
    embedding: Option<usize>,
    /// Passes over the training pictures
    #[arg(long)]
    epochs: Option<usize>,
    /// Pictures in a batch
    #[arg(long)]
    batch: Option<usize>,
    /// Largest learning rate of the schedule
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Seed of weights, order, augmentation and dropout
    #[arg(long)]
    seed: Option<u64>,
    /// How many classes are kept from training and judged on
    #[arg(long, value_name = "COUNT")]
    unseen: Option<usize>,
    /// Which classes are kept from training, by name
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    unseen_classes: Vec<String>,
    /// Train on every class
    #[arg(long)]
    closed_set: bool,
    /// Use the built-in part of Fashion-MNIST even where the whole set is installed
    #[arg(long)]
    built_in: bool,
    /// Largest share of unreadable pictures, such as 0.1% or 0.001
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_bad: Option<f64>,
    /// Threads that read pictures ahead of the model; no influence on the result
    #[arg(long, value_name = "COUNT")]
    loader_threads: Option<usize>,
    /// Device: cpu, or wgpu in a build with that feature
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// full, or mixed: half precision where it is safe, on a device that has it (not the CPU)
    #[arg(long, value_name = "NAME", value_parser = precision)]
    precision: Option<PrecisionName>,
    /// Share of each class (of the groups, where the data has them) kept from training to judge by, where the data has no parts
    /// [default: 20%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    hold_out: Option<f64>,
}

/// `0.1%` or `0.001`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, factor) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    match number.trim().parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&(value * factor)) => Ok(value * factor),
        _ => Err("wanted a share from 0 to 1, or a percentage".to_owned()),
    }
}

/// `layer4=0.5`.
fn factor(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, factor)| Some((name.to_owned(), factor.parse().ok()?)));
    parts.ok_or_else(|| "wanted the beginning of a parameter's name, = and a number".to_owned())
}

fn sampler(text: &str) -> Result<SamplerName, String> {
    match text {
        "shuffled" => Ok(SamplerName::Shuffled),
        "class-balanced" => Ok(SamplerName::ClassBalanced),
        "by-frequency" => Ok(SamplerName::ByFrequency),
        _ => Err("wanted shuffled, class-balanced or by-frequency".to_owned()),
    }
}

fn precision(text: &str) -> Result<PrecisionName, String> {
    match text {
        "full" => Ok(PrecisionName::Full),
        "mixed" => Ok(PrecisionName::Mixed),
        _ => Err("wanted full or mixed".to_owned()),
    }
}

impl TrainArguments {
    /// The configuration: file, then flags, then `--quick`.
    fn configuration(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("reading the configuration {}", path.display()))?;
                Config::from_toml(path, &text)?
            }
            None => Config::default(),
        };
        let set = |target: &mut Option<Amount>, value: Option<Amount>| *target = value.or(*target);
        // Whole, so that the run can be continued from any folder.
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        if let Some(path) = &self.data {
            config.data.path = Some(whole(path));
        }
        if let Some(path) = &self.labels {
            config.data.labels = Some(whole(path));
        }
        if let Some(path) = &self.split {
            config.data.split = Some(whole(path));
        }
        config.data.class_folder = self.class_folder.unwrap_or(config.data.class_folder);
        if self.config.is_none() && config.data.is_table() {
            config.model.backbone = BackboneName::Linear;
        }
        config.data.unseen = self.unseen.unwrap_or(config.data.unseen);
        if !self.unseen_classes.is_empty() {
            config.data.unseen_classes.clone_from(&self.unseen_classes);
        }
        config.data.closed_set |= self.closed_set;
        config.data.built_in |= self.built_in;
        config.data.max_bad = self.max_bad.unwrap_or(config.data.max_bad);
        config.model.backbone = self.backbone.unwrap_or(config.model.backbone);
        if let Some(path) = &self.weights {
            config.model.weights = Some(whole(path));
        }
        if !self.freeze.is_empty() {
            config.model.freeze.clone_from(&self.freeze);
        }
        config.optimiser.backbone_factor = self.backbone_factor.unwrap_or(config.optimiser.backbone_factor);
        config.optimiser.factors.extend(self.factors.iter().cloned());
        config.model.embedding = self.embedding.unwrap_or(config.model.embedding);
        config.objective.name = self.objective.clone().unwrap_or(config.objective.name);
        set(&mut config.objective.scale, self.scale);
        set(&mut config.objective.margin, self.margin);
        config.optimiser.learning_rate = self.learning_rate.unwrap_or(config.optimiser.learning_rate);
        config.objective.margin_by_count = self.margin_by_count.or(config.objective.margin_by_count);
        let s = &mut config.sampler;
        s.name = self.sampler.unwrap_or(s.name);
        s.classes_per_batch = self.classes_per_batch.unwrap_or(s.classes_per_batch);
        s.samples_per_class = self.samples_per_class.unwrap_or(s.samples_per_class);
        s.power = self.sampling_power.unwrap_or(s.power);
        config.sampler.batch = self.batch.unwrap_or(config.sampler.batch);
        config.training.epochs = self.epochs.unwrap_or(config.training.epochs);
        config.training.seed = self.seed.unwrap_or(config.training.seed);
        config.training.loader_threads = self.loader_threads.unwrap_or(config.training.loader_threads);
        config.training.device = self.device.clone().unwrap_or(config.training.device);
        config.training.precision = self.precision.unwrap_or(config.training.precision);
        config.data.hold_out = self.hold_out.unwrap_or(config.data.hold_out);
        if self.quick {
            config = config.quick();
        }
        Ok(config)
    }
}

/// Scale and margin belong to some objectives only: what one has no use for is left out for it in a comparison.
fn compared_configuration(config: &Config, name: &str) -> anyhow::Result<Config> {
    let mut config = config.clone();
    name.clone_into(&mut config.objective.name);
    let drops: [fn(&mut ObjectiveConfig); 3] =
        [|o| o.margin_by_count = None, |o| o.margin = None, |o| o.scale = None];
    for drop in drops {
        if config.objective.build(None).is_ok() {
            break;
        }
        drop(&mut config.objective);
    }
    config.check()?;
    Ok(config)
}

/// `report.json` of a comparison: one entry an objective, the figures of the first also at the top.
#[derive(Serialize)]
struct ComparisonReport<'a> {
    objectives: Vec<&'a crate::judge::Judgement>,
}

pub(crate) fn run(arguments: TrainArguments) -> anyhow::Result<ExitCode> {
    let stop = interrupt::listen()?;
    let mut observer = progress::Bar::default();
    if let Some(folder) = &arguments.resume {
        let config = continue_from(folder)?;
        let prepared = prepare(&config, &mut observer)?;
        return one(&config, &prepared, folder, Start::Resume, &mut observer, &stop);
    }
    let mut config = arguments.configuration()?;
    if let Some(said) = config.resolve_weights()? {
        observer.message(&said);
    }
    // Whether the number of numbers in an embedding is anybody's wish.
    let wished = arguments.config.is_some() || arguments.embedding.is_some();
    if arguments.compare.is_empty() {
        config.check()?;
        let prepared = prepare(&config, &mut observer)?;
        let config = resolved(config, wished, &prepared, &mut observer)?;
        let name = format!("{}-{}", prepared.set.name(), config.objective.name);
        let folder = arguments.out.unwrap_or_else(|| free_folder(&name));
        return one(&config, &prepared, &folder, Start::New, &mut observer, &stop);
    }
    let configs: Vec<Config> = arguments
        .compare
        .iter()
        .map(|name| compared_configuration(&config, name))
        .collect::<anyhow::Result<_>>()?;
    let prepared = prepare(&configs[0], &mut observer)?;
    let folder = arguments.out.unwrap_or_else(|| free_folder(&format!("{}-comparison", prepared.set.name())));
    if folder.exists() {
        bail!(widemargin_train::Error::RunFolderExists(folder));
    }
    let configs = configs
        .into_iter()
        .map(|config| resolved(config, wished, &prepared, &mut observer))
        .collect::<anyhow::Result<Vec<_>>>()?;
    create_folders(&folder)?;
    let mut runs = Vec::new();
    for config in &configs {
        let inner = folder.join(&config.objective.name);
        match trained(config, &prepared, &inner, Start::New, &mut observer, &stop)? {
            Ok(run) => runs.push(run),
            Err(code) => return Ok(code),
        }
    }
    let report = ComparisonReport { objectives: runs.iter().map(|(judged, _)| &judged.judgement).collect() };
    finish(&folder, &report, &config, &prepared, &runs)?;
    Ok(ExitCode::SUCCESS)
}

/// With numbers in the place of "auto", and the only embedding that `identity` can have where no other is wished.
fn resolved(
    mut config: Config,
    wished: bool,
    prepared: &Prepared,
    observer: &mut progress::Bar,
) -> anyhow::Result<Config> {
    if config.model.backbone == BackboneName::Identity && !wished {
        config.model.embedding = prepared.set.shape().values();
    }
    if let Some(said) = config.objective.resolve(prepared.split.known().len(), config.model.embedding)? {
        observer.message(&format!("{}: {said}", config.objective.name));
    }
    Ok(config)
}

fn prepare(config: &Config, observer: &mut progress::Bar) -> anyhow::Result<Prepared> {
    for warning in config.warnings() {
        observer.message(&format!("warning: {warning}"));
    }
    let prepared = Prepared::new(config)?;
    let set = &prepared.set;
    let (kind, shape) = (set.kind(), set.shape());
    observer.message(&format!(
        "{}: {} {kind} of {}, training on {} of {} known classes, judging on {}",
        set.name(),
        set.len(),
        if set.pictures().is_some() { shape.to_string() } else { format!("{} numbers", shape.values()) },
        prepared.training.samples.len(),
        prepared.split.known().len(),
        if prepared.split.is_closed() {
            format!("{} test {kind} of the same classes", prepared.known.samples.len())
        } else {
            let names = prepared.split.unseen().iter().map(|class| &set.class_names()[*class as usize]);
            let unseen = page::first_names(names, "more classes");
            format!("{} {kind} of unseen {unseen}", prepared.unseen.len())
        }
    ));
    for bad in set.bad() {
        observer.message(&format!("left out {}: {}", bad.path.display(), bad.reason));
    }
    Ok(prepared)
}

/// The first of `runs/NAME`, `runs/NAME-2`, ... that does not exist.
pub(crate) fn free_folder(name: &str) -> PathBuf {
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    let numbered = (2..).map(|number| format!("{safe}-{number}"));
    let mut candidates =
        std::iter::once(safe.clone()).chain(numbered).map(|name| Path::new("runs").join(name));
    candidates.find(|folder| !folder.exists()).unwrap_or_else(|| Path::new("runs").join(safe))
}

fn one(
    config: &Config,
    prepared: &Prepared,
    folder: &Path,
    start: Start,
    observer: &mut progress::Bar,
    stop: &AtomicI32,
) -> anyhow::Result<ExitCode> {
    match trained(config, prepared, folder, start, observer, stop)? {
        Err(code) => Ok(code),
        Ok(run) => {
            let runs = [run];
            finish(folder, &runs[0].0.judgement, config, prepared, &runs)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Trains and judges; or, stopped by a signal, says so and gives the exit status.
fn trained(
    config: &Config,
    prepared: &Prepared,
    folder: &Path,
    start: Start,
    observer: &mut progress::Bar,
    stop: &AtomicI32,
) -> anyhow::Result<Result<(Judged, Vec<Metrics>), ExitCode>> {
    match train(config, prepared, folder, start, observer, stop)? {
        Ending::Stopped { step, signal } => {
            eprintln!("stopped behind step {step}; continue with --resume {}", folder.display());
            Ok(Err(ExitCode::from((128 + signal) as u8)))
        }
        Ending::Finished { trainer, seconds, samples_per_second }
        | Ending::Paused { trainer, seconds, samples_per_second } => {
            let run = (config.objective.name.as_str(), config.training.seed, config.training.device.as_str());
            let judged = judge(&trainer, prepared, run, (seconds, samples_per_second))?;
            calibrate(&judged, folder, observer)?;
            Ok(Ok((judged, log::history(folder)?)))
        }
    }
}

/// Writes the calibration that `compare` answers by, made from the pairs that the run is judged on.
pub(crate) fn calibrate(judged: &Judged, folder: &Path, observer: &mut progress::Bar) -> anyhow::Result<()> {
    let Some(comparison) = judged.judgement.comparison() else { return Ok(()) };
    match SavedCalibration::of_cosines(&comparison.verification) {
        Ok(saved) => saved.write(&folder.join(CALIBRATION_FILE)),
        Err(error) => {
            observer.message(&format!("warning: no {CALIBRATION_FILE}: {error:#}"));
            Ok(())
        }
    }
}

/// Writes report.json and report.html.
pub(crate) fn write_reports(
    folder: &Path,
    report: &impl Serialize,
    config: &Config,
    prepared: &Prepared,
    runs: &[(Judged, Vec<Metrics>)],
) -> anyhow::Result<()> {
    let mut json = serde_json::to_string_pretty(report).context("writing report.json")?;
    json.push('\n');
    write_atomic(folder.join("report.json"), json.as_bytes())?;
    let html = page::render(config, prepared, runs)?;
    Ok(write_atomic(folder.join("report.html"), html.as_bytes())?)
}

/// Writes the reports and prints the closing table.
fn finish(
    folder: &Path,
    report: &impl Serialize,
    config: &Config,
    prepared: &Prepared,
    runs: &[(Judged, Vec<Metrics>)],
) -> anyhow::Result<()> {
    write_reports(folder, report, config, prepared, runs)?;
    let mut out = std::io::stdout().lock();
    let judged_on = runs.first().map(|(judged, _)| page::judged_on(&judged.judgement)).unwrap_or_default();
    writeln!(out, "Judged on {judged_on}.\n")?;
    writeln!(out, "{}", page::closing_table(runs.iter().map(|(judged, _)| judged)))?;
    let sentences = verdict(runs.iter().map(|(judged, _)| &judged.judgement));
    for sentence in &sentences {
        writeln!(out, "{sentence}")?;
    }
    if !sentences.is_empty() {
        writeln!(out, "{ONE_SEED}\n")?;
    }
    writeln!(out, "Report: {}", folder.join("report.html").display())?;
    Ok(())
}
