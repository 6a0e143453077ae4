//! Cosines in seven or eight bits, to pass over what is surely too far.
//!
//! Rows of length one are kept a byte a number, each with a step of its own ([`widemargin_kernels::screening`]), which a processor multiplies two
//! to ten times as fast as `f32`. What a row loses by it is a vector whose length is known: with `a` and `b` lost, a cosine
//! is off by at most `a + (1 + a) b`, about 0.04 in 512 dimensions and seven bits, 0.02 in eight. That is far more than the usual error, 0.001, but nothing can be
//! missed by it, and of rows at nearly right angles to the query, as most are, few come so near to the nearest.

use rayon::prelude::*;
use widemargin_kernels::screening::{PANEL, Panels, Precision, Probes, ReachBound, reach, residual};

use super::search::{GALLERY_TILE, doubt};
use crate::embeddings::Embeddings;

/// Panels of a tile.
const TILE_PANELS: usize = GALLERY_TILE / PANEL;

/// Panels that are scored before any score is looked at: few enough for the scores, and the rows of those that are found, to stay near the
/// processor.
const TOGETHER: usize = 8;

/// Rows between the one that is asked for and the one that is compared.
const AHEAD: usize = 6;

/// Room for the rounding of unit rows, whose length is 1 to about `1e-6`, and of the products of steps and residuals.
const ROUNDING: f32 = 1.0 + 1e-4;

/// A gallery in bytes: a quarter of its size, and twelve bytes a row.
pub(super) struct ByteGallery {
    panels: Panels,
    /// What each row loses; minus infinity in the empty places of the last panel.
    residuals: Vec<f32>,
    precision: Precision,
}

/// The queries of a tile in bytes.
pub(super) struct ByteQueries {
    probes: Probes,
    residuals: Vec<f32>,
    doubt: f32,
}

impl ByteGallery {
    /// Whether bytes pay: to make them costs as much as some hundred cosines of every gallery row, so there must be more queries than that.
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

    /// Queries to search it with.
    pub(super) fn queries(&self, unit_rows: &[f32]) -> ByteQueries {
        let (dim, precision) = (self.panels.dim(), self.precision);
        let residuals = unit_rows.chunks_exact(dim).map(|row| residual(row, precision)).collect();
        ByteQueries { probes: Probes::new(unit_rows, dim, precision), residuals, doubt: doubt(dim) }
    }

    /// Calls `found` with every query and row of a tile of the gallery whose cosine in `f32` may be `least[query]` or more, having called `soon`
    /// with the row a little before. `scores` is room to work in.
    pub(super) fn reach(
        &self,
        queries: &ByteQueries,
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

impl ByteQueries {
    fn bounds(&self, least: &[f32]) -> Vec<ReachBound> {
        let each = self.residuals.iter().zip(least).enumerate();
        each.map(|(query, (residual, least))| ReachBound {
            factor: self.probes.step(query),
            slack: (1.0 + residual) * ROUNDING,
            // a cosine in f32 is within the doubt of the true one, and the rest is for roundings of this sum
            least: least - residual * ROUNDING - 2.0 * self.doubt - 1e-6,
        })
        .collect()
    }
}
