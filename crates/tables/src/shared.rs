//! Columns that a table and a file of names both have, such as `filename`. They join the two if no ids do.

use std::collections::HashSet;

use super::column_names::plain;
use super::error::{Error, Problem, Result};
use super::keys::{Key, are_texts, counts, identify, is_measured, repeated, value_of};
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
    pub(super) is_weak: bool,
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
            } else if found.misfit.is_none()
                && !(plain(&key.name).is_empty() && (is_weak || !identify(key.texts())))
            {
                found.misfit = self.misfit(key, column, of);
            }
        }
        found
    }

    /// Rejects a shared column that joins no rows, but has other texts or measurements in them: then they are not in the same order in both files.
    /// Texts of another vocabulary and other measurements have another meaning.
    pub(super) fn require_same_rows(&self, of: NamedRows<'_>) -> Result<()> {
        for (key, column) in of.keys.iter().flat_map(|key| self.columns_of(key).map(move |at| (key, at))) {
            if identify(key.texts()) || identify(self.column(column)) {
                continue;
            }
            let forms: [Vec<String>; 2] =
                [key.texts().map(form).collect(), self.column(column).map(form).collect()];
            let Some(row) = forms[0].iter().zip(&forms[1]).position(|(own, given)| own != given) else {
                continue;
            };
            let [own, given] = forms.each_ref().map(|forms| forms.iter().collect::<HashSet<_>>());
            if 2 * own.intersection(&given).count() >= own.len() {
                return Err(self.other_rows(row, column, key.texts[row].clone(), of));
            }
        }
        for measured in of.keys.measured() {
            let name = plain(&measured.name);
            for column in self.other_columns().filter(|at| plain(&self.table.columns[*at]) == name) {
                let given: Vec<f64> = self.column(column).map(value_of).collect();
                let own: Vec<f64> = measured.values().collect();
                if let Some(row) = moved(&own, &given) {
                    return Err(self.other_rows(row, column, own[row].to_string(), of));
                }
            }
        }
        Ok(())
    }

    /// The problem of a row with another text than in the table.
    fn other_rows(&self, row: usize, column: usize, own: String, of: NamedRows<'_>) -> Error {
        let (place, table) = (self.table.place(row).to_string(), of.path.display().to_string());
        let texts = Box::new([self.table.rows[row][column].clone(), own]);
        Problem::OtherRows { place, column: self.table.columns[column].as_str().into(), table, texts }
            .at(&self.path)
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

/// Equal for texts that differ only in spelling, and for dates and times that programs write differently: `2026-11-25`, `2026-11-25T00:00:00Z`.
fn form(text: &str) -> String {
    let form = common_form(text);
    let is_date = |date: &str| {
        date.bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
    };
    let Some((date, time)) = form.split_at_checked(10).filter(|(date, _)| is_date(date)) else { return form };
    let time = time.trim_start_matches(['t', ' ']);
    let time = time.strip_suffix('z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
    let time = if time.contains('.') { time.trim_end_matches('0').trim_end_matches('.') } else { time };
    if matches!(time, "" | "00:00:00" | "00:00") { date.to_owned() } else { format!("{date} {time}") }
}

/// The first row whose measurement is that of another row of the other file, if the measurements are the same in another order: all of them, or at
/// least half if all are different. Files may have rounded them to `f32`.
fn moved(own: &[f64], given: &[f64]) -> Option<usize> {
    let precisions: [fn(f64) -> f64; 2] = [|value| value, |value| f64::from(value as f32)];
    for precision in precisions {
        // All words for a missing value are one.
        let bits =
            |value: &f64| if value.is_nan() { f64::NAN.to_bits() } else { precision(*value).to_bits() };
        let [own, given] = [own, given].map(|values| values.iter().map(bits).collect::<Vec<u64>>());
        let present = |values: &[u64]| -> Vec<u64> {
            let mut sorted: Vec<u64> =
                values.iter().copied().filter(|bits| *bits != f64::NAN.to_bits()).collect();
            sorted.sort_unstable();
            sorted
        };
        let sorted = [present(&own), present(&given)];
        let sets = sorted.each_ref().map(|sorted| sorted.iter().copied().collect::<HashSet<u64>>());
        let all_differ = (0..2).all(|file| sets[file].len() == sorted[file].len());
        let same = sets[0].intersection(&sets[1]).count();
        let same_values = sorted[0] == sorted[1] || (all_differ && 2 * same >= sets[0].len());
        let is_moved = |(own, given): (&u64, &u64)| own != given && sets[1].contains(own);
        if let Some(row) = own.iter().zip(&given).position(is_moved).filter(|_| same_values) {
            return Some(row);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_compared_in_any_form() {
        for text in
            ["2026-11-25", "2026-11-25 00:00:00", "2026-11-25T00:00:00Z", "2026-11-25T00:00:00.000+00:00"]
        {
            assert_eq!(form(text), "2026-11-25");
        }
        assert_eq!(form("2026-11-25T07:30:00.250000"), form("2026-11-25 07:30:00.25"));
        assert_ne!(form("2026-11-25 07:30:00"), form("2026-11-25 07:30:01"));
        assert_eq!(form("A b"), "a b");
        assert_eq!(form("2026-11-2x"), "2026-11-2x");
    }

    #[test]
    fn measurements_in_another_order_are_found() {
        for (own, given, expected) in [
            (&[1.5, 2.5, 3.5][..], &[2.5, 1.5, 3.5][..], Some(0)),
            (&[1.5, 2.5, 3.5], &[1.5, 3.5, 2.5], Some(1)),
            // The same order, also of values that one file has rounded.
            (&[1.5, 2.5, 3.5], &[1.5, 2.5, 3.5], None),
            (&[0.1, 2.5, 3.5], &[0.100_000_001_490_116_12, 2.5, 3.5], None),
            (&[0.1, 2.5, 3.5], &[2.5, 0.100_000_001_490_116_12, 3.5], Some(1)),
            (&[0.1, 0.2], &[0.200_000_002_980_232_24, 0.100_000_001_490_116_12], Some(0)),
            // Repeated values are the same only if all are.
            (&[1.5, 1.5, 3.5], &[1.5, 3.5, 1.5], Some(1)),
            (&[1.5, 1.5, 3.5], &[1.5, 3.5, 3.5], None),
            // Half of them, and others.
            (&[1.5, 2.5, 3.5, 4.5], &[2.5, 1.5, 7.5, 8.5], Some(0)),
            (&[1.5, 2.5, 3.5, 4.5], &[1.5, 2.5, 7.5, 8.5], None),
            (&[1.5, 2.5, 3.5, 4.5], &[9.5, 1.5, 7.5, 8.5], None),
            (&[1.5, f64::NAN, 3.5], &[3.5, f64::NAN, 1.5], Some(0)),
            (&[1.5, f64::NAN, 3.5], &[1.5, f64::NAN, 3.5], None),
        ] {
            assert_eq!(moved(own, given), expected, "{own:?} {given:?}");
        }
    }
}
