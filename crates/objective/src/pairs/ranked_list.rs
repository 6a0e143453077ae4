//! Ranked list loss: positives inside one sphere, negatives outside a larger one, the worst weighing most.

use serde::{Deserialize, Serialize};

use super::PairError;
use super::distance::Matrix;
use super::error::check;
use super::rows::{Pass, Sums, sweep};
use super::tuples::Pairing;
use crate::Real;

/// For each anchor `(1 - imbalance) P + imbalance N`, where `P` is the mean of `d_ap - (alpha - margin)` over the positives
/// that exceed `alpha - margin`, weighted by `e^(Tp (d_ap - (alpha - margin)))`, and `N` the mean of `alpha - d_an` over the
/// negatives below `alpha`, weighted by `e^(Tn (alpha - d_an))`; `d` the Euclidean distance of unit vectors. The mean is
/// over all anchors.
///
/// As in `RankedListLoss` of pytorch-metric-learning each weighted mean has `1e-5` added to its divisor for every row of the
/// batch, the weights take part in the gradient, and a negative at distance exactly 0 counts nothing. Unlike there, large
/// temperatures do not overflow. Takes neither tuples nor references. Source: Wang et al., *Ranked List Loss for Deep
/// Metric Learning*, 2019, eq. 5 to 9; defaults are those of the paper's simpler variant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RankedList {
    /// Distance between the two spheres. Default 0.4.
    pub margin: f64,
    /// Radius that negatives are to stay outside of. Default `1 + margin / 2`.
    pub alpha: Option<f64>,
    /// Temperature of the negatives' weights, 0 or above. Default 10.
    #[serde(rename = "Tn", alias = "tn")]
    pub negative_temperature: f64,
    /// Temperature of the positives' weights, 0 or above. Default 0: all weigh the same.
    #[serde(rename = "Tp", alias = "tp")]
    pub positive_temperature: f64,
    /// Share of the negatives' term, 0 to 1. Default 0.5.
    pub imbalance: f64,
}

/// Added to the divisor for every row of the batch.
const DIVISOR_TERM: f64 = 1e-5;

impl Default for RankedList {
    fn default() -> Self {
        Self {
            margin: 0.4,
            alpha: None,
            negative_temperature: 10.0,
            positive_temperature: 0.0,
            imbalance: 0.5,
        }
    }
}

impl RankedList {
    pub(crate) fn validate(&self) -> Result<(), PairError> {
        check("margin", self.margin, 0.0..=1e3, "a number from 0 to 1000")?;
        check("alpha", self.radius(), -1e3..=1e3, "a number from -1000 to 1000")?;
        check("Tn", self.negative_temperature, 0.0..=1e6, "a number from 0 to 1e6")?;
        check("Tp", self.positive_temperature, 0.0..=1e6, "a number from 0 to 1e6")?;
        check("imbalance", self.imbalance, 0.0..=1.0, "a share from 0 to 1")
    }

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

/// `sum e^(t x) x / (sum e^(t x) + constant)` and its derivative by each `x`; everything is divided by the largest
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
