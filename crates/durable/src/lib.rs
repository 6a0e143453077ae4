#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "this crate provides the durable alternatives")]

mod append;
pub mod container;
mod error;
mod file;
mod folder;
mod scratch;

pub use append::{AppendFile, truncate_to};
pub use container::{open, read_sealed, seal, write_sealed};
pub use error::Error;
pub use file::{write_atomic, write_atomic_with};
pub use folder::{FolderWriter, create_folders};
pub use scratch::remove_stale_scratch;

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
