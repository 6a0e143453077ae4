//! Lifted structure loss in its generalised form: hardest positive and hardest negative, both softened.

use crate::bounds;
use crate::numeric::log_sum_exp;
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// `mean_a max( LSE_p(d_ap - pos_margin) + LSE_n(neg_margin - d_an), 0 )`, `d` the Euclidean distance of unit vectors,
    /// over all anchors; an empty log-sum-exp counts as 0.
    ///
    /// Source: Hermans, Beyer and Leibe, *In Defense of the Triplet Loss for Person Re-Identification*, 2017, eq. 12 (the
    /// generalised form of Song et al., 2016); defaults as in `GeneralizedLiftedStructureLoss` of pytorch-metric-learning.
    pub struct LiftedStructure {
        /// Subtracted from the distances of negatives.
        neg_margin: f64 = 1.0, Domain::Number(bounds::OFFSET);
        /// Subtracted from the distances of positives.
        pos_margin: f64 = 0.0, Domain::Number(bounds::OFFSET);
    }
}

impl LiftedStructure {
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
