//! SGD with momentum and AdamW on plain slices; every setting means the same as in PyTorch.
//!
//! Each value is updated independently, so the result does not depend on how the work is divided among threads. The factor on
//! the gradient is for clipping: it applies before weight decay, as when gradients are clipped in place.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, within};

/// Values per task; small enough for the first-level cache.
const CHUNK: usize = 4096;

/// An optimiser and its settings; absent settings take their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OptimiserConfig {
    /// `v = momentum v + (g + weight_decay w); w = w - rate v`, with `v` starting at 0 and no dampening
    /// (`torch.optim.SGD`).
    Sgd {
        /// In `[0, 1)`; 0.9 by default.
        #[serde(default = "defaults::momentum")]
        momentum: f64,
        /// 0 or above; 5e-4 by default.
        #[serde(default = "defaults::sgd_decay")]
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2; `torch.optim.AdamW`).
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay of the running mean of the gradient, in `[0, 1)`; 0.9 by default.
        #[serde(default = "defaults::beta1")]
        beta1: f64,
        /// Decay of the running mean of its square, in `[0, 1)`; 0.999 by default.
        #[serde(default = "defaults::beta2")]
        beta2: f64,
        /// Added to the square root of the mean square; above 0; 1e-8 by default.
        #[serde(default = "defaults::epsilon")]
        epsilon: f64,
        /// 0 or above; 0.01 by default.
        #[serde(default = "defaults::adamw_decay")]
        weight_decay: f64,
    },
}

mod defaults {
    pub(super) fn momentum() -> f64 {
        0.9
    }
    pub(super) fn sgd_decay() -> f64 {
        5e-4
    }
    pub(super) fn beta1() -> f64 {
        0.9
    }
    pub(super) fn beta2() -> f64 {
        0.999
    }
    pub(super) fn epsilon() -> f64 {
        1e-8
    }
    pub(super) fn adamw_decay() -> f64 {
        0.01
    }
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self::sgd(defaults::momentum(), defaults::sgd_decay())
    }
}

impl OptimiserConfig {
    /// SGD with momentum.
    pub const fn sgd(momentum: f64, weight_decay: f64) -> Self {
        Self::Sgd { momentum, weight_decay }
    }

    /// AdamW with its usual betas (0.9, 0.999) and epsilon (1e-8).
    pub fn adam_w(weight_decay: f64) -> Self {
        let (beta1, beta2, epsilon) = (defaults::beta1(), defaults::beta2(), defaults::epsilon());
        Self::AdamW { beta1, beta2, epsilon, weight_decay }
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for the first one that is not.
    pub fn check(&self) -> Result<(), Error> {
        let decay = |found| within(0.0..=1e6, "weight_decay", found, "0 or above");
        match *self {
            Self::Sgd { momentum, weight_decay } => {
                within(0.0..1.0, "momentum", momentum, "from 0 to below 1")?;
                decay(weight_decay)
            }
            Self::AdamW { beta1, beta2, epsilon, weight_decay } => {
                within(0.0..1.0, "beta1", beta1, "from 0 to below 1")?;
                within(0.0..1.0, "beta2", beta2, "from 0 to below 1")?;
                within(1e-30..=1.0, "epsilon", epsilon, "from 1e-30 to 1")?;
                decay(weight_decay)
            }
        }
    }

    /// Names of the optimiser's memory: each holds one value per value that is optimised.
    pub const fn memory_names(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["velocity"],
            Self::AdamW { .. } => &["mean", "square"],
        }
    }

    /// Checks that a memory from outside is one that steps can produce: a mean of squares is not negative. Its root would be `NaN`.
    ///
    /// # Errors
    /// [`Error::NegativeSquare`] with the place of the first one.
    pub fn check_memory(&self, memory: &[Vec<f32>]) -> Result<(), Error> {
        for (&name, values) in self.memory_names().iter().zip(memory) {
            if name == "square"
                && let Some(at) = values.iter().position(|value| *value < 0.0)
            {
                return Err(Error::NegativeSquare { at, found: values[at] });
            }
        }
        Ok(())
    }

    /// Whether a step depends on how many were made before: AdamW corrects the bias of its running means.
    pub(crate) const fn corrects_bias(&self) -> bool {
        matches!(self, Self::AdamW { .. })
    }

    /// The same optimiser without weight decay, for a learnt scale or bias.
    pub(crate) fn without_decay(self) -> Self {
        match self {
            Self::Sgd { momentum, .. } => Self::Sgd { momentum, weight_decay: 0.0 },
            Self::AdamW { beta1, beta2, epsilon, .. } => {
                Self::AdamW { beta1, beta2, epsilon, weight_decay: 0.0 }
            }
        }
    }
}

