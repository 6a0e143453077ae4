//! Names of the rows of a table in a file of their own: labels, ids, cameras, parts and groups.
//!
//! This is the one place where two files are joined. If both have ids, rows are matched by id, whatever their order; otherwise by position.
//! Ids that occur in one of the files only, or twice, are errors.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::error::{Error, Problem, Result};
use super::spelling::{hint, without_decimals};
use super::table::ending;
use super::text::read_lines;
use super::text_table::TextTable;
use super::texts::read_texts;
use super::{memory, npy};

/// Columns that identify a row, in order of preference.
const IDS: [&str; 3] = ["id", "path", "sample"];
/// Further columns that may number the rows of a table without ids, as [`plain`] names. An index of pandas has no name.
const NUMBERS: [&str; 22] = [
    "row",
    "index",
    "",
    "unnamed0",
    "idx",
    "rowid",
    "rowindex",
    "rowidx",
    "rownumber",
    "rownum",
    "rowno",
    "imageid",
    "imageindex",
    "imageidx",
    "imgid",
    "imgidx",
    "sampleid",
    "sampleindex",
    "sampleidx",
    "embeddingid",
    "vectorid",
    "fileid",
];
/// How many of them number the rows even if another column counts.
const SURE_NUMBERS: usize = 4;
/// Least number of rows in which a column of any name has all row numbers in another order, and not by chance.
const MIN_ROWS: usize = 8;
/// Columns that never identify a row.
const NOT_IDS: [&str; 4] = ["label", "camera", "split", "group"];

/// Names of rows, from a file of their own.
#[derive(Debug, Clone)]
pub struct RowNames {
    path: PathBuf,
    /// What the file is read for: `label`, `camera` or `name`.
    subject: &'static str,
    table: TextTable,
    origin: Origin,
}

