//! Texts that seem to have several fields, such as a name and a label, or a label and a camera. As one label each, every combination of the
//! fields is a class of its own.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::combined::combined_labels;
use super::echo::echo;
use super::error::Problem;

/// Characters between the fields of a text and their names, in order of preference; without them, white space.
const BETWEEN: [(char, &str); 4] = [('\t', "tabs"), (',', "commas"), (';', "semicolons"), ('|', "`|`")];

/// Texts that all have the same number of fields, at least two.
struct Fields<'a> {
    /// What is between the fields, in words, if it is not white space.
    between: Option<&'static str>,
    rows: Vec<Vec<&'a str>>,
}

impl<'a> Fields<'a> {
    /// `None` for texts without such fields. A text that begins with a double quote is one field.
    fn of(texts: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let between = BETWEEN.iter().find(|(letter, _)| texts.clone().all(|text| text.contains(*letter)));
        let fields = |text: &'a str| -> Option<Vec<&'a str>> {
            let fields: Vec<&str> = match between {
                Some((letter, _)) => text.split(*letter).map(str::trim).collect(),
                None => text.split_whitespace().collect(),
            };
            let are_fields = fields.iter().all(|field| !field.is_empty() && !field.starts_with('"'));
            (fields.len() > 1 && are_fields).then_some(fields)
        };
        let rows: Vec<Vec<&str>> = texts.map(fields).collect::<Option<_>>()?;
        let count = rows.first()?.len();
        let are_columns = rows.iter().all(|row| row.len() == count);
        are_columns.then_some(Self { between: between.map(|(_, name)| *name), rows })
    }

    fn columns(&self) -> usize {
        self.rows[0].len()
    }

    fn different(&self, column: usize) -> usize {
        self.rows.iter().map(|row| row[column]).collect::<HashSet<_>>().len()
    }

    /// Whether the first field names the samples, as in `utt2spk` of Kaldi: nearly every text has another one, and another field is repeated.
    fn have_names(&self) -> bool {
        let (rows, names) = (self.rows.len(), self.different(0));
        10 * names >= 9 * rows && (1..self.columns()).any(|at| self.different(at) < names.min(rows))
    }

    /// Whether all fields are numbers.
    fn are_numbers(&self) -> bool {
        self.rows.iter().flatten().all(|field| field.parse::<f64>().is_ok())
    }

    /// Whether a first field has several second ones and the reverse, as labels and cameras have: `k3 c1`, `k3 c2`, `k4 c1`.
    fn are_crossed(&self) -> bool {
        let has_several = |one: usize, other: usize| {
            let mut first: HashMap<&str, &str> = HashMap::new();
            self.rows.iter().any(|row| *first.entry(row[one]).or_insert(row[other]) != row[other])
        };
        self.columns() == 2 && has_several(0, 1) && has_several(1, 0)
    }
}

/// Rejects a text whose lines are not one name each: every line, or every combination of fields, would be a name of its own. Lines in double
/// quotes are names as they are. Words between white space can be a name.
pub(super) fn require_one_field(text: &str, what: &'static str) -> Result<(), Problem> {
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    require_no_ends(lines.clone(), what)?;
    let Some(fields) = Fields::of(lines.clone()) else { return Ok(()) };
    let count = fields.columns();
    let like = match fields.between {
        _ if fields.have_names() && count == 2 => format!("two columns, a name and a {what}"),
        _ if fields.have_names() => format!("{count} columns, a name and others"),
        Some(between) => format!("{count} columns between {between}"),
        None if fields.are_numbers() => format!("{count} columns of numbers"),
        None => return Ok(()),
    };
    let found = lines.clone().next().unwrap_or_default().to_owned();
    Err(Problem::SeveralFields { what, like, found })
}

/// Rejects lines that end, or begin, with a separator, as those of a list in a program do: the name in the last line, which has none, would be
/// another name than in the other lines.
fn require_no_ends<'a>(
    lines: impl Iterator<Item = &'a str> + Clone,
    what: &'static str,
) -> Result<(), Problem> {
    let all = lines.clone().count();
    let nearly_all = |count: usize| count > 0 && (count + 1 >= all || 10 * count >= 9 * all);
    for (letter, separator) in BETWEEN {
        for side in ["end", "begin"] {
            let at_side =
                |line: &str| if side == "end" { line.ends_with(letter) } else { line.starts_with(letter) };
            // A name may be the separator itself.
            let has = |line: &&str| line.len() > letter.len_utf8() && at_side(line);
            let Some(found) = lines.clone().find(has) else { continue };
            let count = lines.clone().filter(has).count();
            if nearly_all(count) {
                let (found, rows) = (found.to_owned(), [count, all]);
                return Err(Problem::SeparatorAtEnd { what, side, separator, rows, found });
            }
        }
    }
    Ok(())
}

/// A part of a sentence on labels of several fields, or that combine several labels, one per row.
pub fn several_fields<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    as_columns(labels.clone()).or_else(|| combined_labels(labels))
}

