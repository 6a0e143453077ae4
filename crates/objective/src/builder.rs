//! Composing an objective and checking that it makes sense; the one place that knows the ranges.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

use crate::{Competitors, Link, Margin, Objective, ObjectiveError, Pool, Score};

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
    competitors: Competitors,
    pool: Pool,
    link: Link,
    label_smoothing: f64,
}

impl Default for ObjectiveBuilder {
    /// Softmax cross-entropy on dot products.
    fn default() -> Self {
        Self {
            score: Score::dot(),
            margin: Margin::None,
            competitors: Competitors::Unchanged,
            pool: Pool::log_sum_exp(),
            link: Link::softplus(),
            label_smoothing: 0.0,
        }
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

    /// Chooses what becomes of the competitors.
    pub fn competitors(mut self, competitors: Competitors) -> Self {
        self.competitors = competitors;
        self
    }

    /// Spreads a share of each label evenly over all classes, its own included (Szegedy et al., 2016, section 7), as
    /// `torch.nn.CrossEntropyLoss` does.
    pub fn label_smoothing(mut self, share: f64) -> Self {
        self.label_smoothing = share;
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
        let Self { score, margin, competitors, pool, link, label_smoothing } = self;
        positive("scale", score.scale())?;
        if let Pool::LogSumExp { temperature } = pool {
            positive("temperature of the pool", temperature)?;
        }
        if let Link::Softplus { temperature } = link {
            positive("temperature of the link", temperature)?;
        }
        check_margin(margin)?;
        check_competitors(competitors)?;
        within(0.0..=0.999, "label smoothing", label_smoothing, "a share from 0 to 0.999")?;
        check_combination(&self)?;
        Ok(Objective { score, margin, competitors, pool, link, smoothing: label_smoothing })
    }
}

fn check_margin(margin: Margin) -> Result<(), ObjectiveError> {
    let angle =
        |found| within(0.0..=FRAC_PI_2, "margin", found, "an angle in radians (not degrees) from 0 to pi/2");
    let cosine =
        |found| within(0.0..=2.0, "margin", found, "a margin in cosine from 0 to 2 (usual: 0.2 to 0.45)");
    match margin {
        Margin::None => Ok(()),
        Margin::Additive(found) => within(0.0..=1e6, "margin", found, "a margin in score from 0 to 1e6"),
        Margin::AdditiveCosine(found) => cosine(found),
        Margin::AdditiveAngle { margin, .. } => angle(margin),
        Margin::Combined { multiplier, angle: found, cosine: lead, .. } => {
            within(1.0..=8.0, "margin multiplier", multiplier, "a factor on the angle from 1 to 8")?;
            angle(found)?;
            cosine(lead)
        }
        Margin::Turned { angle: found, cosine: lead } => {
            angle(found.abs())?;
            cosine(lead)
        }
        Margin::MultiplicativeAngle { multiplier, weight } => {
            let expected = "a whole multiple of the angle from 1 to 8";
            within(1.0..=8.0, "margin", f64::from(multiplier), expected)?;
            within(0.0..=1.0, "margin weight", weight, "a share from 0 to 1")
        }
    }
}

fn check_competitors(competitors: Competitors) -> Result<(), ObjectiveError> {
    match competitors {
        Competitors::Unchanged => Ok(()),
        Competitors::Curricular { running_target } => {
            within(-1.0..=1.0, "running target cosine", running_target, "a cosine from -1 to 1")
        }
        Competitors::Emphasised { emphasis } => {
            within(0.0..=10.0, "emphasis", emphasis, "a number from 0 to 10 (usual: 0.1 to 0.3)")
        }
        Competitors::TopK { count, margin } => {
            within(1.0..=1000.0, "count of competitors", count as f64, "a whole number from 1 to 1000")?;
            within(0.0..=2.0, "margin of the competitors", margin, "a margin in cosine from 0 to 2")
        }
        Competitors::Filtered { bound } => within(-1.0..=1.0, "bound", bound, "a cosine from -1 to 1"),
    }
}

fn check_combination(builder: &ObjectiveBuilder) -> Result<(), ObjectiveError> {
    let incompatible = |first, second, reason| Err(ObjectiveError::Incompatible { first, second, reason });
    let soft = matches!(builder.pool, Pool::LogSumExp { .. });
    match (builder.score, builder.margin) {
        (Score::Cosine { .. }, Margin::Additive(_)) => {
            return incompatible(
                "a margin in score",
                "a cosine score",
                "take Margin::additive_cosine of the margin divided by the scale",
            );
        }
        (Score::Projection { .. }, Margin::Additive(_)) => {
            return incompatible("a margin in score", "a projection", "take a margin in angle or cosine");
        }
        (
            Score::Dot { .. },
            Margin::AdditiveCosine(_)
            | Margin::AdditiveAngle { .. }
            | Margin::Combined { .. }
            | Margin::Turned { .. },
        ) => {
            return incompatible(
                "a margin in cosine or angle",
                "a dot-product score",
                "a dot product has no angle; take Score::cosine, or Margin::additive",
            );
        }
        _ => {}
    }
    if (builder.pool, matches!(builder.link, Link::Softplus { .. })) == (Pool::HingeSum, true) {
        return incompatible(
            "a softplus link",
            "a sum of hinges",
            "the sum is never negative, so a softplus could never go below log 2; take Link::hinge",
        );
    }
    if builder.competitors != Competitors::Unchanged && !(soft && builder.score.is_cosine()) {
        return incompatible(
            "a rule for competitors",
            "another score than cosines or another pool than log-sum-exp",
            "take Score::cosine and Pool::log_sum_exp",
        );
    }
    let softmax = builder.pool == Pool::log_sum_exp() && builder.link == Link::softplus();
    if builder.label_smoothing > 0.0 && !(softmax && builder.competitors == Competitors::Unchanged) {
        return incompatible(
            "label smoothing",
            "anything but a softmax cross-entropy over all competitors",
            "smoothed labels are probabilities; take Pool::log_sum_exp and Link::softplus",
        );
    }
    Ok(())
}

impl From<Objective> for ObjectiveBuilder {
    fn from(objective: Objective) -> Self {
        let Objective { score, margin, competitors, pool, link, smoothing } = objective;
        Self { score, margin, competitors, pool, link, label_smoothing: smoothing }
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
    expected: &'static str,
) -> Result<(), ObjectiveError> {
    // `contains` is false for NaN.
    if range.contains(&found) { Ok(()) } else { Err(ObjectiveError::OutOfRange { setting, found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_with_what_was_found_and_expected() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
            let error = Objective::family().score(Score::cosine(scale)).build().expect_err("scale");
            assert!(error.to_string().starts_with(&format!("scale is {scale}; expected")), "{error}");
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
