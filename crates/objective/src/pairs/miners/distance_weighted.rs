//! Negatives drawn so that all distances are about equally likely.
//!
//! On a sphere of many dimensions nearly all points are at a distance of about `sqrt(2)` from each other, so a random negative is
//! uninformative. Weighting each by the inverse density of its distance includes the near ones.

use crate::bounds::{self, Bounds};
use crate::parameter::{Domain, settings};
use widemargin_chance::{Purpose, Stream};

use super::view::View;
use crate::pairs::tuples::Tuples;
use crate::real::Real;

settings! {
    /// Draws as many triplets per anchor as its class has rows: positives uniformly, negatives with probability
    /// proportional to `1 / q(d)`, `q(d) = d^(D-2) (1 - d^2/4)^((D-3)/2)` the density of distances on the unit sphere in `D`
    /// dimensions.
    ///
    /// Distances below `cutoff` count as `cutoff`, so that noise on very near pairs does not dominate; negatives at
    /// `nonzero_loss_cutoff` or farther are never drawn. An anchor without a negative that can be drawn is skipped. Source: Wu
    /// et al., *Sampling Matters in Deep Embedding Learning*, 2017, section 4; `DistanceWeightedMiner` of
    /// pytorch-metric-learning, which uses different random numbers.
    pub struct DistanceWeighted {
        /// Smaller distances are raised to this.
        cutoff: f64 = 0.5, Domain::Number(Bounds::new(1e-6, 2.0, "a distance"));
        /// Negatives at this distance or farther are not drawn.
        nonzero_loss_cutoff: f64 = 1.4, Domain::Number(Bounds::new(0.0, 1e3, "a distance"));
        /// Seed of the random numbers, together with the step.
        seed: u64 = 0, Domain::Count(bounds::SEED);
    }
}

impl DistanceWeighted {
    pub(crate) fn mine<T: Real>(&self, view: &View<'_, T>, draw: u64) -> Tuples {
        let mut random = Stream::new(self.seed, Purpose::MinerDraw, draw, 0);
        let mut triplets = Vec::new();
        view.anchors(|anchor, positives, negatives| {
            if positives.is_empty() {
                return;
            }
            let weights = self.weights(view, anchor, negatives);
            let totals: Vec<f64> = weights
                .iter()
                .scan(0.0, |total, weight| {
                    *total += weight;
                    Some(*total)
                })
                .collect();
            let total = totals.last().copied().unwrap_or(0.0);
            if total == 0.0 {
                return;
            }
            // within the batch the class has one row more than there are positives: the anchor
            let count = positives.len() + usize::from(view.matrix.references.is_none());
            for _ in 0..count {
                let positive = positives[random.below(positives.len())];
                let place = random.unit_f64() * total;
                let chosen = totals.partition_point(|sum| *sum <= place).min(last_of(&weights));
                triplets.push([anchor, positive, negatives[chosen]]);
            }
        });
        Tuples::Triplets(triplets)
    }

    /// Weights of an anchor's negatives, the largest 1 (or all 0).
    pub(crate) fn weights<T: Real>(
        &self,
        view: &View<'_, T>,
        anchor: usize,
        negatives: &[usize],
    ) -> Vec<f64> {
        let dim = view.dim as f64;
        let logs: Vec<f64> = negatives
            .iter()
            .map(|&at| {
                let distance = view.value(anchor, at).max(self.cutoff);
                let log =
                    (2.0 - dim) * distance.ln() - (dim - 3.0) / 2.0 * (1.0 - 0.25 * distance * distance).ln();
                if distance < self.nonzero_loss_cutoff && log.is_finite() { log } else { f64::NEG_INFINITY }
            })
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        logs.iter().map(|log| if largest.is_finite() { (log - largest).exp() } else { 0.0 }).collect()
    }
}

/// The last row that may be drawn.
fn last_of(weights: &[f64]) -> usize {
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}
