//! Tuplet margin loss: a softmax over one positive and many negatives, with an angular margin on the positive.

use crate::bounds::{self, Bounds};
use crate::numeric::{log_sum_exp, softplus};
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// For each positive pair `ln( 1 + sum_n e^(scale (cos_an - cos(theta_ap - margin))) )`, the sum over the negatives of the
    /// same anchor; the mean over the positive pairs.
    ///
    /// The margin is *subtracted* from the angle: it is a slack, and pairs that are already close need not come closer. The
    /// derivative of `cos(theta - margin)` with respect to the cosine grows without bound as `theta` goes to 0. There
    /// `1 - cos^2` is kept at [`Real::SINE_SQUARED_FLOOR`] or above, so repeated samples give a large but finite gradient
    /// (pytorch-metric-learning gives `NaN`). An anchor without negatives has the value 0. Source: Yu and Tao, *Deep Metric Learning with Tuplet Margin
    /// Loss*, 2019, eq. 5; defaults as in `TupletMarginLoss` of pytorch-metric-learning.
    pub struct TupletMargin {
        /// Slack in the positive's angle, in degrees, 0 to 90.
        margin: f64 = 5.73, Domain::Number(Bounds::new(0.0, 90.0, "an angle in degrees"));
        /// Scale.
        scale: f64 = 64.0, Domain::Number(bounds::POSITIVE);
    }
}

impl TupletMargin {
    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let (sine, cosine) = self.margin.to_radians().sin_cos();
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let mut sums = Sums::default();
            if row.negatives.is_empty() {
                row.positives.iter().for_each(|p| sums.add(0.0, p.times));
                return sums;
            }
            let mut list: Vec<f64> = row.negatives.iter().map(|n| self.scale * row.values[n.at]).collect();
            let pooled = log_sum_exp(&mut list, |at| row.negatives[at].times, false);
            let mut push = 0.0;
            for p in row.positives {
                let s = row.values[p.at].clamp(-1.0, 1.0);
                let square = 1.0 - s * s;
                let slackened = s * cosine + square.sqrt() * sine;
                let inner = cosine - s * sine / square.max(T::SINE_SQUARED_FLOOR).sqrt();
                let (loss, slope) = softplus(pooled - self.scale * slackened, 1.0);
                sums.add(loss, p.times);
                slopes[p.at] -= p.times * slope * self.scale * inner;
                push += p.times * slope * self.scale;
            }
            for (n, weight) in row.negatives.iter().zip(&list) {
                slopes[n.at] += push * weight;
            }
            sums
        });
        Pass::mean(sums, slopes)
    }
}
