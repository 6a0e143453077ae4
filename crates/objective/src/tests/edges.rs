//! Empty batches, single classes, zero vectors, extreme magnitudes, and rejected inputs.

use super::{points, values, view};
use crate::{AnyObjective, Error, EvaluateOptions, MatRef, Objective, Parameters, Real, Reduction};

fn all_finite<T: Real>(objective: &Objective, features: &[T], centres: &[T], dim: usize, labels: &[u32]) {
    let features = view(features, labels.len(), dim);
    let out = objective
        .evaluate(features, view(centres, centres.len() / dim, dim), labels)
        .unwrap_or_else(|error| panic!("{objective}: {error}"));
    let finite = |values: &[T]| values.iter().all(|value| value.is_finite());
    assert!(out.loss.is_finite() && out.loss >= T::zero(), "{objective}: loss {:?}", out.loss);
    assert!(
        finite(&out.losses) && finite(&out.grad_features) && finite(&out.grad_centres),
        "{objective}: {out:?}"
    );
    let d = out.diagnostics;
    let figures = [d.mean_push, d.effective_competitors, d.mean_target_cosine, d.margin_met, d.accuracy];
    assert!(figures.iter().all(|figure| figure.is_finite()), "{objective}: {d:?}");
    assert!(d.mean_target_cosine.abs() <= 1.0 + 1e-6, "{objective}: {d:?}");
}

#[test]
fn extreme_magnitudes_give_finite_losses_and_gradients() {
    let (dim, labels) = (3, [0, 1, 2, 3]);
    for exponent in [-30, -15, 0, 15, 30] {
        let factor = 10.0_f64.powi(exponent);
        let features: Vec<f64> = values(4 * dim, 5).iter().map(|value| value * factor).collect();
        let centres = values(4 * dim, 6);
        let (narrow, narrow_centres): (Vec<f32>, Vec<f32>) = (
            features.iter().map(|&value| value as f32).collect(),
            centres.iter().map(|&value| value as f32).collect(),
        );
        for objective in points() {
            all_finite(&objective, &features, &centres, dim, &labels);
            all_finite(&objective, &narrow, &narrow_centres, dim, &labels);
            // the centres can also be the scaled side
            all_finite(&objective, &centres, &features, dim, &labels);
            all_finite(&objective, &narrow_centres, &narrow, dim, &labels);
        }
    }
    for scale in [1e-6, 1e3, 1e6] {
        let (features, centres): (Vec<f32>, Vec<f32>) = (
            values(12, 5).iter().map(|&v| v as f32).collect(),
            values(12, 6).iter().map(|&v| v as f32).collect(),
        );
        for objective in [Objective::am_softmax(scale, 0.35), Objective::arcface(scale, 0.5)] {
            all_finite(&objective.expect("in range"), &features, &centres, dim, &labels);
        }
        all_finite(&Objective::tempered_softmax(scale).expect("in range"), &features, &centres, dim, &labels);
    }
}

#[test]
fn cosines_do_not_depend_on_the_norm() {
    let (features, centres, labels) = (values(6, 8), values(9, 9), [2, 0]);
    let objective = Objective::am_softmax(30.0, 0.35).expect("in range");
    let run = |factor: f32| {
        let features: Vec<f32> = features.iter().map(|&value| value as f32 * factor).collect();
        let centres: Vec<f32> = centres.iter().map(|&value| value as f32).collect();
        objective.evaluate(view(&features, 2, 3), view(&centres, 3, 3), &labels).expect("finite inputs")
    };
    let (plain, large) = (run(1.0), run(1e30));
    assert!((plain.loss - large.loss).abs() <= 1e-4 * plain.loss);
    for (small, large) in plain.grad_features.iter().zip(&large.grad_features) {
        assert!(
            (small - large * 1e30).abs() <= 1e-3,
            "the gradient shrinks as the feature grows: {small} {large}"
        );
    }
}

