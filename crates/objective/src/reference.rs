//! Comparison with reference values of other frameworks.
//!
//! The file format is that of `fixtures/make_golden.py`: one JSON object with `features`, `weights` (class centres or proxies),
//! `labels`, and `cases`, each with `name`, `params`, `loss`, `grad_features` and `grad_weights` (`null` if the objective has no
//! weights). A case can have its own `weights`, `grad_learnt` and `next_state`.

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

/// Inputs, and the results of another framework for them.
#[derive(Clone, Debug, Deserialize)]
pub struct ReferenceFile {
    features: Vec<Vec<f64>>,
    #[serde(default)]
    weights: Vec<Vec<f64>>,
    labels: Vec<u32>,
    cases: Vec<ReferenceCase>,
}

/// One objective with its parameters, loss and gradients.
#[derive(Clone, Debug, Deserialize)]
pub struct ReferenceCase {
    name: String,
    #[serde(default)]
    params: Map<String, Value>,
    loss: Option<f64>,
    grad_features: Vec<Vec<Option<f64>>>,
    #[serde(default)]
    grad_weights: Option<Vec<Vec<Option<f64>>>>,
    #[serde(default)]
    weights: Option<Vec<Vec<f64>>>,
    #[serde(default)]
    grad_learnt: Map<String, Value>,
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
    /// Values of the reference that are NaN or infinite and were not compared: other frameworks divide by zero if two vectors
    /// coincide.
    pub undefined: usize,
}

impl ReferenceErrors {
    /// The largest of them.
    pub fn largest(&self) -> f64 {
        let all = [self.loss, self.grad_features, self.grad_weights, self.grad_learnt];
        // unlike `f64::max`, keeps a NaN
        all.into_iter().fold(0.0, |largest, error| if error <= largest { largest } else { error })
    }
}

impl ReferenceFile {
    /// Reads a file's text.
    ///
    /// `NaN`, `Infinity` and `-Infinity`, which Python writes but JSON does not allow, are read as missing values.
    ///
    /// # Errors
    /// [`Error::ReferenceFile`] for text in another format, rows of different lengths, or not one label per feature.
    pub fn parse(text: &str) -> Result<Self> {
        let file: Self = serde_json::from_str(&without_undefined(text))
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
        Ok(file)
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
        let learnt = learnt.map_or(0.0, |(name, found)| {
            let expected = case.grad_learnt.get(name).and_then(Value::as_f64);
            expected.map_or(f64::NAN, |expected| relative(&[T::from_f64(found)], &[Some(expected)]))
        });
        Ok(ReferenceErrors {
            loss: relative(&[out.loss()], &[case.loss]),
            grad_features: relative(out.grad_features(), &case.grad_features.concat()),
            grad_weights: match (out.grad_weights(), &case.grad_weights) {
                (Some(found), Some(expected)) => relative(found, &expected.concat()),
                // the other framework has no weights here
                (Some(found), None) => relative(found, &vec![Some(0.0); found.len()]),
                (None, Some(_)) => f64::NAN,
                (None, None) => 0.0,
            },
            grad_learnt: learnt,
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

    fn undefined(&self) -> usize {
        let gradients = self.grad_features.iter().chain(self.grad_weights.iter().flatten()).flatten();
        gradients.chain([&self.loss]).filter(|value| value.is_none()).count()
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

/// Replaces the words that are not JSON numbers by `null`, outside of strings.
fn without_undefined(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return text.into();
    }
    // every second piece is inside quotes; the names in these files contain none
    let pieces = text.split('"').enumerate().map(|(at, piece)| {
        if at % 2 == 1 {
            return piece.to_owned();
        }
        piece.replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null")
    });
    pieces.collect::<Vec<String>>().join("\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"torch": "NaN", "features": [[1.0, 0.0]], "weights": [[1.0, 0.5], [0.0, 1.0]], "labels": [0],
        "cases": [{"name": "softmax", "params": {}, "loss": NaN, "grad_features": [[-Infinity, 5.0]],
                   "grad_weights": [[NaN, NaN], [NaN, NaN]]}]}"#;

    #[test]
    fn non_finite_values_are_counted_and_the_others_compared() {
        let file = ReferenceFile::parse(FILE).expect("read as missing");
        let errors = file.compare::<f64>(&file.cases()[0]).expect("a known name");
        assert_eq!(errors.undefined, 6);
        assert_eq!((errors.loss, errors.grad_weights), (0.0, 0.0));
        assert!(errors.grad_features > 0.5, "5.0 is a number and wrong: {errors:?}");
        assert!(ReferenceFile::parse("{\"features\": NaN}").is_err());
    }
}
