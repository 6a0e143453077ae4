//! Lifted structure loss in its generalised form: hardest positive and hardest negative, both softened.

use serde::{Deserialize, Serialize};

use super::PairError;
use super::distance::Matrix;
use super::error::check_margin;
use super::rows::{Pass, Sums, log_sum_exp, sweep};
use super::tuples::Pairing;
use crate::Real;

/// `mean_a max( LSE_p(d_ap - pos_margin) + LSE_n(neg_margin - d_an), 0 )`, `d` the Euclidean distance of unit vectors,
/// over all anchors; a log-sum-exp without terms counts 0.
///
/// Source: Hermans, Beyer and Leibe, *In Defense of the Triplet Loss for Person Re-Identification*, 2017, eq. 12 (the
/// generalised form of Song et al., 2016); defaults as in `GeneralizedLiftedStructureLoss` of pytorch-metric-learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiftedStructure {
    /// Taken off the distances of negatives. Default 1.
    pub neg_margin: f64,
    /// Taken off the distances of positives. Default 0.
    pub pos_margin: f64,
}

impl Default for LiftedStructure {
    fn default() -> Self {
        Self { neg_margin: 1.0, pos_margin: 0.0 }
    }
}

impl LiftedStructure {
    pub(crate) fn validate(&self) -> Result<(), PairError> {
        check_margin("pos_margin", self.pos_margin)?;
        check_margin("neg_margin", self.neg_margin)
    }

    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let value = |at: usize| row.values[at];
            let mut plus: Vec<f64> = row.positives.iter().map(|p| value(p.at) - self.pos_margin).collect();
            let mut minus: Vec<f64> = row.negatives.iter().map(|n| self.neg_margin - value(n.at)).collect();
            let loss = log_sum_exp(&mut plus, |_| 1.0, false) + log_sum_exp(&mut minus, |_| 1.0, false);
            if loss <= 0.0 {
                return Sums::one(0.0);
            }
            row.positives.iter().zip(&plus).for_each(|(p, weight)| slopes[p.at] += weight);
            row.negatives.iter().zip(&minus).for_each(|(n, weight)| slopes[n.at] -= weight);
            Sums::one(loss)
        });
        Pass::mean(sums, slopes)
    }
}
