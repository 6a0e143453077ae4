//! Objectives against class centres as training uses them: a point of the family, and what chooses it anew for each batch
//! or sample.
//!
//! Most margin softmaxes of the literature are one point of the [family](crate::Objective). Some choose their margin or
//! scale by the batch (CurricularFace, AdaCos), by the sample (AdaFace, MagFace, ElasticFace, margins a class) or learn it
//! (NormFace, SphereFace2). A [`ClassObjective`] is either: for each batch it *resolves* to one [`Point`] a sample,
//! and tells the state that follows. Nothing is changed by evaluating: the caller commits the next state with
//! [`ClassObjective::commit`] once the step is taken, so that a step refused for `NaN` leaves no trace.
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
