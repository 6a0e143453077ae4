//! The state of a head, from which training continues exactly.
//!
//! The state is plain data: the code that writes checkpoints stores the tensors in its own format and serialises the rest.

use serde::{Deserialize, Serialize};
use widemargin_objective::ClassObjective;

use crate::centre_optimiser::CentreOptimiser;
use crate::config::{HeadConfig, HeadMode};
use crate::error::{Error, within};
use crate::gradient::row_steps;
use crate::head::Head;
use crate::initial::check_size;
use crate::lazy::{Lazy, LazyState, OLDEST};
use crate::optimiser::Optimiser;
use crate::screened::{self, Screen};
use crate::storage::{CENTRES, Storage, Values};
use crate::tile::Spare;

/// Name of the tensor of a screened head's deferred updates: for each row the number of deferred steps, and whether it is active.
const DEFERRED: &str = "deferred";

/// Name of the tensor of a screened head's last learning rates, each as two `f32` that add up to it.
pub(crate) const RATES: &str = "rates";

/// Name of the tensor of the steps that each row has made, of a sampled head under AdamW.
const OWN_STEPS: &str = "own_steps";

/// Steps up to here are counted without rounding wherever they become `f64`.
const MOST_STEPS: f64 = 9_007_199_254_740_992.0;

/// The whole state of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadState {
    /// Number of classes.
    pub classes: usize,
    /// Dimension of the class centres.
    pub dim: usize,
    /// The objective with its state, its learnt value, and the share of its margin that was applied.
    pub objective: ClassObjective,
    /// The optimiser's memory of the value that the objective learns, one value per memory; empty if it learns none.
    pub learnt_memory: Vec<f32>,
    /// The settings. Older states may have the mode `auto`; it is the one that their tensors belong to.
    pub config: HeadConfig,
    /// Updates applied so far.
    pub steps: u64,
    /// `centres` and the optimiser's memory: `velocity` for SGD with momentum, `mean` and `square` for AdamW. A screened head
    /// adds `deferred` and `rates`, a sampled head under AdamW `own_steps`.
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
    /// The values, row-major.
    pub values: Vec<f32>,
}

impl Head {
    /// A copy of the whole state.
    pub fn state(&self) -> HeadState {
        let shape = [self.classes * self.sub_centres(), self.dim];
        let tensor = |(name, values): (&str, Values<'_>)| HeadTensor {
            name: name.into(),
            shape,
            values: values.wide().into_owned(),
        };
        HeadState {
            classes: self.classes,
            dim: self.dim,
            objective: self.objective.clone(),
            learnt_memory: self.learnt_memory(),
            config: self.config,
            steps: self.steps(),
            tensors: std::iter::once((CENTRES, self.centres.view()))
                .chain(self.optimiser.memory())
                .map(tensor)
                .chain(self.screen.iter().flat_map(|screen| lazy_tensors(&screen.lazy.state())))
                .chain((!self.own_steps.is_empty()).then(|| steps_tensor(&self.own_steps)))
                .collect(),
        }
    }

    /// The optimiser's memory of the value that the objective learns.
    pub(crate) fn learnt_memory(&self) -> Vec<f32> {
        self.learnt_optimiser.memory().flat_map(|(_, values)| values.to_vec()).collect()
    }

    /// Replaces the head by the one that a state was taken from, to the bit; classes and dimension must be the same.
    ///
    /// # Errors
    /// The errors of [`Head::from_state`]; [`Error::OtherHead`]. On error the head is unchanged.
    pub fn restore(&mut self, state: HeadState) -> Result<(), Error> {
        let (expected, found) = ([self.classes, self.dim], [state.classes, state.dim]);
        if found != expected {
            return Err(Error::OtherHead { found, expected });
        }
        *self = Self::from_state(state)?;
        Ok(())
    }

