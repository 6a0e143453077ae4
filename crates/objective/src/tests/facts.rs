//! The facts that the derivation states, as properties over random scores.

use proptest::prelude::*;

use super::tolerance::ROUNDING;
use super::{points, values, view};
use crate::suggest::loss_floor;
use crate::{Link, Margin, Objective, Pool, Score};

/// Scores of 2 to 12 classes and a label.
fn scores(range: f64) -> impl Strategy<Value = (Vec<f64>, usize)> {
    prop::collection::vec(-range..range, 2..12).prop_flat_map(|scores| {
        let classes = scores.len();
        (Just(scores), 0..classes)
    })
}

fn competitors(scores: &[f64], label: usize) -> impl Iterator<Item = f64> + '_ {
    scores.iter().enumerate().filter(move |(class, _)| *class != label).map(|(_, score)| *score)
}

fn hardest(scores: &[f64], label: usize) -> f64 {
    competitors(scores, label).fold(f64::NEG_INFINITY, f64::max)
}

fn loss(objective: &Objective, scores: &[f64], label: usize) -> f64 {
    objective.row(&mut scores.to_vec(), label).loss
}

/// Gradient of the loss with respect to plain similarities.
fn gradient(objective: &Objective, scores: &[f64], label: usize) -> Vec<f64> {
    let mut row = scores.to_vec();
    objective.row(&mut row, label);
    row
}

/// Textbook softmax cross-entropy, independent of the code under test.
fn cross_entropy(scores: &[f64], label: usize) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + scores.iter().map(|score| (score - largest).exp()).sum::<f64>().ln() - scores[label]
}

