//! The padded copy of an image, in which every tap of the kernel is a constant shift.

use super::ConvolutionShape;
use super::tile::Offsets;

/// The positions of a product's taps in a padded image, and the layout of its output positions.
///
/// The padded image holds `phases * channels` planes of `plane_rows * pitch` values. Output position `(row, column)` has
/// index `row * pitch + column`; positions with `column >= columns` are past the edge and meaningless.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Output rows and columns.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Values from one row of the padded image to the next.
    pub(super) pitch: usize,
    plane_rows: usize,
    planes: usize,
    /// The shift of each tap, in the order of the packed weights.
    pub(super) offsets: Offsets,
}

impl Layout {
    /// Length of the padded image, plus `slack` for tiles that read past its end.
    pub(super) fn padded_len(&self, slack: usize) -> usize {
        self.planes * self.plane_len() + slack
    }

    fn plane_len(&self) -> usize {
        self.plane_rows * self.pitch
    }

    /// Output positions from the first to the last, including the ones past the edge in between.
    pub(super) fn positions(&self) -> usize {
        if self.rows == 0 { 0 } else { (self.rows - 1) * self.pitch + self.columns }
    }

    /// The layout of the input, split into `stride * stride` phases: tap `(channel, i, j)` reads phase
    /// `(i % stride, j % stride)` shifted by `(i / stride, j / stride)`.
    pub(super) fn of_input(shape: &ConvolutionShape) -> Self {
        let (stride, kernel) = (shape.stride, shape.kernel);
        let (rows, columns) = (shape.out_height(), shape.out_width());
        let reach = (kernel - 1) / stride;
        let (pitch, plane_rows) = (columns + reach, rows + reach);
        let mut offsets = Vec::with_capacity(shape.taps());
        let phases = stride.min(kernel);
        for channel in 0..shape.in_channels {
            for i in 0..kernel {
                for j in 0..kernel {
                    let plane = ((i % stride) * phases + j % stride) * shape.in_channels + channel;
                    offsets.push((plane * plane_rows + i / stride) * pitch + j / stride);
                }
            }
        }
        let planes = phases.pow(2) * shape.in_channels;
        Self { rows, columns, pitch, plane_rows, planes, offsets: Offsets::new(offsets) }
    }

