//! Two-dimensional convolution and its gradients, without a patch matrix.
//!
//! The usual way (im2col) copies every input value `kernel_height * kernel_width` times and multiplies the copy by the
//! weights. Here the input is copied once, into a zero-padded image whose rows stand one after the other. In such an
//! image the patch row of one tap (input channel, kernel row, kernel column) is simply the image shifted by a constant,
//! so a matrix product needs only *one offset per tap* instead of a patch matrix:
//!
//! ```text
//! output[o][n] = sum over taps k of weights[o][k] * image[offset[k] + n]
//! ```
//!
//! where `n` walks over the rows of the padded image. The few positions at the end of each row that hang over the
//! right edge are computed and thrown away (7 % at a width of 28). Strides are handled by first dealing the padded image
//! out into `stride * stride` phases, in each of which the taps are shifts again; the gradient of the input is
//! the same product with the weights turned over; the gradient of the weights is the product of shifted images with
//! the transposed output gradient.
//!
//! Values are `f32`, layout is batch, channel, row, column. Images are shared out over the threads of the current
//! rayon pool; every result is the same to the bit for any number of threads.

mod backward;
mod forward;
mod image;
mod tile;

pub use backward::{input_gradient, weight_gradient};
pub use forward::forward;

/// The shape of a convolution: everything but the numbers.
///
/// Input `[batch, in_channels, height, width]`, weights `[out_channels, in_channels, kernel, kernel]`, output
/// `[batch, out_channels, out_height(), out_width()]`. Kernel, stride and padding are the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Pictures in the batch; may be zero.
    pub batch: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Step between neighbouring outputs, at least 1.
    pub stride: usize,
    /// Zeros added on each side, less than `kernel`.
    pub padding: usize,
}

impl ConvolutionShape {
    /// Rows of the output: `(height + 2 padding - kernel) / stride + 1`.
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Values in the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.in_channels * self.height * self.width
    }

    /// Values in the weights.
    pub fn weights_len(&self) -> usize {
        self.out_channels * self.taps()
    }

    /// Values in the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.out_channels * self.out_height() * self.out_width()
    }

    /// Taps of one output value: `in_channels * kernel * kernel`.
    fn taps(&self) -> usize {
        self.in_channels * self.kernel * self.kernel
    }

    /// # Panics
    /// If the kernel is empty or larger than the padded input, the stride is zero, or the padding is not below the kernel.
    fn check(&self) {
        assert!(self.in_channels > 0, "a convolution needs an input channel: {self:?}");
        assert!(
            self.kernel > 0 && self.stride > 0,
            "a convolution needs a kernel and a stride of at least 1: {self:?}"
        );
        assert!(self.padding < self.kernel, "padding must be below the kernel size: {self:?}");
        assert!(
            self.height + 2 * self.padding >= self.kernel && self.width + 2 * self.padding >= self.kernel,
            "the kernel is larger than the padded picture: {self:?}"
        );
    }
}

#[cfg(test)]
mod tests;
