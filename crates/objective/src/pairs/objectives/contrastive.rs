//! Contrastive losses: positives no farther apart than one margin, negatives no nearer than another.
//!
//! The same sum on two measures: Euclidean distance of unit vectors ([`Contrastive`]) and the ratio of noise to signal
//! ([`SignalToNoiseRatioContrastive`]).

use crate::bounds;
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, survey, sweep};
use crate::pairs::tuples::{Entry, Pairing};
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// `mean(max(d_ap - pos_margin, 0)) + mean(max(neg_margin - d_an, 0))`, `d` the Euclidean distance of unit vectors
    /// (`0..=2`); each mean is over the pairs whose term is above zero.
    ///
    /// At `d = 0` the distance has no direction and the pair no gradient. Source: Hadsell, Chopra and LeCun, *Dimensionality
    /// Reduction by Learning an Invariant Mapping*, 2006, section 2.1 (there squared); means and defaults as in
    /// `ContrastiveLoss` of pytorch-metric-learning.
    pub struct Contrastive {
        /// Distance up to which a positive pair has loss 0.
        pos_margin: f64 = 0.0, Domain::Number(bounds::OFFSET);
        /// Distance from which a negative pair has loss 0.
        neg_margin: f64 = 1.0, Domain::Number(bounds::OFFSET);
    }
}

settings! {
    /// The contrastive loss on `d_ab = var(a - b) / var(a)`, the variance over the coordinates of unit vectors: the noise
    /// relative to the anchor's signal if `b` is a noisy copy of `a`. Not symmetric in `a` and `b`.
    ///
    /// An anchor whose coordinates are all equal (always the case in one dimension) carries no signal: its distances are
    /// undefined and its pairs have loss 0, as in pytorch-metric-learning. Source: Yuan et al., *Signal-to-Noise Ratio: A Robust
    /// Distance Metric for Deep Metric Learning*, 2019, section 3.3.
    pub struct SignalToNoiseRatioContrastive {
        /// Ratio up to which a positive pair has loss 0.
        pos_margin: f64 = 0.0, Domain::Number(bounds::OFFSET);
        /// Ratio from which a negative pair has loss 0.
        neg_margin: f64 = 1.0, Domain::Number(bounds::OFFSET);
    }
}

impl From<SignalToNoiseRatioContrastive> for Contrastive {
    fn from(of: SignalToNoiseRatioContrastive) -> Self {
        Self { pos_margin: of.pos_margin, neg_margin: of.neg_margin }
    }
}

impl Contrastive {
    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let sum = |entries: &[Entry], term: &dyn Fn(f64) -> f64, values: &[f64]| {
            let mut sums = Sums::default();
            for entry in entries {
                sums.add(term(values[entry.at]).max(0.0), entry.times);
            }
            sums
        };
        let (plus, minus) = (|d: f64| d - self.pos_margin, |d: f64| self.neg_margin - d);
        let per_row = survey(matrix, pairing, |row| {
            (sum(row.positives, &plus, row.values).active, sum(row.negatives, &minus, row.values).active)
        });
        let (active_plus, active_minus) =
            per_row.iter().fold((0.0, 0.0), |(p, n), row| (p + row.0, n + row.1));
        let share = |active: f64| if active > 0.0 { 1.0 / active } else { 0.0 };
        let (share_plus, share_minus) = (share(active_plus), share(active_minus));
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let mut sums = Sums::default();
            let sides = [(row.positives, share_plus, 1.0), (row.negatives, share_minus, -1.0)];
            for (entries, share, sign) in sides {
                for &Entry { at, times } in entries {
                    let value = row.values[at];
                    let term = if sign > 0.0 { plus(value) } else { minus(value) };
                    sums.terms += times;
                    if term > 0.0 {
                        sums.active += times;
                        sums.loss += times * share * term;
                        slopes[at] += sign * times * share;
                    }
                }
            }
            sums
        });
        Pass { loss: sums.loss, slopes, scale: 1.0, terms: sums.terms, active: sums.active }
    }
}
