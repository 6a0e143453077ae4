//! The two curves of verification: ROC and DET.
//!
//! Both show the same trade between two errors. ROC asks how many genuine pairs are accepted at a rate of false accepts,
//! on a logarithmic axis because the rates that matter are small. DET shows both errors on normal-quantile (probit) axes,
//! where curves come out nearly straight and differences between good systems can be seen.

use super::axis::{self, Axis, Room};
use super::canvas::{Canvas, Rect, TEXT_SIZE, WIDTH, line_legend};
use super::lines::{draw_path, draw_run};
use super::style::Colour;

const PLOT_HEIGHT: f64 = 230.0;
/// No rate below this is drawn.
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
    /// Its name in the legend, which is drawn for two or more.
    pub name: String,
    /// Points in order of growing FAR and TAR. Points outside [0, 1] are left out.
    pub points: Vec<RatePoint>,
}

/// What [`roc`] and [`det`] draw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RateFigure {
    /// What is shown.
    pub title: String,
    /// The same for those who do not see it: one sentence or two.
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

/// Draws true accept rate over the logarithm of the false accept rate; guessing is dotted.
///
/// Points without a false accept have no logarithm: the highest of them is drawn on the left edge.
pub fn roc(figure: &RateFigure) -> String {
    curves(figure, ["false accept rate (FAR), logarithmic", "true accept rate (TAR)"], true)
}

/// Draws the detection and identification rate, given as `tar`, over the logarithm of the rate of false alarms; otherwise as [`roc`], but
/// without guessing, which depends on how many are enrolled.
pub fn identification(figure: &RateFigure) -> String {
    let labels = ["false alarm rate (FAR), logarithmic", "detection and identification rate (DIR)"];
    curves(figure, labels, false)
}

fn curves(figure: &RateFigure, [x_label, y_label]: [&str; 2], with_guessing: bool) -> String {
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
    canvas.close();
    canvas.finish()
}

/// Draws the false reject rate over the false accept rate, both on probit axes; where the dotted diagonal is crossed
/// both are equal (EER).
///
/// Rates of 0 and 1 have no place on such an axis and are left out.
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
    // Around where the best curve meets the diagonal; the far ends rest on a handful of pairs.
    let crossing = lines.iter().flatten().map(|error| error.0.max(error.1)).fold(1.0, f64::min);
    let (low, high) = (low.max(crossing / 50.0).clamp(1e-4, 0.02), (3.0 * crossing).clamp(0.5, 0.95));
    let x = Axis::probit((low, high), Room::Across(WIDTH - 6.0 * TEXT_SIZE));
    let y = Axis::probit((low, high), Room::Up(PLOT_HEIGHT));
    let rect = canvas.axes(
        PLOT_HEIGHT,
        &x,
        &y,
        "false accept rate (FAR), probit",
        "false reject rate (FRR), probit",
    );
    canvas.open(rect);
    draw_guessing(&mut canvas, &[(low, low), (high, high)], &x, &y, rect);
    for (nth, line) in lines.iter().enumerate() {
        let mut path = String::new();
        draw_run(&mut path, line, &x, &y, rect);
        draw_path(&mut canvas, &path, nth);
    }
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
