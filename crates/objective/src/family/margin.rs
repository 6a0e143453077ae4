//! Margins: the lead that the target must have, and the target's similarity under it.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::custom::CustomMargin;
use super::points::PointMargin;
use crate::error::Result;

/// The lead that the target score must have over the non-targets.
///
/// In angular margins `t` is the angle between the feature and the target's centre. Gradients are the true ones, with
/// `sin^2 t` at least [`Real::SINE_SQUARED_FLOOR`](crate::Real::SINE_SQUARED_FLOOR) where they divide by `sin t`: closer to the centre than
/// 1.4e-3 rad in `f32` (3.2e-5 in `f64`) the gradient falls to 0 in proportion to the angle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Margin {
    /// No explicit margin.
    None,
    /// `score_y - m`, in units of the score; with dot-product scores only. Scaling all features makes any such `m`
    /// negligible; cosine margins avoid that.
    Additive(f64),
    /// `scale * (cos_y - m)`; with cosine scores only (AM-Softmax: Wang et al., 2018, eq. 5; CosFace: Wang et al.,
    /// 2018, eq. 4). In `[0, 2]`.
    AdditiveCosine(f64),
    /// `scale * cos(t + m)`; with cosine scores only (ArcFace: Deng et al., 2019, eq. 3).
    ///
    /// Past `t > pi - m`, where `cos(t + m)` would rise again, the target is `cos_y - m sin m`; with `easy_margin` it is
    /// instead left at `cos_y` wherever `cos_y <= 0`. The gradient is `sin(t + m) / sin t`.
    AdditiveAngle {
        /// Margin in radians, in `[0, pi/2]`.
        margin: f64,
        /// Apply the margin only if the target is within a right angle.
        #[serde(default)]
        easy_margin: bool,
        /// Treat the margin as a constant in the gradient, so that `d target / d cos` is 1, as in insightface.
        #[serde(default)]
        detach_margin: bool,
    },
    /// `scale * (cos(m1 t + m2) - m3)`; with cosine scores only (Deng et al., *ArcFace*, 2019, eq. 4).
    ///
    /// Past `m1 t + m2 > pi` it continues as a falling linear function of `cos t`: for `m1 = 1` as in ArcFace, otherwise from
    /// the value at `pi`.
    Combined {
        /// `m1`, at least 1 and at most 8.
        multiplier: f64,
        /// `m2` in radians, in `[0, pi/2]`.
        angle: f64,
        /// `m3` in cosine, in `[0, 2]`.
        cosine: f64,
        /// Treat the margin as a constant in the gradient.
        #[serde(default)]
        detach_margin: bool,
    },
    /// `scale * (cos(t + a) - m)` with `a` of either sign and `t + a` clamped to `[0, pi]`; with cosine scores only. AdaFace
    /// resolves to this for a sample of a given quality (Kim et al., 2022, section 3.3).
    Turned {
        /// `a` in radians, in `[-pi/2, pi/2]`; below 0 the target is made easier.
        angle: f64,
        /// `m` in cosine, in `[0, 2]`.
        cosine: f64,
    },
    /// The angle multiplied: `cos t` becomes `(1 - w) cos t + w psi(t)` with `psi(t) = (-1)^k cos(M t) - 2k`,
    /// `k = floor(M t / pi)` (SphereFace: Liu et al., 2017, section 3; with dot products large-margin softmax: Liu et al.,
    /// 2016, section 4).
    ///
    /// In training `w = 1 / (1 + lambda)` is raised from 0 by lowering lambda.
    MultiplicativeAngle {
        /// `M`, 1 to 8.
        multiplier: u32,
        /// `w`, in `[0, 1]`.
        weight: f64,
    },
    /// The target's cosine mapped through a table of points; with cosine scores and projections. See [`Margin::points`].
    Points(PointMargin),
    /// A user-defined margin; see [`Margin::custom`]. Cannot be saved.
    #[serde(skip_deserializing)]
    Custom(CustomMargin),
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
        Self::AdditiveAngle { margin, easy_margin: false, detach_margin: false }
    }

    /// `cos(m1 t + m2) - m3`.
    pub const fn combined(multiplier: f64, angle: f64, cosine: f64) -> Self {
        Self::Combined { multiplier, angle, cosine, detach_margin: false }
    }

    /// `cos(M t)`, continued so that it keeps falling, at full weight.
    pub const fn multiplicative_angle(multiplier: u32) -> Self {
        Self::MultiplicativeAngle { multiplier, weight: 1.0 }
    }

    /// A margin given by 2 to 1,000 points `[cosine, cosine under the margin]` with ascending cosines from -1 to 1, between which a monotone
    /// cubic runs. With [`Score::Projection`](crate::Score::Projection) it is applied to the cosine, too. A warm-up applies a share of it, as
    /// for [`Margin::custom`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) unless the values rise or stay equal, and none is above its cosine.
    pub fn points(points: &[[f64; 2]]) -> Result<Self> {
        PointMargin::new(points).map(Self::Points)
    }

    /// A margin of your own: `value` turns the target's similarity into its similarity under the margin, `derivative` is the
    /// derivative of `value`.
    ///
    /// With [`Score::Cosine`](crate::Score::Cosine) and [`Score::Projection`](crate::Score::Projection) the similarity is the
    /// cosine, in `[-1, 1]`; with [`Score::Dot`](crate::Score::Dot) it is the dot product. The scale is applied afterwards.
    ///
    /// ```
    /// use widemargin_objective::{Margin, Objective, Score};
    ///
    /// let margin = Margin::custom("am", |cosine| cosine - 0.35, |_| 1.0)?;
    /// let objective = Objective::family().score(Score::cosine(30.0)).margin(margin).build()?;
    /// # Ok::<(), widemargin_objective::Error>(())
    /// ```
    ///
    /// In a warm-up with share `p` the similarity is `(1 - p) c + p value(c)`. [`Margin::amount`] is that share.
    ///
    /// # Errors
    /// In debug builds [`Error::CustomMarginDerivative`](crate::Error::CustomMarginDerivative) if the derivative differs
    /// from central differences of the value somewhere in `(-1, 1)`, kinks excepted. Release builds do not check.
    pub fn custom(
        name: &str,
        value: impl Fn(f64) -> f64 + Send + Sync + 'static,
        derivative: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        CustomMargin::new(name, value, derivative).map(Self::Custom)
    }

    /// The amount of the margin, in its own unit; 0 without a margin. For a combined margin the part in angle, for a multiplied
    /// angle the multiplier, for a custom margin or one of points the share that is applied.
    pub fn amount(&self) -> f64 {
        match *self {
            Self::None => 0.0,
            Self::Additive(margin) | Self::AdditiveCosine(margin) | Self::AdditiveAngle { margin, .. } => {
                margin
            }
            Self::Combined { angle, .. } => angle,
            Self::Turned { cosine, .. } => cosine,
            Self::MultiplicativeAngle { multiplier, .. } => f64::from(multiplier),
            Self::Points(ref margin) => margin.share(),
            Self::Custom(ref margin) => margin.share(),
        }
    }

    /// The same margin with `share` of it applied, 0 to 1. A margin warm-up calls this.
    #[must_use]
    pub fn with_share(&self, share: f64) -> Self {
        match *self {
            Self::None => Self::None,
            Self::Additive(margin) => Self::Additive(share * margin),
            Self::AdditiveCosine(margin) => Self::AdditiveCosine(share * margin),
            Self::AdditiveAngle { margin, easy_margin, detach_margin } => {
                Self::AdditiveAngle { margin: share * margin, easy_margin, detach_margin }
            }
            Self::Combined { multiplier, angle, cosine, detach_margin } => Self::Combined {
                multiplier: 1.0 + share * (multiplier - 1.0),
                angle: share * angle,
                cosine: share * cosine,
                detach_margin,
            },
            Self::Turned { angle, cosine } => Self::Turned { angle: share * angle, cosine: share * cosine },
            Self::MultiplicativeAngle { multiplier, weight } => {
                Self::MultiplicativeAngle { multiplier, weight: share * weight }
            }
            Self::Points(ref margin) => Self::Points(margin.at_share(share * margin.share())),
            Self::Custom(ref margin) => Self::Custom(margin.at_share(share * margin.share())),
        }
    }
}

