//! The error type of this crate: a problem and the file that has it.

use std::path::{Path, PathBuf};

/// A result whose error is this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem and the file that has it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// The problem. It is part of the message, so it is not a source.
    pub problem: Problem,
}

/// Why a file could not be used. Rows count from zero, lines of text files from one, as in editors.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(String),
    /// The extension of the file name is not known.
    #[error("unknown file extension {found:?}; expected .npy, .safetensors, .csv or .parquet")]
    Ending {
        /// The extension found.
        found: String,
    },
    /// Parquet files need the feature `parquet`.
    #[error("this program was built without support for .parquet; build it with the feature `parquet`")]
    NoParquet,
    /// The file is not valid in its format.
    #[error("is not a valid {format} file: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// The reason, in words.
        reason: String,
    },
    /// The values are of a type that is not supported.
    #[error("{what} has values of type {found}; expected {expected}")]
    NumberType {
        /// What was read, in words.
        what: String,
        /// The type found.
        found: String,
        /// The types supported, in words.
        expected: &'static str,
    },
    /// The array has another shape.
    #[error("{what} has the shape {found:?}; expected {expected}")]
    Shape {
        /// What was read, in words.
        what: String,
        /// The shape found.
        found: Vec<usize>,
        /// The expected content, in words.
        expected: &'static str,
    },
    /// The tensor of embeddings is not unique or does not exist.
    #[error(
        "expected a tensor named `embeddings` or exactly one matrix of floats; found the tensors {found}"
    )]
    WhichTensor {
        /// Names of the tensors.
        found: String,
    },
    /// A column is missing.
    #[error("has no column `{column}`; its columns are {found}")]
    NoColumn {
        /// The column.
        column: &'static str,
        /// The columns of the file.
        found: String,
    },
    /// No column holds embeddings.
    #[error(
        "has no columns of embeddings; expected columns besides `label`, `id`, `camera`, `split` and `group`"
    )]
    NoEmbeddingColumns,
    /// The first line of a text table is a row of numbers instead of column names.
    #[error("the first line is a row of numbers ({found}, ...); expected the names of the columns")]
    NoHeading {
        /// The first numbers.
        found: String,
    },
    /// A column of text has values that cannot be written as text.
    #[error("column `{column}` holds {found}; expected texts or numbers")]
    NoTexts {
        /// The column.
        column: String,
        /// The content found, in words.
        found: &'static str,
    },
    /// The pages are compressed with a codec that is not supported.
    #[error(
        "column `{column}` is compressed with {found}, which is not supported; write the file with {known}"
    )]
    Codec {
        /// The column.
        column: String,
        /// The codec.
        found: String,
        /// The supported codecs, in words.
        known: &'static str,
    },
    /// A field of a text table has an unexpected value.
    #[error("line {line}, column `{column}` holds {found:?}; expected {expected}")]
    Field {
        /// The line, from one.
        line: u64,
        /// The column.
        column: String,
        /// The text found.
        found: String,
        /// The expected content, in words.
        expected: &'static str,
    },
    /// A cell has an unexpected value, or a list has another length.
    #[error("row {row} of column `{column}` holds {found}; expected {expected}")]
    Cell {
        /// The row, from zero.
        row: usize,
        /// The column.
        column: String,
        /// The value found, in words.
        found: String,
        /// The expected content, in words.
        expected: String,
    },
    /// The file has no rows.
    #[error("has no rows")]
    Empty,
    /// The number of labels or other names differs from the number of rows.
    #[error("{found} {what}s for {rows} embeddings; give one {what} per embedding")]
    NameCount {
        /// `label`, `camera` or `name`.
        what: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Names found.
        found: usize,
    },
    /// Labels are required, but the file has none and no file of labels was given.
    #[error("has no labels; give a file of labels, one per row")]
    NoLabels,
    /// A row has an empty label where every row needs one.
    #[error("row {row}{} has no label", id.as_ref().map(|id| format!(" (id {id:?})")).unwrap_or_default())]
    EmptyLabel {
        /// The row, from zero.
        row: usize,
        /// Its id, if rows have ids.
        id: Option<String>,
    },
    /// The labels in a table and those given for it differ.
    #[error(
        "{place} has the label {given:?}, but {table} contains the label {own:?} for the same row; remove one of the two"
    )]
    TwoLabels {
        /// The line or row in this file.
        place: String,
        /// The label in this file.
        given: String,
        /// The table.
        table: String,
        /// The label in the table.
        own: String,
    },
    /// A file of names has ids that the table does not have.
    #[error(
        "{place} has the id {id:?}, which {table} does not have (ids without a row there: {count}); both files must have the same ids"
    )]
    IdNotInTable {
        /// The line or row of the first such id.
        place: String,
        /// The first such id.
        id: String,
        /// The number of such ids.
        count: usize,
        /// The table.
        table: String,
    },
    /// A file of names lacks ids of the table.
    #[error(
        "has no row for the id {id:?} of {table} (missing ids: {count}); both files must have the same ids"
    )]
    IdMissing {
        /// The first id without a name.
        id: String,
        /// The number of such ids.
        count: usize,
        /// The table.
        table: String,
    },
    /// Two rows have one id.
    #[error("rows {first} and {second} have the same id {id:?}; ids must be unique")]
    RepeatedId {
        /// The id.
        id: String,
        /// The earlier row.
        first: usize,
        /// The later row.
        second: usize,
    },
    /// A pair has an id or row number that does not exist.
    #[error("{place}, `{column}` is {id:?}; expected {known}")]
    UnknownId {
        /// The line or row.
        place: String,
        /// `a` or `b`.
        column: &'static str,
        /// The id found.
        id: String,
        /// The expected ids, in words.
        known: String,
    },
    /// A line of a list of pairs has an unexpected form.
    #[error("line {line} is {found:?}; expected {expected}")]
    Trial {
        /// The line, from one.
        line: u64,
        /// The line.
        found: String,
        /// The expected form, in words.
        expected: String,
    },
    /// The score of a pair cannot be used.
    #[error("{place} has the score {found:?}; expected {expected}")]
    Score {
        /// The line or row.
        place: String,
        /// The score.
        found: f64,
        /// The expected value, in words.
        expected: String,
    },
    /// A pair is listed as of one class and as of two.
    #[error(
        "{place} contradicts {first}: one says that {a:?} and {b:?} are of the same class, the other that they are not"
    )]
    ContradictoryPair {
        /// The line or row.
        place: String,
        /// Where the pair was listed before.
        first: String,
        /// One name.
        a: String,
        /// The other name.
        b: String,
    },
    /// A score is of a pair that the list of pairs does not have.
    #[error(
        "{place} has a score of {a:?} and {b:?}, a pair that {list} does not have; both files must have the same pairs"
    )]
    PairNotInList {
        /// The line or row.
        place: String,
        /// One name.
        a: String,
        /// The other name.
        b: String,
        /// The list of pairs.
        list: String,
    },
    /// A pair of a list has no score.
    #[error(
        "has no score of {a:?} and {b:?}, a pair of {list} (missing scores: {count}); both files must have the same pairs"
    )]
    PairWithoutScore {
        /// One name of the first such pair.
        a: String,
        /// Its other name.
        b: String,
        /// The number of such pairs.
        count: usize,
        /// The list of pairs.
        list: String,
    },
    /// The embeddings are not valid.
    #[error("{problem}{}", id.as_ref().map(|id| format!(" (the row's id is {id:?})")).unwrap_or_default())]
    Embeddings {
        /// The problem, in words.
        problem: String,
        /// The id of the row, if rows have ids and a single row has the problem.
        id: Option<String>,
    },
}

impl Problem {
    /// The error for a file with this problem.
    pub fn at(self, path: &Path) -> Error {
        Error { path: path.to_owned(), problem: self }
    }
}
