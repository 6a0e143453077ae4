//! Values that a figure shows where the pointer is.
//!
//! A tip is an element with the class `wm-tip` and a `title`. Browsers show the title even without a script and in a saved SVG; the
//! script of a page shows it at once, also for a tap and the arrow keys.

use super::axis::Axis;
use super::canvas::{AREA, Canvas, Rect};

/// Least width of a strip in pixels; narrower ones are hard to hit.
const LEAST: f64 = 5.0;

/// Covers a plot, whose area is open, with a vertical strip around each of these values of the x axis, which shows `text(value)`. Of
/// values that are too close to each other the last is kept.
pub(super) fn strips(
    canvas: &mut Canvas,
    rect: Rect,
    x: &Axis,
    values: impl Iterator<Item = f64>,
    text: impl Fn(f64) -> String,
) {
    let mut places: Vec<(f64, f64)> = values
        .map(|value| (rect.width * x.place(value), value))
        .filter(|(at, _)| (-0.5..=rect.width + 0.5).contains(at))
        .collect();
    places.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for place in places {
        if kept.last().is_none_or(|last| last.0 - place.0 >= LEAST) {
            kept.push(place);
        }
    }
    kept.reverse();
    let between = |nth: usize| f64::midpoint(kept[nth].0, kept[nth + 1].0);
    for (nth, &(_, value)) in kept.iter().enumerate() {
        let left = if nth == 0 { 0.0 } else { between(nth - 1) };
        let right = if nth + 1 == kept.len() { rect.width } else { between(nth) };
        canvas.tip(Rect { x: left, y: 0.0, width: right - left, height: rect.height }, &text(value));
    }
}

/// A heading, then one line per value, with its name if it has one.
pub(super) fn lines(heading: String, values: impl Iterator<Item = (String, String)>) -> String {
    let line = |(name, value): (String, String)| {
        if name.is_empty() { value } else { format!("{name}: {value}") }
    };
    std::iter::once(heading).chain(values.map(line)).collect::<Vec<_>>().join("\n")
}

/// The figure without the areas that show values, for a page on which nobody points at it. Half of many figures are such areas.
pub fn without_tips(svg: &str) -> String {
    // Each of them is a line.
    svg.lines().filter(|line| !line.contains(AREA)).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::axis::Room;
    use super::*;

    #[test]
    fn strips_cover_the_plot_without_overlap() {
        let x = Axis::linear((0.0, 1000.0), false, Room::Across(300.0));
        let rect = Rect { x: 40.0, y: 10.0, width: 300.0, height: 100.0 };
        for count in [1, 2, 3, 1001] {
            let mut canvas = Canvas::new("t", "d", &[]);
            let values = (0..count).map(|nth| 1000.0 * f64::from(nth) / f64::from(count - 1).max(1.0));
            strips(&mut canvas, rect, &x, values, |value| format!("step {value}"));
            let svg = canvas.finish();
            let areas: Vec<(f64, f64)> = svg
                .lines()
                .filter(|line| line.contains("wm-area\""))
                .map(|part| {
                    let number = |text: &str| text.split('"').next().unwrap().parse::<f64>().unwrap();
                    (
                        number(part.split(" x=\"").nth(1).unwrap()),
                        number(part.split("width=\"").nth(1).unwrap()),
                    )
                })
                .collect();
            assert_eq!(areas.len(), if count < 4 { count as usize } else { 59 });
            assert_eq!(areas[0].0, 0.0);
            for two in areas.windows(2) {
                assert!((two[0].0 + two[0].1 - two[1].0).abs() < 0.02, "{two:?}");
            }
            let last = areas[areas.len() - 1];
            assert!((last.0 + last.1 - 300.0).abs() < 0.02);
            assert!(svg.contains(if count == 1 { "step 0<" } else { "step 1000<" }), "the last is kept");
        }
    }

    #[test]
    fn a_figure_without_tips_is_the_same_otherwise() {
        let plain = Canvas::new("t", "d", &[]).finish();
        let mut canvas = Canvas::new("t", "d", &[]);
        canvas.tip(Rect { x: 0.0, y: 0.0, width: 1.0, height: 1.0 }, "two\nlines");
        assert_eq!(without_tips(&canvas.finish()), plain);
    }

    #[test]
    fn a_value_has_a_name_only_if_there_is_one() {
        let values = [("a", "0.5"), ("", "0.75")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(lines("step 1".to_owned(), values.into_iter()), "step 1\na: 0.5\n0.75");
    }
}
