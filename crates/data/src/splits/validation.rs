//! The validation part: samples that are neither trained on nor in the final evaluation, on which a model is evaluated while it is trained.
//!
//! Data with a test part can have a validation part of its own. Otherwise it is drawn: some of the known classes, which are then not trained
//! on, or in a closed set a share of the training samples. It is never of unseen classes: a model that was chosen on them would have seen them.

use std::collections::BTreeMap;

use widemargin_chance::{Purpose, Stream, number};

use crate::hold_out::{self, Drawing};
use crate::splits::division::Division;
use crate::splits::open_set::require_comparable;
use crate::splits::split_file::SplitPart;
use crate::words::plural;
use crate::{Error, Labelled, Result, SampleSet};

/// Fewest drawn validation classes, if enough known classes remain.
const FEWEST: usize = 3;
/// Fewest classes on either side.
const LEAST: usize = 2;
/// With fewer validation classes than this, a sentence says that they decide much.
const FEW: usize = 10;

/// How to draw a validation part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValidationDraw<'a> {
    /// Share of the known classes, at least 3 classes; in a closed set, share of the training samples of each class with at least 4 (at
    /// least 2 of them), or of the groups. Above 0 and below 1.
    pub share: f64,
    /// Seed of the draw.
    pub seed: u64,
    /// Whether a split file says what is held out.
    pub by_file: bool,
    /// Known classes that must stay known, by their numbers.
    pub kept: &'a [u32],
}

impl Division {
    /// The samples of the validation part, in ascending order.
    pub fn validation(&self) -> Vec<u32> {
        let parts = (0..).zip(&self.parts);
        parts.filter(|(_, part)| **part == SplitPart::Validation).map(|(sample, _)| sample).collect()
    }

    /// This division with a drawn validation part, unless it has one.
    ///
    /// With unseen classes, whole known classes are drawn, and are then neither known nor unseen. Their samples in a test part that the data or a
    /// split file marks are left out. In a closed set, a share of the training samples of each class is drawn, or whole groups.
    ///
    /// # Errors
    /// [`Error::Setting`] if fewer than two known classes would remain on either side; [`Error::NothingToCompare`] if the part has no pair of
    /// samples to compare.
    pub fn with_validation(mut self, set: &SampleSet, draw: ValidationDraw<'_>) -> Result<Self> {
        if !self.validation().is_empty() {
            return Ok(self);
        }
        if self.classes.is_closed() {
            self.draw_samples(set, draw);
        } else {
            self.draw_classes(set, draw)?;
        }
        leave_out_copies(set, &mut self.parts);
        self.require_validation(set)?;
        Ok(self)
    }

    /// Checks that the validation part has samples to compare.
    ///
    /// # Errors
    /// [`Error::Setting`], which says what it has.
    pub fn require_validation(&self, set: &SampleSet) -> Result<()> {
        let samples = self.validation();
        let classes = || samples.iter().map(|sample| set.labels()[*sample as usize]);
        require_comparable(classes()).map_err(|_| {
            let mut found: Vec<u32> = classes().collect();
            found.sort_unstable();
            found.dedup();
            let found = format!("{} of {}", samples.len(), plural(found.len(), "class", "classes"));
            let expected = format!(
                "two {kind} of one class and {kind} of two classes; {kind} of unseen classes do not count",
                kind = set.kind()
            );
            Error::setting("the validation part", &found, expected)
        })
    }

