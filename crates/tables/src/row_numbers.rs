//! Columns of a file of names that have all row numbers in another order, and so give the order of its rows.

use std::collections::HashSet;

use super::column_names::{ROWS, is_name_of_ids, plain};
use super::echo::echo;
use super::error::{Error, Problem, Result, column_of_ids};
use super::names::{NamedRows, Origin, RowNames};

/// Least number of rows in which a column of any name has all row numbers in another order, and not by chance.
const MIN_ROWS: usize = 8;

impl RowNames {
    /// The position in this file of each row, if a column states the row numbers: one called `row`, or one that `embed` could have written,
    /// with `row 17`.
    ///
    /// Any other column with all row numbers in another order may have them, or may number something else in the order of the rows, as the index of
    /// pandas does after a data frame was shuffled.
    ///
    /// # Errors
    /// [`Problem::RowNumbers`] for such a column, unless another one counts the rows; [`Problem::TwoIdColumns`] if columns give different
    /// orders; [`Problem::WrongRowNumbers`] for a column `row` with a fault.
    pub(super) fn numbered(&mut self, of: NamedRows<'_>) -> Result<Option<Vec<usize>>> {
        if self.table.rows.len() != of.rows || (self.origin == Origin::Embedded && self.id_column().is_some())
        {
            return Ok(None);
        }
        self.check_row_numbers(of)?;
        let found: Vec<Numbers> = self.other_columns().filter_map(|column| self.numbers(column)).collect();
        let differ =
            |one: &Numbers, other: &Numbers| Err(self.two_columns(one.column, other.column, of.path));
        let mut stated = found.iter().filter(|numbers| numbers.are_stated);
        if let Some(chosen) = stated.next() {
            if let Some(other) = stated.find(|other| other.order != chosen.order) {
                return differ(chosen, other);
            }
            if chosen.in_order() {
                return Ok(None);
            }
            let (column, order) = (chosen.column, chosen.order.clone());
            self.notes.push(format!(
                "{}: the rows are joined to those of {} by the row numbers in {}.",
                self.path.display(),
                of.path.display(),
                column_of_ids(&self.table.columns[column])
            ));
            return Ok(Some(order));
        }
        // An index of pandas in order says nothing: the table may have been sorted before.
        let is_counter = |numbers: &&Numbers| {
            numbers.in_order() && numbers.is_known && !plain(&self.table.columns[numbers.column]).is_empty()
        };
        let counter = found.iter().find(is_counter);
        let mut permuted = found.iter().filter(|numbers| !numbers.in_order());
        match (permuted.clone().find(|numbers| numbers.is_known), counter) {
            (Some(known), Some(counter)) => return differ(counter, known),
            (Some(known), None) => return Err(self.ambiguous(known, of)),
            (None, _) => {}
        }
        match permuted.next().filter(|_| counter.is_none() && of.rows >= MIN_ROWS) {
            Some(numbers) => Err(self.ambiguous(numbers, of)),
            None => Ok(None),
        }
    }

    fn ambiguous(&self, numbers: &Numbers, of: NamedRows<'_>) -> Error {
        let (column, first) = (self.table.columns[numbers.column].clone(), numbers.first);
        let (last, table) = (first + of.rows - 1, of.path.display().to_string());
        Problem::RowNumbers { column, first, last, table }.at(&self.path)
    }

    /// Rejects a column that states row numbers, but only most of them, or numbers further on.
    fn check_row_numbers(&self, of: NamedRows<'_>) -> Result<()> {
        let is_stated = |at: &usize| ROWS.contains(&plain(&self.table.columns[*at]).as_str());
        for column in self.other_columns().filter(is_stated) {
            let numbers: Vec<Option<usize>> = self.column(column).map(row_number).collect();
            let first = usize::from(!numbers.contains(&Some(0)));
            let mut seen = vec![false; of.rows];
            let mut wrong = None;
            for (row, number) in numbers.iter().enumerate() {
                let place = number.and_then(|number| number.checked_sub(first));
                match place.and_then(|place| seen.get_mut(place)) {
                    Some(seen) if !*seen => *seen = true,
                    _ => wrong = wrong.or(Some(row)),
                }
            }
            let right = seen.iter().filter(|seen| **seen).count();
            let Some(row) = wrong.filter(|_| 2 * right > of.rows || self.shifts_rows(&numbers)) else {
                continue;
            };
            let text = self.table.rows[row][column].as_str();
            let wrong = match numbers[row] {
                Some(number) if number >= first && number < first + of.rows => {
                    format!("{} repeats \"{}\"", self.table.place(row), echo(text))
                }
                _ => format!("{} has \"{}\"", self.table.place(row), echo(text)),
            };
            let (column, table) = (self.table.columns[column].clone(), of.path.display().to_string());
            let last = first + of.rows.saturating_sub(1);
            return Err(Problem::WrongRowNumbers { column, first, last, wrong, table }.at(&self.path));
        }
        Ok(())
    }

    /// Whether numbers are adjacent and all different, in any order, but do not begin at 0 or 1.
    fn shifts_rows(&self, numbers: &[Option<usize>]) -> bool {
        let numbers: Option<HashSet<usize>> = numbers.iter().copied().collect();
        numbers.is_some_and(|numbers| {
            let range = numbers.iter().min().zip(numbers.iter().max());
            numbers.len() == self.table.rows.len()
                && range.is_some_and(|(first, last)| last - first + 1 == numbers.len() && *first > 1)
        })
    }

    /// A column that has all row numbers from 0 or from 1.
    fn numbers(&self, column: usize) -> Option<Numbers> {
        let (first, order) = row_order(self.column(column))?;
        let name = &self.table.columns[column];
        let is_written = |text: &str| text.trim().starts_with(WRITTEN);
        let are_stated = ROWS.contains(&plain(name).as_str()) || self.column(column).all(is_written);
        Some(Numbers { column, first, order, are_stated, is_known: is_name_of_ids(name) })
    }
}

/// What the program writes before a row number in a column of ids.
const WRITTEN: &str = "row ";

/// The number of a row, such as `17` or `row 17`.
fn row_number(text: &str) -> Option<usize> {
    let text = text.trim();
    text.strip_prefix(WRITTEN).unwrap_or(text).parse().ok()
}

/// The first number, 0 or 1, and the position of each number, if texts are all row numbers in some order.
pub(super) fn row_order<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<(usize, Vec<usize>)> {
    let numbers = || texts.clone().map(row_number);
    let first = numbers().try_fold(usize::MAX, |least, number| Some(least.min(number?)))?;
    let mut order = vec![usize::MAX; texts.clone().count()];
    for (at, number) in numbers().flatten().enumerate() {
        let place = order.get_mut(number - first).filter(|place| **place == usize::MAX)?;
        *place = at;
    }
    (first <= 1).then_some((first, order))
}

/// A column with all row numbers.
struct Numbers {
    column: usize,
    /// 0 or 1.
    first: usize,
    /// The position in the file of each row.
    order: Vec<usize>,
    /// Whether they cannot be anything else.
    are_stated: bool,
    /// Whether a column of this name often has them.
    is_known: bool,
}

impl Numbers {
    fn in_order(&self) -> bool {
        self.order.is_sorted()
    }
}
