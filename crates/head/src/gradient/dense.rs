//! The gradient of a dense head, and its optimiser step.
//!
//! The gradient of the centres is never stored as a whole, only the derivatives with respect to the scores. A tile of the
//! gradient is their product with the batch, and the optimiser uses it while it is in the cache.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use widemargin_kernels::matrix::{Threads, Write, matmul, matmul_transposed_a};
use widemargin_kernels::mixed;
use widemargin_kernels::vector::add_scaled;
use widemargin_objective::{MatRef, NORM_FLOOR, PointOutcome, Score, dot, norm};

use crate::batch::{Batch, Targets, first_not_finite};
use crate::centre_optimiser::CentreOptimiser;
use crate::centres::Centres;
use crate::error::Error;
use crate::optimiser::Rule;
use crate::storage::{Noise, Part, Scratch as Wide, Storage};
use crate::tile::{Scored, Tile};

/// Above this the gradient is computed and checked before anything moves, because it may leave the range of `f32`.
const LARGE: f64 = 1e30;

/// The gradient of the class centres as the factors of its product.
#[derive(Clone, Debug)]
pub(crate) struct DenseGradient {
    pub(crate) batch: Batch,
    pub(crate) outcomes: Vec<PointOutcome<f32>>,
    /// Factor on each derivative: 1 / batch size.
    share: f32,
    /// Derivatives with respect to the products with the first tiles, as many as are kept.
    slopes: Vec<Scored>,
    /// Rows with a gradient along themselves, through their lengths, and its factor.
    along: Vec<(usize, f32)>,
    /// The class that the first tile begins with.
    first_class: usize,
    /// Number of values in all centres.
    pub(crate) len: usize,
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    scored: Scored,
    gradient: Vec<f32>,
    wide: Wide,
}

/// How class centres are divided into tiles and scored, without borrowing them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    classes_of_tile: usize,
    per_class: usize,
    dim: usize,
    score: Score,
}

impl From<Centres<'_>> for Shape {
    fn from(centres: Centres<'_>) -> Self {
        let Centres { per_class, dim, score, .. } = centres;
        Self { classes_of_tile: centres.classes_of_tile(), per_class, dim, score }
    }
}

impl DenseGradient {
    /// The second pass: turns the kept scores into derivatives. Also returns the gradient of the features as they are scored.
    /// `first_class` is the objective's number for the first class of these centres.
    pub(crate) fn new(
        centres: &Centres<'_>,
        batch: Batch,
        outcomes: Vec<PointOutcome<f32>>,
        slopes: Vec<Scored>,
        first_class: usize,
    ) -> (Self, Vec<f32>) {
        let (share, len) = (1.0 / batch.rows.max(1) as f32, centres.values.len());
        let mut gradient = Self { batch, outcomes, share, slopes, along: Vec::new(), first_class, len };
        let grad_features = gradient.second_pass(centres);
        (gradient, grad_features)
    }

