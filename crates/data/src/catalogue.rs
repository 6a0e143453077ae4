//! What every set of samples has: a name, classes, and a class and a part per sample.

use std::collections::BTreeSet;
use std::sync::Arc;

use widemargin_tables::{first_names, is_missing, look_alike};

use crate::{Error, Part, Result};

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
    /// The cameras of the samples, if only samples of different cameras are compared.
    pub(crate) cameras: Option<Cameras>,
    /// Whose the samples are, where a page that shows them has to say so.
    pub(crate) credits: Option<&'static str>,
    /// How many classes are unseen by default, if the set has a rule of its own.
    pub(crate) usual_unseen: Option<usize>,
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

/// The cameras of samples of which only those of different cameras are compared.
#[derive(Debug)]
pub(crate) struct Cameras {
    /// All cameras; or the one that is held out of training, and one that stands for all others.
    of_samples: Groups,
    /// Whether the first is held out of training.
    holds_out: bool,
}

impl Cameras {
    /// The cameras of samples, of which `held_out` may be held out of training: then only its samples are compared with those of all others.
    pub(crate) fn new<'a>(
        of: impl IntoIterator<Item = &'a str>,
        held_out: Option<&str>,
        data: &str,
    ) -> Result<Self> {
        let all = Groups::new(of);
        let names = || all.names.iter().map(String::as_str);
        if let Some(name) = names().find(|name| is_missing(name)) {
            let found = format!("a sample with the camera {name:?}, expected a name");
            return Err(Error::BadCameras { data: data.to_owned(), found });
        }
        // Two names of one camera would count as two, and its samples would be compared.
        if let Some((a, b, how)) = look_alike(names()) {
            let found =
                format!("the cameras {a:?} and {b:?}, which differ only {how}; write both in the same way");
            return Err(Error::BadCameras { data: data.to_owned(), found });
        }
        let Some(held_out) = held_out else { return Ok(Self { of_samples: all, holds_out: false }) };
        let Some(number) = all.names.iter().position(|name| name == held_out) else {
            return Err(Error::UnknownCamera {
                data: data.to_owned(),
                found: held_out.to_owned(),
                expected: first_names(all.names.iter(), NAMED),
            });
        };
        let names = vec![held_out.to_owned(), format!("not {held_out}")];
        let of = all.of.into_iter().map(|camera| u32::from(camera as usize != number)).collect();
        Ok(Self { of_samples: Groups { names, of }, holds_out: true })
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

    /// The camera of each sample, as an index into [`camera_names`](Self::camera_names), if only samples of different cameras are compared in
    /// an evaluation.
    fn cameras(&self) -> Option<&[u32]> {
        self.catalogue().cameras.as_ref().map(|cameras| cameras.of_samples.of.as_slice())
    }

    /// Whether a sample is of the camera that is held out of training.
    ///
    /// # Panics
    /// If `sample` is not less than [`len`](Self::len).
    fn is_of_held_out_camera(&self, sample: usize) -> bool {
        let cameras = self.catalogue().cameras.as_ref();
        cameras.is_some_and(|cameras| cameras.holds_out && cameras.of_samples.of[sample] == 0)
    }

    /// Names of the cameras; empty if samples are compared whatever their cameras are.
    fn camera_names(&self) -> &[String] {
        self.catalogue().cameras.as_ref().map_or(&[], |cameras| &cameras.of_samples.names)
    }

    /// A sentence on authors and licences that belongs on every page with samples of the set; `None` if none is known.
    fn credits(&self) -> Option<&'static str> {
        self.catalogue().credits
    }

    /// How many classes are unseen in evaluations by default, if the set has a rule of its own, as the built-in one has.
    fn usual_unseen(&self) -> Option<usize> {
        self.catalogue().usual_unseen
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
