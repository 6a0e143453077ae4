//! Recommended scale and margin, and the bounds on them.
//!
//! Everything follows from the ideal case: `C` unit class centres as far apart as possible, each sample exactly on its centre. At
//! best they form a regular simplex with cosine `-1 / (C - 1)` between any two, which needs `C <= D + 1`. Then the target leads
//! each non-target by `C / (C - 1)` in cosine. The scale times this lead minus the margin determines the smallest possible loss
//! and the largest possible probability. More classes are closer together; [`packing`](crate::packing) has the bounds for them.

use std::f64::consts::{FRAC_PI_4, SQRT_2};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::numeric::softplus;
use crate::packing::{closest_cosine, log_mean_exponential, reachable_cosine, smallest_log_sum};

/// Number of classes from which the defaults for many classes apply.
const MANY_CLASSES: usize = 10_000;
/// Larger scales are not recommended, whatever the target probability: gradients vanish except for a few non-targets, and the
/// need for such a scale is a sign of too few dimensions.
const LARGEST_RECOMMENDED_SCALE: f64 = 128.0;
/// The smallest scales are searched up to this one. A million classes in two dimensions need 10^12.
const LARGEST_SCALE: f64 = 1e18;
/// The recommended margin is at most this share of the largest possible lead, since training never reaches the ideal
/// arrangement. Our choice.
const SHARE_OF_LARGEST_MARGIN: f64 = 0.5;

/// The target's lead in cosine over each non-target if the centres form a regular simplex: `C / (C - 1)`.
///
/// Infinite for a single class.
pub fn simplex_lead(classes: usize) -> f64 {
    if classes <= 1 { f64::INFINITY } else { classes as f64 / (classes - 1) as f64 }
}

/// Lower bound of the AM-Softmax loss (normalised softmax at `margin` 0), the mean over classes that are equally likely:
///
/// ```text
/// log(1 + (C - 1) exp(-s (C / (C - 1) - m)))
/// ```
///
/// No arrangement of features and centres goes below it in any dimension; a regular simplex reaches it. With a small scale
/// the loss can never become small. 0 with a single class. (Without margin: Wang et al., *NormFace*, 2017,
/// proposition 2.)
pub fn loss_floor(classes: usize, scale: f64, margin: f64) -> f64 {
    if classes <= 1 {
        return 0.0;
    }
    softplus(competitors(classes).ln() - scale * (simplex_lead(classes) - margin), 1.0).0
}

/// The smallest scale at which the softmax can give the target a probability of `probability` at the simplex:
///
/// ```text
/// s >= log( (C - 1) P / (1 - P) ) / (C / (C - 1) - m)
/// ```
///
/// Without margin this is `(C - 1) / C * log( (C - 1) P / (1 - P) )`. 0 if every scale is large enough; `None` if no scale
/// is, because the margin is not below the lead of the simplex.
///
/// # Errors
/// If `probability` is not strictly between 0 and 1.
pub fn scale_for_probability(classes: usize, probability: f64, margin: f64) -> Result<Option<f64>> {
    check_probability(probability)?;
    Ok(scale_for_lead(classes, probability, simplex_lead(classes) - margin))
}

fn scale_for_lead(classes: usize, probability: f64, lead: f64) -> Option<f64> {
    if classes <= 1 {
        return Some(0.0);
    }
    (lead > 0.0).then(|| ((competitors(classes) * probability / (1.0 - probability)).ln() / lead).max(0.0))
}

/// AdaCos's fixed scale, `sqrt(2) log(C - 1)` (Zhang et al., *AdaCos*, 2019, section 4). 0 for two classes or fewer.
pub fn adacos_fixed_scale(classes: usize) -> f64 {
    if classes <= 2 { 0.0 } else { SQRT_2 * competitors(classes).ln() }
}

