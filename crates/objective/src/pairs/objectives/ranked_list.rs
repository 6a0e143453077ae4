//! Ranked list loss: positives inside one sphere, negatives outside a larger one, with the largest weights on the worst.

use crate::bounds::{self, Bounds};
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// For each anchor `(1 - imbalance) P + imbalance N`, where `P` is the mean of `d_ap - (alpha - margin)` over the positives
    /// that exceed `alpha - margin`, weighted by `e^(Tp (d_ap - (alpha - margin)))`, and `N` the mean of `alpha - d_an` over the
    /// negatives below `alpha`, weighted by `e^(Tn (alpha - d_an))`; `d` the Euclidean distance of unit vectors. The mean is
    /// over all anchors.
    ///
    /// As in `RankedListLoss` of pytorch-metric-learning, `1e-5` per row of the batch is added to the divisor of each weighted
    /// mean, the gradient includes the weights, and a negative at distance exactly 0 does not count. Unlike there, large
    /// temperatures do not overflow. Accepts neither tuples nor references. Source: Wang et al., *Ranked List Loss for Deep Metric
    /// Learning*, 2019, eq. 5 to 9; defaults are those of the paper's simpler variant.
    pub struct RankedList {
        /// Distance between the two spheres.
        margin: f64 = 0.4, Domain::Number(Bounds::new(0.0, 1e3, "a number"));
        /// Radius outside which negatives must stay.
        alpha: Option<f64> = None, Domain::Number(bounds::OFFSET), "1 + margin / 2";
        /// Temperature of the negatives' weights, 0 or above.
        negative_temperature as "Tn": f64 = 10.0, Domain::Number(Bounds::new(0.0, 1e6, "a number"));
        /// Temperature of the positives' weights, 0 or above.
        positive_temperature as "Tp": f64 = 0.0, Domain::Number(Bounds::new(0.0, 1e6, "a number"));
        /// Share of the negatives' term, 0 to 1.
        imbalance: f64 = 0.5, Domain::Number(bounds::SHARE);
    }
}

/// Added to the divisor per row of the batch.
const DIVISOR_TERM: f64 = 1e-5;

impl RankedList {
    fn radius(&self) -> f64 {
        self.alpha.unwrap_or(1.0 + self.margin / 2.0)
    }

    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let (outer, inner) = (self.radius(), self.radius() - self.margin);
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let constant = DIVISOR_TERM * row.values.len() as f64;
            let sides = [
                (row.positives, 1.0, inner, self.positive_temperature, 1.0 - self.imbalance),
                (row.negatives, -1.0, outer, self.negative_temperature, self.imbalance),
            ];
            let mut loss = 0.0;
            for (entries, sign, radius, temperature, share) in sides {
                let excesses: Vec<(usize, f64)> = entries
                    .iter()
                    .map(|entry| (entry.at, row.values[entry.at]))
                    .filter(|(_, distance)| *distance > 0.0)
                    .map(|(at, distance)| (at, sign * (distance - radius)))
                    .filter(|(_, excess)| *excess > 0.0)
                    .collect();
                let (mean, by_excess) = weighted_mean(&excesses, temperature, constant);
                loss += share * mean;
                for (&(at, _), slope) in excesses.iter().zip(&by_excess) {
                    slopes[at] += share * sign * slope;
                }
            }
            Sums::one(loss)
        });
        Pass::mean(sums, slopes)
    }
}

/// `sum e^(t x) x / (sum e^(t x) + constant)` and its derivative with respect to each `x`; everything is divided by the largest
/// exponential, so that none overflows.
fn weighted_mean(excesses: &[(usize, f64)], temperature: f64, constant: f64) -> (f64, Vec<f64>) {
    let largest = temperature * excesses.iter().map(|(_, excess)| *excess).fold(0.0, f64::max);
    let weights: Vec<f64> = excesses.iter().map(|(_, x)| (temperature * x - largest).exp()).collect();
    let divisor = weights.iter().sum::<f64>() + constant * (-largest).exp();
    if divisor == 0.0 {
        return (0.0, vec![0.0; excesses.len()]);
    }
    let mean = weights.iter().zip(excesses).map(|(weight, (_, x))| weight * x).sum::<f64>() / divisor;
    let slope = |(weight, (_, x)): (&f64, &(usize, f64))| weight * (1.0 + temperature * (x - mean)) / divisor;
    (mean, weights.iter().zip(excesses).map(slope).collect())
}
