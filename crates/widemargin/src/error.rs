//! What can go wrong when a model is evaluated.

/// An error of this crate's own functions. The other crates' errors keep their types, such as [`train::Error`](crate::train::Error).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sample cannot be read or embedded.
    #[error(transparent)]
    Embedder(#[from] widemargin_embedder::Error),
    /// The untrained model cannot be built as configured.
    #[error(transparent)]
    Train(#[from] widemargin_train::Error),
    /// The embeddings cannot be compared.
    #[error(transparent)]
    Eval(#[from] widemargin_eval::Error),
}

/// A result with this crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;
