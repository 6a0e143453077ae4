//! Embeddings of dimension 2 and 3, drawn on the unit circle and the unit sphere.
//!
//! No projection is needed, so the effect of a margin is directly visible: it pulls the points of a class towards its centre and
//! away from other classes.

use super::canvas::{Anchor, Canvas, EDGE, Key, LegendItem, TEXT_SIZE, WIDTH};
use super::style::{self, Colour};
use crate::text::{self, add, coordinate as c};

/// Largest number of points per class; more points are thinned evenly.
const POINTS: usize = 400;

/// The embeddings of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassFeatures<const DIM: usize> {
    /// Name of the class. Colours and shapes follow the position of a class, which must be the same in every panel.
    pub name: String,
    /// Embeddings of any length; their direction is drawn. Rows without a direction (zero or not finite) are left out.
    pub points: Vec<[f64; DIM]>,
    /// The class centre, drawn as an arrow, if it has one.
    pub centre: Option<[f64; DIM]>,
}

/// One circle or sphere.
#[derive(Debug, Clone, PartialEq)]
pub struct FeaturePanel<const DIM: usize> {
    /// Heading of the panel, usually an objective. Not drawn if there is only one panel.
    pub name: String,
    /// Its classes.
    pub classes: Vec<ClassFeatures<DIM>>,
}

/// The data of [`feature_circle`] and [`feature_sphere`].
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureFigure<const DIM: usize> {
    /// Title of the figure.
    pub title: String,
    /// A text alternative, in a sentence or two.
    pub description: String,
    /// One panel per objective.
    pub panels: Vec<FeaturePanel<DIM>>,
}

/// The position of a panel.
#[derive(Debug, Clone, Copy)]
struct Round {
    x: f64,
    y: f64,
    radius: f64,
}

impl Round {
    fn at(self, x: f64, y: f64) -> (f64, f64) {
        // The y axis points up.
        (self.x + self.radius * x, self.y - self.radius * y)
    }
}

/// Draws embeddings of dimension 2 on the unit circle, class centres as arrows.
///
/// Points of the same direction would hide each other, so each point is shifted slightly inwards or outwards. Only the angle has
/// a meaning.
pub fn feature_circle(figure: &FeatureFigure<2>) -> String {
    panels(figure, |canvas, panel, round| {
        canvas.raw(&format!(
            r#"<circle cx="{}" cy="{}" r="{}" stroke-width="1" {}/>"#,
            c(round.x),
            c(round.y),
            c(round.radius),
            Colour::Grid.stroke()
        ));
        for (class, features) in panel.classes.iter().enumerate() {
            let points = directions(features).enumerate().map(|(nth, [x, y])| {
                // Multiples of the golden ratio are spread evenly.
                let out = 1.0 + 0.09 * ((nth as f64 * 0.618_033_988_75).fract() - 0.5);
                round.at(out * x, out * y)
            });
            draw_points(canvas, points, (class, &features.name), 2.1, 0.55);
        }
        for (class, features) in panel.classes.iter().enumerate() {
            if let Some([x, y]) = features.centre.and_then(direction) {
                arrow(canvas, (round.x, round.y), round.at(0.86 * x, 0.86 * y), class, 1.0);
            }
        }
    })
}

/// Draws embeddings of dimension 3 on the unit sphere seen from far away, the far half faded, class centres as arrows.
pub fn feature_sphere(figure: &FeatureFigure<3>) -> String {
    panels(figure, |canvas, panel, round| {
        draw_globe(canvas, round);
        for back in [true, false] {
            for (class, features) in panel.classes.iter().enumerate() {
                let seen = directions(features).map(turned).filter(|point| (point[2] < 0.0) == back);
                let points = seen.map(|[x, y, _]| round.at(x, y));
                draw_points(
                    canvas,
                    points,
                    (class, &features.name),
                    if back { 1.7 } else { 2.1 },
                    if back { 0.16 } else { 0.6 },
                );
            }
            for (class, features) in panel.classes.iter().enumerate() {
                let Some([x, y, z]) = features.centre.and_then(direction).map(turned) else { continue };
                if (z < 0.0) == back {
                    arrow(canvas, (round.x, round.y), round.at(x, y), class, if back { 0.35 } else { 1.0 });
                }
            }
        }
    })
}

/// Lays out the panels, one or two per row, and calls `draw` for each.
fn panels<const DIM: usize>(
    figure: &FeatureFigure<DIM>,
    mut draw: impl FnMut(&mut Canvas, &FeaturePanel<DIM>, Round),
) -> String {
    let has_something = |panel: &&FeaturePanel<DIM>| {
        panel
            .classes
            .iter()
            .any(|class| directions(class).next().is_some() || class.centre.and_then(direction).is_some())
    };
    let shown: Vec<&FeaturePanel<DIM>> = figure.panels.iter().filter(has_something).collect();
    // Panels share their classes; the panel with the most classes gives the names.
    let classes = shown.iter().map(|panel| panel.classes.as_slice()).max_by_key(|classes| classes.len());
    let entry = |(nth, class): (usize, &ClassFeatures<DIM>)| LegendItem {
        name: class.name.clone(),
        key: Key::Marker,
        nth,
    };
    let legend: Vec<LegendItem> = classes.unwrap_or_default().iter().enumerate().map(entry).collect();
    let mut canvas = Canvas::new(&figure.title, &figure.description, &legend);
    if shown.is_empty() {
        canvas.no_data();
        return canvas.finish();
    }
    let columns = shown.len().min(2);
    let cell = (WIDTH - 2.0 * EDGE) / columns as f64;
    let radius = if columns == 1 { 140.0 } else { cell / 2.0 - 14.0 };
    for row in shown.chunks(columns) {
        canvas.top += 8.0;
        if shown.len() > 1 {
            canvas.top += 12.0;
            for (column, panel) in row.iter().enumerate() {
                let name = text::fit(&panel.name, TEXT_SIZE, cell - 8.0);
                let middle = EDGE + cell * (column as f64 + 0.5);
                canvas.text(&name, (middle, canvas.top), TEXT_SIZE, Anchor::Middle, Colour::Ink);
            }
        }
        let y = canvas.top + radius + 16.0;
        for (column, panel) in row.iter().enumerate() {
            draw(&mut canvas, panel, Round { x: EDGE + cell * (column as f64 + 0.5), y, radius });
        }
        canvas.top = y + radius + 12.0;
    }
    canvas.finish()
}

