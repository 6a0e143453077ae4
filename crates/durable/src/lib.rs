#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "this crate provides the durable alternatives")]

mod append;
pub mod container;
mod error;
mod file;
mod folder;
mod lock;
mod read;
mod scratch;
mod text;

pub use append::{AppendFile, truncate_to};
pub use container::{open, read_sealed, seal, write_sealed};
pub use error::Error;
pub use file::{check_file, write_atomic, write_atomic_with, write_new, write_new_with};
pub use folder::{FolderWriter, check_folder, create_folders};
pub use lock::Lock;
pub use read::{MOST_TEXT, open_file, read_file, read_text, text};
pub use scratch::remove_stale_scratch;
pub use text::{TextState, UNKNOWN_CHECKSUM, seal_text, text_state};

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
