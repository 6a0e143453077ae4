//! FastAP: average precision, made differentiable by a histogram of distances.

use crate::bounds::Bounds;
use crate::pairs::distance::Matrix;
use crate::pairs::rows::{AnchorRow, Pass, Sums, sweep};
use crate::pairs::tuples::Pairing;
use crate::parameter::{Domain, settings};
use crate::real::Real;

settings! {
    /// One minus the average precision of each anchor's ranking; the mean over the anchors that have a positive.
    ///
    /// Squared distances of unit vectors (`0..=4`) are counted in `num_bins + 1` overlapping triangular bins: `h_k` for the
    /// positives, `t_k` for all samples. With the cumulative sums `H_k` and `T_k`, the average precision is
    /// `sum_k h_k H_k / T_k` divided by the number of positives. Tuples, if given, only weight the anchors: by how often a row
    /// occurs in them, relative to the most frequent one. Source: Cakir et al., *Deep Metric Learning to Rank*, 2019, eq. 8 and
    /// section 3.2; default as in `FastAPLoss` of pytorch-metric-learning.
    pub struct FastAp {
        /// Bins of the histogram, 1 to 10000.
        num_bins: usize = 10, Domain::Count(Bounds::new(1.0, 1e4, "a whole number"));
    }
}

/// The largest squared distance of two unit vectors.
const LARGEST: f64 = 4.0;

impl FastAp {
    /// `weights`: one per anchor.
    pub(crate) fn pass<T: Real>(
        self,
        matrix: &Matrix<T>,
        pairing: &Pairing<'_>,
        weights: Option<&[f64]>,
    ) -> Pass<T> {
        let (sums, slopes) = sweep(matrix, pairing, |row, slopes| {
            if row.positives.is_empty() {
                return Sums::default();
            }
            self.anchor(row, slopes, weights.map_or(1.0, |weights| weights[row.anchor]))
        });
        Pass::mean(sums, slopes)
    }

    /// The bins that a squared distance falls into: index, height and slope of each; two at most.
    fn bins(self, square: f64) -> impl Iterator<Item = (usize, f64, f64)> {
        let (count, width) = (self.num_bins, LARGEST / self.num_bins as f64);
        let square = square.clamp(0.0, LARGEST);
        let place = square / width;
        let first = (place.floor() as usize).min(count.saturating_sub(1));
        (first..=first + 1).filter_map(move |bin| {
            let offset = square - bin as f64 * width;
            let height = 1.0 - offset.abs() / width;
            let slope = if offset == 0.0 { 0.0 } else { -offset.signum() / width };
            (height > 0.0).then_some((bin, height, slope))
        })
    }

    fn anchor(self, row: &AnchorRow<'_>, slopes: &mut [f64], weight: f64) -> Sums {
        let edges = self.num_bins + 1;
        let (mut plus, mut minus) = (vec![0.0; edges], vec![0.0; edges]);
        for (entries, histogram) in [(row.positives, &mut plus), (row.negatives, &mut minus)] {
            for entry in entries {
                self.bins(row.values[entry.at]).for_each(|(bin, height, _)| histogram[bin] += height);
            }
        }
        // The heights of all positives sum to their number, so one minus the precision is sum_k h_k (T_k - H_k) / T_k divided
        // by that number: nothing cancels, and without negatives it is exactly 0. For each bin: the derivative with respect to
        // its count of positives, and to the cumulative counts of positives and of negatives up to it.
        let (mut own, mut by_plus, mut by_minus) = (vec![0.0; edges], vec![0.0; edges], vec![0.0; edges]);
        let (mut positives, mut negatives, mut loss) = (0.0, 0.0, 0.0);
        for bin in 0..edges {
            positives += plus[bin];
            negatives += minus[bin];
            if plus[bin] > 0.0 {
                let total = positives + negatives;
                loss += plus[bin] * negatives / total;
                own[bin] = negatives / total;
                by_plus[bin] = -plus[bin] * negatives / (total * total);
                by_minus[bin] = plus[bin] * positives / (total * total);
            }
        }
        for bin in (1..edges).rev() {
            by_plus[bin - 1] += by_plus[bin];
            by_minus[bin - 1] += by_minus[bin];
        }
        let factor = weight / row.positives.len() as f64;
        for entry in row.positives {
            for (bin, _, slope) in self.bins(row.values[entry.at]) {
                slopes[entry.at] += factor * slope * (own[bin] + by_plus[bin]);
            }
        }
        for entry in row.negatives {
            for (bin, _, slope) in self.bins(row.values[entry.at]) {
                slopes[entry.at] += factor * slope * by_minus[bin];
            }
        }
        Sums::one(factor * loss)
    }
}
