//! `widemargin sweep`: the same training with other settings, over a small grid or by successive halving.
//!
//! The folder of a sweep holds its plan (`sweep.toml`), a run folder a combination, and beside the checkpoints of each what it was judged at after
//! so many epochs (`judged-EPOCHS.json`). A sweep has no state but these: killed at any moment, `--resume` goes through the plan again, passes over what is
//! judged, and continues the run that was stopped from its checkpoint, to the same bits.

mod plan;
mod report;

use crate::judge::judge;
use crate::train::{self, Opening};
use crate::{interrupt, progress};
use anyhow::{Context, ensure};
use clap::Args;
use plan::{Axis, By, Candidate, Halving, Plan};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicI32;
use toml::Value;
use widemargin_data::Labelled;
use widemargin_durable::{create_folders, write_atomic};
use widemargin_train::progress::Observer;
use widemargin_train::{
    Config, Ending, Error, Prepared, RunStart, checkpoint, continue_from, log, train_until,
};

/// The plan's file.
const PLAN_FILE: &str = "sweep.toml";
/// Where the run folders lie.
const RUNS: &str = "runs";

#[derive(Args)]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    opening: Opening,
    /// Folder of the sweep; must not exist [default: runs/sweep-OBJECTIVE]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Go on with the sweep in this folder, by its own plan
    #[arg(long, value_name = "DIR", conflicts_with = "Opening")]
    resume: Option<PathBuf>,
    /// Margins to try
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with = "resume")]
    margin: Vec<f64>,
    /// Scales to try
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with = "resume")]
    scale: Vec<f64>,
    /// Learning rates to try
    #[arg(long, value_name = "RATES", value_delimiter = ',', conflicts_with = "resume")]
    learning_rate: Vec<f64>,
    /// TOML file of further lists: objective.margin = [0.2, 0.35], or any other key of the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    grid: Option<PathBuf>,
    /// Successive halving: train all for few epochs, then one in N for N times as many, and so on [default without a number: 2]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "2", conflicts_with = "resume")]
    halving: Option<usize>,
    /// Epochs of the first round of halving
    #[arg(long, value_name = "EPOCHS", default_value_t = 1, requires = "halving", conflicts_with = "resume")]
    first_epochs: usize,
    /// The figure that runs are ranked by
    #[arg(long, value_enum, default_value = "map-at-r", conflicts_with = "resume")]
    by: By,
    /// Print one JSON object (the default is a table)
    #[arg(long)]
    json: bool,
}

/// What a run was judged at: `judged-EPOCHS.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) epochs: usize,
    /// Why it has no figures: it went to infinity.
    pub(crate) failed: Option<String>,
    pub(crate) accuracy: Option<f64>,
    pub(crate) recall_at_1: Option<f64>,
    pub(crate) map_at_r: Option<f64>,
    pub(crate) tar_at_far_1e3: Option<f64>,
    pub(crate) eer: Option<f64>,
    /// Seconds of training.
    pub(crate) seconds: f64,
}

impl Judged {
    /// The figure, turned so that more is better; what has none is worse than all.
    fn worth(&self, by: By) -> f64 {
        let found = match by {
            By::RecallAt1 => self.recall_at_1,
            By::MapAtR => self.map_at_r,
            By::Tar => self.tar_at_far_1e3,
            By::Eer => self.eer.map(|eer| -eer),
            By::Accuracy => self.accuracy,
        };
        found.unwrap_or(f64::NEG_INFINITY)
    }
}

/// A run of the sweep and what it was judged at so far, by rising epochs.
pub(crate) struct Run {
    candidate: Candidate,
    judged: Vec<Judged>,
}

