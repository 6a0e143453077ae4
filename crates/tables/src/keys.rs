//! Columns of a table that are neither values nor labels, ids and the like. One that tells the rows apart, such as `filename`, joins the table
//! to another file that has it too.

use std::collections::{HashMap, HashSet};

use super::column_names::{is_name_of_ids, is_place, names_samples, plain};
use super::spelling::{is_missing, without_decimals};

/// Columns of a file that may tell its rows apart, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    columns: Vec<Key>,
    measured: Vec<Measured>,
}

/// Most columns of measurements that are kept. A table can have thousands of them next to the chosen ones.
const MOST_MEASURED: usize = 16;

/// A column of measurements, which does not join rows, but shows if they are in another order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// Its name in the file.
    pub(super) name: String,
    /// Its position in the file.
    at: usize,
    /// One value per row, in bits; a text that is no number is NaN.
    bits: Vec<u64>,
}

impl Measured {
    fn of(key: Key) -> Self {
        let bits = key.texts().map(|text| value_of(text).to_bits()).collect();
        Self { name: key.name, at: key.at, bits }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        self.bits.iter().map(|bits| f64::from_bits(*bits))
    }
}

/// Such a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Its name in the file. That of an index of pandas is empty.
    pub(super) name: String,
    /// Its position in the file.
    at: usize,
    /// One text per row.
    pub(super) texts: Vec<String>,
}

impl Keys {
    /// Empty columns at these positions.
    pub(super) fn at(positions: impl Iterator<Item = usize>, names: &[String]) -> Self {
        let key = |at: usize| Key { name: names[at].clone(), at, texts: Vec::new() };
        Self { columns: positions.map(key).collect(), measured: Vec::new() }
    }

    /// Adds a row. `text` returns the text of a column, or `None` if it cannot be written as text. Columns without texts are dropped.
    pub(super) fn add<E>(
        &mut self,
        mut text: impl FnMut(usize) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        for measured in &mut self.measured {
            let value = text(measured.at)?.map_or(f64::NAN, |text| value_of(&text));
            measured.bits.push(value.to_bits());
        }
        let mut nth = 0;
        while let Some(key) = self.columns.get_mut(nth) {
            match text(key.at)? {
                Some(text) if !is_measured(&text) => {
                    key.texts.push(text);
                    nth += 1;
                }
                Some(text) => {
                    key.texts.push(text);
                    let key = self.columns.remove(nth);
                    self.add_measured(key);
                }
                None => {
                    self.columns.remove(nth);
                }
            }
        }
        Ok(())
    }

    /// Called after the last row.
    pub(super) fn finish(&mut self) {
        self.columns.iter_mut().for_each(|key| without_decimals(&mut key.texts));
    }

    /// Adds a whole column.
    pub(super) fn push(&mut self, name: &str, texts: Vec<String>) {
        let key = Key { name: name.to_owned(), at: 0, texts };
        if key.texts().any(is_measured) {
            self.add_measured(key);
        } else {
            self.columns.push(key);
        }
    }

    fn add_measured(&mut self, key: Key) {
        if self.measured.len() < MOST_MEASURED {
            self.measured.push(Measured::of(key));
        }
    }

    /// The first column that names the rows: different texts, or different numbers under a name of ids. Not one that counts the rows.
    pub fn names(&self) -> Option<&[String]> {
        let mut named = self.iter().filter(|key| identify(key.texts()) && !counts(key.texts()));
        let texts = named.clone().find(|key| are_texts(key.texts()));
        texts.or_else(|| named.find(|key| is_name_of_ids(&key.name))).map(|key| key.texts.as_slice())
    }

    /// The texts of these rows, which must exist, in this order.
    #[must_use]
    pub fn of_rows(&self, rows: &[usize]) -> Self {
        let texts = |key: &Key| rows.iter().map(|row| key.texts[*row].clone()).collect();
        let key = |key: &Key| Key { name: key.name.clone(), at: key.at, texts: texts(key) };
        // Selected rows are joined to no further file.
        Self { columns: self.columns.iter().map(key).collect(), measured: Vec::new() }
    }

    /// The columns that both files have, by similar names, if they tell the rows of each file apart and some texts are in both. Columns that
    /// count the rows of both files are not among them. Columns that certainly name samples are first.
    pub fn shared<'a>(&'a self, other: &'a Self) -> Vec<SharedKey<'a>> {
        let mut found = Vec::new();
        for key in &self.columns {
            let name = plain(&key.name);
            let others = other.columns.iter().filter(|other| plain(&other.name) == name);
            for other in others {
                let texts: HashSet<&str> = key.texts().collect();
                let count = counts(key.texts()) && counts(other.texts());
                if !is_place(&name)
                    && !count
                    && other.texts().any(|text| texts.contains(text))
                    && identify(key.texts())
                    && identify(other.texts())
                {
                    let is_text = key.texts().chain(other.texts()).all(|text| text.parse::<f64>().is_err());
                    let of_samples = names_samples(&name);
                    found.push(SharedKey {
                        name: &key.name,
                        texts: [&key.texts, &other.texts],
                        is_text,
                        of_samples,
                    });
                }
            }
        }
        found.sort_by_key(|key| (!key.of_samples, !key.is_text));
        found
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> + Clone {
        self.columns.iter()
    }

    pub(super) fn measured(&self) -> impl Iterator<Item = &Measured> {
        self.measured.iter()
    }
}

/// A column of two files whose texts tell the rows of each apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedKey<'a> {
    /// Its name in the first file.
    pub name: &'a str,
    /// One text per row, of both files.
    pub texts: [&'a [String]; 2],
    /// Whether no text is a number.
    pub is_text: bool,
    /// Whether its name is one for samples, such as `filename`, and not for classes, such as `name`.
    pub of_samples: bool,
}

impl Key {
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> + Clone {
        self.texts.iter().map(String::as_str)
    }
}

/// Whether a text is a number with a fraction. A column with such numbers has measurements, which do not tell rows apart.
pub(super) fn is_measured(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|value| value.is_finite() && value.fract() != 0.0)
}

