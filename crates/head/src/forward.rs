//! Loss and gradients over all classes, a tile of them at a time.
//!
//! No `batch x classes` matrix is held unless the classes fit in one tile. The target's similarity is computed first, so
//! every objective of the family can be finished in two passes over the class tiles
//! ([`widemargin_objective::RowPass`]): the first adds up each sample's row, the second scores the tile again, turns
//! the scores into derivatives and multiplies them out. The scores of the first tiles are kept, up to 256 MiB of them, so
//! that with up to 100,000 classes at a batch of 512 none is computed twice.
//!
//! Products and rows are parallel inside a tile and tiles follow one another, so every sum has a fixed order.

use rayon::prelude::*;
use widemargin_kernels::matrix::{Threads, Write, matmul, matmul_transposed_a, matmul_transposed_b};
use widemargin_objective::{
    BatchFacts, BatchPoints, ClassObjective, ClassState, Diagnostics, DiagnosticsSum, MatRef, NORM_FLOOR,
    Objective, PointOutcome, PointPass, RowPass, Score, dot, norm, normalise, project,
};

use crate::lazy::Lazy;
use crate::sampled::DrawnGradient;
use crate::screened::RowGradient;
use crate::{HeadError, Optimiser};

/// What [`Head::forward`](crate::Head::forward) returns.
#[derive(Clone, Debug)]
pub struct HeadForward {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Loss of each sample: `[batch]`.
    pub losses: Vec<f32>,
    /// Gradient of the mean loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// What else the batch says.
    pub diagnostics: Diagnostics,
    /// What a screened head kept.
    pub screening: Option<Screening>,
    /// The gradient of the class centres, to be given to [`Head::apply`](crate::Head::apply) or dropped.
    pub pending: PendingUpdate,
}

/// What a screened head scored exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screening {
    /// Share of all pairs of a sample and a class that were kept, 0 to 1.
    pub kept: f64,
    /// Share of the competitors' sum that is known from 7-bit scores alone, 0 to 1, the mean over the batch. It is in the
    /// loss, and on average over the sampling in both gradients.
    pub left_out: f64,
}

/// The loss of a batch without gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadEvaluation {
    /// Mean loss of the batch; 0 for an empty one.
    pub loss: f64,
    /// Loss of each sample: `[batch]`.
    pub losses: Vec<f32>,
    /// What else the batch says.
    pub diagnostics: Diagnostics,
}

/// The gradient of the class centres, computed but not yet applied.
///
/// It belongs to the step of the head at which it was computed; after any update it is stale and refused.
#[derive(Clone, Debug)]
#[must_use = "nothing moves until the update is applied"]
pub struct PendingUpdate {
    pub(crate) gradient: CentreGradient,
    pub(crate) step: u64,
    /// Gradient of what the objective learns beside the centres.
    pub(crate) learnt: Option<f32>,
    /// What the objective remembers behind this batch.
    pub(crate) next_state: ClassState,
}

impl PendingUpdate {
    /// Gradient of the mean loss with respect to the class centres: `[classes, dim]`, row-major, finite; `None` where the
    /// head holds it by its rows, being screened or sampled (see [`Head::gradient`](crate::Head::gradient)).
    pub fn gradient(&self) -> Option<&[f32]> {
        match &self.gradient {
            CentreGradient::Whole { values, .. } => Some(values),
            CentreGradient::Rows(_) | CentreGradient::Drawn(_) => None,
        }
    }

    /// Gradient of the mean loss with respect to what the objective learns beside the centres, if anything.
    pub fn learnt_gradient(&self) -> Option<f32> {
        self.learnt
    }

    /// What the objective remembers behind this batch.
    pub fn next_state(&self) -> ClassState {
        self.next_state
    }

    /// The gradient itself; `None` where the head holds it by its rows.
    pub fn into_gradient(self) -> Option<Vec<f32>> {
        match self.gradient {
            CentreGradient::Whole { values, .. } => Some(values),
            CentreGradient::Rows(_) | CentreGradient::Drawn(_) => None,
        }
    }

