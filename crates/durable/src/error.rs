//! What can go wrong with a file, told in terms of the file the caller asked for, never of a scratch file beside it.

use std::io;
use std::path::{Path, PathBuf};

/// An error of reading or writing a file that matters.
///
/// The message names the file; the operating system's own reason, where there is one, is the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk, or the user's quota on it, is full. The target is as it was before the call.
    #[error("{path}: disk full: nothing was replaced")]
    DiskFull {
        /// The file or folder that was to be written.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk filled up while a log grew. What had been appended before is still there.
    #[error("{path}: disk full while appending: the last {expected} bytes are not in the file")]
    DiskFullAppending {
        /// The log.
        path: PathBuf,
        /// Length of the append that failed.
        expected: usize,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The operating system refused an operation.
    #[error("{path}: cannot {operation}")]
    Io {
        /// What was tried, to be read after "cannot", as in "replace it".
        operation: &'static str,
        /// The file or folder the caller named.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A new file or folder was asked for, but something of that name is there.
    #[error("{path}: exists already: choose another name or remove it")]
    Exists {
        /// What is in the way.
        path: PathBuf,
    },
    /// The target exists and is a folder, a device or the like: nothing that a file can replace.
    #[error("{path}: is not an ordinary file, so it is not replaced by one")]
    NotAFile {
        /// The target.
        path: PathBuf,
    },
    /// A name that is empty, has a folder in it, or leads out of its folder.
    #[error("{path}: {name:?} is not a plain file name")]
    BadName {
        /// The folder, or the whole path where a path was given.
        path: PathBuf,
        /// The name that was refused.
        name: String,
    },
    /// The file does not start with the magic of this project's containers.
    #[error("{path}: not a file of this program (its first bytes are {found:02x?})")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// The first bytes of it, at most 8.
        found: Vec<u8>,
    },
    /// A container of this project, but it holds something else.
    #[error("{path}: holds a {found:?}, expected a {expected:?}")]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The kind written in the file.
        found: String,
        /// The kind that was asked for.
        expected: String,
    },
    /// Written by a later release in a version this one does not know.
    #[error("{path}: {kind} of version {found}, this release reads up to {newest}: use a newer release")]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// What has that version: the kind of the content, or "container" for the frame around it.
        kind: String,
        /// The version in the file.
        found: u32,
        /// The newest version that is understood.
        newest: u32,
    },
    /// The file ends early.
    #[error("{path}: truncated: found {found} bytes, expected {expected}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The length it should have (at least).
        expected: u64,
    },
    /// There is more in the file than its header says.
    #[error("{path}: {extra} bytes too many after the end of the content")]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// How many bytes there are too many.
        extra: u64,
    },
    /// A checksum does not match: bits have changed since the file was written.
    #[error("{path}: damaged: checksum of its {part} is {found:08x}, expected {expected:08x}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// "header" or "payload".
        part: &'static str,
        /// The checksum of what is in the file.
        found: u32,
        /// The checksum that was written with it.
        expected: u32,
    },
}

impl Error {
    /// An error of replacing or creating `path`, with a full disk told apart.
    pub(crate) fn writing(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if is_full(&source) { Self::DiskFull { path, source } } else { Self::Io { operation, path, source } }
    }

    /// An error of an operation that does not fill disks.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_path_buf(), source }
    }
}

/// Whether the reason is lack of space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
