//! Names of rows that two files write differently, such as `im/012.png` and `012`. They do not join the files, but they show whether the rows
//! are in the same order.

use std::collections::HashSet;

use super::column_names::is_name_of_ids;
use super::echo::echo;
use super::error::{Problem, Result, column_of_ids};
use super::keys::{counts, identify};
use super::names::{NamedRows, Origin, RowNames};
use super::row_numbers::row_order;

/// Rows with the same name in both files, of which one in so many shows that the columns mean the same.
const ONE_IN: usize = 10;

/// A column that tells rows apart.
struct Names<'a> {
    name: &'a str,
    texts: Vec<&'a str>,
    /// The [`stem`] of each text.
    stems: Vec<String>,
    /// Whether some text is no number.
    is_text: bool,
}

impl<'a> Names<'a> {
    /// `None` for texts that repeat or only count the rows.
    fn of(name: &'a str, texts: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        if !identify(texts.clone()) || counts(texts.clone()) {
            return None;
        }
        let is_text = texts.clone().any(|text| text.parse::<f64>().is_err());
        Some(Self { name, texts: texts.clone().collect(), stems: texts.map(stem).collect(), is_text })
    }
}

impl RowNames {
    /// A note on rows that are joined by position, if names say more than that: those of both files are the same in another form, or different
    /// ones, or a column has numbers that are no row numbers of the table.
    ///
    /// # Errors
    /// [`Problem::OtherNames`] for names that both files have in another order and another form.
    pub(super) fn names_by_position(&self, of: NamedRows<'_>) -> Result<Option<String>> {
        let given: Vec<(usize, Names<'_>)> = (self.other_columns())
            .filter_map(|at| Some((at, Names::of(&self.table.columns[at], self.column(at))?)))
            .collect();
        // Nothing can be said of a file with labels only, so a large table is not searched for names.
        if given.is_empty() {
            return Ok(None);
        }
        let ids = of.ids.map(|ids| ("id", ids));
        let keys = of.keys.iter().map(|key| (key.name.as_str(), key.texts.as_slice()));
        let own: Vec<Names<'_>> = (ids.into_iter().chain(keys))
            .filter_map(|(name, texts)| Names::of(name, texts.iter().map(String::as_str)))
            .collect();
        let mut contradiction = None;
        for own in &own {
            let stems: HashSet<&str> = own.stems.iter().map(String::as_str).collect();
            for (at, given) in &given {
                if own.stems == given.stems {
                    return Ok((self.origin == Origin::Given).then(|| {
                        format!("{}: both have the same names in the same order.", self.by_position(of))
                    }));
                }
                let common: HashSet<&str> =
                    given.stems.iter().map(String::as_str).filter(|stem| stems.contains(stem)).collect();
                // Numbers of another meaning may have some in common, or count something else.
                let are_numbers = !own.is_text && !given.is_text;
                let is_other = are_numbers
                    && (common.len() < stems.len() || row_order(own.texts.iter().copied()).is_some());
                if is_other || common.len() < 2 || ONE_IN * common.len() < stems.len() {
                    continue;
                }
                let mut rows = own.stems.iter().zip(&given.stems);
                let differs =
                    |(own, given): (&String, &String)| own != given && stems.contains(given.as_str());
                contradiction = contradiction.or_else(|| rows.position(differs).map(|row| (row, *at, own)));
            }
        }
        if let Some((row, at, own)) = contradiction {
            return Err(Problem::OtherNames {
                place: self.table.place(row).to_string(),
                columns: Box::new([self.table.columns[at].as_str(), own.name].map(column_of_ids)),
                texts: Box::new([self.table.rows[row][at].as_str(), own.texts[row]].map(str::to_owned)),
                table: of.path.display().to_string(),
            }
            .at(&self.path));
        }
        let by_position = self.by_position(of);
        let text = given.iter().map(|(_, given)| given).find(|given| given.is_text);
        if let (Some(own), Some(given)) = (own.iter().find(|own| own.is_text), text) {
            let [given_column, own_column] = [given.name, own.name].map(column_of_ids);
            return Ok(Some(format!(
                "{by_position}: {given_column} (\"{}\") and {own_column} there (\"{}\") do not have the same names.",
                echo(given.texts[0]),
                echo(own.texts[0])
            )));
        }
        // The names next to a matrix are in its order.
        if self.origin != Origin::Given {
            return Ok(None);
        }
        if let Some(given) = text.filter(|_| of.ids.is_some()) {
            let column = column_of_ids(given.name);
            return Ok(Some(format!(
                "{by_position}: the ids there only number its rows, and {column} has other names."
            )));
        }
        let is_number = |given: &&Names<'_>| {
            let may_name_rows = !own.is_empty() || is_name_of_ids(given.name);
            !given.is_text && may_name_rows && row_order(given.texts.iter().copied()).is_none()
        };
        let numbers = given.iter().map(|(_, given)| given).find(is_number);
        Ok(numbers.map(|given| {
            format!(
                "{by_position}: the numbers in {} are not its row numbers or ids.",
                column_of_ids(given.name)
            )
        }))
    }
}

/// What is left of a name without folders, ending, case and leading zeros.
fn stem(text: &str) -> String {
    let name = text.trim().rsplit(['/', '\\']).next().unwrap_or_default();
    let is_ending = |ending: &str| {
        ending.len() <= 5
            && ending.chars().all(char::is_alphanumeric)
            && ending.chars().any(char::is_alphabetic)
    };
    let name = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && is_ending(ending) => stem,
        _ => name,
    };
    let is_number = !name.is_empty() && name.chars().all(|digit| digit.is_ascii_digit());
    let short = name.trim_start_matches('0');
    match is_number {
        true if short.is_empty() => "0".to_owned(),
        true => short.to_owned(),
        false => name.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_without_folders_endings_case_and_zeros() {
        for (text, expected) in [
            ("im/012.png", "12"),
            (r"C:\Im\A.JPG", "a"),
            ("000000000605.jpg", "605"),
            ("v1.5", "v1.5"),
            (".png", ".png"),
            ("000", "0"),
            ("a.b/", ""),
        ] {
            assert_eq!(stem(text), expected, "{text}");
        }
    }
}
