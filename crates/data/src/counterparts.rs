//! Classes of the part `test` that seem to be those of the part `train` under other names: `bird0_test` and `bird0_train`, `3` and `class_3`, `café`
//! and `cafe`. If nearly no class is in both parts, the test classes are evaluated as unseen, which they are not.

use std::collections::{BTreeSet, HashMap};

use widemargin_tables::{appearance, first_names};

use crate::Part;
use crate::part::{part_in_words, words_of};

/// Fewest pairs of names.
const LEAST: usize = 2;
/// How many pairs a sentence names.
const NAMED: usize = 3;

/// A sentence on classes in one part only that match one by one. `both` is the number of classes in both parts.
pub(crate) fn counterparts(train: &[&str], test: &[&str], both: usize) -> Option<String> {
    let smaller = train.len().min(test.len());
    if smaller < LEAST || 10 * both > train.len() + test.len() {
        return None;
    }
    let plain = || matched(&without_accents(train), &without_accents(test));
    let written_out = || matched(&with_umlauts_written_out(train), &with_umlauts_written_out(test));
    let longer_test = || contained(test, train).into_iter().map(|(test, train)| (train, test)).collect();
    let ways: [&dyn Fn() -> Vec<(usize, usize)>; 5] =
        [&plain, &written_out, &|| with_same_core(train, test), &|| contained(train, test), &longer_test];
    let pairs =
        ways.iter().map(|way| way()).find(|pairs| pairs.len() >= LEAST && 10 * pairs.len() >= 9 * smaller)?;
    let named = pairs.iter().map(|(one, other)| format!("{:?} and {:?}", train[*one], test[*other]));
    Some(format!(
        "The parts have different classes, but {} of {} classes of `test` have the name of a class of `train` apart from an addition or their spelling: \
         {}. They are evaluated as unseen classes. If they are the same classes, give them the same names in both parts.",
        pairs.len(),
        test.len(),
        first_names(named, NAMED)
    ))
}

/// The positions of equal keys that occur once on either side.
fn matched(train: &[String], test: &[String]) -> Vec<(usize, usize)> {
    let (train, test) = (positions(train), positions(test));
    let both = |(key, at): (&&str, &Option<usize>)| Some(((*at)?, (*test.get(key)?)?));
    let mut pairs: Vec<(usize, usize)> = train.iter().filter_map(both).collect();
    pairs.sort_unstable();
    pairs
}

/// Where each key is; `None` if it is at several places.
fn positions<Key: AsRef<str>>(keys: &[Key]) -> HashMap<&str, Option<usize>> {
    let mut places = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        places.entry(key.as_ref()).and_modify(|place| *place = None).or_insert(Some(at));
    }
    places
}

fn without_accents(names: &[&str]) -> Vec<String> {
    // Accents are characters of their own in this form.
    let plain = |name: &&str| appearance(name).replace(|letter| matches!(letter, '\u{300}'..='\u{36f}'), "");
    names.iter().map(plain).collect()
}

/// `Müller` as `Mueller`.
fn with_umlauts_written_out(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| appearance(name).replace('\u{308}', "e").replace('ß', "ss")).collect()
}

/// Names of one part, without what all of them begin and end with.
struct Cores {
    start: String,
    end: String,
    names: Vec<String>,
}

impl Cores {
    /// Takes a number apart from the rest only as a whole.
    fn of(names: &[&str]) -> Self {
        let names = without_accents(names);
        let letters: Vec<Vec<char>> = names.iter().map(|name| name.chars().collect()).collect();
        let first = letters.first().cloned().unwrap_or_default();
        let shared = |at: &dyn Fn(&[char], usize) -> Option<char>| {
            let alike = |place: &usize| letters.iter().all(|name| at(name, *place) == at(&first, *place));
            (0..first.len()).take_while(alike).count()
        };
        let mut start = shared(&|name, place| name.get(place).copied());
        let mut end = shared(&|name, place| name.iter().rev().nth(place).copied());
        while start > 0 && first[start - 1].is_ascii_digit() {
            start -= 1;
        }
        while end > 0 && first[first.len() - end].is_ascii_digit() {
            end -= 1;
        }
        let core = |name: &Vec<char>| name[start..(name.len() - end).max(start)].iter().collect();
        Self {
            start: first[..start].iter().collect(),
            end: first[first.len() - end..].iter().collect(),
            names: letters.iter().map(core).collect(),
        }
    }

