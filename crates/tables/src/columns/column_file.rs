//! A file with named and typed columns.

use std::path::Path;

use super::super::error::{Problem, Result};
use super::cells::Cell;

/// What the type of a column says of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Floats of 4 or 8 bytes.
    Float,
    /// Other numbers, texts, dates and the like.
    Plain,
    /// Bytes that are not marked as text.
    Bytes,
    /// Lists.
    List,
    /// Groups of values with names. `images`: one of them is called `bytes`, as the library `datasets` writes image files.
    Group { images: bool },
    /// Periods of time, which cannot be written as text.
    Interval,
}

impl Kind {
    /// The content, in words, if it cannot be written as text.
    pub(super) fn without_text(self) -> Option<&'static str> {
        match self {
            Self::List | Self::Group { .. } => Some("lists or groups"),
            Self::Interval => Some("intervals"),
            Self::Float | Self::Plain | Self::Bytes => None,
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// Takes the values of the chosen columns in a row. `false` stops the reading.
pub(super) type Visit<'a> = dyn FnMut(Vec<Cell>) -> Result<bool> + 'a;

/// A file whose columns are known and whose rows can be read.
pub(super) trait ColumnFile {
    /// The format, as errors call it, such as `.parquet`.
    fn format(&self) -> &'static str;

    fn path(&self) -> &Path;

    fn columns(&self) -> &[Column];

    /// A value of the file's metadata.
    fn metadata(&self, key: &str) -> Option<&str>;

    /// The number of rows. Everything that the file claims has been compared with its size.
    fn rows(&self) -> Result<u64>;

    /// Reads all rows, or until `visit` returns `false`. `chosen` are positions of columns, ascending.
    fn each_row(&self, chosen: &[usize], visit: &mut Visit<'_>) -> Result<()>;
}

impl dyn ColumnFile + '_ {
    pub(super) fn names(&self) -> Vec<String> {
        self.columns().iter().map(|column| column.name.clone()).collect()
    }

    pub(super) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::Malformed { format: self.format(), reason: reason.into() }
    }
}
