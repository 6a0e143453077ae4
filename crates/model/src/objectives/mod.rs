//! Objectives as one Burn module, [`Loss`], whose parameters are the class centres or proxies.
//!
//! Losses and hand-written gradients are those of `widemargin-objective` and `widemargin-head`. They enter Burn's autodiff
//! graph as one operation on the CPU, and through values on the host on other devices. Everything is computed in `f32`,
//! whatever the precision of the backbone.
//!
//! ```
//! use burn::tensor::{Device, Tensor, TensorData};
//! use widemargin_model::objectives::Loss;
//! use widemargin_objective::{AnyObjective, Parameters};
//!
//! let device = Device::flex().autodiff();
//! let (classes, dim, seed) = (3, 2, 1);
//! let am_softmax = AnyObjective::from_name("am-softmax", &Parameters::new(), classes)?;
//! let loss = Loss::new(am_softmax, classes, dim, seed, &device)?;
//! let features = Tensor::<2>::from_data(TensorData::from([[1.0f32, 0.2], [-0.3, 0.9]]), &device).require_grad();
//! let value = loss.forward(features.clone(), &[0, 2])?;
//! let gradients = value.backward();
//! assert_eq!(features.grad(&gradients).expect("tracked").dims(), [2, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{Module, Param};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use widemargin_head::{Head, HeadConfig, class_loss};
use widemargin_objective::pairs::{CrossBatchMemory, Miner, PairOptions};
use widemargin_objective::{AnyObjective, ClassState, MatRef, Objective};

use crate::Error;
use crate::operations::{LossOfValues, cast, loss};

/// An objective with its class centres or proxies, and a learnt scale or bias if it has one, as parameters.
#[derive(Module, Debug)]
pub struct Loss {
    /// Class centres or proxies: `[classes * weights_per_class, dim]`.
    weights: Option<Param<Tensor<2>>>,
    /// `[1, 1]`: the learnt scale or bias.
    learnt: Option<Param<Tensor<2>>>,
    #[module(skip)]
    state: Shared,
}

/// The state of a [`Loss`] that is not a parameter.
#[derive(Debug)]
struct State {
    objective: AnyObjective,
    miner: Option<Miner>,
    memory: Option<CrossBatchMemory<f32>>,
    /// Number of evaluated batches, for miners that draw at random.
    steps: u64,
}

/// Clones of a module share its state.
#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    /// A thread that panicked while it held the lock left no partial change: values are replaced as a whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loss and gradients of one batch.
struct Gradients {
    loss: f32,
    features: Vec<f32>,
    weights: Vec<f32>,
    learnt: f32,
}

impl Loss {
    /// A loss with random unit directions as class centres or proxies (normal vectors for objectives on dot products). The
    /// same seed gives the same weights on every machine.
    ///
    /// # Errors
    /// If a setting of the objective is out of range, or the objective has weights and `classes` or `dim` is 0 or their
    /// product exceeds the address space.
    pub fn new(
        objective: AnyObjective,
        classes: usize,
        dim: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        let config = HeadConfig { seed, ..HeadConfig::default() };
        let (head, learnt) = match &objective {
            AnyObjective::Classes(objective) => {
                let learnt = objective.learnt().map(|(_, value)| parameter(&[value as f32], 1, device));
                (Some(Head::new(classes, dim, (**objective).clone(), config)?), learnt)
            }
            AnyObjective::Pairs(objective) => {
                objective.validate()?;
                let start = Objective::normalized_softmax(1.0)?;
                let proxies = objective.proxies_per_class().map(|each| classes * each);
                (proxies.map(|rows| Head::new(rows, dim, start, config)).transpose()?, None)
            }
        };
        let weights = head.map(|head| {
            let values = head.centres();
            parameter(&values, values.len() / dim, device)
        });
        let state = State { objective, miner: None, memory: None, steps: 0 };
        Ok(Self { weights, learnt, state: Shared(Arc::new(Mutex::new(state))) })
    }

    /// Restricts an objective on pairs to the pairs or triplets that a miner selects.
    #[must_use]
    pub fn with_miner(self, miner: Miner) -> Self {
        self.state.lock().miner = Some(miner);
        self
    }

    /// Lets an objective on pairs also compare with the last `capacity` embeddings of dimension `dim`.
    ///
    /// # Errors
    /// If `capacity` is 0.
    pub fn with_memory(self, capacity: usize, dim: usize) -> Result<Self, Error> {
        self.state.lock().memory = Some(CrossBatchMemory::new(capacity, dim)?);
        Ok(self)
    }

