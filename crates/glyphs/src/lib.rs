#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod characters;
mod choose;
mod drawing;
mod error;
mod face;
mod fonts;
mod outline;
mod set;
mod settings;
mod write;

pub use characters::{Characters, class_name};
pub use drawing::{Distortion, DistortionRanges};
pub use error::{Error, Result};
pub use fonts::{Face, SkippedFont};
pub use set::{GlyphClass, GlyphSample, GlyphSet, SetPart, Stage};
pub use settings::GlyphSettings;
pub use write::SetFormat;

#[cfg(test)]
mod tests;
