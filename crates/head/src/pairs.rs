//! A head for objectives on pairs, triplets or proxies: the objective with its miner, its cross-batch memory and its proxies.

use serde::{Deserialize, Serialize};
use widemargin_objective::pairs::{
    CrossBatchMemory, Miner, PairCounts, PairObjective, PairOptions, PairWarning,
};
use widemargin_objective::{MatRef, norm, normalise};

use crate::error::{Error, within};
use crate::initial::initial_rows;
use crate::optimiser::{Optimiser, OptimiserConfig};
use crate::state::HeadTensor;

/// Name of the tensor of the proxies.
const PROXIES: &str = "proxies";

/// The settings of a [`PairHead`] other than its objective.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairHeadConfig {
    /// The optimiser of the proxies.
    pub optimiser: OptimiserConfig,
    /// Seed of the initial proxies.
    pub seed: u64,
    /// Chooses the pairs or triplets of a batch; all of them if absent.
    pub miner: Option<Miner>,
    /// Number of earlier embeddings that a batch is also compared with; 0 for none.
    pub memory: usize,
}

/// An objective on pairs with everything it needs for training; it has the same methods as [`Head`](crate::Head).
#[derive(Clone, Debug)]
pub struct PairHead {
    objective: PairObjective,
    miner: Option<Miner>,
    memory: Option<CrossBatchMemory<f32>>,
    /// `[classes * proxies_per_class, dim]`; empty without proxies.
    proxies: Vec<f32>,
    optimiser: Optimiser,
    classes: usize,
    dim: usize,
}

/// Result of [`PairHead::forward`].
#[derive(Clone, Debug)]
pub struct PairForward {
    /// The loss, reduced as the objective's formula says.
    pub loss: f64,
    /// Gradient of the loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// Numbers of pairs, triplets and terms.
    pub counts: PairCounts,
    /// Set if the batch had nothing that the objective could use.
    pub warning: Option<PairWarning>,
    /// The gradient of the proxies, for [`PairHead::apply`]; drop it to skip the update.
    pub pending: PendingProxies,
}

/// The gradient of the proxies, computed but not yet applied.
#[derive(Clone, Debug)]
#[must_use = "the proxies do not change until the update is applied"]
pub struct PendingProxies {
    gradient: Vec<f32>,
    step: u64,
}

/// The whole state of a [`PairHead`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairHeadState {
    /// Number of classes.
    pub classes: usize,
    /// Dimension of the embeddings.
    pub dim: usize,
    /// Updates applied so far.
    pub steps: u64,
    /// The cross-batch memory, if there is one.
    pub memory: Option<CrossBatchMemory<f32>>,
    /// `proxies` and the optimiser's memory of them; empty without proxies.
    pub tensors: Vec<HeadTensor>,
}

