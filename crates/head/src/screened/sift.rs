//! The first half of the forward pass: all classes are scored roughly, and a few per sample are kept.

use std::ops::Range;

use rayon::prelude::*;
use widemargin_chance::{Purpose, number};
use widemargin_kernels::exponential::{AffineExponent, weights};
use widemargin_kernels::screening::{BLOCK, PANEL, Panels, Probes};
use widemargin_kernels::sieve::{Kept, Sieve, sift};
use widemargin_objective::BatchPoints;

use super::several::{counts, keep_nearest, live_step, panels_of_chunk};
use super::threshold::{Threshold, threshold_of};
use crate::centres::GROUPS;
use crate::error::Error;

/// Panels from which a sample's sum is estimated before the pass, or one panel in this many if that is more.
const PROBED_PANELS: usize = 64;

/// Panels that are scored together where a class has one centre.
const PANELS_TOGETHER: usize = 8;

/// Exponents up to this leave room for a sum in `f32`.
const SAFE_EXPONENT: f64 = 60.0;

/// How a sample's exponentials are computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Exponents are `sharpness (cosine - centre)`.
    pub(super) sharpness: f64,
    pub(super) centre: f64,
    /// Share of the non-target sum from which a class is certainly kept.
    threshold: f64,
    /// Exponential from which a class is certainly kept: the threshold times the estimated and later the screened sum.
    pub(super) step: f64,
    target: u32,
}

impl Frame {
    /// Replaces the estimate of the sum by the screened sum. The step never shrinks: classes below the old one were dropped.
    pub(super) fn know_sum(&mut self, screened_sum: f64) {
        self.step = self.step.max(self.threshold * screened_sum);
    }
}

/// Sums over a sample's non-target classes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// Screened exponentials of all classes.
    pub(super) screened_sum: f64,
    /// Change of the sum by the exact exponentials of the kept classes.
    pub(super) change: f64,
    /// `sum a e^a` over the kept classes.
    pub(super) moment: f64,
    /// Screened exponentials of the kept classes: the part of the sum that is known exactly.
    pub(super) seen: f64,
    /// Number of classes that were certainly kept.
    pub(super) certain: u32,
    /// The largest exact cosine and its class.
    pub(super) nearest: (f32, u32),
    /// The largest screened cosine and its class.
    screened: (f32, u32),
}

impl Default for Sums {
    fn default() -> Self {
        let none = (f32::NEG_INFINITY, u32::MAX);
        Self {
            screened_sum: 0.0,
            change: 0.0,
            moment: 0.0,
            seen: 0.0,
            certain: 0,
            nearest: none,
            screened: none,
        }
    }
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.screened_sum += other.screened_sum;
        self.change += other.change;
        self.moment += other.moment;
        self.seen += other.seen;
        self.certain += other.certain;
        for (mine, theirs) in [(&mut self.nearest, other.nearest), (&mut self.screened, other.screened)] {
            if theirs.0 > mine.0 {
                *mine = theirs;
            }
        }
    }

    pub(super) fn partition(&self) -> f64 {
        (self.screened_sum + self.change).max(0.0)
    }

    /// The nearest non-target class: by exact scores if a class was certainly kept, otherwise by screened scores, because then
    /// no class stands out.
    pub(super) fn largest(&self) -> (f32, u32) {
        if self.certain > 0 { self.nearest } else { self.screened }
    }
}

/// The classes kept from a group of chunks by their screened scores.
pub(super) struct Sifted {
    pub(super) chunks: Vec<Vec<Kept>>,
    sums: Vec<Sums>,
}

/// The kept classes, and the frame and sums of each sample.
pub(super) struct Selection {
    pub(super) frames: Vec<Frame>,
    pub(super) sifted: Vec<Sifted>,
    pub(super) sums: Vec<Sums>,
}

/// Scores classes by their 7-bit copies.
#[derive(Clone, Copy)]
pub(super) struct Sifter<'a> {
    pub(super) panels: &'a Panels,
    pub(super) threshold: Threshold,
    pub(super) classes: usize,
    pub(super) per_class: usize,
    /// Seed of this step's random phases.
    pub(super) seed: u64,
}

