//! What can be wrong with embeddings, labels or options handed to this crate.

/// A result whose error is this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why embeddings could not be judged. Rows and columns are counted from zero.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The matrix has no rows or no columns.
    #[error("the embeddings are empty: {rows} rows of dimension {dim}; at least one of each is needed")]
    Empty {
        /// Rows announced.
        rows: usize,
        /// Columns announced.
        dim: usize,
    },
    /// There are more rows than this crate numbers.
    #[error("{rows} rows of embeddings are too many; at most 4294967295 can be judged at once")]
    TooManyRows {
        /// Rows announced.
        rows: usize,
    },
    /// The slice does not hold `rows * dim` numbers.
    #[error("{rows} rows of dimension {dim} were announced, but the slice holds {found} numbers")]
    Shape {
        /// Rows announced.
        rows: usize,
        /// Columns announced.
        dim: usize,
        /// Length of the slice.
        found: usize,
    },
    /// There is not exactly one label a row.
    #[error("{rows} rows of embeddings need {rows} labels, but {found} were given")]
    LabelCount {
        /// Rows of the matrix.
        rows: usize,
        /// Labels given.
        found: usize,
    },
    /// A number is NaN or infinite.
    #[error("embedding row {row} has {value} in column {column}; every number must be finite")]
    NonFinite {
        /// Row of the number.
        row: usize,
        /// Column of the number.
        column: usize,
        /// The number found.
        value: f32,
    },
    /// A row is all zeros and so has no direction.
    #[error("embedding row {row} is all zeros; the cosine with it is undefined")]
    ZeroRow {
        /// The row.
        row: usize,
    },
    /// All rows have the same label, so nothing could be confused with anything.
    #[error("all {rows} embeddings are of class {class}; at least two classes are needed")]
    OneClass {
        /// The only label.
        class: u32,
        /// How many rows carry it.
        rows: usize,
    },
    /// No class has two samples, so there is no pair of the same class.
    #[error(
        "none of the {classes} classes has two samples, so there is no genuine pair and no query with an answer"
    )]
    NoGenuinePairs {
        /// Number of classes.
        classes: usize,
    },
    /// One of the two lists of scores is empty.
    #[error("{genuine} genuine and {impostor} impostor scores were given; at least one of each is needed")]
    MissingScores {
        /// Genuine scores given.
        genuine: usize,
        /// Impostor scores given.
        impostor: usize,
    },
    /// A score is no cosine.
    #[error("the {kind} score number {index} is {value}; a cosine lies between -1 and 1")]
    NotACosine {
        /// `"genuine"` or `"impostor"`.
        kind: &'static str,
        /// Position in the list.
        index: usize,
        /// The score found.
        value: f32,
    },
    /// The limit on pairs leaves no room for one pair of each kind.
    #[error("max_pairs is {max_pairs}; at least 2 are needed, one genuine and one impostor")]
    MaxPairs {
        /// The limit given.
        max_pairs: u64,
    },
    /// Recall at zero neighbours was asked for.
    #[error("recall at k = 0 was asked for; k must be at least 1")]
    ZeroK,
    /// The query is not a row of the matrix.
    #[error("query {query} was asked for, but there are only {rows} embeddings")]
    QueryOutOfRange {
        /// The query.
        query: usize,
        /// Rows of the matrix.
        rows: usize,
    },
}
