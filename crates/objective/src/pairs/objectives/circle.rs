//! Circle loss: each similarity has its own weight.

use crate::bounds;
use crate::numeric::{log_sum_exp, softplus};
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// For each anchor `softplus( LSE_p(-gamma a_p (s_p - 1 + m)) + LSE_n(gamma a_n (s_n - m)) )`, `s` the cosine, with the
    /// weights `a_p = max(1 + m - s_p, 0)` and `a_n = max(s_n + m, 0)` held constant in the gradient; the mean over the anchors
    /// whose value is above zero.
    ///
    /// An anchor without a positive or without a negative has the value 0. Since the weights are constants, the gradient is not
    /// the derivative of the value. Source: Sun et al., *Circle Loss: A Unified Perspective of Pair Similarity Optimization*,
    /// 2020, eq. 6 and section 3.2; mean and defaults as in `CircleLoss` of pytorch-metric-learning. The paper uses `m` 0.25 and
    /// `gamma` 256 for faces, 0.25 and 128 for person re-identification, and 0.4 and 80 for fine-grained retrieval.
    pub struct Circle {
        /// Relaxation: the radius of the boundary.
        m: f64 = 0.4, Domain::Number(bounds::OFFSET);
        /// Scale.
        gamma: f64 = 80.0, Domain::Number(bounds::POSITIVE);
    }
}

impl Circle {
    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let Self { m, gamma } = *self;
        let positive_weight = |s: f64| gamma * (1.0 + m - s).max(0.0);
        let negative_weight = |s: f64| gamma * (s + m).max(0.0);
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            if row.positives.is_empty() || row.negatives.is_empty() {
                return Sums::one(0.0);
            }
            let values = |at: usize| row.values[at];
            let mut plus: Vec<f64> = row
                .positives
                .iter()
                .map(|entry| -positive_weight(values(entry.at)) * (values(entry.at) - 1.0 + m))
                .collect();
            let mut minus: Vec<f64> = row
                .negatives
                .iter()
                .map(|entry| negative_weight(values(entry.at)) * (values(entry.at) - m))
                .collect();
            let pooled = log_sum_exp(&mut plus, |_| 1.0, false) + log_sum_exp(&mut minus, |_| 1.0, false);
            let (loss, slope) = softplus(pooled, 1.0);
            for (entry, weight) in row.positives.iter().zip(&plus) {
                slopes[entry.at] -= slope * weight * positive_weight(values(entry.at));
            }
            for (entry, weight) in row.negatives.iter().zip(&minus) {
                slopes[entry.at] += slope * weight * negative_weight(values(entry.at));
            }
            Sums::one(loss)
        });
        Pass::mean_of_active(sums, slopes)
    }
}
