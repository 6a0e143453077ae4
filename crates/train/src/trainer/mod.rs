//! The model in training: the backbone, the head, and the optimisers of both.
//!
//! `step` performs one training step; `state` saves everything to a checkpoint and loads it again.

mod average;
mod health;
mod start;
mod state;
mod step;
#[cfg(test)]
mod tests;

use self::average::Average;
use crate::config::{Config, OptimiserName, PrecisionName};
use crate::{Error, Prepared, fine_tuning};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use std::path::Path;
use widemargin_data::{ImageShape, Normalisation, SampleSet, evaluation_batches};
use widemargin_embedder::{Description, MODEL_FILE, Model, Takes, UNAVERAGED_FILE};
use widemargin_head::{
    HeadConfig, HeadMode, HeadSize, MatRef, Optimiser, OptimiserConfig, ProductPrecision, TrainingHead,
    nearest_class_mean,
};
use widemargin_model::parameters::{self, Parameter, Role};
use widemargin_model::{Backbone, BackboneConfig, Pass, device};
use widemargin_objective::normalise;

pub(crate) use state::Done;
pub use state::RunIdentity;

/// Images embedded at a time in evaluation.
const EVALUATION_BATCH: usize = 256;

/// Training images per class from which a class mean is computed.
const SAMPLES_PER_MEAN: usize = 50;

/// Backbone, head, and the optimisers of both.
#[derive(Debug)]
pub struct Trainer {
    backbone: Backbone,
    head: TrainingHead,
    /// Factors on the learning rate, one per entry of [`parameters::parameters`]; `None` for those that are not trained.
    factors: Vec<Option<f64>>,
    /// One per trained parameter, in the same order.
    optimisers: Vec<Optimiser>,
    /// As configured: not resolved.
    head_mode: HeadMode,
    centres_factor: f64,
    clip_norm: f64,
    seed: u64,
    model: BackboneConfig,
    device: Device,
    /// Type of the backbone's activations in training, if not `f32`.
    half: Option<FloatDType>,
    /// The averaged backbone, if the run averages.
    average: Option<Average>,
    /// Precision of the factors of the backbone's products in training.
    products: ProductPrecision,
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

/// The trained parameters among `all`, with their factors.
fn trained<'a>(
    all: &'a [Parameter],
    factors: &'a [Option<f64>],
) -> impl Iterator<Item = (&'a Parameter, f64)> {
    all.iter().zip(factors).filter_map(|(parameter, factor)| factor.map(|factor| (parameter, factor)))
}

impl Trainer {
    /// Creates backbone and head with initial weights, for samples like those of `prepared`.
    ///
    /// # Errors
    /// For an unknown device, or a backbone or objective that cannot be built as configured.
    pub fn new(config: &Config, prepared: &Prepared) -> Result<Self, Error> {
        let (names, counts) = (prepared.known_classes(), prepared.training_counts());
        Self::of_shape(config, prepared.set.shape(), (&names, &counts))
    }

