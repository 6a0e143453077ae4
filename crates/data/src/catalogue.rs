//! What every set of samples has: a name, classes, and a class and a part per sample.

use std::collections::BTreeSet;
use std::sync::Arc;

use widemargin_tables::first_names;

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
    /// The groups of the samples, if the data has them.
    pub(crate) groups: Option<Groups>,
    /// Classes of the data without a usable sample, which are no classes of the set.
    pub(crate) unusable: Vec<String>,
    /// A sentence, if the held-out samples were drawn and their share is far from the one that was set.
    pub(crate) far_off: Option<String>,
}

/// Samples that belong together.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) names: Vec<String>,
    /// The group of each sample, as an index into `names`.
    pub(crate) of: Vec<u32>,
}

impl Groups {
    /// Groups of samples with these names of their groups.
    pub(crate) fn new<'a>(of: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = widemargin_tables::ClassNames::default();
        let of = of.into_iter().map(|name| names.number(name)).collect();
        Self { names: names.names().to_vec(), of }
    }
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
    first_names(classes.iter().map(|class| format!("{:?}", names[*class as usize])), NAMED)
}

impl<Set: Labelled> Labelled for Arc<Set> {
    fn catalogue(&self) -> &Catalogue {
        Set::catalogue(self)
    }
}
