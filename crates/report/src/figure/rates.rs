//! The two curves of verification: ROC and DET.
//!
//! Both show the trade-off between two errors. ROC shows the share of genuine pairs accepted by false accept rate, on a
//! logarithmic axis because small rates matter most. DET shows both error rates on probit axes (normal quantiles), where curves
//! are nearly straight and good systems are easier to compare.

use super::axis::{self, Axis, Room};
use super::canvas::{Canvas, Rect, TEXT_SIZE, WIDTH, line_legend};
use super::lines::{draw_path, draw_run};
use super::style::Colour;
use super::tips;
use crate::text;

const PLOT_HEIGHT: f64 = 230.0;
/// The smallest rate drawn.
const SMALLEST_RATE: f64 = 1e-6;

/// Two rates at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatePoint {
    /// False accept rate in [0, 1].
    pub far: f64,
    /// True accept rate in [0, 1].
    pub tar: f64,
}

/// A named curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RateCurve {
    /// Name in the legend, which is drawn for two or more curves.
    pub name: String,
    /// Points in order of rising FAR and TAR. Points outside [0, 1] are left out.
    pub points: Vec<RatePoint>,
}

/// The data of [`roc`] and [`det`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RateFigure {
    /// Title of the figure.
    pub title: String,
    /// A text alternative, in a sentence or two.
    pub description: String,
    /// The curves.
    pub curves: Vec<RateCurve>,
}

impl RateFigure {
    fn canvas(&self) -> Canvas {
        Canvas::new(
            &self.title,
            &self.description,
            &line_legend(self.curves.iter().map(|curve| curve.name.as_str())),
        )
    }

    fn points(&self) -> impl Iterator<Item = RatePoint> + '_ {
        self.curves.iter().flat_map(valid)
    }
}

fn valid(curve: &RateCurve) -> impl Iterator<Item = RatePoint> + '_ {
    let rate = 0.0..=1.0;
    curve.points.iter().copied().filter(move |point| rate.contains(&point.far) && rate.contains(&point.tar))
}

/// Draws the true accept rate by the logarithm of the false accept rate; chance level is dotted.
///
/// Points without false accepts have no logarithm: the highest of them is drawn on the left edge.
pub fn roc(figure: &RateFigure) -> String {
    let labels = ["false accept rate (FAR), log scale", "true accept rate (TAR)"];
    curves(figure, labels, "TAR", true)
}

/// Draws the detection and identification rate, given as `tar`, by the logarithm of the false alarm rate. Like [`roc`], but
/// without chance level, which depends on the number of enrolled identities.
pub fn identification(figure: &RateFigure) -> String {
    let labels = ["false alarm rate (FAR), log scale", "detection and identification rate (DIR)"];
    curves(figure, labels, "DIR", false)
}

fn curves(figure: &RateFigure, [x_label, y_label]: [&str; 2], accepted: &str, with_guessing: bool) -> String {
    let mut canvas = figure.canvas();
    let Some((low, _)) = axis::range(figure.points().map(|point| point.far).filter(|&far| far > 0.0)) else {
        canvas.no_data();
        return canvas.finish();
    };
    let x = Axis::log((low.clamp(SMALLEST_RATE, 0.1), 1.0), Room::Across(WIDTH - 6.0 * TEXT_SIZE));
    let y = Axis::linear((0.0, 1.0), true, Room::Up(PLOT_HEIGHT));
    let rect = canvas.axes(PLOT_HEIGHT, &x, &y, x_label, y_label);
    canvas.open(rect);
    if with_guessing {
        let guessing: Vec<(f64, f64)> =
            (0..=60).map(|nth| x.low().powf(1.0 - f64::from(nth) / 60.0)).map(|far| (far, far)).collect();
        draw_guessing(&mut canvas, &guessing, &x, &y, rect);
    }
    for (nth, curve) in figure.curves.iter().enumerate() {
        let (off_axis, mut line): (Vec<_>, Vec<_>) =
            valid(curve).map(|point| (point.far, point.tar)).partition(|point| point.0 < x.low());
        if let Some(&(_, tar)) = off_axis.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
            line.insert(0, (x.low(), tar));
        }
        let mut path = String::new();
        draw_run(&mut path, &line, &x, &y, rect);
        draw_path(&mut canvas, &path, nth);
    }
    draw_tips(&mut canvas, figure, &x, rect, |tar| format!("{accepted} {}", text::percent(tar, 2)));
    canvas.close();
    canvas.finish()
}

