//! What a batch says about the state of training, beside its loss.

use serde::{Deserialize, Serialize};

use super::point::PointOutcome;
use crate::real::Real;

/// Figures of a batch, each a plain mean over its samples, without sample weights. All 0 for an empty batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Samples in the batch.
    pub samples: usize,
    /// How much a sample still pushes: `-d loss / d score_y`. For every softmax this is `1 - p_y`; for a sum of hinges it
    /// is the number of competitors that violate the margin, up to `C - 1`.
    pub mean_push: f64,
    /// Among how many competitors the push is shared: `exp` of the entropy of the shares, for a softmax
    /// `p_i / (1 - p_y)`. From 1 (one binary problem) to `C - 1`; a sample with no competitor counts 0.
    pub effective_competitors: f64,
    /// Cosine between a feature and its own class centre, also where the objective uses dot products.
    pub mean_target_cosine: f64,
    /// Share of samples whose target score leads every other by at least the margin.
    pub margin_met: f64,
    /// Share of samples whose own class has the largest score, *without* the margin; the first of equals wins.
    pub accuracy: f64,
}

/// Diagnostics while they are being added up, sample by sample.
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

    /// The means.
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
