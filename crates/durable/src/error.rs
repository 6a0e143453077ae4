//! The error type. Errors name the file that the caller asked for, never a temporary file.

use std::io;
use std::path::{Path, PathBuf};

/// An error of reading or writing a file.
///
/// The message names the file. The operating system's reason, if there is one, is the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the user's quota is full. The target is unchanged.
    #[error("{path}: disk full; the file is unchanged")]
    DiskFull {
        /// The file or folder to write.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk became full during an append. Earlier content is still there.
    #[error("{path}: disk full while appending: the last {expected} bytes are not in the file")]
    DiskFullAppending {
        /// The log.
        path: PathBuf,
        /// Length of the append that failed.
        expected: usize,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file would exceed the limit on file sizes of the process or the file system.
    #[error("{path}: too large for the limit on file sizes (see `ulimit -f`); the file is unchanged")]
    TooLarge {
        /// The file or folder to write.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The operating system reported an error.
    #[error("{path}: cannot {operation}")]
    Io {
        /// The operation, as it reads after "cannot": "replace it".
        operation: &'static str,
        /// The file or folder the caller named.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file or folder to create already exists.
    #[error("{path}: already exists; choose another name or remove it")]
    Exists {
        /// The existing file or folder.
        path: PathBuf,
    },
    /// Another process holds a lock.
    #[error("{folder}: another process is writing here; wait for it to end")]
    Locked {
        /// The folder of the lock file.
        folder: PathBuf,
        /// The lock file.
        path: PathBuf,
    },
    /// The target exists and is not a regular file, so a file cannot replace it.
    #[error("{path}: not a regular file; choose another name")]
    NotAFile {
        /// The target.
        path: PathBuf,
    },
    /// A name that is empty, contains a folder, or points outside its folder.
    #[error("{path}: {name:?} is not a plain file name")]
    BadName {
        /// The folder, or the path that was given.
        path: PathBuf,
        /// The rejected name.
        name: String,
    },
    /// The file does not start with the magic of our containers.
    #[error("{path}: not a file of this program (its first bytes are {found:02x?})")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// Its first bytes, at most 8.
        found: Vec<u8>,
    },
    /// A container with another kind of payload.
    #[error("{path}: contains a {found:?}, expected a {expected:?}")]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The kind in the file.
        found: String,
        /// The expected kind.
        expected: String,
    },
    /// A version that only newer releases can read.
    #[error(
        "{path}: {kind} version {found}, but this release reads up to version {newest}; use a newer release"
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The kind of the payload, or "container" for the frame.
        kind: String,
        /// The version in the file.
        found: u32,
        /// The newest version that this release reads.
        newest: u32,
    },
    /// The file is too short.
    #[error("{path}: truncated: found {found} bytes, expected {expected}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The expected length, or the smallest expected length.
        expected: u64,
    },
    /// The file is longer than its header says.
    #[error("{path}: {extra} unexpected bytes after the content")]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Number of extra bytes.
        extra: u64,
    },
    /// A checksum does not match: the file has changed since it was written.
    #[error("{path}: damaged: the checksum of the {part} is {found:08x}, expected {expected:08x}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// "header" or "payload".
        part: &'static str,
        /// The checksum of the content.
        found: u32,
        /// The stored checksum.
        expected: u32,
    },
}

impl Error {
    /// An error of replacing or creating `path`; a full disk has its own variant.
    pub(crate) fn writing(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match kind_of(&source) {
            _ if is_full(&source) => Self::DiskFull { path, source },
            io::ErrorKind::FileTooLarge => Self::TooLarge { path, source },
            _ => Self::Io { operation, path, source },
        }
    }

    /// An error of an operation that cannot fill the disk.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_path_buf(), source }
    }
}

/// Whether the disk or quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(kind_of(error), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The kind of the system's error, also if a writer on top (such as that of `csv`) has wrapped it.
fn kind_of(error: &io::Error) -> io::ErrorKind {
    let mut inner: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(cause) = inner {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return kind_of(error);
        }
        inner = cause.source();
    }
    error.kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised_behind_other_errors() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let path = PathBuf::from("split.csv");
        let wrapped =
            io::Error::other(Error::Io { operation: "write it", path: path.clone(), source: full() });
        for error in [full(), io::Error::other(full()), wrapped] {
            assert!(matches!(Error::writing("write it", &path, error), Error::DiskFull { .. }));
        }
        let large = io::Error::other(io::Error::from(io::ErrorKind::FileTooLarge));
        assert!(matches!(Error::writing("write it", &path, large), Error::TooLarge { .. }));
        let other = io::Error::other("else");
        assert!(matches!(Error::writing("write it", &path, other), Error::Io { .. }));
    }
}
