//! Every objective of this crate under one name space: those against class centres and those on pairs and proxies.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::pairs::{PairError, PairObjective, PairOptions, PairParameters};
use crate::{
    ClassObjective, ClassParameters, Diagnostics, EvaluateOptions, MatRef, ObjectiveError, Real, Reduction,
};

/// Any objective.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyObjective {
    /// Against class centres.
    Classes(Box<ClassObjective>),
    /// On pairs, triplets or proxies.
    Pairs(PairObjective),
}

/// Loss and gradients of any objective.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyEvaluation<T> {
    /// The loss, reduced.
    pub loss: T,
    /// The loss of each sample; empty for objectives on pairs, whose terms are not samples.
    pub losses: Vec<T>,
    /// Gradient with respect to the features: `[batch, dim]`.
    pub grad_features: Vec<T>,
    /// Gradient with respect to class centres or proxies; `None` for objectives without.
    pub grad_weights: Option<Vec<T>>,
    /// Name of what else is learnt and the gradient with respect to it.
    pub grad_learnt: Option<(&'static str, f64)>,
    /// Diagnostics, for objectives against class centres.
    pub diagnostics: Option<Diagnostics>,
    /// Why the batch taught nothing, where it had no pairs.
    pub warning: Option<String>,
}

/// Why an objective cannot be had or evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// Of an objective against class centres.
    #[error(transparent)]
    Classes(#[from] ObjectiveError),
    /// Of an objective on pairs.
    #[error(transparent)]
    Pairs(#[from] PairError),
    /// Parameters that cannot be read.
    #[error("parameters of {objective}: {reason}")]
    Parameters {
        /// The objective.
        objective: String,
        /// What is wrong.
        reason: String,
    },
    /// No class centres or proxies where they are needed.
    #[error(
        "{objective} compares features with class centres or proxies, and there are none; give it `weights`"
    )]
    NoWeights {
        /// The objective.
        objective: &'static str,
    },
}

impl AnyObjective {
    /// All names: those against class centres, then those on pairs.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ClassObjective::names().iter().chain(PairObjective::names()).copied()
    }

    /// An objective by name, for `classes` classes; parameters by their names in [`ClassParameters`] or in the settings of the
    /// pair objective.
    ///
    /// # Errors
    /// An unknown name with the nearest one, parameters that the objective does not take, or values out of range.
    pub fn from_name(
        name: &str,
        parameters: &Map<String, Value>,
        classes: usize,
    ) -> Result<Self, CatalogueError> {
        let pairs = PairObjective::from_name(name, &PairParameters::new());
        if matches!(pairs, Err(PairError::UnknownName { .. })) {
            // also the one that says what is unknown, unless a pair objective is nearer
            let known = ClassObjective::from_name(name, &ClassParameters::default(), classes);
            if let (
                Err(ObjectiveError::UnknownName { suggestion: None, .. }),
                Err(error @ PairError::UnknownName { suggestion: Some(_), .. }),
            ) = (&known, pairs)
            {
                return Err(error.into());
            }
            known?;
            let parameters: ClassParameters = read(name, parameters)?;
            return Ok(Self::Classes(Box::new(ClassObjective::from_name(name, &parameters, classes)?)));
        }
        let parameters: PairParameters = read(name, parameters)?;
        Ok(Self::Pairs(PairObjective::from_name(name, &parameters)?))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Classes(objective) => objective.name(),
            Self::Pairs(objective) => objective.name(),
        }
    }

    /// Rows of weights (class centres or proxies) that each class has; `None` for objectives without any.
    pub fn weights_per_class(&self) -> Option<usize> {
        match self {
            Self::Classes(objective) => Some(objective.sub_centres()),
            Self::Pairs(objective) => objective.proxies_per_class(),
        }
    }

    /// Loss and gradients of a batch; `weights` are left aside by objectives that have none.
    ///
    /// # Errors
    /// Those of [`ClassObjective::evaluate`] and [`PairObjective::evaluate`]; weights missing.
    pub fn evaluate<T: Real>(
        &self,
        features: MatRef<'_, T>,
        weights: Option<MatRef<'_, T>>,
        labels: &[u32],
        reduction: Reduction,
    ) -> Result<AnyEvaluation<T>, CatalogueError> {
        let missing = CatalogueError::NoWeights { objective: self.name() };
        match self {
            Self::Classes(objective) => {
                let options = EvaluateOptions { reduction, sample_weights: None };
                let out = objective.evaluate(features, weights.ok_or(missing)?, labels, &options)?;
                Ok(AnyEvaluation {
                    loss: out.loss,
                    losses: out.losses,
                    grad_features: out.grad_features,
                    grad_weights: Some(out.grad_centres),
                    grad_learnt: out.grad_learnt,
                    diagnostics: Some(out.diagnostics),
                    warning: None,
                })
            }
            Self::Pairs(objective) => {
                let proxies = match objective.proxies_per_class() {
                    Some(_) => Some(weights.ok_or(missing)?),
                    None => None,
                };
                let out = objective.evaluate(features, proxies, labels, &PairOptions::default())?;
                Ok(AnyEvaluation {
                    loss: out.loss,
                    losses: Vec::new(),
                    grad_features: out.grad_embeddings,
                    grad_weights: out.grad_proxies,
                    grad_learnt: None,
                    diagnostics: None,
                    warning: out.warning.map(|warning| warning.to_string()),
                })
            }
        }
    }
}

fn read<P: DeserializeOwned>(name: &str, parameters: &Map<String, Value>) -> Result<P, CatalogueError> {
    serde_json::from_value(Value::Object(parameters.clone()))
        .map_err(|error| CatalogueError::Parameters { objective: name.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_gives_its_objective_and_no_name_is_there_twice() {
        let mut names: Vec<&str> = AnyObjective::names().collect();
        for name in &names {
            let objective = AnyObjective::from_name(name, &Map::new(), 10).expect("defaults");
            let spelt = AnyObjective::from_name(&name.replace('-', "_"), &Map::new(), 10);
            assert_eq!(spelt.as_ref().map(AnyObjective::name), Ok(*name));
            assert_eq!(objective.name(), *name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), count), (count, 43));
    }

    #[test]
    fn what_is_unknown_is_said() {
        let unknown =
            |name: &str| AnyObjective::from_name(name, &Map::new(), 10).expect_err(name).to_string();
        assert!(unknown("triplet-margn").contains("did you mean `triplet-margin`?"));
        assert!(unknown("am-softmx").contains("did you mean `am-softmax`?"));
        assert!(unknown("mean-squared-error").contains("known"));
        let parameters: Map<String, Value> = serde_json::from_str(r#"{"margn": 1}"#).expect("JSON");
        for name in ["am-softmax", "contrastive"] {
            let error = AnyObjective::from_name(name, &parameters, 10).expect_err("misspelt").to_string();
            assert!(error.contains("margn") && error.contains(name), "{error}");
        }
    }
}
