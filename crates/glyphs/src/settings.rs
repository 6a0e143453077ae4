//! What is to be drawn.

use std::path::PathBuf;

use serde::Serialize;

use crate::characters::Characters;
use crate::{Error, Result};

/// What is to be drawn: how many characters, with which fonts, how large, how varied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GlyphSettings {
    /// Folders and files of fonts; empty: where the system keeps them. Not part of the manifest, which names the fonts
    /// themselves.
    #[serde(skip)]
    pub fonts: Vec<PathBuf>,
    /// Which characters may be chosen. Default: letters, ideographs and digits, without blocks of other forms of
    /// characters that are elsewhere.
    pub characters: Characters,
    /// Number of characters, at least 4 and no more than may be chosen: those that most fonts cover. Default 2,500.
    pub classes: usize,
    /// How many of them are kept from training: 0, or at least 2, with 2 left. Default 500.
    pub unseen: usize,
    /// Different drawings that a character must have, at least 2. Default 8.
    pub least: usize,
    /// Drawings that are taken of a character, drawn by lot where there are more. Default 32.
    pub most: usize,
    /// Distorted samples of a drawing; 0: one, as the font has it. Default 1.
    pub distortions: usize,
    /// Side of the images in pixels, 8 to 512. Default 32.
    pub size: usize,
    /// Share of the drawings of a known character that go to the test part, above 0 and below 1. Default 0.2.
    pub hold_out: f64,
    /// Decides distortions, lots, the test part and which characters stay unseen. Default 1.
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
            let expected = format!("at most {most}, the number of characters that may be chosen");
            return Err(Error::setting("classes", self.classes, expected));
        }
        if self.unseen != 0 && !(2..=self.classes - 2).contains(&self.unseen) {
            let expected =
                format!("0, or 2 to {}, so that two classes stay on either side", self.classes - 2);
            return Err(Error::setting("unseen", self.unseen, expected));
        }
        if self.least < 2 {
            return Err(Error::setting("least", self.least, "at least 2: one sample makes no pair"));
        }
        if self.most < self.least {
            return Err(Error::setting("most", self.most, format!("at least {}, the least", self.least)));
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
