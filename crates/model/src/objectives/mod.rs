//! Objectives as Burn modules: one line in a model, and the class centres are parameters of it.
//!
//! The losses and their hand-written gradients are those of `widemargin-objective` and `widemargin-head`, put behind the
//! features in the graph of the automatic differentiation: on the CPU as one operation, elsewhere through values on the host.
//! Everything is computed in `f32`, whatever the precision of the backbone.
//!
//! ```
//! use burn::tensor::{Device, Tensor, TensorData};
//! use widemargin_model::objectives::ClassLoss;
//! use widemargin_objective::{ClassObjective, Parameters};
//!
//! let device = Device::flex().autodiff();
//! let am_softmax = ClassObjective::from_name("am-softmax", &Parameters::new(), 3)?;
//! let loss = ClassLoss::new(am_softmax, 3, 2, 1, &device)?;
//! let features = Tensor::<2>::from_data(TensorData::from([[1.0f32, 0.2], [-0.3, 0.9]]), &device).require_grad();
//! let value = loss.forward(features.clone(), &[0, 2])?;
//! let gradients = value.backward();
//! assert_eq!(features.grad(&gradients).expect("tracked").dims(), [2, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use widemargin_head::{Head, HeadConfig, class_loss};
use widemargin_objective::pairs::{CrossBatchMemory, Miner, PairObjective, PairOptions};
use widemargin_objective::{ClassObjective, ClassState, MatRef, Objective};

use crate::Error;
use crate::operations::{LossOfValues, cast, loss};
use burn::tensor::FloatDType;

/// An objective against class centres, with the centres (and a learnt scale or bias) as parameters.
#[derive(Module, Debug)]
pub struct ClassLoss {
    /// `[classes * sub_centres, dim]`.
    centres: Param<Tensor<2>>,
    /// `[1, 1]`: the scale or bias of objectives that learn one.
    learnt: Option<Param<Tensor<2>>>,
    #[module(skip)]
    objective: Shared<ClassObjective>,
}

/// An objective on pairs, triplets or proxies, with the proxies as parameters where it has them.
#[derive(Module, Debug)]
pub struct PairLoss {
    /// `[classes * proxies_per_class, dim]`.
    proxies: Option<Param<Tensor<2>>>,
    #[module(skip)]
    state: Shared<PairState>,
}

/// What changes while a module is used, shared by its clones.
#[derive(Debug)]
struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// A thread that died while it held the lock has changed nothing halfway: states are replaced whole.
    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct PairState {
    objective: PairObjective,
    miner: Option<Miner>,
    memory: Option<CrossBatchMemory<f32>>,
    steps: u64,
}

fn parameter(values: &[f32], rows: usize, device: &Device) -> Param<Tensor<2>> {
    Param::from_data(TensorData::new(values.to_vec(), [rows, values.len() / rows.max(1)]), device)
}

fn view(values: &[f32], rows: usize, columns: usize) -> Result<MatRef<'_>, Error> {
    Ok(MatRef::new(values, rows, columns).map_err(widemargin_objective::Error::from)?)
}

impl ClassLoss {
    /// With random unit directions as centres, the same for the same seed everywhere (normal numbers for dot products).
    ///
    /// # Errors
    /// Without a class or dimension, or with more than can be addressed.
    pub fn new(
        objective: ClassObjective,
        classes: usize,
        dim: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        let config = HeadConfig { seed, ..HeadConfig::default() };
        let head = Head::new(classes, dim, objective.clone(), config)?;
        let learnt = objective.learnt().map(|(_, value)| parameter(&[value as f32], 1, device));
        let centres = parameter(&head.centres(), classes * head.sub_centres(), device);
        Ok(Self { centres, learnt, objective: Shared::new(objective) })
    }

    /// Mean loss `[1]` of features `[batch, dim]` with one label each; moves the objective's running statistics, if it has any.
    ///
    /// # Errors
    /// Labels out of range or not one a sample, features that are not finite (the row is named), scores beyond `f32`.
    pub fn forward(&self, features: Tensor<2>, labels: &[u32]) -> Result<Tensor<1>, Error> {
        let (features, centres) = (cast(features, FloatDType::F32), self.centres.val());
        let ([rows, dim], [centre_rows, centre_dim]) = (features.dims(), centres.dims());
        let mut objective = self.objective.lock();
        let compute = |objective: &ClassObjective, features: &[f32], centres: &[f32]| {
            let features = view(features, rows, dim)?;
            let centres = view(centres, centre_rows, centre_dim)?;
            Ok::<_, Error>(class_loss(objective, centres, features, labels)?)
        };
        let Some(learnt) = &self.learnt else {
            let mut next = *objective.state();
            let value = loss([features, centres], |[features, centres]| {
                let found = compute(&objective, features, centres)?;
                next = found.next_state;
                let gradients = [found.grad_features, found.grad_centres];
                Ok::<_, Error>(LossOfValues { value: found.loss as f32, gradients })
            })?;
            objective.commit(next)?;
            return Ok(value);
        };
        let mut next = None;
        let value = loss([features, centres, learnt.val()], |[features, centres, learnt]| {
            let mut with_learnt = objective.clone();
            with_learnt.set_learnt(f64::from(learnt[0]))?;
            let found = compute(&with_learnt, features, centres)?;
            next = Some(found.next_state);
            let slope = found.grad_learnt.unwrap_or(0.0);
            let gradients = [found.grad_features, found.grad_centres, vec![slope]];
            Ok::<_, Error>(LossOfValues { value: found.loss as f32, gradients })
        })?;
        if let Some(next) = next {
            objective.commit(next)?;
        }
        Ok(value)
    }

