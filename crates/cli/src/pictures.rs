//! The picture files that a command is given: one, or those of a folder.

use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use widemargin_data::{PICTURE_ENDINGS, is_picture};

/// Whether pictures in the folders of a folder count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// They do not.
    Flat,
    /// They do, at any depth.
    Deep,
}

/// A picture, or those of a folder in the order of their names. Links to folders are not followed, so that none is met twice.
pub(crate) fn pictures(path: &Path, depth: Depth) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if path.is_dir() {
        add(path, depth, &mut found)?;
    } else {
        found.push(path.to_path_buf());
    }
    found.sort();
    ensure!(
        !found.is_empty(),
        "{}: no pictures; wanted files that end in {}",
        path.display(),
        PICTURE_ENDINGS.join(", ")
    );
    Ok(found)
}

fn add(folder: &Path, depth: Depth, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let reading = || format!("reading {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let (file, kind) = (entry.path(), entry.file_type().with_context(reading)?);
        if kind.is_dir() {
            if depth == Depth::Deep {
                add(&file, depth, found)?;
            }
        } else if is_picture(&file) && file.is_file() {
            found.push(file);
        }
    }
    Ok(())
}
