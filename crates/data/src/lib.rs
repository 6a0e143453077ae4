//! Labelled images and vectors in: IDX files, image folders, manifests, tar shards, tables of embeddings; what is in them and wrong
//! with them; splits, samplers, augmentation, loading.
//!
//! What training and evaluation need from data, in the order of its path:
//!
//! 1. a [`SampleSet`], from whatever a path names ([`open_samples`]): a [`ImageSet`] (images of one shape as bytes) or a
//!    [`VectorSet`] (rows of a table), with a class and a [`Part`] for each;
//! 2. an [`OpenSetSplit`]: which classes are *known* (trained on) and which are *unseen* (judged on);
//! 3. a [`Sampler`]: which samples stand in which batch of an epoch;
//! 4. an [`Augment`]: what is done to a training image by chance, and a [`Normalisation`] that makes numbers of bytes;
//! 5. a [`Loader`]: threads that do the last three ahead of the model.
//!
//! Before that, a [`Census`] looks at every sample once: [`Duplicates`] and [`divide`] work on it, and [`SplitFile`] keeps what came of it.
//!
//! Everything random follows from a seed, the epoch and the position in it, never from the thread that does the
//! work or from what was drawn before: the same batches come at any number of threads, and a run can go on at any
//! step without a saved generator.
//!
//! ```
//! use widemargin_data::{Augment, Labelled, Loader, LoaderSettings, OpenSetSplit, Part, ImageSet, Sampler, TrainingSamples};
//!
//! let set = ImageSet::embedded().shared();
//! let split = OpenSetSplit::by_seed(set.class_names(), 3, 0)?;
//! let known = split.known_samples(&set, Part::Train);
//! let normalisation = set.mean_and_deviation(&known)?;
//! let sampler = Sampler::ClassBalanced { classes_per_batch: 4, samples_per_class: 8, batches: 2 };
//! let augment = Augment { flip: true, pad_and_crop: 2, erase: 0.0 };
//! let settings = LoaderSettings { augment, ..LoaderSettings::new(sampler, normalisation, 0) };
//! for batch in Loader::new(set.clone(), TrainingSamples::known(&set, &split, &known), settings)? {
//!     assert_eq!(batch?.pixels.len(), 32 * 28 * 28);
//! }
//! # Ok::<(), widemargin_data::Error>(())
//! ```
//!
//! Images are `[channels, height, width]`, one byte a value; batches are `[batch, channels, height, width]`.
#![forbid(unsafe_code)]

mod augment;
mod catalogue;
mod census;
mod decode;
mod divide;
mod duplicates;
mod embedded;
mod error;
mod folder;
mod hold_out;
mod idx;
mod image_set;
mod listing;
mod loader;
mod manifest;
mod normalise;
mod parallel;
mod resize;
mod sample_set;
mod sampler;
mod shape;
mod shards;
mod source;
mod split;
mod split_file;
#[cfg(test)]
mod testing;
mod vector_set;
mod walk;

pub use augment::Augment;
pub use catalogue::{Catalogue, Labelled};
pub use census::{Census, Counted};
pub use decode::{Content, Look, read_image};
pub use divide::{DivideBy, DivideOptions, divide};
pub use duplicates::{DuplicateGroup, Duplicates};
pub use embedded::{FASHION_MNIST_CLASSES, FASHION_MNIST_FOLDER};
pub use error::Error;
pub use folder::{ClassFolder, IMAGE_ENDINGS, images, is_image};
pub use image_set::{BadImage, ImageSet, OpenOptions};
pub use listing::{Listing, ListingKind};
pub use loader::{Batch, EvaluationBatch, Loader, LoaderSettings, TrainingSamples, evaluation_batches};
pub use normalise::Normalisation;
pub use sample_set::SampleSet;
pub use sampler::Sampler;
pub use shape::{ImageShape, Part};
pub use source::{Source, open_samples, recognise};
pub use split::{OpenSetSplit, require_comparable};
pub use split_file::{SplitFile, SplitPart};
pub use vector_set::{VectorOptions, VectorSet};
pub use walk::Depth;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;
