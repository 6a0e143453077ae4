//! Multi-similarity loss: a soft maximum over the positives and one over the negatives of each anchor.

use serde::{Deserialize, Serialize};

use super::PairError;
use super::distance::Matrix;
use super::error::{check_margin, check_scale};
use super::rows::{Pass, Sums, log_sum_exp, sweep};
use super::tuples::Pairing;
use crate::Real;

/// `mean_a( 1/alpha ln(1 + sum_p e^(-alpha (s_p - base))) + 1/beta ln(1 + sum_n e^(beta (s_n - base))) )`, `s` the cosine,
/// over all anchors; a sum without terms counts 0.
///
/// Source: Wang et al., *Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning*, 2019, eq. 15;
/// defaults as in `MultiSimilarityLoss` of pytorch-metric-learning. Meant to go with
/// [`Miner::MultiSimilarity`](super::Miner::MultiSimilarity).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultiSimilarity {
    /// Scale of the positives. Default 2.
    pub alpha: f64,
    /// Scale of the negatives. Default 50.
    pub beta: f64,
    /// Cosine at which a pair weighs as much as the 1 in the sum. Default 0.5.
    pub base: f64,
}

impl Default for MultiSimilarity {
    fn default() -> Self {
        Self { alpha: 2.0, beta: 50.0, base: 0.5 }
    }
}

impl MultiSimilarity {
    pub(crate) fn validate(&self) -> Result<(), PairError> {
        check_scale("alpha", self.alpha)?;
        check_scale("beta", self.beta)?;
        check_margin("base", self.base)
    }

    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let mut loss = 0.0;
            for (entries, factor) in [(row.positives, -self.alpha), (row.negatives, self.beta)] {
                let mut list: Vec<f64> =
                    entries.iter().map(|entry| factor * (row.values[entry.at] - self.base)).collect();
                loss += log_sum_exp(&mut list, |_| 1.0, true) / factor.abs();
                for (entry, weight) in entries.iter().zip(&list) {
                    slopes[entry.at] += factor.signum() * weight;
                }
            }
            Sums::one(loss)
        });
        Pass::mean(sums, slopes)
    }
}
