//! Rows prepared for the distances: normalised, and for the signal-to-noise ratio without their mean.
//!
//! Every pair objective of pytorch-metric-learning normalises embeddings before it compares them. [`Units`] does so once,
//! stores the lengths, and turns a gradient of the normalised rows into that of the given rows.

use rayon::prelude::*;

use widemargin_kernels::matrix::MatRef;

use crate::real::Real;
use crate::unit::{dot, normalise, project};

/// A matrix with normalised rows; rows shorter than [`NORM_FLOOR`](crate::NORM_FLOOR) stay near zero.
#[derive(Clone, Debug)]
pub(crate) struct Units<T> {
    /// The unit vectors.
    pub(crate) data: Vec<T>,
    /// The unit vectors minus their mean, if the measure requires it.
    pub(crate) centred: Option<Vec<T>>,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Length of each given row; 0 if it was below the floor.
    pub(crate) lengths: Vec<f64>,
    /// Squared length of each compared row; 1 up to rounding unless centred.
    pub(crate) squares: Vec<f64>,
}

impl<T: Real> Units<T> {
    pub(crate) fn new(matrix: MatRef<'_, T>, centre: bool) -> Self {
        let (rows, cols) = (matrix.rows(), matrix.cols());
        let mut data = matrix.data().to_vec();
        let lengths = if cols == 0 {
            vec![0.0; rows]
        } else {
            data.par_chunks_mut(cols).map(|row| normalise(row)).collect()
        };
        let centred = centre.then(|| {
            let mut centred = data.clone();
            centred.chunks_mut(cols.max(1)).for_each(remove_mean);
            centred
        });
        let compared = centred.as_ref().unwrap_or(&data);
        let squares = (0..rows).map(|at| row_of(compared, at, cols)).map(|row| dot(row, row)).collect();
        Self { data, centred, rows, cols, lengths, squares }
    }

    /// The rows that are multiplied.
    pub(crate) fn compared(&self) -> &Vec<T> {
        self.centred.as_ref().unwrap_or(&self.data)
    }

    /// One compared row.
    pub(crate) fn row(&self, at: usize) -> &[T] {
        row_of(self.compared(), at, self.cols)
    }

    /// Turns the gradient of the compared rows, times `scale`, into that of the given rows.
    pub(crate) fn finish(&self, mut gradient: Vec<T>, scale: f64) -> Vec<T> {
        if self.cols == 0 {
            return gradient;
        }
        gradient.par_chunks_mut(self.cols).enumerate().for_each(|(at, row)| {
            let mut wide: Vec<f64> = row.iter().map(|&value| value.into() * scale).collect();
            if self.centred.is_some() {
                remove_mean(&mut wide);
            }
            let unit: Vec<f64> =
                row_of(&self.data, at, self.cols).iter().map(|&value| value.into()).collect();
            project(&mut wide, &unit, self.lengths[at]);
            for (value, &wide) in row.iter_mut().zip(&wide) {
                *value = T::from_f64(wide);
            }
        });
        gradient
    }
}

fn row_of<T>(data: &[T], at: usize, cols: usize) -> &[T] {
    &data[at * cols..(at + 1) * cols]
}

fn remove_mean<T: Real>(row: &mut [T]) {
    let mean = row.iter().map(|&value| value.into()).sum::<f64>() / row.len().max(1) as f64;
    for value in row {
        *value = T::from_f64((*value).into() - mean);
    }
}
