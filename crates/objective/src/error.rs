//! The errors of this crate. Each says what was found, what was expected and, where it is not obvious, what to do.

/// `Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An objective or miner that cannot be built, or inputs that it cannot be evaluated on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A scale, margin, temperature or other setting outside its range.
    #[error("{setting} is {found}; expected {expected}")]
    OutOfRange {
        /// The setting.
        setting: &'static str,
        /// The value found.
        found: f64,
        /// The range, in words.
        expected: String,
    },

    /// Two choices that cannot be combined.
    #[error("{first} does not go with {second}: {reason}")]
    Incompatible {
        /// One choice.
        first: &'static str,
        /// The other choice.
        second: &'static str,
        /// Why not, and what to choose instead.
        reason: &'static str,
    },

    /// No objective or miner has this name.
    #[error("no {kind} is called `{found}`{}; known: {}", did_you_mean(*.suggestion), .known.join(", "))]
    UnknownName {
        /// `objective` or `miner`.
        kind: &'static str,
        /// The name found.
        found: String,
        /// The nearest known name, if one is near.
        suggestion: Option<&'static str>,
        /// All known names.
        known: Vec<&'static str>,
    },

    /// A named objective or miner has no such parameter.
    #[error("`{owner}` has no parameter `{parameter}`{}; {}", did_you_mean(*.suggestion), known_parameters(.known))]
    UnknownParameter {
        /// The objective or miner.
        owner: String,
        /// The parameter found.
        parameter: String,
        /// The nearest known parameter, if one is near.
        suggestion: Option<&'static str>,
        /// All parameters of the objective or miner.
        known: Vec<&'static str>,
    },

    /// A parameter of a named objective or miner has a value outside its range or of a different type.
    #[error("`{owner}`: {parameter} is {found}; expected {expected}")]
    BadParameter {
        /// The objective or miner.
        owner: String,
        /// The parameter.
        parameter: &'static str,
        /// The value found, as JSON.
        found: String,
        /// The values accepted, in words.
        expected: String,
    },

    /// The derivative of a custom margin is not that of its value.
    #[error(
        "custom margin `{name}`: at {cosine} the derivative is {found}, but central differences of the value give \
         {expected}; correct one of the two functions"
    )]
    CustomMarginDerivative {
        /// Name of the margin.
        name: String,
        /// Where the two differ.
        cosine: f64,
        /// What the given derivative returned.
        found: f64,
        /// The central difference of the given value.
        expected: f64,
    },

    /// The length of a slice does not fit its matrix.
    #[error(transparent)]
    Shape(#[from] widemargin_kernels::Error),

    /// Two matrices of different dimension.
    #[error("the features have dimension {features}, the {what} {found}; expected the same")]
    Dimension {
        /// What the features are compared with.
        what: &'static str,
        /// Columns of the features.
        features: usize,
        /// Columns of the other matrix.
        found: usize,
    },

    /// An unexpected number of values or rows.
    #[error("found {found} {what}; expected {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// The number found.
        found: usize,
        /// The number expected.
        expected: usize,
    },

    /// A label without a class.
    #[error(
        "row {row} of the batch has label {found}; expected a label below {classes}, the number of classes"
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
        /// Row of the value.
        row: usize,
        /// Column of the value.
        column: usize,
    },

    /// Finite inputs whose loss is not finite.
    #[error(
        "the loss of row {row} of the batch is not finite: its scores exceed the range of floating point"
    )]
    NonFiniteLoss {
        /// Row of the batch.
        row: usize,
    },

    /// Finite inputs whose loss or gradient over the whole batch is not finite.
    #[error("the {what} exceeds the range of floating point; use smaller embeddings or settings")]
    NonFiniteResult {
        /// The loss or a gradient.
        what: &'static str,
    },

    /// A sample weight that is negative or not finite.
    #[error("the weight of row {row} of the batch is {found}; expected a finite number, 0 or more")]
    SampleWeight {
        /// Row of the batch.
        row: usize,
        /// The weight.
        found: f64,
    },

    /// A weighted mean over weights that are all 0.
    #[error("all sample weights are 0; at least one must be above 0")]
    ZeroWeights,

    /// Class centres or proxies are missing.
    #[error("`{objective}` compares features with class centres or proxies; pass them as `weights`")]
    NoWeights {
        /// The objective.
        objective: String,
    },

    /// The objective does not support an input or option.
    #[error("`{objective}` does not accept {what}: {reason}")]
    Unsupported {
        /// The objective.
        objective: String,
        /// The input or option.
        what: &'static str,
        /// Why not, or what to do instead.
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
        /// Number of rows.
        rows: usize,
    },

    /// A positive pair of two classes, a negative pair of one class, or a row paired with itself.
    #[error("tuple {tuple} pairs anchor {anchor} with row {other} as {role}, but {problem}")]
    TupleRole {
        /// Place in the list of tuples.
        tuple: usize,
        /// Row of the anchor.
        anchor: usize,
        /// The other row.
        other: usize,
        /// `positive` or `negative`.
        role: &'static str,
        /// What contradicts the role.
        problem: &'static str,
    },

    /// A batch larger than the memory that stores it.
    #[error("a batch of {batch} does not fit into a memory of {capacity}; use a larger memory")]
    MemoryTooSmall {
        /// Rows of the batch.
        batch: usize,
        /// Rows of the memory.
        capacity: usize,
    },

    /// A saved memory whose parts contradict each other.
    #[error("the saved memory is damaged: {reason}")]
    MemoryState {
        /// The contradiction.
        reason: &'static str,
    },

    /// A file of reference values that cannot be read.
    #[error("expected a JSON file of reference values: {0}")]
    ReferenceFile(String),
}

impl Error {
    /// The name of the parameter at fault, if the error is about one.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::UnknownParameter { parameter, .. } => Some(parameter),
            Self::BadParameter { parameter, .. } => Some(parameter),
            Self::OutOfRange { setting, .. } => Some(setting),
            _ => None,
        }
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn known_parameters(known: &[&str]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
}
