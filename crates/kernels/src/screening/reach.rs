//! The classes that could reach a given cosine with a sample, judging from quantised scores.
//!
//! A row differs from its quantised version by a vector of known length, its [`residual`](super::residual). For a unit
//! sample `x` and a unit class `w` with residuals `a` and `b`, the true cosine is at most the screened cosine plus
//! `a + (1 + a) b`. So a search that computes the exact cosine of every class that [`reach`] finds misses none.

use super::PANEL;
use crate::simd::{InstructionSet, Lanes, detected, dispatch};

/// What a class must reach to be found for one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReachBound {
    /// The screened cosine is `factor * (step of the class) * (integer score)`.
    pub factor: f32,
    /// Factor on the residual of a class.
    pub slack: f32,
    /// A class is found if `cosine + slack * residual` is above this.
    pub least: f32,
}

/// Appends to `found` the pairs (sample, place in the panel) of one panel that reach their sample's bound, in order.
///
/// `scores` is `[sample][class of the panel]` with at least as many samples as bounds. `steps` and `residuals` hold
/// one value per class. A class with a residual of minus infinity is never found.
///
/// # Panics
/// If there are too few scores.
pub fn reach(
    scores: &[i32],
    steps: &[f32; PANEL],
    residuals: &[f32; PANEL],
    bounds: &[ReachBound],
    found: &mut Vec<(u32, u32)>,
) {
    reach_with(detected(), &ScreenedPanel { scores, steps, residuals }, bounds, found);
}

struct ScreenedPanel<'a> {
    scores: &'a [i32],
    steps: &'a [f32; PANEL],
    residuals: &'a [f32; PANEL],
}

fn reach_with(
    set: InstructionSet,
    panel: &ScreenedPanel<'_>,
    bounds: &[ReachBound],
    found: &mut Vec<(u32, u32)>,
) {
    assert!(panel.scores.len() >= bounds.len() * PANEL, "every sample needs a panel of scores");
    dispatch!(set, L => fn(panel: &ScreenedPanel<'_>, bounds: &[ReachBound], found: &mut Vec<(u32, u32)>) {
        // SAFETY: the features are those of `L`; the assertion bounds the reads.
        unsafe { reach_lanes::<L>(panel, bounds, found) }
    });
}

/// # Safety
/// The instruction set of `L` must be available, and there must be scores for every bound.
#[inline(always)]
unsafe fn reach_lanes<L: Lanes>(
    panel: &ScreenedPanel<'_>,
    bounds: &[ReachBound],
    found: &mut Vec<(u32, u32)>,
) {
    for (sample, bound) in bounds.iter().enumerate() {
        // SAFETY: a panel has PANEL scores per sample, PANEL steps and PANEL residuals; PANEL is a multiple of every COUNT.
        let any = unsafe {
            let (factor, slack, least) =
                (L::splat(bound.factor), L::splat(bound.slack), L::splat(bound.least));
            let mut any = false;
            for at in (0..PANEL).step_by(L::COUNT) {
                let score = L::from_integers(panel.scores.as_ptr().add(sample * PANEL + at));
                let step = L::load(panel.steps.as_ptr().add(at)).multiply_add(factor, L::zero());
                let slack = L::load(panel.residuals.as_ptr().add(at)).multiply_add(slack, L::zero());
                any |= score.multiply_add(step, slack).any_above(least);
            }
            any
        };
        if any {
            walk(sample, bound, panel, found);
        }
    }
}

/// Finds the classes one by one, for panels in which at least one reaches the bound up to rounding.
#[inline(always)]
fn walk(sample: usize, bound: &ReachBound, panel: &ScreenedPanel<'_>, found: &mut Vec<(u32, u32)>) {
    let scores: &[i32; PANEL] =
        panel.scores[sample * PANEL..].first_chunk().expect("PANEL scores per sample");
    let mut reached = [0_u8; PANEL];
    for (place, reached) in reached.iter_mut().enumerate() {
        let cosine = scores[place] as f32 * (panel.steps[place] * bound.factor);
        *reached = u8::from(cosine + panel.residuals[place] * bound.slack > bound.least);
    }
    // One bit per byte.
    let mut left = u128::from_le_bytes(reached);
    while left != 0 {
        found.push((sample as u32, left.trailing_zeros() / 8));
        left &= left - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_finds_what_the_plain_twin_finds() {
        let samples = 9;
        let scores: Vec<i32> = (0..samples * PANEL).map(|at| ((at * 7919) % 1201) as i32 - 600).collect();
        let steps: [f32; PANEL] = std::array::from_fn(|at| 0.5 + (at % 7) as f32 / 7.0);
        let mut residuals: [f32; PANEL] = std::array::from_fn(|at| (at % 5) as f32);
        residuals[3] = f32::NEG_INFINITY;
        for least in [f32::NEG_INFINITY, -100.5, 0.25, 300.0, 700.0, f32::INFINITY] {
            let bounds: Vec<ReachBound> = (0..samples)
                .map(|at| ReachBound { factor: 0.75 + at as f32 / 8.0, slack: 1.5, least })
                .collect();
            let expected: Vec<(u32, u32)> = (0..samples * PANEL)
                .filter(|at| {
                    let (sample, place) = (at / PANEL, at % PANEL);
                    let cosine = f64::from(scores[*at]) * f64::from(steps[place] * bounds[sample].factor);
                    cosine + f64::from(residuals[place]) * 1.5 > f64::from(least)
                })
                .map(|at| ((at / PANEL) as u32, (at % PANEL) as u32))
                .collect();
            assert!(expected.iter().all(|&(_, place)| place != 3));
            for set in InstructionSet::available() {
                let mut found = Vec::new();
                let panel = ScreenedPanel { scores: &scores, steps: &steps, residuals: &residuals };
                reach_with(set, &panel, &bounds, &mut found);
                assert_eq!(found, expected, "{set:?}, least {least}");
            }
        }
    }
}
