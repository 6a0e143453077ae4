//! A sweep or comparison that has started: its folder, plan, data and runs.
//!
//! The folder has the plan twice: `sweep.toml` for readers, and `plan` with a checksum. It also has the record of the data (`split.csv` and
//! `samples`, as in a run folder), so that a resumed sweep notices data that changed. `.lock` keeps out other processes.

use super::plan::{Candidate, Plan};
use crate::run::{AccuracyBy, Session, absolute, free_folder, set_only_dimension};
use anyhow::{Context, bail, ensure};
use std::path::{Path, PathBuf};
use widemargin_data::Labelled;
use widemargin_durable::{
    Error as DurableError, Lock, create_folders, read_sealed, remove_stale_scratch, write_atomic,
    write_sealed,
};
use widemargin_train::config::{
    Difference, ObjectiveConfig, OptimiserSection, ScheduleConfig, TrainingConfig,
};
use widemargin_train::{Config, Error, Prepared, Recipe, RunFolder, Trainer};

/// The plan for readers.
const PLAN_FILE: &str = "sweep.toml";
/// The plan in a container, and the kind of the container.
const SEALED_PLAN: &str = "plan";
const VERSION: u32 = 1;
/// The folder of the run folders of a sweep; those of a comparison are in the folder itself.
const RUNS: &str = "runs";

/// A sweep or comparison; no other process works on it while this value exists.
pub(super) struct Started {
    pub(super) folder: PathBuf,
    pub(super) plan: Plan,
    pub(super) prepared: Prepared,
    /// The runs, with their settings resolved.
    pub(super) candidates: Vec<Candidate>,
    _lock: Lock,
}

impl Started {
    /// Starts `plan`, with the settings that `recipe` chooses for its data, in the new folder `out`, by default one that is named after the data or the objective.
    pub(super) fn new(
        session: &mut Session,
        out: Option<&Path>,
        (mut plan, mut recipe): (Plan, Recipe),
        dimension_given: bool,
    ) -> anyhow::Result<Self> {
        // An impossible plan is rejected before anything is read or written.
        let candidates = plan.candidates()?;
        if let Some(folder) = out {
            ensure!(!folder.exists(), "{}", exists(folder));
        }
        ensure!(!candidates.is_empty(), "the plan has no runs");
        let prepared = session.prepare_by(&mut plan.base, &mut recipe)?;
        let candidates = plan.candidates()?;
        // Of the settings that all runs share, the warnings are printed. A run may have others: then runs differ only in their names.
        let mut said = plan.base.warnings();
        for candidate in &candidates {
            for warning in candidate.config.warnings() {
                if !said.contains(&warning) {
                    session.message(&format!("warning: {}: {warning}", candidate.name));
                    said.push(warning);
                }
            }
        }
        if !dimension_given {
            set_only_dimension(&mut plan.base, &prepared);
        }
        session.finish_recipe(&mut plan.base, &mut recipe, &prepared, None)?;
        require_trainable(&plan.candidates()?, &prepared)?;
        let name = if plan.comparison {
            format!("{}-comparison", prepared.set.name())
        } else {
            format!("sweep-{}", plan.base.objective.name)
        };
        let folder = out.map_or_else(|| free_folder(&name), Path::to_path_buf);
        create_folders(&folder)?;
        let lock = locked(session, &folder)?;
        // Another process may have been quicker.
        ensure!(!has_plan(&folder), "{}", exists(&folder));
        prepared.write_record(&folder)?;
        if let Some(split) = &mut plan.base.data.split {
            *split = own_split(&folder);
        }
        let text = toml::to_string(&plan).context("the plan as TOML")?;
        write_atomic(folder.join(PLAN_FILE), text.as_bytes())?;
        write_sealed(folder.join(SEALED_PLAN), SEALED_PLAN, VERSION, text.as_bytes())?;
        Self::resolved(session, folder, plan, prepared, lock)
    }

    /// Resumes the plan in `folder`.
    pub(super) fn resume(session: &mut Session, folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(PLAN_FILE);
        let text = widemargin_durable::read_text(&path).with_context(|| {
            format!("{}: cannot be read (is this the folder of a sweep?)", path.display())
        })?;
        let lock = locked(session, folder)?;
        let (_version, sealed) = read_sealed(folder.join(SEALED_PLAN), SEALED_PLAN, VERSION)?;
        let sealed = String::from_utf8_lossy(&sealed);
        let parse = |text: &str| -> anyhow::Result<Plan> {
            toml::from_str(text).with_context(|| format!("{}: not the plan of a sweep", path.display()))
        };
        let mut plan = parse(&sealed)?;
        let edited = parse(&text)?;
        if edited != plan {
            let keys: Vec<String> =
                edited.base.differences(&plan.base).iter().map(Difference::to_string).collect();
            let keys = if keys.is_empty() { "another plan".to_owned() } else { keys.join("; ") };
            bail!(
                "{}: {keys}; a sweep keeps its plan: restore the file, or start a new sweep",
                path.display()
            );
        }
        if let Some(split) = &mut plan.base.data.split {
            *split = own_split(folder);
        }
        let candidates = plan.candidates()?;
        let Some(first) = candidates.first() else { bail!("{}: the plan has no runs", path.display()) };
        let prepared = session.prepare_with(&first.config, || Prepared::of_record(&plan.base, folder))?;
        remove_stale_scratch(folder)?;
        Self::resolved(session, folder.to_path_buf(), plan, prepared, lock)
    }

