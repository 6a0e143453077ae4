//! How much of the differences between rows is lost when values of 64 bits become `f32`.
//!
//! Values that share a large mean lose most: at 1e8 an `f32` has steps of 8. What counts is the loss compared with the spread of the
//! rows, over all columns together: a column that hardly varies does not matter next to columns that do.

use super::error::Problem;

/// The largest share of the standard deviation that rounding may take.
const MOST: f64 = 0.01;

/// Sums over rows, per column.
pub(super) struct Rounding {
    rows: usize,
    /// The first row, which the values are compared with, so that sums of squares keep their digits.
    first: Vec<f64>,
    sums: Vec<f64>,
    squares: Vec<f64>,
    rests: Vec<f64>,
}

impl Rounding {
    pub(super) fn new(dim: usize) -> Self {
        let zeros = || vec![0.0; dim];
        Self { rows: 0, first: zeros(), sums: zeros(), squares: zeros(), rests: zeros() }
    }

    /// Adds a row: each value as `f32`, and what that rounded off.
    pub(super) fn add(&mut self, row: impl Iterator<Item = (f32, f32)>) {
        for (at, (value, rest)) in row.enumerate() {
            let (value, rest) = (f64::from(value) + f64::from(rest), f64::from(rest));
            if self.rows == 0 {
                self.first[at] = value;
            }
            let difference = value - self.first[at];
            self.sums[at] += difference;
            self.squares[at] += difference * difference;
            self.rests[at] += rest * rest;
        }
        self.rows += 1;
    }

    /// Rejects values whose differences are lost. Rows that are not finite are rejected elsewhere.
    pub(super) fn require_little(&self) -> Result<(), Problem> {
        let rows = self.rows.max(1) as f64;
        let variance = |at: usize| (self.squares[at] / rows - (self.sums[at] / rows).powi(2)).max(0.0);
        let total: f64 = (0..self.first.len()).map(variance).sum();
        let lost = self.rests.iter().sum::<f64>() / rows;
        if lost.is_nan() || total <= 0.0 || lost <= MOST * MOST * total {
            return Ok(());
        }
        let most = |a: &usize, b: &usize| self.rests[*a].total_cmp(&self.rests[*b]);
        let column = (0..self.first.len()).max_by(most).unwrap_or(0);
        Err(Problem::Rounded {
            column,
            mean: self.first[column] + self.sums[column] / rows,
            deviation: variance(column).sqrt(),
            lost: (100.0 * (lost / total).sqrt()).min(100.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::split;
    use super::*;

    fn of(rows: &[[f64; 2]]) -> Result<(), Problem> {
        let mut rounding = Rounding::new(2);
        for row in rows {
            rounding.add(row.iter().map(|value| split(*value)));
        }
        rounding.require_little()
    }

    #[test]
    fn a_loss_is_compared_with_the_spread_of_all_columns() {
        let wave = |at: u32| (f64::from(at) * 0.7).sin();
        let rows = |offset: f64, other: f64| -> Vec<[f64; 2]> {
            (0..50).map(|at| [offset + wave(at), other * wave(at + 9)]).collect()
        };
        for (offset, other) in [(0.0, 1.0), (1e5, 1.0), (1e8, 1e4)] {
            assert_eq!(of(&rows(offset, other)), Ok(()), "{offset} {other}");
        }
        let said = of(&rows(1e8, 1.0)).unwrap_err().to_string();
        assert!(said.contains("column 0") && said.contains("subtract the mean"), "{said}");
        assert!(of(&rows(1e7, 1.0)).is_err());
        // One row, and equal rows, have no differences to lose.
        assert_eq!((of(&[[0.1, 1e9 + 0.1]]), of(&[[0.1, 1e9 + 0.1]; 3])), (Ok(()), Ok(())));
    }
}
