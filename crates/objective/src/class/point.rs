//! The loss of one sample, with everything that depends on the batch resolved.

use crate::family::Objective;
use crate::numeric::softplus;
use crate::real::Real;
use crate::row::{RowOutcome, RowPass, SummedCompetitors};

/// One sample's objective against all classes: a point of the family, or a sum of binary classifications.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Point {
    /// `link(pool(non-targets) - (target - margin))`.
    Family(Objective),
    /// One binary classification per class.
    Binary(Binary),
}

/// SphereFace2's loss of one sample (Wen et al., 2022, section 3):
///
/// ```text
/// lambda / r softplus(-(r (g(cos_y) - m) + b)) + (1 - lambda) / r sum_{i != y} softplus(r (g(cos_i) + m) + b)
/// g(c) = 2 ((c + 1) / 2)^t - 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binary {
    /// `lambda`, the weight of the target against all others, in `(0, 1)`.
    pub balance: f64,
    /// `r`, finite and above 0.
    pub scale: f64,
    /// `m` in cosine, on both sides.
    pub margin: f64,
    /// `t`, at least 1: how much the upper cosines are spread out.
    pub exponent: f64,
    /// `b`, learnt, shared by all classes.
    pub bias: f64,
}

impl Binary {
    fn spread(&self, cosine: f64) -> (f64, f64) {
        let half = 0.5 + 0.5 * cosine.clamp(-1.0, 1.0);
        (2.0 * half.powf(self.exponent) - 1.0, self.exponent * half.powf(self.exponent - 1.0))
    }

    /// Loss of the target's classification and its derivatives with respect to the cosine and the bias.
    fn target(&self, cosine: f64) -> [f64; 3] {
        let (spread, slope) = self.spread(cosine);
        let (loss, push) = softplus(-(self.scale * (spread - self.margin) + self.bias), 1.0);
        [self.balance / self.scale * loss, -self.balance * push * slope, -self.balance / self.scale * push]
    }

    /// The same for a non-target class.
    fn other(&self, cosine: f64) -> [f64; 3] {
        let (spread, slope) = self.spread(cosine);
        let (loss, push) = softplus(self.scale * (spread + self.margin) + self.bias, 1.0);
        let weight = 1.0 - self.balance;
        [weight / self.scale * loss, weight * push * slope, weight / self.scale * push]
    }
}

/// The first pass over the classes for one sample; see [`RowPass`].
#[derive(Clone, Debug)]
pub enum PointPass<T> {
    /// Of the family.
    Family(RowPass<T>),
    /// Of binary classifications.
    Binary(BinaryPass<T>),
}

/// Running sums of the binary classifications.
#[derive(Clone, Copy, Debug)]
pub struct BinaryPass<T> {
    binary: Binary,
    label: usize,
    target: T,
    outcome: PointOutcome<T>,
    loss: f64,
    bias_slope: f64,
    /// Sum of the derivatives `g` with respect to the non-targets' cosines, and of `g ln g` for their entropy.
    pull: f64,
    pull_log: f64,
    finite: bool,
}

/// Length of a part of binary classifications.
const BINARY_PART: usize = 7;

/// Loss and diagnostics of one sample: the figures of [`RowOutcome`] for any point.
#[derive(Clone, Copy, Debug)]
pub struct PointOutcome<T> {
    /// The loss; `NaN` if a similarity was not finite or the scores exceed the range of floating point.
    pub loss: T,
    /// `-d loss / d score_y`, where a score is the scale times a similarity.
    pub push: T,
    /// `exp` of the entropy of the non-targets' shares.
    pub effective_competitors: T,
    /// The target's similarity, without scale and margin.
    pub target_similarity: T,
    /// Whether the target leads every non-target by the margin.
    pub margin_met: bool,
    /// Whether the target has the largest plain similarity.
    pub correct: bool,
    /// `d loss / d learnt`: of the scale for points of the family, of the bias for binary classifications.
    pub learnt_slope: T,
    /// See [`RowOutcome::length_slope`].
    pub length_slope: T,
    kind: OutcomeKind<T>,
}

#[derive(Clone, Copy, Debug)]
enum OutcomeKind<T> {
    Family(RowOutcome<T>),
    Binary(Binary, usize),
}

