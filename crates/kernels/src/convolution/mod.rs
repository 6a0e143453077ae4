//! Two-dimensional convolution and its gradients, without a patch matrix.
//!
//! The usual method (im2col) copies every input value `kernel * kernel` times and multiplies the copy by the weights.
//! Here the input is copied once, into a zero-padded image with contiguous rows. In such an image the patch row of one tap
//! (input channel, kernel row, kernel column) is the image shifted by a constant, so a matrix product needs only *one
//! offset per tap* instead of a patch matrix:
//!
//! ```text
//! output[o][n] = sum over taps k of weights[o][k] * padded[offset[k] + n]
//! ```
//!
//! where `n` runs over the rows of the padded image. The few positions past the right edge of each row are computed and
//! discarded (7 % at a width of 28). Planes of few positions would waste most of a register tile that way; for them, patches of
//! several images are packed into one tile (`packed`). For a stride above 1 the padded image is split into `stride * stride` phases, in each
//! of which the taps are shifts again. The gradient of the input is the same product with the flipped weights. The
//! gradient of the weights is the product of shifted images with the transposed output gradient (`correlation`). Kernels of 3 x 3 with stride 1
//! need fewer multiplications with Winograd's algorithm (`winograd`); `method` chooses.
//!
//! Values are `f32` in the order batch, channel, row, column. The threads of the current rayon pool share the images.
//! Every result is bitwise the same for any number of threads.

mod arithmetic;
mod backward;
mod correlation;
mod finish;
mod forward;
mod image;
mod method;
pub mod mixed;
mod packed;
mod shared;
mod tile;
mod winograd;

pub use backward::{input_gradient, weight_gradient};
pub use finish::Finish;
pub use forward::{forward, forward_finished};

/// The shape of a convolution.
///
/// Input `[batch, in_channels, height, width]`, weights `[out_channels, in_channels, kernel, kernel]`, output
/// `[batch, out_channels, out_height(), out_width()]`. Kernel, stride and padding are the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Images in the batch; may be zero.
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
    /// Step between adjacent outputs, at least 1.
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
            "the kernel is larger than the padded image: {self:?}"
        );
    }
}

#[cfg(test)]
mod tests;
