//! Everything a head needs to go on exactly where it stopped.
//!
//! The state is plain data: whoever keeps checkpoints writes the tensors in their format and the rest beside them.

use serde::{Deserialize, Serialize};
use widemargin_objective::Objective;

use crate::head::check_size;
use crate::{Head, HeadConfig, HeadError, Optimiser};

/// Name of the tensor of the class centres.
const CENTRES: &str = "centres";

/// The whole state of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadState {
    /// Number of classes.
    pub classes: usize,
    /// Dimensions of the class centres.
    pub dim: usize,
    /// The objective, with the margin in force when the state was taken.
    pub objective: Objective,
    /// The settings.
    pub config: HeadConfig,
    /// Updates applied so far.
    pub steps: u64,
    /// `centres`, and what the optimiser remembers: `velocity` for SGD with momentum, `mean` and `square` for AdamW.
    pub tensors: Vec<HeadTensor>,
}

/// A named matrix of a state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadTensor {
    /// Name, unique in the state.
    pub name: String,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Values, row-major.
    pub values: Vec<f32>,
}

impl Head {
    /// A copy of the whole state.
    pub fn state(&self) -> HeadState {
        let shape = [self.classes, self.dim];
        let tensor =
            |(name, values): (&str, &[f32])| HeadTensor { name: name.into(), shape, values: values.to_vec() };
        HeadState {
            classes: self.classes,
            dim: self.dim,
            objective: self.objective,
            config: self.config,
            steps: self.steps(),
            tensors: std::iter::once((CENTRES, self.centres.as_slice()))
                .chain(self.optimiser.memory())
                .map(tensor)
                .collect(),
        }
    }

    /// The head that a state was taken from, to the bit.
    ///
    /// # Errors
    /// Settings out of range; a tensor that is missing, not known, of another shape than the head, or not finite.
    pub fn from_state(state: HeadState) -> Result<Self, HeadError> {
        let HeadState { classes, dim, objective, config, steps, mut tensors } = state;
        let len = check_size(classes, dim)?;
        config.check()?;
        let mut take = |name: &'static str| {
            let at = tensors
                .iter()
                .position(|tensor| tensor.name == name)
                .ok_or(HeadError::MissingTensor { name })?;
            let HeadTensor { name, shape: found, values } = tensors.swap_remove(at);
            if found != [classes, dim] || values.len() != len {
                let wanted = [classes, dim];
                return Err(HeadError::TensorShape { name, found, values: values.len(), wanted });
            }
            match values.iter().position(|value| !value.is_finite()) {
                Some(at) => Err(HeadError::NonFiniteTensor { name, row: at / dim }),
                None => Ok(values),
            }
        };
        let centres = take(CENTRES)?;
        let memory =
            config.optimiser.memory_names().iter().map(|name| take(name)).collect::<Result<_, _>>()?;
        if let Some(tensor) = tensors.pop() {
            return Err(HeadError::UnexpectedTensor { name: tensor.name });
        }
        let optimiser = Optimiser::restored(config.optimiser, len, steps, memory);
        Ok(Self { classes, dim, objective, config, centres, optimiser })
    }
}
