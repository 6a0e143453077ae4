//! The state of an objective between batches.

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::error::Result;

/// Running statistics and learnt parameters. Those that an objective does not use keep their initial values.
///
/// Part of a checkpoint: the same state and the same batches give the same results.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassState {
    /// Batches seen; the index of random margins.
    pub step: u64,
    /// Running mean of the target cosines (CurricularFace's `t`).
    pub running_target: f64,
    /// Running mean of the feature norms (AdaFace).
    pub norm_mean: f64,
    /// Running standard deviation of the feature norms (AdaFace).
    pub norm_deviation: f64,
    /// The scale, if it is learnt or chosen per batch.
    pub scale: f64,
    /// The bias of binary classifications.
    pub bias: f64,
}

impl ClassState {
    /// The state before the first batch: `t` is 0, norms have mean 20 and deviation 100 (as in AdaFace's code), the bias is 0.
    pub(crate) const fn first(scale: f64) -> Self {
        Self { step: 0, running_target: 0.0, norm_mean: 20.0, norm_deviation: 100.0, scale, bias: 0.0 }
    }

    /// Rejects values that no run can produce.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) with the value.
    pub fn validate(&self) -> Result<()> {
        bounds::COSINE.check("running target cosine", self.running_target)?;
        bounds::NORM.check("running mean of the norms", self.norm_mean)?;
        bounds::NORM.check("running deviation of the norms", self.norm_deviation)?;
        bounds::POSITIVE.check("scale", self.scale)?;
        bounds::BIAS.check("bias", self.bias)
    }
}
