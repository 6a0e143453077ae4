//! Singular values of a matrix of embeddings, from the smaller of its two Gram matrices.
//!
//! The Gram matrix is summed in `f64` and reduced to tridiagonal form by Householder reflections. Its eigenvalues are found by
//! bisection with Sturm counts (Golub and Van Loan, *Matrix Computations*, 4th edition, sections 8.3.1 and 8.4.1). This is slower
//! than the best methods, but always converges. Singular values are the square roots of the eigenvalues. Those below 1e-8 of the
//! largest are lost in rounding, which does not change the entropy noticeably.

use rayon::prelude::*;

use crate::embeddings::Embeddings;

/// Parts of a sum; fixed, so that the result does not depend on threads.
const PARTS: usize = 16;

/// The effective rank of the unit rows; see [`geometry`](super). Between 1 and the smaller of rows and dimension.
///
/// Time is proportional to `rows * dim^2 + dim^3` (with `rows` and `dim` exchanged if there are fewer rows). Memory is 16 square
/// matrices of the smaller of the two sizes.
pub fn effective_rank(embeddings: &Embeddings) -> f64 {
    let singular: Vec<f64> =
        eigenvalues(gram(embeddings)).into_iter().map(|value| value.max(0.0).sqrt()).collect();
    let total: f64 = singular.iter().sum();
    let shares = singular.iter().map(|value| value / total).filter(|&share| share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

/// A full symmetric matrix, row-major.
struct Symmetric {
    size: usize,
    data: Vec<f64>,
}

fn gram(embeddings: &Embeddings) -> Symmetric {
    let (rows, dim) = (embeddings.rows(), embeddings.dim());
    if rows < dim {
        let dot = |a: usize, b: usize| -> f64 {
            embeddings.row(a).iter().zip(embeddings.row(b)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
        };
        let data: Vec<Vec<f64>> =
            (0..rows).into_par_iter().map(|a| (0..rows).map(|b| dot(a.min(b), a.max(b))).collect()).collect();
        return Symmetric { size: rows, data: data.concat() };
    }
    let parts: Vec<Vec<f64>> = embeddings
        .unit_rows()
        .par_chunks(rows.div_ceil(PARTS) * dim)
        .map(|part| {
            let mut sums = vec![0.0_f64; dim * dim];
            for row in part.chunks_exact(dim) {
                for (a, line) in sums.chunks_exact_mut(dim).enumerate() {
                    let factor = f64::from(row[a]);
                    line.iter_mut().zip(row).for_each(|(sum, &value)| *sum += factor * f64::from(value));
                }
            }
            sums
        })
        .collect();
    let mut data = vec![0.0; dim * dim];
    for part in parts {
        data.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    Symmetric { size: dim, data }
}

/// All eigenvalues, rising.
fn eigenvalues(matrix: Symmetric) -> Vec<f64> {
    let (diagonal, off) = tridiagonal(matrix);
    let size = diagonal.len();
    // All eigenvalues lie in Gershgorin's circles.
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for at in 0..size {
        let reach = off.get(at).map_or(0.0, |v| v.abs()) + if at > 0 { off[at - 1].abs() } else { 0.0 };
        low = low.min(diagonal[at] - reach);
        high = high.max(diagonal[at] + reach);
    }
    (0..size)
        .into_par_iter()
        .map(|nth| {
            let (mut low, mut high) = (low, high);
            while high - low > 4.0 * f64::EPSILON * (low.abs().max(high.abs())) {
                let middle = f64::midpoint(low, high);
                if middle <= low || middle >= high {
                    break;
                }
                if below(&diagonal, &off, middle) > nth { high = middle } else { low = middle }
            }
            f64::midpoint(low, high)
        })
        .collect()
}

/// The number of eigenvalues less than `x`: the number of negative pivots in the elimination of `T - x`.
fn below(diagonal: &[f64], off: &[f64], x: f64) -> usize {
    let mut count = 0;
    let mut pivot = 1.0_f64;
    for (at, &value) in diagonal.iter().enumerate() {
        let coupling = if at > 0 { off[at - 1] * off[at - 1] / pivot } else { 0.0 };
        pivot = value - x - coupling;
        if pivot == 0.0 {
            pivot = f64::MIN_POSITIVE.sqrt();
        }
        count += usize::from(pivot < 0.0);
    }
    count
}

/// The diagonal and the off-diagonal of a similar tridiagonal matrix.
fn tridiagonal(matrix: Symmetric) -> (Vec<f64>, Vec<f64>) {
    let Symmetric { size, data: mut a } = matrix;
    let mut off = Vec::with_capacity(size.saturating_sub(1));
    for k in 0..size.saturating_sub(1) {
        let column: Vec<f64> = (k + 1..size).map(|row| a[row * size + k]).collect();
        let norm = column.iter().map(|v| v * v).sum::<f64>().sqrt();
        let first = if column[0] > 0.0 { -norm } else { norm };
        off.push(first);
        let mut v = column;
        v[0] -= first;
        let square: f64 = v.iter().map(|v| v * v).sum();
        if square == 0.0 {
            continue;
        }
        // The remaining matrix becomes H A H with H = I - 2 v v^T / v^T v, that is A - v w^T - w v^T.
        let product: Vec<f64> = (k + 1..size)
            .into_par_iter()
            .map(|row| {
                a[row * size + k + 1..(row + 1) * size].iter().zip(&v).map(|(x, y)| x * y).sum::<f64>() * 2.0
                    / square
            })
            .collect();
        let half = product.iter().zip(&v).map(|(x, y)| x * y).sum::<f64>() / square;
        let w: Vec<f64> = product.iter().zip(&v).map(|(p, v)| p - half * v).collect();
        a[(k + 1) * size..].par_chunks_exact_mut(size).zip(v.par_iter().zip(&w)).for_each(
            |(line, (&v_row, &w_row))| {
                for ((value, v), w) in line[k + 1..].iter_mut().zip(&v).zip(&w) {
                    *value -= v_row * w + w_row * v;
                }
            },
        );
    }
    ((0..size).map(|at| a[at * size + at]).collect(), off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_known_matrices() {
        let check = |size: usize, data: Vec<f64>, expected: &[f64]| {
            let found = eigenvalues(Symmetric { size, data });
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{found:?} {expected:?}");
            }
        };
        check(1, vec![3.0], &[3.0]);
        check(2, vec![2.0, 1.0, 1.0, 2.0], &[1.0, 3.0]);
        check(3, vec![2.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 2.0], &[-1.0, 2.0, 2.0]);
        // All ones: one eigenvalue of 6 and five of 0.
        check(6, vec![1.0; 36], &[0.0, 0.0, 0.0, 0.0, 0.0, 6.0]);
        // The second difference matrix has eigenvalues 2 - 2 cos(pi k / (n + 1)), here under a full reflection.
        let n = 9;
        let v: Vec<f64> = (0..n).map(|at| (at as f64 + 1.0).sin()).collect();
        let square: f64 = v.iter().map(|v| v * v).sum();
        let reflection = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square;
        let difference = |i: usize, j: usize| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let entry = |i: usize, j: usize| -> f64 {
            (0..n)
                .map(|p| (0..n).map(|q| reflection(i, p) * difference(p, q) * reflection(q, j)).sum::<f64>())
                .sum()
        };
        let data = (0..n * n).map(|at| entry(at / n, at % n)).collect();
        let expected: Vec<f64> =
            (1..=n).map(|k| 2.0 - 2.0 * (std::f64::consts::PI * k as f64 / 10.0).cos()).collect();
        check(n, data, &expected);
    }

    #[test]
    fn effective_rank_counts_the_directions_used() {
        let rank = |data: &[f32], rows: usize| {
            effective_rank(&Embeddings::new(data, rows, data.len() / rows, &vec![0; rows]).unwrap())
        };
        assert!((rank(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3) - 3.0).abs() < 1e-7);
        assert!((rank(&[1.0, 2.0, 2.0, 4.0, -3.0, -6.0], 3) - 1.0).abs() < 1e-6);
        // Fewer rows than columns.
        assert!((rank(&[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], 2) - 2.0).abs() < 1e-7);
    }
}
