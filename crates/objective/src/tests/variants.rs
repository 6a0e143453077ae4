//! Objectives that choose margin or scale per batch: gradients, state, edge cases, and any tile size.

use serde_json::{Map, Value, json};

use super::tolerance::{DIFFERENCES, ROUNDING};
use super::{assert_close, differences, values, view};
use crate::reference::ReferenceFile;
use crate::{
    BatchFacts, ClassObjective, ClassState, Error, EvaluateOptions, Margin, MatRef, Objective, Parameters,
    Real,
};

fn with(name: &str, parameters: &Value, classes: usize) -> ClassObjective {
    ClassObjective::from_name(name, parameters.as_object().expect("an object"), classes).expect("in range")
}

/// Every named objective on class centres with its defaults, and with settings that the defaults do not cover.
fn all(classes: usize) -> Vec<ClassObjective> {
    let mut all: Vec<ClassObjective> =
        ClassObjective::names().map(|name| with(name, &json!({}), classes)).collect();
    let margins: Vec<f64> = (0..classes).map(|class| 0.1 + 0.3 * class as f64 / classes as f64).collect();
    all.extend([
        with("am-softmax", &json!({"class_margins": margins}), classes),
        with("arcface", &json!({"class_margins": margins, "sub_centres": 2}), classes),
        with("elasticface-cos", &json!({"class_margins": margins, "scale": 8.0}), classes),
        with("mv-softmax", &json!({"class_margins": margins, "scale": 8.0}), classes),
        with("am-softmax", &json!({"label_smoothing": 0.1}), classes),
        with("softmax", &json!({"label_smoothing": 0.1, "sub_centres": 2}), classes),
        with("combined-margin", &json!({"angle_multiplier": 1.35}), classes),
        with("sphereface", &json!({"lambda": 5.0}), classes),
        with("mv-softmax", &json!({"target": "arc"}), classes),
        with("adaface", &json!({"concentration": 20.0}), classes),
        with("magface", &json!({"norms": [1.0, 4.0]}), classes),
        with("sphereface2", &json!({"sub_centres": 2}), classes),
        with("inter-top-k", &json!({"count": 1}), classes),
    ]);
    all
}

/// A smaller scale, so that differences of a step are not lost in the third derivative.
fn gentle(name: &str, classes: usize) -> ClassObjective {
    let takes_scale = with(name, &json!({}), classes).score().is_cosine();
    with(name, &if takes_scale { json!({"scale": 8.0}) } else { json!({}) }, classes)
}

#[test]
fn gradients_are_those_of_the_loss() {
    let (batch, classes, dim) = (5, 4, 3);
    let labels = [0, 3, 1, 1, 2];
    let gentle = ClassObjective::names().map(|name| gentle(name, classes));
    for objective in gentle.chain(all(classes)) {
        // CurricularFace's and AdaFace's statistics, and a dynamic scale, are constants of the batch by definition
        let frozen = ["curricularface", "adaface", "adacos-dynamic"].contains(&objective.name());
        if frozen {
            continue;
        }
        let centres_count = classes * objective.sub_centres() * dim;
        for seed in 0..3 {
            let features: Vec<f64> = values(batch * dim, seed).iter().map(|value| value * 2.0).collect();
            let centres = values(centres_count, seed + 1000);
            let run = |features: &[f64], centres: &[f64]| {
                let centres = view(centres, centres.len() / dim, dim);
                let options = EvaluateOptions::default();
                objective.evaluate(view(features, batch, dim), centres, &labels, &options).expect("finite")
            };
            let out = run(&features, &centres);
            let expected = differences(&features, |features| run(features, &centres).loss);
            assert_close(&out.grad_features, &expected, DIFFERENCES, &format!("{objective}: features"));
            let expected = differences(&centres, |centres| run(&features, centres).loss);
            assert_close(&out.grad_centres, &expected, DIFFERENCES, &format!("{objective}: centres"));
            if let (Some((name, found)), Some((_, value))) = (out.grad_learnt, objective.learnt()) {
                let of = |value: &[f64]| {
                    let mut moved = objective.clone();
                    moved.set_learnt(value[0]).expect("finite");
                    let (features, centres) =
                        (view(&features, batch, dim), view(&centres, classes * objective.sub_centres(), dim));
                    moved
                        .evaluate(features, centres, &labels, &EvaluateOptions::default())
                        .expect("finite")
                        .loss
                };
                assert_close(
                    &[found],
                    &differences(&[value], of),
                    DIFFERENCES,
                    &format!("{objective}: {name}"),
                );
            }
        }
    }
}

