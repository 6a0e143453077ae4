//! How a run starts: with random weights, with those of a file, or where an earlier run is.

use super::average::Average;
use super::{EVALUATION_BATCH, RunIdentity, Trainer, trained};
use crate::checkpoint;
use crate::config::{Config, KeptModel};
use crate::earlier_run::EarlierRun;
use crate::record::Record;
use crate::{Error, Prepared, fine_tuning};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use widemargin_data::{Labelled, first_names};
use widemargin_head::{ClassOrigin, Optimiser};
use widemargin_model::parameters;
use widemargin_objective::normalise;

/// Most class names in one sentence.
const NAMED: usize = 10;

/// Batches that are embedded at a time for the means of new classes.
const BATCHES: usize = 16;

impl Trainer {
    /// Checks that a run with the settings of `config` can be trained on this data, by building its model and its first batches.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`load_weights`](Self::load_weights), and for a sampler that cannot make batches.
    pub fn require(config: &Config, prepared: &Prepared) -> Result<(), Error> {
        let mut config = config.clone();
        config.training.loader_threads = 0;
        config.objective.resolve(prepared.split.known().len(), config.model.embedding)?;
        prepared.steps(&config, (0, 0))?;
        Self::new(&config, prepared)?.load_weights(&config, prepared).map(|_| ())
    }

    /// Loads the configured weights into the backbone, or continues the run in `model.from` with the classes of `prepared`, if there is either.
    /// Returns messages for the user.
    ///
    /// # Errors
    /// If the weights or the run cannot be read or do not fit.
    pub fn load_weights(&mut self, config: &Config, prepared: &Prepared) -> Result<Vec<String>, Error> {
        if let Some(earlier) = EarlierRun::of(config)? {
            return self.continue_run(config, &earlier, prepared);
        }
        let (backbone, messages) = fine_tuning::weights_in(config, self.backbone.clone())?;
        self.average = Average::new(config.training.average, &backbone);
        self.backbone = backbone;
        Ok(messages)
    }

    /// The trainer of the run in `folder`, which has this configuration and record: of its best epoch if it keeps it, otherwise of its newest
    /// checkpoint. Also returns the steps of that checkpoint, and newer ones that were skipped, with the reasons.
    ///
    /// # Errors
    /// If no checkpoint can be loaded, or it does not fit.
    pub(crate) fn reopened(
        config: &Config,
        record: &Record,
        folder: &Path,
        identity: RunIdentity,
    ) -> Result<(Self, u64, Vec<String>), Error> {
        let found = checkpoint::newest(folder)?;
        let known: Vec<&str> = record.known_classes().collect();
        let mut trainer = Self::of_shape(config, record.shape(), (&known, record.counts()))?;
        let bad = |reason| Error::BadFile { path: found.folder.clone(), reason };
        let done = trainer.load(&found.parts, identity).map_err(bad)?;
        let mut step = done.step;
        // The model of the run is that of its best epoch.
        let best = done.validation.and_then(|validation| validation.best);
        let best = best.filter(|best| config.training.keep == KeptModel::Best && best.step != step);
        if let Some(best) = best {
            let found = checkpoint::at(folder, best.step)?;
            let bad = |reason| Error::BadFile { path: found.folder.clone(), reason };
            step = trainer.load(&found.parts, identity).map_err(bad)?.step;
        }
        Ok((trainer, step, found.warnings))
    }

    /// Takes over backbone, optimiser state and class centres of the model that `run` gives: that of its best epoch if it keeps it, otherwise of its newest
    /// checkpoint, and with averaged weights if it averages. Centres of new classes start at the mean embedding
    /// of their training samples.
    fn continue_run(
        &mut self,
        config: &Config,
        run: &EarlierRun,
        prepared: &Prepared,
    ) -> Result<Vec<String>, Error> {
        let (names, earlier_names): (Vec<&str>, Vec<&str>) =
            (prepared.known_classes(), run.record.known_classes().collect());
        let continued = run.continued(&names);
        let (earlier, step, mut messages) = restored(config, run)?;
        let has_rows = self.head.rows_per_class() > 0;
        if has_rows && continued.iter().all(Option::is_none) {
            return Err(from(format!(
                "none of the {} known classes of {} is a known class of the run {}; use its weights alone (model.weights)",
                names.len(),
                prepared.set.name(),
                run.folder.display()
            )));
        }
        let same = continued
            .iter()
            .map(|kept| kept.map(|(_, name)| name))
            .eq(earlier_names.iter().copied().map(Some));
        let margins = config.objective.class_margins();
        if margins.is_some() && !same && margins == run.config.objective.class_margins() {
            return Err(Error::BadValue {
                key: "objective.class_margins".to_owned(),
                message: format!(
                    "found those of the run {} for its {} known classes, expected one margin per known class of {}, which are others; \
                     give them in a configuration file",
                    run.folder.display(),
                    earlier_names.len(),
                    prepared.set.name()
                ),
            });
        }

        let stored = earlier.result_parameters();
        self.backbone = parameters::with_parameters(self.backbone.clone(), &stored)?;
        self.average = Average::new(config.training.average, &self.backbone);
        self.continue_optimisers(&earlier);
        let mut directions =
            if has_rows { self.new_directions(prepared, &continued)? } else { HashMap::new() };
        let origins: Vec<ClassOrigin> = (0..)
            .zip(&continued)
            .map(|(label, kept)| match (kept, directions.remove(&label)) {
                (Some((class, _)), _) => ClassOrigin::Kept(*class),
                (None, Some(direction)) => ClassOrigin::Direction(direction),
                (None, None) => ClassOrigin::Random,
            })
            .collect();
        self.head.inherit(earlier.head, &origins)?;
        messages.push(summary(step, has_rows, &names, &earlier_names, &continued));
        Ok(messages)
    }

