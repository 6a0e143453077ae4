//! Opens an image folder, a manifest, tar shards or one image as a [`Listing`].

use std::path::Path;

use widemargin_tables::{combined_labels, several_fields};

use crate::file_names::text_of;
use crate::place::ImagePlace;
use crate::sources::derived_names::derived;
use crate::sources::folder;
use crate::sources::folder_options::{FolderOptions, PartFolders};
use crate::sources::listing::{FoundImage, Labels, Listing};
use crate::sources::path_classes::contradictions;
use crate::sources::path_parts::{Sample, in_file_names, in_folders};
use crate::sources::source::{Source, SourceKind};
use crate::sources::{manifest, shards};
use crate::{BadImage, Error, Result};

impl Listing {
    /// Lists the images of an image folder, a manifest (`.csv` or `.parquet` with a column `path`), WebDataset shards (a `.tar`, a
    /// pattern of them, or a folder of them), or one image file.
    ///
    /// # Errors
    /// [`Error::NotImages`] for any other source; [`Error::Setting`] for options of image folders with another source;
    /// [`Error::MixedFolders`], [`Error::UnclearParts`], [`Error::PartInOneFolder`] and [`Error::NoPartFolders`] for folders that can be
    /// understood in two ways or not at all; an error that names the file for a folder that cannot be listed, a manifest that cannot be read,
    /// or a shard that is damaged or truncated.
    pub fn open(source: &Source, folders: FolderOptions) -> Result<Self> {
        let listing = Self::open_damaged(source, folders)?;
        match listing.broken.first() {
            Some(BadImage { path, reason }) => {
                Err(Error::BadShard { path: path.clone(), reason: reason.clone() })
            }
            None => Ok(listing),
        }
    }

    /// As [`open`](Self::open), but damaged shards are listed in `broken`, and what can be read of them is kept.
    pub(crate) fn open_damaged(source: &Source, folders: FolderOptions) -> Result<Self> {
        let path = source.path();
        folders.require_for(source.kind(), &path.display().to_string())?;
        let mut listing = match source.kind() {
            SourceKind::Folder => folder::list(path, folders)?,
            SourceKind::Manifest => manifest::list(path)?,
            SourceKind::Shards => shards::list(path)?,
            SourceKind::Image => one_image(path),
            SourceKind::Idx | SourceKind::Table => return Err(Error::NotImages { path: path.to_path_buf() }),
        };
        let doubts = doubts(&listing, folders.parts);
        listing.notes.extend(doubts);
        Ok(listing)
    }
}

/// What names of files, folders and classes say against the way in which they are read, as sentences.
fn doubts(listing: &Listing, parts: PartFolders) -> Vec<String> {
    let sample =
        |image: usize| Sample { path: listing.found[image].place.inner(), class: listing.label(image) };
    let samples: Vec<Sample<'_>> = (0..listing.len()).map(sample).collect();
    let is_folder = listing.kind() == SourceKind::Folder;
    let unread_parts = || {
        // The folders of the other kinds were read.
        let in_paths = listing.kind() == SourceKind::Manifest;
        in_paths.then(|| in_folders(&samples, "images")).flatten().or_else(|| in_file_names(&samples))
    };
    let parts_are_open = !listing.has_parts() && parts != PartFolders::None;
    let labels = || samples.iter().filter_map(|sample| sample.class);
    let combined = if is_folder { combined_labels(labels()) } else { several_fields(labels()) };
    let combined = combined.map(|found| format!("{}: {found}.", listing.path.display()));
    let against = if is_folder { None } else { contradictions(&samples) };
    let paths: Vec<&Path> = samples.iter().map(|sample| sample.path).collect();
    let parts = parts_are_open.then(unread_parts).flatten();
    [parts, combined, against, derived(&paths)].into_iter().flatten().collect()
}

fn one_image(path: &Path) -> Listing {
    let id = path.file_name().map_or_else(|| "image".to_owned(), |name| text_of(name.as_ref()));
    let place = ImagePlace::File(path.to_path_buf());
    let found = vec![FoundImage { id, place, class: None, part: None, group: None }];
    Listing::new(path, SourceKind::Image, found, Labels::default())
}
