//! Joins the steps of a backbone: each batch normalisation, residual and activation becomes part of the layer before it, if no other
//! step reads what is between them.

use crate::operations::PoolWindow;
use crate::steps::{Operation, Step, Values};

/// A step of inference.
#[derive(Clone, Debug)]
pub(super) struct FoldedStep {
    pub(super) operation: Folded,
    /// The value that it reads.
    pub(super) input: usize,
    /// The residual of a convolution, or the second operand of a sum.
    pub(super) other: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Folded {
    Convolution {
        /// `[out_channels, in_channels, kernel, kernel]`.
        weights: Vec<f32>,
        out_channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: Vec<f32>,
        slope: Option<Vec<f32>>,
    },
    /// `scale * x + offset` per channel, and an activation.
    Affine {
        scale: Vec<f32>,
        offset: Vec<f32>,
        slope: Option<Vec<f32>>,
    },
    MaxPool(PoolWindow),
    /// A sum, with a rectifier or without an activation.
    Add {
        rectified: bool,
    },
    MeanOfPositions,
    FullyConnected {
        /// `[inputs, outputs]`.
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
}

/// Joins steps; the result of the last one is that of the last step.
pub(super) fn fold(steps: Vec<Step>) -> Vec<FoldedStep> {
    let mut folding = Folding::new(steps);
    let mut folded = Vec::new();
    // The value of each step in the joined list, for steps whose result another one may read.
    let mut values = vec![0; folding.steps.len() + 1];
    let chains = folding.chains();
    for chain in chains {
        let last = *chain.last().expect("a chain has a first step");
        let joined = folding.join(&chain, &values);
        values[last + 1] = match joined {
            Joined::Step(step) => {
                folded.push(step);
                folded.len()
            }
            Joined::Same(value) => value,
        };
    }
    folded
}

enum Joined {
    Step(FoldedStep),
    /// No step: the same values in the same order.
    Same(usize),
}

struct Folding {
    steps: Vec<Step>,
    /// The steps that read the result of each step.
    readers: Vec<Vec<usize>>,
}

impl Folding {
    fn new(steps: Vec<Step>) -> Self {
        let mut readers = vec![Vec::new(); steps.len()];
        for (at, step) in steps.iter().enumerate() {
            for input in &step.inputs {
                if let Some(read) = input.checked_sub(1) {
                    readers[read].push(at);
                }
            }
        }
        Self { steps, readers }
    }

    /// The steps in chains that become one step each, in the order of their last steps. Every value that a chain reads is that of a last
    /// step before its own, or the input.
    fn chains(&self) -> Vec<Vec<usize>> {
        let mut taken = vec![false; self.steps.len()];
        let mut chains = Vec::new();
        for first in 0..self.steps.len() {
            if taken[first] {
                continue;
            }
            let mut chain = vec![first];
            taken[first] = true;
            while let Some(next) = self.follower(&chain).filter(|next| !taken[*next]) {
                taken[next] = true;
                chain.push(next);
            }
            chains.push(chain);
        }
        chains.sort_by_key(|chain| chain.last().copied());
        chains
    }

    /// The step that the layer at the start of a chain can take over next.
    fn follower(&self, chain: &[usize]) -> Option<usize> {
        let last = *chain.last()?;
        let [next] = self.readers[last][..] else { return None };
        let has = |kind: fn(&Operation) -> bool| chain.iter().any(|step| kind(&self.steps[*step].operation));
        let activation =
            |operation: &Operation| matches!(operation, Operation::Prelu { .. } | Operation::Rectifier);
        let sum = |operation: &Operation| matches!(operation, Operation::Add);
        if has(activation) {
            return None;
        }
        let first = &self.steps[chain[0]].operation;
        let fits = match (first, &self.steps[next].operation) {
            (Operation::Convolution { .. }, Operation::BatchNorm { .. }) => !has(sum),
            (Operation::Convolution { .. }, Operation::Add) => {
                !has(sum) && self.steps[next].inputs != [last + 1, last + 1]
            }
            (Operation::Convolution { .. } | Operation::BatchNorm { .. }, Operation::Prelu { .. }) => {
                !has(sum)
            }
            (
                Operation::Convolution { .. } | Operation::BatchNorm { .. } | Operation::Add,
                Operation::Rectifier,
            )
            | (Operation::FullyConnected { .. }, Operation::BatchNorm { .. }) => true,
            _ => false,
        };
        fits.then_some(next)
    }

    /// One step for a chain.
    fn join(&mut self, chain: &[usize], values: &[usize]) -> Joined {
        let input = values[self.steps[chain[0]].inputs[0]];
        let mut other = None;
        let mut operation = match &self.steps[chain[0]].operation {
            Operation::Convolution { weight, stride, padding } => Folded::Convolution {
                weights: weight.values.clone(),
                out_channels: weight.shape[0],
                kernel: weight.shape[2],
                stride: *stride,
                padding: *padding,
                bias: vec![0.0; weight.shape[0]],
                slope: None,
            },
            Operation::BatchNorm { .. } => {
                let (scale, offset) = Affine::of(&self.steps[chain[0]].operation).rounded();
                Folded::Affine { scale, offset, slope: None }
            }
            Operation::Prelu { slope, .. } => Folded::Affine {
                scale: vec![1.0; slope.values.len()],
                offset: vec![0.0; slope.values.len()],
                slope: Some(slope.values.clone()),
            },
            Operation::MaxPool(window) => Folded::MaxPool(*window),
            Operation::Add => {
                other = Some(values[self.steps[chain[0]].inputs[1]]);
                Folded::Add { rectified: false }
            }
            Operation::MeanOfPositions => Folded::MeanOfPositions,
            Operation::FullyConnected { weight, bias } => {
                Folded::FullyConnected { weights: weight.values.clone(), bias: bias.values.clone() }
            }
            // A batch is stored in the same order with and without rows and columns.
            Operation::Flatten => return Joined::Same(input),
            Operation::Rectifier => unreachable!("a rectifier follows a normalisation or a sum"),
        };
        for pair in chain.windows(2) {
            let (before, step) = (pair[0] + 1, &self.steps[pair[1]]);
            if let Operation::Add = step.operation {
                other = step.inputs.iter().find(|input| **input != before).map(|input| values[*input]);
            } else {
                operation.take_over(&step.operation);
            }
        }
        Joined::Step(FoldedStep { operation, input, other })
    }
}

impl Folded {
    /// Makes `next`, which reads only the result of this step, a part of it.
    fn take_over(&mut self, next: &Operation) {
        match (self, next) {
            (Self::Convolution { weights, bias, .. }, Operation::BatchNorm { .. }) => {
                let affine = Affine::of(next);
                let inner = weights.len() / bias.len();
                for (channel, weights) in weights.chunks_exact_mut(inner).enumerate() {
                    affine.apply(channel, weights, &mut bias[channel]);
                }
            }
            (Self::FullyConnected { weights, bias }, Operation::BatchNorm { .. }) => {
                let (affine, outputs) = (Affine::of(next), bias.len());
                for (output, bias) in bias.iter_mut().enumerate() {
                    let mut column: Vec<f32> = weights[output..].iter().step_by(outputs).copied().collect();
                    affine.apply(output, &mut column, bias);
                    for (weight, value) in weights[output..].iter_mut().step_by(outputs).zip(column) {
                        *weight = value;
                    }
                }
            }
            (
                Self::Convolution { slope, .. } | Self::Affine { slope, .. },
                Operation::Prelu { slope: found, .. },
            ) => {
                *slope = Some(found.values.clone());
            }
            (Self::Convolution { slope, bias, .. }, Operation::Rectifier) => {
                *slope = Some(vec![0.0; bias.len()]);
            }
            (Self::Affine { slope, offset, .. }, Operation::Rectifier) => {
                *slope = Some(vec![0.0; offset.len()]);
            }
            (Self::Add { rectified }, Operation::Rectifier) => *rectified = true,
            (step, next) => unreachable!("{step:?} cannot take over {next:?}"),
        }
    }
}

/// A batch normalisation with running statistics as `scale * x + offset` per channel, in f64.
struct Affine {
    scale: Vec<f64>,
    offset: Vec<f64>,
}

impl Affine {
    /// # Panics
    /// If the operation is no batch normalisation.
    fn of(operation: &Operation) -> Self {
        let Operation::BatchNorm { mean, variance, weight, bias, epsilon } = operation else {
            unreachable!("{operation:?} is no batch normalisation")
        };
        let value = |values: &Option<Values>, channel: usize, absent: f64| {
            values.as_ref().map_or(absent, |values| f64::from(values.values[channel]))
        };
        let (scale, offset) = mean
            .values
            .iter()
            .zip(&variance.values)
            .enumerate()
            .map(|(channel, (mean, variance))| {
                let deviation = (f64::from(*variance) + f64::from(*epsilon)).sqrt();
                let scale = value(weight, channel, 1.0) / deviation;
                (scale, value(bias, channel, 0.0) - f64::from(*mean) * scale)
            })
            .unzip();
        Self { scale, offset }
    }

    fn rounded(&self) -> (Vec<f32>, Vec<f32>) {
        let rounded = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
        (rounded(&self.scale), rounded(&self.offset))
    }

    /// Applies the map of one channel to its weights and its bias.
    fn apply(&self, channel: usize, weights: &mut [f32], bias: &mut f32) {
        for weight in weights {
            *weight = (f64::from(*weight) * self.scale[channel]) as f32;
        }
        *bias = (f64::from(*bias) * self.scale[channel] + self.offset[channel]) as f32;
    }
}
