//! A set of labelled pictures of one shape, wherever they come from.
//!
//! IDX files, the embedded set among them, lie in memory as one block. Picture files are each decoded once when the
//! set is opened: that finds the bad ones before hours of training, and the pixels are kept if they all fit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::embedded::{self, FASHION_MNIST_CLASSES, FASHION_MNIST_FOLDER};
use crate::folder::{self, FoundFile};
use crate::idx::{self, IdxPart};
use crate::normalise::Normalisation;
use crate::parallel::map_positions;
use crate::{Catalogue, DataError, Labelled, Part, PictureShape, Result, decode, hold_out};

/// Classes of IDX files that are named by their numbers, at most.
const MAX_NUMBERED: u32 = 1 << 24;
/// How many bad pictures an error names.
const NAMED_BAD: usize = 5;
/// File with one class name a line, beside IDX files.
const CLASS_FILE: &str = "classes.txt";

/// How a data folder is read. Channels, size, `max_bad`, `hold_out` and `seed` matter to image folders only: IDX files
/// come as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct OpenOptions {
    /// 1 for grey, 3 for colour. Default 3.
    pub channels: usize,
    /// Rows that pictures are resized to. Default 112.
    pub height: usize,
    /// Columns that pictures are resized to. Default 112.
    pub width: usize,
    /// Largest share of unreadable pictures, 0 to 1, before this is an error. Default 0.001.
    pub max_bad: f64,
    /// Share of each class, above 0 and below 1, held out as test if the folder does not say what is test; at least
    /// one sample and not all. Default 0.2.
    pub hold_out: f64,
    /// Decides which samples are held out. Default 0.
    pub seed: u64,
    /// Bytes of pixels that may be kept in memory; more are decoded again at each read (image folders) or an error
    /// (IDX). Default 2 GiB.
    pub memory_limit: u64,
    /// Threads that decode; 0, the default, for as many as the processor has.
    pub threads: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            channels: 3,
            height: 112,
            width: 112,
            max_bad: 0.001,
            hold_out: 0.2,
            seed: 0,
            memory_limit: 2 << 30,
            threads: 0,
        }
    }
}

