//! Operations on single rows, for sparse gradients and deferred updates: products, scaled sums, and a step of SGD.

use crate::simd::{InstructionSet, Lanes, detected, dispatch};

/// Independent partial sums of a dot product, to hide the latency of an addition.
const SUMS: usize = 4;

/// `sum_i a_i b_i`, in a fixed order.
///
/// # Panics
/// If the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_with(detected(), a, b)
}

fn dot_with(set: InstructionSet, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "both rows of a dot product must have the same length");
    dispatch!(set, L => fn(a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: the features are those of `L`; the lengths are equal.
        unsafe { dot_lanes::<L>(a, b) }
    })
}

/// Prefetches a row into the second-level cache; does nothing on processors other than x86-64.
///
/// Rows read in random order arrive from memory ten times as slowly as they are multiplied, unless they are prefetched a
/// few rows ahead.
pub fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks((64 / size_of::<T>().max(1)).max(1)) {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint that reads nothing; every x86-64 processor has it.
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
    assert_eq!(out.len(), x.len(), "both rows of a sum must have the same length");
    dispatch!(set, L => fn(out: &mut [f32], factor: f32, x: &[f32]) {
        // SAFETY: the features are those of `L`; the lengths are equal.
        unsafe { add_scaled_lanes::<L>(out, factor, x) }
    });
}

/// `[x . x, x . y, y . y]`, in a fixed order.
///
/// # Panics
/// If the lengths differ.
pub fn products(x: &[f32], y: &[f32]) -> [f32; 3] {
    products_with(detected(), x, y)
}

fn products_with(set: InstructionSet, x: &[f32], y: &[f32]) -> [f32; 3] {
    assert_eq!(x.len(), y.len(), "both rows of the products must have the same length");
    dispatch!(set, L => fn(x: &[f32], y: &[f32]) -> [f32; 3] {
        // SAFETY: the features are those of `L`; the lengths are equal.
        unsafe { products_lanes::<L>(x, y) }
    })
}

/// `out_i = a x_i + b y_i`.
///
/// # Panics
/// If the lengths differ.
pub fn combine(out: &mut [f32], [a, b]: [f32; 2], x: &[f32], y: &[f32]) {
    combine_with(detected(), out, [a, b], x, y);
}

fn combine_with(set: InstructionSet, out: &mut [f32], factors: [f32; 2], x: &[f32], y: &[f32]) {
    assert!(
        out.len() == x.len() && x.len() == y.len(),
        "all rows of a combination must have the same length"
    );
    dispatch!(set, L => fn(out: &mut [f32], factors: [f32; 2], x: &[f32], y: &[f32]) {
        // SAFETY: the features are those of `L`; the lengths are equal.
        unsafe { combine_lanes::<L>(out, factors, x, y) }
    });
}

/// A step of SGD with momentum on one row, after the updates that were deferred for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MomentumStep {
    /// `[[a, b], [c, d]]`: the deferred updates as one linear map of `[w; v]`.
    pub motion: [[f32; 2]; 2],
    /// Factor on `sum` in the gradient.
    pub pull: f32,
    /// Factor on `w` in the gradient: weight decay, less the part along `w` that normalising the row removes.
    pub own: f32,
    /// Momentum: the factor on the old velocity.
    pub momentum: f32,
    /// Learning rate.
    pub rate: f32,
}

impl MomentumStep {
    /// `[w; v] = motion [w; v]`, then `v = momentum v + (pull sum + own w)` and `w = w - rate v`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn apply(self, values: &mut [f32], velocity: &mut [f32], sum: &[f32]) {
        self.apply_with(detected(), values, velocity, sum);
    }

    fn apply_with(self, set: InstructionSet, values: &mut [f32], velocity: &mut [f32], sum: &[f32]) {
        assert!(
            values.len() == velocity.len() && values.len() == sum.len(),
            "all rows of a step must have the same length"
        );
        let step = self;
        dispatch!(set, L => fn(step: MomentumStep, values: &mut [f32], velocity: &mut [f32], sum: &[f32]) {
            // SAFETY: the features are those of `L`; the lengths are equal.
            unsafe { momentum_lanes::<L>(step, values, velocity, sum) }
        });
    }
}

