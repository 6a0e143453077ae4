//! Transformed filters, and the gradient of the filters from its transform.

use super::super::shared::SharedOutput;
use super::maps::{MOST, Map, Size, column};
use super::product;
use super::tiles::BLOCK;
use crate::fresh::written;
use crate::simd::turn::turn;
use crate::simd::{InstructionSet, Lanes, dispatch};
use rayon::prelude::*;

/// Values of a filter.
const TAPS: usize = 9;

/// Where the filters of a product are in the weights `[out_channels][in_channels][3][3]`.
#[derive(Clone, Copy)]
pub(super) struct FilterOrder {
    /// Outputs of the product, and the values from one to the next.
    pub(super) outputs: usize,
    pub(super) output_step: usize,
    /// Inputs of the product, and the values from one to the next.
    pub(super) inputs: usize,
    pub(super) input_step: usize,
    /// Whether the taps are in reverse, as for the gradient of the input.
    pub(super) flipped: bool,
}

/// Filters in the order in which [`product`] reads: `[place][panel of outputs][input][output of the panel]`. Inputs and outputs that fill the
/// last block and the last panel are zero.
pub(super) struct Filters {
    pub(super) values: Vec<f32>,
    /// Values of one place.
    pub(super) pitch: usize,
}

impl Filters {
    pub(super) fn new<S: Size>(set: InstructionSet, size: S, order: FilterOrder, weights: &[f32]) -> Self {
        let wide = product::columns(set);
        let depth = order.inputs.next_multiple_of(BLOCK);
        let panels = order.outputs.div_ceil(wide);
        let pitch = panels * depth * wide;
        let last = (order.outputs - 1) * order.output_step + (order.inputs - 1) * order.input_step + TAPS;
        assert!(last <= weights.len(), "the weights are too short");
        // SAFETY: the tasks write every place, panel, input and column, each its own.
        let values = unsafe {
            written(S::PLACES * pitch, |values| {
                let to = SharedOutput::new(values);
                (0..panels * wide / BLOCK).into_par_iter().for_each(|block| {
                    let first = block * BLOCK;
                    let at = first / wide * depth * wide + first % wide;
                    block_of_filters(set, size, order, weights, first, to.at(at), [depth, wide, pitch]);
                });
            })
        };
        Self { values, pitch }
    }
}

/// Transforms the filters of the outputs `first..first + BLOCK`.
///
/// # Safety
/// `to` has room for `depth` rows of `wide` values at each place, of which a block is written.
unsafe fn block_of_filters<S: Size>(
    set: InstructionSet,
    size: S,
    order: FilterOrder,
    weights: &[f32],
    first: usize,
    to: *mut f32,
    [depth, wide, pitch]: [usize; 3],
) {
    let count = BLOCK.min(order.outputs.saturating_sub(first));
    let (sizes, some) = ([depth, wide, pitch], [first, count]);
    dispatch!(set, L => fn[S: Size](
        size: S, order: FilterOrder, weights: &[f32], some: [usize; 2], to: *mut f32, sizes: [usize; 3],
    ) {
        let ([first, count], [depth, wide, pitch]) = (some, sizes);
        let _ = size;
        // SAFETY: the filters of `count` outputs are in the weights, as the assertion in `Filters::new` says; the caller promises
        // room for the result; the features are those of `L`.
        unsafe {
            let mut taps = [0.0; TAPS * BLOCK];
            for input in 0..depth {
                if input < order.inputs && count > 0 {
                    let from = weights.as_ptr().add(first * order.output_step + input * order.input_step);
                    turn::<L>([count, TAPS], (from, order.output_step), (taps.as_mut_ptr(), BLOCK));
                } else {
                    taps.fill(0.0);
                }
                for lane in (0..BLOCK).step_by(L::COUNT) {
                    filter::<L, S>(taps.as_ptr().add(lane), order.flipped, to.add(input * wide + lane), pitch);
                }
            }
        }
    });
}

/// Transforms filters: `taps[tap][output]`.
#[inline(always)]
unsafe fn filter<L: Lanes, S: Size>(taps: *const f32, flipped: bool, to: *mut f32, pitch: usize) {
    // SAFETY: as in `block_of_filters`.
    unsafe {
        let mut columns = [[L::zero(); MOST]; MOST];
        for (right, column) in columns.iter_mut().enumerate().take(3) {
            let mut values = [L::zero(); MOST];
            for (down, value) in values.iter_mut().enumerate().take(3) {
                let tap = down * 3 + right;
                *value = L::load(taps.add(if flipped { TAPS - 1 - tap } else { tap } * BLOCK));
            }
            *column = S::Filter::apply(values);
        }
        for down in 0..S::SIDE {
            for (right, value) in
                S::Filter::apply(column(&columns, down)).into_iter().enumerate().take(S::SIDE)
            {
                value.store(to.add((down * S::SIDE + right) * pitch));
            }
        }
    }
}

/// The gradient of the filters of one block of output channels, `[channel][in_channels][9]`, from the sums of that block:
/// `[place][block of inputs][output channel][input channel]`, where places are `pitch` apart.
pub(super) fn filter_gradients<S: Size>(
    set: InstructionSet,
    size: S,
    in_channels: usize,
    (sums, pitch): (&[f32], usize),
    out: &mut [f32],
) {
    let blocks = in_channels.div_ceil(BLOCK);
    let channels = out.len() / (in_channels * TAPS);
    assert!(channels <= BLOCK && channels * in_channels * TAPS == out.len(), "not a block of channels");
    assert!((S::PLACES - 1) * pitch + blocks * BLOCK * BLOCK <= sums.len(), "the sums are too short");
    dispatch!(set, L => fn[S: Size](size: S, in_channels: usize, blocks: usize, channels: usize, sums: &[f32], pitch: usize, out: &mut [f32]) {
        let _ = size;
        for channel in 0..channels {
            for block in 0..blocks {
                let mut taps = [0.0; TAPS * BLOCK];
                let count = BLOCK.min(in_channels - block * BLOCK);
                // SAFETY: the assertions bound every read and write; the features are those of `L`.
                unsafe {
                    let from = sums.as_ptr().add((block * BLOCK + channel) * BLOCK);
                    for lane in (0..BLOCK).step_by(L::COUNT) {
                        filter_back::<L, S>(from.add(lane), pitch, taps.as_mut_ptr().add(lane));
                    }
                    let to = out.as_mut_ptr().add((channel * in_channels + block * BLOCK) * TAPS);
                    turn::<L>([TAPS, count], (taps.as_ptr(), BLOCK), (to, TAPS));
                }
            }
        }
    });
}

#[inline(always)]
unsafe fn filter_back<L: Lanes, S: Size>(from: *const f32, pitch: usize, taps: *mut f32) {
    // SAFETY: as in `filter_gradients`.
    unsafe {
        let mut rows = [[L::zero(); MOST]; MOST];
        for (down, row) in rows.iter_mut().enumerate().take(S::SIDE) {
            let mut values = [L::zero(); MOST];
            for (right, value) in values.iter_mut().enumerate().take(S::SIDE) {
                *value = L::load(from.add((down * S::SIDE + right) * pitch));
            }
            *row = S::FilterGradient::apply(values);
        }
        for right in 0..3 {
            for (down, value) in
                S::FilterGradient::apply(column(&rows, right)).into_iter().enumerate().take(3)
            {
                value.store(taps.add((down * 3 + right) * BLOCK));
            }
        }
    }
}
