//! Parts that paths name although nothing reads them: the folders of a manifest or of the ids of a table, and the file names of any images.
//!
//! In an image folder and in shards, folders named like parts are the parts, or an error. A manifest and a table say their parts in a column
//! `split`. Without it, held-out samples are drawn from all samples, and test samples of the data set are trained on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Component, Path};

use widemargin_tables::{About, first_names};

use crate::Part;
use crate::file_names::text_of;
use crate::part::{has_both, part_in_name, part_in_words, part_meant, words_of};
use crate::sources::skipped::FileCount;

/// How many folders a sentence names.
const NAMED: usize = 6;

/// A sample without a part: its path, and its class if it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub(crate) path: &'a Path,
    pub(crate) class: Option<&'a str>,
}

/// A folder named like a part.
#[derive(Default)]
struct PartFolder<'a> {
    samples: usize,
    classes: BTreeSet<Option<&'a str>>,
}

/// A sentence on folders that name parts, for samples whose folders say nothing.
pub(crate) fn in_folders(samples: &[Sample<'_>], unit: &str) -> Option<String> {
    let common = common_folders(samples);
    let mut found = HashMap::<&OsStr, Option<PartFolder<'_>>>::new();
    for sample in samples {
        let folders: BTreeSet<&OsStr> = folders_of(sample.path).skip(common).collect();
        for folder in folders {
            let is_part = || part_in_name(&text_of(folder.as_ref())).map(|_| PartFolder::default());
            if let Some(folder) = found.entry(folder).or_insert_with(is_part) {
                folder.samples += 1;
                folder.classes.insert(sample.class);
            }
        }
    }
    let texts = found.into_iter().filter_map(|(name, folder)| Some((text_of(name.as_ref()), folder?)));
    let mut named: BTreeMap<String, PartFolder<'_>> = texts.collect();
    // A class can have such a name, as `test tube`.
    named.retain(|_, folder| folder.classes.len() > 1 || folder.classes.contains(&None));
    let both = has_both(named.keys().map(|name| part_in_name(name)));
    if !both && !named.keys().any(|name| part_meant(name).is_some()) {
        return None;
    }
    let folders = named.iter().map(|(name, folder)| format!("`{name}` with {} {unit}", folder.samples));
    Some(format!(
        "Folders of the paths are named like parts ({}), but there is no column `split`, so the samples to hold out are drawn from all {unit}. To \
         keep these parts, add a column `split`, or give them with --split.",
        first_names(folders, NAMED)
    ))
}

/// As [`in_folders`], for a table without a column `split` whose ids are paths.
pub(crate) fn in_ids(about: &About) -> Option<String> {
    let ids = about.ids.as_ref().filter(|_| about.splits.is_none())?;
    let class = |row: usize| about.labels.as_ref().map(|labels| labels[row].as_str());
    let sample = |(row, id)| Sample { path: Path::new(id), class: class(row) };
    in_folders(&ids.iter().enumerate().map(sample).collect::<Vec<_>>(), "rows")
}

/// A sentence on file names that name parts, if most do.
pub(crate) fn in_file_names(samples: &[Sample<'_>]) -> Option<String> {
    let [mut train, mut test] = [FileCount::default(), FileCount::default()];
    for name in samples.iter().filter_map(|sample| sample.path.file_name()) {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        match part_in_words(&words_of(&text_of(stem.as_ref()))) {
            Some(Part::Train) => train.add(&text_of(name.as_ref())),
            Some(Part::Test | Part::Validation) => test.add(&text_of(name.as_ref())),
            None => {}
        }
    }
    let most = 2 * (train.count + test.count) >= samples.len();
    (train.count > 0 && test.count > 0 && most).then(|| {
        format!(
            "The file names of {} images say train and those of {} say test (the first are `{}` and `{}`), but names of files are not read, so the \
             samples to hold out are drawn from all images. To keep these parts, put the files into folders `train` and `test`, or give the \
             parts with --split.",
            train.count, test.count, train.first, test.first
        )
    })
}

/// The folders of a path, without its root.
pub(crate) fn folders_of(path: &Path) -> impl DoubleEndedIterator<Item = &OsStr> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    folders.filter_map(|folder| match folder {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

/// How many folders all paths begin with.
fn common_folders(samples: &[Sample<'_>]) -> usize {
    let Some(first) = samples.first() else { return 0 };
    let shared = |sample: &Sample<'_>| {
        let both = folders_of(sample.path).zip(folders_of(first.path));
        both.take_while(|(folder, expected)| folder == expected).count()
    };
    samples.iter().map(shared).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;
    use crate::{Census, FolderOptions};
    use widemargin_tables::ChosenColumns;

    fn samples(paths: &[&'static str]) -> Vec<Sample<'static>> {
        // The class is what is before the dash of the file name.
        let class = |path: &'static str| path.rsplit('/').next()?.split_once('-').map(|(class, _)| class);
        paths.iter().map(|path| Sample { path: Path::new(*path), class: class(path) }).collect()
    }

    #[test]
    fn folders_named_like_parts_are_reported() {
        let said = |paths: &[&'static str]| in_folders(&samples(paths), "images");
        let found =
            said(&["d/Train/a-1.png", "d/Train/b-1.png", "d/Test/a-2.png", "d/Test/b-2.png"]).unwrap();
        assert!(found.contains("(`Test` with 2 images, `Train` with 2 images)"), "{found}");
        for paths in [
            &["box_train/a-1.png", "box_train/b-1.png", "box_test/a-2.png", "box_test/b-2.png"][..],
            &["a/train/a-1.png", "a/test/a-2.png", "b/train/b-1.png", "b/test/b-2.png"],
            &["x/a-1.png", "x/b-1.png", "test/a-2.png", "test/b-2.png"],
            &["train/1.png", "val/2.png"],
        ] {
            assert!(said(paths).is_some(), "{paths:?}");
        }
        for paths in [
            &["test/x/a-1.png", "test/y/b-1.png"][..],
            &["test tube/t-1.png", "test tube/t-2.png", "train/v-1.png"],
            &["art_gallery/a-1.png", "art_gallery/b-1.png", "x/a-1.png"],
            &["B_test/a-1.png", "B_test/b-1.png", "C/a-1.png"],
            &[],
        ] {
            assert_eq!(said(paths), None, "{paths:?}");
        }
    }

    #[test]
    fn a_manifest_and_a_table_without_split_report_them() {
        let folder = tempfile::tempdir().unwrap();
        let noted = |name: &str, text: &str| {
            let path = folder.path().join(name);
            put(&path, text.as_bytes());
            let taken =
                Census::take(&path, None, &ChosenColumns::default(), FolderOptions::default(), &|_, _| {});
            taken.unwrap().notes.iter().any(|note| note.contains("named like parts (`Test`"))
        };
        let rows = ["Train/a/1.png,a", "Train/b/1.png,b", "Test/a/2.png,a", "Test/b/2.png,b"];
        assert!(noted("m.csv", &format!("path,label\n{}\n", rows.join("\n"))));
        let parts = ["train", "train", "test", "test"];
        let with_parts: Vec<String> =
            rows.iter().zip(parts).map(|(row, part)| format!("{row},{part}")).collect();
        assert!(!noted("s.csv", &format!("path,label,split\n{}\n", with_parts.join("\n"))));
        assert!(noted("t.csv", &format!("id,label,x\n{},1\n", rows.join(",1\n"))));
    }

    #[test]
    fn file_names_with_parts_are_reported() {
        let said = |paths: &[&'static str]| in_file_names(&samples(paths));
        let found = said(&["c0/train_0.png", "c0/test_0.png", "c1/train_1.png"]).unwrap();
        assert!(found.contains("2 images say train and those of 1 say test"), "{found}");
        assert!(found.contains("`train_0.png` and `test_0.png`"), "{found}");
        for paths in [
            &["train/0.png", "test/1.png"][..],
            &["c/train_0.png", "c/train_1.png"],
            &["c/train.png", "c/1.png", "c/2.png", "c/3.png", "c/test.png"],
        ] {
            assert_eq!(said(paths), None, "{paths:?}");
        }
    }
}
