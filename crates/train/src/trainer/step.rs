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
    /// One step on `batch`; `step` counts from 0 and seeds the dropout. Nothing is updated unless loss and gradients are finite.
    pub(crate) fn step(
        &mut self,
        batch: TrainingBatch,
        step: u64,
        learning_rate: f64,
        margin_share: f64,
        name_of: impl Fn(u32) -> String,
    ) -> Result<StepOutcome, Error> {
        let diverged = |what: String| Error::Diverged {
            what,
            step: step + 1,
            samples: batch.sample_ids.iter().map(|id| name_of(*id)).collect(),
        };
        self.head.set_margin_share(margin_share);
        let count = batch.labels.len();
        let seed = number(self.seed, Purpose::Dropout, step, 0);
        let pass = Pass::Training { seed, products: self.products };
        let mut pixels = self.tensor(batch.pixels, count, &self.device);
        if let Some(half) = self.half {
            pixels = pixels.cast(half);
        }
        let embeddings = self.backbone.forward(pixels, pass);
        let values = parameters::host_values(embeddings.clone().inner());
        if let Some((row, problem)) = health::bad_embedding(&values, self.head.dim()) {
            return Err(diverged(format!("{problem} (sample {})", name_of(batch.sample_ids[row]))));
        }
        let features =
            MatRef::new(&values, count, self.head.dim()).expect("the backbone's output has this shape");
        let TrainingForward { loss, grad_features, diagnostics, warning, pending } =
            self.head.forward(features, &batch.labels).map_err(|error| {
                if !error.is_not_finite() {
                    return Error::from(error);
                }
                diverged(match error.row().and_then(|row| batch.sample_ids.get(row)) {
                    Some(id) => format!("{error} (sample {})", name_of(*id)),
                    None => error.to_string(),
                })
            })?;

        let mut all = parameters::parameters(&self.backbone);
        let gradients = self.gradients(embeddings, grad_features, &all);
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

    /// Gradients of the trained parameters, in their order, from the gradient of the embeddings.
    pub(super) fn gradients(
        &self,
        embeddings: Tensor<2>,
        grad_features: Vec<f32>,
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
