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

/// Characters per line of a usual terminal. A table that would be wider gets headings of two lines.
const LINE: usize = 80;

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

    /// The table as lines without trailing spaces: headings, a rule, rows. In a table wider than 80 characters, a heading that is wider than the cells
    /// below it has two lines.
    ///
    /// Line breaks, tabs and other control characters in cells are escaped ([`visible`]), so that a name from a file cannot break the
    /// table or control the terminal.
    pub fn render(&self) -> String {
        let shown = |cell: &String| visible(cell).into_owned();
        let headings: Vec<String> = self.columns.iter().map(|column| shown(&column.heading)).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let length = |text: &String| text.chars().count();
        let of_cells: Vec<usize> = (0..self.columns.len())
            .map(|at| rows.iter().filter_map(|row| row.get(at)).map(length).max().unwrap_or(0))
            .collect();
        let widths = |headings: &[Vec<String>]| -> Vec<usize> {
            let widest = |(at, cells): (usize, &usize)| {
                headings.iter().map(|line| length(&line[at])).fold(*cells, usize::max)
            };
            of_cells.iter().enumerate().map(widest).collect()
        };
        let mut headings = vec![headings];
        let wide = widths(&headings).iter().map(|width| width + 2).sum::<usize>() > LINE + 2;
        if wide {
            let (first, second) =
                headings[0].iter().zip(&of_cells).map(|(heading, cells)| two_lines(heading, *cells)).unzip();
            headings = vec![first, second];
        }
        let widths = widths(&headings);
        let rules: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        let mut text = String::new();
        for cells in headings.iter().chain([&rules]).chain(&rows) {
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

/// A heading on two lines, the first of which may be empty, so that its width is near that of its cells.
fn two_lines(heading: &str, cells: usize) -> (String, String) {
    let whole = (String::new(), heading.to_owned());
    if heading.chars().count() <= cells {
        return whole;
    }
    let cuts = heading.match_indices(' ').map(|(at, _)| (&heading[..at], &heading[at + 1..]));
    let width = |(first, second): &(&str, &str)| first.chars().count().max(second.chars().count());
    cuts.min_by_key(width).map_or(whole, |(first, second)| (first.to_owned(), second.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_a_wide_table_have_two_lines() {
        let columns =
            ["objective", "known accuracy", "EER", "TAR at FAR 1e-2", "recall at 1"].map(Column::right);
        let row = ["normalised-softmax", "85.03 %", "25.87 %", "39.91 %", "94.67 %"];
        let mut table = Table::new(columns.clone());
        table.row(row);
        assert_eq!(table.render().lines().next().map(str::len), Some(18 + 14 + 7 + 15 + 11 + 4 * 2));
        let mut table = Table::new(columns.into_iter().chain([Column::right("seconds of training")]));
        table.row(row.iter().chain(&["7.3"]).copied());
        insta::assert_snapshot!(table.render(), @r"
                               known             TAR at   recall  seconds of
                 objective  accuracy      EER  FAR 1e-2     at 1    training
        ──────────────────  ────────  ───────  ────────  ───────  ──────────
        normalised-softmax   85.03 %  25.87 %   39.91 %  94.67 %         7.3
        ");
        assert_eq!(two_lines("wide-without-a-space", 3), (String::new(), "wide-without-a-space".to_owned()));
    }

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
