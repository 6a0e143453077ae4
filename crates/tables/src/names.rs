//! Names of the rows of a table in a file of their own: labels, ids, cameras, parts and groups.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::column_names::{IDS, NOT_IDS, plain};
use super::echo::echo;
use super::error::{Error, Problem, Result};
use super::fields::require_one_field;
use super::keys::{Keys, repeated};
use super::spelling::{hint, may_be_no_class, without_decimals};
use super::table::{ending, has_column_names, is_table};
use super::text::{lines, read_text};
use super::text_table::TextTable;
use super::texts::read_texts;
use super::{memory, npy};

/// Extensions of formats that other programs use for labels, and that are not read as such.
const NOT_TEXT: [&str; 10] = ["npz", "pkl", "pickle", "pt", "pth", "h5", "hdf5", "mat", "xlsx", "xls"];
/// Names of a column of labels, in small letters and without other characters, that are hardly a class.
const HEADINGS: [&str; 16] = [
    "label",
    "labels",
    "labelid",
    "labelname",
    "class",
    "classes",
    "classid",
    "classname",
    "target",
    "targets",
    "truelabel",
    "groundtruth",
    "name",
    "names",
    "category",
    "categories",
];

/// Whether the first entry of a list of classes is hardly a class, but the name of a column.
pub fn is_heading(name: &str) -> bool {
    let name = plain(name);
    HEADINGS.contains(&name.as_str())
}

/// Rejects a text whose first line names the column: as a name of its own, it would move all others by one row. In double quotes it is a name.
fn require_no_heading(text: &str, names: &[String], what: &'static str) -> Result<(), Problem> {
    let Some((first, others)) = names.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Ok(());
    };
    let is_number = |name: &String| name.parse::<f64>().is_ok();
    let is_heading = plain(first) == what || is_heading(first);
    // A word before numbers only is no class, unless it says that a row has none.
    let is_odd = !is_number(first) && !may_be_no_class(first) && others.iter().all(is_number);
    if text.trim_start().starts_with('"') || others.contains(first) || !(is_heading || is_odd) {
        return Ok(());
    }
    Err(Problem::Heading { what, found: first.clone() })
}

/// Names of rows, from a file of their own.
#[derive(Debug, Clone)]
pub struct RowNames {
    pub(super) path: PathBuf,
    /// What the file is read for: `label`, `camera` or `name`.
    pub(super) subject: &'static str,
    pub(super) table: TextTable,
    pub(super) origin: Origin,
    /// The shared column that gave the rows their order.
    pub(super) key: Option<usize>,
    /// Sentences on how the file was joined.
    pub(super) notes: Vec<String>,
}

/// How two columns differ.
struct Difference<'a, 'b> {
    /// The first row with another text.
    row: usize,
    own: &'a str,
    given: &'b str,
    /// How many rows differ, of how many.
    rows: [usize; 2],
}

/// Where a file of names comes from, which says what its ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A file of its own.
    Given,
    /// `NAME.names.csv`, by any program.
    Beside,
    /// `NAME.names.csv` of `embed`: its ids name the rows in their order.
    Embedded,
}

/// The rows that names are joined to.
#[derive(Debug, Clone, Copy)]
pub struct NamedRows<'a> {
    /// The table, for errors.
    pub path: &'a Path,
    /// Number of rows.
    pub rows: usize,
    /// Ids of the rows, if they have any.
    pub ids: Option<&'a [String]>,
    /// Other columns of the table that may tell its rows apart.
    pub keys: &'a Keys,
}

/// The file that may have names of the rows of `embeddings`: `NAME.names.csv`.
pub fn names_path(embeddings: &Path) -> PathBuf {
    embeddings.with_extension("names.csv")
}

/// Whether the columns of a file of names have names.
fn has_named_columns(path: &Path) -> bool {
    ending(path) == "tsv" || has_column_names(path)
}

