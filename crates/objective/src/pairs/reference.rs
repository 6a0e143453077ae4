//! Embeddings that a batch is compared with instead of with itself, and input checks.

use widemargin_kernels::matrix::MatRef;

use crate::error::{Error, Result};
use crate::real::Real;

/// Embeddings that the batch is compared with instead of with itself.
#[derive(Clone, Copy, Debug)]
pub struct PairReference<'a, T> {
    /// `[references, dim]`; constants without a gradient.
    pub embeddings: MatRef<'a, T>,
    /// One label per reference.
    pub labels: &'a [u32],
    /// Positions of the batch's rows among the references, if they are included; no row is its own positive.
    pub own_rows: Option<&'a [usize]>,
}

/// Checks that there is one label per row and every value is finite.
pub(crate) fn check_rows<T: Real>(
    what: &'static str,
    labels_of: &'static str,
    matrix: MatRef<'_, T>,
    labels: &[u32],
) -> Result<()> {
    if labels.len() != matrix.rows() {
        return Err(Error::Count { what: labels_of, found: labels.len(), expected: matrix.rows() });
    }
    check_finite(what, matrix)
}

pub(crate) fn check_finite<T: Real>(what: &'static str, matrix: MatRef<'_, T>) -> Result<()> {
    match matrix.data().iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NonFiniteInput { what, row: at / matrix.cols(), column: at % matrix.cols() }),
    }
}

/// Checks that the references fit the batch.
pub(crate) fn check_reference<T: Real>(
    embeddings: MatRef<'_, T>,
    labels: &[u32],
    reference: &PairReference<'_, T>,
) -> Result<()> {
    check_rows("references", "labels of references", reference.embeddings, reference.labels)?;
    if reference.embeddings.cols() != embeddings.cols() {
        let (features, found) = (embeddings.cols(), reference.embeddings.cols());
        return Err(Error::Dimension { what: "references", features, found });
    }
    let Some(own) = reference.own_rows else { return Ok(()) };
    if own.len() != labels.len() {
        return Err(Error::Count { what: "own rows", found: own.len(), expected: labels.len() });
    }
    let rows = reference.labels.len();
    match own.iter().position(|&place| place >= rows) {
        None => Ok(()),
        Some(tuple) => Err(Error::TupleRow { tuple, what: "references", found: own[tuple], rows }),
    }
}
