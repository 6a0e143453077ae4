//! Integer scores of many classes: a matrix product of 7-bit numbers, several times as fast as one of `f32`.
//!
//! Rows of either side are unit vectors, each quantised with a scale of its own: `q = round(63 x / max |x|)`, so that
//! `x` is about `q * step` with `step = max |x| / 63`. Seven bits and not eight, because the widest product of pairs of bytes
//! that AVX2 has adds in 16 bits and saturates: `2 * 2 * 127 * 63` is the most that stays exact. Every instruction set gives
//! the same integers: portable code, AVX2, and AVX-512 with VNNI.
//!
//! [`Probes`] are the features of a batch: raised by 64 to be unsigned, four of them side by side. [`Panels`] are the classes:
//! sixteen side by side, with the sum of each class's numbers, from which the raise is taken back.
//!
//! For unit vectors of dimension `D` the error of a cosine is about normal with standard deviation
//! `step / sqrt(12) * sqrt(2)`, 0.001 for random directions at `D = 512`.

use crate::simd::{InstructionSet, detected};

/// Classes side by side in a panel.
pub const PANEL: usize = 16;
/// Samples side by side in a block of probes.
pub const BLOCK: usize = 4;
/// Largest quantised magnitude.
const LARGEST: f32 = 63.0;
/// What makes the numbers of the probes unsigned.
const RAISE: i32 = 64;
/// Numbers of a row are taken eight at a time.
const STEP: usize = 8;

fn padded(dim: usize) -> usize {
    dim.next_multiple_of(STEP)
}

/// The quantised numbers of a row go to `put(group, four numbers)`, the last group filled up with 0; the step between
/// neighbours is returned.
fn quantise(row: &[f32], mut put: impl FnMut(usize, [i8; 4])) -> f32 {
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
    let factor = if largest > 0.0 { LARGEST / largest } else { 0.0 };
    // adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the lowest bits; it is within -63..=63
    let number = |value: f32| (value * factor + 12_582_912.0).to_bits() as i8;
    let groups = row.chunks_exact(4);
    let rest = groups.remainder();
    let whole = groups.len();
    for (at, group) in groups.enumerate() {
        put(at, [number(group[0]), number(group[1]), number(group[2]), number(group[3])]);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(last, &value)| *last = number(value));
        put(whole, last);
    }
    largest / LARGEST
}

/// Features of a batch, quantised.
#[derive(Clone, Debug)]
pub struct Probes {
    rows: usize,
    dim: usize,
    /// `[block][group of four numbers][sample of the block][four numbers]`.
    values: Vec<u8>,
    steps: Vec<f32>,
}

impl Probes {
    /// Quantises `values`, rows of `dim` numbers each.
    ///
    /// # Panics
    /// If `dim` is 0 or `values` are not whole rows.
    pub fn new(values: &[f32], dim: usize) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "{} values in rows of {dim}", values.len());
        let rows = values.len() / dim;
        let size = BLOCK * padded(dim);
        let mut out = vec![RAISE as u8; rows.div_ceil(BLOCK) * size];
        let steps = values
            .chunks_exact(dim)
            .enumerate()
            .map(|(row, values)| {
                let block = &mut out[row / BLOCK * size..][..size];
                quantise(values, |group, numbers| {
                    let raised = numbers.map(|number| (i32::from(number) + RAISE) as u8);
                    block[(group * BLOCK + row % BLOCK) * 4..][..4].copy_from_slice(&raised);
                })
            })
            .collect();
        Self { rows, dim, values: out, steps }
    }

    /// Samples.
    pub fn rows(&self) -> usize {
        self.rows
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
    /// `[panel][group of four numbers][class of the panel][four numbers]`.
    values: Vec<i8>,
    steps: Vec<f32>,
    /// `RAISE` times the sum of each class's numbers.
    sums: Vec<i32>,
}

impl Panels {
    /// Room for `rows` classes of dimension `dim`, all zero.
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn zeros(rows: usize, dim: usize) -> Self {
        assert!(dim > 0, "classes of no dimension");
        let panels = rows.div_ceil(PANEL);
        Self {
            rows,
            dim,
            values: vec![0; panels * PANEL * padded(dim)],
            steps: vec![0.0; panels * PANEL],
            sums: vec![0; panels * PANEL],
        }
    }

    /// Classes.
    pub fn rows(&self) -> usize {
        self.rows
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
        let dim = self.dim;
        let parts = self.values.chunks_exact_mut(size).zip(self.steps.chunks_exact_mut(PANEL));
        parts.zip(self.sums.chunks_exact_mut(PANEL)).map(move |((values, steps), sums)| PanelMut {
            dim,
            values,
            steps,
            sums,
        })
    }

