//! The four axes and the point they name.
//!
//! The enums are plain data and can be written down freely; only [`ObjectiveBuilder::build`](crate::ObjectiveBuilder)
//! turns them into an [`Objective`], and it checks ranges and combinations. So an `Objective` in hand is always valid,
//! also when it was read from a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Competitors, Margin, ObjectiveBuilder, ObjectiveError};

/// How well a feature vector `x` and a class centre `w` go together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Score {
    /// `scale * (w . x)`. A softmax at temperature `T` in the usual sense (logits divided by `T`) has scale `1 / T`.
    Dot {
        /// Factor on the dot product, finite and above 0; 1 for the classic losses.
        scale: f64,
    },
    /// `scale * cos(w, x) = scale * (w . x) / (|w| |x|)`, with norms below [`NORM_FLOOR`](crate::NORM_FLOOR) taken as
    /// that floor, so that a zero vector has cosine 0 with everything.
    Cosine {
        /// Factor on the cosine, the inverse of a temperature; finite and above 0.
        scale: f64,
    },
    /// `scale * |x| cos(w, x)`: centres of length one, features as they are (SphereFace: Liu et al., 2017, section 3.1).
    Projection {
        /// Factor on the projection, finite and above 0.
        scale: f64,
    },
}

impl Score {
    /// The dot product `w . x` as it is.
    pub const fn dot() -> Self {
        Self::Dot { scale: 1.0 }
    }

    /// The dot product times a factor.
    pub const fn scaled_dot(scale: f64) -> Self {
        Self::Dot { scale }
    }

    /// The cosine times a scale.
    pub const fn cosine(scale: f64) -> Self {
        Self::Cosine { scale }
    }

    /// The factor on the dot product or cosine.
    pub const fn scale(self) -> f64 {
        match self {
            Self::Dot { scale } | Self::Cosine { scale } | Self::Projection { scale } => scale,
        }
    }

    /// Whether class centres are divided by their norm.
    pub const fn normalises_centres(self) -> bool {
        !matches!(self, Self::Dot { .. })
    }

    /// Whether scores are cosines, so that neither the norm of a feature nor that of a centre matters.
    pub const fn is_cosine(self) -> bool {
        matches!(self, Self::Cosine { .. })
    }
}

/// How the competitors `i != y` are put together.
///
/// Written on the leads `d_i = score_i - (score_y - margin)`; every pool but the first commutes with that shift, so this
/// is the family's formula.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Pool {
    /// `sum_i max(d_i, 0)`: up to `C - 1` competitors push at once.
    HingeSum,
    /// `max_i d_i`: only the hardest competitor pushes (the first of equals).
    Max,
    /// `T log sum_i exp(d_i / T)`: every competitor pushes, shared by a softmax at temperature `T`.
    LogSumExp {
        /// How smooth; finite and above 0. `T -> 0` is [`Pool::Max`].
        temperature: f64,
    },
}

impl Pool {
    /// The sum of hinges.
    pub const fn hinge_sum() -> Self {
        Self::HingeSum
    }

    /// The hardest competitor.
    pub const fn max() -> Self {
        Self::Max
    }

    /// Log-sum-exp at temperature 1.
    pub const fn log_sum_exp() -> Self {
        Self::LogSumExp { temperature: 1.0 }
    }

    /// Log-sum-exp at a temperature.
    pub const fn log_sum_exp_at(temperature: f64) -> Self {
        Self::LogSumExp { temperature }
    }
}

/// What becomes of the pooled lead `u` of the competitors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Link {
    /// `max(u, 0)`: nothing more to gain once the aim holds. The derivative at the kink is 0.
    Hinge,
    /// `T log(1 + exp(u / T))`: the hinge with its kink smoothed.
    Softplus {
        /// How smooth; finite and above 0. `T -> 0` is [`Link::Hinge`].
        temperature: f64,
    },
}

impl Link {
    /// The hinge.
    pub const fn hinge() -> Self {
        Self::Hinge
    }

