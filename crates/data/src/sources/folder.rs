//! Image folders: the class and part of each image, from the names of its folders.
//!
//! ```text
//! data/cat/1.png          one sub-folder per class; a share of each class is held out
//! data/dog/a/2.jpg        files may be in deeper folders
//!
//! data/train/cat/1.png    or one folder per part, if there is a folder `train` (or `training`) with sub-folders;
//! data/test/cat/7.png     the test part is the first of `test`, `val`, `valid`, `validation`, `dev`; without one, a share is held out
//! ```
//!
//! Upper and lower case do not matter in the names of parts. A second test part is skipped and reported.
//!
//! If class folders are nested, the class is the top folder (`dog`) or, as an option, the path to the file's folder (`dog/a`). The module
//! [`walk`] decides which files are considered.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::file_names::{is_hidden, text_of};
use crate::part::{TEST_WORDS, TRAIN_WORDS, part_named};
use crate::place::ImagePlace;
use crate::sources::listing::{FoundImage, Labels, Listing};
use crate::sources::source::SourceKind;
use crate::sources::walk::{self, Depth, walk};
use crate::{BadImage, Error, Part, Result};

/// Which folder is the class if folders are nested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassFolder {
    /// The first folder below the data folder (or below `train` and `test`): `bird` for `bird/duck/1.png`.
    #[default]
    Top,
    /// The path to the file's folder: `bird/duck` for `bird/duck/1.png`.
    Deepest,
}

/// Lists the images of an image folder. Images outside the class folders have no class.
pub(crate) fn list(root: &Path, class_folder: ClassFolder) -> Result<Listing> {
    let PartFolders { folders, others: mut ignored, mut skipped } = parts(root)?;
    let (mut files, mut labels) = (Vec::new(), Labels::default());
    for (part, folder) in folders {
        let walked = walk(&folder, Depth::Deep)?;
        ignored += walked.others + folders_without_images(&folder, &walked.images)?;
        let reason = "a link back to a folder above it".to_owned();
        skipped.extend(walked.loops.into_iter().map(|path| BadImage { path, reason: reason.clone() }));
        for path in walked.images {
            let inside = path.strip_prefix(&folder).unwrap_or(&path);
            let class = class_of(inside, class_folder).map(|class| labels.number(&class));
            let id = text_of(path.strip_prefix(root).unwrap_or(&path));
            files.push(FoundImage { id, place: ImagePlace::File(path), class, part, group: None });
        }
    }
    let mut listing = Listing::new(root, SourceKind::Folder, files, labels);
    listing.sort_by_class();
    (listing.ignored, listing.skipped) = (ignored, skipped);
    Ok(listing)
}

/// The image files directly in a folder, or at any depth; or `path` itself if it is a file.
///
/// # Errors
/// [`Error::Read`] for a folder that cannot be listed; [`Error::NoImages`] for a folder without images.
pub fn images(path: &Path, depth: Depth) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let found = walk::walk(path, depth)?.images;
    if found.is_empty() { Err(Error::NoImages { path: path.to_path_buf() }) } else { Ok(found) }
}

/// The class of a file from its path inside the part.
fn class_of(inside: &Path, class_folder: ClassFolder) -> Option<String> {
    let folder = inside.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    match class_folder {
        ClassFolder::Deepest => Some(text_of(folder)),
        ClassFolder::Top => folder.components().find_map(|component| match component {
            Component::Normal(name) => Some(text_of(Path::new(name))),
            _ => None,
        }),
    }
}

/// The folders of the parts.
struct PartFolders {
    folders: Vec<(Option<Part>, PathBuf)>,
    /// Number of other files and folders next to them.
    others: usize,
    /// Folders with the name of a part for which another folder is used.
    skipped: Vec<BadImage>,
}

/// The folders of the parts, or the whole folder if it has no folders of parts.
fn parts(root: &Path) -> Result<PartFolders> {
    let whole =
        || Ok(PartFolders { folders: vec![(None, root.to_path_buf())], others: 0, skipped: Vec::new() });
    let (folders, files) = children(root)?;
    let Some(train) = named(&TRAIN_WORDS, &folders) else { return whole() };
    if children(train)?.0.is_empty() {
        return whole();
    }
    let test = named(&TEST_WORDS, &folders);
    let named_as_part = |path: &&PathBuf| part_named(&name(path)).is_some();
    let skipped: Vec<BadImage> = folders
        .iter()
        .filter(named_as_part)
        .filter(|path| *path != train && Some(*path) != test)
        .map(|path| {
            let reason = match (part_named(&name(path)), test) {
                (Some(Part::Test), Some(test)) => format!("`{}` is used as the test part", name(test)),
                _ => format!("`{}` is used as the training part", name(train)),
            };
            BadImage { path: path.clone(), reason }
        })
        .collect();
    let found = match test {
        Some(test) => vec![(Some(Part::Train), train.clone()), (Some(Part::Test), test.clone())],
        // Without a test part, samples are held out later.
        None => vec![(None, train.clone())],
    };
    Ok(PartFolders { others: files + folders.len() - found.len() - skipped.len(), folders: found, skipped })
}

/// The folder of a part: the first in the order of `words`. Of names that differ only in case, the lower-case one.
fn named<'a>(words: &[&str], folders: &'a [PathBuf]) -> Option<&'a PathBuf> {
    words.iter().find_map(|word| {
        let fits = folders.iter().filter(|path| name(path).eq_ignore_ascii_case(word));
        fits.min_by_key(|path| name(path) != *word)
    })
}

/// The name of a folder, as text.
fn name(path: &Path) -> String {
    path.file_name().map(|name| text_of(name.as_ref())).unwrap_or_default()
}

