#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bounds;
mod catalogue;
mod class;
mod error;
mod evaluate;
mod family;
mod names;
mod numeric;
pub mod packing;
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
pub use catalogue::{CatalogueEntry, ObjectiveKind, catalogue, family};
pub use class::{
    BatchFacts, BatchPoints, Binary, BinaryPass, ClassEvaluation, ClassObjective, ClassState, Diagnostics,
    DiagnosticsSum, EvaluateOptions, FOURTH_ROOT, NormTerm, Point, PointOutcome, PointPass, Reduction,
    margins_by_count,
};
pub use error::{Error, Result};
pub use evaluate::{AnyEvaluation, AnyObjective};
pub use family::{
    Competitors, CustomMargin, Link, Margin, Objective, ObjectiveBuilder, PointMargin, Pool, Score,
};
pub use parameter::{Domain, ObjectiveParameter, Parameters, parameters};
pub use real::Real;
pub use row::{RowOutcome, RowPass, SummedCompetitors};
pub use suggest::{Suggestion, suggest};
pub use unit::{NORM_FLOOR, dot, norm, normalise, project};
pub use widemargin_kernels::matrix::MatRef;
