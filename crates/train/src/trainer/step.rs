//! One training step.

use super::{Trainer, health, trained};
use crate::Error;
use burn::tensor::{Tensor, TensorData};
use widemargin_chance::{Purpose, number};
use widemargin_data::TrainingBatch;
use widemargin_head::{Diagnostics, MatRef, TrainingForward};
use widemargin_model::Pass;
use widemargin_model::parameters::{self, Parameter, Role};

/// Factor on gradients in half precision, so that small ones do not underflow; they are divided by it again in `f32`. A power of
/// two, so that nothing is rounded, and far from overflow, because the gradient of a mean loss with respect to any activation is
/// well below 1.
const HALF_PRECISION_LOSS_SCALE: f32 = 1024.0;

/// The metrics of one step.
#[derive(Clone, Debug)]
pub(crate) struct StepOutcome {
    pub(crate) loss: f64,
    pub(crate) margin: f64,
    pub(crate) gradient_norm: f64,
    pub(crate) diagnostics: Diagnostics,
    /// Why the batch had no effect, if it had none.
    pub(crate) warning: Option<String>,
}

impl Trainer {
    /// One step on `batches`; `step` counts from 0 and seeds the dropout. Nothing is updated unless loss and gradients are finite.
    ///
    /// The loss is that of all samples together, as if they were one batch. With several batches, the embeddings of all are computed first, without
    /// keeping what the backward pass needs; then each batch is computed again and its gradients are added up (Gao et al., *Scaling Deep Contrastive Learning Batch
    /// Size under Memory Limited Setup*, 2021). So the memory is that of one batch, for any objective. Batch normalisation uses the statistics of each
    /// batch, and its running statistics are updated once per batch.
    pub(crate) fn step(
        &mut self,
        batches: Vec<TrainingBatch>,
        step: u64,
        learning_rate: f64,
        margin_share: f64,
        name_of: impl Fn(u32) -> String,
    ) -> Result<StepOutcome, Error> {
        let sample_ids: Vec<u32> = batches.iter().flat_map(|batch| &batch.sample_ids).copied().collect();
        let labels: Vec<u32> = batches.iter().flat_map(|batch| &batch.labels).copied().collect();
        let diverged = |what: String| Error::Diverged {
            what,
            step: step + 1,
            samples: sample_ids.iter().map(|id| name_of(*id)).collect(),
        };
        self.head.set_margin_share(margin_share);
        let (several, mut batches) = (batches.len() > 1, batches);
        let mut embedded = Vec::with_capacity(batches.len());
        for (at, batch) in (0..).zip(&mut batches) {
            let pixels = if several { batch.pixels.clone() } else { std::mem::take(&mut batch.pixels) };
            let embeddings = self.forward(pixels, batch.labels.len(), (step, at));
            let values = parameters::host_values(embeddings.clone().inner());
            embedded.push(((!several).then_some(embeddings), values));
        }
        let values: Vec<f32> = embedded.iter().flat_map(|(_, values)| values).copied().collect();
        if let Some((row, problem)) = health::bad_embedding(&values, self.head.dim()) {
            return Err(diverged(format!("{problem} (sample {})", name_of(sample_ids[row]))));
        }
        let features = MatRef::new(&values, labels.len(), self.head.dim())
            .expect("the backbone's output has this shape");
        let TrainingForward { loss, grad_features, diagnostics, warning, pending } =
            self.head.forward(features, &labels).map_err(|error| {
                if !error.is_not_finite() {
                    return Error::from(error);
                }
                diverged(match error.row().and_then(|row| sample_ids.get(row)) {
                    Some(id) => format!("{error} (sample {})", name_of(*id)),
                    None => error.to_string(),
                })
            })?;

        // The running statistics are now those of each batch once; computing a batch again updates them in the module, not here.
        let mut all = parameters::parameters(&self.backbone);
        let mut gradients: Vec<Vec<f32>> = Vec::new();
        let mut rest = grad_features.as_slice();
        for ((at, batch), (embeddings, values)) in (0..).zip(batches).zip(embedded) {
            let (of_batch, others) = rest.split_at(values.len());
            rest = others;
            let embeddings =
                embeddings.unwrap_or_else(|| self.forward(batch.pixels, batch.labels.len(), (step, at)));
            add(&mut gradients, self.gradients(embeddings, of_batch, &all));
        }
        let mut squares = Vec::new();
        for (gradient, (parameter, _)) in gradients.iter().zip(trained(&all, &self.factors)) {
            let own = parameters::sum_of_squares(gradient);
            if !own.is_finite() {
                return Err(diverged(format!("the gradient of {} is not finite", parameter.name)));
            }
            squares.push(own);
        }
        let total = |of_centres: f64| squares.iter().fold(of_centres.powi(2), |sum, own| sum + own).sqrt();
        // without clipping, the head's step computes its gradient's norm at no extra cost
        let norm_before =
            if self.clip_norm > 0.0 { Some(total(self.head.gradient_norm(&pending)?)) } else { None };
        let clip_factor = match norm_before {
            Some(norm) if norm > self.clip_norm => self.clip_norm / norm,
            _ => 1.0,
        };

        let moved =
            all.iter_mut().zip(&self.factors).filter_map(|(p, factor)| factor.map(|factor| (p, factor)));
        for (((parameter, own), gradient), optimiser) in moved.zip(&gradients).zip(&mut self.optimisers) {
            optimiser.step(&mut parameter.values, gradient, learning_rate * own, clip_factor);
        }
        if let Some(average) = &mut self.average {
            average.add(&all, step);
        }
        self.backbone = parameters::replace_parameters(self.backbone.clone(), all)?;
        let centres_rate = learning_rate * self.centres_factor;
        let gradient_norm = match norm_before {
            Some(norm) => {
                self.head.apply(pending, centres_rate, clip_factor)?;
                norm
            }
            None => total(self.head.apply_and_measure(pending, centres_rate)?),
        };
        let margin = self.head.margin_in_force();
        Ok(StepOutcome { loss, margin, gradient_norm, diagnostics, warning })
    }

