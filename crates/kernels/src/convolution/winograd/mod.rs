//! Winograd's algorithm for 3 x 3 kernels of stride 1: fewer multiplications, some more additions.
//!
//! A tile of `m x m` outputs reads `(m + 2) x (m + 2)` inputs. Both inputs and filters are mapped to as many *places* as a tile has inputs, in
//! each of which a convolution is a product of matrices; the sums are mapped back ([`maps`]):
//!
//! ```text
//! output tile = A^T [ sum over channels of (G filter G^T) * (B^T input tile B) ] A
//! ```
//!
//! `m = 2` needs 16 multiplications for 4 outputs instead of 36, `m = 4` needs 36 instead of 144. The gradient of the input is the same
//! with the filters of the other direction. The gradient of the filters is the transpose: in each place the sum over all tiles of
//! input tile and transformed output gradient, and then `G^T sum G`.
//!
//! Rounding is relative to the largest values of a tile. With random values of equal size, the root mean square error of `m = 4` is three to
//! seven times that of the direct product, of the order of 2e-6; that of `m = 2` is no larger than the direct product's, because the sums are
//! shorter. An infinite value makes its whole tile NaN.

mod filters;
mod maps;
mod product;
mod tiles;

use super::ConvolutionShape;
use super::finish::Finish;
use super::shared::SharedOutput;
use crate::fresh::written;
use crate::simd::InstructionSet;
use filters::{FilterOrder, Filters, filter_gradients};
use maps::{Four, Size, Two};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use tiles::{BLOCK, Planes, TileRow, Tiles, gather, scatter};

/// Bytes of transformed filters that stay in the second-level cache. With larger ones, all threads work at the same tiles, so that the
/// filters are read once for many tiles.
const FILTERS_IN_CACHE: usize = 1024 * 1024;

/// Bytes of transformed tiles of one task, in the second-level cache.
const TASK_BYTES: usize = 1024 * 1024;

/// Bytes of transformed tiles at which all threads work.
const SHARED_BYTES: usize = 8 * 1024 * 1024;

/// Tasks that a product is divided into, if it is large enough. A property of the shape, not of the machine.
const TASKS: usize = 16;

/// The two sizes of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TileSize {
    /// Tiles of 2 x 2 outputs.
    Two,
    /// Tiles of 4 x 4 outputs.
    Four,
}

/// Least channels on both sides. The maps work on blocks of 16 channels, and fewer leave too little to multiply.
const LEAST_CHANNELS: usize = 16;

/// What transforming and reading a filter costs, in tiles multiplied with it.
const FILTER_TILES: usize = 60;

/// Bounds of the root mean square error relative to the direct product's, tested with random values.
#[cfg(test)]
pub(super) const ERROR_OF_TWO: f64 = 1.25;
#[cfg(test)]
pub(super) const ERROR_OF_FOUR: f64 = 8.0;

/// Whether a convolution can be computed in this way.
pub(super) fn fits(shape: &ConvolutionShape) -> bool {
    shape.kernel == 3 && shape.stride == 1
}

/// The faster size for a convolution that fits, or `None` where the direct product is faster. `outputs` are the rows and columns
/// that are tiled: those of the input for its gradient, else those of the output.
///
/// The rule counts multiplications per pair of channels. Effective GFLOP/s of one core of an AMD EPYC of the fourth generation with AVX-512
/// (forward; processor time on a busy machine, so only the ratios count):
///
/// | channels, outputs, batch | direct | `Two` | `Four` |
/// |---|---|---|---|
/// | 64, 56 x 56, 8 | 105 | 195 | 308 |
/// | 64, 28 x 28, 32 | 99 | 188 | 302 |
/// | 128, 14 x 14, 32 | 91 | 184 | 232 |
/// | 256, 7 x 7, 32 | 97 | 132 | 181 |
/// | 512, 7 x 7, 32 | 99 | 140 | 175 |
/// | 512, 4 x 4, 32 | 85 | 154 | 160 |
/// | 16, 28 x 28, 32 | 95 | 82 | 135 |
pub(super) fn faster(shape: &ConvolutionShape, outputs: [usize; 2]) -> Option<TileSize> {
    faster_than(1.0, shape, outputs)
}