/// A cosine under a margin, and its derivative with respect to the plain cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct UnderMargin {
    pub(crate) value: f64,
    pub(crate) slope: f64,
}

impl Margin {
    /// The target's cosine under this margin, with `sin^2 t` kept at `floor` or above in the derivative. A margin in score does not
    /// change the cosine.
    pub(crate) fn of_cosine(&self, similarity: f64, floor: f64) -> UnderMargin {
        let plain = |value| UnderMargin { value, slope: 1.0 };
        let cosine = similarity.clamp(-1.0, 1.0);
        match *self {
            Self::None | Self::Additive(_) => plain(similarity),
            Self::Points(ref margin) => {
                let (value, slope) = margin.at(similarity);
                UnderMargin { value, slope }
            }
            Self::Custom(ref margin) => {
                let (value, slope) = margin.at(similarity);
                UnderMargin { value, slope }
            }
            Self::AdditiveCosine(margin) => plain(similarity - margin),
            Self::AdditiveAngle { easy_margin: true, .. } if cosine <= 0.0 => plain(similarity),
            Self::AdditiveAngle { margin, easy_margin, detach_margin } => {
                // t > pi - m
                if !easy_margin && cosine < -margin.cos() {
                    return plain(similarity - margin * margin.sin());
                }
                let sine_squared = (1.0 - cosine) * (1.0 + cosine);
                let sine = sine_squared.max(floor).sqrt();
                let slope = if detach_margin { 1.0 } else { margin.cos() + cosine * margin.sin() / sine };
                UnderMargin { value: cosine * margin.cos() - sine_squared.sqrt() * margin.sin(), slope }
            }
            Self::Combined { multiplier, angle, cosine: lead, detach_margin } => {
                if multiplier == 1.0 {
                    let arc = Self::AdditiveAngle { margin: angle, easy_margin: false, detach_margin };
                    let UnderMargin { value, slope } = arc.of_cosine(similarity, floor);
                    return UnderMargin { value: value - lead, slope };
                }
                let turned = multiplier * cosine.acos() + angle;
                if turned > PI {
                    let at_pi = ((PI - angle) / multiplier).cos();
                    return plain(similarity - at_pi - 1.0 - lead);
                }
                let sine = ((1.0 - cosine) * (1.0 + cosine)).max(floor).sqrt();
                let slope = if detach_margin { 1.0 } else { multiplier * turned.sin() / sine };
                UnderMargin { value: turned.cos() - lead, slope }
            }
            Self::Turned { angle, cosine: lead } => {
                let turned = cosine.acos() + angle;
                if !(0.0..=PI).contains(&turned) {
                    return UnderMargin { value: turned.clamp(0.0, PI).cos() - lead, slope: 0.0 };
                }
                let sine = ((1.0 - cosine) * (1.0 + cosine)).max(floor).sqrt();
                UnderMargin { value: turned.cos() - lead, slope: turned.sin() / sine }
            }
            Self::MultiplicativeAngle { multiplier, weight } => {
                let times = f64::from(multiplier);
                // t = pi belongs to the last piece
                let steps = (times * cosine.acos() / PI).floor().min(times - 1.0);
                let sign = if steps % 2.0 == 0.0 { 1.0 } else { -1.0 };
                let (multiple, derivative) = chebyshev(multiplier, cosine);
                UnderMargin {
                    value: (1.0 - weight) * cosine + weight * (sign * multiple - 2.0 * steps),
                    slope: (1.0 - weight) + weight * sign * derivative,
                }
            }
        }
    }
}

