//! The int8 kernels of aarch64. With the offset, 7-bit codes of samples are in 1..=127, which fits signed bytes too, so both
//! kernels multiply signed by signed.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s32, vget_low_s8, vld1q_s8, vld1q_s32, vmlal_high_s8, vmlal_s8,
    vmull_high_s8, vmull_s8, vnegq_s32, vpadalq_s16, vpaddq_s16, vreinterpretq_s8_s32, vst1q_s32,
};
use core::arch::asm;

use super::tile::Tile;
use super::{BLOCK, PANEL};

/// Registers of four classes in a panel.
const QUADS: usize = PANEL / 4;
/// Bytes of four codes of every class of a panel, and of every sample of a block.
const CLASSES: usize = 4 * PANEL;
const SAMPLES: usize = 4 * BLOCK;

/// Adds two products in 16 bits, then neighbouring pairs, then widens: `2 * 2 * 127 * 63` fits 16 bits.
///
/// For processors without `sdot`, such as Cortex-A53 and A72. Two samples at a time, because the products and sums of four
/// exceed the registers.
pub(super) fn widening(Tile { values, block, sums, out }: Tile<'_>) {
    check(values, block, sums, out);
    for pair in (0..BLOCK).step_by(2) {
        // SAFETY: every aarch64 processor has NEON; the chunks have the bytes that are read, and `check` covers the rest.
        unsafe {
            let mut totals = [lowered(sums); 2];
            for (w, x) in values.chunks_exact(2 * CLASSES).zip(block.chunks_exact(2 * SAMPLES)) {
                let x = x.as_ptr().add(4 * pair);
                let x = [[spread(x), spread(x.add(SAMPLES))], [spread(x.add(4)), spread(x.add(SAMPLES + 4))]];
                for quad in 0..QUADS {
                    let w = w.as_ptr().add(16 * quad);
                    let w = [vld1q_s8(w), vld1q_s8(w.add(CLASSES))];
                    for (totals, x) in totals.iter_mut().zip(x) {
                        let near = vmull_s8(vget_low_s8(x[0]), vget_low_s8(w[0]));
                        let near = vmlal_s8(near, vget_low_s8(x[1]), vget_low_s8(w[1]));
                        let far = vmlal_high_s8(vmull_high_s8(x[0], w[0]), x[1], w[1]);
                        totals[quad] = vpadalq_s16(totals[quad], vpaddq_s16(near, far));
                    }
                }
            }
            store(&totals, &mut out[pair * PANEL..][..2 * PANEL]);
        }
    }
}

/// Four codes of one sample, repeated four times.
///
/// # Safety
/// Four bytes must be readable at `at`.
#[inline(always)]
unsafe fn spread(at: *const u8) -> int8x16_t {
    // SAFETY: as the caller promises; no alignment is needed.
    unsafe { vreinterpretq_s8_s32(vdupq_n_s32(at.cast::<i32>().read_unaligned())) }
}

/// One `sdot` multiplies four codes of each of four classes by those of one sample and adds them up.
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot_product(Tile { values, block, sums, out }: Tile<'_>) {
    check(values, block, sums, out);
    // SAFETY: the features are those of the function; the chunks have the bytes that are read, and `check` covers the rest.
    unsafe {
        // Sixteen registers of sums.
        let mut totals = [lowered(sums); BLOCK];
        for (w, x) in values.chunks_exact(CLASSES).zip(block.chunks_exact(SAMPLES)) {
            let x = vld1q_s8(x.as_ptr().cast());
            for quad in 0..QUADS {
                let w = vld1q_s8(w.as_ptr().add(16 * quad));
                totals[0][quad] = add_dot::<0>(totals[0][quad], w, x);
                totals[1][quad] = add_dot::<1>(totals[1][quad], w, x);
                totals[2][quad] = add_dot::<2>(totals[2][quad], w, x);
                totals[3][quad] = add_dot::<3>(totals[3][quad], w, x);
            }
        }
        store(&totals, out);
    }
}

/// `total[i] + w[i] . x[SAMPLE]`, dot products of four codes: `vdotq_laneq_s32`, which is not in stable Rust yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_dot<const SAMPLE: i32>(mut total: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction belongs to the features above and touches only its registers.
    unsafe {
        asm!(
            "sdot {total:v}.4s, {w:v}.16b, {x:v}.4b[{sample}]",
            total = inout(vreg) total,
            w = in(vreg) w,
            x = in(vreg) x,
            sample = const SAMPLE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    total
}

fn check(values: &[i8], block: &[u8], sums: &[i32], out: &[i32]) {
    let turns = block.len() / (2 * SAMPLES);
    assert!(values.len() == turns * 2 * CLASSES && block.len() == turns * 2 * SAMPLES);
    assert!(sums.len() == PANEL && out.len() == BLOCK * PANEL);
}

/// The initial sums of a sample.
///
/// # Safety
/// `sums` must hold [`PANEL`] values.
#[inline(always)]
unsafe fn lowered(sums: &[i32]) -> [int32x4_t; QUADS] {
    // SAFETY: as the caller promises.
    unsafe {
        let quad = |quad: usize| vnegq_s32(vld1q_s32(sums.as_ptr().add(4 * quad)));
        [quad(0), quad(1), quad(2), quad(3)]
    }
}

/// # Safety
/// `out` must hold [`PANEL`] values per sample.
#[inline(always)]
unsafe fn store(totals: &[[int32x4_t; QUADS]], out: &mut [i32]) {
    for (sample, totals) in totals.iter().enumerate() {
        for (quad, total) in totals.iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { vst1q_s32(out.as_mut_ptr().add(sample * PANEL + 4 * quad), *total) };
        }
    }
}
