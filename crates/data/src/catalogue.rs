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

impl<Set: Labelled> Labelled for Arc<Set> {
    fn catalogue(&self) -> &Catalogue {
        Set::catalogue(self)
    }
}
