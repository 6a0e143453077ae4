//! What embeddings are judged by in training: a head of class centres, or an objective on pairs with its miner, its memory and,
//! where it has them, its proxies.
//!
//! Both give loss and gradient of the embeddings, and hold back what else would move until [`Criterion::apply`]: a step that is
//! refused for a number that is not finite leaves them as they were, but for a cross-batch memory, which has then seen the
//! batch.

use crate::Error;
use serde::{Deserialize, Serialize};
use widemargin_head::{
    Diagnostics, Error as HeadError, Head, HeadConfig, HeadMode, HeadState, HeadTensor, MatRef, Optimiser,
    PendingUpdate,
};
use widemargin_objective::pairs::{CrossBatchMemory, Miner, PairObjective, PairOptions};
use widemargin_objective::{AnyObjective, normalise};

/// Name of the tensor of the proxies.
const PROXIES: &str = "proxies";

/// See the module.
#[derive(Debug)]
pub enum Criterion {
    /// An objective against class centres.
    Classes(Box<Head>),
    /// An objective on pairs, triplets or proxies.
    Pairs(Box<PairCriterion>),
}

/// An objective on pairs with everything it needs.
#[derive(Debug)]
pub struct PairCriterion {
    objective: PairObjective,
    miner: Option<Miner>,
    memory: Option<CrossBatchMemory<f32>>,
    /// `[classes * proxies_per_class, dim]`; empty without proxies.
    proxies: Vec<f32>,
    optimiser: Optimiser,
    classes: usize,
    dim: usize,
}

/// What a batch comes to.
#[derive(Debug)]
pub(crate) struct CriterionForward {
    pub(crate) loss: f64,
    pub(crate) grad_features: Vec<f32>,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) pending: Pending,
    /// Why the batch taught nothing.
    pub(crate) warning: Option<String>,
}

/// What moves once the step is taken.
#[derive(Debug)]
pub(crate) enum Pending {
    Classes(PendingUpdate),
    Pairs(Vec<f32>),
}

/// A criterion's state but for its tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CriterionState {
    Classes(Box<HeadState>),
    Pairs { steps: u64, memory: Option<CrossBatchMemory<f32>> },
}

impl Criterion {
    /// A criterion of fresh centres or proxies.
    pub(crate) fn new(
        objective: AnyObjective,
        (miner, memory): (Option<Miner>, usize),
        (classes, dim): (usize, usize),
        config: HeadConfig,
    ) -> Result<Self, Error> {
        match objective {
            AnyObjective::Classes(objective) => {
                Ok(Self::Classes(Box::new(Head::new(classes, dim, *objective, config)?)))
            }
            AnyObjective::Pairs(objective) => {
                let each = objective.proxies_per_class().unwrap_or(0);
                let proxies = if each == 0 {
                    Vec::new()
                } else {
                    // the same random directions as class centres begin with
                    let start =
                        widemargin_objective::Objective::normalized_softmax(1.0).map_err(HeadError::from)?;
                    let config = HeadConfig { mode: HeadMode::Dense, ..config };
                    Head::new(classes * each, dim, start, config)?.centres().into_owned()
                };
                Ok(Self::Pairs(Box::new(PairCriterion {
                    optimiser: Optimiser::new(config.optimiser, proxies.len())?,
                    memory: (memory > 0).then(|| CrossBatchMemory::new(memory, dim)).transpose()?,
                    objective,
                    miner,
                    proxies,
                    classes,
                    dim,
                })))
            }
        }
    }