impl SweepArguments {
    fn plan(&self) -> anyhow::Result<Plan> {
        let base = self.opening.shortened(self.opening.configuration()?);
        let lists = [
            ("objective.margin", &self.margin),
            ("objective.scale", &self.scale),
            ("optimiser.learning_rate", &self.learning_rate),
        ];
        let mut grid: Vec<Axis> = lists
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(key, values)| Axis {
                key: key.to_owned(),
                values: values.iter().copied().map(Value::Float).collect(),
            })
            .collect();
        if let Some(path) = &self.grid {
            grid.extend(plan::read_grid(path)?);
        }
        let halving =
            self.halving.map(|keep_one_in| Halving { keep_one_in, first_epochs: self.first_epochs });
        Ok(Plan { by: self.by, halving, grid, base })
    }
}

pub(crate) fn run(arguments: &SweepArguments) -> anyhow::Result<ExitCode> {
    let stop = interrupt::listen()?;
    let mut observer = progress::Bar::default();
    let (folder, mut plan) = begun(arguments, &mut observer)?;
    // A plan that cannot be is refused before anything is read or written.
    plan.candidates()?;
    let prepared = train::prepare(&plan.base, &mut observer)?;
    if arguments.resume.is_none() {
        create_folders(folder.join(RUNS))?;
        if let Some(split) = &mut plan.base.data.split {
            *split = own_split(&folder);
            prepared.split_file().write(split)?;
        }
        let text = toml::to_string(&plan).context("the plan as TOML")?;
        write_atomic(folder.join(PLAN_FILE), text.as_bytes())?;
    }
    let candidates = plan.candidates()?;
    observer.message(&format!(
        "{} runs of {}, in {}",
        candidates.len(),
        prepared.set.name(),
        folder.display()
    ));
    let (mut runs, mut told): (Vec<Run>, Vec<String>) = (Vec::new(), Vec::new());
    for mut candidate in candidates {
        let (config, said) = train::resolved(candidate.config, true, &prepared)?;
        candidate.config = config;
        runs.push(Run { candidate, judged: Vec::new() });
        // Most runs share what was chosen for them.
        if let Some(said) = said.filter(|said| !told.contains(said)) {
            observer.message(&said);
            told.push(said);
        }
    }

    let mut alive: Vec<usize> = (0..runs.len()).collect();
    let rounds = plan.rounds();
    for (round, &limit) in rounds.iter().enumerate() {
        for (at, &number) in alive.iter().enumerate() {
            let run = &mut runs[number];
            let epochs = limit.min(run.candidate.config.training.epochs);
            let place = folder.join(RUNS).join(&run.candidate.name);
            let said = format!("{} of {}: {}, to epoch {epochs}", at + 1, alive.len(), run.candidate.name);
            match judged(&run.candidate, &prepared, (&place, epochs), &said, &mut observer, &stop)? {
                Ok(found) => run.judged.push(found),
                Err(code) => {
                    eprintln!("stopped; continue with: widemargin sweep --resume {}", folder.display());
                    return Ok(code);
                }
            }
        }
        if round + 1 < rounds.len() {
            let worth =
                |number: &usize| runs[*number].judged.last().map_or(f64::NEG_INFINITY, |j| j.worth(plan.by));
            // of equals the first
            alive.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.cmp(b)));
            alive.truncate(plan.go_on(alive.len()));
            alive.sort_unstable();
        }
    }
    report::write(&folder, &plan, &runs, prepared.split.is_closed(), arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The folder and plan of a new sweep or of one to go on with.
fn begun(arguments: &SweepArguments, observer: &mut progress::Bar) -> anyhow::Result<(PathBuf, Plan)> {
    if let Some(folder) = &arguments.resume {
        let path = folder.join(PLAN_FILE);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}; is this the folder of a sweep?", path.display()))?;
        let mut plan: Plan =
            toml::from_str(&text).with_context(|| format!("{}: is no plan of a sweep", path.display()))?;
        if let Some(split) = &mut plan.base.data.split {
            *split = own_split(folder);
        }
        return Ok((folder.clone(), plan));
    }
    let mut plan = arguments.plan()?;
    train::settle_weights(&mut plan.base, observer)?;
    plan.base.check()?;
    let folder = match &arguments.out {
        Some(folder) => folder.clone(),
        None => train::free_folder(&format!("sweep-{}", plan.base.objective.name)),
    };
    ensure!(
        !folder.exists(),
        "{}: exists already; go on with --resume, or choose another with --out",
        folder.display()
    );
    Ok((folder, plan))
}