/// # Safety
/// The instruction set of `L` must be available and the lengths equal.
#[inline(always)]
unsafe fn dot_lanes<L: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    let width = SUMS * L::COUNT;
    let whole = a.len() / width * width;
    let mut room = [0.0_f32; 16];
    // SAFETY: every load starts at least `COUNT` values before `whole`, which is within both slices; the room is as wide
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
    // SAFETY: every load and store starts at least `COUNT` values before `whole`, which is within both slices.
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

/// # Safety
/// The instruction set of `L` must be available and the lengths equal.
#[inline(always)]
unsafe fn products_lanes<L: Lanes>(x: &[f32], y: &[f32]) -> [f32; 3] {
    let whole = x.len() / L::COUNT * L::COUNT;
    // SAFETY: every load starts at least `COUNT` values before `whole`, which is within both slices.
    let mut found = unsafe {
        let mut sums = [L::zero(); 3];
        for place in (0..whole).step_by(L::COUNT) {
            let (x, y) = (L::load(x.as_ptr().add(place)), L::load(y.as_ptr().add(place)));
            sums = [x.multiply_add(x, sums[0]), x.multiply_add(y, sums[1]), y.multiply_add(y, sums[2])];
        }
        [sums[0].sum(), sums[1].sum(), sums[2].sum()]
    };
    for (&x, &y) in x[whole..].iter().zip(&y[whole..]) {
        found = [found[0] + x * x, found[1] + x * y, found[2] + y * y];
    }
    found
}

/// # Safety
/// The instruction set of `L` must be available and the lengths equal.
#[inline(always)]
unsafe fn combine_lanes<L: Lanes>(out: &mut [f32], [a, b]: [f32; 2], x: &[f32], y: &[f32]) {
    let whole = x.len() / L::COUNT * L::COUNT;
    // SAFETY: every load and store starts at least `COUNT` values before `whole`, which is within all slices.
    unsafe {
        let (first, second, zero) = (L::splat(a), L::splat(b), L::zero());
        for place in (0..whole).step_by(L::COUNT) {
            let (x, y) = (L::load(x.as_ptr().add(place)), L::load(y.as_ptr().add(place)));
            x.multiply_add(first, y.multiply_add(second, zero)).store(out.as_mut_ptr().add(place));
        }
    }
    for ((out, x), y) in out[whole..].iter_mut().zip(&x[whole..]).zip(&y[whole..]) {
        *out = a * x + b * y;
    }
}