    /// Known classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Classes(head) => head.classes(),
            Self::Pairs(pairs) => pairs.classes,
        }
    }

    /// Dimension of the embeddings.
    pub fn dim(&self) -> usize {
        match self {
            Self::Classes(head) => head.dim(),
            Self::Pairs(pairs) => pairs.dim,
        }
    }

    /// The head of class centres, if that is what trains.
    pub fn head(&self) -> Option<&Head> {
        match self {
            Self::Classes(head) => Some(head),
            Self::Pairs(_) => None,
        }
    }

    /// The objective with its numbers.
    pub fn formula(&self) -> String {
        match self {
            Self::Classes(head) => head.objective().to_string(),
            Self::Pairs(pairs) => {
                serde_json::to_string(&pairs.objective).expect("names and numbers have a JSON form")
            }
        }
    }

    /// Puts a share of the margin in force, where the objective has one that warms up.
    pub(crate) fn set_margin_share(&mut self, share: f64) {
        if let Self::Classes(head) = self {
            head.set_margin_share(share);
        }
    }

    /// The margin in force, 0 for objectives without one of class centres.
    pub fn margin_in_force(&self) -> f64 {
        self.head().map_or(0.0, |head| head.objective().margin_in_force())
    }

    pub(crate) fn forward(
        &mut self,
        features: MatRef<'_>,
        labels: &[u32],
        step: u64,
    ) -> Result<CriterionForward, Error> {
        match self {
            Self::Classes(head) => {
                let found = head.forward(features, labels)?;
                Ok(CriterionForward {
                    loss: found.loss,
                    grad_features: found.grad_features,
                    diagnostics: found.diagnostics,
                    pending: Pending::Classes(found.pending),
                    warning: None,
                })
            }
            Self::Pairs(pairs) => pairs.forward(features, labels, step),
        }
    }

    /// Euclidean norm of the gradient of the centres or proxies.
    pub(crate) fn gradient_norm(&self, pending: &Pending) -> Result<f64, Error> {
        match (self, pending) {
            (Self::Classes(head), Pending::Classes(pending)) => Ok(head.gradient_norm(pending)?),
            (_, Pending::Pairs(gradient)) => {
                Ok(gradient.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt())
            }
            _ => unreachable!("a pending update comes from its own criterion"),
        }
    }

    /// [`Criterion::apply`] without clipping, and [`Criterion::gradient_norm`], which a head may know at no cost once it has moved.
    pub(crate) fn apply_and_measure(&mut self, pending: Pending, rate: f64) -> Result<f64, Error> {
        match (self, pending) {
            (Self::Classes(head), Pending::Classes(pending)) => Ok(head.apply_and_measure(pending, rate)?),
            (other, pending) => {
                let norm = other.gradient_norm(&pending)?;
                other.apply(pending, rate, 1.0)?;
                Ok(norm)
            }
        }
    }

    pub(crate) fn apply(&mut self, pending: Pending, rate: f64, clip_factor: f64) -> Result<(), Error> {
        match (self, pending) {
            (Self::Classes(head), Pending::Classes(pending)) => Ok(head.apply(pending, rate, clip_factor)?),
            (Self::Pairs(pairs), Pending::Pairs(gradient)) => {
                pairs.optimiser.step(&mut pairs.proxies, &gradient, rate, clip_factor);
                Ok(())
            }
            _ => unreachable!("a pending update comes from its own criterion"),
        }
    }

    /// The class of each row of `features`: by the centres, or by the nearest of `means` (`[classes, dim]`) where there are no
    /// centres.
    pub(crate) fn predict(&self, features: MatRef<'_>, means: &[f32]) -> Result<Vec<u32>, Error> {
        if let Self::Classes(head) = self {
            return Ok(head.predict(features)?);
        }
        let mut means = means.to_vec();
        means.chunks_mut(self.dim()).for_each(|mean| {
            normalise(mean);
        });
        let nearest = |row: &[f32]| {
            let cosine = |mean: &[f32]| row.iter().zip(mean).map(|(x, w)| x * w).sum::<f32>();
            let better = |best: (f32, u32), (class, mean): (usize, &[f32])| {
                let cosine = cosine(mean);
                if cosine > best.0 { (cosine, class as u32) } else { best }
            };
            means.chunks(self.dim()).enumerate().fold((f32::NEG_INFINITY, 0), better).1
        };
        Ok((0..features.rows()).map(|row| nearest(features.row(row))).collect())
    }

    /// State and tensors.
    pub(crate) fn state(&self) -> (CriterionState, Vec<HeadTensor>) {
        match self {
            Self::Classes(head) => {
                let mut state = head.state();
                let tensors = std::mem::take(&mut state.tensors);
                (CriterionState::Classes(Box::new(state)), tensors)
            }
            Self::Pairs(pairs) => {
                let shape = [pairs.proxies.len() / pairs.dim, pairs.dim];
                let tensor = |(name, values): (&str, &[f32])| HeadTensor {
                    name: name.to_owned(),
                    shape,
                    values: values.to_vec(),
                };
                let all =
                    std::iter::once((PROXIES, pairs.proxies.as_slice())).chain(pairs.optimiser.memory());
                let tensors = if pairs.proxies.is_empty() { Vec::new() } else { all.map(tensor).collect() };
                let state =
                    CriterionState::Pairs { steps: pairs.optimiser.steps(), memory: pairs.memory.clone() };
                (state, tensors)
            }
        }
    }

    /// Takes the state of a criterion of the same configuration.
    ///
    /// # Errors
    /// A sentence that says what does not fit.
    pub(crate) fn restore(
        &mut self,
        state: CriterionState,
        mut tensors: Vec<HeadTensor>,
    ) -> Result<(), String> {
        let expected = (self.classes(), self.dim());
        match (self, state) {
            (Self::Classes(head), CriterionState::Classes(state)) => {
                let found = Head::from_state(HeadState { tensors, ..*state }).map_err(|e| e.to_string())?;
                if (found.classes(), found.dim()) != expected {
                    let (classes, dim) = expected;
                    return Err(format!(
                        "{} classes of dimension {}, expected {classes} of {dim}",
                        found.classes(),
                        found.dim()
                    ));
                }
                **head = found;
                Ok(())
            }
            (Self::Pairs(pairs), CriterionState::Pairs { steps, memory }) => {
                let (len, config) = (pairs.proxies.len(), pairs.optimiser.config());
                let mut take = |name: &str| {
                    if len == 0 {
                        return Ok(Vec::new());
                    }
                    let at = tensors.iter().position(|tensor| tensor.name == name);
                    let tensor = at.map(|at| tensors.swap_remove(at));
                    let tensor = tensor.ok_or_else(|| format!("tensor '{name}' is missing"))?;
                    if tensor.values.len() != len || tensor.values.iter().any(|value| !value.is_finite()) {
                        return Err(format!("tensor '{name}': expected {len} finite numbers"));
                    }
                    Ok(tensor.values)
                };
                let proxies = take(PROXIES)?;
                let memories =
                    config.memory_names().iter().map(|name| take(name)).collect::<Result<Vec<_>, _>>()?;
                pairs.proxies = proxies;
                pairs.optimiser = Optimiser::restored(config, len, steps, memories);
                pairs.memory = memory;
                Ok(())
            }
            _ => Err("it was trained with another kind of objective".to_owned()),
        }
    }
}

