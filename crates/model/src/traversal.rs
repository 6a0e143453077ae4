//! Traversal of a backbone, layer by layer. One traversal computes the forward pass ([`Forward`]), another records the steps
//! for export ([`crate::steps`]), so an exported model cannot differ from the trained one.

use crate::layers::{BatchNorm, Convolution, Dropout, FullyConnected, Pass};
use crate::operations::{self, PoolWindow, max_pool};
use burn::tensor::Tensor;

/// A traversal of a backbone, layer by layer.
pub(crate) trait Traversal {
    /// A batch of values with `D` dimensions, including the batch dimension.
    type Value<const D: usize>: Clone;

    fn convolution(&mut self, layer: &Convolution, input: Self::Value<4>) -> Self::Value<4>;
    fn batch_norm<const D: usize>(&mut self, layer: &BatchNorm, input: Self::Value<D>) -> Self::Value<D>;
    fn max_pool(&mut self, window: PoolWindow, input: Self::Value<4>) -> Self::Value<4>;
    fn add(&mut self, one: Self::Value<4>, other: Self::Value<4>) -> Self::Value<4>;
    /// `max(one + other, 0)`.
    fn add_rectified(&mut self, one: Self::Value<4>, other: Self::Value<4>) -> Self::Value<4>;
    /// The mean over rows and columns: `[batch, channels]`.
    fn mean_of_positions(&mut self, input: Self::Value<4>) -> Self::Value<2>;
    /// `[batch, channels * height * width]`.
    fn flatten(&mut self, input: Self::Value<4>) -> Self::Value<2>;
    fn fully_connected(&mut self, layer: &FullyConnected, input: Self::Value<2>) -> Self::Value<2>;
    fn dropout<const D: usize>(&mut self, layer: &Dropout, input: Self::Value<D>) -> Self::Value<D>;
}

/// The forward pass.
pub(crate) struct Forward {
    pub(crate) pass: Pass,
}

impl Traversal for Forward {
    type Value<const D: usize> = Tensor<D>;

    fn convolution(&mut self, layer: &Convolution, input: Tensor<4>) -> Tensor<4> {
        layer.forward(input, self.pass)
    }

    fn batch_norm<const D: usize>(&mut self, layer: &BatchNorm, input: Tensor<D>) -> Tensor<D> {
        layer.forward(input, self.pass)
    }

    fn max_pool(&mut self, window: PoolWindow, input: Tensor<4>) -> Tensor<4> {
        max_pool(input, window)
    }

    fn add(&mut self, one: Tensor<4>, other: Tensor<4>) -> Tensor<4> {
        operations::add(one, other)
    }

    fn add_rectified(&mut self, one: Tensor<4>, other: Tensor<4>) -> Tensor<4> {
        operations::add_rectified(one, other)
    }

    fn mean_of_positions(&mut self, input: Tensor<4>) -> Tensor<2> {
        let positions: Tensor<3> = input.flatten(2, 3);
        positions.mean_dim(2).flatten(1, 2)
    }

    fn flatten(&mut self, input: Tensor<4>) -> Tensor<2> {
        input.flatten(1, 3)
    }

    fn fully_connected(&mut self, layer: &FullyConnected, input: Tensor<2>) -> Tensor<2> {
        layer.forward(input, self.pass)
    }

    fn dropout<const D: usize>(&mut self, layer: &Dropout, input: Tensor<D>) -> Tensor<D> {
        layer.forward(input, self.pass)
    }
}
