//! What can be wrong with a file.

use std::path::{Path, PathBuf};

/// A result whose error is a [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem and the file that has it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it. Not a source: the message has it already.
    pub problem: Problem,
}

/// Why a file could not be used. Rows count from zero, as everywhere; lines of text files from one, as editors do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The system could not read it.
    #[error("cannot be read: {0}")]
    Read(String),
    /// The ending of its name is not known.
    #[error("the ending {found:?} is not known; .npy, .safetensors, .csv and .parquet can be read")]
    Ending {
        /// The ending found.
        found: String,
    },
    /// This program was built without the feature `parquet`.
    #[error("this program was built without support for .parquet (the feature `parquet`)")]
    NoParquet,
    /// Its bytes are not what the format prescribes.
    #[error("is not a valid {format} file: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What is wrong, in words.
        reason: String,
    },
    /// It holds numbers of another kind.
    #[error("{what} has numbers of type {found}; {expected} are needed")]
    NumberType {
        /// What was read.
        what: String,
        /// The type found.
        found: String,
        /// What can be read, in words.
        expected: &'static str,
    },
    /// It holds an array of another shape.
    #[error("{what} has the shape {found:?}; {expected} is needed")]
    Shape {
        /// What was read.
        what: String,
        /// The shape found.
        found: Vec<usize>,
        /// What is needed, in words.
        expected: &'static str,
    },
    /// A matrix was looked for among several, or among none.
    #[error("has no tensor named `embeddings` and not exactly one matrix of floats; its tensors are {found}")]
    WhichTensor {
        /// Names of its tensors.
        found: String,
    },
    /// A column is missing.
    #[error("has no column `{column}`; its columns are {found}")]
    NoColumn {
        /// The column.
        column: &'static str,
        /// The columns there are.
        found: String,
    },
    /// No column holds embeddings.
    #[error("has no columns of numbers beside `label`, `id`, `camera`, `split` and `group`")]
    NoEmbeddingColumns,
    /// The first line of a table of text is a row of numbers, where the names of the columns should be.
    #[error("its first line is a row of numbers ({found}, ...); a line that names the columns is needed")]
    NoHeading {
        /// Its first numbers.
        found: String,
    },
    /// A column that must be text holds what has no form as text.
    #[error("its column `{column}` holds {found}; texts or numbers are needed")]
    NoTexts {
        /// The column.
        column: String,
        /// What it holds, in words.
        found: &'static str,
    },
    /// Its pages are compressed in a way that this program cannot undo.
    #[error(
        "its column `{column}` is compressed by {found}, which is not built in; {known} are: write it with one of them"
    )]
    Codec {
        /// The column.
        column: String,
        /// The codec.
        found: String,
        /// Those that can be read, in words.
        known: &'static str,
    },
    /// A field does not hold what it should.
    #[error("line {line}, column `{column}` holds {found:?}; {expected} is needed")]
    Field {
        /// The line, from one.
        line: u64,
        /// The column.
        column: String,
        /// The text found.
        found: String,
        /// What is needed, in words.
        expected: &'static str,
    },
    /// A row of a table of values is missing or of another length.
    #[error("row {row} of column `{column}` holds {found}; {expected} is needed")]
    Cell {
        /// The row, from zero.
        row: usize,
        /// The column.
        column: String,
        /// What was found, in words.
        found: String,
        /// What is needed, in words.
        expected: String,
    },
    /// It has no rows.
    #[error("has no rows")]
    Empty,
    /// There is not exactly one label a row.
    #[error("holds {found} labels for {rows} rows of embeddings")]
    LabelCount {
        /// Rows of the matrix.
        rows: usize,
        /// Labels found.
        found: usize,
    },
    /// Labels are needed and were neither inside nor beside.
    #[error("has no labels, and none were given beside it")]
    NoLabels,
    /// Two rows have one id.
    #[error("rows {first} and {second} have the same id {id:?}")]
    RepeatedId {
        /// The id.
        id: String,
        /// The earlier row.
        first: usize,
        /// The later row.
        second: usize,
    },
    /// A pair names an id that no row has.
    #[error("line {line} names {id:?}, which is not {known}")]
    UnknownId {
        /// The line, from one.
        line: u64,
        /// The id named.
        id: String,
        /// What would have been known, in words.
        known: String,
    },
    /// The embeddings themselves cannot be used.
    #[error("{problem}{}", id.as_ref().map(|id| format!(" (the row's id is {id:?})")).unwrap_or_default())]
    Embeddings {
        /// What is wrong with them, in words.
        problem: String,
        /// The id of the row, if rows have ids and a row is to blame.
        id: Option<String>,
    },
}

impl Problem {
    /// The problem with the file that has it.
    pub fn at(self, path: &Path) -> Error {
        Error { path: path.to_owned(), problem: self }
    }
}