    /// Embeddings of batch `at` of the step `step`, with the graph for a backward pass.
    fn forward(&self, pixels: Vec<f32>, count: usize, (step, at): (u64, u64)) -> Tensor<2> {
        let seed = number(self.seed, Purpose::Dropout, step, at);
        let mut pixels = self.tensor(pixels, count, &self.device);
        if let Some(half) = self.half {
            pixels = pixels.cast(half);
        }
        self.backbone.forward(pixels, Pass::Training { seed, products: self.products })
    }

    /// Gradients of the trained parameters, in their order, from the gradient of the embeddings.
    pub(super) fn gradients(
        &self,
        embeddings: Tensor<2>,
        grad_features: &[f32],
        all: &[Parameter],
    ) -> Vec<Vec<f32>> {
        if self.optimisers.is_empty() {
            return Vec::new();
        }
        let scale = if self.half.is_some() { HALF_PRECISION_LOSS_SCALE } else { 1.0 };
        let (dim, count) = (self.head.dim(), grad_features.len() / self.head.dim());
        let gradient: Vec<f32> = grad_features.iter().map(|value| value * scale).collect();
        let gradient = TensorData::new(gradient, [count, dim]);
        let surrogate = (embeddings * Tensor::<2>::from_data(gradient, &self.device)).sum();
        let mut gradients = parameters::gradients(&self.backbone, &mut surrogate.backward());
        let of_learnt = all.iter().zip(&self.factors).filter(|(p, _)| p.role != Role::Buffer);
        let mut kept = of_learnt.map(|(_, factor)| factor.is_some());
        gradients.retain(|_| kept.next().unwrap_or(true));
        if scale != 1.0 {
            gradients.iter_mut().flatten().for_each(|value| *value /= scale);
        }
        gradients
    }
}

/// Adds the gradients of a further batch.
fn add(sum: &mut Vec<Vec<f32>>, gradients: Vec<Vec<f32>>) {
    if sum.is_empty() {
        *sum = gradients;
        return;
    }
    for (sum, gradient) in sum.iter_mut().zip(&gradients) {
        sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += value);
    }
}
