//! The data of a run, as it was when the run started: classes, split, normalisation, and a digest of every sample.
//!
//! A run continues to the same bits only on the same data. The file `samples` of the run folder has this record. It is written before the
//! first step, and every checkpoint has its checksum. Data that differs from the record is refused, and the error names what differs.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use widemargin_data::{
    Division, ImageShape, Labelled, Normalisation, OpenSetSplit, Part, SampleSet, SplitPart, first_names,
};
use widemargin_durable::{read_sealed, write_sealed};
use widemargin_embedder::TrainedSamples;

/// The file of a run folder with its record, and the kind of its container.
pub(crate) const SAMPLES_FILE: &str = "samples";
const KIND: &str = "samples";
const VERSION: u32 = 1;

/// Names of each kind of change that an error lists.
const NAMED: usize = 3;

/// The data of a run: what a resumed run must find again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Name of the data; not compared, since data may move.
    pub(crate) data: String,
    pub(crate) class_names: Vec<String>,
    pub(crate) split: OpenSetSplit,
    /// Whether the unseen classes were drawn at random.
    pub(crate) unseen_drawn: bool,
    /// Warnings about data and split.
    pub(crate) warnings: Vec<String>,
    pub(crate) normalisation: Normalisation,
    pub(crate) shape: ImageShape,
    /// Names of the columns of vectors, if their table has them.
    pub(crate) columns: Option<Vec<String>>,
    /// Number of training samples per known class.
    pub(crate) counts: Vec<u64>,
    /// Name of each sample; the next three lists have an entry for each, in this order.
    pub(crate) names: Vec<String>,
    /// Class, as an index into `class_names`.
    pub(crate) labels: Vec<u32>,
    pub(crate) parts: Vec<SplitPart>,
    /// See [`SampleSet::digest`].
    pub(crate) digests: Vec<u64>,
    /// The part of each sample in the data itself, marked or drawn; absent in records that were written before it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own_parts: Option<Vec<Part>>,
    /// The samples that the initial weights were trained on; absent if there are none, or if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trained_before: Option<TrainedSamples>,
}

impl Record {
    /// Names of the known classes, in the order of the rows of their centres.
    pub fn known_classes(&self) -> impl Iterator<Item = &str> {
        self.split.known().iter().map(|class| self.class_names[*class as usize].as_str())
    }

    /// Shape of every sample.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Names of the columns of vectors, if their table has them.
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// Normalisation of the samples.
    pub fn normalisation(&self) -> &Normalisation {
        &self.normalisation
    }

    /// The split as a division of the samples, without its warnings.
    pub(crate) fn division(&self) -> Division {
        let (classes, parts) = (self.split.clone(), self.parts.clone());
        Division { classes, parts, drawn: self.unseen_drawn, warnings: Vec::new() }
    }

