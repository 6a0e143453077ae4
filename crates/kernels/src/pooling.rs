//! Maximum pooling over squares that do not overlap.

use rayon::prelude::*;

/// Planes (batch times channels) of `height` rows and `width` columns, pooled in squares of `size`.
///
/// Rows and columns that do not fill a square at the lower and right edge are left out, as PyTorch's `MaxPool2d(size)` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Batch times channels.
    pub planes: usize,
    /// Rows of a plane.
    pub height: usize,
    /// Columns of a plane.
    pub width: usize,
    /// Rows and columns of a square, 1 to 15.
    pub size: usize,
}

impl PoolShape {
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        self.height / self.size
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        self.width / self.size
    }

    fn input_plane(&self) -> usize {
        self.height * self.width
    }

    fn output_plane(&self) -> usize {
        self.out_height() * self.out_width()
    }
}

/// The largest value of each square, and which it was (`row * size + column` within the square, the first of equals).
///
/// A square with a NaN gives that NaN, so that a fault upstream is not hidden.
///
/// # Panics
/// If `input` has another length than `shape` says or the size is outside 1 to 15.
pub fn maximum(shape: PoolShape, input: &[f32]) -> (Vec<f32>, Vec<u8>) {
    assert!((1..=15).contains(&shape.size), "a pooling square has 1 to 15 rows: {shape:?}");
    assert_eq!(input.len(), shape.planes * shape.input_plane(), "input of a pooling {shape:?}");
    let mut values = vec![0.0; shape.planes * shape.output_plane()];
    let mut chosen = vec![0u8; values.len()];
    if values.is_empty() {
        return (values, chosen);
    }
    let (size, width) = (shape.size, shape.width);
    values
        .par_chunks_mut(shape.output_plane())
        .zip(chosen.par_chunks_mut(shape.output_plane()))
        .zip(input.par_chunks(shape.input_plane()))
        .for_each(|((values, chosen), input)| {
            let rows =
                values.chunks_exact_mut(shape.out_width()).zip(chosen.chunks_exact_mut(shape.out_width()));
            for (row, (values, chosen)) in rows.enumerate() {
                let input = &input[row * size * width..][..size * width];
                if size == 2 {
                    let (upper, lower) = input.split_at(width);
                    let squares = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                    for ((value, chosen), (upper, lower)) in values.iter_mut().zip(chosen).zip(squares) {
                        (*value, *chosen) = largest([upper[0], upper[1], lower[0], lower[1]].into_iter());
                    }
                } else {
                    for (column, (value, chosen)) in values.iter_mut().zip(chosen).enumerate() {
                        let square =
                            (0..size * size).map(|at| input[at / size * width + column * size + at % size]);
                        (*value, *chosen) = largest(square);
                    }
                }
            }
        });
    (values, chosen)
}

#[inline(always)]
fn largest(square: impl Iterator<Item = f32>) -> (f32, u8) {
    let mut best = (f32::NEG_INFINITY, 0u8);
    for (at, value) in square.enumerate() {
        if value > best.0 || value.is_nan() {
            best = (value, at as u8);
        }
    }
    best
}

/// The gradient of [`maximum`]: each output gradient goes to the value that was chosen, the others get zero.
///
/// # Panics
/// If a slice has another length than `shape` says.
pub fn maximum_gradient(shape: PoolShape, output_gradient: &[f32], chosen: &[u8]) -> Vec<f32> {
    assert_eq!(
        output_gradient.len(),
        shape.planes * shape.output_plane(),
        "output gradient of a pooling {shape:?}"
    );
    assert_eq!(chosen.len(), output_gradient.len(), "choices of a pooling {shape:?}");
    let mut gradient = vec![0.0; shape.planes * shape.input_plane()];
    if output_gradient.is_empty() {
        return gradient;
    }
    let (size, width) = (shape.size, shape.width);
    gradient
        .par_chunks_mut(shape.input_plane())
        .zip(output_gradient.par_chunks(shape.output_plane()))
        .zip(chosen.par_chunks(shape.output_plane()))
        .for_each(|((gradient, output), chosen)| {
            for (at, (output, chosen)) in output.iter().zip(chosen).enumerate() {
                let (row, column) = (at / shape.out_width(), at % shape.out_width());
                let chosen = usize::from(*chosen);
                gradient[(row * size + chosen / size) * width + column * size + chosen % size] = *output;
            }
        });
    gradient
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: PoolShape) {
        let input: Vec<f32> =
            (0..shape.planes * shape.input_plane()).map(|i| ((i * 7919) % 101) as f32 - 50.0).collect();
        let (values, chosen) = maximum(shape, &input);
        let gradient = maximum_gradient(shape, &values, &chosen);
        let mut covered = 0;
        for plane in 0..shape.planes {
            for row in 0..shape.out_height() {
                for column in 0..shape.out_width() {
                    let at = |i: usize| {
                        let (r, c) =
                            (row * shape.size + i / shape.size, column * shape.size + i % shape.size);
                        (plane * shape.height + r) * shape.width + c
                    };
                    let squares = (0..shape.size * shape.size).map(|i| input[at(i)]);
                    let wanted = squares.fold(f32::MIN, f32::max);
                    let out = (plane * shape.out_height() + row) * shape.out_width() + column;
                    assert_eq!(values[out], wanted, "{shape:?}");
                    assert_eq!(gradient[at(usize::from(chosen[out]))], wanted);
                    covered += usize::from(wanted != 0.0);
                }
            }
        }
        assert_eq!(gradient.iter().filter(|v| **v != 0.0).count(), covered, "nothing else has a gradient");
    }

    #[test]
    fn every_square_gives_its_largest() {
        for (height, width, size) in [(4, 4, 2), (5, 7, 2), (1, 1, 1), (9, 6, 3), (3, 3, 4), (14, 14, 2)] {
            check(PoolShape { planes: 3, height, width, size });
        }
    }

    #[test]
    fn nan_is_not_hidden() {
        let shape = PoolShape { planes: 1, height: 2, width: 2, size: 2 };
        assert!(maximum(shape, &[1.0, f32::NAN, 0.0, -1.0]).0[0].is_nan());
        assert_eq!(maximum(shape, &[f32::NEG_INFINITY; 4]).0[0], f32::NEG_INFINITY);
    }
}
