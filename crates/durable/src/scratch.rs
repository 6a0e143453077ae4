//! Names and locks of temporary ("scratch") files and folders.
//!
//! The scratch for `dir/NAME` is `dir/.NAME.partial-PID-N`: hidden, in the same folder (so that the rename stays within
//! one file system), and unique by process and counter. The process number does not show whether a scratch is still in
//! use, because numbers are reused, especially in containers. So the writer holds an advisory lock on it, which the
//! operating system releases when the process ends.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The parent folder of `path`; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Rejects a target that exists.
pub(crate) fn reject_existing(target: &Path) -> Result<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(Error::Exists { path: target.to_path_buf() }),
        Err(_) => Ok(()),
    }
}

/// The last component of a target, or an error for `..`, `/` and the empty path.
fn name_of(target: &Path) -> Result<&OsStr> {
    target
        .file_name()
        .ok_or_else(|| Error::BadName { path: target.to_path_buf(), name: target.display().to_string() })
}

/// A new scratch name in the folder of `target`.
fn scratch_path(target: &Path) -> Result<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(name_of(target)?);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".partial-{}-{number}", std::process::id()));
    Ok(folder_of(target).join(name))
}

/// Whether a file name has the form of [`scratch_path`].
fn is_scratch_name(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let Some((target, numbers)) = name.rsplit_once(".partial-") else {
        return false;
    };
    let Some((process, count)) = numbers.split_once('-') else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    target.len() > 1 && target.starts_with('.') && digits(process) && digits(count)
}

/// A scratch file or folder. It is removed on drop unless it was renamed to its target.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    target: PathBuf,
    /// Holds the lock, if locking worked. None for a folder if the platform cannot open folders. If a scratch cannot be
    /// opened and locked, [`remove_stale_scratch`] cannot do so either and does not remove it.
    handle: Option<File>,
    done: bool,
}

impl Scratch {
    /// Creates an empty scratch file and opens it for writing.
    pub(crate) fn file(target: &Path) -> Result<(Self, File)> {
        let scratch = Self::create(target, |path| File::create_new(path).map(Some))?;
        // Write through a copy of the locked handle: with mandatory locks, another handle could not write.
        match scratch.handle.as_ref().map(File::try_clone) {
            Some(Ok(file)) => Ok((scratch, file)),
            Some(Err(error)) => Err(scratch.error("write it", error)),
            None => Err(scratch.error("write it", io::ErrorKind::Other.into())),
        }
    }

    /// Creates an empty scratch folder.
    pub(crate) fn folder(target: &Path) -> Result<Self> {
        Self::create(target, |path| {
            fs::create_dir(path)?;
            Ok(File::open(path).ok())
        })
    }

    fn create(target: &Path, make: impl Fn(&Path) -> io::Result<Option<File>>) -> Result<Self> {
        loop {
            let path = scratch_path(target)?;
            let handle = match make(&path) {
                Ok(handle) => handle,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => {
                    return Err(Error::writing("create a temporary file next to it", target, error));
                }
            };
            let locked = handle.as_ref().is_some_and(|handle| handle.lock().is_ok());
            // Before it was locked, another process may have removed it as a leftover; then try again.
            if !locked || path.exists() {
                return Ok(Self { path, target: target.to_path_buf(), handle, done: false });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// An error that names the target.
    pub(crate) fn error(&self, operation: &'static str, source: io::Error) -> Error {
        Error::writing(operation, &self.target, source)
    }

    /// Renames it to the target and syncs the folder. The content must already be synced.
    pub(crate) fn into_target(mut self) -> Result<()> {
        fs::rename(&self.path, &self.target).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                Error::Exists { path: self.target.clone() }
            }
            _ => self.error("replace it", error),
        })?;
        self.finish()
    }

    /// As [`into_target`](Self::into_target) for a file, but an existing target is an error and stays, even if it appears at the same moment.
    pub(crate) fn into_new_target(mut self) -> Result<()> {
        rename_new(&self.path, &self.target).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path: self.target.clone() },
            _ => self.error("create it", error),
        })?;
        self.finish()
    }

    /// After the rename: makes the name durable, and removes what killed processes left next to it.
    fn finish(&mut self) -> Result<()> {
        self.done = true;
        let folder = folder_of(&self.target);
        sync_folder(folder).map_err(|error| self.error("sync the folder that holds it", error))?;
        remove_leftovers_once(folder);
        Ok(())
    }
}

/// Renames a file to a name that must be free.
///
/// A second name for the same file is the portable way: unlike a rename, it fails if the name exists. File systems without hard links
/// (FAT, some network shares) get an empty file that claims the name and is then replaced.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => {
            // If the first name stays, it is a leftover of a finished file.
            let _ = fs::remove_file(from);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => claim_and_rename(from, to),
    }
}

