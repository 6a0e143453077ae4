//! The triplet loss over all triplets of a batch, without listing them.
//!
//! An anchor with `p` positives and `n` negatives has `p n` triplets. Its negatives are sorted once by distance; those that
//! violate the margin of a positive are then a contiguous range, whose count and sum come from prefix sums. An anchor therefore
//! takes `(p + n) log n` steps, and a batch of 512 samples of two classes (33 million triplets) takes no longer than any
//! other.

use crate::bounds;
use crate::numeric::softplus;
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{AnchorRow, Pass, Sums, sweep};
use crate::pairs::tuples::{Entry, Pairing};
use crate::parameter::{Domain, settings, words};
use crate::real::Real;

words! {
    /// Which triplets count, by the distances of the anchor to its positive (`ap`) and its negative (`an`).
    pub enum TripletKind {
        /// Every triplet.
        All = "all",
        /// Only those with `an <= ap`: the negative is as near as the positive, or nearer.
        Hard = "hard",
        /// Only those with `ap < an <= ap + margin`: in the right order, but too close.
        Semihard = "semihard",
    }
}

settings! {
    /// `mean(max(d_ap - d_an + margin, 0))` over the triplets whose term is above zero, `d` the Euclidean distance of unit
    /// vectors.
    ///
    /// With `smooth_loss` the term is `ln(1 + e^(d_ap - d_an + margin))`, and every triplet counts. Source: Weinberger and Saul,
    /// *Distance Metric Learning for Large Margin Nearest Neighbor Classification*, 2009, section 3.2; Schroff et al.,
    /// *FaceNet*, 2015, section 3.1 (semi-hard: 3.2); mean and defaults as in `TripletMarginLoss` of pytorch-metric-learning.
    pub struct TripletMargin {
        /// Margin by which the positive must be nearer than the negative.
        margin: f64 = 0.05, Domain::Number(bounds::OFFSET);
        /// Use the distance between positive and negative instead of `d_an` if it is smaller.
        swap: bool = false, Domain::Flag;
        /// Softplus in place of the hinge.
        smooth_loss: bool = false, Domain::Flag;
        /// Which triplets count.
        triplets: TripletKind = TripletKind::All, TripletKind::DOMAIN;
    }
}

impl TripletKind {
    /// Whether a triplet is of this kind.
    pub(crate) fn takes(self, ap: f64, an: f64, margin: f64) -> bool {
        match self {
            Self::All => true,
            Self::Hard => an <= ap,
            Self::Semihard => an > ap && an - ap <= margin,
        }
    }
}

