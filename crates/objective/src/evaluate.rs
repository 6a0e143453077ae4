//! The reference: a whole batch against all class centres, written plainly.
//!
//! One sample after the other, every sum in `f64`, no tiles and no threads. It is what the fast heads are judged by, what
//! reference values of other frameworks are compared with, and quick enough for figures and small problems; it costs
//! `6 B C D` operations and holds one row of scores at a time.

use serde::{Deserialize, Serialize};

use crate::unit::NORM_FLOOR;
use crate::{Diagnostics, DiagnosticsSum, MatRef, Objective, ObjectiveError, Real, norm, normalise, project};

/// How the losses of the samples become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// The mean; with sample weights `sum(weight * loss) / sum(weight)`. An empty batch has mean 0.
    #[default]
    Mean,
    /// The sum; with sample weights `sum(weight * loss)`.
    Sum,
    /// Only the losses of the samples are wanted. [`Evaluation::loss`] and the gradients are those of the sum, as in a
    /// backward pass that starts from ones.
    None,
}

/// What [`Objective::evaluate_with`] can be told beside the inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvaluateOptions<'a> {
    /// How the losses become one number.
    pub reduction: Reduction,
    /// One weight a sample, finite and not negative; all 1 where absent.
    pub sample_weights: Option<&'a [f64]>,
}

/// Loss, gradients and diagnostics of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation<T> {
    /// The reduced loss.
    pub loss: T,
    /// The loss of each sample, before weights: `[batch]`.
    pub losses: Vec<T>,
    /// Gradient of `loss` with respect to the features: `[batch, dim]`, row-major.
    pub grad_features: Vec<T>,
    /// Gradient of `loss` with respect to the class centres: `[classes, dim]`, row-major.
    pub grad_centres: Vec<T>,
    /// What else the batch says.
    pub diagnostics: Diagnostics,
}

impl Objective {
    /// Mean loss, its gradients and diagnostics.
    ///
    /// Shapes: `features` `[batch, dim]`, `centres` `[classes, dim]`, one label a sample, each below `classes`.
    /// Cosine objectives normalise both themselves; a vector whose norm is below [`NORM_FLOOR`] has a cosine near 0 with
    /// everything and gets a zero gradient (see [`project`]). An empty batch has loss 0; a single class has loss 0.
    ///
    /// # Errors
    /// Shapes or labels that do not fit, `NaN` or infinity in an input, or scores beyond the range of `T`; see
    /// [`ObjectiveError`].
    pub fn evaluate<T: Real>(
        &self,
        features: MatRef<'_, T>,
        centres: MatRef<'_, T>,
        labels: &[u32],
    ) -> Result<Evaluation<T>, ObjectiveError> {
        self.evaluate_with(features, centres, labels, &EvaluateOptions::default())
    }

    /// As [`Objective::evaluate`], with another reduction or with sample weights.
    ///
    /// # Errors
    /// Those of [`Objective::evaluate`]; sample weights that are not one a sample, negative or not finite, or all zero
    /// under [`Reduction::Mean`].
    pub fn evaluate_with<T: Real>(
        &self,
        features: MatRef<'_, T>,
        centres: MatRef<'_, T>,
        labels: &[u32],
        options: &EvaluateOptions<'_>,
    ) -> Result<Evaluation<T>, ObjectiveError> {
        let (batch, classes, dim) = (features.rows(), centres.rows(), features.cols());
        check_inputs(features, centres, labels)?;
        let factors = sample_factors(batch, options)?;

        let units = Rows::new(features, self.score.is_cosine());
        let centre_units = Rows::new(centres, self.score.is_cosine());
        let mut losses = Vec::with_capacity(batch);
        let mut grad_features = Vec::with_capacity(batch * dim);
        let mut grad_centres = vec![0.0_f64; classes * dim];
        let mut diagnostics = DiagnosticsSum::default();
        let mut loss = 0.0;
        let mut row = vec![T::zero(); classes];
        for (sample, &label) in labels.iter().enumerate() {
            let unit = units.row(sample);
            for (class, similarity) in row.iter_mut().enumerate() {
                *similarity = T::from_f64(dot(unit, centre_units.row(class)));
            }
            let outcome = self.row(&mut row, label as usize);
            if !outcome.loss.is_finite() {
                return Err(ObjectiveError::NonFiniteLoss { row: sample });
            }
            let cosine = if self.score.is_cosine() {
                outcome.target_similarity.into()
            } else {
                let (x, w) = (norm(unit), norm(centre_units.row(label as usize)));
                outcome.target_similarity.into() / x.max(NORM_FLOOR) / w.max(NORM_FLOOR)
            };
            diagnostics.add(&outcome, cosine);

            let factor = factors[sample];
            let mut grad = vec![0.0_f64; dim];
            for (class, &slope) in row.iter().enumerate() {
                let slope = slope.into() * factor;
                let centre = centre_units.row(class);
                let grad_centre = &mut grad_centres[class * dim..(class + 1) * dim];
                for at in 0..dim {
                    grad[at] += slope * centre[at].into();
                    grad_centre[at] += slope * unit[at].into();
                }
            }
            units.finish_gradient(sample, &mut grad);
            grad_features.extend(grad.into_iter().map(T::from_f64));
            loss += factor * outcome.loss.into();
            losses.push(outcome.loss);
        }
        for class in 0..classes {
            centre_units.finish_gradient(class, &mut grad_centres[class * dim..(class + 1) * dim]);
        }
        Ok(Evaluation {
            loss: T::from_f64(loss),
            losses,
            grad_features,
            grad_centres: grad_centres.into_iter().map(T::from_f64).collect(),
            diagnostics: diagnostics.finish(),
        })
    }
}

