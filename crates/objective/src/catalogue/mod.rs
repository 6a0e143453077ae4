//! The catalogue: every objective that has a name, with its parameters, source and builder.
//!
//! [`catalogue`] is the one table. It is the only place with names, aliases, defaults and ranges; `widemargin loss --list`
//! prints it.

mod composed;
mod entry;
mod lookup;
mod table;

pub use entry::{CatalogueEntry, ObjectiveKind};
pub(crate) use lookup::{Built, build};
pub use lookup::{catalogue, family};
