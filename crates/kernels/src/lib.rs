//! The fast loops all share: matrix products in `f32` and in bytes, exponentials, convolution, batch normalisation, pooling.
//!
//! Everything here works on plain slices of `f32` in row-major order and knows nothing of tensors, gradients'
//! bookkeeping or training. This is the only crate of the workspace in which `unsafe` is allowed; it stays inside
//! [`convolution`]'s register tiles, [`exponential`], [`screening`], [`sieve`], [`vector`], [`pages`] and `simd`, each behind a safe function that has checked the sizes first.
//!
//! Two rules hold for every function:
//! - the instruction set is chosen at run time, never at compile time: AVX-512, AVX2 with FMA, NEON, or portable code, and
//!   for products of bytes VNNI, AMX or `sdot` beside them;
//! - the result does not depend on the number of threads: work is cut by the shape of the input, and partial sums
//!   are added in a fixed order.

pub mod batch_norm;
pub mod convolution;
pub mod exponential;
pub mod matrix;
pub mod pages;
mod plane;
pub mod pooling;
pub mod screening;
pub mod sieve;
mod simd;
pub mod vector;

pub use simd::{InstructionSet, detected};
