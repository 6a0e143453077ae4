//! Which classes are trained on, which samples are held out, and files that record it.

pub(crate) mod divide;
pub(crate) mod division;
pub(crate) mod open_set;
pub(crate) mod split_file;