proptest! {
    #[test]
    fn log_sum_exp_exceeds_the_maximum_by_at_most_t_log_of_the_competitors(
        (scores, label) in scores(20.0), temperature in 0.01..10.0,
    ) {
        let smooth = Objective::family().pool(Pool::LogSumExp { temperature }).build().expect("in range");
        let pooled = smooth.row(&mut scores.clone(), label).pooled_lead;
        let hard = hardest(&scores, label) - scores[label];
        let excess = pooled - hard;
        prop_assert!(excess >= -ROUNDING * 40.0);
        prop_assert!(excess <= temperature * ((scores.len() - 1) as f64).ln() + ROUNDING * 40.0);
    }

    #[test]
    fn softplus_of_log_sum_exp_is_cross_entropy((scores, label) in scores(50.0)) {
        let (found, expected) = (loss(&Objective::softmax(), &scores, label), cross_entropy(&scores, label));
        prop_assert!((found - expected).abs() <= ROUNDING * 100.0, "{found} {expected}");
    }

    #[test]
    fn temperature_leads_from_the_hardest_hinge_ever_further_away((scores, label) in scores(5.0)) {
        let hinge = loss(&Objective::hinge_max(), &scores, label);
        let mut before = hinge;
        for temperature in [1e-5, 1e-3, 0.1, 1.0, 10.0, 100.0] {
            let tempered = loss(&Objective::tempered_softmax(temperature).expect("in range"), &scores, label);
            prop_assert!(tempered >= before - ROUNDING * 10.0, "excess falls at {temperature}");
            let most = temperature * (scores.len() as f64).ln();
            prop_assert!(tempered - hinge <= most * (1.0 + 1e-9) + ROUNDING * 10.0);
            before = tempered;
        }
        // in the limit only the number of classes matters
        let far = loss(&Objective::tempered_softmax(1e6).expect("in range"), &scores, label) / 1e6;
        prop_assert!((far - (scores.len() as f64).ln()).abs() < 1e-4);
    }

    #[test]
    fn am_softmax_without_margin_is_the_normalised_softmax((cosines, label) in scores(1.0), scale in 0.1..100.0) {
        let plain = loss(&Objective::normalized_softmax(scale).expect("in range"), &cosines, label);
        prop_assert_eq!(loss(&Objective::am_softmax(scale, 0.0).expect("in range"), &cosines, label), plain);
        prop_assert_eq!(loss(&Objective::arcface(scale, 0.0).expect("in range"), &cosines, label), plain);
    }

    #[test]
    fn the_scaled_loss_is_the_hinge_within_log_c_over_s(
        (cosines, label) in scores(1.0), scale in 0.1..1e6, margin in 0.0..1.0,
    ) {
        let smooth = loss(&Objective::am_softmax(scale, margin).expect("in range"), &cosines, label) / scale;
        let hinge = (hardest(&cosines, label) - cosines[label] + margin).max(0.0);
        prop_assert!(smooth - hinge >= -ROUNDING);
        prop_assert!(smooth - hinge <= (cosines.len() as f64).ln() / scale + ROUNDING);
    }

    #[test]
    fn a_constant_added_to_all_scores_changes_nothing((scores, label) in scores(5.0), shift in -1e3..1e3) {
        let shifted: Vec<f64> = scores.iter().map(|score| score + shift).collect();
        // an angle margin needs true cosines
        for objective in points().into_iter().filter(|point| !matches!(point.margin(), Margin::AdditiveAngle { .. })) {
            let (here, there) = (loss(&objective, &scores, label), loss(&objective, &shifted, label));
            prop_assert!((here - there).abs() <= 1e-9 * here.abs().max(1.0), "{objective}: {here} {there}");
        }
    }

    #[test]
    fn the_order_of_the_competitors_changes_nothing((scores, label) in scores(1.0), turn in 0_usize..12) {
        let mut others: Vec<f64> = competitors(&scores, label).collect();
        let turn = turn % others.len();
        others.rotate_left(turn);
        others.insert(label, scores[label]);
        for objective in points() {
            let (here, there) = (loss(&objective, &scores, label), loss(&objective, &others, label));
            prop_assert!((here - there).abs() <= ROUNDING * here.abs().max(1.0), "{objective}: {here} {there}");
            let (mut a, mut b) = (gradient(&objective, &scores, label), gradient(&objective, &others, label));
            a.sort_by(f64::total_cmp);
            b.sort_by(f64::total_cmp);
            let size = a.iter().fold(1.0_f64, |size, value| size.max(value.abs()));
            prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-10 * size), "{objective}: {a:?} {b:?}");
        }
    }

    #[test]
    fn softmax_is_many_binary_classifiers((scores, label) in scores(10.0)) {
        let normaliser: f64 = scores.iter().map(|score| score.exp()).sum();
        let probability = |class: usize| scores[class].exp() / normaliser;
        let mut row = scores.clone();
        let outcome = Objective::softmax().row(&mut row, label);
        let push = 1.0 - probability(label);
        prop_assert!((outcome.push - push).abs() <= ROUNDING);
        let mut entropy = 0.0;
        for (class, slope) in row.iter().enumerate() {
            let expected = if class == label { -push } else { probability(class) };
            prop_assert!((slope - expected).abs() <= ROUNDING, "{class}: {slope} {expected}");
            if class != label {
                let share = slope / outcome.push;
                entropy -= if share > 0.0 { share * share.ln() } else { 0.0 };
            }
        }
        let effective = outcome.effective_competitors;
        prop_assert!((effective - entropy.exp()).abs() <= 1e-9 * effective, "{effective}");
        prop_assert!(effective <= (scores.len() - 1) as f64 * (1.0 + 1e-12) && effective >= 1.0 - 1e-12);
    }

    #[test]
    fn push_and_pull_balance((scores, label) in scores(1.0)) {
        for objective in points() {
            let mut row = scores.clone();
            let outcome = objective.row(&mut row, label);
            let scale = objective.score().scale();
            let sum: f64 = competitors(&row, label).sum();
            prop_assert!((sum - outcome.push * scale).abs() <= 1e-10 * sum.abs().max(1.0), "{objective}");
            let bounded = objective.pool() != Pool::HingeSum;
            prop_assert!(!bounded || outcome.push <= 1.0, "{objective}: one unit of push at most");
        }
    }

    #[test]
    fn any_tile_size_gives_the_same_row((scores, label) in scores(1.0), tile in 1_usize..5) {
        for objective in points() {
            let mut whole = scores.clone();
            let expected = objective.row(&mut whole, label);
            let mut pass = objective.row_pass(label, scores[label]);
            for (at, part) in scores.chunks(tile).enumerate() {
                pass.observe(at * tile, part);
            }
            let found = pass.finish();
            prop_assert!((found.loss - expected.loss).abs() <= ROUNDING * expected.loss.max(1.0), "{objective}");
            prop_assert_eq!((found.correct, found.margin_met), (expected.correct, expected.margin_met));
            prop_assert_eq!(found.hardest_competitor(), expected.hardest_competitor());
            let apart = (found.effective_competitors - expected.effective_competitors).abs();
            prop_assert!(apart <= 1e-9 * expected.effective_competitors, "{objective}");
            let mut parts = scores.clone();
            for (at, part) in parts.chunks_mut(tile).enumerate() {
                found.gradient(at * tile, part);
            }
            let size = objective.score().scale();
            prop_assert!(parts.iter().zip(&whole).all(|(a, b)| (a - b).abs() <= ROUNDING * size), "{objective}");
        }
    }

    #[test]
    fn cosine_gradients_are_orthogonal_to_their_vectors(seed in 0_u64..1_000_000) {
        let (batch, classes, dim) = (3, 5, 4);
        let (features, centres) = (values(batch * dim, seed), values(classes * dim, seed + 7));
        for objective in points().into_iter().filter(|point| point.score().is_cosine()) {
            let out = objective.evaluate(view(&features, batch, dim), view(&centres, classes, dim), &[0, 4, 2]);
            let out = out.expect("finite inputs");
            for (vectors, gradients) in [(&features, &out.grad_features), (&centres, &out.grad_centres)] {
                for (vector, gradient) in vectors.chunks(dim).zip(gradients.chunks(dim)) {
                    let along: f64 = vector.iter().zip(gradient).map(|(x, g)| x * g).sum();
                    prop_assert!(along.abs() <= ROUNDING * objective.score().scale(), "{objective}: {along}");
                }
            }
        }
    }

    /// Every class once in the batch, anywhere on the sphere: the mean loss stays above the floor of the simplex.
    #[test]
    fn no_loss_is_below_the_floor(seed in 0_u64..1_000_000, scale in 0.5..64.0, margin in 0.0..0.5) {
        let (classes, dim) = (6, 3);
        let (features, centres) = (values(classes * dim, seed), values(classes * dim, seed + 1));
        let labels: Vec<u32> = (0..6).collect();
        let objective = Objective::am_softmax(scale, margin).expect("in range");
        for centres in [&centres, &features] {
            let out = objective.evaluate(view(&features, classes, dim), view(centres, classes, dim), &labels);
            let found = out.expect("finite inputs").loss;
            prop_assert!(found >= loss_floor(classes, scale, margin) * (1.0 - 1e-9), "{found}");
        }
    }
}

