//! `train --compare`: a sweep over objectives with one report for all, which has figures of each run.

use super::plan::Plan;
use super::started::{Started, run_folder};
use crate::run::{Ended, EvaluatedRun, Session};
use anyhow::ensure;
use std::path::Path;
use widemargin_train::{Config, Prepared, Recipe};

/// A comparison that has started.
pub(crate) struct Comparison(Started);

impl Comparison {
    /// Starts the comparison of `objectives`, each with so many seeds, with the other settings of `config`, in the new folder `out`.
    pub(crate) fn start(
        session: &mut Session,
        (config, recipe): (Config, Recipe),
        (objectives, seeds): (&[String], u64),
        out: Option<&Path>,
        dimension_given: bool,
    ) -> anyhow::Result<Self> {
        let plan = Plan::of_objectives(session.normalised(config)?, objectives, seeds);
        for sentence in plan.left_out()? {
            session.message(&format!("note: {sentence}"));
        }
        Ok(Self(Started::new(session, out, (plan, recipe), dimension_given)?))
    }

    /// Resumes the comparison in `folder`.
    pub(crate) fn resume(session: &mut Session, folder: &Path) -> anyhow::Result<Self> {
        let started = Started::resume(session, folder)?;
        ensure!(
            started.plan.comparison,
            "--resume {}: found a sweep, expected a run or a comparison; resume it with: widemargin sweep --resume {}",
            folder.display(),
            folder.display()
        );
        Ok(Self(started))
    }

    /// Trains and evaluates every objective with every seed, the seeds of an objective one after the other. A finished run is evaluated again. The number of the signal if one stopped it.
    pub(crate) fn train(&self, session: &mut Session) -> anyhow::Result<Result<Vec<EvaluatedRun>, i32>> {
        let mut runs = Vec::new();
        let accuracy_by = self.0.accuracy_by()?;
        for candidate in &self.0.candidates {
            let config = &candidate.config;
            let mut run = run_folder(&self.0.place(candidate), config)?;
            match session.train(config, &self.0.prepared, &mut run, config.training.epochs, accuracy_by)? {
                Ended::Evaluated(run) => runs.push(*run),
                Ended::Stopped { signal, .. } => return Ok(Err(signal)),
            }
        }
        Ok(Ok(runs))
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// What all runs share.
    pub(crate) fn config(&self) -> &Config {
        &self.0.plan.base
    }

    /// The data of all runs.
    pub(crate) fn prepared(&self) -> &Prepared {
        &self.0.prepared
    }
}
