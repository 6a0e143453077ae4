//! Integer scores of many classes: a matrix product of numbers of a byte, several times as fast as one of `f32`.
//!
//! Rows of either side are unit vectors, each quantised with a scale of its own: `q = round(63 x / max |x|)`, so that
//! `x` is about `q * step` with `step = max |x| / 63`. Seven bits and not eight, because the widest product of pairs of bytes
//! that AVX2 has adds in 16 bits and saturates: `2 * 2 * 127 * 63` is the most that stays exact. Where results need not be the same on every
//! processor, [`Precision::finest`] takes eight bits of those that can. Every kernel gives the
//! same integers: portable code, AVX2, AVX-512 with VNNI, AMX, NEON, and NEON with the dot products of bytes (`sdot`).
//!
//! [`Probes`] are the features of a batch: raised by 64 (or 128) to be unsigned, four of them side by side. [`Panels`] are the classes:
//! sixteen side by side, with the sum of each class's numbers, from which the raise is taken back.
//!
//! For unit vectors of dimension `D` the error of a cosine is about normal with standard deviation
//! `step / sqrt(12) * sqrt(2)`, 0.001 for random directions at `D = 512`.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "aarch64")]
mod neon;
mod reach;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use reach::{Bar, reach};
use tile::{Kernel, Tile};

#[cfg(target_arch = "x86_64")]
use crate::simd::{InstructionSet, detected};
use crate::vector::prefetch;

/// Classes side by side in a panel.
pub const PANEL: usize = 16;
/// Samples side by side in a block of probes.
pub const BLOCK: usize = 4;
/// How finely numbers are quantised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// -63 to 63: the same integers on every processor.
    #[default]
    Seven,
    /// -127 to 127: half the error, for processors whose products of bytes do not saturate. AVX2 has none.
    Eight,
}

impl Precision {
    /// The finest that this processor multiplies exactly.
    pub fn finest() -> Self {
        if Kernel::detected().multiplies(Self::Eight) { Self::Eight } else { Self::Seven }
    }

    /// Largest quantised magnitude.
    fn largest(self) -> f32 {
        match self {
            Self::Seven => 63.0,
            Self::Eight => 127.0,
        }
    }

    /// What makes the numbers of the probes unsigned.
    fn raise(self) -> i32 {
        match self {
            Self::Seven => 64,
            Self::Eight => 128,
        }
    }
}

/// Numbers that are quantised at once.
const STRETCH: usize = 64;
/// Samples of a tile, and their numbers.
const TILE_ROWS: usize = 16;
const TILE_DEPTH: usize = 64;
/// Numbers of a row are taken eight at a time.
const STEP: usize = 8;

fn padded(dim: usize) -> usize {
    dim.next_multiple_of(STEP)
}

/// The quantised numbers of a row go to `put(group, four numbers)`, the last group filled up with 0; the step between
/// neighbours is returned.
fn quantise(row: &[f32], precision: Precision, put: impl FnMut(usize, [i8; 4])) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if detected() >= InstructionSet::Avx2 {
        // SAFETY: this processor has it.
        return unsafe { quantise_avx2(row, precision, put) };
    }
    quantise_here(row, precision, put)
}

/// The same integers, eight values at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn quantise_avx2(row: &[f32], precision: Precision, put: impl FnMut(usize, [i8; 4])) -> f32 {
    quantise_here(row, precision, put)
}

#[inline(always)]
fn quantise_here(row: &[f32], precision: Precision, mut put: impl FnMut(usize, [i8; 4])) -> f32 {
    // eight maxima, so that the loop vectorises
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
    // adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the lowest bits; it is within -127..=127
    let number = |value: f32| (value * factor + 12_582_912.0).to_bits() as i8;
    // a stretch at a time, so that rounding is vectorised and only the putting is not
    for (stretch, row) in row.chunks(STRETCH).enumerate() {
        let mut numbers = [0_i8; STRETCH];
        numbers.iter_mut().zip(row).for_each(|(to, &value)| *to = number(value));
        let (groups, _) = numbers.as_chunks::<4>();
        for (at, group) in groups.iter().take(row.len().div_ceil(4)).enumerate() {
            put(stretch * (STRETCH / 4) + at, *group);
        }
    }
    largest / precision.largest()
}

