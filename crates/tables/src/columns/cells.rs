//! A value of a table with typed columns, whatever the format of its file.

use std::fmt;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    /// An integer of any width.
    Whole(i128),
    Single(f32),
    Double(f64),
    /// A decimal, as it is written.
    Decimal(String),
    Text(String),
    /// A date, a time or both, as it is written.
    Moment(String),
    /// Bytes that are not marked as text.
    Bytes(Vec<u8>),
    List(Vec<Cell>),
    /// Something else, in words.
    Other(&'static str),
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => value.fmt(out),
            Self::Whole(value) => value.fmt(out),
            Self::Single(value) => value.fmt(out),
            Self::Double(value) => value.fmt(out),
            Self::Decimal(text) | Self::Moment(text) => text.fmt(out),
            Self::Text(text) => write!(out, "\"{text}\""),
            Self::Bytes(bytes) => write!(out, "{} bytes", bytes.len()),
            Self::List(cells) => write!(out, "a list of {}", cells.len()),
            Self::Other(what) => out.write_str(what),
        }
    }
}

impl Cell {
    /// A value of an embedding; `None` if it is no number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(value) => Some(*value as f64),
            Self::Single(value) => Some(f64::from(*value)),
            Self::Double(value) => Some(*value),
            Self::Decimal(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A label, an id and the like. A whole number in a column of floats is one too: pandas makes a column of integers with gaps one of floats.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Moment(text) => Some(text.clone()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Whole(value) => Some(value.to_string()),
            Self::Single(value) => whole(f64::from(*value)),
            Self::Double(value) => whole(*value),
            _ => None,
        }
    }

    /// The value as text, empty for null; `None` if it cannot be written as text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Null => Some(String::new()),
            Self::Single(value) => Some(value.to_string()),
            Self::Double(value) => Some(value.to_string()),
            Self::Decimal(text) => Some(text.clone()),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Self::List(_) | Self::Other(_) => None,
            cell => cell.name(),
        }
    }
}

fn whole(value: f64) -> Option<String> {
    (value.fract() == 0.0 && value.abs() < 1e15).then(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_number_a_name_or_a_text() {
        for (cell, number, name, text) in [
            (Cell::Null, None, None, Some("")),
            (Cell::Bool(true), None, Some("true"), Some("true")),
            (Cell::Whole(-7), Some(-7.0), Some("-7"), Some("-7")),
            (Cell::Single(0.1), Some(f64::from(0.1_f32)), None, Some("0.1")),
            (Cell::Double(3.0), Some(3.0), Some("3"), Some("3")),
            (Cell::Double(1e15), Some(1e15), None, Some("1000000000000000")),
            (Cell::Double(f64::NAN), Some(f64::NAN), None, Some("NaN")),
            (Cell::Decimal("12.50".to_owned()), Some(12.5), None, Some("12.50")),
            (Cell::Text("a".to_owned()), None, Some("a"), Some("a")),
            (Cell::Moment("2026-11-25".to_owned()), None, Some("2026-11-25"), Some("2026-11-25")),
            (Cell::Bytes(b"b".to_vec()), None, None, Some("b")),
            (Cell::Bytes(vec![0xff]), None, None, None),
            (Cell::List(vec![Cell::Null]), None, None, None),
            (Cell::Other("a struct"), None, None, None),
        ] {
            let same = |a: Option<f64>, b: Option<f64>| a.map(f64::to_bits) == b.map(f64::to_bits);
            assert!(same(cell.number(), number), "{cell}");
            assert_eq!((cell.name().as_deref(), cell.text().as_deref()), (name, text), "{cell}");
        }
    }
}
