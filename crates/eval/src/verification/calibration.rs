//! Logistic calibration: from a score to a probability and to a useful threshold.
//!
//! A cosine of 0.4 has no meaning by itself. What matters is how much more often genuine pairs have this score than impostor
//! pairs: the likelihood ratio. Logistic calibration models its logarithm as linear in the score, `l(s) = slope * s + offset`,
//! and fits the line that predicts the pairs of a development set best (Platt 1999; Brümmer and du Preez 2006, section 5). The
//! same `l` then works with every prior and every cost. Calibrations are small and can be saved with a model.

use serde::{Deserialize, Serialize};

use super::measures::Verification;
use super::scores::SortedScores;
use crate::error::{Error, Result};

/// Largest number of Newton steps; about ten are needed.
const STEPS: usize = 200;

/// The weight of the ridge for even odds if the scores alone have no best slope.
const SEPARATED: f64 = 1e-6;

/// The range of scores below which the ridge is measured in units of the range.
const NARROW: f64 = 1.0 / 64.0;

/// A line from scores to log-likelihood ratios.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Line")]
pub struct LogisticCalibration {
    slope: f64,
    offset: f64,
}

/// The fields of a file, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    slope: f64,
    offset: f64,
}

impl TryFrom<Line> for LogisticCalibration {
    type Error = Error;

    fn try_from(line: Line) -> Result<Self> {
        Self::new(line.slope, line.offset)
    }
}

/// How [`fit`] weighs the pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationOptions {
    /// The share of genuine pairs that the fit is optimised for, in (0, 1): all genuine pairs together have the weight `prior`,
    /// all impostor pairs `1 - prior`. Default 0.5.
    pub prior: f64,
    /// Weight of `slope^2 / 2`, which is added to the mean loss in nats; at least 0. If all scores lie within 1/64, the slope counts
    /// per that range. Default 0.
    ///
    /// If a threshold separates the two kinds completely ([`Verification::is_separated`]), the best slope would be infinite. There the
    /// weight is at least `2e-6 * min(prior, 1 - prior)`: it follows the weight of the rarer kind, so that it means the same for
    /// every prior.
    pub ridge: f64,
}

impl Default for CalibrationOptions {
    fn default() -> Self {
        Self { prior: 0.5, ridge: 0.0 }
    }
}

impl LogisticCalibration {
    /// The line `l(s) = slope * s + offset`, for instance of a calibration fitted elsewhere.
    ///
    /// # Errors
    /// [`Error::Option`] if `slope` is not positive and finite or `offset` is not finite.
    pub fn new(slope: f64, offset: f64) -> Result<Self> {
        if !(slope > 0.0 && slope.is_finite()) {
            return Err(Error::Option { name: "slope", value: slope, expected: "positive and finite" });
        }
        if !offset.is_finite() {
            return Err(Error::Option { name: "offset", value: offset, expected: "finite" });
        }
        Ok(Self { slope, offset })
    }

    /// For scores that already are log-likelihood ratios: `l(s) = s`.
    pub fn identity() -> Self {
        Self { slope: 1.0, offset: 0.0 }
    }

    /// The slope, in nats per unit of score.
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// The log-likelihood ratio, in nats, of a score of 0.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// The natural logarithm of how many times more likely this score is for a genuine pair than for an impostor pair.
    pub fn log_likelihood_ratio(&self, score: f64) -> f64 {
        self.slope * score + self.offset
    }

    /// The probability that a pair with this score is genuine, if a share `prior` (in (0, 1)) of all pairs is genuine.
    pub fn probability(&self, score: f64, prior: f64) -> f64 {
        let log_odds = self.log_likelihood_ratio(score) + (prior / (1.0 - prior)).ln();
        1.0 / (1.0 + (-log_odds).exp())
    }

    /// The score whose log-likelihood ratio is the given one, rounded up if it must be rounded.
    pub fn threshold(&self, log_likelihood_ratio: f64) -> f64 {
        let near = (log_likelihood_ratio - self.offset) / self.slope;
        // A division rounds by half a step, the line itself by a few more.
        let mut candidates = std::iter::successors(Some(near), |score| Some(score.next_up())).take(8);
        let reaches = |score: &f64| self.log_likelihood_ratio(*score) >= log_likelihood_ratio;
        candidates.find(reaches).unwrap_or(near)
    }
}

