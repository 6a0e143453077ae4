//! Matrix products in mixed precision: factors rounded to bfloat16, sums in f32.
//!
//! bfloat16 has the range of f32 and 8 significant bits. The product of two such numbers is exact in f32, so the only
//! errors are the rounding of each factor (at most 2^-9 of its value) and the rounding of the sums in f32. Processors with
//! the instruction `vdpbf16ps` (AVX-512) compute two products per lane at a time, those with AMX 8,192 in one instruction.
//!
//! A factor is rounded once and stored in the order in which the kernels read it: [`Left`] and [`Right`]. A head multiplies
//! one batch with thousands of tiles of class centres, a convolution one filter with every image, so the stored factor is
//! used many times. [`product`] multiplies the two.
//!
//! The bits of a result depend on the kernel, not on how the work is split into products of rows and columns. Numbers below
//! 2^-126 in magnitude may count as zero.

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
mod kernel;
pub mod linear;
mod pack;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::cell::RefCell;
use std::ops::Range;

use kernel::Kernel;
pub(crate) use pack::pair_of;
use pack::{Order, pack};
use tile::COLUMNS;

use crate::matrix::{MatRef, Write};

/// Pairs of the inner dimension that are multiplied before the next ones: 24 KB of a panel of [`Right`], which stay in the
/// first-level cache.
const PAIRS: usize = 192;
/// Rows of [`Left`] that are multiplied with one panel of [`Right`]: 340 KB, which stay in the second-level cache.
const ROWS: usize = 448;

/// The first factor of a product, rounded to bfloat16: `[rows, inner]`.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Of pairs: two values each, the first in the lower half. Their order is the kernel's.
    panels: Vec<u32>,
    kernel: Kernel,
    rows: usize,
    inner: usize,
}

impl Left {
    /// Stores `a`, `[rows, inner]`, in place of what `self` held. The allocation is used again.
    pub fn store(&mut self, a: MatRef<'_>) {
        self.store_by(Kernel::detected(), a, Order::Rows, 0..a.rows());
    }

    /// Stores the transpose of `a`: `a` is `[inner, rows]`.
    pub fn store_transposed(&mut self, a: MatRef<'_>) {
        self.store_columns(a, 0..a.cols());
    }

    /// Stores the transpose of some columns of `a`.
    fn store_columns(&mut self, a: MatRef<'_>, columns: Range<usize>) {
        self.store_by(Kernel::detected(), a, Order::Columns, columns);
    }

    fn store_by(&mut self, kernel: Kernel, a: MatRef<'_>, order: Order, range: Range<usize>) {
        (self.kernel, self.rows, self.inner) = (kernel, range.len(), order.inner(a));
        kernel.pack_left(&mut self.panels, a, order, range);
    }

    /// Number of rows of the product.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The second factor of a product, rounded to bfloat16: `[inner, columns]`.
#[derive(Clone, Debug, Default)]
pub struct Right {
    /// `[panel][pair of the inner dimension][COLUMNS]`, each entry as in [`Left`]. The pairs fill whole steps of the kernel.
    panels: Vec<u32>,
    kernel: Kernel,
    columns: usize,
    inner: usize,
}

impl Right {
    /// Stores `b`, `[inner, columns]`, in place of what `self` held. The allocation is used again.
    pub fn store(&mut self, b: MatRef<'_>) {
        self.store_columns(b, 0..b.cols());
    }

    /// Stores some columns of `b`.
    fn store_columns(&mut self, b: MatRef<'_>, columns: Range<usize>) {
        self.store_by(Kernel::detected(), b, Order::Columns, columns);
    }

    /// Stores the transpose of `b`: `b` is `[columns, inner]`.
    pub fn store_transposed(&mut self, b: MatRef<'_>) {
        self.store_by(Kernel::detected(), b, Order::Rows, 0..b.rows());
    }

    fn store_by(&mut self, kernel: Kernel, b: MatRef<'_>, order: Order, range: Range<usize>) {
        (self.kernel, self.inner, self.columns) = (kernel, order.inner(b), range.len());
        pack::<COLUMNS>(&mut self.panels, b, order, range, kernel.pairs(self.inner));
    }

