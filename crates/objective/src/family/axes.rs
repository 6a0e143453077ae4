//! Three of the four axes: how similarities are scored, how non-target classes are pooled, and the link.

use std::fmt;

use serde::{Deserialize, Serialize};

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
