//! `widemargin train`: trains one run, resumes one, or compares objectives.

use crate::arguments::{heading, one_of, share, without_effect};
use crate::run::{
    AccuracyBy, Ended, EvaluatedRun, ONE_SEED, RunArguments, RunReport, Seeds, Session, absolute,
    closing_notes, closing_table, conclusions, evaluated_on, free_folder, given, naming_flag, write_reports,
};
use crate::say::{results, say, sentence, shown};
use crate::sweep::{self, Comparison};
use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use widemargin_data::{Labelled, ResizeMode};
use widemargin_durable::check_folder;
use widemargin_model::BackboneName;
use widemargin_train::config::{Amount, Difference, KeptModel, PrecisionName, SamplerName};
use widemargin_train::{Change, Config, Prepared, Recipe, RunFolder};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin train --data images/ --out runs/mine\n  widemargin train --data images/ --minutes 10 --print-config > mine.toml\n  widemargin train --resume runs/mine --epochs 40"
)]
pub(crate) struct TrainArguments {
    #[command(flatten)]
    run: RunArguments,
    /// Write the run to this folder, which must not exist [default: runs/DATA-OBJECTIVE]
    #[arg(help_heading = heading::RUN, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resume the run or comparison in this folder; --epochs trains a run longer, --data and --labels say where its data is now
    #[arg(help_heading = heading::RUN, long, value_name = "DIR", conflicts_with_all = ["out", "compare", "config", "quick"])]
    resume: Option<PathBuf>,
    /// Train for about this many minutes on this machine, instead of a number of epochs
    #[arg(help_heading = heading::RUN, long, value_name = "MINUTES", value_parser = minutes, conflicts_with_all = ["epochs", "resume", "compare", "quick"])]
    minutes: Option<Duration>,
    /// Print the configuration that this command would train with, as TOML, and stop
    #[arg(help_heading = heading::RUN, long, conflicts_with_all = ["resume", "compare"])]
    print_config: bool,
    /// Print the report of the run as one JSON object instead of a table
    #[arg(help_heading = heading::RUN, long)]
    json: bool,
    /// Train with each of these objectives and the same seed, and compare the results
    #[arg(
        help_heading = heading::RUN,
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "objective"
    )]
    compare: Vec<String>,
    /// Train each objective of --compare with so many seeds, and report the spread of every measure and the differences seed by seed
    #[arg(help_heading = heading::RUN, long, value_name = "COUNT", requires = "compare", default_value_t = 1)]
    seeds: u64,
    /// Scale s of the cosine, or auto to choose it for the number of classes [default: auto for own data]
    #[arg(help_heading = heading::OBJECTIVE, long, value_name = "NUMBER", allow_negative_numbers = true)]
    scale: Option<Amount>,
    /// Margin m, or auto to choose it for the number of classes [default: auto for own data]
    #[arg(help_heading = heading::OBJECTIVE, long, value_name = "NUMBER", allow_negative_numbers = true)]
    margin: Option<Amount>,
    /// Give rare classes larger margins, in proportion to n^-POWER for n samples [default without a number: 0.25]
    #[arg(help_heading = heading::OBJECTIVE, long, value_name = "POWER", num_args = 0..=1, default_missing_value = "0.25", allow_negative_numbers = true)]
    margin_by_count: Option<f64>,
    /// Sampler: shuffled, class-balanced (P classes x K samples) or by-frequency (classes by a power of their size) [default: shuffled]
    #[arg(help_heading = heading::BATCHES, long, value_name = "NAME", value_parser = one_of::<SamplerName>)]
    sampler: Option<SamplerName>,
    /// Classes per batch of class-balanced [default: 7]
    #[arg(help_heading = heading::BATCHES, long, value_name = "P")]
    classes_per_batch: Option<usize>,
    /// Samples per class in a batch of class-balanced [default: 16]
    #[arg(help_heading = heading::BATCHES, long, value_name = "K")]
    samples_per_class: Option<usize>,
    /// Power of by-frequency: 1 draws classes in proportion to their size, 0.5 to its square root, 0 uniformly [default: 0.5]
    #[arg(help_heading = heading::BATCHES, long, value_name = "POWER")]
    sampling_power: Option<f64>,
    /// Backbone: small-cnn, iresnet18, iresnet34, iresnet50, iresnet100, iresnet200, resnet18, resnet34, resnet50, resnet101, resnet152,
    /// mlp, linear or identity [default: small-cnn; linear for a table]
    #[arg(help_heading = heading::MODEL, long, value_name = "NAME")]
    backbone: Option<BackboneName>,
    /// Start from these weights: safetensors with PyTorch's names (insightface's iresnet, torchvision's resnet), a model.safetensors, or
    /// the folder of a finished run
    #[arg(help_heading = heading::MODEL, long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Continue this run on other data, such as more classes: with its settings, backbone, centres of classes and optimiser state, and a
    /// tenth of its learning rate
    #[arg(help_heading = heading::MODEL, long, value_name = "RUN", conflicts_with_all = ["config", "weights", "compare", "resume"])]
    from: Option<PathBuf>,
    /// Freeze the backbone parameters whose names start with these prefixes, such as conv1,bn1,layer1
    #[arg(help_heading = heading::MODEL, long, value_name = "NAMES", value_delimiter = ',')]
    freeze: Vec<String>,
    /// Multiply the learning rate of the backbone by this factor [default: 1]
    #[arg(help_heading = heading::TRAINING, long, value_name = "FACTOR", allow_negative_numbers = true)]
    backbone_factor: Option<f64>,
    /// Multiply the learning rates of parts of the backbone by these factors, such as layer4=0.5,fc=1
    #[arg(help_heading = heading::TRAINING, long, value_name = "NAME=FACTOR", value_delimiter = ',', value_parser = factor)]
    factors: Vec<(String, f64)>,
    /// Embedding dimension; 2 and 3 add a plot of the embeddings to the report [default: 128]
    #[arg(help_heading = heading::MODEL, long, value_name = "DIM")]
    embedding: Option<usize>,
    /// Samples per batch, for shuffled and by-frequency [default: chosen for the data]
    #[arg(help_heading = heading::BATCHES, long)]
    batch: Option<usize>,
    /// Peak learning rate [default: 0.1]
    #[arg(help_heading = heading::TRAINING, long, value_name = "RATE", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Hold out these classes from training, by name; for names with commas, use data.unseen_classes of a configuration
    #[arg(
        help_heading = heading::DATA,
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "split"
    )]
    unseen_classes: Vec<String>,
    /// Train on every class; evaluate on test images of known classes
    #[arg(help_heading = heading::DATA, long, conflicts_with_all = ["split", "unseen", "unseen_classes"])]
    closed_set: bool,
    /// How images of another aspect ratio get the size of the model: stretch, pad with the background or crop the centre [default: stretch]
    #[arg(help_heading = heading::DATA, long, value_name = "MODE", value_parser = one_of::<ResizeMode>)]
    resize: Option<ResizeMode>,
    /// Largest accepted share of unreadable images, such as 2% or 0.02 [default: 1%]
    #[arg(help_heading = heading::DATA, long, value_name = "SHARE", value_parser = share)]
    max_bad: Option<f64>,
    /// Number of image loader threads; does not affect the result [default: 1]
    #[arg(help_heading = heading::BATCHES, long, value_name = "COUNT")]
    loader_threads: Option<usize>,
    /// Device: cpu, or wgpu in a build with that feature [default: cpu]
    #[arg(help_heading = heading::TRAINING, long, value_name = "NAME")]
    device: Option<String>,
    /// Precision: full, or mixed for products in bfloat16 with sums in f32 (other devices: half precision) [default: full]
    #[arg(help_heading = heading::TRAINING, long, value_name = "NAME", value_parser = one_of::<PrecisionName>)]
    precision: Option<PrecisionName>,
    /// Use so many batches per step of the optimiser, with the memory of one [default: 1]
    #[arg(help_heading = heading::BATCHES, long, value_name = "COUNT")]
    accumulate: Option<usize>,
    /// Average the weights over the steps with this decay, such as 0.999, and evaluate and write the averaged model [default: 0, none]
    #[arg(help_heading = heading::MODEL, long, value_name = "DECAY", allow_negative_numbers = true)]
    average: Option<f64>,
    /// Evaluate on the validation part after every so many epochs, and end with the best model [default: 0, never]
    #[arg(help_heading = heading::VALIDATION, long, value_name = "EPOCHS")]
    evaluate_every: Option<usize>,
    /// With --evaluate-every: end with the best model or the last one [default: best]
    #[arg(help_heading = heading::VALIDATION, long, value_name = "MODEL", value_parser = one_of::<KeptModel>)]
    keep: Option<KeptModel>,
    /// With --evaluate-every: end training after so many evaluations in a row that are not better than the best [default: 0, never]
    #[arg(help_heading = heading::VALIDATION, long, value_name = "COUNT")]
    patience: Option<usize>,
    /// Hold out this share of each class (or of the groups, if the data has them) for evaluation, if the data has no test part
    /// [default: 20%]
    #[arg(help_heading = heading::DATA, long, value_name = "SHARE", value_parser = share, conflicts_with = "split")]
    hold_out: Option<f64>,
}