    /// What a reader of the results must know about data and split.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Number of training samples per known class.
    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data always has a JSON form")
    }

    /// Writes the record into the folder of a run and returns its checksum.
    pub(crate) fn write(&self, run: &Path) -> Result<u32, Error> {
        let bytes = self.bytes();
        write_sealed(run.join(SAMPLES_FILE), KIND, VERSION, &bytes)?;
        Ok(checksum(&bytes))
    }

    /// The checksum of the record of a run.
    ///
    /// # Errors
    /// [`Error::Durable`] for a file that is missing or damaged.
    pub(crate) fn checksum(run: &Path) -> Result<u32, Error> {
        Ok(checksum(&read_sealed(run.join(SAMPLES_FILE), KIND, VERSION)?.1))
    }

    /// Reads the record of a run, with its checksum.
    ///
    /// # Errors
    /// [`Error::Durable`] for a file that is missing or damaged, [`Error::BadFile`] for one whose lists do not fit together.
    pub(crate) fn read(run: &Path) -> Result<(Self, u32), Error> {
        let path = run.join(SAMPLES_FILE);
        let (_version, bytes) = read_sealed(&path, KIND, VERSION)?;
        let bad = |reason: String| Error::BadFile { path: path.clone(), reason };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        let samples = record.names.len();
        let lists = [record.labels.len(), record.parts.len(), record.digests.len()];
        let classes = record.class_names.len() as u32;
        let known = record.split.known().iter().chain(record.split.unseen());
        if lists != [samples; 3]
            || record.own_parts.as_ref().is_some_and(|parts| parts.len() != samples)
            || record.counts.len() != record.split.known().len()
            || record.labels.iter().chain(known).any(|class| *class >= classes)
        {
            return Err(bad("its lists do not fit together".to_owned()));
        }
        Ok((record, checksum(&bytes)))
    }

    /// Checks that `set` has the samples of the record: the same names, classes and content, in the same order.
    ///
    /// # Errors
    /// [`Error::DataChanged`], which names the changes.
    pub fn require_same_samples(&self, set: &SampleSet) -> Result<(), Error> {
        let same = self.names.len() == set.len()
            && self.class_names == set.class_names()
            && self.labels == set.labels()
            && (0..set.len())
                .all(|at| self.digests[at] == set.digest(at) && self.names[at] == set.sample_id(at));
        let changes =
            if same && self.shape == set.shape() { self.other_columns(set) } else { Some(self.changes(set)) };
        changes.map_or(Ok(()), |changes| Err(Error::DataChanged { data: set.name().to_owned(), changes }))
    }

    /// The difference of the names of columns, which a model stores: equal values under other names would be another input.
    fn other_columns(&self, set: &SampleSet) -> Option<String> {
        let expected = self.columns()?;
        let found = set.columns().unwrap_or_default();
        let other = expected.iter().zip(found).find(|(expected, found)| expected != found);
        match other {
            Some((expected, found)) => {
                Some(format!("the column `{found}`, expected `{expected}` as when the run started"))
            }
            None if found.len() == expected.len() => None,
            None => Some(format!("no names of columns, expected `{}` and so on", expected[0])),
        }
    }

    /// Checks the use of each sample; the error names the first that differs.
    pub(crate) fn require_same_parts(&self, parts: &[SplitPart]) -> Result<(), String> {
        match self.parts.iter().zip(parts).position(|(expected, found)| expected != found) {
            None => Ok(()),
            Some(at) => {
                let (found, expected) = (parts[at].name(), self.parts[at].name());
                Err(format!(
                    "{} is in part `{found}`, expected `{expected}` as when the run started",
                    self.names[at]
                ))
            }
        }
    }

    /// What changed since the record was made, in words.
    fn changes(&self, set: &SampleSet) -> String {
        let kind = set.kind();
        if self.shape != set.shape() {
            return format!("{kind} of {}, and they were of {}", set.shape(), self.shape);
        }
        let names: Vec<String> = (0..set.len()).map(|sample| set.sample_id(sample)).collect();
        let renamed = self.renamed_classes(set);
        let is_renamed = |old: &str, new: &str| renamed.get(old).is_some_and(|to| to == new);
        let old_class = |at: usize| self.class_names[self.labels[at] as usize].as_str();
        let new_class = |at: usize| set.class_names()[set.labels()[at] as usize].as_str();
        let expected: HashMap<&str, usize> =
            self.names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let (mut added, mut changed, mut relabelled) = (Vec::new(), Vec::new(), Vec::new());
        let mut found = vec![false; self.names.len()];
        for (at, name) in names.iter().enumerate() {
            let Some(&old) = expected.get(name.as_str()) else {
                if !renamed.values().any(|to| to == new_class(at)) {
                    added.push(name.clone());
                }
                continue;
            };
            found[old] = true;
            if self.digests[old] != set.digest(at) {
                changed.push(name.clone());
            }
            let (was, is) = (old_class(old), new_class(at));
            if was != is && !is_renamed(was, is) {
                relabelled.push(format!("{name} from {was:?} to {is:?}"));
            }
        }
        let missing = (0..self.names.len()).filter(|at| !found[*at] && !renamed.contains_key(old_class(*at)));
        let (mut unread, mut gone) = (Vec::new(), Vec::new());
        for name in missing.map(|at| &self.names[at]) {
            match set.images().and_then(|images| images.reason_left_out(name)) {
                Some(reason) => unread.push(format!("{name} ({reason})")),
                None => gone.push(name.clone()),
            }
        }
        let renamed: Vec<String> = renamed.iter().map(|(old, new)| format!("{old:?} to {new:?}")).collect();
        let mut said: Vec<String> = Vec::new();
        for (what, list) in [
            ("renamed classes", renamed),
            (&format!("missing {kind}"), gone),
            (&format!("{kind} that cannot be read any more"), unread),
            (&format!("new {kind}"), added),
            (&format!("{kind} with other content"), changed),
            (&format!("{kind} with another label"), relabelled),
        ] {
            if !list.is_empty() {
                said.push(format!("{} {what}: {}", list.len(), first_names(&list, NAMED)));
            }
        }
        if said.is_empty() {
            let moved: Vec<String> = names
                .iter()
                .enumerate()
                .filter_map(|(at, name)| {
                    let was = self.own_parts.as_ref()?[*expected.get(name.as_str())?];
                    let is = set.part(at);
                    (was != is).then(|| format!("{name} from {} to {}", was.name(), is.name()))
                })
                .collect();
            if !moved.is_empty() {
                return format!(
                    "{} {kind} in another part (its folder, or a column `split` or `group`, was changed): {}",
                    moved.len(),
                    first_names(&moved, NAMED)
                );
            }
            let first = (0..self.names.len()).find(|at| names.get(*at) != Some(&self.names[*at]));
            let first = first.map_or_else(String::new, |at| format!(", the first is {}", names[at]));
            return format!("the same {kind} in another order{first}");
        }
        said.join("; ")
    }

    /// The classes that are gone, each with a new class that has the same content.
    fn renamed_classes(&self, set: &SampleSet) -> BTreeMap<String, String> {
        let old = by_class(&self.class_names, &self.labels, |at| self.digests[at]);
        let new = by_class(set.class_names(), set.labels(), |at| set.digest(at));
        let mut gone: Vec<_> = old.iter().filter(|(name, _)| !new.contains_key(*name)).collect();
        let mut renamed = BTreeMap::new();
        for (name, digests) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            if let Some(at) = gone.iter().position(|(_, before)| *before == digests) {
                renamed.insert(gone.remove(at).0.to_string(), name.to_string());
            }
        }
        renamed
    }
}

