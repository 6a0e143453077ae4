//! Finds a column of the values that is the label of the rows, as it is left in a matrix by `np.c_[labels, embeddings]`, or their number.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::echo::echo;
use super::error::{Problem, Result};
use super::pattern::advice;

/// Fewest classes. With two, a column of 0 and 1 that separates them may be a value.
const MIN_CLASSES: usize = 3;

/// Fewest rows in which a column that counts is no coincidence.
const MIN_COUNTED: usize = 8;

/// Fewest rows beyond one per class. The first row of a class says nothing about whether a column is constant in it.
const MIN_REPEATS: usize = 3;

/// Finds a column that is a label: whole numbers, the same for all rows of a class and another for every class, in a matrix that also has
/// fractions. No column of an embedding is like that; columns of codes, which are all whole numbers, may be.
///
/// Rows are added one by one. The columns that can still be labels are few after a few rows.
#[derive(Debug, Clone)]
pub struct LabelColumn {
    candidates: Vec<Candidate>,
    /// Columns that have ascended by one from row to row, with their last value.
    counting: Vec<(usize, f32)>,
    /// The number of each label.
    classes: HashMap<String, usize>,
    rows: usize,
    has_fractions: bool,
}

/// A column that can still be a label.
#[derive(Debug, Clone)]
struct Candidate {
    column: usize,
    /// Its value, in bits, for each class by number.
    of_class: Vec<u32>,
    values: HashSet<u32>,
}

impl Candidate {
    /// Whether the column can still be a label with this value in a row of the class.
    fn fits(&mut self, value: f32, class: usize) -> bool {
        // Both zeros are one value.
        let bits = (value + 0.0).to_bits();
        if let Some(known) = self.of_class.get(class) {
            return *known == bits;
        }
        self.of_class.push(bits);
        value.fract() == 0.0 && self.values.insert(bits)
    }
}

impl LabelColumn {
    /// For rows of `dim` values.
    pub fn new(dim: usize) -> Self {
        let candidate = |column| Candidate { column, of_class: Vec::new(), values: HashSet::new() };
        Self {
            candidates: (0..dim).map(candidate).collect(),
            counting: Vec::new(),
            classes: HashMap::new(),
            rows: 0,
            has_fractions: false,
        }
    }

    /// Adds a row of `dim` values with its label.
    ///
    /// # Panics
    /// If the row has fewer values.
    pub fn add(&mut self, row: &[f32], label: &str) {
        self.rows += 1;
        self.has_fractions = self.has_fractions || row.iter().any(|value| value.fract() != 0.0);
        if self.rows == 1 {
            let whole = row.iter().copied().enumerate().filter(|(_, value)| value.fract() == 0.0);
            self.counting = whole.collect();
        } else {
            self.counting.retain_mut(|(column, last)| {
                let ascends = row[*column] - *last == 1.0;
                *last = row[*column];
                ascends
            });
        }
        if self.candidates.is_empty() {
            return;
        }
        let next = self.classes.len();
        let class = self.classes.get(label).copied().unwrap_or(next);
        if class == next {
            self.classes.insert(label.to_owned(), next);
        }
        self.candidates.retain_mut(|candidate| candidate.fits(row[candidate.column], class));
    }

    /// The first column that is a label, after the last row.
    pub fn column(&self) -> Option<usize> {
        let enough = self.classes.len() >= MIN_CLASSES && self.rows >= self.classes.len() + MIN_REPEATS;
        self.candidates.first().filter(|_| enough && self.has_fractions).map(|candidate| candidate.column)
    }

    /// The first column that counts the rows, after the last row.
    fn counting_column(&self) -> Option<usize> {
        let enough = self.rows >= MIN_COUNTED && self.has_fractions;
        self.counting.first().filter(|_| enough).map(|(column, _)| *column)
    }

    /// Whether no further row can matter, because no column can be a label or a row number any more.
    pub fn is_settled(&self) -> bool {
        self.candidates.is_empty() && self.counting.is_empty() && self.rows > 0
    }