impl OpenOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Setting`].
    pub fn validate(&self) -> Result<()> {
        if ![1, 3].contains(&self.channels) {
            return Err(DataError::setting("channels", &self.channels, "1 or 3"));
        }
        let most = decode::MAX_SIDE as usize;
        for (name, side) in [("height", self.height), ("width", self.width)] {
            if !(1..=most).contains(&side) {
                return Err(DataError::setting(name, &side, format!("1 to {most}")));
            }
        }
        if !(0.0..=1.0).contains(&self.max_bad) {
            return Err(DataError::setting("max-bad", &self.max_bad, "a share from 0 to 1"));
        }
        if !(self.hold_out > 0.0 && self.hold_out < 1.0) {
            return Err(DataError::setting("hold-out", &self.hold_out, "a share above 0 and below 1"));
        }
        Ok(())
    }

    fn shape(&self) -> PictureShape {
        PictureShape { channels: self.channels, height: self.height, width: self.width }
    }
}

/// A picture file that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadPicture {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Where the pixels are.
#[derive(Debug)]
enum Store {
    /// One block, picture after picture.
    Block(Vec<u8>),
    /// One decoded picture a file.
    Decoded(Vec<Box<[u8]>>),
    /// In the files: decoded at each read.
    Files,
}

/// Labelled pictures as bytes, `[channels, height, width]` each.
///
/// Samples are numbered from 0, those of the training part first. Every class has at least two samples and there are
/// at least two classes.
#[derive(Debug)]
pub struct PictureSet {
    catalogue: Catalogue,
    shape: PictureShape,
    store: Store,
    /// The folder and the files of an image folder, one a sample; else empty.
    root: PathBuf,
    files: Vec<PathBuf>,
    bad: Vec<BadPicture>,
    ignored: usize,
}

impl Labelled for PictureSet {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

impl PictureSet {
    /// The part of Fashion-MNIST that is built into the program: 15,000 training and 2,500 test pictures of
    /// 1 x 28 x 28, 10 classes, as many of each.
    pub fn embedded() -> Self {
        embedded::parts()
            .and_then(|parts| {
                Self::from_idx("fashion-mnist-part", Path::new("embedded"), parts, &fashion_classes())
            })
            .expect("the embedded files are checked by a test")
    }

    /// The whole of Fashion-MNIST, 60,000 and 10,000 pictures, if it is installed in [`FASHION_MNIST_FOLDER`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open), if the folder is there and cannot be read.
    pub fn fashion_mnist_installed() -> Option<Result<Self>> {
        let folder = Path::new(FASHION_MNIST_FOLDER);
        folder.is_dir().then(|| Self::open(folder, &OpenOptions::default()))
    }

    /// Opens a folder: IDX files (compressed or not, named as those of MNIST) or an image folder.
    ///
    /// An image folder has a sub-folder for each class with PNG, JPEG or WebP files, or `train` and `test` (or `val`)
    /// with such sub-folders. Pictures are turned as their metadata says, converted to the wanted channels and
    /// stretched to the wanted size. Those that cannot be decoded are left out and listed by [`bad`](Self::bad).
    ///
    /// Classes of IDX files are named by a file `classes.txt` (one name a line) beside them, by the known names if the
    /// pictures are Fashion-MNIST's, and else by their numbers; classes without samples are left out.
    ///
    /// # Errors
    /// [`DataError`] has a variant for each way in which a folder can be bad.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self> {
        let path = path.as_ref();
        options.validate()?;
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DataError::MissingFolder { path: path.to_path_buf() });
            }
            Err(error) => return Err(DataError::read(path, error)),
            Ok(metadata) if !metadata.is_dir() => {
                return Err(DataError::NotAFolder { path: path.to_path_buf() });
            }
            Ok(_) => {}
        }
        match idx::find(path)? {
            Some(files) => Self::open_idx(path, &files, options.memory_limit),
            None => Self::open_folder(path, options),
        }
    }

    fn open_idx(folder: &Path, files: &[PathBuf; 4], limit: u64) -> Result<Self> {
        let [train_images, train_labels, test_images, test_labels] = files;
        let part = |images: &Path, labels: &Path, limit: u64| {
            idx::part((images, idx::read(images, limit)?), (labels, idx::read(labels, limit)?))
        };
        let train = part(train_images, train_labels, limit)?;
        let test = part(test_images, test_labels, limit.saturating_sub(train.pixels.len() as u64))?;
        if test.shape != train.shape {
            let (found, wanted) = (test.shape, train.shape);
            return Err(DataError::ShapesDiffer { path: test_images.clone(), found, wanted });
        }
        let class_file = folder.join(CLASS_FILE);
        let names = match std::fs::read_to_string(&class_file) {
            Ok(text) => {
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DataError::read(&class_file, error));
            }
            Err(_) if embedded::is_fashion_mnist(&train) => fashion_classes(),
            Err(_) => {
                let labels = || train.labels.iter().chain(&test.labels).copied();
                let largest = labels().filter(|label| *label < MAX_NUMBERED).max().unwrap_or(0);
                (0..=largest).map(|label| label.to_string()).collect()
            }
        };
        Self::from_idx(&folder_name(folder), folder, [train, test], &names)
    }

    fn from_idx(name: &str, origin: &Path, parts: [IdxPart; 2], names: &[String]) -> Result<Self> {
        let mut used = vec![false; names.len()];
        for part in &parts {
            for (sample, label) in part.labels.iter().enumerate() {
                let slot = used.get_mut(*label as usize).ok_or_else(|| DataError::LabelOutOfRange {
                    path: part.label_path.clone(),
                    sample,
                    found: *label,
                    classes: names.len(),
                })?;
                *slot = true;
            }
        }
        let present: Vec<usize> = (0..names.len()).filter(|class| used[*class]).collect();
        let class_of = |label: u32| present.partition_point(|class| *class < label as usize) as u32;
        let [train, test] = parts;
        let labels: Vec<u32> =
            train.labels.iter().chain(&test.labels).map(|label| class_of(*label)).collect();
        let mut part_of = vec![Part::Train; train.labels.len()];
        part_of.resize(labels.len(), Part::Test);
        let mut pixels = train.pixels;
        pixels.extend(test.pixels);
        let set = Self {
            catalogue: Catalogue {
                name: name.to_owned(),
                class_names: present.into_iter().map(|class| names[class].clone()).collect(),
                labels,
                parts: part_of,
            },
            shape: train.shape,
            store: Store::Block(pixels),
            root: PathBuf::new(),
            files: Vec::new(),
            bad: Vec::new(),
            ignored: 0,
        };
        set.checked(origin)
    }

    fn open_folder(root: &Path, options: &OpenOptions) -> Result<Self> {
        let found = folder::find(root)?;
        if let [class] = found.class_names.as_slice() {
            return Err(DataError::OnlyOneClass { path: root.to_path_buf(), class: class.clone() });
        }
        let shape = options.shape();
        let total = (found.files.len() as u64).saturating_mul(shape.values() as u64);
        let keep = total <= options.memory_limit;
        let decoded = map_positions(options.threads, found.files.len(), |position| {
            let pixels = decode::decode_file(&found.files[position].path, shape)?;
            Ok::<_, String>(keep.then(|| pixels.into_boxed_slice()))
        });

        let files = found.files.len();
        let (mut good, mut pictures, mut bad) = (Vec::with_capacity(files), Vec::new(), Vec::new());
        for (file, outcome) in found.files.into_iter().zip(decoded) {
            match outcome {
                Ok(pixels) => {
                    good.push(file);
                    pictures.extend(pixels);
                }
                Err(reason) => bad.push(BadPicture { path: file.path, reason }),
            }
        }
        if bad.len() as f64 > options.max_bad * files as f64 {
            return Err(too_many_bad(root, &bad, files, options.max_bad));
        }
        let set = Self {
            catalogue: Catalogue {
                name: folder_name(root),
                class_names: found.class_names,
                labels: good.iter().map(|file| file.class).collect(),
                parts: good.iter().map(|file| file.part).collect(),
            },
            shape,
            store: if keep { Store::Decoded(pictures) } else { Store::Files },
            root: root.to_path_buf(),
            files: good.into_iter().map(|FoundFile { path, .. }| path).collect(),
            bad,
            ignored: found.ignored,
        };
        let set = set.checked(root)?;
        Ok(if found.has_test { set } else { set.with_held_out(options) })
    }

    /// Refuses sets with too few classes or samples.
    fn checked(self, path: &Path) -> Result<Self> {
        if let [class] = self.class_names() {
            return Err(DataError::OnlyOneClass { path: path.to_path_buf(), class: class.clone() });
        }
        let mut counts = vec![0usize; self.class_names().len()];
        for label in self.labels() {
            counts[*label as usize] += 1;
        }
        match counts.iter().position(|count| *count < 2) {
            Some(class) => {
                let class = self.class_names()[class].clone();
                Err(DataError::SingleSample { path: path.to_path_buf(), class })
            }
            None => Ok(self),
        }
    }

    /// Makes a share of each class the test part, and puts it behind the training part.
    fn with_held_out(self, options: &OpenOptions) -> Self {
        let classes = self.class_names().len();
        let test = hold_out::by_class(self.labels(), classes, options.hold_out, options.seed);
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|sample| test[*sample]);
        let part = |sample: &usize| if test[*sample] { Part::Test } else { Part::Train };
        let mut files: Vec<Option<PathBuf>> = self.files.into_iter().map(Some).collect();
        let store = match self.store {
            Store::Decoded(pictures) => {
                let mut pictures: Vec<_> = pictures.into_iter().map(Some).collect();
                Store::Decoded(order.iter().filter_map(|sample| pictures[*sample].take()).collect())
            }
            other => other,
        };
        let labels = order.iter().map(|sample| self.catalogue.labels[*sample]).collect();
        Self {
            catalogue: Catalogue { labels, parts: order.iter().map(part).collect(), ..self.catalogue },
            files: order.iter().filter_map(|sample| files[*sample].take()).collect(),
            store,
            ..self
        }
    }

    /// Shape of every picture.
    pub fn shape(&self) -> PictureShape {
        self.shape
    }

    /// The samples of a part, ascending.
    pub fn samples(&self, part: Part) -> Vec<u32> {
        (0..self.len()).filter(|sample| self.part(*sample) == part).map(|sample| sample as u32).collect()
    }

    /// What to call a sample in a message: its file, relative to the data folder, or part and position in the IDX file
    /// as in `test/123`. A number beyond the end is named as such.
    pub fn sample_id(&self, sample: usize) -> String {
        if let Some(file) = self.files.get(sample) {
            return file.strip_prefix(&self.root).unwrap_or(file).display().to_string();
        }
        let parts = &self.catalogue.parts;
        let train = parts.partition_point(|part| *part == Part::Train);
        match parts.get(sample) {
            Some(Part::Train) => format!("train/{sample}"),
            Some(Part::Test) => format!("test/{}", sample - train),
            None => format!("no sample {sample}"),
        }
    }

    /// Picture files that were left out, in order.
    pub fn bad(&self) -> &[BadPicture] {
        &self.bad
    }

    /// Number of files and folders in an image folder that are neither pictures nor classes.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Whether reading a sample takes no file access.
    pub fn is_in_memory(&self) -> bool {
        !matches!(self.store, Store::Files)
    }

    /// The bytes of a sample, `[channels, height, width]`.
    ///
    /// # Errors
    /// [`DataError::NoSuchSample`]; [`DataError::BadPicture`] if its file cannot be decoded any more.
    pub fn read(&self, sample: usize) -> Result<Vec<u8>> {
        let mut pixels = vec![0; self.shape.values()];
        self.read_into(sample, &mut pixels)?;
        Ok(pixels)
    }

    /// As [`read`](Self::read), into `pixels`.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`DataError::Length`] if `pixels` does not have the length of a picture.
    pub fn read_into(&self, sample: usize, pixels: &mut [u8]) -> Result<()> {
        let values = self.shape.values();
        if pixels.len() != values {
            let found = pixels.len();
            return Err(DataError::Length { what: "values of a picture", found, wanted: values });
        }
        if sample >= self.len() {
            return Err(DataError::NoSuchSample { sample, count: self.len() });
        }
        match &self.store {
            Store::Block(block) => pixels.copy_from_slice(&block[sample * values..][..values]),
            Store::Decoded(pictures) => pixels.copy_from_slice(&pictures[sample]),
            Store::Files => {
                let path = &self.files[sample];
                let decoded = decode::decode_file(path, self.shape)
                    .map_err(|reason| DataError::BadPicture { path: path.clone(), reason })?;
                pixels.copy_from_slice(&decoded);
            }
        }
        Ok(())
    }

    /// Mean and standard deviation of each channel over `samples`, of values scaled to 0..1.
    ///
    /// Counted in whole numbers: the same bits in any order and on any number of threads.
    ///
    /// # Errors
    /// [`DataError::NoSamples`], and as [`read`](Self::read).
    pub fn mean_and_deviation(&self, samples: &[u32]) -> Result<Normalisation> {
        if samples.is_empty() {
            return Err(DataError::NoSamples { purpose: "take the mean of" });
        }
        let count = |samples: &[u32]| {
            let mut counts = vec![[0u64; 256]; self.shape.channels];
            let mut pixels = vec![0; self.shape.values()];
            for sample in samples {
                self.read_into(*sample as usize, &mut pixels)?;
                for (counts, plane) in counts.iter_mut().zip(pixels.chunks_exact(self.shape.plane())) {
                    for value in plane {
                        counts[usize::from(*value)] += 1;
                    }
                }
            }
            Ok::<_, DataError>(counts)
        };
        let groups: Vec<&[u32]> = samples.chunks(64).collect();
        let mut total = vec![[0u64; 256]; self.shape.channels];
        for counts in map_positions(0, groups.len(), |group| count(groups[group])) {
            for (total, counts) in total.iter_mut().flatten().zip(counts?.into_iter().flatten()) {
                *total += counts;
            }
        }
        Ok(Normalisation::from_counts(&total))
    }

    /// The set behind an [`Arc`], as the loader wants it.
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

fn fashion_classes() -> Vec<String> {
    FASHION_MNIST_CLASSES.map(str::to_owned).to_vec()
}

/// The last component of a folder, also of `.` and `..`.
fn folder_name(folder: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(folder)
        .or_else(|| std::fs::canonicalize(folder).ok().as_deref().and_then(name))
        .unwrap_or_else(|| "data".to_owned())
}

fn too_many_bad(root: &Path, bad: &[BadPicture], files: usize, allowed: f64) -> DataError {
    let first: Vec<String> = bad
        .iter()
        .take(NAMED_BAD)
        .map(|picture| format!("{}: {}", picture.path.display(), picture.reason))
        .collect();
    DataError::TooManyBad {
        path: root.to_path_buf(),
        bad: bad.len(),
        files,
        allowed_percent: allowed * 100.0,
        first: first.join("; "),
    }
}

#[cfg(test)]
mod tests;
