//! Gradients compared with central differences in f64, for every point of the family.

use super::tolerance::DIFFERENCES;
use super::{assert_close, differences, points, values, view};
use crate::{EvaluateOptions, Objective, Reduction};

fn check(objective: &Objective, seed: u64, options: &EvaluateOptions<'_>) {
    let (batch, classes, dim) = (5, 4, 3);
    let features: Vec<f64> = values(batch * dim, seed).iter().map(|value| value * 2.0).collect();
    let centres = values(classes * dim, seed + 1000);
    let labels = [0, 3, 1, 1, 2];
    let run = |features: &[f64], centres: &[f64]| {
        objective
            .evaluate_with(view(features, batch, dim), view(centres, classes, dim), &labels, options)
            .expect("finite inputs")
    };
    let out = run(&features, &centres);
    let expected = differences(&features, |features| run(features, &centres).loss);
    assert_close(&out.grad_features, &expected, DIFFERENCES, &format!("{objective}: features"));
    let expected = differences(&centres, |centres| run(&features, centres).loss);
    assert_close(&out.grad_centres, &expected, DIFFERENCES, &format!("{objective}: centres"));
}

#[test]
fn gradients_are_those_of_the_loss() {
    for objective in points() {
        for seed in 0..4 {
            check(&objective, seed, &EvaluateOptions::default());
        }
    }
}

#[test]
fn gradients_follow_reduction_and_weights() {
    let weights = [1.0, 0.0, 2.5, 0.5, 1.0];
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
        for objective in points() {
            check(&objective, 9, &EvaluateOptions { reduction, sample_weights: Some(&weights) });
        }
    }
}