/// A number of minutes above 0, such as `10` or `0.5`.
fn minutes(text: &str) -> Result<Duration, String> {
    let found = text.parse::<f64>().ok().filter(|minutes| *minutes > 0.0);
    let time = found.and_then(|minutes| Duration::try_from_secs_f64(60.0 * minutes).ok());
    time.ok_or_else(|| "expected a number of minutes above 0, such as 10 or 0.5".to_owned())
}

/// A factor for part of the backbone, as in `layer4=0.5`.
fn factor(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, factor)| Some((name.to_owned(), factor.parse().ok()?)));
    parts.ok_or_else(|| {
        "expected NAME=FACTOR, such as layer4=0.5: NAME is the start of a parameter's name".to_owned()
    })
}

impl TrainArguments {
    /// The keys of the configuration that were set by a flag, with the flag.
    fn given(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = self.run.given();
        found.extend(given([
            ("objective.scale", "--scale", self.scale.is_some()),
            ("objective.margin", "--margin", self.margin.is_some()),
            ("objective.margin_by_count", "--margin-by-count", self.margin_by_count.is_some()),
            ("objective.name", "--compare", !self.compare.is_empty()),
            ("sampler.name", "--sampler", self.sampler.is_some()),
            ("sampler.classes_per_batch", "--classes-per-batch", self.classes_per_batch.is_some()),
            ("sampler.samples_per_class", "--samples-per-class", self.samples_per_class.is_some()),
            ("sampler.power", "--sampling-power", self.sampling_power.is_some()),
            ("sampler.batch", "--batch", self.batch.is_some()),
            ("model.backbone", "--backbone", self.backbone.is_some()),
            ("model.weights", "--weights", self.weights.is_some()),
            ("model.from", "--from", self.from.is_some()),
            ("model.freeze", "--freeze", !self.freeze.is_empty()),
            ("model.embedding", "--embedding", self.embedding.is_some()),
            ("optimiser.backbone_factor", "--backbone-factor", self.backbone_factor.is_some()),
            ("optimiser.factors", "--factors", !self.factors.is_empty()),
            ("optimiser.learning_rate", "--learning-rate", self.learning_rate.is_some()),
            ("data.unseen_classes", "--unseen-classes", !self.unseen_classes.is_empty()),
            ("data.resize", "--resize", self.resize.is_some()),
            ("data.max_bad", "--max-bad", self.max_bad.is_some()),
            ("training.accumulate", "--accumulate", self.accumulate.is_some()),
            ("training.average", "--average", self.average.is_some()),
            ("training.evaluate_every", "--evaluate-every", self.evaluate_every.is_some()),
            ("training.keep", "--keep", self.keep.is_some()),
            ("training.patience", "--patience", self.patience.is_some()),
            ("data.hold_out", "--hold-out", self.hold_out.is_some()),
            ("training.loader_threads", "--loader-threads", self.loader_threads.is_some()),
            ("training.device", "--device", self.device.is_some()),
            ("training.precision", "--precision", self.precision.is_some()),
        ]));
        found
    }

