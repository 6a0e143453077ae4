//! Reference values made by PyTorch autograd and pytorch-metric-learning 2.9.0 in float64 (`fixtures/make_golden.py`;
//! each file names its PyTorch version and seed).

use serde::Deserialize;

use super::tolerance::{GOLDEN_F32, GOLDEN_F64};
use super::view;
use crate::{Objective, Parameters, Real};

const FILES: [(&str, &str); 3] = [
    ("small", include_str!("../../fixtures/small.json")),
    ("batch", include_str!("../../fixtures/batch.json")),
    ("two-classes", include_str!("../../fixtures/two-classes.json")),
];

/// Cases of the files that this family covers; each file has this many of them.
const COVERED: [(&str, usize); 9] = [
    ("hinge_sum", 2),
    ("hinge_max", 2),
    ("lse_hinge", 2),
    ("softplus_lse", 2),
    ("softmax_cross_entropy", 3),
    ("normalized_softmax", 4),
    ("am_softmax", 6),
    ("cosface", 1),
    ("arcface", 2),
];

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
    params: serde_json::Value,
    loss: f64,
    grad_features: Vec<Vec<f64>>,
    grad_weights: Option<Vec<Vec<f64>>>,
}

impl Case {
    fn objective(&self) -> Objective {
        let number = |key: &str| self.params.get(key).and_then(serde_json::Value::as_f64);
        let parameters = Parameters {
            scale: number("scale"),
            margin: number("margin").or(number("margin_degrees").map(f64::to_radians)),
            temperature: number("temperature"),
        };
        Objective::from_name(&self.name, &parameters).expect("a case of the family")
    }
}

/// Largest error of a tensor relative to its largest entry.
fn relative_error<T: Real>(found: &[T], wanted: &[Vec<f64>]) -> f64 {
    let wanted: Vec<f64> = wanted.concat();
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let error = found.iter().zip(&wanted).fold(0.0_f64, |error, (&f, w)| error.max((f.into() - w).abs()));
    if error == 0.0 { 0.0 } else { error / largest }
}

fn check<T: Real>(tolerance: f64) {
    let narrowed = |rows: &[Vec<f64>]| rows.concat().into_iter().map(T::from_f64).collect::<Vec<T>>();
    for (file_name, text) in FILES {
        let file: File = serde_json::from_str(text).expect("a file of golden values");
        let (features, centres) = (narrowed(&file.features), narrowed(&file.weights));
        let dim = file.features[0].len();
        for (name, count) in COVERED {
            assert_eq!(
                file.cases.iter().filter(|case| case.name == name).count(),
                count,
                "{file_name} {name}"
            );
        }
        for case in file.cases.iter().filter(|case| COVERED.iter().any(|(name, _)| case.name == *name)) {
            let what = format!("{file_name} {} {}", case.name, case.params);
            let out = case
                .objective()
                .evaluate(
                    view(&features, file.labels.len(), dim),
                    view(&centres, centres.len() / dim, dim),
                    &file.labels,
                )
                .expect("finite inputs");
            let loss: f64 = out.loss.into();
            assert!(
                (loss - case.loss).abs() <= tolerance * case.loss.abs(),
                "{what}: loss {loss} against {}",
                case.loss
            );
            let error = relative_error(&out.grad_features, &case.grad_features);
            assert!(error <= tolerance, "{what}: gradient of the features is off by {error:e}");
            let wanted =
                case.grad_weights.as_ref().expect("the weights take part in every case of the family");
            let error = relative_error(&out.grad_centres, wanted);
            assert!(error <= tolerance, "{what}: gradient of the centres is off by {error:e}");
        }
    }
}

#[test]
fn golden_values_in_f64() {
    check::<f64>(GOLDEN_F64);
}

#[test]
fn golden_values_in_f32() {
    check::<f32>(GOLDEN_F32);
}
