//! Comparison with slow, obvious f64 implementations, properties, cases by hand, and values of scikit-learn.

use proptest::prelude::*;

use super::*;
use crate::embeddings::Embeddings;
use crate::error::Error;

/// Every reported rate, by trying every threshold on every pair.
struct Twin<'a> {
    genuine: &'a [f64],
    impostor: &'a [f64],
}

impl Twin<'_> {
    fn auc(&self) -> f64 {
        let mut sum = 0.0;
        for genuine in self.genuine {
            for impostor in self.impostor {
                sum += if genuine > impostor {
                    1.0
                } else if genuine == impostor {
                    0.5
                } else {
                    0.0
                };
            }
        }
        sum / (self.genuine.len() * self.impostor.len()) as f64
    }

    fn rate(scores: &[f64], threshold: f64) -> f64 {
        scores.iter().filter(|&&score| score >= threshold).count() as f64 / scores.len() as f64
    }

    /// (threshold, FAR, TAR) for all thresholds, falling.
    fn curve(&self) -> Vec<(f64, f64, f64)> {
        let mut thresholds: Vec<f64> = self.genuine.iter().chain(self.impostor).copied().collect();
        thresholds.sort_by(|a, b| b.partial_cmp(a).unwrap());
        thresholds.dedup();
        thresholds.insert(0, 2.0);
        thresholds
            .into_iter()
            .map(|t| (t, Self::rate(self.impostor, t), Self::rate(self.genuine, t)))
            .collect()
    }

    fn tar_at_far(&self, far: f64) -> f64 {
        self.curve().iter().filter(|point| point.1 <= far).map(|point| point.2).fold(0.0, f64::max)
    }

    fn eer(&self) -> f64 {
        let curve = self.curve();
        let at = curve.iter().position(|&(_, far, tar)| far >= 1.0 - tar).unwrap();
        let ((_, far_a, tar_a), (_, far_b, tar_b)) = (curve[at - 1], curve[at]);
        let (gap_a, gap_b) = (1.0 - tar_a - far_a, 1.0 - tar_b - far_b);
        far_a + gap_a / (gap_a - gap_b) * (far_b - far_a)
    }

    fn balanced(&self) -> f64 {
        self.curve().iter().map(|&(_, far, tar)| f64::midpoint(tar, 1.0 - far)).fold(0.0, f64::max)
    }
}

fn random_embeddings(rows: usize, dim: usize, classes: u32, seed: u32) -> (Vec<f32>, Vec<u32>) {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    let labels: Vec<u32> = (0..rows).map(|row| if row < 2 { row as u32 } else { next() % classes }).collect();
    let noise = 1.0 / 16_777_216.0;
    let data = (0..rows * dim)
        .map(|at| {
            let centre = ((labels[at / dim] as usize * 7 + at % dim * 3) as f32).sin();
            centre + 4.0 * (next() as f32 * noise - 0.5)
        })
        .collect();
    (data, labels)
}

fn verify(data: &[f32], dim: usize, labels: &[u32]) -> Verification {
    let embeddings = Embeddings::new(data, labels.len(), dim, labels).unwrap();
    all_pairs(&embeddings, &VerificationOptions::default()).unwrap()
}

/// The values that must not depend on the order of the pairs.
fn summary(found: &Verification) -> String {
    format!("{:?} {} {} {:?}", found.roc, found.auc, found.eer, found.impostor_histogram)
}

fn scores() -> impl Strategy<Value = Vec<f64>> {
    // Few distinct values, so that ties within and between the kinds are common.
    prop_oneof![
        prop::collection::vec((-8_i8..=8).prop_map(|eighth| f64::from(eighth) / 8.0), 1..40),
        prop::collection::vec(-1.0_f64..=1.0, 1..40),
    ]
}

