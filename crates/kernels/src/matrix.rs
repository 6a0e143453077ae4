//! Matrix products on row-major slices: a safe wrapper around the `gemm` crate.
//!
//! A head needs three products: scores `features x centres^T` ([`matmul_transposed_b`]), the gradient of the features
//! `g x centres` ([`matmul`]) and the gradient of the centres `g^T x features` ([`matmul_transposed_a`]). Each takes two
//! [`MatRef`] views and an output slice, checks every size, and then calls the unchecked kernel. Transposition is free: it
//! is a choice of strides.
//!
//! `gemm` chooses the instruction set itself at run time. It splits work among threads by rows and columns of the result,
//! never along the inner dimension. So the result is bitwise the same for [`Threads::Serial`] and for [`Threads::Rayon`]
//! with any pool, which a test checks. It may differ between processors.

use std::ops::Range;

use crate::Error;

/// A borrowed matrix in row-major order: `data[row * cols + col]`.
///
/// [`MatRef::new`] checks the length once, and everything after it relies on that. Matrices without rows or columns are
/// allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatRef<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    cols: usize,
}

impl<'a, T> MatRef<'a, T> {
    /// A view of `data` as `rows` rows of `cols` values each.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data.len() != rows * cols`.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Result<Self, Error> {
        if rows.checked_mul(cols) == Some(data.len()) {
            Ok(Self { data, rows, cols })
        } else {
            Err(Error::Shape { found: data.len(), rows, cols })
        }
    }

    /// All values, row by row.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The values of one row.
    ///
    /// # Panics
    /// If `row >= self.rows()`.
    pub fn row(&self, row: usize) -> &'a [T] {
        assert!(row < self.rows, "row {row} of a matrix of {} rows", self.rows);
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// A range of consecutive rows, as a matrix.
    ///
    /// # Panics
    /// If the range is not within the rows.
    #[must_use]
    pub fn slice_rows(&self, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.rows,
            "rows {range:?} of a matrix of {} rows",
            self.rows
        );
        Self {
            data: &self.data[range.start * self.cols..range.end * self.cols],
            rows: range.len(),
            cols: self.cols,
        }
    }
}

/// How a product is written to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Overwrite the output. Old values, including NaN, are not read.
    Replace,
    /// Add the product to the output.
    Add,
}

/// The threads that compute a product. The result is the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread only; for use inside parallel work.
    Serial,
    /// The current rayon pool. Small products stay on the calling thread.
    Rayon,
}

/// `out = a x b`, or `out += a x b`.
///
/// Shapes: `a` is `[m, k]`, `b` is `[k, n]`, `out` is `[m, n]` row-major. With `k = 0` the product is all zeros.
///
/// # Panics
/// If `a` does not have as many columns as `b` has rows, or `out.len() != m * n`.
pub fn matmul(out: &mut [f32], a: MatRef<'_>, b: MatRef<'_>, write: Write, threads: Threads) {
    assert_eq!(
        a.cols, b.rows,
        "matmul: a is [{}, {}], b is [{}, {}]; the columns of a must be the rows of b",
        a.rows, a.cols, b.rows, b.cols
    );
    let shape = [a.rows, b.cols, a.cols];
    product(out, shape, [a.cols, 1], a.data, [b.cols, 1], b.data, write, threads);
}

/// `out = a x b^T`, or `out += a x b^T`: all dot products of a row of `a` with a row of `b`.
///
/// Shapes: `a` is `[m, k]`, `b` is `[n, k]`, `out` is `[m, n]` row-major. With `k = 0` the product is all zeros.
///
/// # Panics
/// If `a` and `b` do not have the same number of columns, or `out.len() != m * n`.
pub fn matmul_transposed_b(out: &mut [f32], a: MatRef<'_>, b: MatRef<'_>, write: Write, threads: Threads) {
    assert_eq!(
        a.cols, b.cols,
        "matmul_transposed_b: a is [{}, {}], b is [{}, {}]; both must have the same columns",
        a.rows, a.cols, b.rows, b.cols
    );
    let shape = [a.rows, b.rows, a.cols];
    product(out, shape, [a.cols, 1], a.data, [1, b.cols], b.data, write, threads);
}

