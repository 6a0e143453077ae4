#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bad_image;
mod batches;
mod catalogue;
mod census;
mod copies;
mod counterparts;
mod decode;
mod digest;
mod error;
mod file_names;
mod glance;
mod hold_out;
mod look_alike;
mod memory;
mod normalise;
mod parallel;
mod part;
mod pixel_facts;
mod place;
mod resize;
mod sets;
mod shape;
mod sources;
mod splits;
#[cfg(test)]
mod testing;
mod words;

pub use bad_image::BadImage;
pub use batches::augment::{Augment, Strength, StrengthRange};
pub use batches::loader::{
    EvaluationBatch, Loader, LoaderSettings, TrainingBatch, TrainingSamples, evaluation_batches,
};
pub use batches::sampler::Sampler;
pub use catalogue::{Catalogue, Labelled};
pub use census::duplicates::{DuplicateGroup, Duplicates};
pub use census::info::{ClassCount, DataInfo, HistogramBin, Spread, Warning, WarningKind};
pub use census::{Census, CensusSample};
pub use decode::preprocessing::{Background, Preprocessing, ResizeMode};
pub use decode::{ContentDigest, ImageProperties, read_image, read_image_with_properties};
pub use error::Error;
pub use file_names::{IMAGE_ENDINGS, is_image};
pub use glance::Glance;
pub use hold_out::{class_share_far_off, share_far_off};
pub use normalise::Normalisation;
pub use part::Part;
pub use pixel_facts::PixelFacts;
pub use sets::image_set::{ImageSet, OpenOptions};
pub use sets::named::{FASHION_MNIST_CLASSES, FASHION_MNIST_FOLDER, NamedSet};
pub use sets::sample_set::SampleSet;
pub use sets::vector_set::{VectorOptions, VectorSet};
pub use shape::ImageShape;
pub use sources::folder::images;
pub use sources::folder_options::{ClassFolder, FolderOptions, PartFolders};
pub use sources::listing::Listing;
pub use sources::skipped::{EmptyFolder, FileCount, SkippedFiles};
pub use sources::source::{Source, SourceKind};
pub use sources::walk::Depth;
pub use splits::divide::{DivideBy, DivideOptions, divide};
pub use splits::division::{Division, UnseenClasses};
pub use splits::groups::pairs_within_groups;
pub use splits::open_set::{OpenSetSplit, require_comparable};
pub use splits::split_file::{SplitFile, SplitPart};
pub use splits::validation::ValidationDraw;
pub use widemargin_tables::appearance;
pub use widemargin_tables::first_names;
pub use words::plural;

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
