//! The products of one place: all tiles with all filters, and the sums of both over the tiles.

use super::tiles::BLOCK;
use crate::simd::{InstructionSet, Lanes, dispatch};
use std::mem::MaybeUninit;

/// The sizes of the register tiles. They fill the register file: sums, the values of one turn, and one broadcast.
trait ProductSize: Lanes {
    /// Tiles of an image in a register tile of the product.
    const ROWS: usize;
    /// Registers of output channels in a register tile; they fill whole blocks.
    const WIDE: usize;
    /// Output channels in a register tile of the correlation; a block has a multiple of them.
    const CHANNELS: usize;
    /// Blocks of input channels in a register tile of the correlation.
    const BLOCKS: usize;
}

impl ProductSize for crate::simd::lanes::Plain {
    const ROWS: usize = 4;
    const WIDE: usize = 2;
    const CHANNELS: usize = 4;
    const BLOCKS: usize = 1;
}

#[cfg(target_arch = "aarch64")]
impl ProductSize for crate::simd::aarch64::Neon {
    const ROWS: usize = 6;
    const WIDE: usize = 4;
    const CHANNELS: usize = 4;
    const BLOCKS: usize = 1;
}

#[cfg(target_arch = "x86_64")]
impl ProductSize for crate::simd::x86::Avx2 {
    const ROWS: usize = 6;
    const WIDE: usize = 2;
    const CHANNELS: usize = 4;
    const BLOCKS: usize = 1;
}

#[cfg(target_arch = "x86_64")]
impl ProductSize for crate::simd::x86::Avx512 {
    const ROWS: usize = 14;
    const WIDE: usize = 2;
    const CHANNELS: usize = 8;
    const BLOCKS: usize = 2;
}

/// Tiles of an image in a register tile. Only multiples of them are multiplied.
pub(super) fn rows(set: InstructionSet) -> usize {
    dispatch!(set, L => fn() -> usize { L::ROWS })
}

/// Output channels in a register tile.
pub(super) fn columns(set: InstructionSet) -> usize {
    dispatch!(set, L => fn() -> usize { L::WIDE * L::COUNT })
}

/// `out[block][tile][column] = sum over inputs of tiles[block][tile][input] * filters[input][column]` for the output channels of one panel.
///
/// Every value of `out` is written. `count` tiles, a multiple of [`rows`]; `tiles` and `out` are blocks of `count * BLOCK` values.
pub(super) fn multiply(
    set: InstructionSet,
    count: usize,
    tiles: &[f32],
    filters: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    let wide = columns(set);
    let blocks = tiles.len() / (count * BLOCK);
    assert!(
        count.is_multiple_of(rows(set)) && blocks * count * BLOCK == tiles.len(),
        "not whole register tiles"
    );
    assert_eq!(filters.len(), blocks * BLOCK * wide, "filters of a panel");
    assert_eq!(out.len(), wide * count, "outputs of a panel");
    dispatch!(set, L => fn(count: usize, blocks: usize, tiles: &[f32], filters: &[f32], out: &mut [MaybeUninit<f32>]) {
        for tile in (0..count).step_by(L::ROWS) {
            // SAFETY: the assertions bound every read and write; the features are those of `L`.
            unsafe {
                let (tiles, out) = (tiles.as_ptr().add(tile * BLOCK), out.as_mut_ptr().cast::<f32>().add(tile * BLOCK));
                register_tile::<L, { L::ROWS }, { L::WIDE }>(tiles, blocks, count * BLOCK, filters.as_ptr(), out);
            }
        }
    });
}