    /// Restores the head that a state was taken from, to the bit.
    ///
    /// # Errors
    /// Settings out of range; a tensor that is missing, unknown, of a different shape than the head, or not finite.
    pub fn from_state(state: HeadState) -> Result<Self, Error> {
        let HeadState { classes, dim, objective, learnt_memory, config, steps, mut tensors } = state;
        let config = HeadConfig { mode: stored_mode(config.mode, &tensors), ..config };
        let len = check_size(classes, objective.sub_centres(), dim)?;
        config.check()?;
        objective.state().validate()?;
        let shape = [classes * objective.sub_centres(), dim];
        let mut take = |name: &'static str| {
            let at =
                tensors.iter().position(|tensor| tensor.name == name).ok_or(Error::MissingTensor { name })?;
            let HeadTensor { name, shape: found, values } = tensors.swap_remove(at);
            if found != shape || values.len() != len {
                let expected = shape;
                return Err(Error::TensorShape { name, found, values: values.len(), expected });
            }
            match values.iter().position(|value| !value.is_finite()) {
                Some(at) => Err(Error::NonFiniteTensor { name, row: at / dim }),
                None => Ok(values),
            }
        };
        within(0.0..=MOST_STEPS, "number of steps", steps as f64, "0 to 2^53")?;
        let centres = Storage::new(take(CENTRES)?, config.centres);
        let memory: Vec<Vec<f32>> =
            config.optimiser.memory_names().iter().map(|name| take(name)).collect::<Result<_, _>>()?;
        config.optimiser.check_memory(&memory)?;
        let screened = match screened::threshold(&config, &objective)? {
            Some(threshold) => Some((threshold, take_lazy(&mut tensors, shape[0], steps)?)),
            None => None,
        };
        let own_steps =
            if config.counts_steps() { take_steps(&mut tensors, shape[0], steps)? } else { Vec::new() };
        if let Some(tensor) = tensors.pop() {
            return Err(Error::UnexpectedTensor { name: tensor.name });
        }
        let optimiser = CentreOptimiser::restored(config.optimiser, steps, memory, config.optimiser_state);
        let learns = usize::from(objective.learnt().is_some());
        let expected = learns * config.optimiser.memory_names().len();
        if learnt_memory.len() != expected || learnt_memory.iter().any(|value| !value.is_finite()) {
            let (name, found) = ("learnt_memory".to_owned(), [1, learnt_memory.len()]);
            return Err(Error::TensorShape {
                name,
                found,
                values: learnt_memory.len(),
                expected: [1, expected],
            });
        }
        let learnt_memory: Vec<Vec<f32>> = match learns {
            0 => config.optimiser.memory_names().iter().map(|_| Vec::new()).collect(),
            _ => learnt_memory.iter().map(|value| vec![*value]).collect(),
        };
        config.optimiser.check_memory(&learnt_memory)?;
        let learnt_optimiser =
            Optimiser::restored(config.optimiser.without_decay(), learns, steps, learnt_memory);
        let screen = screened.map(|(threshold, lazy)| {
            Screen::new(centres.view(), dim, threshold, Lazy::restored(config.optimiser, steps, lazy))
        });
        Ok(Self {
            classes,
            dim,
            objective,
            config,
            centres,
            optimiser,
            learnt_optimiser,
            screen,
            own_steps,
            spare: Spare::default(),
        })
    }
}

/// Small integers, which `f32` holds exactly; each rate as its nearest `f32` and the remainder.
fn lazy_tensors(state: &LazyState) -> [HeadTensor; 2] {
    let deferred = state.ages.iter().zip(&state.active);
    let deferred: Vec<f32> =
        deferred.flat_map(|(&age, &active)| [age as f32, f32::from(u8::from(active))]).collect();
    let split = |rate: &f64| [*rate as f32, (rate - f64::from(*rate as f32)) as f32];
    let rates: Vec<f32> = state.rates.iter().flat_map(split).collect();
    [
        HeadTensor { name: DEFERRED.to_owned(), shape: [deferred.len() / 2, 2], values: deferred },
        HeadTensor { name: RATES.to_owned(), shape: [rates.len() / 2, 2], values: rates },
    ]
}

/// Small integers, which `f32` holds exactly.
fn steps_tensor(own_steps: &[u32]) -> HeadTensor {
    let values: Vec<f32> = own_steps.iter().map(|&steps| steps as f32).collect();
    HeadTensor { name: OWN_STEPS.to_owned(), shape: [values.len(), 1], values }
}

