//! A sample of the classes per step: the batch's classes and others drawn at random (An et al., *Killing Two Birds with One
//! Stone: Efficient and Robust Training of Face Recognition CNNs by Partial FC*, 2022, section 3).
//!
//! Only the drawn classes are scored, have gradients and move; momentum and weight decay also apply to drawn rows alone. Other
//! rows stay where they are, as in the paper. (In insightface's second implementation they keep moving under their momentum.)
//! The loss is taken over the drawn classes, so it is lower than the dense loss.

use rayon::prelude::*;
use widemargin_chance::Stream;
use widemargin_objective::{ClassObjective, MatRef};

use crate::batch::Active;
use crate::centres::Centres;
use crate::dense;
use crate::error::Error;
use crate::forward::HeadForward;
use crate::gradient::{CentreGradient, DrawnGradient};
use crate::storage::Values;

/// Loss and gradients over the drawn classes.
pub(crate) fn forward(
    centres: &Centres<'_>,
    objective: &ClassObjective,
    rate: f64,
    features: MatRef<'_>,
    labels: &[u32],
    random: Stream,
    step: u64,
) -> Result<HeadForward, Error> {
    centres.check(features, labels, objective.ignore_label())?;
    if let Some(active) = Active::of(features, labels, objective.ignore_label()) {
        // drawn classes are renumbered, and one of them may get the number of the label to ignore
        let objective = objective.clone().with_ignore_label(None);
        let (features, labels) = (active.features()?, &active.labels);
        let found = forward(centres, &objective, rate, features, labels, random, step)?;
        return Ok(found.with_ignored(&active));
    }
    let (classes, dim) = (centres.classes(), features.cols());
    let drawn = draw(classes, rate, labels, random);
    let objective = objective.of_classes(&drawn)?.with_ignore_label(None);
    let per_class = centres.per_class as u32;
    let rows: Vec<u32> =
        drawn.iter().flat_map(|class| (0..per_class).map(move |at| class * per_class + at)).collect();
    let mut values = vec![0.0; rows.len() * dim];
    values.par_chunks_mut(dim).zip(rows.par_iter()).for_each(|(out, &row)| centres.row(row as usize, out));
    let place = |label: &u32| drawn.partition_point(|class| class < label) as u32;
    let renamed: Vec<u32> = labels.iter().map(place).collect();
    let part = Centres { values: Values::F32(&values), ..*centres };
    let mut found = dense::forward(&part, &objective, features, &renamed, step)?;
    if let CentreGradient::Dense(gradient) = found.pending.gradient {
        let (values, len) = (gradient.whole(&part), centres.values.len());
        centres.spare.put(gradient.into_buffers());
        found.pending.gradient = CentreGradient::Drawn(Box::new(DrawnGradient { rows, values, len }));
    }
    Ok(found)
}

/// The batch's classes and enough others to make `rate` of all; ascending.
fn draw(classes: usize, rate: f64, labels: &[u32], mut random: Stream) -> Vec<u32> {
    let mut batch = labels.to_vec();
    batch.sort_unstable();
    batch.dedup();
    let expected = ((rate * classes as f64).ceil() as usize).clamp(batch.len(), classes);
    let (mut others, mut open) = (expected - batch.len(), classes - batch.len());
    let mut batch = batch.into_iter().peekable();
    let mut drawn = Vec::with_capacity(expected);
    for class in 0..classes as u32 {
        if batch.next_if_eq(&class).is_some() {
            drawn.push(class);
            continue;
        }
        // selection sampling (Knuth, volume 2, section 3.4.2, algorithm S): every open class is equally likely
        if random.unit_f64() * (open as f64) < others as f64 {
            drawn.push(class);
            others -= 1;
        }
        open -= 1;
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_chance::Purpose;

    #[test]
    fn draws_contain_the_batch_and_are_uniform() {
        let draw = |classes, rate, labels: &[u32], seed| {
            super::draw(classes, rate, labels, Stream::new(seed, Purpose::SampledClasses, 0, 0))
        };
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
