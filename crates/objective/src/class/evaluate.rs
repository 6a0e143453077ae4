//! The plain evaluation of a batch against all class centres.
//!
//! It processes one sample at a time, with every sum in `f64`, without tiles or threads. The fast heads are tested against
//! it, reference values of other frameworks are compared with it, and it is fast enough for figures and small problems. It
//! costs `6 B C D` operations and holds one row of scores at a time.

use serde::{Deserialize, Serialize};
use widemargin_kernels::matrix::MatRef;

use super::diagnostics::{Diagnostics, DiagnosticsSum};
use super::objective::{ClassObjective, Name, Rule};
use super::point::PointOutcome;
use super::resolve::BatchFacts;
use super::state::ClassState;
use crate::error::{Error, Result};
use crate::family::{Objective, Score};
use crate::real::Real;
use crate::unit::{NORM_FLOOR, dot, norm, normalise, project};

/// How the losses of the samples are reduced to one loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// The mean; with sample weights `sum(weight * loss) / sum(weight)`. An empty batch has mean 0.
    #[default]
    Mean,
    /// The sum; with sample weights `sum(weight * loss)`.
    Sum,
    /// Only the losses per sample matter. [`ClassEvaluation::loss`] and the gradients are those of the sum, as in a backward
    /// pass that starts from ones.
    None,
}

/// Options of an evaluation.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvaluateOptions<'a> {
    /// How the losses are reduced.
    pub reduction: Reduction,
    /// One weight per sample, finite and not negative; all 1 if absent.
    pub sample_weights: Option<&'a [f64]>,
}

/// Loss, gradients, diagnostics and next state of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassEvaluation<T> {
    /// The reduced loss.
    pub loss: T,
    /// The loss of each sample before weighting: `[batch]`; 0 for ignored samples.
    pub losses: Vec<T>,
    /// Gradient of `loss` with respect to the features: `[batch, dim]`, row-major.
    pub grad_features: Vec<T>,
    /// Gradient of `loss` with respect to the class centres: `[classes * sub_centres, dim]`, row-major.
    pub grad_centres: Vec<T>,
    /// Name of the parameter learnt besides the centres and the gradient of `loss` with respect to it, if there is one.
    pub grad_learnt: Option<(&'static str, f64)>,
    /// Diagnostics over the samples that are not ignored.
    pub diagnostics: Diagnostics,
    /// The state after this batch, to be passed to [`ClassObjective::commit`] or dropped.
    pub next_state: ClassState,
}

