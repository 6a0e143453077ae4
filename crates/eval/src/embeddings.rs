//! A checked matrix of unit rows with one label per row.
//!
//! This crate compares by cosine, so the rows are normalised once, here, and every later step is a dot product. Rows are also
//! checked here: after [`Embeddings::new`] no cosine can be NaN.

use std::collections::BTreeMap;

use crate::crowding::Crowding;
use crate::error::{Error, Result};
use crate::rounding::{RoundedRow, Rounding};

/// Labelled embeddings, each row scaled to length 1.
///
/// The norm is computed in `f64`, so very large or very small values (1e±38) neither overflow nor underflow. Multiplying a row by
/// a positive factor has no effect except rounding.
///
/// Cosines above 0.999 are computed from the differences of two rows in `f64`, so that they stay apart where an `f32` would round
/// all of them to 1. If many cosines are that close ([`Embeddings::crowding`]), the set also keeps what `f32` rounds off its unit
/// rows.
///
/// Rows of small whole numbers, such as binary codes, have many pairs with equal cosines. These are computed exactly, so that equal cosines
/// are equal scores.
#[derive(Debug, Clone)]
pub struct Embeddings {
    unit_rows: Vec<f32>,
    /// What rounding to `f32` took from each value of `unit_rows`; only if cosines are crowded.
    rests: Option<Vec<f32>>,
    /// The squared length of each row as it was given, if all values are whole numbers so small that cosines follow exactly.
    squares: Option<Vec<f64>>,
    /// The number type that all values were rounded to, if it is coarser than `f32`.
    rounding: Option<Rounding>,
    dim: usize,
    labels: Vec<u32>,
    /// Where each row comes from, if rows of one camera are not compared with each other.
    cameras: Option<Vec<u32>>,
    crowding: Option<Crowding>,
}

impl Embeddings {
    /// From rows that are checked and have length 1.
    pub(crate) fn of_parts(unit_rows: Vec<f32>, dim: usize, labels: Vec<u32>) -> Self {
        Self {
            unit_rows,
            rests: None,
            squares: None,
            rounding: None,
            dim,
            labels,
            cameras: None,
            crowding: None,
        }
    }

    pub(crate) fn into_unit_rows(self) -> Vec<f32> {
        self.unit_rows
    }

    /// The same with what rounding took from the unit rows.
    pub(crate) fn with_rests(self, rests: Vec<f32>) -> Self {
        Self { rests: Some(rests), ..self }
    }

    /// The same with the squared lengths of its rows of whole numbers.
    pub(crate) fn with_squares(self, squares: Option<Vec<f64>>) -> Self {
        Self { squares, ..self }
    }

    /// The same with the number type that its values were rounded to.
    pub(crate) fn with_rounding(self, rounding: Option<Rounding>) -> Self {
        Self { rounding, ..self }
    }

    /// The number type that all values were rounded to, if it is coarser than `f32`.
    pub(crate) fn rounding(&self) -> Option<&Rounding> {
        self.rounding.as_ref()
    }

