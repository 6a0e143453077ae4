//! Approximate scores of many classes: a product of int8 matrices, several times as fast as one in `f32`.
//!
//! Rows are unit vectors. Each is quantised with its own scale, `code = round(63 x / max |x|)`, so that `x` is about
//! `step * code` with `step = max |x| / 63`. Codes have 7 bits instead of 8 because AVX2 adds pairs of products in 16 bits
//! and saturates; `2 * 2 * 127 * 63` is the largest sum that stays exact. If results need not agree between processors,
//! [`Precision::finest`] selects 8-bit codes on the processors that multiply them exactly. For one precision every kernel
//! gives the same integers: portable code, AVX2, AVX-512 with VNNI, AMX, NEON, and NEON with `sdot`.
//!
//! [`Probes`] hold the features of a batch: codes plus an offset of 64 (or 128), which makes them unsigned, interleaved in
//! blocks of four samples. [`Panels`] hold the classes, interleaved in panels of sixteen, with the sum of each class's
//! codes, by which the offset is corrected.
//!
//! For unit vectors of dimension `D` the error of a cosine is approximately normal with standard deviation
//! `step / sqrt(12) * sqrt(2)`: 0.001 for random directions at `D = 512`.

#[cfg(target_arch = "x86_64")]
mod amx;
mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
mod reach;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

use kernel::Kernel;
pub use reach::{ReachBound, reach};
use tile::Tile;

use crate::simd::{InstructionSet, detected, dispatch};
use crate::vector::prefetch;

/// Classes per panel.
pub const PANEL: usize = 16;
/// Samples per block of probes.
pub const BLOCK: usize = 4;

/// The range of the quantised codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 7-bit codes, -63 to 63: supported by every processor.
    #[default]
    Seven,
    /// 8-bit codes, -127 to 127: half the error, for processors whose int8 products do not saturate. AVX2 and NEON lack
    /// these.
    Eight,
}

impl Precision {
    /// The finest precision that this processor multiplies exactly.
    pub fn finest() -> Self {
        if Kernel::detected().multiplies(Self::Eight) { Self::Eight } else { Self::Seven }
    }

    /// Largest magnitude of a code.
    fn largest(self) -> f32 {
        match self {
            Self::Seven => 63.0,
            Self::Eight => 127.0,
        }
    }

    /// The offset that makes the codes of the probes unsigned.
    fn offset(self) -> i32 {
        match self {
            Self::Seven => 64,
            Self::Eight => 128,
        }
    }
}

/// Values that are rounded in one vectorised loop.
const STRETCH: usize = 64;
/// Samples of an AMX tile, and codes per sample.
const TILE_ROWS: usize = 16;
const TILE_DEPTH: usize = 64;
/// The kernels read eight codes of a row at a time.
const STEP: usize = 8;

fn padded(dim: usize) -> usize {
    dim.next_multiple_of(STEP)
}

/// Quantises a row: calls `put(group, codes)` for every four codes, the last group padded with 0, and returns the step.
fn quantise(row: &[f32], precision: Precision, put: impl FnMut(usize, [i8; 4])) -> f32 {
    quantise_with(detected(), row, precision, put)
}

fn quantise_with<P>(set: InstructionSet, row: &[f32], precision: Precision, put: P) -> f32
where
    P: FnMut(usize, [i8; 4]),
{
    dispatch!(set, fn[P: FnMut(usize, [i8; 4])](row: &[f32], precision: Precision, put: P) -> f32 {
        quantise_body(row, precision, put)
    })
}

#[inline(always)]
fn quantise_body(row: &[f32], precision: Precision, mut put: impl FnMut(usize, [i8; 4])) -> f32 {
    // Eight maxima, so that the loop vectorises.
    let mut lanes = [0.0_f32; 8];
    let chunks = row.chunks_exact(8);
    let rest = chunks.remainder().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if value.abs() > *lane { value.abs() } else { *lane };
        }
    }
    let largest = lanes.iter().copied().fold(rest, f32::max);
    let factor = if largest > 0.0 { precision.largest() / largest } else { 0.0 };
    // Adding 1.5 * 2^23 rounds to an integer (ties to even) in the lowest bits; it is within -127..=127.
    let code = |value: f32| (value * factor + 12_582_912.0).to_bits() as i8;
    // In stretches, so that the rounding is vectorised although `put` is not.
    for (stretch, row) in row.chunks(STRETCH).enumerate() {
        let mut codes = [0_i8; STRETCH];
        codes.iter_mut().zip(row).for_each(|(to, &value)| *to = code(value));
        let (groups, _) = codes.as_chunks::<4>();
        for (at, group) in groups.iter().take(row.len().div_ceil(4)).enumerate() {
            put(stretch * (STRETCH / 4) + at, *group);
        }
    }
    largest / precision.largest()
}

