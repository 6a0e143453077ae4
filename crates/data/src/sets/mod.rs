//! Sets of samples that are open and ready to be read: images, vectors, or either.

pub(crate) mod image_set;
pub(crate) mod named;
pub(crate) mod sample_set;
pub(crate) mod vector_set;
