//! Selection of the classes that matter to a sample, among millions: it sums the exponentials of all screened scores and
//! keeps a few classes.
//!
//! A class with exponential `e` above the sample's step `h` is always kept. Any other class is kept with probability
//! `e / h`, with weight `h`, so the expected sum over the kept classes is the sum over all. Systematic sampling does this
//! without a random number per class: the running sum of `e / h` starts at a random phase, and the class at which it
//! passes an integer is kept.

use crate::exponential::of_exponent;
use crate::screening::PANEL;
use crate::simd::{InstructionSet, Lanes, detected, dispatch};

/// The selection for one sample: its parameters and its running sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sieve {
    /// The exponent of a class is `factor * (step of the class) * (integer score) - shift`.
    pub factor: f32,
    /// See `factor`.
    pub shift: f32,
    /// `h`, above 0.
    pub step: f32,
    /// Fractional part of the running sum; initially random in `[0, 1)`.
    pub phase: f32,
    /// The target class, which is skipped.
    pub target: u32,
    /// Sum of the exponentials that are at most `h`.
    pub total: f64,
    /// Largest exponential so far.
    pub best: f32,
    /// Class of `best`; `u32::MAX` before the first.
    pub best_class: u32,
}

/// A class kept for a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The class.
    pub class: u32,
    /// The sample.
    pub sample: u32,
    /// Its screened exponential.
    pub exponential: f32,
    /// Its weight in the estimated sum: the exponential, or `h` if the class was sampled.
    pub stands_for: f32,
}

/// Runs one panel of classes through the selection of every sample, and appends the kept classes to `kept`.
///
/// `scores` is `[sample][class of the panel]` with at least as many samples as sieves. `steps` holds the step of each
/// class. The panel's classes are `first_class` and the `count - 1` after it.
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
    sift_with(detected(), &ScoredPanel { scores, steps, first_class, count }, sieves, kept);
}

fn sift_with(set: InstructionSet, panel: &ScoredPanel<'_>, sieves: &mut [Sieve], kept: &mut Vec<Kept>) {
    assert!(panel.scores.len() >= sieves.len() * PANEL, "every sample needs a panel of scores");
    dispatch!(set, L => fn(panel: &ScoredPanel<'_>, sieves: &mut [Sieve], kept: &mut Vec<Kept>) {
        // SAFETY: the features are those of `L`; the assertion bounds the reads.
        unsafe { sift_lanes::<L>(panel, sieves, kept) }
    });
}

struct ScoredPanel<'a> {
    scores: &'a [i32],
    steps: &'a [f32; PANEL],
    first_class: u32,
    count: usize,
}

/// # Safety
/// The instruction set of `L` must be available, and there must be scores for every sieve.
#[inline(always)]
unsafe fn sift_lanes<L: Lanes>(panel: &ScoredPanel<'_>, sieves: &mut [Sieve], kept: &mut Vec<Kept>) {
    for (sample, sieve) in sieves.iter_mut().enumerate() {
        let target = sieve.target.wrapping_sub(panel.first_class) as usize;
        let mut exponentials = [0.0_f32; PANEL];
        // SAFETY: a panel has PANEL scores per sample and PANEL steps; PANEL is a multiple of every COUNT.
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
            // The common case: no class of this panel can be kept or must be skipped.
            let plain = !above && !better && target >= PANEL && panel.count == PANEL;
            if plain && sieve.phase + sum / sieve.step < 1.0 {
                sieve.phase += sum / sieve.step;
                sieve.total += f64::from(sum);
                continue;
            }
        }
        sieve.walk(sample as u32, panel, &exponentials, target, kept);
    }
}