/// AdaCos's dynamic scale, `log(B) / cos(min(pi / 4, theta))` (Zhang et al., *AdaCos*, 2019, section 4).
///
/// `average_partition` `B` is the batch's mean of `sum_{i != y} exp(s cos_i)` at the present scale, above 0;
/// `median_target_angle` `theta` is the median angle between features and the centres of their classes, in radians.
pub fn adacos_dynamic_scale(average_partition: f64, median_target_angle: f64) -> f64 {
    average_partition.ln() / median_target_angle.min(FRAC_PI_4).cos()
}

/// The largest margin in cosine that ideal features can meet, and whether it can be met exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginBound {
    /// No margin above this can be met for all classes at once.
    pub largest: f64,
    /// Whether some arrangement meets exactly `largest`; otherwise the largest possible margin is strictly below it.
    pub attained: bool,
}

/// The largest possible margin for a number of classes and an embedding dimension: one less the largest cosine between two centres.
///
/// [`closest_cosine`] has the bound for each number of classes and dimension, and says which are attained: `C / (C - 1)` if a
/// simplex fits, `C <= D + 1`; `1 - cos(2 pi / C)` in two dimensions; 1 for `D + 2 <= C <= 2 D`; less for more classes. At most 2,
/// the range of the cosine; a single class meets any margin. (For the simplex and the plane: Wang et al., *CosFace*, 2018,
/// section 3.4.)
pub fn margin_bound(classes: usize, dim: usize) -> MarginBound {
    let closest = closest_cosine(classes, dim);
    MarginBound { largest: 1.0 - closest.cosine, attained: closest.attained }
}

/// Recommended scale and margin for AM-Softmax, with the bounds they follow from.
///
/// Probabilities here are `e^-loss` for the mean loss over classes that are equally likely, with each sample on its centre.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// Number of classes.
    pub classes: usize,
    /// Embedding dimension.
    pub dim: usize,
    /// Probability of the target that must be reachable.
    pub target_probability: f64,
    /// Recommended scale: 30, or 64 from 10^4 classes on, or more (up to 128) if the target probability needs it.
    pub scale: f64,
    /// Recommended additive cosine margin: 0.35, or less if the classes do not leave room for it: half of `reachable_margin`, or all of it if
    /// the largest possible margin is not known and the target probability can still be reached.
    pub margin: f64,
    /// Recommended additive angle margin in radians for ArcFace: 0.5, reduced in the same proportion.
    pub angle_margin: f64,
    /// The largest possible margin in cosine.
    pub margin_bound: MarginBound,
    /// A margin that some arrangement certainly meets: the bound if it is attained, otherwise one less
    /// [`reachable_cosine`].
    pub reachable_margin: f64,
    /// No smaller scale gives the target probability without a margin. Exact where the best arrangement is known, otherwise that of the
    /// simplex.
    pub scale_without_margin: f64,
    /// With this scale and the recommended margin some arrangement certainly gives the target probability; it is the smallest such scale where the
    /// best arrangement is known. `None` if no scale is known to reach it.
    pub scale_with_margin: Option<f64>,
    /// AdaCos's fixed scale, for comparison.
    pub adacos_scale: f64,
    /// Lower bound of the loss at the recommended scale and margin. Exact where the best arrangement is known, otherwise
    /// [`loss_floor`].
    pub loss_floor: f64,
    /// The probability that some arrangement certainly gives at the recommended scale and margin. The largest conceivable one is
    /// `e^-loss_floor`.
    pub reachable_probability: f64,
    /// Whether some arrangement certainly gives the target probability at the recommended scale and margin.
    pub reaches_target: bool,
}

impl Suggestion {
    /// Whether no arrangement gives the target probability at the recommended scale and margin. If neither this nor
    /// `reaches_target` holds, it is not known.
    pub fn is_out_of_reach(&self) -> bool {
        !self.reaches_target && (-self.loss_floor).exp() < self.target_probability
    }
}

