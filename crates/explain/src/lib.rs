//! The derivation from the hinge to AM-Softmax as a page that one can see and touch.
//!
//! [`page::render`] writes one HTML file that needs nothing else: text in one of two languages, formulas as MathML, live figures
//! computed by a small JavaScript module of the objectives, plain figures in their place where scripts are off, and the trained
//! features of [`Features`] as data. The module says the mathematics of `widemargin-objective` again; `tests/` holds the two
//! together at thousands of random points, and `browser/` opens the page in a real browser.
//!
//! ```
//! use widemargin_explain::{Features, Language, page};
//!
//! let html = page::render(Language::English, &Language::ALL, &Features::shipped()?)?;
//! assert!(html.starts_with("<!DOCTYPE html>") && html.len() < 5_000_000);
//! # Ok::<(), widemargin_explain::Error>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod features;
mod formula;
pub mod page;
mod plain;
mod script;
mod small;
mod texts;

pub use error::Error;
pub use features::{FeatureClass, FeatureRun, Features};
pub use texts::Language;
