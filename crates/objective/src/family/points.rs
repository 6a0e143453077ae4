//! A margin given by a small table of points.

use serde::{Deserialize, Serialize};

use super::share::share_of;
use crate::bounds;
use crate::error::{Error, Result};

/// Most points: a margin is a simple curve.
const MOST: usize = 1000;
/// Lowest cosine under a margin.
const LEAST: f64 = -1000.0;

/// A margin that maps the target's cosine through points, made by [`Margin::points`](super::Margin::points).
///
/// Between the points runs the monotone cubic of Fritsch and Butland (*A Method for Constructing Local Monotone Piecewise Cubic
/// Interpolants*, 1984), as in SciPy's `PchipInterpolator`: it has no kinks, and rises where the points rise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct PointMargin {
    /// Cosine, and cosine under the margin.
    points: Vec<[f64; 2]>,
    /// The derivative at each point.
    slopes: Vec<f64>,
    /// The share of the margin that is applied, 0 to 1.
    share: f64,
}

/// What is saved: the slopes follow from the points.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    points: Vec<[f64; 2]>,
    share: f64,
}

impl From<PointMargin> for Saved {
    fn from(PointMargin { points, share, .. }: PointMargin) -> Self {
        Self { points, share }
    }
}

impl TryFrom<Saved> for PointMargin {
    type Error = Error;

    fn try_from(Saved { points, share }: Saved) -> Result<Self> {
        bounds::SHARE.check("share of the margin", share)?;
        Ok(Self::new(&points)?.at_share(share))
    }
}

impl PointMargin {
    pub(super) fn new(points: &[[f64; 2]]) -> Result<Self> {
        let wrong = |found: f64, expected: &str| {
            Err(Error::OutOfRange { setting: "margin_points", found, expected: expected.to_owned() })
        };
        if !(2..=MOST).contains(&points.len()) {
            return wrong(
                points.len() as f64,
                &format!("2 to {MOST} points [cosine, cosine under the margin]"),
            );
        }
        for [cosine, value] in points {
            if !((-1.0..=1.0).contains(cosine) && (LEAST..=*cosine).contains(value)) {
                let expected = format!(
                    "cosines from -1 to 1, each with a value from {LEAST} to that cosine, because a margin lowers the target"
                );
                return wrong(if (-1.0..=1.0).contains(cosine) { *value } else { *cosine }, &expected);
            }
        }
        let ends = [points[0][0], points[points.len() - 1][0]];
        for (end, expected) in ends.into_iter().zip([-1.0, 1.0]) {
            if end != expected {
                return wrong(end, "points from the cosine -1 to the cosine 1");
            }
        }
        for pair in points.windows(2) {
            if pair[1][0] <= pair[0][0] {
                return wrong(pair[1][0], "points with ascending cosines");
            }
            if pair[1][1] < pair[0][1] {
                return wrong(pair[1][1], "values that do not fall, or a nearer target would score less");
            }
        }
        Ok(Self { points: points.to_vec(), slopes: slopes(points), share: 1.0 })
    }

    /// The points: cosine, and cosine under the margin.
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    /// The share of the margin that is applied, 0 to 1.
    pub fn share(&self) -> f64 {
        self.share
    }

    pub(super) fn at_share(&self, share: f64) -> Self {
        Self { share, ..self.clone() }
    }

    /// Value and derivative at a cosine, interpolated between no margin and the full margin by the share.
    pub(super) fn at(&self, cosine: f64) -> (f64, f64) {
        // Rounding may leave the range; beyond it the curve is a line.
        let inside = cosine.clamp(-1.0, 1.0);
        let after = self.points.partition_point(|point| point[0] <= inside).clamp(1, self.points.len() - 1);
        let ([x0, y0], [x1, y1]) = (self.points[after - 1], self.points[after]);
        let (d0, d1) = (self.slopes[after - 1], self.slopes[after]);
        let width = x1 - x0;
        let t = (inside - x0) / width;
        let rest = 1.0 - t;
        // The basis of Hermite.
        let value = y0 + (y1 - y0) * t * t * (3.0 - 2.0 * t) + width * t * rest * (d0 * rest - d1 * t);
        let slope =
            6.0 * t * rest * (y1 - y0) / width + d0 * rest * (1.0 - 3.0 * t) + d1 * t * (3.0 * t - 2.0);
        let value = value + slope * (cosine - inside);
        share_of(cosine, self.share, (value, slope))
    }
}