/// Recommends scale and margin for `classes` classes in `dim` dimensions such that the target can reach a probability of
/// `target_probability` (for example 0.99).
///
/// Training from scratch with the full margin can diverge; warm it up from 0 (see
/// [`Objective::with_margin`](crate::Objective::with_margin)).
///
/// # Errors
/// With fewer than two classes, no dimension, or a probability not strictly between 0 and 1.
pub fn suggest(classes: usize, dim: usize, target_probability: f64) -> Result<Suggestion> {
    if classes < 2 {
        let expected = "2 or more".to_owned();
        return Err(Error::OutOfRange { setting: "classes", found: classes as f64, expected });
    }
    if dim == 0 {
        let expected = "1 or more".to_owned();
        return Err(Error::OutOfRange { setting: "dimension", found: 0.0, expected });
    }
    check_probability(target_probability)?;
    let room = Room { classes, dim, reachable_margin: 1.0 - reachable_cosine(classes, dim) };
    let bound = margin_bound(classes, dim);
    let (default_scale, default_margin, default_angle) =
        if classes < MANY_CLASSES { (30.0, 0.35, 0.5) } else { (64.0, 0.35, 0.5) };
    let half = f64::min(default_margin, SHARE_OF_LARGEST_MARGIN * room.reachable_margin);
    let most = f64::min(default_margin, room.reachable_margin);
    let enough = |margin| {
        room.sufficient_scale(target_probability, margin)
            .is_some_and(|scale| scale <= LARGEST_RECOMMENDED_SCALE)
    };
    let margin = if bound.attained || !enough(most) { half } else { most };
    let scale_with_margin = room.sufficient_scale(target_probability, margin);
    let scale =
        f64::max(default_scale, scale_with_margin.unwrap_or(0.0).ceil()).min(LARGEST_RECOMMENDED_SCALE);
    let loss_floor = match smallest_log_sum(classes, dim, scale) {
        Some(sum) => softplus(sum + scale * margin, 1.0).0,
        None => loss_floor(classes, scale, margin),
    };
    let reachable_probability = (-softplus(room.reachable_log_sum(scale, margin), 1.0).0).exp();
    let simplex = scale_for_lead(classes, target_probability, simplex_lead(classes)).unwrap_or(0.0);
    Ok(Suggestion {
        classes,
        dim,
        target_probability,
        scale,
        margin,
        angle_margin: default_angle * margin / default_margin,
        margin_bound: bound,
        reachable_margin: room.reachable_margin,
        scale_without_margin: if smallest_log_sum(classes, dim, 0.0).is_some() {
            room.sufficient_scale(target_probability, 0.0).unwrap_or(simplex)
        } else {
            simplex
        },
        scale_with_margin,
        adacos_scale: adacos_fixed_scale(classes),
        loss_floor,
        reachable_probability,
        reaches_target: reachable_probability >= target_probability * (1.0 - 1e-12),
    })
}

/// The arrangements that certainly exist for a number of classes and a dimension.
struct Room {
    classes: usize,
    dim: usize,
    reachable_margin: f64,
}

impl Room {
    /// The smallest `ln sum_i e^{-s (1 - cos_i - m)}` over the non-targets that some arrangement certainly has, as a mean over the classes: the
    /// best arrangement where it is known, otherwise the better of centres drawn at random and of centres at `reachable_margin`.
    fn reachable_log_sum(&self, scale: f64, margin: f64) -> f64 {
        if let Some(best) = smallest_log_sum(self.classes, self.dim, scale) {
            return best + scale * margin;
        }
        let apart = competitors(self.classes).ln() - scale * (self.reachable_margin - margin);
        apart.min(self.random_log_sum(scale, margin))
    }

    fn random_log_sum(&self, scale: f64, margin: f64) -> f64 {
        competitors(self.classes).ln() + log_mean_exponential(self.dim, scale) + scale * margin
    }