    /// The class centres.
    pub fn centres(&self) -> Tensor<2> {
        self.centres.val()
    }

    /// Running statistics and step, to be saved beside the parameters.
    pub fn state(&self) -> ClassState {
        *self.objective.lock().state()
    }

    /// Takes saved statistics.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn restore(&self, state: ClassState) -> Result<(), Error> {
        Ok(self.objective.lock().commit(state)?)
    }

    /// Puts a share of the margin in force, from none at 0 to all at 1.
    pub fn set_margin_share(&self, share: f64) {
        self.objective.lock().set_margin_share(share);
    }
}

impl PairLoss {
    /// An objective on pairs of the batch; with proxies, `classes` of them times those of a class, in random directions.
    ///
    /// # Errors
    /// Settings out of range, or without a class or dimension where proxies are needed.
    pub fn new(
        objective: PairObjective,
        classes: usize,
        dim: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        objective.validate()?;
        let proxies = match objective.proxies_per_class() {
            None => None,
            Some(each) => {
                let config = HeadConfig { seed, ..HeadConfig::default() };
                let start = Objective::normalized_softmax(1.0)?;
                let head = Head::new(classes * each, dim, start, config)?;
                Some(parameter(&head.centres(), classes * each, device))
            }
        };
        Ok(Self { proxies, state: Shared::new(PairState { objective, miner: None, memory: None, steps: 0 }) })
    }

    /// The same on the pairs or triplets that a miner chooses.
    #[must_use]
    pub fn with_miner(self, miner: Miner) -> Self {
        self.state.lock().miner = Some(miner);
        self
    }

    /// The same with a memory of the last `capacity` embeddings to compare with.
    ///
    /// # Errors
    /// If the capacity is 0.
    pub fn with_memory(self, capacity: usize, dim: usize) -> Result<Self, Error> {
        self.state.lock().memory = Some(CrossBatchMemory::new(capacity, dim)?);
        Ok(self)
    }

    /// Loss `[1]` of embeddings `[batch, dim]` with one label each; 0 where the batch has no pairs.
    ///
    /// # Errors
    /// Labels that do not fit, embeddings that are not finite (the row is named), a miner or memory that the objective does not
    /// take.
    pub fn forward(&self, embeddings: Tensor<2>, labels: &[u32]) -> Result<Tensor<1>, Error> {
        let embeddings = cast(embeddings, FloatDType::F32);
        let [rows, dim] = embeddings.dims();
        let state = &mut *self.state.lock();
        let draw = state.steps;
        state.steps += 1;
        let miner = state.miner.as_ref();
        if let Some(proxies) = &self.proxies {
            let proxies = proxies.val();
            let proxy_rows = proxies.dims()[0];
            return loss([embeddings, proxies], |[embeddings, proxies]| {
                let options = PairOptions { miner, draw, ..PairOptions::default() };
                let proxies = Some(view(proxies, proxy_rows, dim)?);
                let found =
                    state.objective.evaluate(view(embeddings, rows, dim)?, proxies, labels, &options)?;
                let gradients = [found.grad_embeddings, found.grad_proxies.unwrap_or_default()];
                Ok(LossOfValues { value: found.loss, gradients })
            });
        }
        loss([embeddings], |[embeddings]| {
            let embeddings = view(embeddings, rows, dim)?;
            let found = if let Some(memory) = &mut state.memory {
                memory.evaluate(&state.objective, embeddings, labels, miner, draw)?
            } else {
                let options = PairOptions { miner, draw, ..PairOptions::default() };
                state.objective.evaluate(embeddings, None, labels, &options)?
            };
            Ok(LossOfValues { value: found.loss, gradients: [found.grad_embeddings] })
        })
    }
}

#[cfg(test)]
mod composed;
#[cfg(test)]
mod tests;
