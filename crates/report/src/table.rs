//! Text tables with aligned columns, for a terminal.
//!
//! Widths count characters. That is right for Latin, Greek and Cyrillic text; wide characters such as Chinese ones are counted
//! once although a terminal shows them two cells wide.

use crate::terminal::visible;
use crate::text::add;

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    /// Left, for text.
    #[default]
    Left,
    /// Right, for numbers.
    Right,
}

/// The heading and alignment of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Heading of the column.
    pub heading: String,
    /// Alignment of the column.
    pub align: Align,
}

impl Column {
    /// A left-aligned column, for text.
    pub fn left(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Left }
    }

    /// A right-aligned column, for numbers.
    pub fn right(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), align: Align::Right }
    }
}

/// A text table.
///
/// ```
/// use widemargin_report::table::{Column, Table};
///
/// let mut table = Table::new([Column::left("objective"), Column::right("EER")]);
/// table.row(["softmax", "12.1 %"]).row(["AM-Softmax", "9.8 %"]);
/// assert_eq!(table.render(), "objective      EER\n──────────  ──────\nsoftmax     12.1 %\nAM-Softmax   9.8 %\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with the given columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row. Missing cells are blank; cells beyond the last column are dropped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).take(self.columns.len()).collect());
        self
    }

    /// The table as lines without trailing spaces: headings, a rule, rows.
    ///
    /// Line breaks, tabs and other control characters in cells are escaped ([`visible`]), so that a name from a file cannot break the
    /// table or control the terminal.
    pub fn render(&self) -> String {
        let shown = |cell: &String| visible(cell).into_owned();
        let headings: Vec<String> = self.columns.iter().map(|column| shown(&column.heading)).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = rows.iter().filter_map(|row| row.get(at));
                cells.chain([&headings[at]]).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let rules: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        let mut text = String::new();
        for cells in [&headings, &rules].into_iter().chain(&rows) {
            let mut line = String::new();
            for (at, (column, &width)) in self.columns.iter().zip(&widths).enumerate() {
                let cell = cells.get(at).map_or("", String::as_str);
                if at > 0 {
                    line.push_str("  ");
                }
                match column.align {
                    Align::Left => add(&mut line, format_args!("{cell:<width$}")),
                    Align::Right => add(&mut line, format_args!("{cell:>width$}")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new([Column::left("objective"), Column::right("EER"), Column::right("MAP@R")]);
        table
            .row(["softmax", "12.10 %", "0.41"])
            .row(["Größe\u{1b}[31m\n"])
            .row(["am", "9.80 %", "0.5", "dropped"]);
        insta::assert_snapshot!(table.render(), @r"
        objective              EER  MAP@R
        ─────────────────  ───────  ─────
        softmax            12.10 %   0.41
        Größe\u001b[31m\n
        am                  9.80 %    0.5
        ");
    }

    #[test]
    fn a_table_without_rows_has_only_headings() {
        assert_eq!(Table::new([Column::left("a"), Column::right("bc")]).render(), "a  bc\n─  ──\n");
        assert_eq!(Table::new([]).render(), "\n\n");
    }
}
