//! A point of the family, and the builder that checks it.
//!
//! The axes are plain data and can be combined freely; only [`ObjectiveBuilder::build`] turns them into an [`Objective`],
//! and it checks ranges and combinations. So an `Objective` is always valid, also one read from a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::axes::{Link, Pool, Score};
use super::competitors::Competitors;
use super::margin::Margin;
use crate::bounds;
use crate::error::{Error, Result};

/// Builder of an [`Objective`]; also the form in which an objective is written to files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[must_use = "a builder does nothing until `build` is called"]
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

    /// Chooses the rule for the non-target classes.
    pub fn competitors(mut self, competitors: Competitors) -> Self {
        self.competitors = competitors;
        self
    }

    /// Spreads a share of each label evenly over all classes, the target included (Szegedy et al., 2016, section 7), as
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

    /// Builds the objective.
    ///
    /// # Errors
    /// - [`Error::OutOfRange`]: a scale or temperature outside `[1e-6, 1e6]`; a margin in score outside
    ///   `[0, 1e6]`, in cosine outside `[0, 2]`, in angle outside `[0, pi/2]`.
    /// - [`Error::Incompatible`]: a margin in cosine or angle with dot products, a margin in score with
    ///   cosines, or a softplus over a sum of hinges.
    pub fn build(self) -> Result<Objective> {
        check_combination(&self)?;
        let Self { score, margin, competitors, pool, link, label_smoothing } = self;
        bounds::POSITIVE.check("scale", score.scale())?;
        if let Pool::LogSumExp { temperature } = pool {
            bounds::POSITIVE.check("temperature of the pool", temperature)?;
        }
        if let Link::Softplus { temperature } = link {
            bounds::POSITIVE.check("temperature of the link", temperature)?;
        }
        check_margin(&margin)?;
        check_competitors(competitors)?;
        bounds::SMOOTHING.check("label smoothing", label_smoothing)?;
        Ok(Objective { score, margin, competitors, pool, link, smoothing: label_smoothing })
    }
}

fn check_margin(margin: &Margin) -> Result<()> {
    let angle = |found| bounds::ANGLE_MARGIN.check("margin", found);
    let cosine = |found| bounds::COSINE_MARGIN.check("margin", found);
    match *margin {
        Margin::None | Margin::Points(_) | Margin::Custom(_) => Ok(()),
        Margin::Additive(found) => bounds::SCORE_MARGIN.check("margin", found),
        Margin::AdditiveCosine(found) => cosine(found),
        Margin::AdditiveAngle { margin, .. } => angle(margin),
        Margin::Combined { multiplier, angle: found, cosine: lead, .. } => {
            bounds::ANGLE_FACTOR.check("margin multiplier", multiplier)?;
            angle(found)?;
            cosine(lead)
        }
        Margin::Turned { angle: found, cosine: lead } => {
            angle(found.abs())?;
            cosine(lead)
        }
        Margin::MultiplicativeAngle { multiplier, weight } => {
            bounds::ANGLE_MULTIPLE.check("margin", f64::from(multiplier))?;
            bounds::SHARE.check("margin weight", weight)
        }
    }
}

fn check_competitors(competitors: Competitors) -> Result<()> {
    match competitors {
        Competitors::Unchanged => Ok(()),
        Competitors::Curricular { running_target } => {
            bounds::COSINE.check("running target cosine", running_target)
        }
        Competitors::Emphasised { emphasis } => bounds::EMPHASIS.check("emphasis", emphasis),
        Competitors::TopK { count, margin } => {
            bounds::COUNT.check("count of competitors", count as f64)?;
            bounds::COSINE_MARGIN.check("margin of the competitors", margin)
        }
        Competitors::Filtered { bound } => bounds::COSINE.check("bound", bound),
    }
}

