//! A map of embeddings: a point per sample, in the colour and shape of its class.

use super::axis::{self, Axis, Room};
use super::canvas::{Canvas, EDGE, Key, LegendItem, WIDTH};
use super::style::{self, Colour};
use crate::text::{add, escape};

/// Height of the plot.
const HEIGHT: f64 = 340.0;
/// Radius of a point.
const RADIUS: f64 = 3.2;
/// More classes are not named in a legend: it would be longer than the map, and colours and shapes repeat.
const LEGEND: usize = 16;
/// Free space around the points, as a share of their extent.
const AIR: f64 = 0.04;

/// The data of [`embedding_map`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MapFigure {
    /// Title of the figure.
    pub title: String,
    /// A text alternative, in a sentence or two.
    pub description: String,
    /// Labels of the axes; if both are empty, the axes have no meaning and are left out.
    pub labels: [String; 2],
    /// Names of the classes, in the order of their colours and shapes.
    pub classes: Vec<String>,
    /// The samples. Points that are not finite are left out.
    pub points: Vec<MapPoint>,
}

/// A sample on the map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MapPoint {
    /// Its place.
    pub at: [f64; 2],
    /// The position of its class in [`MapFigure::classes`].
    pub class: usize,
    /// What is shown while the pointer is over it.
    pub text: String,
    /// The number of its image on the page, as an attribute `data-sample` for the page's script.
    pub sample: Option<usize>,
}

/// Draws the map with the same scale on both axes, so that distances can be compared.
pub fn embedding_map(figure: &MapFigure) -> String {
    let item = |(nth, name): (usize, &String)| LegendItem { name: name.clone(), key: Key::Marker, nth };
    let named = figure.classes.iter().enumerate().filter(|_| figure.classes.len() <= LEGEND);
    let legend: Vec<LegendItem> = named.map(item).collect();
    let mut canvas = Canvas::new(&figure.title, &figure.description, &legend);
    let shown = |point: &&MapPoint| point.at.iter().all(|value| axis::drawable(*value));
    let points = || figure.points.iter().filter(shown);
    let extent = |axis: usize| axis::range(points().map(|point| point.at[axis]));
    let (Some(across), Some(up)) = (extent(0), extent(1)) else {
        canvas.no_data();
        return canvas.finish();
    };
    let [x, y] = axes(across, up);
    let rect = if figure.labels.iter().all(String::is_empty) {
        canvas.frame(HEIGHT)
    } else {
        canvas.axes(HEIGHT, &x, &y, &figure.labels[0], &figure.labels[1])
    };
    canvas.open(rect);
    for class in 0..figure.classes.len() {
        let mut group = format!(r#"<g fill-opacity="0.75" {}>"#, Colour::Series(class).fill_of("wm-class"));
        for point in points().filter(|point| point.class == class) {
            let at = (rect.width * x.place(point.at[0]), rect.height * (1.0 - y.place(point.at[1])));
            let path = style::marker(class, at.0, at.1, RADIUS);
            let sample = point.sample.map_or_else(String::new, |nth| format!(r#" data-sample="{nth}""#));
            let text = escape(&point.text);
            add(
                &mut group,
                format_args!(r#"<path class="wm-tip"{sample} d="{path}"><title>{text}</title></path>"#),
            );
        }
        canvas.raw(&(group + "</g>"));
    }
    canvas.close();
    canvas.finish()
}

/// Axes around the centre of both ranges, with the same scale.
fn axes(across: (f64, f64), up: (f64, f64)) -> [Axis; 2] {
    let width = WIDTH - 4.0 * EDGE;
    let half = |(low, high): (f64, f64)| (high - low) / 2.0;
    // What half the height of the plot stands for.
    let reach = (half(up)).max(half(across) * HEIGHT / width).max(1e-12) * (1.0 + AIR);
    let axis = |(low, high): (f64, f64), reach: f64, room| {
        let centre = f64::midpoint(low, high);
        Axis::linear((centre - reach, centre + reach), false, room)
    };
    [axis(across, reach * width / HEIGHT, Room::Across(width)), axis(up, reach, Room::Up(HEIGHT))]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, labels_are_apart};
    use super::*;

    fn figure(classes: usize) -> MapFigure {
        let point = |nth: usize| MapPoint {
            at: [(nth as f64).sin(), 0.2 * (nth as f64).cos()],
            class: nth % classes,
            text: format!("class <{}>\nrow {nth}", nth % classes),
            sample: nth.is_multiple_of(2).then_some(nth),
        };
        MapFigure {
            title: "Map".to_owned(),
            description: "d".to_owned(),
            labels: ["first axis".to_owned(), "second axis".to_owned()],
            classes: (0..classes).map(|nth| format!("class {nth}")).collect(),
            points: (0..60).map(point).collect(),
        }
    }

    #[test]
    fn each_point_has_its_text_and_its_sample() {
        let svg = embedding_map(&figure(3));
        check(&svg);
        labels_are_apart(&svg);
        assert_eq!(svg.matches("class=\"wm-tip\"").count(), 60);
        assert_eq!(svg.matches("data-sample=").count(), 30);
        assert!(svg.contains("<title>class &lt;1&gt;\nrow 4</title>"));
        assert!(svg.contains(">class 2</text>"), "a legend");
        assert!(!embedding_map(&figure(17)).contains(">class 2</text>"), "too many for a legend");
    }

    #[test]
    fn both_axes_have_the_same_scale() {
        let mut figure = figure(1);
        // The corners of a square.
        figure.points.truncate(4);
        for (point, at) in figure.points.iter_mut().zip([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]) {
            point.at = at;
        }
        let svg = embedding_map(&figure);
        let places: Vec<(f64, f64)> = svg
            .split(" d=\"M")
            .filter(|part| part.contains("<title>class"))
            .map(|part| {
                let (x, y) = part.split('a').next().unwrap().split_once(' ').unwrap();
                (x.parse().unwrap(), y.parse().unwrap())
            })
            .collect();
        let (width, height) = (places[1].0 - places[0].0, places[0].1 - places[2].1);
        assert!((width / height - 1.0).abs() < 0.06, "{width} {height}");
    }

    #[test]
    fn axes_without_labels_are_left_out() {
        let mut without = figure(1);
        without.labels = Default::default();
        let texts = |svg: &str| svg.matches("<text").count();
        assert_eq!(texts(&embedding_map(&without)), 2, "the title and the legend");
        assert!(texts(&embedding_map(&figure(1))) > 8);
    }

    #[test]
    fn points_that_cannot_be_drawn_are_left_out() {
        let mut odd = figure(2);
        odd.points[0].at = [f64::NAN, 0.0];
        odd.points[1].at = [0.0, f64::INFINITY];
        let svg = embedding_map(&odd);
        check(&svg);
        assert_eq!(svg.matches("wm-tip\"").count(), 58);
        odd.points.iter_mut().for_each(|point| point.at = [0.25, 0.25]);
        check(&embedding_map(&odd));
        odd.points.clear();
        assert!(embedding_map(&odd).contains(">no data</text>"));
    }
}