/// The mode of a state. Heads once stored `auto`; whether it was screened shows in the tensors, not in what `auto` means today.
pub(crate) fn stored_mode(mode: HeadMode, tensors: &[HeadTensor]) -> HeadMode {
    let is_screened = tensors.iter().any(|tensor| [DEFERRED, RATES].contains(&tensor.name.as_str()));
    match mode {
        HeadMode::Auto if is_screened => HeadMode::screened(),
        HeadMode::Auto => HeadMode::Dense,
        mode => mode,
    }
}

/// Takes a tensor of `columns` columns out of a state; with as many rows as it has if `rows` is absent.
fn take(
    tensors: &mut Vec<HeadTensor>,
    name: &'static str,
    rows: Option<usize>,
    columns: usize,
) -> Result<Vec<f32>, Error> {
    let at = tensors.iter().position(|tensor| tensor.name == name).ok_or(Error::MissingTensor { name })?;
    let tensor = tensors.swap_remove(at);
    let expected = [rows.unwrap_or(tensor.shape[0]), columns];
    if tensor.shape != expected || tensor.values.len() != columns * expected[0] {
        let (found, values) = (tensor.shape, tensor.values.len());
        return Err(Error::TensorShape { name: tensor.name, found, values, expected });
    }
    match tensor.values.iter().position(|value| !(value.is_finite() && value.abs() <= 1e30)) {
        Some(at) => Err(Error::NonFiniteTensor { name: tensor.name, row: at / columns }),
        None => Ok(tensor.values),
    }
}

/// The steps of each row of a head that has made `steps`. Older states do not have them: their rows were treated as if they had
/// made all steps.
fn take_steps(tensors: &mut Vec<HeadTensor>, rows: usize, steps: u64) -> Result<Vec<u32>, Error> {
    if !tensors.iter().any(|tensor| tensor.name == OWN_STEPS) {
        return Ok(vec![row_steps(steps); rows]);
    }
    let values = take(tensors, OWN_STEPS, Some(rows), 1)?;
    match values.iter().find(|own| !(0.0..=steps as f32).contains(*own) || own.fract() != 0.0) {
        Some(&found) => Err(Error::OutOfRange {
            setting: "number of steps of a row",
            found: found.into(),
            expected: "a whole number, 0 to the number of steps of the head",
        }),
        None => Ok(values.into_iter().map(|own| own as u32).collect()),
    }
}

/// Takes the deferred updates out of the state of a head that has made `steps`.
fn take_lazy(tensors: &mut Vec<HeadTensor>, rows: usize, steps: u64) -> Result<LazyState, Error> {
    let deferred = take(tensors, DEFERRED, Some(rows), 2)?;
    let rates = take(tensors, RATES, None, 2)?;
    let rates: Vec<f64> = rates.chunks(2).map(|rate| f64::from(rate[0]) + f64::from(rate[1])).collect();
    // the bias correction of a deferred step follows from its number
    let most = steps.min(OLDEST.into()) as f64;
    within(0.0..=most, "number of learning rates kept", rates.len() as f64, "at most the steps of the head")?;
    if let Some(&found) = rates.iter().find(|rate| **rate < 0.0) {
        return Err(Error::OutOfRange { setting: "learning rate", found, expected: "0 or above" });
    }
    let oldest = rates.len() as f32;
    let wrong = |age: f32| !(0.0..=oldest).contains(&age) || age.fract() != 0.0;
    if let Some(row) = deferred.chunks(2).position(|row| wrong(row[0])) {
        return Err(Error::OutOfRange {
            setting: "number of deferred steps of a row",
            found: deferred[2 * row].into(),
            expected: "a whole number, 0 to the number of learning rates kept",
        });
    }
    Ok(LazyState {
        ages: deferred.chunks(2).map(|row| row[0] as u32).collect(),
        active: deferred.chunks(2).map(|row| row[1] > 0.0).collect(),
        rates,
    })
}
