//! The register tiles: the innermost loops of the three products, once for each instruction set.
//!
//! Both tiles keep a block of sums in registers over the whole depth of the product, so that each sum is written once.

#[cfg(target_arch = "aarch64")]
use crate::simd::aarch64::Neon;
use crate::simd::{InstructionSet, Lanes, Plain};

/// The depth-major left operand of a shifted product, in panels of a few output channels: `[panel][tap][row]`.
pub(super) struct Panels {
    values: Vec<f32>,
    depth: usize,
    cuts: Vec<Panel>,
}

/// Some neighbouring rows of the left operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// Its first row.
    pub(super) first: usize,
    /// Rows of its tile; those beyond the last row of the operand are zero.
    pub(super) rows: usize,
    start: usize,
}

impl Panels {
    /// Packs `value(row, tap)` for `total` rows; missing rows of the last panel are zero.
    pub(super) fn pack(
        set: InstructionSet,
        total: usize,
        depth: usize,
        value: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let (mut panels, mut first, mut start) = (Vec::new(), 0, 0);
        for rows in heights(set, total) {
            panels.push(Panel { first, rows, start });
            first += rows;
            start += rows * depth;
        }
        let mut values = vec![0.0; start];
        for panel in &panels {
            for row in 0..panel.rows.min(total - panel.first) {
                for tap in 0..depth {
                    values[panel.start + tap * panel.rows + row] = value(panel.first + row, tap);
                }
            }
        }
        Self { values, depth, cuts: panels }
    }

