//! Characters drawn with installed fonts: many real classes without a download.
//!
//! One class a character, one sample a font, weight and small distortion. That gives thousands of classes with few
//! samples each, the shape of data about faces and products.
//!
//! 1. [`GlyphSettings`] say what is expected;
//! 2. [`GlyphSet::draw`] finds the [`Face`]s, chooses the characters and draws them;
//! 3. [`GlyphSet::write`] makes a folder of it that training reads.
//!
//! A face that lacks a character gives no sample of it, and no box in its place. Drawings of a character that are the
//! same count once, however many files hold them. A character that most faces draw as they draw another (the Greek
//! and the Latin A) is no class of its own.
//!
//! Equal settings, fonts and program give equal bytes, at any number of threads.
#![forbid(unsafe_code)]

mod characters;
mod choose;
mod drawing;
mod error;
mod fonts;
mod outline;
mod set;
mod settings;
mod write;

pub use characters::{Characters, class_name};
pub use drawing::{Distortion, DistortionRanges};
pub use error::{Error, Result};
pub use fonts::{Face, SkippedFont};
pub use set::{GlyphClass, GlyphSample, GlyphSet, Part, Stage};
pub use settings::GlyphSettings;
pub use write::Format;

#[cfg(test)]
mod tests;
