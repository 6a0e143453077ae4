//! The page's JavaScript module of the objectives against the crate, at thousands of random points.
//!
//! The points and what the crate makes of them are computed here; `node` runs the module on the same points. Both work in `f64`
//! and differ in the order of a few sums and in the last digit of `exp` and `log`: 1e-9 relative is room for that.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]

use std::io::Write;
use std::process::{Command, Stdio};

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use widemargin_objective::suggest::{adacos_fixed_scale, loss_floor, margin_bound};
use widemargin_objective::{AnyObjective, Evaluation, MatRef, Reduction, suggest};

const MODULE: &str = include_str!("../page/objectives.js");
/// Reads cases from standard input's second half, prints what the module makes of them.
const DRIVER: &str = r#"
const { readFileSync } = await import("node:fs");
const { cases, bounds } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const evaluated = cases.map(({ name, parameters, features, weights, labels }) => evaluate(objective(name, parameters), features, weights, labels));
const bounded = bounds.map(({ classes, dim, probability, scale, margin }) => ({
  floor: lossFloor(classes, scale, margin),
  adacos: adacosScale(classes),
  margin: marginBound(classes, dim),
  suggested: suggest(classes, dim, probability),
}));
console.log(JSON.stringify({ evaluated, bounded, names: NAMES }));
"#;
const TOLERANCE: f64 = 1e-9;
const POINTS_A_NAME: usize = 400;
const BOUNDS: usize = 2000;

/// What is random about an objective.
fn parameters(name: &str, chance: &mut ChaCha8Rng) -> Map<String, Value> {
    let mut given = Map::new();
    let mut give = |key: &str, value: Value| {
        given.insert(key.to_owned(), value);
    };
    let scale = 10_f64.powf(chance.random_range(0.0..1.9));
    match name {
        "hinge-sum" | "hinge-max" | "lse-hinge" | "softplus-lse" | "hinge-sum-margin" => {
            if chance.random_bool(0.7) {
                give("margin", json!(chance.random_range(0.01..2.0)));
            }
        }
        "softmax" | "tempered-softmax" => {
            give("temperature", json!(10_f64.powf(chance.random_range(-1.5..1.0))));
        }
        "normalized-softmax" => give("scale", json!(scale)),
        "am-softmax" | "cosface" => {
            give("scale", json!(scale));
            give("margin", json!(chance.random_range(0.0..1.0)));
        }
        "arcface" => {
            give("scale", json!(scale));
            give("margin", json!(chance.random_range(0.0..1.5)));
            give("easy_margin", json!(chance.random_bool(0.3)));
        }
        "combined-margin" => {
            give("scale", json!(scale));
            let multiplier = if chance.random_bool(0.5) { 1.0 } else { chance.random_range(1.0..2.0) };
            give("angle_multiplier", json!(multiplier));
            give("angle_margin", json!(chance.random_range(0.0..1.0)));
            give("cosine_margin", json!(chance.random_range(0.0..0.5)));
        }
        "sphereface" => {
            give("scale", json!(chance.random_range(0.5..10.0)));
            give("margin", json!(chance.random_range(1..=6)));
            give("lambda", json!(chance.random_range(0.0..5.0)));
        }
        other => panic!("the module knows {other}, this test does not"),
    }
    given
}

fn rows(count: usize, dim: usize, size: f64, chance: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    (0..count).map(|_| (0..dim).map(|_| chance.random_range(-size..size)).collect()).collect()
}

/// The same number up to rounding. Gradients are sums of terms as large as `size`, so that much rounding is allowed.
fn close(found: f64, wanted: f64, size: f64) -> bool {
    (found - wanted).abs() <= TOLERANCE * wanted.abs().max(size)
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap_or_else(|| panic!("found {other}, wanted a number"))],
    }
}

