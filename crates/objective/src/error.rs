//! What can be wrong with an objective or with what it is given; each variant says what was found and what was expected.

/// An objective that cannot be built, or inputs that it cannot be evaluated on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// A scale, margin, temperature, or other setting outside its range.
    #[error("{setting} is {found}; expected {expected}")]
    OutOfRange {
        /// The setting, in the words of the family.
        setting: &'static str,
        /// The value given.
        found: f64,
        /// The range, in words.
        expected: &'static str,
    },

    /// Two choices on different axes that make no sense together.
    #[error("{first} does not go with {second}: {reason}")]
    Incompatible {
        /// One choice.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Why not, and what to take instead.
        reason: &'static str,
    },

    /// A name that no objective has.
    #[error("no objective is called `{found}`{}; known: {}", did_you_mean(*.suggestion), .known.join(", "))]
    UnknownName {
        /// The name given.
        found: String,
        /// The nearest name, if one is near.
        suggestion: Option<&'static str>,
        /// All names.
        known: &'static [&'static str],
    },

    /// A parameter given to a named objective that has no use for it.
    #[error("`{objective}` takes no {parameter}; leave it out")]
    UnusedParameter {
        /// The objective's name.
        objective: &'static str,
        /// The parameter's name.
        parameter: &'static str,
    },

    /// A slice that is not the matrix it was said to be.
    #[error(transparent)]
    Shape(#[from] widemargin_kernels::Error),

    /// Features and class centres of different dimension.
    #[error("features have {features} dimensions, class centres {centres}; expected the same")]
    Dimension {
        /// Columns of the features.
        features: usize,
        /// Columns of the class centres.
        centres: usize,
    },

    /// Not one value a sample.
    #[error("{found} {what} for a batch of {expected} samples; expected one each")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Values found.
        found: usize,
        /// Samples in the batch.
        expected: usize,
    },

    /// A label that names no class.
    #[error("row {row} of the batch has label {found}; expected a class below {classes}")]
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

    /// Finite inputs so large that their scores or loss are not.
    #[error("the loss of row {row} of the batch is not finite: its scores exceed the range of numbers")]
    NonFiniteLoss {
        /// Row of the batch.
        row: usize,
    },

    /// A sample weight that is negative or not finite.
    #[error("the weight of row {row} of the batch is {found}; expected a finite number, zero or above")]
    SampleWeight {
        /// Row of the batch.
        row: usize,
        /// The weight.
        found: f64,
    },

    /// A weighted mean over weights that are all zero.
    #[error("all sample weights are zero; a weighted mean needs at least one above zero")]
    ZeroWeights,
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}
