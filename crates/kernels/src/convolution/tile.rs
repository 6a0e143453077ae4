//! The register tiles: the innermost loops of the three products, for each instruction set.
//!
//! Both tiles keep a block of sums in registers over the whole depth of the product, so that each sum is written once.

use super::arithmetic::{Arithmetic, Product, dispatch_tile};
#[cfg(target_arch = "x86_64")]
use crate::mixed::{amx, as_pairs};
#[cfg(target_arch = "x86_64")]
use crate::simd::turn::turn;
use crate::simd::{InstructionSet, Lanes, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// The sizes of the tiles in the registers of one instruction set. They fill the register file: sums, the values of one
/// turn, and one broadcast.
trait TileSize: Lanes {
    /// Output channels of a shifted tile.
    const ROWS: usize;
    /// Output channels of a second, lower tile, used where it leaves fewer rows empty.
    const LOW_ROWS: usize = Self::ROWS;
    /// Registers of positions in a shifted tile.
    const WIDE: usize;
    /// Taps of a correlation tile.
    const TAPS: usize;
    /// Registers of output channels in a correlation tile.
    const CHANNELS: usize;
}

impl TileSize for crate::simd::lanes::Plain {
    const ROWS: usize = 4;
    const WIDE: usize = 1;
    const TAPS: usize = 4;
    const CHANNELS: usize = 1;
}

/// Of 32 registers, 28 and 29 in use.
#[cfg(target_arch = "aarch64")]
impl TileSize for crate::simd::aarch64::Neon {
    const ROWS: usize = 8;
    const WIDE: usize = 3;
    const TAPS: usize = 6;
    const CHANNELS: usize = 4;
}

/// Of 16 registers, 15 in use. With two heights, 32 channels are four tiles of 6 and two of 4.
#[cfg(target_arch = "x86_64")]
impl TileSize for crate::simd::x86::Avx2 {
    const ROWS: usize = 6;
    const LOW_ROWS: usize = 4;
    const WIDE: usize = 2;
    const TAPS: usize = 6;
    const CHANNELS: usize = 2;
}

#[cfg(target_arch = "x86_64")]
impl TileSize for crate::simd::x86::Avx512 {
    const ROWS: usize = 8;
    const WIDE: usize = 3;
    const TAPS: usize = 12;
    const CHANNELS: usize = 2;
}

/// The weights of a shifted product in depth-major order, cut into panels of a few output channels: `[panel][tap][row]`.
pub(super) struct WeightPanels {
    values: Vec<f32>,
    depth: usize,
    cuts: Vec<WeightPanel>,
}

/// The order of the taps in the weights; see [`WeightPanels::pack`].
pub(super) struct WeightOrder {
    pub(super) row_step: usize,
    pub(super) outer: usize,
    pub(super) outer_step: usize,
    pub(super) inner: Vec<usize>,
}

/// Some consecutive rows of the weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightPanel {
    /// Its first row.
    pub(super) first: usize,
    /// Rows of its tile; those after the last row of the weights are zero.
    pub(super) rows: usize,
    start: usize,
}

impl WeightPanels {
    /// Packs `total` rows of `weights` for an arithmetic, whose tap `outer * inner.len() + i` is `weights[row * row_step + outer * outer_step +
    /// inner[i]]`. Missing rows of the last panel are zero.
    ///
    /// For AMX the order is `[panel][step][row][tap of the step]`, and missing taps of the last step are zero.
    pub(super) fn pack(arithmetic: Arithmetic, total: usize, weights: &[f32], order: &WeightOrder) -> Self {
        let step = depth_step(arithmetic);
        let depth = (order.outer * order.inner.len()).next_multiple_of(step);
        let (mut panels, mut first, mut start) = (Vec::new(), 0, 0);
        for rows in heights(arithmetic, total) {
            panels.push(WeightPanel { first, rows, start });
            first += rows;
            start += rows * depth;
        }
        let mut values = vec![0.0; start];
        let mut rest = values.as_mut_slice();
        let mut parts = Vec::with_capacity(panels.len());
        for panel in &panels {
            let (part, after) = rest.split_at_mut(panel.rows * depth);
            parts.push((*panel, part));
            rest = after;
        }
        parts.into_par_iter().with_min_len(4).for_each(|(panel, part)| {
            let rows = panel.rows.min(total - panel.first);
            let from = &weights[panel.first * order.row_step..];
            if step > 1 {
                pack_steps(part, from, [panel.rows, rows], order);
                return;
            }
            let mut targets = part.chunks_exact_mut(panel.rows);
            for outer in 0..order.outer {
                for (inner, target) in order.inner.iter().zip(&mut targets) {
                    let from = from[outer * order.outer_step + inner..].iter().step_by(order.row_step);
                    for (target, value) in target[..rows].iter_mut().zip(from) {
                        *target = *value;
                    }
                }
            }
        });
        Self { values, depth, cuts: panels }
    }

