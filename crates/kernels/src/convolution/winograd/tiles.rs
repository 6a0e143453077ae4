//! Between planes and transformed tiles.
//!
//! A register holds the same position of several channels, so that a map is the same for planes of any size: 16 channels are a block.
//! The transformed tiles are `[place][block][tile][channel of the block]`, where a place is a pair of points.

use super::super::finish::Finish;
use super::maps::{MOST, Map, Size, column};
use crate::simd::turn::turn;
use crate::simd::{InstructionSet, Lanes, dispatch};
use std::cell::RefCell;
use std::ops::Range;

/// Channels of a block: those of the widest register.
pub(super) const BLOCK: usize = 16;

/// Images of `channels` planes: `[image][channel][height][width]`.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Planes {
    pub(super) fn plane(self) -> usize {
        self.height * self.width
    }

    /// The channels of a block.
    fn block(self, block: usize) -> Range<usize> {
        block * BLOCK..((block + 1) * BLOCK).min(self.channels)
    }

    pub(super) fn blocks(self) -> usize {
        self.channels.div_ceil(BLOCK)
    }
}

/// One row of tiles of one block of channels.
#[derive(Clone, Copy)]
pub(super) struct TileRow {
    pub(super) image: usize,
    /// Row and column of the first value of the first tile. It may be before the plane.
    pub(super) top: isize,
    pub(super) left: isize,
    pub(super) block: usize,
    /// Tiles.
    pub(super) across: usize,
    /// Values from one tile to the next.
    pub(super) step: usize,
}

/// Transformed tiles that several tasks read and write, each its own: the first tile of a row, and the values from one place to the next.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) start: *mut f32,
    pub(super) pitch: usize,
}

