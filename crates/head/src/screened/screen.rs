//! The forward pass: score all classes roughly, keep a few, score those exactly.

use rayon::prelude::*;
use widemargin_kernels::screening::{BLOCK, PANEL, Panels, Probes};
use widemargin_kernels::sieve::{Kept, Sieve, sift};
use widemargin_kernels::vector::{add_scaled, dot};
use widemargin_objective::{
    BatchFacts, BatchPoints, ClassObjective, MatRef, PointOutcome, PointPass, SummedCompetitors,
};

use super::entries::{ChunkEntries, Entry, Own, RowGradient, Touched};
use super::{CHUNK, CHUNK_PANELS, Screen};
use crate::forward::{
    Active, Batch, CentreGradient, Centres, Targets, add_norm_terms, first_not_finite, project_rows,
};
use crate::{HeadError, HeadEvaluation, HeadForward, PendingUpdate, Screening};

/// Parts that the chunks are worked through in at once. A number of its own and not that of the threads, so that sums are
/// added in the same order on every machine.
const GROUPS: usize = 16;

/// Panels from which a sample's sum is guessed before the pass.
const PROBED_PANELS: usize = 64;

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
    /// Exponential from which a class is kept for certain.
    step: f64,
    own: u32,
}

/// A sample's competitors, added up.
#[derive(Clone, Copy, Debug)]
struct Sums {
    /// Screened exponentials below the step.
    tail: f64,
    /// Exact exponentials of what was above it.
    certain: f64,
    /// What the exact exponentials of sampled entries change in the tail.
    correction: f64,
    /// `sum a e^a`, from what was kept.
    moment: f64,
    /// Screened exponentials of what was sampled: the part of the tail that is known exactly.
    seen: f64,
    /// The largest exact cosine and its class.
    nearest: (f32, u32),
    /// The largest screened cosine and its class.
    screened: (f32, u32),
}

impl Default for Sums {
    fn default() -> Self {
        let none = (f32::NEG_INFINITY, u32::MAX);
        Self {
            tail: 0.0,
            certain: 0.0,
            correction: 0.0,
            moment: 0.0,
            seen: 0.0,
            nearest: none,
            screened: none,
        }
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.tail += other.tail;
        self.certain += other.certain;
        self.correction += other.correction;
        self.moment += other.moment;
        self.seen += other.seen;
        for (mine, theirs) in [(&mut self.nearest, other.nearest), (&mut self.screened, other.screened)] {
            if theirs.0 > mine.0 {
                *mine = theirs;
            }
        }
    }

    fn partition(&self) -> f64 {
        (self.tail + self.certain + self.correction).max(0.0)
    }