impl Point {
    /// The factor on similarities in the exponents of a softmax over unchanged non-targets. Only such points can be finished
    /// from sums ([`PointPass::observe_summed`]); `None` for all others.
    pub fn softmax_sharpness(&self) -> Option<f64> {
        match self {
            Self::Family(objective) if objective.is_softmax() => objective.sharpness(),
            _ => None,
        }
    }

    /// The factor that turns similarities into scores.
    pub fn scale(&self) -> f64 {
        match self {
            Self::Family(objective) => objective.score().scale(),
            Self::Binary(binary) => binary.scale,
        }
    }

    /// The amount of the margin; see [`Margin::amount`](crate::Margin::amount).
    pub fn margin(&self) -> f64 {
        match self {
            Self::Family(objective) => objective.margin().amount(),
            Self::Binary(binary) => binary.margin,
        }
    }

    /// Starts the first pass; see [`Objective::row_pass_at`].
    pub fn row_pass_at<T: Real>(&self, label: usize, target_similarity: T, length: T) -> PointPass<T> {
        match self {
            Self::Family(objective) => {
                PointPass::Family(objective.row_pass_at(label, target_similarity, length))
            }
            Self::Binary(binary) => {
                let [loss, slope, bias_slope] = binary.target(target_similarity.into());
                let outcome = PointOutcome {
                    loss: T::zero(),
                    push: T::from_f64(-slope / binary.scale),
                    effective_competitors: T::zero(),
                    target_similarity,
                    margin_met: true,
                    correct: true,
                    learnt_slope: T::zero(),
                    length_slope: T::zero(),
                    kind: OutcomeKind::Binary(*binary, label),
                };
                PointPass::Binary(BinaryPass {
                    binary: *binary,
                    label,
                    target: target_similarity,
                    outcome,
                    loss,
                    bias_slope,
                    pull: 0.0,
                    pull_log: 0.0,
                    finite: target_similarity.is_finite(),
                })
            }
        }
    }
}

impl<T: Real> BinaryPass<T> {
    fn observe(&mut self, first_class: usize, similarities: &[T]) {
        for (at, &similarity) in similarities.iter().enumerate() {
            let class = first_class + at;
            if class == self.label {
                continue;
            }
            self.finite &= similarity.is_finite();
            let [loss, slope, bias_slope] = self.binary.other(similarity.into());
            self.loss += loss;
            self.bias_slope += bias_slope;
            self.pull += slope;
            if slope > 0.0 {
                self.pull_log += slope * slope.ln();
            }
            let outranked =
                if class < self.label { similarity >= self.target } else { similarity > self.target };
            self.outcome.correct &= !outranked;
            let lead: f64 = self.target.into() - similarity.into();
            self.outcome.margin_met &= lead >= self.binary.margin;
        }
    }

    fn merge(&mut self, later: &Self) {
        let mut part = Vec::with_capacity(BINARY_PART);
        later.write_part(&mut part);
        self.observe_part(&part);
    }

    /// Writes the sums over the non-targets, without the target's own classification.
    fn write_part(&self, out: &mut Vec<f64>) {
        let [loss, _, bias_slope] = self.binary.target(self.target.into());
        let flags = [self.finite, self.outcome.correct, self.outcome.margin_met];
        out.extend(flags.map(|flag| f64::from(u8::from(flag))));
        out.extend([self.loss - loss, self.bias_slope - bias_slope, self.pull, self.pull_log]);
    }

    fn observe_part(&mut self, part: &[f64]) {
        let [finite, correct, margin_met, loss, bias_slope, pull, pull_log] = *part else {
            panic!("a part of binary classifications has {BINARY_PART} values, not {}", part.len());
        };
        self.finite &= finite == 1.0;
        self.outcome.correct &= correct == 1.0;
        self.outcome.margin_met &= margin_met == 1.0;
        self.loss += loss;
        self.bias_slope += bias_slope;
        self.pull += pull;
        self.pull_log += pull_log;
    }

    fn finish(mut self) -> PointOutcome<T> {
        if self.pull > 0.0 {
            let entropy = self.pull.ln() - self.pull_log / self.pull;
            self.outcome.effective_competitors = T::from_f64(entropy.exp());
        }
        self.outcome.learnt_slope = T::from_f64(self.bias_slope);
        self.outcome.loss =
            if self.finite && self.loss.is_finite() { T::from_f64(self.loss) } else { T::nan() };
        self.outcome
    }
}

