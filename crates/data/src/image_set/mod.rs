//! A set of labelled images of one shape, wherever they come from.
//!
//! IDX files, the embedded set among them, lie in memory as one block. Image files are each decoded once when the
//! set is opened: that finds the bad ones before hours of training, and the pixels are kept if they all fit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalogue::sorted_names;
use crate::embedded::{self, FASHION_MNIST_CLASSES, FASHION_MNIST_FOLDER};
use crate::idx::{self, IdxPart};
use crate::listing::{Place, name_of, read_place};
use crate::normalise::Normalisation;
use crate::parallel::map_positions;
use crate::source::{Source, recognise};
use crate::{
    Catalogue, ClassFolder, Error, ImageShape, Labelled, Listing, ListingKind, Part, Result, decode, hold_out,
};

/// Classes of IDX files that are named by their numbers, at most.
const MAX_NUMBERED: u32 = 1 << 24;
/// How many bad images an error names.
const NAMED_BAD: usize = 5;
/// File with one class name a line, beside IDX files.
const CLASS_FILE: &str = "classes.txt";

/// How images are read. All but `memory_limit` matters to image folders, manifests and shards only: IDX files come as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct OpenOptions {
    /// 1 for grey, 3 for colour. Default 3.
    pub channels: usize,
    /// Rows that images are resized to. Default 112.
    pub height: usize,
    /// Columns that images are resized to. Default 112.
    pub width: usize,
    /// Largest share of unreadable images, 0 to 1, before this is an error. Default 0.001.
    pub max_bad: f64,
    /// Share of each class (or of the groups, where the data has them), above 0 and below 1, held out as test if the data does not say
    /// what is test; at least one sample and not all. Default 0.2.
    pub hold_out: f64,
    /// Decides which samples are held out. Default 0.
    pub seed: u64,
    /// Bytes of pixels that may be kept in memory; more are decoded again at each read (image folders) or an error
    /// (IDX). Default 2 GiB.
    pub memory_limit: u64,
    /// Threads that decode; 0, the default, for as many as the processor has.
    pub threads: usize,
    /// Which folder of a deeper tree is the class. Default: the top one.
    pub class_folder: ClassFolder,
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
            class_folder: ClassFolder::Top,
        }
    }
}

impl OpenOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        if ![1, 3].contains(&self.channels) {
            return Err(Error::setting("channels", &self.channels, "1 or 3"));
        }
        let most = decode::MAX_SIDE as usize;
        for (name, side) in [("height", self.height), ("width", self.width)] {
            if !(1..=most).contains(&side) {
                return Err(Error::setting(name, &side, format!("1 to {most}")));
            }
        }
        if !(0.0..=1.0).contains(&self.max_bad) {
            return Err(Error::setting("max-bad", &self.max_bad, "a share from 0 to 1"));
        }
        if !(self.hold_out > 0.0 && self.hold_out < 1.0) {
            return Err(Error::setting("hold-out", &self.hold_out, "a share above 0 and below 1"));
        }
        Ok(())
    }

    fn shape(&self) -> ImageShape {
        ImageShape { channels: self.channels, height: self.height, width: self.width }
    }
}

/// An image file that was left out, and why. One inside a tar file is named as if that were a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadImage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Where the pixels are.
#[derive(Debug)]
enum Store {
    /// One block, image after image.
    Block(Vec<u8>),
    /// One decoded image a file.
    Decoded(Vec<Box<[u8]>>),
    /// In the files: decoded at each read.
    Files,
}

/// Labelled images as bytes, `[channels, height, width]` each.
///
/// Samples are numbered from 0, those of the training part first. Every class has at least one sample and there are
/// at least two classes. Where parts are drawn, the single sample of a class is of the training part.
#[derive(Debug)]
pub struct ImageSet {
    catalogue: Catalogue,
    shape: ImageShape,
    store: Store,
    /// Whether the data says itself what is test or what belongs together.
    parts_given: bool,
    /// Name and place of each sample, and the shards that places are in; empty for IDX files.
    files: Vec<(String, Place)>,
    shards: Vec<PathBuf>,
    bad: Vec<BadImage>,
    ignored: usize,
}