    fn part(&self) -> Option<Part> {
        part_in_words(&words_of(&format!("{} {}", self.start, self.end)))
    }
}

/// Classes that differ only in what all names of their part begin and end with. Numbers with another letter before them are other classes (`a1`
/// and `b1`), unless the parts are named.
fn with_same_core(train: &[&str], test: &[&str]) -> Vec<(usize, usize)> {
    let (train, test) = (Cores::of(train), Cores::of(test));
    let are_numbers = train.names.iter().all(|name| !name.contains(char::is_alphabetic));
    let differ = |one: &str, other: &str| !one.is_empty() && !other.is_empty() && one != other;
    let differ = differ(&train.start, &test.start) || differ(&train.end, &test.end);
    let are_parts = train.part() == Some(Part::Train) && test.part().is_some_and(Part::is_held_out);
    if are_numbers && differ && !are_parts { Vec::new() } else { matched(&train.names, &test.names) }
}

/// Names of `inner` that are the start or the end of one name of `outer` each, up to a sign between words: positions in `outer` and `inner`.
fn contained(outer: &[&str], inner: &[&str]) -> Vec<(usize, usize)> {
    let ends = |name: &'_ str| -> BTreeSet<String> {
        let signs = name.char_indices().filter(|(_, letter)| !letter.is_alphanumeric());
        signs.flat_map(|(at, sign)| [&name[..at], &name[at + sign.len_utf8()..]]).map(appearance).collect()
    };
    let mut places = HashMap::<String, Option<usize>>::new();
    for (at, name) in outer.iter().enumerate() {
        for end in ends(name) {
            places.entry(end).and_modify(|place| *place = None).or_insert(Some(at));
        }
    }
    let forms: Vec<String> = inner.iter().map(|name| appearance(name)).collect();
    let mut pairs: Vec<(usize, usize)> =
        forms.iter().enumerate().filter_map(|(at, form)| Some(((*places.get(form)?)?, at))).collect();
    let mut used = BTreeSet::new();
    pairs.retain(|(outer, _)| used.insert(*outer));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_with_counterparts_in_the_other_part_are_reported() {
        let found = counterparts(&["bird0_train", "bird1_train"], &["bird0_test", "bird1_test"], 0).unwrap();
        let expected = "2 of 2 classes of `test` have the name of a class of `train` apart from an addition or their spelling: \"bird0_train\" and \"bird0_test\"";
        assert!(found.contains(expected), "{found}");
        for (train, test) in [
            (["class_3", "class_10", "class_4"], ["3", "10", "4"]),
            (["caf\u{e9}3", "caf\u{e9}4", "caf\u{e9}10"], ["cafe3", "cafe4", "cafe10"]),
            (["M\u{fc}ller", "Sch\u{e4}fer", "Kr\u{f6}ger"], ["Mueller", "Schaefer", "Kroeger"]),
            (["duck", "gull", "owl"], ["ducks", "gulls", "owls"]),
            (["n01-cat", "n02-dog", "n03-owl"], ["n01", "n02", "n03"]),
            (["cat", "dog", "owl"], ["001.Cat", "002.Dog", "003.Owl"]),
            (["cat", "dog", "owl"], ["cat (test)", "dog (test)", "owl (test)"]),
        ] {
            assert!(counterparts(&train, &test, 0).is_some(), "{train:?} {test:?}");
        }
        for (train, test) in [
            (["id_000", "id_001", "id_002"], ["id_100", "id_101", "id_102"]),
            (["cat", "dog", "owl"], ["fox", "hen", "pig"]),
            (["001.Albatross", "002.Gull", "003.Tern"], ["101.Pelican", "102.Wren", "103.Crow"]),
            (["0", "1", "2"], ["3", "4", "5"]),
            (["a0", "a1", "a2"], ["b0", "b1", "b2"]),
        ] {
            assert_eq!(counterparts(&train, &test, 0), None, "{train:?} {test:?}");
        }
        // Most classes are in both parts.
        assert_eq!(counterparts(&["a_train", "b_train"], &["a_test", "b_test"], 7), None);
    }
}
