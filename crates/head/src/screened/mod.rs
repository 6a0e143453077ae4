//! All classes scored, few of them touched.
//!
//! 1. Every class is scored in 7-bit integers ([`widemargin_kernels::screening`]) from a copy of the unit class centres that
//!    takes a byte a value. From these scores come the exponentials of the softmax and their sum.
//! 2. Of each sample's competitors a few are kept ([`widemargin_kernels::sieve`]): all whose share of the competitors' sum is
//!    above the threshold `tau`, and of the others one about every `tau` of the sum, which then stands for `tau`. The tail
//!    is not dropped: each of its entries is tiny, but all pull the same way, and a head trained without them lets its
//!    centres drift towards the mean feature. While the sum is not known a guess from a few panels does, too low rather than
//!    too high; what was kept in excess is thinned out when it is.
//! 3. What is kept is scored exactly. A sampled entry stands for `tau` times what its exact exponential is to the screened
//!    one, so the mean over all samples drawn is the exact gradient, and the same quotient corrects the sum.
//! 4. Gradient and optimiser touch the rows that were kept. The others are caught up later ([`crate::lazy`]).
//!
//! With several centres a class the nearest counts ([`several`]): by the screened scores where a class is summed up, by the exact
//! ones where it is kept.
//!
//! Classes are worked through in chunks, each with a random phase of its own, so that they are independent: the result
//! does not depend on the number of threads.

mod entries;
mod screen;
mod several;
mod update;

pub(crate) use entries::RowGradient;
pub(crate) use screen::Screened;

use rayon::prelude::*;
use widemargin_kernels::screening::{PANEL, Panels, Precision};
use widemargin_kernels::vector::dot;
use widemargin_objective::{ClassObjective, NORM_FLOOR, norm};

use crate::lazy::Lazy;
use crate::storage::Values;
use crate::{Error, OptimiserConfig};

/// Panels of a chunk: 1024 rows, or nearly so where classes have several.
pub(crate) const CHUNK_PANELS: usize = 64;

/// Rows that are asked for before they are needed: they lie here and there, and memory takes longer to answer than a row to be worked on.
const ROWS_AHEAD: usize = 2;

/// Share of the competitors' sum from which a class is kept for certain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Threshold {
    /// The same for all.
    Fixed(f64),
    /// As large as the expected error of the gradient allows; see [`threshold_of`].
    BySample,
}

impl From<Option<f64>> for Threshold {
    fn from(threshold: Option<f64>) -> Self {
        threshold.map_or(Self::BySample, Self::Fixed)
    }
}

/// Error that both gradients are expected to have, relative to their norm. What is promised is 2 %, and the sum that it is
/// reckoned from is guessed from a few classes.
const WANTED_ERROR: f64 = 0.017;

/// Thresholds that are chosen: at most `2^14` classes of a sample are kept, and no entry stands for more than `2^-7` of a sum.
const THRESHOLDS: [i32; 2] = [-14, -7];

/// The largest threshold, a power of the root of 2, at which what is sampled has the expected error.
///
/// A class with a share `q` of the sum below `tau` is kept with the probability `q / tau` and then stands for `tau`: its
/// variance is `q (tau - q)`. Unit centres other than the own one are about at right angles, so the gradient of the
/// feature, in units of the push, is off by the root of the sum of these; its own length is at least the sine of the angle to the
/// own centre. The gradient of the centres has the same two parts.
///
/// `exponentials` are some classes' and `times` is how many classes each stands for; `sum` is that of all. They are left as their
/// shares of it.
fn threshold_of(exponentials: &mut [f32], times: f64, sum: f64, target_cosine: f64) -> f64 {
    let sine_square = (1.0 - target_cosine * target_cosine).max(0.05);
    let expected = WANTED_ERROR * WANTED_ERROR * sine_square;
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
    let (mut low, mut high) = (2 * THRESHOLDS[0], 2 * THRESHOLDS[1]);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if variance(tau(middle)) <= expected { low = middle } else { high = middle - 1 }
    }
    tau(low)
}

/// What a screened head has beside its centres.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    pub(crate) panels: Panels,
    pub(crate) lazy: Lazy,
    pub(crate) threshold: Threshold,
}

impl Screen {
    /// Quantises the class centres as they are kept.
    pub(crate) fn new(centres: Values<'_>, dim: usize, threshold: Threshold, lazy: Lazy) -> Self {
        let mut panels = Panels::zeros(centres.len() / dim, dim, Precision::Seven);
        let parts: Vec<_> = panels.iter_mut().enumerate().collect();
        parts.into_par_iter().for_each(|(at, mut panel)| {
            let rows = centres.slice(at * PANEL * dim..centres.len().min((at + 1) * PANEL * dim)).wide();
            for (place, row) in rows.chunks_exact(dim).enumerate() {
                panel.set(place, row, length(row));
            }
        });
        Self { panels, lazy, threshold }
    }

    /// A screen of a head that has made no step.
    pub(crate) fn fresh(
        centres: Values<'_>,
        dim: usize,
        threshold: Threshold,
        optimiser: OptimiserConfig,
    ) -> Self {
        Self::new(centres, dim, threshold, Lazy::new(optimiser, centres.len() / dim))
    }
}

/// Length of a class centre; 0 where it is too short to have a direction.
pub(crate) fn length(row: &[f32]) -> f32 {
    let square = dot(row, row);
    // far from where a square of f32 loses digits
    if square > 1e-20 && square < 1e20 {
        return square.sqrt();
    }
    let norm = norm(row);
    if norm < NORM_FLOOR { 0.0 } else { norm as f32 }
}

/// Whether an objective can be screened: a softmax over cosines, whatever the margin on the target.
pub(crate) fn check_objective(objective: &ClassObjective) -> Result<(), Error> {
    let why = if !(objective.score().is_cosine() && objective.score().normalises_centres()) {
        "cosines, so that every class centre has length one"
    } else if objective.sub_centres() > several::MOST {
        "at most 64 centres a class"
    } else if objective.wants_partitions().is_some() {
        "a scale that does not follow from the sum over all classes"
    } else if !objective.is_softmax() {
        "a softmax whose competitors enter as they are: no hinge, maximum, label smoothing or rule for competitors"
    } else {
        return Ok(());
    };
    Err(Error::NotScreenable { objective: objective.name(), why })
}