    /// As [`new`](Self::new), for samples of the shape `input` and known classes with these names and numbers of training samples.
    pub(crate) fn of_shape(
        config: &Config,
        input: ImageShape,
        (names, counts): (&[&str], &[u64]),
    ) -> Result<Self, Error> {
        let device = device::by_name(&config.training.device)?;
        let name = &config.training.device;
        let (half, products) = match config.training.precision {
            PrecisionName::Full => (None, ProductPrecision::F32),
            PrecisionName::Mixed if device::is_cpu(name) => (None, ProductPrecision::Bf16),
            PrecisionName::Mixed => (Some(device::half_precision(name, &device)?), ProductPrecision::F32),
        };
        let device = device.autodiff();
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
        let average = Average::new(config.training.average, &backbone);
        let all = parameters::parameters(&backbone);
        let factors = fine_tuning::factors(config, &all)?;
        let optimisers = trained(&all, &factors)
            .map(|(p, _)| Optimiser::new(optimiser(config, p.role == Role::Weight), p.values.len()))
            .collect::<Result<Vec<_>, _>>()?;
        let classes = counts.len();
        let objective = config.objective.by_count(config.objective.of_classes(names)?, counts)?;
        let (head_mode, of_centres) = (config.head.head_mode(), optimiser(config, true));
        let size = HeadSize { classes, dim: m.embedding, batch: config.step_size() };
        let head_config = HeadConfig {
            optimiser: of_centres,
            mode: head_mode,
            centres: config.head.centres,
            products: config.head_products(),
            optimiser_state: config.head.optimiser_state,
            screened_error: config.head.screened_error,
            kept_scores_mib: config.head.kept_scores_mib,
            seed,
            ..HeadConfig::default()
        };
        let resolved = |objective| head_config.resolved_mode(objective, size);
        let mode = objective.class_objective().map_or(head_mode, resolved);
        let head_config = HeadConfig { mode, ..head_config };
        let (miner, memory) = (config.objective.build_miner()?, config.objective.memory);
        let head = TrainingHead::new(classes, m.embedding, objective, head_config, miner, memory)?;
        Ok(Self {
            backbone,
            head,
            factors,
            optimisers,
            head_mode,
            centres_factor: config.optimiser.centres_factor,
            clip_norm: config.optimiser.clip_norm,
            seed,
            model,
            device,
            half,
            average,
            products,
        })
    }

    /// The backbone as it is trained, not averaged.
    pub fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    /// The head.
    pub fn head(&self) -> &TrainingHead {
        &self.head
    }

    /// Whether any parameter of the backbone is trained: not if all are frozen, or it has none.
    pub fn trains_backbone(&self) -> bool {
        !self.optimisers.is_empty()
    }

    /// Number of trained values of the backbone: without running statistics and frozen parameters.
    pub fn parameter_count(&self) -> usize {
        let all = parameters::parameters(&self.backbone);
        trained(&all, &self.factors).map(|(parameter, _)| parameter.values.len()).sum()
    }

    fn tensor(&self, pixels: Vec<f32>, batch: usize, device: &Device) -> Tensor<4> {
        let s = self.model.input;
        Tensor::from_data(TensorData::new(pixels, [batch, s.channels, s.height, s.width]), device)
    }

    /// The parameters and running statistics of the model that this run gives: the averaged ones if the run averages.
    pub fn result_parameters(&self) -> Vec<Parameter> {
        match &self.average {
            Some(average) => average.parameters(&self.backbone),
            None => parameters::parameters(&self.backbone),
        }
    }

    /// The backbone that this run gives, without gradients: the averaged one if the run averages.
    fn result(&self) -> Result<Backbone, Error> {
        if self.average.is_none() {
            return Ok(self.backbone.valid());
        }
        Ok(parameters::replace_parameters(self.backbone.valid(), self.result_parameters())?)
    }

