//! Three of the four axes: how similarities are scored, how non-target classes are pooled, and the link.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The similarity of a feature vector `x` and a class centre `w`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Score {
    /// `scale * (w . x)`. A softmax at temperature `T` in the usual sense (logits divided by `T`) has scale `1 / T`.
    Dot {
        /// Factor on the dot product, finite and above 0; 1 for the classic losses.
        scale: f64,
    },
    /// `scale * cos(w, x) = scale * (w . x) / (|w| |x|)`, with norms below [`NORM_FLOOR`](crate::NORM_FLOOR) raised
    /// to that floor, so that a zero vector has cosine 0 with everything.
    Cosine {
        /// Factor on the cosine, the inverse of a temperature; finite and above 0.
        scale: f64,
    },
    /// `scale * |x| cos(w, x)`: normalised centres, unchanged features (SphereFace: Liu et al., 2017, section 3.1).
    Projection {
        /// Factor on the projection, finite and above 0.
        scale: f64,
    },
}

impl Score {
    /// The dot product `w . x`.
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

    /// Whether scores are cosines, which do not depend on the norms of features and centres.
    pub const fn is_cosine(self) -> bool {
        matches!(self, Self::Cosine { .. })
    }
}

/// How the non-target classes `i != y` are combined.
///
/// Written for the leads `d_i = score_i - (score_y - margin)`. Every pool except the first commutes with that shift, so this is
/// the formula of the family.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Pool {
    /// `sum_i max(d_i, 0)`: up to `C - 1` non-targets push at once.
    HingeSum,
    /// `max_i d_i`: only the hardest non-target pushes (the first of equals).
    Max,
    /// `T log sum_i exp(d_i / T)`: every non-target pushes, weighted by a softmax at temperature `T`.
    LogSumExp {
        /// Temperature; finite and above 0. `T -> 0` is [`Pool::Max`].
        temperature: f64,
    },
}

impl Pool {
    /// The sum of hinges.
    pub const fn hinge_sum() -> Self {
        Self::HingeSum
    }

    /// The hardest non-target.
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

/// The function of the pooled lead `u` that gives the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Link {
    /// `max(u, 0)`: no gradient once the target leads by the margin. The derivative at the kink is 0.
    Hinge,
    /// `T log(1 + exp(u / T))`: the hinge with its kink smoothed.
    Softplus {
        /// Temperature; finite and above 0. `T -> 0` is [`Link::Hinge`].
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
