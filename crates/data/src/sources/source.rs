//! Detects what kind of data a path names. This happens once; the readers take the resulting [`Source`].
//!
//! | path | kind |
//! |---|---|
//! | a folder with one of MNIST's four files | IDX files |
//! | a folder with `.tar` files and no folders in it | WebDataset shards |
//! | any other folder | an image folder |
//! | a `.tar`, or a pattern of them (`*`, `?`, `{000..012}`, `{a,b}`) | WebDataset shards |
//! | a `.csv`, `.parquet`, `.arrow` or `.feather` with a column `path` | a manifest |
//! | another of these, a `.npy`, `.npz` or `.safetensors` | a table of embeddings |
//! | a `.png`, `.jpg`, `.jpeg`, `.webp` | one image |

use std::fs;
use std::path::{Path, PathBuf};

use widemargin_tables::{ChosenColumns, is_manifest, is_table};

use crate::file_names::{has_ending, is_hidden, is_image};
use crate::sources::idx::{self, IdxFiles};
use crate::sources::shard_files::is_pattern;
use crate::{Error, Result};

/// Kinds of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder of IDX files, named like those of MNIST.
    Idx,
    /// A folder of image files.
    Folder,
    /// A table with the paths of images.
    Manifest,
    /// Tar files of images, as WebDataset writes them.
    Shards,
    /// A table of ready-made embeddings.
    Table,
    /// One image file.
    Image,
}

impl SourceKind {
    /// The kind in words, for messages and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idx => "IDX files",
            Self::Folder => "image folder",
            Self::Manifest => "manifest",
            Self::Shards => "tar shards",
            Self::Table => "table of embeddings",
            Self::Image => "image",
        }
    }

    /// What its samples are called: `rows` of a table, else `images`.
    pub fn unit(self) -> &'static str {
        if self == Self::Table { "rows" } else { "images" }
    }
}

/// A path and the kind of data it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    kind: SourceKind,
    /// The four files of a folder of IDX files.
    idx: Option<Box<IdxFiles>>,
}

impl Source {
    /// Detects the kind of data at `path`, by names and, for a table, by its columns.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is nothing at `path`, [`Error::UnknownFormat`] for a file of another kind, [`Error::Read`] for a
    /// folder that cannot be listed, [`Error::MissingFile`] if a folder has some but not all of the four IDX files.
    pub fn detect(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let of = |kind| Ok(Self { path: path.to_path_buf(), kind, idx: None });
        // A table that cannot be read is reported by its reader.
        if is_table(path) {
            return of(if is_manifest(path) { SourceKind::Manifest } else { SourceKind::Table });
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(_) if is_pattern(path) => return of(SourceKind::Shards),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotFound { path: path.to_path_buf() });
            }
            Err(error) => return Err(Error::read(path, error)),
        };
        if metadata.is_dir() {
            if let Some(files) = idx::find(path)? {
                return Ok(Self {
                    path: path.to_path_buf(),
                    kind: SourceKind::Idx,
                    idx: Some(Box::new(files)),
                });
            }
            return of(if is_folder_of_shards(path)? { SourceKind::Shards } else { SourceKind::Folder });
        }
        if has_ending(path, "tar") {
            of(SourceKind::Shards)
        } else if is_image(path) {
            of(SourceKind::Image)
        } else {
            Err(Error::UnknownFormat { path: path.to_path_buf() })
        }
    }

    /// The path that was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kind of data at the path.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The four files, if the source is a folder of IDX files.
    pub(crate) fn idx_files(&self) -> Option<&IdxFiles> {
        self.idx.as_deref()
    }

    /// Rejects chosen columns for data that is not a table of embeddings.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn require_no_columns(&self, columns: &ChosenColumns) -> Result<()> {
        let expected = "none: only a table of embeddings has columns to choose";
        match columns {
            _ if self.kind == SourceKind::Table => Ok(()),
            ChosenColumns { embedding: Some(pattern), .. } => {
                Err(Error::setting("columns", pattern, expected))
            }
            ChosenColumns { label: Some(label), .. } => Err(Error::setting("label-column", label, expected)),
            ChosenColumns { embedding: None, label: None } => Ok(()),
        }
    }

    /// Rejects a file of labels for data that has its labels inside.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are `labels` and this is not a table of embeddings.
    pub fn require_no_labels(&self, labels: Option<&Path>) -> Result<()> {
        match labels {
            Some(labels) if self.kind != SourceKind::Table => Err(Error::setting(
                "labels",
                &labels.display(),
                "none: only a table of embeddings can have its labels in another file",
            )),
            _ => Ok(()),
        }
    }
}

fn is_folder_of_shards(folder: &Path) -> Result<bool> {
    let failed = |error| Error::read(folder, error);
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