    /// The smallest scale at which [`reachable_log_sum`](Self::reachable_log_sum) is small enough for a probability, if there is one.
    fn sufficient_scale(&self, probability: f64, margin: f64) -> Option<f64> {
        let enough = ((1.0 - probability) / probability).ln();
        if competitors(self.classes).ln() <= enough {
            return Some(0.0);
        }
        if smallest_log_sum(self.classes, self.dim, 0.0).is_some() {
            // Falls with the scale while the nearest centres lead by more than the margin.
            let is_enough = |scale: f64| self.reachable_log_sum(scale, margin) <= enough;
            let mut high = 1.0;
            while high < LARGEST_SCALE && !is_enough(high) {
                high *= 2.0;
            }
            return (self.reachable_margin > margin && is_enough(high))
                .then(|| first_below(high, |scale| self.reachable_log_sum(scale, margin) - enough));
        }
        let apart = scale_for_lead(self.classes, probability, self.reachable_margin - margin);
        // Convex in the scale: it falls to a minimum and rises again.
        let (mut low, mut high) = (0.0, 2048.0);
        while high - low > 1e-3 {
            let third = (high - low) / 3.0;
            if self.random_log_sum(low + third, margin) < self.random_log_sum(high - third, margin) {
                high -= third;
            } else {
                low += third;
            }
        }
        let random = (self.random_log_sum(high, margin) <= enough)
            .then(|| first_below(high, |scale| self.random_log_sum(scale, margin) - enough));
        match (apart, random) {
            (Some(apart), Some(random)) => Some(apart.min(random)),
            (apart, random) => apart.or(random),
        }
    }
}

/// The smallest argument from 0 to `high` at which a falling function is not above 0; it is not above 0 at `high`.
fn first_below(mut high: f64, value: impl Fn(f64) -> f64) -> f64 {
    let mut low = 0.0;
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if value(middle) <= 0.0 { high = middle } else { low = middle }
    }
    high
}

fn competitors(classes: usize) -> f64 {
    (classes - 1) as f64
}

