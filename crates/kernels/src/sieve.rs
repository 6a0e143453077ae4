//! Which of a million classes matter to a sample: exponentials of screened scores, summed, and a few of them kept.
//!
//! A class with exponential `e` is kept for certain where `e` is above the sample's step `h`. Below it, it is kept with
//! probability `e / h`, and then stands for `h`: so nothing that is left out is missing on average. Systematic sampling does
//! this without a random number a class: the running sum of `e / h`, started at a random phase, keeps the class at which it
//! passes a whole number.

use crate::exponential::of_exponent;
use crate::screening::PANEL;
#[cfg(target_arch = "aarch64")]
use crate::simd::aarch64::Neon;
use crate::simd::{InstructionSet, Lanes, Plain, detected};

/// One sample on its way through the classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sieve {
    /// What an integer score is multiplied by, beside the step of its class, to be an exponent.
    pub factor: f32,
    /// What is then subtracted from it.
    pub shift: f32,
    /// `h`, above 0.
    pub step: f32,
    /// The running sum's fraction; at first random in `[0, 1)`.
    pub phase: f32,
    /// Class that is left out, the sample's own.
    pub own: u32,
    /// Sum of the exponentials that are at most `h`.
    pub total: f64,
    /// Largest exponential of a panel in which there was one above all before it, with its class.
    pub best: f32,
    /// See `best`; `u32::MAX` before the first.
    pub best_class: u32,
}

/// A class that is kept for a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The class.
    pub class: u32,
    /// The sample.
    pub sample: u32,
    /// What the screened exponential came to.
    pub exponential: f32,
    /// What it stands for: itself, or `h`.
    pub stands_for: f32,
}

/// Takes samples through one panel of classes.
///
/// `scores` are `[sample][class of the panel]` with at least as many samples as sieves, `steps` those of the classes; the
/// panel's classes are `first_class` and the `count - 1` after it.
///
/// # Panics
/// If there are too few scores, or `count` is above [`PANEL`].
pub fn sift(
    scores: &[i32],
    steps: &[f32; PANEL],
    first_class: u32,
    count: usize,
    sieves: &mut [Sieve],
    kept: &mut Vec<Kept>,
) {
    assert!(count <= PANEL, "{count} classes in a panel of {PANEL}");
    sift_with(detected(), &Panel { scores, steps, first_class, count }, sieves, kept);
}

