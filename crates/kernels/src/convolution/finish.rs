//! What inference adds to a convolution: a bias, a residual and a rectifier, while the sums are in the first-level cache.

use crate::simd::{detected, dispatch};
use std::mem::MaybeUninit;

/// The end of a convolution in inference: `activation(sum + bias + residual)`.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// One value per output channel.
    pub bias: &'a [f32],
    /// Values of the shape of the output.
    pub residual: Option<&'a [f32]>,
    /// The slope of the activation for negative values, one per output channel: `max(x, 0) + slope * min(x, 0)`. No activation if absent.
    pub slope: Option<&'a [f32]>,
}

impl Finish<'_> {
    /// # Panics
    /// If a length does not match.
    pub(super) fn check(&self, out_channels: usize, output_len: usize) {
        assert_eq!(self.bias.len(), out_channels, "one bias per output channel");
        assert_eq!(
            self.residual.map_or(output_len, <[f32]>::len),
            output_len,
            "a residual of the output's shape"
        );
        assert_eq!(
            self.slope.map_or(out_channels, <[f32]>::len),
            out_channels,
            "one slope per output channel"
        );
    }

    /// Finishes some adjacent sums of one channel, the first of which is value `at` of the output.
    pub(super) fn apply(&self, channel: usize, at: usize, sums: &mut [f32]) {
        let bias = self.bias[channel];
        let slope = self.slope.map_or(1.0, |slope| slope[channel]);
        if let Some(residual) = self.residual {
            let residual = &residual[at..][..sums.len()];
            dispatch!(detected(), fn(bias: f32, slope: f32, residual: &[f32], sums: &mut [f32]) {
                for (sum, residual) in sums.iter_mut().zip(residual) {
                    *sum = activated(*sum + bias + residual, slope);
                }
            });
        } else {
            dispatch!(detected(), fn(bias: f32, slope: f32, sums: &mut [f32]) {
                for sum in sums {
                    *sum = activated(*sum + bias, slope);
                }
            });
        }
    }
}

#[inline(always)]
fn activated(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { slope * value }
}

/// [`Finish::apply`] to sums that have just been written.
///
/// # Safety
/// All sums are written.
pub(super) unsafe fn apply_to_written(
    finish: Option<&Finish<'_>>,
    channel: usize,
    at: usize,
    sums: &mut [MaybeUninit<f32>],
) {
    if let Some(finish) = finish {
        // SAFETY: as the caller promises.
        finish.apply(channel, at, unsafe { sums.assume_init_mut() });
    }
}
