//! The operations that a convolutional backbone spends its time in.
//!
//! Each function takes and gives Burn tensors. On the CPU it runs this project's kernels, with a hand-written gradient where
//! the tensors are tracked; on other devices it composes Burn's own operations. Tests hold the two against each other.
//!
//! Activations may be of half precision: each operation then computes in the type of its input, to which it casts the
//! parameters (which stay `f32` where they are kept), and only sums over a batch are taken in `f32`.

use burn::tensor::{FloatDType, Tensor};

mod convolution;
mod custom;
mod loss;
mod normalisation;
mod pooling;

pub use convolution::convolution;
pub(crate) use loss::{LossOfValues, loss};
pub use normalisation::{NormalisationParameters, batch_statistics, normalise};
pub use pooling::{Squares, max_pool};

/// `parameter` in the type of `input`.
pub(crate) fn as_input<const D: usize, const E: usize>(parameter: Tensor<D>, input: &Tensor<E>) -> Tensor<D> {
    cast(parameter, input.dtype().into())
}

/// `tensor` as `dtype`, untouched where it is that already.
pub(crate) fn cast<const D: usize>(tensor: Tensor<D>, dtype: FloatDType) -> Tensor<D> {
    if FloatDType::from(tensor.dtype()) == dtype { tensor } else { tensor.cast(dtype) }
}

#[cfg(test)]
mod tests;
