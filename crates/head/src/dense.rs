//! Loss and gradients over all classes, exactly.
//!
//! The target's similarity is computed first, so every objective of the family can be finished in two passes over the tiles of
//! classes ([`widemargin_objective::RowPass`]): the first adds up each sample's row, the second turns the scores into
//! derivatives and multiplies them with the rows for the gradient of the features. The gradient of the centres is never
//! held: the derivatives are, and a third pass multiplies a tile of it out and hands it to the optimiser while it is in the
//! cache. Scores and derivatives of the first tiles are kept, up to 256 MiB of them or a quarter of what the centres take, so that with
//! up to 100,000 classes at a batch of 512, or any number at a quarter of the dimensions, none is computed twice.
//!
//! Tiles are worked through in groups, each by one thread, and the groups' sums are put together in their order.

use std::borrow::Cow;

use rayon::prelude::*;
use widemargin_kernels::matrix::{Threads, Write, matmul, matmul_transposed_a};
use widemargin_kernels::vector::add_scaled;
use widemargin_objective::{
    BatchFacts, BatchPoints, ClassObjective, DiagnosticsSum, MatRef, NORM_FLOOR, Objective, Point,
    PointOutcome, PointPass, Score, dot, norm,
};

use crate::batch::{Active, Batch, Targets};
use crate::forward::{CentreGradient, add_norm_losses, by_features, first_not_finite};
use crate::optimiser::Rule;
use crate::storage::{Storage, ValuesMut};
use crate::tile::{Centres, Scored, Tile};
use crate::{Error, HeadEvaluation, HeadForward, Optimiser, PendingUpdate};

/// Above this a gradient is looked at before anything moves, as it may leave the range of `f32`.
const LARGE: f64 = 1e30;

/// What the first pass leaves for the second.
pub(crate) struct FirstPass {
    pub(crate) outcomes: Vec<PointOutcome<f32>>,
    pub(crate) points: BatchPoints,
    pub(crate) targets: Targets,
    /// Those of the first tiles, as many as may be held.
    pub(crate) scored: Vec<Scored>,
}

impl FirstPass {
    /// `over_all` takes fresh passes, one a sample, over all classes, wherever those are, and gives back the scores of the first
    /// tiles too, up to as many as it is told.
    pub(crate) fn new(
        objective: &ClassObjective,
        labels: &[u32],
        targets: Targets,
        keep: usize,
        over_all: impl Fn(Vec<PointPass<f32>>, usize) -> Result<(Vec<PointOutcome<f32>>, Vec<Scored>), Error>,
    ) -> Result<Self, Error> {
        let start = |point: &Point, at: usize| {
            point.row_pass_at(labels[at] as usize, targets.similarities[at], targets.lengths[at])
        };
        // `log sum_{i != y} e^{s cos_i}` of each sample, for a scale that follows the batch
        let partitions = match objective.wants_partitions() {
            Some(scale) => {
                let softmax = Point::Family(Objective::normalized_softmax(scale)?);
                let (outcomes, _) = over_all((0..labels.len()).map(|at| start(&softmax, at)).collect(), 0)?;
                let partition = |(outcome, &target): (&PointOutcome<f32>, &f32)| {
                    f64::from(outcome.pooled_lead()) + scale * f64::from(target)
                };
                Some(outcomes.iter().zip(&targets.similarities).map(partition).collect::<Vec<f64>>())
            }
            None => None,
        };
        let points = objective.points(&BatchFacts {
            labels,
            feature_norms: &targets.feature_norms,
            target_cosines: &targets.cosines,
            log_partitions: partitions.as_deref(),
        })?;
        let fresh = (0..labels.len()).map(|at| start(points.point(at), at)).collect();
        let (mut outcomes, scored) = over_all(fresh, keep)?;
        add_norm_losses(&mut outcomes, &points, labels)?;
        Ok(Self { outcomes, points, targets, scored })
    }
}

