//! Histograms of genuine and impostor cosines over one axis: the better they are separated, the better is verification.

use super::axis::{Axis, Room};
use super::canvas::{Anchor, Canvas, Key, LegendItem, Rect, TEXT_SIZE, WIDTH};
use super::style::Colour;
use crate::text::{self, add, coordinate as c};

/// One pair of histograms.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramPanel {
    /// Heading of the panel, usually an objective. Not drawn if there is only one panel.
    pub name: String,
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// Genuine pairs in each of equally wide bins.
    pub genuine: Vec<u64>,
    /// Impostor pairs in each of as many bins of the same width.
    pub impostor: Vec<u64>,
    /// Drawn as a vertical line if given and finite.
    pub threshold: Option<f64>,
}

/// The data of [`histogram_pair`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramPair {
    /// Title of the figure.
    pub title: String,
    /// A text alternative, in a sentence or two.
    pub description: String,
    /// Name of the threshold line in the legend, for example `threshold at EER`.
    pub threshold_label: String,
    /// Label of the x axis; `cosine of the pair` if empty.
    pub score_label: String,
    /// One panel per objective, stacked over one axis.
    pub panels: Vec<HistogramPanel>,
}

impl HistogramPanel {
    fn bins(&self) -> usize {
        self.genuine.len().max(self.impostor.len())
    }

    fn edge(&self, bin: usize) -> f64 {
        self.low + (self.high - self.low) * bin as f64 / self.bins() as f64
    }

    fn is_drawable(&self) -> bool {
        let filled = self.genuine.iter().chain(&self.impostor).any(|&count| count > 0);
        filled && self.low.is_finite() && self.high.is_finite() && self.low < self.high
    }

    /// The range of all bins that are not empty.
    fn occupied(&self) -> (f64, f64) {
        let filled = |&bin: &usize| {
            [&self.genuine, &self.impostor]
                .iter()
                .any(|counts| counts.get(bin).is_some_and(|&count| count > 0))
        };
        let first = (0..self.bins()).find(filled).unwrap_or(0);
        let last = (0..self.bins()).rev().find(filled).unwrap_or(first);
        (self.edge(first), self.edge(last + 1))
    }
}

/// Shares of each kind, so that few genuine pairs and many impostor pairs have the same height.
fn shares(counts: &[u64]) -> Vec<f64> {
    let all: f64 = counts.iter().map(|&count| count as f64).sum();
    counts.iter().map(|&count| if all > 0.0 { count as f64 / all } else { 0.0 }).collect()
}

