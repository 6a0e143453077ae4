//! Atomic creation of a folder of files that belong together, such as a checkpoint.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use crate::scratch::{Scratch, folder_of, reject_existing, sync_folder};
use crate::{Error, Result};

/// Writes a new folder under a temporary name and renames it when all its files are on disk.
///
/// ```
/// # let place = tempfile::tempdir()?;
/// # let target = place.path().join("checkpoint-0100");
/// let folder = widemargin_durable::FolderWriter::create(&target)?;
/// folder.write("model.safetensors", b"...")?;
/// folder.write("state.json", b"{}")?;
/// assert!(!target.exists());
/// folder.commit()?;
/// assert!(target.join("state.json").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// If it is dropped without [`commit`](Self::commit), it removes the folder. A killed process leaves a temporary folder
/// that [`remove_stale_scratch`](crate::remove_stale_scratch) removes.
#[derive(Debug)]
pub struct FolderWriter {
    scratch: Scratch,
    /// Relative folders of [`write_below`](Self::write_below) with their files, to sync on commit.
    below: RefCell<BTreeMap<PathBuf, Vec<OsString>>>,
}

impl FolderWriter {
    /// Starts the folder `target` and creates its parents.
    ///
    /// # Errors
    /// [`Error::Exists`] if `target` exists, [`Error::DiskFull`],
    /// [`Error::BadName`], [`Error::Io`].
    pub fn create(target: impl AsRef<Path>) -> Result<Self> {
        let target = target.as_ref();
        reject_existing(target)?;
        create_folders(folder_of(target))?;
        Ok(Self { scratch: Scratch::folder(target)?, below: RefCell::default() })
    }

    /// Writes a file in the folder and syncs it.
    ///
    /// `name` is a plain file name that is not yet in this folder.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Exists`] (the file was already written),
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let target = self.scratch.target();
        let mut components = Path::new(name).components();
        let plain = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
        if !plain || name.ends_with(['/', '\\']) {
            return Err(Error::BadName { path: target.to_path_buf(), name: name.to_owned() });
        }
        let path = target.join(name);
        let failed = |error| Error::writing("write it", &path, error);
        let mut file = match File::create_new(self.scratch.path().join(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists { path });
            }
            other => other.map_err(failed)?,
        };
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Writes one of many small files in subfolders, such as `train/cat/1.png`.
    ///
    /// `path` consists of plain names; missing folders are created. All these files are synced on
    /// [`commit`](Self::commit), which is much faster than one by one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_below(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let target = self.scratch.target();
        let relative = Path::new(path);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        let (Some(folder), Some(name), true) = (relative.parent(), relative.file_name(), plain) else {
            return Err(Error::BadName { path: target.to_path_buf(), name: path.to_owned() });
        };
        if path.ends_with(['/', '\\']) {
            return Err(Error::BadName { path: target.to_path_buf(), name: path.to_owned() });
        }
        let path = target.join(relative);
        let failed = |error| Error::writing("write it", &path, error);
        let mut below = self.below.borrow_mut();
        if !below.contains_key(folder) {
            fs::create_dir_all(self.scratch.path().join(folder)).map_err(failed)?;
            for folder in folder.ancestors() {
                below.entry(folder.to_path_buf()).or_default();
            }
        }
        let mut file = match File::create_new(self.scratch.path().join(relative)) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists { path });
            }
            other => other.map_err(failed)?,
        };
        file.write_all(bytes).map_err(failed)?;
        below.entry(folder.to_path_buf()).or_default().push(name.to_os_string());
        Ok(())
    }

    /// Syncs the files of [`write_below`](Self::write_below).
    fn sync_below(&self) -> std::io::Result<()> {
        for (folder, files) in &*self.below.borrow() {
            let folder = self.scratch.path().join(folder);
            for file in files {
                File::options().write(true).open(folder.join(file))?.sync_all()?;
            }
            sync_folder(&folder)?;
        }
        Ok(())
    }

    /// Renames the folder to its final name. After `Ok` it survives a power loss.
    ///
    /// # Errors
    /// [`Error::Exists`] if the target was created in the meantime, [`Error::DiskFull`],
    /// [`Error::Io`]; the temporary folder is then removed.
    pub fn commit(self) -> Result<()> {
        // A rename silently replaces an empty folder.
        reject_existing(self.scratch.target())?;
        let synced = self.sync_below().and_then(|()| sync_folder(self.scratch.path()));
        synced.map_err(|error| self.scratch.error("sync it", error))?;
        self.scratch.into_target()
    }
}

/// Creates the folder `path` and missing parents, and syncs them.
///
/// # Errors
/// [`Error::DiskFull`], [`Error::Io`] (a file has that name, no permission).
pub fn create_folders(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    if path.is_dir() || path.as_os_str().is_empty() {
        return Ok(());
    }
    let parent = folder_of(path);
    create_folders(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other.map_err(|error| Error::writing("create this folder", path, error))?,
    }
    sync_folder(parent).map_err(|error| Error::writing("sync the folder that holds it", path, error))
}

