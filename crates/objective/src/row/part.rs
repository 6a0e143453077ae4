//! The first pass over classes that are spread over several workers.
//!
//! Each worker runs a pass over its own classes and sends the result, a few values per sample, to the others. A fresh pass
//! that adds these parts in the order of the classes gives the same result as one pass over all classes: exponentials are
//! made relative to the larger maximum before they are added, and among equal scores the first stays the hardest.

use super::RowPass;
use super::nearest::Nearest;
use crate::real::Real;

/// Values of a part without the nearest non-targets.
const FIXED: usize = 12;

/// Encodes "no class", since `f64` cannot hold `usize::MAX`.
const NO_CLASS: f64 = -1.0;

impl<T: Real> RowPass<T> {
    /// Number of values in a part; the same for every sample of an objective.
    pub fn part_len(&self) -> usize {
        FIXED + self.nearest.as_ref().map_or(0, |nearest| 1 + 2 * nearest.count())
    }

    /// Appends the result over the classes observed so far: [`RowPass::part_len`] values, without rounding.
    pub fn write_part(&self, out: &mut Vec<f64>) {
        let class = if self.hardest_class == usize::MAX { NO_CLASS } else { self.hardest_class as f64 };
        out.extend::<[f64; FIXED]>([
            f64::from(u8::from(self.finite)),
            f64::from(u8::from(self.outranked)),
            self.hardest.into(),
            class,
            self.hardest_plain.into(),
            self.nearest_similarity.into(),
            self.exponentials,
            self.moment,
            self.hinges,
            self.violators as f64,
            self.lead_sum,
            self.observed as f64,
        ]);
        if let Some(nearest) = &self.nearest {
            let (before, found) = (out.len(), nearest.found());
            out.push(found.len() as f64);
            out.extend(found.iter().flat_map(|&(similarity, class)| [similarity.into(), class as f64]));
            out.resize(before + 1 + 2 * nearest.count(), 0.0);
        }
    }

    /// Adds the part of another pass for the same sample over other classes.
    ///
    /// Parts must come in the order of their classes, each class once. A part with a `NaN` makes the loss `NaN`.
    ///
    /// # Panics
    /// If the length of the part is not [`RowPass::part_len`].
    pub fn observe_part(&mut self, part: &[f64]) {
        assert_eq!(part.len(), self.part_len(), "a part has part_len() values");
        let (fixed, nearest) = part.split_at(FIXED);
        let [
            finite,
            outranked,
            hardest,
            class,
            hardest_plain,
            similarity,
            exponentials,
            moment,
            hinges,
            violators,
            lead_sum,
            observed,
        ] = *fixed
        else {
            unreachable!("split at its length");
        };
        let sound = finite == 1.0 && !part.iter().any(|value| value.is_nan());
        let mut others = self.nearest.as_ref().map(|own| Nearest::new(own.count()));
        if let (Some(others), [count, found @ ..]) = (&mut others, nearest) {
            for found in found.chunks_exact(2).take(*count as usize) {
                others.observe(found[1] as usize, &[T::from_f64(found[0])]);
            }
        }
        self.merge(Self {
            finite: sound,
            outranked: outranked != 0.0,
            hardest: T::from_f64(hardest),
            hardest_class: if class == NO_CLASS { usize::MAX } else { class as usize },
            hardest_plain: T::from_f64(hardest_plain),
            nearest_similarity: T::from_f64(similarity),
            exponentials,
            moment,
            hinges,
            violators: violators as usize,
            lead_sum,
            observed: observed as usize,
            nearest: others,
            leads: self.leads,
            ..*self
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::values;
    use crate::{ClassObjective, Objective, Parameters, Point, PointOutcome, PointPass, parameters};

    /// Every named objective on class centres, resolved for one sample.
    fn points_of(classes: usize) -> Vec<(String, Point)> {
        let facts = crate::BatchFacts {
            labels: &[2, 0],
            feature_norms: &[1.5, 0.7],
            target_cosines: &[0.3, -0.2],
            log_partitions: Some(&[2.0, 3.0]),
        };
        let composed =
            crate::tests::points().into_iter().map(|point| (format!("{point}"), Point::Family(point)));
        let smoothed = parameters([("label_smoothing", 0.1.into())]);
        let few = parameters([("count", 2.into())]);
        let named = ClassObjective::names().map(|name| (name, Parameters::new()));
        named
            .chain([("softmax", smoothed), ("inter-top-k", few)])
            .map(|(name, parameters)| {
                let objective = ClassObjective::from_name(name, &parameters, classes).expect("in range");
                (name.to_owned(), objective.points(&facts).expect("in range").point(0).clone())
            })
            .chain(composed)
            .collect()
    }

    /// The figures, and the gradient over all classes.
    fn figures(outcome: &PointOutcome<f64>, row: &[f64]) -> Vec<f64> {
        let mut gradient = row.to_vec();
        outcome.gradient(0, &mut gradient);
        let flags = [outcome.margin_met, outcome.correct].map(|flag| f64::from(u8::from(flag)));
        let numbers = [outcome.loss, outcome.push, outcome.effective_competitors, outcome.learnt_slope];
        numbers.into_iter().chain(flags).chain(gradient).collect()
    }

    #[test]
    fn parts_equal_one_pass_over_all_classes_for_any_split() {
        let label = 2;
        for classes in [3, 7] {
            for (seed, factor) in [(1, 0.9), (2, 0.9), (3, 0.0)] {
                // with the factor 0 all similarities are equal
                let row: Vec<f64> = values(classes, seed).iter().map(|value| factor * value).collect();
                for (name, point) in points_of(classes) {
                    let fresh = || -> PointPass<f64> { point.row_pass_at(label, row[label], 1.0) };
                    let mut whole = fresh();
                    whole.observe(0, &row);
                    let expected = figures(&whole.finish(), &row);
                    for first in 0..=classes {
                        for second in first..=classes {
                            let mut all = fresh();
                            for (start, end) in [(0, first), (first, second), (second, classes)] {
                                let mut pass = fresh();
                                pass.observe(start, &row[start..end]);
                                let mut part = Vec::new();
                                pass.write_part(&mut part);
                                assert_eq!(part.len(), pass.part_len(), "{name}");
                                all.observe_part(&part);
                            }
                            let found = figures(&all.finish(), &row);
                            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                                assert!(
                                    (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                                    "{name}, {classes} classes cut at {first} and {second}, figure {at}: {found}, {expected}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_non_finite_part_gives_a_non_finite_loss() {
        let objective = Objective::am_softmax(30.0, 0.35).expect("in range");
        let mut pass = objective.row_pass(0, 0.5_f64);
        pass.observe(1, &[f64::NAN]);
        let mut part = Vec::new();
        pass.write_part(&mut part);
        let mut all = objective.row_pass(0, 0.5_f64);
        all.observe_part(&part);
        assert!(all.finish().loss.is_nan());
    }
}
