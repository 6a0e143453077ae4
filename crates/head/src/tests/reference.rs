//! Losses, gradients and steps compared with the plain reference in f64.

use super::tolerance::{F32, HUNDRED_STEPS};
use super::{class_objectives, labels, points, values, view, wide};
use crate::{Head, HeadConfig, HeadMode, Objective, OptimiserConfig};
use widemargin_objective::{ClassObjective, EvaluateOptions};

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (at, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= F32 * largest, "{what}, entry {at}: {found} against {expected} (largest {largest})");
    }
}

fn check(
    objective: impl Into<ClassObjective>,
    batch: usize,
    classes: usize,
    dim: usize,
    tile_classes: usize,
) {
    let objective: ClassObjective = objective.into();
    let what =
        format!("{objective}; batch {batch}, {classes} classes, {dim} dimensions, tiles of {tile_classes}");
    let config = HeadConfig { tile_classes, ..HeadConfig::default() };
    let head = Head::new(classes, dim, objective.clone(), config).expect("in range");
    let features = values(batch * dim, 11);
    let labels = labels(batch, classes, 12);
    let found = head.forward(view(&features, batch, dim), &labels).expect("finite inputs");
    let (wide_features, wide_centres) = (wide(&features), wide(&head.centres()));
    let expected = objective
        .evaluate(
            view(&wide_features, batch, dim),
            view(&wide_centres, classes * objective.sub_centres(), dim),
            &labels,
            &EvaluateOptions::default(),
        )
        .expect("finite inputs");
    if let (Some(found), Some((_, expected))) = (found.pending.learnt_gradient(), expected.grad_learnt) {
        assert!(
            (f64::from(found) - expected).abs() <= F32 * expected.abs().max(1.0),
            "{what}: {found} {expected}"
        );
    }
    assert!(
        (found.loss - expected.loss).abs() <= F32 * expected.loss.max(1e-3),
        "{what}: {} {}",
        found.loss,
        expected.loss
    );
    assert_close(&found.losses, &expected.losses, &format!("{what}: losses"));
    assert_close(&found.grad_features, &expected.grad_features, &format!("{what}: gradient of the features"));
    assert_close(
        &head.gradient(&found.pending).expect("of this step"),
        &expected.grad_centres,
        &format!("{what}: gradient of the centres"),
    );
    let learnt = expected.grad_learnt.map_or(0.0, |(_, gradient)| gradient);
    let squares: f64 = expected.grad_centres.iter().map(|value| value * value).sum::<f64>() + learnt * learnt;
    let norm = head.gradient_norm(&found.pending).expect("of this step");
    assert!((norm - squares.sqrt()).abs() <= F32 * squares.sqrt(), "{what}: norm");
    let (d, r) = (found.diagnostics, expected.diagnostics);
    assert_eq!((d.samples, d.accuracy, d.margin_met), (r.samples, r.accuracy, r.margin_met), "{what}");
    for (d, r) in [
        (d.mean_push, r.mean_push),
        (d.effective_competitors, r.effective_competitors),
        (d.mean_target_cosine, r.mean_target_cosine),
    ] {
        assert!((d - r).abs() <= F32 * r.abs().max(1.0), "{what}: {d} {r}");
    }
    let evaluated = head.evaluate(view(&features, batch, dim), &labels).expect("finite inputs");
    assert_eq!(
        (evaluated.loss, evaluated.losses, evaluated.diagnostics),
        (found.loss, found.losses, d),
        "{what}"
    );
}

#[test]
fn objectives_that_adapt_to_the_batch_equal_the_reference() {
    for classes in [2, 3, 9] {
        for objective in class_objectives(classes) {
            for tile in [1, 4, 1024] {
                check(objective.clone(), 5, classes, 6, tile);
            }
        }
    }
}

#[test]
fn every_objective_equals_the_reference_for_any_tile_size() {
    for objective in points() {
        for classes in [1, 2, 3, 7, 8, 9] {
            for tile in [1, 4, 8, 1024] {
                check(objective.clone(), 5, classes, 6, tile);
            }
        }
    }
}

