//! The threshold above which a class is certainly kept, and the objectives that can be screened.

use widemargin_objective::ClassObjective;

use super::several;
use crate::config::{HeadConfig, HeadMode};
use crate::error::Error;

/// Share of the non-target sum from which a class is certainly kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Threshold {
    /// The same for all samples.
    Fixed(f64),
    /// As large as this limit of the gradients' relative error allows; see [`threshold_of`].
    BySample(f64),
}

/// The threshold of a head with these settings, whose mode is resolved; `None` if it is not screened.
///
/// # Errors
/// [`Error::NotScreenable`] if the screened mode was chosen for an objective that cannot be screened.
pub(crate) fn threshold(config: &HeadConfig, objective: &ClassObjective) -> Result<Option<Threshold>, Error> {
    match config.mode {
        HeadMode::Screened { threshold: Some(0.0) }
        | HeadMode::Auto
        | HeadMode::Dense
        | HeadMode::Sampled { .. } => Ok(None),
        HeadMode::Screened { threshold } => {
            check_objective(objective)?;
            Ok(Some(threshold.map_or(Threshold::BySample(config.screened_error), Threshold::Fixed)))
        }
    }
}

/// Checks that an objective can be screened: a softmax over cosines, with any margin on the target.
pub(crate) fn check_objective(objective: &ClassObjective) -> Result<(), Error> {
    let why = if !(objective.score().is_cosine() && objective.score().normalises_centres()) {
        "cosines, so that every class centre has length one"
    } else if objective.sub_centres() > several::MOST {
        "at most 64 centres per class"
    } else if objective.wants_partitions().is_some() {
        "a scale that does not follow from the sum over all classes"
    } else if !objective.is_softmax() {
        "a softmax with unchanged non-target scores: no hinge, maximum, label smoothing or rule for non-target classes"
    } else {
        return Ok(());
    };
    Err(Error::NotScreenable { objective: objective.name(), why })
}

/// Expected error of both gradients as a share of its limit. The margin allows for the sum, which is estimated from a few classes.
const EXPECTED: f64 = 0.85;

/// Exponents between which thresholds are chosen at a limit of [`USUAL`], as powers of the square root of 2: at most `2^14` classes are
/// kept per sample, and no entry stands for more than `2^-7` of a sum.
const EXPONENTS: [i32; 2] = [-28, -14];

/// The limit for which [`EXPONENTS`] hold. The variance is proportional to the threshold, so they move with the square of the limit.
const USUAL: f64 = 0.02;

/// No entry stands for more than an eighth of a sum, at any limit.
const MOST: i32 = -6;

/// The exponents between which thresholds are chosen at this limit of the error.
fn exponents(limit: f64) -> [i32; 2] {
    let shift = (4.0 * (limit / USUAL).log2()).round() as i32;
    EXPONENTS.map(|exponent| (exponent + shift).min(MOST))
}

/// The largest threshold, a power of the square root of 2, at which the expected error of sampling is below `limit`.
///
/// A class with a share `q` of the sum below `tau` is kept with probability `q / tau` and then stands for `tau`: its variance
/// is `q (tau - q)`. Unit centres of non-target classes are nearly orthogonal, so the error of the feature gradient, in units
/// of the push, is the square root of the sum of these variances; the gradient itself is at least as long as the sine of the
/// angle to the target centre. The same holds for the gradient of the centres.
///
/// `exponentials` are those of some classes, each standing for `times` classes; `sum` is that of all. On return `exponentials`
/// holds their shares of the sum.
pub(super) fn threshold_of(
    limit: f64,
    exponentials: &mut [f32],
    times: f64,
    sum: f64,
    target_cosine: f64,
) -> f64 {
    let sine_square = (1.0 - target_cosine * target_cosine).max(0.05);
    let expected = (EXPECTED * limit).powi(2) * sine_square;
    let factor = (1.0 / sum) as f32;
    for exponential in exponentials.iter_mut() {
        *exponential *= factor;
    }
    let shares = &*exponentials;
    let variance = |tau: f64| {
        let tau = tau as f32;
        // eight sums at once, so that the loop vectorises
        let mut sums = [0.0_f32; 8];
        for shares in shares.chunks(sums.len()) {
            for (sum, share) in sums.iter_mut().zip(shares) {
                *sum += share * (tau - share).max(0.0);
            }
        }
        times * sums.iter().map(|&sum| f64::from(sum)).sum::<f64>()
    };
    let tau = |half_steps: i32| 2.0_f64.powf(f64::from(half_steps) / 2.0);
    let [mut low, mut high] = exponents(limit);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if variance(tau(middle)) <= expected { low = middle } else { high = middle - 1 }
    }
    tau(low)
}
