//! The optimiser's step of a screened head: on the rows that a batch touched.

use rayon::prelude::*;
use widemargin_kernels::screening::{PANEL, PanelMut};
use widemargin_kernels::vector::MomentumStep;

use super::screen::{ROWS_AHEAD, Screen};
use crate::centre_optimiser::CentreOptimiser;
use crate::gradient::{RowGradient, RowParts, project, square};
use crate::lazy::{Motion, NOTICEABLE, defers, remaining};
use crate::optimiser::Rule;
use crate::storage::{Noise, Part, Scratch, Storage};
use crate::tile::length;

/// One chunk of everything that a step changes.
struct Chunk<'a, 'b> {
    values: Part<'a>,
    panels: &'a mut [PanelMut<'b>],
    ages: &'a mut [u32],
    active: &'a mut [bool],
}

impl Chunk<'_, '_> {
    /// The places that a step visits and their entries, if any; the ages of all other places grow by one. `first` is the row at
    /// the first place; `due` says for each age whether a place is visited in any case.
    fn moved<'c>(
        &mut self,
        first: usize,
        parts: &'c [RowParts],
        due: &[bool],
    ) -> Vec<(usize, Option<&'c RowParts>)> {
        let mut parts = parts.iter().peekable();
        let mut moved = Vec::with_capacity(self.ages.len());
        for (place, (age, active)) in self.ages.iter_mut().zip(&*self.active).enumerate() {
            let found = parts.next_if(|parts| parts.row == first + place);
            if found.is_some() || *active || due[*age as usize] {
                moved.push((place, found));
            } else {
                *age += 1;
            }
        }
        moved
    }
}

/// Values that a row's gradient needs in addition to the sum of its entries.
#[derive(Clone, Copy)]
struct Pull {
    /// The sum's component along the row's direction.
    along: f32,
    /// Length of the row with all deferred updates applied.
    norm: f32,
}

/// Applies a row's deferred updates and makes a step from there. Without a pull the content of `sum` is ignored.
fn step_row(
    rule: Rule,
    motion: Motion,
    pull: Option<Pull>,
    values: &mut [f32],
    sum: &mut [f32],
    memory: &mut [&mut [f32]],
) {
    let pull = pull.filter(|pull| pull.norm > 0.0);
    if pull.is_none() {
        sum.fill(0.0);
    }
    if let (Rule::Sgd { factor, rate, momentum, decay }, Motion::Sgd(motion), [velocity]) =
        (rule, motion, &mut *memory)
    {
        // the gradient is linear in the sum and in the row itself, and so is everything else
        let (pull, own) = pull.map_or((0.0, 0.0), |Pull { along, norm }| {
            let inverse = norm.recip();
            (factor * inverse, -factor * along * inverse * inverse)
        });
        let motion = motion.map(|row| row.map(|entry| entry as f32));
        MomentumStep { motion, pull, own: own + decay, momentum, rate }.apply(values, velocity, sum);
        return;
    }
    motion.apply(values, memory);
    if let Some(Pull { along, norm }) = pull {
        project(sum, along, values, norm);
    }
    rule.apply(values, sum, memory);
}

/// One step of the optimiser: rows with a gradient, active rows and the oldest rows are moved and quantised again; the updates
/// of all others are deferred.
///
/// `sharpness` is the largest factor on a cosine in an exponent; `noise` has the keys of the rounding to half precision. Returns the
/// norm of the gradient.
pub(crate) fn step(
    screen: &mut Screen,
    optimiser: &mut CentreOptimiser,
    centres: &mut Storage,
    gradient: &RowGradient,
    [learning_rate, clip_factor]: [f64; 2],
    sharpness: f64,
    noise: Noise,
) -> f64 {
    let (dim, rows) = (gradient.dim, gradient.chunk);
    let rule = optimiser.next_rule(learning_rate, clip_factor);
    let (config, steps) = (optimiser.config(), optimiser.steps() + 1);
    let defers = defers(config);
    let due = screen.lazy.due(learning_rate);
    let (motions, ages, active) = screen.lazy.split();
    let mut panels: Vec<PanelMut<'_>> = screen.panels.iter_mut().collect();
    let chunks: Vec<Chunk<'_, '_>> = Part::all(centres, optimiser.memory_mut(), rows * dim)
        .zip(panels.chunks_mut(rows / PANEL))
        .zip(ages.chunks_mut(rows).zip(active.chunks_mut(rows)))
        .map(|((values, panels), (ages, active))| Chunk { values, panels, ages, active })
        .collect();
    let move_chunk = |(index, mut chunk): (usize, Chunk<'_, '_>)| {
        let (mut sum, mut scratch, mut squares, mut spoilt) = (vec![0.0; dim], Scratch::default(), 0.0, None);
        let parts = gradient.rows(index);
        let moved = chunk.moved(index * rows, &parts, &due);
        for (turn, &(place, found)) in moved.iter().enumerate() {
            if let Some(&(soon, _)) = moved.get(turn + ROWS_AHEAD) {
                chunk.values.prefetch(soon * dim..(soon + 1) * dim);
                if turn == 0 || soon / PANEL > moved[turn + ROWS_AHEAD - 1].0 / PANEL {
                    chunk.panels[soon / PANEL].prefetch();
                }
            }
            let along = found.map(|parts| gradient.add_up(index, parts, &mut sum));
            let pull = found.zip(along).map(|(parts, along)| Pull { along, norm: parts.norm });
            squares += pull.map_or(0.0, |Pull { along, norm }| square(&sum, along, norm));
            let motion = motions[std::mem::take(&mut chunk.ages[place]) as usize];
            let change = |values: &mut [f32], memory: &mut [&mut [f32]]| {
                step_row(rule, motion, pull, values, &mut sum, memory);
            };
            let panel = &mut chunk.panels[place / PANEL];
            let look = |values: &[f32], memory: &[&[f32]]| {
                let norm = length(values);
                panel.set(place % PANEL, values, norm);
                if !norm.is_finite() {
                    spoilt = spoilt.or(Some(index * rows + place));
                }
                let ahead = remaining(config, steps, learning_rate, values, memory);
                !defers || sharpness * ahead > NOTICEABLE * f64::from(norm)
            };
            let (range, noise) = (place * dim..(place + 1) * dim, noise.at(index * rows + place));
            chunk.active[place] = chunk.values.change(range, noise, &mut scratch, change, look);
        }
        (squares, spoilt)
    };
    let (squares, spoilt): (Vec<f64>, Vec<Option<usize>>) =
        chunks.into_par_iter().enumerate().map(move_chunk).unzip();
    screen.spoilt = screen.spoilt.or_else(|| spoilt.into_iter().flatten().next());
    optimiser.count_step();
    screen.lazy.push_rate(optimiser.steps(), learning_rate);
    squares.iter().sum::<f64>().sqrt()
}
