//! The settings of a set.

use std::path::PathBuf;

use serde::Serialize;

use crate::characters::Characters;
use crate::{Error, Result};

/// The settings of a set: characters, fonts, image size and variety.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GlyphSettings {
    /// Font folders and files; if empty, the system's font folders. Not in the manifest, which lists the fonts themselves.
    #[serde(skip)]
    pub fonts: Vec<PathBuf>,
    /// The characters to choose from. Default: letters, ideographs and digits, without the blocks of alternative forms.
    pub characters: Characters,
    /// Number of classes, at least 4: the characters that most fonts have. Default 2,500.
    pub classes: usize,
    /// Number of unseen classes among them: 0, or at least 2 with at least 2 known ones left. Default 500.
    pub unseen: usize,
    /// Smallest number of different drawings per character, at least 2. Default 8.
    pub least: usize,
    /// Largest number of drawings per character; a random sample if there are more. Default 32.
    pub most: usize,
    /// Distorted samples per drawing; with 0, one undistorted sample. Default 1.
    pub distortions: usize,
    /// Side of the images in pixels, 8 to 512. Default 32.
    pub size: usize,
    /// Share of the drawings of a known character that are test samples, above 0 and below 1. Default 0.2.
    pub hold_out: f64,
    /// Seed of the distortions, the selection of drawings, the test part and the unseen classes. Default 1.
    pub seed: u64,
}

impl Default for GlyphSettings {
    fn default() -> Self {
        Self {
            fonts: Vec::new(),
            characters: Characters::default(),
            classes: 2500,
            unseen: 500,
            least: 8,
            most: 32,
            distortions: 1,
            size: 32,
            hold_out: 0.2,
            seed: 1,
        }
    }
}

impl GlyphSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        if self.classes < 4 {
            return Err(Error::setting("classes", self.classes, "at least 4"));
        }
        let most = self.characters.count();
        if self.classes > most {
            let expected = format!("at most {most}, the number of characters to choose from");
            return Err(Error::setting("classes", self.classes, expected));
        }
        if self.unseen != 0 && !(2..=self.classes - 2).contains(&self.unseen) {
            let expected =
                format!("0, or 2 to {}, to have at least 2 known and 2 unseen classes", self.classes - 2);
            return Err(Error::setting("unseen", self.unseen, expected));
        }
        if self.least < 2 {
            return Err(Error::setting("least", self.least, "at least 2, because one sample makes no pair"));
        }
        if self.most < self.least {
            return Err(Error::setting(
                "most",
                self.most,
                format!("at least {}, the value of `least`", self.least),
            ));
        }
        if self.distortions > 1000 {
            return Err(Error::setting("distortions", self.distortions, "0 to 1000"));
        }
        if !(8..=512).contains(&self.size) {
            return Err(Error::setting("size", self.size, "8 to 512 pixels"));
        }
        if !(self.hold_out > 0.0 && self.hold_out < 1.0) {
            return Err(Error::setting("hold-out", self.hold_out, "a share above 0 and below 1"));
        }
        Ok(())
    }
}