    /// The configuration: file, then flags, then `--quick`; and the recipe for the other settings.
    fn configuration(&self) -> anyhow::Result<(Config, Recipe)> {
        let applied = |config| self.applied(config);
        let (config, recipe) = match &self.from {
            Some(run) => (self.continued(run)?, Recipe::fixed()),
            None => self.run.configuration(applied, &self.given(), !self.compare.is_empty())?,
        };
        self.require_sampler_flags(config.sampler.name)?;
        self.require_evaluations(config.training.evaluate_every)?;
        let mut short = self.run.shortened(config);
        short.sampler.batch = self.batch.unwrap_or(short.sampler.batch);
        Ok((short, recipe))
    }

    /// The settings of the run in the folder `run`, to continue it on other data, with these flags.
    fn continued(&self, run: &Path) -> anyhow::Result<Config> {
        let mut config = Config::after(run).map_err(|error| anyhow::anyhow!("--from: {error}"))?;
        if self.run.has_data() {
            // Its labels and its place belong to the data of that run.
            (config.data.path, config.data.labels, config.data.set) = (None, None, None);
        }
        config.data.closed_set &= !self.run.chooses_unseen() && self.unseen_classes.is_empty();
        let before = config.objective.name.clone();
        let mut config = self.run.applied(config);
        if config.objective.name != before {
            // Those of the other objective mean something else here.
            config.objective.set("scale", None);
            config.objective.set("margin", None);
        }
        Ok(self.applied(config))
    }

