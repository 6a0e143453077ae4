//! Loss and gradients over all classes, a tile of them at a time.
//!
//! No `batch x classes` matrix is held unless the classes fit in one tile. The target's similarity is computed first, so
//! every objective of the family can be finished in two passes over the class tiles
//! ([`widemargin_objective::RowPass`]): the first adds up each sample's row, the second scores the tile again, turns
//! the scores into derivatives and multiplies them out. With one tile the scores are kept and the second pass starts from
//! them.
//!
//! Products and rows are parallel inside a tile and tiles follow one another, so every sum has a fixed order.

use rayon::prelude::*;
use widemargin_kernels::matrix::{Threads, Write, matmul, matmul_transposed_a, matmul_transposed_b};
use widemargin_objective::{
    Diagnostics, DiagnosticsSum, MatRef, NORM_FLOOR, Objective, RowOutcome, RowPass, norm, normalise, project,
};

use crate::HeadError;

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
    /// The gradient of the class centres, to be given to [`Head::apply`](crate::Head::apply) or dropped.
    pub pending: PendingUpdate,
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
    pub(crate) gradient: Vec<f32>,
    pub(crate) norm: f64,
    pub(crate) step: u64,
}

impl PendingUpdate {
    /// Gradient of the mean loss with respect to the class centres: `[classes, dim]`, row-major, finite.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Euclidean norm of the whole gradient, for clipping.
    pub fn gradient_norm(&self) -> f64 {
        self.norm
    }
}

/// The class centres and how they are to be scored.
#[derive(Clone, Copy)]
pub(crate) struct Centres<'a> {
    pub(crate) values: MatRef<'a>,
    pub(crate) cosine: bool,
    pub(crate) tile_classes: usize,
}

/// Some class centres, ready to be multiplied.
struct Tile {
    first_class: usize,
    /// Of length one for cosines, as they are otherwise: `[classes of the tile, dim]`.
    units: Vec<f32>,
    /// What `normalise` returned for each, for cosines.
    norms: Vec<f64>,
    classes: usize,
}

impl Tile {
    fn view(&self, dim: usize) -> MatRef<'_> {
        MatRef::new(&self.units, self.classes, dim).expect("a tile is cut in whole rows")
    }
}

/// The features of a batch, ready to be multiplied.
struct Batch {
    units: Vec<f32>,
    norms: Vec<f64>,
    rows: usize,
    dim: usize,
}

impl Batch {
    fn new(features: MatRef<'_>, cosine: bool) -> Self {
        let (units, norms) = rows_to_score(features, cosine);
        Self { units, norms, rows: features.rows(), dim: features.cols() }
    }

    fn view(&self) -> MatRef<'_> {
        MatRef::new(&self.units, self.rows, self.dim).expect("as many values as the features have")
    }
}

/// Rows of length one and their norms for cosines; the rows as they are and no norms for dot products.
fn rows_to_score(rows: MatRef<'_>, cosine: bool) -> (Vec<f32>, Vec<f64>) {
    let mut units = rows.data().to_vec();
    let norms = if cosine { units.par_chunks_mut(rows.cols()).map(normalise).collect() } else { Vec::new() };
    (units, norms)
}

/// What the first pass leaves for the second.
struct FirstPass {
    outcomes: Vec<RowOutcome<f32>>,
    /// `[batch, classes]`, where one tile holds all classes.
    similarities: Option<Vec<f32>>,
}

