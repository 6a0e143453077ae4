//! Classes that combine other classes, as data sets of several labels per sample write them: `Mass`, `Hernia` and `Mass|Hernia`, or lists such as
//! `['cat', 'red']`. Each combination is a class of its own, so a sample of `Mass|Hernia` is an impostor of `Mass`.

use std::collections::{BTreeSet, HashMap};

use super::echo::echo;

/// What is between labels.
const BETWEEN: [char; 5] = ['|', ';', ',', '+', '&'];
/// What can be between labels, and between the words of one. Only if at least half of the classes are combinations, they are taken for such.
const BETWEEN_WORDS: [char; 4] = [' ', '_', '-', '/'];

/// A part of a sentence on class names that combine others, of names that may be repeated.
pub fn combined_labels<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: BTreeSet<&str> = names.collect();
    lists(&names)
        .or_else(|| BETWEEN.iter().find_map(|letter| combinations(&names, *letter, false)))
        .or_else(|| BETWEEN_WORDS.iter().find_map(|letter| combinations(&names, *letter, true)))
}

/// Names that are lists of Python or JSON, if any has several entries.
fn lists(names: &BTreeSet<&str>) -> Option<String> {
    let inside = |name: &str| {
        let entries = name.trim().strip_prefix('[')?.strip_suffix(']')?.split(',');
        let entries: Vec<String> =
            entries.map(|entry| entry.trim().trim_matches(['\'', '"']).to_owned()).collect();
        (entries.len() > 1).then_some(entries)
    };
    let mut combined = names.iter().filter_map(|name| Some((*name, inside(name)?)));
    let (first, entries) = combined.next()?;
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    Some(sentence(combined.count() + 1, names.len(), first, &entries))
}

/// Names whose parts between a letter are all names, or parts of other combinations. `most`: only if at least half are.
fn combinations(names: &BTreeSet<&str>, letter: char, most: bool) -> Option<String> {
    let parts = |name: &'_ str| -> Option<Vec<String>> {
        let parts: Vec<String> = name.split(letter).map(|part| part.trim().to_owned()).collect();
        (parts.len() > 1 && parts.iter().all(|part| !part.is_empty())).then_some(parts)
    };
    let combined: Vec<(&str, Vec<String>)> =
        names.iter().filter_map(|name| Some((*name, parts(name)?))).collect();
    let mut in_combinations = HashMap::<&str, usize>::new();
    for part in combined.iter().flat_map(|(_, parts)| parts.iter().collect::<BTreeSet<_>>()) {
        *in_combinations.entry(part).or_default() += 1;
    }
    let is_name = |part: &String| names.contains(part.as_str());
    let is_known = |part: &String| is_name(part) || in_combinations[part.as_str()] > 1;
    let count = combined.iter().filter(|(_, parts)| parts.iter().all(is_known)).count();
    let (first, of) = combined.iter().find(|(_, parts)| parts.iter().all(is_name))?;
    let of: Vec<&str> = of.iter().map(String::as_str).collect();
    (!most || 2 * count >= names.len()).then(|| sentence(count, names.len(), first, &of))
}

fn sentence(count: usize, all: usize, first: &str, of: &[&str]) -> String {
    let of: Vec<String> = of.iter().map(|label| format!("\"{}\"", echo(label))).collect();
    format!(
        "{count} of {all} classes seem to combine several labels, such as \"{}\" of {}, and each combination is read as a class of its own; give one label \
         per sample, or leave out samples with several",
        echo(first),
        of.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_combine_others_are_found() {
        let said = |names: &[&str]| combined_labels(names.iter().copied());
        let found = said(&["Mass", "Hernia", "Mass|Hernia", "Mass|Nodule", "Nodule|Hernia", "Mass"]).unwrap();
        let start = "3 of 5 classes seem to combine several labels, such as \"Mass|Hernia\" of \"Mass\" and \"Hernia\"";
        assert!(found.starts_with(start), "{found}");
        for names in [
            &["a", "b", "a, b"][..],
            &["a", "b", "a;b", "x"],
            &["a", "b", "c", "a + b + c"],
            &["['c0']", "['c0', 'red']"],
            &["[\"c0\",\"red\"]", "x"],
            // Half of the classes are combinations of words.
            &["clear", "haze", "water", "clear haze", "haze water", "clear water"],
        ] {
            assert!(said(names).is_some(), "{names:?}");
        }
        for names in [
            &["Doe, A", "Roe, B"][..],
            &["Doe, A", "Doe, B", "Roe, C"],
            &["red", "fox", "red fox", "dog"],
            &["a|", "|b", "a", "b"],
            &["['c0']", "['c1']"],
            &["salt", "salt & pepper"],
            &[],
        ] {
            assert_eq!(said(names), None, "{names:?}");
        }
    }
}
