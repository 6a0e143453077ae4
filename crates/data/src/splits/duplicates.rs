//! Samples with the same content across and within the parts of a division.

use crate::catalogue::named;
use crate::splits::open_set::OpenSetSplit;
use crate::splits::split_file::SplitPart;
use crate::words::plural;
use crate::{Labelled, SampleSet};

/// How many groups of duplicates, and how many samples of each, a sentence has.
const CONFLICTS_NAMED: usize = 3;
const COPIES_NAMED: usize = 3;

/// Leaves out samples of known classes that are duplicates of samples of unseen classes, as `data split` does; with a sentence about them.
pub(super) fn leave_out_copies(
    set: &SampleSet,
    classes: &OpenSetSplit,
    parts: &mut [SplitPart],
) -> Option<String> {
    let is_unseen = |sample: &u32| classes.is_unseen(set.labels()[*sample as usize]);
    let mut left_out: Vec<u32> = Vec::new();
    for copies in set.copies().iter().filter(|copies| copies.iter().any(is_unseen)) {
        left_out.extend(copies.iter().filter(|copy| !is_unseen(copy)));
    }
    for sample in &left_out {
        parts[*sample as usize] = SplitPart::Out;
    }
    let first = set.sample_id(*left_out.first()? as usize);
    let unit = set.kind();
    Some(format!(
        "Left out {} of the {unit} of known classes, because they are duplicates of {unit} of unseen classes; the first is {first}.",
        left_out.len()
    ))
}

/// A sentence about held-out samples that have duplicates among the training samples.
pub(super) fn leak_warning(set: &SampleSet, parts: &[SplitPart]) -> Option<String> {
    let (mut leaks, mut first) = (0, None);
    for copies in set.copies() {
        let in_part = |part| copies.iter().filter(move |copy| parts[**copy as usize] == part);
        if let (Some(trained), Some(held_out)) =
            (in_part(SplitPart::Train).next(), in_part(SplitPart::Test).next())
        {
            leaks += in_part(SplitPart::Test).count();
            first.get_or_insert((*trained, *held_out));
        }
    }
    let (trained, held_out) = first?;
    let (unit, of) = (set.kind(), parts.iter().filter(|part| **part == SplitPart::Test).count());
    Some(format!(
        "{leaks} of {of} held-out {unit} are duplicates of training {unit}, so the results are better than they should be; the first is {} = {}. \
         `data split` makes a split without them.",
        set.sample_id(held_out as usize),
        set.sample_id(trained as usize)
    ))
}

/// A sentence about duplicates of different classes among the samples that are used.
pub(super) fn conflict_warning(set: &SampleSet, parts: &[SplitPart]) -> Option<String> {
    let mut conflicts = Vec::new();
    for copies in set.copies() {
        let used: Vec<u32> =
            copies.iter().copied().filter(|copy| parts[*copy as usize] != SplitPart::Out).collect();
        let mut classes: Vec<u32> = used.iter().map(|copy| set.labels()[*copy as usize]).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() > 1 {
            conflicts.push((used, classes));
        }
    }
    let line = |(samples, classes): &(Vec<u32>, Vec<u32>)| {
        let names = samples.iter().take(COPIES_NAMED).map(|sample| set.sample_id(*sample as usize));
        let more = if samples.len() > COPIES_NAMED { " = ..." } else { "" };
        format!("{}{more} ({})", names.collect::<Vec<_>>().join(" = "), named(classes, set.class_names()))
    };
    let first = conflicts.iter().take(CONFLICTS_NAMED).map(line).collect::<Vec<_>>();
    let more = conflicts.len().saturating_sub(CONFLICTS_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (!conflicts.is_empty()).then(|| {
        format!(
            "{} of duplicate {} {} different classes, so at least one label is wrong in each: {}{more}.",
            plural(conflicts.len(), "group", "groups"),
            set.kind(),
            if conflicts.len() == 1 { "has" } else { "have" },
            first.join("; ")
        )
    })
}

/// A sentence about duplicates within the evaluation set, which are easily found.
pub(super) fn repeated_warning(
    set: &SampleSet,
    classes: &OpenSetSplit,
    parts: &[SplitPart],
) -> Option<String> {
    let evaluated = |sample: u32| {
        parts[sample as usize] == SplitPart::Test && classes.is_evaluated(set.labels()[sample as usize])
    };
    let (mut repeated, mut first) = (0, None);
    for copies in set.copies() {
        let copies: Vec<u32> = copies.iter().copied().filter(|copy| evaluated(*copy)).collect();
        if let [original, copy, ..] = copies[..] {
            repeated += copies.len() - 1;
            first.get_or_insert((original, copy));
        }
    }
    let (original, copy) = first?;
    let (unit, of) = (set.kind(), (0..set.len() as u32).filter(|sample| evaluated(*sample)).count());
    Some(format!(
        "{repeated} of {of} {unit} of the evaluation set are duplicates of others in it, which makes the results better than they should be; \
         the first is {} = {}.",
        set.sample_id(copy as usize),
        set.sample_id(original as usize)
    ))
}
