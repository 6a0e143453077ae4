//! Maximum pooling.

use super::custom::{self, CpuTensor, Saved, slice, tensor};
use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn_flex::FlexTensor;
use std::sync::Arc;
use widemargin_kernels::pooling::{PoolShape, maximum, maximum_gradient};

/// The windows of a pooling; see [`PoolShape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolWindow {
    /// Rows and columns of a window, 1 to 15.
    pub size: usize,
    /// Rows and columns from one window to the next, at least 1.
    pub stride: usize,
    /// Rows and columns of padding, which is never the maximum; at most half of `size`.
    pub padding: usize,
}

impl PoolWindow {
    /// Windows that do not overlap.
    pub const fn disjoint(size: usize) -> Self {
        Self { size, stride: size, padding: 0 }
    }
}

/// The maximum of each window of `[batch, channels, height, width]`. Incomplete windows at the lower and right edge are
/// omitted.
pub fn max_pool(input: Tensor<4>, window: PoolWindow) -> Tensor<4> {
    let PoolWindow { size, stride, padding } = window;
    let [batch, channels, height, width] = input.dims();
    let Some(cpu) = CpuTensor::new(input.clone()) else {
        let options = MaxPoolOptions::new([size, size]).with_stride([stride, stride]);
        return max_pool2d(input, options.with_padding([padding, padding]));
    };
    let shape = PoolShape { planes: batch * channels, height, width, size, stride, padding };
    let (output, chosen) = maximum(shape, cpu.slice());
    let saved = SavedPool { shape, chosen: chosen.into(), dims: [batch, channels, height, width] };
    let dims = [batch, channels, shape.out_height(), shape.out_width()];
    custom::record([&cpu], tensor(output, &dims), saved)
}

#[derive(Clone, Debug)]
struct SavedPool {
    shape: PoolShape,
    chosen: Arc<[u8]>,
    dims: [usize; 4],
}

impl Saved<1> for SavedPool {
    fn gradients(&self, output_gradient: &FlexTensor, _expected: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let gradient = maximum_gradient(self.shape, slice(output_gradient), &self.chosen);
        [Some(tensor(gradient, &self.dims))]
    }
}
