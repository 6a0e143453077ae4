//! The gradient of a screened head: for each touched centre the samples that pull at it, and how strongly.

use std::ops::Range;

use rayon::prelude::*;
use widemargin_kernels::vector::{add_scaled, dot};

/// One sample's pull at one non-target class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) sample: u32,
    /// Still to be multiplied by the sample's share.
    pub(crate) weight: f32,
    pub(crate) cosine: f32,
}

/// A row of the centres with entries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Touched {
    /// The row.
    pub(crate) row: u32,
    /// Its length.
    pub(crate) norm: f32,
    /// End of its entries; they start at the end of the row before.
    pub(crate) end: u32,
}

/// The entries kept of a chunk of classes, in the order of the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ChunkEntries {
    pub(crate) rows: Vec<Touched>,
    pub(crate) entries: Vec<Entry>,
}

/// One sample's pull at its target class, at the nearest centre if there are several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TargetEntry {
    pub(crate) row: u32,
    pub(crate) sample: u32,
    /// `d loss / d cosine`, including the mean over the batch.
    pub(crate) slope: f32,
    pub(crate) cosine: f32,
    pub(crate) norm: f32,
}

/// The gradient of the class centres by its entries.
#[derive(Clone, Debug)]
pub(crate) struct RowGradient {
    /// Rows of the centres.
    pub(crate) total: usize,
    /// Rows per chunk.
    pub(crate) chunk: usize,
    pub(crate) dim: usize,
    /// Largest factor on a cosine in an exponent of this batch; 0 for an empty batch.
    pub(crate) sharpness: f64,
    /// Unit features, `[batch, dim]`.
    pub(crate) units: Vec<f32>,
    /// Factor on each sample's weights, including the mean over the batch.
    pub(crate) shares: Vec<f32>,
    /// Sorted by row.
    pub(crate) targets: Vec<TargetEntry>,
    /// One per chunk of classes.
    pub(crate) chunks: Vec<ChunkEntries>,
}

/// The entries of one row.
pub(crate) struct RowParts {
    pub(crate) row: usize,
    pub(crate) norm: f32,
    entries: Range<usize>,
    targets: Range<usize>,
}

impl RowGradient {
    /// Number of entries, target classes not counted.
    pub(crate) fn kept(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.entries.len()).sum()
    }

    /// The rows of a chunk that have a gradient, in order.
    pub(crate) fn rows(&self, chunk: usize) -> Vec<RowParts> {
        let (first, end) = (chunk * self.chunk, (chunk + 1) * self.chunk);
        let mut target = self.targets.partition_point(|target| (target.row as usize) < first);
        let targets_end = self.targets.partition_point(|target| (target.row as usize) < end);
        let touched = &self.chunks[chunk].rows;
        let mut parts = Vec::with_capacity(touched.len() + targets_end - target);
        let mut start = 0;
        let mut touched = touched.iter().peekable();
        loop {
            let next_target = (target < targets_end).then(|| self.targets[target].row);
            let row = match (touched.peek().map(|touched| touched.row), next_target) {
                (None, None) => return parts,
                (a, b) => a.unwrap_or(u32::MAX).min(b.unwrap_or(u32::MAX)),
            };
            let (mut entries, first_target, mut norm) = (start..start, target, 0.0);
            if let Some(found) = touched.next_if(|touched| touched.row == row) {
                entries.end = found.end as usize;
                start = entries.end;
                norm = found.norm;
            }
            while target < targets_end && self.targets[target].row == row {
                norm = self.targets[target].norm;
                target += 1;
            }
            parts.push(RowParts { row: row as usize, norm, entries, targets: first_target..target });
        }
    }

    /// Writes `sum slope x` of a row; returns its component along the row's unit vector.
    pub(crate) fn add_up(&self, chunk: usize, parts: &RowParts, out: &mut [f32]) -> f32 {
        out.fill(0.0);
        let mut along = 0.0;
        let mut pull = |sample: u32, slope: f32, cosine: f32| {
            let at = sample as usize * self.dim;
            add_scaled(out, slope, &self.units[at..at + self.dim]);
            along += slope * cosine;
        };
        for entry in &self.chunks[chunk].entries[parts.entries.clone()] {
            pull(entry.sample, entry.weight * self.shares[entry.sample as usize], entry.cosine);
        }
        for target in &self.targets[parts.targets.clone()] {
            pull(target.sample, target.slope, target.cosine);
        }
        along
    }

    /// Euclidean norm of the whole gradient.
    pub(crate) fn norm(&self) -> f64 {
        let squares = |chunk: usize| {
            let mut sum = vec![0.0; self.dim];
            let of_row = |parts: &RowParts| {
                let along = self.add_up(chunk, parts, &mut sum);
                square(&sum, along, parts.norm)
            };
            self.rows(chunk).iter().map(of_row).sum::<f64>()
        };
        (0..self.chunks.len()).into_par_iter().map(squares).collect::<Vec<f64>>().iter().sum::<f64>().sqrt()
    }

    /// The gradient as a matrix, `[total, dim]`; `row` returns a row of the centres with all deferred updates applied.
    pub(crate) fn whole(&self, row: impl Fn(usize) -> Vec<f32> + Sync) -> Vec<f32> {
        let mut out = vec![0.0; self.total * self.dim];
        out.par_chunks_mut(self.chunk * self.dim).enumerate().for_each(|(chunk, out)| {
            for parts in self.rows(chunk) {
                let at = (parts.row - chunk * self.chunk) * self.dim;
                let gradient = &mut out[at..at + self.dim];
                let along = self.add_up(chunk, &parts, gradient);
                project(gradient, along, &row(parts.row), parts.norm);
            }
        });
        out
    }
}

/// Squared length of a row's gradient: of the sum without its component along the row.
pub(crate) fn square(sum: &[f32], along: f32, norm: f32) -> f64 {
    let [along, norm] = [along, norm].map(f64::from);
    let across = (f64::from(dot(sum, sum)) - along * along).max(0.0);
    if norm > 0.0 { across / (norm * norm) } else { 0.0 }
}

/// Turns the sum of a row into its gradient, through the division by the row's norm; `along` is the sum's component along the
/// row's direction.
pub(crate) fn project(gradient: &mut [f32], along: f32, row: &[f32], norm: f32) {
    if norm == 0.0 {
        gradient.fill(0.0);
        return;
    }
    let factor = norm.recip();
    add_scaled(gradient, -along * factor, row);
    for value in gradient.iter_mut() {
        *value *= factor;
    }
}
