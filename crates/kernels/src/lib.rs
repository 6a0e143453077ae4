#![doc = include_str!("../README.md")]

pub mod batch_norm;
pub mod convolution;
pub mod elementwise;
mod error;
pub mod exponential;
mod fresh;
pub mod half;
pub mod matrix;
pub mod mixed;
pub mod pages;
mod plane;
pub mod pooling;
mod rows;
pub mod screening;
pub mod sieve;
mod simd;
pub mod vector;

pub use error::Error;
pub use simd::{InstructionSet, detected, try_detected};
