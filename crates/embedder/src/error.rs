//! The error type of this crate.

use std::path::PathBuf;

use widemargin_data::{ImageShape, Preprocessing};
use widemargin_tables::echo_list;

use crate::Takes;

/// A result whose error is this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model could not be loaded or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a model.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        reason: String,
    },
    /// A table whose columns are not those that the model was trained on.
    #[error(transparent)]
    Table(#[from] widemargin_tables::Error),
    /// Vectors whose columns are not those that the model was trained on, in this order.
    #[error(
        "the columns of the vectors are {}; expected those that the model was trained on, in their order: {}",
        echo_list(found),
        echo_list(expected)
    )]
    Columns {
        /// Names of the columns.
        found: Vec<String>,
        /// Names of the model's columns.
        expected: Vec<String>,
    },
    /// An image could not be read, or the normalisation does not fit it.
    #[error(transparent)]
    Data(#[from] widemargin_data::Error),
    /// The backbone could not be built from the weights.
    #[error(transparent)]
    Model(#[from] widemargin_model::Error),
    /// The file could not be written.
    #[error(transparent)]
    Durable(#[from] widemargin_durable::Error),
    /// The bytes are not a whole number of images.
    #[error("{found} bytes; expected a whole number of images of {shape}")]
    Pixels {
        /// Number of bytes.
        found: usize,
        /// Shape of one image.
        shape: ImageShape,
    },
    /// The embedding has no direction, so it has no cosine with others.
    #[error("{sample}: the embedding is zero (shorter than 1e-12) or not finite, so it has no direction")]
    NoDirection {
        /// The image or vector: its file or its position.
        sample: String,
    },
    /// A vector that is all zeros, which stands for a missing value and cannot be trained on either.
    #[error("row {row} is all zeros; expected a vector with a direction, as in training")]
    ZeroVector {
        /// Its position, from 0.
        row: usize,
    },
    /// The values are not a whole number of vectors.
    #[error("{found} values; expected a whole number of vectors of dimension {dim}")]
    Vectors {
        /// Number of values.
        found: usize,
        /// Dimension of one vector.
        dim: usize,
    },
    /// Samples of a different shape than the model was trained on.
    #[error("samples of {found}; the model takes {expected}: open the data in that shape")]
    InputShape {
        /// Shape of the samples.
        found: ImageShape,
        /// Shape that the model takes.
        expected: ImageShape,
    },
    /// Image files that were read in another way than in training.
    #[error("image files read with {found}; the model was trained with {expected}: open the data like that")]
    Preprocessing {
        /// How they were read.
        found: Preprocessing,
        /// How the training images were read.
        expected: Preprocessing,
    },
    /// Flip averaging of a model that takes no images.
    #[error(
        "flip averaging is for images; the model takes vectors (it was trained on a table of embeddings)"
    )]
    FlipOfVectors,
    /// The model takes another kind of input.
    #[error("the model takes {}", match takes {
        Takes::Images => "images, not vectors",
        Takes::Vectors => "vectors (it was trained on a table of embeddings), not images",
    })]
    Takes {
        /// The kind of input it takes.
        takes: Takes,
    },
}
