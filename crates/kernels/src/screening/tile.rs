//! The layout of the operands of the int8 kernels, and the portable kernel.

/// Classes per panel.
pub const PANEL: usize = 16;
/// Samples per block of probes.
pub const BLOCK: usize = 4;

/// Samples of an AMX tile, and codes per sample.
pub(super) const TILE_ROWS: usize = 16;
pub(super) const TILE_DEPTH: usize = 64;
/// The kernels read eight codes of a row at a time.
pub(super) const STEP: usize = 8;

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
    /// Largest magnitude of a code.
    pub(super) fn largest(self) -> f32 {
        match self {
            Self::Seven => 63.0,
            Self::Eight => 127.0,
        }
    }

    /// The offset that makes the codes of the probes unsigned.
    pub(super) fn offset(self) -> i32 {
        match self {
            Self::Seven => 64,
            Self::Eight => 128,
        }
    }
}

/// One panel of classes and one block of samples.
pub(super) struct Tile<'a> {
    /// `[depth / 4][PANEL][4]`.
    pub(super) values: &'a [i8],
    /// `[depth / 4][BLOCK][4]`.
    pub(super) block: &'a [u8],
    /// Subtracted from the scores of each class, to correct the offset of the samples.
    pub(super) sums: &'a [i32],
    /// `[BLOCK][PANEL]`.
    pub(super) out: &'a mut [i32],
}

pub(super) fn portable(Tile { values, block, sums, out }: Tile<'_>) {
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
