//! Which classes are trained on, which samples are held out, and files that record it.

mod contents;
pub(crate) mod divide;
pub(crate) mod division;
mod duplicates;
pub(crate) mod groups;
pub(crate) mod open_set;
pub(crate) mod split_file;
pub(crate) mod validation;