/// Draws both histograms of each panel, each as shares of its kind of pair, over the range that has data.
pub fn histogram_pair(figure: &HistogramPair) -> String {
    let panels: Vec<&HistogramPanel> = figure.panels.iter().filter(|panel| panel.is_drawable()).collect();
    let item = |name: &str, key, nth| LegendItem { name: name.to_owned(), key, nth };
    let mut legend = vec![item("genuine pairs", Key::Patch, 0), item("impostor pairs", Key::Patch, 1)];
    if panels.iter().any(|panel| panel.threshold.is_some_and(f64::is_finite)) {
        let label = if figure.threshold_label.is_empty() { "threshold" } else { &figure.threshold_label };
        legend.push(item(label, Key::Threshold, 0));
    }
    let mut canvas = Canvas::new(&figure.title, &figure.description, &legend);
    let occupied = panels.iter().map(|panel| panel.occupied());
    let Some((low, high)) = occupied.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
        canvas.no_data();
        return canvas.finish();
    };
    let x = Axis::linear((low, high), true, Room::Across(WIDTH - 6.0 * TEXT_SIZE));
    let height = if panels.len() == 1 { 190.0 } else { 110.0 };
    for (nth, panel) in panels.iter().enumerate() {
        let both = [shares(&panel.genuine), shares(&panel.impostor)];
        // Space above for the text of the threshold.
        let highest = both.iter().flatten().copied().fold(0.0, f64::max);
        let mut y = Axis::linear((0.0, highest * 115.0), true, Room::Up(height));
        for tick in &mut y.ticks {
            tick.1.push_str(" %");
        }
        let label = if panels.len() > 1 { panel.name.as_str() } else { "share of pairs per bin" };
        let last = nth + 1 == panels.len();
        if nth > 0 {
            canvas.top += 10.0;
        }
        let score = if figure.score_label.is_empty() { "cosine of the pair" } else { &figure.score_label };
        let rect = canvas.axes(height, &x, &y, if last { score } else { "" }, label);
        canvas.open(rect);
        // Impostor pairs first, genuine pairs over them.
        for (kind, shares) in both.iter().enumerate().rev() {
            draw_steps(&mut canvas, panel, shares, kind, &x, &y, rect);
        }
        if let Some(threshold) = panel.threshold.filter(|threshold| threshold.is_finite()) {
            let at = rect.width * x.place(threshold);
            canvas.segment((at, 0.0), (at, rect.height), Colour::Ink, 1.5, "4 3");
            let label = format!("{threshold:.2}");
            let room_right = rect.width - at > text::width(&label, TEXT_SIZE) + 8.0;
            let (anchor, shift) = if room_right { (Anchor::Start, 5.0) } else { (Anchor::End, -5.0) };
            canvas.text(&label, (at + shift, 12.0), TEXT_SIZE, anchor, Colour::Ink);
        }
        draw_tips(&mut canvas, (panel, score), &both, &x, rect);
        canvas.close();
    }
    canvas.finish()
}

/// Shows the range of the scores of the bin under the pointer, and its share of each kind of pair.
fn draw_tips(
    canvas: &mut Canvas,
    (panel, score): (&HistogramPanel, &str),
    both: &[Vec<f64>; 2],
    x: &Axis,
    rect: Rect,
) {
    let decimals = (-(panel.edge(1) - panel.edge(0)).log10().floor()).clamp(0.0, 12.0) as usize;
    for bin in 0..panel.bins() {
        let [genuine, impostor] = both.each_ref().map(|shares| shares.get(bin).copied().unwrap_or(0.0));
        if genuine + impostor == 0.0 {
            continue;
        }
        let (low, high) = (panel.edge(bin), panel.edge(bin + 1));
        let (left, right) = (rect.width * x.place(low), rect.width * x.place(high));
        let text = format!(
            "{score}: {low:.decimals$} to {high:.decimals$}\ngenuine pairs: {}\nimpostor pairs: {}",
            text::percent(genuine, 2),
            text::percent(impostor, 2)
        );
        canvas.tip(Rect { x: left, y: 0.0, width: right - left, height: rect.height }, &text);
    }
}

fn draw_steps(
    canvas: &mut Canvas,
    panel: &HistogramPanel,
    shares: &[f64],
    kind: usize,
    x: &Axis,
    y: &Axis,
    rect: Rect,
) {
    let across = |edge: f64| c(rect.width * x.place(edge));
    let up = |share: f64| c(rect.height * (1.0 - y.place(share * 100.0)));
    let mut outline = String::new();
    for (bin, &share) in shares.iter().enumerate() {
        // A bin is a horizontal line; the vertical lines between bins come from the next move.
        let (from, to, at) = (across(panel.edge(bin)), across(panel.edge(bin + 1)), up(share));
        add(&mut outline, format_args!("{}{from} {at}H{to}", if bin == 0 { "M" } else { "L" }));
    }
    if outline.is_empty() {
        return;
    }
    let (first, last, ground) = (across(panel.edge(0)), across(panel.edge(shares.len())), up(0.0));
    let area = format!("{outline}L{last} {ground}L{first} {ground}z");
    canvas.raw(&format!(r#"<path d="{area}" fill-opacity="0.35" {}/>"#, Colour::Series(kind).fill()));
    canvas.raw(&format!(r#"<path d="{outline}" stroke-width="1.5" {}/>"#, Colour::Series(kind).stroke()));
}
