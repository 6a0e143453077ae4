//! The gradient of the weights: the correlation of shifted images with the output gradient.

use super::ConvolutionShape;
use super::arithmetic::Arithmetic;
use super::image::Layout;
use super::tile::{self, Positions};
use crate::simd::turn::turn as turn_lanes;
use crate::simd::{InstructionSet, dispatch};
use rayon::prelude::*;

/// Bytes of prepared images that all tasks read before the next ones are prepared.
const CHUNK_BYTES: usize = 2 * 1024 * 1024;

/// Positions that a tile sums in registers. One channel block of so many gradients fits in the second-level cache, and a
/// sum of so many products rounds little.
const STRIP: usize = 1024;

/// Tasks that the weights are divided into, if there are enough. A property of the shape, not of the machine.
const TASKS: usize = 16;

/// Positions that are turned at a time, so that the turned rows stay in the first-level cache.
const TURNED: usize = 64;

/// The sums `sum over images and positions of shifted[tap][position] * turned[channel][position]` of all taps and channels.
pub(super) struct Correlation<'a> {
    pub(super) arithmetic: Arithmetic,
    /// Where the taps read in the images that are shifted.
    pub(super) layout: &'a Layout,
    /// `[image][channel][height][width]`; the shape says how they become padded images.
    pub(super) shifted: &'a [f32],
    pub(super) shape: &'a ConvolutionShape,
    /// Whether the images are used where they are: a kernel of 1 x 1 without a stride needs no padding.
    pub(super) plain: bool,
    /// `[image][channel][position]`.
    pub(super) turned: &'a [f32],
    pub(super) channels: usize,
}

/// The sums of a correlation, in blocks of channels: `[block][tap][channel within the block]`.
pub(super) struct Sums {
    set: InstructionSet,
    values: Vec<f32>,
    /// Channels of a block.
    wide: usize,
    /// Taps of a block, with those of the padding.
    taps: usize,
}

impl Sums {
    /// Writes `[channel][tap]`.
    pub(super) fn by_channel(&self, taps: usize, out: &mut [f32]) {
        let blocks = self.values.par_chunks_exact(self.taps * self.wide);
        out.par_chunks_mut(self.wide * taps).zip(blocks).for_each(|(out, block)| {
            turn(self.set, [taps, out.len() / taps], (block, self.wide), (out, taps));
        });
    }

    /// Writes `[tap][channel]`.
    pub(super) fn by_tap(&self, channels: usize, out: &mut [f32]) {
        out.par_chunks_exact_mut(channels).enumerate().for_each(|(tap, out)| {
            for (block, out) in out.chunks_mut(self.wide).enumerate() {
                let sums = &self.values[(block * self.taps + tap) * self.wide..];
                out.copy_from_slice(&sums[..out.len()]);
            }
        });
    }
}