    /// Copies one input image `[in_channels, height, width]` into a padded image of this layout. The padding must already
    /// be zero; it is not written.
    pub(super) fn fill_input(&self, shape: &ConvolutionShape, image: &[f32], padded: &mut [f32]) {
        let (stride, padding) = (shape.stride, shape.padding);
        let phases = stride.min(shape.kernel);
        for phase_row in 0..phases {
            for phase_column in 0..phases {
                for channel in 0..shape.in_channels {
                    let plane = (phase_row * phases + phase_column) * shape.in_channels + channel;
                    let plane = &mut padded[plane * self.plane_len()..][..self.plane_len()];
                    for (row, target) in plane.chunks_exact_mut(self.pitch).enumerate() {
                        let y = row * stride + phase_row;
                        if y < padding || y - padding >= shape.height {
                            continue;
                        }
                        let source =
                            &image[(channel * shape.height + y - padding) * shape.width..][..shape.width];
                        if stride == 1 {
                            let length = shape.width.min(self.pitch - padding);
                            target[padding..padding + length].copy_from_slice(&source[..length]);
                        } else {
                            for (column, target) in target.iter_mut().enumerate() {
                                let x = column * stride + phase_column;
                                if x >= padding && x - padding < shape.width {
                                    *target = source[x - padding];
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The part of the input gradient whose padded coordinates are `(phase_row, phase_column)` modulo the stride.
///
/// Input row `y` of phase `r` has `y + padding = stride * q + r`. Output rows `q - t` contribute to it through the kernel
/// rows `r + stride * t`, so along `q` every tap is again a shift.
#[derive(Clone, Debug)]
pub(super) struct GradientPhase {
    /// Kernel rows and columns that contribute to this phase, in the order of the layout's offsets.
    pub(super) taps: Vec<(usize, usize)>,
    /// Its offsets are ordered by `(output channel, tap)`.
    pub(super) layout: Layout,
    /// Input row and column of the first position.
    first: (usize, usize),
    /// Zero rows and columns before the gradient.
    front: usize,
}

impl GradientPhase {
    /// Every phase of the input gradient to which some output contributes. All read the same padded gradient.
    pub(super) fn all(shape: &ConvolutionShape) -> Vec<Self> {
        let (stride, kernel, padding) = (shape.stride, shape.kernel, shape.padding);
        let first = |phase: usize| padding.saturating_sub(phase).div_ceil(stride);
        let end = |phase: usize, size: usize| (size + padding).saturating_sub(phase).div_ceil(stride);
        let front = (kernel - 1) / stride - first(stride - 1);
        let plane_rows = end(0, shape.height) + front;
        let pitch = end(0, shape.width) + front;
        let mut phases = Vec::new();
        for phase_row in 0..stride.min(kernel) {
            for phase_column in 0..stride.min(kernel) {
                let (first_row, first_column) = (first(phase_row), first(phase_column));
                let mut taps = Vec::new();
                for i in (phase_row..kernel).step_by(stride) {
                    for j in (phase_column..kernel).step_by(stride) {
                        taps.push((i, j));
                    }
                }
                let mut offsets = Vec::with_capacity(taps.len() * shape.out_channels);
                for channel in 0..shape.out_channels {
                    for (i, j) in &taps {
                        let row = first_row + front - i / stride;
                        let column = first_column + front - j / stride;
                        offsets.push((channel * plane_rows + row) * pitch + column);
                    }
                }
                let layout = Layout {
                    rows: end(phase_row, shape.height).saturating_sub(first_row),
                    columns: end(phase_column, shape.width).saturating_sub(first_column),
                    pitch,
                    plane_rows,
                    planes: shape.out_channels,
                    offsets: Offsets::new(offsets),
                };
                if layout.rows > 0 && layout.columns > 0 {
                    let first = (
                        first_row * stride + phase_row - padding,
                        first_column * stride + phase_column - padding,
                    );
                    phases.push(Self { taps, layout, first, front });
                }
            }
        }
        phases
    }

    /// Copies one output gradient `[out_channels, out_height, out_width]` into a padded image of this layout. The padding
    /// must already be zero; it is not written.
    pub(super) fn fill_gradient(&self, shape: &ConvolutionShape, gradient: &[f32], padded: &mut [f32]) {
        let (height, width) = (shape.out_height(), shape.out_width());
        let layout = &self.layout;
        let planes = padded.chunks_exact_mut(layout.plane_len());
        for (plane, source) in planes.zip(gradient.chunks_exact(height * width)) {
            let rows = plane.chunks_exact_mut(layout.pitch).skip(self.front);
            for (target, source) in rows.zip(source.chunks_exact(width)) {
                let length = width.min(layout.pitch - self.front);
                target[self.front..self.front + length].copy_from_slice(&source[..length]);
            }
        }
    }

    /// Writes this phase's part of one input gradient `[in_channels, height, width]` from sums in order of position.
    pub(super) fn scatter(&self, shape: &ConvolutionShape, sums: &[f32], sums_pitch: usize, out: &mut [f32]) {
        let stride = shape.stride;
        for (channel, out) in out.chunks_exact_mut(shape.height * shape.width).enumerate() {
            for row in 0..self.layout.rows {
                let source = &sums[channel * sums_pitch + row * self.layout.pitch..][..self.layout.columns];
                let target = &mut out[(self.first.0 + row * stride) * shape.width + self.first.1..];
                if stride == 1 {
                    target[..source.len()].copy_from_slice(source);
                } else {
                    for (target, source) in target.iter_mut().step_by(stride).zip(source) {
                        *target = *source;
                    }
                }
            }
        }
    }
}
