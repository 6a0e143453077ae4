//! Everything a head needs to go on exactly where it stopped.
//!
//! The state is plain data: whoever keeps checkpoints writes the tensors in their format and the rest beside them.

use serde::{Deserialize, Serialize};
use widemargin_objective::ClassObjective;

use crate::head::{check_size, undecayed};
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
    /// The objective with what it remembers and learns, and the share of its margin that was in force.
    pub objective: ClassObjective,
    /// What the optimiser remembers of the number that the objective learns, a value a memory; empty where it learns nothing.
    pub learnt_memory: Vec<f32>,
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
        let shape = [self.classes * self.sub_centres(), self.dim];
        let tensor =
            |(name, values): (&str, &[f32])| HeadTensor { name: name.into(), shape, values: values.to_vec() };
        HeadState {
            classes: self.classes,
            dim: self.dim,
            objective: self.objective.clone(),
            learnt_memory: self.learnt_optimiser.memory().flat_map(|(_, values)| values.to_vec()).collect(),
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
        let HeadState { classes, dim, objective, learnt_memory, config, steps, mut tensors } = state;
        let len = check_size(classes, objective.sub_centres(), dim)?;
        config.check()?;
        objective.state().validate()?;
        let shape = [classes * objective.sub_centres(), dim];
        let mut take = |name: &'static str| {
            let at = tensors
                .iter()
                .position(|tensor| tensor.name == name)
                .ok_or(HeadError::MissingTensor { name })?;
            let HeadTensor { name, shape: found, values } = tensors.swap_remove(at);
            if found != shape || values.len() != len {
                let wanted = shape;
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
        let learns = usize::from(objective.learnt().is_some());
        let wanted = learns * config.optimiser.memory_names().len();
        if learnt_memory.len() != wanted || learnt_memory.iter().any(|value| !value.is_finite()) {
            let (name, found) = ("learnt_memory".to_owned(), [1, learnt_memory.len()]);
            return Err(HeadError::TensorShape {
                name,
                found,
                values: learnt_memory.len(),
                wanted: [1, wanted],
            });
        }
        let learnt_memory = match learns {
            0 => config.optimiser.memory_names().iter().map(|_| Vec::new()).collect(),
            _ => learnt_memory.iter().map(|value| vec![*value]).collect(),
        };
        let learnt_optimiser = Optimiser::restored(undecayed(config.optimiser), learns, steps, learnt_memory);
        Ok(Self { classes, dim, objective, config, centres, optimiser, learnt_optimiser })
    }
}
