//! The step of the optimiser on the rows that a batch touched.

use rayon::prelude::*;
use widemargin_kernels::screening::{PANEL, PanelMut};

use super::entries::project;
use super::{RowGradient, Screen, length};
use crate::Optimiser;
use crate::lazy::{NOTICEABLE, OLDEST, remaining};
use crate::storage::{Storage, ValuesMut};

/// One chunk of everything that a step changes.
struct Chunk<'a, 'b> {
    centres: ValuesMut<'a>,
    memory: Vec<&'a mut [f32]>,
    panels: &'a mut [PanelMut<'b>],
    ages: &'a mut [u32],
    active: &'a mut [bool],
}

impl Screen {
    /// One step of the optimiser: the rows with a gradient, the active ones and the oldest are moved and quantised anew, all
    /// others are one more step behind.
    ///
    /// `sharpness` is the largest factor on a cosine in an exponent; `noise` is what centres are rounded by, where they are.
    pub(crate) fn step(
        &mut self,
        optimiser: &mut Optimiser,
        centres: &mut Storage,
        gradient: &RowGradient,
        [learning_rate, clip_factor]: [f64; 2],
        sharpness: f64,
        noise: u64,
    ) {
        let (dim, rows) = (gradient.dim, gradient.chunk);
        let rule = optimiser.next_rule(learning_rate, clip_factor);
        let config = optimiser.config();
        let (motions, ages, active) = self.lazy.split();
        let mut panels: Vec<PanelMut<'_>> = self.panels.iter_mut().collect();
        let mut memories: Vec<_> =
            optimiser.memory_mut().iter_mut().map(|values| values.chunks_mut(rows * dim)).collect();
        let chunks: Vec<Chunk<'_, '_>> = centres
            .chunks_mut(rows * dim)
            .zip(panels.chunks_mut(rows / PANEL))
            .zip(ages.chunks_mut(rows).zip(active.chunks_mut(rows)))
            .map(|((centres, panels), (ages, active))| Chunk {
                centres,
                memory: memories.iter_mut().filter_map(Iterator::next).collect(),
                panels,
                ages,
                active,
            })
            .collect();
        chunks.into_par_iter().enumerate().for_each(|(index, mut chunk)| {
            let (mut sum, mut wide) = (vec![0.0; dim], Vec::new());
            let parts = gradient.rows(index);
            let mut parts = parts.iter().peekable();
            for place in 0..chunk.ages.len() {
                let row = index * rows + place;
                let found = parts.next_if(|parts| parts.row == row);
                let due = chunk.active[place] || chunk.ages[place] + 1 >= OLDEST;
                if found.is_none() && !due {
                    chunk.ages[place] += 1;
                    continue;
                }
                let range = place * dim..(place + 1) * dim;
                let mut memory: Vec<&mut [f32]> =
                    chunk.memory.iter_mut().map(|values| &mut values[range.clone()]).collect();
                let (age, panels) = (&mut chunk.ages[place], &mut chunk.panels);
                chunk.centres.change(range.clone(), noise ^ row as u64, &mut wide, |values| {
                    if *age > 0 {
                        motions[*age as usize].apply(values, &mut memory);
                        *age = 0;
                    }
                    match found {
                        Some(parts) => {
                            let along = gradient.add_up(index, parts, &mut sum);
                            project(&mut sum, along, values, parts.norm);
                        }
                        None => sum.fill(0.0),
                    }
                    rule.apply(values, &sum, &mut memory);
                });
                // as it is kept, which is what a restored head sees
                let norm = chunk.centres.look(range, &mut wide, |values| {
                    let norm = length(values);
                    panels[place / PANEL].set(place % PANEL, values, norm);
                    norm
                });
                let memory: Vec<&[f32]> = memory.iter().map(|values| &**values).collect();
                let ahead = remaining(config, learning_rate, &memory);
                chunk.active[place] = norm > 0.0 && sharpness * ahead > NOTICEABLE * f64::from(norm);
            }
        });
        optimiser.count_step();
        self.lazy.push_rate(optimiser.steps(), learning_rate);
    }
}
