//! The product of the weights with packed patches: for small planes, strides and kernels of 1 x 1.
//!
//! The output positions of the whole batch are one row of columns. A few of them are packed at a time, `[tap][column]`,
//! and multiplied by all weights while they are in the first-level cache. Nothing is computed past the edge of a plane, and
//! the columns of small planes of several images fill a register tile together. Packing costs a copy per tap, so wide planes
//! with few output channels are faster as a shifted product ([`super::forward`]).

use super::arithmetic::Arithmetic;
use super::tile::{self, WeightPanel, WeightPanels};
use crate::mixed::pair_of;
use crate::simd::{InstructionSet, Lanes, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of packed patches that stay in the first-level cache together with a panel of weights.
const PACKED_BYTES: usize = 32 * 1024;

/// Bytes of sums per task, which stay in the second-level cache.
const SUMS_BYTES: usize = 256 * 1024;

/// Tasks that a product is divided into, if it is large enough. A property of the shape, not of the machine.
const TASKS: usize = 16;

/// Least output channels of a task, because every task packs its patches for itself.
const TASK_ROWS: usize = 64;

/// The values of the patches, `[image][channel][height][width]`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// What the tiles multiply.
    Elements(&'a [f32]),
    /// Values of so many channels. Two of them are rounded to a pair in bfloat16 when they are packed.
    Halves(&'a [f32], usize),
}

impl<'a> Source<'a> {
    fn values(self) -> &'a [f32] {
        let (Self::Elements(values) | Self::Halves(values, _)) = self;
        values
    }

    /// Planes of an image whose packed channels are so many.
    fn planes(self, channels: usize) -> usize {
        match self {
            Self::Elements(_) => channels,
            Self::Halves(_, channels) => channels,
        }
    }

    /// Planes of a packed channel.
    fn planes_of_channel(self) -> usize {
        match self {
            Self::Elements(_) => 1,
            Self::Halves(..) => 2,
        }
    }
}

/// Where the taps of a product read: at position `(row, column)`, tap `(y, x)` of a channel reads the value
/// `(row * stride + y, column * stride + x)` of its plane, and zero outside.
pub(super) struct Patches<'a> {
    source: Source<'a>,
    /// Packed channels.
    channels: usize,
    height: usize,
    width: usize,
    /// Positions of an output plane.
    rows: usize,
    columns: usize,
    stride: usize,
    taps: Vec<(isize, isize)>,
}

/// Some adjacent values of one packed row.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// First value in the packed rows of a channel.
    to: usize,
    length: usize,
    /// First value in the source, for channel 0; [`ZEROS`] for zeros.
    from: usize,
}

/// Values in a cache line. Registers that cross two lines load slowly.
const ALIGNED: usize = 16;

/// The part of a buffer that starts at a cache line.
fn aligned(buffer: &mut [f32]) -> &mut [f32] {
    let skip = buffer.as_ptr().align_offset(ALIGNED * size_of::<f32>()).min(ALIGNED);
    &mut buffer[skip..]
}

const ZEROS: usize = usize::MAX;

impl<'a> Patches<'a> {
    /// `source` holds images of `channels` packed channels of `height` rows and `width` columns.
    pub(super) fn new(
        source: Source<'a>,
        [channels, height, width]: [usize; 3],
        [rows, columns]: [usize; 2],
        stride: usize,
        taps: Vec<(isize, isize)>,
    ) -> Self {
        if stride == 1 && taps == [(0, 0)] && (rows, columns) == (height, width) {
            // The positions of a plane are its values, in one row.
            let plane = height * width;
            return Self { source, channels, height: 1, width: plane, rows: 1, columns: plane, stride, taps };
        }
        Self { source, channels, height, width, rows, columns, stride, taps }
    }

    /// Whether a tap reads a value at some position. The others contribute nothing.
    pub(super) fn reads(
        (y, x): (isize, isize),
        [height, width]: [usize; 2],
        [rows, columns]: [usize; 2],
        stride: usize,
    ) -> bool {
        let inside = |from: isize, positions: usize, size: usize| {
            (0..positions).any(|at| {
                let place = (at * stride) as isize + from;
                (0..size as isize).contains(&place)
            })
        };
        inside(y, rows, height) && inside(x, columns, width)
    }