/// All pairs of random embeddings: their measures equal those of the cosines, and depend neither on the order of the rows nor on
/// powers of two.
fn equals_the_twin_in_any_order_and_length(
    rows: usize,
    dim: usize,
    classes: u32,
    seed: u32,
    turn: usize,
) -> Result<(), TestCaseError> {
    let (data, labels) = random_embeddings(rows, dim, classes, seed);
    let embeddings = Embeddings::new(&data, rows, dim, &labels).unwrap();
    let (mut genuine, mut impostor) = (vec![], vec![]);
    for i in 0..rows {
        for j in i + 1..rows {
            let kind = if labels[i] == labels[j] { &mut genuine } else { &mut impostor };
            kind.push(embeddings.cosine(i, j).unwrap());
        }
    }
    let found = all_pairs(&embeddings, &VerificationOptions::default());
    if genuine.is_empty() {
        let no_pairs = matches!(found, Err(Error::NoGenuinePairs { .. }));
        prop_assert!(no_pairs, "{:?}", found);
        return Ok(());
    }
    let found = found.unwrap();
    prop_assert_eq!((found.genuine, found.impostor), (genuine.len() as u64, impostor.len() as u64));
    let same = from_cosines(genuine, impostor).unwrap();
    prop_assert_eq!(summary(&found), summary(&same));

    // Another order of rows.
    let order: Vec<usize> = (0..rows).map(|row| (row + turn) % rows).rev().collect();
    let turned: Vec<f32> = order.iter().flat_map(|&row| data[row * dim..(row + 1) * dim].to_vec()).collect();
    let turned_labels: Vec<u32> = order.iter().map(|&row| labels[row]).collect();
    prop_assert_eq!(summary(&verify(&turned, dim, &turned_labels)), summary(&found));

    // Powers of two scale without rounding.
    let scaled: Vec<f32> =
        data.iter().enumerate().map(|(at, v)| v * 2_f32.powi((at / dim) as i32 % 9 - 4)).collect();
    prop_assert_eq!(summary(&verify(&scaled, dim, &labels)), summary(&found));
    Ok(())
}

/// In the order of the file, a sample by position found these rows crowded; in another order it did not.
#[test]
fn a_set_at_the_edge_of_crowding_is_the_same_in_any_order() {
    equals_the_twin_in_any_order_and_length(26, 2, 3, 3_130_267_319, 3).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rates_equal_the_twin(genuine in scores(), impostor in scores(), far in 0.0_f64..=1.0) {
        let found = from_cosines(genuine.clone(), impostor.clone()).unwrap();
        let twin = Twin { genuine: &genuine, impostor: &impostor };
        prop_assert!((found.auc - twin.auc()).abs() < 1e-12);
        prop_assert!((found.eer - twin.eer()).abs() < 1e-12);
        prop_assert!((found.best_balanced_accuracy.accuracy - twin.balanced()).abs() < 1e-12);
        for far in [far, 0.0, 1.0, 0.5, 0.1, 0.25, 1.0 / impostor.len() as f64] {
            let point = found.operating_point_at_far(far).unwrap();
            prop_assert_eq!(point.tar, twin.tar_at_far(far), "FAR {}", far);
            prop_assert!(point.far <= far);
            // The reported threshold has the reported rates.
            prop_assert_eq!(found.operating_point_at_threshold(point.threshold), point);
        }
        let curve: Vec<_> = twin.curve().into_iter().map(|(_, far, tar)| (far, tar)).collect();
        prop_assert_eq!(found.roc.iter().map(|point| (point.far, point.tar)).collect::<Vec<_>>(), curve);
        for best in [found.best_accuracy, found.best_balanced_accuracy] {
            let point = found.operating_point_at_threshold(best.threshold);
            let weight = if best == found.best_accuracy { found.genuine as f64 / found.pairs as f64 } else { 0.5 };
            let accuracy = weight * point.tar + (1.0 - weight) * (1.0 - point.far);
            prop_assert!((accuracy - best.accuracy).abs() < 1e-12);
        }
    }

    #[test]
    fn swapping_the_kinds_mirrors_auc(genuine in scores(), impostor in scores()) {
        let found = from_cosines(genuine.clone(), impostor.clone()).unwrap();
        let swapped = from_cosines(impostor, genuine).unwrap();
        prop_assert!((found.auc + swapped.auc - 1.0).abs() < 1e-12);
    }

    #[test]
    fn pairs_equal_the_twin_and_order_and_length_do_not_matter(
        rows in 3_usize..40, dim in 1_usize..20, classes in 2_u32..8, seed: u32, turn in 1_usize..40,
    ) {
        equals_the_twin_in_any_order_and_length(rows, dim, classes, seed, turn)?;
    }
}

#[test]
fn a_case_by_hand() {
    // Falling: 0.9 g, 0.8 g, 0.7 i, 0.6 g, 0.5 i, 0.4 i.
    let found = from_cosines(vec![0.6, 0.9, 0.8], vec![0.5, 0.4, 0.7]).unwrap();
    assert!((found.auc - 8.0 / 9.0).abs() < 1e-15);
    // FRR and FAR are both 1/3 at the step with threshold 0.7.
    assert!((found.eer - 1.0 / 3.0).abs() < 1e-15);
    assert!((found.eer_threshold - 0.7).abs() < 1e-6);
    assert_eq!(found.tar_at_far(0.0), 2.0 / 3.0);
    assert_eq!(found.tar_at_far(0.34), 1.0);
    assert_eq!(found.best_accuracy.accuracy, 5.0 / 6.0);
    assert_eq!(found.best_accuracy.threshold, 0.8);
    assert_eq!(found.roc.len(), 7);
    assert_eq!(found.warnings.len(), 2);
}