impl Labelled for ImageSet {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

impl ImageSet {
    /// The part of Fashion-MNIST that is built into the program: 15,000 training and 2,500 test images of
    /// 1 x 28 x 28, 10 classes, as many of each.
    pub fn embedded() -> Self {
        embedded::parts()
            .and_then(|parts| {
                Self::from_idx("fashion-mnist-part", Path::new("embedded"), parts, &fashion_classes())
            })
            .expect("the embedded files are checked by a test")
    }

    /// The whole of Fashion-MNIST, 60,000 and 10,000 images, if it is installed in [`FASHION_MNIST_FOLDER`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open), if the folder is there and cannot be read.
    pub fn fashion_mnist_installed() -> Option<Result<Self>> {
        let folder = Path::new(FASHION_MNIST_FOLDER);
        folder.is_dir().then(|| Self::open(folder, &OpenOptions::default()))
    }

    /// Opens IDX files (compressed or not, named as those of MNIST), an image folder, a manifest, or WebDataset shards; see
    /// [`recognise`].
    ///
    /// Images are PNG, JPEG or WebP, turned as their metadata says, converted to the expected channels and stretched to the expected size.
    /// Each is decoded once, to find those that cannot be, which are left out and listed by [`bad`](Self::bad). The pixels are kept if
    /// all fit into `memory_limit`; else each is decoded again whenever it is read, and memory is some hundred bytes an image.
    ///
    /// Classes of IDX files are named by a file `classes.txt` (one name a line) beside them, by the known names if the
    /// images are Fashion-MNIST's, and else by their numbers; classes without samples are left out.
    ///
    /// # Errors
    /// [`Error`] has a variant for each way in which data can be bad.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self> {
        let path = path.as_ref();
        options.validate()?;
        match recognise(path)? {
            Source::Idx => {
                let missing = || Error::MissingFolder { path: path.to_path_buf() };
                Self::open_idx(path, &idx::find(path)?.ok_or_else(missing)?, options.memory_limit)
            }
            Source::Table => Err(Error::NotImages { path: path.to_path_buf() }),
            Source::Image => Err(Error::NotAFolder { path: path.to_path_buf() }),
            Source::Folder | Source::Manifest | Source::Shards => {
                Self::from_listing(Listing::open(path, options.class_folder)?, options)
            }
        }
    }