/// The sorted digests of each class.
fn by_class<'a>(
    names: &'a [String],
    labels: &[u32],
    digest: impl Fn(usize) -> u64,
) -> BTreeMap<&'a str, Vec<u64>> {
    let mut classes = vec![Vec::new(); names.len()];
    for (at, label) in labels.iter().enumerate() {
        classes[*label as usize].push(digest(at));
    }
    let sorted = |mut digests: Vec<u64>| {
        digests.sort_unstable();
        digests
    };
    names.iter().map(String::as_str).zip(classes.into_iter().map(sorted)).collect()
}

/// The checksum by which a checkpoint knows a file of its run.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Prepared};
    use widemargin_data::{VectorOptions, VectorSet};

    fn set(change: impl FnOnce(&mut Vec<f32>, &mut Vec<String>)) -> SampleSet {
        let mut values: Vec<f32> = (1..=48).map(|at| at as f32).collect();
        let mut classes: Vec<String> = (0..24).map(|row| format!("class {}", row % 6)).collect();
        change(&mut values, &mut classes);
        VectorSet::from_rows("vectors", values, 2, classes, VectorOptions::default()).expect("a set").into()
    }

    fn record() -> Record {
        let mut config = Config::default();
        config.model.backbone = widemargin_model::BackboneName::Linear;
        config.sampler.batch = 4;
        config.data.unseen = Some(2);
        Record::of(&Prepared::from_set(set(|_, _| {}), &config).expect("prepared"))
    }

    #[test]
    fn a_record_reads_back_and_has_one_checksum() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = record();
        let written = record.write(folder.path()).expect("written");
        assert_eq!(Record::read(folder.path()).expect("its own"), (record, written));
    }

    #[test]
    fn columns_keep_their_names() {
        let mut record = record();
        record.columns = Some(vec!["e0".to_owned(), "e1".to_owned()]);
        let said = record.require_same_samples(&set(|_, _| {})).expect_err("other columns").to_string();
        assert!(said.contains("no names of columns, expected `e0`"), "{said}");
    }

    type Edit = fn(&mut Vec<f32>, &mut Vec<String>);

    #[test]
    fn changes_are_named() {
        let record = record();
        record.require_same_samples(&set(|_, _| {})).expect("the same");
        let edits: [(Edit, &[&str]); 6] = [
            (|values, _| values[7] = 0.5, &["1 vectors with other content: row 3"]),
            (
                |_, classes| classes[8] = "class 0".to_owned(),
                &["1 vectors with another label: row 8 from \"class 2\" to \"class 0\""],
            ),
            (
                |_, classes| {
                    classes
                        .iter_mut()
                        .filter(|name| *name == "class 1")
                        .for_each(|name| *name = "z".to_owned());
                },
                &["1 renamed classes: \"class 1\" to \"z\""],
            ),
            (
                |values, classes| {
                    values.truncate(40);
                    classes.truncate(20);
                },
                &["4 missing vectors: row 20, row 21, row 22 and 1 more"],
            ),
            (
                |values, classes| {
                    values.extend([1.0, 1.0]);
                    classes.push("class 0".to_owned());
                },
                &["1 new vectors: row 24"],
            ),
            (
                |values, classes| {
                    values.rotate_left(2);
                    classes.rotate_left(1);
                },
                &["24 vectors with other content: row 0, row 1, row 2 and 21 more", "with another label"],
            ),
        ];
        for (edit, expected) in edits {
            let error = record.require_same_samples(&set(edit)).expect_err("changed").to_string();
            for part in expected {
                assert!(
                    error.starts_with("vectors: the data has changed") && error.contains(part),
                    "{part}: {error}"
                );
            }
        }
        let mut reordered = record;
        reordered.labels.swap(0, 6);
        reordered.names.swap(0, 6);
        reordered.digests.swap(0, 6);
        reordered.own_parts.as_mut().expect("stored").swap(0, 6);
        let error = reordered.require_same_samples(&set(|_, _| {})).expect_err("another order").to_string();
        assert!(error.contains("the same vectors in another order, the first is row 0"), "{error}");
    }
}
