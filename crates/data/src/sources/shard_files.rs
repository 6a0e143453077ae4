//! The tar files that a path names: one file, those of a folder, or those that fit a pattern.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::file_names::{has_ending, is_hidden, text_of};
use crate::{Error, Result};

/// Most names that the braces of a pattern may expand to.
const MOST_NAMES: usize = 1 << 20;

/// Whether the last component of a path has a wildcard or braces in it.
pub(crate) fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().any(|byte| b"*?{".contains(byte)))
}

/// The shards that a path names, sorted by name, and the other files next to them if the path is a folder. Hidden files are neither.
pub(crate) fn shard_files(path: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let failed = |reason: String| Error::BadShard { path: path.to_path_buf(), reason };
    if path.is_dir() {
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(path).map_err(|error| Error::read(path, error))? {
            let file = entry.map_err(|error| Error::read(path, error))?.path();
            if is_hidden(&file) {
                continue;
            }
            if has_ending(&file, "tar") { found.push(file) } else { others.push(file) }
        }
        found.sort();
        others.sort();
        return Ok((found, others));
    }
    if path.exists() || !is_pattern(path) {
        return Ok((vec![path.to_path_buf()], Vec::new()));
    }
    let text = path.to_str().ok_or_else(|| failed("a pattern must be Unicode".to_owned()))?;
    let mut found = BTreeSet::new();
    for name in braces(text).map_err(failed)? {
        if !name.contains(['*', '?']) {
            found.insert(PathBuf::from(name));
            continue;
        }
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let matches = glob::glob_with(&name, options).map_err(|error| failed(error.to_string()))?;
        for file in matches {
            found.insert(file.map_err(unlisted)?);
        }
    }
    if found.is_empty() {
        Err(failed("no file matches this pattern".to_owned()))
    } else {
        Ok((found.into_iter().collect(), Vec::new()))
    }
}

/// The name of each shard, by which its samples are named: its file name without the ending. Where two shards have the same file name, as
/// `train/000.tar` and `test/000.tar`, all names have the folders in which they differ.
pub(crate) fn shard_names(shards: &[PathBuf]) -> Vec<String> {
    let stems: Vec<String> = shards
        .iter()
        .map(|shard| shard.file_stem().map(|stem| text_of(stem.as_ref())).unwrap_or_default())
        .collect();
    let different: BTreeSet<&String> = stems.iter().collect();
    if different.len() == stems.len() {
        return stems;
    }
    let above = common_folder(shards);
    shards
        .iter()
        .map(|shard| text_of(&shard.strip_prefix(&above).unwrap_or(shard).with_extension("")))
        .collect()
}

/// The innermost folder that has all these files below it.
pub(crate) fn common_folder(files: &[PathBuf]) -> PathBuf {
    let mut folders = files.iter().map(|file| file.parent().unwrap_or(Path::new("")));
    let mut common = folders.next().unwrap_or(Path::new("")).to_path_buf();
    for folder in folders {
        while !folder.starts_with(&common) {
            common.pop();
        }
    }
    common
}

/// The error for a folder that the pattern matches but that cannot be listed.
fn unlisted(error: glob::GlobError) -> Error {
    let path = error.path().to_path_buf();
    Error::read(&path, error.into())
}

/// Expands the braces of a pattern: `{000..012}` to numbers of that width, `{a,b}` to words. Braces do not nest.
fn braces(text: &str) -> std::result::Result<Vec<String>, String> {
    let Some((before, rest)) = text.split_once('{') else { return Ok(vec![text.to_owned()]) };
    let (inside, after) = rest.split_once('}').ok_or("a brace is not closed")?;
    let words: Vec<String> = match inside.split_once("..") {
        Some((first, last)) => {
            let number = |text: &str| {
                text.parse::<u64>()
                    .map_err(|_| format!("{{{inside}}}: expected two whole numbers, as in {{000..012}}"))
            };
            let (from, to, width) = (number(first)?, number(last)?, first.len());
            if from > to || to - from >= MOST_NAMES as u64 {
                return Err(format!(
                    "{{{inside}}}: expected the smaller number first, and at most {MOST_NAMES} numbers"
                ));
            }
            (from..=to).map(|number| format!("{number:0width$}")).collect()
        }
        None => inside.split(',').map(str::to_owned).collect(),
    };
    let after = braces(after)?;
    if words.len().saturating_mul(after.len()) > MOST_NAMES {
        return Err(format!("the braces expand to more than {MOST_NAMES} names"));
    }
    Ok(words.iter().flat_map(|word| after.iter().map(move |rest| format!("{before}{word}{rest}"))).collect())
}
