//! The reference: a whole batch against all class centres, written plainly.
//!
//! One sample after the other, every sum in `f64`, no tiles and no threads. It is what the fast heads are judged by, what
//! reference values of other frameworks are compared with, and quick enough for figures and small problems; it costs
//! `6 B C D` operations and holds one row of scores at a time.

use serde::{Deserialize, Serialize};

use crate::class::ClassEvaluation;
use crate::{ClassObjective, Diagnostics, MatRef, Objective, ObjectiveError, Real};

/// How the losses of the samples become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// The mean; with sample weights `sum(weight * loss) / sum(weight)`. An empty batch has mean 0.
    #[default]
    Mean,
    /// The sum; with sample weights `sum(weight * loss)`.
    Sum,
    /// Only the losses of the samples are expected. [`Evaluation::loss`] and the gradients are those of the sum, as in a
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
    /// Cosine objectives normalise both themselves; a vector whose norm is below [`NORM_FLOOR`](crate::NORM_FLOOR) has a cosine near 0 with
    /// everything and gets a zero gradient (see [`project`](crate::project)). An empty batch has loss 0; a single class has loss 0.
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
        let of_class = ClassObjective::from(*self).evaluate(features, centres, labels, options)?;
        let ClassEvaluation { loss, losses, grad_features, grad_centres, diagnostics, .. } = of_class;
        Ok(Evaluation { loss, losses, grad_features, grad_centres, diagnostics })
    }
}
