//! Checks of every figure: well-formed, accessible, no NaN, no overlapping labels.

use super::*;
use crate::text;

/// The names of all elements in order, without the page's script; panics unless each is closed in the right place.
pub(crate) fn elements(markup: &str) -> Vec<String> {
    if let Some((before, rest)) = markup.split_once("<script>\n") {
        return elements(&format!(
            "{before}{}",
            rest.split_once("</script>").expect("an end of the script").1
        ));
    }
    let (mut open, mut seen): (Vec<String>, Vec<String>) = (vec![], vec![]);
    for part in markup.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag without an end");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed out of order");
        } else if !tag.starts_with('!') {
            let name = tag.split([' ', '\n', '/']).next().unwrap().to_owned();
            assert_eq!(tag.matches('"').count() % 2, 0, "a quote is open in {tag}");
            seen.push(name.clone());
            if !tag.ends_with('/') && !["meta", "img", "br"].contains(&name.as_str()) {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    seen
}

/// Checks that a figure is valid and returns its elements.
pub(crate) fn check(svg: &str) -> Vec<String> {
    let elements = elements(svg);
    assert_eq!(elements[..3], ["svg", "title", "desc"], "{svg}");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\""));
    for word in ["NaN", "inf", "Infinity"] {
        assert!(!svg.contains(word), "{word} in {svg}");
    }
    elements
}

/// (x, y, size, anchor, text) of each text element in the outermost coordinates.
fn texts(svg: &str) -> Vec<(f64, f64, f64, String, String)> {
    let attribute = |tag: &str, name: &str| {
        let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
        Some(tag[from..].split('"').next().unwrap_or_default().to_owned())
    };
    svg.split("<text")
        .skip(1)
        .map(|part| {
            let (tag, rest) = part.split_once('>').unwrap();
            let number = |name| attribute(tag, name).unwrap().parse::<f64>().unwrap();
            let anchor = attribute(tag, "text-anchor").unwrap_or_default();
            (
                number("x"),
                number("y"),
                number("font-size"),
                anchor,
                rest.split('<').next().unwrap().to_owned(),
            )
        })
        .collect()
}

/// Checks that no two texts overlap and that all are inside the figure.
pub(crate) fn labels_are_apart(svg: &str) {
    let boxes: Vec<_> = texts(svg)
        .into_iter()
        .map(|(x, y, size, anchor, label)| {
            // The estimated width is rather too large: use nine tenths of it.
            let width = 0.9 * text::width(&label, size);
            let left = match anchor.as_str() {
                "middle" => x - width / 2.0,
                "end" => x - width,
                _ => x,
            };
            (left, left + width, y - 0.75 * size, y, label)
        })
        .collect();
    for (nth, a) in boxes.iter().enumerate() {
        assert!(a.0 >= 0.0 && a.1 <= canvas::WIDTH, "{a:?} sticks out");
        for b in &boxes[nth + 1..] {
            let apart = a.1 <= b.0 || b.1 <= a.0 || a.3 <= b.2 || b.3 <= a.2;
            assert!(apart, "{a:?} covers {b:?}");
        }
    }
}

const BAD: [f64; 4] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e305];

fn line(name: &str, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.to_owned(), points }
}

fn chart(scale: ValueScale, series: Vec<Series>) -> LineChart {
    let text = |text: &str| text.to_owned();
    LineChart {
        title: text("Loss"),
        description: text("d"),
        x_label: text("step"),
        y_label: text("loss"),
        scale,
        series,
    }
}

#[test]
fn numbers_that_are_not_finite_are_left_out_everywhere() {
    let mut points: Vec<(f64, f64)> =
        (0..50).map(|step| (f64::from(step), 1.0 / f64::from(step + 1))).collect();
    for (at, bad) in BAD.into_iter().enumerate() {
        points[7 * at + 3].1 = bad;
        points[7 * at + 20].0 = bad;
    }
    for scale in [ValueScale::Fitted, ValueScale::FromZero, ValueScale::Log] {
        let svg = line_chart(&chart(scale, vec![line("a", points.clone())]));
        check(&svg);
        assert!(!svg.contains("no data"));
    }
    let curve = |far, tar| RatePoint { far, tar };
    let mut points: Vec<RatePoint> =
        (0..=40).map(|n| curve((f64::from(n) / 40.0).powi(3), f64::from(n) / 40.0)).collect();
    points.extend(
        BAD.iter().flat_map(|&bad| [curve(bad, 0.5), curve(0.5, bad), curve(-0.1, 0.5), curve(0.2, 1.5)]),
    );
    let rates = RateFigure { curves: vec![RateCurve { name: "a".into(), points }], ..RateFigure::default() };
    check(&roc(&rates));
    check(&det(&rates));
    let all_bad = Bars {
        categories: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
        series: vec![BarSeries { name: "s".into(), values: [&BAD[..], &[0.4]].concat() }],
        ..Bars::default()
    };
    check(&bars(&all_bad));
    let points = BAD.iter().flat_map(|&bad| [[bad, 1.0], [0.0, bad], [0.0, 0.0], [1.0, 2.0]]).collect();
    let class = ClassFeatures { name: "a".into(), points, centre: Some([f64::NAN, 0.0]) };
    let figure = FeatureFigure {
        title: String::new(),
        description: String::new(),
        panels: vec![FeaturePanel { name: String::new(), classes: vec![class] }],
    };
    check(&feature_circle(&figure));
    for threshold in [Some(f64::NAN), Some(f64::INFINITY), Some(1e9), None] {
        let panel = HistogramPanel {
            low: -1.0,
            high: 1.0,
            genuine: vec![0, 3],
            impostor: vec![4, 1],
            threshold,
            ..HistogramPanel::default()
        };
        check(&histogram_pair(&HistogramPair { panels: vec![panel], ..HistogramPair::default() }));
    }
}

