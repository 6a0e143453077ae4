//! Horizontal bars, so that there is room for long names.

use super::axis::{self, Axis, Room, TICK_SIZE};
use super::canvas::{Anchor, Canvas, EDGE, Key, LegendItem, Rect, TEXT_SIZE, WIDTH};
use super::style::Colour;
use crate::text;

/// The bars of one series, one per category.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BarSeries {
    /// Name in the legend, which is drawn for two or more series.
    pub name: String,
    /// One value per category, in the same order. A value that is missing or not finite has no bar.
    pub values: Vec<f64>,
}

/// The data of [`bars`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bars {
    /// Title of the figure.
    pub title: String,
    /// A text alternative, in a sentence or two.
    pub description: String,
    /// What the values measure.
    pub value_label: String,
    /// Names of the groups of bars, from top to bottom.
    pub categories: Vec<String>,
    /// The bars within each group.
    pub series: Vec<BarSeries>,
    /// Whether values are shares in [0, 1], shown in percent on an axis up to 100 %.
    pub percent: bool,
}

/// Draws grouped bars from zero, with the value at the end of each bar.
pub fn bars(figure: &Bars) -> String {
    let entry =
        |(nth, series): (usize, &BarSeries)| LegendItem { name: series.name.clone(), key: Key::Patch, nth };
    let mut legend: Vec<LegendItem> = figure.series.iter().enumerate().map(entry).collect();
    if legend.len() == 1 {
        legend.clear();
    }
    let mut canvas = Canvas::new(&figure.title, &figure.description, &legend);
    let values = figure.series.iter().flat_map(|series| series.values.iter().take(figure.categories.len()));
    let Some((low, high)) = axis::range(values.copied()) else {
        canvas.no_data();
        return canvas.finish();
    };
    let (low, high) = (low.min(0.0), if figure.percent { high.max(1.0) } else { high.max(0.0) });
    let unit = if figure.percent { 100.0 } else { 1.0 };
    let written = |value: f64| if figure.percent { text::percent(value, 1) } else { text::compact(value) };

    let names: Vec<String> =
        figure.categories.iter().map(|name| text::fit(name, TEXT_SIZE, 0.36 * WIDTH)).collect();
    let name_width = names.iter().map(|name| text::width(name, TEXT_SIZE)).fold(0.0, f64::max);
    let drawn =
        figure.series.iter().flat_map(|series| &series.values).filter(|value| axis::drawable(**value));
    let value_width = drawn.map(|&value| text::width(&written(value), TICK_SIZE)).fold(0.0, f64::max);
    let left = EDGE + name_width + 10.0 + if low < 0.0 { value_width + 6.0 } else { 0.0 };
    let width = (WIDTH - left - EDGE - value_width - 8.0).max(60.0);
    let mut x = Axis::linear((low * unit, high * unit), true, Room::Across(width - 20.0));
    if figure.percent {
        x.ticks.iter_mut().for_each(|tick| tick.1.push_str(" %"));
    }
    let at = |value: f64| left + width * x.place(value * unit);

    let thickness = if figure.series.len() == 1 { 18.0 } else { 14.0 };
    let group = thickness * figure.series.len() as f64 + 14.0;
    let top = canvas.top + 8.0;
    let bottom = top + group * figure.categories.len() as f64;
    for (value, label) in &x.ticks {
        let tick = left + width * x.place(*value);
        canvas.segment((tick, top), (tick, bottom), Colour::Grid, 1.0, "");
        canvas.text(label, (tick, bottom + 16.0), TICK_SIZE, Anchor::Middle, Colour::Muted);
    }
    for (category, name) in names.iter().enumerate() {
        let group_top = top + group * category as f64 + 7.0;
        let middle = group_top + thickness * figure.series.len() as f64 / 2.0;
        canvas.text(name, (EDGE, middle + 4.3), TEXT_SIZE, Anchor::Start, Colour::Ink);
        for (nth, series) in figure.series.iter().enumerate() {
            let Some(&value) = series.values.get(category).filter(|value| axis::drawable(**value)) else {
                continue;
            };
            let (from, to) = (at(0.0).min(at(value)), at(0.0).max(at(value)));
            let y = group_top + thickness * nth as f64;
            let bar = Rect { x: from, y: y + 1.0, width: to - from, height: thickness - 2.0 };
            canvas.rect(bar, Colour::Series(nth), 2.0);
            let (end, anchor) =
                if value < 0.0 { (from - 5.0, Anchor::End) } else { (to + 5.0, Anchor::Start) };
            let baseline = y + thickness / 2.0 + 4.2;
            canvas.text(&written(value), (end, baseline), TICK_SIZE, anchor, Colour::Ink);
            let name = &figure.categories[category];
            let heading =
                if series.name.is_empty() { name.clone() } else { format!("{name}, {}", series.name) };
            let precise = if figure.percent { text::percent(value, 2) } else { text::compact(value) };
            let row = Rect { x: left, y, width, height: thickness };
            canvas.tip(row, &format!("{heading}: {precise}"));
        }
    }
    canvas.segment((at(0.0), top), (at(0.0), bottom), Colour::Muted, 1.0, "");
    canvas.top = bottom + 20.0;
    if !figure.value_label.is_empty() {
        canvas.top += 13.0;
        let label = text::fit(&figure.value_label, TICK_SIZE, WIDTH - 2.0 * EDGE);
        canvas.text(&label, (left + width / 2.0, canvas.top), TICK_SIZE, Anchor::Middle, Colour::Muted);
    }
    canvas.finish()
}