fn check_combination(builder: &ObjectiveBuilder) -> Result<()> {
    let incompatible = |first, second, reason| Err(Error::Incompatible { first, second, reason });
    let soft = matches!(builder.pool, Pool::LogSumExp { .. });
    match (builder.score, &builder.margin) {
        (Score::Cosine { .. }, Margin::Additive(_)) => {
            return incompatible(
                "a margin in score",
                "a cosine score",
                "use Margin::additive_cosine with the margin divided by the scale",
            );
        }
        (Score::Projection { .. }, Margin::Additive(_)) => {
            return incompatible("a margin in score", "a projection", "use a margin in angle or cosine");
        }
        (
            Score::Dot { .. },
            Margin::AdditiveCosine(_)
            | Margin::AdditiveAngle { .. }
            | Margin::Combined { .. }
            | Margin::Turned { .. }
            | Margin::Points(_),
        ) => {
            return incompatible(
                "a margin in cosine or angle",
                "a dot-product score",
                "a dot product has no angle; use Score::cosine, or Margin::additive",
            );
        }
        _ => {}
    }
    if (builder.pool, matches!(builder.link, Link::Softplus { .. })) == (Pool::HingeSum, true) {
        return incompatible(
            "a softplus link",
            "a sum of hinges",
            "the sum is never negative, so a softplus could never go below log 2; use Link::hinge",
        );
    }
    if builder.competitors != Competitors::Unchanged && !(soft && builder.score.is_cosine()) {
        return incompatible(
            "a rule for non-targets",
            "a score that is not a cosine or a pool that is not log-sum-exp",
            "use Score::cosine and Pool::log_sum_exp",
        );
    }
    let softmax = builder.pool == Pool::log_sum_exp() && builder.link == Link::softplus();
    if builder.label_smoothing > 0.0 && !(softmax && builder.competitors == Competitors::Unchanged) {
        return incompatible(
            "label smoothing",
            "anything but a softmax cross-entropy over all classes",
            "smoothed labels are probabilities; use Pool::log_sum_exp and Link::softplus",
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
    type Error = Error;

    fn try_from(builder: ObjectiveBuilder) -> Result<Self> {
        builder.build()
    }
}

/// A point of the family: `loss = link( pool_{i != y}( score_i ) - ( score_y - margin ) )`.
///
/// Always valid: made by [`Objective::family`], by a constructor such as [`Objective::am_softmax`], or read by serde, which
/// checks the same rules. Two objectives are equal if all their choices are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ObjectiveBuilder", into = "ObjectiveBuilder")]
pub struct Objective {
    pub(crate) score: Score,
    pub(crate) margin: Margin,
    pub(crate) competitors: Competitors,
    pub(crate) pool: Pool,
    pub(crate) link: Link,
    pub(crate) smoothing: f64,
}

impl Objective {
    /// Starts a composition from softmax cross-entropy: dot product, no margin, log-sum-exp, softplus.
    pub fn family() -> ObjectiveBuilder {
        ObjectiveBuilder::default()
    }

    /// The score axis.
    pub const fn score(&self) -> Score {
        self.score
    }

    /// The margin axis.
    pub const fn margin(&self) -> &Margin {
        &self.margin
    }

    /// The rule for the non-target classes.
    pub const fn competitors(&self) -> Competitors {
        self.competitors
    }

    /// The share of each label that is spread over all classes.
    pub const fn label_smoothing(&self) -> f64 {
        self.smoothing
    }

    /// The pool axis.
    pub const fn pool(&self) -> Pool {
        self.pool
    }

    /// The link axis.
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The same objective with another amount of the same kind of margin (see [`Margin::amount`]).
    ///
    /// # Errors
    /// If the amount is outside the margin's range, or not 0 for an objective without a margin.
    pub fn with_margin(&self, amount: f64) -> Result<Self> {
        let margin = match self.margin {
            Margin::None if amount == 0.0 => Margin::None,
            Margin::None => {
                let expected = "0, because this objective has no margin".to_owned();
                return Err(Error::OutOfRange { setting: "margin", found: amount, expected });
            }
            Margin::Additive(_) => Margin::Additive(amount),
            Margin::AdditiveCosine(_) => Margin::AdditiveCosine(amount),
            Margin::AdditiveAngle { easy_margin, detach_margin, .. } => {
                Margin::AdditiveAngle { margin: amount, easy_margin, detach_margin }
            }
            Margin::Combined { multiplier, cosine, detach_margin, .. } => {
                Margin::Combined { multiplier, angle: amount, cosine, detach_margin }
            }
            Margin::Turned { angle, .. } => Margin::Turned { angle, cosine: amount },
            Margin::MultiplicativeAngle { weight, .. } => {
                bounds::check_angle_multiple(amount)?;
                Margin::MultiplicativeAngle { multiplier: amount as u32, weight }
            }
            Margin::Points(ref margin) => {
                bounds::SHARE.check("margin", amount)?;
                Margin::Points(margin.at_share(amount))
            }
            Margin::Custom(ref margin) => {
                bounds::SHARE.check("margin", amount)?;
                Margin::Custom(margin.at_share(amount))
            }
        };
        ObjectiveBuilder::from(self.clone()).margin(margin).build()
    }

    /// The same objective with `share` of its margin, 0 to 1; other shares are clamped. A margin
    /// warm-up calls this at each step.
    #[must_use]
    pub fn with_margin_share(&self, share: f64) -> Self {
        let share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        Self { margin: self.margin.with_share(share), ..self.clone() }
    }

    /// The same objective with another scale.
    ///
    /// # Errors
    /// If the scale is outside its range.
    pub fn with_scale(&self, scale: f64) -> Result<Self> {
        let score = match self.score {
            Score::Dot { .. } => Score::Dot { scale },
            Score::Cosine { .. } => Score::Cosine { scale },
            Score::Projection { .. } => Score::Projection { scale },
        };
        ObjectiveBuilder::from(self.clone()).score(score).build()
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, ", self.score, self.margin)?;
        if self.competitors != Competitors::Unchanged {
            write!(f, "{}, ", self.competitors)?;
        }
        write!(f, "{}, {}", self.pool, self.link)?;
        if self.smoothing > 0.0 { write!(f, ", labels smoothed by {}", self.smoothing) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_rejected_with_found_and_expected() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
            let error = Objective::family().score(Score::cosine(scale)).build().expect_err("scale");
            assert!(error.to_string().starts_with(&format!("scale is {scale}; expected")), "{error}");
        }
        let cosine = || Objective::family().score(Score::cosine(30.0));
        for margin in [-0.1, 2.1, f64::NAN] {
            assert!(cosine().margin(Margin::additive_cosine(margin)).build().is_err(), "{margin}");
        }
        let error = cosine().margin(Margin::additive_angle(28.6)).build().expect_err("degrees");
        assert!(error.to_string().contains("in radians from 0 to 1.5708 (not degrees)"), "{error}");
        assert!(Objective::family().margin(Margin::additive(-1.0)).build().is_err());
        assert!(Objective::family().pool(Pool::log_sum_exp_at(0.0)).build().is_err());
        assert!(Objective::family().link(Link::softplus_at(f64::NAN)).build().is_err());
    }

    #[test]
    fn meaningless_combinations_are_rejected() {
        let wrong = [
            Objective::family().margin(Margin::additive_cosine(0.3)),
            Objective::family().margin(Margin::additive_angle(0.3)),
            Objective::family().score(Score::cosine(30.0)).margin(Margin::additive(1.0)),
            Objective::family().pool(Pool::hinge_sum()),
        ];
        for builder in wrong {
            assert!(matches!(builder.clone().build(), Err(Error::Incompatible { .. })), "{builder:?}");
        }
    }

    #[test]
    fn a_margin_warms_up_in_its_own_kind() {
        let objective = Objective::arcface(64.0, 0.5).expect("in range");
        assert_eq!(*objective.with_margin(0.1).expect("in range").margin(), Margin::additive_angle(0.1));
        assert!(objective.with_margin(3.0).is_err());
        let softmax = Objective::softmax();
        assert_eq!(softmax.with_margin(0.0).as_ref(), Ok(&softmax));
        assert!(softmax.with_margin(0.1).is_err());
    }
}
