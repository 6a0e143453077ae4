//! Tables of embeddings in `.csv` files.

use std::path::Path;

use super::about::{Columns, is_reserved};
use super::error::{Error, Problem, Result};
use super::keys::is_measured;
use super::memory;
use super::numbers::{Precise, RANGE, out_of_range};
use super::pattern::ChosenColumns;
use super::rows::Rows;
use super::table::OpenTable;
use super::text::Records;

pub(super) fn open(text: &str, path: &Path, chosen: &ChosenColumns) -> Result<OpenTable> {
    let mut records = Records::open(text, path)?;
    let headers = records.columns.clone();
    if is_row(&headers) {
        let first: Vec<&str> = headers.iter().take(3).map(String::as_str).collect();
        return Err(Problem::NoHeading { found: first.join(",") }.at(path));
    }
    let columns =
        Columns::find(&headers, &[], chosen.label.as_deref()).map_err(|problem| problem.at(path))?;
    // Where something is wrong, a first line that looks like a row is the cause.
    let blamed = |problem: Problem| {
        let problem = if is_like_a_row(&headers) { no_names(&headers) } else { problem };
        problem.at(path)
    };
    let values = columns.values(&headers, chosen.embedding.as_ref()).map_err(blamed)?;
    let dim = values.columns.len();
    // A value takes at least a digit and a separator. One that `f32` rounds, so that two are kept, takes twice as many.
    memory::require(text.len() as u128 / 2, size_of::<f32>() as u128, path)?;
    let (mut data, mut about, mut row) = (Precise::default(), columns.about(), Vec::with_capacity(dim));
    let mut keys = columns.keys(&headers, &values.columns);
    while let Some(record) = records.next()? {
        let wrong = |at: usize, expected| {
            let (line, column, found) =
                (record.line, headers[at].clone(), record.fields[at].as_ref().to_owned());
            Problem::Field { line, column, found, expected }.at(path)
        };
        row.clear();
        for &at in &values.columns {
            let field = record.fields[at].as_ref();
            let number: f64 = field.parse().map_err(|_| blamed(wrong(at, "a number").problem))?;
            // The words for infinity have no digits.
            if number.is_infinite() && field.contains(|letter: char| letter.is_ascii_digit()) {
                return Err(wrong(at, RANGE));
            }
            row.push(number);
        }
        if let Some((at, _)) = out_of_range(&row) {
            return Err(wrong(values.columns[at], RANGE));
        }
        if row.iter().all(|value| *value == 0.0)
            && let Some(at) = values.columns.iter().find(|at| !is_zero(&record.fields[**at]))
        {
            return Err(wrong(*at, RANGE));
        }
        for (value, at) in row.iter().zip(&values.columns) {
            data.push_text(*value, &record.fields[*at]);
        }
        let text = |at: usize| {
            let text = record.fields[at].as_ref();
            if text.is_empty() { Err(wrong(at, "a name")) } else { Ok(text.to_owned()) }
        };
        columns.add(&mut about, text)?;
        keys.add(|at| Ok::<_, Error>(Some(record.fields[at].as_ref().to_owned())))?;
    }
    columns.finish(&mut about, &mut keys, &headers);
    keys.finish();
    let rows = data.len() / dim;
    if rows == 0 {
        return Err(Problem::Empty.at(path));
    }
    values.require_no_counting(&headers, &data).map_err(|problem| problem.at(path))?;
    let rows = Rows::precise(path, rows, dim, data);
    Ok(OpenTable { columns: Some(values.names(&headers)), keys, ..OpenTable::new(rows, about) })
}

/// Whether a number is written as zero, such as `-0.00e5`.
fn is_zero(text: &str) -> bool {
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    !digits.contains(|letter: char| matches!(letter, '1'..='9'))
}

/// Whether the first line, which has texts, may be a row instead of names: it has numbers with fractions, and none of the names with a meaning.
fn is_like_a_row(headers: &[String]) -> bool {
    headers.iter().any(|header| is_measured(header)) && !headers.iter().any(|header| is_reserved(header))
}

fn no_names(headers: &[String]) -> Problem {
    let first: Vec<&str> = headers.iter().take(3).map(String::as_str).collect();
    Problem::NoNames { found: first.join(",") }
}

/// Whether the first line is a row of numbers instead of names. Numbers that count from 0 or 1 are names, as pandas writes them.
fn is_row(headers: &[String]) -> bool {
    let numbers: Option<Vec<f64>> = headers.iter().map(|header| header.parse().ok()).collect();
    let counts = |numbers: &[f64], first: f64| (0..).zip(numbers).all(|(at, n)| *n == first + f64::from(at));
    numbers.is_some_and(|n| !n.is_empty() && !counts(&n, 0.0) && !counts(&n, 1.0))
}
