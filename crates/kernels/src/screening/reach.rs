//! Which classes could be near enough to a sample, as far as scores of seven bits can tell.
//!
//! A row and what it is quantised to differ by a vector of known length ([`residual`](super::residual)). For a sample `x` and a class `w` of length one
//! with residuals `a` and `b`, the cosine is at most the screened one plus `a + (1 + a) b`: nothing below a
//! bar by more than that can be above it. So a search that compares again what [`reach`] finds misses nothing.

use super::PANEL;
#[cfg(target_arch = "aarch64")]
use crate::simd::aarch64::Neon;
use crate::simd::{InstructionSet, Lanes, Plain, detected};

/// What one sample asks of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// What an integer score is multiplied by, beside the step of its class, to be a cosine.
    pub factor: f32,
    /// What the residual of a class is multiplied by before it is added.
    pub slack: f32,
    /// A class is found if its cosine and slack together are above this.
    pub least: f32,
}

/// Finds the classes of one panel that reach the bars: pairs of sample and place in the panel go to `found`, in their order.
///
/// `scores` are `[sample][class of the panel]` with at least as many samples as bars; `steps` and `residuals` are those of the
/// classes. A class with a residual of minus infinity is never found.
///
/// # Panics
/// If there are too few scores.
pub fn reach(
    scores: &[i32],
    steps: &[f32; PANEL],
    residuals: &[f32; PANEL],
    bars: &[Bar],
    found: &mut Vec<(u32, u32)>,
) {
    reach_with(detected(), &Panel { scores, steps, residuals }, bars, found);
}

struct Panel<'a> {
    scores: &'a [i32],
    steps: &'a [f32; PANEL],
    residuals: &'a [f32; PANEL],
}

fn reach_with(set: InstructionSet, panel: &Panel<'_>, bars: &[Bar], found: &mut Vec<(u32, u32)>) {
    assert!(panel.scores.len() >= bars.len() * PANEL, "a panel of scores for each sample");
    // SAFETY: `set` is one that this processor has: the detected one, or in the tests an available one; the assertion
    // holds for the reads.
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { lanes::<Neon>(panel, bars, found) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { x86::avx2(panel, bars, found) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { x86::avx512(panel, bars, found) },
        _ => unsafe { lanes::<Plain>(panel, bars, found) },
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Bar, Panel, lanes};
    use crate::simd::x86::{Avx2, Avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(panel: &Panel<'_>, bars: &[Bar], found: &mut Vec<(u32, u32)>) {
        // SAFETY: the features are those of the registers; `reach_with` has checked the lengths.
        unsafe { lanes::<Avx2>(panel, bars, found) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(panel: &Panel<'_>, bars: &[Bar], found: &mut Vec<(u32, u32)>) {
        // SAFETY: as above.
        unsafe { lanes::<Avx512>(panel, bars, found) }
    }
}

/// # Safety
/// The instruction set of `L` must be available, and there must be scores for every bar.
#[inline(always)]
unsafe fn lanes<L: Lanes>(panel: &Panel<'_>, bars: &[Bar], found: &mut Vec<(u32, u32)>) {
    for (sample, bar) in bars.iter().enumerate() {
        // SAFETY: a panel has PANEL scores a sample, PANEL steps and PANEL residuals, and PANEL is a multiple of every COUNT.
        let any = unsafe {
            let (factor, slack, least) = (L::splat(bar.factor), L::splat(bar.slack), L::splat(bar.least));
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
            walk(sample, bar, panel, found);
        }
    }
}

/// Which classes these are, where at least one reaches the bar or comes within a rounding of it.
#[inline(always)]
fn walk(sample: usize, bar: &Bar, panel: &Panel<'_>, found: &mut Vec<(u32, u32)>) {
    let scores: &[i32; PANEL] = panel.scores[sample * PANEL..].first_chunk().expect("PANEL scores a sample");
    let mut reached = [0_u8; PANEL];
    for (place, reached) in reached.iter_mut().enumerate() {
        let cosine = scores[place] as f32 * (panel.steps[place] * bar.factor);
        *reached = u8::from(cosine + panel.residuals[place] * bar.slack > bar.least);
    }
    // one bit a byte
    let mut left = u128::from_le_bytes(reached);
    while left != 0 {
        found.push((sample as u32, left.trailing_zeros() / 8));
        left &= left - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::available;

    #[test]
    fn every_instruction_set_finds_what_the_plain_twin_finds() {
        let samples = 9;
        let scores: Vec<i32> = (0..samples * PANEL).map(|at| ((at * 7919) % 1201) as i32 - 600).collect();
        let steps: [f32; PANEL] = std::array::from_fn(|at| 0.5 + (at % 7) as f32 / 7.0);
        let mut residuals: [f32; PANEL] = std::array::from_fn(|at| (at % 5) as f32);
        residuals[3] = f32::NEG_INFINITY;
        for least in [f32::NEG_INFINITY, -100.5, 0.25, 300.0, 700.0, f32::INFINITY] {
            let bars: Vec<Bar> =
                (0..samples).map(|at| Bar { factor: 0.75 + at as f32 / 8.0, slack: 1.5, least }).collect();
            let expected: Vec<(u32, u32)> = (0..samples * PANEL)
                .filter(|at| {
                    let (sample, place) = (at / PANEL, at % PANEL);
                    let cosine = f64::from(scores[*at]) * f64::from(steps[place] * bars[sample].factor);
                    cosine + f64::from(residuals[place]) * 1.5 > f64::from(least)
                })
                .map(|at| ((at / PANEL) as u32, (at % PANEL) as u32))
                .collect();
            assert!(expected.iter().all(|&(_, place)| place != 3));
            for set in available() {
                let mut found = Vec::new();
                let panel = Panel { scores: &scores, steps: &steps, residuals: &residuals };
                reach_with(set, &panel, &bars, &mut found);
                assert_eq!(found, expected, "{set:?}, least {least}");
            }
        }
    }
}