/// Fits a calibration to the scores of a verification.
///
/// Minimises `prior * mean over genuine of ln(1 + e^-z) + (1 - prior) * mean over impostors of ln(1 + e^z) +
/// ridge * slope^2 / 2` with `z = l(s) + ln(prior / (1 - prior))`, by Newton's method in `f64`. Use pairs of classes that
/// are used neither in training nor in the later evaluation.
///
/// # Errors
/// [`Error::Option`] for options outside their range, [`Error::NoCalibration`] if the best slope is not positive,
/// that is if genuine pairs do not score higher than impostor pairs.
pub fn fit(verification: &Verification, options: &CalibrationOptions) -> Result<LogisticCalibration> {
    let CalibrationOptions { prior, ridge } = *options;
    if !(prior > 0.0 && prior < 1.0) {
        return Err(Error::Option {
            name: "prior",
            value: prior,
            expected: "between 0 and 1, both excluded",
        });
    }
    if !(ridge >= 0.0 && ridge.is_finite()) {
        return Err(Error::Option { name: "ridge", value: ridge, expected: "finite and at least 0" });
    }
    let scores = &verification.scores;
    let has_best_slope = !scores.are_separated() && !scores.are_reversed();
    let ridge = if has_best_slope { ridge } else { ridge.max(SEPARATED * 2.0 * prior.min(1.0 - prior)) };
    let log_odds = (prior / (1.0 - prior)).ln();
    // The middle of the scores is the origin of the search, which decorrelates the two unknowns.
    let (low, high) = scores.range();
    let origin = f64::midpoint(low, high);
    // Crowded cosines need a slope that the ridge would not allow.
    let unit = if low < high && high - low < NARROW { high - low } else { 1.0 };
    // Everything is divided by the weight of the rarer kind, so that products of small priors do not underflow.
    let rare = prior.min(1.0 - prior);
    let loss =
        Loss { scores, weights: [prior / rare, (1.0 - prior) / rare], ridge: ridge / rare, origin, unit };
    // The best height for the slope 0. From another one, rare kinds would need many steps, or steps too far.
    let (mut slope, mut height) = (0.0, log_odds);
    let mut now = loss.at(slope, height);
    for _ in 0..STEPS {
        let determinant = now.hessian[0] * now.hessian[2] - now.hessian[1] * now.hessian[1];
        if !(determinant > 0.0 && determinant.is_finite()) {
            break;
        }
        let step = [
            (now.hessian[2] * now.gradient[0] - now.hessian[1] * now.gradient[1]) / determinant,
            (now.hessian[0] * now.gradient[1] - now.hessian[1] * now.gradient[0]) / determinant,
        ];
        // Halve the step until the loss does not rise by more than rounding.
        let allowed = now.loss * (1.0 + 1e-12);
        let mut part = 1.0;
        let mut next = loss.at(slope - step[0], height - step[1]);
        while next.loss > allowed && part > 1e-6 {
            part /= 2.0;
            next = loss.at(slope - part * step[0], height - part * step[1]);
        }
        slope -= part * step[0];
        height -= part * step[1];
        now = next;
        // Newton's method squares the error: after a step this small, nothing is left to gain.
        if step[0].abs() <= 1e-10 * slope.abs() && step[1].abs() <= 1e-10 * (1.0 + height.abs()) {
            break;
        }
    }
    if !(slope > 0.0 && slope.is_finite()) {
        return Err(Error::NoCalibration { slope });
    }
    let slope = slope / unit;
    Ok(LogisticCalibration { slope, offset: height - slope * origin - log_odds })
}

/// The loss as a function of the line `z = slope * (s - origin) / unit + height`.
struct Loss<'a> {
    scores: &'a SortedScores,
    /// Of all genuine pairs together, and of all impostor pairs.
    weights: [f64; 2],
    ridge: f64,
    origin: f64,
    unit: f64,
}

struct Value {
    loss: f64,
    gradient: [f64; 2],
    /// Second derivatives: slope-slope, slope-height, height-height.
    hessian: [f64; 3],
}