#[test]
fn the_module_agrees_with_the_crate() {
    let names = [
        "hinge-sum",
        "hinge-sum-margin",
        "hinge-max",
        "lse-hinge",
        "softplus-lse",
        "softmax",
        "tempered-softmax",
        "normalized-softmax",
        "am-softmax",
        "cosface",
        "arcface",
        "combined-margin",
        "sphereface",
    ];
    let mut chance = ChaCha8Rng::seed_from_u64(20_261_124);
    let mut cases = Vec::new();
    let mut wanted = Vec::new();
    for name in names {
        for nth in 0..POINTS_A_NAME {
            // in one dimension every cosine is 1 or -1, and which of equals is larger is a matter of rounding
            let dim = chance.random_range(if name.contains("hinge") { 1 } else { 2 }..=5);
            let classes = if nth % 40 == 0 { 1 } else { chance.random_range(2..=12) };
            let batch = chance.random_range(1..=4);
            // now and then scores so large that a plain exponential would overflow
            let size = if nth % 10 == 0 { 60.0 } else { 2.0 };
            let features = rows(batch, dim, size, &mut chance);
            let weights = rows(classes, dim, size, &mut chance);
            let labels: Vec<u32> = (0..batch).map(|_| chance.random_range(0..classes as u32)).collect();
            let given = parameters(name, &mut chance);
            let objective = AnyObjective::from_name(name, &given, classes).expect("parameters in range");
            let (flat_features, flat_weights) = (features.concat(), weights.concat());
            let found = objective
                .evaluate(
                    MatRef::new(&flat_features, batch, dim).expect("whole rows"),
                    Some(MatRef::new(&flat_weights, classes, dim).expect("whole rows")),
                    &labels,
                    Reduction::Mean,
                )
                .expect("finite numbers");
            cases.push(json!({ "name": name, "parameters": given, "features": features, "weights": weights, "labels": labels }));
            wanted.push(found);
        }
    }
    let bounds: Vec<(usize, usize, f64, f64, f64)> = (0..BOUNDS)
        .map(|_| {
            let classes = 10_f64.powf(chance.random_range(0.31..6.0)).round() as usize;
            let dim = 10_f64.powf(chance.random_range(0.0..3.0)).round() as usize;
            (
                classes.max(2),
                dim,
                chance.random_range(0.01..0.999),
                chance.random_range(0.1..128.0),
                chance.random_range(0.0..1.2),
            )
        })
        .collect();
    let asked: Vec<Value> = bounds
        .iter()
        .map(|(classes, dim, probability, scale, margin)| {
            json!({ "classes": classes, "dim": dim, "probability": probability, "scale": scale, "margin": margin })
        })
        .collect();

    let Some(answer) = run_module(&json!({ "cases": cases, "bounds": asked }).to_string()) else { return };
    assert_eq!(answer["names"], json!(names), "every name of the module is compared");
    for ((case, wanted), found) in
        cases.iter().zip(&wanted).zip(answer["evaluated"].as_array().expect("a list"))
    {
        let Evaluation::Classes(wanted) = wanted else { panic!("an objective against class centres") };
        let diagnostics = wanted.diagnostics;
        let number =
            |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("no {key} in {found} for {case}"));
        for (key, wanted) in [
            ("loss", wanted.loss),
            ("push", diagnostics.mean_push),
            ("effective", diagnostics.effective_competitors),
            ("targetCosine", diagnostics.mean_target_cosine),
            ("marginMet", diagnostics.margin_met),
            ("accuracy", diagnostics.accuracy),
        ] {
            assert!(close(number(key), wanted, 1.0), "{key}: found {}, wanted {wanted}: {case}", number(key));
        }
        let gradients = [
            ("losses", &wanted.losses),
            ("gradFeatures", &wanted.grad_features),
            ("gradWeights", &wanted.grad_centres),
        ];
        for (key, wanted) in gradients {
            let found = numbers(&found[key]);
            assert_eq!(found.len(), wanted.len(), "{key}: {case}");
            let size = wanted.iter().fold(1.0, |size: f64, value| size.max(value.abs()));
            for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                assert!(close(*found, *wanted, size), "{key} {at}: found {found}, wanted {wanted}: {case}");
            }
        }
    }
    for ((bound, asked), found) in
        bounds.iter().zip(&asked).zip(answer["bounded"].as_array().expect("a list"))
    {
        let (classes, dim, probability, scale, margin) = *bound;
        let suggested = suggest::suggest(classes, dim, probability).expect("in range");
        let wanted = [
            ("/floor", Some(loss_floor(classes, scale, margin))),
            ("/adacos", Some(adacos_fixed_scale(classes))),
            ("/margin/largest", Some(margin_bound(classes, dim).largest)),
            ("/suggested/scale", Some(suggested.scale)),
            ("/suggested/margin", Some(suggested.margin)),
            ("/suggested/angleMargin", Some(suggested.angle_margin)),
            ("/suggested/bound/largest", Some(suggested.margin_bound.largest)),
            ("/suggested/scaleWithoutMargin", Some(suggested.scale_without_margin)),
            ("/suggested/scaleWithMargin", suggested.scale_with_margin),
            ("/suggested/adacosScale", Some(suggested.adacos_scale)),
            ("/suggested/lossFloor", Some(suggested.loss_floor)),
        ];
        for (key, wanted) in wanted {
            let found = found.pointer(key).unwrap_or_else(|| panic!("no {key}: {found}")).as_f64();
            let same = match (found, wanted) {
                (Some(found), Some(wanted)) => close(found, wanted, wanted.abs().max(1e-300)),
                (found, wanted) => found.is_none() && wanted.is_none(),
            };
            assert!(same, "{key}: found {found:?}, wanted {wanted:?}: {asked}");
        }
        for (key, wanted) in [
            ("/margin/attained", margin_bound(classes, dim).attained),
            ("/suggested/reachesTarget", suggested.reaches_target),
        ] {
            assert_eq!(found.pointer(key).and_then(Value::as_bool), Some(wanted), "{key}: {asked}");
        }
    }
}

/// What the module says; `None` on a machine without Node.js, unless the environment says that it must be there.
fn run_module(cases: &str) -> Option<Value> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(cases.as_bytes()).expect("written");
    let started = Command::new("node")
        .args(["--input-type=module", "-"])
        .arg(file.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut node = match started {
        Ok(node) => node,
        Err(error) => {
            assert!(std::env::var_os("WIDEMARGIN_NODE").is_none(), "node cannot be started: {error}");
            eprintln!("SKIPPED: the page's module is not compared, node cannot be started: {error}");
            return None;
        }
    };
    let script = format!("{MODULE}\n{DRIVER}");
    node.stdin.take().expect("piped").write_all(script.as_bytes()).expect("node reads its script");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node failed; what it said stands above");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
