//! The settings of a head that are not its objective.

use serde::{Deserialize, Serialize};

use crate::error::within;
use crate::{HeadError, OptimiserConfig};

/// How a head starts, moves and works.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadConfig {
    /// What moves the class centres.
    pub optimiser: OptimiserConfig,
    /// Seed of the first class centres.
    pub seed: u64,
    /// Classes that are scored at once, 1 or more. More is quicker up to a point and needs `4 * batch * tile_classes`
    /// bytes; the results differ in rounding only. 1024 suits batches from 64 to 1024.
    pub tile_classes: usize,
}

impl Default for HeadConfig {
    /// SGD with momentum 0.9 and weight decay 5e-4, seed 0, tiles of 1024 classes.
    fn default() -> Self {
        Self { optimiser: OptimiserConfig::default(), seed: 0, tile_classes: 1024 }
    }
}

impl HeadConfig {
    pub(crate) fn check(&self) -> Result<(), HeadError> {
        within(1.0.., "tile_classes", self.tile_classes as f64, "1 or more")?;
        self.optimiser.check()
    }
}
