//! Samples of equal content: counted within and across parts, and where their classes contradict one another.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Part;
use crate::census::Census;
use crate::decode::Content;

/// Samples of one content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DuplicateGroup {
    /// Their names, in the order of the set.
    pub samples: Vec<String>,
    /// Their classes, each once; of samples without a class none.
    pub classes: Vec<String>,
    /// Whether training and test part both have one: what is judged on was learnt from.
    pub across_parts: bool,
    /// Whether they are of different classes: one at least is wrong.
    pub conflicting: bool,
}

/// All contents that occur more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Samples beyond the first of each content.
    pub copies: usize,
    /// Contents with samples in both parts.
    pub across_parts: usize,
    /// Contents with samples of different classes.
    pub conflicting: usize,
    /// The contents, those with samples in both parts or of different classes first, then by their first samples.
    pub groups: Vec<DuplicateGroup>,
}

impl Duplicates {
    /// Finds samples of equal content.
    pub fn find(census: &Census) -> Self {
        let groups = same_content(census).into_iter().map(|members| describe(census, &members));
        let mut groups: Vec<DuplicateGroup> = groups.collect();
        groups.sort_by_key(|group| !(group.across_parts || group.conflicting));
        Self {
            copies: groups.iter().map(|group| group.samples.len() - 1).sum(),
            across_parts: groups.iter().filter(|group| group.across_parts).count(),
            conflicting: groups.iter().filter(|group| group.conflicting).count(),
            groups,
        }
    }
}

/// The samples of each content that occurs more than once, by their first samples.
pub(crate) fn same_content(census: &Census) -> Vec<Vec<u32>> {
    let mut by_content: BTreeMap<Content, Vec<u32>> = BTreeMap::new();
    for (number, sample) in (0..).zip(&census.samples) {
        by_content.entry(sample.content).or_default().push(number);
    }
    let mut groups: Vec<Vec<u32>> = by_content.into_values().filter(|members| members.len() > 1).collect();
    groups.sort_unstable();
    groups
}

fn describe(census: &Census, members: &[u32]) -> DuplicateGroup {
    let samples = || members.iter().map(|member| &census.samples[*member as usize]);
    let mut classes: Vec<u32> = samples().filter_map(|sample| sample.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let in_part = |part: Part| samples().any(|sample| sample.part == Some(part));
    DuplicateGroup {
        samples: samples().map(|sample| sample.id.clone()).collect(),
        across_parts: in_part(Part::Train) && in_part(Part::Test),
        conflicting: classes.len() > 1,
        classes: classes.into_iter().map(|class| census.class_names[class as usize].clone()).collect(),
    }
}
