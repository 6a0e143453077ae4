//! Append-only logs.
//!
//! After a crash, a log may be longer than at the last checkpoint, and its last line may be incomplete. So record the
//! length at each checkpoint, and call [`truncate_to`] before you append again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::is_full;
use crate::scratch::{folder_of, remove_leftovers_once, rename_new, sync_folder};
use crate::{Error, Result};

/// An append-only file, such as JSON lines or TensorBoard events.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: PathBuf,
    length: u64,
}

impl AppendFile {
    /// Opens a log for appending, or creates it.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match Self::create(path) {
            Err(Error::Exists { .. }) => {}
            other => return other,
        }
        let failed = |error| Error::writing("open it for appending", path, error);
        let file = File::options().append(true).open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { file, path: path.to_path_buf(), length })
    }

    /// Creates an empty log.
    ///
    /// # Errors
    /// [`Error::Exists`] if the file exists, [`Error::DiskFull`], [`Error::Io`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_path_buf() },
            _ => Error::writing("create it", path, error),
        };
        let file = File::options().append(true).create_new(true).open(path).map_err(failed)?;
        sync_folder(folder_of(path)).map_err(failed)?;
        Ok(Self { file, path: path.to_path_buf(), length: 0 })
    }

    /// Appends `bytes`. They survive a crash of the program, and a power loss after [`sync`](Self::sync).
    ///
    /// # Errors
    /// [`Error::DiskFullAppending`], [`Error::Io`]. A partial write is truncated again if possible, so that the next
    /// append does not follow half a line.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                let _ = self.file.set_len(self.length);
                let path = self.path.clone();
                Err(if is_full(&source) {
                    Error::DiskFullAppending { path, expected: bytes.len(), source }
                } else {
                    Error::Io { operation: "append to it", path, source }
                })
            }
        }
    }

    /// Waits until everything appended is on the disk.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| Error::writing("sync it", &self.path, error))
    }

    /// Syncs the finished log and renames it to `path`, replacing an existing file.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]; the log then keeps its old name.
    pub fn finish(self, path: impl AsRef<Path>) -> Result<()> {
        self.sync()?;
        self.renamed(path.as_ref(), |from, to| std::fs::rename(from, to))
    }

    /// As [`finish`](Self::finish), but never replaces an existing file.
    ///
    /// # Errors
    /// [`Error::Exists`], and those of [`finish`](Self::finish); the log then keeps its old name.
    pub fn finish_new(self, path: impl AsRef<Path>) -> Result<()> {
        self.sync()?;
        self.renamed(path.as_ref(), rename_new)
    }

    fn renamed(self, path: &Path, rename: impl FnOnce(&Path, &Path) -> std::io::Result<()>) -> Result<()> {
        let folder = folder_of(path);
        rename(&self.path, path).and_then(|()| sync_folder(folder)).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_path_buf() },
            _ => Error::writing("rename it to its final name", path, error),
        })?;
        remove_leftovers_once(folder);
        Ok(())
    }

    /// Length of the log in bytes. Record it at a checkpoint for [`truncate_to`].
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Truncates a log to its first `length` bytes and syncs it.
///
/// # Errors
/// [`Error::Truncated`] if it is shorter than that (it is then not changed), [`Error::Io`] if it does not exist or
/// cannot be truncated.
pub fn truncate_to(path: impl AsRef<Path>, length: u64) -> Result<()> {
    let path = path.as_ref();
    let failed = |error| Error::io("truncate it", path, error);
    let file = File::options().write(true).open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?.len();
    if found < length {
        return Err(Error::Truncated { path: path.to_path_buf(), found, expected: length });
    }
    file.set_len(length).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn grows_across_openings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = AppendFile::open(&path).unwrap();
        log.append(b"{}\n").unwrap();
        log.sync().unwrap();
        drop(log);
        let mut log = AppendFile::open(&path).unwrap();
        assert_eq!(log.length(), 3);
        log.append(b"[]\n").unwrap();
        assert_eq!(log.length(), 6);
        assert_eq!(fs::read(&path).unwrap(), b"{}\n[]\n");
    }

    #[test]
    fn create_rejects_an_existing_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        AppendFile::create(&path).unwrap().append(b"kept").unwrap();
        assert!(matches!(AppendFile::create(&path), Err(Error::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }

    #[test]
    fn truncates_then_appends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        AppendFile::create(&path).unwrap().append(b"one\ntwo\nthr").unwrap();
        truncate_to(&path, 8).unwrap();
        AppendFile::open(&path).unwrap().append(b"3\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n3\n");
        assert!(matches!(truncate_to(&path, 11), Err(Error::Truncated { found: 10, expected: 11, .. })));
        assert_eq!(fs::read(&path).unwrap().len(), 10);
        assert!(matches!(truncate_to(folder.path().join("none"), 0), Err(Error::Io { .. })));
    }

    #[test]
    fn a_finished_log_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, last) = (folder.path().join("out.partial"), folder.path().join("out"));
        for text in ["one", "two"] {
            let mut log = AppendFile::open(&path).unwrap();
            log.append(text.as_bytes()).unwrap();
            log.finish(&last).unwrap();
            assert!(!path.exists());
            assert_eq!(fs::read(&last).unwrap(), text.as_bytes());
        }
        let log = AppendFile::open(&path).unwrap();
        assert!(matches!(log.finish_new(&last), Err(Error::Exists { .. })));
        assert_eq!((path.exists(), fs::read(&last).unwrap()), (true, b"two".to_vec()));
        let log = AppendFile::open(&path).unwrap();
        assert!(matches!(log.finish(folder.path().join("no/folder")), Err(Error::Io { .. })));
        assert!(path.exists(), "kept if it cannot be renamed");
        let log = AppendFile::open(&path).unwrap();
        log.finish_new(folder.path().join("new")).unwrap();
        assert!(folder.path().join("new").exists() && !path.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_reports_what_is_missing() {
        let mut log = AppendFile::open("/dev/full").unwrap();
        let error = log.append(b"line\n").unwrap_err();
        assert!(matches!(error, Error::DiskFullAppending { expected: 5, .. }), "{error:?}");
        assert!(error.to_string().contains("disk full"), "{error}");
        assert_eq!(log.length(), 0);
    }
}