    /// Integer scores of every sample with the classes of some panels: `out` becomes
    /// `[panel][sample, filled up to whole blocks][class of the panel]`.
    ///
    /// # Panics
    /// If dimensions differ, there are not that many panels, or `out` has another length.
    pub fn score(&self, panels: std::ops::Range<usize>, probes: &Probes, out: &mut [i32]) {
        assert_eq!(self.dim, probes.dim, "classes and samples of one dimension");
        assert!(panels.start <= panels.end && panels.end <= self.count(), "panels {panels:?}");
        let samples = probes.rows.next_multiple_of(BLOCK);
        assert_eq!(out.len(), panels.len() * samples * PANEL, "a score for each sample and class");
        if samples == 0 {
            return;
        }
        let depth = padded(self.dim);
        let size = PANEL * depth;
        let (set, fine) = (detected(), vnni());
        for (panel, out) in panels.zip(out.chunks_exact_mut(samples * PANEL)) {
            let values = &self.values[panel * size..(panel + 1) * size];
            let sums = &self.sums[panel * PANEL..(panel + 1) * PANEL];
            let blocks = probes.values.chunks_exact(BLOCK * depth).zip(out.chunks_exact_mut(BLOCK * PANEL));
            for (block, out) in blocks {
                let tile = Tile { values, block, sums, out };
                match set {
                    // SAFETY: `detected` and `vnni` name only what this processor has.
                    #[cfg(target_arch = "x86_64")]
                    InstructionSet::Avx512 if fine => unsafe { x86::vnni(tile) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above; a processor with AVX-512 has AVX2.
                    InstructionSet::Avx2 | InstructionSet::Avx512 => unsafe { x86::avx2(tile) },
                    _ => portable(tile),
                }
            }
        }
    }
}

/// One panel of classes, to be quantised.
#[derive(Debug)]
pub struct PanelMut<'a> {
    dim: usize,
    values: &'a mut [i8],
    steps: &'a mut [f32],
    sums: &'a mut [i32],
}

impl PanelMut<'_> {
    /// Quantises the class at a place of the panel: the row divided by its `norm`, above 0, or nothing for a norm of 0.
    ///
    /// # Panics
    /// If `place` is [`PANEL`] or more, or the row has another dimension.
    pub fn set(&mut self, place: usize, row: &[f32], norm: f32) {
        assert!(place < PANEL, "place {place} of {PANEL}");
        assert_eq!(row.len(), self.dim, "a class of dimension {}", self.dim);
        let mut sum = 0;
        let values = &mut *self.values;
        let step = quantise(row, |group, numbers| {
            values[(group * PANEL + place) * 4..][..4].copy_from_slice(&numbers);
            sum += numbers.iter().map(|&number| i32::from(number)).sum::<i32>();
        });
        // a row that is too short to have a direction scores 0
        self.steps[place] = if norm > 0.0 { step / norm } else { 0.0 };
        self.sums[place] = RAISE * sum;
    }
}

/// One panel of classes and one block of samples.
struct Tile<'a> {
    /// `[depth / 4][PANEL][4]`.
    values: &'a [i8],
    /// `[depth / 4][BLOCK][4]`.
    block: &'a [u8],
    sums: &'a [i32],
    /// `[BLOCK][PANEL]`.
    out: &'a mut [i32],
}

fn vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512vnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

