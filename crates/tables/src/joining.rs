//! Joins a file of names to a table.
//!
//! This is the one place where two files are joined. If both have ids, rows are matched by id, whatever their order; otherwise by a column that
//! both have, such as `filename`; otherwise by row numbers; and if there is nothing to join by, by position. Ids that occur in one of the
//! files only, or twice, are errors.

use std::collections::HashSet;
use std::path::Path;

use super::column_names::{IDS, NOT_IDS, is_name_of_ids, plain};
use super::echo::echo;
use super::error::{Problem, Result, column_of_ids};
use super::keys::{are_texts, counts_from};
use super::names::{NamedRows, Origin, RowNames};
use super::row_numbers::row_order;
use super::shared::Match;

impl RowNames {
    /// The names in the order of the rows of a table. If both have ids, they are matched; the columns `id`, `path` and `sample` of this file
    /// count as ids, the first of them that exists; without them, a column of another name in which at least half of the ids occur, or a column
    /// of different texts, which then must have the same ids.
    ///
    /// Without ids in both, a column that both files have, with the same different texts or whole numbers in both, is used like ids. Then rows
    /// without ids, or with ids that count them, are known by their numbers from 0 or 1: a column `row` gives the order. If there is nothing to
    /// join by, the rows are in the same order, unless names in another form show that they are not.
    ///
    /// # Errors
    /// [`Problem::RepeatedId`], [`Problem::IdNotInTable`] and [`Problem::IdMissing`] unless both files have the same ids, or the same texts in a
    /// shared column; [`Problem::TwoIdColumns`] if two columns give different orders;
    /// [`Problem::NothingShared`] for ids, if those of the table only count its rows;
    /// [`Problem::RowNumbers`] for a column of another name with all row numbers in another order, [`Problem::WrongRowNumbers`] for a column `row`
    /// that lacks some;
    /// [`Problem::OtherNames`] if both files name their rows in other forms and another order;
    /// [`Problem::OtherRows`] if a shared column shows that the rows are in different orders;
    /// [`Problem::NameCount`] if there is nothing to join by and the numbers of rows differ.
    pub fn in_order_of(mut self, of: NamedRows<'_>) -> Result<Self> {
        // Ids that only count the rows occur in any column of numbers.
        let telling = of.ids.filter(|ids| !counts_from(0, ids.iter().map(String::as_str)));
        let column = self
            .id_column()
            .or_else(|| self.column_like(telling?))
            .or_else(|| telling.and_then(|_| self.column_of_texts()));
        let mut shared = self.shared(of);
        if let Some((column, ids)) = column.zip(telling)
            && self.shares_half(column, ids)
        {
            let order = self.by_ids(column, ids, of.path)?;
            if let Some(other) = shared.contradicts(&order) {
                return Err(self.two_columns(column, other, of.path));
            }
            self.say_joined_by(column, "the ids", of.path);
            self.reorder(&order);
            return Ok(self);
        }
        let misfit = shared.misfit.take().filter(|_| column.is_none() || telling.is_none());
        if let Some(Match { column, key, order, is_weak }) = shared.best(&self, of)? {
            self.say_joined_by(column, &key, of.path);
            self.key = Some(column);
            self.reorder(&order);
            // Numbers that count rows may have been given to them in two orders.
            if is_weak {
                self.require_same_rows(of)?;
            }
            return Ok(self);
        }
        if let Some(misfit) = misfit {
            return Err(misfit);
        }
        let order = match (column, of.ids) {
            (Some(column), Some(ids)) => {
                if telling.is_none() {
                    self.require_shared(column, ids, of.path)?;
                }
                let order = self.by_ids(column, ids, of.path)?;
                self.say_joined_by(column, "the ids", of.path);
                Some(order)
            }
            // pandas writes its index as an unnamed first column. It identifies rows only if the ids are the same.
            (None, Some(ids))
                if self.table.columns.first().is_some_and(|name| plain(name).is_empty())
                    && (telling.is_some() || !self.counts_rows(0)) =>
            {
                let index = self.positions(0, ids, of.path);
                let index = if index.is_err() && !self.counts_rows(0) { Some(index?) } else { index.ok() };
                if index.is_some() {
                    self.say_joined_by(0, "the ids", of.path);
                }
                index
            }
            (_, None) | (None, Some(_)) => self.numbered(of)?,
        };
        if let Some(order) = order {
            self.reorder(&order);
        } else {
            self.require_count(of)?;
            let notes = [self.unused_numbers(of), self.names_by_position(of)?];
            self.notes.extend(notes.into_iter().flatten());
            if self.notes.is_empty() && self.may_be_in_another_order(of) {
                self.notes.push(format!("{}: no column of both tells them apart.", self.by_position(of)));
            }
        }
        self.require_same_rows(of)?;
        Ok(self)
    }

