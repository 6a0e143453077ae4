//! Comparison with reference values of other frameworks.
//!
//! The file format is that of `fixtures/make_golden.py`: one JSON object with `features`, `weights` (class centres or proxies),
//! `labels`, and `cases`, each with `name`, `params`, `loss`, `grad_features` and `grad_weights` (`null` if the objective has no
//! weights). A case can have its own `weights`, `grad_learnt`, `next_state` (values of [`ClassState`](crate::ClassState) after the
//! batch) and `source`. A gradient has the shape of its tensor; its values can be `NaN`, `Infinity` and `-Infinity`, which are not
//! compared. The loss is finite.

use serde::Deserialize;
use serde_json::{Map, Value};

use widemargin_kernels::matrix::MatRef;

use crate::class::Reduction;
use crate::error::{Error, Result};
use crate::evaluate::{AnyEvaluation, AnyObjective};
use crate::pairs::PairObjective;
use crate::parameter::Parameters;
use crate::real::Real;

/// `torch.nn.functional.softplus` returns its argument above 20, which is off by `e^-20` in the loss and in a slope of 1.
const TORCH_SOFTPLUS: f64 = 2.2e-9;

/// Parameters that multiply a difference of two rounded numbers of size 1.
const SCALES: [&str; 6] = ["scale", "alpha", "beta", "gamma", "softmax_scale", "la"];

/// The error of `acos` of the cosine of two equal unit vectors, from the rounding of the cosine in `f64`.
const ANGLE_OF_EQUALS: f64 = 6e-8;

/// Parameters of a case that are only remarks.
const REMARKS: [&str; 3] = ["score", "note", "reducer"];

/// The fields of a case.
const FIELDS: [&str; 9] = [
    "name",
    "params",
    "loss",
    "grad_features",
    "grad_weights",
    "weights",
    "grad_learnt",
    "next_state",
    "source",
];

/// The text that stands for a number that is NaN or infinite, after [`without_undefined`].
const UNDEFINED: &str = "undefined";

/// A matrix of reference values; `None` for those that are NaN or infinite.
type Expected = Vec<Vec<Option<f64>>>;

/// Inputs, and the results of another framework for them.
#[derive(Clone, Debug)]
pub struct ReferenceFile {
    features: Vec<Vec<f64>>,
    weights: Vec<Vec<f64>>,
    labels: Vec<u32>,
    cases: Vec<ReferenceCase>,
}

/// The same before the cases are checked.
#[derive(Deserialize)]
struct Unchecked {
    features: Vec<Vec<f64>>,
    #[serde(default)]
    weights: Vec<Vec<f64>>,
    labels: Vec<u32>,
    cases: Vec<Map<String, Value>>,
}

/// One objective with its parameters, loss and gradients.
#[derive(Clone, Debug)]
pub struct ReferenceCase {
    name: String,
    params: Map<String, Value>,
    loss: f64,
    grad_features: Expected,
    grad_weights: Option<Expected>,
    weights: Option<Vec<Vec<f64>>>,
    grad_learnt: Map<String, Value>,
    /// Values of the state after the batch, by name.
    next_state: Vec<(String, f64)>,
}

/// Errors of a case: the largest error relative to the largest entry of the tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceErrors {
    /// Of the loss.
    pub loss: f64,
    /// Of the gradient with respect to the features.
    pub grad_features: f64,
    /// Of the gradient with respect to the weights; 0 without weights.
    pub grad_weights: f64,
    /// Of the gradient with respect to another learnt parameter; 0 without one.
    pub grad_learnt: f64,
    /// Of the state after the batch, if the case has one.
    pub next_state: Option<f64>,
    /// Values of the reference that are NaN or infinite and were not compared: other frameworks divide by zero if two vectors
    /// coincide.
    pub undefined: usize,
}

impl ReferenceErrors {
    /// The largest of them.
    pub fn largest(&self) -> f64 {
        let others = [self.grad_features, self.grad_parameters(), self.next_state.unwrap_or(0.0)];
        others.into_iter().fold(self.loss, larger)
    }