/// Unit vectors with cosine `-1 / (C - 1)` between any two, in `C` dimensions (they span one less).
fn simplex(classes: usize) -> Vec<f64> {
    let off = -1.0 / classes as f64;
    (0..classes * classes).map(|at| if at / classes == at % classes { 1.0 + off } else { off }).collect()
}

#[test]
fn the_simplex_reaches_the_floor_even_far_below_the_epsilon_of_f32() {
    for classes in [2, 3, 10, 50] {
        let centres = simplex(classes);
        let narrow: Vec<f32> = centres.iter().map(|&value| value as f32).collect();
        let labels: Vec<u32> = (0..classes as u32).collect();
        for (scale, margin) in [(1.0, 0.0), (30.0, 0.35), (64.0, 0.35)] {
            let objective = Objective::am_softmax(scale, margin).expect("in range");
            let expected = loss_floor(classes, scale, margin);
            let both = view(&centres, classes, classes);
            let found = objective.evaluate(both, both, &labels).expect("finite inputs").loss;
            assert!((found / expected - 1.0).abs() < 1e-11, "{classes} {scale}: {found} against {expected}");
            if expected < f64::from(f32::MIN_POSITIVE) {
                continue;
            }
            let both = view(&narrow, classes, classes);
            let found = objective.evaluate(both, both, &labels).expect("finite inputs").loss;
            // in so small a loss, an error of 1e-7 in a cosine times the scale is a relative error
            assert!(
                (f64::from(found) / expected - 1.0).abs() < 1e-4,
                "{classes} {scale}: {found} against {expected}"
            );
        }
    }
    assert!(loss_floor(10, 64.0, 0.35) < f64::from(f32::EPSILON), "so the last case was a test of log1p");
}