impl Loss<'_> {
    fn at(&self, slope: f64, height: f64) -> Value {
        // `sign` is 1 for impostors, whose loss is softplus(z), and -1 for genuine pairs.
        let kind = |sign: f64| {
            move |score: f64| {
                let x = (score - self.origin) / self.unit;
                let z = sign * (slope * x + height);
                let probability = 1.0 / (1.0 + (-z).exp());
                let curvature = probability * (1.0 - probability);
                let first = sign * probability;
                [softplus(z), first * x, first, curvature * x * x, curvature * x, curvature]
            }
        };
        let genuine = self.scores.genuine().sum(kind(-1.0));
        let impostor = self.scores.impostor().sum(kind(1.0));
        let weights = [
            self.weights[0] / self.scores.genuine().len() as f64,
            self.weights[1] / self.scores.impostor().len() as f64,
        ];
        let mean: [f64; 6] = std::array::from_fn(|at| weights[0] * genuine[at] + weights[1] * impostor[at]);
        Value {
            loss: mean[0] + self.ridge * slope * slope / 2.0,
            gradient: [mean[1] + self.ridge * slope, mean[2]],
            hessian: [mean[3] + self.ridge, mean[4], mean[5]],
        }
    }
}

/// `ln(1 + e^x)` without overflow.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::super::from_scores;
    use super::*;

    #[test]
    fn a_known_line_is_recovered() {
        // Two symmetric scores: genuine pairs are three times as often high, so l = ln 3 at 1 and -ln 3 at -1.
        let found = from_scores(vec![1.0, 1.0, 1.0, -1.0], vec![-1.0, -1.0, -1.0, 1.0]).unwrap();
        let calibration = fit(&found, &CalibrationOptions { prior: 0.5, ridge: 0.0 }).unwrap();
        assert!((calibration.slope() - 3.0_f64.ln()).abs() < 1e-12 && calibration.offset().abs() < 1e-12);
        assert!((calibration.probability(1.0, 0.5) - 0.75).abs() < 1e-12);
        assert!((calibration.probability(1.0, 0.25) - 0.5).abs() < 1e-12);
        // At even odds the fit minimises the cost that Cllr measures.
        for slope in [0.9, 1.3] {
            let other = LogisticCalibration::new(slope, 0.0).unwrap();
            assert!(found.cllr(&other) > found.cllr(&calibration));
        }
        assert!(found.cllr(&calibration) >= found.minimum_cllr() - 1e-12);
    }

    #[test]
    fn the_prior_of_the_fit_does_not_shift_an_exact_line() {
        let found = from_scores(vec![1.0, 1.0, 1.0, -1.0], vec![-1.0, -1.0, -1.0, 1.0]).unwrap();
        for prior in [0.01, 0.3, 0.9] {
            let calibration = fit(&found, &CalibrationOptions { prior, ridge: 0.0 }).unwrap();
            assert!((calibration.slope() - 3.0_f64.ln()).abs() < 1e-9 && calibration.offset().abs() < 1e-9);
        }
    }

    #[test]
    fn separated_scores_give_a_finite_slope_and_reversed_scores_an_error() {
        let apart = from_scores(vec![0.8, 0.9], vec![0.1, 0.2, 0.3]).unwrap();
        let calibration = fit(&apart, &CalibrationOptions::default()).unwrap();
        assert!(calibration.slope() > 10.0 && calibration.slope() < 1e4, "{calibration:?}");
        assert!(calibration.probability(0.85, 0.5) > 0.99 && calibration.probability(0.2, 0.5) < 0.01);
        for (genuine, impostor) in [(vec![0.1, 0.2], vec![0.8, 0.9]), (vec![0.5; 3], vec![0.5; 2])] {
            let reversed = from_scores(genuine, impostor).unwrap();
            let error = fit(&reversed, &CalibrationOptions::default()).unwrap_err();
            assert!(matches!(error, Error::NoCalibration { .. }), "{error}");
        }
        let bad = CalibrationOptions { prior: 1.0, ridge: 0.0 };
        assert!(matches!(fit(&apart, &bad), Err(Error::Option { name: "prior", .. })));
        let bad = CalibrationOptions { prior: 0.5, ridge: -1.0 };
        assert!(matches!(fit(&apart, &bad), Err(Error::Option { name: "ridge", .. })));
        assert!(
            LogisticCalibration::new(-1.0, 0.0).is_err() && LogisticCalibration::new(1.0, f64::NAN).is_err()
        );
    }

    /// Overlapping scores of 400 genuine and 600 impostor pairs.
    fn overlapping(scale: f64) -> (Vec<f64>, Vec<f64>) {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / 16_777_216.0
        };
        let mut normal = |mean: f64| mean + scale * ((0..12).map(|_| next()).sum::<f64>() - 6.0);
        ((0..400).map(|_| normal(3.0 * scale)).collect(), (0..600).map(|_| normal(0.0)).collect())
    }

    #[test]
    fn every_prior_reaches_the_optimum_without_a_penalty() {
        for scale in [0.12, 2.0] {
            let (genuine, impostor) = overlapping(scale);
            let found = from_scores(genuine.clone(), impostor.clone()).unwrap();
            assert!(!found.is_separated());
            for prior in [1e-200, 1e-6, 1e-4, 0.01, 0.3, 0.5, 0.9, 0.999, 0.99999] {
                let calibration = fit(&found, &CalibrationOptions { prior, ..Default::default() }).unwrap();
                let log_odds = (prior / (1.0 - prior)).ln();
                let weights = [prior / 400.0, (1.0 - prior) / 600.0];
                // The loss is convex: where its two derivatives are 0 is its only optimum.
                let mut derivatives = [0.0; 2];
                let mut sizes = [0.0; 2];
                for (kind, scores) in [(0, &genuine), (1, &impostor)] {
                    for &score in scores {
                        let z = calibration.log_likelihood_ratio(score) + log_odds;
                        let sign = if kind == 0 { -1.0 } else { 1.0 };
                        let first = weights[kind] * sign / (1.0 + (-sign * z).exp());
                        for (at, value) in [first, first * score].into_iter().enumerate() {
                            derivatives[at] += value;
                            sizes[at] += value.abs();
                        }
                    }
                }
                for at in 0..2 {
                    let part = derivatives[at].abs() / sizes[at];
                    assert!(part < 1e-8, "{scale} {prior}: {calibration:?} {derivatives:?} {sizes:?}");
                }
            }
        }
    }

    #[test]
    fn separated_scores_have_about_the_same_slope_for_every_prior() {
        for impostor in [vec![0.1, 0.2, 0.3], vec![0.1, 0.2, 0.8]] {
            let apart = from_scores(vec![0.8, 0.9], impostor).unwrap();
            assert!(apart.is_separated());
            for prior in [1e-6, 1e-3, 0.5, 0.99999] {
                let slope = fit(&apart, &CalibrationOptions { prior, ..Default::default() }).unwrap().slope();
                assert!(slope > 10.0 && slope < 1e4, "{prior}: {slope}");
            }
        }
    }

    #[test]
    fn crowded_scores_are_calibrated_like_scaled_ones() {
        let wide = (vec![0.9, 0.7, 0.6, 0.2], vec![0.0, 0.1, 0.65, 0.3]);
        let near = |scores: &[f64]| scores.iter().map(|s| 1.0 - (1.0 - s) / (1 << 20) as f64).collect();
        let narrow = from_scores(near(&wide.0), near(&wide.1)).unwrap();
        let crowded = fit(&narrow, &CalibrationOptions::default()).unwrap();
        let wide = fit(&from_scores(wide.0, wide.1).unwrap(), &CalibrationOptions::default()).unwrap();
        for score in [0.1, 0.5, 0.8] {
            let scaled = 1.0 - (1.0 - score) / (1 << 20) as f64;
            let (found, expected) = (crowded.probability(scaled, 0.5), wide.probability(score, 0.5));
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn thresholds_and_files_round_trip() {
        let calibration = LogisticCalibration::new(7.3, -2.1).unwrap();
        for expected in [-5.0, 0.0, 0.1, 4.6] {
            let threshold = calibration.threshold(expected);
            assert!(calibration.log_likelihood_ratio(threshold) >= expected);
            assert!(calibration.log_likelihood_ratio(threshold - 1e-14) < expected);
        }
        let json = serde_json::to_string(&calibration).unwrap();
        assert_eq!(serde_json::from_str::<LogisticCalibration>(&json).unwrap(), calibration);
        for bad in
            [r#"{"slope": -1, "offset": 0}"#, r#"{"slope": 1}"#, r#"{"slope": 1, "offset": 0, "x": 1}"#]
        {
            assert!(serde_json::from_str::<LogisticCalibration>(bad).is_err(), "{bad}");
        }
    }
}
