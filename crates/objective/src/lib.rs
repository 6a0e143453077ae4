//! What is optimised: scores, margins, pools and links, from the hinge to AM-Softmax.
//!
//! Every objective here is one choice on each of four axes, and reads like its derivation:
//!
//! ```text
//! loss = link( pool_{i != y}( score_i ) - ( score_y - margin ) )
//! ```
//!
//! - [`Score`]: what a feature vector `x` and a class centre `w_i` have to say to each other, `w_i . x` or `s cos(w_i, x)`;
//! - [`Margin`]: the lead that is asked of the target class `y`;
//! - [`Pool`]: how the competitors `i != y` are put together: a sum of hinges, the hardest one, a log-sum-exp;
//! - [`Link`]: what becomes of the pooled lead of the competitors: cut at zero, or a softplus.
//!
//! A *point* of this family is an [`Objective`]. Some have names ([`Objective::am_softmax`], [`Objective::from_name`]);
//! any other is composed:
//!
//! ```
//! use widemargin_objective::{Link, Margin, MatRef, Objective, Pool, Score};
//!
//! let am_softmax = Objective::am_softmax(30.0, 0.35)?;
//! let composed = Objective::family()
//!     .score(Score::cosine(30.0))
//!     .margin(Margin::additive_cosine(0.35))
//!     .pool(Pool::log_sum_exp())
//!     .link(Link::softplus())
//!     .build()?;
//! assert_eq!(am_softmax, composed);
//!
//! let features = [1.0_f64, 0.0, 0.6, 0.8];
//! let centres = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0];
//! let out = am_softmax.evaluate(MatRef::new(&features, 2, 2)?, MatRef::new(&centres, 3, 2)?, &[0, 1])?;
//! assert!(out.losses[0] < out.losses[1]);
//! assert_eq!(out.diagnostics.accuracy, 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Objective::evaluate`] is the plain reference over whole matrices, in `f32` or `f64`. A training head that works
//! through the classes in tiles uses the same mathematics a row at a time: [`Objective::row_pass`].
//! How to choose scale and margin is the subject of [`mod@suggest`].
#![forbid(unsafe_code)]

mod bounds;
mod catalogue;
mod class;
mod error;
mod evaluate;
mod family;
mod names;
mod numeric;
pub mod pairs;
mod parameter;
mod real;
pub mod reference;
mod row;
pub mod suggest;
#[cfg(test)]
mod tests;
mod unit;

pub use bounds::Bounds;
pub use catalogue::{CatalogueEntry, ObjectiveKind, catalogue};
pub use class::{
    BatchFacts, BatchPoints, Binary, BinaryPass, ClassEvaluation, ClassObjective, ClassState, Diagnostics,
    DiagnosticsSum, EvaluateOptions, FOURTH_ROOT, NormTerm, Point, PointOutcome, PointPass, Reduction,
    margins_by_count,
};
pub use error::{Error, Result};
pub use evaluate::{AnyObjective, Evaluation};
pub use family::{Competitors, CustomMargin, Link, Margin, Objective, ObjectiveBuilder, Pool, Score};
pub use parameter::{Domain, Parameter, Parameters, parameters};
pub use real::Real;
pub use row::{RowOutcome, RowPass, SummedCompetitors};
pub use suggest::{Suggestion, suggest};
pub use unit::{NORM_FLOOR, dot, norm, normalise, project};
pub use widemargin_kernels::matrix::MatRef;
