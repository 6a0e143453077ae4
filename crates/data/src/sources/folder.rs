//! Image folders: the class and part of each image, from the names of its folders.
//!
//! ```text
//! data/cat/1.png          one sub-folder per class; a share of each class is held out
//! data/dog/a/2.jpg        files may be in deeper folders
//!
//! data/train/cat/1.png    or one folder per part, with a sub-folder per class; without a test part, a share is held out
//! data/test/cat/7.png     the test part
//! data/val/cat/8.png      `val`, `valid`, `validation`, `dev`: the validation part, or without `test` the test part
//! ```
//!
//! Upper and lower case do not matter in the names of parts. A folder is a part if it has the name of one and sub-folders. Next to class
//! folders, a folder with the name of a part could be a part or a class, so this is an error unless [`PartFolders`] says which.
//!
//! If class folders are nested, the class is the top folder (`dog`) or, as an option, the path to the file's folder (`dog/a`). The module
//! [`walk`] decides which files are considered.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::file_names::{is_hidden, is_of_program, text_of};
use crate::part::{has_both, part_hinted, part_in_name, part_meant, part_named};
use crate::place::ImagePlace;
use crate::sources::class_folders::{ClassFolders, as_deepest, quoted};
use crate::sources::folder_options::{ClassFolder, FolderOptions, PartFolders};
use crate::sources::listing::{FoundImage, Labels, Listing};
use crate::sources::skipped::{EmptyFolder, SkippedFiles};
use crate::sources::source::SourceKind;
use crate::sources::walk::{self, Depth, walk};
use crate::words::plural;
use crate::{BadImage, Error, Part, Result};

/// Names of folders that have the images of a part whose labels are in a text file, as in Tiny-ImageNet.
const FOLDERS_OF_IMAGES: [&str; 5] = ["images", "image", "imgs", "img", "jpegimages"];
/// Extensions of files that can have those labels.
const FILES_OF_LABELS: [&str; 5] = ["txt", "csv", "tsv", "json", "xml"];

/// Lists the images of an image folder. Images outside the class folders have no class.
pub(crate) fn list(root: &Path, options: FolderOptions) -> Result<Listing> {
    let walked = walk(root, Depth::Deep)?;
    let inside = |path: &'_ Path| path.strip_prefix(root).unwrap_or(path).to_path_buf();
    let parts = part_folders(root, &walked.images, options.parts)?;
    if options.parts == PartFolders::Auto {
        require_clear_parts(root, &walked.images, parts.as_ref())?;
    }
    // The folders that have the class folders, with their paths below the root.
    let above: Vec<PathBuf> = match &parts {
        None => vec![PathBuf::new()],
        Some(parts) => parts.keys().map(PathBuf::from).collect(),
    };
    let only_train = parts.as_ref().is_some_and(|parts| parts.values().all(|part| *part == Part::Train));
    // The part of a file, if it is in one, and the folder that has the class folders.
    let place = |below: &Path| match &parts {
        None => Some((None, Path::new(""))),
        // Without a test part, samples are held out later.
        Some(parts) => {
            let (name, part) = parts.get_key_value(top(below)?)?;
            Some((Some(*part).filter(|_| !only_train), Path::new(name)))
        }
    };
    let class_folder = |below: &Path| {
        let (_, folder) = place(below)?;
        Some(folder.join(top(below.strip_prefix(folder).ok()?)?))
    };
    let (mut files, mut labels, mut skipped) = (Vec::new(), Labels::default(), SkippedFiles::default());
    let mut in_classes = ClassFolders::default();
    let (mut with_images, mut unread) = (BTreeSet::new(), BTreeMap::<PathBuf, usize>::new());
    for path in walked.images {
        let below = inside(&path);
        let Some((part, folder)) = place(&below) else {
            skipped.outside.add(&text_of(&below));
            continue;
        };
        with_images.extend(class_folder(&below));
        let in_part = below.strip_prefix(folder).unwrap_or(&below);
        in_classes.add(in_part);
        let class = class_of(in_part, options.class_folder).map(|class| labels.number(&class));
        let id = text_of(&below);
        files.push(FoundImage { id, place: ImagePlace::File(path), class, part, group: None });
    }
    walked.of_programs.iter().for_each(|folder| skipped.add_of_program(&inside(folder)));
    for path in &walked.unread {
        let below = inside(path);
        skipped.add_file(&below);
        if let Some(folder) = class_folder(&below) {
            *unread.entry(folder).or_default() += 1;
        }
    }
    if options.parts == PartFolders::Auto && parts.is_some() {
        let unread: Vec<PathBuf> = walked.unread.iter().map(|path| inside(path)).collect();
        require_class_folders(root, &with_images, &files, &unread)?;
    }
    for folder in &above {
        for class in children(&root.join(folder))?.into_iter().map(|path| inside(&path)) {
            if !with_images.contains(&class) {
                let files = unread.get(&class).copied().unwrap_or(0);
                skipped.empty_folders.push(EmptyFolder { folder: text_of(&class), files });
            }
        }
    }
    let ignored = walked.hidden
        + walked.of_programs.len()
        + walked.unread.len()
        + skipped.empty_folders.len()
        + skipped.outside.count;
    let mut listing = Listing::new(root, SourceKind::Folder, files, labels);
    listing.notes = match options.class_folder {
        ClassFolder::Top => in_classes.as_top().into_iter().collect(),
        ClassFolder::Deepest => as_deepest(listing.class_names()),
    };
    listing.sort_by_class();
    let reason = "a link back to a folder above it".to_owned();
    listing.skipped =
        walked.loops.into_iter().map(|path| BadImage { path, reason: reason.clone() }).collect();
    (listing.ignored, listing.skipped_files) = (ignored, skipped);
    Ok(listing)
}