impl RowNames {
    /// Reads a file of names. A `.csv` or `.parquet` has named columns. A `.npy` (integers or text) and a text with one name per line have a
    /// single column. `subject` is what the file is read for, such as `label`: the name of that column, and the word in errors.
    ///
    /// # Errors
    /// [`Error`](crate::Error) with the path and the [`Problem`].
    pub fn read(path: &Path, subject: &'static str) -> Result<Self> {
        let mut table = match ending(path).as_str() {
            "csv" | "tsv" => read_texts(path)?,
            #[cfg(feature = "parquet")]
            "parquet" | "arrow" | "feather" => super::columns::texts_with_index(path)?,
            #[cfg(not(feature = "parquet"))]
            "parquet" | "arrow" | "feather" => read_texts(path)?,
            kind if NOT_TEXT.contains(&kind) => {
                return Err(Problem::NamesEnding { what: subject, found: kind.to_owned() }.at(path));
            }
            kind => {
                let is_array = kind == "npy";
                let names = if is_array {
                    npy::labels(&memory::read(path)?, path)?
                } else {
                    let text = read_text(path)?;
                    let names = lines(&text, path)?;
                    require_one_field(&text, subject)
                        .and_then(|()| require_no_heading(&text, &names, subject))
                        .map_err(|problem| problem.at(path))?;
                    names
                };
                let lines = (!is_array).then(|| (1..=names.len() as u64).collect());
                let rows = names.into_iter().map(|name| vec![name]).collect();
                TextTable { columns: vec![subject.to_owned()], rows, lines, left_out: Vec::new() }
            }
        };
        for at in 0..table.columns.len() {
            let mut texts: Vec<String> =
                table.rows.iter_mut().map(|row| std::mem::take(&mut row[at])).collect();
            without_decimals(&mut texts);
            table.rows.iter_mut().zip(texts).for_each(|(row, text)| row[at] = text);
        }
        let (origin, key, notes) = (Origin::Given, None, Vec::new());
        Ok(Self { path: path.to_owned(), subject, table, origin, key, notes })
    }

    /// As [`read`](Self::read) for labels, which are in the column of this name instead of `label`.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Problem::NoLabelColumn`] if there is no such column.
    pub fn read_labels(path: &Path, column: Option<&str>) -> Result<Self> {
        let mut names = Self::read(path, "label")?;
        match column {
            Some(column) if !has_named_columns(path) => {
                Err(Problem::NoLabelColumn { column: column.to_owned(), found: Vec::new() }.at(path))
            }
            Some(column) => names.choose_labels(column).map(|()| names),
            None => Ok(names),
        }
    }

    /// Makes the column of this name that of the labels. Another column `label` is no longer there.
    pub(super) fn choose_labels(&mut self, column: &str) -> Result<()> {
        let table = &mut self.table;
        let chosen = table.columns.iter().position(|name| name == column);
        let chosen = chosen.ok_or_else(|| {
            let (column, found) = (column.to_owned(), table.columns.clone());
            Problem::NoLabelColumn { column, found }.at(&self.path)
        })?;
        let other = (0..table.columns.len())
            .find(|at| *at != chosen && table.columns[*at].eq_ignore_ascii_case("label"));
        "label".clone_into(&mut table.columns[chosen]);
        if let Some(at) = other {
            table.columns.remove(at);
            table.rows.iter_mut().for_each(|row| drop(row.remove(at)));
        }
        Ok(())
    }