#[test]
fn a_zero_vector_has_cosine_zero_and_no_gradient() {
    let objective = Objective::am_softmax(30.0, 0.35).expect("in range");
    let (features, centres) = ([0.0_f64, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    let out = objective.evaluate(view(&features, 1, 2), view(&centres, 3, 2), &[0]).expect("finite inputs");
    let expected = (2.0 * (30.0_f64 * 0.35).exp()).ln_1p();
    assert!((out.loss - expected).abs() < 1e-12 * expected, "all cosines are 0: {} {expected}", out.loss);
    assert!(out.grad_features.iter().chain(&out.grad_centres).all(|&value| value == 0.0), "{out:?}");
    assert_eq!(out.diagnostics.mean_target_cosine, 0.0);
    assert!((out.diagnostics.effective_competitors - 2.0).abs() < 1e-12);
}

#[test]
fn opposite_and_equal_vectors_have_finite_angle_gradients() {
    let centres = [1.0_f64, 0.0, 0.0, 1.0];
    for feature in [[1.0, 0.0], [-1.0, 0.0], [1.0, 1e-9]] {
        for objective in points() {
            all_finite(&objective, &feature, &centres, 2, &[0]);
        }
    }
}

/// Angles from what a cosine in `f32` resolves down to 0: the gradient is that of `f64` or smaller, never larger.
#[test]
fn angle_gradients_in_f32_are_not_larger_than_in_f64_near_the_centre() {
    for name in ["arcface", "adaface", "combined-margin"] {
        let objective = AnyObjective::from_name(name, &Parameters::new(), 2).expect("known");
        let objective = objective.class_objective().expect("against class centres").clone();
        for angle in [3e-2, 1e-2, 3e-3, 1e-3, 2.3e-4, 1e-4, 1e-5, 1e-7] {
            let features = [f64::cos(angle) * 3.0, f64::sin(angle) * 3.0];
            let centres = [1.0, 0.0, 0.0, 1.0];
            let size = |grad: &[f64]| grad.iter().map(|value| value * value).sum::<f64>().sqrt();
            let options = EvaluateOptions::default();
            let wide = objective.evaluate(view(&features, 1, 2), view(&centres, 2, 2), &[0], &options);
            let expected = size(&wide.expect("finite").grad_features);
            let (features, centres) = (features.map(|x| x as f32), centres.map(|x| x as f32));
            let narrow = objective.evaluate(view(&features, 1, 2), view(&centres, 2, 2), &[0], &options);
            let found = size(
                &narrow
                    .expect("finite")
                    .grad_features
                    .iter()
                    .map(|&value| f64::from(value))
                    .collect::<Vec<_>>(),
            );
            assert!(found <= expected * 1.15, "{name} at {angle} rad: {found} in f32, {expected} in f64");
            if angle >= 3e-3 {
                assert!(found >= expected * 0.85, "{name} at {angle} rad: {found} in f32, {expected} in f64");
            }
        }
    }
}

#[test]
fn an_empty_batch_and_a_single_class_have_loss_zero() {
    for objective in points() {
        let centres = values(6, 1);
        let out = objective.evaluate(view(&[], 0, 3), view(&centres, 2, 3), &[]).expect("no samples");
        assert_eq!((out.loss, out.diagnostics.samples, out.diagnostics.accuracy), (0.0, 0, 0.0));
        assert_eq!(out.grad_centres, vec![0.0; 6]);
        let features = values(6, 2);
        let out =
            objective.evaluate(view(&features, 2, 3), view(&centres[..3], 1, 3), &[0, 0]).expect("one class");
        assert_eq!(out.loss, 0.0, "{objective}");
        assert!(out.grad_features.iter().chain(&out.grad_centres).all(|&value| value == 0.0), "{objective}");
        let d = out.diagnostics;
        assert_eq!((d.mean_push, d.effective_competitors, d.margin_met, d.accuracy), (0.0, 0.0, 1.0, 1.0));
    }
}

#[test]
fn accuracy_ignores_the_margin_and_ties_go_to_the_lowest_class() {
    let objective = Objective::am_softmax(30.0, 0.35).expect("in range");
    let outcome = objective.row(&mut [0.5_f64, 0.4, 0.1], 0);
    assert!(outcome.correct && !outcome.margin_met, "first by 0.1, but 0.35 were asked for");
    assert!(objective.row(&mut [0.5_f64, 0.1], 0).margin_met);
    assert!(objective.row(&mut [0.5_f64, 0.5], 0).correct);
    assert!(!objective.row(&mut [0.5_f64, 0.5], 1).correct);
}

#[test]
fn reductions_and_weights_follow_their_definitions() {
    let (features, centres, labels) = (values(9, 1), values(6, 2), [0, 1, 1]);
    let run = |reduction, sample_weights| {
        let options = EvaluateOptions { reduction, sample_weights };
        Objective::softmax().evaluate_with(view(&features, 3, 3), view(&centres, 2, 3), &labels, &options)
    };
    let mean = run(Reduction::Mean, None).expect("valid");
    let sum = run(Reduction::Sum, None).expect("valid");
    assert_eq!(sum.losses, mean.losses);
    assert!((sum.loss - mean.losses.iter().sum::<f64>()).abs() < 1e-15);
    assert!((mean.loss * 3.0 - sum.loss).abs() < 1e-15);
    assert_eq!(run(Reduction::None, None).expect("valid"), sum);
    let weighted = run(Reduction::Mean, Some(&[0.0, 3.0, 1.0])).expect("valid");
    assert!((weighted.loss - (3.0 * mean.losses[1] + mean.losses[2]) / 4.0).abs() < 1e-15);
    assert_eq!(weighted.grad_features[..3], [0.0; 3]);
    assert_eq!(run(Reduction::Mean, Some(&[0.0; 3])), Err(Error::ZeroWeights));
    assert!(matches!(run(Reduction::Sum, Some(&[1.0; 2])), Err(Error::Count { found: 2, expected: 3, .. })));
    assert!(matches!(run(Reduction::Sum, Some(&[1.0, -1.0, 1.0])), Err(Error::SampleWeight { row: 1, .. })));
}

#[test]
fn invalid_inputs_are_rejected_by_name() {
    let softmax = Objective::softmax();
    let centres = [1.0_f32, 0.0, 0.0, 1.0];
    let two = view(&centres, 2, 2);
    let refuse = |features: MatRef<'_, f32>, labels: &[u32]| {
        softmax.evaluate(features, two, labels).expect_err("does not fit").to_string()
    };
    assert_eq!(
        refuse(view(&[1.0; 3], 1, 3), &[0]),
        "the features have dimension 3, the class centres 2; expected the same"
    );
    assert_eq!(refuse(view(&[1.0; 4], 2, 2), &[0]), "found 1 labels; expected 2");
    assert_eq!(
        refuse(two, &[0, 2]),
        "row 1 of the batch has label 2; expected a label below 2, the number of classes"
    );
    assert_eq!(
        refuse(view(&[1.0, 1.0, 1.0, f32::NAN], 2, 2), &[0, 1]),
        "row 1, column 1 of the features is not finite"
    );
    let large = [1e30_f32, 0.0, 1e30, 0.0];
    let error =
        softmax.evaluate(view(&large, 2, 2), view(&large, 2, 2), &[0, 1]).expect_err("1e60 is no f32");
    assert_eq!(error, Error::NonFiniteLoss { row: 0 });
    assert!(softmax.evaluate(view(&centres, 2, 2), view(&[], 0, 2), &[0, 0]).is_err(), "no class at all");
}
