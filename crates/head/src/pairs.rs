//! A head for objectives on pairs, triplets or proxies: the objective with its miner, its cross-batch memory and its proxies.

use serde::{Deserialize, Serialize};
use widemargin_objective::pairs::{
    CrossBatchMemory, Miner, PairCounts, PairObjective, PairOptions, PairWarning,
};
use widemargin_objective::{MatRef, norm, normalise};

use crate::batch::first_not_finite;
use crate::error::{Error, within};
use crate::inherit::{ClassOrigin, arrange, check_origins, mean_length};
use crate::initial::{check_size, initial_rows};
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
        check_size(classes, per_class.max(1), dim)?;
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
    /// [`Error::Dimension`] for features of a different dimension; [`Error::OutOfRange`] unless there is one mean per class; a feature
    /// or mean that is not finite.
    pub fn predict(&self, features: MatRef<'_>, class_means: &[f32]) -> Result<Vec<u32>, Error> {
        nearest_class_mean(features, class_means, (self.classes, self.dim))
    }

    /// Continues `earlier` with the classes of this head, which has just been created: as [`Head::inherit`](crate::Head::inherit), for
    /// proxies. A cross-batch memory starts empty.
    ///
    /// # Errors
    /// [`Error::OtherHead`] for another dimension; [`Error::OutOfRange`] unless there is one origin per class and both heads have as many proxies
    /// per class; [`Error::Label`] for a class that the earlier head does not have; those of [`PairHead::restore`] if its optimiser keeps another
    /// memory. On error the head is unchanged.
    pub fn inherit(&mut self, earlier: &Self, origins: &[ClassOrigin]) -> Result<(), Error> {
        if earlier.dim != self.dim {
            let [found, expected] = [earlier, self].map(|head| [head.classes, head.dim]);
            return Err(Error::OtherHead { found, expected });
        }
        let [found, per_class] = [earlier, self].map(|head| head.objective.proxies_per_class().unwrap_or(0));
        if found != per_class {
            let (setting, found) = ("proxies per class of the earlier head", found as f64);
            return Err(Error::OutOfRange { setting, found, expected: "as many as this head has" });
        }
        check_origins(origins, self.classes, (earlier.classes, self.dim))?;
        let mut state =
            PairHeadState { classes: self.classes, memory: self.memory.clone(), ..earlier.state() };
        for tensor in &mut state.tensors {
            let own = (self.proxies.as_slice(), mean_length(&earlier.proxies, self.dim));
            arrange(tensor, origins, per_class, (tensor.name == PROXIES).then_some(own));
        }
        self.restore(state)
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
    /// [`Error::OtherHead`]; [`Error::OutOfRange`] for a cross-batch memory of another capacity; a tensor that is missing, unknown, of
    /// a different shape, or not finite. On error the head is unchanged.
    pub fn restore(&mut self, state: PairHeadState) -> Result<(), Error> {
        let PairHeadState { classes, dim, steps, memory, mut tensors } = state;
        if (classes, dim) != (self.classes, self.dim) {
            let (found, expected) = ([classes, dim], [self.classes, self.dim]);
            return Err(Error::OtherHead { found, expected });
        }
        let capacity = |memory: &Option<CrossBatchMemory<f32>>| {
            memory.as_ref().map_or(0, widemargin_objective::pairs::CrossBatchMemory::capacity)
        };
        let (found, kept) = (capacity(&memory) as f64, capacity(&self.memory) as f64);
        let expected = "the capacity that this head was created with";
        within(kept..=kept, "capacity of the cross-batch memory", found, expected)?;
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
        config.check_memory(&memories)?;
        if let Some(tensor) = tensors.pop() {
            return Err(Error::UnexpectedTensor { name: tensor.name });
        }
        self.proxies = proxies;
        self.optimiser = Optimiser::restored(config, len, steps, memories);
        self.memory = memory;
        Ok(())
    }
}

