//! The padded copy of an image, in which every tap of the kernel is a constant shift.

use super::ConvolutionShape;
use super::tile::{Offsets, WeightOrder};
use std::mem::MaybeUninit;
use std::ops::Range;

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

    /// Planes of the padded image.
    pub(super) fn planes(&self) -> usize {
        self.planes
    }

    /// Length of one of its planes.
    pub(super) fn plane_len(&self) -> usize {
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
        for (plane, padded) in padded.chunks_exact_mut(self.plane_len()).take(self.planes).enumerate() {
            self.fill_plane(shape, image, plane, padded);
        }
    }

    /// One plane of [`fill_input`](Self::fill_input).
    pub(super) fn fill_plane(
        &self,
        shape: &ConvolutionShape,
        image: &[f32],
        plane: usize,
        padded: &mut [f32],
    ) {
        let (stride, padding) = (shape.stride, shape.padding);
        let phases = stride.min(shape.kernel);
        let (phase, channel) = (plane / shape.in_channels, plane % shape.in_channels);
        let (phase_row, phase_column) = (phase / phases, phase % phases);
        // The first column of the plane that is inside the image, and its place there.
        let first = padding.saturating_sub(phase_column).div_ceil(stride);
        let x = first * stride + phase_column - padding;
        for (row, target) in padded.chunks_exact_mut(self.pitch).enumerate() {
            let y = row * stride + phase_row;
            if y < padding || y - padding >= shape.height {
                continue;
            }
            let source = &image[(channel * shape.height + y - padding) * shape.width..][..shape.width];
            let (Some(source), Some(target)) = (source.get(x..), target.get_mut(first..)) else { continue };
            match stride {
                1 => {
                    let length = source.len().min(target.len());
                    target[..length].copy_from_slice(&source[..length]);
                }
                2 => {
                    let (pairs, rest) = source.as_chunks::<2>();
                    for (target, pair) in target.iter_mut().zip(pairs) {
                        *target = pair[0];
                    }
                    if let (Some(target), [value]) = (target.get_mut(pairs.len()), rest) {
                        *target = *value;
                    }
                }
                _ => {
                    for (target, value) in target.iter_mut().zip(source.iter().step_by(stride)) {
                        *target = *value;
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
    /// Output row and column that the first position reads through a tap of kernel row and column below the stride.
    start: (usize, usize),
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
                    let start = (first_row, first_column);
                    phases.push(Self { taps, layout, first, front, start });
                }
            }
        }
        phases
    }

    /// The weights of this phase: one row per input channel.
    pub(super) fn weight_order(&self, shape: &ConvolutionShape) -> WeightOrder {
        let kernel = shape.kernel;
        WeightOrder {
            row_step: kernel * kernel,
            outer: shape.out_channels,
            outer_step: shape.in_channels * kernel * kernel,
            inner: self.taps.iter().map(|(i, j)| i * kernel + j).collect(),
        }
    }

    /// Row and column of the output gradient that each tap reads at the first position.
    pub(super) fn offsets(&self, stride: usize) -> Vec<(isize, isize)> {
        let offset = |start: usize, tap: usize| start as isize - (tap / stride) as isize;
        self.taps.iter().map(|(i, j)| (offset(self.start.0, *i), offset(self.start.1, *j))).collect()
    }

    /// Calls `visit(place in the input plane, range of the positions)` for every row of `length` positions from `first` on. The
    /// positions are counted row by row, and in the input they are a stride apart.
    pub(super) fn for_each_row(
        &self,
        shape: &ConvolutionShape,
        first: usize,
        length: usize,
        mut visit: impl FnMut(usize, Range<usize>),
    ) {
        let columns = self.layout.columns;
        if shape.stride == 1 && columns == shape.width {
            // The rows follow each other in the input too.
            visit(self.first.0 * shape.width + first, 0..length);
            return;
        }
        let mut at = 0;
        while at < length {
            let (row, column) = ((first + at) / columns, (first + at) % columns);
            let end = (at + columns - column).min(length);
            let y = self.first.0 + row * shape.stride;
            visit(y * shape.width + self.first.1 + column * shape.stride, at..end);
            at = end;
        }
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
    pub(super) fn scatter(
        &self,
        shape: &ConvolutionShape,
        sums: &[f32],
        sums_pitch: usize,
        out: &mut [MaybeUninit<f32>],
    ) {
        let stride = shape.stride;
        for (channel, out) in out.chunks_exact_mut(shape.height * shape.width).enumerate() {
            for row in 0..self.layout.rows {
                let source = &sums[channel * sums_pitch + row * self.layout.pitch..][..self.layout.columns];
                let target = &mut out[(self.first.0 + row * stride) * shape.width + self.first.1..];
                if stride == 1 {
                    target[..source.len()].write_copy_of_slice(source);
                } else {
                    for (target, source) in target.iter_mut().step_by(stride).zip(source) {
                        target.write(*source);
                    }
                }
            }
        }
    }
}
