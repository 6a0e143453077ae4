//! A table whose fields are all text.

use super::error::Problem;

/// Where a row of a table is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// A line of a text file, from one.
    Line(u64),
    /// A row of another table, from zero.
    Row(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// A table of text fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTable {
    /// Names of the columns, in order.
    pub columns: Vec<String>,
    /// The rows, with one field per column.
    pub rows: Vec<Vec<String>>,
    /// The line of each row in a `.csv`, from one; if comments come before the row, the line of the first.
    pub(super) lines: Option<Vec<u64>>,
    /// Columns that cannot be text, with what they hold.
    pub(super) left_out: Vec<(String, &'static str)>,
}

impl TextTable {
    /// The position of a column; upper and lower case are the same.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    /// As [`column`](Self::column), for a column that must exist.
    ///
    /// # Errors
    /// [`Problem::NoTexts`] for a column that was left out; [`Problem::NoColumn`] for any other name.
    pub fn required(&self, name: &'static str) -> Result<usize, Problem> {
        let left_out = || self.left_out.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
        self.column(name).ok_or_else(|| match left_out() {
            Some((column, found)) => Problem::NoTexts { column: column.clone(), found },
            None => Problem::NoColumn { column: name, found: self.columns.clone() },
        })
    }

    /// Columns that were left out because they cannot be written as text, with their content in words.
    pub fn left_out(&self) -> &[(String, &'static str)] {
        &self.left_out
    }

    /// The line of a row, or its number if the table is not text.
    pub(super) fn place(&self, row: usize) -> Place {
        self.lines.as_ref().map_or(Place::Row(row), |lines| Place::Line(lines[row]))
    }

    /// The problem of a field with an unexpected value.
    ///
    /// # Panics
    /// If there is no such row or column.
    pub fn wrong(&self, row: usize, column: usize, expected: &'static str) -> Problem {
        let (column, found) = (self.columns[column].clone(), self.rows[row][column].clone());
        match &self.lines {
            Some(lines) => Problem::Field { line: lines[row], column, found, expected },
            None => Problem::Cell { row, column, found: format!("{found:?}"), expected: expected.to_owned() },
        }
    }
}
