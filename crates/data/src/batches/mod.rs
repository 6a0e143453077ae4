//! From samples to batches: which samples are in a batch, how images are augmented, and threads that load ahead of the model.

pub(crate) mod augment;
pub(crate) mod loader;
mod reader;
pub(crate) mod sampler;
