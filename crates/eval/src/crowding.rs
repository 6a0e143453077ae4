//! Sets whose cosines are too close to 1 for `f32`, as of embeddings that share a large mean.
//!
//! Between 0.5 and 1 an `f32` has steps of 6e-8, and a cosine summed in `f32` is off by about 1e-7. Embeddings whose cosines differ
//! by less cannot be told apart in this way.

use serde::Serialize;

/// Cosines that `f32` cannot separate, estimated from a fixed sample of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crowding {
    /// Share of the pairs of different rows whose cosine is within 2^-16 (1.5e-5) of 1, in (0, 1].
    pub share: f64,
    /// Median distance of these cosines from 1.
    pub distance: f64,
    /// Whether the values were given in 64 bits ([`Embeddings::precise`](crate::Embeddings::precise)).
    pub float64: bool,
}

impl Crowding {
    /// Whether the values of a file in `float32` are themselves too coarse for such distances: their rounding alone gives distances
    /// of about 6e-16.
    pub fn is_beyond_float32(&self) -> bool {
        !self.float64 && self.distance < 1e-11
    }

    /// Whether nearly all cosines are too close to 1 for `f64` as well, which has steps of 1e-16 there. Then measures have no meaning.
    pub fn is_beyond_float64(&self) -> bool {
        self.share > 0.9 && self.distance < 1e-14
    }
}
