//! The result of a head's forward pass, and the parts of it that all modes share.

use rayon::prelude::*;
use widemargin_objective::{
    BatchPoints, ClassState, Diagnostics, DiagnosticsSum, MatRef, NORM_FLOOR, PointOutcome, project,
};

use crate::batch::{Active, Batch, Targets, first_not_finite};
use crate::error::Error;
use crate::gradient::CentreGradient;

/// Result of [`Head::forward`](crate::Head::forward).
#[derive(Clone, Debug)]
pub struct HeadForward {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Loss of each sample: `[batch]`.
    pub losses: Vec<f32>,
    /// Gradient of the mean loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// Diagnostics of the batch.
    pub diagnostics: Diagnostics,
    /// What a screened head kept; `None` in the other modes.
    pub screening: Option<Screening>,
    /// The gradient of the class centres, for [`Head::apply`](crate::Head::apply); drop it to skip the update.
    pub pending: PendingUpdate,
}

impl HeadForward {
    /// Puts the results of the active samples back in their places; the ignored samples have loss and gradient 0.
    pub(crate) fn with_ignored(self, active: &Active) -> Self {
        Self {
            losses: active.spread(&self.losses, 1),
            grad_features: active.spread(&self.grad_features, active.dim),
            ..self
        }
    }
}

/// How much of a batch a screened head scored exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screening {
    /// Share of all (sample, class) pairs that were kept, 0 to 1.
    pub kept: f64,
    /// Share of the non-target classes' sum that is known from 7-bit scores alone, 0 to 1, the mean over the batch. The loss
    /// includes it, and both gradients include it on average over the draws, up to the bias of a self-normalised estimate.
    pub left_out: f64,
}

/// The loss of a batch without gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadEvaluation {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Loss of each sample: `[batch]`.
    pub losses: Vec<f32>,
    /// Diagnostics of the batch.
    pub diagnostics: Diagnostics,
}

impl HeadEvaluation {
    pub(crate) fn new(outcomes: &[PointOutcome<f32>], targets: &Targets) -> Self {
        let mut diagnostics = DiagnosticsSum::default();
        for (outcome, &cosine) in outcomes.iter().zip(&targets.cosines) {
            diagnostics.add(outcome, cosine);
        }
        let losses: Vec<f32> = outcomes.iter().map(|outcome| outcome.loss).collect();
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        Self { loss: sum / losses.len().max(1) as f64, losses, diagnostics: diagnostics.finish() }
    }
}

/// The gradient of the class centres, computed but not yet applied.
///
/// It belongs to the step of the head at which it was computed. After the head's next update it is stale, and
/// [`Head::apply`](crate::Head::apply) rejects it.
#[derive(Clone, Debug)]
#[must_use = "the head does not change until the update is applied"]
pub struct PendingUpdate {
    pub(crate) gradient: CentreGradient,
    pub(crate) step: u64,
    /// Gradient of the value that the objective learns besides the centres.
    pub(crate) learnt: Option<f32>,
    /// State of the objective after this batch.
    pub(crate) next_state: ClassState,
}

impl PendingUpdate {
    /// Gradient of the mean loss with respect to the value that the objective learns besides the centres, if it learns one.
    pub fn learnt_gradient(&self) -> Option<f32> {
        self.learnt
    }

    /// State of the objective after this batch.
    pub fn next_state(&self) -> ClassState {
        self.next_state
    }

    /// The norm of the whole update's gradient, from that of the class centres.
    pub(crate) fn with_learnt(&self, centres_norm: f64) -> f64 {
        with_learnt(centres_norm, self.learnt)
    }
}

/// The norm of the gradients of class centres and learnt value. A clip factor scales both, so it is computed from both.
pub(crate) fn with_learnt(centres_norm: f64, learnt: Option<f32>) -> f64 {
    centres_norm.hypot(learnt.unwrap_or_default().into())
}

/// Adds the losses on the features' norms, for objectives that have them. Fails if a loss is not finite.
pub(crate) fn add_norm_losses(
    outcomes: &mut [PointOutcome<f32>],
    points: &BatchPoints,
    labels: &[u32],
) -> Result<(), Error> {
    for (row, outcome) in outcomes.iter_mut().enumerate() {
        outcome.loss += points.norm_term(row).map_or(0.0, |term| term.loss as f32);
    }
    match outcomes.iter().position(|outcome| !outcome.loss.is_finite()) {
        Some(row) => Err(Error::NonFiniteLoss { row, label: labels[row] }),
        None => Ok(()),
    }
}

/// Turns gradients with respect to the features as scored into gradients with respect to the features as given: through the
/// division by their norms, plus the losses on the norms. Fails if a gradient is not finite.
pub(crate) fn through_norms(
    gradients: &mut [f32],
    batch: &Batch,
    targets: &Targets,
    points: &BatchPoints,
    outcomes: &[PointOutcome<f32>],
    features: MatRef<'_>,
    labels: &[u32],
) -> Result<(), Error> {
    let dim = batch.dim;
    let rows = gradients.par_chunks_mut(dim).zip(batch.units.par_chunks(dim)).zip(batch.norms.par_iter());
    rows.for_each(|((gradient, unit), &norm)| project(gradient, unit, norm));
    for (row, outcome) in outcomes.iter().enumerate() {
        if let Some(term) = points.norm_term(row) {
            let scale = points.point(row).scale();
            let slope = term.norm_slope(f64::from(outcome.push), scale) / outcomes.len() as f64;
            let by_norm = (slope / targets.feature_norms[row].max(NORM_FLOOR)) as f32;
            let gradient = gradients[row * dim..].iter_mut();
            gradient.zip(features.row(row)).for_each(|(gradient, x)| *gradient += by_norm * x);
        }
    }
    match first_not_finite(gradients) {
        Some(at) => Err(Error::NonFiniteFeatureGradient { row: at / dim, label: labels[at / dim] }),
        None => Ok(()),
    }
}
