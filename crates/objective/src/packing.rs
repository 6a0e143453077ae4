//! How far apart `C` unit vectors in `D` dimensions can be: sphere packing.
//!
//! Class centres are unit vectors. The largest cosine between any two of them limits the margin that all classes can meet, and the
//! sum of `exp(s cos)` over the others limits the probability of the target. Bounds here hold for every arrangement; each states
//! whether some arrangement attains it. What is called reachable is guaranteed by an arrangement that exists.

use std::f64::consts::{FRAC_PI_2, PI};

use serde::{Deserialize, Serialize};

/// A lower bound of the largest cosine between any two of the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosestCosine {
    /// In every arrangement some two vectors have at least this cosine.
    pub cosine: f64,
    /// Whether some arrangement is known in which no two vectors have a larger cosine.
    pub attained: bool,
}

/// Dimension and number of the arrangements that attain [`levenshtein`] (Cohn and Kumar, *Universally optimal distribution of points
/// on spheres*, 2007, table 1).
const SHARP: [(usize, usize); 6] = [(5, 16), (6, 27), (21, 112), (21, 162), (22, 100), (22, 275)];

/// The smallest possible value of the largest cosine between any two of `classes` unit vectors in `dim` dimensions, or a lower bound
/// of it:
///
/// | vectors `C`, dimensions `D` | bound | attained |
/// |---|---|---|
/// | `C <= D + 1` | `-1 / (C - 1)`, the regular simplex | yes |
/// | `D = 1`, `C > 2` | 1 | yes |
/// | `D = 2` | `cos(2 pi / C)`, the regular polygon | yes |
/// | `D + 2 <= C <= 2 D` | 0 (Rankin, *The closest packing of spherical caps in n dimensions*, 1955) | yes |
/// | `D = 3`, `C > 6` | `(cot^2 w - 1) / 2` with `w = pi C / (6 (C - 2))` (Fejes Tóth, 1943) | for `C = 12` |
/// | otherwise | the larger of the two below | in six known cases |
///
/// - Caps: caps of half the smallest angle around the vectors do not overlap, so that `C` of them cover at most the whole sphere.
/// - Levenshtein (*Universal bounds for codes and designs*, 1998, section 3, degree 3): `C <= D (1 - t) (2 + (D + 1) t) / (1 - D t^2)` for the largest
///   cosine `t` up to `(sqrt(D + 3) - 1) / (D + 2)`.
///
/// Fewer than two vectors have no pair; the result is -1. No dimensions leave no room; the result is 1.
pub fn closest_cosine(classes: usize, dim: usize) -> ClosestCosine {
    let (c, d) = (classes as f64, dim as f64);
    let attained = |cosine| ClosestCosine { cosine, attained: true };
    match (classes, dim) {
        (0 | 1, _) => attained(-1.0),
        (_, 0) => attained(1.0),
        _ if classes - 1 <= dim => attained(-1.0 / (c - 1.0)),
        (_, 1) => attained(1.0),
        (_, 2) => attained((2.0 * PI / c).cos()),
        _ if classes.div_ceil(2) <= dim => attained(0.0),
        (_, 3) => {
            let cotangent = 1.0 / (PI * c / (6.0 * (c - 2.0))).tan();
            let cosine = ((cotangent * cotangent - 1.0) / 2.0).min(1.0);
            ClosestCosine { cosine, attained: classes == 12 }
        }
        _ => {
            let caps = (2.0 * cap_radius(c, dim)).cos();
            let sharp = SHARP.contains(&(dim, classes));
            ClosestCosine { cosine: caps.max(levenshtein(c, d)), attained: sharp }
        }
    }
}

/// A value that the largest cosine between any two of `classes` unit vectors in `dim` dimensions can certainly have, or less: the bound of
/// [`closest_cosine`] if it is attained. Otherwise the cosine of the radius of a cap that covers a share of `1 / C` of the sphere:
/// vectors can be added one after the other outside the caps around those already there, and `C - 1` such caps leave room.
pub fn reachable_cosine(classes: usize, dim: usize) -> f64 {
    let bound = closest_cosine(classes, dim);
    if bound.attained { bound.cosine } else { cap_radius(classes as f64, dim).cos() }
}

/// Levenshtein's bound of degree 3, for `C > 2 D`; capped at the end of its range, since fewer vectors are never closer.
fn levenshtein(c: f64, d: f64) -> f64 {
    let (a, b, excess) = (d * (c - d - 1.0), d * (d - 1.0), c - 2.0 * d);
    let root = 2.0 * excess / (b + (b * b + 4.0 * a * excess).sqrt());
    root.min(((d + 3.0).sqrt() - 1.0) / (d + 2.0))
}

