//! Further reference values (`fixtures/make_pairs.py`): other parameters, odd batches, given tuples, miners, and
//! cross-batch memory over three steps.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::pairs::{CrossBatchMemory, Miner, PairObjective, PairOptions, PairReference, Tuples};
use crate::tests::tolerance::{GOLDEN_F32, GOLDEN_F64};
use crate::tests::view;
use crate::{Parameters, Real};

#[derive(Deserialize)]
struct File {
    proxies: Vec<Vec<f64>>,
    batches: Vec<Batch>,
    miners: Vec<Mined>,
    mined: MinedFrom,
    steps: Vec<Step>,
    memory: Vec<Remembered>,
}

#[derive(Deserialize)]
struct Batch {
    title: String,
    features: Vec<Vec<f64>>,
    labels: Vec<u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    params: Parameters,
    tuples: Option<Tuples>,
    loss: f64,
    grad_features: Vec<Vec<f64>>,
    grad_proxies: Option<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Mined {
    name: String,
    params: Parameters,
    with_reference: bool,
    tuples: Tuples,
}

#[derive(Deserialize)]
struct MinedFrom {
    features: Vec<Vec<f64>>,
    labels: Vec<u32>,
    reference: Vec<Vec<f64>>,
    reference_labels: Vec<u32>,
}

#[derive(Deserialize)]
struct Step {
    features: Vec<Vec<f64>>,
    labels: Vec<u32>,
}

#[derive(Deserialize)]
struct Remembered {
    name: String,
    params: Parameters,
    miner: Option<String>,
    steps: Vec<RememberedStep>,
}

#[derive(Deserialize)]
struct RememberedStep {
    loss: f64,
    grad_features: Vec<Vec<f64>>,
}

static FILE: LazyLock<File> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../fixtures/pairs.json")).expect("a fixture"));

fn cast<T: Real>(rows: &[Vec<f64>]) -> Vec<T> {
    rows.concat().into_iter().map(T::from_f64).collect()
}

/// Rounding of the references themselves, absolute: they compute `log(1 + x)` and `1 - x` of numbers near 1 directly, while
/// this crate keeps the digits of a small `x`.
const REFERENCE_ROUNDING: f64 = 1e-13;

fn assert_close<T: Real>(what: &str, found: (T, &[T]), expected: (f64, &[Vec<f64>]), tolerance: f64) {
    let loss: f64 = found.0.into();
    let error = (loss - expected.0).abs();
    assert!(
        error <= tolerance * expected.0.abs() + REFERENCE_ROUNDING,
        "{what}: loss {loss}, expected {}",
        expected.0
    );
    let expected = expected.1.concat();
    assert_eq!(found.1.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (&found, expected) in found.1.iter().zip(expected) {
        let error = (found.into() - expected).abs();
        assert!(
            error <= tolerance * largest + REFERENCE_ROUNDING,
            "{what}: {found:?}, expected {expected} of {largest}"
        );
    }
}

fn batches<T: Real>(tolerance: f64, skip: impl Fn(&str) -> bool) {
    for batch in FILE.batches.iter().filter(|batch| !skip(&batch.title)) {
        let features: Vec<T> = cast(&batch.features);
        let dim = batch.features[0].len();
        let features = view(&features, batch.labels.len(), dim);
        for case in &batch.cases {
            let what = format!("{}: {} {:?}", batch.title, case.name, case.params);
            let objective = PairObjective::from_name(&case.name, &case.params).expect("a known case");
            let rows = objective.proxies_per_class().map_or(0, |per_class| 5 * per_class);
            let proxies: Vec<T> = cast(&FILE.proxies[..rows]);
            let proxies = objective.proxies_per_class().map(|_| view(&proxies, rows, dim));
            let options = PairOptions { tuples: case.tuples.as_ref(), ..PairOptions::default() };
            let out = objective
                .evaluate(features, proxies, &batch.labels, &options)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_close(
                &what,
                (out.loss, &out.grad_embeddings),
                (case.loss, &case.grad_features),
                tolerance,
            );
            match (&out.grad_proxies, &case.grad_proxies) {
                (Some(found), Some(expected)) => {
                    assert_close(&what, (out.loss, found), (case.loss, expected), tolerance);
                }
                (None, None) => {}
                _ => panic!("{what}: one has a gradient of proxies, the other has not"),
            }
        }
    }
}

#[test]
fn other_parameters_odd_batches_and_given_tuples_in_f64() {
    batches::<f64>(GOLDEN_F64, |_| false);
}

#[test]
fn other_parameters_odd_batches_and_given_tuples_in_f32() {
    // Clusters are 0.01 wide: gradients are sums that cancel, and the inputs themselves are rounded to f32.
    batches::<f32>(GOLDEN_F32, |title| title == "clusters");
}

fn sorted(tuples: Tuples) -> Tuples {
    match tuples {
        Tuples::Pairs { mut positives, mut negatives } => {
            positives.sort_unstable();
            negatives.sort_unstable();
            Tuples::Pairs { positives, negatives }
        }
        Tuples::Triplets(mut triplets) => {
            triplets.sort_unstable();
            Tuples::Triplets(triplets)
        }
    }
}

#[test]
fn miners_find_the_reference_tuples() {
    let from = &FILE.mined;
    let dim = from.features[0].len();
    let (features, references): (Vec<f64>, Vec<f64>) = (cast(&from.features), cast(&from.reference));
    let reference = PairReference {
        embeddings: view(&references, from.reference_labels.len(), dim),
        labels: &from.reference_labels,
        own_rows: None,
    };
    for case in &FILE.miners {
        let miner = Miner::from_name(&case.name, &case.params).expect("a known miner");
        let reference = case.with_reference.then_some(&reference);
        let found = miner
            .mine_with(view(&features, from.labels.len(), dim), &from.labels, reference, 0)
            .expect("finite inputs");
        assert_eq!(sorted(found), case.tuples, "{} {:?} {}", case.name, case.params, case.with_reference);
    }
}

#[test]
fn a_memory_gives_the_same_over_three_steps_and_a_restart() {
    for case in &FILE.memory {
        let what = format!("{} {:?} {:?}", case.name, case.params, case.miner);
        let objective = PairObjective::from_name(&case.name, &case.params).expect("a known case");
        let miner = case
            .miner
            .as_ref()
            .map(|name| Miner::from_name(name, &Parameters::new()).expect("a known miner"));
        let mut memory = CrossBatchMemory::<f64>::new(10, FILE.steps[0].features[0].len()).expect("room");
        for (step, expected) in FILE.steps.iter().zip(&case.steps) {
            let features: Vec<f64> = cast(&step.features);
            let features = view(&features, step.labels.len(), step.features[0].len());
            let out = memory
                .evaluate(&objective, features, &step.labels, miner.as_ref(), 0)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_close(
                &what,
                (out.loss, &out.grad_embeddings),
                (expected.loss, &expected.grad_features),
                GOLDEN_F64,
            );
            let saved = serde_json::to_string(&memory).expect("plain data");
            memory = serde_json::from_str(&saved).expect("just written");
        }
        assert_eq!(memory.len(), 10);
    }
}
