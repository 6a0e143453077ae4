//! Objectives on class centres, with their state.
//!
//! Most margin softmaxes of the literature are one point of the [family](crate::Objective). Others choose their margin or
//! scale per batch (CurricularFace, AdaCos) or per sample (AdaFace, MagFace, ElasticFace, margins per class), or learn it
//! (NormFace, SphereFace2). A [`ClassObjective`] covers both: for each batch it *resolves* to one [`Point`] per sample and
//! computes the next state. Evaluating changes nothing. The caller commits the next state with
//! [`ClassObjective::commit`] after the step, so a step rejected because of a `NaN` leaves no trace.
//!
//! ```
//! use widemargin_objective::{ClassObjective, EvaluateOptions, MatRef, Parameters};
//!
//! let mut objective = ClassObjective::from_name("curricularface", &Parameters::new(), 3)?;
//! let (features, centres) = ([1.0_f64, 0.2, -0.3, 0.9], [1.0, 0.0, 0.0, 1.0, -1.0, -1.0]);
//! let (features, centres) = (MatRef::new(&features, 2, 2)?, MatRef::new(&centres, 3, 2)?);
//! let out = objective.evaluate(features, centres, &[0, 1], &EvaluateOptions::default())?;
//! objective.commit(out.next_state)?;
//! assert!(objective.state().running_target > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod by_count;
mod diagnostics;
mod evaluate;
mod objective;
mod point;
mod resolve;
mod state;

pub use by_count::{FOURTH_ROOT, margins_by_count};
pub use diagnostics::{Diagnostics, DiagnosticsSum};
pub use evaluate::{ClassEvaluation, EvaluateOptions, Reduction};
pub use objective::ClassObjective;
pub(crate) use objective::{Name, Rule};
pub use point::{Binary, BinaryPass, Point, PointOutcome, PointPass};
pub use resolve::{BatchFacts, BatchPoints, NormTerm};
pub use state::ClassState;