    /// The names in the order of ids, which a column must have.
    ///
    /// # Errors
    /// [`Problem::NoColumn`]; [`Problem::RepeatedId`], [`Problem::IdNotInTable`] and [`Problem::IdMissing`] unless the column has just these ids.
    pub fn in_order_of_ids(mut self, column: &'static str, ids: &[String], table: &Path) -> Result<Self> {
        let at = self.table.required(column).map_err(|problem| problem.at(&self.path))?;
        let order = self.positions(at, ids, table)?;
        self.reorder(&order);
        Ok(self)
    }

    fn reorder(&mut self, order: &[usize]) {
        let mut rows: Vec<Option<Vec<String>>> =
            std::mem::take(&mut self.table.rows).into_iter().map(Some).collect();
        self.table.rows = order.iter().map(|&at| rows[at].take().unwrap_or_default()).collect();
        if let Some(lines) = &mut self.table.lines {
            *lines = order.iter().map(|&at| lines[at]).collect();
        }
    }

    /// Whether one of the two says more of its rows than labels and values, so that they could be in different orders. Names next to a matrix
    /// are in its order.
    fn may_be_in_another_order(&self, of: NamedRows<'_>) -> bool {
        let says_more = self.table.columns.iter().any(|name| name != self.subject);
        let is_named = of.ids.is_some() || of.keys.iter().next().is_some();
        self.origin == Origin::Given && (says_more || is_named)
    }

    /// The beginning of a sentence.
    pub(super) fn by_position(&self, of: NamedRows<'_>) -> String {
        let (path, table) = (self.path.display(), of.path.display());
        format!("{path}: the rows are joined to those of {table} by position")
    }

    /// Says which column joined the files, if it is not one for ids, or has row numbers, which may be those of another file. `key` is the column
    /// of the table.
    fn say_joined_by(&mut self, column: usize, key: &str, table: &Path) {
        let name = &self.table.columns[column];
        let are_row_numbers = row_order(self.column(column)).is_some();
        if IDS.iter().any(|id| name.eq_ignore_ascii_case(id)) && key == "the ids" && !are_row_numbers {
            return;
        }
        let of_table = match plain(key) == plain(name) {
            true => "as in".to_owned(),
            false if key == "the ids" => "which has the ids of".to_owned(),
            false => format!("which has the texts of the column `{}` of", echo(key)),
        };
        let (path, table) = (self.path.display(), table.display());
        let column = column_of_ids(name);
        self.notes.push(format!("{path}: the rows are joined by {column}, {of_table} {table}."));
    }

    /// Rejects another number of rows than the table has, which are joined by position.
    fn require_count(&self, of: NamedRows<'_>) -> Result<()> {
        let found = self.table.rows.len();
        if found == of.rows {
            return Ok(());
        }
        // Without its header, a file has a row too few.
        if NOT_IDS.contains(&self.subject) {
            self.required(self.subject)?;
        }
        let hint = self.blank_line().filter(|_| found < of.rows);
        let hint = hint.map_or_else(Box::default, |line| format!(" (line {line} is blank)").into());
        Err(Problem::NameCount { what: self.subject, rows: of.rows, found, hint }.at(&self.path))
    }

