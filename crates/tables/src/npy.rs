//! numpy's `.npy`: a magic string, a header with a Python dictionary as text, and the values.
//!
//! The format is that of `numpy.lib.format`, versions 1 to 3. Arrays of Python objects are rejected: they are pickles, which can run
//! code.

use std::fs::File;
use std::path::Path;

use super::error::{Problem, Result};
use super::memory;
use super::numbers::{Kind, Precise, doubles, integers, out_of_range};
use super::rows::{Layout, Rows, outside_at, read_exact_at};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The header, and the bytes after it.
struct Array<'a> {
    /// The type as numpy writes it, such as `<f4`.
    kind: String,
    columns_first: bool,
    shape: Vec<usize>,
    data: &'a [u8],
}

/// The header of a file of `[rows, dim]` little-endian `f32` values; the values follow, row by row.
pub fn npy_header(rows: usize, dim: usize) -> Vec<u8> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    // numpy aligns the values to 64 bytes.
    let length = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
    let mut header = [MAGIC, &[1, 0], &(length as u16).to_le_bytes()].concat();
    header.extend(format!("{text:<width$}\n", width = length - 1).bytes());
    header
}

/// Largest header in bytes; numpy's have about a hundred.
const MOST_HEADER: u64 = 1 << 20;

/// The rows. They stay in the file unless it is stored by column.
pub(super) fn rows(file: File, path: &Path) -> Result<Rows> {
    let unreadable = |error: std::io::Error| Problem::Read(error.to_string()).at(path);
    let length = file.metadata().map_err(unreadable)?.len();
    part_rows(file, path, 0, length)
}

/// As [`rows`], of the array in `length` bytes of a file from `start` on.
pub(super) fn part_rows(file: File, path: &Path, start: u64, length: u64) -> Result<Rows> {
    let unreadable = |error: std::io::Error| Problem::Read(error.to_string()).at(path);
    let mut beginning = vec![0; length.min(MOST_HEADER) as usize];
    read_exact_at(&file, &mut beginning, start).map_err(unreadable)?;
    let array = parse(&beginning).map_err(|problem| problem.at(path))?;
    let ([rows, dim], kind) = float_matrix(&array).map_err(|problem| problem.at(path))?;
    let header = (beginning.len() - array.data.len()) as u64;
    check_length(&array.shape, kind.bytes(), length - header).map_err(|problem| problem.at(path))?;
    let layout = Layout { offset: start + header, kind, big: array.kind.starts_with('>'), rows, dim };
    if !array.columns_first {
        return Ok(Rows::in_file(path, file, layout));
    }
    require_memory([rows, dim], kind, path)?;
    let mut bytes = vec![0; rows * dim * kind.bytes()];
    read_exact_at(&file, &mut bytes, layout.offset).map_err(unreadable)?;
    in_memory(&doubles(&bytes, kind, layout.big), [rows, dim], true, kind, path)
}

/// The rows of an array in memory.
pub(super) fn rows_of(bytes: &[u8], path: &Path) -> Result<Rows> {
    let array = parse(bytes).map_err(|problem| problem.at(path))?;
    let (shape, kind) = float_matrix(&array).map_err(|problem| problem.at(path))?;
    let found = array.data.len() as u64;
    check_length(&array.shape, kind.bytes(), found).map_err(|problem| problem.at(path))?;
    require_memory(shape, kind, path)?;
    let values = doubles(array.data, kind, array.kind.starts_with('>'));
    in_memory(&values, shape, array.columns_first, kind, path)
}

/// What the header of an array says: its shape, and whether its values are floats.
pub(super) fn described(beginning: &[u8]) -> Result<(Vec<usize>, bool), Problem> {
    let array = parse(beginning)?;
    let is_float = number_kind(&array.kind).is_some_and(Kind::is_float);
    Ok((array.shape, is_float))
}

fn require_memory([rows, dim]: [usize; 2], kind: Kind, path: &Path) -> Result<()> {
    memory::require(rows as u128 * dim as u128, (kind.bytes() + 2 * size_of::<f64>()) as u128, path)
}

