//! The operations that a convolutional backbone spends its time in.
//!
//! Each function takes and gives Burn tensors. On the CPU it runs this project's kernels, with a hand-written gradient where
//! the tensors are tracked; on other devices it composes Burn's own operations. Tests hold the two against each other.

mod convolution;
mod custom;
mod normalisation;
mod pooling;

pub use convolution::convolution;
pub use normalisation::{NormalisationParameters, batch_statistics, normalise};
pub use pooling::max_pool;

#[cfg(test)]
mod tests;
