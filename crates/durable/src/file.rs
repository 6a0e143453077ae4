//! Atomic replacement of a file.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::scratch::Scratch;
use crate::{Error, Result};

/// Writes a file atomically, replacing an existing one.
///
/// After a crash, `path` is the old file or the new one. After `Ok` it is the new one, even after a power loss. Symbolic
/// links are followed, and a replaced file keeps its permissions. The folder must exist.
///
/// # Errors
/// [`Error::DiskFull`], [`Error::NotAFile`] (a folder or device is in the way),
/// [`Error::BadName`], [`Error::Io`]; in each case the old file is unchanged and no temporary file remains.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomic`], with content from a function: `write` gets a buffered file.
///
/// # Errors
/// As [`write_atomic`]; an error from `write` is reported as a write error.
pub fn write_atomic_with(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let target = resolved(path.as_ref())?;
    let (scratch, file) = Scratch::file(&target)?;
    let failed = |error| scratch.error("write it", error);
    if let Ok(old) = fs::metadata(&target) {
        file.set_permissions(old.permissions()).map_err(failed)?;
    }
    let mut buffered = BufWriter::with_capacity(1 << 16, file);
    write(&mut buffered).map_err(failed)?;
    let file = buffered.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    drop(file);
    scratch.into_target()
}

/// The file to replace, following symbolic links. It must be a regular file or not exist.
fn resolved(path: &Path) -> Result<PathBuf> {
    let target = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
        }
        _ => path.to_path_buf(),
    };
    match fs::metadata(&target) {
        Ok(metadata) if !metadata.is_file() => Err(Error::NotAFile { path: path.to_path_buf() }),
        _ => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_atomic(&path, b"first, longer").unwrap();
        write_atomic(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_full_disk_changes_nothing_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        write_atomic(&path, b"old").unwrap();
        let error = write_atomic_with(&path, |file| {
            file.write_all(b"new, but")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(error.to_string(), format!("{}: disk full; the file is unchanged", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["weights"]);
    }

    #[test]
    fn another_error_names_the_file_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let error = write_atomic_with(&path, |_| Err(io::ErrorKind::PermissionDenied.into())).unwrap_err();
        assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error:?}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/report.json");
        let error = write_atomic(&path, b"x").unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        assert!(!error.to_string().contains("partial"), "{error}");
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(write_atomic(folder.path(), b"x"), Err(Error::NotAFile { .. })));
        assert!(matches!(write_atomic("", b"x"), Err(Error::BadName { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        write_atomic(&real, b"old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn concurrent_readers_see_complete_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write_atomic(&path, &[0; 5000]).unwrap();
        std::thread::scope(|scope| {
            let writer =
                scope.spawn(|| (1..50u8).for_each(|value| write_atomic(&path, &[value; 5000]).unwrap()));
            while !writer.is_finished() {
                let found = fs::read(&path).unwrap();
                assert_eq!(found.len(), 5000);
                assert!(found.iter().all(|byte| *byte == found[0]));
            }
        });
        assert_eq!(fs::read(&path).unwrap(), [49; 5000]);
    }
}
