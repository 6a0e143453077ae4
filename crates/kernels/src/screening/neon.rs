//! The tiles of aarch64. Samples raised to 1..=127 are signed bytes as well as unsigned ones, so that both kernels
//! multiply signed by signed.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_laneq_s32, vget_low_s8, vld1q_s8, vld1q_s32, vmlal_high_s8, vmlal_s8,
    vmull_high_s8, vmull_s8, vnegq_s32, vpadalq_s16, vpaddq_s16, vreinterpretq_s8_s32, vreinterpretq_s32_s8,
    vst1q_s32,
};
use core::arch::asm;

use super::tile::Tile;
use super::{BLOCK, PANEL};

/// Registers of four classes in a panel.
const QUADS: usize = PANEL / 4;
/// Bytes of four numbers of each class, and of each sample.
const CLASSES: usize = 4 * PANEL;
const SAMPLES: usize = 4 * BLOCK;

/// The sums under way: sixteen registers, of the thirty-two that there are.
type Totals = [[int32x4_t; QUADS]; BLOCK];

/// Products of bytes in 16 bits, two added to each, then neighbours, then widened: `2 * 2 * 127 * 63` is within 16 bits.
///
/// For processors without `sdot`, the Cortex-A53 and A72 among them.
pub(super) fn widening(Tile { values, block, sums, out }: Tile<'_>) {
    check(values, block, sums, out);
    // SAFETY: NEON belongs to every aarch64; the chunks have the bytes that are loaded, the rest is checked.
    unsafe {
        let mut totals = lowered(sums);
        for (w, x) in values.chunks_exact(2 * CLASSES).zip(block.chunks_exact(2 * SAMPLES)) {
            let x = [spread(x.as_ptr()), spread(x.as_ptr().add(SAMPLES))];
            for quad in 0..QUADS {
                let at = w.as_ptr().add(16 * quad);
                let w = [vld1q_s8(at), vld1q_s8(at.add(CLASSES))];
                for sample in 0..BLOCK {
                    let (first, second) = (x[0][sample], x[1][sample]);
                    let near = vmull_s8(vget_low_s8(first), vget_low_s8(w[0]));
                    let near = vmlal_s8(near, vget_low_s8(second), vget_low_s8(w[1]));
                    let far = vmlal_high_s8(vmull_high_s8(first, w[0]), second, w[1]);
                    let total = &mut totals[sample][quad];
                    *total = vpadalq_s16(*total, vpaddq_s16(near, far));
                }
            }
        }
        store(&totals, out);
    }
}

/// Four numbers of each sample in a register of their own, four times over.
///
/// # Safety
/// [`SAMPLES`] bytes must be readable at `at`.
#[inline(always)]
unsafe fn spread(at: *const u8) -> [int8x16_t; BLOCK] {
    // SAFETY: as the caller promises; no alignment is needed.
    unsafe {
        let all = vreinterpretq_s32_s8(vld1q_s8(at.cast()));
        [
            vreinterpretq_s8_s32(vdupq_laneq_s32::<0>(all)),
            vreinterpretq_s8_s32(vdupq_laneq_s32::<1>(all)),
            vreinterpretq_s8_s32(vdupq_laneq_s32::<2>(all)),
            vreinterpretq_s8_s32(vdupq_laneq_s32::<3>(all)),
        ]
    }
}

/// One `sdot` multiplies the numbers of four classes by those of one sample and adds them up.
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot_product(Tile { values, block, sums, out }: Tile<'_>) {
    check(values, block, sums, out);
    // SAFETY: the features are those of the function; the chunks have the bytes that are loaded, the rest is checked.
    unsafe {
        let mut totals = lowered(sums);
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

/// `total[i] + w[i] . x[SAMPLE]`, dot products of four bytes: `vdotq_laneq_s32`, which Rust does not have on its stable
/// channel yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_dot<const SAMPLE: i32>(mut total: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction is of the features above and touches nothing but its registers.
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

/// Every sample's sums, before any product.
///
/// # Safety
/// There must be [`PANEL`] values of `sums`.
#[inline(always)]
unsafe fn lowered(sums: &[i32]) -> Totals {
    // SAFETY: as the caller promises.
    unsafe {
        let quad = |quad: usize| vnegq_s32(vld1q_s32(sums.as_ptr().add(4 * quad)));
        [[quad(0), quad(1), quad(2), quad(3)]; BLOCK]
    }
}

/// # Safety
/// There must be room for [`BLOCK`] times [`PANEL`] values.
#[inline(always)]
unsafe fn store(totals: &Totals, out: &mut [i32]) {
    for (sample, totals) in totals.iter().enumerate() {
        for (quad, total) in totals.iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { vst1q_s32(out.as_mut_ptr().add(sample * PANEL + 4 * quad), *total) };
        }
    }
}
