//! A part of the classes a step: the batch's own, and others drawn at random (An et al., *Killing Two Birds with One Stone:
//! Efficient and Robust Training of Face Recognition CNNs by Partial FC*, 2022, section 3).
//!
//! Only the drawn classes are scored, have gradients and move; also their momentum and weight decay are those of drawn rows
//! alone. A row that is not drawn stays where it is, as in the paper (insightface's second implementation lets it go on under
//! its momentum). The loss is that over the drawn classes, so it is lower than the dense one.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use widemargin_objective::{ClassObjective, MatRef};

use crate::batch::Active;
use crate::forward::CentreGradient;
use crate::storage::{Storage, Values};
use crate::tile::Centres;
use crate::{Error, HeadForward, Optimiser};

/// The gradient of the classes that were drawn.
#[derive(Clone, Debug)]
pub(crate) struct DrawnGradient {
    /// Rows of the centres, ascending; with several centres a class all of them.
    pub(crate) rows: Vec<u32>,
    /// `[rows, dim]`.
    pub(crate) values: Vec<f32>,
    /// Values in all centres of the head.
    pub(crate) all_values: usize,
}

/// Loss and gradients over the drawn classes.
pub(crate) fn forward(
    centres: &Centres<'_>,
    objective: &ClassObjective,
    rate: f64,
    features: MatRef<'_>,
    labels: &[u32],
    seed: u64,
    step: u64,
) -> Result<HeadForward, Error> {
    centres.check(features, labels, objective.ignore_label())?;
    if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
        // the drawn classes have other numbers, and one of them may be the label to ignore
        let objective = objective.clone().with_ignore_label(None);
        let (features, labels) = (active.features()?, &active.labels);
        let found = forward(centres, &objective, rate, features, labels, seed, step)?;
        return Ok(active.with_ignored(found));
    }
    let (classes, dim) = (centres.classes(), features.cols());
    let drawn = draw(classes, rate, labels, seed);
    let objective = objective.of_classes(&drawn)?.with_ignore_label(None);
    let rows: Vec<u32> = drawn
        .iter()
        .flat_map(|class| (0..centres.each as u32).map(move |at| class * centres.each as u32 + at))
        .collect();
    let mut values = vec![0.0; rows.len() * dim];
    values.par_chunks_mut(dim).zip(rows.par_iter()).for_each(|(out, &row)| centres.row(row as usize, out));
    let place = |label: &u32| drawn.partition_point(|class| class < label) as u32;
    let renamed: Vec<u32> = labels.iter().map(place).collect();
    let part = Centres { values: Values::F32(&values), ..*centres };
    let mut found = part.forward(&objective, features, &renamed, step)?;
    if let CentreGradient::Dense(gradient) = found.pending.gradient {
        let (values, all_values) = (gradient.whole(&part), centres.values.len());
        centres.spare.put(gradient.into_buffers());
        found.pending.gradient = CentreGradient::Drawn(Box::new(DrawnGradient { rows, values, all_values }));
    }
    Ok(found)
}

/// The batch's classes and as many others as make `rate` of all; ascending.
fn draw(classes: usize, rate: f64, labels: &[u32], seed: u64) -> Vec<u32> {
    let mut own = labels.to_vec();
    own.sort_unstable();
    own.dedup();
    let expected = ((rate * classes as f64).ceil() as usize).clamp(own.len(), classes);
    let (mut others, mut open) = (expected - own.len(), classes - own.len());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut own = own.into_iter().peekable();
    let mut drawn = Vec::with_capacity(expected);
    for class in 0..classes as u32 {
        if own.next_if_eq(&class).is_some() {
            drawn.push(class);
            continue;
        }
        // selection sampling (Knuth, volume 2, section 3.4.2, algorithm S): each of the open classes is as likely
        let uniform = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        if uniform * (open as f64) < others as f64 {
            drawn.push(class);
            others -= 1;
        }
        open -= 1;
    }
    drawn
}

/// One step of the optimiser on the drawn rows alone.
pub(crate) fn step(
    optimiser: &mut Optimiser,
    centres: &mut Storage,
    gradient: &DrawnGradient,
    [learning_rate, clip_factor]: [f64; 2],
    noise: u64,
) {
    let dim = gradient.values.len() / gradient.rows.len().max(1);
    let rule = optimiser.next_rule(learning_rate, clip_factor);
    if dim > 0 {
        let mut memories: Vec<_> =
            optimiser.memory_mut().iter_mut().map(|values| values.chunks_mut(dim)).collect();
        let mut next = 0;
        let mut parts = Vec::with_capacity(gradient.rows.len());
        for (row, values) in centres.chunks_mut(dim).enumerate() {
            let memory: Vec<&mut [f32]> = memories.iter_mut().filter_map(Iterator::next).collect();
            if gradient.rows.get(next).is_some_and(|&drawn| drawn as usize == row) {
                parts.push((values, memory));
                next += 1;
            }
        }
        parts
            .into_par_iter()
            .zip(gradient.values.par_chunks(dim))
            .zip(gradient.rows.par_iter())
            .for_each_init(Vec::new, |scratch, (((mut values, mut memory), gradient), &row)| {
                let change = |values: &mut [f32]| rule.apply(values, gradient, &mut memory);
                values.change(0..dim, noise ^ u64::from(row), scratch, change);
            });
    }
    optimiser.count_step();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_hold_the_batch_and_are_uniform() {
        let (classes, labels) = (200, [7, 7, 120, 199]);
        let mut times = vec![0; classes];
        let rounds = 4000;
        for seed in 0..rounds {
            let drawn = draw(classes, 0.1, &labels, seed);
            assert_eq!(drawn.len(), 20);
            assert!(drawn.is_sorted() && labels.iter().all(|label| drawn.binary_search(label).is_ok()));
            for &class in &drawn {
                times[class as usize] += 1;
            }
        }
        let expected = rounds as f64 * 17.0 / 197.0;
        for (class, &times) in
            times.iter().enumerate().filter(|(class, _)| !labels.contains(&(*class as u32)))
        {
            // five standard deviations of a binomial count
            assert!(
                (f64::from(times) - expected).abs() < 5.0 * expected.sqrt(),
                "{class}: {times} {expected}"
            );
        }
        assert_eq!(draw(3, 1e-9, &[1], 0), [1], "never less than the batch");
        assert_eq!(draw(3, 1.0, &[1], 0), [0, 1, 2]);
        assert_eq!(draw(4, 0.5, &[0, 1, 2, 3], 0), [0, 1, 2, 3]);
    }
}
