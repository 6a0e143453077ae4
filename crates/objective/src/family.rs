//! The four axes and the point they name.
//!
//! The enums are plain data and can be written down freely; only [`ObjectiveBuilder::build`](crate::ObjectiveBuilder)
//! turns them into an [`Objective`], and it checks ranges and combinations. So an `Objective` in hand is always valid,
//! also when it was read from a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ObjectiveBuilder, ObjectiveError};

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
            Self::Dot { scale } | Self::Cosine { scale } => scale,
        }
    }

    /// Whether scores are cosines, so that neither the norm of a feature nor that of a centre matters.
    pub const fn is_cosine(self) -> bool {
        matches!(self, Self::Cosine { .. })
    }
}

/// The lead that the target score is asked to have over its competitors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Margin {
    /// No explicit margin.
    None,
    /// `score_y - m`, in units of the score; with dot-product scores only. Scaling all features makes any such `m`
    /// negligible, which is why the cosine margins exist.
    Additive(f64),
    /// `scale * (cos_y - m)`; with cosine scores only (AM-Softmax: Wang et al., 2018, eq. 5; CosFace: Wang et al.,
    /// 2018, eq. 4). In `[0, 2]`.
    AdditiveCosine(f64),
    /// `scale * cos(theta_y + m)`; with cosine scores only (ArcFace: Deng et al., 2019, eq. 3).
    ///
    /// Past `theta_y > pi - m`, where `cos(theta_y + m)` would rise again, the target is `cos_y - m sin m`; with
    /// `easy_margin` it is instead left at `cos_y` wherever `cos_y <= 0`. The gradient is the true one,
    /// `sin(theta_y + m) / sin(theta_y)`, with `sin^2` kept above 1e-9.
    AdditiveAngle {
        /// Margin in radians, in `[0, pi/2]`.
        margin: f64,
        /// Ask for a margin only where the target is already within a right angle.
        #[serde(default)]
        easy_margin: bool,
    },
}

impl Margin {
    /// No explicit margin.
    pub const fn none() -> Self {
        Self::None
    }

    /// A margin in units of a dot-product score.
    pub const fn additive(margin: f64) -> Self {
        Self::Additive(margin)
    }

    /// A margin in cosine, as in AM-Softmax.
    pub const fn additive_cosine(margin: f64) -> Self {
        Self::AdditiveCosine(margin)
    }

    /// A margin in angle, in radians, as in ArcFace, with the linear continuation past `pi - margin`.
    pub const fn additive_angle(margin: f64) -> Self {
        Self::AdditiveAngle { margin, easy_margin: false }
    }

    /// The amount of the margin, in its own unit; 0 without one.
    pub const fn amount(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Additive(margin) | Self::AdditiveCosine(margin) | Self::AdditiveAngle { margin, .. } => {
                margin
            }
        }
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

/// One point of the family `loss = link( pool_{i != y}( score_i ) - ( score_y - margin ) )`.
///
/// Always valid: made by [`Objective::family`], by a preset ([`Objective::am_softmax`], [`Objective::from_name`], ...) or
/// read by serde, which checks the same rules. Two objectives are equal when all four choices are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ObjectiveBuilder", into = "ObjectiveBuilder")]
pub struct Objective {
    pub(crate) score: Score,
    pub(crate) margin: Margin,
    pub(crate) pool: Pool,
    pub(crate) link: Link,
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

    /// The pool axis.
    pub const fn pool(&self) -> Pool {
        self.pool
    }

    /// The link axis.
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The same objective with another amount of the same kind of margin; what a margin warm-up calls at each step.
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
                    wanted: "0, because this objective has no margin",
                });
            }
            Margin::Additive(_) => Margin::Additive(amount),
            Margin::AdditiveCosine(_) => Margin::AdditiveCosine(amount),
            Margin::AdditiveAngle { easy_margin, .. } => {
                Margin::AdditiveAngle { margin: amount, easy_margin }
            }
        };
        ObjectiveBuilder::from(*self).margin(margin).build()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dot { scale } if *scale == 1.0 => f.write_str("dot product"),
            Self::Dot { scale } => write!(f, "dot product x {scale}"),
            Self::Cosine { scale } => write!(f, "cosine x {scale}"),
        }
    }
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no margin"),
            Self::Additive(margin) => write!(f, "margin {margin} in score"),
            Self::AdditiveCosine(margin) => write!(f, "margin {margin} in cosine"),
            Self::AdditiveAngle { margin, easy_margin: false } => write!(f, "margin {margin} rad in angle"),
            Self::AdditiveAngle { margin, easy_margin: true } => {
                write!(f, "easy margin {margin} rad in angle")
            }
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
        write!(f, "{}, {}, {}, {}", self.score, self.margin, self.pool, self.link)
    }
}
