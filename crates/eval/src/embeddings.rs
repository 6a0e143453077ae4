//! A checked matrix of unit rows with one label per row.
//!
//! This crate compares by cosine, so the rows are normalised once, here, and every later step is a dot product. Rows are also
//! checked here: after [`Embeddings::new`] no cosine can be NaN.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::similarity;

/// Labelled embeddings, each row scaled to length 1.
///
/// The norm is computed in `f64`, so very large or very small values (1e±38) neither overflow nor underflow. Multiplying a row by
/// a positive factor has no effect except rounding.
#[derive(Debug, Clone)]
pub struct Embeddings {
    unit_rows: Vec<f32>,
    dim: usize,
    labels: Vec<u32>,
}

impl Embeddings {
    /// Copies and normalises `data`, a row-major matrix `[rows, dim]`, with `labels` `[rows]`.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::TooManyRows`], [`Error::Shape`] and [`Error::LabelCount`] if the sizes do not match;
    /// [`Error::NonFinite`] and [`Error::ZeroRow`] for the first row whose direction is undefined.
    pub fn new(data: &[f32], rows: usize, dim: usize, labels: &[u32]) -> Result<Self> {
        if rows == 0 || dim == 0 {
            return Err(Error::Empty { rows, dim });
        }
        if u32::try_from(rows).is_err() {
            return Err(Error::TooManyRows { rows });
        }
        if rows.checked_mul(dim) != Some(data.len()) {
            return Err(Error::Shape { rows, dim, found: data.len() });
        }
        if labels.len() != rows {
            return Err(Error::LabelCount { rows, found: labels.len() });
        }
        let mut unit_rows = Vec::with_capacity(data.len());
        for (row, values) in data.chunks_exact(dim).enumerate() {
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::NonFinite { row, column, value: values[column] });
            }
            let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            if norm == 0.0 {
                return Err(Error::ZeroRow { row });
            }
            unit_rows.extend(values.iter().map(|&value| (f64::from(value) / norm) as f32));
        }
        Ok(Self { unit_rows, dim, labels: labels.to_vec() })
    }

    /// Number of embeddings; at least 1.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Dimension of each embedding; at least 1.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// One label per row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// All unit rows, row-major `[rows, dim]`.
    pub fn unit_rows(&self) -> &[f32] {
        &self.unit_rows
    }

    /// One unit row `[dim]`, or `None` if there is no such row.
    pub fn unit_row(&self, row: usize) -> Option<&[f32]> {
        self.unit_rows.chunks_exact(self.dim).nth(row)
    }

    /// The cosine of two rows, in [-1, 1], or `None` if a row does not exist.
    pub fn cosine(&self, a: usize, b: usize) -> Option<f32> {
        Some(similarity::cosine(self.unit_row(a)?, self.unit_row(b)?))
    }

    /// The same embeddings ordered by label; rows of one class keep their order.
    pub(crate) fn sorted_by_label(&self) -> Self {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_by_key(|&row| self.labels[row]);
        let mut unit_rows = Vec::with_capacity(self.unit_rows.len());
        for &row in &order {
            unit_rows.extend_from_slice(&self.unit_rows[row * self.dim..(row + 1) * self.dim]);
        }
        Self { unit_rows, dim: self.dim, labels: order.iter().map(|&row| self.labels[row]).collect() }
    }

    /// The row, which must exist.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.unit_rows[row * self.dim..(row + 1) * self.dim]
    }

    /// Rows of each class in rising order, classes in rising order of label.
    pub(crate) fn classes(&self) -> BTreeMap<u32, Vec<usize>> {
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, &label) in self.labels.iter().enumerate() {
            classes.entry(label).or_default().push(row);
        }
        classes
    }

    /// Returns an error if the sets have different dimensions.
    pub(crate) fn require_same_dim(&self, other: &Self) -> Result<()> {
        if self.dim != other.dim {
            return Err(Error::Dimensions { left: self.dim, right: other.dim });
        }
        Ok(())
    }

    /// Returns an error if all rows have the same label.
    pub(crate) fn require_two_classes(&self) -> Result<()> {
        let class = self.labels[0];
        if self.labels.iter().all(|&label| label == class) {
            return Err(Error::OneClass { class, rows: self.rows() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_normalised_even_at_extreme_magnitudes() {
        for magnitude in [1e-44_f32, 1e-30, 1.0, 1e30, 3e38] {
            let data = [magnitude, 0.0, magnitude, magnitude];
            let embeddings = Embeddings::new(&data, 2, 2, &[0, 1]).unwrap();
            let norm: f32 = embeddings.unit_row(1).unwrap().iter().map(|v| v * v).sum();
            assert!((norm - 1.0).abs() < 1e-6, "{magnitude}: {norm}");
            assert!((embeddings.cosine(0, 1).unwrap() - 0.5_f32.sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn invalid_matrices_are_errors() {
        let new =
            |data: &[f32], rows, dim, labels: &[u32]| Embeddings::new(data, rows, dim, labels).unwrap_err();
        assert_eq!(new(&[], 0, 2, &[]), Error::Empty { rows: 0, dim: 2 });
        assert_eq!(new(&[], 2, 0, &[0, 1]), Error::Empty { rows: 2, dim: 0 });
        assert_eq!(new(&[1.0; 5], 3, 2, &[0; 3]), Error::Shape { rows: 3, dim: 2, found: 5 });
        assert_eq!(new(&[1.0], usize::MAX, 2, &[0]), Error::TooManyRows { rows: usize::MAX });
        assert_eq!(new(&[1.0], 2, usize::MAX, &[0]), Error::Shape { rows: 2, dim: usize::MAX, found: 1 });
        assert_eq!(new(&[1.0; 6], 3, 2, &[0; 2]), Error::LabelCount { rows: 3, found: 2 });
        assert_eq!(new(&[1.0, 0.0, 0.0, -0.0], 2, 2, &[0; 2]), Error::ZeroRow { row: 1 });
        let error = new(&[1.0, 0.0, 1.0, f32::INFINITY], 2, 2, &[0; 2]);
        assert_eq!(error, Error::NonFinite { row: 1, column: 1, value: f32::INFINITY });
        let message = new(&[1.0, f32::NAN], 1, 2, &[0]).to_string();
        assert!(message.contains("row 0") && message.contains("NaN"), "{message}");
    }

    #[test]
    fn rows_past_the_end_are_none() {
        let embeddings = Embeddings::new(&[1.0, 0.0], 1, 2, &[3]).unwrap();
        assert!(embeddings.unit_row(1).is_none());
        assert!(embeddings.cosine(0, 1).is_none());
        assert_eq!(embeddings.cosine(0, 0), Some(1.0));
    }
}