/// An optimiser and its memory of the values that it optimises.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser {
    config: OptimiserConfig,
    len: usize,
    steps: u64,
    /// In the order of [`OptimiserConfig::memory_names`].
    memory: Vec<Vec<f32>>,
}

impl Optimiser {
    /// An optimiser of `len` values that has made no step.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a setting outside its range.
    pub fn new(config: OptimiserConfig, len: usize) -> Result<Self, Error> {
        config.check()?;
        // Writing all values allocates the pages: the first steps are as fast as the others, and a lack of memory shows now and
        // not in the middle of a run.
        let zeros = || {
            let mut values = vec![0.0_f32; len];
            values.par_chunks_mut(CHUNK).for_each(|values| values.fill(0.0));
            values
        };
        let memory = config.memory_names().iter().map(|_| zeros()).collect();
        Ok(Self { config, len, steps: 0, memory })
    }

    /// Restores an optimiser after `steps` steps; `memory` is in the order of [`OptimiserConfig::memory_names`].
    ///
    /// # Panics
    /// If there are not as many memories as names, or one does not have `len` values.
    pub fn restored(config: OptimiserConfig, len: usize, steps: u64, memory: Vec<Vec<f32>>) -> Self {
        assert_eq!(memory.len(), config.memory_names().len(), "one memory per name");
        assert!(memory.iter().all(|values| values.len() == len), "an optimiser of {len} values");
        Self { config, len, steps, memory }
    }

    /// The settings.
    pub fn config(&self) -> OptimiserConfig {
        self.config
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The memory by name.
    pub fn memory(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        self.config.memory_names().iter().copied().zip(self.memory.iter().map(Vec::as_slice))
    }

    /// One step: moves `values` against `gradient_factor * gradients` at a learning rate.
    ///
    /// # Panics
    /// If `values` or `gradients` do not have the length that the optimiser was made for.
    pub fn step(&mut self, values: &mut [f32], gradients: &[f32], learning_rate: f64, gradient_factor: f64) {
        assert_eq!(values.len(), self.len, "an optimiser of {} values", self.len);
        assert_eq!(gradients.len(), self.len, "an optimiser of {} values", self.len);
        self.steps += 1;
        let rule = Rule::new(self.config, self.steps, learning_rate, gradient_factor);
        let chunks = values.par_chunks_mut(CHUNK).zip(gradients.par_chunks(CHUNK));
        match self.memory.as_mut_slice() {
            [] => chunks.for_each(|(values, gradients)| rule.apply(values, gradients, &mut [])),
            [one] => chunks
                .zip(one.par_chunks_mut(CHUNK))
                .for_each(|((values, gradients), one)| rule.apply(values, gradients, &mut [one])),
            [one, two, ..] => chunks
                .zip(one.par_chunks_mut(CHUNK).zip(two.par_chunks_mut(CHUNK)))
                .for_each(|((values, gradients), (one, two))| rule.apply(values, gradients, &mut [one, two])),
        }
    }
}

/// One step of an optimiser, with all factors computed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    Sgd { factor: f32, rate: f32, momentum: f32, decay: f32 },
    AdamW { factor: f32, rate: f32, root: f32, keep: f32, beta: [f32; 2], new: [f32; 2], epsilon: f32 },
}

impl Rule {
    /// The step with this number, from 1.
    pub(crate) fn new(config: OptimiserConfig, step: u64, learning_rate: f64, gradient_factor: f64) -> Self {
        let factor = gradient_factor as f32;
        match config {
            OptimiserConfig::Sgd { momentum, weight_decay } => Self::Sgd {
                factor,
                rate: learning_rate as f32,
                momentum: momentum as f32,
                decay: weight_decay as f32,
            },
            OptimiserConfig::AdamW { beta1, beta2, epsilon, weight_decay } => {
                let power = i32::try_from(step).unwrap_or(i32::MAX);
                Self::AdamW {
                    factor,
                    rate: (learning_rate / (1.0 - beta1.powi(power))) as f32,
                    root: (1.0 / (1.0 - beta2.powi(power)).sqrt()) as f32,
                    keep: (1.0 - learning_rate * weight_decay) as f32,
                    beta: [beta1 as f32, beta2 as f32],
                    new: [(1.0 - beta1) as f32, (1.0 - beta2) as f32],
                    epsilon: epsilon as f32,
                }
            }
        }
    }

