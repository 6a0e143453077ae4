//! Divides the samples of a run: which classes are known or unseen, and what each sample is used for.

use crate::Error;
use crate::config::{Config, DataConfig};
use crate::warm_start::WeightsClasses;
use widemargin_data::{
    Division, Labelled, OpenSetSplit, SampleSet, SplitPart, UnseenClasses, ValidationDraw, first_names,
};

/// Most unseen classes that an error names.
const NAMED_UNSEEN: usize = 10;

/// Fewest known classes.
const LEAST_KNOWN: usize = 2;

/// Whether the held-out samples of known classes are drawn: neither a split file nor the data or its groups define them.
pub(crate) fn parts_are_drawn(set: &SampleSet, d: &DataConfig) -> bool {
    d.split.is_none() && !set.parts_are_given()
}

/// Known and unseen classes, and what each sample is used for.
pub(crate) fn divided(set: &SampleSet, config: &Config, weights: &WeightsClasses) -> Result<Division, Error> {
    let d = &config.data;
    if let Some(path) = &d.split {
        return Ok(Division::by_file(set, path)?);
    }
    let unseen = if d.closed_set {
        UnseenClasses::None
    } else if !d.unseen_classes.is_empty() {
        UnseenClasses::Named(d.unseen_classes.clone())
    } else {
        d.unseen.map_or(UnseenClasses::Default, UnseenClasses::Count)
    };
    let division = Division::new(set, &unseen, d.split_seed)?;
    // Where classes are drawn, those that were unseen for the weights stay unseen.
    let wanted = division.classes.unseen().len();
    let names = set.class_names();
    // A run that continues another one trains on all its new classes, and is evaluated on the same unseen ones.
    let same = config.model.from.is_some() && unseen == UnseenClasses::Default;
    let same = same.then(|| weights.unseen(names, 0, d.split_seed)).flatten();
    let kept = same.or_else(|| weights.unseen(names, wanted, d.split_seed)).filter(|_| division.drawn);
    let Some(kept) = kept else { return Ok(division) };
    let division = Division::new(set, &UnseenClasses::Numbered(kept), d.split_seed)?;
    let found = division.classes.unseen();
    if let UnseenClasses::Count(count) = unseen
        && count != found.len()
    {
        let names = found.iter().map(|class| &set.class_names()[*class as usize]);
        return Err(Error::BadValue {
            key: "data.unseen".to_owned(),
            message: format!(
                "found {count}, expected {} or no number: the classes that were unseen for the loaded weights or the model that made the \
                 embeddings stay unseen, and those that these were trained on cannot be unseen, which leaves {}; to choose others, name them (data.unseen_classes)",
                found.len(),
                first_names(names, NAMED_UNSEEN)
            ),
        });
    }
    Ok(division)
}

/// Leaves out the training samples of the camera that is held out of training, and classes without others.
pub(crate) fn leave_out_camera(set: &SampleSet, division: &mut Division) -> Result<(), Error> {
    let mut trained = vec![false; set.class_names().len()];
    let mut left_out = false;
    for (sample, part) in division.parts.iter_mut().enumerate().filter(|(_, part)| **part == SplitPart::Train)
    {
        if set.is_of_held_out_camera(sample) {
            (*part, left_out) = (SplitPart::Out, true);
        } else {
            trained[set.labels()[sample] as usize] = true;
        }
    }
    let is_left = |class: &u32| left_out && !trained[*class as usize];
    let all = division.classes.known();
    let dropped: Vec<u32> = all.iter().copied().filter(is_left).collect();
    let Some(first) = dropped.first() else { return Ok(()) };
    division.warnings.push(format!(
        "The camera that is held out of training leaves {} of {} known classes without a training sample; they are left out, the first is {}.",
        dropped.len(),
        all.len(),
        set.class_names()[*first as usize],
    ));
    drop_known(set, division, &dropped)
}

/// Makes known classes, in ascending order, neither known nor unseen, and leaves out their samples.
fn drop_known(set: &SampleSet, division: &mut Division, dropped: &[u32]) -> Result<(), Error> {
    let is_dropped = |class: &u32| dropped.binary_search(class).is_ok();
    let kept = division.classes.known().iter().copied().filter(|class| !is_dropped(class)).collect();
    division.classes = division.classes.with_known(set.class_names().len(), kept)?;
    for (_, part) in set.labels().iter().zip(&mut division.parts).filter(|(class, _)| is_dropped(class)) {
        *part = SplitPart::Out;
    }
    Ok(())
}

