//! Everything that training changes, and one step of changing it.

use crate::checkpoint::Parts;
use crate::config::{Config, OptimiserName, PrecisionName};
use crate::criterion::{Criterion, CriterionState};
use crate::{Error, Prepared, fine_tuning};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::path::Path;
use widemargin_data::{SampleSet, TrainingBatch, evaluation_batches};
use widemargin_embedder::{Description, Model, Takes};
use widemargin_head::{
    Diagnostics, Error as HeadError, HeadConfig, HeadTensor, MatRef, Optimiser, OptimiserConfig,
};
use widemargin_model::parameters::{self, Parameter, Role};
use widemargin_model::tensors::{self, Tensors};
use widemargin_model::{Backbone, BackboneConfig, Pass, device};
use widemargin_objective::Error as ObjectiveError;
use widemargin_objective::normalise;

/// Images embedded at a time when a model is judged.
const EVALUATION_BATCH: usize = 256;

/// Training images of a class that its mean is taken of.
const SAMPLES_OF_A_MEAN: usize = 50;

/// Gradients of half precision are computed this much larger, so that small ones do not vanish below its range, and divided
/// again in `f32`. A power of two, so that nothing is rounded; far from the other end of the range, because the
/// gradient of a mean loss with respect to any activation is well below 1.
const HALF_PRECISION_LOSS_SCALE: f32 = 1024.0;

/// Backbone, head, and the optimiser's memory of both.
#[derive(Debug)]
pub struct Trainer {
    backbone: Backbone,
    criterion: Criterion,
    /// Factors on the learning rate, one for each of [`parameters::parameters`]; `None` for what is not trained.
    factors: Vec<Option<f64>>,
    /// One for each parameter that is trained, in the same order.
    optimisers: Vec<Optimiser>,
    centres_factor: f64,
    clip_norm: f64,
    seed: u64,
    model: BackboneConfig,
    device: Device,
    /// The type of the backbone's activations in training, if not `f32`.
    half: Option<FloatDType>,
}

/// What one step found.
#[derive(Clone, Debug)]
pub(crate) struct StepOutcome {
    pub(crate) loss: f64,
    pub(crate) margin: f64,
    pub(crate) gradient_norm: f64,
    pub(crate) diagnostics: Diagnostics,
    /// Why the batch taught nothing, if so.
    pub(crate) warning: Option<String>,
}

/// The part of a checkpoint that is not tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    step: u64,
    seconds: f64,
    criterion: CriterionState,
    optimiser_steps: Vec<u64>,
}

fn optimiser(config: &Config, decayed: bool) -> OptimiserConfig {
    let o = &config.optimiser;
    let weight_decay = if decayed { o.weight_decay } else { 0.0 };
    match o.name {
        OptimiserName::Sgd => OptimiserConfig::Sgd { momentum: o.momentum, weight_decay },
        OptimiserName::AdamW => {
            OptimiserConfig::AdamW { beta1: o.beta_1, beta2: o.beta_2, epsilon: o.epsilon, weight_decay }
        }
    }
}

/// Those of `all` that are trained, with their factors.
fn trained<'a>(
    all: &'a [Parameter],
    factors: &'a [Option<f64>],
) -> impl Iterator<Item = (&'a Parameter, f64)> {
    all.iter().zip(factors).filter_map(|(parameter, factor)| factor.map(|factor| (parameter, factor)))
}

impl Trainer {
    /// A backbone and a head with their first weights, for images like those of `prepared`.
    ///
    /// # Errors
    /// For a device that is not there, or a backbone or objective that cannot be built as configured.
    pub fn new(config: &Config, prepared: &Prepared) -> Result<Self, Error> {
        let device = device::by_name(&config.training.device)?;
        let half = match config.training.precision {
            PrecisionName::Full => None,
            PrecisionName::Mixed => Some(device::half_precision(&config.training.device, &device)?),
        };
        let device = device.autodiff();
        let input = prepared.set.shape();
        let m = &config.model;
        let model = BackboneConfig {
            name: m.backbone,
            input,
            embedding: m.embedding,
            dropout: m.dropout,
            hidden: m.hidden.clone(),
        };
        let seed = config.training.seed;
        let backbone = Backbone::new(&model, seed, &device)?;
        let backbone = parameters::freeze(backbone, &|name| fine_tuning::is_frozen(config, name));
        let all = parameters::parameters(&backbone);
        let factors = fine_tuning::factors(config, &all)?;
        let optimisers = trained(&all, &factors)
            .map(|(p, _)| Optimiser::new(optimiser(config, p.role == Role::Weight), p.values.len()))
            .collect::<Result<Vec<_>, _>>()?;
        let classes = prepared.split.known().len();
        let mut counts = vec![0; classes];
        prepared.training.labels.iter().for_each(|label| counts[*label as usize] += 1);
        let objective = config.objective.by_count(config.objective.build(Some(classes))?, &counts)?;
        // Another stream than the backbone's, so that neither depends on the size of the other.
        let head_config = HeadConfig {
            optimiser: optimiser(config, true),
            mode: config.head.head_mode(),
            centres: config.head.centres,
            kept_scores_mib: config.head.kept_scores_mib,
            seed: seed ^ 0x6865_6164,
            ..HeadConfig::default()
        };
        let mined = (config.objective.build_miner()?, config.objective.memory);
        let criterion = Criterion::new(objective, mined, (classes, m.embedding), head_config)?;
        Ok(Self {
            backbone,
            criterion,
            factors,
            optimisers,
            centres_factor: config.optimiser.centres_factor,
            clip_norm: config.optimiser.clip_norm,
            seed,
            model,
            device,
            half,
        })
    }

