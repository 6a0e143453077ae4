//! Exact rates from two sorted lists of scores.
//!
//! A threshold `t` accepts a pair if its score is `>= t`. All results of verification follow from the number of genuine and
//! impostor scores at or above a threshold. Only thresholds that are observed scores matter (and one that accepts nothing). With
//! both lists sorted, each count is a binary search, and the whole curve is one merge.

use serde::Serialize;

use super::list::ScoreList;

/// Both kinds of scores, each in descending order; neither list is empty and no score is NaN.
#[derive(Debug, Clone)]
pub(super) struct SortedScores {
    genuine: ScoreList,
    impostor: ScoreList,
}

/// The rates at a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OperatingPoint {
    /// A pair is accepted if its score is at least this.
    pub threshold: f64,
    /// False accept rate: the share of impostor pairs accepted, in [0, 1].
    pub far: f64,
    /// True accept rate: the share of genuine pairs accepted, in [0, 1]. The false reject rate is `1 - tar`.
    pub tar: f64,
}

/// An accuracy and the threshold that reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BestAccuracy {
    /// Share of correct decisions, in [0, 1].
    pub accuracy: f64,
    /// The largest threshold that reaches it.
    pub threshold: f64,
}

/// Numbers of accepted pairs at one threshold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted {
    pub(super) threshold: f64,
    pub(super) genuine: usize,
    pub(super) impostor: usize,
}

impl SortedScores {
    /// From stored values of cosines.
    pub(super) fn of_cosines(genuine: Vec<f32>, impostor: Vec<f32>) -> Self {
        Self { genuine: ScoreList::of_cosines(genuine), impostor: ScoreList::of_cosines(impostor) }
    }

    pub(super) fn of_scores(genuine: Vec<f64>, impostor: Vec<f64>) -> Self {
        Self { genuine: ScoreList::of_scores(genuine), impostor: ScoreList::of_scores(impostor) }
    }

    pub(super) fn of_lists(genuine: ScoreList, impostor: ScoreList) -> Self {
        Self { genuine, impostor }
    }

    pub(super) fn genuine(&self) -> &ScoreList {
        &self.genuine
    }

    pub(super) fn impostor(&self) -> &ScoreList {
        &self.impostor
    }

    /// The lowest and the highest score of either kind.
    pub(super) fn range(&self) -> (f64, f64) {
        (self.genuine.lowest().min(self.impostor.lowest()), self.genuine.at(0).max(self.impostor.at(0)))
    }

    pub(super) fn rates(&self, accepted: Accepted) -> OperatingPoint {
        OperatingPoint {
            threshold: accepted.threshold,
            far: accepted.impostor as f64 / self.impostor.len() as f64,
            tar: accepted.genuine as f64 / self.genuine.len() as f64,
        }
    }

    /// The smallest threshold that accepts nothing: the next value above the largest observed score, or above its bin.
    pub(super) fn accept_nothing(&self) -> Accepted {
        let above = [&self.genuine, &self.impostor].map(|list| list.above(0));
        let threshold = above.into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
        Accepted { threshold, genuine: 0, impostor: 0 }
    }

    /// Whether a threshold separates the two kinds completely, possibly but for scores equal to it.
    pub(super) fn are_separated(&self) -> bool {
        self.impostor.at(0) <= self.genuine.lowest()
    }

    /// Whether no genuine score is higher than an impostor score.
    pub(super) fn are_reversed(&self) -> bool {
        self.genuine.at(0) <= self.impostor.lowest()
    }

    pub(super) fn accepted_at(&self, threshold: f64) -> Accepted {
        Accepted {
            threshold,
            genuine: self.genuine.count_at_least(threshold),
            impostor: self.impostor.count_at_least(threshold),
        }
    }

    /// The rates of one threshold.
    pub(super) fn at_threshold(&self, threshold: f64) -> OperatingPoint {
        self.rates(self.accepted_at(threshold))
    }

