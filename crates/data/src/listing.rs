//! Images that were found, not yet looked into: where each lies, and what is known of it.
//!
//! Image folders, manifests and tar shards all become a [`Listing`]; training, embedding, `data info` and `data split` go on from it
//! and need not know which it was. Memory is some hundred bytes an image; images are read one by one, where they lie.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use widemargin_tables::ClassNames;

use crate::catalogue::sorted_names;
use crate::decode::{self, MAX_BYTES};
use crate::image_set::too_many_bad;
use crate::parallel::map_positions;
use crate::{BadImage, ClassFolder, Error, ImageShape, Part, Result, folder, manifest, shards};

/// What a listing was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingKind {
    /// Folders of image files.
    Folder,
    /// A table of paths.
    Manifest,
    /// Tar files of samples, as WebDataset has them.
    Shards,
    /// One image file.
    Image,
}

impl ListingKind {
    /// The kind in words, for messages.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Folder => "image folder",
            Self::Manifest => "manifest",
            Self::Shards => "tar shards",
            Self::Image => "image",
        }
    }
}

/// Where an image's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file of its own.
    File(PathBuf),
    /// Inside a tar file: its number among the shards, and the name, the first byte and the length of the entry.
    Inside { shard: usize, name: Box<str>, offset: u64, length: u64 },
}

impl Place {
    /// The file, or the place in a tar file as if that were a folder.
    pub(crate) fn path(&self, shards: &[PathBuf]) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Inside { shard, name, .. } => shards[*shard].join(&**name),
        }
    }
}

/// An image that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// What to call it: different for all of a listing.
    pub(crate) id: String,
    pub(crate) place: Place,
    pub(crate) class: Option<u32>,
    pub(crate) part: Option<Part>,
    /// What it belongs together with; all have one or none has.
    pub(crate) group: Option<Box<str>>,
}

/// Columns that are kept and written along, though nothing is done by them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    pub(crate) names: Vec<String>,
    /// One field a name, for each image; no rows where there are no names.
    pub(crate) rows: Vec<Vec<String>>,
    /// Columns of a manifest that have no form as text, with what they hold.
    pub(crate) left_out: Vec<(String, &'static str)>,
}

/// Names of classes in the order in which they are met.
pub(crate) type Labels = ClassNames;

/// All images that a path names.
#[derive(Debug)]
pub struct Listing {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    kind: ListingKind,
    pub(crate) found: Vec<Found>,
    class_names: Vec<String>,
    pub(crate) extras: Extras,
    pub(crate) shards: Vec<PathBuf>,
    /// What could be told to be unusable before an image was read.
    pub(crate) bad: Vec<BadImage>,
    /// Shards that cannot be read to their end.
    pub(crate) broken: Vec<BadImage>,
    /// Shards without the empty blocks that end an archive.
    pub(crate) unended: Vec<PathBuf>,
    /// Links that were not followed, and folders of a part whose place another has.
    pub(crate) left_alone: Vec<BadImage>,
    /// Files and folders that are neither images nor classes.
    pub(crate) ignored: usize,
}

impl Listing {
    /// Finds the images that `path` names: an image folder, a manifest (`.csv` or `.parquet` with a column `path`), WebDataset shards
    /// (a `.tar`, a pattern of them, or a folder of them), or one image file.
    ///
    /// # Errors
    /// [`Error`] naming the file: a path that does not exist or is none of these, a folder that cannot be listed, a manifest that
    /// cannot be read, a shard that is damaged or ends early.
    pub fn open(path: impl AsRef<Path>, class_folder: ClassFolder) -> Result<Self> {
        let listing = Self::open_damaged(path.as_ref(), class_folder)?;
        match listing.broken.first() {
            Some(BadImage { path, reason }) => {
                Err(Error::BadShard { path: path.clone(), reason: reason.clone() })
            }
            None => Ok(listing),
        }
    }

    /// As [`open`](Self::open); what can be read of damaged shards is kept, and they are listed.
    pub(crate) fn open_damaged(path: &Path, class_folder: ClassFolder) -> Result<Self> {
        use crate::source::{Source, recognise};
        match recognise(path)? {
            Source::Folder => folder::list(path, class_folder),
            Source::Manifest => manifest::list(path),
            Source::Shards => shards::list(path),
            Source::Image => Ok(Self::of_one(path)),
            Source::Idx | Source::Table => Err(Error::NotImages { path: path.to_path_buf() }),
        }
    }

    fn of_one(path: &Path) -> Self {
        let id =
            path.file_name().map_or_else(|| "image".to_owned(), |name| crate::walk::text_of(name.as_ref()));
        let place = Place::File(path.to_path_buf());
        let found = vec![Found { id, place, class: None, part: None, group: None }];
        Self::new(path, ListingKind::Image, found, Labels::default())
    }

