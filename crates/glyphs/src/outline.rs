//! The outline of a character in one face, in ems, and where there is none.

use skrifa::charmap::Charmap;
use skrifa::instance::{Location, Size};
use skrifa::outline::{DrawSettings, OutlineGlyphCollection, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};
use zeno::{Command, Point};

use crate::drawing::{self, PLAIN};
use crate::fonts::units_per_em;

/// Points looked at on a curve to find how far it reaches; enough to centre a character by.
const POINTS_ON_CURVE: usize = 8;
/// Largest coordinate in ems that is believed.
const FARTHEST: f32 = 100.0;

/// A shape in ems, upwards positive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outline {
    pub(crate) commands: Vec<Command>,
    /// Left and bottom of what it covers.
    pub(crate) low: [f32; 2],
    /// Right and top.
    pub(crate) high: [f32; 2],
}

/// A face made ready to draw.
pub(crate) struct OpenFace<'a> {
    charmap: Charmap<'a>,
    outlines: OutlineGlyphCollection<'a>,
    location: Location,
    ems: f32,
    /// What the face draws for characters that it lacks.
    missing: Option<Vec<u8>>,
}

impl<'a> OpenFace<'a> {
    /// None if the face has no outlines or no letters: bitmap fonts, and fonts of symbols, in which A is no A.
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

    /// The characters that the face says it has.
    pub(crate) fn characters(&self) -> impl Iterator<Item = char> {
        let mapped = self.charmap.mappings().filter(|(_, glyph)| *glyph != GlyphId::NOTDEF);
        mapped.filter_map(|(code, _)| char::from_u32(code))
    }

    /// The outline of a character and its plain image of [`PLAIN`] pixels a side; None if the face lacks it, has an
    /// empty glyph for it, or draws what it draws for characters that it lacks.
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

/// Takes an outline down.
struct Pen {
    ems: f32,
    at: [f32; 2],
    outline: Outline,
}

impl Pen {
    fn new(ems: f32) -> Self {
        let outline = Outline { commands: Vec::new(), low: [f32::INFINITY; 2], high: [f32::NEG_INFINITY; 2] };
        Self { ems, at: [0.0; 2], outline }
    }

    fn reach(&mut self, [x, y]: [f32; 2]) {
        let Outline { low, high, .. } = &mut self.outline;
        // Minima and maxima would pass over what is not a number.
        let [x, y] = [x, y].map(|value| if value.is_nan() { f32::INFINITY } else { value });
        *low = [low[0].min(x), low[1].min(y)];
        *high = [high[0].max(x), high[1].max(y)];
    }

    /// An outline that covers something and is of a size that can be drawn.
    fn finished(self) -> Option<Outline> {
        let Outline { low, high, .. } = &self.outline;
        let believable = low.iter().chain(high).all(|value| value.abs() < FARTHEST);
        (believable && high[0] > low[0] && high[1] > low[1]).then_some(self.outline)
    }

    /// Goes along a curve through control points to its last, in ems.
    fn curve<const N: usize>(&mut self, points: [[f32; 2]; N]) {
        for step in 1..=POINTS_ON_CURVE {
            let t = step as f32 / POINTS_ON_CURVE as f32;
            // De Casteljau: interpolate between neighbours until one point is left.
            let mut left = [self.at; 4];
            left[1..=N].copy_from_slice(&points);
            for last in (0..N).rev() {
                for i in 0..=last {
                    left[i] = [0, 1].map(|axis| left[i][axis] + t * (left[i + 1][axis] - left[i][axis]));
                }
            }
            self.reach(left[0]);
        }
        self.at = points[N - 1];
    }
}

fn point([x, y]: [f32; 2]) -> Point {
    Point::new(x, y)
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.at = [x * self.ems, y * self.ems];
        self.outline.commands.push(Command::MoveTo(point(self.at)));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.reach(self.at);
        self.at = [x * self.ems, y * self.ems];
        self.reach(self.at);
        self.outline.commands.push(Command::LineTo(point(self.at)));
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        let points = [[cx0, cy0], [x, y]].map(|point| point.map(|value| value * self.ems));
        self.reach(self.at);
        self.curve(points);
        self.outline.commands.push(Command::QuadTo(point(points[0]), point(points[1])));
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let points = [[cx0, cy0], [cx1, cy1], [x, y]].map(|point| point.map(|value| value * self.ems));
        self.reach(self.at);
        self.curve(points);
        self.outline.commands.push(Command::CurveTo(point(points[0]), point(points[1]), point(points[2])));
    }

    fn close(&mut self) {
        self.outline.commands.push(Command::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_reach_as_far_as_they_go_not_as_their_control_points() {
        let mut pen = Pen::new(0.001);
        pen.move_to(0.0, 0.0);
        pen.curve_to(0.0, 1000.0, 1000.0, 1000.0, 1000.0, 0.0);
        pen.close();
        let outline = pen.finished().unwrap();
        assert_eq!((outline.low, outline.high[0]), ([0.0, 0.0], 1.0));
        assert!((outline.high[1] - 0.75).abs() < 1e-6, "{:?}", outline.high);
    }

    #[test]
    fn nothing_and_nonsense_are_no_outlines() {
        assert_eq!(Pen::new(1.0).finished(), None);
        for far in [f32::NAN, f32::INFINITY, 1e9] {
            let mut pen = Pen::new(1.0);
            pen.move_to(0.0, 0.0);
            pen.line_to(1.0, 1.0);
            pen.line_to(far, far);
            pen.close();
            assert_eq!(pen.finished(), None, "{far}");
        }
        // A line has no area.
        let mut pen = Pen::new(1.0);
        pen.move_to(0.0, 0.0);
        pen.line_to(1.0, 0.0);
        pen.close();
        assert_eq!(pen.finished(), None);
    }
}