/// The sub-folders of a folder, sorted, and the number of its other entries; hidden folders count as other entries.
fn children(folder: &Path) -> Result<(Vec<PathBuf>, usize)> {
    let failed = |error| Error::read(folder, error);
    let (mut folders, mut files) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && !is_hidden(&path) { folders.push(path) } else { files += 1 }
    }
    folders.sort();
    Ok((folders, files))
}

/// Number of sub-folders without an image at any depth, which are not classes.
fn folders_without_images(folder: &Path, images: &[PathBuf]) -> Result<usize> {
    let first = |path: &Path| {
        let inside = path.strip_prefix(folder).ok()?;
        inside.components().next().map(|name| name.as_os_str().to_owned())
    };
    let with: BTreeSet<_> = images.iter().filter_map(|path| first(path)).collect();
    let all = children(folder)?.0;
    Ok(all.iter().filter(|path| path.file_name().is_some_and(|name| !with.contains(name))).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            put(folder.path().join(file), b"");
        }
        folder
    }

    fn described(found: &Listing) -> Vec<String> {
        let class = |found: &FoundImage, names: &[String]| {
            found.class.map_or("-".to_owned(), |class| names[class as usize].clone())
        };
        let part = |part: Option<Part>| part.map_or("-".to_owned(), |part| format!("{part:?}"));
        let names = found.class_names();
        found
            .found
            .iter()
            .map(|file| format!("{} {} {}", part(file.part), class(file, names), file.id))
            .collect()
    }

    #[test]
    fn one_folder_per_class_and_other_files_counted() {
        let root = folder(&[
            "b/2.PNG",
            "b/deep/1.webp",
            "a/z.jpeg",
            "a/notes.txt",
            "README.md",
            "docs/x.pdf",
            ".git/x.png",
            "a/.x.png",
        ]);
        let result = list(root.path(), ClassFolder::Top).unwrap();
        assert_eq!(described(&result), ["- a a/z.jpeg", "- b b/2.PNG", "- b b/deep/1.webp"]);
        // notes.txt, README.md, x.pdf and its folder, .git, .x.png
        assert_eq!(result.ignored, 6);
        let deepest = list(root.path(), ClassFolder::Deepest).unwrap();
        assert_eq!(described(&deepest), ["- a a/z.jpeg", "- b b/2.PNG", "- b/deep b/deep/1.webp"]);
    }

    #[test]
    fn one_folder_per_part() {
        let root = folder(&["train/b/1.png", "train/a/1.png", "test/b/9.png", "test/c/1.png", "other/1.png"]);
        let result = list(root.path(), ClassFolder::Top).unwrap();
        assert_eq!(
            described(&result),
            ["Train a train/a/1.png", "Train b train/b/1.png", "Test b test/b/9.png", "Test c test/c/1.png"]
        );
        assert_eq!(result.ignored, 1);
        let root = folder(&["train/b/1.png", "train/a/1.png"]);
        let result = list(root.path(), ClassFolder::Top).unwrap();
        assert_eq!(described(&result), ["- a train/a/1.png", "- b train/b/1.png"], "without a test part");
    }

    #[test]
    fn names_of_parts_in_upper_or_lower_case() {
        for (train, test) in [
            ("train", "validation"),
            ("Train", "Test"),
            ("TRAINING", "valid"),
            ("train", "dev"),
            ("Training", "Val"),
        ] {
            let root = folder(&[&format!("{train}/a/1.png"), &format!("{test}/a/2.png")]);
            let result = list(root.path(), ClassFolder::Top).unwrap();
            let expected = [format!("Train a {train}/a/1.png"), format!("Test a {test}/a/2.png")];
            assert_eq!(described(&result), expected);
            assert!(result.skipped.is_empty() && result.ignored == 0);
        }
    }

    #[test]
    fn a_second_test_part_is_skipped_and_reported() {
        let root = folder(&["train/a/1.png", "val/a/2.png", "test/a/3.png", "training/a/4.png"]);
        let result = list(root.path(), ClassFolder::Top).unwrap();
        assert_eq!(described(&result), ["Train a train/a/1.png", "Test a test/a/3.png"]);
        let skipped: Vec<(&str, &str)> = result
            .skipped
            .iter()
            .map(|left| (left.path.file_name().unwrap().to_str().unwrap(), left.reason.as_str()))
            .collect();
        let expected = [
            ("training", "`train` is used as the training part"),
            ("val", "`test` is used as the test part"),
        ];
        assert_eq!(skipped, expected);
    }

    #[test]
    fn a_class_may_be_named_train() {
        let root = folder(&["train/1.png", "car/1.png"]);
        let result = list(root.path(), ClassFolder::Top).unwrap();
        assert_eq!(described(&result), ["- car car/1.png", "- train train/1.png"]);
    }

    #[test]
    fn images_outside_class_folders_have_no_class() {
        let root = folder(&["1.png", "2.jpg", "x.txt", "empty/x.txt"]);
        let result = list(root.path(), ClassFolder::Top).unwrap();
        assert_eq!(described(&result), ["- - 1.png", "- - 2.jpg"]);
        assert_eq!(images(root.path(), Depth::Flat).unwrap().len(), 2);
        let none = images(&root.path().join("empty"), Depth::Deep);
        assert!(matches!(none, Err(Error::NoImages { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_is_skipped_and_reported() {
        let root = folder(&["a/1.png", "b/1.png"]);
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("whole")).unwrap();
        let result = list(root.path(), ClassFolder::Top).unwrap();
        assert_eq!(described(&result), ["- a a/1.png", "- b b/1.png"]);
        assert_eq!(result.skipped.len(), 2);
        assert!(result.skipped[0].path.ends_with("a/loop"));
    }
}