    /// Embeddings `[samples, dim]` of samples of the prepared set, not normalised; with running statistics and without
    /// augmentation, and with averaged weights if the run averages.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn embed(&self, prepared: &Prepared, samples: &[u32]) -> Result<Vec<f32>, Error> {
        self.embed_set(&prepared.set, &prepared.normalisation, samples)
    }

    /// As [`embed`](Self::embed), for samples of any set with the shape of the training samples.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn embed_set(
        &self,
        set: &SampleSet,
        normalisation: &Normalisation,
        samples: &[u32],
    ) -> Result<Vec<f32>, Error> {
        let (backbone, device) = (self.result()?, self.device.clone().inner());
        let mut embeddings = Vec::with_capacity(samples.len() * self.head.dim());
        for batch in evaluation_batches(set, samples, EVALUATION_BATCH, normalisation)? {
            let batch = batch?;
            let images = self.tensor(batch.pixels, batch.sample_ids.len(), &device);
            embeddings.extend(parameters::host_values(backbone.forward(images, Pass::Inference)));
        }
        Ok(embeddings)
    }

    /// Mean direction of each known class over some of its training samples, `[classes, dim]`.
    fn class_means(&self, prepared: &Prepared) -> Result<Vec<f32>, Error> {
        let (classes, dim) = (self.head.classes(), self.head.dim());
        let mut counts = vec![0; classes];
        let all = prepared.training.samples.iter().zip(&prepared.training.labels);
        let some: Vec<(u32, u32)> = all
            .filter(|(_, label)| {
                counts[**label as usize] += 1;
                counts[**label as usize] <= SAMPLES_PER_MEAN
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

    /// Share of the test samples of known classes that are assigned to their class: by the class centres, or by the nearest mean
    /// of training samples if the head has none. Samples of a class that the objective ignores do not count. `None` without such samples.
    ///
    /// # Errors
    /// If an image cannot be read or an embedding is not finite.
    pub fn known_accuracy(&self, prepared: &Prepared) -> Result<Option<f64>, Error> {
        self.accuracy(prepared, self.head.needs_class_means())
    }

    /// As [`known_accuracy`](Self::known_accuracy), by the nearest mean of training samples also if the head has class centres: the measure that
    /// all objectives and untrained models have in common.
    ///
    /// # Errors
    /// As [`known_accuracy`](Self::known_accuracy).
    pub fn known_accuracy_by_means(&self, prepared: &Prepared) -> Result<Option<f64>, Error> {
        self.accuracy(prepared, true)
    }

    fn accuracy(&self, prepared: &Prepared, by_means: bool) -> Result<Option<f64>, Error> {
        let ignored = self.head.class_head().and_then(|head| head.objective().ignore_label());
        let known = prepared.known.samples.iter().copied().zip(prepared.known.labels.iter().copied());
        let (samples, labels): (Vec<u32>, Vec<u32>) =
            known.filter(|(_, label)| Some(*label) != ignored).unzip();
        if samples.is_empty() {
            return Ok(None);
        }
        let embeddings = self.embed(prepared, &samples)?;
        let features = MatRef::new(&embeddings, samples.len(), self.head.dim()).expect("as embedded");
        let predicted = if by_means {
            let shape = (self.head.classes(), self.head.dim());
            nearest_class_mean(features, &self.class_means(prepared)?, shape)?
        } else {
            self.head.predict(features, &[])?
        };
        let correct = predicted.iter().zip(&labels).filter(|(a, b)| a == b).count();
        Ok(Some(correct as f64 / predicted.len() as f64))
    }

    fn description(&self, prepared: &Prepared) -> Description {
        Description {
            backbone: self.model.clone(),
            takes: match prepared.set {
                SampleSet::Images(_) => Takes::Images,
                SampleSet::Vectors(_) => Takes::Vectors,
            },
            normalisation: prepared.normalisation.clone(),
            preprocessing: prepared.set.images().map(|set| set.preprocessing().unwrap_or_default()),
            objective: self.head.formula(),
            classes: prepared.classes.clone(),
            trained_samples: prepared.trained_samples(),
            columns: prepared.set.columns().map(<[String]>::to_vec),
        }
    }

    /// The trained model as it is now, with averaged weights if the run averages, ready to embed; it stays on the device of the run.
    ///
    /// # Errors
    /// If the normalisation of `prepared` does not fit the backbone, because it is of another data set.
    pub fn model(&self, prepared: &Prepared) -> Result<Model, Error> {
        let device = self.device.clone().inner();
        Ok(Model::from_backbone(self.description(prepared), self.result()?, device)?)
    }

    /// Writes the model of this run to the folder, for [`Model::load`]: the backbone with its preprocessing, as [`MODEL_FILE`]. If the run
    /// averages, that file has the averaged weights, and [`UNAVERAGED_FILE`] the trained ones.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_model(&self, prepared: &Prepared, folder: &Path) -> Result<(), Error> {
        let description = self.description(prepared);
        if self.average.is_some() {
            let trained = parameters::parameters(&self.backbone);
            Model::write(folder.join(UNAVERAGED_FILE), &description, &trained)?;
        }
        Ok(Model::write(folder.join(MODEL_FILE), &description, &self.result_parameters())?)
    }
}