impl<'a> Centres<'a> {
    fn tiles(&self) -> impl Iterator<Item = Tile> + 'a {
        let Self { values, cosine, tile_classes } = *self;
        (0..values.rows()).step_by(tile_classes).map(move |first_class| {
            let rows =
                values.slice_rows(first_class..values.rows().min(first_class.saturating_add(tile_classes)));
            let (units, norms) = rows_to_score(rows, cosine);
            Tile { first_class, units, norms, classes: rows.rows() }
        })
    }

    /// Similarity of each sample with its own class centre.
    fn targets(&self, batch: &Batch, labels: &[u32]) -> Vec<f32> {
        let target = |(unit, &label): (&[f32], &u32)| {
            let mut centre = self.values.row(label as usize).to_vec();
            if self.cosine {
                normalise(&mut centre);
            }
            unit.iter().zip(&centre).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum::<f64>() as f32
        };
        batch.units.par_chunks(batch.dim).zip(labels.par_iter()).map(target).collect()
    }

    /// Loss and diagnostics of each sample, from every tile in turn.
    fn first_pass(
        &self,
        objective: &Objective,
        batch: &Batch,
        labels: &[u32],
    ) -> Result<FirstPass, HeadError> {
        let targets = self.targets(batch, labels);
        let mut rows: Vec<RowPass<f32>> = labels
            .iter()
            .zip(targets)
            .map(|(&label, target)| objective.row_pass(label as usize, target))
            .collect();
        let mut similarities = Vec::new();
        for tile in self.tiles() {
            similarities.resize(batch.rows * tile.classes, 0.0);
            matmul_transposed_b(
                &mut similarities,
                batch.view(),
                tile.view(batch.dim),
                Write::Replace,
                Threads::Rayon,
            );
            rows.par_iter_mut()
                .zip(similarities.par_chunks(tile.classes))
                .for_each(|(row, similarities)| row.observe(tile.first_class, similarities));
        }
        let outcomes: Vec<RowOutcome<f32>> = rows.into_iter().map(RowPass::finish).collect();
        if let Some(row) = outcomes.iter().position(|outcome| !outcome.loss.is_finite()) {
            return Err(HeadError::NonFiniteLoss { row, label: labels[row] });
        }
        let one_tile = self.values.rows() <= self.tile_classes;
        Ok(FirstPass { outcomes, similarities: one_tile.then_some(similarities) })
    }

    fn summary(&self, outcomes: &[RowOutcome<f32>], features: MatRef<'_>, labels: &[u32]) -> HeadEvaluation {
        let mut diagnostics = DiagnosticsSum::default();
        for (row, (outcome, &label)) in outcomes.iter().zip(labels).enumerate() {
            let similarity = f64::from(outcome.target_similarity);
            let cosine = if self.cosine {
                similarity
            } else {
                let length = |vector| norm(vector).max(NORM_FLOOR);
                similarity / length(features.row(row)) / length(self.values.row(label as usize))
            };
            diagnostics.add(outcome, cosine);
        }
        let losses: Vec<f32> = outcomes.iter().map(|outcome| outcome.loss).collect();
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        HeadEvaluation { loss: sum / losses.len().max(1) as f64, losses, diagnostics: diagnostics.finish() }
    }

    /// Loss and diagnostics alone.
    pub(crate) fn evaluate(
        &self,
        objective: &Objective,
        features: MatRef<'_>,
        labels: &[u32],
    ) -> Result<HeadEvaluation, HeadError> {
        self.check(features, labels)?;
        let batch = Batch::new(features, self.cosine);
        let FirstPass { outcomes, .. } = self.first_pass(objective, &batch, labels)?;
        Ok(self.summary(&outcomes, features, labels))
    }

    /// Loss, diagnostics and both gradients.
    pub(crate) fn forward(
        &self,
        objective: &Objective,
        features: MatRef<'_>,
        labels: &[u32],
        step: u64,
    ) -> Result<HeadForward, HeadError> {
        self.check(features, labels)?;
        let batch = Batch::new(features, self.cosine);
        let FirstPass { outcomes, similarities: kept } = self.first_pass(objective, &batch, labels)?;
        let HeadEvaluation { loss, losses, diagnostics } = self.summary(&outcomes, features, labels);

        let dim = batch.dim;
        let share = 1.0 / batch.rows.max(1) as f32;
        let mut grad_features = vec![0.0; batch.rows * dim];
        let mut grad_centres = vec![0.0; self.values.data().len()];
        let scored = kept.is_some();
        let mut slopes = kept.unwrap_or_default();
        for tile in self.tiles() {
            if !scored {
                slopes.resize(batch.rows * tile.classes, 0.0);
                matmul_transposed_b(
                    &mut slopes,
                    batch.view(),
                    tile.view(dim),
                    Write::Replace,
                    Threads::Rayon,
                );
            }
            outcomes.par_iter().zip(slopes.par_chunks_mut(tile.classes)).for_each(|(outcome, slopes)| {
                outcome.gradient(tile.first_class, slopes);
                for slope in slopes {
                    *slope *= share;
                }
            });
            let slopes = MatRef::new(&slopes, batch.rows, tile.classes).expect("sized for this tile above");
            matmul(&mut grad_features, slopes, tile.view(dim), Write::Add, Threads::Rayon);
            let range = tile.first_class * dim..(tile.first_class + tile.classes) * dim;
            let grad_tile = &mut grad_centres[range];
            matmul_transposed_a(grad_tile, slopes, batch.view(), Write::Replace, Threads::Rayon);
            project_rows(grad_tile, &tile.units, &tile.norms, dim);
        }
        project_rows(&mut grad_features, &batch.units, &batch.norms, dim);

        if let Some(at) = grad_features.iter().position(|value| !value.is_finite()) {
            return Err(HeadError::NonFiniteFeatureGradient { row: at / dim, label: labels[at / dim] });
        }
        if let Some(at) = grad_centres.iter().position(|value| !value.is_finite()) {
            return Err(HeadError::NonFiniteCentreGradient { class: at / dim });
        }
        let pending = PendingUpdate { norm: norm(&grad_centres), gradient: grad_centres, step };
        Ok(HeadForward { loss, losses, grad_features, diagnostics, pending })
    }

    /// All plain similarities, `[batch, classes]`.
    pub(crate) fn similarities(&self, features: MatRef<'_>) -> Result<Vec<f32>, HeadError> {
        self.check_features(features)?;
        let batch = Batch::new(features, self.cosine);
        let whole = Self { tile_classes: self.values.rows(), ..*self };
        let mut out = vec![0.0; batch.rows * self.values.rows()];
        for tile in whole.tiles() {
            matmul_transposed_b(&mut out, batch.view(), tile.view(batch.dim), Write::Replace, Threads::Rayon);
        }
        Ok(out)
    }

    /// The class of the largest similarity of each sample, the lowest of equals.
    pub(crate) fn nearest(&self, features: MatRef<'_>) -> Result<Vec<u32>, HeadError> {
        self.check_features(features)?;
        let batch = Batch::new(features, self.cosine);
        let mut best = vec![(f32::NEG_INFINITY, 0_u32); batch.rows];
        let mut similarities = Vec::new();
        for tile in self.tiles() {
            similarities.resize(batch.rows * tile.classes, 0.0);
            matmul_transposed_b(
                &mut similarities,
                batch.view(),
                tile.view(batch.dim),
                Write::Replace,
                Threads::Rayon,
            );
            best.par_iter_mut().zip(similarities.par_chunks(tile.classes)).for_each(
                |(best, similarities)| {
                    for (at, &similarity) in similarities.iter().enumerate() {
                        if similarity > best.0 {
                            *best = (similarity, (tile.first_class + at) as u32);
                        }
                    }
                },
            );
        }
        Ok(best.into_iter().map(|(_, class)| class).collect())
    }

    fn check_features(&self, features: MatRef<'_>) -> Result<(), HeadError> {
        let dim = self.values.cols();
        if features.cols() != dim {
            return Err(HeadError::Dimension { found: features.cols(), wanted: dim });
        }
        if let Some(at) = features.data().iter().position(|value| !value.is_finite()) {
            return Err(HeadError::NonFiniteFeature {
                row: at / dim,
                column: at % dim,
                found: features.data()[at],
            });
        }
        Ok(())
    }

    fn check(&self, features: MatRef<'_>, labels: &[u32]) -> Result<(), HeadError> {
        self.check_features(features)?;
        if labels.len() != features.rows() {
            return Err(HeadError::LabelCount { found: labels.len(), wanted: features.rows() });
        }
        let classes = self.values.rows();
        match labels.iter().position(|&label| label as usize >= classes) {
            Some(row) => Err(HeadError::Label { row, found: labels[row], classes }),
            None => Ok(()),
        }
    }
}

/// Takes each row's gradient through the division by its norm; nothing to do for dot products, which have no norms.
fn project_rows(gradients: &mut [f32], units: &[f32], norms: &[f64], dim: usize) {
    let rows = gradients.par_chunks_mut(dim).zip(units.par_chunks(dim)).zip(norms.par_iter());
    rows.for_each(|((gradient, unit), &norm)| project(gradient, unit, norm));
}