    fn second_pass(&mut self, centres: &Centres<'_>) -> Vec<f32> {
        let dim = self.batch.dim;
        let mut kept = std::mem::take(&mut self.slopes);
        let mut rest = kept.as_mut_slice();
        let mut groups = Vec::new();
        for tiles in centres.groups() {
            let (of_group, others) = rest.split_at_mut(tiles.len().min(rest.len()));
            rest = others;
            groups.push((tiles, of_group));
        }
        let pulls = |(tiles, kept): (Range<usize>, &mut [Scored])| {
            let mut pulls = vec![0.0; self.batch.rows * dim];
            let (mut kept, mut scratch) = (kept.iter_mut(), centres.spare.take());
            for at in tiles {
                let tile = centres.tile(at);
                let slopes = if let Some(scored) = kept.next() {
                    scored
                } else {
                    tile.score(&self.batch, &mut scratch);
                    &mut scratch
                };
                self.differentiate(&tile, slopes);
                let slopes = tile.of_rows(slopes);
                let slopes = MatRef::new(&slopes, self.batch.rows, tile.rows()).expect("sized for this tile");
                match &self.batch.rounded {
                    None => matmul(&mut pulls, slopes, tile.view(), Write::Add, Threads::Serial),
                    Some(_) => mixed::matmul(&mut pulls, slopes, tile.view(), Write::Add),
                }
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

    /// Turns similarities of the batch with a tile into derivatives of the mean loss with respect to the underlying products.
    fn differentiate(&self, tile: &Tile<'_>, scored: &mut Scored) {
        let rows = scored.similarities.chunks_exact_mut(tile.classes);
        for (outcome, row) in self.outcomes.iter().zip(rows) {
            outcome.gradient(self.first_class + tile.first_class, row);
        }
        tile.through_lengths(&mut scored.similarities, self.share);
    }

    /// Adds the gradient through the lengths of feature and target centre, which a margin in angle on dot products has. Only for
    /// samples whose target centre is among these (`is_here`).
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
            let target = targets.rows[row];
            let normalised = centres.score.normalises_centres();
            centres.row(target, &mut centre);
            let w_norm = if normalised { 1.0 } else { norm(&centre).max(NORM_FLOOR) };
            let place = row * dim..(row + 1) * dim;
            let factor = (slope * w_norm / x_norm) as f32;
            add_scaled(&mut grad_features[place.clone()], factor, &self.batch.units[place]);
            if !normalised {
                self.along.push((target, (slope * x_norm / w_norm) as f32));
            }
        }
    }

    /// Fails if the gradient of the centres is not finite. It always is for cosines; for dot products it is computed only if
    /// values are large.
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
            Err(Error::NonFiniteCentreGradient { class: self.first_class + row / centres.per_class })
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
        match &self.batch.rounded {
            None => matmul_transposed_a(out, slopes, self.batch.view(), Write::Replace, Threads::Serial),
            Some(rounded) => mixed::transposed_product(out, slopes, &rounded.right, Write::Replace),
        }
        tile.project(out);
        for &(row, factor) in &self.along {
            if let Some(place) = tile.place(row) {
                add_scaled(&mut out[place * dim..(place + 1) * dim], factor, tile.row(place));
            }
        }
    }

    /// Gradient of the value that the objective learns besides the centres.
    pub(crate) fn learnt_slope(&self) -> f32 {
        let slopes = self.outcomes.iter().map(|outcome| f64::from(outcome.learnt_slope));
        slopes.sum::<f64>() as f32 * self.share
    }

    /// Its buffers, for the next step.
    pub(crate) fn into_buffers(self) -> Vec<Scored> {
        self.slopes
    }

    /// The gradient as a matrix, `[classes * per_class, dim]`.
    pub(crate) fn whole(&self, centres: &Centres<'_>) -> Vec<f32> {
        let mut out = vec![0.0; self.len];
        let of_tile = centres.classes_of_tile() * centres.per_class * self.batch.dim;
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

    /// One step of the optimiser on all class centres; returns the norm of the gradient.
    ///
    /// `shape` is the centres' shape before `storage` was borrowed; `noise` has the keys of the rounding to half precision.
    pub(crate) fn step(
        &self,
        shape: Shape,
        storage: &mut Storage,
        optimiser: &mut CentreOptimiser,
        [learning_rate, clip_factor]: [f64; 2],
        noise: Noise,
    ) -> f64 {
        let rule: Rule = optimiser.next_rule(learning_rate, clip_factor);
        let Shape { classes_of_tile, per_class, dim, score } = shape;
        let size = classes_of_tile * per_class * dim;
        let parts: Vec<Part<'_>> = Part::all(storage, optimiser.memory_mut(), size).collect();
        let move_tile = |scratch: &mut Scratch, (at, mut part): (usize, Part<'_>)| {
            let Scratch { scored, gradient, wide } = scratch;
            let change = |values: &mut [f32], memory: &mut [&mut [f32]]| {
                let tile = Tile::new(at * classes_of_tile, Cow::Borrowed(values), per_class, dim, score);
                self.of_tile(&tile, at, scored, gradient);
                rule.apply(values, gradient, memory);
            };
            part.change(0..part.len(), noise.at(at), wide, change, |_, _| ());
            dot(gradient, gradient)
        };
        let squares: Vec<f64> =
            parts.into_par_iter().enumerate().map_init(Scratch::default, move_tile).collect();
        optimiser.count_step();
        squares.iter().sum::<f64>().sqrt()
    }
}
