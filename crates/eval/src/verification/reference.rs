//! Costs, calibration, folds and cohorts against the values of scikit-learn and numpy in `fixtures/verification.json`.

use serde_json::Value;

use super::calibration::{CalibrationOptions, fit};
use super::cohort::{ScoreNormalisation, normalised};
use super::costs::Costs;
use super::folds::{ScoredPair, ten_folds};
use super::*;
use crate::embeddings::Embeddings;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../fixtures/verification.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn labels(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn near(found: f64, expected: &Value, tolerance: f64, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {found} {expected}");
}

fn verification(reference: &Value) -> Verification {
    let list = |key: &str| numbers(&reference[key]).iter().map(|v| v / 64.0).collect();
    from_cosines(list("genuine_64ths"), list("impostor_64ths")).unwrap()
}

#[test]
fn costs_and_calibration_agree() {
    let reference = reference();
    let found = verification(&reference);
    near(found.minimum_cllr(), &reference["minimum_cllr"], 1e-9, "minimum Cllr");
    for case in reference["costs"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let costs = Costs::new(number("prior"), number("miss"), number("false_accept")).unwrap();
        near(found.min_dcf(&costs).normalised, &case["min_dcf"], 1e-12, "minDCF");
        let options = CalibrationOptions { prior: number("prior"), ridge: 1e-3 };
        let calibration = fit(&found, &options).unwrap();
        near(calibration.slope(), &case["slope"], 1e-9, "slope");
        near(calibration.offset(), &case["offset"], 1e-9, "offset");
        near(found.actual_dcf(&costs, &calibration).normalised, &case["actual_dcf"], 1e-12, "actual DCF");
        near(found.cllr(&calibration), &case["cllr"], 1e-9, "Cllr");
    }
}

#[test]
fn ten_folds_agree() {
    let case = &reference()["ten_folds"];
    let pairs: Vec<ScoredPair> = numbers(&case["scores_64ths"])
        .iter()
        .zip(labels(&case["same"]))
        .map(|(score, same)| ScoredPair { score: score / 64.0, same: same == 1 })
        .collect();
    let found = ten_folds(&pairs).unwrap();
    near(found.accuracy, &case["accuracy"], 1e-12, "accuracy");
    near(found.standard_error, &case["standard_error"], 1e-12, "standard error");
    for (nth, fold) in found.folds.iter().enumerate() {
        near(fold.accuracy, &case["accuracies"][nth], 1e-12, "accuracy of a fold");
        near(fold.threshold, &case["thresholds"][nth], 0.0, "threshold of a fold");
    }
}

#[test]
fn adaptive_s_normalisation_agrees() {
    let case = &reference()["adaptive_s"];
    let set = |key: &str, labels: &[u32]| {
        let data: Vec<f32> = numbers(&case[key]).iter().map(|&v| v as f32).collect();
        Embeddings::new(&data, labels.len(), 16, labels).unwrap()
    };
    let enrol = set("enrol", &labels(&case["labels_enrol"]));
    let probe = set("probe", &labels(&case["labels_probe"]));
    let cohort = set("cohort", &[0; 40]);
    let top = case["top"].as_u64().unwrap() as usize;
    let found = normalised(
        &enrol,
        &probe,
        None,
        &cohort,
        ScoreNormalisation::AdaptiveS { top },
        &VerificationOptions::default(),
    )
    .unwrap();
    near(found.auc, &case["auc"], 1e-9, "AUC");
    near(found.tar_at_far(0.2), &case["tar_at_far_0.2"], 1e-9, "TAR");
}

#[test]
fn the_table_gives_the_pairs_behind_each_rate() {
    let found = verification(&reference());
    assert_eq!(found.tar_table.len(), 6);
    for line in &found.tar_table {
        assert_eq!((line.impostors, line.tar), (1500, found.tar_at_far(line.far)));
        assert!(line.false_accepts as f64 <= line.far * 1500.0);
        assert_eq!(line.warning.is_some(), line.far < 0.009, "{line:?}");
    }
    assert!(found.tar_table[2].warning.as_ref().unwrap().contains("allows 1 false accepts"));
    assert!(found.resolution.is_none());
}
