//! numpy's `.npz`: a zip archive of `.npy` files, also a compressed one.
//!
//! The arrays are found by the names that people use ([`ARCHIVE`]), or chosen. A matrix that is not compressed stays in the file.

use std::fs::File;
use std::path::Path;

use super::about::About;
use super::archive::{Archive, Entry};
use super::arrays::{ARCHIVE, ArrayInfo, Chosen, choose};
use super::echo::{echo, first_names};
use super::error::{Error, Problem, Result};
use super::keys::Keys;
use super::npy;
use super::pattern::ChosenColumns;
use super::table::OpenTable;

/// Bytes that are read for the header of an array.
const HEADER: usize = 1 << 16;
/// Most unused arrays that a sentence names.
const MOST_NAMED: usize = 10;

pub(super) fn open(file: File, path: &Path, chosen: &ChosenColumns) -> Result<OpenTable> {
    let archive = Archive::open(file, path)?;
    let mut arrays = Vec::new();
    let mut entries: Vec<&Entry> =
        archive.entries.iter().filter(|entry| entry.name.ends_with(ENDING)).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in &entries {
        let beginning = archive.beginning(entry, HEADER)?;
        // An array of Python objects is an error only if it is used.
        let (shape, is_float) = npy::described(&beginning).unwrap_or_default();
        arrays.push(ArrayInfo { name: name(entry).to_owned(), shape, is_float });
    }
    let Chosen { embeddings, about, others } =
        choose(&arrays, &ARCHIVE, chosen).map_err(|problem| problem.at(path))?;
    let texts = |at: usize| archive.whole(entries[at]).and_then(|bytes| npy::labels(&bytes, path));
    let of_array = |error: Error, at: usize| of_array(error.problem, &arrays[at].name).at(path);
    let list = |at: Option<usize>| at.map(|at| texts(at).map_err(|error| of_array(error, at))).transpose();
    let [labels, ids, cameras, splits, groups] = about;
    let lists = [list(labels)?, list(ids)?, list(cameras)?, list(splits)?, list(groups)?];
    let others: Vec<(&str, Option<Vec<String>>)> =
        others.iter().map(|at| (arrays[*at].name.as_str(), column(&arrays[*at], || texts(*at)))).collect();
    let entry = entries[embeddings];
    let rows = if entry.is_deflated {
        archive.whole(entry).and_then(|bytes| npy::rows_of(&bytes, path))
    } else {
        archive.check(entry).and_then(|()| {
            let again =
                archive.file.try_clone().map_err(|error| Problem::Read(error.to_string()).at(path))?;
            npy::part_rows(again, path, entry.start, entry.size)
        })
    };
    let rows = rows.map_err(|error| of_array(error, embeddings))?;
    for (list, at) in lists.iter().zip(about).filter_map(|(list, at)| Some((list.as_ref()?, at?))) {
        if list.len() != rows.rows() {
            let (what, found) = (format!("the array `{}`", arrays[at].name), arrays[at].shape.clone());
            return Err(Problem::Shape { what, found, expected: "one value per row of embeddings" }.at(path));
        }
    }
    let (mut keys, mut unused) = (Keys::default(), Vec::new());
    for (name, texts) in others {
        match texts.filter(|texts| texts.len() == rows.rows()) {
            Some(texts) => keys.push(name, texts),
            None => unused.push(name),
        }
    }
    keys.finish();
    let [labels, ids, cameras, splits, groups] = lists;
    let about = About { labels, ids, cameras, splits, groups };
    let unused = (!unused.is_empty()).then(|| {
        format!(
            "{}: the array `{}` has the embeddings; these arrays are not used: {}.",
            path.display(),
            echo(&arrays[embeddings].name),
            first_names(unused.iter().map(|name| echo(name)), MOST_NAMED)
        )
    });
    Ok(OpenTable { keys, notes: unused.into_iter().collect(), ..OpenTable::new(rows, about) })
}

/// The extension of the arrays in an archive.
const ENDING: &str = ".npy";

fn name(entry: &Entry) -> &str {
    entry.name.strip_suffix(ENDING).unwrap_or(&entry.name)
}

/// The texts of an array that may join the rows to another file: whole numbers or text, one per row.
fn column(array: &ArrayInfo, texts: impl FnOnce() -> Result<Vec<String>>) -> Option<Vec<String>> {
    if array.is_column() && !array.is_float { texts().ok() } else { None }
}

/// A problem of a `.npy` as one of an array in an archive.
fn of_array(problem: Problem, array: &str) -> Problem {
    let what = || format!("the array `{array}`");
    match problem {
        Problem::Malformed { format: ENDING, reason } => {
            Problem::Malformed { format: ".npz", reason: format!("the array `{array}`: {reason}") }
        }
        Problem::Shape { found, expected, .. } => Problem::Shape { what: what(), found, expected },
        Problem::NumberType { found, expected, .. } => Problem::NumberType { what: what(), found, expected },
        other => other,
    }
}
