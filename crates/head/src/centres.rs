//! The class centres of a head as they are scored: rows, tiles, and passes over all of them.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use widemargin_objective::{MatRef, NORM_FLOOR, Score, dot, norm, normalise};

use crate::batch::{Batch, Targets, check_labels, first_not_finite};
use crate::centre_optimiser::CentreOptimiser;
use crate::error::Error;
use crate::lazy::Lazy;
use crate::storage::{ProductPrecision, Values};
use crate::tile::{Scored, Spare, Tile};

/// Groups of tiles that are processed in parallel. Fixed, and not the number of threads, so that sums are added in the same
/// order on every machine.
pub(crate) const GROUPS: usize = 16;

/// A tile is not cut below this many classes to give each group one: matrix products become too short.
const LEAST_TILE: usize = 64;

/// Values of a row that are converted to `f32` together.
const RUN: usize = 256;

/// The class centres and how they are scored.
#[derive(Clone, Copy)]
pub(crate) struct Centres<'a> {
    /// `[classes * per_class, dim]`.
    pub(crate) values: Values<'a>,
    pub(crate) dim: usize,
    pub(crate) score: Score,
    /// Centres per class.
    pub(crate) per_class: usize,
    /// Largest number of classes in a tile.
    pub(crate) tile_classes: usize,
    /// Largest number of scores kept between two passes.
    pub(crate) kept_scores: usize,
    /// Precision of the products of a training step.
    pub(crate) products: ProductPrecision,
    /// The deferred updates of a screened head, and the optimiser's memory that they need.
    pub(crate) deferred: Option<(&'a Lazy, &'a CentreOptimiser)>,
    pub(crate) spare: &'a Spare,
}

impl<'a> Centres<'a> {
    pub(crate) fn classes(&self) -> usize {
        self.values.len() / (self.dim * self.per_class)
    }

    /// Classes per tile, except for the last tile: as configured, but few enough to give each group a tile if there are enough
    /// classes.
    pub(crate) fn classes_of_tile(&self) -> usize {
        let shared = self.classes().div_ceil(GROUPS).next_multiple_of(16).max(LEAST_TILE);
        self.tile_classes.min(shared)
    }

    pub(crate) fn tiles(&self) -> usize {
        self.classes().div_ceil(self.classes_of_tile())
    }

    /// The tiles of each group, in order.
    pub(crate) fn groups(&self) -> Vec<Range<usize>> {
        let tiles = self.tiles();
        let per_group = tiles.div_ceil(GROUPS).max(1);
        (0..tiles).step_by(per_group).map(|first| first..tiles.min(first + per_group)).collect()
    }