/// The image files directly in a folder, or at any depth; or `path` itself if it is a file. Also sentences on what was skipped.
///
/// # Errors
/// [`Error::Read`] for a folder that cannot be listed; [`Error::NoImages`] for a folder without images.
pub fn images(path: &Path, depth: Depth) -> Result<(Vec<PathBuf>, Vec<String>)> {
    if !path.is_dir() {
        return Ok((vec![path.to_path_buf()], Vec::new()));
    }
    let found = walk::walk(path, depth)?;
    if found.images.is_empty() {
        return Err(Error::NoImages { path: path.to_path_buf() });
    }
    let mut skipped = SkippedFiles::default();
    found.unread.iter().for_each(|file| skipped.add_file(file));
    found.of_programs.iter().for_each(|folder| skipped.add_of_program(folder));
    let mut sentences = skipped.sentences();
    if let Some(first) = found.folders.first() {
        let folders = plural(found.folders.len(), "sub-folder", "sub-folders");
        sentences.push(format!("Skipped {folders} of {}; the first is {}.", text_of(path), text_of(first)));
    }
    if let Some(first) = found.loops.first() {
        let links = plural(found.loops.len(), "link", "links");
        sentences.push(format!("Skipped {links} to a folder above; the first is {}.", text_of(first)));
    }
    Ok((found.images, sentences))
}

/// The class of a file from its path inside the part.
fn class_of(inside: &Path, class_folder: ClassFolder) -> Option<String> {
    match class_folder {
        ClassFolder::Deepest => inside.parent().filter(|folder| !folder.as_os_str().is_empty()).map(text_of),
        ClassFolder::Top => top(inside).map(|name| text_of(name.as_ref())),
    }
}

/// The first folder of a file's path; `None` for a file without a folder.
fn top(inside: &Path) -> Option<&OsStr> {
    let mut components = inside.components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(name)), Some(_)) => Some(name),
        _ => None,
    }
}