/// Without normalisation a network meets any margin by scaling its features; cosines prevent that.
#[test]
fn a_margin_has_no_effect_without_normalisation() {
    let (batch, classes, dim) = (4, 3, 2);
    let centres = [1.0, 0.0, 0.0, 1.0, -1.0, -1.0];
    // barely classified correctly
    let features = [1.0, 0.9, 0.9, 1.0, -1.0, -0.8, 1.0, 0.95];
    let labels = [0, 1, 2, 0];
    let evaluate = |objective: &Objective, factor: f64| {
        let features: Vec<f64> = features.iter().map(|value| value * factor).collect();
        objective
            .evaluate(view(&features, batch, dim), view(&centres, classes, dim), &labels)
            .expect("finite inputs")
    };
    let dot = Objective::hinge_sum_margin(1.0).expect("in range");
    let softmax = Objective::family().margin(Margin::additive(1.0)).build().expect("in range");
    let cosine = Objective::am_softmax(30.0, 0.35).expect("in range");
    assert!(evaluate(&dot, 1.0).loss > 0.5);
    assert_eq!(evaluate(&dot, 1e3).loss, 0.0, "scaled up, the margin is met");
    assert_eq!(evaluate(&dot, 1e3).diagnostics.margin_met, 1.0);
    assert!(evaluate(&softmax, 1e4).loss < 1e-100);
    assert!((evaluate(&cosine, 1e3).loss - evaluate(&cosine, 1.0).loss).abs() < 1e-10);
    let met = evaluate(&cosine, 1.0).diagnostics.margin_met;
    assert!(met < 1.0, "cosines cannot be scaled up");
    assert_eq!(evaluate(&cosine, 1e3).diagnostics.margin_met, met);
}

/// At a full margin every non-target class pushes at once; the hardest-only hinge and the softmax bound that push.
#[test]
fn the_push_of_a_sum_of_hinges_grows_with_the_classes() {
    for classes in [2, 10, 100] {
        let mut row = vec![0.0_f64; classes];
        assert_eq!(
            Objective::hinge_sum_margin(1.0).expect("in range").row(&mut row, 0).push,
            (classes - 1) as f64
        );
        let hardest = Objective::hinge_max().with_margin(0.0).expect("no margin");
        assert_eq!(hardest.row(&mut vec![0.0_f64; classes], 0).push, 0.0, "the aim of a tie is met");
        let max = Objective::family().margin(Margin::additive(1.0)).pool(Pool::max()).link(Link::hinge());
        assert_eq!(max.build().expect("in range").row(&mut vec![0.0_f64; classes], 0).push, 1.0);
        assert!(Objective::softmax().row(&mut vec![0.0_f64; classes], 0).push < 1.0);
    }
}

#[test]
fn a_scaled_dot_product_of_unit_vectors_is_a_scaled_cosine() {
    let mut features = values(6, 3);
    let mut centres = values(9, 4);
    features.chunks_mut(3).chain(centres.chunks_mut(3)).for_each(|row| {
        crate::normalise(row);
    });
    let run = |score| {
        let objective = Objective::family().score(score).build().expect("in range");
        objective.evaluate(view(&features, 2, 3), view(&centres, 3, 3), &[2, 0]).expect("finite inputs")
    };
    let (dot, cosine) = (run(Score::scaled_dot(30.0)), run(Score::cosine(30.0)));
    assert!((dot.loss - cosine.loss).abs() < 1e-12 * cosine.loss);
    assert!((dot.diagnostics.mean_target_cosine - cosine.diagnostics.mean_target_cosine).abs() < 1e-14);
}
