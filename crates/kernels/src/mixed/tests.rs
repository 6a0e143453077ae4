use proptest::prelude::*;

use super::kernel::Kernel;
use super::pack::rounded;
use super::*;
use crate::matrix::tests::{transposed, values};

/// The nearest bfloat16 by f64 arithmetic: the two neighbours in f32 with a zero lower half are compared.
pub(super) fn nearest(value: f32) -> f32 {
    let below = f32::from_bits(value.to_bits() & 0xFFFF_0000);
    let above = f32::from_bits((value.to_bits() & 0xFFFF_0000).wrapping_add(0x1_0000));
    let (to_below, to_above) =
        ((f64::from(value) - f64::from(below)).abs(), (f64::from(above) - f64::from(value)).abs());
    let even = below.to_bits() >> 16 & 1 == 0;
    if to_below < to_above || (to_below == to_above && even) { below } else { above }
}

fn view(data: &[f32], rows: usize, cols: usize) -> MatRef<'_> {
    MatRef::new(data, rows, cols).expect("sizes of the test")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rounding_is_to_the_nearest_even(value in prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL) {
        prop_assume!(value.abs() < 3.38e38);
        prop_assert_eq!(rounded(value) & 0xFFFF_0000, nearest(value).to_bits());
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for value in [f32::NAN, -f32::NAN, f32::from_bits(0x7F80_0001), f32::from_bits(0xFFFF_FFFF)] {
        assert!(f32::from_bits(rounded(value) & 0xFFFF_0000).is_nan());
    }
    assert_eq!(rounded(f32::INFINITY) & 0xFFFF_0000, f32::INFINITY.to_bits());
    assert_eq!(rounded(f32::MAX) & 0xFFFF_0000, f32::INFINITY.to_bits(), "beyond the largest bfloat16");
}

/// Every kernel against sums in f64 of the rounded factors; the bound is that of a sum of f32 in any order.
#[test]
fn equals_the_plain_twin_at_odd_sizes() {
    for m in [1, 13, 14, 15, 29, 32, 33] {
        for k in [1, 2, 3, 31, 64, 2 * PAIRS + 1] {
            for n in [1, 31, 32, 33, 65] {
                let (a, b) = (values(m * k, 1), values(k * n, 2));
                let (a_turned, b_turned) = (transposed(&a, m, k), transposed(&b, k, n));
                let (mut left, mut right) =
                    ([Left::default(), Left::default()], [Right::default(), Right::default()]);
                for &kernel in Kernel::ALL.iter().filter(|kernel| kernel.is_available()) {
                    left[0].store_by(kernel, view(&a, m, k), Order::Rows, 0..m);
                    left[1].store_by(kernel, view(&a_turned, k, m), Order::Columns, 0..m);
                    right[0].store_by(kernel, view(&b, k, n), Order::Columns, 0..n);
                    right[1].store_by(kernel, view(&b_turned, n, k), Order::Rows, 0..n);
                    assert_eq!(left[0].panels, left[1].panels);
                    assert_eq!(right[0].panels, right[1].panels);
                    for (write, before, start) in [(Write::Replace, f32::NAN, 0.0), (Write::Add, 0.5, 0.5)] {
                        let mut out = vec![before; m * n];
                        product(&mut out, &left[0], &right[0], write);
                        for (at, &found) in out.iter().enumerate() {
                            let terms = (0..k).map(|p| {
                                f64::from(nearest(a[at / n * k + p])) * f64::from(nearest(b[p * n + at % n]))
                            });
                            let (value, size) = terms
                                .fold((start, start), |(sum, size), term| (sum + term, size + term.abs()));
                            let bound = (k as f64 + 2.0) * f64::from(f32::EPSILON) * size;
                            assert!(
                                (f64::from(found) - value).abs() <= bound,
                                "{kernel:?} [{m}, {k}] x [{k}, {n}] entry {at}: {found} against {value}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Rows and columns may be split in any way, which is how threads share the work.
#[test]
fn a_part_of_a_product_has_the_same_bits() {
    let (m, k, n) = (45, 500, 70);
    let (a, b) = (values(m * k, 3), values(k * n, 4));
    let (mut left, mut right) = (Left::default(), Right::default());
    left.store(view(&a, m, k));
    right.store(view(&b, k, n));
    let mut whole = vec![0.0; m * n];
    product(&mut whole, &left, &right, Write::Replace);
    for first in [0, 1, 17] {
        left.store(view(&a[first * k..], m - first, k));
        let mut part = vec![0.0; (m - first) * n];
        product(&mut part, &left, &right, Write::Replace);
        assert_eq!(part, whole[first * n..]);
    }
}

#[test]
fn factors_without_values_give_zeros() {
    let (mut left, mut right) = (Left::default(), Right::default());
    left.store(view(&[], 3, 0));
    right.store(view(&[], 0, 2));
    let mut out = [1.0; 6];
    product(&mut out, &left, &right, Write::Replace);
    assert_eq!(out, [0.0; 6]);
    left.store(view(&[], 0, 4));
    right.store(view(&[1.0; 8], 4, 2));
    product(&mut [], &left, &right, Write::Add);
}
