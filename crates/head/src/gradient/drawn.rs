//! The gradient of a sampled head: a matrix with one row per drawn centre.

use rayon::prelude::*;

use crate::centre_optimiser::CentreOptimiser;
use crate::optimiser::Rule;
use crate::storage::{Noise, Part, Scratch, Storage};

/// Steps of a row are counted up to here, where `f32`, in which a state stores them, still holds every integer. The bias of a running
/// mean is gone long before.
const MOST_STEPS: u32 = 1 << 24;

/// The steps of a row that has made all steps of its head.
pub(crate) fn row_steps(steps: u64) -> u32 {
    u32::try_from(steps).unwrap_or(MOST_STEPS).min(MOST_STEPS)
}

/// The gradient of the classes that were drawn.
#[derive(Clone, Debug)]
pub(crate) struct DrawnGradient {
    /// Rows of the centres, ascending; all centres of a drawn class.
    pub(crate) rows: Vec<u32>,
    /// `[rows, dim]`.
    pub(crate) values: Vec<f32>,
    /// Number of values in all centres of the head.
    pub(crate) len: usize,
}

impl DrawnGradient {
    /// The gradient of all centres, zero for those not drawn.
    pub(crate) fn whole(&self, dim: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.len];
        for (&row, values) in self.rows.iter().zip(self.values.chunks(dim)) {
            out[row as usize * dim..][..dim].copy_from_slice(values);
        }
        out
    }

    /// One step of the optimiser on the drawn rows alone. `own_steps` has the steps that each row of the head has made, if the
    /// optimiser depends on them, and is empty otherwise.
    pub(crate) fn step(
        &self,
        optimiser: &mut CentreOptimiser,
        centres: &mut Storage,
        own_steps: &mut [u32],
        [learning_rate, clip_factor]: [f64; 2],
        noise: Noise,
    ) {
        let dim = self.values.len() / self.rows.len().max(1);
        let next = optimiser.next_rule(learning_rate, clip_factor);
        // the running means of a row know only its own steps
        let rule_of = |row: u32| match own_steps.get(row as usize) {
            Some(&steps) => optimiser.rule_after(steps.into(), learning_rate, clip_factor),
            None => next,
        };
        let rules: Vec<Rule> = self.rows.iter().map(|&row| rule_of(row)).collect();
        for &row in &self.rows {
            if let Some(steps) = own_steps.get_mut(row as usize) {
                *steps = (*steps + 1).min(MOST_STEPS);
            }
        }
        if dim > 0 {
            let mut next = 0;
            let mut parts = Vec::with_capacity(self.rows.len());
            for (row, part) in Part::all(centres, optimiser.memory_mut(), dim).enumerate() {
                if self.rows.get(next).is_some_and(|&drawn| drawn as usize == row) {
                    parts.push(part);
                    next += 1;
                }
            }
            let drawn = self.rows.par_iter().zip(&rules);
            parts.into_par_iter().zip(self.values.par_chunks(dim)).zip(drawn).for_each_init(
                Scratch::default,
                |scratch, ((mut part, gradient), (&row, rule))| {
                    let change = |values: &mut [f32], memory: &mut [&mut [f32]]| {
                        rule.apply(values, gradient, memory);
                    };
                    part.change(0..dim, noise.at(row as usize), scratch, change, |_, _| ());
                },
            );
        }
        optimiser.count_step();
    }
}