    /// The larger one of the gradients with respect to the weights and to another learnt parameter.
    pub fn grad_parameters(&self) -> f64 {
        larger(self.grad_weights, self.grad_learnt)
    }
}

impl ReferenceFile {
    /// Reads a file's text.
    ///
    /// Gradients can have `NaN`, `Infinity` and `-Infinity`, which Python writes but JSON does not allow.
    ///
    /// # Errors
    /// [`Error::ReferenceFile`] for text in another format, rows of different lengths, a file without cases, and a case with an unknown field,
    /// without a finite loss, or with a gradient of another shape than its tensor. [`Error::Count`] if there is not one label per feature.
    pub fn parse(text: &str) -> Result<Self> {
        let file: Unchecked = serde_json::from_str(&without_undefined(text))
            .map_err(|error| Error::ReferenceFile(error.to_string()))?;
        let dim = file.features.first().map_or(0, Vec::len);
        let all = file.features.iter().enumerate().map(|(row, values)| ("features", row, values));
        let weights = file.weights.iter().enumerate().map(|(row, values)| ("weights", row, values));
        for (what, row, values) in all.chain(weights) {
            if values.len() != dim {
                let found = values.len();
                return Err(Error::ReferenceFile(format!(
                    "row {row} of {what} has {found} values, expected {dim}"
                )));
            }
        }
        let (found, expected) = (file.labels.len(), file.features.len());
        if found != expected {
            return Err(Error::Count { what: "labels", found, expected });
        }
        let Unchecked { features, weights, labels, cases } = file;
        if cases.is_empty() {
            return Err(Error::ReferenceFile("`cases` is empty; give at least one case".to_owned()));
        }
        let shape = [features.len(), dim];
        let cases = cases.into_iter().enumerate().map(|(nth, fields)| {
            let name = fields.get("name").and_then(Value::as_str).map(|name| format!(" ({name})"));
            ReferenceCase::read(&fields, shape, weights.len()).map_err(|problem| {
                Error::ReferenceFile(format!("case {nth}{}: {problem}", name.unwrap_or_default()))
            })
        });
        let cases = cases.collect::<Result<_>>()?;
        Ok(Self { features, weights, labels, cases })
    }

    /// The cases, in the order of the file.
    pub fn cases(&self) -> &[ReferenceCase] {
        &self.cases
    }