    /// Updates some values; `memory` is theirs, in the order of [`OptimiserConfig::memory_names`].
    pub(crate) fn apply(self, values: &mut [f32], gradients: &[f32], memory: &mut [&mut [f32]]) {
        let pairs = values.iter_mut().zip(gradients);
        match (self, memory) {
            (Self::Sgd { factor, rate, momentum, decay }, [velocity, ..]) => {
                for ((w, &g), v) in pairs.zip(velocity.iter_mut()) {
                    *v = momentum * *v + (factor * g + decay * *w);
                    *w -= rate * *v;
                }
            }
            (Self::Sgd { factor, rate, decay, .. }, []) => {
                for (w, &g) in pairs {
                    *w -= rate * (factor * g + decay * *w);
                }
            }
            (Self::AdamW { factor, rate, root, keep, beta, new, epsilon }, [mean, square, ..]) => {
                for ((w, &g), (m, s)) in pairs.zip(mean.iter_mut().zip(square.iter_mut())) {
                    let g = factor * g;
                    *m = beta[0] * *m + new[0] * g;
                    *s = beta[1] * *s + new[1] * g * g;
                    *w = keep * *w - rate * *m / (s.sqrt() * root + epsilon);
                }
            }
            (Self::AdamW { .. }, _) => unreachable!("AdamW has two memories; see memory_names"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{tolerance, values};

    /// The plain reference in f64, written from the formulas.
    fn reference(
        config: OptimiserConfig,
        start: &[f64],
        gradients: &[Vec<f64>],
        rate: f64,
        factor: f64,
    ) -> Vec<f64> {
        let mut w = start.to_vec();
        let (mut first, mut second) = (vec![0.0; w.len()], vec![0.0; w.len()]);
        for (step, gradient) in gradients.iter().enumerate() {
            for at in 0..w.len() {
                let g = factor * gradient[at];
                match config {
                    OptimiserConfig::Sgd { momentum, weight_decay } => {
                        first[at] = momentum * first[at] + g + weight_decay * w[at];
                        w[at] -= rate * first[at];
                    }
                    OptimiserConfig::AdamW { beta1, beta2, epsilon, weight_decay } => {
                        let t = step as i32 + 1;
                        w[at] -= rate * weight_decay * w[at];
                        first[at] = beta1 * first[at] + (1.0 - beta1) * g;
                        second[at] = beta2 * second[at] + (1.0 - beta2) * g * g;
                        let mean = first[at] / (1.0 - beta1.powi(t));
                        let square: f64 = second[at] / (1.0 - beta2.powi(t));
                        w[at] -= rate * mean / (square.sqrt() + epsilon);
                    }
                }
            }
        }
        w
    }

    #[test]
    fn a_hundred_steps_follow_the_f64_reference() {
        let configs = [
            OptimiserConfig::sgd(0.9, 5e-4),
            OptimiserConfig::sgd(0.0, 0.0),
            OptimiserConfig::sgd(0.99, 0.1),
            OptimiserConfig::adam_w(0.01),
            OptimiserConfig::adam_w(0.0),
        ];
        for config in configs {
            for len in [0, 1, 3, CHUNK + 1] {
                let mut found = values(len, 1);
                let start: Vec<f64> = found.iter().map(|&value| f64::from(value)).collect();
                let gradients: Vec<Vec<f32>> = (0..100).map(|step| values(len, 2 + step)).collect();
                let wide: Vec<Vec<f64>> =
                    gradients.iter().map(|row| row.iter().map(|&value| f64::from(value)).collect()).collect();
                let mut optimiser = Optimiser::new(config, len).expect("in range");
                for gradient in &gradients {
                    optimiser.step(&mut found, gradient, 0.01, 0.5);
                }
                let expected = reference(config, &start, &wide, 0.01, 0.5);
                let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
                for (found, expected) in found.iter().zip(&expected) {
                    let error = (f64::from(*found) - expected).abs() / largest;
                    assert!(error <= tolerance::HUNDRED_STEPS, "{config:?} {len}: {found} {expected}");
                }
                assert_eq!(optimiser.steps(), 100);
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_rejected_and_absent_ones_default() {
        let wrong = [
            OptimiserConfig::sgd(1.0, 0.0),
            OptimiserConfig::sgd(f64::NAN, 0.0),
            OptimiserConfig::sgd(0.9, -1.0),
            OptimiserConfig::AdamW { beta1: 0.9, beta2: 1.0, epsilon: 1e-8, weight_decay: 0.0 },
            OptimiserConfig::AdamW { beta1: 0.9, beta2: 0.9, epsilon: 0.0, weight_decay: 0.0 },
        ];
        for config in wrong {
            assert!(matches!(Optimiser::new(config, 1), Err(Error::OutOfRange { .. })), "{config:?}");
        }
        let read = |text| serde_json::from_str::<OptimiserConfig>(text);
        assert_eq!(read(r#"{"sgd": {}}"#).expect("defaults"), OptimiserConfig::default());
        assert_eq!(
            read(r#"{"adamw": {"weight_decay": 0.1}}"#).expect("defaults"),
            OptimiserConfig::adam_w(0.1)
        );
        assert!(read(r#"{"sgd": {"momentun": 0.9}}"#).is_err());
    }
}
