//! One positive and one negative per anchor, chosen by distance.

use super::view::View;
use crate::bounds::Bounds;
use crate::error::{Error, Result};
use crate::pairs::tuples::Tuples;
use crate::parameter::{Domain, settings, words};
use crate::real::Real;

words! {
    /// Which positives or negatives of an anchor are used.
    pub enum MiningStrategy {
        /// The farthest positive, or the nearest negative.
        Hard = "hard",
        /// The hardest on the right side of the other: the farthest positive that is nearer than the chosen negative, or the
        /// nearest negative that is farther than the chosen positive.
        Semihard = "semihard",
        /// The nearest positive, or the farthest negative.
        Easy = "easy",
        /// All.
        All = "all",
    }
}

/// Distances of unit vectors.
const DISTANCE: Bounds = Bounds::new(0.0, 1e3, "distances");

settings! {
    /// Positives and negatives by strategy, in Euclidean distance of unit vectors. Source: Xuan, Stylianou and Pless, *Improved
    /// Embeddings with Easy Positive Triplet Mining*, 2020, section 3; `BatchEasyHardMiner` of pytorch-metric-learning.
    ///
    /// An anchor without a suitable positive or negative is skipped, unless all of the other kind are used. Among equal distances
    /// the first is used.
    pub struct BatchEasyHard {
        /// Which positives.
        pos_strategy: MiningStrategy = MiningStrategy::Easy, MiningStrategy::DOMAIN;
        /// Which negatives.
        neg_strategy: MiningStrategy = MiningStrategy::Semihard, MiningStrategy::DOMAIN;
        /// Positives nearer or farther than these two distances are not used.
        allowed_pos_range: Option<[f64; 2]> = None, Domain::Interval(DISTANCE);
        /// Negatives nearer or farther than these two distances are not used.
        allowed_neg_range: Option<[f64; 2]> = None, Domain::Interval(DISTANCE);
    }
}

/// Which end of the sorted distances is chosen.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Nearest,
    Farthest,
}

impl BatchEasyHard {
    /// Rejects strategies that exclude each other.
    pub(crate) fn check_strategies(&self) -> Result<()> {
        let strategies = [self.pos_strategy, self.neg_strategy];
        let refuse =
            |second, reason| Err(Error::Incompatible { first: "the strategy semihard", second, reason });
        if strategies == [MiningStrategy::Semihard; 2] {
            return refuse("itself", "set only one of pos_strategy and neg_strategy to semihard");
        }
        if strategies.contains(&MiningStrategy::Semihard) && strategies.contains(&MiningStrategy::All) {
            return refuse(
                "the strategy all",
                "semihard compares with one chosen distance, and all chooses none",
            );
        }
        Ok(())
    }

    /// As triplets (if both kinds are one per anchor) and as pairs.
    pub(crate) fn mine<T: Real>(&self, view: &View<'_, T>) -> (Vec<[usize; 3]>, Tuples) {
        use MiningStrategy::{All, Easy, Semihard};
        let positive_end = if self.pos_strategy == Easy { End::Nearest } else { End::Farthest };
        let negative_end = if self.neg_strategy == Easy { End::Farthest } else { End::Nearest };
        let mut triplets = Vec::new();
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        view.anchors(|anchor, plus, minus| {
            let value = |at: usize| view.value(anchor, at);
            let positive = |before: Option<usize>| {
                choose(plus, positive_end, value, self.allowed_pos_range, |d| {
                    before.is_none_or(|n| d < value(n))
                })
            };
            let negative = |after: Option<usize>| {
                choose(minus, negative_end, value, self.allowed_neg_range, |d| {
                    after.is_none_or(|p| d > value(p))
                })
            };
            let (chosen_positive, chosen_negative) = if self.pos_strategy == Semihard {
                let negative = negative(None);
                (negative.and_then(|at| positive(Some(at))), negative)
            } else if self.neg_strategy == Semihard {
                let positive = positive(None);
                (positive, positive.and_then(|at| negative(Some(at))))
            } else {
                (positive(None), negative(None))
            };
            match (self.pos_strategy, self.neg_strategy) {
                (All, All) => {
                    positives.extend(plus.iter().map(|&at| [anchor, at]));
                    negatives.extend(minus.iter().map(|&at| [anchor, at]));
                }
                (All, _) => {
                    positives.extend(plus.iter().map(|&at| [anchor, at]));
                    negatives.extend(chosen_negative.map(|at| [anchor, at]));
                }
                (_, All) => {
                    positives.extend(chosen_positive.map(|at| [anchor, at]));
                    negatives.extend(minus.iter().map(|&at| [anchor, at]));
                }
                _ => {
                    if let (Some(positive), Some(negative)) = (chosen_positive, chosen_negative) {
                        positives.push([anchor, positive]);
                        negatives.push([anchor, negative]);
                        triplets.push([anchor, positive, negative]);
                    }
                }
            }
        });
        (triplets, Tuples::Pairs { positives, negatives })
    }
}

fn choose(
    among: &[usize],
    end: End,
    value: impl Fn(usize) -> f64,
    range: Option<[f64; 2]>,
    allowed: impl Fn(f64) -> bool,
) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for &at in among {
        let distance = value(at);
        let inside = range.is_none_or(|[low, high]| (low..=high).contains(&distance));
        let better = best.is_none_or(|(_, so_far)| match end {
            End::Nearest => distance < so_far,
            End::Farthest => distance > so_far,
        });
        if inside && better && allowed(distance) {
            best = Some((at, distance));
        }
    }
    best.map(|(at, _)| at)
}
