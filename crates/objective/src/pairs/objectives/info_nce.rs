//! The contrastive losses of self-supervised learning: one positive against all negatives, as a softmax.

use crate::bounds;
use crate::numeric::{log_sum_exp, softplus};
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// For each positive pair `-ln( e^(s_ap/T) / (e^(s_ap/T) + sum_n e^(s_an/T)) )`, the sum over the negatives of the same
    /// anchor, `s` the cosine; the mean over the positive pairs.
    ///
    /// The sum does not include the anchor's other positives. An anchor without negatives has the value 0, which counts in
    /// the mean. Source: van den Oord et al., *Representation Learning with Contrastive Predictive Coding*, 2018, eq. 4; Chen
    /// et al., *SimCLR*, 2020, eq. 1; default as in `NTXentLoss` of pytorch-metric-learning.
    pub struct NtXent {
        /// Temperature `T`, above 0.
        temperature: f64 = 0.07, Domain::Number(bounds::POSITIVE);
    }
}

settings! {
    /// For each anchor the mean over its positives of `-ln( e^(s_ap/T) / sum_{k != a} e^(s_ak/T) )`, `s` the cosine; the mean
    /// over the anchors whose value is above zero.
    ///
    /// Unlike in [`NtXent`], the sum includes all pairs of the anchor, also the positives. An anchor without positives
    /// has the value 0. Source: Khosla et al., *Supervised Contrastive Learning*, 2020, eq. 2 (`L_out`); mean and default as in
    /// `SupConLoss` of pytorch-metric-learning.
    pub struct Supcon {
        /// Temperature `T`, above 0.
        temperature: f64 = 0.1, Domain::Number(bounds::POSITIVE);
    }
}

impl NtXent {
    /// The value of a positive pair is `softplus(LSE_n(s_an / T) - s_ap / T)`, and the negatives' log-sum-exp is the same
    /// for every positive of an anchor.
    pub(crate) fn pass<T: Real>(self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let factor = self.temperature.recip();
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let mut sums = Sums::default();
            if row.negatives.is_empty() {
                row.positives.iter().for_each(|p| sums.add(0.0, p.times));
                return sums;
            }
            let mut list: Vec<f64> = row.negatives.iter().map(|n| factor * row.values[n.at]).collect();
            let pooled = log_sum_exp(&mut list, |at| row.negatives[at].times, false);
            let mut push = 0.0;
            for p in row.positives {
                let (loss, slope) = softplus(pooled - factor * row.values[p.at], 1.0);
                sums.add(loss, p.times);
                slopes[p.at] -= p.times * slope * factor;
                push += p.times * slope * factor;
            }
            for (n, weight) in row.negatives.iter().zip(&list) {
                slopes[n.at] += push * weight;
            }
            sums
        });
        Pass::mean(sums, slopes)
    }
}

impl Supcon {
    pub(crate) fn pass<T: Real>(self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let factor = self.temperature.recip();
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            if row.positives.is_empty() {
                return Sums::one(0.0);
            }
            let all = || row.positives.iter().chain(row.negatives);
            let mut list: Vec<f64> = all().map(|entry| factor * row.values[entry.at]).collect();
            let count = row.positives.len() as f64;
            let mean = list[..row.positives.len()].iter().sum::<f64>() / count;
            let loss = log_sum_exp(&mut list, |_| 1.0, false) - mean;
            for (at, (entry, weight)) in all().zip(&list).enumerate() {
                let share = if at < row.positives.len() { count.recip() } else { 0.0 };
                slopes[entry.at] += factor * (weight - share);
            }
            Sums::one(loss)
        });
        Pass::mean_of_active(sums, slopes)
    }
}