impl Correlation<'_> {
    pub(super) fn run(&self) -> Sums {
        let set = self.arithmetic.set();
        let (wide, tall) = (tile::correlation_channels(set), tile::correlation_taps(set));
        let positions = self.layout.rows * self.layout.columns;
        let blocks = self.channels.div_ceil(wide);
        let shifts = self.layout.offsets.shifts();
        let groups = shifts.len().div_ceil(tall);
        let groups_per_task = groups.div_ceil(TASKS.div_ceil(blocks));
        let taps = groups.next_multiple_of(groups_per_task) * tall;
        // A tap of the padding reads the same values as the first tap; its sums are not used.
        let mut offsets = shifts.to_vec();
        offsets.resize(groups * tall, 0);
        let mut sums = vec![0.0; blocks * taps * wide];

        let image_len = self.shifted.len() / self.shape.batch;
        let gradient_len = self.turned.len() / self.shape.batch;
        let padded_len = if self.plain { image_len } else { self.layout.padded_len(0) };
        let turned_len = blocks * positions * wide;
        let copied = turned_len + if self.plain { 0 } else { padded_len };
        let images_per_chunk = (CHUNK_BYTES / (size_of::<f32>() * copied)).clamp(1, self.shape.batch);
        let mut padded = vec![0.0; if self.plain { 0 } else { images_per_chunk * padded_len }];
        let mut turned = vec![0.0; images_per_chunk * turned_len];
        let images = self.shifted.chunks(images_per_chunk * image_len);
        for (images, gradients) in images.zip(self.turned.chunks(images_per_chunk * gradient_len)) {
            let count = images.len() / image_len;
            turned.par_chunks_exact_mut(positions * wide).take(count * blocks).enumerate().for_each(
                |(at, turned)| {
                    let (image, block) = (at / blocks, at % blocks);
                    let gradient = &gradients[image * gradient_len..][..gradient_len];
                    let first = block * wide;
                    let last = (first + wide).min(self.channels);
                    let channels = (&gradient[first * positions..last * positions], positions);
                    turn(set, [last - first, positions], channels, (turned, wide));
                },
            );
            let shifted = if self.plain {
                images
            } else {
                let planes = self.layout.planes();
                padded
                    .par_chunks_exact_mut(self.layout.plane_len())
                    .take(count * planes)
                    .enumerate()
                    .for_each(|(at, padded)| {
                        let image = &images[at / planes * image_len..][..image_len];
                        self.layout.fill_plane(self.shape, image, at % planes, padded);
                    });
                &padded[..count * padded_len]
            };
            sums.par_chunks_exact_mut(groups_per_task * tall * wide).enumerate().for_each(|(task, sums)| {
                let first_group = task * groups_per_task % (taps / tall);
                let block = task * groups_per_task / (taps / tall);
                let end = (first_group + groups_per_task).min(groups);
                if first_group >= end {
                    return;
                }
                self.strips(count, |image, images, row, rows| {
                    let columns = self.layout.columns;
                    // Rows without padding between them are one row.
                    let joined = columns == self.layout.pitch;
                    let walk = Positions {
                        images,
                        image_pitch: padded_len,
                        gradient_pitch: turned_len,
                        rows: if joined { 1 } else { rows },
                        columns: if joined { rows * columns } else { columns },
                        row_pitch: self.layout.pitch,
                    };
                    let shifted = &shifted[image * padded_len + row * self.layout.pitch..];
                    let at = image * turned_len + (block * positions + row * columns) * wide;
                    let offsets = offsets[first_group * tall..end * tall].chunks_exact(tall);
                    for (offsets, sums) in offsets.zip(sums.chunks_exact_mut(tall * wide)) {
                        tile::correlate(self.arithmetic, offsets, shifted, walk, &turned[at..], sums, wide);
                    }
                });
            });
        }
        Sums { set, values: sums, wide, taps }
    }

    /// Calls `visit(first image, images, first row, rows)` for strips of about [`STRIP`] positions: some images, or some rows of one.
    fn strips(&self, images: usize, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let (rows, columns) = (self.layout.rows, self.layout.columns);
        let together = STRIP / (rows * columns);
        if together > 1 {
            for image in (0..images).step_by(together) {
                visit(image, together.min(images - image), 0, rows);
            }
            return;
        }
        let rows_of_strip = (STRIP / columns).clamp(1, rows);
        for image in 0..images {
            for row in (0..rows).step_by(rows_of_strip) {
                visit(image, 1, row, rows_of_strip.min(rows - row));
            }
        }
    }
}

/// Turns `rows` by `columns` values: `to[column * to_pitch + row] = from[row * from_pitch + column]`.
fn turn(
    set: InstructionSet,
    [rows, columns]: [usize; 2],
    (from, from_pitch): (&[f32], usize),
    (to, to_pitch): (&mut [f32], usize),
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * from_pitch + columns <= from.len(), "the rows are too short");
    assert!((columns - 1) * to_pitch + rows <= to.len(), "no room for the turned rows");
    dispatch!(set, L => fn(rows: usize, columns: usize, from: &[f32], from_pitch: usize, to: &mut [f32], to_pitch: usize) {
        for first in (0..columns).step_by(TURNED) {
            let some = TURNED.min(columns - first);
            // SAFETY: all rows and columns exist on both sides, by the assertions; the features are those of `L`.
            unsafe {
                let to = to.as_mut_ptr().add(first * to_pitch);
                turn_lanes::<L>([rows, some], (from.as_ptr().add(first), from_pitch), (to, to_pitch));
            }
        }
    });
}
