//! The linear maps of Winograd's algorithm, one dimension at a time.
//!
//! `F(2, 3)` computes 2 outputs of a filter of 3 taps with 4 products, `F(4, 3)` 4 outputs with 6. Both evaluate the polynomials of
//! filter and signal at some points (0, 1, -1 and infinity; and 2 and -2 for six), multiply there, and interpolate (Lavin and Gray,
//! Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4).

use crate::simd::Lanes;

/// Most values that a map reads or writes.
pub(super) const MOST: usize = 6;

/// The values at one place of each row.
#[inline(always)]
pub(super) fn column<L: Lanes>([a, b, c, d, e, f]: &[[L; MOST]; MOST], at: usize) -> [L; MOST] {
    [a[at], b[at], c[at], d[at], e[at], f[at]]
}

/// A linear map from [`FROM`](Self::FROM) to [`TO`](Self::TO) values. In the arrays, only so many values count.
pub(super) trait Map: Copy + Send + Sync + Default {
    const FROM: usize;
    const TO: usize;
    /// # Safety
    /// The processor has the instructions of `L`.
    unsafe fn apply<L: Lanes>(values: [L; MOST]) -> [L; MOST];
}

/// A size of Winograd's algorithm for filters of 3 x 3.
pub(super) trait Size: Copy + Send + Sync + Default {
    /// Outputs of a tile in one dimension.
    const OUTPUTS: usize;
    /// Values of a transformed tile in one dimension: `OUTPUTS + 2`.
    const SIDE: usize = Self::OUTPUTS + 2;
    /// Values of a transformed tile.
    const PLACES: usize = Self::SIDE * Self::SIDE;
    /// From the signal to the points: `B^T`.
    type Signal: Map;
    /// From the filter to the points: `G`.
    type Filter: Map;
    /// From the points to the outputs: `A^T`.
    type Output: Map;
    /// The transpose of `Output`, for the gradient of the outputs.
    type OutputGradient: Map;
    /// The transpose of `Filter`, for the gradient of the filter.
    type FilterGradient: Map;
}