    /// Euclidean norm of the whole gradient, for clipping. A screened head's is worked out by this call.
    pub fn gradient_norm(&self) -> f64 {
        match &self.gradient {
            CentreGradient::Whole { norm, .. } => *norm,
            CentreGradient::Rows(rows) => rows.norm(),
            CentreGradient::Drawn(drawn) => drawn.norm,
        }
    }
}

/// The gradient of the class centres, whole or by what was kept.
#[derive(Clone, Debug)]
pub(crate) enum CentreGradient {
    /// `[classes * sub_centres, dim]`, and its norm.
    Whole { values: Vec<f32>, norm: f64 },
    /// Of a screened head.
    Rows(Box<RowGradient>),
    /// Of a sampled head.
    Drawn(Box<DrawnGradient>),
}

/// Scores that are held rather than computed twice: 256 MiB of them, whatever the number of classes.
pub(crate) const SCORES_KEPT: usize = 1 << 26;

/// Scores of a tile of [`class_loss`]: 64 MiB. A larger tile keeps the products long; a head works in smaller ones.
const SCORES_OF_TILE: usize = 1 << 24;

/// Loss and gradients of a batch against centres that somebody else keeps: [`Head::forward`](crate::Head::forward) without
/// the head. The step of the pending update is 0.
///
/// Shapes: `centres` `[classes * sub_centres, dim]`, `features` `[batch, dim]`, one label a sample.
///
/// # Errors
/// Those of [`Head::forward`](crate::Head::forward), and centres that are not finite or not whole classes.
pub fn class_loss(
    objective: &ClassObjective,
    centres: MatRef<'_>,
    features: MatRef<'_>,
    labels: &[u32],
) -> Result<HeadForward, HeadError> {
    let each = objective.sub_centres();
    if centres.rows() == 0 || centres.rows() % each != 0 {
        let (found, wanted) = (centres.rows(), each * (centres.rows() / each).max(1));
        let error = widemargin_objective::ObjectiveError::Count { what: "class centres", found, wanted };
        return Err(error.into());
    }
    if let Some(at) = first_not_finite(centres.data()) {
        return Err(HeadError::NonFiniteTensor { name: "centres".to_owned(), row: at / centres.cols() });
    }
    // Scores that are kept need not be computed again for the gradients: a product less of four.
    let tile_classes =
        (SCORES_OF_TILE / (features.rows() * each).max(1)).max(crate::HeadConfig::default().tile_classes);
    let centres = Centres { values: centres, score: objective.score(), each, tile_classes, behind: None };
    centres.forward(objective, features, labels, 0)
}

/// The class centres and how they are to be scored.
#[derive(Clone, Copy)]
pub(crate) struct Centres<'a> {
    /// `[classes * each, dim]`.
    pub(crate) values: MatRef<'a>,
    pub(crate) score: Score,
    /// Centres of a class.
    pub(crate) each: usize,
    pub(crate) tile_classes: usize,
    /// Rows that are behind, and what the optimiser remembers of them.
    pub(crate) behind: Option<(&'a Lazy, &'a Optimiser)>,
}

/// Some classes, their centres ready to be multiplied.
pub(crate) struct Tile {
    pub(crate) first_class: usize,
    pub(crate) classes: usize,
    each: usize,
    /// Of length one where the score wants it, as they are otherwise: `[classes * each, dim]`.
    pub(crate) units: Vec<f32>,
    /// What `normalise` returned for each, where it was called.
    pub(crate) norms: Vec<f64>,
}

impl Tile {
    pub(crate) fn rows(&self) -> usize {
        self.classes * self.each
    }