fn check_probability(probability: f64) -> Result<()> {
    if probability > 0.0 && probability < 1.0 {
        return Ok(());
    }
    let expected = "a number above 0 and below 1".to_owned();
    Err(Error::OutOfRange { setting: "target probability", found: probability, expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} against {expected}");
    }

    #[test]
    fn the_floor_falls_with_the_scale_and_rises_with_classes_and_margin() {
        close(loss_floor(10, 1.0, 0.0), (1.0 + 9.0 * (-10.0_f64 / 9.0).exp()).ln());
        for classes in [10, 1_000, 100_000, 1_000_000] {
            let mut before = f64::INFINITY;
            for scale in [0.5, 1.0, 4.0, 16.0, 64.0, 256.0] {
                let floor = loss_floor(classes, scale, 0.35);
                assert!(floor > 0.0 && floor < before, "{classes} {scale}: {floor}");
                assert!(floor > loss_floor(classes, scale, 0.0));
                assert!(floor < loss_floor(classes * 10, scale, 0.35));
                before = floor;
            }
        }
        assert!(loss_floor(10, 1e6, 0.0) >= 0.0, "underflows to 0, never to NaN");
        assert!(loss_floor(10, 1e6, 2.0).is_finite());
        assert_eq!(loss_floor(1, 30.0, 0.35), 0.0);
    }

    #[test]
    fn the_scale_for_a_probability_gives_that_probability_at_the_simplex() {
        for classes in [2, 10, 1_000, 1_000_000] {
            for probability in [0.5, 0.9, 0.999] {
                for margin in [0.0, 0.35] {
                    let scale = scale_for_probability(classes, probability, margin).expect("a probability");
                    let scale = scale.expect("the margin is below the lead");
                    close((-loss_floor(classes, scale, margin)).exp(), probability);
                }
                let scale = scale_for_probability(classes, probability, 0.0).expect("a probability");
                let c = classes as f64;
                close(
                    scale.expect("no margin"),
                    (c - 1.0) / c * ((c - 1.0) * probability / (1.0 - probability)).ln(),
                );
            }
        }
        assert_eq!(scale_for_probability(10, 0.05, 0.0), Ok(Some(0.0)), "already likelier than chance");
        assert_eq!(scale_for_probability(1_000, 0.9, 1.01), Ok(None), "a margin beyond the simplex");
        for probability in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(scale_for_probability(10, probability, 0.0).is_err());
        }
    }

    #[test]
    fn adacos_scales_are_those_of_the_paper() {
        close(adacos_fixed_scale(10_575), SQRT_2 * 10_574.0_f64.ln());
        assert_eq!(adacos_fixed_scale(2), 0.0);
        // at the fixed scale's assumptions, B = C - 1 and theta = pi / 4, the dynamic rule gives the fixed scale
        close(adacos_dynamic_scale(999.0, 1.2), adacos_fixed_scale(1_000));
        close(adacos_dynamic_scale(999.0, 0.0), 999.0_f64.ln());
    }

    #[test]
    fn margins_are_bounded_by_the_room_for_the_centres() {
        close(margin_bound(10, 2).largest, 1.0 - (PI / 5.0).cos());
        close(margin_bound(2, 2).largest, 2.0);
        close(margin_bound(3, 2).largest, simplex_lead(3));
        assert_eq!(margin_bound(4, 3), MarginBound { largest: 4.0 / 3.0, attained: true });
        assert_eq!(margin_bound(5, 3), MarginBound { largest: 1.0, attained: true }, "Rankin");
        let crowded = margin_bound(1_000, 3);
        assert!(!crowded.attained && crowded.largest < 0.0080, "{crowded:?}");
        assert_eq!(margin_bound(3, 1).largest, 0.0);
    }

    /// Randomly drawn centres never exceed the bound on the margin.
    #[test]
    fn no_arrangement_beats_the_margin_bound() {
        let mut state = 7_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
        };
        for dim in [1, 2, 3, 5] {
            for classes in [2, 3, 4, 6, 9] {
                for _ in 0..50 {
                    let mut centres: Vec<Vec<f64>> =
                        (0..classes).map(|_| (0..dim).map(|_| uniform()).collect()).collect();
                    for centre in &mut centres {
                        crate::normalise(centre);
                    }
                    let mut margin = f64::INFINITY;
                    for a in 0..classes {
                        for b in 0..a {
                            let cosine: f64 = centres[a].iter().zip(&centres[b]).map(|(x, w)| x * w).sum();
                            margin = margin.min(1.0 - cosine);
                        }
                    }
                    let bound = margin_bound(classes, dim);
                    assert!(
                        margin <= bound.largest + 1e-12,
                        "{classes} classes, {dim} dimensions: {margin} {bound:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn recommendations_are_the_usual_values_if_the_dimension_allows() {
        let faces = suggest(85_742, 512, 0.9).expect("valid");
        assert_eq!((faces.scale, faces.margin, faces.angle_margin), (64.0, 0.35, 0.5));
        let small = suggest(10, 128, 0.99).expect("valid");
        assert_eq!((small.scale, small.margin), (30.0, 0.35));
        assert!(small.reaches_target && small.margin_bound.attained);
        assert!(small.scale_without_margin < small.scale_with_margin.expect("reachable"));
        let plane = suggest(10, 2, 0.99).expect("valid");
        assert!(plane.margin < 0.1, "ten classes on a circle leave no room for 0.35: {plane:?}");
        assert!(plane.scale > 30.0 && plane.reaches_target, "{plane:?}");
        let crowded = suggest(1_000, 2, 0.99).expect("valid");
        assert!(!crowded.reaches_target && crowded.scale <= LARGEST_RECOMMENDED_SCALE, "{crowded:?}");
        assert!(crowded.is_out_of_reach(), "{crowded:?}");
        assert!(suggest(1, 2, 0.9).is_err() && suggest(2, 0, 0.9).is_err() && suggest(2, 2, 1.0).is_err());
    }

    #[test]
    fn ten_classes_on_a_circle_have_the_scale_of_the_polygon() {
        let found = suggest(10, 2, 0.99).expect("valid");
        let lead = 1.0 - (PI / 5.0).cos();
        close(found.margin, 0.5 * lead);
        let needed = found.scale_with_margin.expect("reachable");
        assert!((needed - 55.4).abs() < 0.05, "{needed}");
        // almost all of the sum is that of the two neighbours
        assert!((needed - (2.0 * 99.0_f64).ln() / (lead - found.margin)).abs() < 0.1, "{needed}");
        assert!(found.reaches_target && found.scale_without_margin < needed);
    }

    /// 1,000 centres in three dimensions: neither the margin 0.35 nor a probability of 0.99 exists.
    #[test]
    fn what_is_impossible_is_not_recommended() {
        let found = suggest(1_000, 3, 0.99).expect("valid");
        assert!(found.margin <= found.margin_bound.largest && found.margin > 0.0, "{found:?}");
        assert!(!found.reaches_target && found.reachable_probability < 0.5, "{found:?}");
        for classes in [2, 3, 5, 9, 30, 1_000, 20_000, 1_000_000] {
            for dim in [1, 2, 3, 4, 8, 64, 512] {
                let found = suggest(classes, dim, 0.99).expect("valid");
                assert!(found.margin <= found.reachable_margin, "{found:?}");
                assert!(found.reachable_margin <= found.margin_bound.largest, "{found:?}");
                assert!(found.reachable_probability <= (-found.loss_floor).exp() * (1.0 + 1e-9), "{found:?}");
                assert!(
                    found
                        .scale_with_margin
                        .is_none_or(|scale| { scale >= found.scale_without_margin * (1.0 - 1e-9) }),
                    "{found:?}"
                );
                if found.scale_with_margin.is_some_and(|scale| scale <= found.scale) {
                    assert!(found.reaches_target, "{found:?}");
                }
                assert!(!(found.reaches_target && found.is_out_of_reach()));
            }
        }
    }

    /// The expected sum over centres drawn at random, against a mean over drawings.
    #[test]
    fn a_scale_that_is_found_is_enough_however_large_it_is() {
        for (classes, dim) in [(1_000, 2), (10_000, 2), (1_000_000, 2), (12, 3)] {
            let found = suggest(classes, dim, 0.99).expect("in range");
            let room = Room { classes, dim, reachable_margin: found.reachable_margin };
            for (scale, margin) in
                [(Some(found.scale_without_margin), 0.0), (found.scale_with_margin, found.margin)]
            {
                let scale = scale.expect("half of the margin is left");
                let reached = (-softplus(room.reachable_log_sum(scale, margin), 1.0).0).exp();
                assert!((reached - 0.99).abs() < 1e-6, "{classes} {dim} {scale}: {reached}");
            }
        }
    }

    #[test]
    fn random_centres_have_the_expected_sum() {
        let room = Room { classes: 40, dim: 8, reachable_margin: 0.0 };
        let (scale, margin, drawings) = (5.0, 0.1, 2_000);
        let mut stream = widemargin_chance::Stream::new(5, widemargin_chance::Purpose::Test, 0, 0);
        let mut sum = 0.0;
        for _ in 0..drawings {
            let mut centres: Vec<Vec<f64>> =
                (0..room.classes).map(|_| (0..room.dim).map(|_| stream.normal()).collect()).collect();
            for centre in &mut centres {
                crate::normalise(centre);
            }
            let others = (1..room.classes).map(|at| {
                let cosine: f64 = centres[0].iter().zip(&centres[at]).map(|(x, w)| x * w).sum();
                (scale * (cosine - 1.0 + margin)).exp()
            });
            sum += others.sum::<f64>() / f64::from(drawings);
        }
        let expected = room.random_log_sum(scale, margin).exp();
        assert!((sum / expected - 1.0).abs() < 0.05, "{sum} against {expected}");
    }
}
