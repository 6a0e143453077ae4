//! Principal component analysis: the two orthogonal axes along which the rows vary most.
//!
//! The axes are eigenvectors of the covariance matrix, which is never formed: a small block of vectors is multiplied by it and made
//! orthonormal until its two largest Ritz values stand still (Golub and Van Loan, *Matrix Computations*, 4th edition, section 8.2.4).
//! All sums are in `f64` and in a fixed order.

use widemargin_chance::mixed;

use crate::embeddings::Embeddings;

/// Vectors iterated together. More than two, so that the third variance may be close to the second.
const BLOCK: usize = 8;
/// Most multiplications by the covariance matrix.
const STEPS: usize = 500;
/// Relative change of both variances at which the iteration ends. The error of the axes is about its square root.
const STANDSTILL: f64 = 1e-14;

/// Rows on their two principal axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// The coordinates of each row, around a mean of zero.
    pub points: Vec<[f64; 2]>,
    /// The share of the variance along each axis, in [0, 1]; zero if all rows are equal.
    pub shares: [f64; 2],
}

/// Projects the unit rows on the two axes along which they vary most. The second coordinate is zero if there is no second direction.
///
/// The sign of an axis is such that its component of largest size is positive. The result does not depend on the number of threads.
pub fn principal(embeddings: &Embeddings) -> Principal {
    let rows = centred(embeddings);
    let dim = embeddings.dim();
    let total: f64 = rows.iter().map(|row| dot(row, row)).sum();
    // Any start will do that is not orthogonal to the axes.
    let start =
        |nth: usize| (0..dim).map(move |at| mixed((nth * dim + at) as u64) as f64 / u64::MAX as f64 - 0.5);
    let mut axes: Vec<Vec<f64>> = (0..BLOCK.min(dim)).map(|nth| start(nth).collect()).collect();
    orthonormalise(&mut axes);
    let mut before = [f64::INFINITY; 2];
    for _ in 0..STEPS {
        let (variances, products) = rotate_to_ritz_vectors(&mut axes, &rows);
        let now = [variances[0], variances.get(1).copied().unwrap_or(0.0)];
        if now.iter().zip(before).all(|(now, before)| (now - before).abs() <= STANDSTILL * total) {
            break;
        }
        before = now;
        axes = products;
        orthonormalise(&mut axes);
    }
    for axis in &mut axes {
        fix_sign(axis);
    }
    let coordinate = |row: &[f64], nth: usize| axes.get(nth).map_or(0.0, |axis| dot(row, axis));
    let points: Vec<[f64; 2]> = rows.iter().map(|row| [coordinate(row, 0), coordinate(row, 1)]).collect();
    let share = |nth: usize| {
        let along: f64 = points.iter().map(|point| point[nth] * point[nth]).sum();
        if total > 0.0 { along / total } else { 0.0 }
    };
    Principal { shares: [share(0), share(1)], points }
}

/// The rows minus their mean.
fn centred(embeddings: &Embeddings) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = (0..embeddings.rows()).map(|row| embeddings.precise_row(row)).collect();
    let count = rows.len() as f64;
    let mut mean = vec![0.0; embeddings.dim()];
    for row in &rows {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / count);
    }
    for row in &mut rows {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
    }
    rows
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The product of the covariance matrix, apart from its factor, and a vector.
fn times_covariance(rows: &[Vec<f64>], axis: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; axis.len()];
    for row in rows {
        let along = dot(row, axis);
        product.iter_mut().zip(row).for_each(|(sum, value)| *sum += along * value);
    }
    product
}

/// Gram and Schmidt's method, twice for vectors that are almost dependent. A vector without a direction of its own becomes zero.
fn orthonormalise(axes: &mut [Vec<f64>]) {
    for nth in 0..axes.len() {
        let (done, rest) = axes.split_at_mut(nth);
        let axis = &mut rest[0];
        let size = dot(axis, axis).sqrt();
        for _ in 0..2 {
            for other in done.iter() {
                let along = dot(axis, other);
                axis.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
            }
        }
        let left = dot(axis, axis).sqrt();
        let factor = if left > 1e-13 * size { 1.0 / left } else { 0.0 };
        for value in axis.iter_mut() {
            *value *= factor;
        }
    }
}

/// Rotates orthonormal vectors among themselves to the directions of largest variance. Returns these variances, largest first, and the
/// products of the covariance matrix and the rotated vectors.
fn rotate_to_ritz_vectors(axes: &mut Vec<Vec<f64>>, rows: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let size = axes.len();
    let products: Vec<Vec<f64>> = axes.iter().map(|axis| times_covariance(rows, axis)).collect();
    let small = (0..size).map(|a| (0..size).map(|b| dot(&axes[a], &products[b])).collect()).collect();
    let pairs = eigenpairs(small);
    let rotated = |vectors: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let weighted = |weights: &[f64]| {
            let mut sum = vec![0.0; vectors[0].len()];
            for (vector, weight) in vectors.iter().zip(weights) {
                sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
            }
            sum
        };
        pairs.iter().map(|(_, weights)| weighted(weights)).collect()
    };
    *axes = rotated(axes);
    (pairs.iter().map(|pair| pair.0).collect(), rotated(&products))
}

