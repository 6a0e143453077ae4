//! Changing the mode of a head in training.
//!
//! Modes differ in what they keep besides centres and optimiser memory: a screened head has deferred updates, a sampled head under
//! AdamW a number of steps per row. A change of mode applies or starts these, so that the head predicts the same and its next steps
//! are those of a head that had the new mode already.

use rayon::prelude::*;

use crate::auto::HeadSize;
use crate::config::{HeadConfig, HeadMode};
use crate::error::Error;
use crate::gradient::row_steps;
use crate::head::Head;
use crate::optimiser::OptimiserConfig;
use crate::screened::{self, Screen};
use crate::storage::{Noise, Part, Scratch, Storage};

impl Head {
    /// Changes how many classes a step touches; [`HeadMode::Auto`] is resolved for this head. Predictions stay the same.
    ///
    /// Between dense and screened the next steps stay the same too, up to the error of the screened gradients: deferred updates
    /// are applied, or every row is visited in the next step. bfloat16 centres with deferred updates are rounded once more. A head
    /// that was sampled under AdamW has rows with fewer steps than the head; their running means are scaled as if they had made
    /// all.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a setting outside its range; [`Error::NotScreenable`]. On error the head is unchanged.
    pub fn set_mode(&mut self, mode: HeadMode) -> Result<(), Error> {
        let size = HeadSize { classes: self.classes, dim: self.dim, batch: HeadMode::TYPICAL_BATCH };
        let config = HeadConfig { mode, ..self.config };
        let config = HeadConfig { mode: config.resolved_mode(&self.objective, size), ..config };
        config.check()?;
        let threshold = screened::threshold(&config, &self.objective)?;
        match (&mut self.screen, threshold) {
            (Some(screen), Some(threshold)) => screen.threshold = threshold,
            (Some(_), None) => self.settle(),
            (None, Some(threshold)) => {
                let fresh = Screen::fresh(self.centres.view(), self.dim, threshold, config.optimiser, true);
                self.screen = Some(fresh);
            }
            (None, None) => {}
        }
        match (self.own_steps.is_empty(), config.counts_steps()) {
            (true, true) => {
                self.own_steps = vec![row_steps(self.steps()); self.centres.len() / self.dim];
            }
            (false, false) => self.complete_means(),
            _ => {}
        }
        self.config = config;
        Ok(())
    }

    /// Applies all deferred updates; the head is no longer screened.
    fn settle(&mut self) {
        let settled = self.settled_centres();
        let Some(mut screen) = self.screen.take() else { return };
        let (motions, ages, _) = screen.lazy.split();
        let (dim, noise) = (self.dim, self.noise_of_change());
        let rows: Vec<_> = Part::all(&mut self.centres, self.optimiser.memory_mut(), dim).collect();
        let rows = rows.into_par_iter().zip(&*ages).enumerate().filter(|(_, (_, age))| **age > 0);
        rows.for_each_init(Scratch::default, |scratch, (row, (mut part, &age))| {
            let change = |values: &mut [f32], memory: &mut [&mut [f32]]| {
                motions[age as usize].apply(values, memory);
            };
            part.change(0..dim, noise.at(row), scratch, change, |_, _| ());
        });
        // as they were predicted with, to the bit if they are stored as `f32`
        self.centres = Storage::new(settled, self.config.centres);
    }

    /// Scales the running means of each row as if it had made as many steps as the head.
    fn complete_means(&mut self) {
        let (own_steps, all) = (std::mem::take(&mut self.own_steps), self.steps());
        let OptimiserConfig::AdamW { beta1, beta2, .. } = self.config.optimiser else { return };
        let weight = |beta: f64, steps: u64| 1.0 - beta.powi(i32::try_from(steps).unwrap_or(i32::MAX));
        let (dim, noise) = (self.dim, self.noise_of_change());
        let rows: Vec<_> = Part::all(&mut self.centres, self.optimiser.memory_mut(), dim).collect();
        let rows = rows.into_par_iter().zip(&own_steps).enumerate().filter(|(_, (_, own))| **own > 0);
        rows.for_each_init(Scratch::default, |scratch, (row, (mut part, &own))| {
            let change = |_: &mut [f32], memory: &mut [&mut [f32]]| {
                for (values, beta) in memory.iter_mut().zip([beta1, beta2]) {
                    let factor = (weight(beta, all) / weight(beta, own.into())) as f32;
                    values.iter_mut().for_each(|value| *value *= factor);
                }
            };
            part.change(0..dim, noise.at(row), scratch, change, |_, _| ());
        });
    }

    /// The keys of rounding in a change of mode: other ones than those of the step that follows.
    fn noise_of_change(&self) -> Noise {
        Noise::of_step(!self.config.seed, self.steps())
    }
}
