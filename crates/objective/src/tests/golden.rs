//! Reference values made by PyTorch autograd and pytorch-metric-learning 2.9.0 in float64 (`fixtures/make_golden.py`,
//! `fixtures/make_variants.py`; each file names its versions and seed).

use super::tolerance::{GOLDEN_F32, GOLDEN_F64};
use crate::Real;
use crate::reference::ReferenceFile;

/// Name, text and number of cases.
const FILES: [(&str, &str, usize); 7] = [
    ("small", include_str!("../../fixtures/small.json"), 41),
    ("batch", include_str!("../../fixtures/batch.json"), 41),
    ("two-classes", include_str!("../../fixtures/two-classes.json"), 41),
    ("one-sample", include_str!("../../fixtures/one-sample.json"), 41),
    ("one-dimension", include_str!("../../fixtures/one-dimension.json"), 41),
    ("repeated", include_str!("../../fixtures/repeated.json"), 41),
    ("variants", include_str!("../../fixtures/variants.json"), 24),
];

fn check<T: Real>(tolerance: f64) {
    let mut off = Vec::new();
    for (file_name, text, count) in FILES {
        let file = ReferenceFile::parse(text).expect("a file of reference values");
        assert_eq!(file.cases().len(), count, "{file_name}");
        for case in file.cases() {
            let what = format!("{file_name} {} {:?}", case.name(), case.parameters());
            match file.compare::<T>(case) {
                Ok(errors) if errors.largest() <= tolerance.max(case.reference_error()) => {}
                other => off.push(format!("{what}: {other:?}")),
            }
        }
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}

#[test]
fn golden_values_in_f64() {
    check::<f64>(GOLDEN_F64);
}

#[test]
fn golden_values_in_f32() {
    check::<f32>(GOLDEN_F32);
}
