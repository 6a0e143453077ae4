//! The optimiser of the class centres. Its memory is stored in either precision, and its steps are applied part by part.

use crate::optimiser::{OptimiserConfig, Rule};
use crate::storage::{Storage, StoragePrecision, Values};

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CentreOptimiser {
    config: OptimiserConfig,
    steps: u64,
    /// In the order of [`OptimiserConfig::memory_names`].
    memory: Vec<Storage>,
}

impl CentreOptimiser {
    /// An optimiser of `len` values that has made no step; `config` is checked.
    pub(crate) fn new(config: OptimiserConfig, len: usize, precision: StoragePrecision) -> Self {
        let memory = config.memory_names().iter().map(|_| Storage::zeros(len, precision)).collect();
        Self { config, steps: 0, memory }
    }

    /// Restores an optimiser after `steps` steps; `memory` is in the order of [`OptimiserConfig::memory_names`].
    pub(crate) fn restored(
        config: OptimiserConfig,
        steps: u64,
        memory: Vec<Vec<f32>>,
        precision: StoragePrecision,
    ) -> Self {
        let memory = memory.into_iter().map(|values| Storage::new(values, precision)).collect();
        Self { config, steps, memory }
    }

    pub(crate) fn config(&self) -> OptimiserConfig {
        self.config
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// The memory by name.
    pub(crate) fn memory(&self) -> impl Iterator<Item = (&'static str, Values<'_>)> {
        self.config.memory_names().iter().copied().zip(self.memory.iter().map(Storage::view))
    }

    /// The memory, for changes part by part.
    pub(crate) fn memory_mut(&mut self) -> &mut [Storage] {
        &mut self.memory
    }

    /// The next step as a rule for any part of the values. Call [`CentreOptimiser::count_step`] after applying it.
    pub(crate) fn next_rule(&self, learning_rate: f64, gradient_factor: f64) -> Rule {
        self.rule_after(self.steps, learning_rate, gradient_factor)
    }

    /// The next step of values that have made `steps` steps of their own.
    pub(crate) fn rule_after(&self, steps: u64, learning_rate: f64, gradient_factor: f64) -> Rule {
        Rule::new(self.config, steps + 1, learning_rate, gradient_factor)
    }

    /// Counts a step whose rule was applied by the caller.
    pub(crate) fn count_step(&mut self) {
        self.steps += 1;
    }
}
