//! What a step of a head returns before anything has moved, and what all heads have in common on the way.

use rayon::prelude::*;
use widemargin_objective::{
    BatchPoints, ClassObjective, ClassState, Diagnostics, MatRef, NORM_FLOOR, PointOutcome, project,
};

use crate::Error;
use crate::batch::{Batch, Targets};
use crate::dense::DenseGradient;
use crate::sampled::DrawnGradient;
use crate::screened::RowGradient;
use crate::storage::Values;
use crate::tile::{Centres, Spare};

/// What [`Head::forward`](crate::Head::forward) returns.
#[derive(Clone, Debug)]
pub struct HeadForward {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Loss of each sample: `[batch]`.
    pub losses: Vec<f32>,
    /// Gradient of the mean loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// What else the batch says.
    pub diagnostics: Diagnostics,
    /// What a screened head kept.
    pub screening: Option<Screening>,
    /// The gradient of the class centres, to be given to [`Head::apply`](crate::Head::apply) or dropped.
    pub pending: PendingUpdate,
}

/// What a screened head scored exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screening {
    /// Share of all pairs of a sample and a class that were kept, 0 to 1.
    pub kept: f64,
    /// Share of the competitors' sum that is known from 7-bit scores alone, 0 to 1, the mean over the batch. It is in the
    /// loss, and on average over the sampling in both gradients.
    pub left_out: f64,
}

/// The loss of a batch without gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadEvaluation {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Loss of each sample: `[batch]`.
    pub losses: Vec<f32>,
    /// What else the batch says.
    pub diagnostics: Diagnostics,
}

/// The gradient of the class centres, computed but not yet applied.
///
/// It belongs to the step of the head at which it was computed; after any update it is stale and refused.
#[derive(Clone, Debug)]
#[must_use = "nothing moves until the update is applied"]
pub struct PendingUpdate {
    pub(crate) gradient: CentreGradient,
    pub(crate) step: u64,
    /// Gradient of what the objective learns beside the centres.
    pub(crate) learnt: Option<f32>,
    /// What the objective remembers behind this batch.
    pub(crate) next_state: ClassState,
}

impl PendingUpdate {
    /// Gradient of the mean loss with respect to what the objective learns beside the centres, if anything.
    pub fn learnt_gradient(&self) -> Option<f32> {
        self.learnt
    }

    /// What the objective remembers behind this batch.
    pub fn next_state(&self) -> ClassState {
        self.next_state
    }
}

/// The gradient of the class centres as what it can be worked out from.
#[derive(Clone, Debug)]
pub(crate) enum CentreGradient {
    /// Of a dense head.
    Dense(Box<DenseGradient>),
    /// Of a screened head.
    Rows(Box<RowGradient>),
    /// Of a sampled head.
    Drawn(Box<DrawnGradient>),
}

/// What [`class_loss`] returns.
#[derive(Clone, Debug)]
pub struct ClassLoss {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Gradient of the mean loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// Gradient of the mean loss with respect to the class centres: `[classes * sub_centres, dim]`, row-major, finite.
    pub grad_centres: Vec<f32>,
    /// Gradient of the mean loss with respect to what the objective learns beside the centres, if anything.
    pub grad_learnt: Option<f32>,
    /// What the objective remembers behind this batch.
    pub next_state: ClassState,
}

/// Loss and gradients of a batch against centres that somebody else keeps: [`Head::forward`](crate::Head::forward) without
/// the head.
///
/// Shapes: `centres` `[classes * sub_centres, dim]`, `features` `[batch, dim]`, one label a sample.
///
/// # Errors
/// Those of [`Head::forward`](crate::Head::forward), and centres that are not finite or not whole classes.
pub fn class_loss(
    objective: &ClassObjective,
    centres: MatRef<'_>,
    features: MatRef<'_>,
    labels: &[u32],
) -> Result<ClassLoss, Error> {
    let each = objective.sub_centres();
    if centres.rows() == 0 || centres.rows() % each != 0 {
        let (found, expected) = (centres.rows(), each * (centres.rows() / each).max(1));
        let error = widemargin_objective::Error::Count { what: "class centres", found, expected };
        return Err(error.into());
    }
    if let Some(at) = first_not_finite(centres.data()) {
        return Err(Error::NonFiniteTensor { name: "centres".to_owned(), row: at / centres.cols() });
    }
    let config = crate::HeadConfig::default();
    let (tile_classes, kept_scores) = (config.tile_classes, config.kept_scores(centres.data().len()));
    let (values, dim) = (Values::F32(centres.data()), centres.cols());
    let (score, spare) = (objective.score(), Spare::default());
    let centres =
        Centres { values, dim, score, each, tile_classes, kept_scores, behind: None, spare: &spare };
    let HeadForward { loss, grad_features, pending, .. } = centres.forward(objective, features, labels, 0)?;
    let CentreGradient::Dense(gradient) = pending.gradient else {
        unreachable!("centres that are no head's are worked through densely")
    };
    Ok(ClassLoss {
        loss,
        grad_features,
        grad_centres: gradient.whole(&centres),
        grad_learnt: pending.learnt,
        next_state: pending.next_state,
    })
}

/// Adds to the losses what the norms of the features do, for objectives where norms are learnt from, and refuses a loss that is
/// not finite.
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

/// Makes gradients by the features as they are scored such by the features as they came: through the division by their norms, with
/// what those add where norms are learnt from. Refuses a gradient that is not finite.
pub(crate) fn by_features(
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

/// The place of the first value that is not finite.
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    const CHUNK: usize = 1 << 14;
    let found = |(_, chunk): &(usize, &[f32])| !all_finite(chunk);
    let (at, chunk) = values.par_chunks(CHUNK).enumerate().find_first(found)?;
    chunk.iter().position(|value| !value.is_finite()).map(|place| at * CHUNK + place)
}

/// Without an early end, which would keep the loop from being vectorised.
fn all_finite(values: &[f32]) -> bool {
    let exponent = f32::INFINITY.to_bits();
    !values.iter().fold(false, |found, value| found | (value.to_bits() & exponent == exponent))
}
