//! The forward pass: score all classes roughly, keep a few, score those exactly.

use rayon::prelude::*;
use widemargin_kernels::exponential::{AffineExponent, weights};
use widemargin_kernels::screening::{BLOCK, PANEL, Panels, Precision, Probes};
use widemargin_kernels::sieve::{Kept, Sieve, sift};
use widemargin_kernels::vector::{add_scaled, dot};
use widemargin_objective::{
    BatchFacts, BatchPoints, ClassObjective, MatRef, PointOutcome, PointPass, SummedCompetitors,
};

use super::entries::{ChunkEntries, Entry, Own, RowGradient, Touched};
use super::several::{counts, keep_nearest, live_step, panels_of_chunk};
use super::{ROWS_AHEAD, Screen, Threshold, length, threshold_of};
use crate::batch::{Active, Batch, Targets};
use crate::forward::{CentreGradient, add_norm_losses, by_features};
use crate::storage::mixed;
use crate::tile::{Centres, GROUPS};
use crate::{Error, HeadEvaluation, HeadForward, PendingUpdate, Screening};

/// Panels from which a sample's sum is guessed before the pass; or one in as many, if that is more.
const PROBED_PANELS: usize = 64;

/// Panels that are scored at once where a class has one centre.
const PANELS_TOGETHER: usize = 8;

/// Exponents that leave room for a sum in `f32`.
const SAFE_EXPONENT: f64 = 60.0;

/// A screened head as the forward pass sees it.
#[derive(Clone, Copy)]
pub(crate) struct Screened<'a> {
    pub(crate) centres: Centres<'a>,
    pub(crate) screen: &'a Screen,
    /// Tells the random phases of one step from those of another.
    pub(crate) seed: u64,
}

/// What the pass leaves: all that loss and gradients are made of.
pub(crate) struct ScreenedPass {
    pub(crate) outcomes: Vec<PointOutcome<f32>>,
    pub(crate) points: BatchPoints,
    pub(crate) targets: Targets,
    /// Gradient of the mean loss by the unit features, `[batch, dim]`.
    pub(crate) grad_units: Vec<f32>,
    pub(crate) rows: RowGradient,
    /// Share of the competitors' sum that no exact score stands for, the mean over the batch.
    pub(crate) left_out: f64,
}

/// How a sample's exponentials are taken.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Exponents are `sharpness (cosine - centre)`.
    sharpness: f64,
    centre: f64,
    /// Share of the competitors' sum from which a class is kept for certain.
    threshold: f64,
    /// Exponential from which a class is kept for certain: a guess at the threshold times the sum, then that.
    step: f64,
    own: u32,
}

