//! Maximum pooling.

use super::custom::{self, CpuTensor, Saved};
use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use std::sync::Arc;
use widemargin_kernels::pooling::{PoolShape, maximum, maximum_gradient};

/// The largest value of each `size` x `size` square of `[batch, channels, height, width]`; squares do not overlap, incomplete
/// ones at the lower and right edge are left out.
pub fn max_pool(input: Tensor<4>, size: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let Some(cpu) = CpuTensor::new(input.clone()) else {
        return max_pool2d(input, MaxPoolOptions::new([size, size]).with_stride([size, size]));
    };
    let shape = PoolShape { planes: batch * channels, height, width, size };
    let (output, chosen) = maximum(shape, cpu.slice());
    let saved = SavedPool { shape, chosen: chosen.into(), dims: [batch, channels, height, width] };
    custom::record([&cpu], output, [batch, channels, shape.out_height(), shape.out_width()], saved)
}

#[derive(Clone, Debug)]
struct SavedPool {
    shape: PoolShape,
    chosen: Arc<[u8]>,
    dims: [usize; 4],
}

impl Saved<1> for SavedPool {
    fn gradients(&self, output_gradient: &[f32], _wanted: [bool; 1]) -> [Option<(Vec<f32>, Vec<usize>)>; 1] {
        [Some((maximum_gradient(self.shape, output_gradient, &self.chosen), self.dims.to_vec()))]
    }
}
