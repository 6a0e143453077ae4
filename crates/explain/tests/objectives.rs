//! Compares the page's JavaScript objectives with the crate at thousands of random points.
//!
//! This file draws the points and evaluates them with the crate; `node` evaluates the same points with the page's module. Both
//! use `f64` and differ only in the order of a few sums and in the last digit of `exp` and `log`. The tolerance of 1e-9 relative
//! covers that.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![expect(clippy::print_stderr, reason = "a test that did not run says so")]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use widemargin_chance::{Purpose, Stream};
use widemargin_objective::suggest::{adacos_fixed_scale, loss_floor, margin_bound};
use widemargin_objective::{AnyEvaluation, AnyObjective, MatRef, Reduction, suggest};

const MODULE: &str = include_str!("../page/objectives.js");
/// Appended to the module: reads the cases from a file and prints the module's results.
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
const POINTS_PER_NAME: usize = 400;
const BOUNDS: usize = 2000;

/// A number in `[low, high)`.
fn between(low: f64, high: f64, stream: &mut Stream) -> f64 {
    low + (high - low) * stream.unit_f64()
}

/// Random parameters of an objective.
fn parameters(name: &str, stream: &mut Stream) -> Map<String, Value> {
    let mut given = Map::new();
    let mut give = |key: &str, value: Value| {
        given.insert(key.to_owned(), value);
    };
    let scale = 10_f64.powf(between(0.0, 1.9, stream));
    match name {
        "hinge-sum" | "hinge-max" | "lse-hinge" | "softplus-lse" | "hinge-sum-margin" => {
            if stream.unit_f64() < 0.7 {
                give("margin", json!(between(0.01, 2.0, stream)));
            }
        }
        "softmax" | "tempered-softmax" => {
            give("temperature", json!(10_f64.powf(between(-1.5, 1.0, stream))));
        }
        "normalized-softmax" => give("scale", json!(scale)),
        "am-softmax" | "cosface" => {
            give("scale", json!(scale));
            give("margin", json!(between(0.0, 1.0, stream)));
        }
        "arcface" => {
            give("scale", json!(scale));
            give("margin", json!(between(0.0, 1.5, stream)));
            give("easy_margin", json!(stream.unit_f64() < 0.3));
        }
        "combined-margin" => {
            give("scale", json!(scale));
            let multiplier = if stream.unit_f64() < 0.5 { 1.0 } else { between(1.0, 2.0, stream) };
            give("angle_multiplier", json!(multiplier));
            give("angle_margin", json!(between(0.0, 1.0, stream)));
            give("cosine_margin", json!(between(0.0, 0.5, stream)));
        }
        "sphereface" => {
            give("scale", json!(between(0.5, 10.0, stream)));
            give("margin", json!(1 + stream.below(6)));
            give("lambda", json!(between(0.0, 5.0, stream)));
        }
        other => panic!("this test has no parameters for {other}"),
    }
    given
}

fn rows(count: usize, dim: usize, size: f64, stream: &mut Stream) -> Vec<Vec<f64>> {
    (0..count).map(|_| (0..dim).map(|_| between(-size, size, stream)).collect()).collect()
}

/// Whether two numbers are equal up to rounding. A gradient is a sum of terms up to `size`, so it may be off by as much as
/// rounding those terms.
fn close(found: f64, expected: f64, size: f64) -> bool {
    (found - expected).abs() <= TOLERANCE * expected.abs().max(size)
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap_or_else(|| panic!("found {other}, expected a number"))],
    }
}

