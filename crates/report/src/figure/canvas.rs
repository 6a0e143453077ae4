//! The canvas of all figures: title, legend, axes and frame.
//!
//! A figure is laid out from top to bottom: title, legend (wrapping), then plots. Plots are clipped by a nested `svg` element.
//! Unlike a clip path it needs no identifier, which could clash if many figures share a page.

use super::axis::{Axis, TICK_SIZE};
use super::style::{self, Colour};
use crate::text::{self, add, coordinate as c, escape};

/// Width of every figure; a page scales it to its column. It is not much wider than a phone, so that text stays readable there.
pub(super) const WIDTH: f64 = 440.0;
/// Margin around the drawing.
pub(super) const EDGE: f64 = 14.0;

/// The class of an area that shows a value.
pub(super) const AREA: &str = r#"class="wm-tip wm-area""#;

const TITLE_SIZE: f64 = 15.0;
pub(super) const TEXT_SIZE: f64 = 12.5;

/// A rectangle on the canvas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The anchor of a text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The symbol before a name in the legend.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    /// A line with the dashes of its series.
    Line,
    /// A filled patch.
    Patch,
    /// A point shape.
    Marker,
    /// A dashed line in the colour of text.
    Threshold,
}

/// An entry of a legend: its name, symbol and series.
#[derive(Debug, Clone)]
pub(super) struct LegendItem {
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) nth: usize,
}

pub(super) struct Canvas {
    title: String,
    description: String,
    body: String,
    /// The top of the free space below what has been drawn.
    pub(super) top: f64,
}

impl Canvas {
    /// A canvas with title and legend.
    pub(super) fn new(title: &str, description: &str, legend: &[LegendItem]) -> Self {
        let mut canvas = Self {
            title: title.to_owned(),
            description: description.to_owned(),
            body: String::new(),
            top: EDGE + TITLE_SIZE,
        };
        let shown = text::fit(title, TITLE_SIZE * 1.05, WIDTH - 2.0 * EDGE);
        let (x, y) = (EDGE, canvas.top - 2.0);
        canvas.raw(&format!(
            r#"<text x="{}" y="{}" font-size="{TITLE_SIZE}" font-weight="600" {}>{}</text>"#,
            c(x),
            c(y),
            Colour::Ink.fill(),
            escape(&shown)
        ));
        canvas.top += 8.0;
        canvas.legend(legend);
        canvas
    }

    fn legend(&mut self, items: &[LegendItem]) {
        const LINE: f64 = 19.0;
        if items.is_empty() {
            return;
        }
        let (mut x, mut y) = (EDGE, self.top + 9.0);
        for item in items {
            let key = if matches!(item.key, Key::Marker | Key::Patch) { 15.0 } else { 30.0 };
            let name = text::fit(&item.name, TEXT_SIZE, WIDTH - 2.0 * EDGE - key);
            let width = key + text::width(&name, TEXT_SIZE) + 16.0;
            if x > EDGE && x + width - 16.0 > WIDTH - EDGE {
                (x, y) = (EDGE, y + LINE);
            }
            match item.key {
                Key::Line => {
                    self.segment((x, y), (x + 24.0, y), Colour::Series(item.nth), 2.2, style::dash(item.nth));
                }
                Key::Threshold => self.segment((x, y), (x + 24.0, y), Colour::Ink, 1.5, "4 3"),
                Key::Patch => self.rect(
                    Rect { x, y: y - 5.0, width: 10.0, height: 10.0 },
                    Colour::Series(item.nth),
                    2.0,
                ),
                Key::Marker => {
                    let path = style::marker(item.nth, x + 5.0, y, 4.5);
                    self.raw(&format!(r#"<path d="{path}" {}/>"#, Colour::Series(item.nth).fill()));
                }
            }
            self.text(&name, (x + key, y + 4.3), TEXT_SIZE, Anchor::Start, Colour::Ink);
            x += width;
        }
        self.top = y + 12.0;
    }

    /// Draws axes in a frame of this height, including labels and ticks, and returns the area of the data.
    pub(super) fn axes(&mut self, height: f64, x: &Axis, y: &Axis, x_label: &str, y_label: &str) -> Rect {
        let widest = y.ticks.iter().map(|tick| text::width(&tick.1, TICK_SIZE)).fold(0.0, f64::max);
        // The last label of the x axis is centred on its tick and can extend beyond it on the right.
        let sticking_out = x.ticks.last().map_or(0.0, |tick| text::width(&tick.1, TICK_SIZE) / 2.0);
        let left = EDGE + widest + 7.0;
        let right = EDGE.max(sticking_out + 4.0);
        if y_label.is_empty() {
            self.top += 8.0;
        } else {
            self.top += 14.0;
            let label = text::fit(y_label, TICK_SIZE, WIDTH - 2.0 * EDGE);
            self.text(&label, (EDGE, self.top), TICK_SIZE, Anchor::Start, Colour::Muted);
            self.top += 12.0;
        }
        let rect = Rect { x: left, y: self.top, width: WIDTH - left - right, height };
        for (value, label) in &y.ticks {
            let at = rect.y + rect.height * (1.0 - y.place(*value));
            self.segment((rect.x, at), (rect.x + rect.width, at), Colour::Grid, 1.0, "");
            self.text(label, (rect.x - 7.0, at + 4.0), TICK_SIZE, Anchor::End, Colour::Muted);
        }
        let bottom = rect.y + rect.height;
        for (value, label) in &x.ticks {
            let at = rect.x + rect.width * x.place(*value);
            self.segment((at, bottom), (at, bottom + 4.0), Colour::Muted, 1.0, "");
            self.text(label, (at, bottom + 17.0), TICK_SIZE, Anchor::Middle, Colour::Muted);
        }
        self.segment((rect.x, bottom), (rect.x + rect.width, bottom), Colour::Muted, 1.0, "");
        self.top = bottom + 20.0;
        if !x_label.is_empty() {
            self.top += 14.0;
            let label = text::fit(x_label, TICK_SIZE, rect.width);
            let middle = rect.x + rect.width / 2.0;
            self.text(&label, (middle, self.top), TICK_SIZE, Anchor::Middle, Colour::Muted);
        }
        rect
    }

    /// Draws a frame of this height without axes, and returns the area of the data.
    pub(super) fn frame(&mut self, height: f64) -> Rect {
        self.top += 8.0;
        let rect = Rect { x: EDGE, y: self.top, width: WIDTH - 2.0 * EDGE, height };
        let (x, y, width, height) = (c(rect.x), c(rect.y), c(rect.width), c(rect.height));
        self.raw(&format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" {}/>"#,
            Colour::Grid.stroke()
        ));
        self.top += rect.height;
        rect
    }

    /// Opens a clipped drawing area whose origin is the upper left corner of `rect`.
    pub(super) fn open(&mut self, rect: Rect) {
        // One pixel of space, so that lines along the border keep their width.
        let (width, height) = (c(rect.width + 2.0), c(rect.height + 2.0));
        self.raw(&format!(
            r#"<svg x="{}" y="{}" width="{width}" height="{height}" viewBox="-1 -1 {width} {height}" overflow="hidden">"#,
            c(rect.x - 1.0),
            c(rect.y - 1.0),
        ));
    }

    pub(super) fn close(&mut self) {
        self.raw("</svg>");
    }

    pub(super) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
        self.body.push('\n');
    }