/// Checks that a folder can be created or replaced at `path`, with the missing folders above it, before long work whose results go there.
/// Changes nothing, and does not check whether `path` exists.
///
/// # Errors
/// [`Error::DiskFull`], [`Error::BadName`], [`Error::Io`] (a file is in the way, no permission).
pub fn check_folder(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let name = path.file_name().unwrap_or_default();
    let above = path.ancestors().skip(1).find(|above| above.as_os_str().is_empty() || above.exists());
    match Scratch::file(&above.unwrap_or(Path::new("")).join(name)) {
        Ok(_) => Ok(()),
        Err(Error::Io { source, .. }) => Err(Error::io("create this folder", path, source)),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn is_complete_on_commit() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("runs/first/checkpoint");
        let folder = FolderWriter::create(&target).unwrap();
        folder.write("a", b"1").unwrap();
        folder.write("b", b"22").unwrap();
        assert!(!target.exists());
        folder.commit().unwrap();
        assert_eq!(fs::read(target.join("a")).unwrap(), b"1");
        assert_eq!(fs::read(target.join("b")).unwrap(), b"22");
        assert_eq!(entries(target.parent().unwrap()), 1);
    }

    #[test]
    fn leaves_nothing_when_dropped() {
        let place = tempfile::tempdir().unwrap();
        let folder = FolderWriter::create(place.path().join("run")).unwrap();
        folder.write("a", b"1").unwrap();
        assert_eq!(entries(place.path()), 1);
        drop(folder);
        assert_eq!(entries(place.path()), 0);
    }

    #[test]
    fn an_existing_target_is_rejected_by_create_and_commit() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("run");
        let folder = FolderWriter::create(&target).unwrap();
        fs::create_dir(&target).unwrap();
        assert!(matches!(FolderWriter::create(&target), Err(Error::Exists { path }) if path == target));
        assert!(matches!(folder.commit(), Err(Error::Exists { path }) if path == target));
        assert_eq!(entries(place.path()), 1);
        assert_eq!(entries(&target), 0);
    }

    #[test]
    fn names_stay_inside_and_are_new() {
        let place = tempfile::tempdir().unwrap();
        let folder = FolderWriter::create(place.path().join("run")).unwrap();
        for name in ["", ".", "..", "../a", "a/b", "/a", "a/"] {
            assert!(matches!(folder.write(name, b""), Err(Error::BadName { .. })), "{name:?}");
        }
        folder.write("a", b"1").unwrap();
        let error = folder.write("a", b"2").unwrap_err();
        assert!(matches!(&error, Error::Exists { path } if path.ends_with("run/a")), "{error}");
    }

    #[test]
    fn writes_many_files_in_subfolders() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("images");
        let folder = FolderWriter::create(&target).unwrap();
        for path in ["", ".", "../a", "a/../b", "/a", "a/", "./a", "a/b/"] {
            assert!(matches!(folder.write_below(path, b""), Err(Error::BadName { .. })), "{path:?}");
        }
        folder.write_below("train/cat/1.png", b"1").unwrap();
        folder.write_below("train/cat/2.png", b"22").unwrap();
        folder.write_below("test/cat/1.png", b"333").unwrap();
        folder.write_below("loose.txt", b"4").unwrap();
        let error = folder.write_below("train/cat/1.png", b"5").unwrap_err();
        assert!(matches!(&error, Error::Exists { path } if path.ends_with("images/train/cat/1.png")));
        folder.commit().unwrap();
        assert_eq!(fs::read(target.join("train/cat/1.png")).unwrap(), b"1");
        assert_eq!(fs::read(target.join("test/cat/1.png")).unwrap(), b"333");
        assert_eq!((entries(&target), entries(&target.join("train/cat"))), (3, 2));
    }

    #[test]
    fn a_place_is_checked_without_a_trace() {
        let place = tempfile::tempdir().unwrap();
        check_folder(place.path().join("run")).unwrap();
        check_folder(place.path().join("runs/of/today")).unwrap();
        fs::create_dir(place.path().join("there")).unwrap();
        check_folder(place.path().join("there")).unwrap();
        assert_eq!(entries(place.path()), 1);
        fs::write(place.path().join("file"), b"").unwrap();
        let inside = place.path().join("file/run");
        assert!(matches!(check_folder(&inside), Err(Error::Io { path, .. }) if path == inside));
    }

    #[test]
    fn a_file_with_the_name_of_a_folder_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), b"").unwrap();
        assert!(matches!(
            FolderWriter::create(place.path().join("file/run")),
            Err(Error::Io { .. } | Error::Exists { .. })
        ));
        assert!(create_folders(place.path().join("file")).is_err());
    }
}