/// A sample's competitors, added up.
#[derive(Clone, Copy, Debug)]
struct Sums {
    /// Screened exponentials of all competitors.
    screened_sum: f64,
    /// What the exact exponentials of what was kept change in it.
    change: f64,
    /// `sum a e^a`, from what was kept.
    moment: f64,
    /// Screened exponentials of what was kept: the part of the sum that is known exactly.
    seen: f64,
    /// Classes that were kept for certain.
    certain: u32,
    /// The largest exact cosine and its class.
    nearest: (f32, u32),
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
    fn add(&mut self, other: &Self) {
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

    fn partition(&self) -> f64 {
        (self.screened_sum + self.change).max(0.0)
    }

    /// The largest competitor: exact where the screened scores' first is among what was kept, screened where no class
    /// stands out enough to be kept for certain.
    fn largest(&self) -> (f32, u32) {
        if self.certain > 0 { self.nearest } else { self.screened }
    }
}

/// What was kept of a group of chunks by their screened scores.
struct Sifted {
    chunks: Vec<Vec<Kept>>,
    sums: Vec<Sums>,
}

/// What a group of chunks adds.
struct Group {
    chunks: Vec<ChunkEntries>,
    sums: Vec<Sums>,
    /// `sum weight u` for each sample.
    pulls: Vec<f32>,
}

impl Screened<'_> {
    /// Loss, diagnostics and both gradients.
    pub(crate) fn forward(
        &self,
        objective: &ClassObjective,
        features: MatRef<'_>,
        labels: &[u32],
        step: u64,
    ) -> Result<HeadForward, Error> {
        self.centres.check(features, labels, objective.ignore_label())?;
        if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
            let found = self.forward(objective, active.features()?, &active.labels, step)?;
            return Ok(active.with_ignored(found));
        }
        let batch = Batch::new(features, objective.score());
        let mut pass = self.pass(objective, &batch, features, labels)?;
        let HeadEvaluation { loss, losses, diagnostics } = Centres::summary(&pass.outcomes, &pass.targets);
        let mut grad_features = std::mem::take(&mut pass.grad_units);
        let ScreenedPass { targets, points, outcomes, .. } = &pass;
        by_features(&mut grad_features, &batch, targets, points, outcomes, features, labels)?;
        let learnt = objective.learnt().map(|_| {
            let sum: f64 = pass.outcomes.iter().map(|outcome| f64::from(outcome.learnt_slope)).sum();
            (sum / labels.len().max(1) as f64) as f32
        });
        let entries = labels.len() as f64 * self.centres.classes() as f64;
        let screening = Screening {
            kept: if entries > 0.0 { pass.rows.kept() as f64 / entries } else { 0.0 },
            left_out: pass.left_out,
        };
        let pending = PendingUpdate {
            gradient: CentreGradient::Rows(Box::new(pass.rows)),
            step,
            learnt,
            next_state: pass.points.next_state(),
        };
        Ok(HeadForward { loss, losses, grad_features, diagnostics, screening: Some(screening), pending })
    }

    fn panels(&self) -> &Panels {
        &self.screen.panels
    }

    /// Loss and gradients of a batch that has been checked.
    pub(crate) fn pass(
        &self,
        objective: &ClassObjective,
        batch: &Batch,
        features: MatRef<'_>,
        labels: &[u32],
    ) -> Result<ScreenedPass, Error> {
        let targets = self.centres.targets(batch, features, labels);
        let points = objective.points(&BatchFacts {
            labels,
            feature_norms: &targets.feature_norms,
            target_cosines: &targets.cosines,
            log_partitions: None,
        })?;
        let probes = Probes::new(&batch.units, batch.dim, Precision::Seven);
        let mut frames = self.frames(&points, &probes, labels, &targets.cosines)?;
        let (mut sifted, mut sums) = self.sift(&probes, &frames);
        // a class far nearer than all that were probed: take the exponents from it and go again
        while raised(&mut frames, &sums) {
            (sifted, sums) = self.sift(&probes, &frames);
        }
        for (frame, sums) in frames.iter_mut().zip(&sums) {
            frame.step = frame.step.max(frame.threshold * sums.screened_sum);
        }
        let groups = self.rescore(batch, &frames, sifted);
        for group in &groups {
            sums.iter_mut().zip(&group.sums).for_each(|(sums, group)| sums.add(group));
        }

        let mut outcomes: Vec<PointOutcome<f32>> = (0..labels.len())
            .map(|sample| {
                let (frame, sums) = (&frames[sample], &sums[sample]);
                let point = points.point(sample);
                let mut pass: PointPass<f32> =
                    point.row_pass_at(labels[sample] as usize, targets.similarities[sample], 1.0);
                let (largest, class) = sums.largest();
                pass.observe_summed(&SummedCompetitors {
                    largest,
                    largest_class: class as usize,
                    centre: frame.centre as f32,
                    sum: sums.partition(),
                    moment: sums.moment,
                    count: if class == u32::MAX { 0 } else { self.centres.classes() - 1 },
                });
                pass.finish()
            })
            .collect();
        add_norm_losses(&mut outcomes, &points, labels)?;
        Ok(self.finish(batch, labels, outcomes, points, targets, &frames, &sums, groups))
    }

    /// Shares, gradients and what is left out, once every sum is known.
    #[expect(clippy::too_many_arguments, reason = "the end of one function, cut off to be read by itself")]
    fn finish(
        &self,
        batch: &Batch,
        labels: &[u32],
        outcomes: Vec<PointOutcome<f32>>,
        points: BatchPoints,
        targets: Targets,
        frames: &[Frame],
        sums: &[Sums],
        groups: Vec<Group>,
    ) -> ScreenedPass {
        let dim = batch.dim;
        let mean = 1.0 / labels.len().max(1) as f32;
        let shares: Vec<f32> = outcomes
            .iter()
            .zip(frames)
            .map(|(outcome, frame)| mean * outcome.competitor_share(frame.centre as f32).unwrap_or_default())
            .collect();
        let slopes: Vec<f32> =
            outcomes.iter().map(|outcome| mean * outcome.target_slope().unwrap_or_default()).collect();
        let mut grad_units = vec![0.0; batch.rows * dim];
        grad_units.par_chunks_mut(dim).enumerate().for_each(|(sample, gradient)| {
            for group in &groups {
                add_scaled(gradient, shares[sample], &group.pulls[sample * dim..(sample + 1) * dim]);
            }
            let mut unit = vec![0.0; dim];
            self.centres.unit(targets.rows[sample], &mut unit);
            add_scaled(gradient, slopes[sample], &unit);
        });
        let mut own: Vec<Own> = (0..labels.len())
            .map(|sample| Own {
                row: targets.rows[sample] as u32,
                sample: sample as u32,
                slope: slopes[sample],
                cosine: targets.similarities[sample],
                norm: targets.centre_norms[sample] as f32,
            })
            .collect();
        own.sort_by_key(|own| own.row);
        let left_out = sums.iter().map(|sums| {
            let all = sums.screened_sum;
            if all > 0.0 { (all - sums.seen).max(0.0) / all } else { 0.0 }
        });
        let left_out = left_out.sum::<f64>() * f64::from(mean);
        let rows = RowGradient {
            total: self.panels().rows(),
            chunk: panels_of_chunk(self.centres.each) * PANEL,
            dim,
            units: batch.units.clone(),
            shares,
            own,
            chunks: groups.into_iter().flat_map(|group| group.chunks).collect(),
        };
        ScreenedPass { outcomes, points, targets, grad_units, rows, left_out }
    }

    /// From a few panels spread over all classes: where each sample's exponents are taken from, and its step.
    fn frames(
        &self,
        points: &BatchPoints,
        probes: &Probes,
        labels: &[u32],
        target_cosines: &[f64],
    ) -> Result<Vec<Frame>, Error> {
        let (panels, each) = (self.panels(), self.centres.each);
        let groups = panels.count().div_ceil(each);
        let count = PROBED_PANELS.div_ceil(each).max(groups / PROBED_PANELS).min(groups);
        let samples = probes.rows().next_multiple_of(BLOCK);
        let size = (samples * PANEL).max(1);
        let mut scores = vec![0; count * each * size];
        let chosen: Vec<usize> = (0..count).map(|at| at * groups / count * each).collect();
        let parts = chosen.par_iter().zip(scores.par_chunks_mut(each * size));
        parts.for_each(|(&first, scores)| {
            self.score(first, probes, scores, labels.iter().copied());
        });
        labels
            .par_iter()
            .enumerate()
            .map_init(
                || Vec::with_capacity(count * PANEL),
                |cosines, (sample, &own)| {
                    let sharpness = points.point(sample).softmax_sharpness().ok_or(Error::NotScreenable {
                        objective: "this objective",
                        why: "a softmax for every sample",
                    })?;
                    cosines.clear();
                    for (&first, scores) in chosen.iter().zip(scores.chunks(each * size)) {
                        for (panel, scores) in self.together(first).zip(scores.chunks(size)) {
                            let scores = &scores[sample * PANEL..(sample + 1) * PANEL];
                            for (place, (score, step)) in scores.iter().zip(panels.steps(panel)).enumerate() {
                                let row = panel * PANEL + place;
                                if row < panels.rows() && row / each != own as usize && counts(*score) {
                                    cosines.push(*score as f32 * step * probes.step(sample));
                                }
                            }
                        }
                    }
                    let centre = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let centre = if centre.is_finite() { f64::from(centre) } else { 0.0 };
                    let times = self.centres.classes() as f64 / cosines.len().max(1) as f64;
                    weights(cosines, AffineExponent { slope: sharpness as f32, centre: centre as f32 }, 1.0);
                    let exponentials = cosines;
                    let sum: f64 = exponentials.iter().map(|&exponential| f64::from(exponential)).sum();
                    // a few that stand out say little of the classes that were not probed
                    let bound = (sum / 8.0) as f32;
                    let usual: f64 = exponentials.iter().map(|&one| f64::from(one.min(bound))).sum();
                    let all = (usual * times).max(sum).max(f64::from(f32::MIN_POSITIVE));
                    let threshold = match self.screen.threshold {
                        Threshold::Fixed(threshold) => threshold,
                        Threshold::BySample => threshold_of(exponentials, times, all, target_cosines[sample]),
                    };
                    Ok(Frame { sharpness, centre, threshold, step: threshold * all, own })
                },
            )
            .collect()
    }

    /// Every class by its screened score.
    fn sift(&self, probes: &Probes, frames: &[Frame]) -> (Vec<Sifted>, Vec<Sums>) {
        let chunks = self.panels().count().div_ceil(panels_of_chunk(self.centres.each));
        let each = chunks.div_ceil(GROUPS).max(1);
        let starts: Vec<usize> = (0..chunks).step_by(each).collect();
        let sifted: Vec<Sifted> = starts
            .into_par_iter()
            .map(|start| {
                let samples = probes.rows().next_multiple_of(BLOCK);
                let mut scores = vec![0; self.scored_together() * samples * PANEL];
                let mut sums = vec![Sums::default(); frames.len()];
                let chunks = (start..chunks.min(start + each))
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

    /// What was kept, thinned out and scored exactly.
    fn rescore(&self, batch: &Batch, frames: &[Frame], sifted: Vec<Sifted>) -> Vec<Group> {
        let starts: Vec<usize> = sifted
            .iter()
            .scan(0, |next, sifted| {
                *next += sifted.chunks.len();
                Some(*next - sifted.chunks.len())
            })
            .collect();
        let each = |(sifted, start): (Sifted, usize)| {
            let mut sums = vec![Sums::default(); frames.len()];
            let mut pulls = vec![0.0; batch.units.len()];
            let chunks = sifted.chunks.into_iter().enumerate().map(|(at, mut kept)| {
                thin(&mut kept, frames, self.seed, start + at);
                self.rescore_chunk(start + at, batch, frames, &kept, &mut sums, &mut pulls)
            });
            let chunks = chunks.collect();
            Group { chunks, sums, pulls }
        };
        sifted.into_par_iter().zip(starts).map(each).collect()
    }

    fn sift_chunk(
        &self,
        chunk: usize,
        probes: &Probes,
        frames: &[Frame],
        scores: &mut [i32],
        sums: &mut [Sums],
    ) -> Vec<Kept> {
        let (panels, each) = (self.panels(), self.centres.each);
        let mut kept = Vec::new();
        let mut sieves: Vec<Sieve> = frames
            .iter()
            .enumerate()
            .map(|(sample, frame)| Sieve {
                factor: (frame.sharpness * f64::from(live_step(probes.step(sample)))) as f32,
                shift: (frame.sharpness * frame.centre) as f32,
                step: frame.step as f32,
                phase: phase(self.seed, chunk, sample, 0),
                // with several centres a class it has no score
                target: if each == 1 { frame.own } else { u32::MAX },
                total: 0.0,
                best: 0.0,
                best_class: u32::MAX,
            })
            .collect();
        let of_chunk = panels_of_chunk(each);
        let together = self.scored_together();
        let size = scores.len() / together;
        let end = panels.count().min((chunk + 1) * of_chunk);
        for first in (chunk * of_chunk..end).step_by(together) {
            if each == 1 {
                let range = first..end.min(first + together);
                panels.score(range.clone(), probes, &mut scores[..range.len() * size]);
            } else {
                self.score(first, probes, scores, frames.iter().map(|frame| frame.own));
            }
            for (panel, scores) in (first..end.min(first + together)).zip(scores.chunks_exact(size.max(1))) {
                let mut steps = *panels.steps(panel).first_chunk().expect("a panel has PANEL steps");
                if each > 1 {
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
                    sums.screened = (cosine.max(-1.0), sieve.best_class / each as u32);
                }
            }
        }
        kept
    }

    /// Panels that are scored before any score is looked at. With one centre a class several, so that the kernels can keep samples where they
    /// are; their scores stay in the second cache.
    fn scored_together(&self) -> usize {
        if self.centres.each == 1 { PANELS_TOGETHER } else { self.centres.each }
    }

    /// The panels that are looked at together: one, or with several centres a class as many as hold sixteen classes.
    fn together(&self, first: usize) -> std::ops::Range<usize> {
        first..self.panels().count().min(first + self.centres.each)
    }

    /// Scores of the panels from `first` on that are scored together; with several centres a class only the nearest counts, and those of
    /// a sample's own class do not.
    fn score(
        &self,
        first: usize,
        probes: &Probes,
        scores: &mut [i32],
        own: impl ExactSizeIterator<Item = u32>,
    ) {
        let (panels, each) = (self.panels(), self.centres.each);
        let together = self.together(first);
        let scores = &mut scores[..together.len() * probes.rows().next_multiple_of(BLOCK) * PANEL];
        panels.score(together.clone(), probes, scores);
        if each > 1 {
            let first_class = first * PANEL / each;
            let classes = PANEL.min(self.centres.classes() - first_class);
            let steps: Vec<f32> = together.flat_map(|panel| panels.steps(panel)).copied().collect();
            keep_nearest(scores, &steps, first_class, classes, each, own);
        }
    }

    /// Scores exactly what was kept of a chunk, a class after the other.
    fn rescore_chunk(
        &self,
        chunk: usize,
        batch: &Batch,
        frames: &[Frame],
        kept: &[Kept],
        sums: &mut [Sums],
        pulls: &mut [f32],
    ) -> ChunkEntries {
        let (dim, each) = (batch.dim, self.centres.each);
        let classes = panels_of_chunk(each) * PANEL / each;
        let first = chunk * classes;
        let place_of = |kept: &Kept| kept.class as usize / each - first;
        let mut ends = vec![0_u32; classes + 1];
        for kept in kept {
            ends[place_of(kept) + 1] += 1;
        }
        (0..classes).for_each(|at| ends[at + 1] += ends[at]);
        let mut places: Vec<u32> = ends[..classes].to_vec();
        let mut order = vec![0_u32; kept.len()];
        for (at, kept) in kept.iter().enumerate() {
            let place = &mut places[place_of(kept)];
            order[*place as usize] = at as u32;
            *place += 1;
        }
        let mut out = ChunkEntries { rows: Vec::new(), entries: Vec::with_capacity(kept.len()) };
        // A class's rows as they are kept, their lengths, and what makes unit vectors of them.
        let (mut rows, mut norms, mut inverses) = (vec![0.0; each * dim], vec![0.0; each], vec![0.0; each]);
        // The entries of each of a class's rows.
        let mut of_rows = vec![Vec::new(); each];
        let touched: Vec<usize> = (0..classes).filter(|&at| ends[at] < ends[at + 1]).collect();
        for (turn, &at) in touched.iter().enumerate() {
            if let Some(&soon) = touched.get(turn + ROWS_AHEAD) {
                (0..each).for_each(|number| self.centres.prefetch((first + soon) * each + number));
            }
            let class = first + at;
            for (number, row) in rows.chunks_exact_mut(dim).enumerate() {
                self.centres.row(class * each + number, row);
                norms[number] = length(row);
                inverses[number] = if norms[number] > 0.0 { norms[number].recip() } else { 0.0 };
            }
            for &place in &order[ends[at] as usize..ends[at + 1] as usize] {
                let Kept { sample, exponential, stands_for, .. } = kept[place as usize];
                let (frame, sums) = (&frames[sample as usize], &mut sums[sample as usize]);
                let at = sample as usize * dim;
                let (mut cosine, mut nearest) = (f32::NEG_INFINITY, 0);
                for (number, row) in rows.chunks_exact(dim).enumerate() {
                    let here = dot(row, &batch.units[at..at + dim]) * inverses[number];
                    if here > cosine {
                        (cosine, nearest) = (here, number);
                    }
                }
                let exponent = frame.sharpness * (f64::from(cosine) - frame.centre);
                let weight = f64::from(stands_for) * (exponent.exp() / f64::from(exponential));
                sums.change += weight - f64::from(stands_for);
                sums.seen += f64::from(exponential);
                sums.certain += u32::from(stands_for == exponential);
                sums.moment += weight * exponent;
                if cosine > sums.nearest.0 {
                    sums.nearest = (cosine, class as u32);
                }
                let row = &rows[nearest * dim..(nearest + 1) * dim];
                add_scaled(&mut pulls[at..at + dim], weight as f32 * inverses[nearest], row);
                of_rows[nearest].push(Entry { sample, weight: weight as f32, cosine });
            }
            for (number, entries) in of_rows.iter_mut().enumerate().filter(|(_, entries)| !entries.is_empty())
            {
                out.entries.append(entries);
                let (row, end) = ((class * each + number) as u32, out.entries.len() as u32);
                out.rows.push(Touched { row, norm: norms[number], end });
            }
        }
        out
    }
}

/// Thins out what was kept below the step: an entry stays with probability `stands_for / step` and then stands for the step.
fn thin(kept: &mut Vec<Kept>, frames: &[Frame], seed: u64, chunk: usize) {
    let mut phases: Vec<f32> = (0..frames.len()).map(|sample| phase(seed, chunk, sample, 1)).collect();
    kept.retain_mut(|kept| {
        let (step, phase) = (frames[kept.sample as usize].step as f32, &mut phases[kept.sample as usize]);
        if kept.stands_for >= step {
            return true;
        }
        *phase += kept.stands_for / step;
        let stays = *phase >= 1.0;
        if stays {
            *phase -= 1.0;
            kept.stands_for = step;
        }
        stays
    });
}

/// Moves the frames of samples whose exponentials grew too large to the nearest class found; whether there were any.
fn raised(frames: &mut [Frame], sums: &[Sums]) -> bool {
    let mut any = false;
    for (frame, sums) in frames.iter_mut().zip(sums) {
        let above = frame.sharpness * (f64::from(sums.screened.0) - frame.centre);
        if sums.screened.1 == u32::MAX || above <= SAFE_EXPONENT {
            continue;
        }
        // exponentials end at e^88: the nearest may lie higher still, and is found in the next round
        frame.centre += above / frame.sharpness;
        frame.step *= (-above).exp();
        frame.step = frame.step.max(f64::from(f32::MIN_POSITIVE));
        any = true;
    }
    any
}

/// A random number in `[0, 1)` for each step, chunk, sample and purpose.
fn phase(seed: u64, chunk: usize, sample: usize, purpose: u64) -> f32 {
    let mut state = seed.rotate_left(1) ^ purpose ^ (chunk as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state ^= (sample as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    (mixed(mixed(state)) >> 40) as f32 / (1_u64 << 24) as f32
}