    /// Rejects the flags of other samplers.
    fn require_sampler_flags(&self, name: SamplerName) -> anyhow::Result<()> {
        let balanced = name == SamplerName::ClassBalanced;
        let of_balanced = [
            ("--classes-per-batch", self.classes_per_batch.is_some()),
            ("--samples-per-class", self.samples_per_class.is_some()),
        ];
        if !balanced {
            without_effect(&of_balanced, "without --sampler class-balanced")?;
        }
        let batch = [("--batch", balanced && self.batch.is_some())];
        without_effect(
            &batch,
            "with the sampler class-balanced, whose batches follow from --classes-per-batch and --samples-per-class",
        )?;
        let power = self.sampling_power.is_some() && name != SamplerName::ByFrequency;
        without_effect(&[("--sampling-power", power)], "without --sampler by-frequency")
    }

    /// Rejects the flags on evaluations during training if there are none.
    fn require_evaluations(&self, every: usize) -> anyhow::Result<()> {
        let given = [("--patience", self.patience.is_some()), ("--keep", self.keep.is_some())];
        if every > 0 { Ok(()) } else { without_effect(&given, "without --evaluate-every") }
    }

    /// The configuration `config` with the flags that only `train` has.
    fn applied(&self, mut config: Config) -> Config {
        if !self.unseen_classes.is_empty() {
            config.data.unseen_classes.clone_from(&self.unseen_classes);
        }
        config.data.closed_set |= self.closed_set;
        config.data.max_bad = self.max_bad.unwrap_or(config.data.max_bad);
        config.model.backbone = self.backbone.unwrap_or(config.model.backbone);
        if let Some(path) = &self.weights {
            let m = &mut config.model;
            let before = m.weights.replace(absolute(path));
            if before != m.weights {
                // Those of the weights before.
                m.weights_classes = None;
                if before.is_some() {
                    (m.mean, m.deviation) = (Vec::new(), Vec::new());
                    (config.data.background, config.data.depth, config.data.resize) = (None, None, None);
                }
            }
        }
        // After the weights, which reset it.
        config.data.resize = self.resize.or(config.data.resize);
        if !self.freeze.is_empty() {
            config.model.freeze.clone_from(&self.freeze);
        }
        config.optimiser.backbone_factor = self.backbone_factor.unwrap_or(config.optimiser.backbone_factor);
        config.optimiser.factors.extend(self.factors.iter().cloned());
        config.model.embedding = self.embedding.unwrap_or(config.model.embedding);
        for (key, amount) in [("scale", self.scale), ("margin", self.margin)] {
            if amount.is_some() {
                config.objective.set(key, amount);
            }
        }
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
        let t = &mut config.training;
        t.accumulate = self.accumulate.unwrap_or(t.accumulate);
        t.average = self.average.unwrap_or(t.average);
        t.evaluate_every = self.evaluate_every.unwrap_or(t.evaluate_every);
        t.keep = self.keep.unwrap_or(t.keep);
        t.patience = self.patience.unwrap_or(t.patience);
        config
    }