    /// The panels in the order of their rows.
    pub(super) fn panels(&self) -> &[WeightPanel] {
        &self.cuts
    }

    /// Rows of the tallest panel.
    pub(super) fn tallest(&self) -> usize {
        self.cuts.iter().map(|panel| panel.rows).max().unwrap_or(0)
    }

    /// Bytes of the tallest panel.
    pub(super) fn panel_bytes(&self) -> usize {
        self.depth * self.tallest() * size_of::<f32>()
    }
}

/// A panel for AMX of `height` rows, of which `rows` are those of `from`: `[step][row][tap of the step]`. The rest must be zero.
#[cfg(target_arch = "x86_64")]
fn pack_steps(part: &mut [f32], from: &[f32], [height, rows]: [usize; 2], order: &WeightOrder) {
    let steps = part.as_chunks_mut::<{ amx::PAIRS }>().0.chunks_exact_mut(height);
    let depth = order.outer * order.inner.len();
    let adjacent =
        order.outer_step == order.inner.len() && order.inner.iter().copied().eq(0..order.outer_step);
    if adjacent {
        for (step, out) in steps.enumerate() {
            let taps = step * amx::PAIRS..((step + 1) * amx::PAIRS).min(depth);
            for (row, out) in out.iter_mut().take(rows).enumerate() {
                let values = &from[row * order.row_step..][taps.clone()];
                out[..values.len()].copy_from_slice(values);
            }
        }
        return;
    }
    assert_eq!(height, amx::ROWS, "the rows of a panel");
    let mut taps = (0..order.outer).flat_map(|outer| order.inner.iter().map(move |inner| (outer, *inner)));
    for out in steps {
        let mut block = [[0.0_f32; amx::ROWS]; amx::PAIRS];
        for (block, (outer, inner)) in block.iter_mut().zip(&mut taps) {
            let values = from[outer * order.outer_step + inner..].iter().step_by(order.row_step);
            for (block, value) in block.iter_mut().zip(values).take(rows) {
                *block = *value;
            }
        }
        turn_block(&block, out);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn pack_steps(_: &mut [f32], _: &[f32], _: [usize; 2], _: &WeightOrder) {
    unreachable!("only AMX has steps")
}

/// `out[row][tap] = block[tap][row]`.
#[cfg(target_arch = "x86_64")]
fn turn_block(block: &[[f32; amx::ROWS]; amx::PAIRS], out: &mut [[f32; amx::PAIRS]]) {
    assert_eq!(out.len(), amx::ROWS, "the rows of a panel");
    dispatch!(crate::simd::detected(), L => fn(block: &[[f32; amx::ROWS]; amx::PAIRS], out: &mut [[f32; amx::PAIRS]]) {
        // SAFETY: `block` has PAIRS rows of ROWS values, `out` ROWS rows of PAIRS; the features are those of `L`.
        unsafe {
            let (from, to) = (block.as_ptr().cast(), out.as_mut_ptr().cast());
            turn::<L>([amx::PAIRS, amx::ROWS], (from, amx::ROWS), (to, amx::PAIRS));
        }
    });
}

/// Cuts `total` rows into the tile heights of an arithmetic, leaving as few rows empty as possible.
fn heights(arithmetic: Arithmetic, total: usize) -> Vec<usize> {
    #[cfg(target_arch = "x86_64")]
    if arithmetic == Arithmetic::TileProducts {
        return vec![amx::ROWS; total.div_ceil(amx::ROWS)];
    }
    let set = arithmetic.set();
    let (rows, low_rows) = dispatch!(set, L => fn() -> (usize, usize) { (L::ROWS, L::LOW_ROWS) });
    if rows == low_rows {
        return vec![rows; total.div_ceil(rows)];
    }
    let cut = |low: usize| (total.saturating_sub(low_rows * low).div_ceil(rows), low);
    let best = (0..=2).map(cut).min_by_key(|(high, low)| rows * high + low_rows * low).unwrap_or_default();
    [vec![rows; best.0], vec![low_rows; best.1]].concat()
}

/// The shift of each tap in the padded image, and the largest shift.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    shifts: Vec<usize>,
    largest: usize,
}

impl Offsets {
    pub(super) fn new(shifts: Vec<usize>) -> Self {
        let largest = shifts.iter().copied().max().unwrap_or(0);
        Self { shifts, largest }
    }

    pub(super) fn shifts(&self) -> &[usize] {
        &self.shifts
    }
}

/// Taps of which packed patches hold a multiple, filled up with zeros.
pub(super) fn depth_step(arithmetic: Arithmetic) -> usize {
    match arithmetic {
        #[cfg(target_arch = "x86_64")]
        Arithmetic::TileProducts => amx::PAIRS,
        _ => 1,
    }
}

/// Positions of one shifted tile, or of one tile of packed patches.
pub(super) fn shifted_columns(arithmetic: Arithmetic) -> usize {
    #[cfg(target_arch = "x86_64")]
    if arithmetic == Arithmetic::TileProducts {
        return amx::COLUMNS;
    }
    let set = arithmetic.set();
    dispatch!(set, L => fn() -> usize { L::WIDE * L::COUNT })
}

/// What a thread needs to multiply by tiles.
pub(super) struct Multiplier {
    arithmetic: Arithmetic,
    #[cfg(target_arch = "x86_64")]
    tiles: Option<amx::Multiplier>,
}

impl Multiplier {
    pub(super) fn new(arithmetic: Arithmetic) -> Self {
        Self {
            arithmetic,
            #[cfg(target_arch = "x86_64")]
            tiles: (arithmetic == Arithmetic::TileProducts).then(amx::Multiplier::new),
        }
    }
}

/// `out[row * pitch + column] = sum over taps of panel[tap][row] * image[offsets[tap] + column]`
/// for the rows of `panel` and `shifted_columns(set)` columns.
pub(super) fn shifted(
    arithmetic: Arithmetic,
    panels: &WeightPanels,
    panel: WeightPanel,
    offsets: &Offsets,
    image: &[f32],
    out: &mut [f32],
    pitch: usize,
) {
    let columns = shifted_columns(arithmetic);
    let Offsets { shifts: offsets, largest } = offsets;
    assert_eq!(panels.depth, offsets.len());
    let rows = panel.rows;
    let panel = &panels.values[panel.start..][..rows * panels.depth];
    assert!(largest + columns <= image.len(), "the padded image is too short for its taps");
    assert!((rows - 1) * pitch + columns <= out.len(), "no room for the tile");
    dispatch_tile!(arithmetic, L, P => fn(rows: usize, panel: &[f32], offsets: &[usize], image: &[f32], out: &mut [f32], pitch: usize) {
        let (panel, image, out) = (panel.as_ptr(), image.as_ptr(), out.as_mut_ptr());
        // SAFETY: the assertions above bound every read and write; the features are those of `L`.
        unsafe {
            if rows == L::ROWS {
                shifted_tile::<L, P, { L::ROWS }, { L::WIDE }>(panel, offsets, image, out, pitch);
            } else {
                assert_eq!(rows, L::LOW_ROWS, "panels are cut into these two heights");
                shifted_tile::<L, P, { L::LOW_ROWS }, { L::WIDE }>(panel, offsets, image, out, pitch);
            }
        }
    });
}

/// # Safety
/// `panel` holds `offsets.len() * ROWS` values, `image` at least `max(offsets) + WIDE * L::COUNT`, `out` at least
/// `(ROWS - 1) * pitch + WIDE * L::COUNT`, and the processor has the instructions of `L`.
#[inline(always)]
unsafe fn shifted_tile<L: Lanes, P: Product<L>, const ROWS: usize, const WIDE: usize>(
    mut panel: *const f32,
    offsets: &[usize],
    image: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: every address is within the bounds that the caller promises.
    unsafe {
        let mut sums = [[L::zero(); WIDE]; ROWS];
        for &offset in offsets {
            let at = image.add(offset);
            let mut values = [L::zero(); WIDE];
            for (part, value) in values.iter_mut().enumerate() {
                *value = L::load(at.add(part * L::COUNT));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = L::splat(*panel.add(row));
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = P::add(weight, value, *sum);
                }
            }
            panel = panel.add(ROWS);
        }
        for (row, sums) in sums.iter().enumerate() {
            for (part, sum) in sums.iter().enumerate() {
                sum.store(out.add(row * pitch + part * L::COUNT));
            }
        }
    }
}