/// The unit vector, if it exists.
fn direction<const DIM: usize>(point: [f64; DIM]) -> Option<[f64; DIM]> {
    // Divide by the largest component first, so that squares neither overflow nor underflow.
    let largest = point
        .iter()
        .fold(0.0, |largest: f64, value| if value.is_nan() { f64::NAN } else { largest.max(value.abs()) });
    if !largest.is_finite() || largest == 0.0 {
        return None;
    }
    let scaled = point.map(|value| value / largest);
    let norm = scaled.iter().map(|value| value * value).sum::<f64>().sqrt();
    norm.is_finite().then(|| scaled.map(|value| value / norm))
}

fn directions<const DIM: usize>(class: &ClassFeatures<DIM>) -> impl Iterator<Item = [f64; DIM]> + '_ {
    let step = class.points.len().div_ceil(POINTS).max(1);
    class.points.iter().step_by(step).filter_map(|&point| direction(point))
}

/// Rotates a point to the view: the third axis points up, seen from the side and slightly from above. Returns the components to
/// the right, up and towards the viewer.
fn turned([x, y, z]: [f64; 3]) -> [f64; 3] {
    let (sine_turn, cosine_turn) = 0.5_f64.sin_cos();
    let (sine_tilt, cosine_tilt) = 0.4_f64.sin_cos();
    let (right, depth) = (x * cosine_turn - y * sine_turn, x * sine_turn + y * cosine_turn);
    [right, z * cosine_tilt + depth * sine_tilt, z * sine_tilt - depth * cosine_tilt]
}

/// All points of a class as one path.
fn draw_points(
    canvas: &mut Canvas,
    points: impl Iterator<Item = (f64, f64)>,
    (class, name): (usize, &str),
    size: f64,
    opacity: f64,
) {
    let path: String = points.map(|(x, y)| style::marker(class, x, y, size)).collect();
    if !path.is_empty() {
        canvas.raw(&format!(
            r#"<path d="{path}" fill-opacity="{opacity}" {}><title>{}</title></path>"#,
            Colour::Series(class).fill_of("wm-tip"),
            text::escape(name)
        ));
    }
}

fn arrow(canvas: &mut Canvas, from: (f64, f64), to: (f64, f64), class: usize, opacity: f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    // An arrow towards the viewer is a dot.
    if length < 9.0 {
        let dot = style::marker(0, to.0, to.1, 4.0);
        canvas.raw(&format!(r#"<path d="{dot}" opacity="{opacity}" {}/>"#, Colour::Series(class).fill()));
        return;
    }
    let (ux, uy) = (dx / length, dy / length);
    let neck = (to.0 - 9.0 * ux, to.1 - 9.0 * uy);
    canvas.raw(&format!(r#"<g opacity="{opacity}">"#));
    canvas.segment(from, neck, Colour::Series(class), 2.2, "");
    canvas.raw(&format!(
        r#"<path d="M{} {}L{} {}L{} {}z" {}/>"#,
        c(to.0),
        c(to.1),
        c(neck.0 - 4.5 * uy),
        c(neck.1 + 4.5 * ux),
        c(neck.0 + 4.5 * uy),
        c(neck.1 - 4.5 * ux),
        Colour::Series(class).fill()
    ));
    canvas.raw("</g>");
}

/// The outline of the sphere and the near halves of circles of latitude and longitude.
fn draw_globe(canvas: &mut Canvas, round: Round) {
    canvas.raw(&format!(
        r#"<circle cx="{}" cy="{}" r="{}" stroke-width="1.2" {}/>"#,
        c(round.x),
        c(round.y),
        c(round.radius),
        Colour::Grid.stroke()
    ));
    let mut path = String::new();
    let mut draw = |points: &dyn Fn(f64) -> [f64; 3]| {
        let mut pen_down = false;
        for nth in 0..=72 {
            let [x, y, z] = turned(points(std::f64::consts::TAU * f64::from(nth) / 72.0));
            if z >= 0.0 {
                let (x, y) = round.at(x, y);
                add(&mut path, format_args!("{}{} {}", if pen_down { "L" } else { "M" }, c(x), c(y)));
            }
            pen_down = z >= 0.0;
        }
    };
    for latitude in [-60.0_f64, -30.0, 0.0, 30.0, 60.0] {
        let (height, width) = latitude.to_radians().sin_cos();
        draw(&|angle| [width * angle.cos(), width * angle.sin(), height]);
    }
    for longitude in [0.0_f64, 30.0, 60.0, 90.0, 120.0, 150.0] {
        let (sine, cosine) = longitude.to_radians().sin_cos();
        draw(&|angle| [cosine * angle.cos(), sine * angle.cos(), angle.sin()]);
    }
    canvas.raw(&format!(r#"<path d="{path}" stroke-width="0.8" {}/>"#, Colour::Grid.stroke()));
}