    /// Takes the configured weights into the backbone, if there are any; gives what is to be said about them.
    ///
    /// # Errors
    /// If they cannot be read or do not fit.
    pub fn take_weights(&mut self, config: &Config) -> Result<Vec<String>, Error> {
        let (backbone, said) = fine_tuning::weights_in(config, self.backbone.clone())?;
        self.backbone = backbone;
        Ok(said)
    }

    /// What the embeddings are trained by.
    pub fn criterion(&self) -> &Criterion {
        &self.criterion
    }

    /// Numbers that training changes in the backbone.
    pub fn parameter_count(&self) -> usize {
        self.backbone.num_params()
    }

    fn tensor(&self, pixels: Vec<f32>, batch: usize, device: &Device) -> Tensor<4> {
        let s = self.model.input;
        Tensor::from_data(TensorData::new(pixels, [batch, s.channels, s.height, s.width]), device)
    }

    /// One step on `batch`; `step` counts from 0 and seeds the dropout. Nothing is updated unless loss and gradients are finite.
    pub(crate) fn step(
        &mut self,
        batch: TrainingBatch,
        step: u64,
        learning_rate: f64,
        margin_share: f64,
        name_of: impl Fn(u32) -> String,
    ) -> Result<StepOutcome, Error> {
        let not_finite = |what: String| Error::NonFinite {
            what,
            step: step + 1,
            batch: batch.step_in_epoch as usize + 1,
            samples: batch.sample_ids.iter().map(|id| name_of(*id)).collect(),
        };
        self.criterion.set_margin_share(margin_share);
        let count = batch.labels.len();
        let pass = Pass::Training { seed: self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(step) };
        let mut pixels = self.tensor(batch.pixels, count, &self.device);
        if let Some(half) = self.half {
            pixels = pixels.cast(half);
        }
        let embeddings = self.backbone.forward(pixels, pass);
        let values = parameters::host_values(embeddings.clone().inner());
        let features =
            MatRef::new(&values, count, self.criterion.dim()).expect("a backbone's output has this shape");
        let forward = match self.criterion.forward(features, &batch.labels, step) {
            Ok(forward) => forward,
            Err(error) => {
                let row = match &error {
                    Error::Head(
                        HeadError::NonFiniteFeature { row, .. }
                        | HeadError::NonFiniteLoss { row, .. }
                        | HeadError::NonFiniteFeatureGradient { row, .. },
                    )
                    | Error::Objective(ObjectiveError::NonFiniteInput { row, .. }) => Some(*row),
                    Error::Head(HeadError::NonFiniteCentreGradient { .. })
                    | Error::Objective(ObjectiveError::NonFiniteResult { .. }) => None,
                    _ => return Err(error),
                };
                return Err(not_finite(match row.and_then(|row| batch.sample_ids.get(row)) {
                    Some(id) => format!("the loss (sample {}: {error})", name_of(*id)),
                    None => error.to_string(),
                }));
            }
        };

        let mut all = parameters::parameters(&self.backbone);
        let mut gradients = Vec::new();
        if !self.optimisers.is_empty() {
            let scale = if self.half.is_some() { HALF_PRECISION_LOSS_SCALE } else { 1.0 };
            let gradient = forward.grad_features.iter().map(|value| value * scale).collect();
            let gradient = TensorData::new(gradient, [count, self.criterion.dim()]);
            let surrogate = (embeddings * Tensor::<2>::from_data(gradient, &self.device)).sum();
            gradients = parameters::gradients(&self.backbone, &mut surrogate.backward());
            let of_learnt = all.iter().zip(&self.factors).filter(|(p, _)| p.role != Role::Buffer);
            let mut kept = of_learnt.map(|(_, factor)| factor.is_some());
            gradients.retain(|_| kept.next().unwrap_or(true));
            if scale != 1.0 {
                gradients.iter_mut().flatten().for_each(|value| *value /= scale);
            }
        }
        let mut squares = Vec::new();
        for (gradient, (parameter, _)) in gradients.iter().zip(trained(&all, &self.factors)) {
            let own: f64 = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum();
            if !own.is_finite() {
                return Err(not_finite(format!("the gradient of {}", parameter.name)));
            }
            squares.push(own);
        }
        let total = |of_centres: f64| squares.iter().fold(of_centres.powi(2), |sum, own| sum + own).sqrt();
        // without clipping the norm is known for nothing once the centres have moved
        let norm_before = if self.clip_norm > 0.0 {
            Some(total(self.criterion.gradient_norm(&forward.pending)?))
        } else {
            None
        };
        let factor = match norm_before {
            Some(norm) if norm > self.clip_norm => self.clip_norm / norm,
            _ => 1.0,
        };

        let moved =
            all.iter_mut().zip(&self.factors).filter_map(|(p, factor)| factor.map(|factor| (p, factor)));
        for (((parameter, own), gradient), optimiser) in moved.zip(&gradients).zip(&mut self.optimisers) {
            optimiser.step(&mut parameter.values, gradient, learning_rate * own, factor);
        }
        self.backbone = parameters::with_parameters(self.backbone.clone(), &all)?;
        let centres_rate = learning_rate * self.centres_factor;
        let gradient_norm = match norm_before {
            Some(norm) => {
                self.criterion.apply(forward.pending, centres_rate, factor)?;
                norm
            }
            None => total(self.criterion.apply_and_measure(forward.pending, centres_rate)?),
        };
        Ok(StepOutcome {
            loss: forward.loss,
            margin: self.criterion.margin_in_force(),
            gradient_norm,
            diagnostics: forward.diagnostics,
            warning: forward.warning,
        })
    }

