//! The gradient of the class centres as what was kept: for each touched class the samples that pull at it, and how much.

use std::ops::Range;

use rayon::prelude::*;
use widemargin_kernels::vector::{add_scaled, dot};

/// One sample's pull at one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) sample: u32,
    /// To be multiplied by the sample's share.
    pub(crate) weight: f32,
    pub(crate) cosine: f32,
}

/// A row with entries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Touched {
    /// Its row.
    pub(crate) row: u32,
    /// Length of its centre.
    pub(crate) norm: f32,
    /// Where its entries end; they start where those of the class before end.
    pub(crate) end: u32,
}

/// What was kept of a chunk of classes, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ChunkEntries {
    pub(crate) rows: Vec<Touched>,
    pub(crate) entries: Vec<Entry>,
}

/// One sample's own class, or the nearest of its centres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Own {
    pub(crate) row: u32,
    pub(crate) sample: u32,
    /// `d loss / d cosine`, the mean over the batch included.
    pub(crate) slope: f32,
    pub(crate) cosine: f32,
    pub(crate) norm: f32,
}

/// The gradient of the class centres by its entries.
#[derive(Clone, Debug)]
pub(crate) struct RowGradient {
    /// Rows of the centres.
    pub(crate) total: usize,
    /// Rows of a chunk.
    pub(crate) chunk: usize,
    pub(crate) dim: usize,
    /// Features of length one, `[batch, dim]`.
    pub(crate) units: Vec<f32>,
    /// What each sample's weights are multiplied by, the mean over the batch included.
    pub(crate) shares: Vec<f32>,
    /// By row.
    pub(crate) own: Vec<Own>,
    /// One for each chunk of classes.
    pub(crate) chunks: Vec<ChunkEntries>,
}

/// One row that has a gradient.
pub(crate) struct RowParts {
    pub(crate) row: usize,
    pub(crate) norm: f32,
    entries: Range<usize>,
    own: Range<usize>,
}

impl RowGradient {
    /// Entries kept, the samples' own classes not counted.
    pub(crate) fn kept(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.entries.len()).sum()
    }

    /// The rows of a chunk that have a gradient, in their order.
    pub(crate) fn rows(&self, chunk: usize) -> Vec<RowParts> {
        let (first, end) = (chunk * self.chunk, (chunk + 1) * self.chunk);
        let mut own = self.own.partition_point(|own| (own.row as usize) < first);
        let own_end = self.own.partition_point(|own| (own.row as usize) < end);
        let touched = &self.chunks[chunk].rows;
        let mut parts = Vec::with_capacity(touched.len() + own_end - own);
        let mut start = 0;
        let mut touched = touched.iter().peekable();
        loop {
            let next_own = (own < own_end).then(|| self.own[own].row);
            let row = match (touched.peek().map(|touched| touched.row), next_own) {
                (None, None) => return parts,
                (a, b) => a.unwrap_or(u32::MAX).min(b.unwrap_or(u32::MAX)),
            };
            let (mut entries, own_start, mut norm) = (start..start, own, 0.0);
            if let Some(found) = touched.next_if(|touched| touched.row == row) {
                entries.end = found.end as usize;
                start = entries.end;
                norm = found.norm;
            }
            while own < own_end && self.own[own].row == row {
                norm = self.own[own].norm;
                own += 1;
            }
            parts.push(RowParts { row: row as usize, norm, entries, own: own_start..own });
        }
    }

    /// Writes `sum slope x` of a row, and returns its component along the row's unit vector.
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
        for own in &self.own[parts.own.clone()] {
            pull(own.sample, own.slope, own.cosine);
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

    /// The gradient as a matrix, `[total, dim]`; `row` gives the rows that it belongs to, at their true places.
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

/// Square of the length of a row's gradient: of what is left of the sum when the part along the row is taken away.
pub(crate) fn square(sum: &[f32], along: f32, norm: f32) -> f64 {
    let [along, norm] = [along, norm].map(f64::from);
    let across = (f64::from(dot(sum, sum)) - along * along).max(0.0);
    if norm > 0.0 { across / (norm * norm) } else { 0.0 }
}

/// Takes a row's gradient through the division by its norm, the part along its direction being known.
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