/// The sweep's own copy of what each sample is used for: as it was when the sweep began, whatever has become of the file that was given.
fn own_split(folder: &Path) -> PathBuf {
    train::whole(&folder.join("split.csv"))
}

/// What a run is worth after so many epochs: as it was judged before, or after training it so far. The exit status if it was stopped.
fn judged(
    candidate: &Candidate,
    prepared: &Prepared,
    (folder, epochs): (&Path, usize),
    said: &str,
    observer: &mut progress::Bar,
    stop: &AtomicI32,
) -> anyhow::Result<Result<Judged, ExitCode>> {
    let path = folder.join(format!("judged-{epochs}.json"));
    if path.exists() {
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let found = serde_json::from_slice(&bytes);
        return Ok(Ok(found.with_context(|| format!("{}: is no judgement of a sweep", path.display()))?));
    }
    let config = &candidate.config;
    let start = start(config, folder)?;
    observer.message(said);
    let found = match train_until(config, prepared, folder, (start, epochs), observer, stop) {
        Ok(Ending::Stopped { signal, .. }) => return Ok(Err(ExitCode::from((128 + signal) as u8))),
        Err(error @ Error::NonFinite { .. }) => {
            // the batch's samples say nothing about settings
            let reason = error.to_string();
            let reason = reason.split(". Batch").next().unwrap_or(&reason).to_owned();
            observer.message(&format!("{}: {reason}", candidate.name));
            Judged {
                epochs,
                failed: Some(reason),
                accuracy: None,
                recall_at_1: None,
                map_at_r: None,
                tar_at_far_1e3: None,
                eer: None,
                seconds: 0.0,
            }
        }
        Err(error) => return Err(error.into()),
        Ok(
            Ending::Finished { trainer, seconds, samples_per_second }
            | Ending::Paused { trainer, seconds, samples_per_second },
        ) => {
            let run = (config.objective.name.as_str(), config.training.seed, config.training.device.as_str());
            let judged = judge(&trainer, prepared, run, (seconds, samples_per_second))?;
            let comparison = judged.judgement.comparison();
            let found = Judged {
                epochs,
                failed: None,
                accuracy: judged.judgement.known.accuracy,
                recall_at_1: comparison.map(|c| c.retrieval.precision_at_1),
                map_at_r: comparison.map(|c| c.retrieval.map_at_r),
                tar_at_far_1e3: comparison.map(|c| c.verification.tar_at_far(1e-3)),
                eer: comparison.map(|c| c.verification.eer),
                seconds,
            };
            if epochs == config.training.epochs {
                // a whole run is as good as any other
                train::calibrate(&judged, folder, observer)?;
                let runs = [(judged, log::history(folder)?)];
                train::write_reports(folder, &runs[0].0.judgement, config, prepared, &runs)?;
            }
            found
        }
    };
    let json = serde_json::to_vec_pretty(&found).context("writing a judgement")?;
    write_atomic(&path, &json)?;
    Ok(Ok(found))
}

/// Whether the run is new or goes on. What was killed before its first checkpoint has nothing worth keeping.
fn start(config: &Config, folder: &Path) -> anyhow::Result<RunStart> {
    if !folder.exists() {
        return Ok(RunStart::New);
    }
    match checkpoint::newest(folder) {
        Ok(_) => {
            let mut found = continue_from(folder)?;
            // The run goes on by a copy of its own.
            found.data.split.clone_from(&config.data.split);
            ensure!(
                found == *config,
                "{}: its configuration is not that of the sweep's plan",
                folder.display()
            );
            Ok(RunStart::Resume)
        }
        Err(Error::NoCheckpoint { .. }) => {
            std::fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
            Ok(RunStart::New)
        }
        Err(error) => Err(error.into()),
    }
}