macro_rules! map {
    ($(#[$doc:meta])* $name:ident, $from:literal => $to:literal, |$lanes:ident, $values:ident| $body:block) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default)]
        pub(super) struct $name;

        impl Map for $name {
            const FROM: usize = $from;
            const TO: usize = $to;
            #[inline(always)]
            unsafe fn apply<$lanes: Lanes>($values: [$lanes; MOST]) -> [$lanes; MOST] {
                // SAFETY: the caller promises the instructions.
                unsafe { $body }
            }
        }
    };
}

/// Two outputs of three taps.
#[derive(Clone, Copy, Default)]
pub(super) struct Two;

impl Size for Two {
    const OUTPUTS: usize = 2;
    type Signal = SignalOfTwo;
    type Filter = FilterOfTwo;
    type Output = OutputOfTwo;
    type OutputGradient = OutputGradientOfTwo;
    type FilterGradient = FilterGradientOfTwo;
}

map!(
    /// `[1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]`.
    SignalOfTwo, 4 => 4, |L, d| {
        [d[0].minus(d[2]), d[1].plus(d[2]), d[2].minus(d[1]), d[1].minus(d[3]), L::zero(), L::zero()]
    }
);

map!(
    /// `[1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]`.
    FilterOfTwo, 3 => 4, |L, g| {
        let half = L::splat(0.5);
        let outer = g[0].plus(g[2]).times(half);
        let middle = g[1].times(half);
        [g[0], outer.plus(middle), outer.minus(middle), g[2], L::zero(), L::zero()]
    }
);

map!(
    /// `[1 1 1 0; 0 1 -1 -1]`.
    OutputOfTwo, 4 => 2, |L, m| {
        let [sum, difference] = [m[1].plus(m[2]), m[1].minus(m[2])];
        [m[0].plus(sum), difference.minus(m[3]), L::zero(), L::zero(), L::zero(), L::zero()]
    }
);

map!(
    /// The transpose of [`OutputOfTwo`].
    OutputGradientOfTwo, 2 => 4, |L, y| {
        [y[0], y[0].plus(y[1]), y[0].minus(y[1]), L::zero().minus(y[1]), L::zero(), L::zero()]
    }
);

map!(
    /// The transpose of [`FilterOfTwo`].
    FilterGradientOfTwo, 4 => 3, |L, u| {
        let half = L::splat(0.5);
        let sum = u[1].plus(u[2]).times(half);
        [u[0].plus(sum), u[1].minus(u[2]).times(half), sum.plus(u[3]), L::zero(), L::zero(), L::zero()]
    }
);

/// Four outputs of three taps.
#[derive(Clone, Copy, Default)]
pub(super) struct Four;

impl Size for Four {
    const OUTPUTS: usize = 4;
    type Signal = SignalOfFour;
    type Filter = FilterOfFour;
    type Output = OutputOfFour;
    type OutputGradient = OutputGradientOfFour;
    type FilterGradient = FilterGradientOfFour;
}

map!(
    /// `[4 0 -5 0 1 0; 0 -4 -4 1 1 0; 0 4 -4 -1 1 0; 0 -2 -1 2 1 0; 0 2 -1 -2 1 0; 0 4 0 -5 0 1]`.
    SignalOfFour, 6 => 6, |L, d| {
        let [two, four, five] = [L::splat(2.0), L::splat(-4.0), L::splat(-5.0)];
        let ends = |near: L, middle: L, far: L| middle.multiply_add(five, near.multiply_add(L::splat(4.0), far));
        let (a, b) = (d[2].multiply_add(four, d[4]), d[1].multiply_add(four, d[3]));
        let (c, e) = (d[4].minus(d[2]), d[3].minus(d[1]).times(two));
        [ends(d[0], d[2], d[4]), a.plus(b), a.minus(b), c.plus(e), c.minus(e), ends(d[1], d[3], d[5])]
    }
);

map!(
    /// `[1/4 0 0; -1/6 -1/6 -1/6; -1/6 1/6 -1/6; 1/24 1/12 1/6; 1/24 -1/12 1/6; 0 0 1]`.
    FilterOfFour, 3 => 6, |L, g| {
        let [sixth, twelfth] = [L::splat(1.0 / 6.0), L::splat(1.0 / 12.0)];
        let outer = g[0].plus(g[2]).times(L::splat(-1.0 / 6.0));
        let middle = g[1].times(sixth);
        let far = g[0].multiply_add(L::splat(1.0 / 24.0), g[2].times(sixth));
        let slope = g[1].times(twelfth);
        let first = g[0].times(L::splat(0.25));
        [first, outer.minus(middle), outer.plus(middle), far.plus(slope), far.minus(slope), g[2]]
    }
);

map!(
    /// `[1 1 1 1 1 0; 0 1 -1 2 -2 0; 0 1 1 4 4 0; 0 1 -1 8 -8 1]`.
    OutputOfFour, 6 => 4, |L, m| {
        let (near, near_slope) = (m[1].plus(m[2]), m[1].minus(m[2]));
        let (far, far_slope) = (m[3].plus(m[4]), m[3].minus(m[4]));
        [
            m[0].plus(near).plus(far),
            far_slope.multiply_add(L::splat(2.0), near_slope),
            far.multiply_add(L::splat(4.0), near),
            far_slope.multiply_add(L::splat(8.0), near_slope).plus(m[5]),
            L::zero(),
            L::zero(),
        ]
    }
);

map!(
    /// The transpose of [`OutputOfFour`].
    OutputGradientOfFour, 4 => 6, |L, y| {
        let (even, odd) = (y[0].plus(y[2]), y[1].plus(y[3]));
        let far_even = y[2].multiply_add(L::splat(4.0), y[0]);
        let far_odd = y[3].multiply_add(L::splat(8.0), y[1].plus(y[1]));
        [y[0], even.plus(odd), even.minus(odd), far_even.plus(far_odd), far_even.minus(far_odd), y[3]]
    }
);

map!(
    /// The transpose of [`FilterOfFour`].
    FilterGradientOfFour, 6 => 3, |L, u| {
        let [sixth, twelfth] = [L::splat(1.0 / 6.0), L::splat(1.0 / 12.0)];
        let (near, near_slope) = (u[1].plus(u[2]).times(sixth), u[2].minus(u[1]).times(sixth));
        let (far, far_slope) = (u[3].plus(u[4]), u[3].minus(u[4]));
        let first = far.multiply_add(L::splat(1.0 / 24.0), u[0].times(L::splat(0.25)));
        [
            first.minus(near),
            far_slope.multiply_add(twelfth, near_slope),
            far.multiply_add(sixth, u[5]).minus(near),
            L::zero(),
            L::zero(),
            L::zero(),
        ]
    }
);
