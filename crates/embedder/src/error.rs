//! What can go wrong with a model in use.

use std::path::PathBuf;

use widemargin_data::ImageShape;

use crate::Takes;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is no model.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        reason: String,
    },
    /// An image.
    #[error(transparent)]
    Data(#[from] widemargin_data::Error),
    /// The backbone.
    #[error(transparent)]
    Model(#[from] widemargin_model::Error),
    /// The file could not be written.
    #[error(transparent)]
    Durable(#[from] widemargin_durable::Error),
    /// Bytes that are no whole number of images.
    #[error("{found} bytes; expected a whole number of images of {shape}")]
    Pixels {
        /// How many bytes there are.
        found: usize,
        /// What an image has.
        shape: ImageShape,
    },
    /// An embedding without a direction, which no cosine can be taken with.
    #[error("{sample}: its embedding is zero or not finite, so it has no direction to compare")]
    NoDirection {
        /// The image or vector: its file, or its place.
        sample: String,
    },
    /// Numbers that are no whole number of vectors.
    #[error("{found} numbers; expected a whole number of vectors of {dim}")]
    Numbers {
        /// How many numbers there are.
        found: usize,
        /// What a vector has.
        dim: usize,
    },
    /// Samples of another shape than the model was trained on.
    #[error("samples of {found}; the model takes {expected}: open the data in that shape")]
    InputShape {
        /// Shape of the samples.
        found: ImageShape,
        /// Shape that the model takes.
        expected: ImageShape,
    },
    /// A model that takes something else.
    #[error("the model takes {}", match takes {
        Takes::Images => "images, not vectors",
        Takes::Vectors => "vectors (it was trained on a table of embeddings), not images",
    })]
    Takes {
        /// What it takes.
        takes: Takes,
    },
}
