//! What every set of samples has: a name, classes, and a class and a part per sample.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Part;

/// Name and classes of a set, and the class and part of each sample.
#[derive(Debug)]
pub struct Catalogue {
    pub(crate) name: String,
    pub(crate) class_names: Vec<String>,
    pub(crate) labels: Vec<u32>,
    pub(crate) parts: Vec<Part>,
    /// Groups of samples with the same content.
    pub(crate) copies: Vec<Vec<u32>>,
    /// What a reader of the results must know about the data, as whole sentences.
    pub(crate) warnings: Vec<String>,
}

/// A set of samples, each with a class and a part.
pub trait Labelled {
    /// The data behind all other methods.
    fn catalogue(&self) -> &Catalogue;

    /// Name of the set: the name of its folder, or of its file without the ending.
    fn name(&self) -> &str {
        &self.catalogue().name
    }

    /// Number of samples.
    fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there are no samples; always false for a set that was opened.
    fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }

    /// The class of each sample, as an index into [`class_names`](Self::class_names).
    fn labels(&self) -> &[u32] {
        &self.catalogue().labels
    }

    /// Names of the classes, sorted, except those of IDX files.
    fn class_names(&self) -> &[String] {
        &self.catalogue().class_names
    }

    /// Groups of samples with the same pixels or values, each in ascending order, sorted by their first samples.
    fn copies(&self) -> &[Vec<u32>] {
        &self.catalogue().copies
    }

    /// What a reader of the results must know about the data, as whole sentences: what was skipped, and what may be misunderstood.
    fn warnings(&self) -> &[String] {
        &self.catalogue().warnings
    }

    /// The part a sample belongs to.
    ///
    /// # Panics
    /// If `sample` is not less than [`len`](Self::len).
    fn part(&self, sample: usize) -> Part {
        self.catalogue().parts[sample]
    }
}

/// The distinct names, sorted by name; or by number, if `by_number` is set and all are whole numbers.
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

/// How many names of classes a message gives.
const NAMED: usize = 10;

/// The names of the first classes in quotes, and how many more there are: `"a", "b" and 3 more`.
pub(crate) fn named(classes: &[u32], names: &[String]) -> String {
    let first: Vec<String> =
        classes.iter().take(NAMED).map(|class| format!("{:?}", names[*class as usize])).collect();
    let more = classes.len().saturating_sub(NAMED);
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

/// Groups of names that differ only in case or spaces, so that they probably mean one class.
pub(crate) fn name_variants(names: &[String]) -> Vec<Vec<&str>> {
    let mut groups = std::collections::BTreeMap::<String, Vec<&str>>::new();
    for name in names {
        let plain = name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        groups.entry(plain).or_default().push(name);
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

impl<Set: Labelled> Labelled for Arc<Set> {
    fn catalogue(&self) -> &Catalogue {
        Set::catalogue(self)
    }
}