    /// The largest competitor: exact where the screened scores' first is among what was kept, screened where no class
    /// stands out enough to be kept for certain.
    fn largest(&self) -> (f32, u32) {
        if self.certain > 0.0 { self.nearest } else { self.screened }
    }
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
    ) -> Result<HeadForward, HeadError> {
        self.centres.check(features, labels, objective.ignore_label())?;
        if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
            let mut found = self.forward(objective, active.features()?, &active.labels, step)?;
            found.losses = active.spread(&found.losses, 1);
            found.grad_features = active.spread(&found.grad_features, features.cols());
            return Ok(found);
        }
        let batch = Batch::new(features, objective.score());
        let pass = self.pass(objective, &batch, features, labels)?;
        let HeadEvaluation { loss, losses, diagnostics } = Centres::summary(&pass.outcomes, &pass.targets);
        let mut grad_features = pass.grad_units;
        project_rows(&mut grad_features, &batch.units, &batch.norms, batch.dim);
        add_norm_terms(
            &pass.points,
            &pass.outcomes,
            &pass.targets.feature_norms,
            features,
            &mut grad_features,
        );
        if let Some(at) = first_not_finite(&grad_features) {
            let row = at / batch.dim;
            return Err(HeadError::NonFiniteFeatureGradient { row, label: labels[row] });
        }
        let learnt = objective.learnt().map(|_| {
            let sum: f64 = pass.outcomes.iter().map(|outcome| f64::from(outcome.learnt_slope)).sum();
            (sum / labels.len().max(1) as f64) as f32
        });
        let entries = labels.len() as f64 * self.panels().rows() as f64;
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
    ) -> Result<ScreenedPass, HeadError> {
        let targets = self.centres.targets(batch, features, labels);
        let points = objective.points(&BatchFacts {
            labels,
            feature_norms: &targets.feature_norms,
            target_cosines: &targets.cosines,
            log_partitions: None,
        })?;
        let probes = Probes::new(&batch.units, batch.dim);
        let mut frames = self.frames(&points, &probes, labels)?;
        let (mut groups, mut sums) = self.groups(batch, &probes, &frames);
        // a class far nearer than all that were probed: take the exponents from it and go again
        while let Some(far) = raised(&mut frames, &sums) {
            if !far.is_finite() {
                let row = sums.iter().position(|sums| !sums.partition().is_finite()).unwrap_or_default();
                return Err(HeadError::NonFiniteLoss { row, label: labels[row] });
            }
            (groups, sums) = self.groups(batch, &probes, &frames);
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
                    count: if class == u32::MAX { 0 } else { self.panels().rows() - 1 },
                });
                pass.finish()
            })
            .collect();
        for (sample, outcome) in outcomes.iter_mut().enumerate() {
            outcome.loss += points.norm_term(sample).map_or(0.0, |term| term.loss as f32);
        }
        if let Some(row) = outcomes.iter().position(|outcome| !outcome.loss.is_finite()) {
            return Err(HeadError::NonFiniteLoss { row, label: labels[row] });
        }
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
            self.centres.unit(labels[sample] as usize, &mut unit);
            add_scaled(gradient, slopes[sample], &unit);
        });
        let mut own: Vec<Own> = (0..labels.len())
            .map(|sample| Own {
                class: labels[sample],
                sample: sample as u32,
                slope: slopes[sample],
                cosine: targets.similarities[sample],
                norm: targets.centre_norms[sample] as f32,
            })
            .collect();
        own.sort_by_key(|own| own.class);
        let left_out = sums.iter().map(|sums| {
            let all = sums.tail + sums.certain;
            if all > 0.0 { (sums.tail - sums.seen).max(0.0) / all } else { 0.0 }
        });
        let left_out = left_out.sum::<f64>() * f64::from(mean);
        let rows = RowGradient {
            classes: self.panels().rows(),
            dim,
            units: batch.units.clone(),
            shares,
            own,
            chunks: groups.into_iter().flat_map(|group| group.chunks).collect(),
        };
        ScreenedPass { outcomes, points, targets, grad_units, rows, left_out }
    }

    /// From a few panels spread over all classes: where each sample's exponents are taken from, and its step.
    fn frames(&self, points: &BatchPoints, probes: &Probes, labels: &[u32]) -> Result<Vec<Frame>, HeadError> {
        let panels = self.panels();
        let count = PROBED_PANELS.min(panels.count());
        let samples = probes.rows().next_multiple_of(BLOCK);
        let mut scores = vec![0; count * samples * PANEL];
        let chosen: Vec<usize> = (0..count).map(|at| at * panels.count() / count).collect();
        for (&panel, scores) in chosen.iter().zip(scores.chunks_mut((samples * PANEL).max(1))) {
            panels.score(panel..panel + 1, probes, scores);
        }
        let mut cosines = Vec::with_capacity(count * PANEL);
        labels
            .iter()
            .enumerate()
            .map(|(sample, &own)| {
                let sharpness = points.point(sample).softmax_sharpness().ok_or(HeadError::NotScreenable {
                    objective: "this objective",
                    why: "a softmax for every sample",
                })?;
                cosines.clear();
                for (&panel, scores) in chosen.iter().zip(scores.chunks((samples * PANEL).max(1))) {
                    let scores = &scores[sample * PANEL..(sample + 1) * PANEL];
                    for (place, (score, step)) in scores.iter().zip(panels.steps(panel)).enumerate() {
                        let class = panel * PANEL + place;
                        if class < panels.rows() && class != own as usize {
                            cosines.push(*score as f32 * step * probes.step(sample));
                        }
                    }
                }
                let centre = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let centre = if centre.is_finite() { f64::from(centre) } else { 0.0 };
                let exponentials =
                    || cosines.iter().map(|&cosine| (sharpness * (f64::from(cosine) - centre)).exp());
                let sum: f64 = exponentials().sum();
                // a few that stand out say nothing of the classes that were not probed
                let common: f64 = exponentials().filter(|exponential| *exponential <= sum / 64.0).sum();
                let usual = if common > 0.0 { common } else { sum };
                let all = usual * (panels.rows() as f64 / cosines.len().max(1) as f64);
                let step = self.screen.threshold * all.max(sum).max(f64::from(f32::MIN_POSITIVE));
                Ok(Frame { sharpness, centre, step, own })
            })
            .collect()
    }

    /// The pass over all classes.
    fn groups(&self, batch: &Batch, probes: &Probes, frames: &[Frame]) -> (Vec<Group>, Vec<Sums>) {
        let chunks = self.panels().count().div_ceil(CHUNK_PANELS);
        let each = chunks.div_ceil(GROUPS).max(1);
        let starts: Vec<usize> = (0..chunks).step_by(each).collect();
        let groups: Vec<Group> = starts
            .into_par_iter()
            .map(|start| self.group(start..chunks.min(start + each), batch, probes, frames))
            .collect();
        let mut sums = vec![Sums::default(); frames.len()];
        for group in &groups {
            sums.iter_mut().zip(&group.sums).for_each(|(sums, group)| sums.add(group));
        }
        (groups, sums)
    }

    fn group(
        &self,
        chunks: std::ops::Range<usize>,
        batch: &Batch,
        probes: &Probes,
        frames: &[Frame],
    ) -> Group {
        let samples = probes.rows().next_multiple_of(BLOCK);
        let mut group = Group {
            chunks: Vec::with_capacity(chunks.len()),
            sums: vec![Sums::default(); frames.len()],
            pulls: vec![0.0; batch.units.len()],
        };
        let mut scores = vec![0; samples * PANEL];
        let mut kept = Vec::new();
        for chunk in chunks {
            kept.clear();
            self.sift_chunk(chunk, probes, frames, &mut scores, &mut kept, &mut group.sums);
            let entries = self.rescore(chunk, batch, frames, &kept, &mut group.sums, &mut group.pulls);
            group.chunks.push(entries);
        }
        group
    }

    fn sift_chunk(
        &self,
        chunk: usize,
        probes: &Probes,
        frames: &[Frame],
        scores: &mut [i32],
        kept: &mut Vec<Kept>,
        sums: &mut [Sums],
    ) {
        let panels = self.panels();
        let mut sieves: Vec<Sieve> = frames
            .iter()
            .enumerate()
            .map(|(sample, frame)| Sieve {
                factor: (frame.sharpness * f64::from(probes.step(sample))) as f32,
                shift: (frame.sharpness * frame.centre) as f32,
                step: frame.step as f32,
                phase: phase(self.seed, chunk, sample),
                own: frame.own,
                total: 0.0,
                best: 0.0,
                best_class: u32::MAX,
            })
            .collect();
        for panel in chunk * CHUNK_PANELS..panels.count().min((chunk + 1) * CHUNK_PANELS) {
            panels.score(panel..panel + 1, probes, scores);
            let steps = panels.steps(panel).first_chunk().expect("a panel has PANEL steps");
            let count = PANEL.min(panels.rows() - panel * PANEL);
            sift(scores, steps, (panel * PANEL) as u32, count, &mut sieves, kept);
        }
        for ((sieve, sums), frame) in sieves.iter().zip(sums).zip(frames) {
            sums.tail += sieve.total;
            if sieve.best_class != u32::MAX {
                let cosine = (frame.centre + f64::from(sieve.best).ln() / frame.sharpness) as f32;
                if cosine > sums.screened.0 || sums.screened.1 == u32::MAX {
                    sums.screened = (cosine.max(-1.0), sieve.best_class);
                }
            }
        }
    }

    /// Scores exactly what was kept of a chunk, a class after the other.
    fn rescore(
        &self,
        chunk: usize,
        batch: &Batch,
        frames: &[Frame],
        kept: &[Kept],
        sums: &mut [Sums],
        pulls: &mut [f32],
    ) -> ChunkEntries {
        let dim = batch.dim;
        let first = chunk * CHUNK;
        let mut ends = [0_u32; CHUNK + 1];
        for kept in kept {
            ends[kept.class as usize - first + 1] += 1;
        }
        (0..CHUNK).for_each(|at| ends[at + 1] += ends[at]);
        let mut places: Vec<u32> = ends[..CHUNK].to_vec();
        let mut order = vec![0_u32; kept.len()];
        for (at, kept) in kept.iter().enumerate() {
            let place = &mut places[kept.class as usize - first];
            order[*place as usize] = at as u32;
            *place += 1;
        }
        let mut out = ChunkEntries { rows: Vec::new(), entries: Vec::with_capacity(kept.len()) };
        let mut unit = vec![0.0; dim];
        for at in (0..CHUNK).filter(|&at| ends[at] < ends[at + 1]) {
            let row = first + at;
            let norm = self.centres.unit(row, &mut unit) as f32;
            for &place in &order[ends[at] as usize..ends[at + 1] as usize] {
                let Kept { sample, exponential, stands_for, .. } = kept[place as usize];
                let (frame, sums) = (&frames[sample as usize], &mut sums[sample as usize]);
                let at = sample as usize * dim;
                let cosine = dot(&unit, &batch.units[at..at + dim]);
                let exponent = frame.sharpness * (f64::from(cosine) - frame.centre);
                let weight = f64::from(stands_for) * (exponent.exp() / f64::from(exponential));
                if stands_for > exponential || f64::from(exponential) <= frame.step {
                    sums.correction += weight - f64::from(stands_for);
                    sums.seen += f64::from(exponential);
                } else {
                    sums.certain += weight;
                }
                sums.moment += weight * exponent;
                if cosine > sums.nearest.0 {
                    sums.nearest = (cosine, row as u32);
                }
                add_scaled(&mut pulls[at..at + dim], weight as f32, &unit);
                out.entries.push(Entry { sample, weight: weight as f32, cosine });
            }
            out.rows.push(Touched { row: row as u32, norm, end: ends[at + 1] });
        }
        out
    }
}

