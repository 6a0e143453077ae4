//! Finds the files below a folder, by the same rules for every command.
//!
//! - Hidden files and folders (their names begin with a dot) are ignored.
//! - Folders that other programs create, such as `@eaDir`, are skipped and listed.
//! - Links to files and folders are followed. A link back to a folder above it is skipped and listed.
//! - A broken link counts as a file that cannot be read.
//! - Files are sorted by name, byte by byte, so the order does not depend on the file system.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::file_names::{is_hidden, is_image, is_of_program};
use crate::{Error, Result};

/// Whether sub-folders are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only files directly in the folder.
    Flat,
    /// Files at any depth.
    Deep,
}

/// What was found below a folder.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Files with the name of an image, sorted.
    pub(crate) images: Vec<PathBuf>,
    /// Other files, sorted.
    pub(crate) unread: Vec<PathBuf>,
    /// Number of hidden files and folders.
    pub(crate) hidden: usize,
    /// Folders that other programs created.
    pub(crate) of_programs: Vec<PathBuf>,
    /// Links back to a folder above them.
    pub(crate) loops: Vec<PathBuf>,
    /// Sub-folders that were not searched, sorted.
    pub(crate) folders: Vec<PathBuf>,
}

/// Finds the image files of a folder.
///
/// # Errors
/// [`Error::Read`] for a folder that cannot be listed, since it may be a whole class.
pub(crate) fn walk(root: &Path, depth: Depth) -> Result<Walked> {
    let mut walked = Walked::default();
    let most = if depth == Depth::Flat { 1 } else { usize::MAX };
    let walk = WalkDir::new(root).follow_links(true).min_depth(1).max_depth(most).sort_by_file_name();
    let mut entries = walk.into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if is_hidden(entry.path()) => {
                walked.hidden += 1;
                if entry.file_type().is_dir() && depth == Depth::Deep {
                    entries.skip_current_dir();
                }
            }
            Ok(entry) if entry.file_type().is_dir() && is_of_program(entry.path()) => {
                walked.of_programs.push(entry.into_path());
                if depth == Depth::Deep {
                    entries.skip_current_dir();
                }
            }
            Ok(entry) if entry.file_type().is_dir() => {
                if depth == Depth::Flat {
                    walked.folders.push(entry.into_path());
                }
            }
            Ok(entry) => walked.add(DirEntry::into_path(entry)),
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                let link = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
                if error.loop_ancestor().is_some() {
                    walked.loops.push(path);
                } else if link && is_hidden(&path) {
                    walked.hidden += 1;
                } else if link {
                    walked.add(path);
                } else {
                    return Err(Error::read(&path, error.into()));
                }
            }
        }
    }
    Ok(walked)
}

impl Walked {
    fn add(&mut self, path: PathBuf) {
        if is_image(&path) { self.images.push(path) } else { self.unread.push(path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_names::text_of;
    use crate::testing::put;

    fn names(root: &Path, paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| text_of(path.strip_prefix(root).unwrap())).collect()
    }

    #[test]
    fn hidden_files_are_ignored_and_the_others_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in [
            "b/2.PNG",
            "b/1.webp",
            "a.jpeg",
            "notes.txt",
            ".git/x.png",
            "b/.y.png",
            "b/dir.png/z.jpg",
            "b/@eaDir/1/t.jpg",
        ] {
            put(root.join(file), b"");
        }
        let deep = walk(root, Depth::Deep).unwrap();
        assert_eq!(names(root, &deep.images), ["a.jpeg", "b/1.webp", "b/2.PNG", "b/dir.png/z.jpg"]);
        assert_eq!(names(root, &deep.unread), ["notes.txt"]);
        assert_eq!((deep.hidden, deep.loops.len()), (2, 0), ".git, .y.png");
        assert_eq!(names(root, &deep.of_programs), ["b/@eaDir"]);
        let flat = walk(root, Depth::Flat).unwrap();
        assert_eq!(
            (names(root, &flat.images), flat.unread.len(), flat.hidden),
            (vec!["a.jpeg".to_owned()], 1, 1)
        );
        assert!(matches!(walk(&root.join("none"), Depth::Deep), Err(Error::Read { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_except_loops() {
        use std::os::unix::{ffi::OsStrExt, fs::symlink};
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = folder.path();
        put(root.join("a/1.png"), b"");
        put(other.path().join("2.png"), b"");
        put(root.join("a").join(std::ffi::OsStr::from_bytes(b"n\xff.png")), b"");
        symlink(root, root.join("a/loop")).unwrap();
        symlink(root.join("a"), root.join("a/deeper.png")).unwrap();
        symlink(other.path(), root.join("b")).unwrap();
        symlink(root.join("none"), root.join("dangling.png")).unwrap();
        symlink(root.join("none"), root.join("dangling")).unwrap();
        symlink(root.join("itself.png"), root.join("itself.png")).unwrap();
        let found = walk(root, Depth::Deep).unwrap();
        assert_eq!(
            names(root, &found.images),
            ["a/1.png", "a/n\\xff.png", "b/2.png", "dangling.png", "itself.png"]
        );
        assert_eq!(names(root, &found.loops), ["a/deeper.png", "a/loop"]);
        assert_eq!((names(root, &found.unread), found.hidden), (vec!["dangling".to_owned()], 0));
    }
}
