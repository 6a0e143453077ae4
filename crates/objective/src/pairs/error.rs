//! What can be wrong with a pair objective, a miner or a memory, or with what they are given.

/// A pair objective that cannot be built, or inputs that it cannot be evaluated on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// A margin, scale, temperature, or other setting outside its range.
    #[error("{setting} is {found}; expected {expected}")]
    OutOfRange {
        /// The setting, by the name that it has in its struct.
        setting: &'static str,
        /// The value given.
        found: f64,
        /// The range, in words.
        expected: &'static str,
    },

    /// A name that no pair objective (or miner) has.
    #[error("no {kind} is called `{found}`{}; known: {}", did_you_mean(*.suggestion), .known.join(", "))]
    UnknownName {
        /// What was asked for: a pair objective or a miner.
        kind: &'static str,
        /// The name given.
        found: String,
        /// The nearest name, if one is near.
        suggestion: Option<&'static str>,
        /// All names.
        known: &'static [&'static str],
    },

    /// A parameter that the named objective or miner does not have, or of another kind.
    #[error("`{name}`: {reason}")]
    Parameter {
        /// The objective's or miner's name.
        name: &'static str,
        /// What is wrong, and which parameters there are.
        reason: String,
    },

    /// A slice that is not the matrix it was said to be.
    #[error(transparent)]
    Shape(#[from] widemargin_kernels::Error),

    /// Embeddings and what they are compared with differ in dimension.
    #[error("embeddings have {embeddings} dimensions, the {what} {found}; expected the same")]
    Dimension {
        /// What the embeddings are compared with.
        what: &'static str,
        /// Columns of the embeddings.
        embeddings: usize,
        /// Columns of the other matrix.
        found: usize,
    },

    /// Not one value a row.
    #[error("{found} {what} for {expected} rows; expected one each")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Values found.
        found: usize,
        /// Rows of the matrix.
        expected: usize,
    },

    /// A label that has no proxy.
    #[error(
        "row {row} of the batch has label {found}; expected a class below {classes}, the number of proxies"
    )]
    Label {
        /// Row of the batch.
        row: usize,
        /// The label.
        found: u32,
        /// Number of classes.
        classes: usize,
    },

    /// `NaN` or infinity in an input.
    #[error("row {row}, column {column} of the {what} is not finite")]
    NonFiniteInput {
        /// Which matrix.
        what: &'static str,
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        column: usize,
    },

    /// Finite inputs whose loss or gradient is beyond the range of the number type.
    #[error("the {what} exceeds the range of numbers; make the embeddings or the settings smaller")]
    NonFiniteResult {
        /// The loss or a gradient.
        what: &'static str,
    },

    /// Proxies missing where the objective needs them, or given where it has none.
    #[error("`{objective}` {problem}")]
    Proxies {
        /// The objective's name.
        objective: &'static str,
        /// What is wrong, and what to do.
        problem: &'static str,
    },

    /// The number of rows of a proxy matrix is no multiple of the number of centres a class has.
    #[error("{rows} centres cannot be shared among classes with {per_class} each")]
    CentresPerClass {
        /// Rows of the centres.
        rows: usize,
        /// Centres of one class.
        per_class: usize,
    },

    /// Something this objective is not defined for.
    #[error("`{objective}` does not take {what}: {reason}")]
    Unsupported {
        /// The objective's name.
        objective: &'static str,
        /// What it was given.
        what: &'static str,
        /// Why not, and what to do instead.
        reason: &'static str,
    },

    /// A pair or triplet that points outside the batch or the references.
    #[error("tuple {tuple} names row {found} of the {what}, which has {rows} rows")]
    TupleRow {
        /// Place in the list of tuples.
        tuple: usize,
        /// What the index points into.
        what: &'static str,
        /// The index.
        found: usize,
        /// Rows there are.
        rows: usize,
    },

    /// A positive pair of two classes, a negative pair of one class, or a row paired with itself.
    #[error("tuple {tuple} pairs anchor {anchor} with row {other} as {role}, but {problem}")]
    TupleRole {
        /// Place in the list of tuples.
        tuple: usize,
        /// Row of the anchor.
        anchor: usize,
        /// Row of the other.
        other: usize,
        /// What the pair was said to be.
        role: &'static str,
        /// What it is.
        problem: &'static str,
    },

    /// A batch that is larger than the memory it is to be kept in.
    #[error("a batch of {batch} does not fit into a memory of {capacity}; make the memory larger")]
    MemoryTooSmall {
        /// Rows of the batch.
        batch: usize,
        /// Rows of the memory.
        capacity: usize,
    },

    /// A saved memory whose parts do not fit each other.
    #[error("a saved memory is damaged: {reason}")]
    MemoryState {
        /// What does not fit.
        reason: &'static str,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// Refuses a setting that is not a finite number from `low` to `high`.
pub(crate) fn check(
    setting: &'static str,
    found: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), PairError> {
    if range.contains(&found) { Ok(()) } else { Err(PairError::OutOfRange { setting, found, expected }) }
}

/// The settings that stand in front of a score in an exponent.
pub(crate) fn check_scale(setting: &'static str, found: f64) -> Result<(), PairError> {
    check(setting, found, 1e-6..=1e6, "a number from 1e-6 to 1e6")
}

/// The settings that are added to a distance or a cosine.
pub(crate) fn check_margin(setting: &'static str, found: f64) -> Result<(), PairError> {
    check(setting, found, -1e3..=1e3, "a number from -1000 to 1000")
}
