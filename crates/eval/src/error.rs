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
    /// A row number of a pair list or of another argument is past the end.
    #[error("{what} {position} names row {row}, but there are only {rows} embeddings")]
    RowOutOfRange {
        /// What names it, such as `"pair"`.
        what: &'static str,
        /// Position in that list, from zero.
        position: usize,
        /// The row named.
        row: usize,
        /// Rows of the matrix.
        rows: usize,
    },
    /// A list that goes along with the rows has another length.
    #[error("{expected} {what} are needed, one a row, but {found} were given")]
    Length {
        /// What was counted, such as `"camera numbers"`.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Two sets cannot be compared because their embeddings have different dimensions.
    #[error("embeddings of dimension {left} cannot be compared with embeddings of dimension {right}")]
    Dimensions {
        /// Dimension of the first set.
        left: usize,
        /// Dimension of the second set.
        right: usize,
    },
    /// More pairs than may be held in memory.
    #[error("there are {pairs} pairs, more than max_pairs = {max_pairs}; compare them by streaming instead")]
    TooManyPairs {
        /// Pairs that exist.
        pairs: u64,
        /// The limit given.
        max_pairs: u64,
    },
    /// A score is NaN or infinite.
    #[error("the {kind} score number {index} is {value}; every score must be finite")]
    NonFiniteScore {
        /// `"genuine"`, `"impostor"` or what else the score is.
        kind: &'static str,
        /// Position in the list.
        index: usize,
        /// The score found.
        value: f32,
    },
    /// An option is outside its range.
    #[error("{name} is {value}; it must be {expected}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// The value given.
        value: f64,
        /// What is allowed, in words.
        expected: &'static str,
    },
    /// A fold of a cross-validation cannot be used.
    #[error("fold {fold} {problem}")]
    Fold {
        /// Number of the fold.
        fold: usize,
        /// What is wrong with it, in words.
        problem: &'static str,
    },
    /// The scores of a row with the cohort are all equal, so they have no scale.
    #[error("all scores of {side} row {row} with the cohort are equal; they give no scale to normalise by")]
    FlatCohort {
        /// `"enrol"` or `"probe"`.
        side: &'static str,
        /// The row.
        row: usize,
    },
    /// The embeddings of one class cancel out, so their mean has no direction.
    #[error("the mean of the {rows} embeddings of class {class} is zero and has no direction")]
    ZeroMean {
        /// The class.
        class: u32,
        /// How many embeddings it has.
        rows: usize,
    },
    /// Higher scores do not mean that a pair is more likely genuine, so no rising calibration exists.
    #[error("the fitted slope is {slope}; a calibration needs genuine scores to lie above impostor scores")]
    NoCalibration {
        /// The slope found, or that of the last step before the search failed.
        slope: f64,
    },
    /// A sample of a class that has no centre.
    #[error("row {row} is of class {class}, which has no centre")]
    UnknownClass {
        /// The sample.
        row: usize,
        /// Its class.
        class: u32,
    },
    /// A neighbourhood larger than what can be searched.
    #[error("k = {k} neighbours were asked for, but the gallery has only {gallery} rows to find")]
    KTooLarge {
        /// The `k` given.
        k: usize,
        /// Rows that can be found.
        gallery: usize,
    },
    /// No query has anything right to find.
    #[error("none of the {queries} queries has an embedding of its class to find in the gallery")]
    NoAnswers {
        /// Queries given.
        queries: usize,
    },
    /// An open-set measure needs probes of both kinds.
    #[error(
        "{known} probes of enrolled identities and {unknown} of unknown ones were given; at least one of each is needed"
    )]
    MissingProbes {
        /// Probes whose identity is enrolled.
        known: usize,
        /// Probes whose identity is not.
        unknown: usize,
    },
    /// Two labellings of different lengths, or empty ones.
    #[error("{left} and {right} labels cannot be compared; both lists must be of one length and not empty")]
    Labellings {
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// More clusters than embeddings, or none.
    #[error("{clusters} clusters of {rows} embeddings were asked for; between 1 and {rows} are possible")]
    Clusters {
        /// Clusters asked for.
        clusters: usize,
        /// Rows of the matrix.
        rows: usize,
    },
}