/// As [`faster`], against a direct product at `rate` times the rate of the one in f32.
pub(super) fn faster_than(
    rate: f64,
    shape: &ConvolutionShape,
    [height, width]: [usize; 2],
) -> Option<TileSize> {
    if !fits(shape) || shape.in_channels.min(shape.out_channels) < LEAST_CHANNELS {
        return None;
    }
    let cost = |side: usize, outputs: usize| {
        side * side * (shape.batch * height.div_ceil(outputs) * width.div_ceil(outputs) + FILTER_TILES)
    };
    let (two, four) = (cost(Two::SIDE, Two::OUTPUTS), cost(Four::SIDE, Four::OUTPUTS));
    let direct = 9 * shape.batch * height * width;
    let (size, cost) = if four <= two { (TileSize::Four, four) } else { (TileSize::Two, two) };
    (cost as f64 * 1.25 * rate < direct as f64).then_some(size)
}

pub(super) fn forward(
    set: InstructionSet,
    size: TileSize,
    shape: &ConvolutionShape,
    input: &[f32],
    weights: &[f32],
    output: &mut [MaybeUninit<f32>],
    finish: Option<&Finish<'_>>,
) {
    let order = FilterOrder {
        outputs: shape.out_channels,
        output_step: shape.in_channels * 9,
        inputs: shape.in_channels,
        input_step: 9,
        flipped: false,
    };
    let (from, to) = (input_planes(shape), output_planes(shape));
    match size {
        TileSize::Two => {
            convolve(set, Two, (from, input), (to, output), shape.padding, (order, weights), finish);
        }
        TileSize::Four => {
            convolve(set, Four, (from, input), (to, output), shape.padding, (order, weights), finish);
        }
    }
}

pub(super) fn input_gradient(
    set: InstructionSet,
    size: TileSize,
    shape: &ConvolutionShape,
    output_gradient: &[f32],
    weights: &[f32],
    gradient: &mut [MaybeUninit<f32>],
) {
    let order = FilterOrder {
        outputs: shape.in_channels,
        output_step: 9,
        inputs: shape.out_channels,
        input_step: shape.in_channels * 9,
        flipped: true,
    };
    let (from, to) = (output_planes(shape), input_planes(shape));
    let padding = 2 - shape.padding;
    match size {
        TileSize::Two => {
            convolve(set, Two, (from, output_gradient), (to, gradient), padding, (order, weights), None);
        }
        TileSize::Four => {
            convolve(set, Four, (from, output_gradient), (to, gradient), padding, (order, weights), None);
        }
    }
}

/// Overwrites `gradient`.
pub(super) fn weight_gradient(
    set: InstructionSet,
    size: TileSize,
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    gradient: &mut [f32],
) {
    match size {
        TileSize::Two => correlate(set, Two, shape, input, output_gradient, gradient),
        TileSize::Four => correlate(set, Four, shape, input, output_gradient, gradient),
    }
}

fn input_planes(shape: &ConvolutionShape) -> Planes {
    Planes { channels: shape.in_channels, height: shape.height, width: shape.width }
}

fn output_planes(shape: &ConvolutionShape) -> Planes {
    Planes { channels: shape.out_channels, height: shape.out_height(), width: shape.out_width() }
}

/// The tiles of the outputs of a batch, in rows of tiles.
#[derive(Clone, Copy)]
struct Grid {
    /// Rows of tiles of an image, and tiles of a row.
    down: usize,
    across: usize,
    /// Outputs of a tile in one dimension.
    outputs: usize,
}

impl Grid {
    fn new<S: Size>(outputs: Planes) -> Self {
        let tiles = |outputs: usize| outputs.div_ceil(S::OUTPUTS);
        Self { down: tiles(outputs.height), across: tiles(outputs.width), outputs: S::OUTPUTS }
    }

    /// A row of tiles, for values that begin `padding` before the outputs.
    fn row(self, row: usize, block: usize, padding: usize) -> TileRow {
        let top = row % self.down * self.outputs;
        TileRow {
            image: row / self.down,
            top: top as isize - padding as isize,
            left: -(padding as isize),
            block,
            across: self.across,
            step: self.outputs,
        }
    }
}

/// The transformed tiles of some rows: `[place][block][tile][channel]`.
#[derive(Default)]
struct Transformed {
    values: Vec<MaybeUninit<f32>>,
    blocks: usize,
    /// Tiles, with those that fill the last register tile.
    count: usize,
}