    /// The panels in the order of their rows.
    pub(super) fn panels(&self) -> &[Panel] {
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

/// Cuts `total` rows into the tile heights that an instruction set has. AVX2 has 6, which keeps its registers full, and 4,
/// taken where that leaves fewer rows empty: 32 channels are four of 6 and two of 4.
fn heights(set: InstructionSet, total: usize) -> Vec<usize> {
    let equal = |rows: usize| vec![rows; total.div_ceil(rows)];
    match set {
        InstructionSet::Portable => equal(4),
        InstructionSet::Neon | InstructionSet::Avx512 => equal(8),
        InstructionSet::Avx2 => {
            let cut = |fours: usize| (total.saturating_sub(4 * fours).div_ceil(6), fours);
            let rows = |(sixes, fours): (usize, usize)| 6 * sixes + 4 * fours;
            let best = (0..=2).map(cut).min_by_key(|cut| rows(*cut)).unwrap_or_default();
            [vec![6; best.0], vec![4; best.1]].concat()
        }
    }
}

/// The shift of each tap in the padded image, with the largest of them found once.
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

/// Positions of one shifted tile.
pub(super) fn shifted_columns(set: InstructionSet) -> usize {
    match set {
        InstructionSet::Portable => 8,
        InstructionSet::Neon => 12,
        InstructionSet::Avx2 => 16,
        InstructionSet::Avx512 => 48,
    }
}

/// `out[row * pitch + column] = sum over taps of panel[tap][row] * image[offsets[tap] + column]`
/// for the rows of `panel` and `shifted_columns(set)` columns.
pub(super) fn shifted(
    set: InstructionSet,
    panels: &Panels,
    panel: Panel,
    offsets: &Offsets,
    image: &[f32],
    out: &mut [f32],
    pitch: usize,
) {
    let columns = shifted_columns(set);
    let Offsets { shifts: offsets, largest } = offsets;
    assert_eq!(panels.depth, offsets.len());
    let values = &panels.values[panel.start..][..panel.rows * panels.depth];
    assert!(largest + columns <= image.len(), "the padded image is too short for its taps");
    assert!((panel.rows - 1) * pitch + columns <= out.len(), "no room for the tile");
    let (p, i, o) = (values.as_ptr(), image.as_ptr(), out.as_mut_ptr());
    // SAFETY: the three assertions above bound every read and write; `set` comes from run-time detection.
    unsafe {
        match (set, panel.rows) {
            (InstructionSet::Portable, 4) => shifted_tile::<Plain, 4, 1>(p, offsets, i, o, pitch),
            // 24 sums, 3 values and a weight: 28 of 32 registers
            #[cfg(target_arch = "aarch64")]
            (InstructionSet::Neon, 8) => shifted_tile::<Neon, 8, 3>(p, offsets, i, o, pitch),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx2, 6) => shifted_avx2::<6>(p, offsets, i, o, pitch),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx2, 4) => shifted_avx2::<4>(p, offsets, i, o, pitch),
            #[cfg(target_arch = "x86_64")]
            (InstructionSet::Avx512, 8) => shifted_avx512(p, offsets, i, o, pitch),
            _ => unreachable!("no other height is cut for {set:?} on this processor"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn shifted_avx2<const ROWS: usize>(
    panel: *const f32,
    offsets: &[usize],
    image: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: the caller's promise is passed on.
    unsafe { shifted_tile::<crate::simd::x86::Avx2, ROWS, 2>(panel, offsets, image, out, pitch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn shifted_avx512(
    panel: *const f32,
    offsets: &[usize],
    image: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: the caller's promise is passed on.
    unsafe { shifted_tile::<crate::simd::x86::Avx512, 8, 3>(panel, offsets, image, out, pitch) }
}

/// # Safety
/// `panel` holds `offsets.len() * ROWS` values, `image` at least `max(offsets) + WIDE * L::COUNT`, `out` at least
/// `(ROWS - 1) * pitch + WIDE * L::COUNT`, and the processor has the instructions of `L`.
#[inline(always)]
unsafe fn shifted_tile<L: Lanes, const ROWS: usize, const WIDE: usize>(
    mut panel: *const f32,
    offsets: &[usize],
    image: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: every address is within the bounds that the caller promised.
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
                    *sum = weight.multiply_add(value, *sum);
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

/// Taps of one correlation tile.
pub(super) fn correlation_taps(set: InstructionSet) -> usize {
    match set {
        InstructionSet::Portable => 4,
        InstructionSet::Neon | InstructionSet::Avx2 => 6,
        InstructionSet::Avx512 => 12,
    }
}

/// Output channels of one correlation tile.
pub(super) fn correlation_channels(set: InstructionSet) -> usize {
    match set {
        InstructionSet::Portable => 8,
        InstructionSet::Neon | InstructionSet::Avx2 => 16,
        InstructionSet::Avx512 => 32,
    }
}

/// What a correlation tile walks over: `rows` runs of `columns` positions, `row_pitch` apart in the image and
/// side by side in the gradient.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_pitch: usize,
}

/// `out[tap * pitch + channel] += sum over positions of image[offsets[tap] + position] * gradient[position][channel]`
/// for `correlation_taps(set)` taps and `correlation_channels(set)` channels.
pub(super) fn correlate(
    set: InstructionSet,
    offsets: &[usize],
    image: &[f32],
    walk: Walk,
    gradient: &[f32],
    out: &mut [f32],
    pitch: usize,
) {
    let (taps, channels) = (correlation_taps(set), correlation_channels(set));
    assert_eq!(offsets.len(), taps);
    if walk.rows == 0 || walk.columns == 0 {
        return;
    }
    let reach = offsets.iter().copied().max().unwrap_or(0) + (walk.rows - 1) * walk.row_pitch + walk.columns;
    assert!(reach <= image.len(), "the padded image is too short for its taps");
    assert!(walk.rows * walk.columns * channels <= gradient.len(), "the gradient panel is too short");
    assert!((taps - 1) * pitch + channels <= out.len(), "no room for the tile");
    let (o, i, g, w) = (offsets.as_ptr(), image.as_ptr(), gradient.as_ptr(), out.as_mut_ptr());
    // SAFETY: the assertions above bound every read and write; `set` comes from run-time detection.
    unsafe {
        match set {
            InstructionSet::Portable => correlation_tile::<Plain, 4, 1>(o, i, walk, g, w, pitch),
            // 24 sums, 4 values and a pixel: 29 of 32 registers
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => correlation_tile::<Neon, 6, 4>(o, i, walk, g, w, pitch),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => correlate_avx2(o, i, walk, g, w, pitch),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => correlate_avx512(o, i, walk, g, w, pitch),
            _ => unreachable!("{set:?} is of another architecture"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn correlate_avx2(
    offsets: *const usize,
    image: *const f32,
    walk: Walk,
    gradient: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: the caller's promise is passed on.
    unsafe { correlation_tile::<crate::simd::x86::Avx2, 6, 2>(offsets, image, walk, gradient, out, pitch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn correlate_avx512(
    offsets: *const usize,
    image: *const f32,
    walk: Walk,
    gradient: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: the caller's promise is passed on.
    unsafe { correlation_tile::<crate::simd::x86::Avx512, 12, 2>(offsets, image, walk, gradient, out, pitch) }
}

/// # Safety
/// As asserted in [`correlate`], with `TAPS` taps and `WIDE * L::COUNT` channels.
#[inline(always)]
unsafe fn correlation_tile<L: Lanes, const TAPS: usize, const WIDE: usize>(
    offsets: *const usize,
    image: *const f32,
    walk: Walk,
    mut gradient: *const f32,
    out: *mut f32,
    pitch: usize,
) {
    // SAFETY: every address is within the bounds that the caller asserted.
    unsafe {
        let mut sums = [[L::zero(); WIDE]; TAPS];
        let mut at = [image; TAPS];
        for (tap, at) in at.iter_mut().enumerate() {
            *at = image.add(*offsets.add(tap));
        }
        for row in 0..walk.rows {
            let start = row * walk.row_pitch;
            for column in start..start + walk.columns {
                let mut values = [L::zero(); WIDE];
                for (part, value) in values.iter_mut().enumerate() {
                    *value = L::load(gradient.add(part * L::COUNT));
                }
                gradient = gradient.add(WIDE * L::COUNT);
                for (sums, at) in sums.iter_mut().zip(at) {
                    let pixel = L::splat(*at.add(column));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = pixel.multiply_add(value, *sum);
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