    /// The first blank line between the rows of a text: a table of one column has nothing else for an empty entry.
    fn blank_line(&self) -> Option<u64> {
        let lines = self.table.lines.as_ref()?;
        let after = |row: usize| {
            // A quoted field can have several lines.
            let within = |text: &String| text.lines().count().max(1) as u64 - 1;
            lines[row] + self.table.rows[row].iter().map(within).sum::<u64>() + 1
        };
        (1..lines.len()).find(|row| lines[*row] > after(*row - 1)).map(|row| after(row - 1))
    }

    /// Rejects ids of which a table, whose ids only count its rows, has none.
    fn require_shared(&self, column: usize, ids: &[String], table: &Path) -> Result<()> {
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        match self.column(column).next() {
            Some(found) if !self.column(column).any(|text| ids.contains(text)) => {
                let (column, found) = (self.table.columns[column].as_str().into(), found.into());
                let table = table.display().to_string().into_boxed_str();
                Err(Problem::NothingShared { column, found, table }.at(&self.path))
            }
            _ => Ok(()),
        }
    }

    /// The first column, such as `filename`, that has the ids of a table, or in which at least half of them occur.
    fn column_like(&self, ids: &[String]) -> Option<usize> {
        let is_named = |at: &usize| !self.table.columns[*at].is_empty();
        let found: Vec<usize> =
            self.other_columns().filter(is_named).filter(|at| self.shares_half(*at, ids)).collect();
        found.iter().find(|at| self.order(**at, ids).is_some()).or(found.first()).copied()
    }

    /// Whether at least half of the ids of a table occur in a column.
    fn shares_half(&self, column: usize, ids: &[String]) -> bool {
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let found: HashSet<&str> = self.column(column).filter(|text| ids.contains(text)).collect();
        2 * found.len() >= ids.len()
    }

    /// The first column of different texts: it identifies the rows, so it must have the ids of the table.
    fn column_of_texts(&self) -> Option<usize> {
        self.other_columns().find(|&at| {
            let texts: HashSet<&str> = self.column(at).collect();
            let different = texts.len() == self.table.rows.len() && texts.len() > 1;
            let is_named = !self.table.columns[at].is_empty();
            is_named && different && are_texts(texts.iter().copied())
        })
    }

    /// The position in this file of each id, which must be in the column. Rejects a second column that could hold the ids and gives another
    /// order. If the first is not called `id`, that is a column of any name; but a column that only counts the rows of this file is none.
    fn by_ids(&self, column: usize, ids: &[String], table: &Path) -> Result<Vec<usize>> {
        let order = self.positions(column, ids, table)?;
        let is_sure = self.table.columns[column].eq_ignore_ascii_case("id");
        let may_have_ids = |at: &usize| !is_sure || is_name_of_ids(&self.table.columns[*at]);
        let other = self.other_columns().filter(may_have_ids).find(|&other| {
            let differs = |found: Vec<usize>| found != order;
            other != column && !self.counts_rows(other) && self.order(other, ids).is_some_and(differs)
        });
        other.map_or(Ok(order), |other| Err(self.two_columns(column, other, table)))
    }

    /// Whether a column only counts the rows from 0.
    fn counts_rows(&self, column: usize) -> bool {
        counts_from(0, self.column(column))
    }

    /// A sentence if the rows of a table have numbers in another order, but the names that are joined to it by position have none.
    fn unused_numbers(&self, of: NamedRows<'_>) -> Option<String> {
        let ids = of.ids.into_iter().map(|ids| ("id", ids));
        let mut columns = ids.chain(of.keys.iter().map(|key| (key.name.as_str(), key.texts.as_slice())));
        let is_permuted = |(_, texts): &(&str, &[String])| {
            row_order(texts.iter().map(String::as_str)).is_some_and(|(_, order)| !order.is_sorted())
        };
        let (column, _) = columns.find(is_permuted)?;
        Some(format!(
            "{}, but {} there has all row numbers in another order. If {} is in the order of these numbers, give it this column.",
            self.by_position(of),
            column_of_ids(column),
            self.path.display()
        ))
    }
}
