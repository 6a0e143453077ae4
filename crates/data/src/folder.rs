//! Image folders: which files are pictures of which class and part.
//!
//! ```text
//! data/cat/1.png          one sub-folder a class: a part of each class is held out as test
//! data/dog/a/2.jpg        files may lie deeper
//!
//! data/train/cat/1.png    or parts first, if there is a folder `train` with sub-folders in it;
//! data/test/cat/7.png     the test part is `test`, or `val` if there is no `test`; without both it is held out
//! ```
//!
//! Everything is sorted by name, so that the order does not depend on the file system.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::{DataError, Part, Result};

/// A picture file that was found, not yet looked into.
#[derive(Debug)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) class: u32,
    pub(crate) part: Part,
}

/// What a folder holds.
#[derive(Debug)]
pub(crate) struct FoundFolder {
    pub(crate) files: Vec<FoundFile>,
    pub(crate) class_names: Vec<String>,
    /// Whether the folder says what is test; else all is training so far.
    pub(crate) has_test: bool,
    /// Files and folders that are no pictures and no classes.
    pub(crate) ignored: usize,
}

/// Lists the pictures of an image folder.
pub(crate) fn find(root: &Path) -> Result<FoundFolder> {
    let (folders, loose) = children(root)?;
    let named =
        |name: &str| folders.iter().find(|path| path.file_name().is_some_and(|found| found == name)).cloned();
    let train = match named("train") {
        Some(train) if !children(&train)?.0.is_empty() => Some(train),
        _ => None,
    };
    let mut ignored = loose.len();
    let parts = match train {
        Some(train) => {
            let test = named("test").or_else(|| named("val"));
            ignored += folders.len() - 1 - usize::from(test.is_some());
            let mut parts = vec![(Part::Train, train)];
            parts.extend(test.map(|test| (Part::Test, test)));
            parts
        }
        None => vec![(Part::Train, root.to_path_buf())],
    };
    let has_test = parts.len() == 2;

    let mut by_class: BTreeMap<String, Vec<(Part, PathBuf)>> = BTreeMap::new();
    for (part, folder) in parts {
        let (classes, loose_here) = children(&folder)?;
        if folder != root {
            ignored += loose_here.len();
        }
        for class in classes {
            let (pictures, others) = pictures_below(&class)?;
            ignored += others;
            if pictures.is_empty() {
                ignored += 1;
                continue;
            }
            let name = class.file_name().unwrap_or_default().to_string_lossy().into_owned();
            by_class.entry(name).or_default().extend(pictures.into_iter().map(|path| (part, path)));
        }
    }
    if by_class.is_empty() {
        let loose = loose.iter().filter(|path| is_picture(path)).count();
        return Err(DataError::EmptyFolder { path: root.to_path_buf(), loose });
    }
    let class_names: Vec<String> = by_class.keys().cloned().collect();
    let mut files: Vec<FoundFile> = by_class
        .into_values()
        .enumerate()
        .flat_map(|(class, files)| {
            files.into_iter().map(move |(part, path)| FoundFile { path, class: class as u32, part })
        })
        .collect();
    // Training samples first; within a part by class and path, as they were found.
    files.sort_by_key(|file| file.part == Part::Test);
    Ok(FoundFolder { files, class_names, has_test, ignored })
}

/// Sub-folders and files of a folder, sorted; hidden folders count as files.
fn children(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let failed = |error| DataError::read(folder, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir() && !is_hidden(path)))
}

/// Picture files at any depth below a folder, sorted, and the number of other files.
fn pictures_below(folder: &Path) -> Result<(Vec<PathBuf>, usize)> {
    let mut pictures = Vec::new();
    let mut others = 0;
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_path_buf();
            DataError::read(&path, error.into())
        })?;
        if entry.file_type().is_dir() {
            continue;
        }
        if is_picture(entry.path()) && !is_hidden(entry.path()) {
            pictures.push(entry.into_path());
        } else {
            others += 1;
        }
    }
    Ok((pictures, others))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Endings of the names of picture files, in small letters.
pub const PICTURE_ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Whether a file's name ends as those of pictures do.
pub fn is_picture(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| PICTURE_ENDINGS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    fn found(files: &[&str]) -> (tempfile::TempDir, Result<FoundFolder>) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            put(folder.path().join(file), b"");
        }
        let found = find(folder.path());
        (folder, found)
    }

    fn described(root: &Path, found: &FoundFolder) -> Vec<String> {
        let described = |file: &FoundFile| {
            let path = file.path.strip_prefix(root).unwrap().display().to_string();
            format!("{:?} {} {path}", file.part, found.class_names[file.class as usize])
        };
        found.files.iter().map(described).collect()
    }

    #[test]
    fn one_folder_a_class_sorted_with_the_rest_counted() {
        let (root, result) = found(&[
            "b/2.PNG",
            "b/deep/1.webp",
            "a/z.jpeg",
            "a/notes.txt",
            "README.md",
            "docs/x.pdf",
            ".git/x.png",
            "a/.x.png",
        ]);
        let result = result.unwrap();
        assert_eq!(
            described(root.path(), &result),
            ["Train a a/z.jpeg", "Train b b/2.PNG", "Train b b/deep/1.webp"]
        );
        assert!(!result.has_test);
        // notes.txt, README.md, x.pdf and its folder, .git, .x.png
        assert_eq!(result.ignored, 6);
    }

    #[test]
    fn parts_first() {
        let (root, result) =
            found(&["train/b/1.png", "train/a/1.png", "test/b/9.png", "test/c/1.png", "other/1.png"]);
        let result = result.unwrap();
        assert_eq!(
            described(root.path(), &result),
            ["Train a train/a/1.png", "Train b train/b/1.png", "Test b test/b/9.png", "Test c test/c/1.png"]
        );
        assert!(result.has_test);
        assert_eq!(result.ignored, 1);
    }

    #[test]
    fn a_class_may_be_called_train() {
        let (root, result) = found(&["train/1.png", "car/1.png"]);
        assert_eq!(
            described(root.path(), &result.unwrap()),
            ["Train car car/1.png", "Train train train/1.png"]
        );
    }

    #[test]
    fn loose_pictures_are_no_data() {
        let (_root, result) = found(&["1.png", "2.jpg", "x.txt", "empty/x.txt"]);
        assert!(matches!(result, Err(DataError::EmptyFolder { loose: 2, .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path().join("a/1.png"), b"");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        assert!(matches!(find(folder.path()), Err(DataError::Read { .. })));
    }
}
