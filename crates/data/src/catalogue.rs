//! What every set of samples has, whatever the samples are: a name, classes, and a class and a part for each sample.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Part;

/// Names of a set and its classes, and the class and part of each sample.
#[derive(Debug)]
pub struct Catalogue {
    pub(crate) name: String,
    pub(crate) class_names: Vec<String>,
    pub(crate) labels: Vec<u32>,
    pub(crate) parts: Vec<Part>,
}

/// A set of samples with a class and a part each.
pub trait Labelled {
    /// What the rest is read from.
    fn catalogue(&self) -> &Catalogue;

    /// Name of the set: that of its folder, or of its file without the ending.
    fn name(&self) -> &str {
        &self.catalogue().name
    }

    /// Number of samples.
    fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there are no samples; a set that was opened has some.
    fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }

    /// The class of each sample, a number less than that of [`class_names`](Self::class_names).
    fn labels(&self) -> &[u32] {
        &self.catalogue().labels
    }

    /// Names of the classes; those of image folders and tables are sorted.
    fn class_names(&self) -> &[String] {
        &self.catalogue().class_names
    }

    /// The part a sample belongs to.
    ///
    /// # Panics
    /// If `sample` is not less than [`len`](Self::len).
    fn part(&self, sample: usize) -> Part {
        self.catalogue().parts[sample]
    }
}

/// The names that occur, each once: by number if that is expected and all are whole numbers, else by name.
pub(crate) fn sorted_names(labels: &[impl AsRef<str>], by_number: bool) -> Vec<String> {
    let names: BTreeSet<&str> = labels.iter().map(AsRef::as_ref).collect();
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let numbers: Option<Vec<i128>> = names.iter().map(|name| name.parse().ok()).collect();
    if let (true, Some(numbers)) = (by_number, numbers) {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|at| numbers[*at]);
        names = order.into_iter().map(|at| std::mem::take(&mut names[at])).collect();
    }
    names
}

/// Words for the part that is trained on, the usual one first.
pub(crate) const TRAIN_WORDS: [&str; 2] = ["train", "training"];
/// Words for the part that judges, in the order in which folders of these names are looked for.
pub(crate) const TEST_WORDS: [&str; 5] = ["test", "val", "valid", "validation", "dev"];

/// The part that a word names, in letters of any size.
pub(crate) fn part_named(word: &str) -> Option<Part> {
    let is_of = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is_of(&TRAIN_WORDS) {
        Some(Part::Train)
    } else if is_of(&TEST_WORDS) {
        Some(Part::Test)
    } else {
        None
    }
}

impl<Set: Labelled> Labelled for Arc<Set> {
    fn catalogue(&self) -> &Catalogue {
        Set::catalogue(self)
    }
}
