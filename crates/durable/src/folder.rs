//! A folder of files that belong together (a checkpoint: model, head, optimiser, random state), there as a whole or
//! not at all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use crate::scratch::{Scratch, folder_of, sync_folder};
use crate::{Error, Result};

/// Writes a new folder under a scratch name and gives it its own name when everything in it is on the disk.
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
/// Dropped without [`commit`](Self::commit), it removes what it wrote. Killed, it leaves a scratch that
/// [`remove_stale_scratch`](crate::remove_stale_scratch) finds.
#[derive(Debug)]
pub struct FolderWriter {
    scratch: Scratch,
    /// Folders of [`write_below`](Self::write_below), relative, each with its files: synced on commit.
    below: RefCell<BTreeMap<PathBuf, Vec<OsString>>>,
}

impl FolderWriter {
    /// Starts a folder that will be `target`, creating the folders above it.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is something of that name, [`Error::DiskFull`],
    /// [`Error::BadName`], [`Error::Io`].
    pub fn create(target: impl AsRef<Path>) -> Result<Self> {
        let target = target.as_ref();
        refuse_existing(target)?;
        create_folders(folder_of(target))?;
        Ok(Self { scratch: Scratch::folder(target)?, below: RefCell::default() })
    }

    /// Writes a file of the folder and syncs it.
    ///
    /// `name` is a plain file name, new in this folder.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Exists`] (that name was written before),
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

    /// Writes one of many small files, in folders below this one: `train/cat/1.png`.
    ///
    /// `path` is made of plain names; folders in it are created. The file is synced on [`commit`](Self::commit) with
    /// all others, which is many times faster than one by one.
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

    /// Syncs what [`write_below`](Self::write_below) wrote.
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

    /// Makes the folder appear under its name. After `Ok` it survives a power cut.
    ///
    /// # Errors
    /// [`Error::Exists`] if something took the name meanwhile, [`Error::DiskFull`],
    /// [`Error::Io`]; what was written is then removed.
    pub fn commit(self) -> Result<()> {
        // A rename replaces an empty folder without a word.
        refuse_existing(self.scratch.target())?;
        let synced = self.sync_below().and_then(|()| sync_folder(self.scratch.path()));
        synced.map_err(|error| self.scratch.error("sync it", error))?;
        self.scratch.into_target()
    }
}

fn refuse_existing(target: &Path) -> Result<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(Error::Exists { path: target.to_path_buf() }),
        Err(_) => Ok(()),
    }
}

/// Creates `path` and the folders above it, where they are missing, so that they survive a power cut.
///
/// # Errors
/// [`Error::DiskFull`], [`Error::Io`] (a file is in the way, no permission).
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn appears_whole_on_commit() {
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
    fn dropped_it_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = FolderWriter::create(place.path().join("run")).unwrap();
        folder.write("a", b"1").unwrap();
        assert_eq!(entries(place.path()), 1);
        drop(folder);
        assert_eq!(entries(place.path()), 0);
    }

    #[test]
    fn an_existing_target_is_refused_at_both_ends() {
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
    fn many_files_lie_in_folders_below() {
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
    fn a_file_in_the_way_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), b"").unwrap();
        assert!(matches!(
            FolderWriter::create(place.path().join("file/run")),
            Err(Error::Io { .. } | Error::Exists { .. })
        ));
        assert!(create_folders(place.path().join("file")).is_err());
    }
}
