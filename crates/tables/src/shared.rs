//! Columns that a table and a file of names both have, such as `filename`. They join the two if no ids do.

use std::collections::HashSet;

use super::column_names::plain;
use super::error::{Error, Problem, Result};
use super::keys::{Key, are_texts, counts, identify, is_measured, repeated};
use super::names::{NamedRows, RowNames};
use super::row_numbers::row_order;
use super::spelling::common_form;

/// What the columns that a table and a file of names share say about the order of the rows.
#[derive(Default)]
pub(super) struct Shared {
    /// The columns that give an order.
    matches: Vec<Match>,
    /// Why a column that identifies the rows does not give an order.
    pub(super) misfit: Option<Error>,
}

/// A column of a file of names that has the texts of a column of the table.
pub(super) struct Match {
    /// The column of the file of names.
    pub(super) column: usize,
    /// The name of the column of the table.
    pub(super) key: String,
    /// The position in the file of each row.
    pub(super) order: Vec<usize>,
    /// Whether the column counts the rows of one of the files, so that it may have been made after the rows were sorted.
    is_weak: bool,
}

impl Shared {
    /// The column to join by. One that counts rows is only used if there is no other.
    ///
    /// # Errors
    /// [`Problem::TwoIdColumns`] if two such columns give different orders.
    pub(super) fn best(self, names: &RowNames, of: NamedRows<'_>) -> Result<Option<Match>> {
        let is_weak = !self.matches.iter().any(|found| !found.is_weak);
        let mut found = self.matches.into_iter().filter(|found| found.is_weak == is_weak);
        let Some(first) = found.next() else { return Ok(None) };
        match found.find(|other| other.order != first.order) {
            Some(other) => Err(names.two_columns(first.column, other.column, of.path)),
            None => Ok(Some(first)),
        }
    }

    /// A column that gives another order than `order` and does not only count rows.
    pub(super) fn contradicts(&self, order: &[usize]) -> Option<usize> {
        self.matches.iter().find(|found| !found.is_weak && found.order != order).map(|found| found.column)
    }
}

impl RowNames {
    /// The orders that shared columns give.
    pub(super) fn shared(&self, of: NamedRows<'_>) -> Shared {
        let mut found = Shared::default();
        for (key, column) in of.keys.iter().flat_map(|key| self.columns_of(key).map(move |at| (key, at))) {
            let counted = [counts(key.texts()), counts(self.column(column))];
            if counted == [true; 2] {
                continue;
            }
            let is_weak = counted[0] || counted[1];
            if let Some(order) = self.order(column, &key.texts) {
                found.matches.push(Match { column, key: key.name.clone(), order, is_weak });
            } else if found.misfit.is_none() && !(is_weak && plain(&key.name).is_empty()) {
                found.misfit = self.misfit(key, column, of);
            }
        }
        found
    }

    /// Rejects a shared column that does not identify the rows, but has other texts in them: then they are not in the same order in both files.
    /// Texts of another vocabulary have another meaning.
    pub(super) fn require_same_rows(&self, of: NamedRows<'_>) -> Result<()> {
        for (key, column) in of.keys.iter().flat_map(|key| self.columns_of(key).map(move |at| (key, at))) {
            if plain(&key.name).is_empty() || identify(key.texts()) || identify(self.column(column)) {
                continue;
            }
            let forms: [Vec<String>; 2] =
                [key.texts().map(common_form).collect(), self.column(column).map(common_form).collect()];
            let Some(row) = forms[0].iter().zip(&forms[1]).position(|(own, given)| own != given) else {
                continue;
            };
            let [own, given] = forms.each_ref().map(|forms| forms.iter().collect::<HashSet<_>>());
            if 2 * own.intersection(&given).count() >= own.len() {
                let (place, table) = (self.table.place(row).to_string(), of.path.display().to_string());
                let texts = [self.column(column).nth(row).unwrap_or_default(), &key.texts[row]];
                let texts = Box::new(texts.map(str::to_owned));
                let column = self.table.columns[column].as_str().into();
                return Err(Problem::OtherRows { place, column, table, texts }.at(&self.path));
            }
        }
        Ok(())
    }

    /// The columns of this file that are a column of the table: those of the same name, and, if it has different texts, those of any name in
    /// which at least half of them occur. Of numbers all must occur, and they must not number rows.
    fn columns_of(&self, key: &Key) -> impl Iterator<Item = usize> {
        let (name, is_key) = (plain(&key.name), identify(key.texts()));
        let is_text = is_key && are_texts(key.texts());
        let is_number = is_key && !is_text && row_order(key.texts()).is_none();
        let texts: HashSet<&str> = if is_text || is_number { key.texts().collect() } else { HashSet::new() };
        let shared = move |at: &usize| {
            let has_texts = || {
                let found: HashSet<&str> = self.column(*at).filter(|text| texts.contains(text)).collect();
                is_text && 2 * found.len() >= texts.len() || is_number && found.len() == texts.len()
            };
            (plain(&self.table.columns[*at]) == name && !self.column(*at).any(is_measured)) || has_texts()
        };
        self.other_columns().filter(shared).collect::<Vec<usize>>().into_iter()
    }

    /// Why a shared column gives no order, if it identifies the rows of one of the files.
    fn misfit(&self, key: &Key, column: usize, of: NamedRows<'_>) -> Option<Error> {
        if !identify(key.texts()) && !identify(self.column(column)) {
            return None;
        }
        if let Some([first, second]) = repeated(key.texts()) {
            let (id, column) = (key.texts[first].clone(), key.name.as_str().into());
            return Some(Problem::RepeatedId { id, column, first, second }.at(of.path));
        }
        self.positions(column, &key.texts, of.path).err()
    }
}
