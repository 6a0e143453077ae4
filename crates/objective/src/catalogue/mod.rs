//! The catalogue: every objective that has a name, with its parameters, source and builder.
//!
//! [`catalogue`] is the one table. It is the only place with names, aliases, defaults and ranges; `widemargin loss --list`
//! prints it.

mod entry;
mod lookup;
mod table;

pub use entry::{CatalogueEntry, ObjectiveKind};
pub use lookup::catalogue;
pub(crate) use lookup::{Built, build};
