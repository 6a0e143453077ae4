//! Multi-similarity loss: a soft maximum over the positives and one over the negatives of each anchor.

use crate::bounds;
use crate::numeric::log_sum_exp;
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// `mean_a( 1/alpha ln(1 + sum_p e^(-alpha (s_p - base))) + 1/beta ln(1 + sum_n e^(beta (s_n - base))) )`, `s` the cosine,
    /// over all anchors; an empty sum counts as 0.
    ///
    /// Source: Wang et al., *Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning*, 2019, eq. 15;
    /// defaults as in `MultiSimilarityLoss` of pytorch-metric-learning. Usually combined with
    /// [`Miner::MultiSimilarity`](crate::pairs::Miner::MultiSimilarity).
    pub struct MultiSimilarity {
        /// Scale of the positives.
        alpha: f64 = 2.0, Domain::Number(bounds::POSITIVE);
        /// Scale of the negatives.
        beta: f64 = 50.0, Domain::Number(bounds::POSITIVE);
        /// Cosine at which a pair's term equals the 1 in the sum.
        base: f64 = 0.5, Domain::Number(bounds::OFFSET);
    }
}

impl MultiSimilarity {
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