/// Where a file of names comes from, which says what its ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
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
            kind => {
                let is_array = kind == "npy";
                let names =
                    if is_array { npy::labels(&memory::read(path)?, path)? } else { read_lines(path)? };
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
        Ok(Self { path: path.to_owned(), subject, table, origin: Origin::Given })
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

    /// The names in the order of the rows of a table. If both have ids, they are matched; the columns `id`, `path` and `sample` of this file
    /// count as ids, the first of them that exists; without them, a column of another name in which at least half of the ids occur, or a column
    /// of different texts, which then must have the same ids. Rows without ids, or with ids that count them, are known by their numbers from 0 or
    /// 1: a column such as `row` or `image_id` that has all of them in another order gives the order.
    ///
    /// # Errors
    /// [`Problem::RowNumbers`] for a column of another name with all row numbers in another order;
    /// [`Problem::RepeatedId`], [`Problem::IdNotInTable`] and [`Problem::IdMissing`] unless both files have the same ids;
    /// [`Problem::NameCount`] if there are no ids to match and the numbers of rows differ.
    pub fn in_order_of(mut self, of: NamedRows<'_>) -> Result<Self> {
        // Ids that only count the rows occur in any column of numbers.
        let telling = of.ids.filter(|ids| !counts(ids.iter().map(String::as_str)));
        let column = self
            .id_column()
            .or_else(|| self.column_like(telling?))
            .or_else(|| telling.and_then(|_| self.column_of_texts()));
        let order = match (column, of.ids) {
            (Some(column), Some(ids)) => {
                let order = self.positions(column, ids, of.path)?;
                self.require_one_order(column, &order, ids, of.path)?;
                Some(order)
            }
            // pandas writes its index as an unnamed first column. It identifies rows only if the ids are the same.
            (None, Some(ids))
                if self.table.columns.first().is_some_and(String::is_empty)
                    && (telling.is_some() || !self.counts_rows(0)) =>
            {
                let index = self.positions(0, ids, of.path);
                if index.is_err() && !self.counts_rows(0) { Some(index?) } else { index.ok() }
            }
            (_, None) => self.numbered(of)?,
            (None, Some(_)) if telling.is_none() => self.numbered(of)?,
            _ => None,
        };
        let found = self.table.rows.len();
        let Some(order) = order else {
            if found != of.rows {
                // Without its header, a file has a row too few.
                if NOT_IDS.contains(&self.subject) {
                    self.required(self.subject)?;
                }
                return Err(Problem::NameCount { what: self.subject, rows: of.rows, found }.at(&self.path));
            }
            return Ok(self);
        };
        let mut rows: Vec<Option<Vec<String>>> =
            std::mem::take(&mut self.table.rows).into_iter().map(Some).collect();
        self.table.rows = order.iter().map(|&at| rows[at].take().unwrap_or_default()).collect();
        if let Some(lines) = &mut self.table.lines {
            *lines = order.iter().map(|&at| lines[at]).collect();
        }
        Ok(self)
    }

    /// The ids of the rows: the column `id`, or else `path` or `sample`; `None` if the file has none of them.
    pub fn ids(&self) -> Option<Vec<String>> {
        let at = self.id_column()?;
        Some(self.table.rows.iter().map(|row| row[at].clone()).collect())
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

    fn id_column(&self) -> Option<usize> {
        IDS.iter().find_map(|name| self.table.column(name))
    }

    /// The first column, such as `filename`, in which at least half of the ids of a table occur.
    fn column_like(&self, ids: &[String]) -> Option<usize> {
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let names = |at: &usize| {
            let column = self.table.columns[*at].as_str();
            let can_be =
                !column.is_empty() && !NOT_IDS.iter().any(|known| column.eq_ignore_ascii_case(known));
            let found: HashSet<&str> = self.table.rows.iter().map(|row| row[*at].as_str()).collect();
            can_be && 2 * found.intersection(&ids).count() >= ids.len()
        };
        (0..self.table.columns.len()).find(names)
    }

    /// The first column of different texts that are no numbers: it identifies the rows, so it must have the ids of the table.
    fn column_of_texts(&self) -> Option<usize> {
        (0..self.table.columns.len()).find(|&at| {
            let column = self.table.columns[at].as_str();
            let known = NOT_IDS.iter().any(|known| column.eq_ignore_ascii_case(known));
            let texts: HashSet<&str> = self.table.rows.iter().map(|row| row[at].as_str()).collect();
            let different = texts.len() == self.table.rows.len() && texts.len() > 1;
            !known && !column.is_empty() && different && texts.iter().all(|text| text.parse::<f64>().is_err())
        })
    }

    /// The position in this file of each row, if a column has all row numbers in another order.
    fn numbered(&self, of: NamedRows<'_>) -> Result<Option<Vec<usize>>> {
        let ids = self.id_column();
        if self.table.rows.len() != of.rows || (self.origin == Origin::Embedded && ids.is_some()) {
            return Ok(None);
        }
        let is_other =
            |at: &usize| NOT_IDS.iter().any(|known| self.table.columns[*at].eq_ignore_ascii_case(known));
        let found: Vec<Numbers> = (0..self.table.columns.len())
            .filter(|at| !is_other(at))
            .filter_map(|column| self.numbers(column))
            .collect();
        let ambiguous = |numbers: &Numbers| {
            let (column, first) = (self.table.columns[numbers.column].clone(), numbers.first);
            let (last, table) = (first + of.rows - 1, of.path.display().to_string());
            Err(Problem::RowNumbers { column, first, last, table }.at(&self.path))
        };
        if self.origin == Origin::Beside
            && let Some(names) =
                found.iter().find(|numbers| Some(numbers.column) == ids && !numbers.in_order())
        {
            // They could also be the ids of the rows, in the order of the rows.
            return ambiguous(names);
        }
        let mut known: Vec<&Numbers> = found.iter().filter(|numbers| numbers.rank.is_some()).collect();
        known.sort_by_key(|numbers| numbers.rank);
        // An index of pandas in order says nothing: the table may have been sorted before.
        let confirms = |numbers: &&&Numbers| {
            let name = plain(&self.table.columns[numbers.column]);
            numbers.in_order() && !matches!(name.as_str(), "" | "unnamed0")
        };
        let confirmed = known.iter().find(confirms);
        let Some(chosen) = known.iter().find(|numbers| !numbers.in_order()) else {
            if confirmed.is_some() || of.rows < MIN_ROWS {
                return Ok(None);
            }
            return found.iter().find(|numbers| !numbers.in_order()).map_or(Ok(None), ambiguous);
        };
        if let Some(confirmed) = confirmed.filter(|_| chosen.rank >= Some(IDS.len() + SURE_NUMBERS)) {
            return Err(self.two_columns(confirmed.column, chosen.column, of.path));
        }
        let differs = |other: &&&Numbers| !other.in_order() && other.order != chosen.order;
        if let Some(other) = known.iter().find(differs) {
            return Err(self.two_columns(chosen.column, other.column, of.path));
        }
        Ok(Some(chosen.order.clone()))
    }

    /// A column that has all row numbers from 0 or from 1.
    fn numbers(&self, column: usize) -> Option<Numbers> {
        let rows = &self.table.rows;
        let value = |row: &Vec<String>| row[column].trim().parse::<usize>().ok();
        let values: Vec<usize> = rows.iter().map_while(value).collect();
        let first = *values.iter().min().filter(|first| **first <= 1 && values.len() == rows.len())?;
        let mut order = vec![usize::MAX; rows.len()];
        for (at, value) in values.into_iter().enumerate() {
            let place = order.get_mut(value - first).filter(|place| **place == usize::MAX)?;
            *place = at;
        }
        let name = plain(&self.table.columns[column]);
        let rank = IDS.iter().chain(&NUMBERS).position(|known| *known == name);
        Some(Numbers { column, first, order, rank })
    }

    /// The position in this file of each id of a table, if a column has just these ids.
    fn order(&self, column: usize, ids: &[String]) -> Option<Vec<usize>> {
        if ids.len() != self.table.rows.len() {
            return None;
        }
        let places: HashMap<&str, usize> =
            self.table.rows.iter().enumerate().map(|(at, row)| (row[column].as_str(), at)).collect();
        if places.len() != ids.len() {
            return None;
        }
        ids.iter().map(|id| places.get(id.as_str()).copied()).collect()
    }

    /// Rejects a second column that could hold the ids and gives another order. A column that only counts the rows of this file is none.
    fn require_one_order(&self, column: usize, order: &[usize], ids: &[String], table: &Path) -> Result<()> {
        let is_known = |at: &usize| {
            let name = plain(&self.table.columns[*at]);
            IDS.iter().chain(&NUMBERS).any(|known| *known == name)
        };
        let other = (0..self.table.columns.len()).filter(is_known).find(|&other| {
            let differs = |found: Vec<usize>| found != order;
            other != column && !self.counts_rows(other) && self.order(other, ids).is_some_and(differs)
        });
        other.map_or(Ok(()), |other| Err(self.two_columns(column, other, table)))
    }

    fn two_columns(&self, one: usize, other: usize, table: &Path) -> Error {
        let name = |at: usize| self.table.columns[at].clone();
        let columns = Box::new([name(one), name(other)]);
        Problem::TwoIdColumns { columns, table: table.display().to_string() }.at(&self.path)
    }

    /// Whether a column only counts the rows from 0.
    fn counts_rows(&self, column: usize) -> bool {
        counts(self.table.rows.iter().map(|row| row[column].as_str()))
    }

    /// The position in this file of each id of a table.
    fn positions(&self, column: usize, ids: &[String], table: &Path) -> Result<Vec<usize>> {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(self.table.rows.len());
        for (second, row) in self.table.rows.iter().enumerate() {
            if let Some(first) = places.insert(&row[column], second) {
                let id = row[column].clone();
                return Err(Problem::RepeatedId { id, first, second }.at(&self.path));
            }
        }
        let order: Vec<Option<usize>> = ids.iter().map(|id| places.remove(id.as_str())).collect();
        let table = || table.display().to_string().into_boxed_str();
        if let Some(&row) = places.values().min() {
            let (place, id) = (self.table.place(row).to_string(), self.table.rows[row][column].as_str());
            let hint = hint(id, ids.iter().map(String::as_str));
            let (count, id, table) = (places.len(), id.into(), table());
            return Err(Problem::IdNotInTable { place, id, count, table, hint }.at(&self.path));
        }
        if let Some(first) = order.iter().position(Option::is_none) {
            let count = order.iter().filter(|at| at.is_none()).count();
            let hint = hint(&ids[first], self.table.rows.iter().map(|row| row[column].as_str()));
            let (id, table) = (ids[first].as_str().into(), table());
            return Err(Problem::IdMissing { id, count, table, hint }.at(&self.path));
        }
        Ok(order.into_iter().flatten().collect())
    }
}

/// A column with all row numbers.
struct Numbers {
    column: usize,
    /// 0 or 1.
    first: usize,
    /// The position in the file of each row.
    order: Vec<usize>,
    /// The place of its name among the known ones.
    rank: Option<usize>,
}

impl Numbers {
    fn in_order(&self) -> bool {
        self.order.is_sorted()
    }
}

/// The letters and digits of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// Whether texts are the numbers from 0, in order.
fn counts<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    (0_usize..).zip(texts).all(|(at, text)| text.parse() == Ok(at))
}