/// Objectives whose statistics are constants of the batch: the gradient with fixed statistics.
#[test]
fn gradients_with_frozen_statistics_are_those_of_the_loss() {
    let (batch, classes, dim) = (5, 4, 3);
    let labels = [0, 3, 1, 1, 2];
    for name in ["curricularface", "adaface", "adacos-dynamic"] {
        let objective = gentle(name, classes);
        let features: Vec<f64> = values(batch * dim, 7).iter().map(|value| value * 2.0).collect();
        let centres = values(classes * dim, 70);
        let centres = view(&centres, classes, dim);
        let out = objective
            .evaluate(view(&features, batch, dim), centres, &labels, &EvaluateOptions::default())
            .expect("finite");
        // The points of this batch, fixed while the features change.
        let facts = facts(&objective, &features, centres, &labels);
        let points = objective.points(&facts.view(&labels)).expect("in range");
        let held = |features: &[f64]| -> f64 {
            let units: Vec<Vec<f64>> = features.chunks(dim).map(unit).collect();
            let losses = units.iter().zip(&labels).enumerate().map(|(sample, (unit_x, &label))| {
                let mut row: Vec<f64> =
                    (0..classes).map(|class| dot(unit_x, &unit(centres.row(class)))).collect();
                let target = row[label as usize];
                let mut pass = points.point(sample).row_pass_at(label as usize, target, 1.0);
                pass.observe(0, &row);
                let outcome = pass.finish();
                outcome.gradient(0, &mut row);
                outcome.loss
            });
            losses.sum::<f64>() / batch as f64
        };
        assert!((held(&features) - out.loss).abs() < ROUNDING * 100.0, "{name}");
        assert_close(&out.grad_features, &differences(&features, held), DIFFERENCES, name);
    }
}

struct Facts {
    norms: Vec<f64>,
    cosines: Vec<f64>,
    partitions: Option<Vec<f64>>,
}