    fn positions(&self) -> usize {
        self.rows * self.columns
    }

    fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Images of the source.
    fn images(&self) -> usize {
        self.source.values().len() / self.image_len().max(1)
    }

    /// Values of an image of the source.
    fn image_len(&self) -> usize {
        self.source.planes(self.channels) * self.plane()
    }

    /// The pieces of the packed rows of one channel for some columns, in order. They cover `wide` values per tap, and start at
    /// `base`.
    fn pieces(&self, columns: Range<usize>, wide: usize, base: usize, pieces: &mut Vec<Piece>) {
        let first = pieces.len();
        let adjacent = self.stride == 1;
        let mut add = |to: usize, length: usize, from: usize| {
            if length == 0 {
                return;
            }
            if let Some(last) = pieces[first..].last_mut() {
                let zeros = from == ZEROS && last.from == ZEROS;
                let values = from != ZEROS && last.from != ZEROS && last.from + last.length == from;
                if last.to + last.length == to && (zeros || values && adjacent) {
                    last.length += length;
                    return;
                }
            }
            pieces.push(Piece { to, length, from });
        };
        let stride = self.stride as isize;
        for (tap, (down, right)) in self.taps.iter().enumerate() {
            let mut to = base + tap * wide;
            let mut at = columns.start;
            while at < columns.end {
                let (image, position) = (at / self.positions(), at % self.positions());
                let (row, column) = (position / self.columns, position % self.columns);
                let length = (self.columns - column).min(columns.end - at);
                let y = row as isize * stride + down;
                let x = column as isize * stride + right;
                // Positions before the plane, and up to its end.
                let before = if x < 0 { (-x).unsigned_abs().div_ceil(self.stride).min(length) } else { 0 };
                let end = (self.width as isize - x).max(0).unsigned_abs().div_ceil(self.stride).min(length);
                if y < 0 || y >= self.height as isize || before >= end {
                    add(to, length, ZEROS);
                } else {
                    let x = (x + before as isize * stride).unsigned_abs();
                    let line = image * self.image_len() + y.unsigned_abs() * self.width;
                    add(to, before, ZEROS);
                    add(to + before, end - before, line + x);
                    add(to + end, length - end, ZEROS);
                }
                to += length;
                at += length;
            }
            add(to, base + (tap + 1) * wide - to, ZEROS);
        }
    }

    /// Packs the rows of some channels, in places of `tile_len` values per tile: `packed[tile * tile_len + (channel * taps + tap)
    /// * wide + column]`. Every tile has room for one more register after its rows.
    fn pack(
        &self,
        set: InstructionSet,
        pieces: &[Piece],
        channels: Range<usize>,
        pitch: usize,
        packed: &mut [f32],
    ) {
        let plane = self.plane();
        if channels.is_empty() || plane == 0 {
            return;
        }
        let planes = self.source.planes_of_channel();
        let source = &self.source.values()[channels.start * planes * plane..];
        let (mut reach, mut end) = (0, 0);
        for piece in pieces {
            if piece.from != ZEROS {
                reach = reach.max(piece.from + (piece.length - 1) * self.stride + 1);
            }
            end = end.max(piece.to + piece.length);
        }
        // The last channel of an odd number has one plane.
        let present =
            (self.source.planes(self.channels) - channels.start * planes).min(channels.len() * planes);
        assert!((present - 1) * plane + reach <= source.len(), "a patch is past the last image");
        assert!(
            (channels.len() - 1) * pitch + end + tile::largest_register() <= packed.len(),
            "no room for the patches"
        );
        let sizes = [channels.len(), plane, pitch, self.stride];
        let halves = matches!(self.source, Source::Halves(..)).then_some(present);
        dispatch!(set, L => fn(pieces: &[Piece], source: &[f32], packed: &mut [f32], sizes: [usize; 4], halves: Option<usize>) {
            // SAFETY: the assertions above bound every read, and every write but those of whole registers, for which
            // there is room after the last channel; the features are those of `L`.
            unsafe {
                match halves {
                    Some(present) => pack_halves(pieces, source, present, packed.as_mut_ptr(), sizes),
                    None => pack_channels::<L>(pieces, source, packed.as_mut_ptr(), sizes),
                }
            }
        });
    }
}