/// The length of the quantisation error of a row, `|row - step * codes|`, rounded up.
///
/// At most `step / 2 * sqrt(dimension)`; about 0.02 for 7-bit codes of random unit rows with 512 dimensions.
pub fn residual(row: &[f32], precision: Precision) -> f32 {
    let mut codes = vec![[0_i8; 4]; row.len().div_ceil(4)];
    let step = f64::from(quantise(row, precision, |group, four| codes[group] = four));
    let pairs = row.iter().zip(codes.iter().flatten());
    let square = pairs.map(|(value, code)| (f64::from(*value) - step * f64::from(*code)).powi(2));
    (square.sum::<f64>().sqrt() * (1.0 + 1e-6)) as f32
}

/// The quantised features of a batch.
#[derive(Clone, Debug)]
pub struct Probes {
    rows: usize,
    dim: usize,
    precision: Precision,
    /// `[block][group of four codes][sample of the block][four codes]`.
    values: Vec<u8>,
    /// A second copy of the first samples, in the tile layout of AMX; empty on processors without AMX.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only AMX reads tiles"))]
    tiles: Vec<u8>,
    steps: Vec<f32>,
}

impl Probes {
    /// Quantises `values`, rows of `dim` values each.
    ///
    /// # Panics
    /// If `dim` is 0 or `values` does not divide into rows.
    pub fn new(values: &[f32], dim: usize, precision: Precision) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "{} values in rows of {dim}", values.len());
        let rows = values.len() / dim;
        let size = BLOCK * padded(dim);
        let offset = precision.offset();
        let mut out = vec![offset as u8; rows.div_ceil(BLOCK) * size];
        let tiled = tiled_rows(rows, dim);
        let mut tiles = vec![0; tiled * dim];
        let steps = values
            .chunks_exact(dim)
            .enumerate()
            .map(|(row, values)| {
                let block = &mut out[row / BLOCK * size..][..size];
                quantise(values, precision, |group, codes| {
                    let shifted = codes.map(|code| (i32::from(code) + offset) as u8);
                    block[(group * BLOCK + row % BLOCK) * 4..][..4].copy_from_slice(&shifted);
                    if row < tiled {
                        let tile = row / TILE_ROWS * (dim / TILE_DEPTH) + group * 4 / TILE_DEPTH;
                        let place =
                            (tile * TILE_ROWS + row % TILE_ROWS) * TILE_DEPTH + group * 4 % TILE_DEPTH;
                        tiles[place..place + 4].copy_from_slice(&shifted);
                    }
                })
            })
            .collect();
        Self { rows, dim, precision, values: out, tiles, steps }
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of samples, rounded up to whole blocks: the samples in a panel of scores.
    pub fn padded_rows(&self) -> usize {
        self.rows.next_multiple_of(BLOCK)
    }

    /// The step of a sample: the factor on its codes.
    pub fn step(&self, row: usize) -> f32 {
        self.steps[row]
    }
}

/// Quantised unit class centres: one byte per value and eight per class.
#[derive(Clone, Debug, PartialEq)]
pub struct Panels {
    rows: usize,
    dim: usize,
    precision: Precision,
    /// `[panel][group of four codes][class of the panel][four codes]`.
    values: Vec<i8>,
    steps: Vec<f32>,
    /// The offset of the probes times the sum of each class's codes.
    sums: Vec<i32>,
}

impl Panels {
    /// `rows` classes of dimension `dim`, all zero.
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn zeros(rows: usize, dim: usize, precision: Precision) -> Self {
        assert!(dim > 0, "the dimension of the classes is 0; it must be at least 1");
        let panels = rows.div_ceil(PANEL);
        Self {
            rows,
            dim,
            precision,
            values: vec![0; panels * PANEL * padded(dim)],
            steps: vec![0.0; panels * PANEL],
            sums: vec![0; panels * PANEL],
        }
    }

    /// Number of classes.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Dimension of a class centre.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of panels of [`PANEL`] classes. The last may have empty places, whose scores are 0.
    pub fn count(&self) -> usize {
        self.steps.len() / PANEL
    }

    /// The step of each class of a panel: the factor on its codes. 0 in empty places.
    pub fn steps(&self, panel: usize) -> &[f32] {
        &self.steps[panel * PANEL..(panel + 1) * PANEL]
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.values.len() + self.steps.len() * (size_of::<f32>() + size_of::<i32>())
    }

    /// Quantises one class again: the row divided by its `norm`. A class with a norm of 0 scores 0.
    ///
    /// # Panics
    /// If the class is out of range or the row has another dimension.
    pub fn set(&mut self, row: usize, values: &[f32], norm: f32) {
        assert!(row < self.rows, "class {row} of {}", self.rows);
        let panel = row / PANEL;
        let mut one = self.iter_mut().nth(panel).expect("there is a panel for every class");
        one.set(row % PANEL, values, norm);
    }