    /// Refuses flags that change a setting of the run in `folder`, which has the configuration `config`, by name.
    fn require_same(&self, folder: &Path, config: &Config) -> anyhow::Result<()> {
        let requested = self.applied(self.run.applied(config.clone()));
        let allowed = ["training.epochs", "data.path", "data.labels"];
        let mut refused = requested.differences(config);
        refused.retain(|difference| !allowed.contains(&difference.key.as_str()));
        let listed: Vec<String> = refused.iter().map(Difference::to_string).collect();
        ensure!(
            listed.is_empty(),
            "--resume {}: {}; a run keeps its settings, only --epochs, --data and --labels can be given: leave out the other flags, or start a \
             new run",
            folder.display(),
            listed.join("; ")
        );
        Ok(())
    }
}

/// `report.json` of a comparison: one entry per objective.
#[derive(Serialize)]
struct ComparisonReport<'a> {
    objectives: Vec<&'a RunReport>,
    /// The spread over several seeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds: Option<Seeds>,
}

pub(crate) fn run(arguments: &TrainArguments) -> anyhow::Result<ExitCode> {
    trained(arguments).map_err(|error| naming_flag(error, &arguments.given()))
}

fn trained(arguments: &TrainArguments) -> anyhow::Result<ExitCode> {
    let mut session = Session::start()?;
    if let Some(folder) = &arguments.resume {
        return resumed(arguments, &mut session, folder);
    }
    let (config, mut recipe) = arguments.configuration()?;
    if let Some(folder) = &arguments.out {
        if folder.exists() {
            bail!(widemargin_train::Error::RunFolderExists(folder.clone()));
        }
        check_folder(folder)?;
    }
    // Whether the user chose the embedding dimension.
    let dimension_given = arguments.run.has_file() || arguments.embedding.is_some();
    if !arguments.compare.is_empty() {
        let out = arguments.out.as_deref();
        let of = (&arguments.compare[..], arguments.seeds);
        let comparison = Comparison::start(&mut session, (config, recipe), of, out, dimension_given)?;
        return compared(&mut session, comparison, arguments.json);
    }
    let mut config = session.complete(config)?;
    let prepared = session.prepare_by(&mut config, &mut recipe)?;
    let mut config = session.resolve(config, dimension_given, &prepared)?;
    session.finish_recipe(&mut config, &mut recipe, &prepared, arguments.minutes)?;
    if arguments.print_config {
        write!(results(), "{}", config.to_toml())?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = format!("{}-{}", prepared.set.name(), config.objective.name);
    let folder = arguments.out.clone().unwrap_or_else(|| free_folder(&name));
    one(&mut session, &config, &prepared, RunFolder::create(&folder)?, arguments.json)
}

/// Resumes the run or comparison in `folder`.
fn resumed(arguments: &TrainArguments, session: &mut Session, folder: &Path) -> anyhow::Result<ExitCode> {
    if sweep::has_plan(folder) {
        let change = arguments.run.change();
        ensure!(
            change == Change::default(),
            "--resume {}: found a comparison, and --epochs, --data and --labels are for a single run; leave them out",
            folder.display()
        );
        let comparison = Comparison::resume(session, folder)?;
        arguments.require_same(folder, comparison.config())?;
        return compared(session, comparison, arguments.json);
    }
    let mut run = RunFolder::resume(folder)?;
    if let Some(config) = run.config() {
        arguments.require_same(folder, config)?;
    }
    run.change(&arguments.run.change())?;
    let Some(config) = run.config().cloned() else { bail!("{}: not a run folder", folder.display()) };
    let prepared = session.prepare_with(&config, || run.prepared())?;
    one(session, &config, &prepared, run, arguments.json)
}

/// Trains the objectives of a comparison and writes its report.
fn compared(session: &mut Session, comparison: Comparison, json: bool) -> anyhow::Result<ExitCode> {
    match comparison.train(session)? {
        Err(signal) => {
            let folder = comparison.folder().display();
            say!("stopped; resume with: widemargin train --resume {folder}");
            Ok(ExitCode::from((128 + signal) as u8))
        }
        Ok(runs) => {
            let reports = || runs.iter().map(|run| &run.report);
            let report = ComparisonReport { objectives: reports().collect(), seeds: Seeds::of(reports()) };
            let of = (comparison.config(), comparison.prepared());
            finish(comparison.folder(), &report, of, &runs, json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn one(
    session: &mut Session,
    config: &Config,
    prepared: &Prepared,
    mut run: RunFolder,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let ended =
        session.train(config, prepared, &mut run, config.training.epochs, AccuracyBy::of([config])?)?;
    let folder = run.path();
    match ended {
        Ended::Stopped { step, signal } => {
            if let Some(epochs) = run.earlier_epochs() {
                let (folder, all) = (folder.display(), config.training.epochs);
                say!("the model in {folder} is still that of {epochs} of {all} epochs");
            }
            Ok(stopped(folder, step, signal))
        }
        Ended::Evaluated(run) => {
            let runs = [*run];
            finish(folder, &runs[0].report, (config, prepared), &runs, json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Says how to resume a stopped run; the exit status of the signal.
fn stopped(folder: &Path, step: u64, signal: i32) -> ExitCode {
    say!("stopped after step {step}; resume with: widemargin train --resume {}", folder.display());
    ExitCode::from((128 + signal) as u8)
}

/// Writes the reports and prints the closing table, or the report as JSON.
fn finish(
    folder: &Path,
    report: &impl Serialize,
    (config, prepared): (&Config, &Prepared),
    runs: &[EvaluatedRun],
    json: bool,
) -> anyhow::Result<()> {
    write_reports(folder, report, config, prepared, runs)?;
    let mut out = results();
    if json {
        writeln!(out, "{}", serde_json::to_string(report).context("writing the report as JSON")?)?;
        return Ok(());
    }
    if let Some(run) = runs.first() {
        writeln!(out, "{}", sentence(&format!("Evaluated on {}.", evaluated_on(&run.report))))?;
    }
    let seeds = Seeds::of(runs.iter().map(|run| &run.report));
    match &seeds {
        Some(seeds) => write!(out, "{}", seeds.tables())?,
        None => writeln!(out, "{}", closing_table(runs))?,
    }
    for line in closing_notes(runs, seeds.as_ref(), prepared) {
        write!(out, "{}", sentence(&line))?;
    }
    let sentences = conclusions(runs.iter().map(|run| &run.report), seeds.as_ref());
    for line in &sentences {
        write!(out, "{}", sentence(line))?;
    }
    if seeds.is_none() && !sentences.is_empty() {
        writeln!(out, "{}", sentence(ONE_SEED))?;
    }
    writeln!(out, "Report: {}", shown(&folder.join("report.html")))?;
    // Last, where it is seen.
    for run in runs {
        if let Some(verdict) = &run.report.verdict {
            let of = match (runs.len(), &seeds) {
                (1, _) => String::new(),
                (_, None) => format!("{}: ", run.report.objective),
                (_, Some(_)) => format!("{}, seed {}: ", run.report.objective, run.report.seed),
            };
            write!(out, "{}", sentence(&format!("{of}{verdict}")))?;
        }
    }
    Ok(())
}
