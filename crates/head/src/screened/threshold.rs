//! The threshold above which a class is certainly kept, and the objectives that can be screened.

use widemargin_objective::ClassObjective;

use super::several;
use crate::config::HeadMode;
use crate::error::Error;

/// Share of the non-target sum from which a class is certainly kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Threshold {
    /// The same for all samples.
    Fixed(f64),
    /// As large as the expected error of the gradient allows; see [`threshold_of`].
    BySample,
}

impl From<Option<f64>> for Threshold {
    fn from(threshold: Option<f64>) -> Self {
        threshold.map_or(Self::BySample, Self::Fixed)
    }
}

/// The threshold of a head in this mode, which is resolved; `None` if it is not screened.
///
/// # Errors
/// [`Error::NotScreenable`] if the screened mode was chosen for an objective that cannot be screened.
pub(crate) fn threshold(mode: HeadMode, objective: &ClassObjective) -> Result<Option<Threshold>, Error> {
    match mode {
        HeadMode::Screened { threshold: Some(0.0) }
        | HeadMode::Auto
        | HeadMode::Dense
        | HeadMode::Sampled { .. } => Ok(None),
        HeadMode::Screened { threshold } => check_objective(objective).map(|()| Some(threshold.into())),
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

/// Expected error of both gradients, relative to their norm. The documented limit is 2 %; the margin allows for the sum, which is
/// estimated from a few classes.
const EXPECTED_ERROR: f64 = 0.017;

/// Exponents of 2 between which thresholds are chosen: at most `2^14` classes are kept per sample, and no entry stands for more
/// than `2^-7` of a sum.
const EXPONENTS: [i32; 2] = [-14, -7];

/// The largest threshold, a power of the square root of 2, at which sampling has the expected error.
///
/// A class with a share `q` of the sum below `tau` is kept with probability `q / tau` and then stands for `tau`: its variance
/// is `q (tau - q)`. Unit centres of non-target classes are nearly orthogonal, so the error of the feature gradient, in units
/// of the push, is the square root of the sum of these variances; the gradient itself is at least as long as the sine of the
/// angle to the target centre. The same holds for the gradient of the centres.
///
/// `exponentials` are those of some classes, each standing for `times` classes; `sum` is that of all. On return `exponentials`
/// holds their shares of the sum.
pub(super) fn threshold_of(exponentials: &mut [f32], times: f64, sum: f64, target_cosine: f64) -> f64 {
    let sine_square = (1.0 - target_cosine * target_cosine).max(0.05);
    let expected = EXPECTED_ERROR * EXPECTED_ERROR * sine_square;
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
    let (mut low, mut high) = (2 * EXPONENTS[0], 2 * EXPONENTS[1]);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if variance(tau(middle)) <= expected { low = middle } else { high = middle - 1 }
    }
    tau(low)
}