/// `out = a^T x b`, or `out += a^T x b`: the sum over rows of outer products of a row of `a` with a row of `b`.
///
/// Shapes: `a` is `[k, m]`, `b` is `[k, n]`, `out` is `[m, n]` row-major. With `k = 0` the product is all zeros.
///
/// # Panics
/// If `a` and `b` do not have the same number of rows, or `out.len() != m * n`.
pub fn matmul_transposed_a(out: &mut [f32], a: MatRef<'_>, b: MatRef<'_>, write: Write, threads: Threads) {
    assert_eq!(
        a.rows, b.rows,
        "matmul_transposed_a: a is [{}, {}], b is [{}, {}]; both must have the same rows",
        a.rows, a.cols, b.rows, b.cols
    );
    let shape = [a.cols, b.cols, a.rows];
    product(out, shape, [1, a.cols], a.data, [b.cols, 1], b.data, write, threads);
}

/// The one call into `gemm`: `out[i * n + j] (+)= sum_p a[i * a_step[0] + p * a_step[1]] * b[p * b_step[0] + j * b_step[1]]`.
#[expect(clippy::too_many_arguments, reason = "private; the three public functions name each argument")]
fn product(
    out: &mut [f32],
    [m, n, k]: [usize; 3],
    a_step: [usize; 2],
    a: &[f32],
    b_step: [usize; 2],
    b: &[f32],
    write: Write,
    threads: Threads,
) {
    assert_eq!(
        Some(out.len()),
        m.checked_mul(n),
        "out has {} values, but the product is [{m}, {n}]",
        out.len()
    );
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if write == Write::Replace {
            out.fill(0.0);
        }
        return;
    }
    debug_assert!((m - 1) * a_step[0] + (k - 1) * a_step[1] < a.len());
    debug_assert!((k - 1) * b_step[0] + (n - 1) * b_step[1] < b.len());
    let stride =
        |step: usize| isize::try_from(step).expect("a slice's length fits isize, and a stride is shorter");
    let parallelism = match threads {
        Threads::Serial => gemm::Parallelism::None,
        Threads::Rayon => gemm::Parallelism::Rayon(0),
    };
    // SAFETY: m, n and k are at least 1. `MatRef::new` has checked data.len() == rows * cols, and the public functions
    // pass the shapes and strides of those views, so the furthest element read of either operand is its last (asserted
    // above in debug builds). The furthest element written is out[m * n - 1], inside `out` by the assertion on its
    // length. `out` is borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride(n),
            write == Write::Add,
            a.as_ptr(),
            stride(a_step[1]),
            stride(a_step[0]),
            b.as_ptr(),
            stride(b_step[1]),
            stride(b_step[0]),
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SIZES: [usize; 6] = [0, 1, 3, 63, 64, 65];

    /// Rounding error of a sum of `k` products in f32, in any order, relative to the sum of their magnitudes.
    fn tolerance(k: usize) -> f64 {
        (k as f64 + 2.0) * f64::from(f32::EPSILON)
    }

    pub(crate) fn values(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    pub(crate) fn transposed(matrix: &[f32], rows: usize, cols: usize) -> Vec<f32> {
        (0..cols * rows).map(|at| matrix[(at % rows) * cols + at / rows]).collect()
    }

    /// The plain f64 twin of all three products: (value, sum of magnitudes) of each entry of `[m, k] x [k, n]`.
    fn plain(a: &[f32], b: &[f32], m: usize, k: usize, n: usize) -> Vec<(f64, f64)> {
        let mut out = Vec::with_capacity(m * n);
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j]));
                out.push(terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs())));
            }
        }
        out
    }

    fn check(out: &[f32], start: f64, expected: &[(f64, f64)], k: usize, what: &str) {
        for (at, (&found, &(value, size))) in out.iter().zip(expected).enumerate() {
            let error = (f64::from(found) - (start + value)).abs();
            assert!(
                error <= tolerance(k) * (size + start.abs()),
                "{what} entry {at}: {found} against {value}"
            );
        }
    }

    #[test]
    fn equals_the_plain_twin_at_odd_sizes() {
        for m in SIZES {
            for k in SIZES {
                for n in SIZES {
                    let (a, b) = (values(m * k, 1), values(k * n, 2));
                    let (a_t, b_t) = (transposed(&a, m, k), transposed(&b, k, n));
                    let view = |data, rows, cols| MatRef::new(data, rows, cols).expect("sizes of the test");
                    let expected = plain(&a, &b, m, k, n);
                    for (write, before, start) in [(Write::Replace, f32::NAN, 0.0), (Write::Add, 0.5, 0.5)] {
                        for threads in [Threads::Serial, Threads::Rayon] {
                            let mut out = vec![before; m * n];
                            matmul(&mut out, view(&a, m, k), view(&b, k, n), write, threads);
                            check(&out, start, &expected, k, &format!("matmul {m} {k} {n}"));
                            let mut out = vec![before; m * n];
                            matmul_transposed_b(&mut out, view(&a, m, k), view(&b_t, n, k), write, threads);
                            check(&out, start, &expected, k, &format!("transposed b {m} {k} {n}"));
                            let mut out = vec![before; m * n];
                            matmul_transposed_a(&mut out, view(&a_t, k, m), view(&b, k, n), write, threads);
                            check(&out, start, &expected, k, &format!("transposed a {m} {k} {n}"));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let (m, k, n) = (257, 300, 517);
        let (a, b) = (values(m * k, 3), values(n * k, 4));
        let run = |threads| {
            let mut out = vec![0.0; m * n];
            let a = MatRef::new(&a, m, k).expect("sizes of the test");
            let b = MatRef::new(&b, n, k).expect("sizes of the test");
            matmul_transposed_b(&mut out, a, b, Write::Replace, threads);
            out.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let serial = run(Threads::Serial);
        for count in [1, 2, 3, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("a small pool");
            assert_eq!(serial, pool.install(|| run(Threads::Rayon)), "{count} threads");
        }
    }

    #[test]
    fn a_view_checks_its_length() {
        let data = [0.0_f32; 6];
        let error = MatRef::new(&data, 2, 4).expect_err("8 values needed");
        assert_eq!(error, Error::Shape { found: 6, rows: 2, cols: 4 });
        assert_eq!(error.to_string(), "6 values for a matrix of 2 rows and 4 columns; give 8");
        assert!(MatRef::new(&data, usize::MAX, 2).is_err(), "a product that overflows is no match");
        let view = MatRef::new(&data, 2, 3).expect("6 values");
        assert_eq!((view.rows(), view.cols(), view.row(1).len()), (2, 3, 3));
        assert_eq!(view.slice_rows(1..2).data().len(), 3);
        assert_eq!(view.slice_rows(2..2).rows(), 0);
    }

    #[test]
    #[should_panic(expected = "the columns of a must be the rows of b")]
    fn mismatched_operands_are_rejected() {
        let (a, b) = ([0.0; 6], [0.0; 6]);
        let view = |data| MatRef::new(data, 2, 3).expect("6 values");
        matmul(&mut [0.0; 4], view(&a), view(&b), Write::Replace, Threads::Serial);
    }

    #[test]
    #[should_panic(expected = "out has 5 values, but the product is [2, 2]")]
    fn an_output_of_another_size_is_rejected() {
        let (a, b) = ([0.0; 6], [0.0; 6]);
        let view = |data| MatRef::new(data, 2, 3).expect("6 values");
        matmul_transposed_b(&mut [0.0; 5], view(&a), view(&b), Write::Replace, Threads::Serial);
    }
}
