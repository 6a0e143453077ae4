//! Tables of text: every field as it is written, by column name. Manifests, which list files, are such tables.
//!
//! | file | columns |
//! |---|---|
//! | `.csv` | the columns named in the first line |
//! | `.parquet`, `.arrow`, `.feather` (feature `parquet`) | texts, numbers, booleans, dates and times, and bytes that are valid text. Null becomes an empty field. Other columns are left out and listed in [`TextTable::left_out`] |
//!
//! All fields are in memory, as text.

use std::collections::BTreeSet;
use std::path::Path;

#[cfg(not(feature = "parquet"))]
use super::error::Problem;
use super::error::Result;
use super::table::{ending, has_typed_columns};
use super::text::{Records, read_text};
use super::text_table::TextTable;

/// Reads a table of text: a file named `.parquet`, `.arrow` or `.feather` as such, any other file as `.csv`. Lines of a `.csv` that begin with `#` before the header are
/// comments.
///
/// # Errors
/// [`Error`](super::Error) with the path and the [`Problem`](super::Problem). A table without rows is not an error.
pub fn read_texts(path: &Path) -> Result<TextTable> {
    if has_typed_columns(path) {
        #[cfg(feature = "parquet")]
        return super::columns::texts(path);
        #[cfg(not(feature = "parquet"))]
        return Err(Problem::NoParquet.at(path));
    }
    let text = read_text(path)?;
    let mut records = Records::open(&text, path)?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    while let Some(record) = records.next()? {
        lines.push(record.line);
        rows.push(record.fields.into_iter().map(std::borrow::Cow::into_owned).collect());
    }
    Ok(TextTable { columns: records.columns, rows, lines: Some(lines), left_out: Vec::new() })
}

/// Whether a file is a manifest: a `.csv` or a file with typed columns, such as `.parquet`, with a column `path` and no column `embedding`. `false` for a file that cannot
/// be read.
pub fn is_manifest(path: &Path) -> bool {
    let columns = column_names(path);
    let has = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    has("path") && !has("embedding")
}

/// Rejects a `.parquet`, `.arrow` or `.feather` with image files in a column. Another file passes, and so does one that cannot be read.
///
/// # Errors
/// [`Problem::ImageColumn`](super::Problem::ImageColumn).
pub fn require_no_images(path: &Path) -> Result<()> {
    #[cfg(feature = "parquet")]
    if has_typed_columns(path)
        && let Ok(Some(column)) = super::columns::image_column(path)
    {
        return Err(super::error::Problem::ImageColumn { column }.at(path));
    }
    #[cfg(not(feature = "parquet"))]
    let _ = path;
    Ok(())
}

