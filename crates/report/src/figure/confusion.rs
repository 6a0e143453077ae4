//! A confusion matrix: which classes are confused.

use super::canvas::{Anchor, Canvas, EDGE, Key, LegendItem, Rect, TEXT_SIZE, WIDTH};
use super::style::Colour;
use crate::text::{self, coordinate as c};

/// Largest number of classes; more cells would be too small.
pub const CONFUSION_CLASSES: usize = 20;
/// Largest side of a cell.
const CELL: f64 = 34.0;
/// Smallest side of a cell with its share as text.
const CELL_WITH_TEXT: f64 = 24.0;
const CELL_TEXT: f64 = 10.0;
/// The series whose colours stand for the same class and another class, as in the rows of nearest neighbours.
const RIGHT: usize = 2;
const WRONG: usize = 3;

/// The data of [`confusion`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfusionMatrix {
    /// Title of the figure.
    pub title: String,
    /// A text alternative, in a sentence or two.
    pub description: String,
    /// Names of the classes; only the first [`CONFUSION_CLASSES`] are drawn.
    pub classes: Vec<String>,
    /// For each class of queries, the number of nearest neighbours in each class, in the order of `classes`. Missing entries are 0.
    pub counts: Vec<Vec<u64>>,
    /// The number of queries of each class; its row shows shares of it.
    pub totals: Vec<u64>,
}

/// Draws one row per class: the shares of its queries by class of the nearest neighbour, in percent if there is room.
///
/// Columns are labelled with the numbers of the rows. A class without queries has an empty row.
pub fn confusion(figure: &ConfusionMatrix) -> String {
    let item = |name: &str, nth| LegendItem { name: name.to_owned(), key: Key::Patch, nth };
    let legend = [item("the same class", RIGHT), item("another class", WRONG)];
    let mut canvas = Canvas::new(&figure.title, &figure.description, &legend);
    let classes = figure.classes.len().min(CONFUSION_CLASSES);
    if classes == 0 || figure.totals.iter().all(|&total| total == 0) {
        canvas.no_data();
        return canvas.finish();
    }
    let name =
        |(nth, name): (usize, &String)| text::fit(&format!("{} {name}", nth + 1), TEXT_SIZE, 0.4 * WIDTH);
    let names: Vec<String> = figure.classes[..classes].iter().enumerate().map(name).collect();
    let widest = names.iter().map(|name| text::width(name, TEXT_SIZE)).fold(0.0, f64::max);
    let left = EDGE + widest + 8.0;
    let side = ((WIDTH - left - EDGE) / classes as f64).min(CELL);
    let top = canvas.top + 24.0;
    for (row, name) in names.iter().enumerate() {
        let y = top + side * row as f64;
        let middle = left + side * (row as f64 + 0.5);
        canvas.text(&(row + 1).to_string(), (middle, top - 6.0), CELL_TEXT, Anchor::Middle, Colour::Muted);
        canvas.text(name, (EDGE, y + side / 2.0 + 4.3), TEXT_SIZE, Anchor::Start, Colour::Ink);
        let total = figure.totals.get(row).copied().unwrap_or(0);
        for column in 0..classes {
            let count = figure.counts.get(row).and_then(|counts| counts.get(column)).copied().unwrap_or(0);
            let cell = Rect { x: left + side * column as f64, y, width: side - 1.0, height: side - 1.0 };
            let share = if total > 0 { (count as f64 / total as f64).min(1.0) } else { 0.0 };
            draw_cell(&mut canvas, cell, share, if row == column { RIGHT } else { WRONG });
            if count > 0 {
                let [class, found] = [row, column].map(|at| &figure.classes[at]);
                let shown = text::percent(share, 1);
                canvas.tip(cell, &format!("{class}, nearest {found}\n{count} of {total} queries ({shown})"));
            }
        }
    }
    canvas.top = top + side * classes as f64 + 16.0;
    let label = "rows: class of the query; columns: class of its nearest neighbour";
    let label = text::fit(label, CELL_TEXT, WIDTH - 2.0 * EDGE);
    canvas.text(&label, (EDGE, canvas.top), CELL_TEXT, Anchor::Start, Colour::Muted);
    canvas.finish()
}

fn draw_cell(canvas: &mut Canvas, cell: Rect, share: f64, series: usize) {
    let opacity = if share > 0.0 { 0.1 + 0.8 * share } else { 0.0 };
    canvas.rect(cell, Colour::Grid, 2.0);
    if share > 0.0 {
        canvas.raw(&format!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" rx="2" fill-opacity="{}" {}/>"#,
            c(cell.x),
            c(cell.y),
            c(cell.width),
            c(cell.height),
            c(opacity),
            Colour::Series(series).fill()
        ));
    }
    if share > 0.0 && cell.width + 1.0 >= CELL_WITH_TEXT {
        let written = if share < 0.005 { "<1".to_owned() } else { format!("{:.0}", 100.0 * share) };
        let at = (cell.x + cell.width / 2.0, cell.y + cell.height / 2.0 + 3.6);
        canvas.text(&written, at, CELL_TEXT, Anchor::Middle, Colour::Ink);
    }
}