/// The eigenvalues of a small symmetric matrix, largest first, each with its eigenvector: Jacobi's method of plane rotations.
fn eigenpairs(mut matrix: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let size = matrix.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..size).map(|a| (0..size).map(|b| f64::from(u8::from(a == b))).collect()).collect();
    // Convergence is quadratic: six to ten sweeps make the rest smaller than rounding.
    for _ in 0..30 {
        for p in 0..size {
            for q in p + 1..size {
                if matrix[p][q] == 0.0 {
                    continue;
                }
                // The smaller of the two angles that make the entry zero.
                let difference = matrix[q][q] - matrix[p][p];
                let angle = 0.5 * (2.0 * matrix[p][q] * difference.signum()).atan2(difference.abs());
                let (sine, cosine) = angle.sin_cos();
                for line in &mut matrix {
                    (line[p], line[q]) =
                        (cosine * line[p] - sine * line[q], sine * line[p] + cosine * line[q]);
                }
                for rows in [&mut matrix, &mut vectors] {
                    let (above, below) = rows.split_at_mut(q);
                    for (a, b) in above[p].iter_mut().zip(&mut below[0]) {
                        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                    }
                }
            }
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> =
        vectors.into_iter().enumerate().map(|(nth, vector)| (matrix[nth][nth], vector)).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs
}

fn fix_sign(axis: &mut [f64]) {
    let largest = axis.iter().copied().fold(0.0_f64, |a, b| if b.abs() > a.abs() { b } else { a });
    if largest < 0.0 {
        for value in axis.iter_mut() {
            *value = -*value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(rows: usize, dim: usize, spread: impl Fn(usize) -> f32) -> Embeddings {
        let number = |at: usize| (mixed(at as u64 + 77) >> 40) as f32 / (1 << 24) as f32 - 0.5;
        let data: Vec<f32> = (0..rows * dim)
            .map(|at| number(at) * spread(at % dim) + f32::from(u8::from(at % dim == 0)))
            .collect();
        Embeddings::new(&data, rows, dim, &vec![0; rows]).unwrap()
    }

    /// The obvious version: the covariance matrix, its dominant eigenvector by plain powers, and the same again without it.
    fn twin(embeddings: &Embeddings) -> ([Vec<f64>; 2], [f64; 2]) {
        let rows = centred(embeddings);
        let dim = embeddings.dim();
        let mut matrix = vec![vec![0.0; dim]; dim];
        for row in &rows {
            for a in 0..dim {
                for b in 0..dim {
                    matrix[a][b] += row[a] * row[b];
                }
            }
        }
        let trace: f64 = (0..dim).map(|at| matrix[at][at]).sum();
        let mut find = || {
            let mut vector: Vec<f64> = (0..dim).map(|at| 1.0 + 0.1 * at as f64).collect();
            let mut value = 0.0;
            for _ in 0..20_000 {
                vector = matrix.iter().map(|line| dot(line, &vector)).collect();
                value = dot(&vector, &vector).sqrt();
                for entry in &mut vector {
                    *entry /= value;
                }
            }
            for a in 0..dim {
                for b in 0..dim {
                    matrix[a][b] -= value * vector[a] * vector[b];
                }
            }
            fix_sign(&mut vector);
            (vector, value / trace)
        };
        let ((first, one), (second, two)) = (find(), find());
        ([first, second], [one, two])
    }

    #[test]
    fn the_axes_are_those_of_the_covariance_matrix() {
        for (rows, dim) in [(2, 2), (5, 3), (40, 63), (90, 64), (33, 65), (500, 9)] {
            let set = random(rows, dim, |column| 0.2 + 1.0 / (1.0 + column as f32));
            let (axes, shares) = twin(&set);
            let found = principal(&set);
            for nth in 0..if rows == 2 { 1 } else { 2 } {
                // 1e-9: the shares are first-order exact.
                assert!(
                    (found.shares[nth] - shares[nth]).abs() < 1e-9,
                    "{rows} x {dim}: {shares:?} {found:?}"
                );
                for (row, point) in centred(&set).iter().zip(&found.points) {
                    // 1e-6: the square root of the change at which both iterations end.
                    let expected = dot(row, &axes[nth]);
                    assert!((point[nth] - expected).abs() < 1e-6, "{rows} x {dim}: {expected} {point:?}");
                }
            }
        }
    }

    #[test]
    fn rows_without_a_second_direction_have_none() {
        let line = principal(&Embeddings::new(&[1.0, 0.0, 0.6, 0.8], 2, 2, &[0; 2]).unwrap());
        assert!((line.shares[0] - 1.0).abs() < 1e-12 && line.shares[1].abs() < 1e-12, "{line:?}");
        assert!(line.points.iter().all(|point| point[1].abs() < 1e-9), "{line:?}");
        for (data, rows, dim) in [(vec![1.0; 8], 4, 2), (vec![2.0], 1, 1), (vec![1.0, -1.0, 1.0], 3, 1)] {
            let found = principal(&Embeddings::new(&data, rows, dim, &vec![0; rows]).unwrap());
            assert_eq!(found.points.len(), rows);
            assert!(found.points.iter().flatten().chain(&found.shares).all(|value| value.is_finite()));
        }
    }

    #[test]
    fn distances_never_grow() {
        let set = random(60, 20, |_| 1.0);
        let found = principal(&set);
        for a in 0..60 {
            for b in 0..a {
                let [x, y] = std::array::from_fn(|axis| found.points[a][axis] - found.points[b][axis]);
                let whole = 2.0 - 2.0 * set.cosine(a, b).unwrap();
                assert!(x * x + y * y <= whole + 1e-6, "{a} {b}");
            }
        }
    }
}
