//! Miners that keep what is on the wrong side of a threshold.

use serde::{Deserialize, Serialize};

use super::View;
use crate::Real;
use crate::pairs::error::check_margin;
use crate::pairs::triplet::TripletKind;
use crate::pairs::{PairError, Tuples};

/// Which triplets [`TripletMarginMiner`] keeps; `ap` and `an` are the distances of the anchor to its positive and negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MinedTriplets {
    /// All that violate the margin: `an - ap <= margin`.
    #[default]
    All,
    /// Those of them with `an <= ap`.
    Hard,
    /// Those of them with `an > ap`.
    #[serde(alias = "semi-hard")]
    Semihard,
    /// All that do not violate it: `an - ap > margin`.
    Easy,
}

impl From<TripletKind> for MinedTriplets {
    fn from(kind: TripletKind) -> Self {
        match kind {
            TripletKind::All => Self::All,
            TripletKind::Hard => Self::Hard,
            TripletKind::Semihard => Self::Semihard,
        }
    }
}

/// Triplets by how they meet a margin in Euclidean distance of unit vectors. Source: Schroff et al., *FaceNet*, 2015,
/// section 3.2; `TripletMarginMiner` of pytorch-metric-learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TripletMarginMiner {
    /// The margin. Default 0.2.
    pub margin: f64,
    /// Which triplets are kept. Default all that violate the margin.
    pub type_of_triplets: MinedTriplets,
}

impl Default for TripletMarginMiner {
    fn default() -> Self {
        Self { margin: 0.2, type_of_triplets: MinedTriplets::All }
    }
}

impl TripletMarginMiner {
    pub(crate) fn validate(&self) -> Result<(), PairError> {
        check_margin("margin", self.margin)
    }

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

/// Positive pairs less alike than the anchor's nearest negative plus `epsilon`, and negative pairs more alike than its
/// farthest positive less `epsilon`, by cosines. Source: Wang et al., *Multi-Similarity Loss with General Pair Weighting for
/// Deep Metric Learning*, 2019, section 4.1; `MultiSimilarityMiner` of pytorch-metric-learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultiSimilarityMiner {
    /// Slack in cosine. Default 0.1.
    pub epsilon: f64,
}

impl Default for MultiSimilarityMiner {
    fn default() -> Self {
        Self { epsilon: 0.1 }
    }
}

impl MultiSimilarityMiner {
    pub(crate) fn validate(self) -> Result<(), PairError> {
        check_margin("epsilon", self.epsilon)
    }

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

/// Positive pairs farther apart than one distance and negative pairs nearer than another, in Euclidean distance of unit
/// vectors; `PairMarginMiner` of pytorch-metric-learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairMargin {
    /// Positives farther apart than this are kept. Default 0.2.
    pub pos_margin: f64,
    /// Negatives nearer than this are kept. Default 0.8.
    pub neg_margin: f64,
}

impl Default for PairMargin {
    fn default() -> Self {
        Self { pos_margin: 0.2, neg_margin: 0.8 }
    }
}

impl PairMargin {
    pub(crate) fn validate(&self) -> Result<(), PairError> {
        check_margin("pos_margin", self.pos_margin)?;
        check_margin("neg_margin", self.neg_margin)
    }

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
