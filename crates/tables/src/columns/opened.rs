//! Opens a file by its extension, and turns a panic of its reader into an error.

use std::path::Path;

use super::super::error::{Problem, Result};
use super::super::pattern::ChosenColumns;
use super::super::quiet::catch_panic;
use super::super::table::{OpenTable, ending};
use super::super::text_table::TextTable;
use super::arrow_file::ArrowFile;
use super::column_file::ColumnFile;
use super::images::has_images;
use super::parquet_file::ParquetFile;
use super::{texts as text_columns, vectors};

/// The format of a file, as errors call it.
fn format(path: &Path) -> &'static str {
    match ending(path).as_str() {
        "arrow" => ".arrow",
        "feather" => ".feather",
        _ => ".parquet",
    }
}

fn with<T>(path: &Path, work: impl FnOnce(&dyn ColumnFile) -> Result<T>) -> Result<T> {
    let format = format(path);
    let open = || -> Result<Box<dyn ColumnFile>> {
        Ok(if format == ".parquet" {
            Box::new(ParquetFile::open(path)?)
        } else {
            Box::new(ArrowFile::open(path, format)?)
        })
    };
    catch_panic(|| work(open()?.as_ref())).unwrap_or_else(|| {
        let reason = "its reader panicked on this file".to_owned();
        Err(Problem::Malformed { format, reason }.at(path))
    })
}

/// A table of embeddings.
pub(crate) fn open(path: &Path, chosen: &ChosenColumns) -> Result<OpenTable> {
    with(path, |file| vectors::open(file, chosen))
}

/// The names of the columns.
pub(crate) fn names(path: &Path) -> Result<Vec<String>> {
    with(path, |file| Ok(file.names()))
}

/// The first column with image files.
pub(crate) fn image_column(path: &Path) -> Result<Option<String>> {
    with(path, |file| {
        let found = (0..file.columns().len()).find(|at| has_images(file, *at));
        Ok(found.map(|at| file.columns()[at].name.clone()))
    })
}

/// The columns whose values can be written as text.
pub(crate) fn texts(path: &Path) -> Result<TextTable> {
    chosen_texts(path, |_| true)
}

/// As [`texts`], of the columns whose names are `chosen`.
pub(crate) fn chosen_texts(path: &Path, chosen: impl Fn(&str) -> bool) -> Result<TextTable> {
    with(path, |file| text_columns::texts(file, &chosen))
}

/// As [`texts`], with the index that pandas has recorded.
pub(crate) fn texts_with_index(path: &Path) -> Result<TextTable> {
    with(path, text_columns::texts_with_index)
}
