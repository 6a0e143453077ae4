//! A face of a font, open for drawing.

use skrifa::charmap::Charmap;
use skrifa::instance::{Location, Size};
use skrifa::outline::{DrawSettings, OutlineGlyphCollection};
use skrifa::{FontRef, GlyphId, MetadataProvider};

use crate::drawing::{self, PLAIN};
use crate::outline::{Outline, Pen};

/// A face that is open for drawing.
pub(crate) struct OpenFace<'a> {
    charmap: Charmap<'a>,
    outlines: OutlineGlyphCollection<'a>,
    location: Location,
    ems: f32,
    /// The plain drawing of the glyph for missing characters.
    missing: Option<Vec<u8>>,
}

impl<'a> OpenFace<'a> {
    /// `None` if the face has no outlines (a bitmap font) or no letters (a symbol font, in which A is not an A).
    pub(crate) fn new(font: &FontRef<'a>, location: Location) -> Option<Self> {
        let charmap = font.charmap();
        let outlines = font.outline_glyphs();
        if !charmap.has_map() || charmap.is_symbol() || outlines.format().is_none() {
            return None;
        }
        let ems = 1.0 / units_per_em(font)?;
        let mut face = Self { charmap, outlines, location, ems, missing: None };
        face.missing = face.glyph(GlyphId::NOTDEF).map(|outline| drawing::plain(&outline, PLAIN));
        Some(face)
    }

    /// The characters in the face's character map.
    pub(crate) fn characters(&self) -> impl Iterator<Item = char> {
        let mapped = self.charmap.mappings().filter(|(_, glyph)| *glyph != GlyphId::NOTDEF);
        mapped.filter_map(|(code, _)| char::from_u32(code))
    }

    /// The outline of a character and its plain drawing with a side of [`PLAIN`] pixels. `None` if the face lacks the
    /// character, or its glyph is empty or looks like the glyph for missing characters.
    pub(crate) fn outline(&self, character: char) -> Option<(Outline, Vec<u8>)> {
        let glyph = self.charmap.map(character).filter(|glyph| *glyph != GlyphId::NOTDEF)?;
        let outline = self.glyph(glyph)?;
        let plain = drawing::plain(&outline, PLAIN);
        let inked = plain.iter().any(|value| *value > 0);
        (inked && self.missing.as_ref() != Some(&plain)).then_some((outline, plain))
    }

    fn glyph(&self, glyph: GlyphId) -> Option<Outline> {
        let mut pen = Pen::new(self.ems);
        let settings = DrawSettings::unhinted(Size::unscaled(), &self.location);
        self.outlines.get(glyph)?.draw(settings, &mut pen).ok()?;
        pen.finished()
    }
}

/// Units per em, if the font states them.
fn units_per_em(font: &FontRef<'_>) -> Option<f32> {
    let units = font.metrics(Size::unscaled(), &Location::default()).units_per_em;
    (units > 0).then_some(f32::from(units))
}