impl PairCriterion {
    fn forward(
        &mut self,
        features: MatRef<'_>,
        labels: &[u32],
        step: u64,
    ) -> Result<CriterionForward, Error> {
        let miner = self.miner.as_ref();
        let found = if let Some(memory) = &mut self.memory {
            memory.evaluate(&self.objective, features, labels, miner, step)?
        } else {
            let proxies = MatRef::new(&self.proxies, self.proxies.len() / self.dim, self.dim);
            let proxies = (!self.proxies.is_empty()).then(|| proxies.expect("whole rows from the beginning"));
            let options = PairOptions { miner, draw: step, ..PairOptions::default() };
            self.objective.evaluate(features, proxies, labels, &options)?
        };
        // There are no class centres to say more by.
        let diagnostics = Diagnostics {
            samples: labels.len(),
            mean_push: found.counts.active_share(),
            effective_competitors: f64::NAN,
            mean_target_cosine: f64::NAN,
            margin_met: 1.0 - found.counts.active_share(),
            accuracy: f64::NAN,
        };
        Ok(CriterionForward {
            loss: f64::from(found.loss),
            grad_features: found.grad_embeddings,
            diagnostics,
            pending: Pending::Pairs(found.grad_proxies.unwrap_or_default()),
            warning: found.warning.map(|warning| warning.to_string()),
        })
    }
}
