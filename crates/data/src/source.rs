//! What a path names, told once for every command.
//!
//! | path | what it is |
//! |---|---|
//! | a folder with one of MNIST's four files | IDX files |
//! | a folder with `.tar` files and no folders in it | WebDataset shards |
//! | any other folder | an image folder |
//! | a `.tar`, or a pattern of them (`*`, `?`, `{000..012}`, `{a,b}`) | WebDataset shards |
//! | a `.csv` or `.parquet` with a column `path` | a manifest |
//! | another `.csv`, `.parquet`, a `.npy`, a `.safetensors` | a table of embeddings |
//! | a `.png`, `.jpg`, `.jpeg`, `.webp` | one picture |

use std::fs;
use std::path::Path;

use widemargin_tables::{is_manifest, is_table};

use crate::walk::is_hidden;
use crate::{
    DataError, OpenOptions, PictureSet, Result, SampleSet, VectorOptions, VectorSet, idx, is_picture,
};

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A folder of IDX files, as those of MNIST.
    Idx,
    /// A folder of picture files.
    Folder,
    /// A table of paths to pictures.
    Manifest,
    /// Tar files of pictures, as WebDataset has them.
    Shards,
    /// A table of ready-made embeddings.
    Table,
    /// One picture file.
    Picture,
}

/// Tells what a path names; files are not looked into, but for the columns of a table.
///
/// # Errors
/// [`DataError::MissingFolder`] if there is nothing, [`DataError::NotAFolder`] for a file of another kind, [`DataError::Read`],
/// [`DataError::MissingFile`] where some of four IDX files are.
pub fn recognise(path: &Path) -> Result<Source> {
    // A table says itself why it cannot be read.
    if is_table(path) {
        return Ok(if is_manifest(path) { Source::Manifest } else { Source::Table });
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(_) if is_pattern(path) => return Ok(Source::Shards),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(DataError::MissingFolder { path: path.to_path_buf() });
        }
        Err(error) => return Err(DataError::read(path, error)),
    };
    if metadata.is_dir() {
        if idx::find(path)?.is_some() {
            return Ok(Source::Idx);
        }
        return Ok(if is_folder_of_shards(path)? { Source::Shards } else { Source::Folder });
    }
    if has_ending(path, "tar") {
        return Ok(Source::Shards);
    }
    if is_picture(path) {
        Ok(Source::Picture)
    } else {
        Err(DataError::NotAFolder { path: path.to_path_buf() })
    }
}

/// Opens whatever `path` names as samples to train on; see [`Source`]. `labels` are those of a table, if they lie beside it.
///
/// # Errors
/// Those of [`PictureSet::open`] and [`VectorSet::open`]; [`DataError::Setting`] for labels beside anything but a table.
pub fn open_samples(path: &Path, labels: Option<&Path>, options: &OpenOptions) -> Result<SampleSet> {
    options.validate()?;
    if recognise(path)? == Source::Table {
        let options = VectorOptions { hold_out: options.hold_out, seed: options.seed };
        return Ok(VectorSet::open(path, labels, options)?.shared().into());
    }
    if let Some(labels) = labels {
        let wanted = "labels beside a table of embeddings only";
        return Err(DataError::setting("labels", &labels.display(), wanted));
    }
    Ok(PictureSet::open(path, options)?.shared().into())
}

/// Whether the last part of a path has letters of a pattern in it.
pub(crate) fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().any(|byte| b"*?{".contains(byte)))
}

pub(crate) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

fn is_folder_of_shards(folder: &Path) -> Result<bool> {
    let failed = |error| DataError::read(folder, error);
    let mut tars = false;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() {
            return Ok(false);
        }
        tars |= has_ending(&path, "tar");
    }
    Ok(tars)
}