    /// The panels, for writing in parallel.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = PanelMut<'_>> {
        let size = PANEL * padded(self.dim);
        let (dim, precision) = (self.dim, self.precision);
        let parts = self.values.chunks_exact_mut(size).zip(self.steps.chunks_exact_mut(PANEL));
        parts.zip(self.sums.chunks_exact_mut(PANEL)).map(move |((values, steps), sums)| PanelMut {
            dim,
            precision,
            values,
            steps,
            sums,
        })
    }

    /// Writes the integer scores of every sample with the classes of some panels to `out`, as
    /// `[panel][sample, padded to whole blocks][class of the panel]`.
    ///
    /// # Panics
    /// If dimensions or precisions differ, the processor does not support this precision, the range of panels is out of
    /// bounds, or `out` has another length.
    pub fn score(&self, panels: std::ops::Range<usize>, probes: &Probes, out: &mut [i32]) {
        self.score_with(Kernel::detected(), panels, probes, out);
    }

    fn score_with(&self, kernel: Kernel, panels: std::ops::Range<usize>, probes: &Probes, out: &mut [i32]) {
        assert!(kernel.is_available(), "this processor lacks {kernel:?}");
        assert_eq!(self.dim, probes.dim, "classes and samples must have the same dimension");
        assert_eq!(self.precision, probes.precision, "classes and samples must have the same precision");
        assert!(kernel.multiplies(self.precision), "{kernel:?} does not support {:?} bits", self.precision);
        assert!(panels.start <= panels.end && panels.end <= self.count(), "panels {panels:?}");
        let samples = probes.rows.next_multiple_of(BLOCK);
        assert_eq!(out.len(), panels.len() * samples * PANEL, "out must hold one score per sample and class");
        if samples == 0 {
            return;
        }
        let depth = padded(self.dim);
        let size = PANEL * depth;
        #[cfg(target_arch = "x86_64")]
        let done = self.score_tiles(kernel, panels.clone(), probes, out);
        #[cfg(not(target_arch = "x86_64"))]
        let done = 0;
        for (panel, out) in panels.zip(out.chunks_exact_mut(samples * PANEL)) {
            let values = &self.values[panel * size..(panel + 1) * size];
            let sums = &self.sums[panel * PANEL..(panel + 1) * PANEL];
            let blocks = probes.values.chunks_exact(BLOCK * depth).zip(out.chunks_exact_mut(BLOCK * PANEL));
            for (block, out) in blocks.skip(done / BLOCK) {
                // SAFETY: the kernel is available, as asserted.
                unsafe { kernel.score(Tile { values, block, sums, out }) };
            }
        }
    }
}

/// Number of samples that are also stored as tiles.
fn tiled_rows(rows: usize, dim: usize) -> usize {
    let expected = dim.is_multiple_of(TILE_DEPTH) && Kernel::Amx.is_available();
    if expected { rows / TILE_ROWS * TILE_ROWS } else { 0 }
}

#[cfg(target_arch = "x86_64")]
impl Panels {
    /// Scores the samples that are stored as tiles, if the kernel is AMX. Returns their number.
    fn score_tiles(
        &self,
        kernel: Kernel,
        panels: std::ops::Range<usize>,
        probes: &Probes,
        out: &mut [i32],
    ) -> usize {
        if kernel != Kernel::Amx || probes.tiles.is_empty() {
            return 0;
        }
        let of = |each: usize| panels.start * each..panels.end * each;
        amx::score(amx::Tiles {
            values: &self.values[of(PANEL * self.dim)],
            sums: &self.sums[of(PANEL)],
            samples: &probes.tiles,
            depth: self.dim,
            out,
            stride: probes.rows.next_multiple_of(BLOCK),
        });
        probes.tiles.len() / self.dim
    }
}

/// One panel of classes, for writing.
#[derive(Debug)]
pub struct PanelMut<'a> {
    dim: usize,
    precision: Precision,
    values: &'a mut [i8],
    steps: &'a mut [f32],
    sums: &'a mut [i32],
}

impl PanelMut<'_> {
    /// Prefetches the panel.
    pub fn prefetch(&self) {
        prefetch(self.values);
    }

    /// Quantises the class at a place of the panel: the row divided by its `norm`. A class with a norm of 0 scores 0.
    ///
    /// # Panics
    /// If `place` is [`PANEL`] or more, or the row has another dimension.
    pub fn set(&mut self, place: usize, row: &[f32], norm: f32) {
        assert!(place < PANEL, "place {place} of {PANEL}");
        assert_eq!(row.len(), self.dim, "a class of dimension {}", self.dim);
        let mut sum = 0;
        let values = &mut *self.values;
        let step = quantise(row, self.precision, |group, codes| {
            values[(group * PANEL + place) * 4..][..4].copy_from_slice(&codes);
            let [a, b, c, d] = codes.map(i32::from);
            sum += (a + b) + (c + d);
        });
        self.steps[place] = if norm > 0.0 { step / norm } else { 0.0 };
        self.sums[place] = self.precision.offset() * sum;
    }
}