    fn draw_classes(&mut self, set: &SampleSet, draw: ValidationDraw<'_>) -> Result<()> {
        let known = self.classes.known().len();
        let mut counts = BTreeMap::<u32, usize>::new();
        for (class, part) in set.labels().iter().zip(&self.parts) {
            if self.classes.known_label(*class).is_some() && *part == SplitPart::Train {
                *counts.entry(*class).or_default() += 1;
            }
        }
        // A class with one sample has no pair.
        let able =
            |class: &&u32| counts.get(class).is_some_and(|count| *count >= 2) && !draw.kept.contains(class);
        let mut drawn: Vec<u32> = self.classes.known().iter().filter(able).copied().collect();
        Stream::new(draw.seed, Purpose::Split, 1, 0).shuffle(&mut drawn);
        let share = (known as f64 * draw.share).round() as usize;
        drawn.truncate(share.max(FEWEST).min(known.saturating_sub(LEAST)));
        if drawn.len() < LEAST {
            let expected = format!(
                "at least {} with {LEAST} training {kind} each, of which {LEAST} or more become validation classes; add classes, give the data a \
                 validation part, or use --closed-set",
                2 * LEAST,
                kind = set.kind()
            );
            return Err(Error::setting("the number of known classes", &known, expected));
        }
        drawn.sort_unstable();
        let is_drawn = |class: &u32| drawn.binary_search(class).is_ok();
        let marked = draw.by_file || set.parts_are_marked();
        let of_drawn = set.labels().iter().zip(&mut self.parts).filter(|(class, _)| is_drawn(class));
        for (_, part) in of_drawn {
            *part = match *part {
                SplitPart::Test if marked => SplitPart::Out,
                SplitPart::Train | SplitPart::Test => SplitPart::Validation,
                other => other,
            };
        }
        let left = self.classes.known().iter().copied().filter(|class| !is_drawn(class)).collect();
        self.classes = self.classes.with_known(set.class_names().len(), left)?;
        if drawn.len() < FEW {
            self.warnings.push(format!(
                "There are only {} validation classes: which epoch is the best one depends on which classes were drawn (data.split_seed).",
                drawn.len()
            ));
        }
        Ok(())
    }

    /// A share of the training samples of each class.
    fn held_by_class(&self, set: &SampleSet, draw: ValidationDraw<'_>) -> Vec<bool> {
        let mut counts = vec![0; set.class_names().len()];
        for (class, part) in set.labels().iter().zip(&self.parts) {
            counts[*class as usize] += usize::from(*part == SplitPart::Train);
        }
        // Small classes have shares of their own.
        let shares: Vec<Option<f64>> =
            counts.iter().map(|count| share_of_class(*count, draw.share)).collect();
        let mut distinct: Vec<f64> = shares.iter().flatten().copied().collect();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let mut held = vec![false; set.len()];
        for share in distinct {
            let class = |(class, part): (&u32, &SplitPart)| {
                let drawable = *part == SplitPart::Train && shares[*class as usize] == Some(share);
                drawable.then_some(*class)
            };
            let classes = set.labels().iter().zip(&self.parts).map(class);
            let found = hold_out::by_class(classes, set.copies(), share, (draw.seed, Drawing::Validation));
            held.iter_mut().zip(found).for_each(|(held, found)| *held |= found);
        }
        held
    }

    fn draw_samples(&mut self, set: &SampleSet, draw: ValidationDraw<'_>) {
        let is_trained = |sample: usize| self.parts[sample] == SplitPart::Train;
        let held: Vec<bool> = if let Some(groups) = &set.catalogue().groups {
            let names: Vec<String> =
                groups.of.iter().map(|group| groups.names[*group as usize].clone()).collect();
            let joined = hold_out::joined(&names, set.copies());
            let trained: Vec<usize> = (0..set.len()).filter(|sample| is_trained(*sample)).collect();
            let of_trained: Vec<String> = trained.iter().map(|sample| joined[*sample].clone()).collect();
            let seed = number(draw.seed, Purpose::HoldOut, 0, Drawing::Validation as u64);
            let mut held = vec![false; set.len()];
            for (sample, is_held) in
                trained.into_iter().zip(hold_out::by_group(&of_trained, draw.share, seed))
            {
                held[sample] = is_held;
            }
            held
        } else {
            self.held_by_class(set, draw)
        };
        let mut trained = vec![false; set.class_names().len()];
        for (sample, class) in set.labels().iter().enumerate() {
            trained[*class as usize] |= is_trained(sample) && !held[sample];
        }
        for (sample, class) in set.labels().iter().enumerate() {
            // A class keeps its training samples if they are all in drawn groups.
            if held[sample] && trained[*class as usize] && !draw.kept.contains(class) {
                self.parts[sample] = SplitPart::Validation;
            }
        }
    }
}

/// The share of `count` training samples of a class that is drawn: at least [`LEAST`] samples, and as many remain. `None` if there are too few.
fn share_of_class(count: usize, share: f64) -> Option<f64> {
    (count >= 2 * LEAST).then(|| share.clamp(LEAST as f64 / count as f64, 1.0 - LEAST as f64 / count as f64))
}

/// Leaves out drawn validation samples that are duplicates of training samples.
fn leave_out_copies(set: &SampleSet, parts: &mut [SplitPart]) {
    for copies in set.copies() {
        if copies.iter().any(|copy| parts[*copy as usize] == SplitPart::Train) {
            for copy in copies {
                let part = &mut parts[*copy as usize];
                if *part == SplitPart::Validation {
                    *part = SplitPart::Out;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
