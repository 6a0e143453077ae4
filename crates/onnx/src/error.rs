//! The error type of this crate.

/// The largest protobuf message that readers accept, in bytes.
pub(crate) const MOST_BYTES: usize = i32::MAX as usize;

/// A result whose error is this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model of vectors has a backbone for images.
    #[error("the model takes vectors and has the backbone {backbone}; expected mlp, linear or identity")]
    Backbone {
        /// Name of the backbone.
        backbone: String,
    },
    /// The file would be larger than readers accept.
    #[error("the ONNX file would have {found} bytes; at most {MOST_BYTES} are possible")]
    TooLarge {
        /// Size of the file in bytes.
        found: usize,
    },
    /// The file could not be written.
    #[error(transparent)]
    Durable(#[from] widemargin_durable::Error),
}
