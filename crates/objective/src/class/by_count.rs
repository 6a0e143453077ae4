//! Margins by class size: large for rare classes, small for frequent ones.
//!
//! A class with few samples covers its region of the sphere badly and generalises worse. Cao et al. bound the error of each
//! class by its margin and its number of samples. For a fixed sum of margins, the bound is smallest if the margins fall with the
//! fourth root of the number of samples.

use super::objective::ClassObjective;
use crate::bounds;
use crate::error::{Error, Result};

/// The power of Cao et al.: margins fall with the fourth root of the number of samples.
pub const FOURTH_ROOT: f64 = 0.25;

/// One margin per class, `largest (n_min / n_y)^power`: the rarest class gets `largest` (Cao et al., *Learning Imbalanced
/// Datasets with Label-Distribution-Aware Margin Loss*, 2019, eq. 13, with the constant chosen accordingly).
///
/// `counts` has the number of samples per class; a class without samples counts as the rarest. With `power` 0 all margins are
/// `largest`; the paper uses [`FOURTH_ROOT`].
pub fn margins_by_count(largest: f64, counts: &[u64], power: f64) -> Vec<f64> {
    let least = counts.iter().copied().filter(|count| *count > 0).min().unwrap_or(1);
    let share = |count: u64| (least as f64 / count.max(least) as f64).powf(power);
    counts.iter().map(|count| largest * share(*count)).collect()
}

impl ClassObjective {
    /// The same objective with one margin per class, computed from the number of training samples. The rarest class gets the
    /// objective's margin. See [`margins_by_count`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a power outside 0 to 1, and those of [`ClassObjective::with_class_margins`].
    pub fn with_margins_by_count(self, counts: &[u64], power: f64) -> Result<Self> {
        bounds::POWER.check("margin_by_count", power)?;
        let margins = margins_by_count(self.base.margin().amount(), counts, power);
        self.with_class_margins(&margins)
    }

    /// The margins per class, if there are any.
    pub fn class_margins(&self) -> Option<&[f64]> {
        self.class_margins.as_deref()
    }

    /// The same objective for a subset of its classes, renumbered by their places in `classes`. A sampled head trains with it.
    ///
    /// # Errors
    /// [`Error::Count`] for a class beyond the margins per class.
    pub fn of_classes(&self, classes: &[u32]) -> Result<Self> {
        let Some(margins) = &self.class_margins else { return Ok(self.clone()) };
        let own = |class: &u32| margin_of(margins, *class);
        let class_margins = Some(classes.iter().map(own).collect::<Result<_, _>>()?);
        Ok(Self {
            class_margins,
            name: self.name,
            base: self.base.clone(),
            rule: self.rule,
            classes: classes.len(),
            sub_centres: self.sub_centres,
            ignore_label: self.ignore_label,
            margin_share: self.margin_share,
            state: self.state,
        })
    }
}

/// The margin of a class.
pub(super) fn margin_of(margins: &[f64], class: u32) -> Result<f64> {
    margins.get(class as usize).copied().ok_or(Error::Count {
        what: "class margins",
        found: margins.len(),
        expected: class as usize + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EvaluateOptions, MatRef, Objective, Parameters};

    #[test]
    fn the_fourth_root_of_sixteen_times_as_many_halves_the_margin() {
        let found = margins_by_count(0.4, &[10, 160, 0, 810], FOURTH_ROOT);
        for (found, expected) in found.iter().zip([0.4, 0.2, 0.4, 0.4 / 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(margins_by_count(0.4, &[10, 160], 0.0), [0.4, 0.4]);
        assert_eq!(margins_by_count(0.4, &[0, 0], FOURTH_ROOT), [0.4, 0.4]);
        assert!(margins_by_count(0.4, &[], FOURTH_ROOT).is_empty());
    }

    #[test]
    fn every_objective_with_one_plain_margin_accepts_them_and_no_other() {
        let counts = [3, 48, 7];
        for name in ClassObjective::names() {
            let objective = ClassObjective::from_name(name, &Parameters::new(), 3).expect("defaults");
            let largest = objective.base().margin().amount();
            let plain = [
                "hinge-sum-margin",
                "am-softmax",
                "cosface",
                "arcface",
                "sub-centre",
                "curricularface",
                "mv-softmax",
                "elasticface-arc",
                "elasticface-cos",
                "inter-top-k",
                "inter-class-filter",
            ];
            match objective.with_margins_by_count(&counts, FOURTH_ROOT) {
                Ok(found) => {
                    assert!(plain.contains(&name), "{name}");
                    assert_eq!(
                        found.class_margins(),
                        Some(&*margins_by_count(largest, &counts, FOURTH_ROOT))
                    );
                }
                Err(error) => assert!(!plain.contains(&name), "{name}: {error}"),
            }
        }
    }

    #[test]
    fn some_of_the_classes_keep_their_margins() {
        let objective = ClassObjective::from(Objective::am_softmax(10.0, 0.4).expect("in range"));
        let all = objective.with_margins_by_count(&[1, 16, 81, 256], FOURTH_ROOT).expect("a plain margin");
        let some = all.of_classes(&[1, 3]).expect("there");
        let margins = some.class_margins().expect("kept");
        assert!((margins[0] - 0.2).abs() < 1e-12 && (margins[1] - 0.1).abs() < 1e-12, "{margins:?}");
        assert!(all.of_classes(&[4]).is_err());
        // a sample of the class with number 1 here has the loss computed by hand from its margin
        let (features, centres) = ([1.0_f64, 0.0], [0.6, 0.8, 0.8, 0.6]);
        let views = (MatRef::new(&features, 1, 2).expect("one"), MatRef::new(&centres, 2, 2).expect("two"));
        let loss = some.evaluate(views.0, views.1, &[1], &EvaluateOptions::default()).expect("finite").loss;
        let expected = (1.0 + (10.0 * (0.6 - (0.8 - 0.1_f64))).exp()).ln();
        assert!((loss - expected).abs() < 1e-12, "{loss} {expected}");
    }

    #[test]
    fn powers_out_of_range_are_rejected() {
        for power in [-0.1, 1.5, f64::NAN] {
            let objective = ClassObjective::from(Objective::am_softmax(10.0, 0.4).expect("in range"));
            let error = objective.with_margins_by_count(&[1, 2], power).expect_err("out of range");
            assert!(error.to_string().contains("margin_by_count"), "{error}");
        }
    }
}