impl ClassObjective {
    /// Loss, gradients, diagnostics and next state. The objective itself does not change.
    ///
    /// Shapes: `features` `[batch, dim]`, `centres` `[classes * sub_centres, dim]`, one label per sample, each below `classes`
    /// or the label to ignore. Vectors are normalised here if the score requires it; a vector whose norm is below
    /// [`NORM_FLOOR`] has a cosine near 0 with everything and gets a zero gradient. An empty batch, or one of ignored samples,
    /// has loss 0. With a single class every softmax has loss 0.
    ///
    /// # Errors
    /// Shapes or labels that do not fit, `NaN` or infinity in an input, scores beyond the range of `T`, not one weight per
    /// sample, weights that are negative or not finite, or all 0 under [`Reduction::Mean`].
    pub fn evaluate<T: Real>(
        &self,
        features: MatRef<'_, T>,
        centres: MatRef<'_, T>,
        labels: &[u32],
        options: &EvaluateOptions<'_>,
    ) -> Result<ClassEvaluation<T>> {
        let (batch, dim, each) = (features.rows(), features.cols(), self.sub_centres);
        let classes = self.check_inputs(features, centres, labels)?;
        let active: Vec<usize> = (0..batch).filter(|&row| Some(labels[row]) != self.ignore_label).collect();
        let factors = sample_factors(batch, &active, options)?;

        let score = self.score();
        let units = ScoredRows::new(features, score.is_cosine());
        let centre_units = ScoredRows::new(centres, score.normalises_centres());
        // the nearest centre gives the class's similarity, and only that centre gets a gradient
        let similarities = |sample: usize, row: &mut [T], chosen: &mut [usize]| {
            for class in 0..classes {
                (row[class], chosen[class]) = (T::neg_infinity(), class * each);
                for centre in class * each..(class + 1) * each {
                    let similarity = T::from_f64(dot(units.row(sample), centre_units.row(centre)));
                    if similarity > row[class] {
                        (row[class], chosen[class]) = (similarity, centre);
                    }
                }
            }
        };
        let (mut row, mut chosen) = (vec![T::zero(); classes], vec![0; classes]);
        let length_of = |sample: usize, centre: usize| match score {
            Score::Cosine { .. } => 1.0,
            Score::Projection { .. } => norm(units.row(sample)),
            Score::Dot { .. } => norm(units.row(sample)) * norm(centre_units.row(centre)),
        };

        let active_labels: Vec<u32> = active.iter().map(|&sample| labels[sample]).collect();
        let feature_norms: Vec<f64> = active.iter().map(|&sample| norm(features.row(sample))).collect();
        let (mut target_cosines, mut log_partitions) = (Vec::new(), Vec::new());
        let partition = self.wants_partitions().map(Objective::normalized_softmax).transpose()?;
        for &sample in &active {
            let label = labels[sample] as usize;
            similarities(sample, &mut row, &mut chosen);
            let target: f64 = row[label].into();
            let length = match score {
                Score::Cosine { .. } => 1.0,
                _ => {
                    norm(units.row(sample)).max(NORM_FLOOR)
                        * norm(centre_units.row(chosen[label])).max(NORM_FLOOR)
                }
            };
            target_cosines.push(target / length);
            if let Some(softmax) = &partition {
                let lead: f64 = softmax.row(&mut row, label).pooled_lead.into();
                log_partitions.push(lead + softmax.score().scale() * target);
            }
        }
        let facts = BatchFacts {
            labels: &active_labels,
            feature_norms: &feature_norms,
            target_cosines: &target_cosines,
            log_partitions: partition.is_some().then_some(&log_partitions),
        };
        let points = self.points(&facts)?;

        let mut losses = vec![T::zero(); batch];
        let mut grad_features = vec![T::zero(); batch * dim];
        let mut grad_centres = vec![0.0_f64; centres.data().len()];
        let mut diagnostics = DiagnosticsSum::default();
        let (mut loss, mut grad_learnt) = (0.0, 0.0);
        for (at, &sample) in active.iter().enumerate() {
            let (unit, label) = (units.row(sample), labels[sample] as usize);
            similarities(sample, &mut row, &mut chosen);
            let point = points.point(at);
            let mut pass =
                point.row_pass_at(label, row[label], T::from_f64(length_of(sample, chosen[label])));
            pass.observe(0, &row);
            let outcome: PointOutcome<T> = pass.finish();
            outcome.gradient(0, &mut row);
            let norm_term = points.norm_term(at);
            let sample_loss = outcome.loss.into() + norm_term.map_or(0.0, |term| term.loss);
            if !sample_loss.is_finite() {
                return Err(Error::NonFiniteLoss { row: sample });
            }
            diagnostics.add(&outcome, target_cosines[at]);

            let factor = factors[sample];
            let mut grad = vec![0.0_f64; dim];
            let mut add = |centre: usize, by_similarity: f64| {
                let (w, grad_centre) =
                    (centre_units.row(centre), &mut grad_centres[centre * dim..(centre + 1) * dim]);
                for at in 0..dim {
                    grad[at] += by_similarity * w[at].into();
                    grad_centre[at] += by_similarity * unit[at].into();
                }
            };
            for (class, &slope) in row.iter().enumerate() {
                add(chosen[class], slope.into() * factor);
            }
            let length_slope = factor * outcome.length_slope.into();
            if length_slope != 0.0 {
                let (w, own) = (centre_units.row(chosen[label]), chosen[label] * dim);
                let (x_norm, w_norm) = (norm(unit).max(NORM_FLOOR), norm(w).max(NORM_FLOOR));
                for at in 0..dim {
                    grad[at] += length_slope * w_norm * unit[at].into() / x_norm;
                    if !score.normalises_centres() {
                        grad_centres[own + at] += length_slope * x_norm * w[at].into() / w_norm;
                    }
                }
            }
            units.finish_gradient(sample, &mut grad);
            if let Some(term) = norm_term {
                let slope = factor * term.norm_slope(outcome.push.into(), point.scale());
                let length = feature_norms[at].max(NORM_FLOOR);
                for (grad, &x) in grad.iter_mut().zip(features.row(sample)) {
                    *grad += slope * x.into() / length;
                }
            }
            for (out, grad) in grad_features[sample * dim..].iter_mut().zip(grad) {
                *out = T::from_f64(grad);
            }
            loss += factor * sample_loss;
            grad_learnt += factor * outcome.learnt_slope.into();
            losses[sample] = T::from_f64(sample_loss);
        }
        for centre in 0..centres.rows() {
            centre_units.finish_gradient(centre, &mut grad_centres[centre * dim..(centre + 1) * dim]);
        }
        Ok(ClassEvaluation {
            loss: T::from_f64(loss),
            losses,
            grad_features,
            grad_centres: grad_centres.into_iter().map(T::from_f64).collect(),
            grad_learnt: self.learnt().map(|(name, _)| (name, grad_learnt)),
            diagnostics: diagnostics.finish(),
            next_state: points.next_state(),
        })
    }