/// [`rename_new`] on a file system without hard links.
fn claim_and_rename(from: &Path, to: &Path) -> io::Result<()> {
    drop(File::create_new(to)?);
    fs::rename(from, to).inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

/// Removes the leftovers in `folder`, at the first call for this folder: a folder can be large, and new leftovers need a killed process.
pub(crate) fn remove_leftovers_once(folder: &Path) {
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let first = DONE.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_path_buf());
    if first {
        // The file that was to be written is there; a leftover that cannot be removed harms nobody.
        let _ = remove_stale_scratch(folder);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.done {
            // An error cannot be reported here; remove_stale_scratch removes the rest later.
            let _ = remove(&self.path);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Makes created, renamed and removed names in `folder` durable. Does nothing on platforms that cannot open folders
/// (Windows).
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Removes scratch files and folders of ended processes in `parent` (not in its subfolders) and returns their paths.
///
/// Scratch files in use, by this or another process, are kept. A folder that does not exist has no leftovers. On file
/// systems without locks nothing is removed.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read or a leftover cannot be removed.
pub fn remove_stale_scratch(parent: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let parent = parent.as_ref();
    let failed = |error| Error::io("look for leftovers in it", parent, error);
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let is_link = entry.file_type().map_err(failed)?.is_symlink();
        if is_link || !is_scratch_name(&entry.file_name()) {
            continue;
        }
        let Ok(handle) = File::open(&path) else { continue };
        if handle.try_lock().is_err() {
            continue;
        }
        match remove(&path) {
            Ok(()) => removed.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("remove this leftover", &path, error)),
        }
    }
    removed.sort();
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_names_are_recognised() {
        let made = scratch_path(Path::new("runs/a")).unwrap();
        assert!(is_scratch_name(made.file_name().unwrap()), "{made:?}");
        assert_eq!(made.parent(), Some(Path::new("runs")));
        for name in [
            "a",
            ".a",
            ".a.partial",
            ".a.partial-",
            ".a.partial-1",
            ".a.partial-1-x",
            "..partial-1-",
            "a.partial-1-2",
        ] {
            assert!(!is_scratch_name(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn leftovers_are_removed_and_scratch_in_use_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let dead_folder = folder.path().join(".run.partial-1-0");
        fs::create_dir(&dead_folder).unwrap();
        fs::write(dead_folder.join("weights"), b"half").unwrap();
        let dead_file = folder.path().join(".report.json.partial-1-1");
        fs::write(&dead_file, b"half").unwrap();
        fs::write(folder.path().join("report.json"), b"whole").unwrap();

        let living_folder = Scratch::folder(&folder.path().join("run")).unwrap();
        let (living_file, _) = Scratch::file(&folder.path().join("log")).unwrap();

        let removed = remove_stale_scratch(folder.path()).unwrap();
        assert_eq!(removed, [dead_file, dead_folder]);
        assert!(living_folder.path().exists() && living_file.path().exists());
        assert!(folder.path().join("report.json").exists());
    }

    #[test]
    fn a_name_that_is_taken_is_never_replaced() {
        for rename in [rename_new, claim_and_rename] {
            let folder = tempfile::tempdir().unwrap();
            let (from, to) = (folder.path().join("from"), folder.path().join("to"));
            fs::write(&from, b"new").unwrap();
            fs::write(&to, b"old").unwrap();
            assert_eq!(rename(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(
                (fs::read(&from).unwrap(), fs::read(&to).unwrap()),
                (b"new".to_vec(), b"old".to_vec())
            );
            fs::remove_file(&to).unwrap();
            rename(&from, &to).unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"new");
            assert!(!from.exists());
            assert!(rename(&from, &folder.path().join("none")).is_err());
            assert!(!folder.path().join("none").exists(), "no empty file claims the name");
        }
    }

    #[test]
    fn a_finished_file_removes_the_leftovers_next_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let leftover = folder.path().join(".a.partial-1-0");
        fs::write(&leftover, b"half").unwrap();
        let (in_use, _) = Scratch::file(&folder.path().join("b")).unwrap();
        Scratch::file(&folder.path().join("a")).unwrap().0.into_target().unwrap();
        assert!(!leftover.exists() && in_use.path().exists());
    }

    #[test]
    fn a_missing_folder_has_no_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(remove_stale_scratch(folder.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn a_name_taken_by_a_leftover_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("run");
        // An earlier process with the same number may have used any of the next names.
        let next = COUNTER.load(Ordering::Relaxed);
        for number in next..next + 3 {
            fs::write(folder.path().join(format!(".run.partial-{}-{number}", std::process::id())), b"")
                .unwrap();
        }
        let scratch = Scratch::folder(&target).unwrap();
        assert!(scratch.path().is_dir());
    }
}
