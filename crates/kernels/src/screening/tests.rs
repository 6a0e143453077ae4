//! Every int8 kernel of this machine against the portable one and against plain products.

use std::io::Write;

use super::*;
use crate::simd::InstructionSet;

fn rows(count: usize, dim: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count * dim).map(|_| next()).collect()
}

fn panels(values: &[f32], dim: usize, precision: Precision) -> Panels {
    let mut panels = Panels::zeros(values.len() / dim, dim, precision);
    for (row, values) in values.chunks_exact(dim).enumerate() {
        panels.set(row, values, 1.0);
    }
    panels
}

/// Every kernel that this processor has.
fn available() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

/// Every kernel with every precision that it supports.
fn exact() -> impl Iterator<Item = (Kernel, Precision)> {
    let each = |kernel| [Precision::Seven, Precision::Eight].map(|precision| (kernel, precision));
    available().flat_map(each).filter(|(kernel, precision)| kernel.multiplies(*precision))
}

/// The plain twin: codes multiplied one by one.
fn twin(x: &[f32], w: &[f32], precision: Precision) -> i32 {
    let codes = |row: &[f32]| {
        let mut out = vec![0_i8; row.len()];
        quantise(row, precision, |group, codes| {
            out[4 * group..].iter_mut().zip(codes).for_each(|(out, code)| *out = code);
        });
        out
    };
    codes(x).iter().zip(codes(w)).map(|(&a, b)| i32::from(a) * i32::from(b)).sum()
}

#[test]
fn every_instruction_set_quantises_a_row_to_the_same_codes() {
    for dim in [1, 3, 7, 8, 63, 64, 65, 512, 515] {
        for precision in [Precision::Seven, Precision::Eight] {
            let row = &rows(1, dim + 1, dim as u32)[1..];
            let mut expected = Vec::new();
            let expected_step = quantise_body(row, precision, |group, codes| expected.push((group, codes)));
            for set in InstructionSet::available() {
                let mut found = Vec::new();
                let step = quantise_with(set, row, precision, |group, codes| found.push((group, codes)));
                assert_eq!(step.to_bits(), expected_step.to_bits(), "{set:?} {dim}");
                assert_eq!(found, expected, "{set:?} {dim}");
            }
        }
    }
}

#[test]
fn every_kernel_gives_the_integers_of_the_plain_twin() {
    // The last six fill whole tiles of 16 and 32, with and without leftover samples and panels.
    let sizes = [(1, 1, 1), (3, 17, 7), (4, 16, 8), (5, 33, 20), (9, 40, 65), (2, 5, 512)];
    let whole_tiles = [(16, 16, 64), (17, 33, 64), (32, 32, 128), (35, 65, 64), (50, 17, 192), (64, 96, 512)];
    for (batch, classes, dim) in sizes.into_iter().chain(whole_tiles) {
        let (x, w) = (rows(batch, dim, 1), rows(classes, dim, 2));
        let samples = batch.next_multiple_of(BLOCK);
        for (kernel, precision) in exact() {
            let (probes, panels) = (Probes::new(&x, dim, precision), panels(&w, dim, precision));
            let mut out = vec![7; panels.count() * samples * PANEL];
            panels.score_with(kernel, 0..panels.count(), &probes, &mut out);
            for class in 0..panels.count() * PANEL {
                for sample in 0..batch {
                    let found = out[(class / PANEL * samples + sample) * PANEL + class % PANEL];
                    let expected = if class < classes {
                        twin(&x[sample * dim..][..dim], &w[class * dim..][..dim], precision)
                    } else {
                        0
                    };
                    assert_eq!(
                        found, expected,
                        "{kernel:?} {precision:?} {batch} {classes} {dim}: {sample} {class}"
                    );
                }
            }
        }
    }
}

/// Tiles at any address, with all codes that can occur, padding included.
#[test]
fn every_kernel_equals_the_portable_one_on_unaligned_tiles() {
    for depth in [0, 8, 16, 24, 40, 512] {
        for offset in 0..4 {
            let mut state = 12_345_u32;
            let mut next = |count: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as usize % count
            };
            let values: Vec<i8> = (0..offset + PANEL * depth).map(|_| next(127) as i8 - 63).collect();
            let block: Vec<u8> = (0..offset + BLOCK * depth).map(|_| 1 + next(127) as u8).collect();
            let sums: Vec<i32> = (0..offset + PANEL).map(|_| next(1 << 20) as i32 - (1 << 19)).collect();
            let score = |kernel: Kernel| {
                let mut out = vec![7; offset + BLOCK * PANEL];
                let (values, block, sums) = (&values[offset..], &block[offset..], &sums[offset..]);
                // SAFETY: the portable kernel and those from `available` are available.
                unsafe { kernel.score(Tile { values, block, sums, out: &mut out[offset..] }) };
                out
            };
            let expected = score(Kernel::Portable);
            for kernel in available() {
                assert_eq!(score(kernel), expected, "{kernel:?}, depth {depth}, offset {offset}");
            }
        }
    }
}

