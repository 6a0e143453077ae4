//! The state of a trainer as the parts of a checkpoint.

use super::{Trainer, health, trained};
use crate::Error;
use crate::checkpoint::{AVERAGE, Parts};
use crate::log::LogSums;
use crate::validation::Found;
use serde::{Deserialize, Serialize};
use widemargin_head::{HeadMode, HeadTensor, Optimiser, TrainingHeadState};
use widemargin_model::parameters::{self, Parameter};
use widemargin_model::tensors::{self, Tensors};

/// The part of a checkpoint that is not tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    step: u64,
    seconds: f64,
    /// Without its tensors, which are in the part `head`.
    head: TrainingHeadState,
    optimiser_steps: Vec<u64>,
    run: RunIdentity,
    /// Of the logs up to this step.
    #[serde(default)]
    log: Option<LogSums>,
    /// Of the evaluations up to this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validation: Option<Found>,
}

/// How far a run is, as its checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) step: u64,
    /// Seconds spent in steps.
    pub(crate) seconds: f64,
    /// Checksums of the logs up to this step.
    pub(crate) log: Option<LogSums>,
    /// What the evaluations up to this step found; `None` if there were none.
    pub(crate) validation: Option<Found>,
}

/// The run to which a checkpoint belongs: checksums of the settings with which it started and of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunIdentity {
    pub(crate) settings: u32,
    pub(crate) samples: u32,
}

impl Trainer {
    /// The whole state as the parts of a checkpoint.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a tensor is not finite.
    pub(crate) fn parts(&self, done: Done, run: RunIdentity) -> Result<Parts, Error> {
        let Done { step, seconds, log, validation } = done;
        let all = parameters::parameters(&self.backbone);
        let model = tensors::of_parameters(&all);
        let mut memories = Tensors::new();
        for ((parameter, _), optimiser) in trained(&all, &self.factors).zip(&self.optimisers) {
            for (memory, values) in optimiser.memory() {
                let name = format!("{}/{memory}", parameter.name);
                memories.insert(name, (parameter.shape.clone(), values.to_vec()));
            }
        }
        let mut head = self.head.state();
        let centres = std::mem::take(head.tensors_mut());
        let centres = centres.into_iter().map(|t| (t.name, (t.shape.to_vec(), t.values))).collect();
        let average = self.average.as_ref().map(|average| average.tensors(&all));
        let found = [(&model, "backbone"), (&centres, "head"), (&memories, "optimiser")];
        for (tensors, owner) in found.into_iter().chain(average.as_ref().map(|tensors| (tensors, "average")))
        {
            health::require_finite(tensors, owner, step)?;
        }
        let optimiser_steps = self.optimisers.iter().map(Optimiser::steps).collect();
        let progress = Progress { step, seconds, head, optimiser_steps, run, log, validation };
        let progress = serde_json::to_vec_pretty(&progress).expect("plain data always has a JSON form");
        let mut parts = Parts::from([
            ("model".to_owned(), tensors::pack(&model)),
            ("head".to_owned(), tensors::pack(&centres)),
            ("optimiser".to_owned(), tensors::pack(&memories)),
            ("progress".to_owned(), progress),
        ]);
        parts.extend(average.map(|average| (AVERAGE.to_owned(), tensors::pack(&average))));
        Ok(parts)
    }

    /// Loads a checkpoint of the run `run`; returns how far it is. The trainer is unchanged if it fails.
    ///
    /// # Errors
    /// A sentence that names the part and what does not fit.
    pub(crate) fn load(&mut self, parts: &Parts, run: RunIdentity) -> Result<Done, String> {
        let part = |name: &str| parts.get(name).ok_or_else(|| format!("part '{name}' is missing"));
        let progress: Progress =
            serde_json::from_slice(part("progress")?).map_err(|error| format!("progress: {error}"))?;
        for (file, found, expected) in [
            ("settings", run.settings, progress.run.settings),
            ("samples", run.samples, progress.run.samples),
        ] {
            if found != expected {
                return Err(format!("belongs to another run than the file `{file}` of the run folder"));
            }
        }

        let stored = tensors::unpack(part("model")?).map_err(|error| format!("model: {error}"))?;
        let stored = tensors::into_parameters(stored);
        let backbone =
            parameters::with_parameters(self.backbone.clone(), &stored).map_err(|e| format!("model: {e}"))?;

        let mut memories =
            tensors::unpack(part("optimiser")?).map_err(|error| format!("optimiser: {error}"))?;
        let all = parameters::parameters(&backbone);
        let learnt: Vec<&Parameter> = trained(&all, &self.factors).map(|(parameter, _)| parameter).collect();
        if progress.optimiser_steps.len() != learnt.len() {
            let (found, expected) = (progress.optimiser_steps.len(), learnt.len());
            return Err(format!("progress: {found} optimisers, expected {expected}"));
        }
        let mut optimisers = Vec::new();
        for ((parameter, old), steps) in learnt.iter().zip(&self.optimisers).zip(&progress.optimiser_steps) {
            let take = |memory: &&str| {
                let name = format!("{}/{memory}", parameter.name);
                tensors::take(&mut memories, &name, parameter.values.len())
                    .map_err(|e| format!("optimiser: {e}"))
            };
            let memory = old.config().memory_names().iter().map(take).collect::<Result<Vec<_>, _>>()?;
            optimisers.push(Optimiser::restored(old.config(), parameter.values.len(), *steps, memory));
        }

        let average = match &self.average {
            Some(average) => {
                let stored = tensors::unpack(part(AVERAGE)?).map_err(|error| format!("average: {error}"))?;
                Some(average.restored(stored, &all)?)
            }
            None => None,
        };

        let centres = tensors::unpack(part("head")?).map_err(|error| format!("head: {error}"))?;
        let tensor = |(name, (shape, values)): (String, (Vec<usize>, Vec<f32>))| match *shape {
            [rows, columns] => Ok(HeadTensor { name, shape: [rows, columns], values }),
            _ => Err(format!("head: tensor '{name}' has shape {shape:?}, expected two dimensions")),
        };
        let mut head = progress.head.clone();
        *head.tensors_mut() = centres.into_iter().map(tensor).collect::<Result<_, _>>()?;
        self.head.restore(head).map_err(|error| format!("head: {error}"))?;
        // with `auto` the head keeps the mode in which it was trained
        if self.head_mode != HeadMode::Auto {
            self.head.set_mode(self.head_mode).map_err(|error| format!("head: {error}"))?;
        }
        (self.backbone, self.optimisers, self.average) = (backbone, optimisers, average);
        let Progress { step, seconds, log, validation, .. } = progress;
        Ok(Done { step, seconds, log, validation })
    }
}