/// # Safety
/// As asserted in [`multiply`], with `ROWS` tiles from the first of `tiles` and `out`.
#[inline(always)]
unsafe fn register_tile<L: Lanes, const ROWS: usize, const WIDE: usize>(
    tiles: *const f32,
    blocks: usize,
    pitch: usize,
    mut filters: *const f32,
    out: *mut f32,
) {
    // SAFETY: every address is within the bounds that the caller asserts.
    unsafe {
        let mut sums = [[L::zero(); WIDE]; ROWS];
        for block in 0..blocks {
            let tiles = tiles.add(block * pitch);
            for input in 0..BLOCK {
                let mut values = [L::zero(); WIDE];
                for (part, value) in values.iter_mut().enumerate() {
                    *value = L::load(filters.add(part * L::COUNT));
                }
                filters = filters.add(WIDE * L::COUNT);
                for (row, sums) in sums.iter_mut().enumerate() {
                    let tile = L::splat(*tiles.add(row * BLOCK + input));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = tile.multiply_add(value, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (part, sum) in sums.iter().enumerate() {
                let column = part * L::COUNT;
                sum.store(out.add(column / BLOCK * pitch + row * BLOCK + column % BLOCK));
            }
        }
    }
}

/// `sums[block][channel][input] = sum over tiles of gradients[tile][channel] * tiles[block][tile][input]` for one block of output channels,
/// added to what is there if `add`; otherwise every value of `sums` is written.
///
/// `gradients` holds `count` tiles; `tiles` are blocks of `count * BLOCK` values, `sums` blocks of `BLOCK * BLOCK`.
pub(super) fn correlate(
    set: InstructionSet,
    count: usize,
    gradients: &[f32],
    tiles: &[f32],
    sums: &mut [MaybeUninit<f32>],
    add: bool,
) {
    let blocks = tiles.len() / (count * BLOCK);
    assert_eq!(gradients.len(), count * BLOCK, "gradients of a block");
    assert_eq!(tiles.len(), blocks * count * BLOCK, "tiles of all blocks");
    assert_eq!(sums.len(), blocks * BLOCK * BLOCK, "sums of a block");
    dispatch!(set, L => fn(count: usize, blocks: usize, gradients: &[f32], tiles: &[f32], sums: &mut [MaybeUninit<f32>], add: bool) {
        let mut block = 0;
        while block < blocks {
            let some = if block + L::BLOCKS <= blocks { L::BLOCKS } else { 1 };
            for channel in (0..BLOCK).step_by(L::CHANNELS) {
                // SAFETY: the assertions bound every read and write; the features are those of `L`.
                unsafe {
                    let gradients = gradients.as_ptr().add(channel);
                    let tiles = tiles.as_ptr().add(block * count * BLOCK);
                    let sums = sums.as_mut_ptr().cast::<f32>().add((block * BLOCK + channel) * BLOCK);
                    if some == L::BLOCKS {
                        correlation_tile::<L, { L::CHANNELS }, { L::BLOCKS * BLOCK / L::COUNT }>(gradients, count, tiles, sums, add);
                    } else {
                        correlation_tile::<L, { L::CHANNELS }, { BLOCK / L::COUNT }>(gradients, count, tiles, sums, add);
                    }
                }
            }
            block += some;
        }
    });
}

/// # Safety
/// As asserted in [`correlate`], with `CHANNELS` channels from the first of `gradients` and `sums`, and so many blocks as `WIDE` registers fill.
#[inline(always)]
unsafe fn correlation_tile<L: Lanes, const CHANNELS: usize, const WIDE: usize>(
    gradients: *const f32,
    count: usize,
    tiles: *const f32,
    out: *mut f32,
    add: bool,
) {
    // SAFETY: every address is within the bounds that the caller asserts.
    unsafe {
        let mut sums = [[L::zero(); WIDE]; CHANNELS];
        for tile in 0..count {
            let mut values = [L::zero(); WIDE];
            for (part, value) in values.iter_mut().enumerate() {
                let at = part * L::COUNT;
                *value = L::load(tiles.add(at / BLOCK * count * BLOCK + tile * BLOCK + at % BLOCK));
            }
            for (channel, sums) in sums.iter_mut().enumerate() {
                let gradient = L::splat(*gradients.add(tile * BLOCK + channel));
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = gradient.multiply_add(value, *sum);
                }
            }
        }
        for (channel, sums) in sums.iter().enumerate() {
            for (part, sum) in sums.iter().enumerate() {
                let at = part * L::COUNT;
                let to = out.add((at / BLOCK * BLOCK + channel) * BLOCK + at % BLOCK);
                if add { L::load(to).plus(*sum) } else { *sum }.store(to);
            }
        }
    }
}