/// The folders that are parts, by name; `None` if all folders are classes.
fn part_folders(
    root: &Path,
    images: &[PathBuf],
    choice: PartFolders,
) -> Result<Option<BTreeMap<std::ffi::OsString, Part>>> {
    if choice == PartFolders::None {
        return Ok(None);
    }
    let (mut parts, mut others) = (BTreeMap::new(), BTreeSet::new());
    for folder in children(root)? {
        let Some(name) = folder.file_name() else { continue };
        match part_named(&text_of(name.as_ref())) {
            Some(part) if choice == PartFolders::Only || !children(&folder)?.is_empty() => {
                parts.insert(name.to_owned(), part);
            }
            _ => drop(others.insert(name.to_owned())),
        }
    }
    if choice == PartFolders::Only {
        return if parts.is_empty() {
            Err(Error::NoPartFolders { path: root.to_path_buf() })
        } else {
            Ok(Some(parts))
        };
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let mut counts = BTreeMap::<&OsStr, usize>::new();
    for image in images {
        let name = image.strip_prefix(root).ok().and_then(top);
        if let Some(name) = name.filter(|name| others.contains(*name)) {
            // A folder with the name of a part and without sub-folders has images without a class, as some data sets have them.
            if part_named(&text_of(name.as_ref())).is_none() {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    if counts.is_empty() {
        for name in others {
            if let Some(part) = part_named(&text_of(name.as_ref())) {
                parts.insert(name, part);
            }
        }
        return Ok(Some(parts));
    }
    let texts = |names: &mut dyn Iterator<Item = &OsStr>| -> Vec<String> {
        names.map(|name| text_of(name.as_ref())).collect()
    };
    Err(Error::MixedFolders {
        path: root.to_path_buf(),
        parts: quoted(&texts(&mut parts.keys().map(std::ffi::OsString::as_os_str))),
        others: quoted(&texts(&mut counts.keys().copied())),
        folders: counts.len(),
        images: counts.values().sum(),
    })
}

/// Rejects folders that look like parts but would be read as classes or not at all: folders with the name of a part below the class folders;
/// and top folders with names such as `train2017` or `query`, or `test` with images directly in it, alone or next to other folders.
fn require_clear_parts(
    root: &Path,
    images: &[PathBuf],
    parts: Option<&BTreeMap<std::ffi::OsString, Part>>,
) -> Result<()> {
    // The class folders are below the part folders.
    let class_level = usize::from(parts.is_some());
    let (mut deep, mut images_in_deep) = (BTreeSet::new(), 0);
    let (mut tops, mut nested) = (BTreeSet::new(), BTreeSet::new());
    for image in images {
        let below = image.strip_prefix(root).unwrap_or(image);
        let folders: Vec<&OsStr> = below.parent().map(|folder| folder.iter().collect()).unwrap_or_default();
        tops.extend(folders.first().copied());
        nested.extend(folders.first().copied().filter(|_| folders.len() > 1));
        // As at the top, a class folder can be named like a part, unless it has folders.
        let is_part = |level: usize| {
            let could_be_class = level == class_level && (parts.is_none() || level + 1 == folders.len());
            level >= class_level && !could_be_class && part_named(&text_of(folders[level].as_ref())).is_some()
        };
        if let Some(level) = (0..folders.len()).find(|level| is_part(*level)) {
            images_in_deep += 1;
            deep.insert(folders[..=level].iter().collect::<PathBuf>());
        }
    }
    let unclear = |folders: Vec<String>, what: &str, advice: String| {
        let found =
            format!("found {} {what} ({})", plural(folders.len(), "folder", "folders"), quoted(&folders));
        Err(Error::UnclearParts { path: root.to_path_buf(), found, advice })
    };
    if !deep.is_empty() {
        let what = format!(
            "named like parts below the first level, with {}",
            plural(images_in_deep, "image", "images")
        );
        let advice = match (parts, tops.first()) {
            (None, Some(top)) if tops.len() == 1 => {
                format!("give the folder that has them: {}", root.join(top).display())
            }
            _ => format!(
                "put them directly into {} with the class folders in them, or list the images in a manifest with a column `split`",
                root.display()
            ),
        };
        return unclear(deep.iter().map(|folder| text_of(folder)).collect(), &what, advice);
    }
    if parts.is_some() {
        return Ok(());
    }
    let text = |name: &&OsStr| text_of((*name).as_ref());
    let like_parts: Vec<&OsStr> =
        tops.iter().copied().filter(|name| part_in_name(&text(name)).is_some()).collect();
    let meant = like_parts.iter().any(|name| part_meant(&text(name)).is_some());
    // One class can be called `gallery`, but not `gallery` and another `query`.
    let hinted = like_parts.iter().filter(|name| part_hinted(&text(name)).is_some()).count();
    let others = tops.len() - like_parts.len();
    let alone = others == 0 && !like_parts.is_empty();
    let both = has_both(like_parts.iter().map(|name| part_in_name(&text(name))));
    if !(alone || both || (meant || hinted > 1) && others > 0) {
        return Ok(());
    }
    let (what, classes) = if !alone {
        let others = plural(others, "other folder", "other folders");
        (
            format!("with names like those of parts, next to {others}"),
            ", give each a sub-folder per class, and move other folders away",
        )
    } else if like_parts.iter().any(|name| nested.contains(name)) {
        (
            "with names like those of parts, and no other folders".to_owned(),
            ", with the class folders in them",
        )
    } else {
        (
            "with names like those of parts, and no class folders in them".to_owned(),
            " and give each a sub-folder per class",
        )
    };
    let advice = format!(
        "rename them to train and test{classes}, or list the images in a manifest with columns `path`, `label` and `split`"
    );
    unclear(like_parts.iter().map(text).collect(), &what, advice)
}

/// Rejects a part whose only class folder is called `images` or the like, if another part has several class folders: the labels of its images
/// are somewhere else. `folders` are the class folders of all parts, and `unread` the files that are no images.
fn require_class_folders(
    root: &Path,
    folders: &BTreeSet<PathBuf>,
    files: &[FoundImage],
    unread: &[PathBuf],
) -> Result<()> {
    let mut parts = BTreeMap::<&Path, Vec<&Path>>::new();
    for folder in folders {
        parts.entry(folder.parent().unwrap_or(Path::new(""))).or_default().push(folder);
    }
    let most = parts.iter().max_by_key(|(_, classes)| classes.len());
    let is_of_images = |folder: &Path| {
        let name = folder.file_name().map(|name| text_of(name.as_ref()).to_lowercase());
        name.is_some_and(|name| FOLDERS_OF_IMAGES.contains(&name.as_str()))
    };
    let has_classes =
        |classes: &[&Path]| classes.len() > 1 && !classes.iter().any(|folder| is_of_images(folder));
    let Some((other, classes)) = most.filter(|(_, classes)| has_classes(classes)) else { return Ok(()) };
    let labels_of = |part: &Path| {
        let could_be = |file: &&PathBuf| {
            let ending = file.extension().map(|ending| text_of(ending.as_ref()).to_lowercase());
            file.parent() == Some(part)
                && ending.is_some_and(|ending| FILES_OF_LABELS.contains(&ending.as_str()))
        };
        unread.iter().find(could_be)
    };
    let alone = |(part, classes): (&&'_ Path, &Vec<&'_ Path>)| match classes.as_slice() {
        [only] if is_of_images(only) => Some((part.to_path_buf(), only.to_path_buf())),
        _ => None,
    };
    let mut found: Vec<(PathBuf, PathBuf)> = parts.iter().filter_map(alone).collect();
    // The part with a file of labels says most.
    found.sort_by_key(|(part, _)| labels_of(part).is_none());
    let Some((part, folder)) = found.first() else { return Ok(()) };
    let inside = format!("{}/", text_of(folder));
    let labels = match labels_of(part) {
        Some(file) => format!("Their labels seem to be in {}, which is not read", text_of(file)),
        None => format!("If they have no labels, move `{}` away; if they have", text_of(part)),
    };
    Err(Error::PartInOneFolder {
        path: root.to_path_buf(),
        part: text_of(part).into(),
        folder: folder.file_name().map(|name| text_of(name.as_ref())).unwrap_or_default().into(),
        images: files.iter().filter(|file| file.id.starts_with(&inside)).count(),
        other: text_of(other).into(),
        classes: classes.len(),
        labels: labels.into(),
    })
}

/// The sub-folders of a folder, sorted, without hidden ones and those that other programs created.
fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::read(folder, error);
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && !is_hidden(&path) && !is_of_program(&path) {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    const DEEPEST: FolderOptions =
        FolderOptions { class_folder: ClassFolder::Deepest, parts: PartFolders::Auto };

    fn with(parts: PartFolders) -> FolderOptions {
        FolderOptions { class_folder: ClassFolder::Top, parts }
    }

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
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(described(&result), ["- a a/z.jpeg", "- b b/2.PNG", "- b b/deep/1.webp"]);
        // notes.txt, README.md, x.pdf and its folder, .git, .x.png
        assert_eq!(result.ignored, 6);
        assert_eq!(
            result.skipped_files.sentences(),
            [
                "Skipped 3 files with endings that are not read: .md (1), .pdf (1), .txt (1); the first is README.md.",
                "Skipped 1 class folder without a file that can be read: docs (1 file).",
            ]
        );
        let deepest = list(root.path(), DEEPEST).unwrap();
        assert_eq!(described(&deepest), ["- a a/z.jpeg", "- b b/2.PNG", "- b/deep b/deep/1.webp"]);
    }

    #[test]
    fn one_folder_per_part() {
        let root = folder(&[
            "train/b/1.png",
            "train/a/1.png",
            "test/b/9.png",
            "test/c/1.png",
            "notes/1.txt",
            "x.png",
        ]);
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(
            described(&result),
            ["Train a train/a/1.png", "Train b train/b/1.png", "Test b test/b/9.png", "Test c test/c/1.png"]
        );
        assert_eq!((result.ignored, result.skipped_files.outside.first.as_str()), (2, "x.png"));
        let root = folder(&["train/b/1.png", "train/a/1.png"]);
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(described(&result), ["- a train/a/1.png", "- b train/b/1.png"], "without a test part");
    }

    #[test]
    fn names_of_parts_in_upper_or_lower_case() {
        for (train, test, part) in [
            ("train", "validation", "Validation"),
            ("Train", "Test", "Test"),
            ("TRAINING", "valid", "Validation"),
            ("train", "dev", "Validation"),
            ("Training", "Val", "Validation"),
        ] {
            let root = folder(&[&format!("{train}/a/1.png"), &format!("{test}/a/2.png")]);
            let result = list(root.path(), FolderOptions::default()).unwrap();
            let expected = [format!("Train a {train}/a/1.png"), format!("{part} a {test}/a/2.png")];
            assert_eq!(described(&result), expected);
            assert!(result.skipped.is_empty() && result.ignored == 0);
        }
    }

    #[test]
    fn val_is_a_part_of_its_own_next_to_the_test_part() {
        let root =
            folder(&["train/a/1.png", "val/a/2.png", "test/b/3.png", "training/c/4.png", "test/5.png"]);
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(
            described(&result),
            [
                "Train a train/a/1.png",
                "Train c training/c/4.png",
                "Validation a val/a/2.png",
                "Test b test/b/3.png",
                "Test - test/5.png"
            ]
        );
        // As in data sets whose test images have no labels: without labelled test images, `val` becomes the test part later.
        let root = folder(&["train/a/1.png", "val/a/2.png", "test/3.png"]);
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(
            described(&result),
            ["Train a train/a/1.png", "Validation a val/a/2.png", "Test - test/3.png"]
        );
        let root = folder(&["val/a/2.png", "val/b/2.png"]);
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(
            described(&result),
            ["Validation a val/a/2.png", "Validation b val/b/2.png"],
            "no class is called val"
        );
    }

    #[test]
    fn part_folders_next_to_class_folders_are_rejected_unless_it_is_said_what_they_are() {
        for name in ["train", "Test", "val", "dev"] {
            let root = folder(&[&format!("{name}/s0/1.png"), "bike/s0/1.png", "bus/s1/1.png", "bus/2.png"]);
            let said = list(root.path(), FolderOptions::default()).unwrap_err().to_string();
            for expected in [
                &format!(
                    "found part folders (`{name}`) next to 2 other folders with 3 images (`bike`, `bus`)"
                ),
                "--parts none",
                "--parts only",
            ] {
                assert!(said.contains(expected), "{said}");
            }
            let classes = list(root.path(), with(PartFolders::None)).unwrap();
            assert_eq!((classes.class_names().len(), classes.len(), classes.has_parts()), (3, 4, false));
            let parts = list(root.path(), with(PartFolders::Only)).unwrap();
            assert_eq!((parts.class_names(), parts.skipped_files.outside.count), (&["s0".to_owned()][..], 3));
        }
        let none = list(folder(&["a/1.png"]).path(), with(PartFolders::Only)).unwrap_err();
        assert!(none.to_string().contains("no folder is named train"), "{none}");
        // Only parts with images directly in them: no classes.
        let root = folder(&["train/1.png", "test/2.png"]);
        let said = list(root.path(), FolderOptions::default()).unwrap_err().to_string();
        assert!(said.contains("no class folders in them (`test`, `train`)"), "{said}");
        assert!(said.contains("--parts none"), "{said}");
        assert_eq!(list(root.path(), with(PartFolders::None)).unwrap().class_names(), ["test", "train"]);
    }

    #[test]
    fn folders_inside_class_folders_are_reported() {
        let root = folder(&["train/a/1.png", "train/b/x/1.png", "test/b/y/2.png", "test/a/3.png"]);
        let notes = |options: FolderOptions| list(root.path(), options).unwrap().notes;
        assert!(notes(FolderOptions::default())[0].contains("The most are in `b`, 2 (`x`, `y`)"));
        let root = folder(&["a/1.png", "a/x/1.png", "b/1.png"]);
        let found = list(root.path(), DEEPEST).unwrap().notes;
        assert!(found[0].starts_with("1 class folder is inside another one"), "{found:?}");
    }

    #[test]
    fn part_folders_in_other_places_are_rejected_unless_it_is_said_what_they_are() {
        for (files, expected) in [
            (
                &["cat/train/1.png", "cat/test/2.png", "dog/Train/3.png"][..],
                &[
                    "3 folders named like parts below the first level, with 3 images (`cat/test`, `cat/train`, `dog/Train`)",
                    "column `split`",
                ][..],
            ),
            (
                &["images/train/cat/1.png", "images/val/cat/2.png"],
                &["(`images/train`, `images/val`)", "give the folder that has them: "],
            ),
            (&["fold1/train/cat/1.png", "fold2/train/cat/1.png"], &["(`fold1/train`, `fold2/train`)"]),
            (
                &["train/cat/1.png", "test/cat/x/test/2.png"],
                &["1 folder named like parts", "(`test/cat/x/test`)"],
            ),
            (&["train/cat/1.png", "train/test/dog/2.png"], &["(`train/test`)"]),
            (
                &["train2017/cat/1.png", "val2017/cat/2.png"],
                &["names like those of parts, and no other folders (`train2017`, `val2017`)", "rename"],
            ),
            (
                &["seg_train/cat/1.png", "seg_test/cat/2.png", "seg_pred/3.png"],
                &["(`seg_test`, `seg_train`)"],
            ),
        ] {
            let root = folder(files);
            for class_folder in [ClassFolder::Top, ClassFolder::Deepest] {
                let options = FolderOptions { class_folder, parts: PartFolders::Auto };
                let said = list(root.path(), options).unwrap_err().to_string();
                for expected in expected.iter().chain(&["--parts none"]) {
                    assert!(said.contains(expected), "{expected}: {said}");
                }
            }
            assert_eq!(list(root.path(), with(PartFolders::None)).unwrap().len(), files.len());
        }
        // Classes can have such names.
        for files in [
            &["train/test/1.png", "train/car/2.png", "test/test/3.png"][..],
            &["test tube/1.png", "bus/2.png"],
            &["test tube/a/1.png", "latest/b/2.png"],
        ] {
            assert_eq!(list(folder(files).path(), FolderOptions::default()).unwrap().len(), files.len());
        }
    }

    #[test]
    fn a_part_with_its_images_in_one_folder_is_rejected_if_another_has_class_folders() {
        let tiny = [
            "train/n01/images/n01_0.JPEG",
            "train/n01/n01_boxes.txt",
            "train/n02/images/n02_0.JPEG",
            "val/images/val_0.JPEG",
            "val/images/val_1.JPEG",
            "val/val_annotations.txt",
            "test/images/test_0.JPEG",
            "wnids.txt",
        ];
        let root = folder(&tiny);
        for class_folder in [ClassFolder::Top, ClassFolder::Deepest] {
            let said = list(root.path(), FolderOptions { class_folder, parts: PartFolders::Auto });
            let said = said.unwrap_err().to_string();
            for expected in [
                "found 2 images of the part `val` in the one folder `val/images`; expected a folder per class, as in `train`, which has 2",
                "Their labels seem to be in val/val_annotations.txt, which is not read",
                "a manifest with the columns `path`, `label` and `split`",
            ] {
                assert!(said.contains(expected), "{expected}: {said}");
            }
        }
        assert_eq!(
            list(root.path(), with(PartFolders::Only)).unwrap().class_names(),
            ["images", "n01", "n02"]
        );
        let root = folder(&["train/a/1.png", "train/b/1.png", "val/a/2.png", "test/Images/3.png"]);
        let said = list(root.path(), FolderOptions::default()).unwrap_err().to_string();
        assert!(
            said.contains("If they have no labels, move `test` away; if they have: move the images"),
            "{said}"
        );
        // A class of any other name, and parts that are alike.
        for files in [
            &["train/a/1.png", "train/b/1.png", "val/a/2.png"][..],
            &["train/images/1.png", "val/images/2.png"],
            &["train/images/1.png", "train/masks/1.png", "val/images/2.png", "val/masks/2.png"],
        ] {
            list(folder(files).path(), FolderOptions::default()).unwrap();
        }
    }

    #[test]
    fn a_class_folder_without_images_is_named_with_the_number_of_its_files() {
        let root = folder(&[
            "train/a/1.png",
            "train/heic/1.heic",
            "train/heic/x/2.HEIC",
            "test/a/1.png",
            "test/b/.x.png",
        ]);
        let skipped = list(root.path(), FolderOptions::default()).unwrap().skipped_files;
        assert_eq!(skipped.folder_lines(), ["test/b (0 files)", "train/heic (2 files)"]);
        assert_eq!(skipped.endings[".heic"].count, 2);
    }

    #[test]
    fn a_folder_named_like_a_part_is_no_class_next_to_others_unless_it_is_said() {
        for (files, named) in [
            (
                &["train/1.png", "car/1.png"][..],
                "1 folder with names like those of parts, next to 1 other folder (`train`)",
            ),
            (&["test/1.png", "car/1.png", "bus/a/1.png"], "next to 2 other folders (`test`)"),
            (&["test_images/1.png", "car/1.png"], "(`test_images`)"),
            (&["train2017/cat/1.png", "extra/dog/1.png"], "(`train2017`)"),
            // Market-1501 as downloaded.
            (
                &["bounding_box_train/1.jpg", "bounding_box_test/1.jpg", "query/1.jpg", "gt_bbox/1.jpg"],
                "(`bounding_box_test`, `bounding_box_train`, `query`)",
            ),
        ] {
            let said = list(folder(files).path(), FolderOptions::default()).unwrap_err().to_string();
            assert!(
                said.contains(named) && said.contains("--parts none") && said.contains("manifest"),
                "{said}"
            );
            assert_eq!(list(folder(files).path(), with(PartFolders::None)).unwrap().len(), files.len());
        }
        for (files, found) in [
            (
                &["train/1.png", "gallery/1.png", "query/1.png"][..],
                "no class folders in them (`gallery`, `query`, `train`)",
            ),
            (
                &["bounding_box_train/1.jpg", "bounding_box_test/1.jpg"],
                "(`bounding_box_test`, `bounding_box_train`)",
            ),
            // These have class folders.
            (&["gallery/a/1.png", "query/a/2.png"], "parts, and no other folders (`gallery`, `query`)"),
            (
                &["gallery/1.png", "query/2.png", "distractors/3.png"],
                "next to 1 other folder (`gallery`, `query`)",
            ),
        ] {
            for class_folder in [ClassFolder::Top, ClassFolder::Deepest] {
                let options = FolderOptions { class_folder, parts: PartFolders::Auto };
                let said = list(folder(files).path(), options).unwrap_err().to_string();
                assert!(said.contains(found) && said.contains("--parts none"), "{said}");
            }
        }
        list(folder(&["gallery/1.png", "museum/2.png"]).path(), FolderOptions::default()).unwrap();
        // A word among others is no name of a part.
        let files = ["bullet_train/1.png", "art_gallery/1.png", "test-tube.d/1.png"];
        list(folder(&files[..2]).path(), FolderOptions::default()).unwrap();
        list(folder(&files).path(), FolderOptions::default()).unwrap_err();
    }

    #[test]
    fn images_outside_class_folders_have_no_class() {
        let root = folder(&["1.png", "2.jpg", "x.txt", "empty/x.txt"]);
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(described(&result), ["- - 1.png", "- - 2.jpg"]);
        assert_eq!(images(root.path(), Depth::Flat).unwrap().0.len(), 2);
        let none = images(&root.path().join("empty"), Depth::Deep);
        assert!(matches!(none, Err(Error::NoImages { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_is_skipped_and_reported() {
        let root = folder(&["a/1.png", "b/1.png"]);
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("whole")).unwrap();
        let result = list(root.path(), FolderOptions::default()).unwrap();
        assert_eq!(described(&result), ["- a a/1.png", "- b b/1.png"]);
        assert_eq!(result.skipped.len(), 2);
        assert!(result.skipped[0].path.ends_with("a/loop"));
    }
}