    /// Number of columns of the product.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Whether this processor multiplies bfloat16 faster than f32. Elsewhere the products of this module are correct, but slower
/// than those of [`matrix`](crate::matrix).
pub fn is_fast() -> bool {
    Kernel::detected() != Kernel::Portable
}

/// `out = left x right`, or `out += left x right`, on the calling thread.
///
/// `out` is `[rows, columns]`, row-major. Without inner dimension the product is all zeros.
///
/// # Panics
/// If `left` does not have as many columns as `right` has rows, or `out` has another length.
pub fn product(out: &mut [f32], left: &Left, right: &Right, write: Write) {
    let (rows, columns, inner) = (left.rows, right.columns, left.inner);
    assert_eq!(inner, right.inner, "the columns of the left factor must be the rows of the right factor");
    assert_eq!(left.kernel, right.kernel, "both factors are stored for the same kernel");
    assert_eq!(
        Some(out.len()),
        rows.checked_mul(columns),
        "out has {} values, but the product is [{rows}, {columns}]",
        out.len()
    );
    if write == Write::Replace {
        out.fill(0.0);
    }
    if out.is_empty() || inner == 0 {
        return;
    }
    let (kernel, pairs) = (left.kernel, left.kernel.pairs(inner));
    let panels = rows.div_ceil(kernel.rows());
    let together = ROWS / kernel.rows();
    let mut multiplier = kernel.multiplier();
    for first_pair in (0..pairs).step_by(PAIRS) {
        let part = first_pair..(first_pair + PAIRS).min(pairs);
        for first_panel in (0..panels).step_by(together) {
            let some = first_panel..(first_panel + together).min(panels);
            for (column, right) in right.panels.chunks_exact(pairs * COLUMNS).enumerate() {
                let right = &right[part.start * COLUMNS..part.end * COLUMNS];
                let column = column * COLUMNS;
                let width = COLUMNS.min(columns - column);
                for panel in some.clone() {
                    let left = &left.panels[panel * pairs * kernel.rows()..];
                    let left = &left[part.start * kernel.rows()..part.end * kernel.rows()];
                    let first = panel * kernel.rows();
                    let size = [kernel.rows().min(rows - first), width];
                    multiplier.add(left, right, (&mut out[first * columns + column..], columns), size);
                }
            }
        }
    }
}

/// `out = left x b^T`, or `out += left x b^T`; `b`, `[columns, inner]`, is rounded on the way.
///
/// # Panics
/// If the sizes do not match, as in [`product`].
pub fn product_transposed(out: &mut [f32], left: &Left, b: MatRef<'_>, write: Write) {
    with_spare(|_, right| {
        right.store_transposed(b);
        product(out, left, right, write);
    });
}

/// `out = a^T x right`, or `out += a^T x right`; `a`, `[inner, rows]`, is rounded on the way.
///
/// # Panics
/// If the sizes do not match, as in [`product`].
pub fn transposed_product(out: &mut [f32], a: MatRef<'_>, right: &Right, write: Write) {
    with_spare(|left, _| {
        left.store_transposed(a);
        product(out, left, right, write);
    });
}

/// `out = a x b`, or `out += a x b`; both are rounded on the way.
///
/// # Panics
/// If the sizes do not match, as in [`product`].
pub fn matmul(out: &mut [f32], a: MatRef<'_>, b: MatRef<'_>, write: Write) {
    with_spare(|left, right| {
        left.store(a);
        right.store(b);
        product(out, left, right, write);
    });
}

/// Pairs that are kept as the bits of an f32.
#[cfg(target_arch = "x86_64")]
pub(crate) fn as_pairs(values: &[f32]) -> &[u32] {
    // SAFETY: both types have the same size and alignment, and any bits are a number.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

/// Lends the calling thread's room for factors that are needed once. It keeps the size of the largest.
fn with_spare(multiply: impl FnOnce(&mut Left, &mut Right)) {
    thread_local! {
        static SPARE: RefCell<(Left, Right)> = RefCell::default();
    }
    SPARE.with_borrow_mut(|(left, right)| multiply(left, right));
}