    /// Softplus at temperature 1.
    pub const fn softplus() -> Self {
        Self::Softplus { temperature: 1.0 }
    }

    /// Softplus at a temperature.
    pub const fn softplus_at(temperature: f64) -> Self {
        Self::Softplus { temperature }
    }
}

/// One point of the family, by its score, margin, competitors, pool and link: `loss = link( pool_{i != y}( score_i ) - ( score_y - margin ) )`.
///
/// Always valid: made by [`Objective::family`], by a preset ([`Objective::am_softmax`], [`Objective::from_name`], ...) or
/// read by serde, which checks the same rules. Two objectives are equal when all four choices are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Starts a composition; what is not chosen stays softmax cross-entropy (dot score, no margin, log-sum-exp, softplus).
    pub fn family() -> ObjectiveBuilder {
        ObjectiveBuilder::default()
    }

    /// The score axis.
    pub const fn score(&self) -> Score {
        self.score
    }

    /// The margin axis.
    pub const fn margin(&self) -> Margin {
        self.margin
    }

    /// The rule for competitors.
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
    /// If the amount is out of the margin's range, or not 0 where the objective has no margin.
    pub fn with_margin(&self, amount: f64) -> Result<Self, ObjectiveError> {
        let margin = match self.margin {
            Margin::None if amount == 0.0 => Margin::None,
            Margin::None => {
                return Err(ObjectiveError::OutOfRange {
                    setting: "margin",
                    found: amount,
                    expected: "0, because this objective has no margin",
                });
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
                if amount.fract() != 0.0 || !(1.0..=8.0).contains(&amount) {
                    return Err(ObjectiveError::OutOfRange {
                        setting: "margin",
                        found: amount,
                        expected: "a whole multiple of the angle from 1 to 8",
                    });
                }
                Margin::MultiplicativeAngle { multiplier: amount as u32, weight }
            }
        };
        ObjectiveBuilder::from(*self).margin(margin).build()
    }

    /// The same objective with `share` of its margin in force, from none at 0 to all at 1 (a share outside is taken to the
    /// nearer end); what a margin warm-up calls at each step.
    #[must_use]
    pub fn with_margin_share(&self, share: f64) -> Self {
        let share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        Self { margin: self.margin.with_share(share), ..*self }
    }

    /// The same objective with another scale.
    ///
    /// # Errors
    /// If the scale is out of its range.
    pub fn with_scale(&self, scale: f64) -> Result<Self, ObjectiveError> {
        let score = match self.score {
            Score::Dot { .. } => Score::Dot { scale },
            Score::Cosine { .. } => Score::Cosine { scale },
            Score::Projection { .. } => Score::Projection { scale },
        };
        ObjectiveBuilder::from(*self).score(score).build()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dot { scale } if *scale == 1.0 => f.write_str("dot product"),
            Self::Dot { scale } => write!(f, "dot product x {scale}"),
            Self::Cosine { scale } => write!(f, "cosine x {scale}"),
            Self::Projection { scale } => write!(f, "projection x {scale}"),
        }
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HingeSum => f.write_str("sum of hinges"),
            Self::Max => f.write_str("max"),
            Self::LogSumExp { temperature } if *temperature == 1.0 => f.write_str("log-sum-exp"),
            Self::LogSumExp { temperature } => write!(f, "log-sum-exp at temperature {temperature}"),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hinge => f.write_str("hinge"),
            Self::Softplus { temperature } if *temperature == 1.0 => f.write_str("softplus"),
            Self::Softplus { temperature } => write!(f, "softplus at temperature {temperature}"),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            write!(f, "{name}: ")?;
        }
        write!(f, "{}, {}, ", self.score, self.margin)?;
        if self.competitors != Competitors::Unchanged {
            write!(f, "{}, ", self.competitors)?;
        }
        write!(f, "{}, {}", self.pool, self.link)?;
        if self.smoothing > 0.0 { write!(f, ", labels smoothed by {}", self.smoothing) } else { Ok(()) }
    }
}
