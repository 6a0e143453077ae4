//! Atomic replacement of a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::scratch::{Scratch, folder_of, reject_existing};
use crate::{Error, Result};

/// Most symbolic links from a name to its file, as on Linux.
const MOST_LINKS: usize = 40;

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
    if let Ok(old) = fs::metadata(&target) {
        file.set_permissions(old.permissions()).map_err(|error| scratch.error("write it", error))?;
    }
    fill(&scratch, file, write)?;
    scratch.into_target()
}

/// Writes a file that must not exist yet.
///
/// As [`write_atomic`], but an existing `path` is an error and stays as it is, even if another process creates it at the same moment.
///
/// # Errors
/// [`Error::Exists`], [`Error::DiskFull`], [`Error::BadName`], [`Error::Io`]; no temporary file remains.
pub fn write_new(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_new_with(path, |file| file.write_all(bytes))
}

/// As [`write_new`], with content from a function: `write` gets a buffered file.
///
/// # Errors
/// As [`write_new`]; an error from `write` is reported as a write error.
pub fn write_new_with(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    // Before the work; the rename checks again.
    reject_existing(path)?;
    let (scratch, file) = Scratch::file(path)?;
    fill(&scratch, file, write)?;
    scratch.into_new_target()
}

/// Writes and syncs the content of a scratch file.
fn fill(scratch: &Scratch, file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let failed = |error| scratch.error("write it", error);
    let mut buffered = BufWriter::with_capacity(1 << 16, file);
    write(&mut buffered).map_err(failed)?;
    let file = buffered.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)
}

/// Checks that [`write_atomic`] can write `path`, before long work whose results go there. Changes nothing.
///
/// # Errors
/// As [`write_atomic`].
pub fn check_file(path: impl AsRef<Path>) -> Result<()> {
    Scratch::file(&resolved(path.as_ref())?).map(drop)
}

/// The file to replace, following symbolic links. It must be a regular file or not exist.
fn resolved(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&target) else { break };
        // A link may lead to a file that does not exist yet.
        target = folder_of(&target).join(next);
    }
    if fs::read_link(&target).is_ok() {
        let error = io::Error::other("its symbolic links lead in a circle");
        return Err(Error::io("follow it", path, error));
    }
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
    fn a_new_file_never_replaces_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        write_new(&path, b"first").unwrap();
        assert!(matches!(write_new(&path, b"second"), Err(Error::Exists { path: named }) if named == path));
        let late = folder.path().join("late");
        let error = write_new_with(&late, |file| {
            fs::write(&late, b"of another process")?;
            file.write_all(b"ours")
        });
        assert!(matches!(error, Err(Error::Exists { .. })), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read(&late).unwrap(), b"of another process");
        assert_eq!(names(folder.path()), ["late", "split.csv"]);
    }

    #[test]
    fn of_many_that_create_a_file_at_once_one_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        let made: Vec<u8> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8u8)
                .map(|value| {
                    scope.spawn({
                        let path = &path;
                        move || (value, write_new(path, &[value]).is_ok())
                    })
                })
                .collect();
            let ended = workers.into_iter().map(|worker| worker.join().unwrap());
            ended.filter(|(_, made)| *made).map(|(value, _)| value).collect()
        });
        assert_eq!(fs::read(&path).unwrap(), made, "exactly one, and its content");
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

    #[test]
    fn a_place_is_checked_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        check_file(&path).unwrap();
        write_atomic(&path, b"old").unwrap();
        check_file(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["report.json"]);
        let missing = folder.path().join("none/report.json");
        assert!(matches!(check_file(&missing), Err(Error::Io { path, .. }) if path == missing));
        assert!(matches!(check_file(folder.path()), Err(Error::NotAFile { .. })));
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

        // Relative, over another link, to a file that does not exist yet.
        fs::create_dir(folder.path().join("below")).unwrap();
        let first = folder.path().join("below/first");
        symlink("../second", &first).unwrap();
        symlink("below/later", folder.path().join("second")).unwrap();
        write_atomic(&first, b"made").unwrap();
        assert!(fs::symlink_metadata(&first).unwrap().is_symlink());
        assert_eq!(fs::read(folder.path().join("below/later")).unwrap(), b"made");
        let round = folder.path().join("round");
        symlink("round", &round).unwrap();
        let error = write_atomic(&round, b"x").unwrap_err().to_string();
        assert!(error.contains("round") && fs::symlink_metadata(&round).unwrap().is_symlink(), "{error}");
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