#[test]
fn without_data_a_figure_says_so() {
    let empty_line = chart(ValueScale::Log, vec![line("a", vec![(0.0, -1.0), (1.0, f64::NAN)])]);
    let features = FeatureFigure::<3> { title: String::new(), description: String::new(), panels: vec![] };
    let unusable = HistogramPanel {
        low: f64::NAN,
        high: 1.0,
        genuine: vec![1],
        impostor: vec![1],
        ..HistogramPanel::default()
    };
    for svg in [
        line_chart(&LineChart::default()),
        line_chart(&empty_line),
        roc(&RateFigure::default()),
        det(&RateFigure::default()),
        bars(&Bars::default()),
        histogram_pair(&HistogramPair::default()),
        histogram_pair(&HistogramPair { panels: vec![unusable], ..HistogramPair::default() }),
        confusion(&ConfusionMatrix::default()),
        confusion(&ConfusionMatrix {
            classes: vec!["a".into()],
            totals: vec![0],
            ..ConfusionMatrix::default()
        }),
        feature_sphere(&features),
    ] {
        check(&svg);
        assert!(svg.contains(">no data</text>"), "{svg}");
    }
}

#[test]
fn names_from_outside_are_escaped() {
    let evil = "<script>alert(\"1\")</script>&'";
    let mut figure = chart(ValueScale::Fitted, vec![line(evil, vec![(0.0, 1.0), (1.0, 2.0)])]);
    figure.title = evil.to_owned();
    figure.description = evil.to_owned();
    let svg = line_chart(&figure);
    check(&svg);
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"));
}

#[test]
fn labels_never_cover_each_other() {
    let long =
        "a name of an objective that somebody made up and that goes on and on and on without an end in sight";
    let names = ["softmax", "normalised softmax", "AM-Softmax (s = 30, m = 0.35)", long, "猫と犬と鳥"];
    for (low, high) in [(0.0, 1.0), (3.0, 3.2), (-1e-5, 2e-5), (1e5, 1e8), (-4.0, 1e4)] {
        for scale in [ValueScale::Fitted, ValueScale::FromZero, ValueScale::Log] {
            let series = names.map(|name| line(name, vec![(0.0, low), (123_456.0, high)])).to_vec();
            labels_are_apart(&line_chart(&chart(scale, series)));
        }
    }
    for smallest in [1e-9, 1e-5, 1e-2, 0.4] {
        let points =
            vec![RatePoint { far: smallest, tar: 0.1 }, RatePoint { far: 0.3, tar: 1.0 - smallest.min(0.5) }];
        let curves = names.map(|name| RateCurve { name: name.into(), points: points.clone() }).to_vec();
        let figure = RateFigure { curves, ..RateFigure::default() };
        labels_are_apart(&roc(&figure));
        labels_are_apart(&det(&figure));
    }
    for (values, percent) in [(vec![0.2, 0.9, 1.0, 0.0, 0.5], true), (vec![-3.0, 1e6, 2.0, 0.0, 7.5], false)]
    {
        let figure = Bars {
            categories: names.map(str::to_owned).to_vec(),
            series: vec![
                BarSeries { name: "a".into(), values: values.clone() },
                BarSeries { name: long.into(), values },
            ],
            percent,
            value_label: "value".into(),
            ..Bars::default()
        };
        labels_are_apart(&bars(&figure));
    }
}

#[test]
fn each_series_has_its_line_and_its_name() {
    let svg = line_chart(&chart(
        ValueScale::Fitted,
        vec![line("one", vec![(0.0, 1.0), (1.0, 2.0)]), line("two", vec![(0.0, 2.0), (1.0, 1.0)])],
    ));
    check(&svg);
    assert!(svg.contains(">one</text>") && svg.contains(">two</text>"));
    // Each series appears in the legend and in the plot, with its own colour and dashes.
    assert_eq!(svg.matches("class=\"wm-s-0\"").count(), 2);
    assert_eq!(svg.matches("class=\"wm-s-1\"").count(), 2);
    assert_eq!(svg.matches("stroke-dasharray=\"7 3\"").count(), 2);
}

