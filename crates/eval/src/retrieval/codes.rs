//! Cosines from 7-bit or 8-bit codes, to skip the rows that are certainly too far.
//!
//! Unit rows are stored as one code per value with a step size per row ([`widemargin_kernels::screening`]). A processor
//! multiplies codes two to ten times as fast as `f32`. The rounding error of a row is a vector of known length. If the errors of
//! two rows have lengths `a` and `b`, their cosine is off by at most `a + (1 + a) b`: about 0.04 for 7-bit codes in 512
//! dimensions, 0.02 for 8-bit codes. The usual error is far smaller, 0.001, but with the bound no neighbour is missed. Most rows
//! are nearly at right angles to the query, so few of them come within the bound of the nearest.

use rayon::prelude::*;
use widemargin_kernels::screening::{PANEL, Panels, Precision, Probes, ReachBound, reach, residual};

use crate::embeddings::Embeddings;
use crate::similarity::product_error;

/// Gallery rows per tile.
pub(super) const GALLERY_TILE: usize = 1024;

/// Panels per tile.
const TILE_PANELS: usize = GALLERY_TILE / PANEL;

/// Panels that are scored before any score is examined: few enough for the scores, and the rows they lead to, to stay in
/// cache.
const TOGETHER: usize = 8;

/// How many rows ahead of the one being compared are prefetched.
const AHEAD: usize = 6;

/// Covers the rounding of unit rows, whose length is 1 up to about `1e-6`, and of the products of steps and residuals.
const ROUNDING: f32 = 1.0 + 1e-4;

/// A gallery as codes: a quarter of its size, plus twelve bytes per row.
pub(super) struct CodedGallery {
    panels: Panels,
    /// Length of the rounding error of each row; minus infinity in the empty places of the last panel.
    residuals: Vec<f32>,
    precision: Precision,
}

/// The queries of a tile as codes.
pub(super) struct CodedQueries {
    probes: Probes,
    residuals: Vec<f32>,
    /// How far a cosine in `f32` can be from the exact one.
    error: f32,
}

impl CodedGallery {
    /// Whether codes save time: coding a gallery row costs as much as about a hundred cosines, so there must be more queries
    /// than that.
    pub(super) fn worthwhile(queries: &Embeddings, gallery: &Embeddings) -> bool {
        queries.rows() >= 1024 && gallery.rows() >= 4 * GALLERY_TILE && gallery.dim() >= 32
    }

    pub(super) fn new(gallery: &Embeddings) -> Self {
        let (dim, precision) = (gallery.dim(), Precision::finest());
        let mut panels = Panels::zeros(gallery.rows(), dim, precision);
        let mut residuals = vec![f32::NEG_INFINITY; panels.count() * PANEL];
        let parts: Vec<_> = panels
            .iter_mut()
            .zip(residuals.chunks_exact_mut(PANEL))
            .zip(gallery.unit_rows().chunks(PANEL * dim))
            .collect();
        parts.into_par_iter().for_each(|((mut panel, residuals), rows)| {
            for (place, row) in rows.chunks_exact(dim).enumerate() {
                panel.set(place, row, 1.0);
                residuals[place] = residual(row, precision);
            }
        });
        Self { panels, residuals, precision }
    }

    /// Codes the queries of a tile.
    pub(super) fn queries(&self, unit_rows: &[f32]) -> CodedQueries {
        let (dim, precision) = (self.panels.dim(), self.precision);
        let residuals = unit_rows.chunks_exact(dim).map(|row| residual(row, precision)).collect();
        CodedQueries { probes: Probes::new(unit_rows, dim, precision), residuals, error: product_error(dim) }
    }

    /// Calls `found` with every pair of a query and a row of a gallery tile whose cosine in `f32` may reach `least[query]`. Calls
    /// `soon` with the row a few pairs earlier. `scores` is scratch space.
    pub(super) fn reach(
        &self,
        queries: &CodedQueries,
        tile: usize,
        least: &[f32],
        scores: &mut Vec<i32>,
        soon: impl Fn(usize),
        mut found: impl FnMut(usize, usize),
    ) {
        let end = self.panels.count().min((tile + 1) * TILE_PANELS);
        let stride = queries.probes.padded_rows() * PANEL;
        scores.resize(TOGETHER * stride, 0);
        let bounds: Vec<ReachBound> = queries.bounds(least);
        let (mut reached, mut pairs) = (Vec::new(), Vec::new());
        for first in (tile * TILE_PANELS..end).step_by(TOGETHER) {
            let panels = first..end.min(first + TOGETHER);
            let scores = &mut scores[..panels.len() * stride];
            self.panels.score(panels.clone(), &queries.probes, scores);
            pairs.clear();
            for (panel, scores) in panels.zip(scores.chunks_exact(stride)) {
                let steps = self.panels.steps(panel).first_chunk().expect("a panel has PANEL steps");
                let residuals = self.residuals[panel * PANEL..].first_chunk().expect("as many residuals");
                reached.clear();
                reach(scores, steps, residuals, &bounds, &mut reached);
                let pair = |&(query, place): &(u32, u32)| (query as usize, panel * PANEL + place as usize);
                pairs.extend(reached.iter().map(pair));
            }
            for (at, &(query, row)) in pairs.iter().enumerate() {
                if let Some(&(_, row)) = pairs.get(at + AHEAD) {
                    soon(row);
                }
                found(query, row);
            }
        }
    }
}

impl CodedQueries {
    fn bounds(&self, least: &[f32]) -> Vec<ReachBound> {
        let each = self.residuals.iter().zip(least).enumerate();
        each.map(|(query, (residual, least))| ReachBound {
            factor: self.probes.step(query),
            slack: (1.0 + residual) * ROUNDING,
            // both cosines in f32 are within `error` of the exact one; the rest covers the rounding of this sum
            least: least - residual * ROUNDING - 2.0 * self.error - 1e-6,
        })
        .collect()
    }
}