/// The training samples: all of the known classes, or the first ones of each class, `limit` in total and as evenly as the classes allow.
///
/// A class that is left without a training sample is not a known class any more. Its samples are left out, with a warning.
pub(crate) fn limited(set: &SampleSet, division: &mut Division, limit: usize) -> Result<Vec<u32>, Error> {
    let known = |class: u32| division.classes.known_label(class);
    let mut samples: Vec<(u32, u32)> = Vec::new();
    for (sample, (class, part)) in (0..).zip(set.labels().iter().zip(&division.parts)) {
        if let Some(label) = known(*class).filter(|_| *part == SplitPart::Train) {
            samples.push((sample, label));
        }
    }
    let mut counts = vec![0; division.classes.known().len()];
    for (_, label) in &samples {
        counts[*label as usize] += 1;
    }
    if limit == 0 || limit >= samples.len() {
        return Ok(samples.into_iter().map(|(sample, _)| sample).collect());
    }
    let mut left = shares(&counts, limit);
    let empty = left.iter().filter(|left| **left == 0).count();
    if empty > 0 {
        let (all, names) = (division.classes.known(), set.class_names());
        let first = left.iter().position(|left| *left == 0).map_or("", |at| &names[all[at] as usize]);
        division.warnings.push(format!(
            "The limit of {limit} training samples leaves {empty} of {} known classes without one; they are left out, the first is {first}.",
            all.len(),
        ));
        if all.len() - empty < LEAST_KNOWN {
            return Err(Error::BadValue {
                key: "training.limit".to_owned(),
                message: format!(
                    "found {limit}, expected at least {LEAST_KNOWN}: training needs samples of {LEAST_KNOWN} classes"
                ),
            });
        }
        let dropped: Vec<u32> =
            all.iter().zip(&left).filter(|(_, left)| **left == 0).map(|(class, _)| *class).collect();
        drop_known(set, division, &dropped)?;
    }
    samples.retain(|(sample, label)| {
        let left = &mut left[*label as usize];
        let taken = *left > 0;
        *left = left.saturating_sub(1);
        if !taken {
            // The split of the run says what it was trained on.
            division.parts[*sample as usize] = SplitPart::Out;
        }
        taken
    });
    Ok(samples.into_iter().map(|(sample, _)| sample).collect())
}

/// How many samples to take of classes with these `counts`: `limit` in total, which is less than there are. Every class gives the same
/// number or all it has; what is left over comes from the first classes that have more.
fn shares(counts: &[usize], limit: usize) -> Vec<usize> {
    let total = |share: usize| counts.iter().map(|count| (*count).min(share)).sum::<usize>();
    let (mut low, mut high) = (0, limit);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if total(middle) <= limit { low = middle } else { high = middle - 1 }
    }
    let mut over = limit - total(low);
    let share = |count: &usize| {
        let more = usize::from(over > 0 && *count > low);
        over -= more;
        (*count).min(low) + more
    };
    counts.iter().map(share).collect()
}

/// The division with a validation part, if the run evaluates during training. One that the data has must have something to compare.
pub(crate) fn with_validation(
    division: Division,
    set: &SampleSet,
    config: &Config,
) -> Result<Division, Error> {
    if config.training.evaluate_every == 0 {
        return Ok(division);
    }
    let names = known_classes(set, &division.classes);
    let ignored = config.objective.ignored_among(&names)?;
    let kept: Vec<u32> = ignored.map(|label| division.classes.known()[label as usize]).into_iter().collect();
    let d = &config.data;
    let (share, seed, by_file) = (d.validation, d.split_seed, d.split.is_some());
    let division = division.with_validation(set, ValidationDraw { share, seed, by_file, kept: &kept })?;
    division.require_validation(set)?;
    Ok(division)
}

/// The names of the known classes, in the order of their labels.
pub(crate) fn known_classes<'a>(set: &'a SampleSet, split: &OpenSetSplit) -> Vec<&'a str> {
    split.known().iter().map(|class| set.class_names()[*class as usize].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_limit_and_differ_by_one() {
        assert_eq!(shares(&[1500; 7], 2100), [300; 7]);
        assert_eq!(shares(&[9, 9, 9], 5), [2, 2, 1]);
        assert_eq!(shares(&[1, 9, 2, 9], 12), [1, 5, 2, 4]);
        assert_eq!(shares(&[3, 3, 3], 2), [1, 1, 0]);
        for limit in 0..20 {
            assert_eq!(shares(&[1, 4, 7, 9], limit).iter().sum::<usize>(), limit);
        }
    }
}
