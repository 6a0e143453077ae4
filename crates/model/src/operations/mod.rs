//! The operations that take most of the time of a convolutional backbone.
//!
//! Each function maps Burn tensors to Burn tensors. On the CPU it runs this project's kernels, with a hand-written gradient
//! for tracked tensors. On other devices it composes Burn's own operations. Tests compare the two.
//!
//! Activations may have half precision. Each operation then computes in the type of its input and casts the parameters,
//! which are stored as `f32`, to that type. Only sums over a batch are computed in `f32`.

use burn::tensor::{FloatDType, Tensor};

mod batch_norm;
mod convolution;
mod custom;
mod loss;
mod pooling;
mod product;
mod sum;

pub use batch_norm::{BatchNormParameters, batch_statistics, normalise};
pub use convolution::convolution;
pub(crate) use loss::{LossOfValues, loss};
pub use pooling::{PoolWindow, max_pool};
pub use product::product;
pub use sum::{add, add_rectified};

/// Casts `parameter` to the type of `input`.
pub(crate) fn as_input<const D: usize, const E: usize>(parameter: Tensor<D>, input: &Tensor<E>) -> Tensor<D> {
    cast(parameter, input.dtype().into())
}

/// Casts `tensor` to `dtype`, unless it already has that type.
pub(crate) fn cast<const D: usize>(tensor: Tensor<D>, dtype: FloatDType) -> Tensor<D> {
    if FloatDType::from(tensor.dtype()) == dtype { tensor } else { tensor.cast(dtype) }
}

#[cfg(test)]
mod tests;
