//! What an objective remembers from batch to batch.

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::error::Result;

/// Running statistics and learnt numbers; those that an objective has no use for stay as they begin.
///
/// Part of a checkpoint: the same state and the same batches give the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassState {
    /// Batches seen; numbers the draws of margins at random.
    pub step: u64,
    /// Running mean of the target cosines (CurricularFace's `t`).
    pub running_target: f64,
    /// Running mean of the feature norms (AdaFace).
    pub norm_mean: f64,
    /// Running standard deviation of the feature norms (AdaFace).
    pub norm_deviation: f64,
    /// The scale, where it is learnt or follows the batches.
    pub scale: f64,
    /// The bias of binary classifications.
    pub bias: f64,
}

impl ClassState {
    /// As before the first batch: `t` at 0, norms about 20 with a deviation of 100 (AdaFace's authors' choice), no bias.
    pub(crate) const fn first(scale: f64) -> Self {
        Self { step: 0, running_target: 0.0, norm_mean: 20.0, norm_deviation: 100.0, scale, bias: 0.0 }
    }

    /// Refuses numbers that no run can have come to.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) with the number.
    pub fn validate(&self) -> Result<()> {
        bounds::COSINE.check("running target cosine", self.running_target)?;
        bounds::NORM.check("running mean of the norms", self.norm_mean)?;
        bounds::NORM.check("running deviation of the norms", self.norm_deviation)?;
        bounds::POSITIVE.check("scale", self.scale)?;
        bounds::BIAS.check("bias", self.bias)
    }
}