/// As [`pack_channels`], with two of `present` planes rounded to a pair. The second plane of the last channel may be missing.
///
/// # Safety
/// As asserted in [`Patches::pack`].
#[inline(always)]
unsafe fn pack_halves(
    pieces: &[Piece],
    source: &[f32],
    present: usize,
    packed: *mut f32,
    [count, plane, pitch, stride]: [usize; 4],
) {
    for channel in 0..count {
        let one = &source[2 * channel * plane..];
        let other = (2 * channel + 1 < present).then(|| &one[plane..]);
        for piece in pieces {
            // SAFETY: the caller asserts that there is room for every piece of every channel.
            let to = unsafe {
                std::slice::from_raw_parts_mut(packed.add(channel * pitch + piece.to), piece.length)
            };
            if piece.from == ZEROS {
                to.fill(0.0);
                continue;
            }
            let reach = (piece.length - 1) * stride + 1;
            let one = &one[piece.from..][..reach];
            match (other.map(|other| &other[piece.from..][..reach]), stride) {
                (Some(other), 1) => {
                    for ((to, one), other) in to.iter_mut().zip(one).zip(other) {
                        *to = f32::from_bits(pair_of(*one, *other));
                    }
                }
                (Some(other), _) => {
                    for ((to, one), other) in
                        to.iter_mut().zip(one.iter().step_by(stride)).zip(other.iter().step_by(stride))
                    {
                        *to = f32::from_bits(pair_of(*one, *other));
                    }
                }
                (None, _) => {
                    for (to, one) in to.iter_mut().zip(one.iter().step_by(stride)) {
                        *to = f32::from_bits(pair_of(*one, 0.0));
                    }
                }
            }
        }
    }
}