/// The gradient of the class centres as what it is the product of.
#[derive(Clone, Debug)]
pub(crate) struct DenseGradient {
    pub(crate) batch: Batch,
    pub(crate) outcomes: Vec<PointOutcome<f32>>,
    /// What each derivative is multiplied by: one over the batch.
    share: f32,
    /// Derivatives by the products with the first tiles, as many as may be held.
    slopes: Vec<Scored>,
    /// Rows that are pulled along themselves, and how much: through their lengths.
    along: Vec<(usize, f32)>,
    /// The class that the first tile begins with.
    first_class: usize,
    /// Values in all centres.
    pub(crate) values: usize,
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    scored: Scored,
    gradient: Vec<f32>,
    values: Vec<f32>,
}

impl Centres<'_> {
    /// Loss and diagnostics of each sample, from every tile in turn.
    fn first_pass(
        &self,
        objective: &ClassObjective,
        batch: &Batch,
        features: MatRef<'_>,
        labels: &[u32],
        keep: usize,
    ) -> Result<FirstPass, Error> {
        let targets = self.targets(batch, features, labels);
        FirstPass::new(objective, labels, targets, keep, |fresh, keep| {
            let (passes, scored) = self.sweep(batch, &fresh, keep, PointPass::observe, PointPass::merge);
            Ok((passes.into_iter().map(PointPass::finish).collect(), scored))
        })
    }

    pub(crate) fn summary(outcomes: &[PointOutcome<f32>], targets: &Targets) -> HeadEvaluation {
        let mut diagnostics = DiagnosticsSum::default();
        for (outcome, &cosine) in outcomes.iter().zip(&targets.cosines) {
            diagnostics.add(outcome, cosine);
        }
        let losses: Vec<f32> = outcomes.iter().map(|outcome| outcome.loss).collect();
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        HeadEvaluation { loss: sum / losses.len().max(1) as f64, losses, diagnostics: diagnostics.finish() }
    }

    /// Loss and diagnostics alone; ignored samples have loss 0 and do not count.
    pub(crate) fn evaluate(
        &self,
        objective: &ClassObjective,
        features: MatRef<'_>,
        labels: &[u32],
    ) -> Result<HeadEvaluation, Error> {
        self.check(features, labels, objective.ignore_label())?;
        if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
            let mut found = self.evaluate(objective, active.features()?, &active.labels)?;
            found.losses = active.spread(&found.losses, 1);
            return Ok(found);
        }
        let batch = Batch::new(features, self.score);
        let FirstPass { outcomes, targets, .. } = self.first_pass(objective, &batch, features, labels, 0)?;
        Ok(Self::summary(&outcomes, &targets))
    }

    /// Loss, diagnostics and both gradients.
    pub(crate) fn forward(
        &self,
        objective: &ClassObjective,
        features: MatRef<'_>,
        labels: &[u32],
        step: u64,
    ) -> Result<HeadForward, Error> {
        self.check(features, labels, objective.ignore_label())?;
        if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
            let found = self.forward(objective, active.features()?, &active.labels, step)?;
            return Ok(active.with_ignored(found));
        }
        let batch = Batch::new(features, self.score);
        let FirstPass { outcomes, points, targets, scored } =
            self.first_pass(objective, &batch, features, labels, self.kept_scores)?;
        let HeadEvaluation { loss, losses, diagnostics } = Self::summary(&outcomes, &targets);

        let (mut gradient, mut grad_features) = DenseGradient::new(self, batch, outcomes, scored, 0);
        gradient.along_lengths(self, &targets, &mut grad_features, |_| true);
        let DenseGradient { batch, outcomes, .. } = &gradient;
        by_features(&mut grad_features, batch, &targets, &points, outcomes, features, labels)?;
        gradient.check(self)?;
        let learnt = objective.learnt().map(|_| gradient.learnt_slope());
        let pending = PendingUpdate {
            gradient: CentreGradient::Dense(Box::new(gradient)),
            step,
            learnt,
            next_state: points.next_state(),
        };
        Ok(HeadForward { loss, losses, grad_features, diagnostics, screening: None, pending })
    }

    /// All plain similarities, `[batch, classes]`.
    pub(crate) fn similarities(&self, features: MatRef<'_>) -> Result<Vec<f32>, Error> {
        self.check_features(features)?;
        let batch = Batch::new(features, self.score);
        let (_, tiles) = self.sweep(&batch, &[(); 0], usize::MAX, |(), _, _| {}, |(), ()| {});
        let classes = self.classes();
        let mut out = vec![0.0; batch.rows * classes];
        out.par_chunks_mut(classes).enumerate().for_each(|(sample, out)| {
            for (tile, out) in tiles.iter().zip(out.chunks_mut(self.classes_of_tile())) {
                out.copy_from_slice(&tile.similarities[sample * out.len()..(sample + 1) * out.len()]);
            }
        });
        Ok(out)
    }

    /// The class of the largest similarity of each sample, the lowest of equals.
    pub(crate) fn nearest(&self, features: MatRef<'_>) -> Result<Vec<u32>, Error> {
        self.check_features(features)?;
        let batch = Batch::new(features, self.score);
        Ok(self.largest(&batch).into_iter().map(|(_, class)| class).collect())
    }

    /// The largest similarity of each sample and its class, the lowest of equals.
    pub(crate) fn largest(&self, batch: &Batch) -> Vec<(f32, u32)> {
        let observe = |best: &mut (f32, u32), first_class: usize, similarities: &[f32]| {
            for (at, &similarity) in similarities.iter().enumerate() {
                if similarity > best.0 {
                    *best = (similarity, (first_class + at) as u32);
                }
            }
        };
        let merge = |best: &mut (f32, u32), later: (f32, u32)| {
            if later.0 > best.0 {
                *best = later;
            }
        };
        let none = vec![(f32::NEG_INFINITY, 0_u32); batch.rows];
        self.sweep(batch, &none, 0, observe, merge).0
    }
}

