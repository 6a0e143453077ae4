//! Finds samples with the same content, across the parts and with different classes.

use serde::Serialize;

use crate::census::Census;
use crate::copies::copies;

/// Samples with the same content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DuplicateGroup {
    /// Their names, in the order of the data.
    pub samples: Vec<String>,
    /// Their classes, each once; samples without a class add none.
    pub classes: Vec<String>,
    /// Whether both parts have one of them, so that held-out data leaks into training.
    pub across_parts: bool,
    /// Whether their classes differ, so that at least one label is wrong.
    pub conflicting: bool,
}

/// All duplicates of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Number of duplicates, not counting the first sample of each group.
    pub copies: usize,
    /// Groups with samples in both parts.
    pub across_parts: usize,
    /// Groups with different classes.
    pub conflicting: usize,
    /// The groups: first those with samples in both parts or different classes, then by their first samples.
    pub groups: Vec<DuplicateGroup>,
}

impl Duplicates {
    /// Finds samples with the same content.
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

/// The groups of samples with the same content, sorted by their first samples.
pub(crate) fn same_content(census: &Census) -> Vec<Vec<u32>> {
    copies(census.samples.iter().map(|sample| sample.content))
}

fn describe(census: &Census, members: &[u32]) -> DuplicateGroup {
    let samples = || members.iter().map(|member| &census.samples[*member as usize]);
    let mut classes: Vec<u32> = samples().filter_map(|sample| sample.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let has =
        |held_out| samples().any(|sample| sample.part.is_some_and(|part| part.is_held_out() == held_out));
    DuplicateGroup {
        samples: samples().map(|sample| sample.id.clone()).collect(),
        across_parts: has(false) && has(true),
        conflicting: classes.len() > 1,
        classes: classes.into_iter().map(|class| census.class_names[class as usize].clone()).collect(),
    }
}