/// The derivatives at the points: inside, the weighted harmonic mean of the secants to both sides; at the ends, that of the parabola through
/// three points, limited so that the curve stays monotone.
fn slopes(points: &[[f64; 2]]) -> Vec<f64> {
    let width: Vec<f64> = points.windows(2).map(|pair| pair[1][0] - pair[0][0]).collect();
    let secant: Vec<f64> =
        points.windows(2).zip(&width).map(|(pair, width)| (pair[1][1] - pair[0][1]) / width).collect();
    let last = secant.len() - 1;
    let end = |at: usize, next: usize| {
        if last == 0 {
            return secant[0];
        }
        let (h0, h1, d0, d1) = (width[at], width[next], secant[at], secant[next]);
        let slope = ((2.0 * h0 + h1) * d0 - h0 * d1) / (h0 + h1);
        // Secants are never negative here, so a slope of another sign is a negative one.
        slope.max(0.0)
    };
    let inside = (1..=last).map(|at| {
        let (h0, h1, d0, d1) = (width[at - 1], width[at], secant[at - 1], secant[at]);
        if d0 == 0.0 || d1 == 0.0 {
            return 0.0;
        }
        let (w0, w1) = (2.0 * h1 + h0, h1 + 2.0 * h0);
        (w0 + w1) / (w0 / d0 + w1 / d1)
    });
    std::iter::once(end(0, 1.min(last))).chain(inside).chain([end(last, last.saturating_sub(1))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: [(f64, f64, f64); 6] = [
        (-1.0, -2.0, 2.252_380_952_380_952),
        (-0.8, -1.571_326_113_472_556_2, 1.986_397_338_754_389_2),
        (-0.1, -0.814_171_320_419_744_6, 0.571_513_622_887_299_3),
        (0.45, -0.285_596_497_689_680_5, 1.475_962_633_094_489),
        (0.9, 0.425_915_112_192_484_5, 1.711_273_317_112_733),
        (1.0, 0.600_000_000_000_000_1, 1.766_666_666_666_666_4),
    ];

    fn table() -> PointMargin {
        PointMargin::new(&[[-1.0, -2.0], [-0.5, -1.1], [0.2, -0.6], [0.7, 0.1], [1.0, 0.6]]).expect("rises")
    }

    /// Values and slopes of scipy.interpolate.PchipInterpolator (SciPy 1.17.1) on the same points.
    #[test]
    fn the_curve_is_that_of_scipy() {
        for (cosine, value, slope) in GOLDEN {
            let (found, found_slope) = table().at(cosine);
            assert!(
                (found - value).abs() < 1e-12 && (found_slope - slope).abs() < 1e-11,
                "{cosine}: {found} {found_slope}"
            );
        }
    }

    #[test]
    fn the_curve_passes_through_the_points_rises_and_has_its_slope() {
        let margin = table();
        for [cosine, value] in margin.points() {
            assert!((margin.at(*cosine).0 - value).abs() < 1e-15);
        }
        let mut last = f64::NEG_INFINITY;
        for at in 0..=2000 {
            let cosine = -1.0 + f64::from(at) / 1000.0;
            let (value, slope) = margin.at(cosine);
            assert!(value >= last && slope >= 0.0, "{cosine}");
            last = value;
            let step = 1e-6;
            let difference = (margin.at(cosine + step).0 - margin.at(cosine - step).0) / (2.0 * step);
            assert!((difference - slope).abs() < 1e-4, "{cosine}: {difference} {slope}");
        }
        let line = PointMargin::new(&[[-1.0, -1.35], [1.0, 0.65]]).expect("a line");
        assert!((line.at(0.3).0 + 0.05).abs() < 1e-15 && (line.at(0.3).1 - 1.0).abs() < 1e-15);
        let half = line.at_share(0.5);
        assert!((half.at(0.3).0 - 0.125).abs() < 1e-15 && (half.at(1.1).0 - 0.925).abs() < 1e-12);
    }

    #[test]
    fn tables_that_are_no_margin_are_refused() {
        for (points, expected) in [
            (&[[-1.0, -1.0]][..], "2 to 1000 points"),
            (&[[-1.0, -1.0], [0.5, 0.0]], "from the cosine -1 to the cosine 1"),
            (&[[-0.9, -1.0], [1.0, 0.0]], "from the cosine -1 to the cosine 1"),
            (&[[-1.0, -1.0], [0.5, 0.6], [1.0, 1.0]], "a margin lowers the target"),
            (&[[-1.0, -1.0], [1.5, 0.6]], "cosines from -1 to 1"),
            (&[[-1.0, f64::NAN], [1.0, 0.6]], "cosines from -1 to 1"),
            (&[[-1.0, -1.0], [0.5, -0.5], [0.5, 0.2], [1.0, 1.0]], "ascending cosines"),
            (&[[-1.0, -1.0], [0.5, 0.2], [1.0, 0.1]], "do not fall"),
        ] {
            let said = PointMargin::new(points).expect_err(expected).to_string();
            assert!(said.contains("margin_points is") && said.contains(expected), "{said}");
        }
        let saved = serde_json::to_string(&table().at_share(0.25)).expect("plain data");
        assert_eq!(
            serde_json::from_str::<PointMargin>(&saved).expect("just written"),
            table().at_share(0.25)
        );
        assert!(serde_json::from_str::<PointMargin>(&saved.replace("0.25", "2.5")).is_err());
        assert!(serde_json::from_str::<PointMargin>(&saved.replace("-0.5,", "-1.5,")).is_err());
    }
}
