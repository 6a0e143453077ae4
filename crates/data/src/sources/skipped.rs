//! FileCount and folders of the data that are not used, by name and count, so that nothing is left out in silence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use widemargin_tables::first_names;

use crate::BadImage;
use crate::file_names::{ending, text_of};
use crate::words::plural;

/// How many endings or folders a sentence names.
const NAMED: usize = 8;

/// FileCount and folders that are not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SkippedFiles {
    /// FileCount whose endings are not read, by ending with its dot; without one for files without an ending.
    pub endings: BTreeMap<String, FileCount>,
    /// Class folders without a file that is read.
    pub empty_folders: Vec<EmptyFolder>,
    /// Folders that other programs created, by name, such as `@eaDir` with thumbnails.
    pub of_programs: BTreeMap<String, FileCount>,
    /// Images in no class folder and in no part.
    pub outside: FileCount,
}

/// Some files: how many, and the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FileCount {
    /// How many.
    pub count: usize,
    /// Name of the first; empty if there are none.
    pub first: String,
}

/// A class folder without a file that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmptyFolder {
    /// The folder, relative to the data.
    pub folder: String,
    /// Number of other files in it, at any depth.
    pub files: usize,
}

impl FileCount {
    pub(crate) fn add(&mut self, name: &str) {
        if self.count == 0 {
            name.clone_into(&mut self.first);
        }
        self.count += 1;
    }

    /// Adds the files of `other`, which come later.
    pub(crate) fn extend(&mut self, other: &Self) {
        if self.count == 0 {
            self.first.clone_from(&other.first);
        }
        self.count += other.count;
    }
}

impl SkippedFiles {
    /// Adds a file that is not read because of its ending.
    pub(crate) fn add_file(&mut self, path: &Path) {
        self.endings.entry(ending(path)).or_default().add(&text_of(path));
    }

    /// Adds a folder that another program created.
    pub(crate) fn add_of_program(&mut self, folder: &Path) {
        let name = folder.file_name().map_or_else(String::new, |name| text_of(name.as_ref()));
        self.of_programs.entry(name).or_default().add(&text_of(folder));
    }

    /// Each name of folders that other programs created in words, with the first folder.
    pub fn program_lines(&self) -> Vec<String> {
        let line = |(name, folders): (&String, &FileCount)| {
            format!("{name} ({}), the first is {}", plural(folders.count, "folder", "folders"), folders.first)
        };
        self.of_programs.iter().map(line).collect()
    }

    /// Each ending in words, with the first file.
    pub fn ending_lines(&self) -> Vec<String> {
        let line = |(ending, files): (&String, &FileCount)| {
            format!(
                "{} ({}), the first is {}",
                ending_in_words(ending),
                plural(files.count, "file", "files"),
                files.first
            )
        };
        self.endings.iter().map(line).collect()
    }

    /// Each class folder without a usable file in words.
    pub fn folder_lines(&self) -> Vec<String> {
        let line =
            |folder: &EmptyFolder| format!("{} ({})", folder.folder, plural(folder.files, "file", "files"));
        self.empty_folders.iter().map(line).collect()
    }

    /// What was skipped, as sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let files: usize = self.endings.values().map(|files| files.count).sum();
        if let Some(first) = self.endings.values().map(|files| &files.first).min() {
            let endings = self.endings.iter();
            let endings =
                endings.map(|(ending, files)| format!("{} ({})", ending_in_words(ending), files.count));
            sentences.push(format!(
                "Skipped {} with endings that are not read: {}; the first is {first}.",
                plural(files, "file", "files"),
                first_names(endings, NAMED)
            ));
        }
        if !self.empty_folders.is_empty() {
            let count = self.empty_folders.len();
            sentences.push(format!(
                "Skipped {} without a file that can be read: {}.",
                plural(count, "class folder", "class folders"),
                first_names(self.folder_lines(), NAMED)
            ));
        }
        if !self.of_programs.is_empty() {
            let lines = first_names(self.program_lines(), NAMED);
            sentences.push(format!("Skipped folders that other programs created: {lines}."));
        }
        if self.outside.count > 0 {
            sentences.push(format!(
                "Skipped {} outside the class folders; the first is {}.",
                plural(self.outside.count, "image", "images"),
                self.outside.first
            ));
        }
        sentences
    }
}

/// What the user must know about how the data was read, as sentences: what was skipped, and what may be understood otherwise.
pub(crate) fn sentences_of(
    skipped_files: &SkippedFiles,
    notes: &[String],
    links: &[BadImage],
    unended: &[PathBuf],
) -> Vec<String> {
    let mut sentences = skipped_files.sentences();
    sentences.extend_from_slice(notes);
    if let Some(BadImage { path, reason }) = links.first() {
        let count = plural(links.len(), "link", "links");
        sentences.push(format!("Skipped {count}; the first is {} ({reason}).", text_of(path)));
    }
    if let Some(first) = unended.first() {
        sentences.push(format!(
            "{} no end-of-archive marker: written without one, or cut between two files, so that images may be missing; the first is {}.",
            plural(unended.len(), "shard has", "shards have"),
            text_of(first)
        ));
    }
    sentences
}

fn ending_in_words(ending: &str) -> &str {
    if ending.is_empty() { "no ending" } else { ending }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_and_count() {
        let mut skipped = SkippedFiles::default();
        assert!(skipped.sentences().is_empty());
        for path in ["b/2.HEIC", "b/1.heic", "a/notes.txt", "LICENSE"] {
            skipped.add_file(Path::new(path));
        }
        skipped.empty_folders.push(EmptyFolder { folder: "b".to_owned(), files: 2 });
        skipped.outside.add("x.png");
        assert_eq!(
            skipped.sentences(),
            [
                "Skipped 4 files with endings that are not read: no ending (1), .heic (2), .txt (1); the first is LICENSE.",
                "Skipped 1 class folder without a file that can be read: b (2 files).",
                "Skipped 1 image outside the class folders; the first is x.png.",
            ]
        );
        assert_eq!(skipped.ending_lines()[1], ".heic (2 files), the first is b/2.HEIC");
    }
}
