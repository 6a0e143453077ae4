//! Loss and gradients over all classes, exactly.
//!
//! The target's similarity is computed first, so two passes over the tiles of classes suffice for every objective
//! ([`widemargin_objective::RowPass`]): the first sums up each sample's row; the second turns the scores into derivatives and
//! multiplies them with the rows, which gives the gradient of the features. A third pass, in the optimiser's step, computes
//! the gradient of the centres tile by tile ([`crate::gradient`]).
//!
//! The scores of the first tiles are kept between the passes, up to 256 MiB or a quarter of the centres' memory. So with up to
//! 100,000 classes at a batch of 512, or any number of classes at a batch of a quarter of the dimension, no score is computed
//! twice.

use widemargin_objective::{
    BatchFacts, BatchPoints, ClassObjective, ClassState, Error as ObjectiveError, MatRef, Objective, Point,
    PointOutcome, PointPass,
};

use crate::batch::{Active, Batch, Targets, first_not_finite};
use crate::centres::Centres;
use crate::config::HeadConfig;
use crate::error::Error;
use crate::forward::{HeadEvaluation, HeadForward, PendingUpdate, add_norm_losses, through_norms};
use crate::gradient::{CentreGradient, DenseGradient};
use crate::storage::Values;
use crate::tile::{Scored, Spare};

/// Result of the first pass.
pub(crate) struct FirstPass {
    pub(crate) outcomes: Vec<PointOutcome<f32>>,
    pub(crate) points: BatchPoints,
    pub(crate) targets: Targets,
    /// The scores of the first tiles, as many as are kept.
    pub(crate) scored: Vec<Scored>,
}

impl FirstPass {
    /// `over_all` runs new passes, one per sample, over all classes, wherever they are stored. It also returns the scores of
    /// the first tiles, up to the number it is given.
    pub(crate) fn new(
        objective: &ClassObjective,
        labels: &[u32],
        targets: Targets,
        keep: usize,
        over_all: impl Fn(Vec<PointPass<f32>>, usize) -> Result<(Vec<PointOutcome<f32>>, Vec<Scored>), Error>,
    ) -> Result<Self, Error> {
        let start = |point: &Point, at: usize| {
            point.row_pass_at(labels[at] as usize, targets.similarities[at], targets.lengths[at])
        };
        // `log sum_{i != y} e^{s cos_i}` of each sample, for a scale that follows the batch
        let partitions = match objective.wants_partitions() {
            Some(scale) => {
                let softmax = Point::Family(Objective::normalized_softmax(scale)?);
                let (outcomes, _) = over_all((0..labels.len()).map(|at| start(&softmax, at)).collect(), 0)?;
                let partition = |(outcome, &target): (&PointOutcome<f32>, &f32)| {
                    f64::from(outcome.pooled_lead()) + scale * f64::from(target)
                };
                Some(outcomes.iter().zip(&targets.similarities).map(partition).collect::<Vec<f64>>())
            }
            None => None,
        };
        let points = objective.points(&BatchFacts {
            labels,
            feature_norms: &targets.feature_norms,
            target_cosines: &targets.cosines,
            log_partitions: partitions.as_deref(),
        })?;
        let fresh = (0..labels.len()).map(|at| start(points.point(at), at)).collect();
        let (mut outcomes, scored) = over_all(fresh, keep)?;
        add_norm_losses(&mut outcomes, &points, labels)?;
        Ok(Self { outcomes, points, targets, scored })
    }

    /// The first pass over centres that are all held here.
    fn of(
        centres: &Centres<'_>,
        objective: &ClassObjective,
        batch: &Batch,
        features: MatRef<'_>,
        labels: &[u32],
        keep: usize,
    ) -> Result<Self, Error> {
        let targets = centres.targets(batch, features, labels);
        Self::new(objective, labels, targets, keep, |fresh, keep| {
            let (passes, scored) = centres.sweep(batch, &fresh, keep, PointPass::observe, PointPass::merge);
            Ok((passes.into_iter().map(PointPass::finish).collect(), scored))
        })
    }
}