    /// Checks the inputs; returns the number of classes.
    fn check_inputs<T: Real>(
        &self,
        features: MatRef<'_, T>,
        centres: MatRef<'_, T>,
        labels: &[u32],
    ) -> Result<usize> {
        if features.cols() != centres.cols() {
            let (features, found) = (features.cols(), centres.cols());
            return Err(Error::Dimension { what: "class centres", features, found });
        }
        if labels.len() != features.rows() {
            return Err(Error::Count { what: "labels", found: labels.len(), expected: features.rows() });
        }
        let classes = centres.rows() / self.sub_centres;
        let expected = if self.classes == usize::MAX { classes } else { self.classes };
        if expected.checked_mul(self.sub_centres) != Some(centres.rows()) {
            let expected = expected.saturating_mul(self.sub_centres);
            return Err(Error::Count { what: "class centres", found: centres.rows(), expected });
        }
        let outside = |label: &u32| *label as usize >= classes && Some(*label) != self.ignore_label;
        if let Some(row) = labels.iter().position(outside) {
            return Err(Error::Label { row, found: labels[row], classes });
        }
        for (what, matrix) in [("features", features), ("class centres", centres)] {
            if let Some(at) = matrix.data().iter().position(|value| !value.is_finite()) {
                return Err(Error::NonFiniteInput {
                    what,
                    row: at / matrix.cols(),
                    column: at % matrix.cols(),
                });
            }
        }
        Ok(classes)
    }
}

impl Objective {
    /// Mean loss, its gradients and diagnostics.
    ///
    /// Shapes: `features` `[batch, dim]`, `centres` `[classes, dim]`, one label per sample, each below `classes`. Cosine
    /// objectives normalise both themselves; a vector whose norm is below [`NORM_FLOOR`](crate::NORM_FLOOR) has a cosine near
    /// 0 with everything and gets a zero gradient (see [`project`](crate::project)). An empty batch and a single class have
    /// loss 0.
    ///
    /// # Errors
    /// Shapes or labels that do not fit, `NaN` or infinity in an input, or scores beyond the range of `T`; see
    /// [`Error`].
    pub fn evaluate<T: Real>(
        &self,
        features: MatRef<'_, T>,
        centres: MatRef<'_, T>,
        labels: &[u32],
    ) -> Result<ClassEvaluation<T>> {
        self.evaluate_with(features, centres, labels, &EvaluateOptions::default())
    }

    /// As [`Objective::evaluate`], with another reduction or with sample weights.
    ///
    /// # Errors
    /// The errors of [`Objective::evaluate`]; not one weight per sample, weights that are negative or not
    /// finite, or all 0 under [`Reduction::Mean`].
    pub fn evaluate_with<T: Real>(
        &self,
        features: MatRef<'_, T>,
        centres: MatRef<'_, T>,
        labels: &[u32],
        options: &EvaluateOptions<'_>,
    ) -> Result<ClassEvaluation<T>> {
        let fixed = ClassObjective::new(Name::COMPOSED, self.clone(), Rule::Fixed, usize::MAX);
        fixed.evaluate(features, centres, labels, options)
    }
}

/// The rows as they are scored: unchanged for dot products, normalised for cosines.
struct ScoredRows<T> {
    data: Vec<T>,
    cols: usize,
    /// For cosines the norm of each row, as `normalise` returned it.
    norms: Option<Vec<f64>>,
}

impl<T: Real> ScoredRows<T> {
    fn new(matrix: MatRef<'_, T>, unit: bool) -> Self {
        let (mut data, cols) = (matrix.data().to_vec(), matrix.cols());
        let norms = unit
            .then(|| (0..matrix.rows()).map(|at| normalise(&mut data[at * cols..(at + 1) * cols])).collect());
        Self { data, cols, norms }
    }

    fn row(&self, at: usize) -> &[T] {
        &self.data[at * self.cols..(at + 1) * self.cols]
    }

    /// Turns the gradient of the scored row into that of the given row.
    fn finish_gradient(&self, at: usize, gradient: &mut [f64]) {
        if let Some(norms) = &self.norms {
            let unit: Vec<f64> = self.row(at).iter().map(|&value| value.into()).collect();
            project(gradient, &unit, norms[at]);
        }
    }
}

/// The factor on each sample's loss in the reduced loss; only those of active samples are used.
fn sample_factors(batch: usize, active: &[usize], options: &EvaluateOptions<'_>) -> Result<Vec<f64>> {
    let mut factors = match options.sample_weights {
        None => vec![1.0; batch],
        Some(weights) if weights.len() != batch => {
            return Err(Error::Count { what: "sample weights", found: weights.len(), expected: batch });
        }
        Some(weights) => weights.to_vec(),
    };
    if let Some(row) = factors.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        return Err(Error::SampleWeight { row, found: factors[row] });
    }
    if options.reduction == Reduction::Mean && !active.is_empty() {
        let total: f64 = active.iter().map(|&row| factors[row]).sum();
        if total == 0.0 {
            return Err(Error::ZeroWeights);
        }
        for factor in &mut factors {
            *factor /= total;
        }
    }
    Ok(factors)
}
