//! The names of the classes of IDX files: `classes.txt`, one name per line. The line says the class, so a line too much moves all names.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use widemargin_tables::{is_heading, read_lines, read_text};

use crate::{Error, Result};

/// The names in a file, for data with these labels.
///
/// # Errors
/// [`Error::RepeatedClass`], since two classes could not be told apart; [`Error::ClassLine`] for a heading, for more names than classes, and for
/// numbers that contradict the lines.
pub(crate) fn class_names(path: &Path, labels: impl Iterator<Item = u32>) -> Result<Vec<String>> {
    let names = read_lines(path)?;
    let wrong = |at: usize, reason: String| Error::ClassLine {
        path: path.to_path_buf(),
        line: at + 1,
        found: names[at].clone(),
        reason: reason.into(),
    };
    let mut lines = HashMap::new();
    for (line, name) in (1..).zip(&names) {
        if let Some(first) = lines.insert(name.as_str(), line) {
            let (path, name) = (path.to_path_buf(), name.clone());
            return Err(Error::RepeatedClass { path, name, first, second: line });
        }
    }
    let quoted = read_text(path)?.trim_start().starts_with('"');
    if names.len() > 1 && is_heading(&names[0]) && !quoted {
        let reason = "it seems to be a heading, and every class would have the name of the one before; remove the line, or put it in double quotes if it \
                      is the name of class 0";
        return Err(wrong(0, reason.to_owned()));
    }
    let labels: BTreeSet<u32> = labels.collect();
    let classes = labels.last().map_or(0, |largest| *largest as usize + 1);
    if names.len() > classes {
        let reason = format!(
            "it is the name of class {classes}, but the largest label is {}. Either another line is too much, such as a heading, and the names after \
             it are moved, or the data does not have the last classes; remove the other line, or this one and those after it",
            classes.saturating_sub(1)
        );
        return Err(wrong(classes, reason));
    }
    if let Some((at, number)) = moved_by_numbers(&names, &labels) {
        let reason = format!(
            "by its line it is the name of class {at}, and by its number that of class {number}; sort the lines by their numbers, or remove the numbers"
        );
        return Err(wrong(at, reason));
    }
    Ok(names)
}

/// The first line whose number is another one than its class, with this number, if all lines begin with numbers that could be classes. Numbers
/// in order count from 0 or 1.
fn moved_by_numbers(names: &[String], labels: &BTreeSet<u32>) -> Option<(usize, u32)> {
    let number = |name: &String| {
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        let (number, name) = name.split_at(digits);
        let is_apart = !name.starts_with(char::is_alphanumeric) && name.contains(char::is_alphanumeric);
        number.parse::<u32>().ok().filter(|_| is_apart)
    };
    let numbers: Vec<u32> = names.iter().map(number).collect::<Option<_>>()?;
    let set: BTreeSet<u32> = numbers.iter().copied().collect();
    let counts_from = |first: u32| (first..).zip(&numbers).all(|(expected, number)| *number == expected);
    let count = numbers.len() as u32;
    let are_classes =
        set.len() == numbers.len() && (labels.is_subset(&set) || set.iter().copied().eq(1..=count));
    if counts_from(0) || counts_from(1) || !are_classes {
        return None;
    }
    (0..)
        .zip(&numbers)
        .find(|(line, number)| *line != **number as usize)
        .map(|(line, number)| (line, *number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    #[test]
    fn lines_that_move_the_names_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.txt");
        let read = |text: &str, labels: std::ops::Range<u32>| {
            put(&path, text.as_bytes());
            class_names(&path, labels).map_err(|error| error.to_string())
        };
        for (text, labels, expected) in [
            ("name\na\nb\n", 0..2, "line 1 is \"name\": it seems to be a heading"),
            ("class\na\nb\n", 0..3, "line 1 is \"class\": it seems to be a heading"),
            ("a\nb\nc\n", 0..2, "line 3 is \"c\": it is the name of class 2, but the largest label is 1"),
            (
                "2 c\n1 b\n0 a\n",
                0..3,
                "line 1 is \"2 c\": by its line it is the name of class 0, and by its number that of class 2",
            ),
            ("0: a\n2: c\n1: b\n", 0..3, "line 2 is \"2: c\": by its line"),
            ("3 c\n1 a\n2 b\n", 0..3, "line 1 is \"3 c\""),
        ] {
            let said = read(text, labels).unwrap_err();
            assert!(said.contains("classes.txt") && said.contains(expected), "{said}");
        }
        assert_eq!(read("\"class\"\na\n", 0..2).unwrap(), ["class", "a"]);
        for text in
            ["a\nb\nc\n", "0 a\n1 b\n2 c\n", "1. a\n2. b\n3. c\n", "1 Euro\n2 Euro\n5 Euro\n", "2\n1\n0\n"]
        {
            assert_eq!(read(text, 0..3).unwrap().len(), 3, "{text}");
        }
        // Without samples of one class.
        assert_eq!(read("a\nb\nc\n", 2..3).unwrap().len(), 3);
    }
}
