//! Properties of every objective: permutations, directions, threads, magnitudes.

use proptest::prelude::*;

use super::{all, objective};
use crate::MatRef;
use crate::pairs::{
    DistanceWeighted, Miner, PairCounts, PairEvaluation, PairObjective, PairOptions, Tuples,
    WeightedObjective, WeightedObjectives,
};
use crate::tests::{values, view};

const DIM: usize = 4;
const CLASSES: usize = 4;

fn run(objective: &PairObjective, features: &[f64], labels: &[u32]) -> PairEvaluation<f64> {
    let rows = objective.proxies_per_class().map_or(0, |per_class| CLASSES * per_class);
    let proxies = values(rows * DIM, 9);
    let proxies = objective.proxies_per_class().map(|_| view(&proxies, rows, DIM));
    objective
        .evaluate(view(features, labels.len(), DIM), proxies, labels, &PairOptions::default())
        .expect("finite inputs")
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * (1.0 + expected.abs())
}

fn batch() -> impl Strategy<Value = (Vec<u32>, u64)> {
    (proptest::collection::vec(0..CLASSES as u32, 2..9), 0..10_000_u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn permuting_the_batch_permutes_the_gradients((labels, seed) in batch(), turn in 1..7_usize) {
        let features = values(labels.len() * DIM, seed);
        let count = labels.len();
        let order: Vec<usize> = (0..count).map(|at| (at + turn) % count).rev().collect();
        let moved: Vec<f64> =
            order.iter().flat_map(|&at| features[at * DIM..(at + 1) * DIM].to_vec()).collect();
        let moved_labels: Vec<u32> = order.iter().map(|&at| labels[at]).collect();
        for objective in all() {
            let (one, other) = (run(&objective, &features, &labels), run(&objective, &moved, &moved_labels));
            prop_assert!(close(one.loss, other.loss), "{objective:?}: {} {}", one.loss, other.loss);
            for (place, &at) in order.iter().enumerate() {
                for k in 0..DIM {
                    let (found, expected) =
                        (other.grad_embeddings[place * DIM + k], one.grad_embeddings[at * DIM + k]);
                    prop_assert!(close(found, expected), "{objective:?}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn gradients_are_orthogonal_to_embeddings_and_lengths_do_not_matter((labels, seed) in batch()) {
        let features = values(labels.len() * DIM, seed);
        let longer: Vec<f64> = features.iter().map(|value| value * 3.0).collect();
        // only the angular loss does not normalise negatives
        for objective in all().into_iter().filter(|objective| objective.name() != "angular") {
            let out = run(&objective, &features, &labels);
            prop_assert!(close(run(&objective, &longer, &labels).loss, out.loss), "{objective:?}");
            for (x, g) in features.chunks(DIM).zip(out.grad_embeddings.chunks(DIM)) {
                let along: f64 = x.iter().zip(g).map(|(x, g)| x * g).sum();
                let size: f64 = g.iter().map(|g| g * g).sum::<f64>().sqrt();
                prop_assert!(along.abs() <= 1e-9 * (1.0 + size), "{objective:?}: {along}");
            }
        }
    }

    #[test]
    fn a_batch_with_a_warning_has_loss_and_gradients_zero(labels in proptest::collection::vec(0..3_u32, 0..5), seed in 0..1000_u64) {
        let features = values(labels.len() * DIM, seed);
        for objective in all() {
            let out = run(&objective, &features, &labels);
            if out.warning.is_some() {
                prop_assert_eq!(out.loss, 0.0);
                prop_assert!(out.grad_embeddings.iter().all(|value| *value == 0.0));
            }
            prop_assert!(out.loss >= 0.0, "{:?}: {}", objective, out.loss);
            prop_assert!(out.counts.active <= out.counts.terms);
        }
    }

    #[test]
    fn sorted_triplets_equal_listed_ones((labels, seed) in batch(), margin in 0.01..1.5_f64) {
        let features = values(labels.len() * DIM, seed);
        let matrix = view(&features, labels.len(), DIM);
        let pairs = Miner::All.mine(matrix, &labels, 0).expect("finite inputs");
        let Tuples::Pairs { positives, negatives } = &pairs else { panic!("pairs") };
        let triplets = positives
            .iter()
            .flat_map(|&[a, p]| negatives.iter().filter(move |n| n[0] == a).map(move |n| [a, p, n[1]]))
            .collect();
        let triplets = Tuples::Triplets(triplets);
        prop_assume!(!triplets.is_empty());
        for kind in ["all", "hard", "semihard"] {
            let triplet = objective("triplet-margin", &[("margin", margin.into()), ("triplets", kind.into())]);
            let with = |tuples| {
                let options = PairOptions { tuples, ..PairOptions::default() };
                triplet.evaluate(matrix, None, &labels, &options).expect("finite inputs")
            };
            let (sorted, listed) = (with(None), with(Some(&triplets)));
            prop_assert!(close(sorted.loss, listed.loss), "{kind}: {} {}", sorted.loss, listed.loss);
            let of = |counts: PairCounts| (counts.triplets, counts.terms, counts.active);
            prop_assert_eq!(of(sorted.counts), of(listed.counts));
            for (sorted, listed) in sorted.grad_embeddings.iter().zip(&listed.grad_embeddings) {
                prop_assert!(close(*sorted, *listed), "{kind}: {sorted} {listed}");
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let labels: Vec<u32> = (0..70).map(|at| at % 4).collect();
    let features: Vec<f32> = values(labels.len() * 33, 3).iter().map(|value| *value as f32).collect();
    for objective in all() {
        let rows = objective.proxies_per_class().map_or(0, |per_class| CLASSES * per_class);
        let proxies: Vec<f32> = values(rows * 33, 4).iter().map(|value| *value as f32).collect();
        let run = || {
            let proxies = objective.proxies_per_class().map(|_| view(&proxies, rows, 33));
            let matrix = view(&features, labels.len(), 33);
            objective.evaluate(matrix, proxies, &labels, &PairOptions::default()).expect("finite inputs")
        };
        let in_pool = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool").install(run)
        };
        let one = in_pool(1);
        for threads in [2, 5] {
            assert_eq!(one, in_pool(threads), "{objective:?}");
        }
    }
}

#[test]
fn no_magnitude_and_no_repetition_gives_nan() {
    let labels: Vec<u32> = (0..24).map(|at| at % 4).collect();
    let plain: Vec<f32> = values(labels.len() * 8, 6).iter().map(|value| *value as f32).collect();
    let cluster: Vec<f32> =
        plain.iter().enumerate().map(|(at, v)| (at % 8) as f32 - 3.0 + v * 1e-4).collect();
    let equal: Vec<f32> = (0..plain.len()).map(|at| (at % 8) as f32 - 3.0).collect();
    let constant = vec![0.7_f32; plain.len()];
    let opposite: Vec<f32> =
        equal.iter().enumerate().map(|(at, v)| if at / 8 % 2 == 0 { *v } else { -v }).collect();
    let zero = vec![0.0_f32; plain.len()];
    let mixed: Vec<f32> =
        plain.iter().enumerate().map(|(at, v)| v * 10.0_f32.powi((at / 8) as i32 * 3 - 36)).collect();
    for objective in all() {
        for (what, features) in [
            ("clusters", &cluster),
            ("equal", &equal),
            ("constant", &constant),
            ("opposite", &opposite),
            ("zero", &zero),
            ("mixed", &mixed),
        ] {
            for scale in [1e-30_f32, 1.0, 1e30] {
                // 1e33 times 1e30 is beyond f32; so is the angular loss, which grows with the lengths
                let beyond = if objective.name() == "angular" {
                    scale > 1.0 || what == "mixed"
                } else {
                    scale > 1.0 && what == "mixed"
                };
                if beyond {
                    continue;
                }
                let features: Vec<f32> = features.iter().map(|value| value * scale).collect();
                let rows = objective.proxies_per_class().map_or(0, |per_class| CLASSES * per_class);
                let proxies = features[..rows * 8].to_vec();
                let proxies = objective.proxies_per_class().map(|_| view(&proxies, rows, 8));
                let matrix = view(&features, labels.len(), 8);
                let out = objective.evaluate(matrix, proxies, &labels, &PairOptions::default());
                let out = out.unwrap_or_else(|error| panic!("{objective:?} {what} {scale}: {error}"));
                assert!(
                    out.loss.is_finite() && out.grad_embeddings.iter().all(|g| g.is_finite()),
                    "{objective:?} {what} {scale}"
                );
            }
        }
    }
}

#[test]
fn the_angular_loss_of_long_rows_is_exact_or_an_error() {
    let labels = [0, 0, 1, 1];
    let rows =
        |length: f32| -> Vec<f32> { values(16, 2).iter().map(|value| *value as f32 * length).collect() };
    let run = |length: f32| {
        objective("angular", &[]).evaluate(view(&rows(length), 4, 4), None, &labels, &PairOptions::default())
    };
    let (long, longer) = (run(1e20).expect("in range"), run(1e24).expect("in range"));
    assert!((longer.loss / long.loss / 1e4 - 1.0).abs() < 1e-4, "{} {}", long.loss, longer.loss);
    let error = run(3e38).expect_err("the loss is larger than f32");
    assert!(error.to_string().contains("exceeds the range"), "{error}");
}

#[test]
fn distance_weighted_triplets_are_reproducible_and_favour_rare_distances() {
    let dim = 3;
    // on a sphere in three dimensions the density is d: distances 0.5 and 1.0 are drawn 2 to 1
    let at_distance = |d: f64| {
        let cosine = 1.0 - d * d / 2.0;
        [cosine, (1.0 - cosine * cosine).sqrt(), 0.0]
    };
    let rows = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.1], at_distance(0.5), at_distance(1.0), at_distance(1.9)];
    let features = rows.concat();
    let matrix = MatRef::new(&features, 5, dim).expect("sizes of the test");
    let labels = [0, 0, 1, 2, 3];
    let miner = Miner::DistanceWeighted(DistanceWeighted { seed: 4, ..DistanceWeighted::default() });
    let draw = |step| match miner.mine(matrix, &labels, step).expect("finite inputs") {
        Tuples::Triplets(triplets) => triplets,
        Tuples::Pairs { .. } => panic!("triplets"),
    };
    assert_eq!(draw(3), draw(3));
    assert!((0..20).any(|step| draw(step) != draw(step + 1)), "each step draws other tuples");
    let mut counts = [0_u32; 5];
    for step in 0..3000 {
        for [anchor, positive, negative] in draw(step) {
            assert_eq!(anchor + positive, 1);
            if anchor == 0 {
                counts[negative] += 1;
            }
        }
    }
    assert_eq!(counts[4], 0, "farther than the cutoff");
    assert_eq!(counts[2] + counts[3], 6000, "as many as the class has rows");
    let share = f64::from(counts[2]) / 6000.0;
    // standard deviation of the share: 0.006
    assert!((share - 2.0 / 3.0).abs() < 0.03, "{share}");
}

#[test]
fn weighted_objectives_add_up() {
    let labels = [0, 0, 1, 1, 2, 2];
    let features = values(labels.len() * DIM, 8);
    let (first, second) = (objective("contrastive", &[]), objective("multi-similarity", &[]));
    let part = |objective, weight| WeightedObjective { objective, weight, miner: None };
    let both = WeightedObjectives { parts: vec![part(first, 0.5), part(second, -2.0)] };
    let matrix = view(&features, labels.len(), DIM);
    let (sum, each) = both.evaluate(matrix, None, &labels, 0).expect("finite inputs");
    let (one, two) = (run(&first, &features, &labels), run(&second, &features, &labels));
    assert_eq!(each, [one.clone(), two.clone()]);
    assert!((sum.loss() - (0.5 * one.loss - 2.0 * two.loss)).abs() < 1e-14);
    for (at, found) in sum.gradient::<f64>().iter().enumerate() {
        let expected = 0.5 * one.grad_embeddings[at] - 2.0 * two.grad_embeddings[at];
        assert!((found - expected).abs() < 1e-14);
    }
    let wrong = WeightedObjectives { parts: vec![part(first, f64::NAN)] };
    assert!(wrong.evaluate(matrix, None, &labels, 0).is_err());
}