    fn resolved(
        session: &mut Session,
        folder: PathBuf,
        plan: Plan,
        prepared: Prepared,
        lock: Lock,
    ) -> anyhow::Result<Self> {
        let mut candidates = plan.candidates()?;
        for candidate in &mut candidates {
            candidate.config = session.resolve(candidate.config.clone(), true, &prepared)?;
        }
        Ok(Self { folder, plan, prepared, candidates, _lock: lock })
    }

    /// The accuracy on known classes that all runs have in common.
    pub(super) fn accuracy_by(&self) -> Result<AccuracyBy, Error> {
        AccuracyBy::of(self.candidates.iter().map(|candidate| &candidate.config))
    }

    /// The run folder of a candidate.
    pub(super) fn place(&self, candidate: &Candidate) -> PathBuf {
        let runs = if self.plan.comparison { self.folder.clone() } else { self.folder.join(RUNS) };
        runs.join(&candidate.name)
    }
}

/// Checks that every run can be trained: the last one would fail after the others are done.
fn require_trainable(candidates: &[Candidate], prepared: &Prepared) -> anyhow::Result<()> {
    let mut built = Vec::new();
    for Candidate { name, config, .. } in candidates {
        prepared.require_settings(config).with_context(|| name.clone())?;
        // Building a model can take seconds, and does not depend on settings such as a rate or a margin.
        let Config { data, model, head, augment, sampler, .. } = config.clone();
        let objective = ObjectiveConfig { name: config.objective.name.clone(), ..Default::default() };
        let optimiser = OptimiserSection {
            name: config.optimiser.name,
            factors: config.optimiser.factors.clone(),
            ..Default::default()
        };
        let training = TrainingConfig {
            device: config.training.device.clone(),
            precision: config.training.precision,
            ..Default::default()
        };
        let schedule = ScheduleConfig::default();
        let key = Config { data, model, objective, optimiser, head, schedule, augment, sampler, training };
        if !built.contains(&key) {
            Trainer::require(config, prepared).with_context(|| name.clone())?;
            built.push(key);
        }
    }
    Ok(())
}

/// Whether `folder` has the plan of a sweep or comparison.
pub(crate) fn has_plan(folder: &Path) -> bool {
    folder.join(PLAN_FILE).exists()
}

fn exists(folder: &Path) -> String {
    let resume = if has_plan(folder) { "resume it with --resume, or " } else { "" };
    format!("{}: already exists; {resume}choose another folder with --out", folder.display())
}

fn locked(session: &mut Session, folder: &Path) -> anyhow::Result<Lock> {
    let lock = Lock::take(folder.join(".lock")).map_err(|error| match error {
        DurableError::Locked { folder, .. } => {
            anyhow::anyhow!(
                "{}: another process is training these runs; wait for it to end",
                folder.display()
            )
        }
        other => other.into(),
    })?;
    if let Some(warning) = lock.warning() {
        session.message(&format!("warning: {warning}"));
    }
    Ok(lock)
}

/// The sweep's copy of the split, so that a later change of the given file has no effect.
fn own_split(folder: &Path) -> PathBuf {
    absolute(&folder.join("split.csv"))
}

/// The run folder `place` for a run with the settings `config`: new, or to resume. A run that was killed before its first checkpoint starts again.
pub(super) fn run_folder(place: &Path, config: &Config) -> anyhow::Result<RunFolder> {
    if place.exists() && !place.join("config.toml").exists() {
        // Killed before it wrote anything.
        std::fs::remove_dir_all(place).with_context(|| format!("removing {}", place.display()))?;
    }
    if !place.exists() {
        return Ok(RunFolder::create(place)?);
    }
    let run = RunFolder::resume(place)?;
    if let Some(found) = run.config() {
        require_planned(place, found, config)?;
    }
    Ok(run)
}

/// Checks that the run in `place` has the settings of the plan.
pub(super) fn require_planned(place: &Path, found: &Config, planned: &Config) -> anyhow::Result<()> {
    let mut differences = found.differences(planned);
    // The folder of the sweep, with its copy of the split, may have moved.
    differences.retain(|difference| difference.key != "data.split");
    let listed: Vec<String> = differences.iter().map(Difference::to_string).collect();
    ensure!(
        listed.is_empty(),
        "{}: its configuration differs from the sweep's plan: {}; remove the folder to train it again",
        place.display(),
        listed.join("; ")
    );
    Ok(())
}
