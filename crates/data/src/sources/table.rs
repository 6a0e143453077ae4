//! Opens tables of embeddings, with a helpful error for lists of images whose column is not named `path`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use widemargin_tables::{Error as TableError, OpenTable, Problem, open_labelled};

use crate::file_names::has_ending;
use crate::{Error, Result};

/// Opens a table of embeddings, with labels from another file if given.
pub(crate) fn open_table(path: &Path, labels: Option<&Path>) -> Result<OpenTable> {
    open_labelled(path, labels).map_err(|error| no_table(path, error))
}

/// Other names that lists of images use for the column `path`.
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
/// Separators other than commas.
const SEPARATORS: [(char, &str); 3] = [(';', "`;`"), ('\t', "tabs"), ('|', "`|`")];
/// Most bytes of the first line that are read.
const MOST_HEADER: u64 = 1 << 20;

/// The error for a table that cannot be opened. With text in place of numbers it may be a list of images in other words.
fn no_table(path: &Path, error: TableError) -> Error {
    if error.path != path {
        return error.into();
    }
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
            format!("They seem to be separated by {separator}; separate them by commas")
        }
        (None, Some(file)) => format!("If it lists images, rename the column `{file}` to `path`"),
        (None, None) => return error.into(),
    };
    Error::NotAManifest {
        path: path.to_path_buf(),
        columns: columns.join(", "),
        hint,
        problem: Box::new(error.problem),
    }
}

/// The columns of a `.csv`; empty if they cannot be read.
fn columns_of(path: &Path) -> Vec<String> {
    let Some(file) = File::open(path).ok().filter(|_| has_ending(path, "csv")) else { return Vec::new() };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(file.take(MOST_HEADER));
    reader.headers().map_or_else(|_| Vec::new(), |names| names.iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    #[test]
    fn a_list_of_images_without_the_column_path_is_recognised() {
        for (text, expected) in [
            (
                "filename,label\na.png,x\n",
                "no column `path`; the columns are filename, label. If it lists images, rename the column `filename` to `path`. It \
                 cannot be read as a table of embeddings: line 2, column `filename` holds \"a.png\"",
            ),
            ("label,width,IMG\nx,3,a.png\n", "rename the column `IMG` to `path`"),
            (
                "size,file\nlarge,a.png\n",
                "rename the column `file` to `path`. It cannot be read as a table of embeddings: line 2, column `size`",
            ),
            (
                "path;label\na.png;x\n",
                "the columns are path;label. They seem to be separated by `;`; separate them by commas",
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
