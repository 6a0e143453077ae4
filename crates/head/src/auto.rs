//! The choice between dense and screened, where the user leaves it open.

use widemargin_objective::ClassObjective;

use crate::config::HeadMode;
use crate::optimiser::OptimiserConfig;
use crate::screened;

/// The sizes on which the time of a step depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadSize {
    /// Number of classes.
    pub classes: usize,
    /// Dimension of the class centres.
    pub dim: usize,
    /// Samples per batch.
    pub batch: usize,
}

/// Dimension below which the modes were not compared.
const LEAST_DIM: usize = 64;

/// Scale below which no class stands out, and a screened step keeps most classes.
const LEAST_SHARPNESS: f64 = 30.0;

impl HeadMode {
    /// The batch for which a head resolves [`HeadMode::Auto`] by itself.
    pub const TYPICAL_BATCH: usize = 128;

    /// The mode itself; for [`HeadMode::Auto`] the mode that it stands for in a head of this objective, optimiser and size.
    ///
    /// Auto is screened with SGD if the objective can be screened, the dimension is at least 64, the scale is at least 30, and there are
    /// enough classes: 10,000 if the exponents are steep (a scale of 45 or above); otherwise 20,000 with a dimension of at least 256
    /// and a batch of at most 128, and 50,000 with others. It is dense in all other cases.
    ///
    /// [`Head::new`](crate::Head::new) calls it for a batch of [`HeadMode::TYPICAL_BATCH`]. A caller that knows its batch calls it
    /// first.
    #[must_use]
    pub fn resolve(self, objective: &ClassObjective, optimiser: OptimiserConfig, size: HeadSize) -> Self {
        match self {
            Self::Auto if is_screened(objective, optimiser, size) => Self::screened(),
            Self::Auto => Self::Dense,
            chosen => chosen,
        }
    }
}

/// Whether screening saves time and costs no accuracy.
fn is_screened(objective: &ClassObjective, optimiser: OptimiserConfig, size: HeadSize) -> bool {
    let sharpness = objective.sharpness().unwrap_or_default();
    // the noise of the estimate makes AdamW's mean square too large
    matches!(optimiser, OptimiserConfig::Sgd { .. })
        && size.dim >= LEAST_DIM
        && sharpness >= LEAST_SHARPNESS
        && size.classes >= least_classes(sharpness, size)
        && screened::check_objective(objective).is_ok()
}

/// Number of classes from which a screened step took less time than a dense one, by the example `mode_speed`.
///
/// The fewer classes stand out, the more are kept per sample, up to some thousands whatever the number of classes.
fn least_classes(sharpness: f64, HeadSize { dim, batch, .. }: HeadSize) -> usize {
    match sharpness {
        45.0.. => 10_000,
        _ if dim >= 256 && batch <= 128 => 20_000,
        _ => 50_000,
    }
}
