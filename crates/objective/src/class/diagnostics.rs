//! Diagnostics of a batch besides its loss.

use serde::{Deserialize, Serialize};

use super::point::PointOutcome;
use crate::real::Real;

/// Means over the samples of a batch, without sample weights. All 0 for an empty batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Samples in the batch.
    pub samples: usize,
    /// How hard a sample still pushes: `-d loss / d score_y`. For every softmax this is `1 - p_y`; for a sum of hinges it is the
    /// number of non-target classes that violate the margin, up to `C - 1`.
    pub mean_push: f64,
    /// Effective number of non-target classes that share the push: `exp` of the entropy of the shares, which are
    /// `p_i / (1 - p_y)` for a softmax. From 1 (one binary problem) to `C - 1`; 0 without non-target classes.
    pub effective_competitors: f64,
    /// Cosine between a feature and the target's centre, also if the objective uses dot products.
    pub mean_target_cosine: f64,
    /// Share of samples whose target score leads every other by at least the margin.
    pub margin_met: f64,
    /// Share of samples whose target has the largest score *without* the margin; among equals the lowest class wins.
    pub accuracy: f64,
}

/// Running sums of diagnostics.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiagnosticsSum {
    sum: Diagnostics,
}

impl DiagnosticsSum {
    /// Adds one sample and the cosine between its feature and its class centre.
    pub fn add<T: Real>(&mut self, row: &PointOutcome<T>, target_cosine: f64) {
        self.sum.samples += 1;
        self.sum.mean_push += row.push.into();
        self.sum.effective_competitors += row.effective_competitors.into();
        self.sum.mean_target_cosine += target_cosine;
        self.sum.margin_met += f64::from(u8::from(row.margin_met));
        self.sum.accuracy += f64::from(u8::from(row.correct));
    }

    /// Divides by the number of samples.
    pub fn finish(self) -> Diagnostics {
        let share = 1.0 / self.sum.samples.max(1) as f64;
        Diagnostics {
            samples: self.sum.samples,
            mean_push: self.sum.mean_push * share,
            effective_competitors: self.sum.effective_competitors * share,
            mean_target_cosine: self.sum.mean_target_cosine * share,
            margin_met: self.sum.margin_met * share,
            accuracy: self.sum.accuracy * share,
        }
    }
}
