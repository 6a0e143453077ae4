//! The outline of a glyph in ems, recorded from a font.

use skrifa::outline::OutlinePen;
use zeno::{Command, Point};

/// Points evaluated per curve to find its extent; enough to centre a character.
const POINTS_ON_CURVE: usize = 8;
/// Larger coordinates, in ems, are taken for damage.
const FARTHEST: f32 = 100.0;

/// A shape in ems; the y axis points up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outline {
    pub(crate) commands: Vec<Command>,
    /// Left and bottom of its bounding box.
    pub(crate) low: [f32; 2],
    /// Right and top of its bounding box.
    pub(crate) high: [f32; 2],
}

/// Records an outline.
pub(crate) struct Pen {
    /// Ems per font unit.
    ems: f32,
    at: [f32; 2],
    outline: Outline,
}

impl Pen {
    pub(crate) fn new(ems: f32) -> Self {
        let outline = Outline { commands: Vec::new(), low: [f32::INFINITY; 2], high: [f32::NEG_INFINITY; 2] };
        Self { ems, at: [0.0; 2], outline }
    }

    fn reach(&mut self, [x, y]: [f32; 2]) {
        let Outline { low, high, .. } = &mut self.outline;
        // `min` and `max` would ignore NaN.
        let [x, y] = [x, y].map(|value| if value.is_nan() { f32::INFINITY } else { value });
        *low = [low[0].min(x), low[1].min(y)];
        *high = [high[0].max(x), high[1].max(y)];
    }

    /// The outline, if it has an area and a plausible size.
    pub(crate) fn finished(self) -> Option<Outline> {
        let Outline { low, high, .. } = &self.outline;
        let believable = low.iter().chain(high).all(|value| value.abs() < FARTHEST);
        (believable && high[0] > low[0] && high[1] > low[1]).then_some(self.outline)
    }

    /// Extends the bounding box by a Bezier curve with these control points, in ems, and moves to its end.
    fn curve<const N: usize>(&mut self, points: [[f32; 2]; N]) {
        for step in 1..=POINTS_ON_CURVE {
            let t = step as f32 / POINTS_ON_CURVE as f32;
            // De Casteljau: interpolate between adjacent points until one is left.
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
    fn the_extent_of_a_curve_is_not_that_of_its_control_points() {
        let mut pen = Pen::new(0.001);
        pen.move_to(0.0, 0.0);
        pen.curve_to(0.0, 1000.0, 1000.0, 1000.0, 1000.0, 0.0);
        pen.close();
        let outline = pen.finished().unwrap();
        assert_eq!((outline.low, outline.high[0]), ([0.0, 0.0], 1.0));
        assert!((outline.high[1] - 0.75).abs() < 1e-6, "{:?}", outline.high);
    }

    #[test]
    fn empty_and_damaged_outlines_are_dropped() {
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