    pub(crate) fn view(&self, dim: usize) -> MatRef<'_> {
        MatRef::new(&self.units, self.rows(), dim).expect("a tile is cut in whole rows")
    }

    /// Similarities of a batch with the classes, `[batch, classes]`, and with several centres a class which one was the nearest.
    pub(crate) fn score(&self, batch: &Batch, similarities: &mut Vec<f32>, nearest: &mut Vec<u16>) {
        similarities.resize(batch.rows * self.rows(), 0.0);
        matmul_transposed_b(similarities, batch.view(), self.view(batch.dim), Write::Replace, Threads::Rayon);
        nearest.clear();
        if self.each > 1 {
            nearest.resize(batch.rows * self.classes, 0);
            let mut largest = vec![f32::NEG_INFINITY; nearest.len()];
            let rows = similarities.par_chunks(self.rows().max(1));
            let out = largest.par_chunks_mut(self.classes).zip(nearest.par_chunks_mut(self.classes));
            rows.zip(out).for_each(|(all, (largest, nearest))| {
                for (all, (largest, nearest)) in
                    all.chunks_exact(self.each).zip(largest.iter_mut().zip(nearest))
                {
                    for (at, &value) in all.iter().enumerate() {
                        if value > *largest {
                            (*largest, *nearest) = (value, at as u16);
                        }
                    }
                }
            });
            *similarities = largest;
        }
    }

    /// Derivatives by the classes' similarities, `[batch, classes]`, as derivatives by those of the centres.
    pub(crate) fn of_centres(&self, slopes: Vec<f32>, nearest: &[u16]) -> Vec<f32> {
        if self.each == 1 {
            return slopes;
        }
        let mut all = vec![0.0; slopes.len() * self.each];
        let rows = all.par_chunks_mut(self.rows().max(1)).zip(slopes.par_chunks(self.classes));
        rows.zip(nearest.par_chunks(self.classes)).for_each(|((all, slopes), nearest)| {
            for ((all, slope), &at) in all.chunks_exact_mut(self.each).zip(slopes).zip(nearest) {
                all[usize::from(at)] = *slope;
            }
        });
        all
    }
}

/// The features of a batch, ready to be multiplied.
pub(crate) struct Batch {
    pub(crate) units: Vec<f32>,
    pub(crate) norms: Vec<f64>,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
}

impl Batch {
    pub(crate) fn new(features: MatRef<'_>, score: Score) -> Self {
        let (units, norms) = rows_to_score(features, score.is_cosine());
        Self { units, norms, rows: features.rows(), dim: features.cols() }
    }

    pub(crate) fn view(&self) -> MatRef<'_> {
        MatRef::new(&self.units, self.rows, self.dim).expect("as many values as the features have")
    }
}

/// Rows of length one and their norms for cosines; the rows as they are and no norms for dot products.
fn rows_to_score(rows: MatRef<'_>, cosine: bool) -> (Vec<f32>, Vec<f64>) {
    let mut units = rows.data().to_vec();
    let norms = if cosine { units.par_chunks_mut(rows.cols()).map(normalise).collect() } else { Vec::new() };
    (units, norms)
}

/// A batch without its ignored samples.
pub(crate) struct Active {
    rows: Vec<usize>,
    values: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    dim: usize,
    batch: usize,
}

impl Active {
    /// `None` where no sample is ignored.
    pub(crate) fn of(features: MatRef<'_>, labels: &[u32], ignore: Option<u32>) -> Option<Self> {
        let ignore = ignore.filter(|ignore| labels.contains(ignore))?;
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] != ignore).collect();
        Some(Self {
            values: rows.iter().flat_map(|&row| features.row(row).iter().copied()).collect(),
            labels: rows.iter().map(|&row| labels[row]).collect(),
            dim: features.cols(),
            batch: labels.len(),
            rows,
        })
    }

    pub(crate) fn features(&self) -> Result<MatRef<'_>, HeadError> {
        Ok(MatRef::new(&self.values, self.rows.len(), self.dim)
            .map_err(widemargin_objective::ObjectiveError::from)?)
    }

    /// What came of the active samples, with zeros in the places of the ignored ones.
    pub(crate) fn with_ignored(&self, found: HeadForward) -> HeadForward {
        HeadForward {
            losses: self.spread(&found.losses, 1),
            grad_features: self.spread(&found.grad_features, self.dim),
            ..found
        }
    }

    /// Rows of the active samples in their places, zeros in those of the ignored ones.
    pub(crate) fn spread(&self, values: &[f32], cols: usize) -> Vec<f32> {
        let mut all = vec![0.0; self.batch * cols];
        for (values, &row) in values.chunks(cols).zip(&self.rows) {
            all[row * cols..(row + 1) * cols].copy_from_slice(values);
        }
        all
    }
}

/// Similarities of a batch with a tile's classes, `[batch, classes]`, and the nearest centres of each.
pub(crate) type Scored = (Vec<f32>, Vec<u16>);

