#![doc = include_str!("../README.md")]

pub mod batch_norm;
pub mod convolution;
mod error;
pub mod exponential;
pub mod matrix;
pub mod mixed;
pub mod pages;
mod plane;
pub mod pooling;
pub mod screening;
pub mod sieve;
mod simd;
pub mod vector;

pub use error::Error;
pub use simd::{InstructionSet, detected, try_detected};