    /// A row, which must exist, with its rounding.
    pub(crate) fn rounded_row(&self, row: usize) -> RoundedRow<'_> {
        RoundedRow { unit: self.row(row), rounding: self.rounding.as_ref().map(|of| of.row(row)) }
    }

    /// The squared length of a row, which must exist, of small whole numbers.
    pub(crate) fn square(&self, row: usize) -> Option<f64> {
        self.squares.as_ref().map(|squares| squares[row])
    }

    /// The same with the crowding that was measured.
    pub(crate) fn with_crowding(self, crowding: Option<Crowding>) -> Self {
        Self { crowding, ..self }
    }

    /// Whether many cosines of the set are so close to 1 that `f32` could not separate them; `None` for ordinary sets.
    pub fn crowding(&self) -> Option<Crowding> {
        self.crowding
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

    /// The same embeddings ordered by label, and within a class by camera; otherwise rows keep their order.
    pub(crate) fn sorted_by_label(&self) -> Self {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_by_key(|&row| (self.labels[row], self.cameras.as_ref().map(|cameras| cameras[row])));
        self.reordered(&order)
    }

    /// The same embeddings, of which only rows of different cameras are compared: `cameras` has one number per row. A camera is whatever made the
    /// sample and is easy to recognise, such as a photographer, a shop or an artist.
    ///
    /// Rows of the query's camera are neither hits nor misses, whatever their class, and pairs of one camera are neither genuine nor impostor pairs. This
    /// holds wherever the rows of one set are compared with each other: in [verification](crate::verification), [retrieval](crate::retrieval) and
    /// [extremes](crate::extremes). Clustering and geometry use all rows. To leave out only pairs of one camera *and* class, as in
    /// re-identification, use [`Gallery::with_cameras`](crate::retrieval::Gallery::with_cameras).
    ///
    /// # Errors
    /// [`Error::Length`] unless there is one camera per row.
    pub fn across_cameras(self, cameras: Vec<u32>) -> Result<Self> {
        let (expected, found) = (self.rows(), cameras.len());
        if found != expected {
            return Err(Error::Length { what: "cameras", expected, found });
        }
        Ok(Self { cameras: Some(cameras), ..self })
    }

    /// The camera of each row, if only rows of different cameras are compared.
    pub fn cameras(&self) -> Option<&[u32]> {
        self.cameras.as_deref()
    }

    /// Whether two rows, which must exist and differ, are compared: they are of different cameras.
    pub(crate) fn compares(&self, a: usize, b: usize) -> bool {
        self.cameras.as_ref().is_none_or(|cameras| cameras[a] != cameras[b])
    }

    /// The given rows, in this order.
    ///
    /// # Errors
    /// [`Error::Empty`] if no rows are given, [`Error::RowOutOfRange`] for one that does not exist.
    pub fn of_rows(&self, rows: &[usize]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::Empty { rows: 0, dim: self.dim });
        }
        if let Some(position) = rows.iter().position(|&row| row >= self.rows()) {
            let row = rows[position];
            return Err(Error::RowOutOfRange { what: "selected row", position, row, rows: self.rows() });
        }
        Ok(self.reordered(rows))
    }

    /// The given rows, which must exist.
    pub(crate) fn reordered(&self, order: &[usize]) -> Self {
        let gather = |values: &Vec<f32>| {
            let mut gathered = Vec::with_capacity(order.len() * self.dim);
            for &row in order {
                gathered.extend_from_slice(&values[row * self.dim..(row + 1) * self.dim]);
            }
            gathered
        };
        Self {
            unit_rows: gather(&self.unit_rows),
            rests: self.rests.as_ref().map(gather),
            squares: self.squares.as_ref().map(|all| order.iter().map(|&row| all[row]).collect()),
            rounding: self.rounding.as_ref().map(|of| of.reordered(order)),
            dim: self.dim,
            labels: order.iter().map(|&row| self.labels[row]).collect(),
            cameras: self.cameras.as_ref().map(|all| order.iter().map(|&row| all[row]).collect()),
            crowding: self.crowding,
        }
    }

    /// What `f32` rounded off a row, which must exist; only if cosines are crowded.
    pub(crate) fn rest(&self, row: usize) -> Option<&[f32]> {
        self.rests.as_ref().map(|rests| &rests[row * self.dim..(row + 1) * self.dim])
    }

    /// A row, which must exist, in `f64`.
    pub(crate) fn precise_row(&self, row: usize) -> Vec<f64> {
        let unit = self.row(row).iter().copied().map(f64::from);
        match self.rest(row) {
            Some(rest) => unit.zip(rest).map(|(value, &rest)| value + f64::from(rest)).collect(),
            None => unit.collect(),
        }
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
            assert!((embeddings.cosine(0, 1).unwrap() - 0.5_f64.sqrt()).abs() < 1e-6);
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
    fn rows_can_be_selected() {
        let set = Embeddings::new(&[1.0, 0.0, 0.0, 1.0], 2, 2, &[3, 4]).unwrap();
        let found = set.of_rows(&[1, 1]).unwrap();
        assert_eq!((found.unit_rows(), found.labels()), (&[0.0, 1.0, 0.0, 1.0][..], &[4, 4][..]));
        assert_eq!(set.of_rows(&[]).unwrap_err(), Error::Empty { rows: 0, dim: 2 });
        assert!(matches!(set.of_rows(&[0, 2]), Err(Error::RowOutOfRange { position: 1, row: 2, .. })));
    }

    #[test]
    fn rows_past_the_end_are_none() {
        let embeddings = Embeddings::new(&[1.0, 0.0], 1, 2, &[3]).unwrap();
        assert!(embeddings.unit_row(1).is_none());
        assert!(embeddings.cosine(0, 1).is_none());
        assert_eq!(embeddings.cosine(0, 0), Some(1.0));
    }
}