impl TripletMargin {
    pub(crate) fn pass<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        if self.swap {
            return self.swapped(matrix, pairing);
        }
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| match pairing {
            Pairing::Listed { triplets: Some(triplets), .. } => {
                let mut sums = Sums::default();
                for &[p, n] in &triplets[row.anchor] {
                    if let Some((loss, slope)) = self.term(row.values[p], row.values[n]) {
                        sums.add(loss, 1.0);
                        slopes[p] += slope;
                        slopes[n] -= slope;
                    }
                }
                sums
            }
            _ if self.smooth_loss => self.every(row, slopes),
            _ => self.sorted(row, slopes),
        });
        Pass::mean_of_active(sums, slopes)
    }

    /// Loss and slope of one triplet; `None` if it is not of the kind that counts.
    fn term(&self, ap: f64, an: f64) -> Option<(f64, f64)> {
        if !self.triplets.takes(ap, an, self.margin) {
            return None;
        }
        let violation = ap - an + self.margin;
        Some(if self.smooth_loss {
            softplus(violation, 1.0)
        } else if violation > 0.0 {
            (violation, 1.0)
        } else {
            (0.0, 0.0)
        })
    }

    /// Combines every positive of the anchor with every negative.
    fn every(&self, row: &AnchorRow<'_>, slopes: &mut [f64]) -> Sums {
        let mut sums = Sums::default();
        for p in row.positives {
            for n in row.negatives {
                if let Some((loss, slope)) = self.term(row.values[p.at], row.values[n.at]) {
                    let times = p.times * n.times;
                    sums.add(loss, times);
                    slopes[p.at] += times * slope;
                    slopes[n.at] -= times * slope;
                }
            }
        }
        sums
    }

    /// The same for the hinge, by sorting.
    fn sorted(&self, row: &AnchorRow<'_>, slopes: &mut [f64]) -> Sums {
        let mut negatives: Vec<(f64, Entry)> =
            row.negatives.iter().map(|&entry| (row.values[entry.at], entry)).collect();
        negatives.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.at.cmp(&b.1.at)));
        // prefix sums over the first k negatives: their number and their distances
        let mut counts = vec![0.0; negatives.len() + 1];
        let mut distances = vec![0.0; negatives.len() + 1];
        for (k, (distance, entry)) in negatives.iter().enumerate() {
            counts[k + 1] = counts[k] + entry.times;
            distances[k + 1] = distances[k] + entry.times * distance;
        }
        let mut starts = vec![0.0; negatives.len() + 1];
        let mut sums = Sums::default();
        for p in row.positives {
            let ap = row.values[p.at];
            let up_to = |limit: f64| negatives.partition_point(|(an, _)| *an <= limit);
            let violating = negatives.partition_point(|(an, _)| ap - an + self.margin > 0.0);
            let (from, to, last) = match self.triplets {
                TripletKind::All => (0, violating, negatives.len()),
                TripletKind::Hard => (0, violating.min(up_to(ap)), up_to(ap)),
                TripletKind::Semihard => {
                    let within = negatives.partition_point(|(an, _)| an - ap <= self.margin);
                    (up_to(ap), violating.max(up_to(ap)), within.max(up_to(ap)))
                }
            };
            let active = counts[to] - counts[from];
            sums.loss += p.times * (active * (ap + self.margin) - (distances[to] - distances[from]));
            sums.active += p.times * active;
            sums.terms += p.times * (counts[last] - counts[from]);
            slopes[p.at] += p.times * active;
            starts[from] += p.times;
            starts[to] -= p.times;
        }
        let mut violated = 0.0;
        for ((_, entry), start) in negatives.iter().zip(&starts) {
            violated += start;
            slopes[entry.at] -= entry.times * violated;
        }
        sums
    }

    /// With `swap`: uses the smaller of the two distances to the negative. Changes rows other than the anchor's, so it runs on
    /// one thread.
    fn swapped<T: Real>(&self, matrix: &Matrix<T>, pairing: &Pairing<'_>) -> Pass<T> {
        let cols = matrix.cols();
        let value = |row: usize, col: usize| -> f64 { matrix.row(row)[col].into() };
        let mut slopes = vec![0.0_f64; matrix.rows() * cols];
        let mut sums = Sums::default();
        let mut triplet = |a: usize, p: usize, n: usize, times: f64| {
            let (ap, an, pn) = (value(a, p), value(a, n), value(p, n));
            let nearer = if pn < an { p } else { a };
            if let Some((loss, slope)) = self.term(ap, an.min(pn)) {
                sums.add(loss, times);
                slopes[a * cols + p] += times * slope;
                if pn == an {
                    // at a tie each of the two gets half of the derivative
                    slopes[a * cols + n] -= 0.5 * times * slope;
                    slopes[p * cols + n] -= 0.5 * times * slope;
                } else {
                    slopes[nearer * cols + n] -= times * slope;
                }
            }
        };
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        for anchor in 0..matrix.rows() {
            if let Pairing::Listed { triplets: Some(triplets), .. } = pairing {
                triplets[anchor].iter().for_each(|&[p, n]| triplet(anchor, p, n, 1.0));
                continue;
            }
            pairing.fill(anchor, &mut positives, &mut negatives);
            for p in &positives {
                for n in &negatives {
                    triplet(anchor, p.at, n.at, p.times * n.times);
                }
            }
        }
        Pass::mean_of_active(sums, slopes.into_iter().map(T::from_f64).collect())
    }
}