    /// All steps of the curve: accept nothing, then each distinct score as the threshold, descending.
    pub(super) fn steps(&self) -> impl Iterator<Item = Accepted> + '_ {
        let mut now = self.accept_nothing();
        let distinct = std::iter::from_fn(move || {
            let next = [self.genuine.get(now.genuine), self.impostor.get(now.impostor)];
            now.threshold = next.into_iter().flatten().reduce(f64::max)?;
            if next[0] == Some(now.threshold) {
                now.genuine += self.genuine.run(now.genuine);
            }
            if next[1] == Some(now.threshold) {
                now.impostor += self.impostor.run(now.impostor);
            }
            Some(now)
        });
        std::iter::once(self.accept_nothing()).chain(distinct)
    }

    /// The Mann-Whitney statistic over the product of the counts; a tie is half a win. Exact up to one division.
    pub(super) fn auc(&self) -> f64 {
        let mut twice_won: u128 = 0;
        let mut before = self.accept_nothing();
        for now in self.steps() {
            let (won, tied) = (now.impostor - before.impostor, now.genuine - before.genuine);
            // The impostor scores of this step are below all genuine scores before it and tie with those of the same step.
            twice_won += won as u128 * (2 * before.genuine as u128 + tied as u128);
            before = now;
        }
        twice_won as f64 / (2.0 * self.genuine.len() as f64 * self.impostor.len() as f64)
    }

    /// Equal error rate and its threshold; see [`Verification::eer`](super::Verification::eer).
    pub(super) fn equal_error(&self) -> (f64, f64) {
        let (genuine, impostor) = (self.genuine.len() as i128, self.impostor.len() as i128);
        // FRR - FAR over a common denominator, so that equality is exact. It falls from positive to negative.
        let gap = |at: Accepted| (genuine - at.genuine as i128) * impostor - at.impostor as i128 * genuine;
        let mut before = self.accept_nothing();
        for now in self.steps() {
            if gap(now) <= 0 {
                let part = gap(before) as f64 / (gap(before) - gap(now)) as f64;
                let (from, to) = (self.rates(before), self.rates(now));
                let between = |a: f64, b: f64| a + part * (b - a);
                return (between(from.far, to.far), between(from.threshold, to.threshold));
            }
            before = now;
        }
        unreachable!("the last step accepts everything, where FAR is 1 and FRR is 0")
    }

    /// The point with the largest TAR among those whose FAR is at most `far`, which is in [0, 1].
    pub(super) fn at_far(&self, far: f64) -> OperatingPoint {
        let impostors = self.impostor.len();
        let allowed = accepts_within(far, impostors);
        let Some(above) = self.impostor.above(allowed) else {
            return self.at_threshold(self.range().0);
        };
        // Accept all scores above the first impostor score that must be rejected; its ties are rejected too.
        let above = self.accepted_at(above);
        let lowest_accepted = [above.genuine.checked_sub(1).map(|last| self.genuine.at(last))]
            .into_iter()
            .chain([above.impostor.checked_sub(1).map(|last| self.impostor.at(last))])
            .flatten()
            .reduce(f64::min);
        let threshold = lowest_accepted.unwrap_or_else(|| self.accept_nothing().threshold);
        self.rates(Accepted { threshold, ..above })
    }

    /// The largest weighted mean of TAR and `1 - FAR`, compared exactly.
    pub(super) fn best_accuracy(&self, genuine_weight: u64, impostor_weight: u64) -> BestAccuracy {
        let (genuine, impostor) = (self.genuine.len() as u128, self.impostor.len() as u128);
        let (for_genuine, for_impostor) =
            (u128::from(genuine_weight) * impostor, u128::from(impostor_weight) * genuine);
        let right =
            |at: Accepted| for_genuine * at.genuine as u128 + for_impostor * (impostor - at.impostor as u128);
        let mut best = self.accept_nothing();
        for now in self.steps() {
            if right(now) > right(best) {
                best = now;
            }
        }
        let most = for_genuine * genuine + for_impostor * impostor;
        BestAccuracy { accuracy: right(best) as f64 / most as f64, threshold: best.threshold }
    }

    /// The curve with at most `limit` points (at least 16), including both ends, in order of rising FAR and TAR.
    ///
    /// If there are more steps, a quarter of the points each is spread evenly over FAR, TAR, the logarithm of FAR and the
    /// logarithm of the false reject rate. So the curve keeps its shape on linear, logarithmic and probit axes. Every point is
    /// on the exact curve.
    pub(super) fn curve(&self, limit: usize) -> Vec<OperatingPoint> {
        let all: Vec<Accepted> = self.steps().take(limit + 1).collect();
        if all.len() <= limit {
            return all.into_iter().map(|accepted| self.rates(accepted)).collect();
        }
        let share = (limit - 2) / 4;
        let (genuine, impostor) = (&self.genuine, &self.impostor);
        let part = |nth: usize| nth as f64 / (share - 1) as f64;
        let even = |nth: usize, length: usize| (part(nth) * (length - 1) as f64).round() as usize;
        let logarithmic = |nth: usize, length: usize| {
            ((length as f64).powf(part(nth)).round() as usize).clamp(1, length) - 1
        };
        let mut thresholds = Vec::with_capacity(4 * share + 1);
        for nth in 0..share {
            thresholds.extend([
                genuine.at(even(nth, genuine.len())),
                impostor.at(even(nth, impostor.len())),
                // Low false accept rates lie at the top of the impostor scores, low false reject rates at the bottom of the
                // genuine scores.
                impostor.at(logarithmic(nth, impostor.len())),
                genuine.at(genuine.len() - 1 - logarithmic(nth, genuine.len())),
            ]);
        }
        thresholds.push(self.range().0);
        thresholds.sort_unstable_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        std::iter::once(self.accept_nothing())
            .chain(thresholds.into_iter().map(|threshold| self.accepted_at(threshold)))
            .map(|accepted| self.rates(accepted))
            .collect()
    }
}

/// The largest number of accepts out of `count` (at least 1) whose share is at most `rate`, which is in [0, 1].
pub(crate) fn accepts_within(rate: f64, count: usize) -> usize {
    let share = |accepted: usize| accepted as f64 / count as f64;
    // The product can round to the wrong side, so compare the shares.
    let mut allowed = ((rate * count as f64) as usize).min(count);
    while allowed < count && share(allowed + 1) <= rate {
        allowed += 1;
    }
    while allowed > 0 && share(allowed) > rate {
        allowed -= 1;
    }
    allowed
}