    /// Takes over the state of the optimisers of parameters that are trained now and were trained then.
    fn continue_optimisers(&mut self, earlier: &Self) {
        let all = parameters::parameters(&earlier.backbone);
        let states: HashMap<&str, &Optimiser> = trained(&all, &earlier.factors)
            .map(|(parameter, _)| parameter.name.as_str())
            .zip(&earlier.optimisers)
            .collect();
        let own = parameters::parameters(&self.backbone);
        for ((parameter, _), optimiser) in trained(&own, &self.factors).zip(&mut self.optimisers) {
            let Some(state) = states.get(parameter.name.as_str()) else { continue };
            let memory = state.memory().map(|(_, values)| values.to_vec()).collect();
            *optimiser =
                Optimiser::restored(optimiser.config(), parameter.values.len(), state.steps(), memory);
        }
    }

    /// The mean direction of the training samples of each class that is not `continued`, by label; without those whose embeddings cancel.
    fn new_directions(
        &self,
        prepared: &Prepared,
        continued: &[Option<(u32, &str)>],
    ) -> Result<HashMap<u32, Vec<f32>>, Error> {
        let all = prepared.training.samples.iter().zip(&prepared.training.labels);
        let new: Vec<(u32, u32)> = all
            .filter(|(_, label)| continued[**label as usize].is_none())
            .map(|(sample, label)| (*sample, *label))
            .collect();
        let dim = self.head.dim();
        let mut sums: HashMap<u32, Vec<f64>> = HashMap::new();
        for some in new.chunks(BATCHES * EVALUATION_BATCH) {
            let samples: Vec<u32> = some.iter().map(|(sample, _)| *sample).collect();
            let mut embeddings = self.embed(prepared, &samples)?;
            for (embedding, (_, label)) in embeddings.chunks_mut(dim).zip(some) {
                normalise(embedding);
                let sum = sums.entry(*label).or_insert_with(|| vec![0.0; dim]);
                sum.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        let direction = |mut sum: Vec<f64>| {
            (normalise(&mut sum) > 0.0).then(|| sum.iter().map(|value| *value as f32).collect())
        };
        Ok(sums.into_iter().filter_map(|(label, sum)| Some((label, direction(sum)?))).collect())
    }
}

/// The trainer of the model that `run` gives, on the device of `config`, with its step and with warnings about newer checkpoints.
fn restored(config: &Config, run: &EarlierRun) -> Result<(Trainer, u64, Vec<String>), Error> {
    let mut of_run = run.config.clone();
    of_run.training.device.clone_from(&config.training.device);
    of_run.training.precision = config.training.precision;
    let (settings, samples) = run.checksums;
    let (trainer, step, warnings) =
        Trainer::reopened(&of_run, &run.record, &run.folder, RunIdentity { settings, samples })?;
    let skipped = |warning: &String| {
        format!("warning: skipped a newer checkpoint of {}: {warning}", run.folder.display())
    };
    Ok((trainer, step, warnings.iter().map(skipped).collect()))
}

/// What the run starts with, in words.
fn summary(
    step: u64,
    has_rows: bool,
    names: &[&str],
    earlier_names: &[&str],
    continued: &[Option<(u32, &str)>],
) -> String {
    let kept: HashSet<u32> = continued.iter().flatten().map(|(label, _)| *label).collect();
    let new: Vec<&str> =
        names.iter().zip(continued).filter(|(_, kept)| kept.is_none()).map(|(name, _)| *name).collect();
    let dropped: Vec<&str> =
        (0..).zip(earlier_names).filter(|(label, _)| !kept.contains(label)).map(|(_, name)| *name).collect();
    let listed = |classes: &[&str]| {
        if classes.is_empty() { String::new() } else { format!(" ({})", first_names(classes, NAMED)) }
    };
    let renamed: Vec<String> = names
        .iter()
        .zip(continued)
        .filter_map(|(name, kept)| {
            kept.filter(|(_, before)| before != name).map(|(_, before)| (name, before))
        })
        .map(|(name, before)| format!("{before:?} as {name:?}"))
        .collect();
    let renamed = if renamed.is_empty() {
        String::new()
    } else {
        format!("; classes whose names only look the same are the same: {}", first_names(&renamed, NAMED))
    };
    let start = if has_rows { ", whose centres start at their mean embedding" } else { "" };
    format!(
        "continuing after step {step}: {} classes kept, {} new{}{}, {} dropped{}{renamed}",
        continued.len() - new.len(),
        new.len(),
        listed(&new),
        if new.is_empty() { "" } else { start },
        dropped.len(),
        listed(&dropped)
    )
}

fn from(message: String) -> Error {
    Error::BadValue { key: "model.from".to_owned(), message }
}