impl Facts {
    fn view<'a>(&'a self, labels: &'a [u32]) -> BatchFacts<'a> {
        BatchFacts {
            labels,
            feature_norms: &self.norms,
            target_cosines: &self.cosines,
            log_partitions: self.partitions.as_deref(),
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn unit(row: &[f64]) -> Vec<f64> {
    let norm = dot(row, row).sqrt();
    row.iter().map(|value| value / norm).collect()
}

fn facts(objective: &ClassObjective, features: &[f64], centres: MatRef<'_, f64>, labels: &[u32]) -> Facts {
    let rows: Vec<&[f64]> = features.chunks(centres.cols()).collect();
    let cosine = |row: &[f64], class: usize| dot(&unit(row), &unit(centres.row(class)));
    Facts {
        norms: rows.iter().map(|row| dot(row, row).sqrt()).collect(),
        cosines: rows.iter().zip(labels).map(|(row, &label)| cosine(row, label as usize)).collect(),
        partitions: objective.wants_partitions().map(|scale| {
            let others = |row: &[f64], label: u32| {
                let others = (0..centres.rows()).filter(move |&class| class != label as usize);
                others.map(|class| (scale * cosine(row, class)).exp()).sum::<f64>().ln()
            };
            rows.iter().zip(labels).map(|(row, &label)| others(row, label)).collect()
        }),
    }
}

#[test]
fn the_next_state_is_that_of_the_reference() {
    let text = include_str!("../../fixtures/variants.json");
    let file = ReferenceFile::parse(text).expect("reference values");
    let raw: Value = serde_json::from_str(text).expect("JSON");
    let rows = |value: &Value| -> Vec<f64> {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).expect("rows");
        rows.concat()
    };
    let labels: Vec<u32> = serde_json::from_value(raw["labels"].clone()).expect("labels");
    let features = rows(&raw["features"]);
    let dim = features.len() / labels.len();
    let mut seen = 0;
    for (case, raw) in file.cases().iter().zip(raw["cases"].as_array().expect("cases")) {
        let Some(expected) = raw["next_state"].as_object() else { continue };
        let centres = rows(&raw["weights"]);
        let classes = centres.len() / dim;
        let objective = with(case.name(), &Value::Object(case.parameters()), classes);
        let out = objective
            .evaluate(
                view(&features, labels.len(), dim),
                view(&centres, classes, dim),
                &labels,
                &EvaluateOptions::default(),
            )
            .expect("finite");
        let found: Map<String, Value> =
            serde_json::from_value(serde_json::to_value(out.next_state).expect("plain")).expect("an object");
        for (key, expected) in expected {
            let (found, expected) =
                (found[key].as_f64().expect("a number"), expected.as_f64().expect("a number"));
            assert!(
                (found - expected).abs() <= 1e-12 * expected.abs(),
                "{} {key}: {found} {expected}",
                case.name()
            );
            seen += 1;
        }
        assert_eq!(out.next_state.step, 1);
    }
    assert_eq!(seen, 6);
}

#[test]
fn a_restored_state_continues_as_if_uninterrupted() {
    let (batch, classes, dim) = (6, 5, 4);
    let labels = [0, 3, 1, 1, 2, 4];
    for mut objective in all(classes) {
        let mut restored = objective.clone();
        let centres = values(classes * objective.sub_centres() * dim, 5);
        let centres = view(&centres, classes * objective.sub_centres(), dim);
        for step in 0..4 {
            let features = values(batch * dim, step);
            let features = view(&features, batch, dim);
            let run = |objective: &ClassObjective| {
                objective.evaluate(features, centres, &labels, &EvaluateOptions::default()).expect("finite")
            };
            let (straight, resumed) = (run(&objective), run(&restored));
            assert_eq!(straight, resumed, "{objective}");
            objective.commit(straight.next_state).expect("in range");
            // through a file, into a new objective
            let text = serde_json::to_string(objective.state()).expect("plain data");
            let state: ClassState = serde_json::from_str(&text).expect("just written");
            restored =
                all(classes).into_iter().find(|o| o.to_string() == restored.to_string()).expect("one of all");
            restored.commit(state).expect("in range");
        }
    }
    let mut objective = with("adaface", &json!({}), 3);
    let bad = ClassState { norm_deviation: f64::NAN, ..*objective.state() };
    assert!(objective.commit(bad).is_err());
}

#[test]
fn any_tile_size_gives_the_same_result() {
    let classes = 9;
    let row = values(classes, 3);
    for objective in all(classes) {
        let facts = BatchFacts {
            labels: &[4],
            feature_norms: &[1.5],
            target_cosines: &[row[4]],
            log_partitions: Some(&[2.0]),
        };
        let points = objective.points(&facts).expect("in range");
        let whole = {
            let mut pass = points.point(0).row_pass_at(4, row[4], 1.0);
            pass.observe(0, &row);
            let outcome = pass.finish();
            let mut gradient = row.clone();
            outcome.gradient(0, &mut gradient);
            (outcome.loss, gradient)
        };
        for cut in 1..classes {
            let mut pass = points.point(0).row_pass_at(4, row[4], 1.0);
            pass.observe(0, &row[..cut]);
            pass.observe(cut, &row[cut..]);
            let outcome = pass.finish();
            let mut gradient = row.clone();
            let (left, right) = gradient.split_at_mut(cut);
            outcome.gradient(0, left);
            outcome.gradient(cut, right);
            assert!(
                (outcome.loss - whole.0).abs() <= ROUNDING * (1.0 + whole.0.abs()),
                "{objective} cut at {cut}"
            );
            let largest = whole.1.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
            for (found, expected) in gradient.iter().zip(&whole.1) {
                assert!((found - expected).abs() <= ROUNDING * largest, "{objective} cut at {cut}");
            }
        }
    }
}

fn finite<T: Real>(objective: &ClassObjective, features: &[T], centres: &[T], labels: &[u32], dim: usize) {
    let out = objective
        .evaluate(
            view(features, labels.len(), dim),
            view(centres, centres.len() / dim, dim),
            labels,
            &EvaluateOptions::default(),
        )
        .unwrap_or_else(|error| panic!("{objective}: {error}"));
    let all = out.grad_features.iter().chain(&out.grad_centres).chain([&out.loss]);
    assert!(all.into_iter().all(|value| value.is_finite()), "{objective}");
    out.next_state.validate().unwrap_or_else(|error| panic!("{objective}: {error}"));
}

#[test]
fn the_ends_of_the_cosine_two_classes_and_one_class_are_finite() {
    for scale in [1.0, 256.0] {
        for name in ClassObjective::names() {
            let plain = with(name, &json!({}), 2);
            let cosine = plain.score().is_cosine();
            let objective = if cosine { with(name, &json!({"scale": scale}), 2) } else { plain };
            // targets at cos = +-1 within 1e-12, all samples of one class, equal rows
            let features = [1.0, 1e-12, -1.0, 1e-12, 1.0, 0.0, -1.0, 0.0];
            let each = objective.sub_centres();
            let centres: Vec<f64> = [[1.0, 0.0], [-1.0, 0.0]].iter().flat_map(|c| c.repeat(each)).collect();
            for labels in [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]] {
                finite(&objective, &features, &centres, &labels, 2);
                let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
                finite(&objective, &narrow(&features), &narrow(&centres), &labels, 2);
            }
        }
    }
}

#[test]
fn large_batches_and_scores_in_f32_stay_finite() {
    let (batch, classes, dim) = (4096, 1000, 2);
    let narrow =
        |values: Vec<f64>, by: f64| values.iter().map(|value| (by * value) as f32).collect::<Vec<f32>>();
    let labels: Vec<u32> = (0..batch as u32).map(|sample| sample * 7 % classes as u32).collect();
    for objective in all(classes) {
        // scores of 1e4 where the norm counts
        let features = narrow(values(batch * dim, 1), 1e4);
        let centres = narrow(values(classes * objective.sub_centres() * dim, 2), 1.0);
        finite(&objective, &features, &centres, &labels, dim);
    }
}

#[test]
fn ignored_samples_have_no_effect() {
    let (classes, dim) = (4, 3);
    let (features, centres) = (values(5 * dim, 1), values(classes * dim, 2));
    let centres = view(&centres, classes, dim);
    for name in ["am-softmax", "curricularface", "adaface", "magface", "sphereface2", "hinge-sum"] {
        let ignoring = with(name, &json!({"ignore_label": 255}), classes);
        let run = |objective: &ClassObjective, features: &[f64], labels: &[u32]| {
            let features = view(features, labels.len(), dim);
            objective.evaluate(features, centres, labels, &EvaluateOptions::default()).expect("finite")
        };
        let with_ignored = run(&ignoring, &features, &[1, 255, 3, 0, 255]);
        let kept: Vec<f64> =
            [0, 2, 3].iter().flat_map(|row| features[row * dim..(row + 1) * dim].to_vec()).collect();
        let without = run(&with(name, &json!({}), classes), &kept, &[1, 3, 0]);
        assert!((with_ignored.loss - without.loss).abs() < 1e-12, "{name}");
        assert_eq!(with_ignored.diagnostics.samples, 3);
        assert_eq!(with_ignored.losses[1], 0.0);
        assert!(with_ignored.grad_features[dim..2 * dim].iter().all(|value| *value == 0.0));
        let none = run(&ignoring, &features[..2 * dim], &[255, 255]);
        assert_eq!((none.loss, none.grad_centres.iter().all(|value| *value == 0.0)), (0.0, true));
    }
}

#[test]
fn a_margin_share_of_zero_is_the_objective_without_margin() {
    let (classes, dim) = (5, 3);
    let (features, centres) = (values(4 * dim, 1), values(classes * dim, 2));
    let loss = |objective: &ClassObjective| {
        let (features, centres) = (view(&features, 4, dim), view(&centres, classes, dim));
        objective
            .evaluate(features, centres, &[0, 4, 2, 2], &EvaluateOptions::default())
            .expect("finite")
            .loss
    };
    let margins = json!({"scale": 20.0, "class_margins": [0.1, 0.2, 0.3, 0.4, 0.5]});
    for mut objective in [
        with("arcface", &json!({"scale": 20.0}), classes),
        with("combined-margin", &json!({"scale": 20.0}), classes),
        with("adaface", &json!({"scale": 20.0}), classes),
        with("elasticface-cos", &json!({"scale": 20.0}), classes),
        with("am-softmax", &margins, classes),
    ] {
        let full = loss(&objective);
        objective.set_margin_share(0.0);
        let none = loss(&objective);
        let normalised = loss(&with("normalized-softmax", &json!({"scale": 20.0}), classes));
        assert!((none - normalised).abs() < 1e-12 * normalised, "{objective}: {none} {normalised}");
        objective.set_margin_share(1.0);
        assert_eq!(loss(&objective), full, "{objective}");
        assert!(full > none, "{objective}");
    }
}

#[test]
fn drawn_margins_follow_seed_and_step() {
    let facts = BatchFacts {
        labels: &[0; 400],
        feature_norms: &[1.0; 400],
        target_cosines: &[0.5; 400],
        log_partitions: None,
    };
    let drawn = |objective: &ClassObjective| -> Vec<f64> {
        let points = objective.points(&facts).expect("in range");
        (0..400).map(|sample| points.point(sample).margin()).collect()
    };
    let objective = with("elasticface-arc", &json!({"deviation": 0.05, "seed": 3}), 10);
    let first = drawn(&objective);
    assert_eq!(first, drawn(&objective), "the same step");
    let mean = first.iter().sum::<f64>() / 400.0;
    let deviation = (first.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 399.0).sqrt();
    // four standard errors
    assert!((mean - 0.5).abs() < 4.0 * 0.05 / 20.0 && (deviation - 0.05).abs() < 0.008, "{mean} {deviation}");
    let mut later = objective.clone();
    later.commit(objective.points(&facts).expect("in range").next_state()).expect("in range");
    assert_ne!(first, drawn(&later), "another step");
    assert_ne!(first, drawn(&with("elasticface-arc", &json!({"deviation": 0.05, "seed": 4}), 10)));
}

#[test]
fn invalid_inputs_are_rejected_with_details() {
    let refused = |name: &str, parameters: Value, classes: usize| {
        let parameters: Parameters = parameters.as_object().expect("an object").clone();
        ClassObjective::from_name(name, &parameters, classes).expect_err(name)
    };
    let error = refused("am-softmax", json!({"class_margins": [0.1, 0.2]}), 3);
    assert_eq!(error, Error::Count { what: "class margins", found: 2, expected: 3 });
    let margins = json!({"class_margins": [0.1, 0.2]});
    assert!(matches!(refused("hinge-max", margins.clone(), 2), Error::Incompatible { .. }));
    for (name, parameters, unknown) in [
        ("softmax", margins, "class_margins"),
        ("hinge-max", json!({"label_smoothing": 0.1}), "label_smoothing"),
        ("curricularface", json!({"label_smoothing": 0.1}), "label_smoothing"),
        ("adaface", json!({"emphasis": 0.1}), "emphasis"),
    ] {
        let error = refused(name, parameters, 2);
        assert!(matches!(error, Error::UnknownParameter { .. }), "{name}: {error}");
        assert_eq!(error.parameter(), Some(unknown));
        assert!(error.to_string().contains(name), "{error}");
    }
    for (name, parameters) in [
        ("sphereface", json!({"margin": 2.5})),
        ("curricularface", json!({"margin": 28.6})),
        ("adaface", json!({"concentration": 0.0})),
        ("magface", json!({"norms": [10.0, 5.0]})),
        ("magface", json!({"norms": [10.0, 10.0]})),
        ("inter-top-k", json!({"count": 0})),
        ("inter-top-k", json!({"count": 1.5})),
        ("sphereface2", json!({"balance": 1.0})),
        ("arcface", json!({"sub_centres": 0})),
        ("arcface", json!({"margin": "0.5"})),
        ("arcface", json!({"easy_margin": 1})),
        ("mv-softmax", json!({"target": "cosine"})),
        ("mv-softmax", json!({"target": "arc", "margin": 1.7})),
        ("normface", json!({"scale": -1.0})),
    ] {
        let error = refused(name, parameters.clone(), 4);
        let out_of_range = matches!(error, Error::OutOfRange { .. } | Error::BadParameter { .. });
        assert!(out_of_range, "{name} {parameters}: {error}");
    }

    let objective = with("sub-centre", &json!({}), 4);
    let (features, centres) = (values(6, 1), values(24, 2));
    let error = objective
        .evaluate(view(&features, 2, 3), view(&centres, 8, 3), &[0, 1], &EvaluateOptions::default())
        .expect_err("eight centres");
    assert_eq!(error, Error::Count { what: "class centres", found: 8, expected: 12 });
    let mut fixed = with("am-softmax", &json!({}), 4);
    assert!(fixed.set_learnt(1.0).is_err());
    assert!(with("normface", &json!({}), 4).set_learnt(f64::NAN).is_err());
}

/// Two classes far from every sample except their own: the average of the rule is below 1 and its logarithm negative.
#[test]
fn a_dynamic_scale_stays_within_its_bounds() {
    let mut objective = with("adacos-dynamic", &json!({}), 2);
    for step in 0..50 {
        let (x, w) = ([1.0_f64, 0.0, -1.0, 0.01], [1.0_f64, 0.0, -1.0, 0.0]);
        let options = EvaluateOptions::default();
        let out = objective.evaluate(view(&x, 2, 2), view(&w, 2, 2), &[0, 1], &options).expect("in range");
        assert!(out.loss.is_finite() && out.grad_features.iter().all(|value| value.is_finite()), "{step}");
        objective.commit(out.next_state).expect("in range");
        assert!((1.0..=1000.0).contains(&objective.state().scale), "{step}: {:?}", objective.state());
    }
    assert_eq!(objective.state().scale, 1.0, "the bound is what holds it");
}

/// The margin of AM-Softmax, written by hand, gives what AM-Softmax gives, in every way of computing it.
#[test]
fn a_custom_margin_gives_the_built_in_values_and_gradients() {
    let (batch, classes, dim) = (6, 5, 4);
    let labels = [0, 3, 1, 1, 2, 4];
    let built_in = Objective::am_softmax(20.0, 0.35).expect("in range");
    let custom = built_in_with(&built_in, super::custom_am(0.35));
    let (features, centres) = (values(batch * dim, 1), values(classes * dim, 2));
    let (features, centres) = (view(&features, batch, dim), view(&centres, classes, dim));
    for share in [0.0, 0.4, 1.0] {
        let run = |objective: &Objective| {
            let mut objective = ClassObjective::from(objective.clone());
            objective.set_margin_share(share);
            objective.evaluate(features, centres, &labels, &EvaluateOptions::default()).expect("finite")
        };
        let (found, expected) = (run(&custom), run(&built_in));
        assert_close(&found.losses, &expected.losses, ROUNDING, "losses");
        assert_close(&found.grad_features, &expected.grad_features, ROUNDING, "features");
        assert_close(&found.grad_centres, &expected.grad_centres, ROUNDING, "centres");
    }
    // row by row, as in a head
    let (mut a, mut b) = (values(classes, 3), values(classes, 3));
    let (found, expected) = (custom.row(&mut a, 2), built_in.row(&mut b, 2));
    assert!((found.loss - expected.loss).abs() < ROUNDING);
    assert_close(&a, &b, ROUNDING, "row");
}

/// On dot products a custom margin receives the dot product itself.
#[test]
fn a_custom_margin_on_dot_products_is_one_in_score() {
    let custom = built_in_with(&Objective::softmax(), super::custom_am(0.5));
    let built_in = Objective::family().margin(Margin::additive(0.5)).build().expect("in range");
    let (features, centres) = (values(12, 4), values(9, 5));
    let run = |objective: &Objective| {
        objective.evaluate(view(&features, 4, 3), view(&centres, 3, 3), &[0, 1, 2, 1]).expect("finite")
    };
    let (found, expected) = (run(&custom), run(&built_in));
    assert_close(&found.losses, &expected.losses, ROUNDING, "losses");
    assert_close(&found.grad_features, &expected.grad_features, ROUNDING, "features");
    assert_close(&found.grad_centres, &expected.grad_centres, ROUNDING, "centres");
}

fn built_in_with(objective: &Objective, margin: Margin) -> Objective {
    crate::ObjectiveBuilder::from(objective.clone()).margin(margin).build().expect("in range")
}
