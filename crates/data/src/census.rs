//! Every sample of a set looked at once, whatever the set is: what `data info` tells of and `data split` divides.
//!
//! Images are decoded whole, at their own size, so that what is found bad here is what training leaves out. Kept of each are some
//! hundred bytes: its name, class, part and group, what kind of file it is, and a digest of its content. A thread holds one image at a
//! time, at most 512 MiB of pixels and their copy in 8-bit colour.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use widemargin_tables::{About, OpenTable, Problem};

use crate::catalogue::{part_named, sorted_names};
use crate::decode::{self, Content, Look};
use crate::listing::{Listing, Place, name_of};
use crate::parallel::map_positions;
use crate::source::{Source, open_table, recognise};
use crate::walk::text_of;
use crate::{BadImage, ClassFolder, Error, ImageSet, ImageShape, Labelled, OpenOptions, Part, Result};

/// Rows of a table that are read at a time.
const ROWS: usize = 1024;

/// A sample that can be used.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Its name, different for all of a set; that of [`SampleSet::sample_id`](crate::SampleSet::sample_id).
    pub id: String,
    /// Its class, if it is known.
    pub class: Option<u32>,
    /// Its part, if the data says it.
    pub part: Option<Part>,
    /// What it belongs together with, if the data says it.
    pub group: Option<Box<str>>,
    /// What it lies in, a place in [`Census::files`].
    pub file: u32,
    /// A digest of its pixels or numbers.
    pub content: Content,
    /// What kind of file it is; none for IDX files and tables.
    pub look: Option<Look>,
}

/// All samples of a set.
#[derive(Debug)]
pub struct Census {
    /// What it was made from.
    pub source: Source,
    /// Name of the set.
    pub name: String,
    /// The path that was given.
    pub path: PathBuf,
    /// Names of the classes, as training has them.
    pub class_names: Vec<String>,
    /// Samples that can be used, in order.
    pub samples: Vec<Counted>,
    /// What samples lie in together: the folders of images, the shards, the parts of IDX files, the table.
    pub files: Vec<String>,
    /// Shape of the samples where all have one: IDX files, and `1 x 1 x n` for tables.
    pub shape: Option<ImageShape>,
    /// Images and rows that cannot be used.
    pub bad: Vec<BadImage>,
    /// Shards that end early or are damaged.
    pub broken: Vec<BadImage>,
    /// Shards without the empty blocks that end an archive: whole, or cut between two files.
    pub unended: Vec<PathBuf>,
    /// Links that were not followed, and folders with the name of a part whose place another has.
    pub left_alone: Vec<BadImage>,
    /// Files and folders that are neither images nor classes.
    pub ignored: usize,
}

