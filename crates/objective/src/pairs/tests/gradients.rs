//! Gradients compared with central differences in f64, for every objective, with and without tuples and references.

use super::{all, objective};
use crate::Parameters;
use crate::pairs::{Miner, PairObjective, PairOptions, PairReference};
use crate::tests::{assert_close, differences, values, view};

/// Rounding of the loss (1e-16 times scales of up to 80) over the step.
const TOLERANCE: f64 = 1e-6;
const DIM: usize = 5;
const LABELS: [u32; 9] = [0, 1, 2, 0, 1, 2, 0, 1, 0];
const REFERENCE_LABELS: [u32; 6] = [2, 0, 1, 1, 3, 0];

/// Circle loss holds its weights constant, so its gradient is not the derivative of its value; it has its own test.
fn differentiable() -> impl Iterator<Item = PairObjective> {
    all().into_iter().filter(|objective| objective.name() != "circle")
}

fn check(objective: &PairObjective, seed: u64, options: &PairOptions<'_, f64>) {
    let features = values(LABELS.len() * DIM, seed);
    let rows = objective.proxies_per_class().map_or(0, |per_class| 4 * per_class);
    let proxies = values(rows * DIM, seed + 100);
    let run = |features: &[f64], proxies: &[f64]| {
        let proxies = objective.proxies_per_class().map(|_| view(proxies, rows, DIM));
        objective
            .evaluate(view(features, LABELS.len(), DIM), proxies, &LABELS, options)
            .expect("finite inputs")
    };
    let out = run(&features, &proxies);
    assert!(out.loss > 0.0, "{objective:?}: a test of nothing");
    let expected = differences(&features, |features| run(features, &proxies).loss);
    assert_close(&out.grad_embeddings, &expected, TOLERANCE, &format!("{objective:?}: embeddings"));
    if let Some(found) = &out.grad_proxies {
        let expected = differences(&proxies, |proxies| run(&features, proxies).loss);
        assert_close(found, &expected, TOLERANCE, &format!("{objective:?}: proxies"));
    }
}

#[test]
fn gradients_are_those_of_the_loss() {
    for objective in differentiable() {
        for seed in 0..4 {
            check(&objective, seed, &PairOptions::default());
        }
    }
}

#[test]
fn gradients_with_given_tuples_are_those_of_the_loss() {
    // mined once: the choice itself has no gradient
    for miner in ["batch-hard", "multi-similarity", "triplet-margin"] {
        let features = values(LABELS.len() * DIM, 1);
        let miner = Miner::from_name(miner, &Parameters::new()).expect("a miner");
        let tuples = miner.mine(view(&features, LABELS.len(), DIM), &LABELS, 0).expect("finite inputs");
        let options = PairOptions { tuples: Some(&tuples), ..PairOptions::default() };
        for objective in differentiable().filter(PairObjective::takes_tuples) {
            if matches!(objective, PairObjective::TripletMargin(of) if of.triplets != crate::pairs::TripletKind::All)
            {
                continue;
            }
            check(&objective, 1, &options);
        }
    }
}

#[test]
fn gradients_with_references_are_those_of_the_loss() {
    let references = values(REFERENCE_LABELS.len() * DIM, 77);
    let reference = PairReference {
        embeddings: view(&references, REFERENCE_LABELS.len(), DIM),
        labels: &REFERENCE_LABELS,
        own_rows: None,
    };
    let options = PairOptions { reference: Some(reference), ..PairOptions::default() };
    for objective in differentiable().filter(PairObjective::takes_references) {
        if matches!(objective, PairObjective::TripletMargin(of) if of.swap) {
            continue;
        }
        check(&objective, 3, &options);
    }
}

#[test]
fn circle_follows_its_formula_with_constant_weights() {
    let (m, gamma) = (0.25, 10.0);
    let circle = objective("circle", &[("m", m.into()), ("gamma", gamma.into())]);
    let features = values(LABELS.len() * DIM, 5);
    let out = circle
        .evaluate(view(&features, LABELS.len(), DIM), None, &LABELS, &PairOptions::default())
        .expect("finite inputs");
    let cosine = |x: &[f64], a: usize, b: usize| -> f64 {
        let row = |at: usize| &x[at * DIM..(at + 1) * DIM];
        let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
        dot(row(a), row(b)) / (dot(row(a), row(a)) * dot(row(b), row(b))).sqrt()
    };
    // the plain formula; `fixed` gives the weights, `x` the similarities
    let plain = |fixed: &[f64], x: &[f64]| -> f64 {
        let count = LABELS.len();
        let total: f64 = (0..count)
            .map(|a| {
                let (mut plus, mut minus) = (0.0_f64, 0.0_f64);
                for b in (0..count).filter(|b| *b != a) {
                    let (weight, s) = (cosine(fixed, a, b), cosine(x, a, b));
                    if LABELS[a] == LABELS[b] {
                        plus += (-gamma * (1.0 + m - weight).max(0.0) * (s - 1.0 + m)).exp();
                    } else {
                        minus += (gamma * (weight + m).max(0.0) * (s - m)).exp();
                    }
                }
                (plus * minus).ln_1p()
            })
            .sum();
        total / count as f64
    };
    assert!((out.loss - plain(&features, &features)).abs() < 1e-12);
    assert_close(&out.grad_embeddings, &differences(&features, |x| plain(&features, x)), TOLERANCE, "circle");
}
