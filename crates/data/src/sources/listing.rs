//! Images that were found but not yet read: where each one is, its class, part and group.
//!
//! Image folders, manifests and tar shards all become a [`Listing`], so training, embedding, `data info` and `data split` do not depend on the
//! kind of source. A listing takes a few hundred bytes per image; images are read one by one from their files.

use std::path::{Path, PathBuf};

use widemargin_tables::{ClassNames, Problem, is_sample_weight};

use crate::bad_image::require_few_bad;
use crate::catalogue::sorted_names;
use crate::decode::{self, Target};
use crate::file_names::name_of;
use crate::parallel::map_positions;
use crate::place::{FileBytes, ImagePlace};
use crate::sources::skipped::{SkippedFiles, sentences_of};
use crate::sources::source::SourceKind;
use crate::{BadImage, Error, ImageProperties, ImageShape, Part, Preprocessing, Result};

/// An image that was found.
#[derive(Debug, Clone)]
pub(crate) struct FoundImage {
    /// Its name, unique in the listing.
    pub(crate) id: String,
    pub(crate) place: ImagePlace,
    pub(crate) class: Option<u32>,
    pub(crate) part: Option<Part>,
    /// The group it belongs to; either all images have one or none has.
    pub(crate) group: Option<Box<str>>,
}

/// Columns that are passed on to the output, without a meaning of their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    pub(crate) names: Vec<String>,
    /// One field per name, for each image; empty if there are no names.
    pub(crate) rows: Vec<Vec<String>>,
    /// Columns of a manifest that cannot be written as text, with what they contain.
    pub(crate) left_out: Vec<(String, &'static str)>,
}

/// Class names in the order of their first appearance.
pub(crate) type Labels = ClassNames;

/// All images of a source.
#[derive(Debug)]
pub struct Listing {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    kind: SourceKind,
    pub(crate) found: Vec<FoundImage>,
    class_names: Vec<String>,
    pub(crate) extras: Extras,
    pub(crate) shards: Vec<PathBuf>,
    /// Images that were found unusable without reading them.
    pub(crate) bad: Vec<BadImage>,
    /// Shards that cannot be read to their end.
    pub(crate) broken: Vec<BadImage>,
    /// Shards without the end-of-archive marker.
    pub(crate) unended: Vec<PathBuf>,
    /// Links that were not followed, and folders of a part for which another folder is used.
    pub(crate) skipped: Vec<BadImage>,
    /// Files and class folders that are not read.
    pub(crate) skipped_files: SkippedFiles,
    /// What may be understood otherwise than the user meant, as whole sentences.
    pub(crate) notes: Vec<String>,
    /// Number of files and folders that are neither images nor classes.
    pub(crate) ignored: usize,
}

impl Listing {
    /// A listing of the images found. Sorts the classes.
    pub(crate) fn new(path: &Path, kind: SourceKind, mut found: Vec<FoundImage>, labels: Labels) -> Self {
        let names: Vec<&str> = labels.names().iter().map(String::as_str).collect();
        // The names of folders are sorted as text even if all are numbers.
        let class_names = sorted_names(&names, kind != SourceKind::Folder);
        let numbers: std::collections::HashMap<&str, u32> =
            (0..).zip(&class_names).map(|(number, name)| (name.as_str(), number)).collect();
        for class in found.iter_mut().filter_map(|found| found.class.as_mut()) {
            *class = numbers[names[*class as usize]];
        }
        Self {
            name: name_of(path),
            path: path.to_path_buf(),
            kind,
            found,
            class_names,
            extras: Extras::default(),
            shards: Vec::new(),
            bad: Vec::new(),
            broken: Vec::new(),
            unended: Vec::new(),
            skipped: Vec::new(),
            skipped_files: SkippedFiles::default(),
            notes: Vec::new(),
            ignored: 0,
        }
    }

    /// Leaves out images without a class. In an image folder they are not samples.
    pub(crate) fn leave_out_loose(&mut self) {
        for found in self.found.iter().filter(|found| found.class.is_none()) {
            self.skipped_files.outside.add(&found.id);
            self.ignored += 1;
        }
        self.found.retain(|found| found.class.is_some());
    }

    /// Sorts by part (held-out ones last) and, within a part, by class. Only for listings without extra columns.
    pub(crate) fn sort_by_class(&mut self) {
        self.found.sort_by_key(|found| {
            (found.part.is_some_and(Part::is_held_out), found.class.is_none(), found.class)
        });
    }

    /// Decodes every image, removes those that cannot be decoded, and returns them with the reason.
    ///
    /// # Errors
    /// [`Error::TooManyBad`] if they exceed the share `max_bad` of all images.
    pub fn leave_out_bad(&mut self, max_bad: f64) -> Result<Vec<BadImage>> {
        let all = self.len() + self.bad.len();
        let outcomes = map_positions(0, self.len(), |image| {
            self.read_found(&self.found[image]).and_then(|bytes| decode::check(&bytes))
        });
        let mut bad = self.bad.clone();
        for (found, outcome) in self.found.iter().zip(&outcomes) {
            if let Err(reason) = outcome {
                bad.push(BadImage { path: self.path_of(found), reason: reason.clone() });
            }
        }
        require_few_bad(&self.path, &bad, all, max_bad)?;
        let mut sound = outcomes.iter().map(std::result::Result::is_ok);
        self.found.retain(|_| sound.next().unwrap_or(true));
        let mut sound = outcomes.iter().map(std::result::Result::is_ok);
        self.extras.rows.retain(|_| sound.next().unwrap_or(true));
        self.bad.clear();
        Ok(bad)
    }