/// Shows the FAR under the pointer, and for each curve what `rate` says of its TAR there.
fn draw_tips(canvas: &mut Canvas, figure: &RateFigure, x: &Axis, rect: Rect, rate: impl Fn(f64) -> String) {
    let places = figure.points().map(|point| point.far).filter(|&far| far > 0.0);
    tips::strips(canvas, rect, x, places, |far| {
        // The TAR at a FAR is that of the lowest threshold with no more false accepts.
        let value = |curve: &RateCurve| {
            let reached = valid(curve).filter(|point| point.far <= far).map(|point| point.tar);
            let name = if figure.curves.len() == 1 { String::new() } else { curve.name.clone() };
            Some((name, rate(reached.reduce(f64::max)?)))
        };
        let heading = format!("FAR {}\u{a0}%", text::compact(100.0 * far));
        tips::lines(heading, figure.curves.iter().filter_map(value))
    });
}

/// Draws the false reject rate by the false accept rate, both on probit axes. On the dotted diagonal both are equal (EER).
///
/// Rates of 0 and 1 are infinitely far away on such axes and are left out.
pub fn det(figure: &RateFigure) -> String {
    let mut canvas = figure.canvas();
    let inside = |rate: f64| rate > 0.0 && rate < 1.0;
    let errors = |point: RatePoint| (point.far, 1.0 - point.tar);
    let lines: Vec<Vec<(f64, f64)>> = figure
        .curves
        .iter()
        .map(|curve| valid(curve).map(errors).filter(|error| inside(error.0) && inside(error.1)).collect())
        .collect();
    let all = || lines.iter().flatten().flat_map(|error| [error.0, error.1]);
    let Some((low, _)) = axis::range(all()) else {
        canvas.no_data();
        return canvas.finish();
    };
    // Centred on the point where the best curve crosses the diagonal; the ends of the curves rest on a few pairs only.
    let crossing = lines.iter().flatten().map(|error| error.0.max(error.1)).fold(1.0, f64::min);
    let (low, high) = (low.max(crossing / 50.0).clamp(1e-4, 0.02), (3.0 * crossing).clamp(0.5, 0.95));
    let x = Axis::probit((low, high), Room::Across(WIDTH - 6.0 * TEXT_SIZE));
    let y = Axis::probit((low, high), Room::Up(PLOT_HEIGHT));
    let rect = canvas.axes(
        PLOT_HEIGHT,
        &x,
        &y,
        "false accept rate (FAR), probit scale",
        "false reject rate (FRR), probit scale",
    );
    canvas.open(rect);
    draw_guessing(&mut canvas, &[(low, low), (high, high)], &x, &y, rect);
    for (nth, line) in lines.iter().enumerate() {
        let mut path = String::new();
        draw_run(&mut path, line, &x, &y, rect);
        draw_path(&mut canvas, &path, nth);
    }
    draw_tips(&mut canvas, figure, &x, rect, |tar| format!("FRR {}", text::percent(1.0 - tar, 2)));
    canvas.close();
    canvas.finish()
}

fn draw_guessing(canvas: &mut Canvas, points: &[(f64, f64)], x: &Axis, y: &Axis, rect: Rect) {
    let mut path = String::new();
    draw_run(&mut path, points, x, y, rect);
    canvas.raw(&format!(
        r#"<path d="{path}" stroke-width="1.2" stroke-dasharray="1 4" {}/>"#,
        Colour::Muted.stroke()
    ));
}
