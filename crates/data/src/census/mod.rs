//! Examines every sample of a data set once, for `data info` and `data split`.
//!
//! Images are fully decoded at their own size, so the census finds the same bad images that training leaves out. It keeps a few hundred bytes
//! per sample: name, class, part, group, properties of the file, and a digest of the content.

pub(crate) mod duplicates;
pub(crate) mod info;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use widemargin_tables::{
    About, ChosenColumns, ModelMark, OpenTable, Problem, first_names, mixed_columns, model_of,
};

use crate::catalogue::sorted_names;
use crate::decode::{self, ContentDigest, ImageProperties};
use crate::digest::{digest, digest_of_values};
use crate::file_names::{name_of, text_of};
use crate::parallel::map_positions;
use crate::part::{part_named, settle};
use crate::place::ImagePlace;
use crate::sources::folder_options::FolderOptions;
use crate::sources::listing::{FoundImage, Listing};
use crate::sources::near_columns::near_names;
use crate::sources::path_parts::in_ids;
use crate::sources::skipped::{SkippedFiles, sentences_of};
use crate::sources::source::{Source, SourceKind};
use crate::sources::table::{open_table, require_no_weights};
use crate::{BadImage, Error, ImageSet, ImageShape, Labelled, OpenOptions, Part, Result};

/// Rows of a table that are read at once.
const ROWS: usize = 1024;

/// Most classes of a model that a sentence names.
const TRAINED_NAMED: usize = 20;

/// A usable sample.
#[derive(Debug, Clone)]
pub struct CensusSample {
    /// Its unique name, the same as [`SampleSet::sample_id`](crate::SampleSet::sample_id).
    pub id: String,
    /// Its class, if it has one.
    pub class: Option<u32>,
    /// Its part, if the data marks it.
    pub part: Option<Part>,
    /// Its group, if the data has groups.
    pub group: Option<Box<str>>,
    /// Index into [`Census::files`]: the folder or file that contains it.
    pub file: u32,
    /// A digest of its pixels or values.
    pub content: ContentDigest,
    /// As [`SampleSet::digest`](crate::SampleSet::digest).
    pub digest: u64,
    /// Properties of the image file; `None` for IDX files and tables.
    pub properties: Option<ImageProperties>,
}

/// All samples of a data set.
#[derive(Debug)]
pub struct Census {
    /// The kind of data.
    pub source: SourceKind,
    /// Name of the set.
    pub name: String,
    /// The path that was given.
    pub path: PathBuf,
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// The usable samples, in order.
    pub samples: Vec<CensusSample>,
    /// What contains the samples: folders of images, shards, the parts of IDX files, or the table.
    pub files: Vec<String>,
    /// Shape of the samples of IDX files, and `1 x 1 x dim` for tables; `None` for image files, whose sizes may differ.
    pub shape: Option<ImageShape>,
    /// Images and rows that cannot be used.
    pub bad: Vec<BadImage>,
    /// Truncated and damaged shards.
    pub broken: Vec<BadImage>,
    /// Shards without the end-of-archive marker: complete, or cut between two files.
    pub unended: Vec<PathBuf>,
    /// Links that were not followed, and folders with the name of a part for which another folder is used.
    pub skipped: Vec<BadImage>,
    /// Files and class folders that are not read.
    pub skipped_files: SkippedFiles,
    /// What may be understood otherwise than the user meant, as whole sentences.
    pub notes: Vec<String>,
    /// Number of files and folders that are neither images nor classes.
    pub ignored: usize,
    /// Columns of a manifest, or keys of the JSON in shards, that training does not use.
    pub other_columns: Vec<String>,
    /// The columns of a table that are the vectors, if they have names.
    pub columns: Option<Vec<String>>,
}