impl Census {
    /// Looks at every sample; `progress` hears how many are done, of how many. `labels` are those of a table, if they lie beside it.
    ///
    /// # Errors
    /// [`Error`] for data that is not there or is no data, and for shards that are not there; bad images, rows and shards are no
    /// error but counted. [`Error::Setting`] for labels beside anything but a table, and the deepest folder as class of anything but
    /// an image folder.
    pub fn take(
        path: &Path,
        labels: Option<&Path>,
        class_folder: ClassFolder,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self> {
        let source = recognise(path)?;
        if let Some(labels) = labels.filter(|_| source != Source::Table) {
            return Err(Error::labels_beside(labels));
        }
        if class_folder == ClassFolder::Deepest && source != Source::Folder {
            return Err(Error::setting(
                "class-folder",
                &"deepest",
                "top: only an image folder has folders of classes",
            ));
        }
        match source {
            Source::Table => Self::of_table(path, labels, progress),
            Source::Idx => Self::of_idx(path, progress),
            source => Ok(Self::of_listing(source, Listing::open_damaged(path, class_folder)?, progress)),
        }
    }

    fn of_listing(source: Source, listing: Listing, progress: &(dyn Fn(u64, u64) + Sync)) -> Self {
        let all = listing.len() as u64;
        let done = AtomicU64::new(0);
        let examined = map_positions(0, listing.len(), |image| {
            let outcome = listing.read_found(&listing.found[image]).and_then(|bytes| decode::examine(&bytes));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
            outcome
        });
        let class_names = listing.class_names().to_vec();
        let Listing { name, path, found, shards, mut bad, broken, unended, left_alone, mut ignored, .. } =
            listing;
        let (mut samples, mut files) = (Vec::with_capacity(found.len()), Files::default());
        for (found, examined) in found.into_iter().zip(examined) {
            // As in training: what lies beside the class folders is no sample, unless nothing lies in one.
            if source == Source::Folder && found.class.is_none() && !class_names.is_empty() {
                ignored += 1;
                continue;
            }
            let (look, content) = match examined {
                Ok(examined) => examined,
                Err(reason) => {
                    bad.push(BadImage { path: found.place.path(&shards), reason });
                    continue;
                }
            };
            let file = files.number(match &found.place {
                Place::Inside { shard, .. } => text_of(&shards[*shard]),
                Place::File(path) => text_of(path.parent().unwrap_or(Path::new(""))),
            });
            let crate::listing::Found { id, class, part, group, .. } = found;
            samples.push(Counted { id, class, part, group, file, content, look: Some(look) });
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
            left_alone,
            ignored,
        }
    }

    fn of_idx(path: &Path, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Self> {
        let set = ImageSet::open(path, &OpenOptions::default())?;
        let mut pixels = vec![0; set.shape().values()];
        let mut samples = Vec::with_capacity(set.len());
        for sample in 0..set.len() {
            set.read_into(sample, &mut pixels)?;
            let part = set.part(sample);
            samples.push(Counted {
                id: set.sample_id(sample),
                class: Some(set.labels()[sample]),
                part: Some(part),
                group: None,
                file: u32::from(part == Part::Test),
                content: Content::of(&[&pixels]),
                look: None,
            });
            progress(sample as u64 + 1, set.len() as u64);
        }
        Ok(Self {
            source: Source::Idx,
            name: set.name().to_owned(),
            path: path.to_path_buf(),
            class_names: set.class_names().to_vec(),
            samples,
            files: vec!["train".to_owned(), "t10k".to_owned()],
            shape: Some(set.shape()),
            bad: Vec::new(),
            broken: Vec::new(),
            unended: Vec::new(),
            left_alone: Vec::new(),
            ignored: 0,
        })
    }

    fn of_table(path: &Path, labels: Option<&Path>, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Self> {
        let OpenTable { rows, about: About { labels, ids, splits, groups, .. } } = open_table(path, labels)?;
        let class_names = labels.as_deref().map_or_else(Vec::new, |labels| sorted_names(labels, true));
        let numbers: std::collections::HashMap<&str, u32> =
            (0..).zip(&class_names).map(|(number, name)| (name.as_str(), number)).collect();
        let (count, dim) = (rows.rows(), rows.dim());
        // A header can claim any number of rows without numbers.
        if count == 0 || dim == 0 {
            return Err(Problem::Empty.at(path).into());
        }
        let (mut samples, mut bad) = (Vec::with_capacity(count), Vec::new());
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
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                samples.push(Counted {
                    id,
                    class: labels.as_ref().map(|labels| numbers[labels[row].as_str()]),
                    part: splits.as_ref().and_then(|splits| part_named(&splits[row])),
                    group: groups.as_ref().map(|groups| groups[row].as_str().into()),
                    file: 0,
                    content: Content::of(&[&bytes]),
                    look: None,
                });
            }
            progress((first + here) as u64, count as u64);
        }
        Ok(Self {
            source: Source::Table,
            name: name_of(path),
            path: path.to_path_buf(),
            class_names,
            samples,
            files: vec![text_of(path)],
            shape: Some(ImageShape { channels: 1, height: 1, width: dim }),
            bad,
            broken: Vec::new(),
            unended: Vec::new(),
            left_alone: Vec::new(),
            ignored: 0,
        })
    }

    /// That nothing of it can be used, if so; `None` where a sample can.
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

    /// Refuses a set of which some shard could not be read to its end, or some sample has no class.
    ///
    /// # Errors
    /// [`Error::BadShard`], [`Error::NoLabels`], those of [`nothing_usable`](Self::nothing_usable).
    pub fn require_sound(&self) -> Result<()> {
        if let Some(BadImage { path, reason }) = self.broken.first() {
            return Err(Error::BadShard { path: path.clone(), reason: reason.clone() });
        }
        let count = self.samples.iter().filter(|sample| sample.class.is_none()).count();
        if let Some(first) = self.samples.iter().find(|sample| sample.class.is_none()) {
            let (path, first, of) = (self.path.clone(), first.id.clone(), self.samples.len());
            return Err(Error::NoLabels { path, count, of, first, expected: "a class for each" });
        }
        self.nothing_usable().map_or(Ok(()), Err)
    }
}

/// Numbers for the names of files.
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