/// What the first pass leaves for the second.
struct FirstPass {
    outcomes: Vec<PointOutcome<f32>>,
    points: BatchPoints,
    targets: Targets,
    /// Those of the first tiles, as many as may be held.
    scored: Vec<Scored>,
}

/// What each sample and its own class centre have to do with each other.
pub(crate) struct Targets {
    pub(crate) similarities: Vec<f32>,
    pub(crate) cosines: Vec<f64>,
    /// What a similarity is the cosine times of: 1 for cosines.
    pub(crate) lengths: Vec<f32>,
    /// Norms of the features as they came.
    pub(crate) feature_norms: Vec<f64>,
    /// Norms of the own centres, as `normalise` gives them; 1 where centres are not normalised.
    pub(crate) centre_norms: Vec<f64>,
    /// Row of the own centre among all.
    pub(crate) rows: Vec<usize>,
}

impl<'a> Centres<'a> {
    pub(crate) fn classes(&self) -> usize {
        self.values.rows() / self.each
    }

    /// Writes a row at its true place, of length one where the score wants it; what `normalise` returned, or 1.
    pub(crate) fn unit(&self, row: usize, out: &mut [f32]) -> f64 {
        self.row(row, out);
        if self.score.normalises_centres() { normalise(out) } else { 1.0 }
    }