fn portable(Tile { values, block, sums, out }: Tile<'_>) {
    for out in out.chunks_exact_mut(PANEL) {
        for (score, sum) in out.iter_mut().zip(sums) {
            *score = -sum;
        }
    }
    for (values, block) in values.chunks_exact(PANEL * 4).zip(block.chunks_exact(BLOCK * 4)) {
        for (out, x) in out.chunks_exact_mut(PANEL).zip(block.chunks_exact(4)) {
            for (score, w) in out.iter_mut().zip(values.chunks_exact(4)) {
                *score += (0..4).map(|at| i32::from(x[at]) * i32::from(w[at])).sum::<i32>();
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::{
        _mm256_add_epi16, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_storeu_si256, _mm256_sub_epi32,
        _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_storeu_si512, _mm512_sub_epi32,
    };

    use super::{BLOCK, PANEL, Tile};

    /// Four numbers of one sample.
    ///
    /// # Safety
    /// Four bytes must be readable at `at`.
    #[inline(always)]
    unsafe fn four(at: *const u8) -> i32 {
        // SAFETY: as the caller promises; no alignment is needed.
        unsafe { at.cast::<i32>().read_unaligned() }
    }

    /// Two groups of four numbers a turn: products of pairs are added in 16 bits, twice, and then widened.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(Tile { values, block, sums, out }: Tile<'_>) {
        let turns = block.len() / (BLOCK * STEP_BYTES);
        assert!(values.len() == turns * PANEL * STEP_BYTES && block.len() == turns * BLOCK * STEP_BYTES);
        assert!(sums.len() == PANEL && out.len() == BLOCK * PANEL);
        let ones = _mm256_set1_epi16(1);
        let mut total = [[_mm256_setzero_si256(); 2]; BLOCK];
        // SAFETY: each turn reads 2 * PANEL * 4 bytes of the classes and 2 * BLOCK * 4 of the samples, `turns` times,
        // which the assertions above hold to be there; `sums` and `out` likewise.
        unsafe {
            for turn in 0..turns {
                let w = values.as_ptr().add(turn * PANEL * STEP_BYTES);
                let x = block.as_ptr().add(turn * BLOCK * STEP_BYTES);
                let near = [_mm256_loadu_si256(w.cast()), _mm256_loadu_si256(w.add(32).cast())];
                let far = [_mm256_loadu_si256(w.add(64).cast()), _mm256_loadu_si256(w.add(96).cast())];
                for (sample, total) in total.iter_mut().enumerate() {
                    let first = _mm256_set1_epi32(four(x.add(4 * sample)));
                    let second = _mm256_set1_epi32(four(x.add(4 * (BLOCK + sample))));
                    for half in 0..2 {
                        let pairs = _mm256_add_epi16(
                            _mm256_maddubs_epi16(first, near[half]),
                            _mm256_maddubs_epi16(second, far[half]),
                        );
                        total[half] = _mm256_add_epi32(total[half], _mm256_madd_epi16(pairs, ones));
                    }
                }
            }
            for (sample, total) in total.iter().enumerate() {
                for (half, total) in total.iter().enumerate() {
                    let raise = _mm256_loadu_si256(sums.as_ptr().add(8 * half).cast());
                    let to = out.as_mut_ptr().add(sample * PANEL + 8 * half);
                    _mm256_storeu_si256(to.cast(), _mm256_sub_epi32(*total, raise));
                }
            }
        }
    }

    /// Sixteen classes fill one register.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn vnni(Tile { values, block, sums, out }: Tile<'_>) {
        let turns = block.len() / (BLOCK * STEP_BYTES);
        assert!(values.len() == turns * PANEL * STEP_BYTES && block.len() == turns * BLOCK * STEP_BYTES);
        assert!(sums.len() == PANEL && out.len() == BLOCK * PANEL);
        // even and odd groups apart, so that eight sums are under way at once
        let mut total = [[_mm512_setzero_si512(); 2]; BLOCK];
        // SAFETY: as in `avx2`.
        unsafe {
            for turn in 0..turns {
                let w = values.as_ptr().add(turn * PANEL * STEP_BYTES);
                let x = block.as_ptr().add(turn * BLOCK * STEP_BYTES);
                let classes = [_mm512_loadu_si512(w.cast()), _mm512_loadu_si512(w.add(64).cast())];
                for (sample, total) in total.iter_mut().enumerate() {
                    for (half, total) in total.iter_mut().enumerate() {
                        let numbers = _mm512_set1_epi32(four(x.add(4 * (half * BLOCK + sample))));
                        *total = _mm512_dpbusd_epi32(*total, numbers, classes[half]);
                    }
                }
            }
            let raise = _mm512_loadu_si512(sums.as_ptr().cast());
            for (sample, [even, odd]) in total.into_iter().enumerate() {
                let to = out.as_mut_ptr().add(sample * PANEL);
                let all = core::arch::x86_64::_mm512_add_epi32(even, odd);
                _mm512_storeu_si512(to.cast(), _mm512_sub_epi32(all, raise));
            }
        }
    }

    /// Bytes of one row that a turn takes.
    const STEP_BYTES: usize = super::STEP;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, dim: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count * dim).map(|_| next()).collect()
    }

    fn panels(values: &[f32], dim: usize) -> Panels {
        let mut panels = Panels::zeros(values.len() / dim, dim);
        for (row, values) in values.chunks_exact(dim).enumerate() {
            panels.set(row, values, 1.0);
        }
        panels
    }

    /// The plain twin: quantised numbers multiplied one by one.
    fn twin(x: &[f32], w: &[f32]) -> i32 {
        let numbers = |row: &[f32]| {
            let mut out = vec![0_i8; row.len()];
            quantise(row, |group, numbers| {
                out[4 * group..].iter_mut().zip(numbers).for_each(|(out, number)| *out = number);
            });
            out
        };
        numbers(x).iter().zip(numbers(w)).map(|(&a, b)| i32::from(a) * i32::from(b)).sum()
    }

    #[test]
    fn every_instruction_set_gives_the_integers_of_the_plain_twin() {
        for (batch, classes, dim) in
            [(1, 1, 1), (3, 17, 7), (4, 16, 8), (5, 33, 20), (9, 40, 65), (2, 5, 512)]
        {
            let (x, w) = (rows(batch, dim, 1), rows(classes, dim, 2));
            let (probes, panels) = (Probes::new(&x, dim), panels(&w, dim));
            let samples = batch.next_multiple_of(BLOCK);
            let mut out = vec![7; panels.count() * samples * PANEL];
            panels.score(0..panels.count(), &probes, &mut out);
            let mut plain = vec![7; out.len()];
            let (depth, size) = (padded(dim), PANEL * padded(dim));
            for (panel, plain) in plain.chunks_exact_mut(samples * PANEL).enumerate() {
                let values = &panels.values[panel * size..(panel + 1) * size];
                let sums = &panels.sums[panel * PANEL..(panel + 1) * PANEL];
                let blocks = probes.values.chunks_exact(BLOCK * depth);
                for (block, out) in blocks.zip(plain.chunks_exact_mut(BLOCK * PANEL)) {
                    portable(Tile { values, block, sums, out });
                }
            }
            assert_eq!(out, plain, "{batch} {classes} {dim}");
            for class in 0..panels.count() * PANEL {
                for sample in 0..batch {
                    let found = out[(class / PANEL * samples + sample) * PANEL + class % PANEL];
                    let wanted = if class < classes {
                        twin(&x[sample * dim..(sample + 1) * dim], &w[class * dim..(class + 1) * dim])
                    } else {
                        0
                    };
                    assert_eq!(found, wanted, "{batch} {classes} {dim}: {sample} {class}");
                }
            }
        }
    }

    /// Every number at its largest: the sums of 16 bits must not saturate.
    #[test]
    fn the_largest_numbers_stay_exact() {
        let dim = 512;
        for (sign_x, sign_w) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
            let (x, w) = (vec![sign_x; 4 * dim], vec![sign_w; 16 * dim]);
            let mut out = vec![0; 4 * 16];
            panels(&w, dim).score(0..1, &Probes::new(&x, dim), &mut out);
            let wanted = (sign_x * sign_w) as i32 * 63 * 63 * 512;
            assert!(out.iter().all(|&score| score == wanted), "{out:?}");
        }
    }

    #[test]
    fn a_score_times_the_steps_is_about_the_dot_product() {
        let (batch, classes, dim) = (8, 64, 128);
        let unit = |mut values: Vec<f32>| {
            for row in values.chunks_exact_mut(dim) {
                let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
                for value in row.iter_mut() {
                    *value /= norm;
                }
            }
            values
        };
        let (x, w) = (unit(rows(batch, dim, 3)), unit(rows(classes, dim, 4)));
        let (probes, panels) = (Probes::new(&x, dim), panels(&w, dim));
        let mut out = vec![0; panels.count() * batch * PANEL];
        panels.score(0..panels.count(), &probes, &mut out);
        for class in 0..classes {
            for sample in 0..batch {
                let (x, w) = (&x[sample * dim..][..dim], &w[class * dim..][..dim]);
                let wanted: f32 = x.iter().zip(w).map(|(a, b)| a * b).sum();
                let score = out[(class / PANEL * batch + sample) * PANEL + class % PANEL] as f32;
                let found = score * probes.step(sample) * panels.steps(class / PANEL)[class % PANEL];
                // five standard deviations of the errors of both sides
                let (a, b) = (probes.step(sample), panels.steps(class / PANEL)[class % PANEL]);
                let deviation = ((a * a + b * b) / 12.0).sqrt();
                assert!((found - wanted).abs() < 5.0 * deviation, "{found} {wanted} {deviation}");
            }
        }
    }

    #[test]
    fn a_zero_row_scores_zero() {
        let mut panels = Panels::zeros(1, 3);
        panels.set(0, &[0.0; 3], 0.0);
        let mut out = vec![7; 4 * 16];
        panels.score(0..1, &Probes::new(&[1.0, 2.0, 3.0], 3), &mut out);
        assert_eq!(out[0], 0);
        assert_eq!(panels.steps(0)[0], 0.0);
    }
}