    /// Rejects a column of sample weights, which training would ignore.
    ///
    /// # Errors
    /// [`Error::Table`] with the column.
    pub(crate) fn require_no_weights(&self) -> Result<()> {
        let weight = self.extras.names.iter().find(|name| is_sample_weight(name));
        weight.map_or(Ok(()), |column| {
            let advice = "remove it, or rename it to keep it as a further column".to_owned();
            Err(Problem::SampleWeights { column: column.clone(), advice }.at(&self.path).into())
        })
    }

    /// The error for a listing without images: with the reason, if some were found unusable.
    pub fn no_images(&self) -> Error {
        let path = self.path.clone();
        match self.bad.first().or(self.broken.first()) {
            Some(BadImage { path: first, reason }) => {
                let first = format!("{}: {reason}", first.display());
                Error::NothingUsable { path, count: self.bad.len() + self.broken.len(), first }
            }
            None => Error::NoImages { path },
        }
    }

    /// The kind of source.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Name of the set: the name of its folder, or of its file without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Names of the classes, sorted by name; in manifests and shards by number if all are whole numbers.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Files and class folders that are not read.
    pub fn skipped_files(&self) -> &SkippedFiles {
        &self.skipped_files
    }

    /// What the user must know about how the data was read, as sentences: what was skipped, and what may be understood otherwise.
    pub fn sentences(&self) -> Vec<String> {
        sentences_of(&self.skipped_files, &self.notes, &self.skipped, &self.unended)
    }

    /// Images that were found unusable without reading them: samples of shards with bad labels.
    pub fn bad(&self) -> &[BadImage] {
        &self.bad
    }

    /// Name of an image: its path in the folder or in the manifest, or shard and key, as in `train-000/00017`.
    ///
    /// # Panics
    /// If `image` is not less than [`len`](Self::len), like all methods that take an image.
    pub fn id(&self, image: usize) -> &str {
        &self.found[image].id
    }

    /// The class of an image, if it has one.
    pub fn label(&self, image: usize) -> Option<&str> {
        self.found[image].class.map(|class| self.class_names[class as usize].as_str())
    }

    /// Whether any image has a class.
    pub fn has_labels(&self) -> bool {
        !self.class_names.is_empty()
    }

    /// Names of the columns besides id and label: `split` and `group` if any image has them, then other columns of a manifest or of the JSON
    /// in shards.
    pub fn extra_columns(&self) -> Vec<&str> {
        let split = self.has_parts().then_some("split");
        let group = self.has_groups().then_some("group");
        split.into_iter().chain(group).chain(self.extras.names.iter().map(String::as_str)).collect()
    }

    /// The fields of an image in [`extra_columns`](Self::extra_columns); empty if it has no value.
    pub fn extra_fields(&self, image: usize) -> Vec<&str> {
        let found = &self.found[image];
        let split = self.has_parts().then(|| found.part.map_or("", Part::name));
        let group = self.has_groups().then(|| found.group.as_deref().unwrap_or(""));
        let others = self.extras.rows.get(image).into_iter().flatten().map(String::as_str);
        split.into_iter().chain(group).chain(others).collect()
    }

    /// Columns of a manifest that cannot be written as text, with what they contain in words.
    pub fn columns_left_out(&self) -> &[(String, &'static str)] {
        &self.extras.left_out
    }

    pub(crate) fn has_parts(&self) -> bool {
        self.found.iter().any(|found| found.part.is_some())
    }

    pub(crate) fn has_groups(&self) -> bool {
        self.found.iter().any(|found| found.group.is_some())
    }

    /// The path of an image; the path of one inside a tar file treats that file as a folder.
    pub fn path(&self, image: usize) -> PathBuf {
        self.path_of(&self.found[image])
    }

    /// The file that contains an image: its own file, or the shard.
    pub fn file(&self, image: usize) -> &Path {
        match &self.found[image].place {
            ImagePlace::File(path) => path,
            ImagePlace::Inside { shard, .. } => &self.shards[*shard],
        }
    }

    pub(crate) fn path_of(&self, found: &FoundImage) -> PathBuf {
        found.place.path(&self.shards)
    }

    /// The bytes of an image's file.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a path that is not a file, cannot be read, or is larger than 512 MiB.
    pub fn read(&self, image: usize) -> Result<Vec<u8>> {
        let found = &self.found[image];
        let bytes = self.read_found(found);
        bytes.map(FileBytes::into_vec).map_err(|reason| Error::BadImage { path: self.path_of(found), reason })
    }

    pub(crate) fn read_found(&self, found: &FoundImage) -> std::result::Result<FileBytes, String> {
        found.place.read(&self.shards)
    }

    /// Reads an image as bytes of `shape`, `[channels, height, width]`, like [`read_image`](crate::read_image), with the properties of its file.
    ///
    /// # Errors
    /// [`Error::BadImage`] with the reason.
    pub fn decode(
        &self,
        image: usize,
        shape: ImageShape,
        preprocessing: &Preprocessing,
    ) -> Result<(Vec<u8>, ImageProperties)> {
        let target = Target { shape, preprocessing: *preprocessing };
        self.read_found(&self.found[image])
            .and_then(|bytes| decode::decode_with_properties(&bytes, &target))
            .map_err(|reason| Error::BadImage { path: self.path(image), reason })
    }
}
