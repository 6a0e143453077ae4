//! The error type of this crate.

/// A result whose error is this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why embeddings could not be evaluated. Rows and columns count from zero.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The matrix has no rows or no columns.
    #[error("no embeddings: {rows} rows of dimension {dim}; give at least one row and one dimension")]
    Empty {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        dim: usize,
    },
    /// There are more rows than a `u32` can count.
    #[error("{rows} embeddings are too many; at most 4294967295 can be evaluated at once")]
    TooManyRows {
        /// Number of rows.
        rows: usize,
    },
    /// The slice does not have `rows * dim` values.
    #[error("{found} values for {rows} embeddings of dimension {dim}; give rows * dim values")]
    Shape {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        dim: usize,
        /// Length of the slice.
        found: usize,
    },
    /// The number of labels differs from the number of rows.
    #[error("{found} labels for {rows} embeddings; give one label per embedding")]
    LabelCount {
        /// Rows of the matrix.
        rows: usize,
        /// Labels given.
        found: usize,
    },
    /// A value is NaN or infinite.
    #[error("embedding row {row} has {value} in column {column}; every value must be finite")]
    NonFinite {
        /// Row of the value.
        row: usize,
        /// Column of the value.
        column: usize,
        /// The value found.
        value: f32,
    },
    /// A row is all zeros and has no direction.
    #[error("embedding row {row} is all zeros; its cosines are undefined")]
    ZeroRow {
        /// The row.
        row: usize,
    },
    /// All rows have the same label, so there are no impostor pairs.
    #[error("all {rows} embeddings are of class {class}; give at least two classes")]
    OneClass {
        /// The only label.
        class: u32,
        /// Number of rows.
        rows: usize,
    },
    /// No class has two samples, so there is no genuine pair.
    #[error(
        "none of the {classes} classes has two samples that are compared; genuine pairs and retrieval need at least two samples of a class, of \
         different cameras if only these are compared"
    )]
    NoGenuinePairs {
        /// Number of classes.
        classes: usize,
    },
    /// One of the two lists of scores is empty.
    #[error("{genuine} genuine and {impostor} impostor scores; give at least one of each")]
    MissingScores {
        /// Genuine scores given.
        genuine: usize,
        /// Impostor scores given.
        impostor: usize,
    },
    /// A score is not a cosine.
    #[error("{kind} score {index} is {value}; a cosine must be between -1 and 1")]
    NotACosine {
        /// `"genuine"` or `"impostor"`.
        kind: &'static str,
        /// Position in the list.
        index: usize,
        /// The score found.
        value: f64,
    },
    /// The limit on pairs allows less than one pair of each kind.
    #[error("max_pairs is {max_pairs}; it must be at least 2, for one genuine and one impostor pair")]
    MaxPairs {
        /// The limit given.
        max_pairs: u64,
    },
    /// Recall or search with `k = 0`.
    #[error("k is 0; it must be at least 1")]
    ZeroK,
    /// The query is not a row of the matrix.
    #[error("query {query} does not exist; there are {rows} embeddings, counted from 0")]
    QueryOutOfRange {
        /// The query.
        query: usize,
        /// Rows of the matrix.
        rows: usize,
    },
    /// A row number in a list of pairs or another argument is past the end.
    #[error("{what} {position} refers to row {row}, but there are {rows} embeddings, counted from 0")]
    RowOutOfRange {
        /// The kind of entry, such as `"pair"`.
        what: &'static str,
        /// Position in that list, from zero.
        position: usize,
        /// The row it refers to.
        row: usize,
        /// Rows of the matrix.
        rows: usize,
    },
    /// A list with one entry per row has another length.
    #[error("{found} {what} were given; expected {expected}, one per row")]
    Length {
        /// The entries of the list, such as `"camera numbers"`.
        what: &'static str,
        /// The expected length.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// Two sets have embeddings of different dimensions.
    #[error("embeddings of dimension {left} cannot be compared with embeddings of dimension {right}")]
    Dimensions {
        /// Dimension of the first set.
        left: usize,
        /// Dimension of the second set.
        right: usize,
    },
    /// There are more pairs than the limit.
    #[error("{pairs} pairs are more than max_pairs = {max_pairs}; raise max_pairs or use streaming")]
    TooManyPairs {
        /// Pairs that exist.
        pairs: u64,
        /// The limit given.
        max_pairs: u64,
    },
    /// A score is NaN or infinite.
    #[error("{kind} score {index} is {value}; every score must be finite")]
    NonFiniteScore {
        /// The kind of score, such as `"genuine"`.
        kind: &'static str,
        /// Position in the list.
        index: usize,
        /// The score found.
        value: f64,
    },
    /// An option is outside its range.
    #[error("{name} is {value}; it must be {expected}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The allowed values, in words.
        expected: &'static str,
    },
    /// There are too few identities or pairs to draw from for a bootstrap.
    #[error("intervals need at least {least} {what} to draw from, found {found}")]
    TooFewToDraw {
        /// What is drawn: `genuine pairs` or `impostor pairs`, or `identities with` one of these.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        least: usize,
    },
    /// A fold of a cross-validation cannot be used.
    #[error("fold {fold} {problem}")]
    Fold {
        /// Number of the fold.
        fold: usize,
        /// The problem, in words.
        problem: &'static str,
    },
    /// The cohort is too small.
    #[error(
        "{used} cohort scores per embedding from a cohort of {cohort} embeddings; use at least 2 and at most the size of the cohort"
    )]
    CohortSize {
        /// Cohort scores to use.
        used: usize,
        /// Size of the cohort.
        cohort: usize,
    },
    /// The scores of a row with the cohort are all equal, so their standard deviation is 0.
    #[error(
        "all scores of {side} row {row} with the cohort are equal; normalisation requires different scores"
    )]
    FlatCohort {
        /// `"enrol"` or `"probe"`.
        side: &'static str,
        /// The row.
        row: usize,
    },
    /// The embeddings of a class cancel out, so their mean has no direction.
    #[error("the {rows} embeddings of class {class} cancel out; their mean is zero and has no direction")]
    ZeroMean {
        /// The class.
        class: u32,
        /// How many embeddings it has.
        rows: usize,
    },
    /// Genuine pairs do not score higher than impostor pairs, so no rising calibration exists.
    #[error(
        "the fitted slope is {slope}; a calibration needs genuine pairs to score higher than impostor pairs"
    )]
    NoCalibration {
        /// The slope found, or the last one before the search failed.
        slope: f64,
    },
    /// A sample is of a class without a centre.
    #[error("row {row} is of class {class}, which has no centre")]
    UnknownClass {
        /// The sample.
        row: usize,
        /// Its class.
        class: u32,
    },
    /// `k` is larger than the gallery.
    #[error("k = {k} is more than the {gallery} rows that can be retrieved; use a smaller k")]
    KTooLarge {
        /// The `k` given.
        k: usize,
        /// Rows that can be retrieved.
        gallery: usize,
    },
    /// No query has a relevant gallery row.
    #[error("none of the {queries} queries has an embedding of its class in the gallery")]
    NoAnswers {
        /// Queries given.
        queries: usize,
    },
    /// No probe has an enrolled identity.
    #[error(
        "no probe shows an enrolled identity: {unknown} show others, and {excluded} only match copies of themselves; enrol other samples of some probes' identities"
    )]
    MissingProbes {
        /// Probes whose identity is not enrolled.
        unknown: usize,
        /// Probes whose identity is enrolled only by copies of the probe.
        excluded: usize,
    },
    /// Two labellings of different lengths, or empty ones.
    #[error(
        "lists of {left} and {right} labels cannot be compared; they must have the same length and not be empty"
    )]
    Labellings {
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// There are no clusters, or more clusters than embeddings.
    #[error("{clusters} clusters for {rows} embeddings; the number of clusters must be between 1 and {rows}")]
    Clusters {
        /// Number of clusters given.
        clusters: usize,
        /// Rows of the matrix.
        rows: usize,
    },
}