    /// Evaluates a case in `T` and compares.
    ///
    /// # Errors
    /// An unknown name or parameter, or inputs that the objective rejects.
    pub fn compare<T: Real>(&self, case: &ReferenceCase) -> Result<ReferenceErrors> {
        let narrowed = |rows: &[Vec<f64>]| rows.concat().into_iter().map(T::from_f64).collect::<Vec<T>>();
        let dim = self.features.first().map_or(0, Vec::len);
        let weights_given = case.weights.as_ref().unwrap_or(&self.weights);
        let highest = self.labels.iter().max().map_or(0, |label| *label as usize + 1);
        // the number of weights per class depends on the objective, which may depend on the number of classes
        let objective =
            AnyObjective::from_name(&case.name, &case.parameters(), weights_given.len().max(highest).max(1))?;
        let objective = match objective.weights_per_class() {
            Some(each) if each > 1 => {
                AnyObjective::from_name(&case.name, &case.parameters(), (weights_given.len() / each).max(1))?
            }
            _ => objective,
        };
        let (features, weights) = (narrowed(&self.features), narrowed(weights_given));
        let view = |data, rows| MatRef::new(data, rows, dim).map_err(Error::from);
        let out = objective.evaluate(
            view(&features, self.labels.len())?,
            Some(view(&weights, weights_given.len())?),
            &self.labels,
            Reduction::Mean,
        )?;
        let rounding = case.steepness() * 4.0 * T::epsilon().into() + self.angle_error(case);
        let relative = |found: &[T], expected: &[Option<f64>]| {
            let found: Vec<f64> = found.iter().map(|&value| value.into()).collect();
            relative(&found, expected, rounding)
        };
        let learnt = match &out {
            AnyEvaluation::Classes(found) => found.grad_learnt,
            AnyEvaluation::Pairs(_) => None,
        };
        let name_learnt = learnt.map(|(name, _)| name);
        if let Some(other) = case.grad_learnt.keys().find(|name| Some(name.as_str()) != name_learnt) {
            let expected = name_learnt.map_or_else(|| "none".to_owned(), |name| format!("`{name}`"));
            return Err(Error::ReferenceFile(format!(
                "grad_learnt has the parameter `{other}`, but {} learns {expected}",
                case.name
            )));
        }
        let learnt = match learnt {
            Some((name, found)) => {
                let expected = case.grad_learnt.get(name).and_then(Value::as_f64).ok_or_else(|| {
                    Error::ReferenceFile(format!(
                        "grad_learnt has no number `{name}`, which {} learns",
                        case.name
                    ))
                })?;
                relative(&[T::from_f64(found)], &[Some(expected)])
            }
            None => 0.0,
        };
        Ok(ReferenceErrors {
            loss: relative(&[out.loss()], &[Some(case.loss)]),
            grad_features: relative(out.grad_features(), &case.grad_features.concat()),
            grad_weights: match (out.grad_weights(), &case.grad_weights) {
                (Some(found), Some(expected)) => relative(found, &expected.concat()),
                // the other framework has no weights here
                (Some(found), None) => relative(found, &vec![Some(0.0); found.len()]),
                (None, Some(_)) => f64::NAN,
                (None, None) => 0.0,
            },
            grad_learnt: learnt,
            next_state: case.state_error(&out, relative)?,
            undefined: case.undefined(),
        })
    }

    /// The error of the reference itself for samples that coincide: the tuplet margin loss turns each positive pair's angle by
    /// its margin, so an angle that should be 0 changes the score by its product with `sin m`.
    fn angle_error(&self, case: &ReferenceCase) -> f64 {
        let direction = |row: &[f64]| {
            let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            row.iter().map(|value| value / length).collect::<Vec<f64>>()
        };
        let equal = |a: &[f64], b: &[f64]| {
            direction(a).iter().zip(direction(b)).all(|(a, b)| (a - b).abs() < ANGLE_OF_EQUALS)
        };
        let mut pairs = (0..self.labels.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let coincide = |(a, b): (usize, usize)| {
            self.labels[a] == self.labels[b] && equal(&self.features[a], &self.features[b])
        };
        if case.name.replace('_', "-") != "tuplet-margin" || !pairs.any(coincide) {
            return 0.0;
        }
        let margin = ["margin", "margin_degrees"].iter().find_map(|name| case.params.get(*name)?.as_f64());
        case.steepness().max(64.0) * margin.unwrap_or(5.73).to_radians().sin() * ANGLE_OF_EQUALS
    }
}

impl ReferenceCase {
    /// Reads a case for features of a shape, and a number of weights unless it has its own; or what is wrong with it.
    fn read(fields: &Map<String, Value>, [rows, dim]: [usize; 2], weights: usize) -> Result<Self, String> {
        if let Some(field) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(format!("unknown field `{field}`; expected {}", FIELDS.join(", ")));
        }
        let given = |field: &str| fields.get(field).filter(|value| !value.is_null());
        let number = |field: &str| match fields.get(field) {
            Some(value) => {
                value.as_f64().ok_or_else(|| format!("{field} is {}, expected a number", in_words(value)))
            }
            None => Err(format!("{field} is missing")),
        };
        let object = |field: &str| match given(field) {
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(other) => Err(format!("{field} is {}, expected an object", in_words(other))),
            None => Ok(Map::new()),
        };
        let gradient = |field: &str, shape: [usize; 2]| {
            let value = given(field).ok_or_else(|| format!("{field} is missing or null"))?;
            matrix(value, Some(shape[0]), shape[1]).map_err(|problem| format!("{field} {problem}"))
        };
        let name = match fields.get("name") {
            Some(Value::String(name)) => name.clone(),
            Some(other) => return Err(format!("name is {}, expected a text", in_words(other))),
            None => return Err("name is missing".to_owned()),
        };
        let own = match given("weights") {
            Some(value) => {
                let found = matrix(value, None, dim).map_err(|problem| format!("weights {problem}"))?;
                let finite = found.into_iter().map(|row| row.into_iter().collect());
                Some(finite.collect::<Option<Vec<Vec<f64>>>>().ok_or("weights are not all finite")?)
            }
            None => None,
        };
        let weights = own.as_ref().map_or(weights, Vec::len);
        let grad_weights = match given("grad_weights") {
            Some(_) => Some(gradient("grad_weights", [weights, dim])?).filter(|rows| !rows.is_empty()),
            None => None,
        };
        Ok(Self {
            name,
            params: object("params")?,
            loss: number("loss")?,
            grad_features: gradient("grad_features", [rows, dim])?,
            grad_weights,
            weights: own,
            grad_learnt: object("grad_learnt")?,
            next_state: numbers(object("next_state")?).map_err(|problem| format!("next_state {problem}"))?,
        })
    }

