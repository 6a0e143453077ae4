//! Angular loss: the angle at the negative in the triangle of anchor, positive and negative.
//!
//! Unlike the other objectives here, it compares three rows at a time and does not normalise all of them. As in
//! pytorch-metric-learning, anchors and positives have length one and negatives keep their lengths. The loss still follows from
//! the cosines and the lengths: `(a + p) . x_n = |x_n| (cos_an + cos_pn)`. No product overflows, whatever the lengths.

use crate::bounds::Bounds;
use crate::numeric::log_sum_exp;
use crate::pairs::distance::{Matrix, Measure};
use crate::pairs::product::dots;
use crate::pairs::rows::{Sums, sweep};
use crate::pairs::tuples::{Own, Pairing};
use crate::pairs::units::Units;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// For each positive pair `ln( 1 + sum_n e^(4 t (a + p) . x_n - 2 (1 + t) a . p) )`, `t = tan^2 alpha`, where `a` and `p` are
    /// unit vectors and `x_n` are all rows of other classes than `a`, not normalised; the mean over the positive pairs.
    ///
    /// Tuples select only the positive pairs; every negative is always used. Since `x_n` is not normalised, the
    /// gradient has a part along the embedding. Source: Wang et al., *Deep Metric Learning with Angular Loss*, 2017, eq. 8;
    /// default as in `AngularLoss` of pytorch-metric-learning.
    pub struct Angular {
        /// The angle `alpha`, in degrees, above 0 and up to 89.
        alpha: f64 = 40.0, Domain::Number(Bounds::new(1e-3, 89.0, "an angle in degrees"));
    }
}

/// A row that forms positive pairs with another: `(row, times as its anchor's positive, times as its own anchor)`.
type Partner = (usize, f64, f64);

/// Loss and its gradient with respect to the embeddings, not yet checked for overflow.
pub(crate) struct AngularOutcome<T> {
    pub(crate) loss: f64,
    pub(crate) gradient: Vec<T>,
    pub(crate) terms: f64,
    pub(crate) active: f64,
}

impl Angular {
    /// `pairing` gives the positive pairs; `labels` and `other` determine which rows are negatives.
    pub(crate) fn evaluate<T: Real>(
        self,
        queries: Units<T>,
        references: Option<Units<T>>,
        pairing: &Pairing<'_>,
        labels: &[u32],
        other: &[u32],
    ) -> AngularOutcome<T> {
        let tangent = self.alpha.to_radians().tan().powi(2);
        let (outer, inner) = (4.0 * tangent, 2.0 * (1.0 + tangent));
        let itself = references.is_none();
        let among = references.as_ref().map(|r| dots(&r.data, &r.data, [r.rows, r.rows, r.cols]));
        let matrix = Matrix::new(Measure::Cosine, queries, references);
        let cols = matrix.cols();
        let lengths = &matrix.other().lengths;
        let of_positive =
            |p: usize, n: usize| -> f64 { among.as_ref().unwrap_or(&matrix.values)[p * cols + n].into() };

        let partners = partners(pairing, matrix.rows(), itself);
        let all = Pairing::labels(labels, other, Own::Nowhere);
        let (sums, slopes) = sweep(&matrix, &all, |row, slopes| {
            let mut sums = Sums::default();
            let mut list = vec![0.0; row.negatives.len()];
            for &(positive, as_anchor, as_positive) in &partners[row.anchor] {
                let cosine = row.values[positive];
                for (value, n) in list.iter_mut().zip(row.negatives) {
                    let along = lengths[n.at] * (row.values[n.at] + of_positive(positive, n.at));
                    *value = outer * along - inner * cosine;
                }
                let loss = log_sum_exp(&mut list, |_| 1.0, true);
                if as_anchor > 0.0 {
                    sums.add(loss, as_anchor);
                    slopes[positive] -= as_anchor * inner * list.iter().sum::<f64>();
                }
                // the pair changes the cosines of both the anchor's and the positive's row; each row adds its own part
                for (weight, n) in list.iter().zip(row.negatives) {
                    slopes[n.at] += (as_anchor + as_positive) * outer * lengths[n.at] * weight;
                }
            }
            sums
        });
        let scale = if sums.terms > 0.0 { sums.terms.recip() } else { 0.0 };
        let along = itself.then(|| along(&matrix, &slopes, labels));
        let (mut gradient, _) = matrix.backward(slopes, scale, false);
        if let Some(along) = along {
            let units = &matrix.queries;
            for (at, (grad, slope)) in gradient.chunks_mut(units.cols.max(1)).zip(along).enumerate() {
                for (grad, &unit) in grad.iter_mut().zip(units.row(at)) {
                    *grad = T::from_f64((*grad).into() + scale * slope * unit.into());
                }
            }
        }
        AngularOutcome { loss: sums.loss * scale, gradient, terms: sums.terms, active: sums.active }
    }
}

/// Derivatives with respect to the length of each row as a negative: `sum_r slope_rn cos_rn / |x_n|`.
fn along<T: Real>(matrix: &Matrix<T>, slopes: &[T], labels: &[u32]) -> Vec<f64> {
    let cols = matrix.cols();
    let mut along = vec![0.0; cols];
    for (row, label) in labels.iter().enumerate() {
        for (n, sum) in along.iter_mut().enumerate() {
            let length = matrix.queries.lengths[n];
            if labels[n] != *label && length > 0.0 {
                *sum += slopes[row * cols + n].into() * matrix.values[row * cols + n].into() / length;
            }
        }
    }
    along
}

fn partners(pairing: &Pairing<'_>, rows: usize, itself: bool) -> Vec<Vec<Partner>> {
    let mut partners: Vec<Vec<Partner>> = vec![Vec::new(); rows];
    let (mut positives, mut negatives) = (Vec::new(), Vec::new());
    for anchor in 0..rows {
        pairing.fill(anchor, &mut positives, &mut negatives);
        for positive in &positives {
            partners[anchor].push((positive.at, positive.times, 0.0));
            if itself {
                partners[positive.at].push((anchor, 0.0, positive.times));
            }
        }
    }
    for list in &mut partners {
        list.sort_by_key(|&(row, ..)| row);
        list.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 += later.1;
                first.2 += later.2;
            }
            same
        });
    }
    partners
}