    /// The mean loss, `[1]`, of features `[batch, dim]` with one label per row. It updates the running statistics of an
    /// objective that has them. For an objective on pairs, a batch without pairs has loss 0.
    ///
    /// # Errors
    /// Labels that are out of range or not one per row, features that are not finite (the error names the row), a loss
    /// beyond `f32`, and a miner or memory that the objective does not accept. A rejected batch does not change the running
    /// statistics.
    pub fn forward(&self, features: Tensor<2>, labels: &[u32]) -> Result<Tensor<1>, Error> {
        let features = cast(features, FloatDType::F32);
        let [rows, dim] = features.dims();
        let weights = self.weights.as_ref().map(Param::val);
        let [weight_rows, weight_dim] = weights.as_ref().map_or([0, 0], Tensor::dims);
        let state = &mut *self.state.lock();
        let mut evaluate = |features: &[f32], weights: Option<&[f32]>, learnt: Option<f32>| {
            let features = view(features, rows, dim)?;
            let weights = weights.map(|weights| view(weights, weight_rows, weight_dim)).transpose()?;
            state.evaluate(features, weights, learnt, labels)
        };
        match (weights, self.learnt.as_ref().map(Param::val)) {
            (None, _) => loss([features], |[features]| {
                let found = evaluate(features, None, None)?;
                Ok(LossOfValues { value: found.loss, gradients: [found.features] })
            }),
            (Some(weights), None) => loss([features, weights], |[features, weights]| {
                let found = evaluate(features, Some(weights), None)?;
                Ok(LossOfValues { value: found.loss, gradients: [found.features, found.weights] })
            }),
            (Some(weights), Some(learnt)) => {
                loss([features, weights, learnt], |[features, weights, learnt]| {
                    let found = evaluate(features, Some(weights), Some(learnt[0]))?;
                    let gradients = [found.features, found.weights, vec![found.learnt]];
                    Ok(LossOfValues { value: found.loss, gradients })
                })
            }
        }
    }

    /// The class centres or proxies, if the objective has any.
    pub fn weights(&self) -> Option<Tensor<2>> {
        self.weights.as_ref().map(Param::val)
    }

    /// Running statistics and step of an objective on class centres, to be saved with the parameters. `None` for
    /// objectives on pairs.
    pub fn state(&self) -> Option<ClassState> {
        match &self.state.lock().objective {
            AnyObjective::Classes(objective) => Some(*objective.state()),
            AnyObjective::Pairs(_) => None,
        }
    }

    /// Restores a saved state; does nothing for objectives on pairs.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub fn restore(&self, state: ClassState) -> Result<(), Error> {
        match &mut self.state.lock().objective {
            AnyObjective::Classes(objective) => Ok(objective.commit(state)?),
            AnyObjective::Pairs(_) => Ok(()),
        }
    }

    /// Scales the margin of an objective on class centres: 0 for none, 1 for the full margin.
    pub fn set_margin_share(&self, share: f64) {
        if let AnyObjective::Classes(objective) = &mut self.state.lock().objective {
            objective.set_margin_share(share);
        }
    }
}

impl State {
    /// Loss and gradients of a batch. Updates the state, unless there is an error.
    fn evaluate(
        &mut self,
        features: MatRef<'_>,
        weights: Option<MatRef<'_>>,
        learnt: Option<f32>,
        labels: &[u32],
    ) -> Result<Gradients, Error> {
        match &mut self.objective {
            AnyObjective::Classes(objective) => {
                let centres = weights.expect("objectives on class centres have weights");
                let found = match learnt {
                    None => class_loss(objective, centres, features, labels)?,
                    Some(value) => {
                        let mut moved = objective.clone();
                        moved.set_learnt(f64::from(value))?;
                        class_loss(&moved, centres, features, labels)?
                    }
                };
                objective.commit(found.next_state)?;
                Ok(Gradients {
                    loss: found.loss as f32,
                    features: found.grad_features,
                    weights: found.grad_centres,
                    learnt: found.grad_learnt.unwrap_or(0.0),
                })
            }
            AnyObjective::Pairs(objective) => {
                let (miner, draw) = (self.miner.as_ref(), self.steps);
                let found = if let Some(memory) = &mut self.memory {
                    memory.evaluate(objective, features, labels, miner, draw)?
                } else {
                    let options = PairOptions { miner, draw, ..PairOptions::default() };
                    objective.evaluate(features, weights, labels, &options)?
                };
                self.steps += 1;
                Ok(Gradients {
                    loss: found.loss,
                    features: found.grad_embeddings,
                    weights: found.grad_proxies.unwrap_or_default(),
                    learnt: 0.0,
                })
            }
        }
    }
}

fn view(values: &[f32], rows: usize, columns: usize) -> Result<MatRef<'_>, Error> {
    Ok(MatRef::new(values, rows, columns).map_err(widemargin_objective::Error::from)?)
}

fn parameter(values: &[f32], rows: usize, device: &Device) -> Param<Tensor<2>> {
    Param::from_data(TensorData::new(values.to_vec(), [rows, values.len() / rows.max(1)]), device)
}

#[cfg(test)]
mod composed;
#[cfg(test)]
mod tests;
