//! Composing an objective and checking that it makes sense; the one place that knows the ranges.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

use crate::{Link, Margin, Objective, ObjectiveError, Pool, Score};

/// Scales and temperatures outside this range are mistakes: beyond it `f32` cannot hold the exponents.
const POSITIVE_RANGE: std::ops::RangeInclusive<f64> = 1e-6..=1e6;
/// The same in words.
const POSITIVE_WANTED: &str = "a finite number from 1e-6 to 1e6";

/// The four choices while they are being made; also the form in which an [`Objective`] is written to files.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[must_use = "a composition is nothing until it is built"]
pub struct ObjectiveBuilder {
    score: Score,
    margin: Margin,
    pool: Pool,
    link: Link,
}

impl Default for ObjectiveBuilder {
    /// Softmax cross-entropy on dot products.
    fn default() -> Self {
        Self { score: Score::dot(), margin: Margin::None, pool: Pool::log_sum_exp(), link: Link::softplus() }
    }
}

impl ObjectiveBuilder {
    /// Chooses the score.
    pub fn score(mut self, score: Score) -> Self {
        self.score = score;
        self
    }

    /// Chooses the margin.
    pub fn margin(mut self, margin: Margin) -> Self {
        self.margin = margin;
        self
    }

    /// Chooses the pool.
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pool = pool;
        self
    }

    /// Chooses the link.
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// The objective, if every value is in range and the choices go together.
    ///
    /// # Errors
    /// - [`ObjectiveError::OutOfRange`]: a scale or temperature outside `[1e-6, 1e6]`; a margin in score outside
    ///   `[0, 1e6]`, in cosine outside `[0, 2]`, in angle outside `[0, pi/2]`.
    /// - [`ObjectiveError::Incompatible`]: a margin in cosine or angle with dot products, a margin in score with
    ///   cosines, or a softplus over a sum of hinges.
    pub fn build(self) -> Result<Objective, ObjectiveError> {
        let Self { score, margin, pool, link } = self;
        positive("scale", score.scale())?;
        if let Pool::LogSumExp { temperature } = pool {
            positive("temperature of the pool", temperature)?;
        }
        if let Link::Softplus { temperature } = link {
            positive("temperature of the link", temperature)?;
        }
        let amount = margin.amount();
        match margin {
            Margin::None => {}
            Margin::Additive(_) => within(0.0..=1e6, "margin", amount, "a margin in score from 0 to 1e6")?,
            Margin::AdditiveCosine(_) => {
                within(0.0..=2.0, "margin", amount, "a margin in cosine from 0 to 2 (usual: 0.2 to 0.45)")?;
            }
            Margin::AdditiveAngle { .. } => {
                within(
                    0.0..=FRAC_PI_2,
                    "margin",
                    amount,
                    "an angle in radians (not degrees) from 0 to pi/2",
                )?;
            }
        }
        match (score, margin) {
            (Score::Cosine { .. }, Margin::Additive(_)) => {
                return Err(ObjectiveError::Incompatible {
                    first: "a margin in score",
                    second: "a cosine score",
                    reason: "take Margin::additive_cosine of the margin divided by the scale",
                });
            }
            (Score::Dot { .. }, Margin::AdditiveCosine(_) | Margin::AdditiveAngle { .. }) => {
                return Err(ObjectiveError::Incompatible {
                    first: "a margin in cosine or angle",
                    second: "a dot-product score",
                    reason: "a dot product has no angle; take Score::cosine, or Margin::additive",
                });
            }
            _ => {}
        }
        if let (Pool::HingeSum, Link::Softplus { .. }) = (pool, link) {
            return Err(ObjectiveError::Incompatible {
                first: "a softplus link",
                second: "a sum of hinges",
                reason: "the sum is never negative, so a softplus could never go below log 2; take Link::hinge",
            });
        }
        Ok(Objective { score, margin, pool, link })
    }
}

impl From<Objective> for ObjectiveBuilder {
    fn from(objective: Objective) -> Self {
        let Objective { score, margin, pool, link } = objective;
        Self { score, margin, pool, link }
    }
}

impl TryFrom<ObjectiveBuilder> for Objective {
    type Error = ObjectiveError;

    fn try_from(builder: ObjectiveBuilder) -> Result<Self, ObjectiveError> {
        builder.build()
    }
}

pub(crate) fn positive(setting: &'static str, found: f64) -> Result<(), ObjectiveError> {
    within(POSITIVE_RANGE, setting, found, POSITIVE_WANTED)
}

pub(crate) fn within(
    range: std::ops::RangeInclusive<f64>,
    setting: &'static str,
    found: f64,
    wanted: &'static str,
) -> Result<(), ObjectiveError> {
    // `contains` is false for NaN.
    if range.contains(&found) { Ok(()) } else { Err(ObjectiveError::OutOfRange { setting, found, wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_with_what_was_found_and_wanted() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
            let error = Objective::family().score(Score::cosine(scale)).build().expect_err("scale");
            assert!(error.to_string().starts_with(&format!("scale is {scale}; wanted")), "{error}");
        }
        let cosine = Objective::family().score(Score::cosine(30.0));
        for margin in [-0.1, 2.1, f64::NAN] {
            assert!(cosine.margin(Margin::additive_cosine(margin)).build().is_err(), "{margin}");
        }
        let error = cosine.margin(Margin::additive_angle(28.6)).build().expect_err("degrees");
        assert!(error.to_string().contains("radians (not degrees)"), "{error}");
        assert!(Objective::family().margin(Margin::additive(-1.0)).build().is_err());
        assert!(Objective::family().pool(Pool::log_sum_exp_at(0.0)).build().is_err());
        assert!(Objective::family().link(Link::softplus_at(f64::NAN)).build().is_err());
    }

    #[test]
    fn combinations_without_meaning_are_refused() {
        let wrong = [
            Objective::family().margin(Margin::additive_cosine(0.3)),
            Objective::family().margin(Margin::additive_angle(0.3)),
            Objective::family().score(Score::cosine(30.0)).margin(Margin::additive(1.0)),
            Objective::family().pool(Pool::hinge_sum()),
        ];
        for builder in wrong {
            assert!(matches!(builder.build(), Err(ObjectiveError::Incompatible { .. })), "{builder:?}");
        }
    }

    #[test]
    fn a_margin_warms_up_in_its_own_kind() {
        let objective = Objective::arcface(64.0, 0.5).expect("in range");
        assert_eq!(objective.with_margin(0.1).expect("in range").margin(), Margin::additive_angle(0.1));
        assert!(objective.with_margin(3.0).is_err());
        let softmax = Objective::softmax();
        assert_eq!(softmax.with_margin(0.0), Ok(softmax));
        assert!(softmax.with_margin(0.1).is_err());
    }
}
