//! Reference values made by pytorch-metric-learning 2.9.0 in float64 (`fixtures/make_golden.py`), at both precisions.

use serde::Deserialize;

use crate::pairs::{PairObjective, PairOptions};
use crate::tests::tolerance::{GOLDEN_F32, GOLDEN_F64};
use crate::tests::view;
use crate::{Parameters, Real};

const FILES: [(&str, &str); 3] = [
    ("small", include_str!("../../../fixtures/small.json")),
    ("batch", include_str!("../../../fixtures/batch.json")),
    ("two-classes", include_str!("../../../fixtures/two-classes.json")),
];

/// Pair objectives in each file.
const CASES: usize = 15;

#[derive(Deserialize)]
struct File {
    features: Vec<Vec<f64>>,
    weights: Vec<Vec<f64>>,
    labels: Vec<u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    params: Parameters,
    loss: f64,
    grad_features: Vec<Vec<f64>>,
    grad_weights: Option<Vec<Vec<f64>>>,
}

/// The parameters of a case, without the notes on its reduction and source.
fn parameters(params: &Parameters) -> Parameters {
    // pytorch-metric-learning calls the tuplet margin `margin`; the file states the unit
    let name = |key: &str| if key == "margin_degrees" { "margin" } else { key }.to_owned();
    params
        .iter()
        .filter(|(key, _)| *key != "reducer")
        .map(|(key, value)| (name(key), value.clone()))
        .collect()
}

/// Largest error of a tensor relative to its largest entry.
fn relative_error<T: Real>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let error = found
        .iter()
        .zip(expected)
        .fold(0.0_f64, |worst, (&found, expected)| worst.max((found.into() - expected).abs()));
    if error == 0.0 { 0.0 } else { error / largest.max(f64::MIN_POSITIVE) }
}

fn check<T: Real>(what: &str, text: &str, tolerance: f64) {
    let file: File = serde_json::from_str(text).expect("a golden file");
    let cast = |rows: &[Vec<f64>]| rows.concat().into_iter().map(T::from_f64).collect::<Vec<T>>();
    let (features, weights) = (cast(&file.features), cast(&file.weights));
    let dim = file.features[0].len();
    let (features, weights) =
        (view(&features, file.features.len(), dim), view(&weights, file.weights.len(), dim));
    let mut known = 0;
    for case in &file.cases {
        let Ok(objective) = PairObjective::from_name(&case.name, &parameters(&case.params)) else { continue };
        known += 1;
        let proxies = objective.proxies_per_class().map(|_| weights);
        let out = objective
            .evaluate(features, proxies, &file.labels, &PairOptions::default())
            .unwrap_or_else(|error| panic!("{what} {}: {error}", case.name));
        let loss: f64 = out.loss.into();
        let mut errors = vec![(loss - case.loss).abs() / case.loss.abs()];
        errors.push(relative_error(&out.grad_embeddings, &case.grad_features.concat()));
        match (&out.grad_proxies, &case.grad_weights) {
            (Some(found), Some(expected)) => errors.push(relative_error(found, &expected.concat())),
            (None, None) => {}
            _ => panic!("{what} {}: one has a gradient of proxies, the other has not", case.name),
        }
        assert!(
            errors.iter().all(|error| *error <= tolerance),
            "{what} {}: errors of loss and gradients {errors:?}",
            case.name
        );
    }
    assert_eq!(known, CASES, "{what}");
}

#[test]
fn reference_values_in_f64() {
    for (what, text) in FILES {
        check::<f64>(what, text, GOLDEN_F64);
    }
}

#[test]
fn reference_values_in_f32() {
    for (what, text) in FILES {
        check::<f32>(what, text, GOLDEN_F32);
    }
}