impl<T: Real> PointPass<T> {
    /// See [`RowPass::observe`].
    pub fn observe(&mut self, first_class: usize, similarities: &[T]) {
        match self {
            Self::Family(pass) => pass.observe(first_class, similarities),
            Self::Binary(pass) => pass.observe(first_class, similarities),
        }
    }

    /// See [`RowPass::merge`].
    ///
    /// # Panics
    /// If the two are not copies of one pass.
    pub fn merge(&mut self, later: Self) {
        match (self, later) {
            (Self::Family(pass), Self::Family(later)) => pass.merge(later),
            (Self::Binary(pass), Self::Binary(later)) => pass.merge(&later),
            _ => panic!("parts of different passes"),
        }
    }

    /// See [`RowPass::observe_summed`].
    ///
    /// # Panics
    /// If the point is not a softmax.
    pub fn observe_summed(&mut self, summed: &SummedCompetitors<T>) {
        match self {
            Self::Family(pass) => pass.observe_summed(summed),
            Self::Binary(_) => panic!("binary classifications need every similarity"),
        }
    }

    /// See [`RowPass::part_len`].
    pub fn part_len(&self) -> usize {
        match self {
            Self::Family(pass) => pass.part_len(),
            Self::Binary(_) => BINARY_PART,
        }
    }

    /// See [`RowPass::write_part`].
    pub fn write_part(&self, out: &mut Vec<f64>) {
        match self {
            Self::Family(pass) => pass.write_part(out),
            Self::Binary(pass) => pass.write_part(out),
        }
    }

    /// See [`RowPass::observe_part`].
    ///
    /// # Panics
    /// If the length of the part is not [`PointPass::part_len`].
    pub fn observe_part(&mut self, part: &[f64]) {
        match self {
            Self::Family(pass) => pass.observe_part(part),
            Self::Binary(pass) => pass.observe_part(part),
        }
    }

    /// See [`RowPass::finish`].
    pub fn finish(self) -> PointOutcome<T> {
        match self {
            Self::Binary(pass) => pass.finish(),
            Self::Family(pass) => {
                let row = pass.finish();
                PointOutcome {
                    loss: row.loss,
                    push: row.push,
                    effective_competitors: row.effective_competitors,
                    target_similarity: row.target_similarity,
                    margin_met: row.margin_met,
                    correct: row.correct,
                    learnt_slope: row.scale_slope,
                    length_slope: row.length_slope,
                    kind: OutcomeKind::Family(row),
                }
            }
        }
    }
}

impl<T: Real> PointOutcome<T> {
    /// `log sum_{i != y} e^{score_i}` less the target's score under the margin; minus infinity with a single class, and for
    /// binary classifications.
    pub fn pooled_lead(&self) -> T {
        match &self.kind {
            OutcomeKind::Family(row) => row.pooled_lead,
            OutcomeKind::Binary(..) => T::neg_infinity(),
        }
    }

    /// See [`RowOutcome::target_slope`]; `None` for binary classifications.
    pub fn target_slope(&self) -> Option<T> {
        match &self.kind {
            OutcomeKind::Family(row) => Some(row.target_slope()),
            OutcomeKind::Binary(..) => None,
        }
    }

    /// See [`RowOutcome::competitor_share`]; `None` for binary classifications.
    pub fn competitor_share(&self, centre: T) -> Option<T> {
        match &self.kind {
            OutcomeKind::Family(row) => Some(row.competitor_share(centre)),
            OutcomeKind::Binary(..) => None,
        }
    }

    /// The second pass; see [`RowOutcome::gradient`].
    pub fn gradient(&self, first_class: usize, similarities: &mut [T]) {
        match &self.kind {
            OutcomeKind::Family(row) => row.gradient(first_class, similarities),
            OutcomeKind::Binary(binary, label) => {
                for (at, value) in similarities.iter_mut().enumerate() {
                    let of = if first_class + at == *label {
                        binary.target((*value).into())
                    } else {
                        binary.other((*value).into())
                    };
                    *value = T::from_f64(of[1]);
                }
            }
        }
    }
}
