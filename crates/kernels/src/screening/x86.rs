//! The int8 kernels of x86-64.

use core::arch::x86_64::{
    _mm256_add_epi16, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_storeu_si256, _mm256_sub_epi32,
    _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512, _mm512_sub_epi32,
};

use super::tile::Tile;
use super::{BLOCK, PANEL, STEP};

/// Four codes of one sample.
///
/// # Safety
/// Four bytes must be readable at `at`.
#[inline(always)]
unsafe fn four(at: *const u8) -> i32 {
    // SAFETY: as the caller promises; no alignment is needed.
    unsafe { at.cast::<i32>().read_unaligned() }
}

/// Per turn, two groups of four codes ([`STEP`] of a row): pairs of products are added in 16 bits, twice, and then widened.
#[target_feature(enable = "avx2")]
pub(super) fn avx2(Tile { values, block, sums, out }: Tile<'_>) {
    let turns = block.len() / (BLOCK * STEP);
    assert!(values.len() == turns * PANEL * STEP && block.len() == turns * BLOCK * STEP);
    assert!(sums.len() == PANEL && out.len() == BLOCK * PANEL);
    let ones = _mm256_set1_epi16(1);
    let mut total = [[_mm256_setzero_si256(); 2]; BLOCK];
    // SAFETY: each of the `turns` turns reads 2 * PANEL * 4 bytes of the classes and 2 * BLOCK * 4 of the samples. The
    // assertions above ensure that they are there, and likewise for `sums` and `out`.
    unsafe {
        for turn in 0..turns {
            let w = values.as_ptr().add(turn * PANEL * STEP);
            let x = block.as_ptr().add(turn * BLOCK * STEP);
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
                let correction = _mm256_loadu_si256(sums.as_ptr().add(8 * half).cast());
                let to = out.as_mut_ptr().add(sample * PANEL + 8 * half);
                _mm256_storeu_si256(to.cast(), _mm256_sub_epi32(*total, correction));
            }
        }
    }
}

/// Sixteen classes fill one register.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn vnni(Tile { values, block, sums, out }: Tile<'_>) {
    let turns = block.len() / (BLOCK * STEP);
    assert!(values.len() == turns * PANEL * STEP && block.len() == turns * BLOCK * STEP);
    assert!(sums.len() == PANEL && out.len() == BLOCK * PANEL);
    // Even and odd groups are summed separately, so that there are eight independent sums.
    let mut total = [[_mm512_setzero_si512(); 2]; BLOCK];
    // SAFETY: as in `avx2`.
    unsafe {
        for turn in 0..turns {
            let w = values.as_ptr().add(turn * PANEL * STEP);
            let x = block.as_ptr().add(turn * BLOCK * STEP);
            let classes = [_mm512_loadu_si512(w.cast()), _mm512_loadu_si512(w.add(64).cast())];
            for (sample, total) in total.iter_mut().enumerate() {
                for (half, total) in total.iter_mut().enumerate() {
                    let codes = _mm512_set1_epi32(four(x.add(4 * (half * BLOCK + sample))));
                    *total = _mm512_dpbusd_epi32(*total, codes, classes[half]);
                }
            }
        }
        let correction = _mm512_loadu_si512(sums.as_ptr().cast());
        for (sample, [even, odd]) in total.into_iter().enumerate() {
            let to = out.as_mut_ptr().add(sample * PANEL);
            let all = _mm512_add_epi32(even, odd);
            _mm512_storeu_si512(to.cast(), _mm512_sub_epi32(all, correction));
        }
    }
}
