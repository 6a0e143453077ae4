//! Opens tables of embeddings, with a helpful error for lists of images whose column is not named `path`.

use std::path::Path;

use widemargin_tables::{
    ChosenColumns, Error as TableError, OpenTable, Problem, column_names, echo_list, is_sample_weight,
    names_path, open_chosen,
};

use crate::{Error, Result};

/// Opens a table of embeddings, with labels from another file if given.
pub(crate) fn open_table(path: &Path, labels: Option<&Path>, columns: &ChosenColumns) -> Result<OpenTable> {
    open_chosen(path, labels, columns).map_err(|error| no_table(path, error))
}

/// Rejects a column of sample weights in the files with names of the rows, which training would ignore. Those of the table itself are rejected
/// with its columns.
pub(crate) fn require_no_weights(path: &Path, labels: Option<&Path>) -> Result<()> {
    let names = names_path(path);
    for file in [Some(names.as_path()), labels].into_iter().flatten() {
        let weight = column_names(file).into_iter().find(|name| is_sample_weight(name));
        if let Some(column) = weight {
            return Err(Problem::SampleWeights { column, advice: "remove it, or rename it".to_owned() }
                .at(file)
                .into());
        }
    }
    Ok(())
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
/// The error for a table that cannot be opened. With text in place of numbers it may be a list of images in other words.
fn no_table(path: &Path, error: TableError) -> Error {
    if *error.path != *path {
        return error.into();
    }
    let column = match &error.problem {
        Problem::Field { column, expected, .. } if *expected == "a number" => Some(column),
        Problem::Cell { column, expected, .. } if expected == "a number" => Some(column),
        Problem::IndexColumn { .. } | Problem::OddColumns { .. } => None,
        _ => return error.into(),
    };
    let mut columns = column_names(path);
    if columns.is_empty() {
        columns.extend(column.cloned());
    }
    let file =
        columns.iter().find(|column| NEARLY_PATH.iter().any(|nearly| column.eq_ignore_ascii_case(nearly)));
    let Some(file) = file else { return error.into() };
    Error::NotAManifest {
        path: path.to_path_buf(),
        columns: echo_list(&columns),
        hint: format!("If it lists images, rename the column `{file}` to `path`"),
        problem: Box::new(error.problem),
    }
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
            ("img_id,image\n7,a.png\n", "rename the column `image` to `path`"),
            ("label,x\na,one\n", "vectors.csv: line 2, column `x` holds \"one\"; expected a number"),
            ("image,label\n1,\n", "column `label` holds \"\"; expected a name"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vectors.csv");
            put(&path, text.as_bytes());
            let said = open_table(&path, None, &ChosenColumns::default()).unwrap_err().to_string();
            assert!(said.contains(expected) && said.contains("vectors.csv"), "{said}");
        }
    }
}
