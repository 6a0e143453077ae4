//! What can be wrong with data, with the file or sample, what was found and what was expected.

use std::io;
use std::path::{Path, PathBuf};

/// An error of reading, splitting, sampling or loading data.
///
/// The operating system's own reason, where there is one, is the [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data does not exist.
    #[error("{path}: no such file or folder")]
    MissingFolder {
        /// The path that was given.
        path: PathBuf,
    },
    /// A file of a kind that holds no data.
    #[error(
        "{path}: not a folder, nor a file of data; expected a folder of IDX files or one with a sub-folder for each class, a manifest \
         (.csv or .parquet with a column `path`), .tar shards, or a table of embeddings (.npy, .safetensors, .csv, .parquet)"
    )]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// Nothing that can be read as data.
    #[error(
        "{path}: no images in class folders ({loose} loose images); expected a sub-folder for each class with PNG, \
         JPEG or WebP files, or IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, \
         t10k-labels-idx1-ubyte, each also with .gz)"
    )]
    EmptyFolder {
        /// The folder that was given.
        path: PathBuf,
        /// Images that lie in it without a class.
        loose: usize,
    },
    /// A folder without images, where any would do.
    #[error("{path}: no images; expected files that end in {}", crate::IMAGE_ENDINGS.join(", "))]
    NoImages {
        /// The folder that was given.
        path: PathBuf,
    },
    /// IDX files or a table, where the files of images are expected.
    #[error(
        "{path}: expected image files: a folder of them, a manifest (.csv or .parquet with a column `path`), .tar shards, or one image"
    )]
    NotImages {
        /// What was given.
        path: PathBuf,
    },
    /// A tar file, or a pattern of them, that cannot be used.
    #[error("{path}: {reason}")]
    BadShard {
        /// The shard.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Images of unknown classes cannot be trained on.
    #[error("{path}: {count} of {of} images have no class, the first is {first}; expected {expected}")]
    NoLabels {
        /// The data.
        path: PathBuf,
        /// Images without a class.
        count: usize,
        /// Images in all.
        of: usize,
        /// Name of the first.
        first: String,
        /// Where the class of such data is said.
        expected: &'static str,
    },
    /// Data that says the part of its samples, and says `test` of all.
    #[error("{path}: all its samples are of the part `test`; expected some of `train`")]
    NothingToTrainOn {
        /// The data.
        path: PathBuf,
    },
    /// Some of the four IDX files are there, but not this one.
    #[error("{folder}: {name} is missing (also with .gz), though other IDX files are there")]
    MissingFile {
        /// The data folder.
        folder: PathBuf,
        /// Name of the file that is not there.
        name: String,
    },
    /// Metric learning compares classes; with one there is nothing to compare.
    #[error("{path}: only one class ({class}); expected at least 2")]
    OnlyOneClass {
        /// The data folder.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// Data of which no sample is of use.
    #[error("{path}: nothing in it can be used; of {count} bad images, rows or shards the first is {first}")]
    NothingUsable {
        /// The data.
        path: PathBuf,
        /// How many are bad.
        count: usize,
        /// The first, with what is wrong with it.
        first: String,
    },
    /// Samples to judge by of which no two can be compared as being of one class, or of two.
    #[error(
        "to judge by there are {samples} samples of {classes} classes; expected two classes at least, and two samples of one of them: let \
         other samples judge, or more of them"
    )]
    NothingToCompare {
        /// Samples that judge.
        samples: usize,
        /// Their classes.
        classes: usize,
    },
    /// A table of embeddings or its labels.
    #[error(transparent)]
    Table(#[from] widemargin_tables::Error),
    /// A table that is hardly one of embeddings but a list of images in other words.
    #[error(
        "{path}: has no column `path`; its columns are {columns}. {hint}. As a table of embeddings it cannot be read: {problem}"
    )]
    NotAManifest {
        /// The file.
        path: PathBuf,
        /// Names of its columns.
        columns: String,
        /// What is to be done if images are meant.
        hint: String,
        /// Why it is no table of embeddings.
        problem: Box<widemargin_tables::Problem>,
    },
    /// The operating system refused to read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The compressed data is damaged.
    #[error("{path}: damaged gzip data")]
    Decompress {
        /// The file.
        path: PathBuf,
        /// What the decompressor says.
        source: io::Error,
    },
    /// Not an IDX file of the expected type.
    #[error(
        "{path}: not an IDX file of bytes in {dimensions} dimensions: starts with {found:02x?}, expected {expected:02x?}"
    )]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: [u8; 4],
        /// The bytes it should start with.
        expected: [u8; 4],
        /// Dimensions that were expected: 3 for images, 1 for labels.
        dimensions: u8,
    },
    /// An IDX file that ends early.
    #[error("{path}: truncated: found {found} bytes (uncompressed), expected {expected}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        found: u64,
        /// Bytes that the header promises.
        expected: u64,
    },
    /// An IDX file that does not end where its header says.
    #[error("{path}: more bytes than the {expected} that its header promises")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that the header promises.
        expected: u64,
    },
    /// An IDX file whose header promises more than may be kept in memory.
    #[error("{path}: its header promises {found} bytes; the memory limit is {limit}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes promised; `u64::MAX` if more than that.
        found: u64,
        /// The limit that was set.
        limit: u64,
    },
    /// An IDX file without samples or with images without pixels.
    #[error("{path}: holds {count} images of {height} x {width} pixels; expected at least one of each")]
    NoPixels {
        /// The file.
        path: PathBuf,
        /// Number of images.
        count: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// Images and labels do not belong together.
    #[error("{images}: {image_count} images, but {label_count} labels in {labels}")]
    CountsDiffer {
        /// File of the images.
        images: PathBuf,
        /// Number of images.
        image_count: usize,
        /// File of the labels.
        labels: PathBuf,
        /// Number of labels.
        label_count: usize,
    },
    /// Training and test images have different shapes.
    #[error("{path}: images of {found}, expected {expected} as in the training part")]
    ShapesDiffer {
        /// File of the test images.
        path: PathBuf,
        /// Their shape.
        found: crate::ImageShape,
        /// Shape of the training images.
        expected: crate::ImageShape,
    },
    /// A label that no class name belongs to.
    #[error("{path}: sample {sample} has label {found}, expected less than {classes}, the number of classes")]
    LabelOutOfRange {
        /// File of the labels.
        path: PathBuf,
        /// Position in the file, from 0.
        sample: usize,
        /// The label.
        found: u32,
        /// Number of class names.
        classes: usize,
    },
    /// More images are unreadable than was allowed.
    #[error(
        "{path}: {bad} of {files} images cannot be used, more than the allowed {allowed_percent} %; the first: {first}"
    )]
    TooManyBad {
        /// The data folder.
        path: PathBuf,
        /// Number of bad images.
        bad: usize,
        /// Number of image files.
        files: usize,
        /// The share that was allowed, in per cent.
        allowed_percent: f64,
        /// The first few, each with its reason.
        first: String,
    },
    /// An image that cannot be decoded.
    #[error("{path}: {reason}")]
    BadImage {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A setting out of its range.
    #[error("{name} is {found}; expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// The range.
        expected: String,
    },
    /// A class name that the data does not have.
    #[error("no class {name:?}{}", .suggestion.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default())]
    UnknownClass {
        /// The name that was given.
        name: String,
        /// The class whose name is nearest, if one is near.
        suggestion: Option<String>,
    },
    /// A split that leaves too few classes on one side.
    #[error("{unseen} of {classes} classes unseen leaves {known} known; expected at least 2 of each")]
    TooFewClasses {
        /// Number of classes.
        classes: usize,
        /// Of which known.
        known: usize,
        /// Of which unseen.
        unseen: usize,
    },
    /// A set that cannot be divided because all of it hangs together.
    #[error(
        "{path}: by {by} it cannot be divided: there is one {by} only, or copies of the same content join all; expected at least 2"
    )]
    Undividable {
        /// The data.
        path: PathBuf,
        /// What it was to be divided by.
        by: &'static str,
    },
    /// A split file of a later version of the format.
    #[error("{path}: a split file of version {found}; this program reads up to {newest}")]
    NewerSplit {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that is known.
        newest: u32,
    },
    /// A split file that was made for other data.
    #[error("{path}: {problem}: {count} of them, the first is {first:?}; was it made for this data?")]
    SplitMisfit {
        /// The split file.
        path: PathBuf,
        /// What does not fit, in words.
        problem: &'static str,
        /// How many samples.
        count: usize,
        /// Name of the first.
        first: String,
    },
    /// A file that could not be written.
    #[error(transparent)]
    Write(#[from] widemargin_durable::Error),
    /// A list of samples that is empty where one is needed.
    #[error("no samples to {purpose}")]
    NoSamples {
        /// What they were expected for, to be read after "no samples to".
        purpose: &'static str,
    },
    /// A sample number beyond the end of the set.
    #[error("sample {sample} does not exist: the set has {count}")]
    NoSuchSample {
        /// The number.
        sample: usize,
        /// Number of samples in the set.
        count: usize,
    },
    /// Two lists that belong together have different lengths, or a buffer does not fit.
    #[error("{what}: found {found}, expected {expected}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// Reading a sample of a batch failed.
    #[error("epoch {epoch}, step {step}, sample {id}")]
    Sample {
        /// The epoch of the batch.
        epoch: u64,
        /// The batch in the epoch.
        step: u64,
        /// Name of the sample.
        id: String,
        /// What went wrong with it.
        source: Box<Error>,
    },
    /// A thread of the loader ended with a panic: a bug in this crate.
    #[error("epoch {epoch}, step {step}: a loader thread panicked; please report this")]
    Panicked {
        /// The epoch of the batch.
        epoch: u64,
        /// The batch in the epoch.
        step: u64,
    },
}

impl Error {
    /// An error of reading `path`.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }

    /// Labels that were given for data which says its classes itself.
    pub(crate) fn labels_beside(labels: &Path) -> Self {
        Self::setting(
            "labels",
            &labels.display(),
            "none: only a table of embeddings has its labels beside it",
        )
    }

    /// A setting out of its range.
    pub(crate) fn setting(name: &'static str, found: &dyn ToString, expected: impl Into<String>) -> Self {
        Self::Setting { name, found: found.to_string(), expected: expected.into() }
    }
}