/// The rows that are scored: as given for dot products, of length one for cosines.
struct Rows<T> {
    data: Vec<T>,
    cols: usize,
    /// For cosines what `normalise` returned for each row.
    norms: Option<Vec<f64>>,
}

impl<T: Real> Rows<T> {
    fn new(matrix: MatRef<'_, T>, unit: bool) -> Self {
        let (mut data, cols) = (matrix.data().to_vec(), matrix.cols());
        let norms = unit
            .then(|| (0..matrix.rows()).map(|at| normalise(&mut data[at * cols..(at + 1) * cols])).collect());
        Self { data, cols, norms }
    }

    fn row(&self, at: usize) -> &[T] {
        &self.data[at * self.cols..(at + 1) * self.cols]
    }

    /// From the gradient of the scored row to that of the row as it was given.
    fn finish_gradient(&self, at: usize, gradient: &mut [f64]) {
        if let Some(norms) = &self.norms {
            let unit: Vec<f64> = self.row(at).iter().map(|&value| value.into()).collect();
            project(gradient, &unit, norms[at]);
        }
    }
}

fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(&x, &w)| x.into() * w.into()).sum()
}

fn check_inputs<T: Real>(
    features: MatRef<'_, T>,
    centres: MatRef<'_, T>,
    labels: &[u32],
) -> Result<(), ObjectiveError> {
    if features.cols() != centres.cols() {
        return Err(ObjectiveError::Dimension { features: features.cols(), centres: centres.cols() });
    }
    if labels.len() != features.rows() {
        return Err(ObjectiveError::Count { what: "labels", found: labels.len(), wanted: features.rows() });
    }
    let classes = centres.rows();
    if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
        return Err(ObjectiveError::Label { row, found: labels[row], classes });
    }
    for (what, matrix) in [("features", features), ("class centres", centres)] {
        if let Some(at) = matrix.data().iter().position(|value| !value.is_finite()) {
            return Err(ObjectiveError::NonFiniteInput {
                what,
                row: at / matrix.cols(),
                column: at % matrix.cols(),
            });
        }
    }
    Ok(())
}

/// What each sample's loss is multiplied by in the reduced loss.
fn sample_factors(batch: usize, options: &EvaluateOptions<'_>) -> Result<Vec<f64>, ObjectiveError> {
    let mut factors = match options.sample_weights {
        None => vec![1.0; batch],
        Some(weights) if weights.len() != batch => {
            return Err(ObjectiveError::Count {
                what: "sample weights",
                found: weights.len(),
                wanted: batch,
            });
        }
        Some(weights) => weights.to_vec(),
    };
    if let Some(row) = factors.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        return Err(ObjectiveError::SampleWeight { row, found: factors[row] });
    }
    if options.reduction == Reduction::Mean && batch > 0 {
        let total: f64 = factors.iter().sum();
        if total == 0.0 {
            return Err(ObjectiveError::ZeroWeights);
        }
        for factor in &mut factors {
            *factor /= total;
        }
    }
    Ok(factors)
}