    /// The objective's name as in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The known error of the reference itself; a smaller tolerance is pointless.
    pub fn reference_error(&self) -> f64 {
        if self.name.replace('_', "-") == "softplus-lse" { TORCH_SOFTPLUS } else { 0.0 }
    }

    /// The factor from rounding to the error of the loss: the largest of the scales, at least 1.
    fn steepness(&self) -> f64 {
        let given = SCALES.iter().filter_map(|name| self.params.get(*name).and_then(Value::as_f64));
        given.fold(1.0, f64::max)
    }

    /// The largest error of the state after the batch.
    fn state_error<T: Real>(
        &self,
        out: &AnyEvaluation<T>,
        relative: impl Fn(&[T], &[Option<f64>]) -> f64,
    ) -> Result<Option<f64>> {
        if self.next_state.is_empty() {
            return Ok(None);
        }
        let found = match out {
            AnyEvaluation::Classes(found) => serde_json::to_value(found.next_state)
                .map_err(|error| Error::ReferenceFile(format!("next_state: {error}")))?,
            AnyEvaluation::Pairs(_) => Value::Null,
        };
        let mut largest = 0.0;
        for (name, expected) in &self.next_state {
            let value = found.get(name).and_then(Value::as_f64).ok_or_else(|| {
                let names = found.as_object().map(|of| of.keys().map(String::as_str).collect::<Vec<_>>());
                let names = names.map_or_else(|| "no state".to_owned(), |names| names.join(", "));
                Error::ReferenceFile(format!("next_state has `{name}`, but {} has {names}", self.name))
            })?;
            largest = larger(largest, relative(&[T::from_f64(value)], &[Some(*expected)]));
        }
        Ok(Some(largest))
    }

    fn undefined(&self) -> usize {
        let gradients = self.grad_features.iter().chain(self.grad_weights.iter().flatten()).flatten();
        gradients.filter(|value| value.is_none()).count()
    }

    /// The parameters with the names of this crate: without remarks, and with margins of class objectives in radians.
    pub fn parameters(&self) -> Parameters {
        let mut parameters = self.params.clone();
        parameters.retain(|key, _| !REMARKS.contains(&key.as_str()));
        if let Some(margin) = parameters.remove("margin_degrees") {
            let on_pairs = PairObjective::from_name(&self.name, &Parameters::new()).is_ok();
            let degrees = margin.as_f64().filter(|_| !on_pairs);
            parameters
                .insert("margin".to_owned(), degrees.map_or(margin, |degrees| degrees.to_radians().into()));
        }
        parameters
    }
}