/// Values in the largest register of any instruction set.
pub(super) const fn largest_register() -> usize {
    16
}

/// `out[row * pitch + column] = sum over taps of panel[tap][row] * packed[(tap - taps.start) * columns + column]` for the
/// rows of `panel` and `columns = shifted_columns(arithmetic)`; added to the values of `out` if `add`.
///
/// `taps` ends at a multiple of [`depth_step`] or at the end of the weights; then `packed` has zeros up to a multiple.
#[expect(clippy::too_many_arguments, reason = "one call, which names them all")]
pub(super) fn packed(
    multiplier: &Multiplier,
    panels: &WeightPanels,
    panel: WeightPanel,
    taps: Range<usize>,
    packed: &[f32],
    out: &mut [f32],
    pitch: usize,
    add: bool,
) {
    let arithmetic = multiplier.arithmetic;
    let columns = shifted_columns(arithmetic);
    let step = depth_step(arithmetic);
    let taps = taps.start..taps.end.next_multiple_of(step);
    assert!(taps.start <= taps.end && taps.end <= panels.depth && taps.start.is_multiple_of(step));
    let rows = panel.rows;
    let panel = &panels.values[panel.start + taps.start * rows..][..rows * taps.len()];
    let taps = taps.len();
    assert!(taps * columns <= packed.len(), "the patches are too short");
    assert!((rows - 1) * pitch + columns <= out.len(), "no room for the tile");
    #[cfg(target_arch = "x86_64")]
    if let Some(tiles) = &multiplier.tiles {
        tiles.multiply(as_pairs(panel), (as_pairs(packed), columns), (out, pitch), add);
        return;
    }
    dispatch_tile!(arithmetic, L, P => fn(rows: usize, panel: &[f32], taps: usize, packed: &[f32], out: &mut [f32], pitch: usize, add: bool) {
        let (panel, packed, out) = (panel.as_ptr(), packed.as_ptr(), out.as_mut_ptr());
        // SAFETY: the assertions above bound every read and write; the features are those of `L`.
        unsafe {
            if rows == L::ROWS {
                packed_tile::<L, P, { L::ROWS }, { L::WIDE }>(panel, taps, packed, out, pitch, add);
            } else {
                assert_eq!(rows, L::LOW_ROWS, "panels are cut into these two heights");
                packed_tile::<L, P, { L::LOW_ROWS }, { L::WIDE }>(panel, taps, packed, out, pitch, add);
            }
        }
    });
}

