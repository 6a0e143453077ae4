//! The state of a screened head besides its centres: their 7-bit copy and the deferred updates.

use rayon::prelude::*;
use widemargin_kernels::screening::{PANEL, Panels, Precision};

use super::threshold::Threshold;
use crate::lazy::Lazy;
use crate::optimiser::OptimiserConfig;
use crate::storage::Values;
use crate::tile::length;

/// Rows are prefetched this many rows ahead: they are scattered, and memory takes longer to answer than a row takes to process.
pub(super) const ROWS_AHEAD: usize = 2;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    pub(crate) panels: Panels,
    pub(crate) lazy: Lazy,
    pub(crate) threshold: Threshold,
    /// The first row found that is no longer finite. Its codes are zeros, so the scores do not show it.
    pub(crate) spoilt: Option<usize>,
}

impl Screen {
    /// Quantises the class centres as they are stored.
    pub(crate) fn new(centres: Values<'_>, dim: usize, threshold: Threshold, lazy: Lazy) -> Self {
        let mut panels = Panels::zeros(centres.len() / dim, dim, Precision::Seven);
        let parts: Vec<_> = panels.iter_mut().enumerate().collect();
        parts.into_par_iter().for_each(|(at, mut panel)| {
            let rows = centres.slice(at * PANEL * dim..centres.len().min((at + 1) * PANEL * dim)).wide();
            for (place, row) in rows.chunks_exact(dim).enumerate() {
                panel.set(place, row, length(row));
            }
        });
        Self { panels, lazy, threshold, spoilt: None }
    }

    /// The screen of a head without deferred updates; `active` if its rows may be moving.
    pub(crate) fn fresh(
        centres: Values<'_>,
        dim: usize,
        threshold: Threshold,
        optimiser: OptimiserConfig,
        active: bool,
    ) -> Self {
        Self::new(centres, dim, threshold, Lazy::new(optimiser, centres.len() / dim, active))
    }
}
