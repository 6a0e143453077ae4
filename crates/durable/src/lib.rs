//! Files that survive a crash: the one way this project writes them, and a checksummed container.
//!
//! A program that trains for hours is killed, runs out of disk and loses power. Whatever the moment, a reader must
//! find the old file or the new one, never a half. So every file that matters goes through here:
//!
//! | to write | use | what a crash leaves |
//! |---|---|---|
//! | a file, whole | [`write_atomic`], [`write_atomic_with`] | the old file or the new one |
//! | a folder of files that belong together | [`FolderWriter`] | no folder, or all of it |
//! | a log that grows | [`AppendFile`], [`truncate_to`] | a prefix of what was appended |
//! | a file of our own format | [`write_sealed`], [`read_sealed`] | as a whole file; damage is found on reading |
//!
//! The recipe is: scratch beside the target, write, sync, rename, sync the folder. A scratch holds a lock as long as
//! its process lives, so [`remove_stale_scratch`] can tell what a killed process left behind from what another one
//! is writing at this moment.
//!
//! `clippy.toml` bans the plain ways to write a file in the rest of the workspace.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "this is the crate that the others are sent to")]

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

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;
