//! `widemargin sweep`: trains with many settings, over a small grid or by successive halving.
//!
//! The folder of a sweep contains its plan (`sweep.toml`), one run folder per combination, and in each run folder the results after so many
//! epochs (`evaluation-EPOCHS.json`). There is no other state. If a sweep is killed at any moment, `--resume` follows the plan again, skips what
//! is evaluated, and resumes the interrupted run from its checkpoint, to the same bits.

mod plan;
mod report;
mod results;

use crate::run::{Ended, RunArguments, Session, absolute, free_folder, naming_flag, write_reports};
use crate::say::say;
use anyhow::{Context, ensure};
use clap::Args;
use plan::{Axis, Candidate, Halving, Plan, RankBy};
use results::{RoundResult, SweptRun};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::Value;
use widemargin_data::Labelled;
use widemargin_durable::{create_folders, write_atomic};
use widemargin_train::{Config, Error, Prepared, RunStart, checkpoint, continue_from};

/// The plan's file.
const PLAN_FILE: &str = "sweep.toml";
/// The folder of the run folders.
const RUNS: &str = "runs";

#[derive(Args)]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    run: RunArguments,
    /// Write the sweep to this folder, which must not exist [default: runs/sweep-OBJECTIVE]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Resume the sweep in this folder, with its own plan
    #[arg(long, value_name = "DIR", conflicts_with = "RunArguments")]
    resume: Option<PathBuf>,
    /// Margins to try, separated by commas
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with = "resume")]
    margin: Vec<f64>,
    /// Scales to try, separated by commas
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with = "resume")]
    scale: Vec<f64>,
    /// Learning rates to try, separated by commas
    #[arg(long, value_name = "RATES", value_delimiter = ',', conflicts_with = "resume")]
    learning_rate: Vec<f64>,
    /// Read more lists of values from this TOML file, such as objective.margin = [0.2, 0.35]; accepts any key of the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    grid: Option<PathBuf>,
    /// Use successive halving: after each round keep one run in N and train it N times as long [default without a number: 2]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "2", conflicts_with = "resume")]
    halving: Option<usize>,
    /// Epochs of the first round of halving
    #[arg(long, value_name = "EPOCHS", default_value_t = 1, requires = "halving", conflicts_with = "resume")]
    first_epochs: usize,
    /// Rank the runs by this measure
    #[arg(long, value_enum, default_value = "map-at-r", conflicts_with = "resume")]
    by: RankBy,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl SweepArguments {
    fn plan(&self) -> anyhow::Result<Plan> {
        let base = self.run.shortened(self.run.configuration()?);
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
    swept(arguments).map_err(|error| naming_flag(error, &arguments.run.given()))
}

fn swept(arguments: &SweepArguments) -> anyhow::Result<ExitCode> {
    let mut session = Session::start()?;
    let (folder, mut plan) = planned(arguments, &mut session)?;
    // An impossible plan is rejected before anything is read or written.
    plan.candidates()?;
    let prepared = session.prepare(&plan.base)?;
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
    session.message(&format!(
        "{} runs on {}, in {}",
        candidates.len(),
        prepared.set.name(),
        folder.display()
    ));
    let mut runs: Vec<SweptRun> = Vec::new();
    for mut candidate in candidates {
        candidate.config = session.resolve(candidate.config, true, &prepared)?;
        runs.push(SweptRun { candidate, rounds: Vec::new() });
    }

    let mut alive: Vec<usize> = (0..runs.len()).collect();
    let rounds = plan.rounds();
    for (round, &limit) in rounds.iter().enumerate() {
        for (at, &number) in alive.iter().enumerate() {
            let run = &mut runs[number];
            let epochs = limit.min(run.candidate.config.training.epochs);
            let place = folder.join(RUNS).join(&run.candidate.name);
            let title = format!("{} of {}: {}, to epoch {epochs}", at + 1, alive.len(), run.candidate.name);
            match evaluated(&mut session, &run.candidate, &prepared, (&place, epochs), &title)? {
                Ok(found) => run.rounds.push(found),
                Err(code) => {
                    say!("stopped; resume with: widemargin sweep --resume {}", folder.display());
                    return Ok(code);
                }
            }
        }
        if round + 1 < rounds.len() {
            let value = |number: &usize| {
                runs[*number].rounds.last().map_or(f64::NEG_INFINITY, |result| result.rank_value(plan.by))
            };
            // the first of equals
            alive.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.cmp(b)));
            alive.truncate(plan.kept(alive.len()));
            alive.sort_unstable();
        }
    }
    report::write(&folder, &plan, &runs, &prepared, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The folder and plan of a new sweep or of one to resume.
fn planned(arguments: &SweepArguments, session: &mut Session) -> anyhow::Result<(PathBuf, Plan)> {
    if let Some(folder) = &arguments.resume {
        let path = folder.join(PLAN_FILE);
        let text = widemargin_durable::read_text(&path).with_context(|| {
            format!("{}: cannot be read (is this the folder of a sweep?)", path.display())
        })?;
        let mut plan: Plan =
            toml::from_str(&text).with_context(|| format!("{}: not the plan of a sweep", path.display()))?;
        if let Some(split) = &mut plan.base.data.split {
            *split = own_split(folder);
        }
        return Ok((folder.clone(), plan));
    }
    let mut plan = arguments.plan()?;
    plan.base = session.complete(plan.base)?;
    let folder = match &arguments.out {
        Some(folder) => folder.clone(),
        None => free_folder(&format!("sweep-{}", plan.base.objective.name)),
    };
    ensure!(
        !folder.exists(),
        "{}: already exists; resume the sweep with --resume, or choose another folder with --out",
        folder.display()
    );
    Ok((folder, plan))
}

/// The sweep's copy of the split, so that a later change of the given file has no effect.
fn own_split(folder: &Path) -> PathBuf {
    absolute(&folder.join("split.csv"))
}

/// The results of a run after so many epochs, from its file or after training it that far. The exit status if a signal stopped it.
fn evaluated(
    session: &mut Session,
    candidate: &Candidate,
    prepared: &Prepared,
    (folder, epochs): (&Path, usize),
    title: &str,
) -> anyhow::Result<Result<RoundResult, ExitCode>> {
    let path = folder.join(format!("evaluation-{epochs}.json"));
    if path.exists() {
        let bytes = widemargin_durable::read_file(&path, u64::MAX)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        let found = serde_json::from_slice(&bytes);
        return Ok(Ok(found.with_context(|| format!("{}: not the results of a run", path.display()))?));
    }
    let config = &candidate.config;
    let start = start(config, folder)?;
    session.message(title);
    let found = match session.train(config, prepared, folder, (start, epochs)) {
        Ok(Ended::Stopped { signal, .. }) => return Ok(Err(ExitCode::from((128 + signal) as u8))),
        Ok(Ended::Evaluated(run)) => {
            let found = RoundResult::new(epochs, &run.report);
            if epochs == config.training.epochs {
                // A complete run has the same reports as one of `train`.
                let runs = [*run];
                write_reports(folder, &runs[0].report, config, prepared, &runs)?;
            }
            found
        }
        Err(error) => match error.downcast_ref::<Error>().and_then(Error::divergence) {
            Some(reason) => {
                session.message(&format!("{}: {reason}", candidate.name));
                RoundResult::diverged(epochs, reason)
            }
            None => return Err(error),
        },
    };
    let json = serde_json::to_vec_pretty(&found).context("writing the results of a run")?;
    write_atomic(&path, &json)?;
    Ok(Ok(found))
}

/// Whether the run is new or resumes. A run that was killed before its first checkpoint starts again.
fn start(config: &Config, folder: &Path) -> anyhow::Result<RunStart> {
    if !folder.exists() {
        return Ok(RunStart::New);
    }
    match checkpoint::newest(folder) {
        Ok(_) => {
            let mut found = continue_from(folder)?;
            // The run has its own copy of the split.
            found.data.split.clone_from(&config.data.split);
            ensure!(
                found == *config,
                "{}: its configuration differs from the sweep's plan; remove the folder to train it again",
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