/// Lends the calling thread's room for the values of one row of tiles.
fn with_window(length: usize, work: impl FnOnce(&mut [f32])) {
    thread_local! {
        static WINDOW: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    WINDOW.with_borrow_mut(|window| {
        if window.len() < length {
            window.resize(length, 0.0);
        }
        work(&mut window[..length]);
    });
}

/// Transforms the values of one row of tiles; zero outside the planes.
///
/// # Safety
/// `to` has room for `across` tiles at each place, which nobody else uses at the same time.
pub(super) unsafe fn gather<M: Map>(
    set: InstructionSet,
    map: M,
    planes: Planes,
    source: &[f32],
    row: TileRow,
    to: Tiles,
) {
    assert!((row.image + 1) * planes.channels * planes.plane() <= source.len(), "an image past the last");
    assert!(row.across > 0 && !planes.block(row.block).is_empty(), "no tile, or no channel");
    let wide = (row.across - 1) * row.step + M::FROM;
    with_window(MOST * wide * BLOCK, |window| {
        dispatch!(set, L => fn[M: Map](map: M, planes: Planes, source: &[f32], row: TileRow, to: Tiles, window: &mut [f32], wide: usize) {
            let _ = map;
            // SAFETY: the window has room for six rows of `wide` blocks; the caller promises room for the tiles; the features are
            // those of `L`.
            unsafe {
                fill::<L, M>(planes, source, row, window, wide);
                transform::<L, M>(window.as_mut_ptr(), row, wide, to);
            }
        });
    });
}

/// Copies the values that the tiles read: `window[row][column][channel]`.
#[inline(always)]
unsafe fn fill<L: Lanes, M: Map>(
    planes: Planes,
    source: &[f32],
    row: TileRow,
    window: &mut [f32],
    wide: usize,
) {
    let channels = planes.block(row.block);
    let first = (row.image * planes.channels + channels.start) * planes.plane();
    for (down, window) in window.chunks_exact_mut(wide * BLOCK).take(M::FROM).enumerate() {
        let y = row.top + down as isize;
        // Columns of the window before the plane, and up to its end.
        let before = (-row.left).clamp(0, wide as isize).unsigned_abs();
        let end = (planes.width as isize - row.left).clamp(0, wide as isize).unsigned_abs();
        if y < 0 || y >= planes.height as isize || before >= end {
            window.fill(0.0);
            continue;
        }
        if channels.len() < BLOCK {
            window.fill(0.0);
        } else {
            window[..before * BLOCK].fill(0.0);
            window[end * BLOCK..].fill(0.0);
        }
        let x = (row.left + before as isize).unsigned_abs();
        let from = source[first + y.unsigned_abs() * planes.width + x..].as_ptr();
        let to = window[before * BLOCK..].as_mut_ptr();
        // SAFETY: the plane has `end - before` values from `x` on, and so has the window; the last plane of the block is in the source.
        unsafe { turn::<L>([channels.len(), end - before], (from, planes.plane()), (to, BLOCK)) };
    }
}

/// Maps the columns of the window, then the rows of each tile.
#[inline(always)]
unsafe fn transform<L: Lanes, M: Map>(window: *mut f32, row: TileRow, wide: usize, to: Tiles) {
    // SAFETY: the window has `MOST` rows of `wide` blocks, and the caller promises room for the tiles.
    unsafe {
        for at in (0..wide * BLOCK).step_by(L::COUNT) {
            let mut values = [L::zero(); MOST];
            for (down, value) in values.iter_mut().enumerate().take(M::FROM) {
                *value = L::load(window.add(down * wide * BLOCK + at));
            }
            for (down, value) in M::apply(values).into_iter().enumerate().take(M::TO) {
                value.store(window.add(down * wide * BLOCK + at));
            }
        }
        for tile in 0..row.across {
            for down in 0..M::TO {
                let from = window.add((down * wide + tile * row.step) * BLOCK);
                for lane in (0..BLOCK).step_by(L::COUNT) {
                    let mut values = [L::zero(); MOST];
                    for (right, value) in values.iter_mut().enumerate().take(M::FROM) {
                        *value = L::load(from.add(right * BLOCK + lane));
                    }
                    for (right, value) in M::apply(values).into_iter().enumerate().take(M::TO) {
                        value.store(to.start.add((down * M::TO + right) * to.pitch + tile * BLOCK + lane));
                    }
                }
            }
        }
    }
}

/// Transforms one row of tiles back and writes what is inside the planes.
///
/// # Safety
/// `from` has `across` tiles at each place. `to` is the first image of the planes, and nobody else uses these rows of this block at the
/// same time.
pub(super) unsafe fn scatter<S: Size>(
    set: InstructionSet,
    size: S,
    from: Tiles,
    planes: Planes,
    row: TileRow,
    to: *mut f32,
    finish: Option<&Finish<'_>>,
) {
    let wide = row.across * S::OUTPUTS;
    with_window(S::OUTPUTS * wide * BLOCK, |window| {
        dispatch!(set, L => fn[S: Size](size: S, from: Tiles, planes: Planes, row: TileRow, to: *mut f32, window: &mut [f32], wide: usize) {
            let _ = size;
            // SAFETY: the window has room for the outputs; the caller promises tiles and planes; the features are those of `L`.
            unsafe {
                let window = window.as_mut_ptr();
                back::<L, S>(from, row, window, wide);
                let channels = planes.block(row.block);
                let first = (row.image * planes.channels + channels.start) * planes.plane();
                let (top, left) = (row.top.unsigned_abs(), row.left.unsigned_abs());
                let columns = wide.min(planes.width - left);
                for y in top..(top + S::OUTPUTS).min(planes.height) {
                    let from = window.add((y - top) * wide * BLOCK);
                    let to = to.add(first + y * planes.width + left);
                    turn::<L>([columns, channels.len()], (from, BLOCK), (to, planes.plane()));
                }
            }
        });
    });
    let Some(finish) = finish else { return };
    let (top, left) = (row.top.unsigned_abs(), row.left.unsigned_abs());
    let columns = wide.min(planes.width - left);
    for channel in planes.block(row.block) {
        for y in top..(top + S::OUTPUTS).min(planes.height) {
            let at = (row.image * planes.channels + channel) * planes.plane() + y * planes.width + left;
            // SAFETY: the values have just been written, and nobody else uses them, as the caller promises.
            finish.apply(channel, at, unsafe { std::slice::from_raw_parts_mut(to.add(at), columns) });
        }
    }
}

/// `window[row][column][channel]` from transformed tiles.
#[inline(always)]
unsafe fn back<L: Lanes, S: Size>(from: Tiles, row: TileRow, window: *mut f32, wide: usize) {
    // SAFETY: as in `scatter`.
    unsafe {
        for tile in 0..row.across {
            for lane in (0..BLOCK).step_by(L::COUNT) {
                let mut rows = [[L::zero(); MOST]; MOST];
                for (down, row) in rows.iter_mut().enumerate().take(S::SIDE) {
                    let mut values = [L::zero(); MOST];
                    for (right, value) in values.iter_mut().enumerate().take(S::SIDE) {
                        *value = L::load(
                            from.start.add((down * S::SIDE + right) * from.pitch + tile * BLOCK + lane),
                        );
                    }
                    *row = S::Output::apply(values);
                }
                for right in 0..S::OUTPUTS {
                    for (down, value) in
                        S::Output::apply(column(&rows, right)).into_iter().enumerate().take(S::OUTPUTS)
                    {
                        value.store(window.add((down * wide + tile * S::OUTPUTS + right) * BLOCK + lane));
                    }
                }
            }
        }
    }
}
