//! Finds a column of the values that is the label of the rows, as it is left in a matrix by `np.c_[labels, embeddings]`, or their number.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::echo::{echo, first_names};
use super::error::{Problem, Result};
use super::pattern::advice;

/// Fewest classes. With two, a column of 0 and 1 that separates them may be a value.
const MIN_CLASSES: usize = 3;

/// Fewest rows in which a column that counts is no coincidence.
const MIN_COUNTED: usize = 8;

/// Rows in which columns of whole numbers are looked for: with more, none of them has a fraction by chance.
const MOST_WHOLE: usize = 10_000;

/// Most columns that a sentence names.
const NAMED: usize = 12;

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
    /// Columns that have only had whole numbers.
    whole: Vec<Whole>,
    /// The number of each label.
    classes: HashMap<String, usize>,
    rows: usize,
    has_fractions: bool,
}

/// A column of whole numbers, with the least and the largest.
#[derive(Debug, Clone)]
struct Whole {
    column: usize,
    range: [f32; 2],
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
            whole: (0..dim)
                .map(|column| Whole { column, range: [f32::INFINITY, f32::NEG_INFINITY] })
                .collect(),
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
        if self.rows <= MOST_WHOLE {
            self.whole.retain_mut(|Whole { column, range }| {
                let value = row[*column];
                *range = [range[0].min(value), range[1].max(value)];
                value.fract() == 0.0
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

    /// The columns of whole numbers next to others with fractions. A value that is always 0 or 1, such as that of a unit that never fires, says nothing.
    fn whole_columns(&self) -> Vec<usize> {
        let is_large = |whole: &&Whole| whole.range.iter().any(|value| value.abs() >= 2.0);
        let found = self.whole.iter().filter(is_large).map(|whole| whole.column);
        if self.rows >= MIN_COUNTED && self.has_fractions { found.collect() } else { Vec::new() }
    }

    /// Whether no further row can matter, because no column can be a label or a row number any more.
    pub fn is_settled(&self) -> bool {
        let whole = self.whole.is_empty() || self.rows >= MOST_WHOLE;
        self.candidates.is_empty() && self.counting.is_empty() && whole && self.rows > 0
    }

    /// A sentence on the column that is a label or a row number, or on columns of whole numbers, if there are some, after the last row. `names` are those of the columns, if they have some;
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
            let counting = self.counting_column().map(|column| {
                format!(
                    "{}: column {} ascends by one from row to row: it is a row number and no value, and every distance depends on it. Remove it.",
                    path.display(),
                    place(column)
                )
            });
            let whole = || if chosen { None } else { self.about_whole(path, names) };
            return Ok(counting.or_else(whole));
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

impl LabelColumn {
    /// A sentence on columns of whole numbers. Names that are not numbered say what a column is.
    fn about_whole(&self, path: &Path, names: Option<&[String]>) -> Option<String> {
        let all: Option<Vec<&str>> = names.map(|names| names.iter().map(String::as_str).collect());
        let is_numbered = |column: &usize| {
            let name = all.as_ref().map(|all| all[*column]);
            name.is_none_or(|name| name.contains(|letter: char| letter.is_ascii_digit()))
        };
        let found: Vec<usize> = self.whole_columns().into_iter().filter(is_numbered).collect();
        if found.is_empty() {
            return None;
        }
        let (found, what_to_do) = if let Some(all) = &all {
            let found: Vec<&str> = found.iter().map(|column| all[*column]).collect();
            let list = first_names(found.iter().map(|name| format!("`{}`", echo(name))), NAMED);
            (list, advice(&found, all, None))
        } else {
            let list = first_names(found.iter().map(usize::to_string), NAMED);
            (format!("{list} (counted from 0)"), "remove what is no value".to_owned())
        };
        Some(format!(
            "{}: only whole numbers are in the column {found}, next to columns with fractions. It may be no value of the embedding, such as an age or a \
             year, but it counts in every distance; {what_to_do}.",
            path.display()
        ))
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
        for other in [|row: usize| 2.0 * row as f32, |row| row as f32 + 0.5, |row| (row * 5 % 9) as f32] {
            assert!(said(9, &other).is_none_or(|sentence| !sentence.contains("ascends")));
        }
    }

    #[test]
    fn whole_numbers_among_the_values_are_named() {
        let said = |names: Option<[&str; 3]>, chosen: bool, number: &dyn Fn(usize) -> f32| {
            let mut columns = LabelColumn::new(3);
            for row in 0..20 {
                columns.add(&[number(row), 0.5 - row as f32 * 0.3, 0.0], &format!("c{}", row % 4));
            }
            let names = names.map(|names| names.map(str::to_owned));
            columns.warning(Path::new("m.npy"), names.as_ref().map(|names| &names[..]), chosen).unwrap()
        };
        let age = |row: usize| (20 + row * 7 % 11) as f32;
        let found = said(None, false, &age).unwrap();
        assert!(
            found.contains("only whole numbers are in the column 0 (counted from 0), next to"),
            "{found}"
        );
        let found = said(Some(["0", "1", "2"]), false, &age).unwrap();
        assert!(found.contains("in the column `0`, next to") && found.contains("--columns '!0'"), "{found}");
        assert_eq!(said(Some(["age", "height", "width"]), false, &age), None, "a name says what it is");
        assert_eq!(said(Some(["0", "1", "2"]), true, &age), None, "chosen");
        assert_eq!(said(None, false, &|row| (row % 2) as f32), None, "a unit that rarely fires");
        assert_eq!(said(None, false, &|row| age(row) + 0.5), None);
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