impl DenseGradient {
    /// The second pass: turns the scores that were kept into derivatives, and gives back the gradient of the features as they are
    /// scored too. `first_class` is the number that the objective knows the first of the centres' classes by.
    pub(crate) fn new(
        centres: &Centres<'_>,
        batch: Batch,
        outcomes: Vec<PointOutcome<f32>>,
        slopes: Vec<Scored>,
        first_class: usize,
    ) -> (Self, Vec<f32>) {
        let (share, values) = (1.0 / batch.rows.max(1) as f32, centres.values.len());
        let mut gradient = Self { batch, outcomes, share, slopes, along: Vec::new(), first_class, values };
        let grad_features = gradient.second_pass(centres);
        (gradient, grad_features)
    }

    /// See [`DenseGradient::new`].
    fn second_pass(&mut self, centres: &Centres<'_>) -> Vec<f32> {
        let dim = self.batch.dim;
        let mut kept = std::mem::take(&mut self.slopes);
        let mut rest = kept.as_mut_slice();
        let mut groups = Vec::new();
        for tiles in centres.groups() {
            let (own, others) = rest.split_at_mut(tiles.len().min(rest.len()));
            rest = others;
            groups.push((tiles, own));
        }
        let pulls = |(tiles, own): (std::ops::Range<usize>, &mut [Scored])| {
            let mut pulls = vec![0.0; self.batch.rows * dim];
            let (mut own, mut scratch) = (own.iter_mut(), centres.spare.take());
            for at in tiles {
                let tile = centres.tile(at);
                let slopes = if let Some(scored) = own.next() {
                    scored
                } else {
                    tile.score(&self.batch, &mut scratch);
                    &mut scratch
                };
                self.differentiate(&tile, slopes);
                let slopes = tile.of_rows(slopes);
                let slopes = MatRef::new(&slopes, self.batch.rows, tile.rows()).expect("sized for this tile");
                matmul(&mut pulls, slopes, tile.view(), Write::Add, Threads::Serial);
            }
            centres.spare.put([scratch]);
            pulls
        };
        let pulls: Vec<Vec<f32>> = groups.into_par_iter().map(pulls).collect();
        self.slopes = kept;
        let mut sum = vec![0.0; self.batch.rows * dim];
        sum.par_chunks_mut(dim).enumerate().for_each(|(row, sum)| {
            for pulls in &pulls {
                add_scaled(sum, 1.0, &pulls[row * dim..(row + 1) * dim]);
            }
        });
        sum
    }