/// Largest error relative to the largest entry; 0 up to an error of `rounding`, since a gradient that is 0 by cancellation has
/// no size that an error could be relative to. `NaN` if the numbers of entries differ.
fn relative(found: &[f64], expected: &[Option<f64>], rounding: f64) -> f64 {
    if found.len() != expected.len() || found.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let largest = expected.iter().flatten().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let defined = found.iter().zip(expected).filter_map(|(found, expected)| Some((found, (*expected)?)));
    let error = defined.fold(0.0_f64, |error, (found, expected)| error.max((found - expected).abs()));
    if error <= rounding { 0.0 } else { error / largest }
}

/// The larger of two errors; unlike `f64::max`, NaN if one of them is.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// A matrix of reference values with a number of rows, or any number, of one dimension; or what is wrong with it.
fn matrix(value: &Value, rows: Option<usize>, dim: usize) -> Result<Expected, String> {
    let list = |value: &Value| value.as_array().cloned();
    let found = list(value).ok_or_else(|| format!("is {}, expected a list of rows", in_words(value)))?;
    if let Some(rows) = rows.filter(|rows| *rows != found.len()) {
        return Err(format!("has {} rows, expected {rows}", found.len()));
    }
    let row = |(row, value): (usize, &Value)| {
        let values = list(value)
            .ok_or_else(|| format!("has {} in row {row}, expected a list of numbers", in_words(value)))?;
        if values.len() != dim {
            return Err(format!("has {} values in row {row}, expected {dim}", values.len()));
        }
        let number = |value: &Value| match (value.as_f64(), value.as_str()) {
            (Some(number), _) => Ok(Some(number)),
            (None, Some(UNDEFINED)) => Ok(None),
            _ => Err(format!("has {} in row {row}, expected a number", in_words(value))),
        };
        values.iter().map(number).collect()
    };
    found.iter().enumerate().map(row).collect()
}

/// The numbers of an object by name, or what is wrong with it.
fn numbers(object: Map<String, Value>) -> Result<Vec<(String, f64)>, String> {
    let number = |(name, value): (String, Value)| match value.as_f64() {
        Some(number) => Ok((name, number)),
        None => Err(format!("has {} for {name}, expected a number", in_words(&value))),
    };
    object.into_iter().map(number).collect()
}

/// A value for a message, without the contents of lists and objects.
fn in_words(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text == UNDEFINED => "NaN or infinite".to_owned(),
        other => other.to_string(),
    }
}