/// # Safety
/// `panel` holds `taps * ROWS` values, `packed` at least `taps * WIDE * L::COUNT`, `out` at least
/// `(ROWS - 1) * pitch + WIDE * L::COUNT`, and the processor has the instructions of `L`.
#[inline(always)]
unsafe fn packed_tile<L: Lanes, P: Product<L>, const ROWS: usize, const WIDE: usize>(
    mut panel: *const f32,
    taps: usize,
    mut packed: *const f32,
    out: *mut f32,
    pitch: usize,
    add: bool,
) {
    // SAFETY: every address is within the bounds that the caller promises.
    unsafe {
        let mut sums = [[L::zero(); WIDE]; ROWS];
        if add {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (part, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(out.add(row * pitch + part * L::COUNT));
                }
            }
        }
        for _ in 0..taps {
            let mut values = [L::zero(); WIDE];
            for (part, value) in values.iter_mut().enumerate() {
                *value = L::load(packed.add(part * L::COUNT));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = L::splat(*panel.add(row));
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = P::add(weight, value, *sum);
                }
            }
            panel = panel.add(ROWS);
            packed = packed.add(WIDE * L::COUNT);
        }
        for (row, sums) in sums.iter().enumerate() {
            for (part, sum) in sums.iter().enumerate() {
                sum.store(out.add(row * pitch + part * L::COUNT));
            }
        }
    }
}