#[test]
fn a_gap_breaks_the_line_and_a_lone_point_is_a_dot() {
    let points =
        vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, f64::NAN), (5.0, 3.0), (6.0, 2.0)];
    let svg = line_chart(&chart(ValueScale::Fitted, vec![line("a", points)]));
    let path = svg.lines().find(|line| line.contains("stroke-linejoin")).unwrap();
    assert_eq!(path.matches('M').count(), 3);
    assert_eq!(path.matches("h0.01").count(), 1);
}

#[test]
fn a_long_series_is_small_and_keeps_its_peaks() {
    let points: Vec<(f64, f64)> = (0..200_000)
        .map(|step| (f64::from(step), if step == 77_777 { 50.0 } else { f64::from(step % 7) }))
        .collect();
    let svg = line_chart(&chart(ValueScale::FromZero, vec![line("a", points)]));
    check(&svg);
    assert!(svg.len() < 60_000, "{}", svg.len());
    // The peak is at the upper end of an axis that ends at 50.
    let path = svg.lines().find(|line| line.contains("stroke-linejoin")).unwrap();
    assert!(path.contains(" 0L"), "the peak is lost");
}

#[test]
fn roc_starts_on_the_left_edge_with_what_needs_no_false_accept() {
    let points =
        [(0.0, 0.0), (0.0, 0.5), (0.01, 0.7), (1.0, 1.0)].map(|(far, tar)| RatePoint { far, tar }).to_vec();
    let svg =
        roc(&RateFigure { curves: vec![RateCurve { name: "a".into(), points }], ..RateFigure::default() });
    let path = svg.lines().find(|line| line.contains("stroke-linejoin")).unwrap();
    assert!(path.contains("d=\"M0 115L"), "{path}");
}

#[test]
fn the_far_half_of_the_sphere_is_faded() {
    let class = |name: &str, points: Vec<[f64; 3]>| ClassFeatures {
        name: name.into(),
        centre: Some(points[0]),
        points,
    };
    // Towards the viewer and away from it.
    let near = [0.45, -0.8, 0.4];
    let far = near.map(|value: f64| -value);
    let classes = vec![class("near", vec![near; 3]), class("far", vec![far; 3])];
    let figure = FeatureFigure {
        title: "t".into(),
        description: "d".into(),
        panels: vec![FeaturePanel { name: "a".into(), classes }],
    };
    let svg = feature_sphere(&figure);
    check(&svg);
    let opacity = |class: usize| {
        let points = svg
            .lines()
            .find(|line| line.contains("fill-opacity") && line.contains(&format!("wm-f-{class} ")));
        points.unwrap().split("fill-opacity=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!((opacity(0).as_str(), opacity(1).as_str()), ("0.6", "0.16"));
    assert!(svg.contains(">near</text>") && svg.contains(">far</text>"));
}

#[test]
fn a_confusion_is_shaded_by_its_share_of_the_row() {
    let figure = ConfusionMatrix {
        title: "t".into(),
        description: "d".into(),
        classes: ["bag", "boot", "<b>"].map(str::to_owned).to_vec(),
        // A short row, and a class without queries.
        counts: vec![vec![3, 1], vec![0, 999, 1]],
        totals: vec![4, 1000, 0],
    };
    let svg = confusion(&figure);
    check(&svg);
    labels_are_apart(&svg);
    for text in [">75</text>", ">25</text>", ">100</text>", ">&lt;1</text>", ">3 &lt;b&gt;</text>"] {
        assert!(svg.contains(text), "{text} is missing in {svg}");
    }
    // The same class: 75 % and 99.9 % of the row, and the legend.
    assert_eq!(svg.matches("fill-opacity=\"0.7\" class=\"wm-f-2\"").count(), 1);
    assert_eq!(svg.matches("class=\"wm-f-2\"").count(), 3);
    let many = ConfusionMatrix {
        classes: (0..30).map(|nth| format!("a class with a long name, number {nth}")).collect(),
        counts: (0..30).map(|row| (0..30).map(|column| u64::from(row == column)).collect()).collect(),
        totals: vec![1; 30],
        ..figure
    };
    let svg = confusion(&many);
    labels_are_apart(&svg);
    assert_eq!(svg.matches("class=\"wm-f-2\"").count(), 1 + CONFUSION_CLASSES);
}

#[test]
fn histograms_are_shares_over_the_range_in_use() {
    let mut genuine = vec![0; 100];
    let mut impostor = vec![0; 100];
    genuine[80] = 10;
    impostor[50] = 1_000_000;
    let panel = |name: &str| HistogramPanel {
        name: name.into(),
        low: -1.0,
        high: 1.0,
        genuine: genuine.clone(),
        impostor: impostor.clone(),
        threshold: Some(0.3),
    };
    let figure = HistogramPair { panels: vec![panel("first"), panel("second")], ..HistogramPair::default() };
    let svg = histogram_pair(&figure);
    check(&svg);
    assert!(svg.contains(">first</text>") && svg.contains(">second</text>"));
    assert!(svg.contains(">0.30</text>") && svg.contains(">100 %</text>"));
    assert!(!svg.contains(">-1.0</text>"), "the empty part of the axis is drawn");
}