/// Loss and diagnostics alone; ignored samples have loss 0 and do not count.
pub(crate) fn evaluate(
    centres: &Centres<'_>,
    objective: &ClassObjective,
    features: MatRef<'_>,
    labels: &[u32],
) -> Result<HeadEvaluation, Error> {
    centres.check(features, labels, objective.ignore_label())?;
    if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
        let mut found = evaluate(centres, objective, active.features()?, &active.labels)?;
        found.losses = active.spread(&found.losses, 1);
        return Ok(found);
    }
    let batch = Batch::new(features, centres.score);
    let FirstPass { outcomes, targets, .. } = FirstPass::of(centres, objective, &batch, features, labels, 0)?;
    Ok(HeadEvaluation::new(&outcomes, &targets))
}

/// Loss, diagnostics and both gradients.
pub(crate) fn forward(
    centres: &Centres<'_>,
    objective: &ClassObjective,
    features: MatRef<'_>,
    labels: &[u32],
    step: u64,
) -> Result<HeadForward, Error> {
    centres.check(features, labels, objective.ignore_label())?;
    if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
        let found = forward(centres, objective, active.features()?, &active.labels, step)?;
        return Ok(found.with_ignored(&active));
    }
    let batch = Batch::new(features, centres.score).for_products(centres.products);
    let FirstPass { outcomes, points, targets, scored } =
        FirstPass::of(centres, objective, &batch, features, labels, centres.kept_scores)?;
    let HeadEvaluation { loss, losses, diagnostics } = HeadEvaluation::new(&outcomes, &targets);

    let (mut gradient, mut grad_features) = DenseGradient::new(centres, batch, outcomes, scored, 0);
    gradient.along_lengths(centres, &targets, &mut grad_features, |_| true);
    let DenseGradient { batch, outcomes, .. } = &gradient;
    through_norms(&mut grad_features, batch, &targets, &points, outcomes, features, labels)?;
    gradient.check(centres)?;
    let learnt = objective.learnt().map(|_| gradient.learnt_slope());
    let pending = PendingUpdate {
        gradient: CentreGradient::Dense(Box::new(gradient)),
        step,
        learnt,
        next_state: points.next_state(),
    };
    Ok(HeadForward { loss, losses, grad_features, diagnostics, screening: None, pending })
}

/// Result of [`class_loss`].
#[derive(Clone, Debug)]
pub struct ClassGradients {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Gradient of the mean loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// Gradient of the mean loss with respect to the class centres: `[classes * sub_centres, dim]`, row-major, finite.
    pub grad_centres: Vec<f32>,
    /// Gradient of the mean loss with respect to the value that the objective learns besides the centres, if it learns one.
    pub grad_learnt: Option<f32>,
    /// State of the objective after this batch.
    pub next_state: ClassState,
}

/// Loss and gradients of a batch against given centres: [`Head::forward`](crate::Head::forward) without a head, for callers
/// that keep the centres themselves.
///
/// Shapes: `centres` `[classes * sub_centres, dim]`, `features` `[batch, dim]`, one label per sample.
///
/// # Errors
/// The errors of [`Head::forward`](crate::Head::forward); centres that are not finite, or whose number is not a multiple of the
/// objective's sub-centres.
pub fn class_loss(
    objective: &ClassObjective,
    centres: MatRef<'_>,
    features: MatRef<'_>,
    labels: &[u32],
) -> Result<ClassGradients, Error> {
    let per_class = objective.sub_centres();
    if centres.rows() == 0 || centres.rows() % per_class != 0 {
        let (found, expected) = (centres.rows(), per_class * (centres.rows() / per_class).max(1));
        return Err(ObjectiveError::Count { what: "class centres", found, expected }.into());
    }
    if let Some(at) = first_not_finite(centres.data()) {
        return Err(Error::NonFiniteTensor { name: "centres".to_owned(), row: at / centres.cols() });
    }
    let config = HeadConfig::default();
    let centres = Centres {
        values: Values::F32(centres.data()),
        dim: centres.cols(),
        score: objective.score(),
        per_class,
        tile_classes: config.tile_classes,
        kept_scores: config.kept_scores(centres.data().len()),
        products: config.products,
        deferred: None,
        spare: &Spare::default(),
    };
    let HeadForward { loss, grad_features, pending, .. } = forward(&centres, objective, features, labels, 0)?;
    Ok(ClassGradients {
        loss,
        grad_features,
        grad_centres: pending.gradient.whole(&centres),
        grad_learnt: pending.learnt,
        next_state: pending.next_state,
    })
}