#[test]
fn perfect_reversed_and_constant_scores() {
    let perfect = from_cosines(vec![0.9; 5], vec![0.1; 5]).unwrap();
    assert_eq!((perfect.auc, perfect.eer, perfect.tar_at_far(0.0)), (1.0, 0.0, 1.0));
    let reversed = from_cosines(vec![0.1; 5], vec![0.9; 5]).unwrap();
    assert_eq!((reversed.auc, reversed.eer, reversed.tar_at_far(0.5)), (0.0, 1.0, 0.0));
    assert_eq!(reversed.best_balanced_accuracy.accuracy, 0.5);
    let constant = from_cosines(vec![0.3; 5], vec![0.3; 9]).unwrap();
    assert_eq!((constant.auc, constant.eer, constant.tar_at_far(0.9)), (0.5, 0.5, 0.0));
    assert_eq!(constant.tar_at_far(1.0), 1.0);
    // Zeros of both signs are one score.
    assert_eq!(from_cosines(vec![0.0], vec![-0.0]).unwrap().auc, 0.5);
}

#[test]
fn rates_outside_the_unit_interval_have_no_answer() {
    let found = from_cosines(vec![0.9], vec![0.1]).unwrap();
    for far in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(found.operating_point_at_far(far).is_none());
        assert!(found.tar_at_far(far).is_nan());
    }
    let nothing = found.operating_point_at_threshold(f64::NAN);
    assert_eq!((nothing.far, nothing.tar), (0.0, 0.0));
}

#[test]
fn invalid_arguments_are_errors() {
    let error = |labels: &[u32], max_pairs| {
        let data: Vec<f32> = (0..labels.len() * 2).map(|at| at as f32 + 1.0).collect();
        let embeddings = Embeddings::new(&data, labels.len(), 2, labels).unwrap();
        all_pairs(&embeddings, &VerificationOptions { max_pairs, seed: 0 }).unwrap_err()
    };
    assert_eq!(error(&[4, 4, 4], 10), Error::OneClass { class: 4, rows: 3 });
    assert_eq!(error(&[4], 10), Error::OneClass { class: 4, rows: 1 });
    assert_eq!(error(&[4, 5, 6], 10), Error::NoGenuinePairs { classes: 3 });
    assert_eq!(error(&[4, 4, 6], 1), Error::MaxPairs { max_pairs: 1 });
    assert_eq!(
        from_cosines(vec![], vec![0.0]).unwrap_err(),
        Error::MissingScores { genuine: 0, impostor: 1 }
    );
    let out_of_range = from_cosines(vec![0.0], vec![0.0, 1.5]).unwrap_err();
    assert_eq!(out_of_range, Error::NotACosine { kind: "impostor", index: 1, value: 1.5 });
    assert!(matches!(from_cosines(vec![f64::NAN], vec![0.0]), Err(Error::NotACosine { .. })));
}

#[test]
fn a_long_curve_is_thinned_and_stays_exact() {
    let (data, labels) = random_embeddings(300, 6, 4, 3);
    let found = verify(&data, 6, &labels);
    assert!(found.roc.len() <= ROC_POINTS && found.roc.len() > ROC_POINTS / 2, "{}", found.roc.len());
    let ends = (found.roc[0], found.roc[found.roc.len() - 1]);
    assert_eq!((ends.0.far, ends.0.tar, ends.1.far, ends.1.tar), (0.0, 0.0, 1.0, 1.0));
    for two in found.roc.windows(2) {
        assert!(two[0].threshold > two[1].threshold && two[0].far <= two[1].far && two[0].tar <= two[1].tar);
    }
    for point in &found.roc {
        assert_eq!(found.operating_point_at_threshold(point.threshold), *point);
    }
    // The area under the thinned curve is close to the exact one.
    let area: f64 = found
        .roc
        .windows(2)
        .map(|two| (two[1].far - two[0].far) * f64::midpoint(two[0].tar, two[1].tar))
        .sum();
    assert!((area - found.auc).abs() < 1e-3, "{area} {}", found.auc);
    assert_eq!(found.genuine_histogram.counts.iter().sum::<u64>(), found.genuine);
    assert_eq!(found.impostor_histogram.counts.iter().sum::<u64>(), found.impostor);
}