impl Sieve {
    /// Visits the classes one by one, for panels in which a class may be kept or is skipped.
    fn walk(
        &mut self,
        sample: u32,
        panel: &ScoredPanel<'_>,
        exponentials: &[f32; PANEL],
        target: usize,
        kept: &mut Vec<Kept>,
    ) {
        let step = self.step;
        let mut total = 0.0;
        for (place, &exponential) in exponentials[..panel.count].iter().enumerate() {
            if place == target {
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

    fn sieve(step: f32, phase: f32, target: u32) -> Sieve {
        Sieve { factor: 0.01, shift: 0.5, step, phase, target, total: 0.0, best: 0.0, best_class: u32::MAX }
    }

    fn scores(samples: usize, panels: usize) -> Vec<i32> {
        (0..samples * panels * PANEL).map(|at| ((at * 7919) % 1201) as i32 - 600).collect()
    }

    /// The same selection, written plainly in f64.
    fn twin(scores: &[i32], steps: &[f32], count: usize, start: Sieve) -> (f64, Vec<u32>) {
        let (mut total, mut phase, mut kept) = (0.0, f64::from(start.phase), Vec::new());
        for class in (0..count).filter(|&class| class as u32 != start.target) {
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
    fn every_instruction_set_keeps_the_classes_of_the_plain_twin() {
        let (panels, samples) = (5, 3);
        let classes = panels * PANEL - 3;
        let steps: Vec<f32> = (0..panels * PANEL).map(|at| 0.5 + (at % 7) as f32 / 7.0).collect();
        let all = scores(samples, panels);
        for set in InstructionSet::available() {
            let starts = [sieve(20.0, 0.25, 7), sieve(500.0, 0.5, 40), sieve(1e9, 0.75, u32::MAX)];
            let (mut sieves, mut kept) = (starts, Vec::new());
            for (at, scores) in all.chunks_exact(samples * PANEL).enumerate() {
                let panel = ScoredPanel {
                    scores,
                    steps: steps[at * PANEL..][..PANEL].try_into().expect("a panel of steps"),
                    first_class: (at * PANEL) as u32,
                    count: PANEL.min(classes - at * PANEL),
                };
                sift_with(set, &panel, &mut sieves, &mut kept);
            }
            for (sample, (sieve, start)) in sieves.iter().zip(starts).enumerate() {
                let sample_scores: Vec<i32> = all
                    .chunks_exact(PANEL)
                    .enumerate()
                    .filter(|(at, _)| at % samples == sample)
                    .flat_map(|(_, scores)| scores.to_vec())
                    .collect();
                let (total, expected) = twin(&sample_scores, &steps, classes, start);
                let found: Vec<u32> = kept
                    .iter()
                    .filter(|kept| kept.sample as usize == sample)
                    .map(|kept| kept.class)
                    .collect();
                assert_eq!(found, expected, "{set:?}, sample {sample}");
                assert!((sieve.total / total - 1.0).abs() < 1e-5, "{set:?}: {} {total}", sieve.total);
                let largest = (0..classes).filter(|&class| class as u32 != start.target).max_by(|&a, &b| {
                    let of = |at: usize| sample_scores[at] as f32 * steps[at];
                    of(a).total_cmp(&of(b))
                });
                assert_eq!(sieve.best_class as usize, largest.expect("classes"), "{set:?}");
            }
        }
    }

    /// Averaged over all phases, the kept weights add up to the sum over all classes.
    #[test]
    fn the_kept_weights_are_an_unbiased_estimate() {
        let steps = [1.0; PANEL];
        let all = scores(1, 40);
        let phases = 1000;
        let (mut estimate, mut total) = (0.0, 0.0);
        for phase in 0..phases {
            let mut sieves = [sieve(400.0, (phase as f32 + 0.5) / phases as f32, u32::MAX)];
            let mut kept = Vec::new();
            for (at, scores) in all.chunks_exact(PANEL).enumerate() {
                sift(scores, &steps, (at * PANEL) as u32, PANEL, &mut sieves, &mut kept);
            }
            let tail = kept.iter().filter(|kept| kept.exponential <= 400.0);
            estimate += tail.map(|kept| f64::from(kept.stands_for)).sum::<f64>() / f64::from(phases);
            total = sieves[0].total;
        }
        assert!(total > 400.0, "{total}: nothing would be sampled");
        assert!((estimate / total - 1.0).abs() < 1e-2, "{estimate} {total}");
    }
}