/// A part of a sentence on labels that all have the same number of fields.
fn as_columns<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let fields = Fields::of(labels.clone())?;
    let first = echo(labels.clone().next()?);
    if fields.have_names() {
        return Some(format!(
            "labels such as \"{first}\" look like two columns, a name and a label; give only the label per line, or a .csv with the columns `id` and `label`"
        ));
    }
    (fields.are_numbers() || fields.are_crossed()).then(|| {
        let classes = labels.clone().collect::<HashSet<_>>().len();
        format!(
            "labels such as \"{first}\" look like {} columns, and each combination is read as a class ({classes} classes); if one column is the label, give \
             only that",
            fields.columns()
        )
    })
}

/// As [`several_fields`], as a sentence on the labels of a table.
pub(super) fn note(labels: &[String], table: &Path) -> Option<String> {
    Some(format!("{}: {}.", table.display(), several_fields(labels.iter().map(String::as_str))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_columns_is_no_list_of_labels() {
        let line = |row: usize| format!("im{} k{}\n", row.max(1), row / 4);
        let many: String = (0..20).map(line).collect();
        for (text, like) in [
            ("a x\nb x\n", "two columns, a name and a label"),
            ("a\tx\nb\tx", "two columns, a name and a label"),
            ("a,x\nb , x\n", "two columns, a name and a label"),
            ("a b;x\nc d;x\n", "two columns, a name and a label"),
            ("im 1\tx y\nim 2\tx y\n", "two columns, a name and a label"),
            ("a x\r\nb\tx\r\n", "two columns, a name and a label"),
            ("a x\rb x\r", "two columns, a name and a label"),
            ("a x 1\nb x 1\n", "3 columns, a name and others"),
            // One name occurs twice.
            (&many, "two columns, a name and a label"),
            // A label and a camera.
            ("k3\tc1\nk3\tc2\nk4\tc1\n", "2 columns between tabs"),
            ("k3,c1\nk3,c1\nk4,c1\n", "2 columns between commas"),
            ("k3;c1;x\nk3;c2;x\nk4;c1;x\n", "3 columns between semicolons"),
            ("3 1\n3 2\n3 1\n", "2 columns of numbers"),
        ] {
            let found = require_one_field(text, "label").unwrap_err();
            let Problem::SeveralFields { what: "label", like: found, .. } = &found else {
                panic!("{text:?}: {found}")
            };
            assert_eq!(found, like, "{text:?}");
        }
        for text in [
            "",
            "a\nb\nb\n",
            // Classes of two words, and words that are all different.
            "a x\nb x\na x\n",
            "k3 c1\nk3 c2\nk4 c1\n",
            "a x\nb y\n",
            "a x\nb x y\n",
            "a x\nb\n",
            // Names with a comma at an end here and there.
            "a,\nb\nc\n",
            ",\n;\n",
            "\"a,\"\n\"b,\"\n",
            "a,b\na,b,c\n",
            "\"a x\"\n\"b x\"\n",
            "\"a,x\"\n\"b,x\"\n",
        ] {
            assert!(require_one_field(text, "label").is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_text_with_a_separator_at_the_end_of_its_lines_is_no_list_of_labels() {
        let many = ["k1|"; 18].join("\n") + "\nk2\nk3";
        for (text, expected) in [
            ("a,\nb,\nc", "2 of 3 lines end with commas"),
            ("a,\r\nb,\r\n", "2 of 2 lines end with commas"),
            ("a ;\nb;", "2 of 2 lines end with semicolons"),
            ("a\n,b\n,c", "2 of 3 lines begin with commas"),
            ("['a',\n'b',\n'c']", "2 of 3 lines end with commas"),
            (&many, "18 of 20 lines end with `|`"),
        ] {
            let found = require_one_field(text, "label").unwrap_err().to_string();
            assert!(found.starts_with(expected) && found.contains("expected one label per line"), "{found}");
        }
    }

    #[test]
    fn labels_of_several_fields_are_described() {
        let said = |labels: &[&str]| several_fields(labels.iter().copied());
        assert!(said(&["a x", "b x"]).unwrap().contains("\"a x\" look like two columns, a name and a label"));
        for labels in [&["k3 c1", "k3 c2", "k4 c1"][..], &["3 1", "3 1", "4 1"], &["k, c", "k, d", "l, c"]] {
            let found = said(labels).unwrap();
            assert!(
                found.contains("look like 2 columns, and each combination is read as a class"),
                "{found}"
            );
        }
        assert!(said(&["k3 c1", "k3 c2", "k4 c1"]).unwrap().contains("(3 classes)"));
        assert!(said(&["k3", "k4", "k3;k4"]).unwrap().contains("\"k3;k4\" of \"k3\" and \"k4\""));
        // One of the words names the class already, and names of people.
        for labels in [
            &["polar bear", "brown bear", "polar bear", "red fox", "red fox"][..],
            &["Doe, A", "Roe, B", "Roe, B"],
        ] {
            assert_eq!(said(labels), None, "{labels:?}");
        }
    }
}