/// Length of what a row loses when it is quantised: that of `row - step * numbers`, rounded up; at most `step / 2` times the root of its
/// dimension, and about 0.02 in seven bits for unit rows of random direction in 512 dimensions.
pub fn residual(row: &[f32], precision: Precision) -> f32 {
    let mut numbers = vec![[0_i8; 4]; row.len().div_ceil(4)];
    let step = f64::from(quantise(row, precision, |group, four| numbers[group] = four));
    let lost = row.iter().zip(numbers.iter().flatten());
    let square = lost.map(|(value, number)| (f64::from(*value) - step * f64::from(*number)).powi(2));
    (square.sum::<f64>().sqrt() * (1.0 + 1e-6)) as f32
}

/// Features of a batch, quantised.
#[derive(Clone, Debug)]
pub struct Probes {
    rows: usize,
    dim: usize,
    precision: Precision,
    /// `[block][group of four numbers][sample of the block][four numbers]`.
    values: Vec<u8>,
    /// The first samples again, as the tiles of AMX where there is such a kernel; else none.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only AMX takes samples as tiles"))]
    tiles: Vec<u8>,
    steps: Vec<f32>,
}

impl Probes {
    /// Quantises `values`, rows of `dim` numbers each.
    ///
    /// # Panics
    /// If `dim` is 0 or `values` are not whole rows.
    pub fn new(values: &[f32], dim: usize, precision: Precision) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "{} values in rows of {dim}", values.len());
        let rows = values.len() / dim;
        let size = BLOCK * padded(dim);
        let raise = precision.raise();
        let mut out = vec![raise as u8; rows.div_ceil(BLOCK) * size];
        let tiled = tiled_rows(rows, dim);
        let mut tiles = vec![0; tiled * dim];
        let steps = values
            .chunks_exact(dim)
            .enumerate()
            .map(|(row, values)| {
                let block = &mut out[row / BLOCK * size..][..size];
                quantise(values, precision, |group, numbers| {
                    let raised = numbers.map(|number| (i32::from(number) + raise) as u8);
                    block[(group * BLOCK + row % BLOCK) * 4..][..4].copy_from_slice(&raised);
                    if row < tiled {
                        let tile = row / TILE_ROWS * (dim / TILE_DEPTH) + group * 4 / TILE_DEPTH;
                        let place =
                            (tile * TILE_ROWS + row % TILE_ROWS) * TILE_DEPTH + group * 4 % TILE_DEPTH;
                        tiles[place..place + 4].copy_from_slice(&raised);
                    }
                })
            })
            .collect();
        Self { rows, dim, precision, values: out, tiles, steps }
    }

    /// Samples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Samples, filled up to whole blocks: those that a panel of scores has room for.
    pub fn padded_rows(&self) -> usize {
        self.rows.next_multiple_of(BLOCK)
    }

    /// What a number of a sample is multiplied by.
    pub fn step(&self, row: usize) -> f32 {
        self.steps[row]
    }
}

/// Unit class centres, quantised: one byte a value and eight a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Panels {
    rows: usize,
    dim: usize,
    precision: Precision,
    /// `[panel][group of four numbers][class of the panel][four numbers]`.
    values: Vec<i8>,
    steps: Vec<f32>,
    /// What the probes are raised by times the sum of each class's numbers.
    sums: Vec<i32>,
}

