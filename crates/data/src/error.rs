//! Everything that can be wrong with data: the file or sample, what was found and what was expected.

use std::io;
use std::path::{Path, PathBuf};

use crate::words::plural;

/// An error from reading, splitting, sampling or loading data.
///
/// [`source`](std::error::Error::source) is the operating system's reason, if there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing at the path.
    #[error("{path}: no such file or folder")]
    NotFound {
        /// The path that was given.
        path: PathBuf,
    },
    /// A data set of another package that is not installed.
    #[error(
        "{name}: not installed in {folder}; install Debian's package {package}, or give a folder with its files"
    )]
    NotInstalled {
        /// Name of the set.
        name: &'static str,
        /// Where it would be.
        folder: PathBuf,
        /// The package that installs it.
        package: &'static str,
    },
    /// The names of the cameras cannot be used.
    #[error("{data}: found {found}")]
    BadCameras {
        /// The data.
        data: String,
        /// What was found and expected.
        found: String,
    },
    /// The camera to hold out of training is none of the data's.
    #[error("{data}: no camera is called {found:?}; expected one of {expected}")]
    UnknownCamera {
        /// The data.
        data: String,
        /// The name that was given.
        found: String,
        /// The names of the first cameras.
        expected: String,
    },
    /// Samples of different cameras are to be compared, but the data has no cameras.
    #[error(
        "{path}: has no column `camera`, so samples cannot be compared across cameras; expected a manifest or a table with one"
    )]
    NoCameras {
        /// The data.
        path: PathBuf,
    },
    /// A file that is not in a format for data.
    #[error(
        "{path}: not a folder, nor a data file; expected a folder with a sub-folder per class, a folder of IDX files, a manifest (.csv or \
         .parquet with a column `path`), .tar shards, or a table of embeddings (.npy, .npz, .safetensors, .csv, .parquet, .arrow, .feather)"
    )]
    UnknownFormat {
        /// The path that was given.
        path: PathBuf,
    },
    /// A folder without class folders or IDX files.
    #[error(
        "{path}: no images in sub-folders, {loose} directly in the folder; expected a sub-folder per class with {} files, or IDX files \
         (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, with or without .gz){skipped}",
        crate::decode::metadata::format_names()
    )]
    EmptyFolder {
        /// The folder that was given.
        path: PathBuf,
        /// Images directly in the folder, which have no class.
        loose: usize,
        /// What was skipped, in sentences.
        skipped: String,
    },
    /// A folder with part folders and class folders, which can be understood in two ways.
    #[error(
        "{path}: found part folders ({parts}) next to {} with {} ({others}). Either {parts} are classes like the \
         others: use --parts none. Or they are the parts of the data, and the others do not belong to it: use --parts only, or move the \
         others away. If the others are parts, too, name them train, test or val",
        plural(*folders, "other folder", "other folders"),
        plural(*images, "image", "images")
    )]
    MixedFolders {
        /// The folder that was given.
        path: PathBuf,
        /// The folders that look like parts.
        parts: String,
        /// The others that have images.
        others: String,
        /// Number of the others.
        folders: usize,
        /// Number of images in them.
        images: usize,
    },
    /// Folders that look like parts, but not where or not as the parts of an image folder are named.
    #[error(
        "{path}: {found}. If they are the parts of the data, {advice}. If their names say nothing about parts, use --parts none"
    )]
    UnclearParts {
        /// The folder that was given.
        path: PathBuf,
        /// The folders.
        found: String,
        /// What to do if they are parts.
        advice: String,
    },
    /// A part folder with all images in one folder, next to a part with class folders: its labels are probably in a text file.
    #[error(
        "{path}: found {} of the part `{part}` in the one folder `{part}/{folder}`; expected a folder per class, as in `{other}`, which has \
         {classes} of them. {labels}: move the images into a folder per class, or list all images in a manifest with the columns `path`, \
         `label` and `split`. If `{folder}` is a class, use --parts only",
        plural(*images, "image", "images")
    )]
    PartInOneFolder {
        /// The folder that was given.
        path: PathBuf,
        /// The part folder.
        part: Box<str>,
        /// The only folder in it with images.
        folder: Box<str>,
        /// Number of images in it.
        images: usize,
        /// The part folder with class folders.
        other: Box<str>,
        /// Number of its class folders.
        classes: usize,
        /// Where the labels are, in words.
        labels: Box<str>,
    },
    /// Part folders were asked for, but there are none.
    #[error("{path}: --parts only, but no folder is named train, test, val or another name of a part")]
    NoPartFolders {
        /// The folder that was given.
        path: PathBuf,
    },
    /// A folder without images, where images without classes would be accepted.
    #[error("{path}: no images; expected files that end in {}", crate::file_names::IMAGE_ENDINGS.join(", "))]
    NoImages {
        /// The folder that was given.
        path: PathBuf,
    },
    /// IDX files or a table, where image files are expected.
    #[error(
        "{path}: expected image files: a folder of them, a manifest (.csv or .parquet with a column `path`), .tar shards, or one image"
    )]
    NotImages {
        /// The path that was given.
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
    /// Images without a class, which cannot be trained on.
    #[error(
        "{path}: {count} of {} {} no class, the first is {first}; give {expected}",
        plural(*of, "sample", "samples"),
        if *count == 1 { "has" } else { "have" }
    )]
    NoLabels {
        /// The data.
        path: PathBuf,
        /// Images without a class.
        count: usize,
        /// All images.
        of: usize,
        /// Name of the first.
        first: String,
        /// How such data gives the class.
        expected: &'static str,
    },
    /// Data that marks every sample as held out.
    #[error("{path}: every sample is in the part `test`; put some into `train`")]
    NothingToTrainOn {
        /// The data.
        path: PathBuf,
    },
    /// Some of the four IDX files are there, but not this one.
    #[error("{folder}: {name} is missing, with and without .gz, but other IDX files exist")]
    MissingFile {
        /// The data folder.
        folder: PathBuf,
        /// Name of the missing file.
        name: String,
    },
    /// Metric learning compares classes; with one there is nothing to compare.
    #[error("{path}: only one class ({class}); expected at least 2{advice}")]
    OnlyOneClass {
        /// The data folder.
        path: PathBuf,
        /// The class.
        class: String,
        /// What else the data could mean; begins with a semicolon, or is empty.
        advice: &'static str,
    },
    /// A list of class names with one name twice.
    #[error(
        "{path}: lines {first} and {second} have the same class name {name:?}; give each class its own name"
    )]
    RepeatedClass {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// The first of the two lines, from 1.
        first: usize,
        /// The second.
        second: usize,
    },
    /// A line of a list of class names that moves the others, or is moved.
    #[error("{path}: line {line} is {found:?}: {reason}")]
    ClassLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The name.
        found: String,
        /// Both ways to understand it, and what to do.
        reason: Box<str>,
    },
    /// Data without a usable sample.
    #[error("{path}: no usable sample; the first of {count} bad images, rows or shards is {first}")]
    NothingUsable {
        /// The data.
        path: PathBuf,
        /// How many are bad.
        count: usize,
        /// The first, with the reason.
        first: String,
    },
    /// An evaluation set without two samples of one class, or without two classes.
    #[error(
        "{}the evaluation set has {} of {}; expected at least 2 classes, one of them with at least 2 samples: hold out more samples \
         or other classes (`train`: --hold-out, --unseen-classes; `data split`: --share, or another --by)",
        before(data),
        plural(*samples, "sample", "samples"),
        plural(*classes, "class", "classes")
    )]
    NothingToCompare {
        /// Name of the data; empty if it is not known.
        data: String,
        /// Samples in the evaluation set.
        samples: usize,
        /// Their classes.
        classes: usize,
    },
    /// An error from reading a table.
    #[error(transparent)]
    Table(#[from] widemargin_tables::Error),
    /// A table of texts without a column `path`: probably a list of images whose column has another name.
    #[error(
        "{path}: no column `path`; the columns are {columns}. {hint}. It cannot be read as a table of embeddings: {problem}"
    )]
    NotAManifest {
        /// The file.
        path: PathBuf,
        /// Names of its columns.
        columns: String,
        /// What to do if it lists images.
        hint: String,
        /// Why it is not a table of embeddings.
        problem: Box<widemargin_tables::Problem>,
    },
    /// A file or folder that cannot be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Damaged gzip data.
    #[error("{path}: damaged gzip data")]
    Decompress {
        /// The file.
        path: PathBuf,
        /// The error of the decompressor.
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
    /// A truncated IDX file.
    #[error("{path}: truncated: found {found} bytes (uncompressed), expected {expected}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        found: u64,
        /// Bytes that the header requires.
        expected: u64,
    },
    /// An IDX file with more data than its header states.
    #[error("{path}: more than the {expected} bytes that its header states")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that the header states.
        expected: u64,
    },
    /// An IDX file whose header states more bytes than may be kept in memory.
    #[error("{path}: its header states {found} bytes, more than the memory limit of {limit}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes stated; `u64::MAX` if more than that.
        found: u64,
        /// The limit that was set.
        limit: u64,
    },
    /// An IDX file without images, or with images without pixels.
    #[error(
        "{path}: {count} images of {height} x {width} pixels; expected at least 1 image of at least 1 pixel"
    )]
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
    /// Different numbers of images and labels.
    #[error("{images}: {image_count} images, but {label_count} labels in {labels}; give one label per image")]
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
    /// Test images of another shape than the training images.
    #[error("{path}: images of {found}, expected {expected} like the training images")]
    ShapesDiffer {
        /// File of the test images.
        path: PathBuf,
        /// Their shape.
        found: crate::shape::ImageShape,
        /// Shape of the training images.
        expected: crate::shape::ImageShape,
    },
    /// A label without a class name.
    #[error("{path}: sample {sample} has label {found}; expected less than {classes}, the number of classes")]
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
    /// More bad images than allowed.
    #[error(
        "{path}: {bad} of {} cannot be used, expected at most {allowed_percent} %; remove them, or accept more with --max-bad (`data.max_bad`). The first: {first}",
        plural(*files, "image", "images")
    )]
    TooManyBad {
        /// The data folder.
        path: PathBuf,
        /// Number of bad images.
        bad: usize,
        /// Number of image files.
        files: usize,
        /// The allowed share, in percent.
        allowed_percent: f64,
        /// The first few, each with the reason.
        first: String,
    },
    /// An image that cannot be decoded.
    #[error("{path}: {reason}")]
    BadImage {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A setting out of its range.
    #[error("{name} is {found}; expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// The accepted range.
        expected: String,
    },
    /// A class name that does not occur in the data.
    #[error(
        "unseen classes: the data has no class {name:?}{}",
        .suggestion.as_ref().map_or_else(|| format!("; its classes are {classes}"), |near| meant(name, near))
    )]
    UnknownClass {
        /// The name that was given.
        name: String,
        /// The most similar class name, if one is similar.
        suggestion: Option<String>,
        /// The first names of classes.
        classes: String,
    },
    /// The name of a class that the data has, but without a usable image.
    #[error(
        "unseen classes: the class {name:?} of the data has no usable image; choose another, or repair its images"
    )]
    UnusableClass {
        /// The name that was given.
        name: String,
    },
    /// Data whose groups leave nothing to hold out.
    #[error(
        "{data}: nothing can be held out, because there is only one group, or duplicates connect all of them; remove the groups (column `group`), \
         or mark the parts (column `split`, or a file of `data split` with --split)"
    )]
    OneGroup {
        /// Name of the data.
        data: String,
    },
    /// A split with too few known or unseen classes.
    #[error(
        "{}{known} known and {unseen} unseen of {}; expected at least 2 of each: change the number of unseen classes (--unseen), or use \
         --closed-set to train on all classes",
        before(data),
        plural(*classes, "class", "classes")
    )]
    TooFewClasses {
        /// Name of the data; empty if it is not known.
        data: String,
        /// Number of classes.
        classes: usize,
        /// Known classes.
        known: usize,
        /// Unseen classes.
        unseen: usize,
    },
    /// A set that cannot be split because all its samples must stay together.
    #[error(
        "{path}: cannot be split by {by}: there is only one {by}, or duplicates connect all of them; split by class or sample instead"
    )]
    Undividable {
        /// The data.
        path: PathBuf,
        /// `group` or `file`.
        by: &'static str,
    },
    /// A split file in a newer version of the format.
    #[error("{path}: split file of version {found}; this program reads versions up to {newest}")]
    NewerSplit {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that can be read.
        newest: u32,
    },
    /// The system starts no more threads for loading.
    #[error(
        "loader thread {number} of {of} cannot be started; set fewer with training.loader_threads, or raise the limit on processes or memory \
         (ulimit -u, ulimit -v)"
    )]
    NoThread {
        /// Its number, from 1.
        number: usize,
        /// The number of threads in the settings.
        of: usize,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A split file of this program that was changed after it was written.
    #[error(
        "{path}: damaged or edited: the text does not fit its checksum; use an intact copy, or, if you edited it on purpose, delete line {line}, \
         `{mark}`"
    )]
    ChangedSplit {
        /// The line of the checksum, from 1.
        line: usize,
        /// That line.
        mark: String,
        /// The file.
        path: PathBuf,
    },
    /// A split that names samples by their row numbers, for a table whose rows have other classes than when it was written.
    #[error(
        "{path}: it names samples by their row numbers, and the classes of the rows are not those of the data for which it was written: the \
         rows are in another order, or their labels changed. Use the table as it was, or give it a column `id` and split it again"
    )]
    SplitRows {
        /// The file.
        path: PathBuf,
    },
    /// A split with a column of labels that are not those of the data.
    #[error(
        "{path}: {} another label in this file than in the data: the first is {sample:?} with the label {label:?}, and its class in the data is \
         {class:?}. If samples were renamed or relabelled, split the data again; if the column `label` is something else, rename it",
        plural(*count, "sample has", "samples have")
    )]
    SplitLabels {
        /// The file.
        path: PathBuf,
        /// Number of such samples.
        count: usize,
        /// The first of them.
        sample: Box<str>,
        /// Its label in the file.
        label: Box<str>,
        /// Its class in the data.
        class: Box<str>,
    },
    /// A split whose names mean other samples than when it was written.
    #[error(
        "{path}: {} the content that another sample in another part had when this file was written: the first is {now}, which has the content \
         of {then}. If the samples were reordered or renamed, restore their names or split the data again. If each name has the part that it \
         should have, remove the line `# crc32`",
        plural(*count, "sample has", "samples have")
    )]
    SplitContents {
        /// The file.
        path: PathBuf,
        /// Number of such samples.
        count: usize,
        /// The first of them, with its part.
        now: Box<str>,
        /// The sample that had its content, with its part.
        then: Box<str>,
    },
    /// A split file that was made for other data.
    #[error("{path}: {problem}: {count}, the first is {first:?}; use a split file of this data")]
    SplitMisfit {
        /// The split file.
        path: PathBuf,
        /// What does not match, in words.
        problem: &'static str,
        /// Number of samples.
        count: usize,
        /// Name of the first.
        first: String,
    },
    /// A file that could not be written.
    #[error(transparent)]
    Write(#[from] widemargin_durable::Error),
    /// An empty list of samples.
    #[error("no samples to {purpose}")]
    NoSamples {
        /// What the samples were for; follows "no samples to".
        purpose: &'static str,
    },
    /// A sample index beyond the end of the set.
    #[error("no sample {sample}: the set has {count} samples")]
    NoSuchSample {
        /// The index.
        sample: usize,
        /// Number of samples in the set.
        count: usize,
    },
    /// A list or buffer of the wrong length.
    #[error("{what}: found {found}, expected {expected}")]
    Length {
        /// What it holds.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The expected length.
        expected: usize,
    },
    /// A sample of a batch that cannot be read.
    #[error("epoch {epoch}, step {step}, sample {id}")]
    Sample {
        /// The epoch of the batch.
        epoch: u64,
        /// The batch in the epoch.
        step: u64,
        /// Name of the sample.
        id: String,
        /// Why it cannot be read.
        source: Box<Error>,
    },
    /// A panic in a thread of the loader: a bug in this crate.
    #[error("epoch {epoch}, step {step}: a loader thread panicked; please report this")]
    Panicked {
        /// The epoch of the batch.
        epoch: u64,
        /// The batch in the epoch.
        step: u64,
    },
}

impl Error {
    /// An error from reading `path`.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }

    /// The same error with the name of the data, if it has a place for it.
    #[must_use]
    pub fn of_data(mut self, name: &str) -> Self {
        if let Self::TooFewClasses { data, .. } | Self::NothingToCompare { data, .. } = &mut self {
            name.clone_into(data);
        }
        self
    }

    /// A setting out of its range.
    pub(crate) fn setting(name: &'static str, found: &dyn ToString, expected: impl Into<String>) -> Self {
        Self::Setting { name, found: found.to_string(), expected: expected.into() }
    }
}

/// The name of the data before a message.
fn before(data: &str) -> String {
    if data.is_empty() { String::new() } else { format!("{data}: ") }
}
/// The suggestion of a class instead of `name`.
fn meant(name: &str, near: &str) -> String {
    let advice = if near.contains(',') && !name.contains(',') {
        format!(
            " Names are separated by commas on the command line; to name this class, write `unseen_classes = [{near:?}]` with all names into \
             [data] of a configuration, and use it with --config"
        )
    } else {
        String::new()
    };
    format!("; did you mean {near:?}?{advice}")
}