/// The number that a text is; NaN if it is none.
pub(super) fn value_of(text: &str) -> f64 {
    text.trim().parse().unwrap_or(f64::NAN)
}

/// Whether texts are more than numbers. Some of them, such as hexadecimal hashes, may look like numbers.
pub(super) fn are_texts<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let (mut all, mut numbers) = (0, 0);
    for text in texts {
        all += 1;
        numbers += usize::from(text.parse::<f64>().is_ok());
    }
    2 * numbers < all
}

/// Whether every row has a text, and no two rows the same.
pub(super) fn identify<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = HashSet::new();
    let mut all = texts.map(|text| !is_missing(text) && seen.insert(text));
    all.all(|different| different)
}

/// The first row whose text an earlier row has, after that row.
pub(super) fn repeated<'a>(texts: impl Iterator<Item = &'a str>) -> Option<[usize; 2]> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    texts.enumerate().find_map(|(row, text)| seen.insert(text, row).map(|first| [first, row]))
}

/// Whether texts are the numbers from `first`, in order.
pub(super) fn counts_from<'a>(first: usize, texts: impl Iterator<Item = &'a str>) -> bool {
    (first..).zip(texts).all(|(at, text)| text.parse() == Ok(at))
}

/// Whether texts are the numbers from 0, or from 1, in order.
pub(super) fn counts<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> bool {
    counts_from(0, texts.clone()) || counts_from(1, texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_and_lists_are_no_keys() {
        let names = ["name", "age", "height", "list"].map(str::to_owned);
        let mut keys = Keys::at(0..4, &names);
        for row in [["a", "3.0", "5"], ["b", "4.0", "1.5"]] {
            keys.add(|at| Ok::<_, ()>(row.get(at).map(|text| (*text).to_owned()))).unwrap();
        }
        keys.finish();
        let found: Vec<(&str, Vec<&str>)> =
            keys.iter().map(|key| (key.name.as_str(), key.texts().collect())).collect();
        assert_eq!(found, [("name", vec!["a", "b"]), ("age", vec!["3", "4"])]);
        let measured: Vec<(&str, Vec<f64>)> =
            keys.measured().map(|column| (column.name.as_str(), column.values().collect())).collect();
        assert_eq!(measured, [("height", vec![5.0, 1.5])]);
        assert_eq!(keys.names().unwrap(), ["a", "b"]);
        let numbers = |name: &str, texts: [&str; 2]| {
            let mut keys = Keys::default();
            keys.push(name, texts.map(str::to_owned).to_vec());
            keys
        };
        assert_eq!(numbers("age", ["3", "4"]).names(), None);
        assert_eq!(numbers("image_id", ["7", "4"]).names().unwrap(), ["7", "4"]);
        assert_eq!(numbers("image_id", ["1", "2"]).names(), None, "only counts");
        assert_eq!(numbers("file", ["a", "a"]).names(), None, "twice");
    }

    #[test]
    fn shared_columns_tell_the_rows_of_both_files_apart() {
        let keys = |columns: &[(&str, &[&str])]| {
            let mut keys = Keys::default();
            for (name, texts) in columns {
                keys.push(name, texts.iter().map(|text| (*text).to_owned()).collect());
            }
            keys
        };
        let first = keys(&[
            ("name", &["Ann", "Bob"]),
            ("File_Name", &["a.png", "b.png"]),
            ("shop", &["x", "x"]),
            ("image_id", &["0", "1"]),
            ("index", &["7", "4"]),
            ("sample", &["s", "t"]),
        ]);
        let second = keys(&[
            ("filename", &["c.png", "b.png", "a.png"]),
            ("name", &["Bob", "Eve", "Ann"]),
            ("shop", &["x", "y", "z"]),
            ("image_id", &["0", "1", "2"]),
            ("index", &["4", "7", "9"]),
            ("sample", &["u", "v", "w"]),
        ]);
        let found: Vec<(&str, bool)> =
            first.shared(&second).iter().map(|key| (key.name, key.of_samples)).collect();
        assert_eq!(found, [("File_Name", true), ("name", false)]);
        let later = second.of_rows(&[2, 1]);
        assert_eq!(
            first.shared(&later).iter().map(|key| key.name).collect::<Vec<_>>(),
            ["File_Name", "image_id", "name"]
        );
    }

    #[test]
    fn some_columns_tell_rows_apart() {
        assert!(identify(["a", "b"].into_iter()) && !identify(["a", "a"].into_iter()));
        assert!(!identify(["a", ""].into_iter()) && !identify(["a", "nan"].into_iter()));
        assert!(counts(["0", "1"].into_iter()) && counts(["1", "2"].into_iter()));
        assert!(!counts(["2", "3"].into_iter()) && !counts(["1", "0"].into_iter()));
    }
}
