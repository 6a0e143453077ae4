//! SoftTriple: several centres per class, and a softmax that favours the nearest of them.

use crate::bounds::{self, Bounds};
use crate::numeric::{log_sum_exp, softplus};
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// Softmax cross-entropy on `la (S_c - margin [c = y])`, where `S_c = sum_k q_k s_ck` averages the cosines `s_ck` with the
    /// `K` centres of class `c` by `q = softmax_k(s_ck / gamma)`; the mean over the batch.
    ///
    /// Proxies: `[classes * centers_per_class, dim]`, the centres of a class one after the other (the transpose of `fc` in
    /// pytorch-metric-learning). Tuples, if given, only weight the samples, by how often a row occurs in them. The paper's
    /// regulariser, which merges centres of a class, is not included. Source: Qian et al., *SoftTriple Loss: Deep Metric
    /// Learning Without Triplet Sampling*, 2019, eq. 8; defaults as in `SoftTripleLoss` of pytorch-metric-learning.
    pub struct SoftTriple {
        /// Centres per class, 1 or more.
        centers_per_class: usize = 10, Domain::Count(Bounds::new(1.0, 1e6, "a whole number"));
        /// Scale of the class similarities.
        la: f64 = 20.0, Domain::Number(bounds::POSITIVE);
        /// Temperature of the softmax over the centres of a class, above 0.
        gamma: f64 = 0.1, Domain::Number(bounds::POSITIVE);
        /// Margin in similarity.
        margin: f64 = 0.01, Domain::Number(bounds::OFFSET);
    }
}

impl SoftTriple {
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
            // slopes first hold the derivative of each class similarity with respect to its cosines
            let sharpness = self.gamma.recip();
            let mut others: Vec<f64> = row
                .values
                .chunks(per_class)
                .zip(slopes.chunks_mut(per_class))
                .map(|(cosines, slopes)| self.la * class_similarity(cosines, slopes, sharpness))
                .collect();
            let own = others[target] - self.la * self.margin;
            others[target] = f64::NEG_INFINITY;
            if others.len() == 1 {
                slopes.fill(0.0);
                return Sums::one(0.0);
            }
            let pooled = log_sum_exp(&mut others, |_| 1.0, false);
            let (loss, slope) = softplus(pooled - own, 1.0);
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

/// `S = sum_k q_k s_k` of one class; `slopes` becomes `dS / ds_k`.
fn class_similarity(cosines: &[f64], slopes: &mut [f64], sharpness: f64) -> f64 {
    let nearest = cosines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for (share, cosine) in slopes.iter_mut().zip(cosines) {
        // the nearest centre needs no exponential, which saves a large share of them if there are few centres per class
        *share = if *cosine == nearest { 1.0 } else { (sharpness * (cosine - nearest)).exp() };
        total += *share;
        weighted += *share * cosine;
    }
    let (part, mean) = (total.recip(), weighted / total);
    for (share, cosine) in slopes.iter_mut().zip(cosines) {
        *share *= part * (1.0 + sharpness * (cosine - mean));
    }
    mean
}
