//! The choice between dense and screened, where the user leaves it open.

use widemargin_kernels::mixed;
use widemargin_objective::ClassObjective;

use crate::config::{HeadConfig, HeadMode};
use crate::optimiser::OptimiserConfig;
use crate::screened;
use crate::storage::ProductPrecision;

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

/// Dimension and number of classes below which the modes were not compared.
const LEAST_DIM: usize = 64;
const LEAST_CLASSES: usize = 5000;

/// Scale below which no class stands out, and a screened step keeps most classes.
const LEAST_SCALE: f64 = 30.0;

/// The number of classes from which a screened step took less processor time than a dense one, fitted to the measurements of the
/// example `mode_speed`.
///
/// A screened step saves most of a dense step's products, in proportion to the number of classes. It pays for the classes that it
/// keeps: up to some thousands per sample, whatever the number of classes, and more of them the smaller the scale is, because then
/// fewer classes stand out. So the limit is a number of classes that falls steeply with the scale.
struct Limit {
    /// At a scale of 64, for large batches.
    classes: f64,
    /// Weight of the dimension relative to the batch. A dense step reads, updates and writes every centre, however small the batch
    /// is; a screened step leaves most of them alone.
    centres: f64,
}

/// Against dense steps in `f32`.
const F32: Limit = Limit { classes: 2500.0, centres: 0.3 };

/// Against dense steps with products in bfloat16, which take 0.6 to 1.0 of the time, on a processor that multiplies it.
const BF16: Limit = Limit { classes: 4000.0, centres: 0.0 };

/// The scale at which [`Limit::classes`] holds.
const SCALE: f64 = 64.0;

impl Limit {
    fn classes(&self, scale: f64, HeadSize { dim, batch, .. }: HeadSize) -> f64 {
        let of_scale = self.classes * (SCALE / scale).powi(4);
        of_scale / (1.0 + self.centres * dim as f64 / batch.max(1) as f64)
    }
}

/// Whether a screened step takes less processor time than a dense one with these products. `half` says whether the processor
/// multiplies bfloat16 faster than `f32`; where it does not, products in bfloat16 gain nothing.
pub(crate) fn is_faster(scale: f64, products: ProductPrecision, half: bool, size: HeadSize) -> bool {
    let limit = if products == ProductPrecision::Bf16 && half { BF16 } else { F32 };
    size.dim >= LEAST_DIM
        && size.classes >= LEAST_CLASSES
        && scale >= LEAST_SCALE
        && size.classes as f64 >= limit.classes(scale, size)
}

impl HeadMode {
    /// The batch for which a head resolves [`HeadMode::Auto`] by itself.
    pub const TYPICAL_BATCH: usize = 128;
}

impl HeadConfig {
    /// The mode; for [`HeadMode::Auto`] the mode that it stands for in a head of this objective and size.
    ///
    /// Auto is screened with SGD if the objective can be screened and a screened step was measured to take less processor time than
    /// a dense one with the same products. This takes a dimension of at least 64, a scale of at least 30, and at least 5000 and
    /// `2500 (64 / scale)^4 / (1 + 0.3 dim / batch)` classes. With products in bfloat16, on a processor that multiplies it, a dense
    /// step is faster, and it takes `4000 (64 / scale)^4`. Auto is dense in all other cases.
    ///
    /// [`Head::new`](crate::Head::new) calls it for a batch of [`HeadMode::TYPICAL_BATCH`]. A caller that knows its batch calls it
    /// first.
    #[must_use]
    pub fn resolved_mode(&self, objective: &ClassObjective, size: HeadSize) -> HeadMode {
        // the noise of the estimate makes AdamW's mean square too large
        let is_screened = matches!(self.optimiser, OptimiserConfig::Sgd { .. })
            && is_faster(objective.sharpness().unwrap_or_default(), self.products, mixed::is_fast(), size)
            && screened::check_objective(objective).is_ok();
        match self.mode {
            HeadMode::Auto if is_screened => HeadMode::screened(),
            HeadMode::Auto => HeadMode::Dense,
            chosen => chosen,
        }
    }
}
