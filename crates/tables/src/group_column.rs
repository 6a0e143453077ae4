//! Finds columns of the values that name groups of rows, such as patients, users or sessions.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::echo::{echo, first_names};
use super::pattern::advice;

/// Fewest groups of a column, and fewest rows per group on average. With fewer, whole numbers fit by chance.
const MIN_GROUPS: usize = 6;
const MIN_ROWS_EACH: usize = 2;

/// Most columns that a sentence names.
const NAMED: usize = 12;

/// Finds columns that name groups: whole numbers, several per class, each in rows of one class only, in a matrix that also has fractions. A model
/// that is trained on such a column learns the names of groups.
///
/// Rows are added one by one. The columns that can still be names are few after a few rows.
#[derive(Debug, Clone)]
pub struct GroupColumns {
    candidates: Vec<Candidate>,
    classes: HashSet<u32>,
    rows: usize,
    has_fractions: bool,
}

/// A column that can still have names of groups.
#[derive(Debug, Clone)]
struct Candidate {
    column: usize,
    /// The class of each value, in bits.
    class_of: HashMap<u32, u32>,
}

impl GroupColumns {
    /// For rows of `dim` values.
    pub fn new(dim: usize) -> Self {
        let candidates = (0..dim).map(|column| Candidate { column, class_of: HashMap::new() }).collect();
        Self { candidates, classes: HashSet::new(), rows: 0, has_fractions: false }
    }

    /// Adds a row of `dim` values with the number of its class.
    ///
    /// # Panics
    /// If the row has fewer values.
    pub fn add(&mut self, row: &[f32], class: u32) {
        self.rows += 1;
        self.classes.insert(class);
        self.has_fractions = self.has_fractions || row.iter().any(|value| value.fract() != 0.0);
        self.candidates.retain_mut(|candidate| {
            let value = row[candidate.column];
            // Both zeros are one value.
            let bits = (value + 0.0).to_bits();
            value.fract() == 0.0 && *candidate.class_of.entry(bits).or_insert(class) == class
        });
    }

    /// Whether no further row can matter, because no column can name groups any more.
    pub fn is_settled(&self) -> bool {
        self.candidates.is_empty()
    }

    /// The columns that name groups, after the last row.
    pub fn columns(&self) -> Vec<usize> {
        let names_groups = |candidate: &&Candidate| {
            let groups = candidate.class_of.len();
            let several = groups > self.classes.len() && groups >= MIN_GROUPS;
            self.has_fractions && several && self.rows >= MIN_ROWS_EACH * groups
        };
        self.candidates.iter().filter(names_groups).map(|candidate| candidate.column).collect()
    }

    /// A sentence on the columns that name groups, if there are some, after the last row. `names` are those of all columns, if they have some.
    pub fn warning(&self, path: &Path, names: Option<&[String]>) -> Option<String> {
        let columns = self.columns();
        let (first, path) = (*columns.first()?, path.display());
        let (found, what_to_do) = match names {
            Some(names) => {
                let all: Vec<&str> = names.iter().map(String::as_str).collect();
                let found: Vec<&str> = columns.iter().map(|column| all[*column]).collect();
                (
                    first_names(found.iter().map(|name| format!("`{}`", echo(name))), NAMED),
                    advice(&found, &all, None),
                )
            }
            None => (format!("column {first} (counted from 0)"), "if it does, remove it".to_owned()),
        };
        Some(format!(
            "{path}: {found} has whole numbers, several per class and each in one class only. It may name groups, such as patients or sessions, and \
             the results are too good with it; {what_to_do}."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns found among rows of `classes` classes with `each` rows; `values` gives a row from its class and number.
    fn found(classes: u32, each: u32, values: impl Fn(u32, u32) -> Vec<f32>) -> Vec<usize> {
        let mut columns = GroupColumns::new(values(0, 0).len());
        for row in 0..each {
            for class in 0..classes {
                columns.add(&values(class, row), class);
            }
        }
        columns.columns()
    }

    #[test]
    fn names_of_groups_among_the_values_are_found() {
        let fraction = |class: u32, row: u32| ((class * 7 + row * 3) % 10) as f32 / 10.0 - 0.35;
        let patient = |class: u32, row: u32| (class * 5 + row / 6) as f32;
        assert_eq!(found(12, 30, |class, row| vec![fraction(class, row), patient(class, row)]), [1]);
        assert_eq!(found(2, 30, |class, row| vec![1000.0 - patient(class, row), fraction(class, row)]), [0]);
        for (what, column) in [
            ("a label", (|class, _| class as f32) as fn(u32, u32) -> f32),
            ("row numbers", |class, row| (class * 100 + row) as f32),
            ("values that classes share", |class, row| (class + row / 6) as f32),
            ("fractions", |class, row| (class * 5 + row / 6) as f32 + 0.5),
        ] {
            assert!(
                found(4, 30, |class, row| vec![fraction(class, row), column(class, row)]).is_empty(),
                "{what}"
            );
        }
        assert!(
            found(12, 30, |class, row| vec![1.0, patient(class, row)]).is_empty(),
            "all are whole numbers"
        );
        let names = ["mean", "patient"].map(str::to_owned);
        let mut columns = GroupColumns::new(2);
        for row in 0..60 {
            columns.add(&[0.5, (row / 3) as f32], row / 15);
        }
        let said = columns.warning(Path::new("t.csv"), Some(&names)).unwrap();
        assert!(
            said.starts_with("t.csv: `patient` has whole numbers") && said.contains("--columns '!patient'"),
            "{said}"
        );
    }
}