/// Moves the frames of samples whose exponentials grew too large to the nearest class found; how far the farthest went, or
/// `None` where all is well.
fn raised(frames: &mut [Frame], sums: &[Sums]) -> Option<f64> {
    let mut farthest: Option<f64> = None;
    for (frame, sums) in frames.iter_mut().zip(sums) {
        let above = frame.sharpness * (f64::from(sums.screened.0) - frame.centre);
        let fits = sums.partition().is_finite() && sums.partition() < f64::from(f32::MAX) / 1e6;
        if sums.screened.1 == u32::MAX || (above <= SAFE_EXPONENT && fits) {
            continue;
        }
        // exponents stop at 88, so the true one may lie higher still
        let rise = if above > 0.0 { above } else { f64::INFINITY };
        frame.centre += rise / frame.sharpness;
        frame.step = (frame.step * (-rise).exp()).max(f64::from(f32::MIN_POSITIVE)).max(1e-4);
        farthest = Some(farthest.map_or(rise, |farthest| farthest.max(rise)));
    }
    farthest
}

/// A random number in `[0, 1)` for each step, chunk and sample.
fn phase(seed: u64, chunk: usize, sample: usize) -> f32 {
    let mut state = seed ^ (chunk as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state ^= (sample as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    // SplitMix64 (Steele, Lea and Flood, 2014)
    for _ in 0..2 {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^= state >> 31;
    }
    (state >> 40) as f32 / (1_u64 << 24) as f32
}