/// `cos(M t)` as a polynomial of `cos t`, and its derivative. Both are finite everywhere, since no division is needed.
fn chebyshev(multiplier: u32, cosine: f64) -> (f64, f64) {
    // T_0, T_1 and their derivatives; then T_n = 2 c T_{n-1} - T_{n-2}.
    let (mut before, mut now) = ((1.0, 0.0), (cosine, 1.0));
    for _ in 1..multiplier {
        let next = (2.0 * cosine * now.0 - before.0, 2.0 * now.0 + 2.0 * cosine * now.1 - before.1);
        (before, now) = (now, next);
    }
    now
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no margin"),
            Self::Additive(margin) => write!(f, "margin {margin} in score"),
            Self::AdditiveCosine(margin) => write!(f, "margin {margin} in cosine"),
            Self::AdditiveAngle { margin, easy_margin, detach_margin } => {
                let easy = if *easy_margin { "easy " } else { "" };
                write!(f, "{easy}margin {margin} rad in angle")?;
                if *detach_margin { f.write_str(" (detached)") } else { Ok(()) }
            }
            Self::Combined { multiplier, angle, cosine, .. } => {
                write!(f, "margin cos({multiplier} t + {angle}) - {cosine}")
            }
            Self::Turned { angle, cosine } => write!(f, "margin cos(t + {angle:.4}) - {cosine:.4}"),
            Self::MultiplicativeAngle { multiplier, weight } if *weight == 1.0 => {
                write!(f, "angle times {multiplier}")
            }
            Self::MultiplicativeAngle { multiplier, weight } => {
                write!(f, "angle times {multiplier}, weight {weight}")
            }
            Self::Points(margin) => write!(f, "margin by {} points", margin.points().len()),
            Self::Custom(margin) => write!(f, "custom margin `{}`", margin.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: f64 = <f64 as crate::Real>::SINE_SQUARED_FLOOR;

    fn all() -> Vec<Margin> {
        vec![
            Margin::None,
            Margin::additive_cosine(0.35),
            Margin::additive_angle(0.5),
            Margin::AdditiveAngle { margin: 0.5, easy_margin: true, detach_margin: false },
            Margin::combined(1.0, 0.3, 0.2),
            Margin::combined(1.35, 0.2, 0.1),
            Margin::Turned { angle: 0.2, cosine: 0.2 },
            Margin::multiplicative_angle(4),
            Margin::multiplicative_angle(3),
            Margin::MultiplicativeAngle { multiplier: 4, weight: 0.25 },
            Margin::points(&[[-1.0, -2.0], [0.2, -0.6], [0.7, 0.1], [1.0, 0.6]]).expect("rises"),
        ]
    }

    #[test]
    fn a_margin_never_raises_the_target_and_is_monotonic() {
        for margin in all() {
            let easy = matches!(margin, Margin::AdditiveAngle { easy_margin: true, .. });
            let mut last = f64::NEG_INFINITY;
            for at in 0..=2000 {
                let cosine = -1.0 + f64::from(at) / 1000.0;
                let under = margin.of_cosine(cosine, FLOOR);
                assert!(under.value <= cosine + 1e-12, "{margin} at {cosine}: {under:?}");
                assert!(under.slope >= -1e-9, "{margin} at {cosine}: {under:?}");
                assert!(easy || under.value >= last - 1e-9, "{margin} turns round at {cosine}");
                last = under.value;
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_value() {
        for margin in all() {
            for at in 1..400 {
                let cosine = -0.997 + 1.994 * f64::from(at) / 400.0;
                let step = 1e-6;
                let (above, below) =
                    (margin.of_cosine(cosine + step, FLOOR), margin.of_cosine(cosine - step, FLOOR));
                let (difference, slope) =
                    ((above.value - below.value) / (2.0 * step), margin.of_cosine(cosine, FLOOR).slope);
                // a kink or a step between the two points
                let smooth = (above.slope - below.slope).abs() < 1e-2 && difference.abs() < 50.0;
                assert!(!smooth || (difference - slope).abs() < 1e-5 * (1.0 + slope), "{margin} at {cosine}");
            }
        }
    }

    #[test]
    fn a_combined_margin_with_one_part_is_that_part() {
        for at in 0..=200 {
            let cosine = -1.0 + f64::from(at) / 100.0;
            let arc = Margin::additive_angle(0.5).of_cosine(cosine, FLOOR);
            assert_eq!(Margin::combined(1.0, 0.5, 0.0).of_cosine(cosine, FLOOR), arc);
            let am = Margin::additive_cosine(0.35).of_cosine(cosine, FLOOR);
            let combined = Margin::combined(1.0, 0.0, 0.35).of_cosine(cosine, FLOOR);
            assert!((am.value - combined.value).abs() < 1e-15);
        }
    }

    #[test]
    fn the_ends_are_finite_and_shares_range_from_none_to_all() {
        for margin in all() {
            for cosine in [-1.0, -1.0 + 1e-12, 1.0 - 1e-12, 1.0, 1.0 + 1e-7, -1.0 - 1e-7] {
                let under = margin.of_cosine(cosine, FLOOR);
                assert!(
                    under.value.is_finite() && under.slope.is_finite(),
                    "{margin} at {cosine}: {under:?}"
                );
            }
            assert_eq!(margin.with_share(1.0), margin);
            let none = margin.with_share(0.0).of_cosine(0.3, FLOOR);
            assert!((none.value - 0.3).abs() < 1e-12, "{margin}: {none:?}");
        }
    }
}