    /// Embeddings `[samples, dim]` of images of the prepared set, not normalised; running statistics, no augmentation.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn embed(&self, prepared: &Prepared, samples: &[u32]) -> Result<Vec<f32>, Error> {
        let (backbone, device) = (self.backbone.valid(), self.device.clone().inner());
        let mut embeddings = Vec::with_capacity(samples.len() * self.criterion.dim());
        for batch in evaluation_batches(&prepared.set, samples, EVALUATION_BATCH, &prepared.normalisation)? {
            let batch = batch?;
            let images = self.tensor(batch.pixels, batch.sample_ids.len(), &device);
            embeddings.extend(parameters::host_values(backbone.forward(images, Pass::Inference)));
        }
        Ok(embeddings)
    }

    /// Mean direction of each known class over some of its training images, `[classes, dim]`: what stands for class centres
    /// where training had none.
    fn class_means(&self, prepared: &Prepared) -> Result<Vec<f32>, Error> {
        let (classes, dim) = (self.criterion.classes(), self.criterion.dim());
        let mut counts = vec![0; classes];
        let all = prepared.training.samples.iter().zip(&prepared.training.labels);
        let some: Vec<(u32, u32)> = all
            .filter(|(_, label)| {
                counts[**label as usize] += 1;
                counts[**label as usize] <= SAMPLES_OF_A_MEAN
            })
            .map(|(sample, label)| (*sample, *label))
            .collect();
        let samples: Vec<u32> = some.iter().map(|(sample, _)| *sample).collect();
        let mut embeddings = self.embed(prepared, &samples)?;
        let mut means = vec![0.0; classes * dim];
        for (embedding, (_, label)) in embeddings.chunks_mut(dim).zip(&some) {
            normalise(embedding);
            let mean = &mut means[*label as usize * dim..(*label as usize + 1) * dim];
            mean.iter_mut().zip(embedding).for_each(|(mean, value)| *mean += *value);
        }
        Ok(means)
    }

    /// Share of `known` test images that are assigned to their class, by the class centres or, where training had none, by the
    /// nearest mean of training images; `None` if there are none.
    ///
    /// # Errors
    /// If an image cannot be read or an embedding is not finite.
    pub fn known_accuracy(&self, prepared: &Prepared) -> Result<Option<f64>, Error> {
        let known = &prepared.known;
        if known.samples.is_empty() {
            return Ok(None);
        }
        let embeddings = self.embed(prepared, &known.samples)?;
        let features =
            MatRef::new(&embeddings, known.samples.len(), self.criterion.dim()).expect("as embedded");
        let means = match self.criterion {
            Criterion::Classes(_) => Vec::new(),
            Criterion::Pairs(_) => self.class_means(prepared)?,
        };
        let predicted = self.criterion.predict(features, &means)?;
        let right = predicted.iter().zip(&known.labels).filter(|(a, b)| a == b).count();
        Ok(Some(right as f64 / predicted.len() as f64))
    }

    fn description(&self, prepared: &Prepared) -> Description {
        Description {
            backbone: self.model.clone(),
            takes: match prepared.set {
                SampleSet::Images(_) => Takes::Images,
                SampleSet::Vectors(_) => Takes::Vectors,
            },
            normalisation: prepared.normalisation.clone(),
            objective: self.criterion.formula(),
        }
    }

    /// The trained model as it is now, ready to embed; it stays on the device of the run.
    ///
    /// # Errors
    /// If the normalisation of `prepared` does not fit the backbone, which is of another data set then.
    pub fn model(&self, prepared: &Prepared) -> Result<Model, Error> {
        let device = self.device.clone().inner();
        Ok(Model::from_backbone(self.description(prepared), self.backbone.valid(), device)?)
    }

    /// Writes the backbone with its preprocessing as a file of its own, for [`widemargin_embedder::Model::load`].
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_model(&self, prepared: &Prepared, path: &Path) -> Result<(), Error> {
        let description = self.description(prepared);
        Ok(Model::write(path, &description, &parameters::parameters(&self.backbone))?)
    }

    /// Everything as the parts of a checkpoint.
    pub(crate) fn parts(&self, step: u64, seconds: f64) -> Parts {
        let all = parameters::parameters(&self.backbone);
        let model = tensors::of_parameters(&all);
        let mut memories = Tensors::new();
        for ((parameter, _), optimiser) in trained(&all, &self.factors).zip(&self.optimisers) {
            for (memory, values) in optimiser.memory() {
                let name = format!("{}/{memory}", parameter.name);
                memories.insert(name, (parameter.shape.clone(), values.to_vec()));
            }
        }
        let (criterion, tensors) = self.criterion.state();
        let centres = tensors.into_iter().map(|t| (t.name, (t.shape.to_vec(), t.values))).collect();
        let optimiser_steps = self.optimisers.iter().map(Optimiser::steps).collect();
        let progress = Progress { step, seconds, criterion, optimiser_steps };
        let progress =
            serde_json::to_vec_pretty(&progress).expect("numbers and names always have a JSON form");
        Parts::from([
            ("model".to_owned(), tensors::pack(&model)),
            ("head".to_owned(), tensors::pack(&centres)),
            ("optimiser".to_owned(), tensors::pack(&memories)),
            ("progress".to_owned(), progress),
        ])
    }

    /// Takes the numbers of a checkpoint of the same configuration; gives its step and the seconds trained so far.
    ///
    /// # Errors
    /// A sentence naming the part and what does not fit.
    pub(crate) fn load(&mut self, parts: &Parts) -> Result<(u64, f64), String> {
        let part = |name: &str| parts.get(name).ok_or_else(|| format!("part '{name}' is missing"));
        let progress: Progress =
            serde_json::from_slice(part("progress")?).map_err(|error| format!("progress: {error}"))?;

        let stored = tensors::unpack(part("model")?).map_err(|error| format!("model: {error}"))?;
        let stored = tensors::into_parameters(stored);
        let backbone =
            parameters::with_parameters(self.backbone.clone(), &stored).map_err(|e| format!("model: {e}"))?;

        let mut memories =
            tensors::unpack(part("optimiser")?).map_err(|error| format!("optimiser: {error}"))?;
        let all = parameters::parameters(&backbone);
        let learnt: Vec<&Parameter> = trained(&all, &self.factors).map(|(parameter, _)| parameter).collect();
        if progress.optimiser_steps.len() != learnt.len() {
            return Err(format!(
                "progress: {} optimisers, expected {}",
                progress.optimiser_steps.len(),
                learnt.len()
            ));
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

        let centres = tensors::unpack(part("head")?).map_err(|error| format!("head: {error}"))?;
        let tensor = |(name, (shape, values)): (String, (Vec<usize>, Vec<f32>))| match *shape {
            [rows, columns] => Ok(HeadTensor { name, shape: [rows, columns], values }),
            _ => Err(format!("head: tensor '{name}' has shape {shape:?}, expected two dimensions")),
        };
        let tensors = centres.into_iter().map(tensor).collect::<Result<_, _>>()?;
        self.criterion.restore(progress.criterion, tensors).map_err(|error| format!("head: {error}"))?;
        (self.backbone, self.optimisers) = (backbone, optimisers);
        Ok((progress.step, progress.seconds))
    }
}

#[cfg(test)]
mod tests;
