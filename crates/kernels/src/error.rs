//! The error type of the crate.

use crate::InstructionSet;

/// Why a call was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A slice does not have the length that a matrix of this shape needs.
    #[error("{found} values for a matrix of {rows} rows and {cols} columns; give {}", needed(*.rows, *.cols))]
    Shape {
        /// Length of the slice.
        found: usize,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },

    /// The environment variable `WIDEMARGIN_INSTRUCTION_SET` holds a word that is not the name of an instruction set.
    #[error(
        "WIDEMARGIN_INSTRUCTION_SET={found}: unknown instruction set; use {}, or unset the variable",
        names()
    )]
    UnknownInstructionSet {
        /// The value of the variable.
        found: String,
    },

    /// The environment variable `WIDEMARGIN_INSTRUCTION_SET` names an instruction set that this processor lacks.
    #[error(
        "WIDEMARGIN_INSTRUCTION_SET={found}: this processor does not have it; use {}, or unset the variable",
        names()
    )]
    UnavailableInstructionSet {
        /// The set that was requested.
        found: InstructionSet,
    },
}

fn needed(rows: usize, cols: usize) -> String {
    rows.checked_mul(cols).map_or_else(|| "fewer rows or columns".to_owned(), |count| count.to_string())
}

/// The instruction sets that can be requested on this processor: `portable, avx2 or avx512`.
fn names() -> String {
    let mut names: Vec<String> = InstructionSet::available().map(|set| set.to_string()).collect();
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) }
}