impl Transformed {
    /// Room for `count` tiles, of which those from `used` on become zero. The others keep what was there, if anything.
    fn resize<S: Size>(&mut self, _: S, blocks: usize, used: usize, count: usize) {
        (self.blocks, self.count) = (blocks, count);
        let length = S::PLACES * self.pitch();
        if self.values.capacity() < length {
            self.values = Vec::with_capacity(length);
        }
        // SAFETY: the capacity is large enough, and the values may be uninitialised.
        unsafe { self.values.set_len(length) };
        let pitch = self.pitch();
        for place in self.values.chunks_exact_mut(pitch) {
            for block in place.chunks_exact_mut(count * BLOCK).take(blocks) {
                block[used * BLOCK..].fill(MaybeUninit::new(0.0));
            }
        }
    }

    /// Values from one place to the next. One more line keeps the places out of the same sets of the cache.
    fn pitch(&self) -> usize {
        (self.blocks * self.count + 1) * BLOCK
    }

    /// # Safety
    /// All tiles of the place have been written.
    unsafe fn place(&self, place: usize) -> &[f32] {
        let values = &self.values[place * self.pitch()..][..self.blocks * self.count * BLOCK];
        // SAFETY: the same values, all of them written.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
    }

    /// The places, to be written by several tasks.
    fn shared(&mut self) -> SharedTiles {
        SharedTiles { start: self.values.as_mut_ptr().cast(), pitch: self.pitch(), count: self.count }
    }
}

#[derive(Clone, Copy)]
struct SharedTiles {
    start: *mut f32,
    pitch: usize,
    count: usize,
}

// SAFETY: every task reads and writes its own tiles of its own blocks.
unsafe impl Send for SharedTiles {}
// SAFETY: as above.
unsafe impl Sync for SharedTiles {}

impl SharedTiles {
    /// The room for the sums of a panel of `blocks` blocks of one place, from block `first` on.
    ///
    /// # Safety
    /// Nobody else uses them at the same time.
    unsafe fn panel<'a>(self, place: usize, first: usize, blocks: usize) -> &'a mut [MaybeUninit<f32>] {
        let length = self.count * BLOCK;
        // SAFETY: within the values of the place; the caller promises that there is no other reference.
        unsafe {
            let start = self.start.add(place * self.pitch + first * length);
            std::slice::from_raw_parts_mut(start.cast(), blocks * length)
        }
    }

    /// The tiles of a block from `first` on.
    fn from(self, block: usize, first: usize) -> Tiles {
        // SAFETY: within the values; checked by the callers' counts.
        Tiles { start: unsafe { self.start.add((block * self.count + first) * BLOCK) }, pitch: self.pitch }
    }
}

/// Does `work` for `0..count`, on all threads if `together`.
fn each(together: bool, count: usize, work: impl Fn(usize) + Send + Sync) {
    if together {
        (0..count).into_par_iter().for_each(work);
    } else {
        for at in 0..count {
            work(at);
        }
    }
}

fn convolve<S: Size>(
    set: InstructionSet,
    size: S,
    (from, source): (Planes, &[f32]),
    (to, output): (Planes, &mut [MaybeUninit<f32>]),
    padding: usize,
    (order, weights): (FilterOrder, &[f32]),
    finish: Option<&Finish<'_>>,
) {
    let grid = Grid::new::<S>(to);
    let rows = output.len() / (to.channels * to.plane()) * grid.down;
    let filters = Filters::new(set, size, order, weights);
    let together = size_of_val(filters.values.as_slice()) > FILTERS_IN_CACHE;
    let bytes_per_row = grid.across * S::PLACES * (from.blocks() + to.blocks()) * BLOCK * size_of::<f32>();
    let rows_per_chunk = if together {
        (SHARED_BYTES / bytes_per_row).clamp(1, rows)
    } else {
        (TASK_BYTES / bytes_per_row).clamp(1, rows.div_ceil(TASKS))
    };
    let output = SharedOutput::new(output);
    let chunk = |(tiles, sums): &mut (Transformed, Transformed), chunk: usize| {
        let first = chunk * rows_per_chunk;
        let rows = rows_per_chunk.min(rows - first);
        let used = rows * grid.across;
        let count = used.next_multiple_of(product::rows(set));
        let wide = product::columns(set);
        tiles.resize(size, from.blocks(), used, count);
        sums.resize(size, to.channels.div_ceil(wide) * wide / BLOCK, count, count);
        let shared = tiles.shared();
        each(together, rows * from.blocks(), |at| {
            let (row, block) = (at / from.blocks(), at % from.blocks());
            // SAFETY: every row of tiles of every block has its own room.
            unsafe {
                gather(
                    set,
                    S::Signal::default(),
                    from,
                    source,
                    grid.row(first + row, block, padding),
                    shared.from(block, row * grid.across),
                );
            }
        });
        let tiles = &*tiles;
        let shared = sums.shared();
        let panels = to.channels.div_ceil(wide);
        each(together, S::PLACES * panels, |at| {
            let (place, panel) = (at / panels, at % panels);
            let filters = &filters.values[place * filters.pitch..][..filters.pitch];
            let filters = &filters[panel * filters.len() / panels..][..filters.len() / panels];
            let blocks = wide / BLOCK;
            // SAFETY: every panel of every place has its own sums, and all tiles have been transformed.
            let (sums, tiles) = unsafe { (shared.panel(place, panel * blocks, blocks), tiles.place(place)) };
            product::multiply(set, count, tiles, filters, sums);
        });
        each(together, rows * to.blocks(), |at| {
            let (row, block) = (at / to.blocks(), at % to.blocks());
            // SAFETY: every row of tiles of every block has its own outputs.
            unsafe {
                scatter(
                    set,
                    size,
                    shared.from(block, row * grid.across),
                    to,
                    grid.row(first + row, block, 0),
                    output.at(0),
                    finish,
                );
            }
        });
    };
    let chunks = rows.div_ceil(rows_per_chunk);
    if together {
        let mut buffers = <(Transformed, Transformed)>::default();
        for at in 0..chunks {
            chunk(&mut buffers, at);
        }
    } else {
        (0..chunks).into_par_iter().for_each_init(<(Transformed, Transformed)>::default, chunk);
    }
}