/// The names of the columns of a `.csv`, `.parquet`, `.arrow` or `.feather`; empty for another file, and for one that cannot be read.
pub fn column_names(path: &Path) -> Vec<String> {
    match ending(path).as_str() {
        "csv" => first_line(path),
        #[cfg(feature = "parquet")]
        "parquet" | "arrow" | "feather" => super::columns::names(path).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The different fields of the columns of such a file whose names are `chosen`, by column. A column with more than `most` of them is
/// left out; so is every column of another file, and of one that cannot be read.
pub fn distinct_fields(
    path: &Path,
    most: usize,
    chosen: impl Fn(&str) -> bool,
) -> Vec<(String, BTreeSet<String>)> {
    // A table of embeddings can be large, and most have no other columns.
    if !column_names(path).iter().any(|name| chosen(name)) {
        return Vec::new();
    }
    read_distinct(path, most, &chosen).unwrap_or_default()
}

fn read_distinct(
    path: &Path,
    most: usize,
    chosen: &dyn Fn(&str) -> bool,
) -> Result<Vec<(String, BTreeSet<String>)>> {
    #[cfg(feature = "parquet")]
    if has_typed_columns(path) {
        let table = super::columns::chosen_texts(path, chosen)?;
        let mut found = Distinct::new(&table.columns, most, chosen);
        table.rows.iter().for_each(|row| found.add(row));
        return Ok(found.named(&table.columns));
    }
    let text = read_text(path)?;
    let mut records = Records::open(&text, path)?;
    let mut found = Distinct::new(&records.columns, most, chosen);
    while !found.columns.is_empty()
        && let Some(record) = records.next()?
    {
        found.add(&record.fields);
    }
    Ok(found.named(&records.columns))
}

/// The different fields of some columns.
struct Distinct {
    most: usize,
    /// By the positions of the columns.
    columns: Vec<(usize, BTreeSet<String>)>,
}

impl Distinct {
    fn new(names: &[String], most: usize, chosen: &dyn Fn(&str) -> bool) -> Self {
        let columns = (0..names.len()).filter(|at| chosen(&names[*at])).map(|at| (at, BTreeSet::new()));
        Self { most, columns: columns.collect() }
    }

    fn add(&mut self, row: &[impl AsRef<str>]) {
        for (at, fields) in &mut self.columns {
            let field = row[*at].as_ref().trim();
            if !fields.contains(field) {
                fields.insert(field.to_owned());
            }
        }
        self.columns.retain(|(_, fields)| fields.len() <= self.most);
    }

    fn named(self, names: &[String]) -> Vec<(String, BTreeSet<String>)> {
        self.columns.into_iter().map(|(at, fields)| (names[at].clone(), fields)).collect()
    }
}

/// Most bytes that are read to find the header.
const MOST_HEADER: u64 = 1 << 20;

/// The names of the columns of a `.csv`; empty if it cannot be read.
fn first_line(path: &Path) -> Vec<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let Ok(file) = widemargin_durable::open_file(path) else { return Vec::new() };
    if file.take(MOST_HEADER).read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    Records::open(text, path).map_or_else(|_| Vec::new(), |records| records.columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a file of a test need not survive a crash")]
    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn fields_are_kept_as_text_with_their_lines() {
        let (_folder, path) = file("m.csv", b"# a comment\nPath,label\n\"a\nb.png\", x \n#c.png,\n");
        let table = read_texts(&path).unwrap();
        assert_eq!(table.columns, ["Path", "label"]);
        assert_eq!(table.rows, [["a\nb.png", "x"], ["#c.png", ""]]);
        assert_eq!(
            (table.column("path"), table.column("LABEL"), table.column("x")),
            (Some(0), Some(1), None)
        );
        let said = table.wrong(1, 1, "a name").at(&path).to_string();
        assert!(said.contains("line 5, column `label` holds \"\"; expected a name"), "{said}");
        assert!(is_manifest(&path));
    }

    #[test]
    fn different_fields_of_chosen_columns_are_found() {
        let (_folder, path) = file("t.csv", b"label,set,x,y\na, train,1,1\nb,test,2,1\nc,train,3,2\n");
        let found = distinct_fields(&path, 2, |name| name != "label");
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["set", "y"], "`x` has more");
        assert_eq!(found[0].1, ["test", "train"].map(str::to_owned).into());
        assert!(distinct_fields(Path::new("no/such.csv"), 9, |_| true).is_empty());
    }

    #[test]
    fn invalid_tables_are_errors_and_not_manifests() {
        for (name, bytes) in [
            ("short.csv", &b"path,label\na\n"[..]),
            ("bytes.csv", b"path,label\n\xff,b\n"),
            ("none.parquet", b"PAR1"),
        ] {
            let (_folder, path) = file(name, bytes);
            let said = read_texts(&path).unwrap_err().to_string();
            assert!(said.contains(name), "{said}");
        }
        for (name, bytes) in
            [("e.csv", &b"path,embedding\n"[..]), ("v.csv", b"label,x\n"), ("p.txt", b"path\n")]
        {
            let (_folder, path) = file(name, bytes);
            assert!(!is_manifest(&path), "{name}");
        }
        assert!(!is_manifest(Path::new("no/such.csv")) && !is_manifest(Path::new("no/such.parquet")));
    }
}
