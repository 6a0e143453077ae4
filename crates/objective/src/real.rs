//! The two floating-point types of the computation.

use std::fmt::Debug;

use num_traits::Float;
use widemargin_kernels::exponential::{self, AffineExponent};

/// A real number: `f32` or `f64`.
///
/// Values are stored in the type itself; sums over many classes or samples are accumulated in `f64`.
pub trait Real: Float + Into<f64> + Debug + Default + Send + Sync + kernels::RowKernels + 'static {
    /// Gradients of angles divide by `sin t`, where `sin^2 t = 1 - cos^2 t` is kept at this or above. The derivative of an angle is
    /// infinite at `cos = +-1`, and a smaller `sin^2` consists of rounding errors of the cosine: a cosine of two unit vectors in `f32` has an
    /// error of a few times 6e-8.
    const SINE_SQUARED_FLOOR: f64;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
}

impl Real for f32 {
    const SINE_SQUARED_FLOOR: f64 = 2e-6;

    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl Real for f64 {
    const SINE_SQUARED_FLOOR: f64 = 1e-9;

    fn from_f64(value: f64) -> Self {
        value
    }
}

/// Operations on whole rows of scores: vector kernels for `f32`, plain loops for `f64`, which is used for references and
/// gradient checks.
pub(crate) mod kernels {
    use super::{AffineExponent, exponential};

    /// Private to this crate, which seals [`Real`](crate::Real). Exponents are `slope (x - centre)`.
    pub trait RowKernels: Sized {
        /// The largest value, and whether all are finite.
        fn largest(values: &[Self]) -> (Self, bool);
        /// `sum e^a` and `sum a e^a`.
        fn exponential_sums(values: &[Self], slope: Self, centre: Self) -> (f64, f64);
        /// Each value becomes `factor e^a`.
        fn weigh(values: &mut [Self], slope: Self, centre: Self, factor: Self);
    }

    impl RowKernels for f32 {
        fn largest(values: &[Self]) -> (Self, bool) {
            exponential::largest(values)
        }

        fn exponential_sums(values: &[Self], slope: Self, centre: Self) -> (f64, f64) {
            let sums = exponential::sums(values, AffineExponent { slope, centre });
            (sums.sum, sums.moment)
        }

        fn weigh(values: &mut [Self], slope: Self, centre: Self, factor: Self) {
            exponential::weights(values, AffineExponent { slope, centre }, factor);
        }
    }

    impl RowKernels for f64 {
        fn largest(values: &[Self]) -> (Self, bool) {
            let finite = values.iter().all(|value| value.is_finite());
            (values.iter().copied().fold(Self::NEG_INFINITY, Self::max), finite)
        }

        fn exponential_sums(values: &[Self], slope: Self, centre: Self) -> (f64, f64) {
            values.iter().fold((0.0, 0.0), |(sum, moment), value| {
                let exponent = slope * (value - centre);
                let exponential = exponent.exp();
                // 0 times minus infinity is NaN
                (sum + exponential, if exponential > 0.0 { moment + exponent * exponential } else { moment })
            })
        }

        fn weigh(values: &mut [Self], slope: Self, centre: Self, factor: Self) {
            for value in values {
                *value = factor * (slope * (*value - centre)).exp();
            }
        }
    }
}