    /// A sentence on the column that is a label or a row number, if there is one, after the last row. `names` are those of the columns, if they have some;
    /// `chosen` says that they were chosen with a [`ColumnPattern`](super::ColumnPattern).
    ///
    /// # Errors
    /// [`Problem::LabelColumn`] if the column has a name and was not chosen, so that a pattern can leave it out.
    pub fn warning(&self, path: &Path, names: Option<&[String]>, chosen: bool) -> Result<Option<String>> {
        let place = |column: usize| match names {
            Some(names) => format!("`{}`", echo(&names[column])),
            None => format!("{column} (counted from 0)"),
        };
        let Some(column) = self.column() else {
            return Ok(self.counting_column().map(|column| {
                format!(
                    "{}: column {} ascends by one from row to row: it is a row number and no value, and every distance depends on it. Remove it.",
                    path.display(),
                    place(column)
                )
            }));
        };
        let name = match names {
            Some(names) if !chosen => {
                let all: Vec<&str> = names.iter().map(String::as_str).collect();
                let found: Vec<&str> =
                    self.candidates.iter().map(|candidate| all[candidate.column]).collect();
                let problem = Problem::LabelColumn {
                    column: names[column].clone(),
                    meaning: "a label (a whole number, the same for all rows of a class and another for every class)",
                    advice: advice(&found, &all, None),
                };
                return Err(problem.at(path));
            }
            _ => place(column),
        };
        Ok(Some(format!(
            "{}: column {name} has whole numbers, the same for all rows of a class and another for every class: it is a label and no value, and the \
             results are too good with it. Remove it.",
            path.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The column found among rows of `classes` classes with `each` rows; `values` gives a row from its class and number.
    fn found(classes: usize, each: usize, values: impl Fn(usize, usize) -> Vec<f32>) -> Option<usize> {
        let mut columns = LabelColumn::new(values(0, 0).len());
        for row in 0..each {
            for class in 0..classes {
                columns.add(&values(class, row), &format!("c{class}"));
            }
        }
        columns.column()
    }

    #[test]
    fn a_row_number_among_the_values_is_found() {
        let said = |rows: usize, number: &dyn Fn(usize) -> f32| {
            let mut columns = LabelColumn::new(2);
            for row in 0..rows {
                columns.add(&[0.5 - row as f32 * 0.3, number(row)], &format!("c{}", row % 4));
            }
            columns.warning(Path::new("m.npy"), None, false).unwrap()
        };
        let found = said(9, &|row| 100.0 + row as f32).unwrap();
        assert!(found.contains("m.npy: column 1 (counted from 0) ascends by one from row to row"), "{found}");
        assert_eq!(said(7, &|row| row as f32), None, "few rows");
        assert_eq!(said(9, &|row| 2.0 * row as f32), None);
        assert_eq!(said(9, &|row| row as f32 + 0.5), None);
        assert_eq!(said(9, &|row| (row * 5 % 9) as f32), None);
    }

    #[test]
    fn a_label_among_the_values_is_found() {
        let fraction = |class: usize, row: usize| ((class * 7 + row * 3) % 10) as f32 / 10.0 - 0.35;
        assert_eq!(found(5, 4, |class, row| vec![fraction(class, row), class as f32]), Some(1));
        assert_eq!(
            found(5, 4, |class, row| vec![(class * 17 % 5) as f32 - 2.0, fraction(class, row)]),
            Some(0)
        );
        assert_eq!(found(3, 2, |class, row| vec![fraction(class, row), 100.0 * class as f32]), Some(1));
        // Codes, one-hot vectors, constants, and values that only some classes share.
        assert_eq!(
            found(5, 4, |class, row| vec![((row + class) % 3) as f32, class as f32]),
            None,
            "all whole"
        );
        let one_hot = |class: usize, row: usize| {
            (0..5).map(|at| f32::from(u8::from(at == class)) * fraction(0, row)).collect()
        };
        assert_eq!(found(5, 4, one_hot), None);
        let beside =
            |class: usize, row: usize| vec![fraction(class, row), f32::from(u8::from(class == 2)), 0.0];
        assert_eq!(found(5, 4, beside), None);
        assert_eq!(found(5, 4, |class, row| vec![fraction(class, row), (class / 2) as f32]), None);
        assert_eq!(found(5, 4, |class, row| vec![fraction(class, row), (class + row) as f32]), None);
        assert_eq!(found(5, 4, |class, row| vec![fraction(class, row), class as f32 + 0.5]), None);
        // Too few rows to tell.
        assert_eq!(found(2, 9, |class, row| vec![fraction(class, row), class as f32]), None);
        assert_eq!(found(9, 1, |class, row| vec![fraction(class, row), class as f32]), None);
    }
}