impl Sifter<'_> {
    /// Scores every class and keeps a few per sample.
    pub(super) fn keep(
        &self,
        points: &BatchPoints,
        probes: &Probes,
        labels: &[u32],
        target_cosines: &[f64],
    ) -> Result<Selection, Error> {
        let mut frames = self.frames(points, probes, labels, target_cosines)?;
        let (mut sifted, mut sums) = self.sift(probes, &frames);
        // a class was far nearer than all probed ones: base the exponents on it and repeat
        while raise(&mut frames, &sums) {
            (sifted, sums) = self.sift(probes, &frames);
        }
        for (frame, sums) in frames.iter_mut().zip(&sums) {
            frame.know_sum(sums.screened_sum);
        }
        Ok(Selection { frames, sifted, sums })
    }

    /// Chooses each sample's exponents and step from a few panels spread over all classes.
    fn frames(
        &self,
        points: &BatchPoints,
        probes: &Probes,
        labels: &[u32],
        target_cosines: &[f64],
    ) -> Result<Vec<Frame>, Error> {
        let (panels, per_class) = (self.panels, self.per_class);
        let groups = panels.count().div_ceil(per_class);
        let count = PROBED_PANELS.div_ceil(per_class).max(groups / PROBED_PANELS).min(groups);
        let samples = probes.rows().next_multiple_of(BLOCK);
        let size = (samples * PANEL).max(1);
        let mut scores = vec![0; count * per_class * size];
        let chosen: Vec<usize> = (0..count).map(|at| at * groups / count * per_class).collect();
        let parts = chosen.par_iter().zip(scores.par_chunks_mut(per_class * size));
        parts.for_each(|(&first, scores)| {
            self.score(first, probes, scores, labels.iter().copied());
        });
        labels
            .par_iter()
            .enumerate()
            .map_init(
                || Vec::with_capacity(count * PANEL),
                |cosines, (sample, &target)| {
                    let sharpness = points.point(sample).softmax_sharpness().ok_or(Error::NotScreenable {
                        objective: "this objective",
                        why: "a softmax for every sample",
                    })?;
                    cosines.clear();
                    for (&first, scores) in chosen.iter().zip(scores.chunks(per_class * size)) {
                        for (panel, scores) in self.together(first).zip(scores.chunks(size)) {
                            let scores = &scores[sample * PANEL..(sample + 1) * PANEL];
                            for (place, (score, step)) in scores.iter().zip(panels.steps(panel)).enumerate() {
                                let row = panel * PANEL + place;
                                if row < panels.rows() && row / per_class != target as usize && counts(*score)
                                {
                                    cosines.push(*score as f32 * step * probes.step(sample));
                                }
                            }
                        }
                    }
                    let centre = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let centre = if centre.is_finite() { f64::from(centre) } else { 0.0 };
                    let times = self.classes as f64 / cosines.len().max(1) as f64;
                    weights(cosines, AffineExponent { slope: sharpness as f32, centre: centre as f32 }, 1.0);
                    let exponentials = cosines;
                    let sum: f64 = exponentials.iter().map(|&exponential| f64::from(exponential)).sum();
                    // a few that stand out say little about the classes that were not probed
                    let bound = (sum / 8.0) as f32;
                    let usual: f64 = exponentials.iter().map(|&one| f64::from(one.min(bound))).sum();
                    let all = (usual * times).max(sum).max(f64::from(f32::MIN_POSITIVE));
                    let threshold = match self.threshold {
                        Threshold::Fixed(threshold) => threshold,
                        Threshold::BySample(limit) => {
                            threshold_of(limit, exponentials, times, all, target_cosines[sample])
                        }
                    };
                    Ok(Frame { sharpness, centre, threshold, step: threshold * all, target })
                },
            )
            .collect()
    }

    /// Passes every class through the sieve by its screened score.
    fn sift(&self, probes: &Probes, frames: &[Frame]) -> (Vec<Sifted>, Vec<Sums>) {
        let chunks = self.panels.count().div_ceil(panels_of_chunk(self.per_class));
        let per_group = chunks.div_ceil(GROUPS).max(1);
        let starts: Vec<usize> = (0..chunks).step_by(per_group).collect();
        let sifted: Vec<Sifted> = starts
            .into_par_iter()
            .map(|start| {
                let samples = probes.rows().next_multiple_of(BLOCK);
                let mut scores = vec![0; self.scored_together() * samples * PANEL];
                let mut sums = vec![Sums::default(); frames.len()];
                let chunks = (start..chunks.min(start + per_group))
                    .map(|chunk| self.sift_chunk(chunk, probes, frames, &mut scores, &mut sums))
                    .collect();
                Sifted { chunks, sums }
            })
            .collect();
        let mut sums = vec![Sums::default(); frames.len()];
        for group in &sifted {
            sums.iter_mut().zip(&group.sums).for_each(|(sums, group)| sums.add(group));
        }
        (sifted, sums)
    }

    fn sift_chunk(
        &self,
        chunk: usize,
        probes: &Probes,
        frames: &[Frame],
        scores: &mut [i32],
        sums: &mut [Sums],
    ) -> Vec<Kept> {
        let (panels, per_class) = (self.panels, self.per_class);
        let mut kept = Vec::new();
        let mut sieves: Vec<Sieve> = frames
            .iter()
            .enumerate()
            .map(|(sample, frame)| Sieve {
                factor: (frame.sharpness * f64::from(live_step(probes.step(sample)))) as f32,
                shift: (frame.sharpness * frame.centre) as f32,
                step: frame.step as f32,
                phase: phase(self.seed, chunk, sample, Draw::Sieve),
                // with several centres per class the target's scores are gone already
                target: if per_class == 1 { frame.target } else { u32::MAX },
                total: 0.0,
                best: 0.0,
                best_class: u32::MAX,
            })
            .collect();
        let of_chunk = panels_of_chunk(per_class);
        let together = self.scored_together();
        let size = scores.len() / together;
        let end = panels.count().min((chunk + 1) * of_chunk);
        for first in (chunk * of_chunk..end).step_by(together) {
            if per_class == 1 {
                let range = first..end.min(first + together);
                panels.score(range.clone(), probes, &mut scores[..range.len() * size]);
            } else {
                self.score(first, probes, scores, frames.iter().map(|frame| frame.target));
            }
            for (panel, scores) in (first..end.min(first + together)).zip(scores.chunks_exact(size.max(1))) {
                let mut steps = *panels.steps(panel).first_chunk().expect("a panel has PANEL steps");
                if per_class > 1 {
                    steps = steps.map(live_step);
                }
                let count = PANEL.min(panels.rows() - panel * PANEL);
                sift(scores, &steps, (panel * PANEL) as u32, count, &mut sieves, &mut kept);
            }
        }
        for kept in kept.iter().filter(|kept| kept.stands_for == kept.exponential) {
            sums[kept.sample as usize].screened_sum += f64::from(kept.exponential);
        }
        for ((sieve, sums), frame) in sieves.iter().zip(sums).zip(frames) {
            sums.screened_sum += sieve.total;
            if sieve.best_class != u32::MAX {
                let cosine = (frame.centre + f64::from(sieve.best).ln() / frame.sharpness) as f32;
                if cosine > sums.screened.0 || sums.screened.1 == u32::MAX {
                    sums.screened = (cosine.max(-1.0), sieve.best_class / per_class as u32);
                }
            }
        }
        kept
    }

    /// Panels scored before any score is read. With one centre per class several, so that the kernels can keep samples in
    /// registers; their scores stay in the second-level cache.
    fn scored_together(&self) -> usize {
        if self.per_class == 1 { PANELS_TOGETHER } else { self.per_class }
    }

    /// The panels that hold whole classes together: one, or with several centres per class the panels of sixteen classes.
    fn together(&self, first: usize) -> Range<usize> {
        first..self.panels.count().min(first + self.per_class)
    }

    /// Scores the panels that hold whole classes from `first` on. With several centres per class only the nearest counts, and
    /// the centres of a sample's target class do not.
    fn score(
        &self,
        first: usize,
        probes: &Probes,
        scores: &mut [i32],
        targets: impl ExactSizeIterator<Item = u32>,
    ) {
        let (panels, per_class) = (self.panels, self.per_class);
        let together = self.together(first);
        let scores = &mut scores[..together.len() * probes.rows().next_multiple_of(BLOCK) * PANEL];
        panels.score(together.clone(), probes, scores);
        if per_class > 1 {
            let first_class = first * PANEL / per_class;
            let classes = PANEL.min(self.classes - first_class);
            let steps: Vec<f32> = together.flat_map(|panel| panels.steps(panel)).copied().collect();
            keep_nearest(scores, &steps, first_class, classes, per_class, targets);
        }
    }
}