    /// Builds a set from images in memory: `pixels` `[images, channels, height, width]` of the shape in `options`, and the name of
    /// each image's class.
    ///
    /// `options.hold_out` and `options.seed` choose the test images, as for an image folder; the other options do not apply.
    /// Training images are numbered first; within each part the order stays the same.
    ///
    /// # Errors
    /// [`Error::NoSamples`] for no images; [`Error::Length`] if `pixels` does not have the length that shape and classes give;
    /// [`Error::OnlyOneClass`]; [`Error::Setting`] for options out of range.
    pub fn from_pixels(
        name: &str,
        pixels: &[u8],
        classes: &[impl AsRef<str>],
        options: &OpenOptions,
    ) -> Result<Self> {
        options.validate()?;
        let shape = options.shape();
        let values = shape.values();
        if classes.is_empty() {
            return Err(Error::NoSamples { purpose: "build a set from" });
        }
        if pixels.len() != classes.len() * values {
            let (found, expected) = (pixels.len(), classes.len() * values);
            return Err(Error::Length { what: "values of the images", found, expected });
        }
        let class_names = sorted_names(classes, false);
        let label = |class: &str| class_names.partition_point(|name| name.as_str() < class) as u32;
        let labels: Vec<u32> = classes.iter().map(|class| label(class.as_ref())).collect();
        let test = hold_out::by_class(&labels, class_names.len(), options.hold_out, options.seed);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|image| test[*image]);
        let part = |image: &usize| if test[*image] { Part::Test } else { Part::Train };
        let set = Self {
            catalogue: Catalogue {
                name: name.to_owned(),
                labels: order.iter().map(|image| labels[*image]).collect(),
                parts: order.iter().map(part).collect(),
                class_names,
            },
            shape,
            store: Store::Block(
                order.iter().flat_map(|image| &pixels[image * values..][..values]).copied().collect(),
            ),
            parts_given: false,
            files: Vec::new(),
            shards: Vec::new(),
            bad: Vec::new(),
            ignored: 0,
        };
        set.checked(Path::new(name))
    }

    fn open_idx(folder: &Path, files: &[PathBuf; 4], limit: u64) -> Result<Self> {
        let [train_images, train_labels, test_images, test_labels] = files;
        let part = |images: &Path, labels: &Path, limit: u64| {
            idx::part((images, idx::read(images, limit)?), (labels, idx::read(labels, limit)?))
        };
        let train = part(train_images, train_labels, limit)?;
        let test = part(test_images, test_labels, limit.saturating_sub(train.pixels.len() as u64))?;
        if test.shape != train.shape {
            let (found, expected) = (test.shape, train.shape);
            return Err(Error::ShapesDiffer { path: test_images.clone(), found, expected });
        }
        let class_file = folder.join(CLASS_FILE);
        let names = match std::fs::read_to_string(&class_file) {
            Ok(text) => {
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::read(&class_file, error));
            }
            Err(_) if embedded::is_fashion_mnist(&train) => fashion_classes(),
            Err(_) => {
                let labels = || train.labels.iter().chain(&test.labels).copied();
                let largest = labels().filter(|label| *label < MAX_NUMBERED).max().unwrap_or(0);
                (0..=largest).map(|label| label.to_string()).collect()
            }
        };
        Self::from_idx(&name_of(folder), folder, [train, test], &names)
    }

    fn from_idx(name: &str, origin: &Path, parts: [IdxPart; 2], names: &[String]) -> Result<Self> {
        let mut used = vec![false; names.len()];
        for part in &parts {
            for (sample, label) in part.labels.iter().enumerate() {
                let slot = used.get_mut(*label as usize).ok_or_else(|| Error::LabelOutOfRange {
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
            parts_given: true,
            files: Vec::new(),
            shards: Vec::new(),
            bad: Vec::new(),
            ignored: 0,
        };
        set.checked(origin)
    }

    fn from_listing(mut listing: Listing, options: &OpenOptions) -> Result<Self> {
        let root = listing.path.clone();
        let unlabelled = listing.found.iter().filter(|found| found.class.is_none()).count();
        if unlabelled == listing.len() && listing.kind() == ListingKind::Folder {
            return Err(Error::EmptyFolder { path: root, loose: unlabelled });
        }
        if listing.kind() == ListingKind::Folder {
            // What lies beside the class folders is no sample.
            listing.found.retain(|found| found.class.is_some());
            listing.ignored += unlabelled;
        } else if let Some(first) = listing.found.iter().find(|found| found.class.is_none()) {
            let (first, of) = (first.id.clone(), listing.len());
            let expected = match listing.kind() {
                ListingKind::Manifest => "a column `label`",
                _ => "a .cls, a .json with a label, or a .txt beside each image",
            };
            return Err(Error::NoLabels { path: root, count: unlabelled, of, first, expected });
        } else if listing.is_empty() {
            return Err(Error::NoImages { path: root });
        }
        if let [class] = listing.class_names() {
            return Err(Error::OnlyOneClass { path: root, class: class.clone() });
        }
        let shape = options.shape();
        let files = listing.len() + listing.bad.len();
        let total = (listing.len() as u64).saturating_mul(shape.values() as u64);
        let keep = total <= options.memory_limit;
        let decoded = map_positions(options.threads, listing.len(), |image| {
            let bytes = listing.read_found(&listing.found[image])?;
            let pixels = decode::decode_bytes(&bytes, shape)?;
            Ok::<_, String>(keep.then(|| pixels.into_boxed_slice()))
        });
        let (mut good, mut bad) = (Vec::with_capacity(files), std::mem::take(&mut listing.bad));
        for (image, outcome) in decoded.into_iter().enumerate() {
            match outcome {
                Ok(pixels) => good.push((image, pixels)),
                Err(reason) => bad.push(BadImage { path: listing.path(image), reason }),
            }
        }
        if bad.len() as f64 > options.max_bad * files as f64 {
            return Err(too_many_bad(&root, &bad, files, options.max_bad));
        }
        if let (true, Some(BadImage { path, reason })) = (good.is_empty(), bad.first()) {
            let first = format!("{}: {reason}", path.display());
            return Err(Error::NothingUsable { path: root, count: bad.len(), first });
        }
        let mut labels: Vec<u32> = good.iter().filter_map(|(image, _)| listing.found[*image].class).collect();
        let class_names = with_samples(listing.class_names(), &mut labels);
        let (parts, parts_given) = parts(&listing, (&labels, class_names.len()), &good, options)?;
        // Training samples first.
        let mut order: Vec<usize> = (0..good.len()).collect();
        order.sort_by_key(|at| parts[*at] == Part::Test);
        let (mut places, mut images) = (Vec::with_capacity(good.len()), Vec::new());
        for at in &order {
            let (image, pixels) = &mut good[*at];
            let found = &mut listing.found[*image];
            let nothing = Place::File(PathBuf::new());
            places.push((std::mem::take(&mut found.id), std::mem::replace(&mut found.place, nothing)));
            images.extend(pixels.take());
        }
        let set = Self {
            catalogue: Catalogue {
                name: listing.name.clone(),
                class_names,
                labels: order.iter().map(|at| labels[*at]).collect(),
                parts: order.iter().map(|at| parts[*at]).collect(),
            },
            shape,
            store: if keep { Store::Decoded(images) } else { Store::Files },
            parts_given,
            files: places,
            shards: listing.shards,
            bad,
            ignored: listing.ignored,
        };
        set.checked(&root)
    }

    /// Refuses sets with a single class.
    fn checked(self, path: &Path) -> Result<Self> {
        match self.class_names() {
            [class] => Err(Error::OnlyOneClass { path: path.to_path_buf(), class: class.clone() }),
            _ => Ok(self),
        }
    }

    /// Whether the data says itself what is test, or what belongs together. If not, nothing of a class that is not trained on has been
    /// seen, whatever its part.
    pub fn parts_are_given(&self) -> bool {
        self.parts_given
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The samples of a part, ascending.
    pub fn samples(&self, part: Part) -> Vec<u32> {
        (0..self.len()).filter(|sample| self.part(*sample) == part).map(|sample| sample as u32).collect()
    }

    /// What to call a sample in a message, different for all: its path in the data folder or the manifest, shard and key, or part and
    /// position in the IDX file as in `test/123`. A number beyond the end is named as such.
    pub fn sample_id(&self, sample: usize) -> String {
        if let Some((id, _)) = self.files.get(sample) {
            return id.clone();
        }
        let parts = &self.catalogue.parts;
        let train = parts.partition_point(|part| *part == Part::Train);
        match parts.get(sample) {
            Some(Part::Train) => format!("train/{sample}"),
            Some(Part::Test) => format!("test/{}", sample - train),
            None => format!("no sample {sample}"),
        }
    }

    /// Image files that were left out, in order.
    pub fn bad(&self) -> &[BadImage] {
        &self.bad
    }

    /// Number of files and folders in an image folder that are neither images nor classes.
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
    /// [`Error::NoSuchSample`]; [`Error::BadImage`] if its file cannot be decoded any more.
    pub fn read(&self, sample: usize) -> Result<Vec<u8>> {
        let mut pixels = vec![0; self.shape.values()];
        self.read_into(sample, &mut pixels)?;
        Ok(pixels)
    }

    /// As [`read`](Self::read), into `pixels`.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Error::Length`] if `pixels` does not have the length of an image.
    pub fn read_into(&self, sample: usize, pixels: &mut [u8]) -> Result<()> {
        let values = self.shape.values();
        if pixels.len() != values {
            let found = pixels.len();
            return Err(Error::Length { what: "values of an image", found, expected: values });
        }
        if sample >= self.len() {
            return Err(Error::NoSuchSample { sample, count: self.len() });
        }
        match &self.store {
            Store::Block(block) => pixels.copy_from_slice(&block[sample * values..][..values]),
            Store::Decoded(images) => pixels.copy_from_slice(&images[sample]),
            Store::Files => {
                let (_, place) = &self.files[sample];
                let decoded = read_place(place, &self.shards)
                    .and_then(|bytes| decode::decode_bytes(&bytes, self.shape))
                    .map_err(|reason| Error::BadImage { path: place.path(&self.shards), reason })?;
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
    /// [`Error::NoSamples`], and as [`read`](Self::read).
    pub fn mean_and_deviation(&self, samples: &[u32]) -> Result<Normalisation> {
        if samples.is_empty() {
            return Err(Error::NoSamples { purpose: "take the mean of" });
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
            Ok::<_, Error>(counts)
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

/// The names of the classes that occur in `labels`, which become numbers among these: a class whose images are all bad is none.
fn with_samples(names: &[String], labels: &mut [u32]) -> Vec<String> {
    let mut used = vec![false; names.len()];
    for label in labels.iter() {
        used[*label as usize] = true;
    }
    let present: Vec<u32> = (0..names.len() as u32).filter(|class| used[*class as usize]).collect();
    for label in labels {
        *label = present.partition_point(|class| class < label) as u32;
    }
    present.into_iter().map(|class| names[class as usize].clone()).collect()
}

/// The part of each good image, and whether the data says it or says what belongs together.
fn parts(
    listing: &Listing,
    (labels, classes): (&[u32], usize),
    good: &[(usize, Option<Box<[u8]>>)],
    options: &OpenOptions,
) -> Result<(Vec<Part>, bool)> {
    let found = || good.iter().map(|(image, _)| &listing.found[*image]);
    if found().any(|found| found.part == Some(Part::Test)) {
        if found().all(|found| found.part == Some(Part::Test)) {
            return Err(Error::NothingToTrainOn { path: listing.path.clone() });
        }
        // Who says `test` of some says `train` of the others.
        return Ok((found().map(|found| found.part.unwrap_or(Part::Train)).collect(), true));
    }
    let grouped = listing.has_groups();
    let test = if grouped {
        // An image without a group is one of its own.
        let groups: Vec<String> =
            found().map(|found| found.group.as_deref().unwrap_or(&found.id).to_owned()).collect();
        hold_out::by_group(&groups, options.hold_out, options.seed)
    } else {
        hold_out::by_class(labels, classes, options.hold_out, options.seed)
    };
    Ok((test.into_iter().map(|test| if test { Part::Test } else { Part::Train }).collect(), grouped))
}

pub(crate) fn too_many_bad(root: &Path, bad: &[BadImage], files: usize, allowed: f64) -> Error {
    let first: Vec<String> = bad
        .iter()
        .take(NAMED_BAD)
        .map(|image| format!("{}: {}", image.path.display(), image.reason))
        .collect();
    Error::TooManyBad {
        path: root.to_path_buf(),
        bad: bad.len(),
        files,
        allowed_percent: allowed * 100.0,
        first: first.join("; "),
    }
}

#[cfg(test)]
mod bad_files;
#[cfg(test)]
mod tests;