/// The angular radius of a cap that covers a share of `1 / classes` of the unit sphere in `dim` dimensions, for `classes > 2` and `dim >= 2`.
///
/// Newton's method on the logarithm of the share, which is concave in the radius: after the first step it approaches the root from
/// below.
fn cap_radius(classes: f64, dim: usize) -> f64 {
    let wanted = -classes.ln();
    let mut radius = FRAC_PI_2;
    for _ in 0..200 {
        let (share, slope) = log_cap_share(radius, dim);
        let next = (radius - (share - wanted) / slope).max(radius / 2.0).min(FRAC_PI_2);
        if (next - radius).abs() <= 1e-15 * radius {
            return next;
        }
        radius = next;
    }
    radius
}

/// The logarithm of the share of the sphere in `dim` dimensions that a cap of a radius up to a right angle covers, and its derivative.
///
/// The share is `int_0^r sin^n t dt / (2 W)` with `n = D - 2` and `W = int_0^{pi/2} sin^n t dt`. The integral is
/// `sin^{n+1} r cos r sum_k a_k / (n + 1)` with `a_0 = 1`, `a_{k+1} = a_k sin^2 r (n + 2 + 2 k) / (n + 3 + 2 k)`; all terms are positive.
fn log_cap_share(radius: f64, dim: usize) -> (f64, f64) {
    let n = (dim - 2) as f64;
    let twice = 2.0 * half_wallis(dim - 2);
    if radius >= FRAC_PI_2 {
        return (0.5_f64.ln(), 1.0 / (0.5 * twice));
    }
    let (sine, cosine) = radius.sin_cos();
    let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
    while term > 1e-17 * sum {
        term *= sine * sine * (n + 2.0 + 2.0 * k) / (n + 3.0 + 2.0 * k);
        sum += term;
        k += 1.0;
    }
    let log_share = (n + 1.0) * sine.ln() + (cosine * sum / ((n + 1.0) * twice)).ln();
    (log_share, (n * sine.ln() - twice.ln() - log_share).exp())
}

/// `int_0^{pi/2} sin^n t dt`.
fn half_wallis(n: usize) -> f64 {
    let (mut value, start) = if n.is_multiple_of(2) { (FRAC_PI_2, 2) } else { (1.0, 3) };
    for step in (start..=n).step_by(2) {
        value *= (step - 1) as f64 / step as f64;
    }
    value
}

/// `ln E e^{s (cos - 1)}` for the cosine of a random direction in `dim` dimensions with a fixed one, at the scale `s >= 0`: the logarithm of
/// `0F1(; D / 2; s^2 / 4) e^{-s}`.
///
/// With random centres the expected sum of `e^{s (cos - 1)}` over the others is `C - 1` times this mean, so some arrangement has a
/// mean sum of at most that.
pub fn log_mean_exponential(dim: usize, scale: f64) -> f64 {
    let (half, quarter) = (dim as f64 / 2.0, scale * scale / 4.0);
    let (mut term, mut sum, mut k, mut log) = (1.0, 1.0, 0.0, -scale);
    // The terms grow up to about k = s / 2 and fall after that.
    while term > 1e-17 * sum || quarter > (half + k) * (k + 1.0) {
        term *= quarter / ((half + k) * (k + 1.0));
        sum += term;
        k += 1.0;
        if sum > 1e200 {
            log += sum.ln();
            term /= sum;
            sum = 1.0;
        }
    }
    log + sum.ln()
}

/// `ln sum_i e^{s (cos_i - 1)}` over the cosines of a vector with the others, in the arrangement of `classes` vectors that minimises this sum at
/// every scale `s`; `None` where no such arrangement is known.
///
/// Known are the regular simplex, the regular polygon, the cross-polytope (`C = 2 D`) and the icosahedron (Cohn and Kumar, *Universally optimal
/// distribution of points on spheres*, 2007, theorem 1.2 and table 1). All vectors of each of these have the same sum.
pub fn smallest_log_sum(classes: usize, dim: usize, scale: f64) -> Option<f64> {
    let c = classes as f64;
    let of = |cosines: &[(f64, f64)]| {
        let terms = cosines.iter().map(|(count, cosine)| count.ln() + scale * (cosine - 1.0));
        let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
        Some(largest + terms.map(|term| (term - largest).exp()).sum::<f64>().ln())
    };
    match (classes, dim) {
        (0 | 1, _) | (_, 0) => None,
        _ if classes - 1 <= dim => of(&[(c - 1.0, -1.0 / (c - 1.0))]),
        (_, 1) => None,
        (_, 2) => Some(polygon_log_sum(c, scale)),
        _ if classes == 2 * dim => of(&[(c - 2.0, 0.0), (1.0, -1.0)]),
        (12, 3) => {
            let cosine = 0.2_f64.sqrt();
            of(&[(5.0, cosine), (5.0, -cosine), (1.0, -1.0)])
        }
        _ => None,
    }
}

