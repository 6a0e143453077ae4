//! Reference values of other frameworks: a file of inputs and cases, and how far this crate is from each.
//!
//! The form is that of `fixtures/make_golden.py`: one JSON object with `features`, `weights` (class centres or proxies),
//! `labels`, and `cases`, each with `name`, `params`, `loss`, `grad_features` and `grad_weights` (`null` where the weights take no
//! part). A case may bring `weights` of its own, `grad_learnt` and `next_state`.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{AnyObjective, CatalogueError, MatRef, Real, Reduction};

/// Parameters of a case that are remarks.
const REMARKS: [&str; 3] = ["score", "note", "reducer"];

/// Inputs and what came of them elsewhere.
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
    loss: f64,
    grad_features: Vec<Vec<f64>>,
    #[serde(default)]
    grad_weights: Option<Vec<Vec<f64>>>,
    #[serde(default)]
    weights: Option<Vec<Vec<f64>>>,
    #[serde(default)]
    grad_learnt: Map<String, Value>,
}

/// How far a case is off: the largest error relative to the largest entry of the tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceErrors {
    /// Of the loss.
    pub loss: f64,
    /// Of the gradient with respect to the features.
    pub grad_features: f64,
    /// Of the gradient with respect to the weights; 0 where they take no part.
    pub grad_weights: f64,
    /// Of the gradient with respect to what else is learnt; 0 where nothing is.
    pub grad_learnt: f64,
}

impl ReferenceErrors {
    /// The largest of them.
    pub fn largest(&self) -> f64 {
        let all = [self.loss, self.grad_features, self.grad_weights, self.grad_learnt];
        // unlike `f64::max`, keeps a NaN
        all.into_iter().fold(0.0, |largest, error| if error <= largest { largest } else { error })
    }
}

/// What is wrong with a file of reference values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Not JSON of this form.
    #[error("no file of reference values: {0}")]
    Form(#[from] serde_json::Error),
    /// Rows of different lengths, or as many labels as there are not features.
    #[error("{what}: found {found}, wanted {wanted}")]
    Shape {
        /// Which.
        what: String,
        /// What was found.
        found: usize,
        /// What was wanted.
        wanted: usize,
    },
}

impl ReferenceFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`ReferenceError`] for text of another form, rows of different lengths, or a count of labels that is not that of the
    /// features.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let file: Self = serde_json::from_str(text)?;
        let dim = file.features.first().map_or(0, Vec::len);
        let all = file.features.iter().enumerate().map(|(row, values)| ("features", row, values));
        let weights = file.weights.iter().enumerate().map(|(row, values)| ("weights", row, values));
        for (what, row, values) in all.chain(weights) {
            if values.len() != dim {
                let what = format!("length of row {row} of {what}");
                return Err(ReferenceError::Shape { what, found: values.len(), wanted: dim });
            }
        }
        if file.labels.len() != file.features.len() {
            let what = "labels".to_owned();
            return Err(ReferenceError::Shape {
                what,
                found: file.labels.len(),
                wanted: file.features.len(),
            });
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
    /// A name or parameters that are unknown, or inputs that the objective refuses.
    pub fn compare<T: Real>(&self, case: &ReferenceCase) -> Result<ReferenceErrors, CatalogueError> {
        let narrowed = |rows: &[Vec<f64>]| rows.concat().into_iter().map(T::from_f64).collect::<Vec<T>>();
        let dim = self.features.first().map_or(0, Vec::len);
        let weights_given = case.weights.as_ref().unwrap_or(&self.weights);
        let highest = self.labels.iter().max().map_or(0, |label| *label as usize + 1);
        // how many weights a class has is the objective's to say, and it may depend on the number of classes
        let objective =
            AnyObjective::from_name(&case.name, &case.parameters(), weights_given.len().max(highest).max(1))?;
        let objective = match objective.weights_per_class() {
            Some(each) if each > 1 => {
                AnyObjective::from_name(&case.name, &case.parameters(), (weights_given.len() / each).max(1))?
            }
            _ => objective,
        };
        let (features, weights) = (narrowed(&self.features), narrowed(weights_given));
        let view = |data, rows| MatRef::new(data, rows, dim).map_err(crate::ObjectiveError::from);
        let out = objective.evaluate(
            view(&features, self.labels.len())?,
            Some(view(&weights, weights_given.len())?),
            &self.labels,
            Reduction::Mean,
        )?;
        let learnt = out.grad_learnt.map_or(0.0, |(name, found)| {
            let wanted = case.grad_learnt.get(name).and_then(Value::as_f64);
            wanted.map_or(f64::NAN, |wanted| relative::<T>(&[found], &[wanted]))
        });
        Ok(ReferenceErrors {
            loss: relative::<T>(&[out.loss.into()], &[case.loss]),
            grad_features: relative_to(&out.grad_features, &case.grad_features),
            grad_weights: match (&out.grad_weights, &case.grad_weights) {
                (Some(found), Some(wanted)) => relative_to(found, wanted),
                // weights that another framework found to take no part
                (Some(found), None) => relative_to(found, &[vec![0.0; found.len()]]),
                (None, Some(_)) => f64::NAN,
                (None, None) => 0.0,
            },
            grad_learnt: learnt,
        })
    }
}

impl ReferenceCase {
    /// The objective's name, as the file has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters in this crate's words: without remarks, with margins of class objectives in radians, and only those that are
    /// not at rest.
    pub fn parameters(&self) -> Map<String, Value> {
        let mut parameters = self.params.clone();
        parameters.retain(|key, _| !REMARKS.contains(&key.as_str()));
        let pairs = crate::pairs::PairObjective::from_name(&self.name, &crate::pairs::PairParameters::new());
        if let (Err(_), Some(degrees)) = (pairs, parameters.get("margin_degrees").and_then(Value::as_f64)) {
            parameters.remove("margin_degrees");
            parameters.insert("margin".to_owned(), degrees.to_radians().into());
        }
        parameters
    }
}

fn relative_to<T: Real>(found: &[T], wanted: &[Vec<f64>]) -> f64 {
    let found: Vec<f64> = found.iter().map(|&value| value.into()).collect();
    relative::<T>(&found, &wanted.concat())
}

/// Largest error relative to the largest entry, less what rounding terms of size 1 in `T` amounts to: a gradient that is 0
/// by cancellation has no size that an error could be relative to. `NaN` for another number of entries.
fn relative<T: Real>(found: &[f64], wanted: &[f64]) -> f64 {
    if found.len() != wanted.len() || found.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let rounding = 4.0 * T::epsilon().into();
    let largest = wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let error = found.iter().zip(wanted).fold(0.0_f64, |error, (f, w)| error.max((f - w).abs()));
    if error <= rounding { 0.0 } else { error / largest }
}