    /// Writes a row with all deferred updates applied.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let first = row * self.dim;
        let Some((motion, optimiser)) =
            self.deferred.and_then(|(lazy, optimiser)| Some((lazy.motion(row)?, optimiser)))
        else {
            return self.values.slice(first..first + self.dim).write(out);
        };
        // short enough for buffers on the stack
        for (at, out) in out.chunks_mut(RUN).enumerate() {
            let range = first + at * RUN..first + at * RUN + out.len();
            let [mut of_values, mut of_first, mut of_second] = [[0.0; RUN]; 3];
            let (mut memory, mut count) = ([&[][..]; 2], 0);
            let rooms = [&mut of_first, &mut of_second];
            for (((_, values), room), row) in optimiser.memory().zip(rooms).zip(&mut memory) {
                *row = values.slice(range.clone()).wide_in(room);
                count += 1;
            }
            motion.values(self.values.slice(range).wide_in(&mut of_values), &memory[..count], out);
        }
    }

    /// Writes a row with all deferred updates applied, normalised if the score normalises centres. Returns the result of
    /// `normalise`, or 1.
    pub(crate) fn unit(&self, row: usize, out: &mut [f32]) -> f64 {
        self.row(row, out);
        if self.score.normalises_centres() { normalise(out) } else { 1.0 }
    }

    /// Prefetches a row that [`Centres::row`] will read soon.
    pub(crate) fn prefetch(&self, row: usize) {
        let range = row * self.dim..(row + 1) * self.dim;
        self.values.slice(range.clone()).prefetch();
        if let Some((_, optimiser)) = self.deferred.filter(|(lazy, _)| lazy.age(row) > 0) {
            optimiser.memory().for_each(|(_, values)| values.slice(range.clone()).prefetch());
        }
    }

    /// A tile by its number.
    pub(crate) fn tile(&self, at: usize) -> Tile<'a> {
        let of_tile = self.classes_of_tile();
        let first_class = at * of_tile;
        let classes = of_tile.min(self.classes() - first_class);
        let (first, count) = (first_class * self.per_class, classes * self.per_class);
        let rows = if self.deferred.is_none() {
            self.values.slice(first * self.dim..(first + count) * self.dim).wide()
        } else {
            let mut rows = vec![0.0; count * self.dim];
            rows.chunks_exact_mut(self.dim).enumerate().for_each(|(at, out)| self.row(first + at, out));
            Cow::Owned(rows)
        };
        Tile::new(first_class, rows, self.per_class, self.dim, self.score)
    }

    pub(crate) fn check_features(&self, features: MatRef<'_>) -> Result<(), Error> {
        let dim = self.dim;
        if features.cols() != dim {
            return Err(Error::Dimension { found: features.cols(), expected: dim });
        }
        if let Some(at) = first_not_finite(features.data()) {
            let (row, column, found) = (at / dim, at % dim, features.data()[at]);
            return Err(Error::NonFiniteFeature { row, column, found });
        }
        Ok(())
    }

    pub(crate) fn check(
        &self,
        features: MatRef<'_>,
        labels: &[u32],
        ignore: Option<u32>,
    ) -> Result<(), Error> {
        self.check_features(features)?;
        check_labels(labels, features.rows(), self.classes(), ignore)
    }

    /// Scores each sample against its target class: one product per centre of the class.
    pub(crate) fn targets(&self, batch: &Batch, features: MatRef<'_>, labels: &[u32]) -> Targets {
        let target = |(at, (unit, &label)): (usize, (&[f32], &u32))| {
            let mut best = (f32::NEG_INFINITY, 0, 0.0, 0.0);
            let mut centre = vec![0.0; batch.dim];
            for row in label as usize * self.per_class..(label as usize + 1) * self.per_class {
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
            batch.units.par_chunks(batch.dim).zip(labels.par_iter()).enumerate().map(target).collect();
        Targets {
            similarities: all.iter().map(|target| target.0).collect(),
            cosines: all.iter().map(|target| target.1).collect(),
            lengths: all.iter().map(|target| target.2).collect(),
            feature_norms: all.iter().map(|target| target.3).collect(),
            rows: all.iter().map(|target| target.4).collect(),
            centre_norms: all.iter().map(|target| target.5).collect(),
        }
    }

    /// Calls `observe(sample, first_class, similarities)` for each sample and tile.
    ///
    /// Each group starts with a copy of `start` and observes its tiles in order; the groups' samples are then merged in order.
    /// Also returns the scores of the first tiles, `keep` scores at most, in buffers of [`Centres::spare`].
    pub(crate) fn sweep<R: Clone + Send + Sync>(
        &self,
        batch: &Batch,
        start: &[R],
        keep: usize,
        observe: impl Fn(&mut R, usize, &[f32]) + Sync,
        merge: impl Fn(&mut R, R),
    ) -> (Vec<R>, Vec<Scored>) {
        let kept_tiles = keep / (batch.rows * self.classes_of_tile()).max(1);
        let group = |tiles: &Range<usize>| {
            let mut samples = start.to_vec();
            let (mut scored, mut kept) = (self.spare.take(), Vec::new());
            for at in tiles.clone() {
                let tile = self.tile(at);
                tile.score(batch, &mut scored);
                let rows = scored.similarities.chunks_exact(tile.classes);
                samples.iter_mut().zip(rows).for_each(|(sample, row)| observe(sample, tile.first_class, row));
                if at < kept_tiles {
                    kept.push(std::mem::replace(&mut scored, self.spare.take()));
                }
            }
            self.spare.put([scored]);
            (samples, kept)
        };
        let groups: Vec<_> = self.groups().par_iter().map(group).collect();
        let mut groups = groups.into_iter();
        let (mut samples, mut kept) = groups.next().unwrap_or_else(|| (start.to_vec(), Vec::new()));
        for (group, of_group) in groups {
            samples.iter_mut().zip(group).for_each(|(sample, group)| merge(sample, group));
            kept.extend(of_group);
        }
        (samples, kept)
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

    /// The class with the largest similarity of each sample; the lowest class of a tie.
    pub(crate) fn nearest(&self, features: MatRef<'_>) -> Result<Vec<u32>, Error> {
        self.check_features(features)?;
        let batch = Batch::new(features, self.score);
        let largest = self.largest(&batch);
        match largest.iter().position(|(similarity, _)| similarity.is_nan()) {
            Some(row) => Err(Error::NonFiniteScore { row }),
            None => Ok(largest.into_iter().map(|(_, class)| class).collect()),
        }
    }

    /// The largest similarity of each sample and its class; the lowest class of a tie. `NaN` if one is not finite.
    pub(crate) fn largest(&self, batch: &Batch) -> Vec<(f32, u32)> {
        let observe = |best: &mut (f32, u32), first_class: usize, similarities: &[f32]| {
            for (at, &similarity) in similarities.iter().enumerate() {
                if similarity > best.0 {
                    *best = (similarity, (first_class + at) as u32);
                }
            }
            // no comparison finds a `NaN`, and none is true after one
            if similarities.iter().fold(false, |found, similarity| found | !similarity.is_finite()) {
                best.0 = f32::NAN;
            }
        };
        let merge = |best: &mut (f32, u32), later: (f32, u32)| {
            if later.0 > best.0 || later.0.is_nan() {
                *best = later;
            }
        };
        let none = vec![(f32::NEG_INFINITY, 0_u32); batch.rows];
        self.sweep(batch, &none, 0, observe, merge).0
    }
}
