//! Proxy losses: each class has one learnt vector, and samples are compared with these instead of with each other.

use crate::bounds;
use crate::numeric::{log_sum_exp, softplus};
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;
use rayon::prelude::*;

settings! {
    /// `mean_x -ln( e^(-s d_y^2) / sum_c e^(-s d_c^2) )`, `d_c` the Euclidean distance between the unit vectors of a
    /// sample and of the proxy of class `c`.
    ///
    /// Proxies: `[classes, dim]`. The sum includes the target's proxy, as in `ProxyNCALoss` of pytorch-metric-learning, so this is
    /// softmax cross-entropy on `2 s cos`. Tuples, if given, only weight the samples: by how often a row is an anchor in
    /// them, relative to the most frequent one. Source: Movshovitz-Attias et al., *No Fuss Distance Metric Learning using Proxies*,
    /// 2017, eq. 4.
    pub struct ProxyNca {
        /// Factor `s` on the squared distance.
        softmax_scale: f64 = 1.0, Domain::Number(bounds::POSITIVE);
    }
}

settings! {
    /// `1/|C+| sum_{c in C+} ln(1 + sum_{x of c} e^(-alpha (s - margin))) + 1/|C| sum_c ln(1 + sum_{x not of c} e^(alpha (s +
    /// margin)))`, `s` the cosine of sample and proxy, `C+` the classes that occur in the batch.
    ///
    /// Proxies: `[classes, dim]`. Tuples, if given, only weight the samples: by how often a row occurs in them, relative to the
    /// most frequent one; that weight minus one is added to the exponent. Source: Kim et al., *Proxy Anchor Loss for Deep Metric
    /// Learning*, 2020, eq. 4; defaults as in `ProxyAnchorLoss` of pytorch-metric-learning.
    pub struct ProxyAnchor {
        /// Margin in cosine.
        margin: f64 = 0.1, Domain::Number(bounds::OFFSET);
        /// Scale.
        alpha: f64 = 32.0, Domain::Number(bounds::POSITIVE);
    }
}

impl ProxyNca {
    /// Rows are samples, columns proxies, compared by squared distances; the positive is the proxy of the sample's label. Every
    /// row needs every proxy, so rows are processed directly and not through the tuples.
    pub(crate) fn pass<T: Real>(
        self,
        matrix: &Matrix<T>,
        labels: &[u32],
        weights: Option<&[f64]>,
    ) -> Pass<T> {
        let (cols, scale) = (matrix.cols(), self.softmax_scale);
        let mut slopes = vec![T::zero(); matrix.rows() * cols];
        let row = |(row, out): (usize, &mut [T])| {
            let target = labels[row] as usize;
            out.copy_from_slice(matrix.row(row));
            let own = std::mem::replace(&mut out[target], T::infinity());
            let nearest = out.iter().copied().fold(T::infinity(), T::min);
            if nearest == T::infinity() {
                // the only proxy is that of the sample's class
                out[target] = T::zero();
                return Sums::one(0.0);
            }
            let weight = weights.map_or(1.0, |weights| weights[row]);
            let (sum, _) = T::exponential_sums(out, T::from_f64(-scale), nearest);
            let pooled = sum.ln() - scale * nearest.into();
            let (loss, slope) = softplus(pooled + scale * own.into(), 1.0);
            let push = weight * slope * scale;
            T::weigh(out, T::from_f64(-scale), nearest, T::from_f64(-push / sum));
            out[target] = T::from_f64(push);
            Sums::one(weight * loss)
        };
        let sums: Vec<Sums> = match cols {
            0 => Vec::new(),
            _ => slopes.par_chunks_mut(cols).enumerate().map(row).collect(),
        };
        Pass::mean(Sums::total(&sums), slopes)
    }
}

impl ProxyAnchor {
    /// Rows are proxies, columns samples: here the proxy is the anchor.
    pub(crate) fn pass<T: Real>(
        &self,
        matrix: &Matrix<T>,
        pairing: &Pairing<'_>,
        weights: Option<&[f64]>,
        classes_present: usize,
    ) -> Pass<T> {
        let shares = [1.0 / classes_present.max(1) as f64, 1.0 / matrix.rows().max(1) as f64];
        let extra = |at: usize| weights.map_or(0.0, |weights| weights[at] - 1.0);
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            let mut loss = 0.0;
            let sides = [(row.positives, -1.0, shares[0]), (row.negatives, 1.0, shares[1])];
            for (entries, sign, share) in sides {
                let exponent = |at: usize| self.alpha * (sign * row.values[at] + self.margin) + extra(at);
                let mut list: Vec<f64> = entries.iter().map(|entry| exponent(entry.at)).collect();
                loss += share * log_sum_exp(&mut list, |_| 1.0, true);
                for (entry, weight) in entries.iter().zip(&list) {
                    slopes[entry.at] += sign * share * self.alpha * weight;
                }
            }
            Sums::one(loss)
        });
        Pass { loss: sums.loss, slopes, scale: 1.0, terms: sums.terms, active: sums.active }
    }
}