/// Moves the frames of samples whose exponentials grew too large to the nearest class found; returns whether there were any.
fn raise(frames: &mut [Frame], sums: &[Sums]) -> bool {
    let mut any = false;
    for (frame, sums) in frames.iter_mut().zip(sums) {
        let above = frame.sharpness * (f64::from(sums.screened.0) - frame.centre);
        if sums.screened.1 == u32::MAX || above <= SAFE_EXPONENT {
            continue;
        }
        // exponentials end at e^88: the nearest class may be nearer still, and is found in the next round
        frame.centre += above / frame.sharpness;
        frame.step *= (-above).exp();
        frame.step = frame.step.max(f64::from(f32::MIN_POSITIVE));
        any = true;
    }
    any
}

/// The two random phases of a sample in a chunk.
#[derive(Clone, Copy)]
pub(super) enum Draw {
    /// Where the sieve's systematic sampling starts.
    Sieve = 0,
    /// Where the thinning starts.
    Thinning = 1,
}

/// A random number in `[0, 1)` for each step (`seed`), chunk, sample and draw.
pub(super) fn phase(seed: u64, chunk: usize, sample: usize, draw: Draw) -> f32 {
    let bits = number(seed, Purpose::ScreenedTail, chunk as u64, 2 * sample as u64 + draw as u64);
    (bits >> 40) as f32 / (1_u64 << 24) as f32
}
