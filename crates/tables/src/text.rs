//! `.csv` tables with a header, and files with one label per line.

use std::path::Path;

use super::about::{About, Columns};
use super::error::{Error, Problem, Result};
use super::rows::Rows;

/// A reader of a table with column names in the first line; lines that begin with `comment` are skipped.
pub(super) fn reader(bytes: &[u8], comment: Option<u8>) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().trim(csv::Trim::All).comment(comment).from_reader(bytes)
}

/// An error of the csv crate: missing or extra fields, or bytes that are not text.
pub(super) fn broken(error: &csv::Error, path: &Path) -> Error {
    Problem::Malformed { format: ".csv", reason: error.to_string() }.at(path)
}

pub(super) fn headers(reader: &mut csv::Reader<&[u8]>, path: &Path) -> Result<Vec<String>> {
    let headers = reader.headers().map_err(|error| broken(&error, path))?;
    Ok(headers.iter().map(str::to_owned).collect())
}

/// The line of a record, from one.
pub(super) fn line(record: &csv::StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

pub(super) fn rows(bytes: &[u8], path: &Path) -> Result<(Rows, About)> {
    let mut reader = reader(bytes, None);
    let headers = headers(&mut reader, path)?;
    if is_row(&headers) {
        let first: Vec<&str> = headers.iter().take(3).map(String::as_str).collect();
        return Err(Problem::NoHeading { found: first.join(",") }.at(path));
    }
    let columns = Columns::find(&headers);
    let values = columns.numbers(headers.len());
    if values.is_empty() {
        return Err(Problem::NoEmbeddingColumns.at(path));
    }
    let (mut data, mut about) = (Vec::new(), columns.about());
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error, path))?;
        let wrong = |at: usize, expected| {
            let found = record.get(at).unwrap_or_default().to_owned();
            Problem::Field { line: line(&record), column: headers[at].clone(), found, expected }.at(path)
        };
        for &at in &values {
            let number = record.get(at).and_then(|field| field.parse::<f32>().ok());
            data.push(number.ok_or_else(|| wrong(at, "a number"))?);
        }
        let text = |at: usize| {
            let text = record.get(at).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| wrong(at, "a name"))
        };
        columns.add(&mut about, text)?;
    }
    columns.finish(&mut about);
    let (rows, dim) = (data.len() / values.len(), values.len());
    if rows == 0 {
        return Err(Problem::Empty.at(path));
    }
    Ok((Rows::in_memory(path, rows, dim, data), about))
}

/// Whether the first line is a row of numbers instead of names. Numbers that count from 0 or 1 are names, as pandas writes them.
fn is_row(headers: &[String]) -> bool {
    let numbers: Option<Vec<f64>> = headers.iter().map(|header| header.parse().ok()).collect();
    let counts = |numbers: &[f64], first: f64| (0..).zip(numbers).all(|(at, n)| *n == first + f64::from(at));
    numbers.is_some_and(|n| !n.is_empty() && !counts(&n, 0.0) && !counts(&n, 1.0))
}

/// One label per line. Spaces around labels and an empty last line are ignored.
pub(super) fn lines(bytes: &[u8], path: &Path) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Problem::Malformed { format: "text", reason: error.to_string() }.at(path))?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}
