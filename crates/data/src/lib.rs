//! Labelled pictures and vectors in: IDX files, image folders, tables of embeddings, splits, samplers, augmentation, loading.
//!
//! What training and evaluation need from data, in the order of its path:
//!
//! 1. a [`SampleSet`]: a [`PictureSet`] (pictures of one shape as bytes; embedded, IDX or folders) or a [`VectorSet`] (rows of a
//!    table), with a class and a [`Part`] for each;
//! 2. an [`OpenSetSplit`]: which classes are *known* (trained on) and which are *unseen* (judged on);
//! 3. a [`Sampler`]: which samples stand in which batch of an epoch;
//! 4. an [`Augment`]: what is done to a training picture by chance, and a [`Normalisation`] that makes numbers of bytes;
//! 5. a [`Loader`]: threads that do the last three ahead of the model.
//!
//! Everything random follows from a seed, the epoch and the position in it, never from the thread that does the
//! work or from what was drawn before: the same batches come at any number of threads, and a run can go on at any
//! step without a saved generator.
//!
//! ```
//! use widemargin_data::{Augment, Labelled, Loader, LoaderSettings, OpenSetSplit, Part, PictureSet, Sampler, TrainingSamples};
//!
//! let set = PictureSet::embedded().shared();
//! let split = OpenSetSplit::by_seed(set.class_names(), 3, 0)?;
//! let known = split.known_samples(&set, Part::Train);
//! let normalisation = set.mean_and_deviation(&known)?;
//! let sampler = Sampler::ClassBalanced { classes_per_batch: 4, samples_per_class: 8, batches: 2 };
//! let augment = Augment { flip: true, pad_and_crop: 2, erase: 0.0 };
//! let settings = LoaderSettings { augment, ..LoaderSettings::new(sampler, normalisation, 0) };
//! for batch in Loader::new(set.clone(), TrainingSamples::known(&set, &split, &known), settings)? {
//!     assert_eq!(batch?.pixels.len(), 32 * 28 * 28);
//! }
//! # Ok::<(), widemargin_data::DataError>(())
//! ```
//!
//! Pictures are `[channels, height, width]`, one byte a value; batches are `[batch, channels, height, width]`.
#![forbid(unsafe_code)]

mod augment;
mod catalogue;
mod decode;
mod embedded;
mod error;
mod folder;
mod hold_out;
mod idx;
mod loader;
mod normalise;
mod parallel;
mod picture_set;
mod random;
mod resize;
mod sample_set;
mod sampler;
mod shape;
mod split;
#[cfg(test)]
mod testing;
mod vector_set;

pub use augment::Augment;
pub use catalogue::{Catalogue, Labelled};
pub use decode::read_picture;
pub use embedded::{FASHION_MNIST_CLASSES, FASHION_MNIST_FOLDER};
pub use error::DataError;
pub use folder::{PICTURE_ENDINGS, is_picture};
pub use loader::{Batch, EvaluationBatch, Loader, LoaderSettings, TrainingSamples, evaluation_batches};
pub use normalise::Normalisation;
pub use picture_set::{BadPicture, OpenOptions, PictureSet};
pub use sample_set::SampleSet;
pub use sampler::Sampler;
pub use shape::{Part, PictureShape};
pub use split::OpenSetSplit;
pub use vector_set::{VectorOptions, VectorSet};

/// What this crate returns.
pub type Result<T> = std::result::Result<T, DataError>;
