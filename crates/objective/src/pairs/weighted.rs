//! Several losses at once, each with a weight.

use serde::{Deserialize, Serialize};

use widemargin_kernels::matrix::MatRef;

use super::evaluate::{PairEvaluation, PairOptions};
use super::miners::Miner;
use super::objectives::PairObjective;
use crate::error::{Error, Result};
use crate::real::Real;

/// `sum_i weight_i loss_i` and its gradient with respect to the embeddings, for losses of any kind on the same batch: pair
/// objectives, margin softmax on class centres, or your own. Sums are in `f64`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightedSum {
    loss: f64,
    gradient: Vec<f64>,
}

impl WeightedSum {
    /// A sum of zero for embeddings with this many values (`batch * dim`).
    pub fn new(values: usize) -> Self {
        Self { loss: 0.0, gradient: vec![0.0; values] }
    }

    /// Adds a loss and its gradient with respect to the embeddings. The caller weights gradients of class centres or proxies.
    ///
    /// # Errors
    /// A weight that is not finite, or a gradient of a different size.
    pub fn add<T: Real>(&mut self, weight: f64, loss: T, gradient: &[T]) -> Result<()> {
        check_weight(weight)?;
        if gradient.len() != self.gradient.len() {
            let (found, expected) = (gradient.len(), self.gradient.len());
            return Err(Error::Count { what: "gradient values", found, expected });
        }
        self.loss += weight * loss.into();
        for (sum, &value) in self.gradient.iter_mut().zip(gradient) {
            *sum += weight * value.into();
        }
        Ok(())
    }

    /// The weighted loss.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// The gradient of the weighted loss, row-major.
    pub fn gradient<T: Real>(&self) -> Vec<T> {
        self.gradient.iter().map(|&value| T::from_f64(value)).collect()
    }
}

/// One of several objectives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedObjective {
    /// The objective.
    pub objective: PairObjective,
    /// Factor on its loss and gradients; finite.
    #[serde(default = "one")]
    pub weight: f64,
    /// Its miner, if it has one.
    #[serde(default)]
    pub miner: Option<Miner>,
}

fn one() -> f64 {
    1.0
}

/// Several pair objectives on one batch, like `MultipleLosses` of pytorch-metric-learning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WeightedObjectives {
    /// The objectives, their weights and miners.
    pub parts: Vec<WeightedObjective>,
}

impl WeightedObjectives {
    /// The weighted sum and, in the order of the parts, the evaluation of each before weighting.
    ///
    /// `proxies` is passed to every part that has proxies. Evaluate parts with different proxies separately and add them with a
    /// [`WeightedSum`].
    ///
    /// # Errors
    /// The errors of [`PairObjective::evaluate`], and a weight that is not finite.
    pub fn evaluate<T: Real>(
        &self,
        embeddings: MatRef<'_, T>,
        proxies: Option<MatRef<'_, T>>,
        labels: &[u32],
        draw: u64,
    ) -> Result<(WeightedSum, Vec<PairEvaluation<T>>)> {
        let mut sum = WeightedSum::new(embeddings.data().len());
        let mut each = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            check_weight(part.weight)?;
            let proxies = part.objective.proxies_per_class().and(proxies);
            let options = PairOptions { miner: part.miner.as_ref(), draw, ..PairOptions::default() };
            let evaluation = part.objective.evaluate(embeddings, proxies, labels, &options)?;
            sum.add(part.weight, evaluation.loss, &evaluation.grad_embeddings)?;
            each.push(evaluation);
        }
        Ok((sum, each))
    }
}

fn check_weight(weight: f64) -> Result<()> {
    if weight.is_finite() {
        Ok(())
    } else {
        Err(Error::OutOfRange { setting: "weight", found: weight, expected: "a finite number".to_owned() })
    }
}