    /// Similarities of the batch with a tile become derivatives of the mean loss by the products that they are made of.
    fn differentiate(&self, tile: &Tile<'_>, scored: &mut Scored) {
        let rows = scored.similarities.chunks_exact_mut(tile.classes);
        for (outcome, row) in self.outcomes.iter().zip(rows) {
            outcome.gradient(self.first_class + tile.first_class, row);
        }
        tile.through_lengths(&mut scored.similarities, self.share);
    }

    /// Where a margin in angle meets scores that have a length: what goes through the lengths of feature and own centre.
    /// Only for samples whose own centre is among these.
    pub(crate) fn along_lengths(
        &mut self,
        centres: &Centres<'_>,
        targets: &Targets,
        grad_features: &mut [f32],
        is_here: impl Fn(usize) -> bool,
    ) {
        let dim = self.batch.dim;
        let mut centre = vec![0.0; dim];
        for (row, outcome) in self
            .outcomes
            .iter()
            .enumerate()
            .filter(|(row, outcome)| outcome.length_slope != 0.0 && is_here(*row))
        {
            let slope = f64::from(outcome.length_slope * self.share);
            let x_norm = targets.feature_norms[row].max(NORM_FLOOR);
            let own = targets.rows[row];
            let normalised = centres.score.normalises_centres();
            centres.row(own, &mut centre);
            let w_norm = if normalised { 1.0 } else { norm(&centre).max(NORM_FLOOR) };
            let place = row * dim..(row + 1) * dim;
            let factor = (slope * w_norm / x_norm) as f32;
            add_scaled(&mut grad_features[place.clone()], factor, &self.batch.units[place]);
            if !normalised {
                self.along.push((own, (slope * x_norm / w_norm) as f32));
            }
        }
    }

    /// Refuses a gradient of the centres that is not finite. Cosines cannot have one; others are worked out to see where numbers are
    /// large.
    pub(crate) fn check(&self, centres: &Centres<'_>) -> Result<(), Error> {
        if centres.score.is_cosine() {
            return Ok(());
        }
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let feature = largest(&mut self.batch.units.iter().map(|value| f64::from(value.abs())));
        let scale = centres.score.scale();
        let slope = largest(&mut self.outcomes.iter().map(|outcome| {
            let target = outcome.target_slope().map_or(0.0, |slope| f64::from(slope.abs()));
            target.max(f64::from(outcome.push) * scale)
        }));
        let along = largest(&mut self.along.iter().map(|(_, factor)| f64::from(factor.abs())));
        if feature * slope < LARGE && along < LARGE.sqrt() {
            return Ok(());
        }
        let row = self.whole(centres).chunks(self.batch.dim).position(|row| first_not_finite(row).is_some());
        row.map_or(Ok(()), |row| {
            Err(Error::NonFiniteCentreGradient { class: self.first_class + row / centres.each })
        })
    }

    /// The gradient of a tile's rows.
    fn of_tile(&self, tile: &Tile<'_>, at: usize, scored: &mut Scored, out: &mut Vec<f32>) {
        let dim = self.batch.dim;
        let slopes = if let Some(slopes) = self.slopes.get(at) {
            slopes
        } else {
            tile.score(&self.batch, scored);
            self.differentiate(tile, scored);
            scored
        };
        let slopes = tile.of_rows(slopes);
        let slopes = MatRef::new(&slopes, self.batch.rows, tile.rows()).expect("sized for this tile");
        out.resize(tile.rows() * dim, 0.0);
        matmul_transposed_a(out, slopes, self.batch.view(), Write::Replace, Threads::Serial);
        tile.project(out);
        for &(row, factor) in &self.along {
            if let Some(place) = tile.place(row) {
                add_scaled(&mut out[place * dim..(place + 1) * dim], factor, tile.row(place));
            }
        }
    }