#[test]
fn boundaries_of_the_default_tile() {
    for objective in [Objective::am_softmax(64.0, 0.35), Ok(Objective::softmax()), Ok(Objective::hinge_sum())]
    {
        for classes in [1023, 1024, 1025, 2049] {
            check(objective.clone().expect("in range"), 9, classes, 17, 1024);
        }
    }
}

/// A hundred training steps of heads and reference from the same start: the dense head, and the other modes with settings that leave no
/// class out. With a threshold so small that every class is kept, a screened head still uses 7-bit scores, entries and deferred
/// updates.
#[test]
fn a_hundred_steps_follow_the_reference() {
    let (batch, classes, dim, rate) = (16, 9, 5, 0.05);
    for optimiser in [OptimiserConfig::sgd(0.9, 5e-4), OptimiserConfig::adam_w(0.01)] {
        for objective in [Objective::am_softmax(30.0, 0.35).expect("in range"), Objective::softmax()] {
            let mut modes = vec![HeadMode::Dense, HeadMode::Sampled { rate: 1.0 }];
            if objective.score().is_cosine() {
                let thresholds = [0.0, 1e-12].map(Some);
                modes.extend(thresholds.map(|threshold| HeadMode::Screened { threshold }));
            }
            let make = |&mode: &HeadMode| {
                let config = HeadConfig { optimiser, mode, tile_classes: 4, ..HeadConfig::default() };
                Head::new(classes, dim, objective.clone(), config).expect("in range")
            };
            let mut heads: Vec<Head> = modes.iter().map(make).collect();
            let mut centres = wide(&heads[0].centres());
            let (mut first, mut second) = (vec![0.0; centres.len()], vec![0.0; centres.len()]);
            let mut losses = Vec::new();
            for step in 1..=100 {
                let labels = labels(batch, classes, step);
                let features: Vec<f32> = values(batch * dim, step)
                    .chunks(dim)
                    .zip(&labels)
                    .flat_map(|(noise, &label)| {
                        let class = values(dim, 1000 + u64::from(label));
                        noise.iter().zip(class).map(|(noise, class)| 0.5 * noise + class).collect::<Vec<_>>()
                    })
                    .collect();
                let wide_features = wide(&features);
                let expected = objective
                    .evaluate(view(&wide_features, batch, dim), view(&centres, classes, dim), &labels)
                    .expect("finite inputs");
                for at in 0..centres.len() {
                    let g = expected.grad_centres[at];
                    match optimiser {
                        OptimiserConfig::Sgd { momentum, weight_decay } => {
                            first[at] = momentum * first[at] + g + weight_decay * centres[at];
                            centres[at] -= rate * first[at];
                        }
                        OptimiserConfig::AdamW { beta1, beta2, epsilon, weight_decay } => {
                            let power = i32::try_from(step).expect("100 steps");
                            first[at] = beta1 * first[at] + (1.0 - beta1) * g;
                            second[at] = beta2 * second[at] + (1.0 - beta2) * g * g;
                            let mean = first[at] / (1.0 - beta1.powi(power));
                            let square: f64 = second[at] / (1.0 - beta2.powi(power));
                            centres[at] -=
                                rate * (weight_decay * centres[at] + mean / (square.sqrt() + epsilon));
                        }
                    }
                }
                let features = view(&features, batch, dim);
                let found = heads.iter_mut().map(|head| head.step(features, &labels, rate));
                losses.push(found.map(|found| found.expect("finite inputs").loss).fold(0.0, f64::max));
            }
            assert!(losses[99] < 0.8 * losses[0], "{objective}: {} to {}", losses[0], losses[99]);
            let largest = centres.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            for (head, mode) in heads.iter().zip(&modes) {
                for (found, expected) in head.settled_centres().iter().zip(&centres) {
                    let error = (f64::from(*found) - expected).abs() / largest;
                    let what = format!("{objective}, {optimiser:?}, {mode:?}");
                    assert!(error <= HUNDRED_STEPS, "{what}: {found} {expected} {error:e}");
                }
            }
        }
    }
}
