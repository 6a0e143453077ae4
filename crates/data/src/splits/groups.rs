//! Groups of samples that belong together: which groups can be held out as a whole, and the pairs within one group.

use std::collections::HashMap;
use std::hash::Hash;

use widemargin_tables::first_names;

use crate::catalogue::Groups;
use crate::hold_out;
use crate::look_alike::{escaped, look_alikes, no_classes};
use crate::splits::open_set::OpenSetSplit;
use crate::splits::split_file::SplitPart;
use crate::{Labelled, SampleSet};

/// How many groups a sentence names.
const NAMED: usize = 10;

/// The groups in which parts were drawn: those of the data, joined if they share duplicates.
pub(super) struct DrawnGroups(Groups);

impl DrawnGroups {
    /// `None` if the parts of the set were not drawn in groups.
    pub(super) fn of(set: &SampleSet) -> Option<Self> {
        let groups = set.catalogue().groups.as_ref()?;
        if set.parts_are_marked() || !set.parts_are_given() {
            return None;
        }
        let names: Vec<String> =
            groups.of.iter().map(|group| groups.names[*group as usize].clone()).collect();
        Some(Self(Groups::new(hold_out::joined(&names, set.copies()).iter().map(String::as_str))))
    }

    /// For each sample, whether `holds` is true for all samples of its group.
    pub(super) fn all(&self, holds: impl Fn(usize) -> bool) -> Vec<bool> {
        let Groups { names, of } = &self.0;
        let mut all = vec![true; names.len()];
        for (sample, group) in of.iter().enumerate() {
            all[*group as usize] &= holds(sample);
        }
        of.iter().map(|group| all[*group as usize]).collect()
    }

    /// For each sample, whether all samples of its group are of its class.
    pub(super) fn of_one_class(&self, labels: &[u32]) -> Vec<bool> {
        let mut first = vec![None; self.0.names.len()];
        for (group, label) in self.0.of.iter().zip(labels) {
            first[*group as usize].get_or_insert(*label);
        }
        self.all(|sample| first[self.0.of[sample] as usize] == Some(labels[sample]))
    }
}

/// A sentence about samples of unseen classes that are left out because their group is in the training part.
pub(super) fn left_out_with_groups(
    set: &SampleSet,
    classes: &OpenSetSplit,
    parts: &[SplitPart],
) -> Option<String> {
    let of_unseen = set.labels().iter().zip(parts).filter(|(class, _)| classes.is_unseen(**class));
    let (mut all, mut left_out) = (0, 0);
    for (_, part) in of_unseen {
        all += 1;
        left_out += usize::from(*part == SplitPart::Out);
    }
    let kind = set.kind();
    (left_out > 0).then(|| {
        format!(
            "Left out {left_out} of {all} {kind} of unseen classes, because their groups, which also have {kind} of known classes, were drawn into the \
             training part."
        )
    })
}

/// Sentences about groups: those with training samples and held-out ones, names that look the same or mean no group, and genuine pairs of the
/// evaluation set within one group.
pub(super) fn group_warnings(set: &SampleSet, classes: &OpenSetSplit, parts: &[SplitPart]) -> Vec<String> {
    let Some(groups) = set.catalogue().groups.as_ref() else { return Vec::new() };
    let evaluated = (0..set.len())
        .filter(|sample| parts[*sample] == SplitPart::Test && classes.is_evaluated(set.labels()[*sample]))
        .map(|sample| (set.labels()[sample], groups.of[sample]));
    [
        divided_groups(groups, parts).or_else(|| alike(groups)),
        no_groups(groups),
        pairs_within_groups(evaluated),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn divided_groups(groups: &Groups, parts: &[SplitPart]) -> Option<String> {
    let mut sides = vec![[false; 2]; groups.names.len()];
    for (group, part) in groups.of.iter().zip(parts) {
        let sides = &mut sides[*group as usize];
        sides[0] |= *part == SplitPart::Train;
        sides[1] |= *part == SplitPart::Test;
    }
    let divided = groups.names.iter().zip(&sides).filter(|(_, sides)| sides[0] && sides[1]);
    let divided: Vec<String> = divided.map(|(name, _)| format!("{name:?}")).collect();
    (!divided.is_empty()).then(|| {
        format!(
            "{} of {} groups have both training samples and held-out ones, although the samples of a group belong together: {}.",
            divided.len(),
            groups.names.len(),
            first_names(&divided, NAMED)
        )
    })
}

fn alike(groups: &Groups) -> Option<String> {
    let alike: Vec<String> = look_alikes(&groups.names).iter().map(|names| escaped(names, " = ")).collect();
    (!alike.is_empty()).then(|| {
        format!("Names of groups that look the same are different groups: {}.", first_names(alike, NAMED))
    })
}

fn no_groups(groups: &Groups) -> Option<String> {
    let doubtful = no_classes(&groups.names);
    (!doubtful.is_empty()).then(|| {
        let doubtful = first_names(doubtful.iter().map(|name| format!("{name:?}")), NAMED);
        format!("Groups whose name may mean no group are groups like the others: {doubtful}. Give each sample without a group its own name.")
    })
}

/// A sentence about genuine pairs within one group, if samples with these classes and groups are compared with each other: frames of one video
/// are much more alike than other samples of their class.
pub fn pairs_within_groups<Group: Hash + Eq>(
    samples: impl IntoIterator<Item = (u32, Group)>,
) -> Option<String> {
    let (mut of_class, mut of_group) = (HashMap::<u32, u64>::new(), HashMap::<(u32, Group), u64>::new());
    for (class, group) in samples {
        *of_class.entry(class).or_default() += 1;
        *of_group.entry((class, group)).or_default() += 1;
    }
    let pairs =
        |counts: &mut dyn Iterator<Item = &u64>| counts.map(|count| count * (count - 1) / 2).sum::<u64>();
    let (all, within) = (pairs(&mut of_class.values()), pairs(&mut of_group.values()));
    (within > 0).then(|| {
        format!(
            "{within} of {all} genuine pairs of the evaluation set ({:.0} %) are within one group. They count like the others, although such \
             samples are more alike, so the results are better than between groups. To leave them out, keep one sample per class and group in the \
             evaluation set, such as with a split file.",
            100.0 * within as f64 / all as f64
        )
    })
}