impl Census {
    /// Examines every sample. `labels` is the file with the labels of a table that does not contain them, and `columns` are those of a table. `progress` is called with the
    /// number of samples done and the number of all.
    ///
    /// # Errors
    /// [`Error`] for missing data or shards and for files that are not data. Bad images, rows and shards are not errors; they are listed.
    /// [`Error::Setting`] for `labels` with anything but a table, and for options of image folders with anything else.
    pub fn take(
        path: &Path,
        labels: Option<&Path>,
        columns: &ChosenColumns,
        folders: FolderOptions,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self> {
        let source = Source::detect(path)?;
        source.require_no_labels(labels)?;
        source.require_no_columns(columns)?;
        folders.require_for(source.kind(), &path.display().to_string())?;
        let mut census = match source.kind() {
            SourceKind::Table => Self::of_table(path, labels, columns, progress)?,
            SourceKind::Idx => Self::of_idx(&source, progress)?,
            _ => Self::of_listing(Listing::open_damaged(&source, folders)?, progress),
        };
        settle(census.samples.iter_mut().filter_map(|sample| sample.part.as_mut()));
        Ok(census)
    }

    fn of_listing(mut listing: Listing, progress: &(dyn Fn(u64, u64) + Sync)) -> Self {
        let source = listing.kind();
        // As in training: an image outside the class folders is not a sample, unless there are no class folders.
        if source == SourceKind::Folder && listing.has_labels() {
            listing.leave_out_loose();
        }
        let all = listing.len() as u64;
        let done = AtomicU64::new(0);
        let examined = map_positions(0, listing.len(), |image| {
            let bytes = listing.read_found(&listing.found[image]);
            let outcome = bytes.and_then(|bytes| Ok((decode::examine(&bytes)?, digest(&bytes))));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
            outcome
        });
        let class_names = listing.class_names().to_vec();
        let other_columns = listing.extras.names.clone();
        let Listing {
            name,
            path,
            found,
            shards,
            mut bad,
            broken,
            unended,
            skipped,
            skipped_files,
            notes,
            ignored,
            ..
        } = listing;
        let (mut samples, mut files) = (Vec::with_capacity(found.len()), Files::default());
        for (found, examined) in found.into_iter().zip(examined) {
            let ((properties, content), digest) = match examined {
                Ok(examined) => examined,
                Err(reason) => {
                    bad.push(BadImage { path: found.place.path(&shards), reason });
                    continue;
                }
            };
            let file = files.number(match &found.place {
                ImagePlace::Inside { shard, .. } => text_of(&shards[*shard]),
                ImagePlace::File(path) => text_of(path.parent().unwrap_or(Path::new(""))),
            });
            let FoundImage { id, class, part, group, .. } = found;
            samples.push(CensusSample {
                id,
                class,
                part,
                group,
                file,
                content,
                digest,
                properties: Some(properties),
            });
        }
        let files = files.names;
        Self {
            source,
            name,
            path,
            class_names,
            samples,
            files,
            shape: None,
            bad,
            broken,
            unended,
            skipped,
            skipped_files,
            notes,
            ignored,
            other_columns,
            columns: None,
        }
    }

    fn of_idx(source: &Source, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Self> {
        let set = ImageSet::from_source(source, &OpenOptions::default())?;
        let mut pixels = vec![0; set.shape().values()];
        let mut samples = Vec::with_capacity(set.len());
        for sample in 0..set.len() {
            set.read_into(sample, &mut pixels)?;
            let part = set.part(sample);
            samples.push(CensusSample {
                id: set.sample_id(sample),
                class: Some(set.labels()[sample]),
                part: Some(part),
                group: None,
                file: u32::from(part.is_held_out()),
                content: ContentDigest::of([pixels.as_slice()]),
                digest: digest(&pixels),
                properties: None,
            });
            progress(sample as u64 + 1, set.len() as u64);
        }
        Ok(Self {
            source: SourceKind::Idx,
            name: set.name().to_owned(),
            path: source.path().to_path_buf(),
            class_names: set.class_names().to_vec(),
            samples,
            files: vec!["train".to_owned(), "t10k".to_owned()],
            shape: Some(set.shape()),
            bad: Vec::new(),
            broken: Vec::new(),
            unended: Vec::new(),
            skipped: Vec::new(),
            skipped_files: SkippedFiles::default(),
            notes: set.warnings().to_vec(),
            ignored: 0,
            other_columns: Vec::new(),
            columns: None,
        })
    }

    fn of_table(
        path: &Path,
        labels: Option<&Path>,
        columns: &ChosenColumns,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self> {
        require_no_weights(path, labels)?;
        let OpenTable { rows, about, columns: used, mark, mut notes, .. } =
            open_table(path, labels, columns)?;
        let has = [about.splits.is_some(), about.groups.is_some()];
        notes.extend(near_names(path, labels, used.as_deref().unwrap_or_default(), has));
        notes.extend(in_ids(&about));
        let named = used.as_deref().filter(|_| columns.embedding.is_none());
        notes.extend(named.and_then(|names| mixed_columns(path, names)));
        let About { labels, ids, splits, groups, .. } = about;
        let named = |label: &&String| !label.trim().is_empty();
        let class_names: Vec<String> = labels.iter().flatten().filter(named).cloned().collect();
        let class_names = sorted_names(&class_names, true);
        notes.extend(model_of(path, mark).and_then(|mark| trained_classes(&mark, &class_names)));
        let numbers: std::collections::HashMap<&str, u32> =
            (0..).zip(&class_names).map(|(number, name)| (name.as_str(), number)).collect();
        let (count, dim) = (rows.rows(), rows.dim());
        // A header can claim any number of rows of dimension 0.
        if count == 0 || dim == 0 {
            return Err(Problem::Empty.at(path).into());
        }
        let (mut samples, mut bad, mut bytes) = (Vec::with_capacity(count), Vec::new(), Vec::new());
        let mut values = vec![0.0; ROWS.min(count) * dim];
        for first in (0..count).step_by(ROWS) {
            let here = ROWS.min(count - first);
            let values = &mut values[..here * dim];
            rows.read_into(first, values)?;
            for (row, values) in (first..).zip(values.chunks_exact(dim)) {
                let id = ids.as_ref().map_or_else(|| format!("row {row}"), |ids| ids[row].clone());
                let wrong = if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                    Some(format!("has {} in column {column}", values[column]))
                } else {
                    values
                        .iter()
                        .all(|value| *value == 0.0)
                        .then(|| "is all zeros; it has no direction".to_owned())
                };
                if let Some(reason) = wrong {
                    bad.push(BadImage { path: path.join(id), reason });
                    continue;
                }
                samples.push(CensusSample {
                    id,
                    class: labels.as_ref().and_then(|labels| numbers.get(labels[row].as_str()).copied()),
                    part: splits.as_ref().and_then(|splits| part_named(&splits[row])),
                    group: groups.as_ref().map(|groups| groups[row].as_str().into()),
                    file: 0,
                    content: ContentDigest::of_row(values, &mut bytes),
                    digest: digest_of_values(values),
                    properties: None,
                });
            }
            progress((first + here) as u64, count as u64);
        }
        Ok(Self {
            source: SourceKind::Table,
            name: name_of(path),
            path: path.to_path_buf(),
            class_names,
            samples,
            files: vec![text_of(path)],
            shape: Some(ImageShape { channels: 1, height: 1, width: dim }),
            bad,
            broken: Vec::new(),
            unended: Vec::new(),
            skipped: Vec::new(),
            skipped_files: SkippedFiles::default(),
            notes,
            ignored: 0,
            other_columns: Vec::new(),
            columns: used,
        })
    }

    /// What the user must know about how the data was read, as sentences: what was skipped, and what may be understood otherwise.
    pub fn sentences(&self) -> Vec<String> {
        sentences_of(&self.skipped_files, &self.notes, &self.skipped, &self.unended)
    }

    /// The error if no sample can be used; `None` if at least one can.
    pub fn nothing_usable(&self) -> Option<Error> {
        if !self.samples.is_empty() {
            return None;
        }
        let path = self.path.clone();
        let bad = self.bad.first().or_else(|| self.broken.first());
        Some(match bad {
            Some(BadImage { path: first, reason }) => {
                let first = format!("{}: {reason}", first.display());
                Error::NothingUsable { path, count: self.bad.len() + self.broken.len(), first }
            }
            None => Error::NoImages { path },
        })
    }

    /// Checks that every shard was read to its end and every sample has a class.
    ///
    /// # Errors
    /// [`Error::BadShard`], [`Error::NoLabels`], and those of [`nothing_usable`](Self::nothing_usable).
    pub fn require_sound(&self) -> Result<()> {
        if let Some(BadImage { path, reason }) = self.broken.first() {
            return Err(Error::BadShard { path: path.clone(), reason: reason.clone() });
        }
        let count = self.samples.iter().filter(|sample| sample.class.is_none()).count();
        if let Some(first) = self.samples.iter().find(|sample| sample.class.is_none()) {
            let (path, first, of) = (self.path.clone(), first.id.clone(), self.samples.len());
            return Err(Error::NoLabels { path, count, of, first, expected: "one class per sample" });
        }
        self.nothing_usable().map_or(Ok(()), Err)
    }
}

/// Gives each name of a file a number.
#[derive(Default)]
struct Files {
    names: Vec<String>,
    numbers: std::collections::HashMap<String, u32>,
}

impl Files {
    fn number(&mut self, name: String) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }
}
/// A sentence on classes that the model of the embeddings was trained on.
fn trained_classes(mark: &ModelMark, names: &[String]) -> Option<String> {
    let listed = mark.classes.as_ref()?;
    let found = mark.trained_on(names.iter().map(String::as_str));
    (!found.is_empty()).then(|| {
        format!(
            "The model that made the embeddings was trained on {} of the {} classes (data {}), so results on these are too good if they are \
             evaluated as unseen classes: {}.",
            found.len(),
            names.len(),
            listed.data,
            first_names(found, TRAINED_NAMED)
        )
    })
}