/// Taps of one correlation tile.
pub(super) fn correlation_taps(set: InstructionSet) -> usize {
    dispatch!(set, L => fn() -> usize { L::TAPS })
}

/// Output channels of one correlation tile.
pub(super) fn correlation_channels(set: InstructionSet) -> usize {
    dispatch!(set, L => fn() -> usize { L::CHANNELS * L::COUNT })
}

/// The positions that a correlation tile sums over: `rows` runs of `columns` positions in each of some images. The runs are
/// `row_pitch` apart in the image and contiguous in the gradient.
#[derive(Clone, Copy)]
pub(super) struct Positions {
    pub(super) images: usize,
    /// Values from one image to the next, and from its gradient to the next.
    pub(super) image_pitch: usize,
    pub(super) gradient_pitch: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_pitch: usize,
}

/// `out[tap * pitch + channel] += sum over positions of image[offsets[tap] + position] * gradient[position][channel]`
/// for `correlation_taps(set)` taps and `correlation_channels(set)` channels.
pub(super) fn correlate(
    arithmetic: Arithmetic,
    offsets: &[usize],
    image: &[f32],
    positions: Positions,
    gradient: &[f32],
    out: &mut [f32],
    pitch: usize,
) {
    let set = arithmetic.set();
    let (taps, channels) = (correlation_taps(set), correlation_channels(set));
    assert_eq!(offsets.len(), taps);
    if positions.images == 0 || positions.rows == 0 || positions.columns == 0 {
        return;
    }
    let reach = offsets.iter().copied().max().unwrap_or(0)
        + (positions.images - 1) * positions.image_pitch
        + (positions.rows - 1) * positions.row_pitch
        + positions.columns;
    assert!(reach <= image.len(), "the padded image is too short for its taps");
    assert!(
        (positions.images - 1) * positions.gradient_pitch + positions.rows * positions.columns * channels
            <= gradient.len(),
        "the gradient panel is too short"
    );
    assert!((taps - 1) * pitch + channels <= out.len(), "no room for the tile");
    dispatch_tile!(arithmetic, L, P => fn(offsets: &[usize], image: &[f32], positions: Positions, gradient: &[f32], out: &mut [f32], pitch: usize) {
        let (offsets, image) = (offsets.as_ptr(), image.as_ptr());
        let (gradient, out) = (gradient.as_ptr(), out.as_mut_ptr());
        // SAFETY: the assertions above bound every read and write; the features are those of `L`.
        unsafe {
            correlation_tile::<L, P, { L::TAPS }, { L::CHANNELS }>(offsets, image, positions, gradient, out, pitch);
        }
    });
}

/// # Safety
/// As asserted in [`correlate`], with `TAPS` taps and `WIDE * L::COUNT` channels.
#[inline(always)]
unsafe fn correlation_tile<L: Lanes, P: Product<L>, const TAPS: usize, const WIDE: usize>(
    offsets: *const usize,
    image: *const f32,
    positions: Positions,
    gradient: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: every address is within the bounds that the caller asserts.
    unsafe {
        let mut sums = [[L::zero(); WIDE]; TAPS];
        let mut at = [image; TAPS];
        for (tap, at) in at.iter_mut().enumerate() {
            *at = image.add(*offsets.add(tap));
        }
        for image in 0..positions.images {
            let mut gradient = gradient.add(image * positions.gradient_pitch);
            for row in 0..positions.rows {
                let start = image * positions.image_pitch + row * positions.row_pitch;
                for column in start..start + positions.columns {
                    let mut values = [L::zero(); WIDE];
                    for (part, value) in values.iter_mut().enumerate() {
                        *value = L::load(gradient.add(part * L::COUNT));
                    }
                    gradient = gradient.add(WIDE * L::COUNT);
                    for (sums, at) in sums.iter_mut().zip(at) {
                        let pixel = L::splat(*at.add(column));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = P::add(pixel, value, *sum);
                        }
                    }
                }
            }
        }
        for (tap, sums) in sums.iter().enumerate() {
            for (part, sum) in sums.iter().enumerate() {
                let to = out.add(tap * pitch + part * L::COUNT);
                let one = L::splat(1.0);
                sum.multiply_add(one, L::load(to)).store(to);
            }
        }
    }
}
