//! Figures as SVG and self-contained HTML pages.
//!
//! A run of training ends with numbers; this crate lets a person see them. Everything is plain text made here: SVG
//! without a plotting library, HTML without a script or anything fetched from a network, so that a report opens from a
//! disk in ten years as it does today.
//!
//! - [`figure`]: one function a figure, each taking a plain struct and returning a complete SVG document;
//! - [`neighbours`]: images beside their nearest neighbours, as HTML;
//! - [`page`]: the report of a run, or of several objectives side by side, as one HTML page;
//! - [`table`]: the same numbers as aligned text for a terminal.
//!
//! The crate knows nothing of training or evaluation: it takes numbers and names. Numbers that are not finite are left
//! out of figures, never written into them, and every name is escaped.
#![forbid(unsafe_code)]

mod error;
mod text;

pub mod figure;
pub mod neighbours;
pub mod page;
pub mod table;

pub use error::{Error, Result};