/// Written to standard error directly: the test harness hides what passing tests print.
#[test]
fn the_tested_and_the_missing_kernels_are_reported() {
    let names = |available: bool| {
        let kernels = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available() == available);
        kernels.map(|kernel| format!("{kernel:?}")).collect::<Vec<_>>().join(", ")
    };
    let report =
        format!("\nint8 kernels: tested with {}; this machine lacks {}\n", names(true), names(false));
    #[expect(
        clippy::disallowed_methods,
        reason = "past the test harness, which shows the output of failed tests only"
    )]
    std::io::stderr().write_all(report.as_bytes()).expect("standard error is open");
}

#[test]
fn the_detected_kernel_is_available() {
    assert!(Kernel::detected().is_available());
}

/// All codes at their largest magnitude: 16-bit sums must not saturate.
#[test]
fn the_largest_codes_stay_exact() {
    let dim = 512;
    for (sign_x, sign_w) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
        let (x, w) = (vec![sign_x; 16 * dim], vec![sign_w; 16 * dim]);
        for (kernel, precision) in exact() {
            let expected = (sign_x * sign_w * precision.largest().powi(2)) as i32 * 512;
            let mut out = vec![0; 16 * 16];
            let probes = Probes::new(&x, dim, precision);
            panels(&w, dim, precision).score_with(kernel, 0..1, &probes, &mut out);
            assert!(out.iter().all(|&score| score == expected), "{kernel:?}: {out:?}");
        }
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
    let (probes, panels) = (Probes::new(&x, dim, Precision::Seven), panels(&w, dim, Precision::Seven));
    let mut out = vec![0; panels.count() * batch * PANEL];
    panels.score(0..panels.count(), &probes, &mut out);
    for class in 0..classes {
        for sample in 0..batch {
            let (x, w) = (&x[sample * dim..][..dim], &w[class * dim..][..dim]);
            let expected: f32 = x.iter().zip(w).map(|(a, b)| a * b).sum();
            let score = out[(class / PANEL * batch + sample) * PANEL + class % PANEL] as f32;
            let found = score * probes.step(sample) * panels.steps(class / PANEL)[class % PANEL];
            // Five standard deviations of the errors of both rows.
            let (a, b) = (probes.step(sample), panels.steps(class / PANEL)[class % PANEL]);
            let deviation = ((a * a + b * b) / 12.0).sqrt();
            assert!((found - expected).abs() < 5.0 * deviation, "{found} {expected} {deviation}");
        }
    }
}

#[test]
fn a_zero_row_scores_zero() {
    let mut panels = Panels::zeros(1, 3, Precision::Seven);
    panels.set(0, &[0.0; 3], 0.0);
    let mut out = vec![7; 4 * 16];
    panels.score(0..1, &Probes::new(&[1.0, 2.0, 3.0], 3, Precision::Seven), &mut out);
    assert_eq!(out[0], 0);
    assert_eq!(panels.steps(0)[0], 0.0);
}

#[test]
fn a_residual_is_the_length_of_the_quantisation_error() {
    for (dim, precision) in
        [1, 3, 8, 65, 512].into_iter().flat_map(|dim| [(dim, Precision::Seven), (dim, Precision::Eight)])
    {
        for row in rows(5, dim, 9).chunks_exact(dim) {
            let step = f64::from(Probes::new(row, dim, precision).step(0));
            let lost = row.iter().map(|value| {
                let code = (f64::from(*value) / step).round();
                (f64::from(*value) - step * code).powi(2)
            });
            let expected = lost.sum::<f64>().sqrt();
            let found = f64::from(residual(row, precision));
            // Up to ties between two codes at the same distance.
            let allowed = expected * (1.0 - 1e-6)..=expected * (1.0 + 1e-4) + 1e-9;
            assert!(allowed.contains(&found), "{dim} {precision:?}: {found} {expected}");
        }
    }
    assert_eq!(residual(&[0.0; 4], Precision::Eight), 0.0);
}

#[test]
#[should_panic(expected = "the same precision")]
fn rows_of_different_precisions_are_rejected() {
    let (x, w) = (Probes::new(&[1.0; 8], 8, Precision::Seven), panels(&[1.0; 8], 8, Precision::Eight));
    w.score_with(Kernel::Portable, 0..1, &x, &mut [0; 64]);
}
