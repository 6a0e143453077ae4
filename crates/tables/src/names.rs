//! Names of the rows of a table in a file of their own: labels, ids, cameras, parts and groups.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::column_names::{IDS, NOT_IDS};
use super::error::{Error, Problem, Result};
use super::keys::{Keys, repeated};
use super::spelling::{hint, without_decimals};
use super::table::ending;
use super::text::{lines, read_text};
use super::text_table::TextTable;
use super::texts::read_texts;
use super::{memory, npy};

/// Extensions of formats that other programs use for labels, and that are not read.
const NOT_TEXT: [&str; 10] = ["npz", "pkl", "pickle", "pt", "pth", "h5", "hdf5", "mat", "xlsx", "xls"];
/// Characters between the columns of a text, in order of preference; without them, white space.
const BETWEEN_COLUMNS: [char; 4] = ['\t', ',', ';', '|'];

/// Rejects a text whose lines have a name and a label each, such as `utt2spk` of Kaldi: two fields, of which the first differs in every line
/// and the second is repeated. Every line would be a label of its own. Lines in double quotes are labels as they are.
fn require_one_column(text: &str, what: &'static str) -> Result<(), Problem> {
    let lines = || text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let between = BETWEEN_COLUMNS.iter().find(|letter| lines().all(|line| line.contains(**letter)));
    let fields = |line| -> Option<[&str; 2]> {
        let fields: Vec<&str> = match between {
            Some(letter) => str::split(line, *letter).map(str::trim).collect(),
            None => line.split_whitespace().collect(),
        };
        let is_field = |field: &&str| !field.is_empty() && !field.starts_with('"');
        fields.try_into().ok().filter(|fields: &[&str; 2]| fields.iter().all(is_field))
    };
    let Some(fields) = lines().map(fields).collect::<Option<Vec<[&str; 2]>>>() else { return Ok(()) };
    let different = |at: usize| fields.iter().map(|fields| fields[at]).collect::<HashSet<_>>().len();
    match lines().next() {
        Some(first) if different(0) == fields.len() && different(1) < fields.len() => {
            Err(Problem::TwoColumns { what, found: first.to_owned() })
        }
        _ => Ok(()),
    }
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

/// The file that has the names of the rows of `embeddings`, if its format cannot contain them: `NAME.names.csv`.
pub fn names_path(embeddings: &Path) -> PathBuf {
    embeddings.with_extension("names.csv")
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
            "parquet" => super::columns::texts_with_index(path)?,
            #[cfg(not(feature = "parquet"))]
            "parquet" => read_texts(path)?,
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
                    require_one_column(&text, subject).map_err(|problem| problem.at(path))?;
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

    /// The names next to a table whose format cannot contain them, if there are any.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn beside(embeddings: &Path) -> Result<Option<Self>> {
        let path = names_path(embeddings);
        let lacks_names = matches!(ending(embeddings).as_str(), "npy" | "safetensors");
        if !lacks_names || !path.exists() {
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
    /// [`Problem::NoColumn`]; [`Problem::Field`] or [`Problem::Cell`] for an empty entry.
    pub fn required(&self, column: &'static str) -> Result<Vec<String>> {
        let Some(at) = self.table.column(column) else {
            return Err(Problem::NoColumn { column, found: self.table.columns.clone() }.at(&self.path));
        };
        if let Some(row) = self.table.rows.iter().position(|row| row[at].is_empty()) {
            return Err(self.table.wrong(row, at, "a name").at(&self.path));
        }
        Ok(self.table.rows.iter().map(|row| row[at].clone()).collect())
    }

    /// Checks that `own`, a column inside the table or in another file of names, is that of this file, if it has one. Both are in the order of
    /// the table.
    ///
    /// # Errors
    /// [`Problem::TwoNames`] for the first row with another name.
    pub(super) fn require_same(&self, what: &'static str, own: &[String], table: &Path) -> Result<()> {
        let Some(given) = self.texts(what) else { return Ok(()) };
        let differs = |(own, given): (&String, &String)| own != given;
        match own.iter().zip(&given).position(differs) {
            None => Ok(()),
            Some(row) => {
                let (place, table) = (self.table.place(row).to_string(), table.display().to_string());
                let names = Box::new([given[row].clone(), own[row].clone()]);
                Err(Problem::TwoNames { what, place, table, names }.at(&self.path))
            }
        }
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
    fn a_text_of_two_columns_is_no_list_of_labels() {
        for text in [
            "a x\nb x\n",
            "a\tx\nb\tx",
            "a,x\nb , x\n",
            "a b;x\nc d;x\n",
            "im 1\tx y\nim 2\tx y\n",
            "a x\r\nb\tx\r\n",
            "a x\rb x\r",
        ] {
            let found = require_one_column(text, "label").unwrap_err();
            assert!(matches!(found, Problem::TwoColumns { what: "label", .. }), "{text:?}: {found}");
        }
        for text in [
            "",
            "a\nb\nb\n",
            // Classes of two words, and words that are all different.
            "a x\nb x\na x\n",
            "a x\nb y\n",
            "a x\nb x y\n",
            "a x\nb\n",
            "a,\nb,\n",
            "\"a x\"\n\"b x\"\n",
        ] {
            assert!(require_one_column(text, "label").is_ok(), "{text:?}");
        }
    }
}