impl Panels {
    /// Room for `rows` classes of dimension `dim`, all zero.
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn zeros(rows: usize, dim: usize, precision: Precision) -> Self {
        assert!(dim > 0, "classes of no dimension");
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

    /// Classes.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a class.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Panels of [`PANEL`] classes; the last may have empty places, whose scores are 0.
    pub fn count(&self) -> usize {
        self.steps.len() / PANEL
    }

    /// What a number of each class of a panel is multiplied by; 0 in empty places.
    pub fn steps(&self, panel: usize) -> &[f32] {
        &self.steps[panel * PANEL..(panel + 1) * PANEL]
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.values.len() + self.steps.len() * (size_of::<f32>() + size_of::<i32>())
    }

    /// Quantises one class anew: the row divided by its `norm`, above 0, or nothing for a norm of 0.
    ///
    /// # Panics
    /// If there is no such class or it has another dimension.
    pub fn set(&mut self, row: usize, values: &[f32], norm: f32) {
        assert!(row < self.rows, "class {row} of {}", self.rows);
        let panel = row / PANEL;
        let mut one = self.iter_mut().nth(panel).expect("as many panels as the classes fill");
        one.set(row % PANEL, values, norm);
    }

    /// The panels, to be written in parallel.
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

    /// Integer scores of every sample with the classes of some panels: `out` becomes
    /// `[panel][sample, filled up to whole blocks][class of the panel]`.
    ///
    /// # Panics
    /// If dimensions or precisions differ, the processor does not multiply this precision, there are not that many panels, or `out` has another
    /// length.
    pub fn score(&self, panels: std::ops::Range<usize>, probes: &Probes, out: &mut [i32]) {
        self.score_with(Kernel::detected(), panels, probes, out);
    }

    fn score_with(&self, kernel: Kernel, panels: std::ops::Range<usize>, probes: &Probes, out: &mut [i32]) {
        assert!(kernel.is_available(), "{kernel:?} on a processor that lacks it");
        assert_eq!(self.dim, probes.dim, "classes and samples of one dimension");
        assert_eq!(self.precision, probes.precision, "classes and samples of one precision");
        assert!(kernel.multiplies(self.precision), "{kernel:?} with {:?} bits", self.precision);
        assert!(panels.start <= panels.end && panels.end <= self.count(), "panels {panels:?}");
        let samples = probes.rows.next_multiple_of(BLOCK);
        assert_eq!(out.len(), panels.len() * samples * PANEL, "a score for each sample and class");
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

/// Samples that are kept as tiles too.
fn tiled_rows(rows: usize, dim: usize) -> usize {
    let expected = dim.is_multiple_of(TILE_DEPTH) && Kernel::Amx.is_available();
    if expected { rows / TILE_ROWS * TILE_ROWS } else { 0 }
}

#[cfg(target_arch = "x86_64")]
impl Panels {
    /// Scores the samples that are kept as tiles, if the kernel takes them; returns how many there were.
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

/// One panel of classes, to be quantised.
#[derive(Debug)]
pub struct PanelMut<'a> {
    dim: usize,
    precision: Precision,
    values: &'a mut [i8],
    steps: &'a mut [f32],
    sums: &'a mut [i32],
}

impl PanelMut<'_> {
    /// Asks for a panel of which a class is soon to be quantised.
    pub fn prefetch(&self) {
        prefetch(self.values);
    }

    /// Quantises the class at a place of the panel: the row divided by its `norm`, above 0, or nothing for a norm of 0.
    ///
    /// # Panics
    /// If `place` is [`PANEL`] or more, or the row has another dimension.
    pub fn set(&mut self, place: usize, row: &[f32], norm: f32) {
        assert!(place < PANEL, "place {place} of {PANEL}");
        assert_eq!(row.len(), self.dim, "a class of dimension {}", self.dim);
        let mut sum = 0;
        let values = &mut *self.values;
        let step = quantise(row, self.precision, |group, numbers| {
            values[(group * PANEL + place) * 4..][..4].copy_from_slice(&numbers);
            let [a, b, c, d] = numbers.map(i32::from);
            sum += (a + b) + (c + d);
        });
        // a row that is too short to have a direction scores 0
        self.steps[place] = if norm > 0.0 { step / norm } else { 0.0 };
        self.sums[place] = self.precision.raise() * sum;
    }
}
