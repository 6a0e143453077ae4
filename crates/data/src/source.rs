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
//! | a `.png`, `.jpg`, `.jpeg`, `.webp` | one image |

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use widemargin_tables::{Error as FileError, OpenTable, Problem, is_manifest, is_table, read_labels};

use crate::walk::is_hidden;
use crate::{Error, ImageSet, OpenOptions, Result, SampleSet, VectorOptions, VectorSet, idx, is_image};

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A folder of IDX files, as those of MNIST.
    Idx,
    /// A folder of image files.
    Folder,
    /// A table of paths to images.
    Manifest,
    /// Tar files of images, as WebDataset has them.
    Shards,
    /// A table of ready-made embeddings.
    Table,
    /// One image file.
    Image,
}

/// Tells what a path names; files are not looked into, but for the columns of a table.
///
/// # Errors
/// [`Error::MissingFolder`] if there is nothing, [`Error::NotAFolder`] for a file of another kind, [`Error::Read`],
/// [`Error::MissingFile`] where some of four IDX files are.
pub fn recognise(path: &Path) -> Result<Source> {
    // A table says itself why it cannot be read.
    if is_table(path) {
        return Ok(if is_manifest(path) { Source::Manifest } else { Source::Table });
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(_) if is_pattern(path) => return Ok(Source::Shards),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::MissingFolder { path: path.to_path_buf() });
        }
        Err(error) => return Err(Error::read(path, error)),
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
    if is_image(path) { Ok(Source::Image) } else { Err(Error::NotAFolder { path: path.to_path_buf() }) }
}

/// Opens whatever `path` names as samples to train on; see [`Source`]. `labels` are those of a table, if they lie beside it.
///
/// # Errors
/// Those of [`ImageSet::open`] and [`VectorSet::open`]; [`Error::Setting`] for labels beside anything but a table.
pub fn open_samples(path: &Path, labels: Option<&Path>, options: &OpenOptions) -> Result<SampleSet> {
    options.validate()?;
    if recognise(path)? == Source::Table {
        let options = VectorOptions { hold_out: options.hold_out, seed: options.seed };
        return Ok(VectorSet::open(path, labels, options)?.shared().into());
    }
    if let Some(labels) = labels {
        return Err(Error::labels_beside(labels));
    }
    Ok(ImageSet::open(path, options)?.shared().into())
}

/// Opens a table of embeddings, with the labels that lie beside it if there are any.
pub(crate) fn open_table(path: &Path, labels: Option<&Path>) -> Result<OpenTable> {
    let mut table = widemargin_tables::open(path).map_err(|error| no_table(path, error))?;
    if let Some(beside) = labels {
        table.set_labels(read_labels(beside)?, beside)?;
    }
    Ok(table)
}

/// What lists of images call the column of their files, where that is not `path`.
const NEARLY_PATH: [&str; 16] = [
    "file",
    "files",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "images",
    "image_path",
    "image_file",
    "img",
    "img_path",
    "img_file",
    "image",
    "paths",
    "photo",
];
/// What separates the columns of tables that are not separated by commas.
const SEPARATORS: [(char, &str); 3] = [(';', "`;`"), ('\t', "tabs"), ('|', "`|`")];
/// Longest first line that is looked at.
const MOST_HEADER: u64 = 1 << 20;

/// Why a table cannot be opened. One with texts where numbers should be may be a list of images that was not recognised as such.
fn no_table(path: &Path, error: FileError) -> Error {
    let column = match &error.problem {
        Problem::Field { column, expected, .. } if *expected == "a number" => column,
        Problem::Cell { column, expected, .. } if expected == "a number" => column,
        _ => return error.into(),
    };
    let mut columns = columns_of(path);
    if columns.is_empty() {
        columns.push(column.clone());
    }
    let separator = SEPARATORS.iter().find(|(separator, _)| column.contains(*separator));
    let file =
        columns.iter().find(|column| NEARLY_PATH.iter().any(|nearly| column.eq_ignore_ascii_case(nearly)));
    let hint = match (separator, file) {
        (Some((_, separator)), _) => {
            format!("They seem to be separated by {separator}; expected commas")
        }
        (None, Some(file)) => format!("If it lists images, call the column `{file}` `path`"),
        (None, None) => return error.into(),
    };
    Error::NotAManifest {
        path: path.to_path_buf(),
        columns: columns.join(", "),
        hint,
        problem: Box::new(error.problem),
    }
}

/// The columns of a `.csv`; none where they cannot be told.
fn columns_of(path: &Path) -> Vec<String> {
    let Some(file) = File::open(path).ok().filter(|_| has_ending(path, "csv")) else { return Vec::new() };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(file.take(MOST_HEADER));
    reader.headers().map_or_else(|_| Vec::new(), |names| names.iter().map(str::to_owned).collect())
}

/// Whether the last part of a path has letters of a pattern in it.
pub(crate) fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().any(|byte| b"*?{".contains(byte)))
}

pub(crate) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    #[test]
    fn a_list_of_images_in_other_words_is_told_from_a_table() {
        for (text, expected) in [
            (
                "filename,label\na.png,x\n",
                "has no column `path`; its columns are filename, label. If it lists images, call the column `filename` `path`. As a \
                 table of embeddings it cannot be read: line 2, column `filename` holds \"a.png\"",
            ),
            ("label,width,IMG\nx,3,a.png\n", "call the column `IMG` `path`"),
            (
                "size,file\nlarge,a.png\n",
                "call the column `file` `path`. As a table of embeddings it cannot be read: line 2, column `size`",
            ),
            (
                "path;label\na.png;x\n",
                "its columns are path;label. They seem to be separated by `;`; expected commas",
            ),
            ("label\tpath\nx\ta.png\n", "separated by tabs"),
            ("label,x\na,one\n", "vectors.csv: line 2, column `x` holds \"one\"; expected a number"),
            ("image,label\n1,\n", "column `label` holds \"\"; expected a name"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vectors.csv");
            put(&path, text.as_bytes());
            let said = open_table(&path, None).unwrap_err().to_string();
            assert!(said.contains(expected) && said.contains("vectors.csv"), "{said}");
        }
    }
}