    /// Writes a row at its true place.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        match self.behind.and_then(|(lazy, optimiser)| Some((lazy.motion(row)?, optimiser))) {
            None => out.copy_from_slice(self.values.row(row)),
            Some((motion, optimiser)) => {
                let dim = out.len();
                let memory: Vec<&[f32]> =
                    optimiser.memory().map(|(_, values)| &values[row * dim..(row + 1) * dim]).collect();
                motion.values(self.values.row(row), &memory, out);
            }
        }
    }

    /// Rows from `first` on, ready to be multiplied, and the norms that they were divided by.
    fn rows_to_score(&self, rows: MatRef<'_>, first: usize) -> (Vec<f32>, Vec<f64>) {
        if self.behind.is_none() {
            return rows_to_score(rows, self.score.normalises_centres());
        }
        let mut units = vec![0.0; rows.data().len()];
        let all = units.par_chunks_mut(rows.cols()).enumerate();
        let norms = all.map(|(at, unit)| self.unit(first + at, unit)).collect();
        (units, norms)
    }

    pub(crate) fn tiles(&self) -> impl Iterator<Item = Tile> + 'a {
        let this = *self;
        let Self { values, each, tile_classes, .. } = this;
        let classes = self.classes();
        (0..classes).step_by(tile_classes).map(move |first_class| {
            let end = classes.min(first_class.saturating_add(tile_classes));
            let rows = values.slice_rows(first_class * each..end * each);
            let (units, norms) = this.rows_to_score(rows, first_class * each);
            Tile { first_class, classes: end - first_class, each, units, norms }
        })
    }

    /// Similarity of each sample with its own class: one product a sample and centre of the class.
    pub(crate) fn targets(&self, batch: &Batch, features: MatRef<'_>, labels: &[u32]) -> Targets {
        let own = |(at, (unit, &label)): (usize, (&[f32], &u32))| {
            let mut best = (f32::NEG_INFINITY, 0, 0.0, 0.0);
            let mut centre = vec![0.0; batch.dim];
            for row in label as usize * self.each..(label as usize + 1) * self.each {
                let centre_norm = self.unit(row, &mut centre);
                let similarity = dot(unit, &centre) as f32;
                if similarity > best.0 {
                    let centre_length = if self.score.normalises_centres() { 1.0 } else { norm(&centre) };
                    best = (similarity, row, centre_length, centre_norm);
                }
            }
            let feature_norm = norm(features.row(at));
            let length = if self.score.is_cosine() { 1.0 } else { feature_norm * best.2 };
            let cosine = f64::from(best.0)
                / if self.score.is_cosine() {
                    1.0
                } else {
                    feature_norm.max(NORM_FLOOR) * best.2.max(NORM_FLOOR)
                };
            (best.0, cosine, length as f32, feature_norm, best.1, best.3)
        };
        let all: Vec<_> =
            batch.units.par_chunks(batch.dim).zip(labels.par_iter()).enumerate().map(own).collect();
        Targets {
            similarities: all.iter().map(|own| own.0).collect(),
            cosines: all.iter().map(|own| own.1).collect(),
            lengths: all.iter().map(|own| own.2).collect(),
            feature_norms: all.iter().map(|own| own.3).collect(),
            rows: all.iter().map(|own| own.4).collect(),
            centre_norms: all.iter().map(|own| own.5).collect(),
        }
    }

    /// Shows each sample its similarities with every class, a tile after the other: `observe(sample, first_class,
    /// similarities)`. Gives back the scores of the first tiles, up to `keep` of them.
    pub(crate) fn sweep<R: Send>(
        &self,
        batch: &Batch,
        samples: &mut [R],
        keep: usize,
        observe: impl Fn(&mut R, usize, &[f32]) + Sync,
    ) -> Vec<Scored> {
        let (mut similarities, mut nearest) = (Vec::new(), Vec::new());
        let (mut kept, mut room) = (Vec::new(), keep);
        for tile in self.tiles() {
            tile.score(batch, &mut similarities, &mut nearest);
            samples
                .par_iter_mut()
                .zip(similarities.par_chunks(tile.classes))
                .for_each(|(sample, similarities)| observe(sample, tile.first_class, similarities));
            if room >= similarities.len() && !similarities.is_empty() {
                room -= similarities.len();
                kept.push((std::mem::take(&mut similarities), std::mem::take(&mut nearest)));
            } else {
                room = 0;
            }
        }
        kept
    }

    /// `log sum_{i != y} e^{s cos_i}` of each sample.
    fn log_partitions(
        &self,
        softmax: &Objective,
        batch: &Batch,
        labels: &[u32],
        targets: &[f32],
    ) -> Vec<f64> {
        let mut rows: Vec<RowPass<f32>> = labels
            .iter()
            .zip(targets)
            .map(|(&label, &target)| softmax.row_pass(label as usize, target))
            .collect();
        self.sweep(batch, &mut rows, 0, RowPass::observe);
        let scale = softmax.score().scale();
        let partition = |(row, &target): (RowPass<f32>, &f32)| {
            f64::from(row.finish().pooled_lead) + scale * f64::from(target)
        };
        rows.into_iter().zip(targets).map(partition).collect()
    }

    /// Loss and diagnostics of each sample, from every tile in turn.
    fn first_pass(
        &self,
        objective: &ClassObjective,
        batch: &Batch,
        features: MatRef<'_>,
        labels: &[u32],
        keep: usize,
    ) -> Result<FirstPass, HeadError> {
        let targets = self.targets(batch, features, labels);
        let partitions = match objective.wants_partitions() {
            Some(scale) => {
                let softmax = Objective::normalized_softmax(scale)?;
                Some(self.log_partitions(&softmax, batch, labels, &targets.similarities))
            }
            None => None,
        };
        let points = objective.points(&BatchFacts {
            labels,
            feature_norms: &targets.feature_norms,
            target_cosines: &targets.cosines,
            log_partitions: partitions.as_deref(),
        })?;
        let mut rows: Vec<PointPass<f32>> = labels
            .iter()
            .enumerate()
            .map(|(at, &label)| {
                points.point(at).row_pass_at(label as usize, targets.similarities[at], targets.lengths[at])
            })
            .collect();
        let scored = self.sweep(batch, &mut rows, keep, PointPass::observe);
        let mut outcomes: Vec<PointOutcome<f32>> = rows.into_iter().map(PointPass::finish).collect();
        for (at, outcome) in outcomes.iter_mut().enumerate() {
            if let Some(term) = points.norm_term(at) {
                outcome.loss += term.loss as f32;
            }
        }
        if let Some(row) = outcomes.iter().position(|outcome| !outcome.loss.is_finite()) {
            return Err(HeadError::NonFiniteLoss { row, label: labels[row] });
        }
        Ok(FirstPass { outcomes, points, targets, scored })
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
    ) -> Result<HeadEvaluation, HeadError> {
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
    ) -> Result<HeadForward, HeadError> {
        self.check(features, labels, objective.ignore_label())?;
        if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
            let found = self.forward(objective, active.features()?, &active.labels, step)?;
            return Ok(active.with_ignored(found));
        }
        let batch = Batch::new(features, self.score);
        let FirstPass { outcomes, points, targets, scored } =
            self.first_pass(objective, &batch, features, labels, SCORES_KEPT)?;
        let mut scored = scored.into_iter();
        let HeadEvaluation { loss, losses, diagnostics } = Self::summary(&outcomes, &targets);

        let dim = batch.dim;
        let share = 1.0 / batch.rows.max(1) as f32;
        let mut grad_features = vec![0.0; batch.rows * dim];
        let mut grad_centres = vec![0.0; self.values.data().len()];
        for tile in self.tiles() {
            let (mut slopes, nearest) = scored.next().unwrap_or_else(|| {
                let (mut similarities, mut nearest) = (Vec::new(), Vec::new());
                tile.score(&batch, &mut similarities, &mut nearest);
                (similarities, nearest)
            });
            outcomes.par_iter().zip(slopes.par_chunks_mut(tile.classes)).for_each(|(outcome, slopes)| {
                outcome.gradient(tile.first_class, slopes);
                for slope in slopes {
                    *slope *= share;
                }
            });
            let slopes = tile.of_centres(slopes, &nearest);
            let slopes = MatRef::new(&slopes, batch.rows, tile.rows()).expect("sized for this tile above");
            matmul(&mut grad_features, slopes, tile.view(dim), Write::Add, Threads::Rayon);
            let range =
                tile.first_class * self.each * dim..(tile.first_class + tile.classes) * self.each * dim;
            let grad_tile = &mut grad_centres[range];
            matmul_transposed_a(grad_tile, slopes, batch.view(), Write::Replace, Threads::Rayon);
            project_rows(grad_tile, &tile.units, &tile.norms, dim);
        }
        self.along_lengths(&outcomes, &targets, &batch, share, &mut grad_features, &mut grad_centres);
        project_rows(&mut grad_features, &batch.units, &batch.norms, dim);
        add_norm_terms(&points, &outcomes, &targets.feature_norms, features, &mut grad_features);
        if let Some(at) = first_not_finite(&grad_features) {
            return Err(HeadError::NonFiniteFeatureGradient { row: at / dim, label: labels[at / dim] });
        }
        if let Some(at) = first_not_finite(&grad_centres) {
            return Err(HeadError::NonFiniteCentreGradient { class: at / dim / self.each });
        }
        let learnt = objective.learnt().map(|_| {
            outcomes.iter().map(|outcome| f64::from(outcome.learnt_slope)).sum::<f64>() as f32 * share
        });
        let pending = PendingUpdate {
            gradient: CentreGradient::Whole { norm: norm_of_rows(&grad_centres, dim), values: grad_centres },
            step,
            learnt,
            next_state: points.next_state(),
        };
        Ok(HeadForward { loss, losses, grad_features, diagnostics, screening: None, pending })
    }

    /// Where a margin in angle meets scores that have a length: what goes through the lengths of feature and own centre.
    pub(crate) fn along_lengths(
        &self,
        outcomes: &[PointOutcome<f32>],
        targets: &Targets,
        batch: &Batch,
        share: f32,
        grad_features: &mut [f32],
        grad_centres: &mut [f32],
    ) {
        let dim = batch.dim;
        for (row, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| outcome.length_slope != 0.0) {
            let slope = f64::from(outcome.length_slope * share);
            let x_norm = targets.feature_norms[row].max(NORM_FLOOR);
            let own = targets.rows[row];
            let centre = self.values.row(own);
            let normalised = self.score.normalises_centres();
            let w_norm = if normalised { 1.0 } else { norm(centre).max(NORM_FLOOR) };
            let unit = &batch.units[row * dim..(row + 1) * dim];
            for at in 0..dim {
                grad_features[row * dim + at] += (slope * w_norm / x_norm) as f32 * unit[at];
                if !normalised {
                    grad_centres[own * dim + at] += (slope * x_norm / w_norm) as f32 * centre[at];
                }
            }
        }
    }

    /// All plain similarities, `[batch, classes]`.
    pub(crate) fn similarities(&self, features: MatRef<'_>) -> Result<Vec<f32>, HeadError> {
        self.check_features(features)?;
        let batch = Batch::new(features, self.score);
        let whole = Self { tile_classes: self.classes(), ..*self };
        let (mut out, mut nearest) = (Vec::new(), Vec::new());
        for tile in whole.tiles() {
            tile.score(&batch, &mut out, &mut nearest);
        }
        Ok(out)
    }

    /// The class of the largest similarity of each sample, the lowest of equals.
    pub(crate) fn nearest(&self, features: MatRef<'_>) -> Result<Vec<u32>, HeadError> {
        self.check_features(features)?;
        let batch = Batch::new(features, self.score);
        let mut best = vec![(f32::NEG_INFINITY, 0_u32); batch.rows];
        self.sweep(&batch, &mut best, 0, |best, first_class, similarities| {
            for (at, &similarity) in similarities.iter().enumerate() {
                if similarity > best.0 {
                    *best = (similarity, (first_class + at) as u32);
                }
            }
        });
        Ok(best.into_iter().map(|(_, class)| class).collect())
    }

    pub(crate) fn check_features(&self, features: MatRef<'_>) -> Result<(), HeadError> {
        let dim = self.values.cols();
        if features.cols() != dim {
            return Err(HeadError::Dimension { found: features.cols(), wanted: dim });
        }
        if let Some(at) = first_not_finite(features.data()) {
            return Err(HeadError::NonFiniteFeature {
                row: at / dim,
                column: at % dim,
                found: features.data()[at],
            });
        }
        Ok(())
    }

    pub(crate) fn check(
        &self,
        features: MatRef<'_>,
        labels: &[u32],
        ignore: Option<u32>,
    ) -> Result<(), HeadError> {
        self.check_features(features)?;
        if labels.len() != features.rows() {
            return Err(HeadError::LabelCount { found: labels.len(), wanted: features.rows() });
        }
        let classes = self.classes();
        match labels.iter().position(|&label| label as usize >= classes && Some(label) != ignore) {
            Some(row) => Err(HeadError::Label { row, found: labels[row], classes }),
            None => Ok(()),
        }
    }
}

