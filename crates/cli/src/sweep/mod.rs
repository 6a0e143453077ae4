//! `widemargin sweep`: trains with many settings, over a small grid or by successive halving.
//!
//! The folder of a sweep contains its plan and the record of its data (`started.rs`), one run folder per combination, and in each run folder the
//! results after so many epochs (`evaluation-EPOCHS.json`). There is no other state. If a sweep is killed at any moment, `--resume` follows the
//! plan again, skips what is evaluated, and resumes the interrupted run from its checkpoint, to the same bits.
//!
//! `train --compare` is a sweep over objectives (`comparison.rs`) with reports of its own.

mod comparison;
mod plan;
mod report;
mod results;
mod started;

use crate::arguments::heading;
use crate::run::{AccuracyBy, Ended, RunArguments, Session, naming_flag, write_reports};
use crate::say::say;
use anyhow::ensure;
use clap::Args;
pub(crate) use comparison::Comparison;
use plan::{Axis, Candidate, Halving, Plan, RankBy};
use results::{RoundResult, SweptRun};
use started::Started;
pub(crate) use started::has_plan;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::Value;
use widemargin_data::Labelled;
use widemargin_train::{Error, Prepared, Recipe};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin sweep --data images/ --margin 0.1,0.2,0.35 --scale 16,30\n  widemargin sweep --data images/ --grid grid.toml --halving"
)]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    run: RunArguments,
    /// Write the sweep to this folder, which must not exist [default: runs/sweep-OBJECTIVE]
    #[arg(help_heading = heading::RUN, long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Resume the sweep in this folder, with its own plan
    #[arg(help_heading = heading::RUN, long, value_name = "DIR", conflicts_with = "RunArguments")]
    resume: Option<PathBuf>,
    /// Margins to try, separated by commas
    #[arg(
        help_heading = heading::GRID,
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        conflicts_with = "resume"
    )]
    margin: Vec<f64>,
    /// Scales to try, separated by commas
    #[arg(
        help_heading = heading::GRID,
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        conflicts_with = "resume"
    )]
    scale: Vec<f64>,
    /// Learning rates to try, separated by commas
    #[arg(
        help_heading = heading::GRID,
        long,
        value_name = "RATES",
        value_delimiter = ',',
        conflicts_with = "resume"
    )]
    learning_rate: Vec<f64>,
    /// Read more lists of values from this TOML file, such as objective.margin = [0.2, 0.35]; accepts any key of the configuration
    #[arg(help_heading = heading::GRID, long, value_name = "FILE", conflicts_with = "resume")]
    grid: Option<PathBuf>,
    /// Use successive halving: after each round keep one run in N and train it N times as long [default without a number: 2]
    #[arg(help_heading = heading::HALVING, long, value_name = "N", num_args = 0..=1, default_missing_value = "2", conflicts_with = "resume")]
    halving: Option<usize>,
    /// Epochs of the first round of halving
    #[arg(
        help_heading = heading::HALVING,
        long,
        value_name = "EPOCHS",
        default_value_t = 1,
        requires = "halving",
        conflicts_with = "resume"
    )]
    first_epochs: usize,
    /// Rank the runs by this measure
    #[arg(
        help_heading = heading::HALVING,
        long,
        value_enum,
        default_value = "map-at-r",
        conflicts_with = "resume"
    )]
    by: RankBy,
    /// Print one JSON object instead of a table
    #[arg(help_heading = heading::RUN, long)]
    json: bool,
}

impl SweepArguments {
    fn plan(&self) -> anyhow::Result<(Plan, Recipe)> {
        let mut given = self.run.given();
        if !self.margin.is_empty() {
            given.push(("objective.margin", "--margin"));
        }
        let (base, recipe) = self.run.configuration(|config| config, &given, false)?;
        let base = self.run.shortened(base);
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
        let mut swept: Vec<String> = grid.iter().map(|axis| axis.key.clone()).collect();
        if swept.iter().any(|key| key == "objective.name") {
            // Not every objective has them.
            swept.extend(["objective.scale", "objective.margin"].map(str::to_owned));
        }
        let recipe = recipe.without(swept);
        Ok((Plan { comparison: false, seeds: 1, by: self.by, halving, grid, base }, recipe))
    }
}

pub(crate) fn run(arguments: &SweepArguments) -> anyhow::Result<ExitCode> {
    swept(arguments).map_err(|error| naming_flag(error, &arguments.run.given()))
}

fn swept(arguments: &SweepArguments) -> anyhow::Result<ExitCode> {
    let mut session = Session::start()?;
    let started = started(arguments, &mut session)?;
    let Started { folder, plan, prepared, .. } = &started;
    session.message(&format!(
        "{} runs on {}, in {}",
        started.candidates.len(),
        prepared.set.name(),
        folder.display()
    ));
    let swept = |candidate: &Candidate| SweptRun { candidate: candidate.clone(), rounds: Vec::new() };
    let mut runs: Vec<SweptRun> = started.candidates.iter().map(swept).collect();

    let mut alive: Vec<usize> = (0..runs.len()).collect();
    let rounds = plan.rounds();
    let accuracy_by = started.accuracy_by()?;
    for (round, &limit) in rounds.iter().enumerate() {
        for (at, &number) in alive.iter().enumerate() {
            let run = &mut runs[number];
            let epochs = limit.min(run.candidate.config.training.epochs);
            let place = started.place(&run.candidate);
            let title = format!("{} of {}: {}, to epoch {epochs}", at + 1, alive.len(), run.candidate.name);
            match evaluated(&mut session, &run.candidate, prepared, (&place, epochs, accuracy_by), &title)? {
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
    report::write(folder, plan, &runs, (prepared, accuracy_by), arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

/// A new sweep or one to resume.
fn started(arguments: &SweepArguments, session: &mut Session) -> anyhow::Result<Started> {
    if let Some(folder) = &arguments.resume {
        let started = Started::resume(session, folder)?;
        ensure!(
            !started.plan.comparison,
            "{}: found a comparison, expected a sweep; resume it with: widemargin train --resume {}",
            folder.display(),
            folder.display()
        );
        return Ok(started);
    }
    let (mut plan, recipe) = arguments.plan()?;
    plan.base = session.complete(plan.base)?;
    Started::new(session, arguments.out.as_deref(), (plan, recipe), true)
}

/// The results of a run after so many epochs, from its file or after training it that far. The exit status if a signal stopped it.
fn evaluated(
    session: &mut Session,
    candidate: &Candidate,
    prepared: &Prepared,
    (folder, epochs, accuracy_by): (&Path, usize, AccuracyBy),
    title: &str,
) -> anyhow::Result<Result<RoundResult, ExitCode>> {
    let config = &candidate.config;
    if let Some(found) = RoundResult::read(folder, epochs)? {
        started::require_planned(folder, &widemargin_train::configuration(folder)?, config)?;
        return Ok(Ok(found));
    }
    let mut run = started::run_folder(folder, config)?;
    session.message(title);
    let found = match session.train(config, prepared, &mut run, epochs, accuracy_by) {
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
    found.write(folder)?;
    Ok(Ok(found))
}