#[test]
fn samples_are_repeatable_and_close_to_all_pairs() {
    let (data, labels) = random_embeddings(400, 6, 4, 9);
    let embeddings = Embeddings::new(&data, 400, 6, &labels).unwrap();
    let whole = all_pairs(&embeddings, &VerificationOptions::default()).unwrap();
    assert_eq!(whole.pairs, whole.pairs_in_all);
    let options = VerificationOptions { max_pairs: 20_000, seed: 1 };
    let sample = all_pairs(&embeddings, &options).unwrap();
    assert_eq!((sample.pairs, sample.pairs_in_all), (20_000, 400 * 399 / 2));
    assert_eq!((sample.genuine, sample.impostor), (10_000, 10_000));
    assert_eq!(summary(&sample), summary(&all_pairs(&embeddings, &options).unwrap()));
    let other = all_pairs(&embeddings, &VerificationOptions { seed: 2, ..options }).unwrap();
    assert_ne!(summary(&sample), summary(&other));
    // Four standard errors of a rate over 10,000 pairs are at most 0.02.
    for (found, expected) in [
        (sample.auc, whole.auc),
        (sample.eer, whole.eer),
        (sample.tar_at_far(0.1), whole.tar_at_far(0.1)),
        (sample.best_accuracy.accuracy, whole.best_accuracy.accuracy),
    ] {
        assert!((found - expected).abs() < 0.02, "{found} {expected}");
    }
}

#[test]
fn the_number_of_threads_has_no_effect() {
    let (data, labels) = random_embeddings(200, 9, 5, 4);
    let embeddings = Embeddings::new(&data, 200, 9, &labels).unwrap();
    for max_pairs in [5_000, 1_000_000] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                summary(&all_pairs(&embeddings, &VerificationOptions { max_pairs, seed: 3 }).unwrap())
            })
        };
        assert_eq!(run(1), run(3));
    }
}

#[test]
fn duplicates_have_cosine_one_and_tie() {
    // Two identical rows in each class: all genuine pairs are at 1, and the impostor pairs as close as rounding allows.
    let data = [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3];
    let found = verify(&data, 3, &[0, 0, 1, 1]);
    assert_eq!((found.auc, found.eer), (0.5, 0.5));
}

#[test]
fn json_has_the_documented_keys() {
    let (data, labels) = random_embeddings(50, 4, 3, 1);
    let json = serde_json::to_value(verify(&data, 4, &labels)).unwrap();
    for key in ["pairs", "genuine", "impostor", "auc", "eer", "eer_threshold", "roc", "warnings"] {
        assert!(!json[key].is_null(), "{key}");
    }
    let keys: Vec<&String> = json["tar_at_far"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["1e-1", "1e-2", "1e-3"]);
    assert!(json.get("scores").is_none());
}

#[test]
fn warnings_name_the_rates_that_rest_on_too_few_pairs() {
    let with = |impostors| from_cosines(vec![0.5; 1000], vec![0.1; impostors]).unwrap().warnings;
    assert!(with(50)[0].contains("FAR 1e-1"));
    assert!(with(100)[0].contains("FAR 1e-2"));
    assert!(with(9_999)[0].contains("FAR 1e-3"));
    assert!(with(10_000).is_empty());
}

#[test]
fn scikit_learn_agrees() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../fixtures/reference.json")).unwrap();
    let same = |found: &Verification, expected: &serde_json::Value, tolerance: f64| {
        let near = |found: f64, expected: &serde_json::Value| {
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() <= tolerance, "{found} {expected}");
        };
        near(found.auc, &expected["auc"]);
        near(found.eer, &expected["eer"]);
        near(found.best_balanced_accuracy.accuracy, &expected["best_balanced_accuracy"]);
        for (key, tar) in &found.tar_at_far {
            near(*tar, &expected["tar_at_far"][key]);
        }
    };
    for case in reference["embeddings"].as_array().unwrap() {
        let (data, labels) = fixture(case);
        let found = verify(&data, case["dim"].as_u64().unwrap() as usize, &labels);
        // No pair of scores is close enough for f32 to change its order, so only summation differs.
        same(&found, &case["verification"], 1e-12);
    }
    let case = &reference["tied_scores"];
    let list = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() / 64.0).collect();
    same(&from_cosines(list("genuine_64ths"), list("impostor_64ths")).unwrap(), &case["verification"], 1e-12);
}

/// Data and labels of one case of the reference file.
fn fixture(case: &serde_json::Value) -> (Vec<f32>, Vec<u32>) {
    let numbers = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
    (numbers("data").map(|v| v as f32).collect(), numbers("labels").map(|v| v as u32).collect())
}