    /// A listing of what was found, with its classes sorted.
    pub(crate) fn new(path: &Path, kind: ListingKind, mut found: Vec<Found>, labels: Labels) -> Self {
        let names: Vec<&str> = labels.names().iter().map(String::as_str).collect();
        // Folders were sorted by name before there were other kinds, and numbers of classes must stay what they are.
        let class_names = sorted_names(&names, kind != ListingKind::Folder);
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
            left_alone: Vec::new(),
            ignored: 0,
        }
    }

    /// Puts images of the test part last and, within a part, those of a class together. Only for listings without extras.
    pub(crate) fn sort_by_class(&mut self) {
        self.found.sort_by_key(|found| (found.part == Some(Part::Test), found.class.is_none(), found.class));
    }

    /// Decodes every image and leaves out those that cannot be; they are returned with the reason.
    ///
    /// # Errors
    /// [`Error::TooManyBad`] if they are more than the share `max_bad` of all.
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
        if bad.len() as f64 > max_bad * all as f64 {
            return Err(too_many_bad(&self.path, &bad, all, max_bad));
        }
        let mut sound = outcomes.iter().map(std::result::Result::is_ok);
        self.found.retain(|_| sound.next().unwrap_or(true));
        let mut sound = outcomes.iter().map(std::result::Result::is_ok);
        self.extras.rows.retain(|_| sound.next().unwrap_or(true));
        self.bad.clear();
        Ok(bad)
    }

    /// What it was made from.
    pub fn kind(&self) -> ListingKind {
        self.kind
    }

    /// Name of the set: that of its folder, or of its file without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Names of the classes: sorted, those of manifests and shards by number if all are whole numbers.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// What could be told to be unusable before an image was read: samples of shards with bad labels.
    pub fn bad(&self) -> &[BadImage] {
        &self.bad
    }

    /// What to call an image: its path in the folder or in the manifest, or shard and key, as in `train-000/00017`.
    ///
    /// # Panics
    /// As all of these, if `image` is not less than [`len`](Self::len).
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

    /// Names of the columns that come along: `split` and `group` where they are known, then others of a manifest or of JSON in shards.
    pub fn extra_columns(&self) -> Vec<&str> {
        let split = self.has_parts().then_some("split");
        let group = self.has_groups().then_some("group");
        split.into_iter().chain(group).chain(self.extras.names.iter().map(String::as_str)).collect()
    }

    /// The fields of an image in [`extra_columns`](Self::extra_columns); empty where nothing is known.
    pub fn extra_fields(&self, image: usize) -> Vec<&str> {
        let found = &self.found[image];
        let split = self.has_parts().then(|| found.part.map_or("", Part::name));
        let group = self.has_groups().then(|| found.group.as_deref().unwrap_or(""));
        let others = self.extras.rows.get(image).into_iter().flatten().map(String::as_str);
        split.into_iter().chain(group).chain(others).collect()
    }

    /// Columns of a manifest that could not be kept, with what they hold, in words: nothing that has a form as text.
    pub fn columns_left_out(&self) -> &[(String, &'static str)] {
        &self.extras.left_out
    }

    pub(crate) fn has_parts(&self) -> bool {
        self.found.iter().any(|found| found.part.is_some())
    }

    pub(crate) fn has_groups(&self) -> bool {
        self.found.iter().any(|found| found.group.is_some())
    }

    /// The file of an image, or its place in a tar file as if that were a folder.
    pub fn path(&self, image: usize) -> PathBuf {
        self.path_of(&self.found[image])
    }

    /// The file that the bytes of an image are in: its own, or the shard.
    pub fn file(&self, image: usize) -> &Path {
        match &self.found[image].place {
            Place::File(path) => path,
            Place::Inside { shard, .. } => &self.shards[*shard],
        }
    }

    pub(crate) fn path_of(&self, found: &Found) -> PathBuf {
        found.place.path(&self.shards)
    }

    /// The bytes of an image's file.
    ///
    /// # Errors
    /// [`Error::BadImage`] for what is no file, cannot be read, or is longer than 512 MiB.
    pub fn read(&self, image: usize) -> Result<Vec<u8>> {
        let found = &self.found[image];
        self.read_found(found).map_err(|reason| Error::BadImage { path: self.path_of(found), reason })
    }

    pub(crate) fn read_found(&self, found: &Found) -> std::result::Result<Vec<u8>, String> {
        read_place(&found.place, &self.shards)
    }

    /// An image as bytes of a shape, `[channels, height, width]`, as [`read_image`](crate::read_image) gives it.
    ///
    /// # Errors
    /// [`Error::BadImage`] with the reason.
    pub fn decode(&self, image: usize, shape: ImageShape) -> Result<Vec<u8>> {
        let bytes = self.read(image)?;
        decode::decode_bytes(&bytes, shape)
            .map_err(|reason| Error::BadImage { path: self.path(image), reason })
    }
}

/// The bytes at a place.
pub(crate) fn read_place(place: &Place, shards: &[PathBuf]) -> std::result::Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    match place {
        Place::File(path) => {
            // Looked at before it is opened: a pipe would wait for a writer.
            let metadata = fs::metadata(path).map_err(failed)?;
            if !metadata.is_file() {
                return Err("cannot be read: not a file".to_owned());
            }
            read_at_most(File::open(path).map_err(failed)?, metadata.len())
        }
        Place::Inside { shard, offset, length, .. } => {
            let mut file = File::open(&shards[*shard]).map_err(failed)?;
            file.seek(SeekFrom::Start(*offset)).map_err(failed)?;
            let bytes = read_at_most(file.take(*length), *length)?;
            if (bytes.len() as u64) < *length {
                return Err(format!("the shard ends within it: {} of {length} bytes", bytes.len()));
            }
            Ok(bytes)
        }
    }
}

fn read_at_most(source: impl Read, length: u64) -> std::result::Result<Vec<u8>, String> {
    if length > MAX_BYTES {
        return Err(format!("{length} bytes; at most {MAX_BYTES} are read"));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    let read = source.take(MAX_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    Ok(bytes)
}

/// The last component of a folder, also of `.` and `..`; of a file without its ending.
pub(crate) fn name_of(path: &Path) -> String {
    let last = |path: &Path| {
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        name.map(|name| name.to_string_lossy().into_owned())
    };
    last(path)
        .or_else(|| fs::canonicalize(path).ok().as_deref().and_then(last))
        .unwrap_or_else(|| "data".to_owned())
}