    pub(super) fn segment(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        colour: Colour,
        width: f64,
        dash: &str,
    ) {
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        self.raw(&format!(
            r#"<path d="M{} {}L{} {}" stroke-width="{}"{dash} {}/>"#,
            c(from.0),
            c(from.1),
            c(to.0),
            c(to.1),
            c(width),
            colour.stroke()
        ));
    }

    pub(super) fn rect(&mut self, rect: Rect, colour: Colour, radius: f64) {
        self.raw(&format!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" rx="{}" {}/>"#,
            c(rect.x),
            c(rect.y),
            c(rect.width),
            c(rect.height),
            c(radius),
            colour.fill()
        ));
    }

    /// A transparent area that shows this text while the pointer is over it. It is one line of the document.
    pub(super) fn tip(&mut self, area: Rect, text: &str) {
        self.raw(&format!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" {AREA} fill="none" pointer-events="all"><title>{}</title></rect>"#,
            c(area.x),
            c(area.y),
            c(area.width),
            c(area.height),
            escape(text).replace('\n', "&#10;")
        ));
    }

    pub(super) fn text(&mut self, text: &str, at: (f64, f64), size: f64, anchor: Anchor, colour: Colour) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        self.raw(&format!(
            r#"<text x="{}" y="{}" font-size="{size}"{anchor} {}>{}</text>"#,
            c(at.0),
            c(at.1),
            colour.fill(),
            escape(text)
        ));
    }

    /// Draws "no data" in a frame of the usual height.
    pub(super) fn no_data(&mut self) {
        self.text("no data", (WIDTH / 2.0, self.top + 60.0), 14.0, Anchor::Middle, Colour::Muted);
        self.top += 120.0;
    }

    /// The complete document.
    pub(super) fn finish(self) -> String {
        let (width, height) = (c(WIDTH), c(self.top + EDGE));
        let mut svg = String::with_capacity(self.body.len() + 2000);
        add(
            &mut svg,
            format_args!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif">
<title>{}</title>
<desc>{}</desc>
<style>{}</style>
<rect width="{width}" height="{height}" {}/>
{}</svg>
"#,
                escape(&self.title),
                escape(&self.description),
                style::sheet(),
                Colour::Paper.fill(),
                self.body
            ),
        );
        svg
    }
}

/// Legend entries for series drawn as lines; a single series has none.
pub(super) fn line_legend<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Vec<LegendItem> {
    let entry = |(nth, name): (usize, &str)| LegendItem { name: name.to_owned(), key: Key::Line, nth };
    if names.len() < 2 { Vec::new() } else { names.enumerate().map(entry).collect() }
}
