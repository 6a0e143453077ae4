//! `widemargin train`: the main job. How a run begins is in `opening.rs`, which `sweep` begins by too.

mod opening;

use crate::arguments::{one_of, share};
use crate::calibration::{CALIBRATION_FILE, SavedCalibration};
use crate::judge::{Judged, judge};
use crate::verdict::{ONE_SEED, verdict};
use crate::{interrupt, page, progress};
use anyhow::{Context, bail};
use clap::Args;
pub(crate) use opening::{Opening, free_folder, prepare, resolved, settle_weights, whole};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicI32;
use widemargin_data::Labelled;
use widemargin_durable::{create_folders, write_atomic};
use widemargin_model::BackboneName;
use widemargin_train::config::{Amount, ObjectiveConfig, PrecisionName, SamplerName};
use widemargin_train::log::{self, Metrics};
use widemargin_train::progress::Observer;
use widemargin_train::{Config, Ending, Prepared, Start, continue_from, train};

#[derive(Args)]
pub(crate) struct TrainArguments {
    #[command(flatten)]
    opening: Opening,
    /// Run folder; must not exist [default: runs/ and a name made of data and objective]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue the run in this folder from its newest checkpoint, with its own configuration; takes no other flags
    #[arg(long, value_name = "DIR", exclusive = true)]
    resume: Option<PathBuf>,
    /// Train once with each of these objectives from the same seed and compare them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "objective")]
    compare: Vec<String>,
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
    #[arg(long, value_name = "NAME", value_parser = one_of::<SamplerName>)]
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
    /// Backbone: small-cnn, iresnet18, iresnet34, iresnet50, iresnet100, iresnet200, resnet18, resnet34, resnet50, resnet101, resnet152,
    /// mlp, linear, identity [default: small-cnn; linear for a table]
    #[arg(long, value_name = "NAME")]
    backbone: Option<BackboneName>,
    /// Begin with these weights: safetensors with PyTorch's names (insightface's iresnet, torchvision's resnet), or a model.safetensors
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Parts of the backbone that are not trained, by the beginning of their parameters' names: conv1,bn1,layer1
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    freeze: Vec<String>,
    /// Factor on the learning rate of the backbone
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    backbone_factor: Option<f64>,
    /// Factors on the learning rate of parts of the backbone: layer4=0.5,fc=1
    #[arg(long, value_name = "NAME=FACTOR", value_delimiter = ',', value_parser = factor)]
    factors: Vec<(String, f64)>,
    /// Numbers in an embedding; 2 and 3 can be looked at
    #[arg(long, value_name = "DIM")]
    embedding: Option<usize>,
    /// Images in a batch
    #[arg(long)]
    batch: Option<usize>,
    /// Largest learning rate of the schedule
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Which classes are kept from training, by name
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "split")]
    unseen_classes: Vec<String>,
    /// Train on every class
    #[arg(long, conflicts_with = "split")]
    closed_set: bool,
    /// Largest share of unreadable images, such as 0.1% or 0.001
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_bad: Option<f64>,
    /// Threads that read images ahead of the model; no influence on the result
    #[arg(long, value_name = "COUNT")]
    loader_threads: Option<usize>,
    /// Device: cpu, or wgpu in a build with that feature
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// full, or mixed: half precision where it is safe, on a device that has it (not the CPU)
    #[arg(long, value_name = "NAME", value_parser = one_of::<PrecisionName>)]
    precision: Option<PrecisionName>,
    /// Share of each class (of the groups, where the data has them) kept from training to judge by, where the data has no parts
    /// [default: 20%]
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "split")]
    hold_out: Option<f64>,
}

/// `layer4=0.5`.
fn factor(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, factor)| Some((name.to_owned(), factor.parse().ok()?)));
    parts.ok_or_else(|| "expected the beginning of a parameter's name, = and a number".to_owned())
}

impl TrainArguments {
    /// The configuration: file, then flags, then `--quick`.
    fn configuration(&self) -> anyhow::Result<Config> {
        let mut config = self.opening.configuration()?;
        let set = |target: &mut Option<Amount>, value: Option<Amount>| *target = value.or(*target);
        if !self.unseen_classes.is_empty() {
            config.data.unseen_classes.clone_from(&self.unseen_classes);
        }
        config.data.closed_set |= self.closed_set;
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
        config.training.loader_threads = self.loader_threads.unwrap_or(config.training.loader_threads);
        config.training.device = self.device.clone().unwrap_or(config.training.device);
        config.training.precision = self.precision.unwrap_or(config.training.precision);
        config.data.hold_out = self.hold_out.unwrap_or(config.data.hold_out);
        Ok(self.opening.shortened(config))
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
    settle_weights(&mut config, &mut observer)?;
    // Whether the number of numbers in an embedding is anybody's wish.
    let wished = arguments.opening.has_file() || arguments.embedding.is_some();
    if arguments.compare.is_empty() {
        config.check()?;
        let prepared = prepare(&config, &mut observer)?;
        let config = settled(config, wished, &prepared, &mut observer)?;
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
        .map(|config| settled(config, wished, &prepared, &mut observer))
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

/// As [`resolved`], and says so.
fn settled(
    config: Config,
    wished: bool,
    prepared: &Prepared,
    observer: &mut progress::Bar,
) -> anyhow::Result<Config> {
    let (config, said) = resolved(config, wished, prepared)?;
    if let Some(said) = said {
        observer.message(&said);
    }
    Ok(config)
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