/// [`smallest_log_sum`] of the regular polygon.
///
/// With many corners for the scale the sum over all corners is `C` times the mean over the circle, `e^{-s} I_0(s)`; they differ by a share of about
/// `2 e^{-C^2 / 2 s}`. With few corners only those close by count.
fn polygon_log_sum(c: f64, scale: f64) -> f64 {
    if c >= 64.0 && c * c > 100.0 * scale {
        let log_mean = if scale < 500.0 {
            log_mean_exponential(2, scale)
        } else {
            // The expansion of I_0 for large arguments; the next term is below 1e-14.
            let x = 1.0 / (8.0 * scale);
            (x * (1.0 + x * (4.5 + x * (37.5 + x * 459.375)))).ln_1p() - 0.5 * (2.0 * PI * scale).ln()
        };
        return (c * log_mean.exp() - 1.0).ln();
    }
    // Relative to the two neighbours, so that nothing underflows.
    let exponent = |at: f64| -2.0 * scale * (PI * at / c).sin().powi(2);
    let nearest = exponent(1.0);
    let (mut sum, mut at) = (0.0, 1.0);
    while 2.0 * at <= c {
        let term = (exponent(at) - nearest).exp();
        // The corner opposite has no mirror image.
        sum += if 2.0 * at == c { term } else { 2.0 * term };
        if term < 1e-18 * sum {
            break;
        }
        at += 1.0;
    }
    nearest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{found} against {expected}"
        );
    }

    /// The largest smallest angles in degrees that are known: Tammes's problem (solved for C up to 14 and 24), and for other dimensions
    /// arrangements of root systems and of Cohn and Kumar's table 1.
    #[test]
    fn known_arrangements_are_between_the_bounds() {
        let by_angle = [
            (5, 3, 90.0),
            (7, 3, 77.869_54),
            (8, 3, 74.858_49),
            (9, 3, 70.528_78),
            (10, 3, 66.146_82),
            (11, 3, 63.434_95),
            (12, 3, 63.434_95),
            (24, 3, 43.690_77),
            (24, 4, 60.0),
            (120, 4, 36.0),
            (40, 5, 60.0),
            (72, 6, 60.0),
            (56, 7, 70.528_78),
            (126, 7, 60.0),
            (552, 23, 78.463_04),
            (240, 8, 60.0),
            (196_560, 24, 60.0),
        ];
        for (classes, dim, angle) in by_angle {
            let known = f64::to_radians(angle).cos();
            let bound = closest_cosine(classes, dim);
            assert!(bound.cosine <= known + 1e-6, "{classes} in {dim}: {bound:?} against {known}");
            assert!(reachable_cosine(classes, dim) >= known - 1e-6, "{classes} in {dim}");
        }
        let by_cosine: [(usize, usize, f64); 6] =
            [(16, 5, 5.0), (27, 6, 4.0), (112, 21, 9.0), (162, 21, 7.0), (100, 22, 11.0), (275, 22, 6.0)];
        for (classes, dim, inverse) in by_cosine {
            let bound = closest_cosine(classes, dim);
            close(bound.cosine, 1.0 / inverse, 1e-14);
            assert!(bound.attained);
        }
        close(closest_cosine(12, 3).cosine, 0.2_f64.sqrt(), 1e-14);
        assert_eq!(closest_cosine(6, 3), ClosestCosine { cosine: 0.0, attained: true });
        assert_eq!(closest_cosine(10, 8), ClosestCosine { cosine: 0.0, attained: true });
        close(closest_cosine(10, 2).cosine, (PI / 5.0).cos(), 1e-15);
        close(closest_cosine(9, 8).cosine, -1.0 / 8.0, 1e-15);
        assert_eq!(closest_cosine(3, 1).cosine, 1.0);
        assert_eq!(closest_cosine(1, 5).cosine, -1.0);
    }

    /// In three dimensions a cap of radius `r` covers `(1 - cos r) / 2`, in two `r / pi`.
    #[test]
    fn cap_radii_are_those_of_the_circle_and_the_sphere() {
        for classes in [3.0, 7.0, 1_000.0, 1e9] {
            close(cap_radius(classes, 3), f64::acos(1.0 - 2.0 / classes), 1e-9);
            close(cap_radius(classes, 2), PI / classes, 1e-14);
        }
        for dim in [4, 17, 512, 4096] {
            for classes in [2.5, 100.0, 1e7] {
                let radius = cap_radius(classes, dim);
                close(share_by_quadrature(radius, dim) * classes, 1.0, 1e-9);
            }
        }
        // 1,000 classes in 3 dimensions: the caps bound the margin by 0.0080, Fejes Tóth's bound is tighter
        let margin = 1.0 - closest_cosine(1_000, 3).cosine;
        let caps = 1.0 - (2.0 * f64::acos(1.0 - 2.0 / 1_000.0)).cos();
        assert!(margin < caps && margin > 0.9 * caps, "{margin} {caps}");
    }

    /// Simpson's rule on `sin^n`, relative to its largest value.
    fn share_by_quadrature(radius: f64, dim: usize) -> f64 {
        let n = (dim - 2) as f64;
        let integral = |end: f64| {
            let steps = 200_000;
            let h = end / f64::from(steps);
            let value = |at: i32| (n * (f64::from(at) * h).sin().ln()).exp();
            let weight = |at| if at == steps { 1.0 } else { 2.0 + 2.0 * f64::from(at % 2) };
            (1..=steps).map(|at| weight(at) * value(at)).sum::<f64>() * h / 3.0
        };
        integral(radius) / (2.0 * integral(FRAC_PI_2))
    }

    #[test]
    fn more_classes_are_closer_and_more_dimensions_leave_more_room() {
        for dim in 3..40 {
            for classes in 2..300 {
                let [here, more] = [classes, classes + 1].map(|classes| closest_cosine(classes, dim));
                assert!(more.cosine >= here.cosine - 1e-12, "{classes} in {dim}: {here:?} {more:?}");
                let wider = closest_cosine(classes, dim + 1);
                assert!(wider.cosine <= here.cosine + 1e-12, "{classes} in {dim}: {here:?} {wider:?}");
                assert!(reachable_cosine(classes, dim) >= here.cosine);
            }
        }
        for (classes, dim) in [(1_000_000, 128), (1_000_000_000, 4096), (usize::MAX, 3), (100_000, 2)] {
            let (bound, reachable) = (closest_cosine(classes, dim), reachable_cosine(classes, dim));
            assert!(bound.cosine.is_finite() && reachable <= 1.0 && bound.cosine <= reachable, "{bound:?}");
        }
    }

    #[test]
    fn the_mean_exponential_is_that_of_the_sphere() {
        for scale in [0.0, 0.1, 5.0, 64.0, 900.0] {
            // in three dimensions the cosine is uniform: sinh(s) / s
            let expected =
                if scale == 0.0 { 0.0 } else { ((1.0 - f64::exp(-2.0 * scale)) / (2.0 * scale)).ln() };
            close(log_mean_exponential(3, scale), expected, 1e-12);
            // in one dimension it is 1 or -1
            close(log_mean_exponential(1, scale), f64::midpoint(1.0, f64::exp(-2.0 * scale)).ln(), 1e-12);
        }
        close(log_mean_exponential(512, 30.0), 30.0_f64.powi(2) / (2.0 * 512.0) - 30.0, 1e-3);
    }

    #[test]
    fn sums_of_ideal_arrangements_are_those_of_their_vectors() {
        // few and many corners
        for (classes, scale) in [
            (4_u32, 0.0),
            (5, 0.2),
            (5, 0.3),
            (10, 55.4),
            (101, 101.0),
            (101, 103.0),
            (4097, 64.0),
            (400, 900.0),
        ] {
            let terms = (1..classes).map(|at| {
                let cosine = (2.0 * PI * f64::from(at) / f64::from(classes)).cos();
                (scale * (cosine - 1.0)).exp()
            });
            let expected = terms.sum::<f64>().ln();
            close(smallest_log_sum(classes as usize, 2, scale).expect("a polygon"), expected, 1e-11);
        }
        close(
            smallest_log_sum(5, 4, 7.0).expect("a simplex"),
            (4.0 * f64::exp(7.0 * (-0.25 - 1.0))).ln(),
            1e-14,
        );
        let octahedron = (4.0 * f64::exp(-7.0) + f64::exp(-14.0)).ln();
        close(smallest_log_sum(6, 3, 7.0).expect("an octahedron"), octahedron, 1e-14);
        assert!(smallest_log_sum(7, 3, 7.0).is_none());
        // no random arrangement has a smaller sum
        for (classes, dim) in [(12, 3), (6, 3), (5, 2), (8, 4)] {
            let best = smallest_log_sum(classes, dim, 10.0).expect("known").exp();
            let random = (classes - 1) as f64 * log_mean_exponential(dim, 10.0).exp();
            assert!(best < random, "{classes} in {dim}");
        }
    }
}
