//! The gradient of the weights by the tile registers of AMX.
//!
//! A tile sums over 16 adjacent positions of the padded plane in two adjacent images, which are rounded to pairs when they are copied. The
//! output gradient is stored in tiles of 32 channels and 16 positions, with zeros where a row of the padded plane has no output. The input
//! is turned, so that 32 channels of a position are adjacent; a tap reads it some positions further on. The positions of all pairs of
//! images that are prepared together are one row:
//!
//! ```text
//! weights[o][c][tap] = sum over n of gradient[o][n] * turned[n + shift[tap]][c]
//! ```

use super::super::ConvolutionShape;
use super::super::image::Layout;
use crate::mixed::amx::{COLUMNS, Multiplier, PAIRS, ROWS};
use crate::mixed::{as_pairs, pair_of};
use crate::simd::turn::turn;
use crate::simd::{detected, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of prepared pairs of images that all tasks read before the next ones are prepared.
const CHUNK_BYTES: usize = 2 * 1024 * 1024;

/// Tasks that the weights are divided into, if there are enough. A property of the shape, not of the machine.
const TASKS: usize = 16;

/// Steps of a tile that all taps of a task read from the first-level cache.
const STEPS: usize = 8;

/// Steps of the gradient that a task prepares.
const PREPARED_STEPS: usize = 64;

/// Overwrites `weight_gradient`, which is `[o][c][tap]`.
pub(super) fn weight_gradient(
    shape: &ConvolutionShape,
    input: &[f32],
    output_gradient: &[f32],
    weight_gradient: &mut [f32],
) {
    if shape.input_len() == 0 || shape.output_len() == 0 {
        weight_gradient.fill(0.0);
        return;
    }
    let layout = Layout::of_input(shape);
    let plane = layout.plane_len();
    let taps = Taps::new(shape, &layout);
    let (row_blocks, column_blocks) =
        (shape.out_channels.div_ceil(ROWS), shape.in_channels.div_ceil(COLUMNS));
    let phases = layout.planes() / shape.in_channels;
    let bytes = size_of::<f32>() * plane * (row_blocks * ROWS + phases * column_blocks * COLUMNS);
    let together = (CHUNK_BYTES / bytes.max(1)).clamp(1, shape.batch.div_ceil(2));

    let steps = (together * plane).div_ceil(PAIRS);
    let turned_len = (steps * PAIRS + taps.reach()) * COLUMNS;
    let mut tiles = vec![0.0; row_blocks * steps * ROWS * PAIRS];
    let mut turned = vec![0.0; phases * column_blocks * turned_len];

    let blocks = row_blocks * column_blocks;
    let taps_of_task = taps.count().div_ceil(TASKS.div_ceil(blocks));
    let mut sums = vec![0.0; blocks * taps.count() * ROWS * COLUMNS];
    let image_len = shape.in_channels * shape.height * shape.width;
    let gradient_len = shape.out_channels * layout.rows * layout.columns;
    let chunks =
        input.chunks(2 * together * image_len).zip(output_gradient.chunks(2 * together * gradient_len));
    for (images, gradients) in chunks {
        let count = (images.len() / image_len).div_ceil(2);
        let steps_used = (count * plane).div_ceil(PAIRS);
        tiles.par_chunks_exact_mut(steps * ROWS * PAIRS).enumerate().for_each(|(block, tiles)| {
            let tiles = &mut tiles[..steps_used * ROWS * PAIRS];
            tiles.par_chunks_mut(PREPARED_STEPS * ROWS * PAIRS).enumerate().for_each(|(part, tiles)| {
                fill_tiles(shape, &layout, gradients, block * ROWS, part * PREPARED_STEPS * PAIRS, tiles);
            });
        });
        turned.par_chunks_exact_mut(turned_len).enumerate().for_each(|(at, turned)| {
            let (phase, block) = (at / column_blocks, at % column_blocks);
            let channels = block * COLUMNS..((block + 1) * COLUMNS).min(shape.in_channels);
            turned.par_chunks_exact_mut(plane * COLUMNS).take(count).enumerate().for_each_init(
                || (vec![0.0; plane * COLUMNS], [vec![0.0; plane], vec![0.0; plane]]),
                |(padded, planes), (pair, turned)| {
                    let images = &images[2 * pair * image_len..];
                    for (channel, padded) in channels.clone().zip(padded.chunks_exact_mut(plane)) {
                        let plane_of = phase * shape.in_channels + channel;
                        for (image, plane) in planes.iter_mut().enumerate() {
                            match images.get(image * image_len..(image + 1) * image_len) {
                                Some(image) => layout.fill_plane(shape, image, plane_of, plane),
                                None => plane.fill(0.0),
                            }
                        }
                        round_pairs(&planes[0], &planes[1], padded);
                    }
                    turn_plane(padded, turned);
                },
            );
        });
        sums.par_chunks_exact_mut(taps.count() * ROWS * COLUMNS).enumerate().for_each(|(block, sums)| {
            let tiles = &tiles[block / column_blocks * steps * ROWS * PAIRS..][..steps_used * ROWS * PAIRS];
            sums.par_chunks_mut(taps_of_task * ROWS * COLUMNS).enumerate().for_each(|(task, sums)| {
                let some = &taps.places[task * taps_of_task..];
                add_products(tiles, some, sums, |phase| {
                    let at = phase * column_blocks + block % column_blocks;
                    &turned[at * turned_len..][..turned_len]
                });
            });
        });
    }
    weight_gradient.par_chunks_exact_mut(shape.taps()).enumerate().for_each(|(row, out)| {
        for (column, out) in out.chunks_exact_mut(taps.count()).enumerate() {
            let block = row / ROWS * column_blocks + column / COLUMNS;
            let at = (block * taps.count() * ROWS + row % ROWS) * COLUMNS + column % COLUMNS;
            for (out, sum) in out.iter_mut().zip(sums[at..].iter().step_by(ROWS * COLUMNS)) {
                *out = *sum;
            }
        }
    });
}

/// Where the taps of a channel read: the phase of the padded image, and the shift of the positions.
struct Taps {
    places: Vec<(usize, usize)>,
}

impl Taps {
    fn new(shape: &ConvolutionShape, layout: &Layout) -> Self {
        let phase_len = shape.in_channels * layout.plane_len();
        let shifts = &layout.offsets.shifts()[..shape.kernel * shape.kernel];
        Self { places: shifts.iter().map(|shift| (shift / phase_len, shift % phase_len)).collect() }
    }

    fn count(&self) -> usize {
        self.places.len()
    }

    /// The largest shift.
    fn reach(&self) -> usize {
        self.places.iter().map(|(_, shift)| *shift).max().unwrap_or(0)
    }
}

/// Stores the gradient of [`ROWS`] channels from `channel` on at the positions from `first` on: `[step][channel][position of the step]`.
fn fill_tiles(
    shape: &ConvolutionShape,
    layout: &Layout,
    gradients: &[f32],
    channel: usize,
    first: usize,
    tiles: &mut [f32],
) {
    let outputs = layout.rows * layout.columns;
    // Without columns past the edge, a plane is one row.
    let adjacent = layout.pitch == layout.columns;
    let (rows, columns) = if adjacent { (1, outputs) } else { (layout.rows, layout.columns) };
    let plane = layout.plane_len();
    let channels = ROWS.min(shape.out_channels - channel);
    let length = tiles.len() / ROWS;
    let (end, images) = (first + length, gradients.len() / (shape.out_channels * outputs));
    // One channel of two images at a time. Rows are at the same positions in all of them, so what is between them stays zero.
    let mut positions = [[0.0; PREPARED_STEPS * PAIRS]; 2];
    let mut rounded = [0.0; PREPARED_STEPS * PAIRS];
    let steps = tiles.as_chunks_mut::<PAIRS>().0;
    for of_block in 0..ROWS {
        if of_block >= channels {
            steps.iter_mut().skip(of_block).step_by(ROWS).for_each(|step| step.fill(0.0));
            continue;
        }
        for pair in first / plane..end.div_ceil(plane).min(images.div_ceil(2)) {
            let start = pair * plane;
            for (image, positions) in (2 * pair..images).zip(&mut positions) {
                let from = (image * shape.out_channels + channel + of_block) * outputs;
                for row in (first + 1).saturating_sub(start + columns).div_ceil(layout.pitch)..rows {
                    let at = start + row * layout.pitch;
                    if at >= end {
                        break;
                    }
                    let (skipped, to) = (first.saturating_sub(at), at.saturating_sub(first));
                    let values = &gradients[from + row * columns + skipped..from + (row + 1) * columns];
                    let values = &values[..values.len().min(length - to)];
                    positions[to..][..values.len()].copy_from_slice(values);
                }
            }
        }
        let [one, other] = &positions;
        round_pairs(&one[..length], &other[..length], &mut rounded[..length]);
        for (step, rounded) in steps.iter_mut().skip(of_block).step_by(ROWS).zip(rounded.as_chunks().0) {
            *step = *rounded;
        }
    }
}

/// Pairs of the values of two rows of the same length.
fn round_pairs(one: &[f32], other: &[f32], out: &mut [f32]) {
    assert!(one.len() == out.len() && other.len() == out.len(), "rows of the same length");
    dispatch!(detected(), fn(one: &[f32], other: &[f32], out: &mut [f32]) {
        for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
            *out = f32::from_bits(pair_of(*one, *other));
        }
    });
}

