//! The exponential moving average of the backbone.
//!
//! After every step, each averaged value moves towards the trained one: `average += (1 - decay) (value - average)`. Parameters and the running
//! statistics of normalisation layers are averaged alike, as in timm's `ModelEmaV2`. At first the decay is smaller, `(1 + step) / (10 + step)`, so
//! that the random initial weights do not stay in the average of a short run. Frozen values are equal to their averages, to the bit.
//!
//! Class centres are not averaged.

use widemargin_model::Backbone;
use widemargin_model::parameters::{self, Parameter};
use widemargin_model::tensors::{self, Tensors};

/// The averaged values of all parameters and running statistics, in the order of [`parameters::parameters`].
#[derive(Clone, Debug)]
pub(super) struct Average {
    decay: f64,
    values: Vec<Vec<f32>>,
}

impl Average {
    /// The average of a model before its first step: its values. `None` without averaging, which has the decay 0.
    pub(super) fn new(decay: f64, backbone: &Backbone) -> Option<Self> {
        (decay > 0.0).then(|| {
            let values =
                parameters::parameters(backbone).into_iter().map(|parameter| parameter.values).collect();
            Self { decay, values }
        })
    }

    /// The decay of the step after `step` steps.
    fn decay_at(&self, step: u64) -> f64 {
        self.decay.min((1.0 + step as f64) / (10.0 + step as f64))
    }

    /// Adds the values after the step that followed `step` steps.
    pub(super) fn add(&mut self, all: &[Parameter], step: u64) {
        let share = (1.0 - self.decay_at(step)) as f32;
        for (average, parameter) in self.values.iter_mut().zip(all) {
            for (average, value) in average.iter_mut().zip(&parameter.values) {
                *average += share * (value - *average);
            }
        }
    }

    /// The part of a checkpoint.
    pub(super) fn tensors(&self, all: &[Parameter]) -> Tensors {
        let named = all.iter().zip(&self.values);
        named.map(|(p, values)| (p.name.clone(), (p.shape.clone(), values.clone()))).collect()
    }

    /// Takes the values of a checkpoint.
    ///
    /// # Errors
    /// A sentence about a value that is missing or has another length.
    pub(super) fn restored(&self, mut stored: Tensors, all: &[Parameter]) -> Result<Self, String> {
        let take = |parameter: &Parameter| {
            tensors::take(&mut stored, &parameter.name, parameter.values.len())
                .map_err(|e| format!("average: {e}"))
        };
        let values = all.iter().map(take).collect::<Result<_, _>>()?;
        Ok(Self { decay: self.decay, values })
    }

    /// The averaged parameters and running statistics, in the order of those of `backbone`.
    pub(super) fn parameters(&self, backbone: &Backbone) -> Vec<Parameter> {
        let all = parameters::parameters(backbone).into_iter().zip(&self.values);
        all.map(|(parameter, values)| Parameter { values: values.clone(), ..parameter }).collect()
    }
}