/// Copies the pieces of `count` channels. A piece of stride 1 is copied in whole registers: what is written after its end is
/// overwritten by the next piece, which starts there.
///
/// # Safety
/// As asserted in [`Patches::pack`].
#[inline(always)]
unsafe fn pack_channels<L: Lanes>(
    pieces: &[Piece],
    source: &[f32],
    packed: *mut f32,
    [count, plane, pitch, stride]: [usize; 4],
) {
    // SAFETY: every address is within the bounds that the caller asserts.
    unsafe {
        let zero = L::zero();
        for channel in 0..count {
            let from = source.as_ptr().add(channel * plane);
            let left = source.len() - channel * plane;
            let packed = packed.add(channel * pitch);
            for piece in pieces {
                let to = packed.add(piece.to);
                if piece.from == ZEROS {
                    let mut at = 0;
                    while at < piece.length {
                        zero.store(to.add(at));
                        at += L::COUNT;
                    }
                    continue;
                }
                let from = from.add(piece.from);
                if stride == 1 {
                    if piece.from + piece.length.next_multiple_of(L::COUNT) <= left {
                        let mut at = 0;
                        while at < piece.length {
                            L::load(from.add(at)).store(to.add(at));
                            at += L::COUNT;
                        }
                    } else {
                        std::ptr::copy_nonoverlapping(from, to, piece.length);
                    }
                } else if stride == 2 {
                    for at in 0..piece.length {
                        *to.add(at) = *from.add(2 * at);
                    }
                } else {
                    for at in 0..piece.length {
                        *to.add(at) = *from.add(stride * at);
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Buffers {
    pieces: Vec<Piece>,
    packed: Vec<f32>,
    sums: Vec<f32>,
}

/// `sums[row][column] = sum over channels and taps of weights[row][channel][tap] * patch[channel][tap][column]` for every
/// position of the batch. `put(row, image, first position, sums)` receives each sum once, from several threads.
pub(super) fn packed_product(
    arithmetic: Arithmetic,
    panels: &WeightPanels,
    rows: usize,
    patches: &Patches<'_>,
    put: &(impl Fn(usize, usize, usize, &[f32]) + Sync),
) {
    let wide = tile::shifted_columns(arithmetic);
    let total = patches.images() * patches.positions();
    let panels_of = panels.panels();
    if total == 0 || panels_of.is_empty() {
        return;
    }
    let tall = panels.tallest();
    let tiles = total.div_ceil(wide);
    // Tiles per task: as many as leave enough tasks and keep the sums in the cache.
    let fitting = (SUMS_BYTES / (size_of::<f32>() * wide * rows.next_multiple_of(tall))).max(2);
    let tiles_per_task = fitting.min(tiles.div_ceil(TASKS)).max(1);
    let column_tasks = tiles.div_ceil(tiles_per_task);
    let row_tasks = TASKS.div_ceil(column_tasks).min(rows.div_ceil(TASK_ROWS)).max(1);
    let panels_per_task = panels_of.len().div_ceil(row_tasks);
    let row_tasks = panels_of.len().div_ceil(panels_per_task);
    (0..column_tasks * row_tasks).into_par_iter().for_each_init(Buffers::default, |buffers, task| {
        let (column_task, row_task) = (task / row_tasks, task % row_tasks);
        let first = column_task * tiles_per_task * wide;
        let columns = first..(first + tiles_per_task * wide).min(total);
        let panels_of = &panels_of[row_task * panels_per_task..];
        let panels_of = &panels_of[..panels_per_task.min(panels_of.len())];
        product_task(arithmetic, (panels, panels_of, rows), patches, columns, buffers, put);
    });
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn product_task(
    arithmetic: Arithmetic,
    (panels, of_task, rows): (&WeightPanels, &[WeightPanel], usize),
    patches: &Patches<'_>,
    columns: Range<usize>,
    buffers: &mut Buffers,
    put: &(impl Fn(usize, usize, usize, &[f32]) + Sync),
) {
    let wide = tile::shifted_columns(arithmetic);
    let taps = patches.taps.len();
    let tiles = columns.len().div_ceil(wide);
    let pitch = tiles * wide;
    let first_row = of_task[0].first;
    let last = of_task[of_task.len() - 1];
    let depth_step = tile::depth_step(arithmetic);
    // As many channels as end at a whole step of the depth.
    let step = depth_step / gcd(depth_step, taps.max(1));
    let fitting = PACKED_BYTES / (size_of::<f32>() * wide * taps.max(1));
    let channels = (fitting / step * step).max(step).min(patches.channels.max(1));
    let depth_of_tile = (channels * taps).next_multiple_of(depth_step);
    // Each tile has its own place, with room for the last register.
    let tile_len = (depth_of_tile * wide + tile::largest_register()).next_multiple_of(ALIGNED);
    buffers.pieces.clear();
    for (tile, start) in columns.clone().step_by(wide).enumerate() {
        patches.pieces(start..(start + wide).min(columns.end), wide, tile * tile_len, &mut buffers.pieces);
    }
    buffers.packed.resize(tiles * tile_len + ALIGNED, 0.0);
    buffers.sums.resize((last.first + last.rows - first_row) * pitch + ALIGNED, 0.0);
    let packed = aligned(&mut buffers.packed);
    let sums = aligned(&mut buffers.sums);
    let multiplier = tile::Multiplier::new(arithmetic);
    for start in (0..patches.channels).step_by(channels) {
        let channels = start..(start + channels).min(patches.channels);
        let depth = channels.start * taps..channels.end * taps;
        // Channel by channel over all tiles, so that the source is read in long runs.
        patches.pack(arithmetic.set(), &buffers.pieces, channels.clone(), taps * wide, packed);
        for (tile, packed) in packed.chunks_exact_mut(tile_len).take(tiles).enumerate() {
            packed[depth.len() * wide..depth.len().next_multiple_of(depth_step) * wide].fill(0.0);
            for panel in of_task {
                let sums = &mut sums[(panel.first - first_row) * pitch + tile * wide..];
                tile::packed(&multiplier, panels, *panel, depth.clone(), packed, sums, pitch, start > 0);
            }
        }
    }
    let end_row = (last.first + last.rows).min(rows);
    let positions = patches.positions();
    for (row, sums) in (first_row..end_row).zip(sums.chunks_exact(pitch)) {
        let mut at = columns.start;
        while at < columns.end {
            let (image, first) = (at / positions, at % positions);
            let length = (positions - first).min(columns.end - at);
            put(row, image, first, &sums[at - columns.start..][..length]);
            at += length;
        }
    }
}
