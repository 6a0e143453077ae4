//! The kernel of AVX-512 with `vdpbf16ps`.

use core::arch::x86_64::{
    __m512bh, __m512i, _mm512_castps_si512, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::tile::{COLUMNS, ROWS};
use crate::simd::InstructionSet;

/// Whether this processor has AVX-512 with `vdpbf16ps`.
pub(super) fn is_available() -> bool {
    InstructionSet::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
}

/// `sums = left x right`.
///
/// # Panics
/// If the processor lacks the instructions, or the lengths do not match.
pub(super) fn multiply(left: &[u32], right: &[u32], sums: &mut [f32; ROWS * COLUMNS]) {
    assert!(is_available(), "this processor lacks vdpbf16ps");
    assert_eq!(left.len() / ROWS, right.len() / COLUMNS, "pairs of both panels");
    // SAFETY: the processor has the instructions.
    unsafe { by_registers(left, right, sums) }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn by_registers(left: &[u32], right: &[u32], sums: &mut [f32; ROWS * COLUMNS]) {
    let mut sum = [[_mm512_setzero_ps(); 2]; ROWS];
    let (left, _) = left.as_chunks::<ROWS>();
    let (right, _) = right.as_chunks::<COLUMNS>();
    for (left, right) in left.iter().zip(right) {
        // SAFETY: `right` has 32 entries, two registers of 16.
        let columns = unsafe {
            let from = right.as_ptr().cast::<f32>();
            [
                pairs(_mm512_castps_si512(_mm512_loadu_ps(from))),
                pairs(_mm512_castps_si512(_mm512_loadu_ps(from.add(16)))),
            ]
        };
        for (sum, &row) in sum.iter_mut().zip(left) {
            let row = pairs(_mm512_set1_epi32(row.cast_signed()));
            sum[0] = _mm512_dpbf16_ps(sum[0], row, columns[0]);
            sum[1] = _mm512_dpbf16_ps(sum[1], row, columns[1]);
        }
    }
    for (sum, out) in sum.iter().zip(sums.as_chunks_mut::<COLUMNS>().0) {
        // SAFETY: `out` has 32 entries, two registers of 16.
        unsafe {
            _mm512_storeu_ps(out.as_mut_ptr(), sum[0]);
            _mm512_storeu_ps(out.as_mut_ptr().add(16), sum[1]);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both types are 512 bits that may hold anything.
    unsafe { core::mem::transmute::<__m512i, __m512bh>(bits) }
}
