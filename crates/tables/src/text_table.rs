//! A table whose fields are all text.

use super::error::Problem;

/// Columns of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTable {
    /// Names of the columns, in order.
    pub columns: Vec<String>,
    /// One field a column, in each row.
    pub rows: Vec<Vec<String>>,
    /// The line of each row in a `.csv`, from one; that of the first comment before it, if there is one.
    pub(super) lines: Option<Vec<u64>>,
    /// Columns that cannot be text, with what they hold.
    pub(super) left_out: Vec<(String, &'static str)>,
}

impl TextTable {
    /// The place of a column; its name may be written in large or small letters.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    /// Columns that have no form as text and are not there, with what they hold, in words.
    pub fn left_out(&self) -> &[(String, &'static str)] {
        &self.left_out
    }

    /// What to say of a field that does not hold what it should.
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