fn in_memory(
    values: &[f64],
    [rows, dim]: [usize; 2],
    columns_first: bool,
    kind: Kind,
    path: &Path,
) -> Result<Rows> {
    let (mut found, mut row) = (Precise::default(), Vec::with_capacity(dim));
    for nth in 0..rows {
        row.clear();
        row.extend((0..dim).map(|at| values[if columns_first { at * rows + nth } else { nth * dim + at }]));
        if let Some(outside) = out_of_range(&row).filter(|_| kind == Kind::Double) {
            return Err(outside_at(nth, outside).at(path));
        }
        for value in &row {
            found.push(*value);
        }
    }
    Ok(Rows::precise(path, rows, dim, found))
}

/// A matrix of floats in full precision: its values, rows and columns.
pub(super) fn matrix(bytes: &[u8], path: &Path) -> Result<(Vec<f64>, [usize; 2])> {
    let array = parse(bytes).map_err(|problem| problem.at(path))?;
    let ([rows, dim], kind) = float_matrix(&array).map_err(|problem| problem.at(path))?;
    let found = array.data.len() as u64;
    check_length(&array.shape, kind.bytes(), found).map_err(|problem| problem.at(path))?;
    let values = doubles(array.data, kind, array.kind.starts_with('>'));
    let values = if array.columns_first {
        (0..rows * dim).map(|at| values[at % dim * rows + at / dim]).collect()
    } else {
        values
    };
    Ok((values, [rows, dim]))
}

pub(super) fn labels(bytes: &[u8], path: &Path) -> Result<Vec<String>> {
    let array = parse(bytes).map_err(|problem| problem.at(path))?;
    let what = || "the array of labels".to_owned();
    // A single row or column is accepted as a list.
    if array.shape.iter().filter(|&&side| side != 1).count() > 1 {
        let found = array.shape.clone();
        return Err(Problem::Shape { what: what(), found, expected: "one label per row" }.at(path));
    }
    let wrong =
        || Problem::NumberType { what: what(), found: array.kind.clone(), expected: "whole numbers or text" };
    let big = array.kind.starts_with('>');
    if let Some(count) = array.kind.strip_prefix("|S") {
        let count: usize = count.parse().map_err(|_| wrong().at(path))?;
        check_length(&array.shape, count, array.data.len() as u64).map_err(|problem| problem.at(path))?;
        return byte_texts(array.data, count).map_err(|problem| problem.at(path));
    }
    if let Some(letters) = array.kind.get(1..).and_then(|kind| kind.strip_prefix('U')) {
        let letters: usize = letters.parse().map_err(|_| wrong().at(path))?;
        let bytes = letters.checked_mul(4).ok_or_else(|| wrong().at(path))?;
        check_length(&array.shape, bytes, array.data.len() as u64).map_err(|problem| problem.at(path))?;
        if bytes == 0 {
            return Err(malformed("all its texts are empty").at(path));
        }
        let points = integers(array.data, Kind::Unsigned(4), big).expect("an unsigned type");
        let text = |points: &[i128]| -> Option<String> {
            let used = points.iter().rposition(|&point| point != 0).map_or(0, |last| last + 1);
            points[..used].iter().map(|&point| char::from_u32(u32::try_from(point).ok()?)).collect()
        };
        let all: Option<Vec<String>> = points.chunks_exact(letters).map(text).collect();
        return all.ok_or_else(|| malformed("a text has an invalid character").at(path));
    }
    let kind = number_kind(&array.kind).ok_or_else(|| wrong().at(path))?;
    check_length(&array.shape, kind.bytes(), array.data.len() as u64).map_err(|problem| problem.at(path))?;
    let numbers = integers(array.data, kind, big).ok_or_else(|| wrong().at(path))?;
    Ok(numbers.iter().map(ToString::to_string).collect())
}

