//! Miners that keep pairs or triplets on the wrong side of a threshold.

use super::view::View;
use crate::bounds;
use crate::pairs::tuples::Tuples;
use crate::parameter::{Domain, settings, words};
use crate::real::Real;

words! {
    /// Which triplets [`TripletMarginMiner`] keeps, by the distances of the anchor to its positive (`ap`) and its negative
    /// (`an`).
    pub enum MinedTriplets {
        /// All that violate the margin: `an - ap <= margin`.
        All = "all",
        /// Violating triplets with `an <= ap`.
        Hard = "hard",
        /// Violating triplets with `an > ap`.
        Semihard = "semihard",
        /// All that meet the margin: `an - ap > margin`.
        Easy = "easy",
    }
}

settings! {
    /// Triplets by how they meet a margin in Euclidean distance of unit vectors. Source: Schroff et al., *FaceNet*, 2015,
    /// section 3.2; `TripletMarginMiner` of pytorch-metric-learning.
    pub struct TripletMarginMiner {
        /// The margin.
        margin: f64 = 0.2, Domain::Number(bounds::OFFSET);
        /// Which triplets are kept.
        type_of_triplets: MinedTriplets = MinedTriplets::All, MinedTriplets::DOMAIN;
    }
}

impl TripletMarginMiner {
    pub(crate) fn mine<T: Real>(&self, view: &View<'_, T>) -> Tuples {
        let keeps = |lead: f64| match self.type_of_triplets {
            MinedTriplets::All => lead <= self.margin,
            MinedTriplets::Hard => lead <= self.margin && lead <= 0.0,
            MinedTriplets::Semihard => lead <= self.margin && lead > 0.0,
            MinedTriplets::Easy => lead > self.margin,
        };
        let mut triplets = Vec::new();
        view.anchors(|anchor, positives, negatives| {
            for &positive in positives {
                let near = view.value(anchor, positive);
                triplets.extend(
                    negatives
                        .iter()
                        .filter(|&&negative| keeps(view.value(anchor, negative) - near))
                        .map(|&negative| [anchor, positive, negative]),
                );
            }
        });
        Tuples::Triplets(triplets)
    }
}

settings! {
    /// Positive pairs less similar than the anchor's nearest negative plus `epsilon`, and negative pairs more similar than its
    /// farthest positive less `epsilon`, by cosines. Source: Wang et al., *Multi-Similarity Loss with General Pair Weighting for
    /// Deep Metric Learning*, 2019, section 4.1; `MultiSimilarityMiner` of pytorch-metric-learning.
    pub struct MultiSimilarityMiner {
        /// Slack in cosine.
        epsilon: f64 = 0.1, Domain::Number(bounds::OFFSET);
    }
}

impl MultiSimilarityMiner {
    pub(crate) fn mine<T: Real>(self, view: &View<'_, T>) -> Tuples {
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        view.anchors(|anchor, plus, minus| {
            let value = |at: &usize| view.value(anchor, *at);
            let nearest_negative = minus.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
            let farthest_positive = plus.iter().map(value).fold(f64::INFINITY, f64::min);
            let hard_positive = |at: &&usize| value(at) - self.epsilon < nearest_negative;
            let hard_negative = |at: &&usize| value(at) + self.epsilon > farthest_positive;
            positives.extend(plus.iter().filter(hard_positive).map(|&at| [anchor, at]));
            negatives.extend(minus.iter().filter(hard_negative).map(|&at| [anchor, at]));
        });
        Tuples::Pairs { positives, negatives }
    }
}

settings! {
    /// Positive pairs farther apart than one distance and negative pairs nearer than another, in Euclidean distance of unit
    /// vectors; `PairMarginMiner` of pytorch-metric-learning.
    pub struct PairMargin {
        /// Positives farther apart than this are kept.
        pos_margin: f64 = 0.2, Domain::Number(bounds::OFFSET);
        /// Negatives nearer than this are kept.
        neg_margin: f64 = 0.8, Domain::Number(bounds::OFFSET);
    }
}

impl PairMargin {
    pub(crate) fn mine<T: Real>(&self, view: &View<'_, T>) -> Tuples {
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        view.anchors(|anchor, plus, minus| {
            let far = |at: &&usize| view.value(anchor, **at) > self.pos_margin;
            let near = |at: &&usize| view.value(anchor, **at) < self.neg_margin;
            positives.extend(plus.iter().filter(far).map(|&at| [anchor, at]));
            negatives.extend(minus.iter().filter(near).map(|&at| [anchor, at]));
        });
        Tuples::Pairs { positives, negatives }
    }
}