/// What the norms of the features add to their gradient, for objectives where norms are learnt from.
pub(crate) fn add_norm_terms(
    points: &BatchPoints,
    outcomes: &[PointOutcome<f32>],
    feature_norms: &[f64],
    features: MatRef<'_>,
    grad_features: &mut [f32],
) {
    for (row, outcome) in outcomes.iter().enumerate() {
        if let Some(term) = points.norm_term(row) {
            let scale = points.point(row).scale();
            let slope = term.norm_slope(f64::from(outcome.push), scale) / outcomes.len() as f64;
            let by_norm = (slope / feature_norms[row].max(NORM_FLOOR)) as f32;
            let gradient = grad_features[row * features.cols()..].iter_mut();
            gradient.zip(features.row(row)).for_each(|(gradient, x)| *gradient += by_norm * x);
        }
    }
}

/// Takes each row's gradient through the division by its norm; nothing to do for dot products, which have no norms.
pub(crate) fn project_rows(gradients: &mut [f32], units: &[f32], norms: &[f64], dim: usize) {
    let rows = gradients.par_chunks_mut(dim).zip(units.par_chunks(dim)).zip(norms.par_iter());
    rows.for_each(|((gradient, unit), &norm)| project(gradient, unit, norm));
}

/// The place of the first value that is not finite.
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    const CHUNK: usize = 1 << 14;
    let found = |(_, chunk): &(usize, &[f32])| !all_finite(chunk);
    let (at, chunk) = values.par_chunks(CHUNK).enumerate().find_first(found)?;
    chunk.iter().position(|value| !value.is_finite()).map(|place| at * CHUNK + place)
}

/// Without an early end, which would keep the loop from being vectorised.
fn all_finite(values: &[f32]) -> bool {
    let exponent = f32::INFINITY.to_bits();
    !values.iter().fold(false, |found, value| found | (value.to_bits() & exponent == exponent))
}

/// Euclidean norm of a matrix, from those of its rows; the same for any number of threads.
pub(crate) fn norm_of_rows(values: &[f32], dim: usize) -> f64 {
    norm(&values.par_chunks(dim).map(norm).collect::<Vec<f64>>())
}