#[test]
fn the_page_computes_the_same_objectives_as_the_crate() {
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
    let mut stream = Stream::new(20_261_124, Purpose::Test, 0, 0);
    let mut cases = Vec::new();
    let mut expected = Vec::new();
    for name in names {
        for nth in 0..POINTS_PER_NAME {
            // in one dimension every cosine is 1 or -1, and rounding decides which of two equal ones is larger
            let fewest = if name.contains("hinge") { 1 } else { 2 };
            let dim = fewest + stream.below(6 - fewest);
            let classes = if nth % 40 == 0 { 1 } else { 2 + stream.below(11) };
            let batch = 1 + stream.below(4);
            // one point in ten has scores so large that a plain exponential overflows
            let size = if nth % 10 == 0 { 60.0 } else { 2.0 };
            let features = rows(batch, dim, size, &mut stream);
            let weights = rows(classes, dim, size, &mut stream);
            let labels: Vec<u32> = (0..batch).map(|_| stream.below(classes) as u32).collect();
            let given = parameters(name, &mut stream);
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
            expected.push(found);
        }
    }
    let bounds: Vec<(usize, usize, f64, f64, f64)> = (0..BOUNDS)
        .map(|_| {
            let classes = 10_f64.powf(between(0.31, 6.0, &mut stream)).round() as usize;
            let dim = 10_f64.powf(between(0.0, 3.0, &mut stream)).round() as usize;
            (
                classes.max(2),
                dim,
                between(0.01, 0.999, &mut stream),
                between(0.1, 128.0, &mut stream),
                between(0.0, 1.2, &mut stream),
            )
        })
        .collect();
    let requests: Vec<Value> = bounds
        .iter()
        .map(|(classes, dim, probability, scale, margin)| {
            json!({ "classes": classes, "dim": dim, "probability": probability, "scale": scale, "margin": margin })
        })
        .collect();

    let Some(answer) = run_module(&json!({ "cases": cases, "bounds": requests }).to_string()) else { return };
    assert_eq!(answer["names"], json!(names), "this test must cover every name of the module");
    for ((case, expected), found) in
        cases.iter().zip(&expected).zip(answer["evaluated"].as_array().expect("a list"))
    {
        let AnyEvaluation::Classes(expected) = expected else { panic!("an objective against class centres") };
        let diagnostics = expected.diagnostics;
        let number =
            |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("no {key} in {found} for {case}"));
        for (key, expected) in [
            ("loss", expected.loss),
            ("push", diagnostics.mean_push),
            ("effective", diagnostics.effective_competitors),
            ("targetCosine", diagnostics.mean_target_cosine),
            ("marginMet", diagnostics.margin_met),
            ("accuracy", diagnostics.accuracy),
        ] {
            assert!(
                close(number(key), expected, 1.0),
                "{key}: found {}, expected {expected}: {case}",
                number(key)
            );
        }
        let gradients = [
            ("losses", &expected.losses),
            ("gradFeatures", &expected.grad_features),
            ("gradWeights", &expected.grad_centres),
        ];
        for (key, expected) in gradients {
            let found = numbers(&found[key]);
            assert_eq!(found.len(), expected.len(), "{key}: {case}");
            let size = expected.iter().fold(1.0, |size: f64, value| size.max(value.abs()));
            for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert!(
                    close(*found, *expected, size),
                    "{key} {at}: found {found}, expected {expected}: {case}"
                );
            }
        }
    }
    for ((bound, request), found) in
        bounds.iter().zip(&requests).zip(answer["bounded"].as_array().expect("a list"))
    {
        let (classes, dim, probability, scale, margin) = *bound;
        let suggested = suggest::suggest(classes, dim, probability).expect("in range");
        let expected = [
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
        for (key, expected) in expected {
            let found = found.pointer(key).unwrap_or_else(|| panic!("no {key}: {found}")).as_f64();
            let same = match (found, expected) {
                (Some(found), Some(expected)) => close(found, expected, expected.abs().max(1e-300)),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(same, "{key}: found {found:?}, expected {expected:?}: {request}");
        }
        for (key, expected) in [
            ("/margin/attained", margin_bound(classes, dim).attained),
            ("/suggested/reachesTarget", suggested.reaches_target),
        ] {
            assert_eq!(found.pointer(key).and_then(Value::as_bool), Some(expected), "{key}: {request}");
        }
    }
}

/// The module's results, or `None` without Node.js. With `WIDEMARGIN_NODE=required` a missing Node.js fails the test.
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
            assert!(
                std::env::var_os("WIDEMARGIN_NODE").is_none_or(|value| value != "required"),
                "node cannot be started: {error}"
            );
            eprintln!("SKIPPED: the page's objectives were not compared: node cannot be started: {error}");
            return None;
        }
    };
    let script = format!("{MODULE}\n{DRIVER}");
    node.stdin.take().expect("piped").write_all(script.as_bytes()).expect("node reads its script");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node failed; its messages are above");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
