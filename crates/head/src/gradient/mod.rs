//! The gradient of the class centres, held as the factors it is computed from instead of a `[classes, dim]` matrix.

mod dense;
mod drawn;
mod rows;

pub(crate) use dense::DenseGradient;
pub(crate) use drawn::{DrawnGradient, row_steps};
pub(crate) use rows::{ChunkEntries, Entry, RowGradient, RowParts, TargetEntry, Touched, project, square};

use widemargin_objective::norm;

use crate::centres::Centres;

/// The gradient of the class centres in the form of the head's mode.
#[derive(Clone, Debug)]
pub(crate) enum CentreGradient {
    /// Of a dense head.
    Dense(Box<DenseGradient>),
    /// Of a screened head.
    Rows(Box<RowGradient>),
    /// Of a sampled head.
    Drawn(Box<DrawnGradient>),
}

impl CentreGradient {
    /// Number of values in all class centres of the head.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Dense(gradient) => gradient.len,
            Self::Rows(rows) => rows.total * rows.dim,
            Self::Drawn(drawn) => drawn.len,
        }
    }

    /// Whether it is the gradient of a screened head.
    pub(crate) fn is_screened(&self) -> bool {
        matches!(self, Self::Rows(_))
    }

    /// The gradient as a matrix, `[classes * per_class, dim]`.
    pub(crate) fn whole(&self, centres: &Centres<'_>) -> Vec<f32> {
        match self {
            Self::Dense(gradient) => gradient.whole(centres),
            Self::Drawn(drawn) => drawn.whole(centres.dim),
            Self::Rows(rows) => rows.whole(|row| {
                let mut values = vec![0.0; centres.dim];
                centres.row(row, &mut values);
                values
            }),
        }
    }

    /// Euclidean norm of the gradient of the class centres.
    pub(crate) fn norm(&self, centres: &Centres<'_>) -> f64 {
        match self {
            Self::Dense(gradient) => gradient.norm(centres),
            Self::Rows(rows) => rows.norm(),
            Self::Drawn(drawn) => norm(&drawn.values),
        }
    }
}
