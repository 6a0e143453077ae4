//! The two loops over one row that sparse gradients are made of: a dot product and a scaled sum.

#[cfg(target_arch = "aarch64")]
use crate::simd::aarch64::Neon;
use crate::simd::{InstructionSet, Lanes, Plain, detected};

/// Sums under way at once in a dot product, to hide the latency of an addition.
const SUMS: usize = 4;

/// `sum_i a_i b_i`, in a fixed order.
///
/// # Panics
/// If the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_with(detected(), a, b)
}

fn dot_with(set: InstructionSet, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "a dot product of rows of one length");
    // SAFETY: `set` is one that this processor has: the detected one, or in the tests an available one; the lengths are equal.
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { dot_lanes::<Neon>(a, b) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { x86::dot_avx2(a, b) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { x86::dot_avx512(a, b) },
        _ => unsafe { dot_lanes::<Plain>(a, b) },
    }
}

/// Asks for a row that is soon to be read to come into the second cache, where the processor can be asked. Rows that are read here and there come from memory ten times as
/// slowly as they are multiplied, unless they were asked for a few rows ahead.
pub fn prefetch(row: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(16) {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, which reads nothing; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// `out_i += factor x_i`.
///
/// # Panics
/// If the lengths differ.
pub fn add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
    add_scaled_with(detected(), out, factor, x);
}

fn add_scaled_with(set: InstructionSet, out: &mut [f32], factor: f32, x: &[f32]) {
    assert_eq!(out.len(), x.len(), "a sum of rows of one length");
    // SAFETY: as in `dot_with`.
    match set {
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => unsafe { add_scaled_lanes::<Neon>(out, factor, x) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { x86::add_scaled_avx2(out, factor, x) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { x86::add_scaled_avx512(out, factor, x) },
        _ => unsafe { add_scaled_lanes::<Plain>(out, factor, x) },
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{add_scaled_lanes, dot_lanes};
    use crate::simd::x86::{Avx2, Avx512};

    macro_rules! instances {
        ($lanes:ident, $features:literal, $dot:ident, $add_scaled:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $dot(a: &[f32], b: &[f32]) -> f32 {
                // SAFETY: the features are those of the registers; the caller has compared the lengths.
                unsafe { dot_lanes::<$lanes>(a, b) }
            }
            #[target_feature(enable = $features)]
            pub(super) fn $add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
                // SAFETY: as above.
                unsafe { add_scaled_lanes::<$lanes>(out, factor, x) }
            }
        };
    }
    instances!(Avx2, "avx2,fma", dot_avx2, add_scaled_avx2);
    instances!(Avx512, "avx512f", dot_avx512, add_scaled_avx512);
}

/// # Safety
/// The instruction set of `L` must be available and the lengths equal.
#[inline(always)]
unsafe fn dot_lanes<L: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    let width = SUMS * L::COUNT;
    let whole = a.len() / width * width;
    let mut room = [0.0_f32; 16];
    // SAFETY: every load starts `COUNT` values or more before `whole`, which is within both slices; the room is as wide
    // as the widest register.
    unsafe {
        let mut sums = [L::zero(); SUMS];
        for start in (0..whole).step_by(width) {
            for (at, sum) in sums.iter_mut().enumerate() {
                let place = start + at * L::COUNT;
                *sum = L::load(a.as_ptr().add(place)).multiply_add(L::load(b.as_ptr().add(place)), *sum);
            }
        }
        let one = L::splat(1.0);
        let pairs = [sums[0].multiply_add(one, sums[1]), sums[2].multiply_add(one, sums[3])];
        pairs[0].multiply_add(one, pairs[1]).store(room.as_mut_ptr());
    }
    let rest: f32 = a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum();
    room.iter().sum::<f32>() + rest
}

/// # Safety
/// The instruction set of `L` must be available and the lengths equal.
#[inline(always)]
unsafe fn add_scaled_lanes<L: Lanes>(out: &mut [f32], factor: f32, x: &[f32]) {
    let whole = x.len() / L::COUNT * L::COUNT;
    // SAFETY: every load and store starts `COUNT` values or more before `whole`, which is within both slices.
    unsafe {
        let factors = L::splat(factor);
        for place in (0..whole).step_by(L::COUNT) {
            let to = out.as_mut_ptr().add(place);
            L::load(x.as_ptr().add(place)).multiply_add(factors, L::load(to)).store(to);
        }
    }
    for (out, x) in out[whole..].iter_mut().zip(&x[whole..]) {
        *out += factor * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::available;

    #[test]
    fn both_equal_the_plain_twin_at_every_length_and_instruction_set() {
        for length in [0, 1, 7, 8, 31, 32, 33, 64, 65, 512, 515] {
            let row = |seed: usize| -> Vec<f32> {
                (0..=length).map(|at| ((at * 31 + seed * 7) % 101) as f32 / 50.0 - 1.0).collect()
            };
            // one value in, so that nothing is aligned
            let (a, b) = (row(1), row(2));
            let (a, b) = (&a[1..], &b[1..]);
            let wanted: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let size: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a * b).abs()).sum();
            let mut found = vec![dot(a, b)];
            let mut sums = vec![b.to_vec()];
            add_scaled(&mut sums[0], 0.5, a);
            for set in available() {
                found.push(dot_with(set, a, b));
                let mut sum = b.to_vec();
                add_scaled_with(set, &mut sum, 0.5, a);
                sums.push(sum);
            }
            for found in found {
                let bound = (length as f64 + 2.0) * f64::from(f32::EPSILON) * size;
                assert!((f64::from(found) - wanted).abs() <= bound, "{length}: {found} {wanted}");
            }
            for sum in sums {
                for ((sum, a), b) in sum.iter().zip(a).zip(b) {
                    assert!((sum - (b + 0.5 * a)).abs() <= f32::EPSILON * 2.0, "{length}");
                }
            }
        }
    }
}
