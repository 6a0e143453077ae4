#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(test)]
mod across_cameras;
mod copies;
mod crowding;
mod embeddings;
mod equal_rows;
mod error;
mod near_copies;
mod normalise;
mod progress;
mod rounding;
mod score;
mod similarity;

pub mod clustering;
pub mod extremes;
pub mod files;
pub mod geometry;
pub mod projection;
pub mod retrieval;
pub mod suspects;
pub mod templates;
pub mod verification;

pub use copies::{Copies, Repeated};
pub use crowding::Crowding;
pub use embeddings::Embeddings;
pub use error::{Error, Result};
pub use near_copies::NearCopies;
pub use progress::Progress;