fn correlate<S: Size>(
    set: InstructionSet,
    size: S,
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    gradient: &mut [f32],
) {
    let (blocks, out_blocks) = (input_planes(shape).blocks(), output_planes(shape).blocks());
    let block_len = blocks * BLOCK * BLOCK;
    let pitch = out_blocks * block_len;
    // SAFETY: the sums of all places and blocks are written.
    let sums = unsafe {
        written(S::PLACES * pitch, |sums| sums_over_tiles(set, size, shape, input, output_gradient, sums))
    };
    gradient.par_chunks_mut(BLOCK * shape.in_channels * 9).enumerate().for_each(|(block, gradient)| {
        filter_gradients(set, size, shape.in_channels, (&sums[block * block_len..], pitch), gradient);
    });
}

/// The transformed gradient of the filters: `[place][block of outputs][block of inputs][output][input]`.
fn sums_over_tiles<S: Size>(
    set: InstructionSet,
    size: S,
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    sums: &mut [MaybeUninit<f32>],
) {
    let (from, to) = (input_planes(shape), output_planes(shape));
    let grid = Grid::new::<S>(to);
    let rows = shape.batch * grid.down;
    let blocks = from.blocks() + to.blocks();
    let bytes_per_row = grid.across * S::PLACES * blocks * BLOCK * size_of::<f32>();
    let rows_per_chunk = (SHARED_BYTES / bytes_per_row).clamp(1, rows);
    let (mut tiles, mut gradients) = (Transformed::default(), Transformed::default());
    for first in (0..rows).step_by(rows_per_chunk) {
        let rows = rows_per_chunk.min(rows - first);
        let count = rows * grid.across;
        tiles.resize(size, from.blocks(), count, count);
        gradients.resize(size, to.blocks(), count, count);
        let (shared, shared_gradients) = (tiles.shared(), gradients.shared());
        (0..rows * blocks).into_par_iter().for_each(|at| {
            let (row, block) = (at / blocks, at % blocks);
            // SAFETY: every row of tiles of every block has its own room.
            unsafe {
                if block < from.blocks() {
                    let tiles = shared.from(block, row * grid.across);
                    let row = grid.row(first + row, block, shape.padding);
                    gather(set, S::Signal::default(), from, input, row, tiles);
                } else {
                    let block = block - from.blocks();
                    let tiles = shared_gradients.from(block, row * grid.across);
                    let row = grid.row(first + row, block, 0);
                    gather(set, S::OutputGradient::default(), to, output_gradient, row, tiles);
                }
            }
        });
        let block_len = from.blocks() * BLOCK * BLOCK;
        sums.par_chunks_exact_mut(block_len).enumerate().for_each(|(at, sums)| {
            let (place, block) = (at / to.blocks(), at % to.blocks());
            // SAFETY: all tiles have been transformed.
            let (gradients, tiles) = unsafe { (gradients.place(place), tiles.place(place)) };
            let gradients = &gradients[block * count * BLOCK..][..count * BLOCK];
            product::correlate(set, count, gradients, tiles, sums, first > 0);
        });
    }
}