/// The class of each sample: that of the nearest of `class_means`, `[classes, dim]`, by cosine.
///
/// # Errors
/// [`Error::Dimension`] for features of a different dimension; [`Error::OutOfRange`] unless there is one mean per class; a feature or mean that
/// is not finite.
pub fn nearest_class_mean(
    features: MatRef<'_>,
    class_means: &[f32],
    (classes, dim): (usize, usize),
) -> Result<Vec<u32>, Error> {
    if features.cols() != dim {
        return Err(Error::Dimension { found: features.cols(), expected: dim });
    }
    let means = (class_means.len() / dim) as f64;
    within(classes as f64..=classes as f64, "number of class means", means, "one per class")?;
    let place = |at: usize| (at / dim, at % dim);
    if let Some(at) = first_not_finite(features.data()) {
        let ((row, column), found) = (place(at), features.data()[at]);
        return Err(Error::NonFiniteFeature { row, column, found });
    }
    if let Some(at) = first_not_finite(class_means) {
        return Err(Error::NonFiniteTensor { name: "class means".to_owned(), row: place(at).0 });
    }
    let mut class_means = class_means.to_vec();
    class_means.chunks_mut(dim).for_each(|mean| {
        normalise(mean);
    });
    let nearest = |row: &[f32]| {
        let cosine = |mean: &[f32]| row.iter().zip(mean).map(|(x, w)| x * w).sum::<f32>();
        let better = |best: (f32, u32), (class, mean): (usize, &[f32])| {
            let cosine = cosine(mean);
            if cosine > best.0 { (cosine, class as u32) } else { best }
        };
        class_means.chunks(dim).enumerate().fold((f32::NEG_INFINITY, 0), better).1
    };
    Ok((0..features.rows()).map(|row| nearest(features.row(row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{values, view};

    fn head(name: &str, optimiser: OptimiserConfig, memory: usize) -> PairHead {
        let objective = widemargin_objective::AnyObjective::from_name(name, &serde_json::Map::default(), 4);
        let Ok(widemargin_objective::AnyObjective::Pairs(objective)) = objective else { panic!("{name}") };
        let config = PairHeadConfig { optimiser, memory, ..PairHeadConfig::default() };
        PairHead::new(4, 6, objective, config).expect("in range")
    }

    #[test]
    fn a_state_of_other_settings_is_rejected() {
        let sgd = OptimiserConfig::default();
        let (mut still, with_momentum) =
            (head("proxy-nca", OptimiserConfig::sgd(0.0, 0.0), 0), head("proxy-nca", sgd, 0));
        let error = still.restore(with_momentum.state()).expect_err("a velocity that is not used");
        assert_eq!(error, Error::UnexpectedTensor { name: "velocity".to_owned() });
        let mut without = head("contrastive", sgd, 0);
        for (mut head, other) in [
            (head("contrastive", sgd, 30), without.state()),
            (head("contrastive", sgd, 30), head("contrastive", sgd, 20).state()),
        ] {
            let error = head.restore(other).expect_err("another memory");
            assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
        }
        assert!(without.restore(head("contrastive", sgd, 30).state()).is_err(), "a memory that is not used");
        let error = without.restore(with_momentum.state()).expect_err("proxies that are not used");
        assert!(matches!(error, Error::UnexpectedTensor { .. }), "{error}");
        let adam_w = OptimiserConfig::adam_w(0.01);
        let mut spoilt = head("proxy-nca", adam_w, 0).state();
        spoilt.tensors[2].values[3] = -1.0;
        let error = head("proxy-nca", adam_w, 0).restore(spoilt).expect_err("a negative square");
        assert_eq!(error, Error::NegativeSquare { at: 3, found: -1.0 });
    }

    #[test]
    fn a_prediction_from_values_that_are_not_finite_is_an_error() {
        let head = head("contrastive", OptimiserConfig::default(), 0);
        let (mut x, mut means) = (values(12, 1), values(24, 2));
        head.predict(view(&x, 2, 6), &means).expect("finite");
        means[13] = f32::NAN;
        let error = head.predict(view(&x, 2, 6), &means).expect_err("a mean");
        assert_eq!(error, Error::NonFiniteTensor { name: "class means".to_owned(), row: 2 });
        x[7] = f32::INFINITY;
        let error = head.predict(view(&x, 2, 6), &values(24, 2)).expect_err("a feature");
        assert_eq!(error, Error::NonFiniteFeature { row: 1, column: 1, found: f32::INFINITY });
        let sizes = [(0, 6), (4, 0), (usize::MAX, 6)];
        for (classes, dim) in sizes {
            let objective = *head.objective();
            let made = PairHead::new(classes, dim, objective, PairHeadConfig::default());
            assert!(matches!(made, Err(Error::OutOfRange { .. })), "{classes} classes of {dim}");
        }
    }
}