/// Texts of `count` bytes each, which zeros fill up.
fn byte_texts(data: &[u8], count: usize) -> Result<Vec<String>, Problem> {
    if count == 0 {
        return Err(malformed("all its texts are empty"));
    }
    let text = |bytes: &[u8]| {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        String::from_utf8(bytes[..used].to_vec()).map_err(|_| malformed("a text is not UTF-8"))
    };
    data.chunks_exact(count).map(text).collect()
}

fn malformed(reason: impl Into<String>) -> Problem {
    Problem::Malformed { format: ".npy", reason: reason.into() }
}

/// The shape and the number type of an array that must be a matrix of floats.
fn float_matrix(array: &Array<'_>) -> Result<([usize; 2], Kind), Problem> {
    let what = || "the array".to_owned();
    let &[rows, dim] = array.shape.as_slice() else {
        let expected = "a matrix [rows, dimension]";
        return Err(Problem::Shape { what: what(), found: array.shape.clone(), expected });
    };
    let kind = number_kind(&array.kind).filter(|kind| kind.is_float()).ok_or_else(|| {
        let expected = "floats of 2, 4 or 8 bytes";
        Problem::NumberType { what: what(), found: array.kind.clone(), expected }
    })?;
    Ok(([rows, dim], kind))
}

/// The kind of value for a type such as `<f4` or `|u1`.
fn number_kind(text: &str) -> Option<Kind> {
    let (order, rest) = text.split_at_checked(1)?;
    if !["<", ">", "|", "="].contains(&order) {
        return None;
    }
    match rest {
        "f2" => Some(Kind::Half),
        "f4" => Some(Kind::Single),
        "f8" => Some(Kind::Double),
        "i1" | "i2" | "i4" | "i8" => Some(Kind::Signed(rest[1..].parse().ok()?)),
        "u1" | "u2" | "u4" | "u8" => Some(Kind::Unsigned(rest[1..].parse().ok()?)),
        _ => None,
    }
}

fn check_length(shape: &[usize], bytes: usize, found: u64) -> Result<(), Problem> {
    let count = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    if count.and_then(|count| count.checked_mul(bytes)).map(|bytes| bytes as u64) == Some(found) {
        return Ok(());
    }
    Err(malformed(format!(
        "the shape {shape:?} of {bytes}-byte values does not fit the {found} bytes of data"
    )))
}

fn parse(bytes: &[u8]) -> Result<Array<'_>, Problem> {
    let rest =
        bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("it does not start with numpy's magic string"))?;
    let cut = || malformed("it ends within its header");
    let (version, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(malformed(format!("its version is {other}; versions 1, 2 and 3 are supported"))),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| malformed("its header is not text"))?;
    let kind = value(header, "descr")?;
    let kind = quoted(kind).ok_or_else(|| malformed("records of several fields are not supported"))?;
    if kind.ends_with('O') {
        return Err(malformed(
            "it contains Python objects, which require pickle; save the array with a numeric type",
        ));
    }
    let columns_first = match value(header, "fortran_order")? {
        text if text.starts_with("True") => true,
        text if text.starts_with("False") => false,
        _ => return Err(malformed("fortran_order is neither True nor False")),
    };
    let shape = value(header, "shape")?;
    let inside = shape.strip_prefix('(').and_then(|shape| shape.split_once(')')).map(|(inside, _)| inside);
    let inside = inside.ok_or_else(|| malformed("its shape is not a tuple"))?;
    let sides = inside.split(',').map(str::trim).filter(|side| !side.is_empty());
    let shape: Result<Vec<usize>, _> = sides.map(str::parse).collect();
    let shape = shape
        .map_err(|_| malformed(format!("its shape ({inside}) has entries that are not whole numbers")))?;
    Ok(Array { kind: kind.to_owned(), columns_first, shape, data })
}

/// The text after a key of the header.
fn value<'a>(header: &'a str, key: &str) -> Result<&'a str, Problem> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| header.split_once(&format!("{quote}{key}{quote}")))
        .and_then(|(_, after)| after.trim_start().strip_prefix(':'))
        .map(str::trim_start)
        .ok_or_else(|| malformed(format!("its header has no {key}")))
}

/// The text between the quotes that `text` starts with.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote).map(|(inside, _)| inside)
}