/// # Safety
/// The instruction set of `L` must be available and the lengths equal.
#[inline(always)]
unsafe fn momentum_lanes<L: Lanes>(
    step: MomentumStep,
    values: &mut [f32],
    velocity: &mut [f32],
    sum: &[f32],
) {
    let MomentumStep { motion: [[a, b], [c, d]], pull, own, momentum, rate } = step;
    let whole = values.len() / L::COUNT * L::COUNT;
    // SAFETY: every load and store starts at least `COUNT` values before `whole`, which is within all slices.
    unsafe {
        let zero = L::zero();
        let (to_w, to_v) = ([L::splat(a), L::splat(b)], [L::splat(c), L::splat(d)]);
        let (pulls, owns) = (L::splat(pull), L::splat(own));
        let (keeps, rates) = (L::splat(momentum), L::splat(-rate));
        for place in (0..whole).step_by(L::COUNT) {
            let (w_at, v_at) = (values.as_mut_ptr().add(place), velocity.as_mut_ptr().add(place));
            let (w, v) = (L::load(w_at), L::load(v_at));
            let true_w = w.multiply_add(to_w[0], v.multiply_add(to_w[1], zero));
            let true_v = w.multiply_add(to_v[0], v.multiply_add(to_v[1], zero));
            let sum = L::load(sum.as_ptr().add(place));
            let gradient = sum.multiply_add(pulls, true_w.multiply_add(owns, zero));
            let v = true_v.multiply_add(keeps, gradient);
            v.store(v_at);
            v.multiply_add(rates, true_w).store(w_at);
        }
    }
    let rest = values[whole..].iter_mut().zip(&mut velocity[whole..]).zip(&sum[whole..]);
    for ((w, v), sum) in rest {
        let (true_w, true_v) = (a * *w + b * *v, c * *w + d * *v);
        *v = momentum * true_v + (pull * sum + own * true_w);
        *w = true_w - rate * *v;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_equal_the_plain_twin_at_every_length_and_instruction_set() {
        for length in [0, 1, 7, 8, 31, 32, 33, 64, 65, 512, 515] {
            let row = |seed: usize| -> Vec<f32> {
                (0..=length).map(|at| ((at * 31 + seed * 7) % 101) as f32 / 50.0 - 1.0).collect()
            };
            // Start at the second value, so that nothing is aligned.
            let (a, b) = (row(1), row(2));
            let (a, b) = (&a[1..], &b[1..]);
            let expected: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let size: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a * b).abs()).sum();
            let mut found = vec![dot(a, b)];
            let mut sums = vec![b.to_vec()];
            add_scaled(&mut sums[0], 0.5, a);
            for set in InstructionSet::available() {
                found.push(dot_with(set, a, b));
                let mut sum = b.to_vec();
                add_scaled_with(set, &mut sum, 0.5, a);
                sums.push(sum);
            }
            for found in found {
                let bound = (length as f64 + 2.0) * f64::from(f32::EPSILON) * size;
                assert!((f64::from(found) - expected).abs() <= bound, "{length}: {found} {expected}");
            }
            for sum in sums {
                for ((sum, a), b) in sum.iter().zip(a).zip(b) {
                    assert!((sum - (b + 0.5 * a)).abs() <= f32::EPSILON * 2.0, "{length}");
                }
            }
        }
    }

    #[test]
    fn a_step_of_momentum_equals_its_formula_at_every_length_and_instruction_set() {
        let step = MomentumStep {
            motion: [[0.99, -0.3], [0.02, 0.8]],
            pull: 0.7,
            own: -0.2,
            momentum: 0.9,
            rate: 0.1,
        };
        for length in [0, 1, 7, 8, 15, 16, 31, 33, 512, 515] {
            let row = |seed: usize| -> Vec<f32> {
                (0..=length).map(|at| ((at * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
            };
            let (w, v, sum) = (row(1), row(2), row(3));
            for set in InstructionSet::available() {
                // Start at the second value, so that nothing is aligned.
                let (mut new_w, mut new_v) = (w.clone(), v.clone());
                step.apply_with(set, &mut new_w[1..], &mut new_v[1..], &sum[1..]);
                let mut combined = vec![0.0; length + 1];
                combine_with(set, &mut combined[1..], step.motion[0], &w[1..], &v[1..]);
                let mut expected_products = [0.0_f64; 3];
                for at in 1..=length {
                    let [w, v, sum] = [&w, &v, &sum].map(|row| f64::from(row[at]));
                    let (true_w, true_v) = (0.99 * w - 0.3 * v, 0.02 * w + 0.8 * v);
                    let expected_v = 0.9 * true_v + (0.7 * sum - 0.2 * true_w);
                    let found = [new_v[at], new_w[at], combined[at]].map(f64::from);
                    for (found, expected) in
                        found.into_iter().zip([expected_v, true_w - 0.1 * expected_v, true_w])
                    {
                        // Five roundings of values below 2.
                        let bound = 10.0 * f64::from(f32::EPSILON);
                        assert!((found - expected).abs() <= bound, "{set:?} {length}: {found} {expected}");
                    }
                    expected_products[0] += w * w;
                    expected_products[1] += w * v;
                    expected_products[2] += v * v;
                }
                assert_eq!((new_w[0], new_v[0], combined[0]), (w[0], v[0], 0.0), "{set:?}: outside");
                let bound = (length as f64 + 2.0) * f64::from(f32::EPSILON) * (length as f64).max(1.0);
                for (found, expected) in products_with(set, &w[1..], &v[1..]).iter().zip(expected_products) {
                    assert!(
                        (f64::from(*found) - expected).abs() <= bound,
                        "{set:?} {length}: {found} {expected}"
                    );
                }
            }
        }
    }
}
