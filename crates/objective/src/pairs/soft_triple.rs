//! SoftTriple: several centres a class, and a softmax that leans on the nearest of them.

use serde::{Deserialize, Serialize};

use super::PairError;
use super::distance::Matrix;
use super::error::{check, check_margin, check_scale};
use super::rows::{Pass, Sums, log_sum_exp, softplus, sweep};
use super::tuples::Pairing;
use crate::Real;

/// Softmax cross-entropy on `la (S_c - margin [c = y])`, where `S_c = sum_k q_k s_ck` averages the cosines `s_ck` with the
/// `K` centres of class `c` by `q = softmax_k(s_ck / gamma)`; the mean over the batch.
///
/// Proxies: `[classes * centers_per_class, dim]`, the centres of a class one after the other (the transpose of `fc` in
/// pytorch-metric-learning). Tuples, if given, only weigh the samples, by how often a row occurs in them. The paper's
/// regulariser, which merges centres of a class, is not part of it. Source: Qian et al., *SoftTriple Loss: Deep Metric
/// Learning Without Triplet Sampling*, 2019, eq. 8; defaults as in `SoftTripleLoss` of pytorch-metric-learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoftTriple {
    /// Centres of each class, 1 or more. Default 10.
    pub centers_per_class: usize,
    /// Scale of the class similarities. Default 20.
    pub la: f64,
    /// Temperature of the softmax over the centres of a class, above 0. Default 0.1.
    pub gamma: f64,
    /// Margin in similarity. Default 0.01.
    pub margin: f64,
}

impl Default for SoftTriple {
    fn default() -> Self {
        Self { centers_per_class: 10, la: 20.0, gamma: 0.1, margin: 0.01 }
    }
}

impl SoftTriple {
    pub(crate) fn validate(&self) -> Result<(), PairError> {
        check("centers_per_class", self.centers_per_class as f64, 1.0..=1e6, "a number from 1 to 1e6")?;
        check_scale("la", self.la)?;
        check_scale("gamma", self.gamma)?;
        check_margin("margin", self.margin)
    }

    /// Rows are samples, columns centres, compared by cosines.
    pub(crate) fn pass<T: Real>(
        &self,
        matrix: &Matrix<T>,
        pairing: &Pairing<'_>,
        labels: &[u32],
        weights: Option<&[f64]>,
    ) -> Pass<T> {
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let target = labels[row.anchor] as usize;
            let weight = weights.map_or(1.0, |weights| weights[row.anchor]);
            let per_class = self.centers_per_class;
            // slopes first hold the derivative of each class similarity by its cosines
            let mut similarities = Vec::with_capacity(row.values.len() / per_class);
            for (cosines, slopes) in row.values.chunks(per_class).zip(slopes.chunks_mut(per_class)) {
                for (share, cosine) in slopes.iter_mut().zip(cosines) {
                    *share = cosine / self.gamma;
                }
                log_sum_exp(slopes, |_| 1.0, false);
                let mean: f64 = slopes.iter().zip(cosines).map(|(share, cosine)| share * cosine).sum();
                for (share, cosine) in slopes.iter_mut().zip(cosines) {
                    *share *= 1.0 + (cosine - mean) / self.gamma;
                }
                similarities.push(mean);
            }
            let own = similarities[target] - self.margin;
            similarities[target] = f64::NEG_INFINITY;
            let mut others: Vec<f64> = similarities.iter().map(|similarity| self.la * similarity).collect();
            if others.len() == 1 {
                slopes.fill(0.0);
                return Sums::one(0.0);
            }
            let pooled = log_sum_exp(&mut others, |_| 1.0, false);
            let (loss, slope) = softplus(pooled - self.la * own);
            others[target] = -1.0;
            for (slopes, share) in slopes.chunks_mut(per_class).zip(&others) {
                for value in slopes {
                    *value *= weight * slope * self.la * share;
                }
            }
            Sums::one(weight * loss)
        });
        Pass::mean(sums, slopes)
    }
}
