//! Intra-pair variance loss: keeps the similarities of each kind of pair close to their mean. Used together with another loss.

use crate::bounds;
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{AnchorRow, Pass, Sums, survey, sweep};
use crate::pairs::tuples::{Entry, Pairing};
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// `mean_p( max((1 - pos_eps) mean(s_p) - s_p, 0)^2 ) + mean_n( max(s_n - (1 + neg_eps) mean(s_n), 0)^2 )`, `s` the cosine;
    /// a kind of pair that does not occur in the batch counts as 0.
    ///
    /// Positives that are less similar than average are pulled together, and negatives that are more similar than average are
    /// pushed apart. The gradient includes the means. Source: Yu and Tao, *Deep Metric Learning with Tuplet Margin Loss*, 2019,
    /// eq. 10 and 11; defaults as in `IntraPairVarianceLoss` of pytorch-metric-learning.
    pub struct IntraPairVariance {
        /// Slack of the positives, as a share of their mean.
        pos_eps: f64 = 0.01, Domain::Number(bounds::OFFSET);
        /// Slack of the negatives, as a share of their mean.
        neg_eps: f64 = 0.01, Domain::Number(bounds::OFFSET);
    }
}

/// One kind of pair over the whole batch.
#[derive(Clone, Copy)]
struct Side {
    /// -1 if small similarities are penalised, 1 if large ones are.
    sign: f64,
    /// Factor on the mean.
    factor: f64,
    mean: f64,
    count: f64,
    /// The part of each pair's slope that goes through the mean.
    through_mean: f64,
}

impl Side {
    fn excess(&self, s: f64) -> f64 {
        (self.sign * (s - self.factor * self.mean)).max(0.0)
    }

    fn share(&self) -> f64 {
        if self.count > 0.0 { self.count.recip() } else { 0.0 }
    }
}

impl IntraPairVariance {
    fn side<T: Real>(
        matrix: &Matrix<T>,
        pairing: &Pairing<'_>,
        [sign, factor]: [f64; 2],
        entries: for<'r> fn(&AnchorRow<'r>) -> &'r [Entry],
    ) -> Side {
        let total = |term: &(dyn Fn(f64) -> f64 + Sync)| -> f64 {
            let sum = |row: &AnchorRow<'_>| -> f64 {
                entries(row).iter().map(|entry| entry.times * term(row.values[entry.at])).sum()
            };
            survey(matrix, pairing, sum).iter().sum()
        };
        let count = total(&|_| 1.0);
        let mut side = Side { sign, factor, mean: 0.0, count, through_mean: 0.0 };
        side.mean = total(&|s| s) * side.share();
        let excess = total(&|s| side.excess(s));
        side.through_mean = -2.0 * sign * factor * excess * side.share();
        side
    }

    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let plus = Self::side(matrix, pairing, [-1.0, 1.0 - self.pos_eps], |row| row.positives);
        let minus = Self::side(matrix, pairing, [1.0, 1.0 + self.neg_eps], |row| row.negatives);
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let mut sums = Sums::default();
            for (entries, side) in [(row.positives, plus), (row.negatives, minus)] {
                for &Entry { at, times } in entries {
                    let excess = side.excess(row.values[at]);
                    sums.terms += times;
                    sums.active += if excess > 0.0 { times } else { 0.0 };
                    sums.loss += times * excess * excess * side.share();
                    slopes[at] += times * (2.0 * side.sign * excess + side.through_mean) * side.share();
                }
            }
            sums
        });
        Pass { loss: sums.loss, slopes, scale: 1.0, terms: sums.terms, active: sums.active }
    }
}