fn sift_with(set: InstructionSet, panel: &Panel<'_>, sieves: &mut [Sieve], kept: &mut Vec<Kept>) {
    assert!(panel.scores.len() >= sieves.len() * PANEL, "a panel of scores for each sample");
    // SAFETY: `set` is one that this processor has: the detected one, or in the tests an available one; the assertion
    // holds for the reads.
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { lanes::<Neon>(panel, sieves, kept) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { x86::avx2(panel, sieves, kept) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { x86::avx512(panel, sieves, kept) },
        _ => unsafe { lanes::<Plain>(panel, sieves, kept) },
    }
}

struct Panel<'a> {
    scores: &'a [i32],
    steps: &'a [f32; PANEL],
    first_class: u32,
    count: usize,
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Kept, Panel, Sieve, lanes};
    use crate::simd::x86::{Avx2, Avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(panel: &Panel<'_>, sieves: &mut [Sieve], kept: &mut Vec<Kept>) {
        // SAFETY: the features are those of the registers; `sift_with` has checked the lengths.
        unsafe { lanes::<Avx2>(panel, sieves, kept) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(panel: &Panel<'_>, sieves: &mut [Sieve], kept: &mut Vec<Kept>) {
        // SAFETY: as above.
        unsafe { lanes::<Avx512>(panel, sieves, kept) }
    }
}

/// # Safety
/// The instruction set of `L` must be available, and there must be scores for every sieve.
#[inline(always)]
unsafe fn lanes<L: Lanes>(panel: &Panel<'_>, sieves: &mut [Sieve], kept: &mut Vec<Kept>) {
    for (sample, sieve) in sieves.iter_mut().enumerate() {
        let own = sieve.own.wrapping_sub(panel.first_class) as usize;
        let mut exponentials = [0.0_f32; PANEL];
        // SAFETY: a panel has PANEL scores a sample and PANEL steps, and PANEL is a multiple of every COUNT.
        unsafe {
            let (factor, shift) = (L::splat(sieve.factor), L::splat(-sieve.shift));
            let (bar, best) = (L::splat(sieve.step), L::splat(sieve.best));
            let (mut sum, mut above, mut better) = (L::zero(), false, false);
            for at in (0..PANEL).step_by(L::COUNT) {
                let score = L::from_integers(panel.scores.as_ptr().add(sample * PANEL + at));
                let step = L::load(panel.steps.as_ptr().add(at)).multiply_add(factor, L::zero());
                let (_, exponential) = of_exponent::<L>(score.multiply_add(step, shift));
                sum = exponential.multiply_add(L::splat(1.0), sum);
                above |= exponential.any_above(bar);
                better |= exponential.any_above(best);
                exponential.store(exponentials.as_mut_ptr().add(at));
            }
            let sum = sum.sum();
            let quiet = !above && !better && own >= PANEL && panel.count == PANEL;
            if quiet && sieve.phase + sum / sieve.step < 1.0 {
                sieve.phase += sum / sieve.step;
                sieve.total += f64::from(sum);
                continue;
            }
        }
        sieve.walk(sample as u32, panel, &exponentials, own, kept);
    }
}

impl Sieve {
    /// One class after the other, where something is to be kept or left out.
    fn walk(
        &mut self,
        sample: u32,
        panel: &Panel<'_>,
        exponentials: &[f32; PANEL],
        own: usize,
        kept: &mut Vec<Kept>,
    ) {
        let step = self.step;
        let mut total = 0.0;
        for (place, &exponential) in exponentials[..panel.count].iter().enumerate() {
            if place == own {
                continue;
            }
            let class = panel.first_class + place as u32;
            if exponential > self.best || self.best_class == u32::MAX {
                (self.best, self.best_class) = (exponential, class);
            }
            if exponential > step {
                kept.push(Kept { class, sample, exponential, stands_for: exponential });
                continue;
            }
            total += exponential;
            self.phase += exponential / step;
            if self.phase >= 1.0 {
                self.phase -= 1.0;
                kept.push(Kept { class, sample, exponential, stands_for: step });
            }
        }
        self.total += f64::from(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::available;

    fn sieve(step: f32, phase: f32, own: u32) -> Sieve {
        Sieve { factor: 0.01, shift: 0.5, step, phase, own, total: 0.0, best: 0.0, best_class: u32::MAX }
    }

    fn scores(samples: usize, panels: usize) -> Vec<i32> {
        (0..samples * panels * PANEL).map(|at| ((at * 7919) % 1201) as i32 - 600).collect()
    }

    /// The same steps in plain words, in f64.
    fn twin(scores: &[i32], steps: &[f32], count: usize, start: Sieve) -> (f64, Vec<u32>) {
        let (mut total, mut phase, mut kept) = (0.0, f64::from(start.phase), Vec::new());
        for class in (0..count).filter(|&class| class as u32 != start.own) {
            let exponent = f64::from(scores[class]) * f64::from(steps[class]) * 0.01 - 0.5;
            let (exponential, step) = (exponent.exp(), f64::from(start.step));
            if exponential > step {
                kept.push(class as u32);
                continue;
            }
            total += exponential;
            phase += exponential / step;
            if phase >= 1.0 {
                phase -= 1.0;
                kept.push(class as u32);
            }
        }
        (total, kept)
    }

    #[test]
    fn every_instruction_set_keeps_what_the_plain_twin_keeps() {
        let (panels, samples) = (5, 3);
        let classes = panels * PANEL - 3;
        let steps: Vec<f32> = (0..panels * PANEL).map(|at| 0.5 + (at % 7) as f32 / 7.0).collect();
        let all = scores(samples, panels);
        for set in available() {
            let starts = [sieve(20.0, 0.25, 7), sieve(500.0, 0.5, 40), sieve(1e9, 0.75, u32::MAX)];
            let (mut sieves, mut kept) = (starts, Vec::new());
            for (at, scores) in all.chunks_exact(samples * PANEL).enumerate() {
                let panel = Panel {
                    scores,
                    steps: steps[at * PANEL..][..PANEL].try_into().expect("a panel of steps"),
                    first_class: (at * PANEL) as u32,
                    count: PANEL.min(classes - at * PANEL),
                };
                sift_with(set, &panel, &mut sieves, &mut kept);
            }
            for (sample, (sieve, start)) in sieves.iter().zip(starts).enumerate() {
                let own_scores: Vec<i32> = all
                    .chunks_exact(PANEL)
                    .enumerate()
                    .filter(|(at, _)| at % samples == sample)
                    .flat_map(|(_, scores)| scores.to_vec())
                    .collect();
                let (total, expected) = twin(&own_scores, &steps, classes, start);
                let found: Vec<u32> = kept
                    .iter()
                    .filter(|kept| kept.sample as usize == sample)
                    .map(|kept| kept.class)
                    .collect();
                assert_eq!(found, expected, "{set:?}, sample {sample}");
                assert!((sieve.total / total - 1.0).abs() < 1e-5, "{set:?}: {} {total}", sieve.total);
                let largest = (0..classes).filter(|&class| class as u32 != start.own).max_by(|&a, &b| {
                    let of = |at: usize| own_scores[at] as f32 * steps[at];
                    of(a).total_cmp(&of(b))
                });
                assert_eq!(sieve.best_class as usize, largest.expect("classes"), "{set:?}");
            }
        }
    }

    /// Over all phases the sum of what is kept is the sum of all.
    #[test]
    fn on_average_nothing_is_missing() {
        let steps = [1.0; PANEL];
        let all = scores(1, 40);
        let phases = 1000;
        let (mut stands_for, mut total) = (0.0, 0.0);
        for phase in 0..phases {
            let mut sieves = [sieve(400.0, (phase as f32 + 0.5) / phases as f32, u32::MAX)];
            let mut kept = Vec::new();
            for (at, scores) in all.chunks_exact(PANEL).enumerate() {
                sift(scores, &steps, (at * PANEL) as u32, PANEL, &mut sieves, &mut kept);
            }
            let tail = kept.iter().filter(|kept| kept.exponential <= 400.0);
            stands_for += tail.map(|kept| f64::from(kept.stands_for)).sum::<f64>() / f64::from(phases);
            total = sieves[0].total;
        }
        assert!(total > 400.0, "{total}: something to sample");
        assert!((stands_for / total - 1.0).abs() < 1e-2, "{stands_for} {total}");
    }
}
