//! Columns of a file of names that have all row numbers in another order, and so give the order of its rows.

use super::error::{Problem, Result};
use super::keys::plain;
use super::names::{IDS, NamedRows, Origin, RowNames};

/// Further columns that may number the rows of a table without ids, as [`plain`] names, which are empty for an index of pandas.
const NUMBERS: [&str; 21] = [
    "row",
    "index",
    "",
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
const SURE_NUMBERS: usize = 3;
/// Least number of rows in which a column of any name has all row numbers in another order, and not by chance.
const MIN_ROWS: usize = 8;

impl RowNames {
    /// The position in this file of each row, if a column has all row numbers in another order.
    pub(super) fn numbered(&self, of: NamedRows<'_>) -> Result<Option<Vec<usize>>> {
        let ids = self.id_column();
        if self.table.rows.len() != of.rows || (self.origin == Origin::Embedded && ids.is_some()) {
            return Ok(None);
        }
        let found: Vec<Numbers> = self.other_columns().filter_map(|column| self.numbers(column)).collect();
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
            numbers.in_order() && !plain(&self.table.columns[numbers.column]).is_empty()
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
        let (first, order) = row_order(self.column(column))?;
        let name = plain(&self.table.columns[column]);
        let rank = IDS.iter().chain(&NUMBERS).position(|known| *known == name);
        Some(Numbers { column, first, order, rank })
    }
}

/// The first number, 0 or 1, and the position of each number, if texts are all row numbers in some order.
pub(super) fn row_order<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<(usize, Vec<usize>)> {
    let numbers = || texts.clone().map(|text| text.trim().parse::<usize>().ok());
    let first = numbers().try_fold(usize::MAX, |least, number| Some(least.min(number?)))?;
    let mut order = vec![usize::MAX; texts.clone().count()];
    for (at, number) in numbers().flatten().enumerate() {
        let place = order.get_mut(number - first).filter(|place| **place == usize::MAX)?;
        *place = at;
    }
    (first <= 1).then_some((first, order))
}

/// Whether a column of this name often has the ids or the numbers of rows.
pub(super) fn is_name_of_ids(name: &str) -> bool {
    let name = plain(name);
    IDS.iter().chain(&NUMBERS).any(|known| *known == name)
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
