//! What an objective remembers from batch to batch.

use serde::{Deserialize, Serialize};

use crate::ObjectiveError;
use crate::builder::{positive, within};

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
    /// [`ObjectiveError::OutOfRange`] with the number.
    pub fn validate(&self) -> Result<(), ObjectiveError> {
        within(-1.0..=1.0, "running target cosine", self.running_target, "a cosine from -1 to 1")?;
        let norm = 0.0..=1e30;
        within(norm.clone(), "running mean of the norms", self.norm_mean, "a finite number, 0 or above")?;
        within(norm, "running deviation of the norms", self.norm_deviation, "a finite number, 0 or above")?;
        positive("scale", self.scale)?;
        within(-1e6..=1e6, "bias", self.bias, "a finite number from -1e6 to 1e6")
    }
}
