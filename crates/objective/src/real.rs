//! The two kinds of number that the mathematics is written for.

use std::fmt::Debug;

use num_traits::Float;

/// A real number: `f32` or `f64`.
///
/// Values are kept in the type itself; sums over many classes or samples are accumulated in `f64`.
pub trait Real: Float + Into<f64> + Debug + Default + Send + Sync + 'static {
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
}

impl Real for f32 {
    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
}