/// `turned[position][channel] = padded[channel][position]` for [`COLUMNS`] channels.
fn turn_plane(padded: &[f32], turned: &mut [f32]) {
    assert_eq!(padded.len(), turned.len(), "a plane of every channel");
    let plane = padded.len() / COLUMNS;
    dispatch!(detected(), L => fn(padded: &[f32], turned: &mut [f32], plane: usize) {
        // SAFETY: both hold `plane` positions of COLUMNS channels; the features are those of `L`.
        unsafe { turn::<L>([COLUMNS, plane], (padded.as_ptr(), plane), (turned.as_mut_ptr(), COLUMNS)) }
    });
}

/// `sums[tap] += tiles x turned[shift[tap]..]` for the first taps of `taps`, `[ROWS, COLUMNS]` each.
fn add_products<'a>(
    tiles: &[f32],
    taps: &[(usize, usize)],
    sums: &mut [f32],
    turned: impl Fn(usize) -> &'a [f32],
) {
    let multiplier = Multiplier::new();
    for (part, tiles) in tiles.chunks(STEPS * ROWS * PAIRS).enumerate() {
        let positions: Range<usize> = part * STEPS * PAIRS..part * STEPS * PAIRS + tiles.len() / ROWS;
        for ((phase, shift), sums) in taps.iter().zip(sums.chunks_exact_mut(ROWS * COLUMNS)) {
            let turned =
                &turned(*phase)[(positions.start + shift) * COLUMNS..(positions.end + shift) * COLUMNS];
            multiplier.multiply(as_pairs(tiles), (as_pairs(turned), COLUMNS), (sums, COLUMNS), true);
        }
    }
}
