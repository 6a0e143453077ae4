//! The settings of a head other than its objective.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::{Error, within};
use crate::optimiser::OptimiserConfig;
use crate::storage::{ProductPrecision, StoragePrecision};

/// How a head is initialised, updated and computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadConfig {
    /// The optimiser of the class centres.
    pub optimiser: OptimiserConfig,
    /// How many classes a step touches.
    pub mode: HeadMode,
    /// Seed of the initial class centres and of everything drawn during training.
    pub seed: u64,
    /// Largest number of classes that a thread scores at once, 1 or more; fewer if there would not be work for 16 threads.
    /// Takes `4 * (batch + dim) * tile_classes` bytes per thread. Results differ in rounding only.
    pub tile_classes: usize,
    /// Precision in which the class centres are stored.
    pub centres: StoragePrecision,
    /// Precision in which the optimiser's memory of the class centres is stored: the velocity of SGD, or both means of AdamW.
    #[serde(skip_serializing_if = "is_default")]
    pub optimiser_state: StoragePrecision,
    /// Precision of the factors of the three matrix products of a training step, in a dense or sampled head: scores, gradient of
    /// the features, gradient of the centres. A screened head computes its few products in `f32`, and all heads evaluate and
    /// predict in `f32`.
    #[serde(skip_serializing_if = "is_default")]
    pub products: ProductPrecision,
    /// Error budget of a screened head that chooses its threshold for each sample, 0.005 to 0.2; 0.02 by default. In every step, the
    /// gradients of the features and of the centres are expected to differ from the dense ones by less than this share of their norm.
    /// It bounds the noise of one step. The mean over the draws is much closer: the estimate is self-normalised, so its bias vanishes
    /// faster than its error as more classes are kept.
    #[serde(skip_serializing_if = "is_usual_error")]
    pub screened_error: f64,
    /// MiB of scores that a dense step may keep between its passes over the classes. With 0 nothing of size batch times classes
    /// is held, every score is computed three times, and a step takes 1.5 times as long. If absent: 256, or a quarter of the
    /// class centres' size in `f32` if that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_scores_mib: Option<usize>,
}

/// The error budget of a screened head by default.
const SCREENED_ERROR: f64 = 0.02;

/// MiB of scores that may be kept for any number of classes.
const KEPT_SCORES_MIB: usize = 256;

/// One score may be kept per this many values of the centres, which takes as much memory as the 8-bit copy of a screened head.
/// Then no score is computed twice up to a batch of a quarter of the dimension, and the time of a step is linear in the number of
/// classes.
const VALUES_PER_KEPT_SCORE: usize = 4;

/// How many classes a step scores exactly and moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum HeadMode {
    /// Screened where that saves time and costs no accuracy, dense otherwise; see [`HeadConfig::resolved_mode`]. A head resolves it when it
    /// is created, and keeps that mode in its configuration and state.
    #[default]
    Auto,
    /// All of them: exact.
    Dense,
    /// The classes of the batch and a random sample of the others: Partial FC. A rate of 1 is the dense head. AdamW corrects the
    /// bias of its running means by the number of times that a class was drawn.
    Sampled {
        /// Share of the classes that a step scores and moves, above 0 and at most 1.
        rate: f64,
    },
    /// All are scored in 7-bit integers, and the few that matter exactly. The gradients are self-normalised estimates,
    /// asymptotically unbiased as more classes are kept. Their noise enters AdamW's mean square, which makes its steps shorter: with
    /// AdamW, dense training ends with a higher accuracy.
    Screened {
        /// Share of the non-target classes' sum of exponentials from which a class is certainly kept; of the other classes about
        /// one is kept per such share. From 0 (dense) to below 1. If absent, it is chosen for each sample and step such that
        /// the expected error of the gradients is below [`HeadConfig::screened_error`], in norm.
        #[serde(default)]
        threshold: Option<f64>,
    },
}

impl HeadMode {
    /// Screened, with a threshold chosen for each sample.
    pub const fn screened() -> Self {
        Self::Screened { threshold: None }
    }

    fn check(self) -> Result<(), Error> {
        match self {
            Self::Sampled { rate } => within(f64::MIN_POSITIVE..=1.0, "rate", rate, "above 0 and at most 1"),
            Self::Screened { threshold: Some(threshold) } => {
                within(0.0..1.0, "threshold", threshold, "from 0 to below 1")
            }
            Self::Screened { threshold: None } | Self::Auto | Self::Dense => Ok(()),
        }
    }
}

impl Default for HeadConfig {
    /// SGD with momentum 0.9 and weight decay 5e-4, mode `Auto`, seed 0, tiles of 512 classes, centres in `f32`.
    fn default() -> Self {
        Self {
            mode: HeadMode::Auto,
            optimiser: OptimiserConfig::default(),
            seed: 0,
            tile_classes: 512,
            centres: StoragePrecision::F32,
            optimiser_state: StoragePrecision::F32,
            products: ProductPrecision::F32,
            screened_error: SCREENED_ERROR,
            kept_scores_mib: None,
        }
    }
}

/// Settings that were added later are left out of states where they are not used, so that older versions read them.
fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_usual_error(error: &f64) -> bool {
    *error == SCREENED_ERROR
}

impl HeadConfig {
    /// Error budgets that a screened head accepts. Below them, the error of 7-bit codes counts as much as that of sampling; above
    /// them, the variance from which the error is predicted is no longer small.
    pub const SCREENED_ERRORS: RangeInclusive<f64> = 0.005..=0.2;

    /// How many scores may be kept for centres of this many values.
    pub(crate) fn kept_scores(&self, values: usize) -> usize {
        let of = |mib: usize| mib.saturating_mul(1 << 20) / size_of::<f32>();
        self.kept_scores_mib.map_or_else(|| of(KEPT_SCORES_MIB).max(values / VALUES_PER_KEPT_SCORE), of)
    }

    /// Whether the steps of each row are counted: an optimiser depends on them, and rows that are not drawn make none.
    pub(crate) fn counts_steps(&self) -> bool {
        matches!(self.mode, HeadMode::Sampled { rate } if rate < 1.0) && self.optimiser.corrects_bias()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        within(1.0.., "tile_classes", self.tile_classes as f64, "1 or more")?;
        within(Self::SCREENED_ERRORS, "screened_error", self.screened_error, "from 0.005 to 0.2")?;
        self.mode.check()?;
        self.optimiser.check()
    }
}