/// Replaces the words that are not JSON numbers by the text [`UNDEFINED`], outside of strings.
fn without_undefined(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return text.into();
    }
    // every second piece is inside quotes; the names in these files contain none
    let pieces = text.split('"').enumerate().map(|(at, piece)| {
        if at % 2 == 1 {
            return piece.to_owned();
        }
        let word = format!("\"{UNDEFINED}\"");
        ["-Infinity", "Infinity", "NaN"].iter().fold(piece.to_owned(), |text, from| text.replace(from, &word))
    });
    pieces.collect::<Vec<String>>().join("\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"torch": "NaN", "features": [[1.0, 0.0]], "weights": [[1.0, 0.5], [0.0, 1.0]], "labels": [0],
        "cases": [{"name": "softmax", "params": {}, "loss": 0.31326168751822286, "grad_features": [[-Infinity, 5.0]],
                   "grad_weights": [[NaN, NaN], [NaN, NaN]]}]}"#;

    #[test]
    fn non_finite_gradients_are_counted_and_the_others_compared() {
        let file = ReferenceFile::parse(FILE).expect("gradients that are not finite are allowed");
        let errors = file.compare::<f64>(&file.cases()[0]).expect("a known name");
        assert_eq!(errors.undefined, 5);
        assert!(errors.loss < 1e-12 && errors.grad_weights == 0.0);
        assert!(errors.grad_features > 0.5, "5.0 is a number and wrong: {errors:?}");
        assert!(ReferenceFile::parse("{\"features\": NaN}").is_err());
    }

    #[test]
    fn an_error_that_is_nan_is_the_largest() {
        let [loss, grad_features, grad_weights, grad_learnt] = [0.0, 0.1, 0.0, 0.0];
        let errors = ReferenceErrors {
            loss,
            grad_features,
            grad_weights,
            grad_learnt,
            next_state: None,
            undefined: 0,
        };
        assert_eq!(errors.largest(), 0.1);
        assert!(ReferenceErrors { loss: f64::NAN, ..errors }.largest().is_nan());
        assert!(ReferenceErrors { grad_features: f64::NAN, ..errors }.largest().is_nan());
        assert!(ReferenceErrors { grad_weights: f64::NAN, ..errors }.largest().is_nan());
        assert!(ReferenceErrors { grad_learnt: f64::NAN, ..errors }.largest().is_nan());
        assert_eq!(ReferenceErrors { next_state: Some(0.2), ..errors }.largest(), 0.2);
        assert!(ReferenceErrors { next_state: Some(f64::NAN), ..errors }.largest().is_nan());
    }

    #[test]
    fn a_case_that_cannot_be_compared_is_an_error_with_its_field() {
        let features = "\"grad_features\": [[-Infinity, 5.0]]";
        let weights = "\"grad_weights\": [[NaN, NaN], [NaN, NaN]]";
        let loss = "\"loss\": 0.31326168751822286";
        for (from, to, expected) in [
            (loss, "\"loss\": null", "loss is null, expected a number"),
            (loss, "\"loss\": NaN", "loss is NaN or infinite, expected a number"),
            (loss, "\"source\": \"none\"", "loss is missing"),
            (loss, "\"Loss\": 0.3", "unknown field `Loss`"),
            (features, "\"grad_features\": []", "grad_features has 0 rows, expected 1"),
            (features, "\"grad_features\": null", "grad_features is missing or null"),
            (features, "\"grad_features\": [[1.0]]", "grad_features has 1 values in row 0, expected 2"),
            (
                features,
                "\"grad_features\": [[1.0, null]]",
                "grad_features has null in row 0, expected a number",
            ),
            (features, "\"grad_features\": [1.0, 2.0]", "grad_features has 2 rows, expected 1"),
            (weights, "\"grad_weights\": [[1.0, 2.0]]", "grad_weights has 1 rows, expected 2"),
            (weights, "\"grad_weights\": []", "grad_weights has 0 rows, expected 2"),
            (weights, "\"gradweights\": [[1.0, 2.0], [1.0, 2.0]]", "unknown field `gradweights`"),
            (weights, "\"weights\": [[1.0, 2.0], [1.0]]", "weights has 1 values in row 1, expected 2"),
            (
                weights,
                "\"next_state\": {\"step\": \"1\"}",
                "next_state has \"1\" for step, expected a number",
            ),
        ] {
            let error = ReferenceFile::parse(&FILE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(&format!("case 0 (softmax): {expected}")), "{to}: {error}");
        }
        let none = "{\"features\": [[1.0]], \"labels\": [0], \"cases\": []}";
        assert!(ReferenceFile::parse(none).unwrap_err().to_string().contains("`cases` is empty"));
        let learnt = FILE.replace(loss, &format!("{loss}, \"grad_learnt\": {{\"scale\": 1.0}}"));
        let file = ReferenceFile::parse(&learnt).unwrap();
        let error = file.compare::<f64>(&file.cases()[0]).unwrap_err().to_string();
        assert!(error.contains("grad_learnt has the parameter `scale`, but softmax learns none"), "{error}");
        for (name, expected) in [("scales", "next_state has `scales`, but softmax has"), ("step", "")] {
            let stated = FILE.replace(loss, &format!("{loss}, \"next_state\": {{\"{name}\": 4}}"));
            let file = ReferenceFile::parse(&stated).unwrap();
            match file.compare::<f64>(&file.cases()[0]) {
                Ok(errors) => assert!(expected.is_empty() && errors.next_state > Some(0.1), "{errors:?}"),
                Err(error) => {
                    assert!(!expected.is_empty() && error.to_string().contains(expected), "{error}");
                }
            }
        }
    }
}