    /// Gradient of what the objective learns beside the centres.
    pub(crate) fn learnt_slope(&self) -> f32 {
        let slopes = self.outcomes.iter().map(|outcome| f64::from(outcome.learnt_slope));
        slopes.sum::<f64>() as f32 * self.share
    }

    /// Its buffers, for the next step.
    pub(crate) fn into_buffers(self) -> Vec<Scored> {
        self.slopes
    }

    /// `[classes * sub_centres, dim]`.
    pub(crate) fn whole(&self, centres: &Centres<'_>) -> Vec<f32> {
        let mut out = vec![0.0; self.values];
        let of_tile = centres.classes_of_tile() * centres.each * self.batch.dim;
        out.par_chunks_mut(of_tile).enumerate().for_each_init(Scratch::default, |scratch, (at, out)| {
            self.of_tile(&centres.tile(at), at, &mut scratch.scored, &mut scratch.gradient);
            out.copy_from_slice(&scratch.gradient);
        });
        out
    }

    /// Euclidean norm.
    pub(crate) fn norm(&self, centres: &Centres<'_>) -> f64 {
        let squares = |scratch: &mut Scratch, at: usize| {
            self.of_tile(&centres.tile(at), at, &mut scratch.scored, &mut scratch.gradient);
            dot(&scratch.gradient, &scratch.gradient)
        };
        let squares = (0..centres.tiles()).into_par_iter().map_init(Scratch::default, squares);
        squares.collect::<Vec<f64>>().iter().sum::<f64>().sqrt()
    }
}

/// One step of the optimiser on all class centres; the gradient's norm.
///
/// `shape` says how the values in `storage` are scored; `noise` is what they are rounded by, where they are.
pub(crate) fn step(
    gradient: &DenseGradient,
    shape: Shape,
    storage: &mut Storage,
    optimiser: &mut Optimiser,
    [learning_rate, clip_factor]: [f64; 2],
    noise: u64,
) -> f64 {
    let rule: Rule = optimiser.next_rule(learning_rate, clip_factor);
    let size = shape.classes_of_tile * shape.each * shape.dim;
    let mut memories: Vec<_> =
        optimiser.memory_mut().iter_mut().map(|values| values.chunks_mut(size)).collect();
    let parts: Vec<_> = storage
        .chunks_mut(size)
        .map(|values| (values, memories.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()))
        .collect();
    let move_tile =
        |scratch: &mut Scratch, (at, (mut values, mut memory)): (usize, (ValuesMut<'_>, Vec<&mut [f32]>))| {
            let Scratch { scored, gradient: out, values: wide } = scratch;
            let all = 0..values.len();
            values.change(all, noise ^ at as u64, wide, |values| {
                let first_class = at * shape.classes_of_tile;
                let tile = Tile::new(first_class, Cow::Borrowed(values), shape.each, shape.dim, shape.score);
                gradient.of_tile(&tile, at, scored, out);
                rule.apply(values, out, &mut memory);
            });
            dot(out, out)
        };
    let squares: Vec<f64> = parts.into_par_iter().enumerate().map_init(Scratch::default, move_tile).collect();
    optimiser.count_step();
    squares.iter().sum::<f64>().sqrt()
}

/// How class centres are cut and scored, once they are no longer borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    classes_of_tile: usize,
    each: usize,
    dim: usize,
    score: Score,
}

impl From<Centres<'_>> for Shape {
    fn from(centres: Centres<'_>) -> Self {
        let Centres { each, dim, score, .. } = centres;
        Self { classes_of_tile: centres.classes_of_tile(), each, dim, score }
    }
}
