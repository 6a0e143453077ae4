//! An objective of either kind, and its value and gradients.

use widemargin_kernels::matrix::MatRef;

use crate::catalogue::{Built, CatalogueEntry, build, catalogue};
use crate::class::{ClassEvaluation, ClassObjective, EvaluateOptions, Reduction};
use crate::error::{Error, Result};
use crate::pairs::{PairEvaluation, PairObjective, PairOptions};
use crate::parameter::Parameters;
use crate::real::Real;

/// An objective of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyObjective {
    /// On class centres.
    Classes(Box<ClassObjective>),
    /// On pairs, triplets or proxies.
    Pairs(PairObjective),
}

/// Value and gradients of an objective of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyEvaluation<T> {
    /// Of an objective on class centres.
    Classes(ClassEvaluation<T>),
    /// Of an objective on pairs, triplets or proxies.
    Pairs(PairEvaluation<T>),
}

impl AnyObjective {
    /// The names of all objectives, in the order of the [`catalogue`].
    pub fn names() -> impl Iterator<Item = &'static str> {
        catalogue().iter().map(|entry| entry.name)
    }

    /// An objective by name, for `classes` classes (objectives on pairs ignore the number).
    ///
    /// # Errors
    /// An unknown name or parameter (with the nearest known one), or a value outside its range.
    pub fn from_name(name: &str, parameters: &Parameters, classes: usize) -> Result<Self> {
        let entry = CatalogueEntry::find(name)?;
        Ok(match build(entry, parameters, classes)? {
            Built::Classes(objective) => Self::Classes(objective),
            Built::Pairs(objective) => Self::Pairs(objective),
        })
    }

    /// The objective's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Classes(objective) => objective.name(),
            Self::Pairs(objective) => objective.name(),
        }
    }

    /// The objective on class centres, if it is one.
    pub fn class_objective(&self) -> Option<&ClassObjective> {
        match self {
            Self::Classes(objective) => Some(objective),
            Self::Pairs(_) => None,
        }
    }

    /// The objective on pairs, triplets or proxies, if it is one.
    pub fn pair_objective(&self) -> Option<&PairObjective> {
        match self {
            Self::Classes(_) => None,
            Self::Pairs(objective) => Some(objective),
        }
    }

    /// The objective with one margin per class by the class's number of training samples; see
    /// [`ClassObjective::with_margins_by_count`].
    ///
    /// # Errors
    /// The errors of [`ClassObjective::with_margins_by_count`]; [`Error::Unsupported`] for an objective on pairs.
    pub fn with_margins_by_count(self, counts: &[u64], power: f64) -> Result<Self> {
        match self {
            Self::Classes(objective) => {
                Ok(Self::Classes(Box::new(objective.with_margins_by_count(counts, power)?)))
            }
            Self::Pairs(objective) => Err(Error::Unsupported {
                objective: objective.name().to_owned(),
                what: "margins by count",
                reason: "it has no margin per class",
            }),
        }
    }

    /// Rows of weights (class centres or proxies) per class; `None` for objectives without weights.
    pub fn weights_per_class(&self) -> Option<usize> {
        match self {
            Self::Classes(objective) => Some(objective.sub_centres()),
            Self::Pairs(objective) => objective.proxies_per_class(),
        }
    }

    /// Loss and gradients of a batch. Objectives without weights ignore `weights`. Objectives on pairs have a reduction of their own
    /// and accept only [`Reduction::Mean`] here.
    ///
    /// # Errors
    /// The errors of [`ClassObjective::evaluate`] and [`PairObjective::evaluate`]; [`Error::NoWeights`]; [`Error::Unsupported`] for
    /// another reduction with an objective on pairs.
    pub fn evaluate<T: Real>(
        &self,
        features: MatRef<'_, T>,
        weights: Option<MatRef<'_, T>>,
        labels: &[u32],
        reduction: Reduction,
    ) -> Result<AnyEvaluation<T>> {
        match self {
            Self::Classes(objective) => {
                let centres = weights.ok_or(Error::NoWeights { objective: self.name().to_owned() })?;
                let options = EvaluateOptions { reduction, sample_weights: None };
                objective.evaluate(features, centres, labels, &options).map(AnyEvaluation::Classes)
            }
            Self::Pairs(objective) => {
                if reduction != Reduction::Mean {
                    return Err(Error::Unsupported {
                        objective: self.name().to_owned(),
                        what: "a reduction other than the mean",
                        reason: "the reduction of an objective on pairs is part of its definition",
                    });
                }
                let proxies = objective.proxies_per_class().and(weights);
                objective
                    .evaluate(features, proxies, labels, &PairOptions::default())
                    .map(AnyEvaluation::Pairs)
            }
        }
    }
}

impl<T: Real> AnyEvaluation<T> {
    /// The loss, reduced.
    pub fn loss(&self) -> T {
        match self {
            Self::Classes(found) => found.loss,
            Self::Pairs(found) => found.loss,
        }
    }

    /// Gradient of the loss with respect to the features: `[batch, dim]`.
    pub fn grad_features(&self) -> &[T] {
        match self {
            Self::Classes(found) => &found.grad_features,
            Self::Pairs(found) => &found.grad_embeddings,
        }
    }

    /// Gradient of the loss with respect to class centres or proxies; `None` for objectives without weights.
    pub fn grad_weights(&self) -> Option<&[T]> {
        match self {
            Self::Classes(found) => Some(&found.grad_centres),
            Self::Pairs(found) => found.grad_proxies.as_deref(),
        }
    }
}
