//! A lock that one process at a time holds, so that two programs never write the same files.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::scratch::folder_of;
use crate::{Error, Result};

/// A lock file that this process holds until the value is dropped or the process ends, for whatever reason.
///
/// The lock is the operating system's, on the file; the file itself may remain after a kill and means nothing.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// let path = place.path().join(".lock");
/// let lock = widemargin_durable::Lock::take(&path)?;
/// assert!(widemargin_durable::Lock::take(&path).is_err());
/// drop(lock);
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    /// Why the file is not locked: some file systems have no locks.
    unlocked: Option<std::io::Error>,
}

impl Lock {
    /// Creates the file `path` and locks it, without waiting. Its folder must exist.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process, or another value in this one, holds the lock; [`Error::DiskFull`], [`Error::Io`].
    pub fn take(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        loop {
            let opened = File::options().read(true).append(true).create(true).open(path);
            let file = opened.map_err(|error| Error::writing("create it", path, error))?;
            let unlocked = match file.try_lock() {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked {
                        folder: folder_of(path).to_path_buf(),
                        path: path.to_path_buf(),
                    });
                }
                Err(TryLockError::Error(error)) => Some(error),
            };
            // The previous holder may have removed the file after it was opened here; a lock on it is then useless.
            if unlocked.is_some() || is_still(path, &file) {
                return Ok(Self { path: path.to_path_buf(), file, unlocked });
            }
        }
    }

    /// A warning for the user if the file system has no locks, so that another program is not kept out.
    pub fn warning(&self) -> Option<String> {
        let error = self.unlocked.as_ref()?;
        let path = self.path.display();
        Some(format!(
            "{path}: cannot be locked ({error}); do not run two programs on these files at the same time"
        ))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is locked, so that nobody holds a lock on a removed file. A failure leaves an empty file, which does no harm.
        if is_still(&self.path, &self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn is_still(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(named), Ok(opened)) = (fs::metadata(path), file.metadata()) else { return false };
    (named.dev(), named.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_still(path: &Path, _: &File) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_a_leftover_file_means_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        fs::write(&path, b"").unwrap();
        let held = Lock::take(&path).unwrap();
        assert!(held.warning().is_none());
        let error = Lock::take(&path).unwrap_err();
        assert!(matches!(&error, Error::Locked { path: named, .. } if *named == path), "{error}");
        let said = error.to_string();
        assert!(
            said.starts_with(&folder.path().display().to_string()) && said.contains("another process"),
            "{said}"
        );
        assert!(path.exists(), "the one that was refused leaves it alone");
        drop(held);
        assert!(!path.exists());
        Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(folder.path().join("none/lock")), Err(Error::Io { .. })));
    }

    #[test]
    fn many_threads_hold_it_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let (path, inside) = (folder.path().join(".lock"), std::sync::atomic::AtomicUsize::new(0));
        let work = || {
            let mut taken = 0;
            while taken < 50 {
                let Ok(lock) = Lock::take(&path) else { continue };
                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                assert_eq!(inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst), 1);
                taken += 1;
                drop(lock);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(work);
            }
        });
    }
}
