//! Line charts by training step: loss, learning rate, accuracy.

use super::axis::{self, Axis, Room};
use super::canvas::{Canvas, Rect, TEXT_SIZE, WIDTH, line_legend};
use super::style::{self, Colour};
use super::tips;
use crate::text::{self, coordinate as c};

/// Height of the plot of a line chart.
pub(super) const PLOT_HEIGHT: f64 = 190.0;
/// Number of positions along the x axis for a long series; more could not be distinguished.
const COLUMNS: usize = 400;

/// The scale of the y axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueScale {
    /// From the smallest to the largest value.
    #[default]
    Fitted,
    /// Like `Fitted`, but always including zero.
    FromZero,
    /// Logarithmic; values that are not positive are left out.
    Log,
}

/// A named line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Name in the legend, which is drawn for two or more series.
    pub name: String,
    /// (x, y) in order of x. A point that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
}

/// The data of [`line_chart`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineChart {
    /// Title of the figure.
    pub title: String,
    /// A text alternative, in a sentence or two.
    pub description: String,
    /// Label of the x axis.
    pub x_label: String,
    /// Label of the y axis.
    pub y_label: String,
    /// Scale of the y axis.
    pub scale: ValueScale,
    /// The lines.
    pub series: Vec<Series>,
}

/// Draws all series in one frame.
///
/// A long series is reduced to the smallest and largest value of each column of pixels, so that no peak is lost.
pub fn line_chart(chart: &LineChart) -> String {
    let mut canvas = Canvas::new(
        &chart.title,
        &chart.description,
        &line_legend(chart.series.iter().map(|s| s.name.as_str())),
    );
    let shown = |&(x, y): &(f64, f64)| {
        axis::drawable(x) && axis::drawable(y) && (chart.scale != ValueScale::Log || y > 0.0)
    };
    let points = || chart.series.iter().flat_map(|series| &series.points).filter(|point| shown(point));
    let (Some(x_range), Some(y_range)) =
        (axis::range(points().map(|point| point.0)), axis::range(points().map(|point| point.1)))
    else {
        canvas.no_data();
        return canvas.finish();
    };
    let x = Axis::linear(x_range, false, Room::Across(WIDTH - 6.0 * TEXT_SIZE));
    let room = Room::Up(PLOT_HEIGHT);
    let y = match chart.scale {
        ValueScale::Fitted => Axis::linear(y_range, true, room),
        ValueScale::FromZero => Axis::linear((y_range.0.min(0.0), y_range.1.max(0.0)), true, room),
        ValueScale::Log => Axis::log(y_range, room),
    };
    let rect = canvas.axes(PLOT_HEIGHT, &x, &y, &chart.x_label, &chart.y_label);
    canvas.open(rect);
    for (nth, series) in chart.series.iter().enumerate() {
        let mut path = String::new();
        for run in series.points.split(|point| !shown(point)) {
            draw_run(&mut path, &thinned(run, &x), &x, &y, rect);
        }
        draw_path(&mut canvas, &path, nth);
    }
    let at = points().map(|point| point.0);
    tips::strips(&mut canvas, rect, &x, at, |at| {
        let value = |series: &Series| {
            let point = series.points.iter().find(|point| point.0 == at && shown(point))?;
            let name = if chart.series.len() == 1 { &chart.title } else { &series.name };
            Some((name.clone(), text::compact(point.1)))
        };
        let heading = format!("{} {}", chart.x_label, text::position(at)).trim_start().to_owned();
        tips::lines(heading, chart.series.iter().filter_map(value))
    });
    canvas.close();
    canvas.finish()
}

/// Strokes a path in the style of the nth series.
pub(super) fn draw_path(canvas: &mut Canvas, path: &str, nth: usize) {
    if path.is_empty() {
        return;
    }
    let dash = style::dash(nth);
    let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
    canvas.raw(&format!(
        r#"<path d="{path}" stroke-width="1.9" stroke-linejoin="round" stroke-linecap="round"{dash} {}/>"#,
        Colour::Series(nth).stroke()
    ));
}

/// Adds a connected run of points; a single point becomes a dot.
pub(super) fn draw_run(path: &mut String, run: &[(f64, f64)], x: &Axis, y: &Axis, rect: Rect) {
    for (position, &(at_x, at_y)) in run.iter().enumerate() {
        let place = (c(rect.width * x.place(at_x)), c(rect.height * (1.0 - y.place(at_y))));
        path.push(if position == 0 { 'M' } else { 'L' });
        path.push_str(&place.0);
        path.push(' ');
        path.push_str(&place.1);
    }
    if run.len() == 1 {
        path.push_str("h0.01");
    }
}

/// The first, lowest, highest and last point of each column, in order.
fn thinned(run: &[(f64, f64)], x: &Axis) -> Vec<(f64, f64)> {
    if run.len() <= 2 * COLUMNS {
        return run.to_vec();
    }
    let column = |point: &(f64, f64)| (x.place(point.0) * COLUMNS as f64).floor() as i64;
    let mut kept = Vec::with_capacity(4 * COLUMNS);
    for part in run.chunk_by(|a, b| column(a) == column(b)) {
        let by_value = |&a: &usize, &b: &usize| part[a].1.total_cmp(&part[b].1);
        let positions = || 0..part.len();
        let extremes = [positions().min_by(by_value), positions().max_by(by_value)];
        let mut expected = vec![0, part.len() - 1];
        expected.extend(extremes.into_iter().flatten());
        expected.sort_unstable();
        expected.dedup();
        kept.extend(expected.into_iter().map(|position| part[position]));
    }
    kept
}
