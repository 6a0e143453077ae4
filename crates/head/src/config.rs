//! The settings of a head that are not its objective.

use serde::{Deserialize, Serialize};

use widemargin_objective::ClassObjective;

use crate::error::within;
use crate::screened::{self, Threshold};
use crate::{CentrePrecision, Error, OptimiserConfig};

/// How a head starts, moves and works.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadConfig {
    /// What moves the class centres.
    pub optimiser: OptimiserConfig,
    /// How many of the classes a step touches.
    pub mode: HeadMode,
    /// Seed of the first class centres, and of what is drawn at random on the way.
    pub seed: u64,
    /// Classes that a thread scores at once, 1 or more: at most so many, and fewer where there would not be work for 16
    /// threads. Takes `4 * (batch + dim) * tile_classes` bytes a thread; the results differ in rounding only.
    pub tile_classes: usize,
    /// In what numbers the class centres are kept.
    pub centres: CentrePrecision,
    /// MiB of scores that a dense step may keep from its first pass over the classes for the later ones. With 0 nothing as large as batch
    /// times classes is ever held, every score is computed three times, and a step takes half as long again. Without a number:
    /// 256, or a quarter of what the class centres take in `f32` if that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_scores_mib: Option<usize>,
}

/// MiB of scores that may be kept whatever the number of classes.
const KEPT_SCORES_MIB: usize = 256;

/// Values of the centres for which one score more may be kept: as much memory as a screened head takes for its bytes. A batch of a
/// quarter of the dimensions is then never computed twice, and the time of a step stays linear in the number of classes.
const VALUES_A_KEPT_SCORE: usize = 4;

/// How many of the classes a step scores exactly and moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum HeadMode {
    /// Screened from [`AUTO_CLASSES`] classes on where the objective allows it, dense otherwise.
    #[default]
    Auto,
    /// All of them: exact.
    Dense,
    /// The batch's own and others drawn at random, up to a share of all: Partial FC. A rate of 1 is the dense head.
    Sampled {
        /// Share of the classes that a step scores and moves, above 0 and at most 1.
        rate: f64,
    },
    /// All are scored in 7-bit integers, and those that matter exactly; the gradients are right on average.
    Screened {
        /// Share of the competitors' sum of exponentials from which a class is kept for certain, and about every which one
        /// of the others is: from 0 (dense) to below 1. Without one it is chosen for each sample and step so that the
        /// gradients are expected within 2 % of exact, in norm.
        #[serde(default)]
        threshold: Option<f64>,
    },
}

/// Classes from which [`HeadMode::Auto`] is screened.
pub const AUTO_CLASSES: usize = 10_000;

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

    /// The threshold of a head that is to be screened; `None` for one that is not.
    pub(crate) fn threshold(
        self,
        objective: &ClassObjective,
        classes: usize,
    ) -> Result<Option<Threshold>, Error> {
        match self {
            Self::Screened { threshold: Some(0.0) } => Ok(None),
            Self::Screened { threshold } => {
                screened::check_objective(objective).map(|()| Some(threshold.into()))
            }
            Self::Auto if classes >= AUTO_CLASSES => {
                Ok(screened::check_objective(objective).is_ok().then_some(Threshold::BySample))
            }
            _ => Ok(None),
        }
    }
}

impl Default for HeadConfig {
    /// SGD with momentum 0.9 and weight decay 5e-4, the mode by the number of classes, seed 0, tiles of 512 classes, centres in
    /// `f32`.
    fn default() -> Self {
        Self {
            mode: HeadMode::Auto,
            optimiser: OptimiserConfig::default(),
            seed: 0,
            tile_classes: 512,
            centres: CentrePrecision::F32,
            kept_scores_mib: None,
        }
    }
}

impl HeadConfig {
    /// How many scores may be kept beside centres of so many values.
    pub(crate) fn kept_scores(&self, values: usize) -> usize {
        let of = |mib: usize| mib.saturating_mul(1 << 20) / size_of::<f32>();
        self.kept_scores_mib.map_or_else(|| of(KEPT_SCORES_MIB).max(values / VALUES_A_KEPT_SCORE), of)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        within(1.0.., "tile_classes", self.tile_classes as f64, "1 or more")?;
        self.mode.check()?;
        self.optimiser.check()
    }
}