impl PairHead {
    /// Creates a head with initial proxies, if the objective has any: random unit directions.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a setting outside its range.
    pub fn new(
        classes: usize,
        dim: usize,
        objective: PairObjective,
        config: PairHeadConfig,
    ) -> Result<Self, Error> {
        let PairHeadConfig { optimiser, seed, miner, memory } = config;
        let per_class = objective.proxies_per_class().unwrap_or(0);
        let proxies = initial_rows(0, classes * per_class * dim, dim, true, seed);
        Ok(Self {
            optimiser: Optimiser::new(optimiser, proxies.len())?,
            memory: (memory > 0).then(|| CrossBatchMemory::new(memory, dim)).transpose()?,
            objective,
            miner,
            proxies,
            classes,
            dim,
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Dimension of the embeddings.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The objective.
    pub fn objective(&self) -> &PairObjective {
        &self.objective
    }

    /// Updates applied so far.
    pub fn steps(&self) -> u64 {
        self.optimiser.steps()
    }

    /// Loss and gradients of a batch. The proxies do not change; a cross-batch memory stores the batch.
    ///
    /// Shapes: `features` `[batch, dim]`, one label per sample.
    ///
    /// # Errors
    /// The errors of the objective: shapes or labels that do not fit, a feature or result that is not finite.
    pub fn forward(&mut self, features: MatRef<'_>, labels: &[u32]) -> Result<PairForward, Error> {
        let (miner, draw) = (self.miner.as_ref(), self.steps());
        let found = if let Some(memory) = &mut self.memory {
            memory.evaluate(&self.objective, features, labels, miner, draw)?
        } else {
            let proxies = MatRef::new(&self.proxies, self.proxies.len() / self.dim, self.dim);
            let proxies = (!self.proxies.is_empty()).then(|| proxies.expect("proxies are whole rows"));
            let options = PairOptions { miner, draw, ..PairOptions::default() };
            self.objective.evaluate(features, proxies, labels, &options)?
        };
        Ok(PairForward {
            loss: f64::from(found.loss),
            grad_features: found.grad_embeddings,
            counts: found.counts,
            warning: found.warning,
            pending: PendingProxies { gradient: found.grad_proxies.unwrap_or_default(), step: draw },
        })
    }

    /// Euclidean norm of the gradient of the proxies; 0 without proxies.
    pub fn gradient_norm(&self, pending: &PendingProxies) -> f64 {
        norm(&pending.gradient)
    }

    /// Applies a pending update to the proxies: one optimiser step with `clip_factor` times its gradient.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update that was not computed at this head's present step; [`Error::OutOfRange`] for a
    /// learning rate or clip factor that is negative or not finite. On error the head is unchanged.
    pub fn apply(
        &mut self,
        pending: PendingProxies,
        learning_rate: f64,
        clip_factor: f64,
    ) -> Result<(), Error> {
        let finite = 0.0..=f64::from(f32::MAX);
        within(finite.clone(), "learning rate", learning_rate, "a finite number, 0 or above")?;
        within(finite, "clip factor", clip_factor, "a finite number, 0 or above")?;
        let PendingProxies { gradient, step } = pending;
        if step != self.steps() || gradient.len() != self.proxies.len() {
            return Err(Error::StaleUpdate {
                found: step,
                expected: self.steps(),
                found_values: gradient.len(),
                expected_values: self.proxies.len(),
            });
        }
        self.optimiser.step(&mut self.proxies, &gradient, learning_rate, clip_factor);
        Ok(())
    }

    /// The class of each sample: that of the nearest of `class_means`, `[classes, dim]`, by cosine.
    ///
    /// # Errors
    /// [`Error::Dimension`] for features of a different dimension; [`Error::OutOfRange`] unless there is one mean per class.
    pub fn predict(&self, features: MatRef<'_>, class_means: &[f32]) -> Result<Vec<u32>, Error> {
        if features.cols() != self.dim {
            return Err(Error::Dimension { found: features.cols(), expected: self.dim });
        }
        let means = (class_means.len() / self.dim) as f64;
        within(self.classes as f64..=self.classes as f64, "number of class means", means, "one per class")?;
        let mut class_means = class_means.to_vec();
        class_means.chunks_mut(self.dim).for_each(|mean| {
            normalise(mean);
        });
        let nearest = |row: &[f32]| {
            let cosine = |mean: &[f32]| row.iter().zip(mean).map(|(x, w)| x * w).sum::<f32>();
            let better = |best: (f32, u32), (class, mean): (usize, &[f32])| {
                let cosine = cosine(mean);
                if cosine > best.0 { (cosine, class as u32) } else { best }
            };
            class_means.chunks(self.dim).enumerate().fold((f32::NEG_INFINITY, 0), better).1
        };
        Ok((0..features.rows()).map(|row| nearest(features.row(row))).collect())
    }

    /// A copy of the whole state.
    pub fn state(&self) -> PairHeadState {
        let shape = [self.proxies.len() / self.dim, self.dim];
        let tensor = |(name, values): (&str, &[f32])| HeadTensor {
            name: name.to_owned(),
            shape,
            values: values.to_vec(),
        };
        let all = std::iter::once((PROXIES, self.proxies.as_slice())).chain(self.optimiser.memory());
        PairHeadState {
            classes: self.classes,
            dim: self.dim,
            steps: self.steps(),
            memory: self.memory.clone(),
            tensors: if self.proxies.is_empty() { Vec::new() } else { all.map(tensor).collect() },
        }
    }

    /// Restores a state of a head with the same objective and settings, to the bit.
    ///
    /// # Errors
    /// [`Error::OtherHead`]; a tensor that is missing, of a different shape, or not finite. On error the head is unchanged.
    pub fn restore(&mut self, state: PairHeadState) -> Result<(), Error> {
        let PairHeadState { classes, dim, steps, memory, mut tensors } = state;
        if (classes, dim) != (self.classes, self.dim) {
            let (found, expected) = ([classes, dim], [self.classes, self.dim]);
            return Err(Error::OtherHead { found, expected });
        }
        let (len, config) = (self.proxies.len(), self.optimiser.config());
        let expected = [len / dim, dim];
        let mut take = |name: &'static str| {
            if len == 0 {
                return Ok(Vec::new());
            }
            let at = tensors.iter().position(|tensor| tensor.name == name);
            let at = at.ok_or(Error::MissingTensor { name })?;
            let HeadTensor { name, shape: found, values } = tensors.swap_remove(at);
            if found != expected || values.len() != len {
                return Err(Error::TensorShape { name, found, values: values.len(), expected });
            }
            match values.iter().position(|value| !value.is_finite()) {
                Some(at) => Err(Error::NonFiniteTensor { name, row: at / dim }),
                None => Ok(values),
            }
        };
        let proxies = take(PROXIES)?;
        let memories = config.memory_names().iter().map(|name| take(name)).collect::<Result<Vec<_>, _>>()?;
        self.proxies = proxies;
        self.optimiser = Optimiser::restored(config, len, steps, memories);
        self.memory = memory;
        Ok(())
    }
}
