//! Colours, dashes and point shapes, the same in every figure.
//!
//! Each colour is written twice: as a plain attribute, for viewers without CSS variables, and as a class whose rule uses the
//! variable if a page sets it.

use crate::text::{add, coordinate as c};

/// Okabe and Ito's colours, ordered so that consecutive colours differ clearly. Their black is the text colour, and their yellow
/// is darker here, so that it is visible on white.
const PALETTE: [&str; 7] = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#B8A800"];
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// The background.
    Paper,
    /// Text and other important elements.
    Ink,
    /// Secondary text.
    Muted,
    /// Grid lines.
    Grid,
    /// The nth series, class or kind.
    Series(usize),
}

impl Colour {
    fn name_and_value(self) -> (String, &'static str) {
        match self {
            Self::Paper => ("paper".to_owned(), "#ffffff"),
            Self::Ink => ("ink".to_owned(), "#1c2330"),
            Self::Muted => ("muted".to_owned(), "#596273"),
            Self::Grid => ("grid".to_owned(), "#dfe3e8"),
            Self::Series(nth) => {
                let nth = nth % PALETTE.len();
                (nth.to_string(), PALETTE[nth])
            }
        }
    }

    /// Attributes that fill with this colour.
    pub(super) fn fill(self) -> String {
        let (name, value) = self.name_and_value();
        format!(r#"class="wm-f-{name}" fill="{value}""#)
    }

    /// Attributes that fill an element of this class with this colour.
    pub(super) fn fill_of(self, class: &str) -> String {
        let (name, value) = self.name_and_value();
        format!(r#"class="wm-f-{name} {class}" fill="{value}""#)
    }

    /// Attributes that stroke with this colour.
    pub(super) fn stroke(self) -> String {
        let (name, value) = self.name_and_value();
        format!(r#"class="wm-s-{name}" stroke="{value}" fill="none""#)
    }
}

/// The dash pattern of the nth line, to distinguish lines without colour.
pub(super) fn dash(nth: usize) -> &'static str {
    DASHES[nth % DASHES.len()]
}

/// The CSS rules of the classes.
pub(super) fn sheet() -> String {
    let mut sheet = String::from(
        ".wm-area:hover,.wm-area.on{fill:var(--wm-ink,#1c2330);fill-opacity:.09}path.wm-tip:hover,path.wm-tip.on{stroke:var(--wm-ink,#1c2330);stroke-width:1.4}",
    );
    let series = (0..PALETTE.len()).map(Colour::Series);
    for colour in [Colour::Paper, Colour::Ink, Colour::Muted, Colour::Grid].into_iter().chain(series) {
        let (name, value) = colour.name_and_value();
        let (fill, stroke) = (format!(".wm-f-{name}"), format!(".wm-s-{name}"));
        add(&mut sheet, format_args!("{fill}{{fill:var(--wm-{name},{value})}}"));
        add(&mut sheet, format_args!("{stroke}{{stroke:var(--wm-{name},{value})}}"));
    }
    sheet
}

/// The outline of the nth point shape around (x, y), about as large as a circle of radius `r`.
///
/// Four shapes and seven colours give 28 distinct classes.
pub(super) fn marker(nth: usize, x: f64, y: f64, r: f64) -> String {
    match nth % 4 {
        // Two half circles, so that every shape is a path and a class is one element.
        0 => {
            let (left, y, r, width) = (c(x - r), c(y), c(r), c(2.0 * r));
            format!("M{left} {y}a{r} {r} 0 1 0 {width} 0a{r} {r} 0 1 0 -{width} 0z")
        }
        1 => {
            let half = 0.88 * r;
            let (left, top, side) = (c(x - half), c(y - half), c(2.0 * half));
            format!("M{left} {top}h{side}v{side}h-{side}z")
        }
        2 => {
            let half = 1.2 * r;
            let (x, top, half, base, height) = (c(x), c(y - half), c(half), c(2.0 * half), c(1.75 * half));
            format!("M{x} {top}l{half} {height}h-{base}z")
        }
        _ => {
            let half = 1.25 * r;
            let (x, top, half) = (c(x), c(y - half), c(half));
            format!("M{x} {top}l{half} {half}l-{half} {half}l-{half} -{half}z")
        }
    }
}
