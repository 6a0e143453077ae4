//! Angular loss: the angle at the negative in the triangle of anchor, positive and negative.
//!
//! The one objective here that compares three rows at a time, and that does not normalise all of them: pytorch-metric-learning
//! takes anchors and positives of length one and negatives as they come. Everything still follows from the matrix of
//! cosines and the lengths: `(a + p) . x_n = |x_n| (cos_an + cos_pn)`. So no product overflows, however long the rows are.

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
    /// For each positive pair `ln( 1 + sum_n e^(4 t (a + p) . x_n - 2 (1 + t) a . p) )`, `t = tan^2 alpha`, with unit vectors `a`
    /// and `p`, and every row of another class than `a` as `x_n`, not normalised; the mean over the positive pairs.
    ///
    /// Tuples only say which positive pairs there are; the negatives are always all. Since `x_n` is not normalised, the
    /// gradient has a part along the embedding. Source: Wang et al., *Deep Metric Learning with Angular Loss*, 2017, eq. 8;
    /// default as in `AngularLoss` of pytorch-metric-learning.
    pub struct Angular {
        /// The angle `alpha`, in degrees, above 0 and up to 89.
        alpha: f64 = 40.0, Domain::Number(Bounds::new(1e-3, 89.0, "an angle in degrees"));
    }
}

/// A row that another makes positive pairs with: `(row, times as its anchor's positive, times as its own anchor)`.
type Partner = (usize, f64, f64);

/// Loss and gradient of the embeddings, not yet checked for overflow.
pub(crate) struct AngularOutcome<T> {
    pub(crate) loss: f64,
    pub(crate) gradient: Vec<T>,
    pub(crate) terms: f64,
    pub(crate) active: f64,
}

impl Angular {
    /// `pairing` says which positive pairs there are; `labels` and `other` which rows are negatives.
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
                // the pair moves the anchor's row of cosines and the positive's alike: each row takes its own part
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

/// Slopes by the length of each row in its part as a negative: `sum_r slope_rn cos_rn / |x_n|`.
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