    /// The names next to a table, if there are any.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn beside(embeddings: &Path) -> Result<Option<Self>> {
        let path = names_path(embeddings);
        if !is_table(embeddings) || !path.exists() {
            return Ok(None);
        }
        let mut about = embeddings.as_os_str().to_owned();
        about.push(".about.json");
        let origin = if Path::new(&about).exists() { Origin::Embedded } else { Origin::Beside };
        Ok(Some(Self { origin, ..Self::read(&path, "name")? }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ids of the rows: the column `id`, or else `path` or `sample`; `None` if the file has none of them.
    pub fn ids(&self) -> Option<Vec<String>> {
        let at = self.id_column()?;
        Some(self.table.rows.iter().map(|row| row[at].clone()).collect())
    }

    /// Sentences on how the file was joined to a table.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The shared column that gave the rows their order; `None` if they were joined by ids or by position.
    pub(super) fn key(&self) -> Option<Vec<String>> {
        Some(self.column(self.key?).map(str::to_owned).collect())
    }

    /// The columns that may tell the rows apart, for joining further files.
    pub(super) fn add_keys(&self, keys: &mut Keys) {
        let is_key =
            |name: &String| !IDS.iter().chain(&NOT_IDS).any(|known| name.eq_ignore_ascii_case(known));
        for (at, name) in self.table.columns.iter().enumerate().filter(|(_, name)| is_key(name)) {
            keys.push(name, self.column(at).map(str::to_owned).collect());
        }
    }

    /// A column, or `None` if the file does not have it.
    pub fn texts(&self, column: &str) -> Option<Vec<String>> {
        let at = self.table.column(column)?;
        Some(self.table.rows.iter().map(|row| row[at].clone()).collect())
    }

    /// A column that must exist and have no empty entry.
    ///
    /// # Errors
    /// [`Problem::NoColumn`] or [`Problem::NoTexts`]; [`Problem::Field`] or [`Problem::Cell`] for an empty entry.
    pub fn required(&self, column: &'static str) -> Result<Vec<String>> {
        let at = self.table.required(column).map_err(|problem| problem.at(&self.path))?;
        if let Some(row) = self.table.rows.iter().position(|row| row[at].is_empty()) {
            return Err(self.table.wrong(row, at, "a name").at(&self.path));
        }
        Ok(self.table.rows.iter().map(|row| row[at].clone()).collect())
    }

    /// Checks that a column inside the table or in another file of names is that of this file, if it has one. `own` has rows of this file, which must
    /// be in the order of the table, with the text there.
    ///
    /// # Errors
    /// [`Problem::TwoNames`] for the first row with another name.
    pub fn require_same<'a>(
        &self,
        what: &'static str,
        own: impl Iterator<Item = (usize, &'a str)>,
        table: &Path,
    ) -> Result<()> {
        let Some(Difference { row, own, given, rows }) = self.difference(what, own) else { return Ok(()) };
        let (place, table) = (self.table.place(row).to_string(), table.display().to_string());
        let names = Box::new([given.to_owned(), own.to_owned()]);
        Err(Problem::TwoNames { what, place, table, names, rows }.at(&self.path))
    }

    /// A sentence if a column of this file differs from the one that it replaces, in `file`. `own` is as in [`require_same`](Self::require_same).
    pub fn replaced<'a>(
        &self,
        what: &'static str,
        own: impl Iterator<Item = (usize, &'a str)>,
        file: &Path,
    ) -> Option<String> {
        let Difference { row, own, given, rows: [differ, all] } = self.difference(what, own)?;
        Some(format!(
            "{}: its {what}s are used instead of those of {}; {differ} of {all} differ, the first in {} (\"{}\", there \"{}\").",
            self.path.display(),
            file.display(),
            self.table.place(row),
            echo(given),
            echo(own)
        ))
    }

    fn difference<'a, 'b>(
        &'b self,
        what: &str,
        own: impl Iterator<Item = (usize, &'a str)>,
    ) -> Option<Difference<'a, 'b>> {
        let at = self.table.column(what)?;
        let (mut all, mut differ, mut first) = (0, 0, None);
        for (row, own) in own {
            all += 1;
            let given = self.table.rows[row][at].as_str();
            // An empty field says nothing.
            if own != given && !given.is_empty() {
                differ += 1;
                first = first.or(Some((row, own, given)));
            }
        }
        first.map(|(row, own, given)| Difference { row, own, given, rows: [differ, all] })
    }

    pub(super) fn id_column(&self) -> Option<usize> {
        IDS.iter().find_map(|name| self.table.column(name))
    }

    /// The texts of a column.
    pub(super) fn column(&self, at: usize) -> impl Iterator<Item = &str> + Clone {
        self.table.rows.iter().map(move |row| row[at].as_str())
    }

    /// The columns, apart from labels and the like, which never identify a row.
    pub(super) fn other_columns(&self) -> impl Iterator<Item = usize> {
        let is_other =
            |at: &usize| !NOT_IDS.iter().any(|known| self.table.columns[*at].eq_ignore_ascii_case(known));
        (0..self.table.columns.len()).filter(is_other)
    }

    /// The position in this file of each id of a table, if a column has just these ids.
    pub(super) fn order(&self, column: usize, ids: &[String]) -> Option<Vec<usize>> {
        let mut places: HashMap<&str, usize> = self.column(column).zip(0..).collect();
        if places.len() != ids.len() || places.len() != self.table.rows.len() {
            return None;
        }
        ids.iter().map(|id| places.remove(id.as_str())).collect()
    }

    /// The position in this file of each id of a table.
    ///
    /// # Errors
    /// [`Problem::RepeatedId`], [`Problem::IdNotInTable`] and [`Problem::IdMissing`] unless the column has just these ids.
    pub(super) fn positions(&self, column: usize, ids: &[String], table: &Path) -> Result<Vec<usize>> {
        let name = || self.table.columns[column].as_str().into();
        if let Some([first, second]) = repeated(self.column(column)) {
            let id = self.table.rows[first][column].clone();
            return Err(Problem::RepeatedId { id, column: name(), first, second }.at(&self.path));
        }
        let mut places: HashMap<&str, usize> = self.column(column).zip(0..).collect();
        let order: Vec<Option<usize>> = ids.iter().map(|id| places.remove(id.as_str())).collect();
        let table = || table.display().to_string().into_boxed_str();
        if let Some(&row) = places.values().min() {
            let (place, id) = (self.table.place(row).to_string(), self.table.rows[row][column].as_str());
            let hint = hint(id, ids.iter().map(String::as_str));
            let (count, id, column, table) = (places.len(), id.into(), name(), table());
            return Err(
                Problem::IdNotInTable { place: place.into(), id, column, count, table, hint }.at(&self.path)
            );
        }
        if let Some(first) = order.iter().position(Option::is_none) {
            let count = order.iter().filter(|at| at.is_none()).count();
            let hint = hint(&ids[first], self.column(column));
            let (id, column, table) = (ids[first].as_str().into(), name(), table());
            return Err(Problem::IdMissing { id, column, count, table, hint }.at(&self.path));
        }
        Ok(order.into_iter().flatten().collect())
    }

    /// The problem of two columns that give different orders.
    pub(super) fn two_columns(&self, one: usize, other: usize, table: &Path) -> Error {
        let name = |at: usize| self.table.columns[at].clone();
        let columns = Box::new([name(one), name(other)]);
        Problem::TwoIdColumns { columns, table: table.display().to_string() }.at(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_column_is_no_label() {
        let found = |text: &str| {
            let names: Vec<String> = text.lines().map(str::to_owned).collect();
            require_no_heading(text, &names, "label")
        };
        for text in ["label\na\nb\n", "Labels\n1\n2\n", "class_id\na\nb\n", "species\n1\n1\n"] {
            let problem = found(text).unwrap_err();
            assert!(matches!(problem, Problem::Heading { what: "label", .. }), "{text:?}: {problem}");
        }
        for text in [
            "a\nb\n",
            "label\n",
            "class\na\nclass\n",
            "\"label\"\na\n",
            "person\ndog\n",
            "unknown\n1\n2\n",
            "1\n2\n",
        ] {
            assert!(found(text).is_ok(), "{text:?}");
        }
    }
}
