//! Names that are spelled in two ways: `3` and `3.0`, `c1` and `C1`, `é` as one character or as two. Names are compared exactly, so such a
//! pair is two names; but it is probably meant as one, which warnings and errors say.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::echo::echo;

/// The words that programs write for a missing value in a column of text. `None` and `null` are not among them: they can be classes
/// ([`may_be_no_class`]).
const MISSING: [&str; 4] = ["nan", "NaN", "<NA>", "NaT"];

/// Whether a name is empty or a word for a missing value.
pub fn is_missing(name: &str) -> bool {
    name.trim().is_empty() || MISSING.contains(&name.trim())
}

/// Words for samples of no class, in small letters: those that programs write for a missing value, and those of data sets for the samples
/// that belong to no class. Market-1501 has the label -1 for junk.
const NO_CLASS: [&str; 31] = [
    "nan",
    "none",
    "null",
    "nil",
    "n/a",
    "#n/a",
    "<na>",
    "-1",
    "-",
    "?",
    "unknown",
    "unlabelled",
    "unlabeled",
    "other",
    "others",
    "junk",
    "distractor",
    "distractors",
    "background",
    "background_google",
    "background_noise",
    "clutter",
    "trash",
    "rejected",
    "unassigned",
    "unclassified",
    "undefined",
    "uncategorized",
    "misc",
    "miscellaneous",
    // A folder of masks next to the folders of the classes.
    "masks",
];

/// Whether a name may mean that a sample has no class, but can also be a class: `None`, `null`, `-1`, `unknown`.
pub fn may_be_no_class(name: &str) -> bool {
    let name = name.trim();
    let letters = number(name).unwrap_or_else(|| name.to_lowercase());
    // `na` in small letters is a syllable and a chemical symbol.
    // Some data sets put such a folder first or last: `_trash`, `_background_noise_`.
    let word = letters.trim_matches('_');
    // Others number their classes: `257.clutter`, `0_unknown`.
    let rest = word.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let unnumbered =
        if rest.len() < word.len() { rest.trim_start_matches(['.', '_', '-', ' ']) } else { word };
    let is_word = unnumbered.starts_with(char::is_alphabetic) && NO_CLASS.contains(&unnumbered);
    name == "NA" || NO_CLASS.contains(&word) || is_word
}

const CASE: &str = "in upper and lower case";
/// In the characters between their words.
const SEPARATORS: &str = "in `_`, `-` or a space";
/// Such as the comma of a list.
const ENDS: &str = "in a sign at an end";
/// Letters of two scripts, or two kinds of a quote or a dash.
const LOOKS: &str = "in characters that look alike";

/// How names differ that may well be two names.
pub const MAY_BE_TWO: [&str; 4] = [CASE, SEPARATORS, ENDS, LOOKS];

/// How two different names differ, if only in spelling, in words: "in the form of a number".
pub fn spelling(a: &str, b: &str) -> Option<&'static str> {
    if a == b || common_form(a) != common_form(b) {
        return None;
    }
    let (a, b) = (spaced(a), spaced(b));
    Some(if a == b {
        "in white space"
    } else if number(&a).is_some() {
        "in the form of a number"
    } else if a.to_lowercase() == b.to_lowercase() {
        CASE
    } else if a.nfc().eq(b.nfc()) {
        "in Unicode form"
    } else {
        "in the form of its letters"
    })
}

/// As [`spelling`], also for names that differ only in leading zeros, such as `c1` and `c01`, in separators, such as `a_1` and `a-1`, in a sign at
/// an end, such as `a` and `a,`, or in characters that look alike.
fn loose_spelling(a: &str, b: &str) -> Option<&'static str> {
    if a == b {
        return None;
    }
    let zeros = |name: &str| without_leading_zeros(&common_form(name));
    let separators = |name: &str| without_leading_zeros(&between_words(&common_form(name)));
    let ends = |name: &str| without_leading_zeros(&between_words(without_ends(&common_form(name))));
    let same = |form: &dyn Fn(&str) -> String, how| (form(a) == form(b)).then_some(how);
    spelling(a, b)
        .or_else(|| same(&zeros, "in leading zeros"))
        .or_else(|| same(&separators, SEPARATORS))
        .or_else(|| same(&ends, ENDS))
        .or_else(|| same(&loose_form, LOOKS))
}

/// Equal for names that differ as [`loose_spelling`] says.
fn loose_form(name: &str) -> String {
    between_words(&appearance(name))
}

/// One sign for all that may be between words. The sign of a number is none of them.
fn between_words(form: &str) -> String {
    if number(form).is_some() { form.to_owned() } else { separated(form).replace(['_', '-'], " ") }
}

/// For each name of `names`, in order, that differs from a name of `others` only as `loose_spelling` says and is not among them: both, and the difference.
pub fn misspelled<'a>(
    names: impl IntoIterator<Item = &'a str>,
    others: impl IntoIterator<Item = &'a str>,
) -> Vec<(&'a str, &'a str, &'static str)> {
    let mut known: HashMap<String, Vec<&str>> = HashMap::new();
    for other in others {
        let list = known.entry(loose_form(other)).or_default();
        if !list.contains(&other) {
            list.push(other);
        }
    }
    let mut seen = HashSet::new();
    let different = names.into_iter().filter(|name| seen.insert(*name));
    let near = |name: &'a str| {
        let list = known.get(&loose_form(name))?;
        if list.contains(&name) {
            return None;
        }
        let by = |how: fn(&str, &str) -> Option<&'static str>| {
            list.iter().find_map(|other| Some((name, *other, how(name, other)?)))
        };
        by(spelling).or_else(|| by(loose_spelling))
    };
    different.filter_map(near).collect()
}

/// Two of `names` that differ only as `loose_spelling` says, such as `c1` and `c01`, and the difference. Names may be repeated.
pub fn look_alike<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, &'a str, &'static str)> {
    let mut known: HashMap<String, &str> = HashMap::new();
    let mut seen = HashSet::new();
    for name in names.into_iter().filter(|name| seen.insert(*name)) {
        if let Some(other) = known.insert(loose_form(name), name) {
            return Some((other, name, loose_spelling(other, name)?));
        }
    }
    None
}

/// For errors: one of `others` that differs from a name only in spelling, in words; empty if there is none.
pub(super) fn hint<'a>(name: &'a str, others: impl IntoIterator<Item = &'a str>) -> Box<str> {
    misspelled([name], others).first().map_or_else(Box::default, |(_, other, how)| {
        format!(" (\"{}\" differs from \"{}\" only {how})", echo(other), echo(name)).into()
    })
}

/// Removes the decimal places of whole numbers: programs write `3.0` for 3 in a column with gaps. Only if every entry that is not empty is such
/// a number, so that a version `1.0` next to `1.1` stays.
pub fn without_decimals(texts: &mut [String]) {
    if have_decimals(texts.iter().map(String::as_str)) {
        for text in texts {
            text.truncate(text.len().saturating_sub(2));
        }
    }
}

/// Whether every entry that is not empty is a whole number that ends with `.0`.
fn have_decimals<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let mut any = false;
    for text in texts.filter(|text| !text.is_empty()) {
        let digits = text.strip_suffix(".0").map(|text| text.strip_prefix('-').unwrap_or(text));
        if !digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())) {
            return false;
        }
        any = true;
    }
    any
}

/// The same text for names that differ only in case, white space, invisible characters, the way in which an accent is written, or the way in
/// which a number is written (`3` and `03`, `0` and `0.0`).
pub fn common_form(name: &str) -> String {
    // NFD writes every accent as a character of its own.
    let letters: String = name.chars().filter(|letter| !is_invisible(*letter)).map(narrow).nfd().collect();
    let letters = spaced(&letters).to_lowercase();
    number(&letters).unwrap_or(letters)
}

/// Equal for names that look the same: the [`common_form`] without the leading zeros of its numbers, as in `img 07`, with one form for all signs
/// between words (`img 7`, `img_7`, `img-7`, `img7`), for dashes and quotes, without commas and quotes at its ends (`img 7,`), and for letters of
/// other scripts that look like Latin ones.
pub fn appearance(name: &str) -> String {
    let letters: String = common_form(name).chars().map(looks_like).collect();
    let letters = without_ends(&letters);
    let shown = number(letters).unwrap_or_else(|| separated(letters));
    without_leading_zeros(&shown)
}

/// The text without the signs at its ends that lists and quotes leave there; a text of nothing else is kept. A dot can begin a number.
fn without_ends(text: &str) -> &str {
    let is_left_over =
        |letter: char| matches!(looks_like(letter), ',' | ';' | ':' | '|' | '"' | '\'' | '[' | ']' | ' ');
    let inside = text.trim_matches(is_left_over);
    let inside = inside.trim_end_matches(|letter: char| letter == '.' || is_left_over(letter));
    if inside.is_empty() { text } else { inside }
}

/// The Latin letter, dash or quote that a character looks like; any other character itself.
fn looks_like(letter: char) -> char {
    match letter {
        // Cyrillic and Greek, in lower case.
        '\u{430}' | '\u{3b1}' => 'a',
        '\u{435}' => 'e',
        '\u{43e}' | '\u{3bf}' => 'o',
        '\u{440}' | '\u{3c1}' => 'p',
        '\u{441}' => 'c',
        '\u{443}' | '\u{3b3}' => 'y',
        '\u{445}' | '\u{3c7}' => 'x',
        '\u{456}' | '\u{3b9}' | '\u{131}' => 'i',
        '\u{458}' => 'j',
        '\u{455}' => 's',
        '\u{501}' => 'd',
        '\u{4bb}' | '\u{43d}' => 'h',
        '\u{3bd}' => 'v',
        '\u{43a}' | '\u{3ba}' => 'k',
        '\u{43c}' => 'm',
        '\u{442}' | '\u{3c4}' => 't',
        '\u{432}' => 'b',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{30fc}' => '-',
        '\u{2018}'..='\u{201b}' | '\u{2032}' | '`' | '\u{b4}' | '\u{2bc}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => '"',
        _ => letter,
    }
}

/// The text with one space for the spaces, underscores and dashes between its words, and none between a letter and a number. A dash before a
/// number at the start is its sign.
fn separated(text: &str) -> String {
    let is_between = |letter: char| matches!(letter, ' ' | '_' | '-');
    let mut shown = String::with_capacity(text.len());
    let mut gap = false;
    for letter in text.chars() {
        if is_between(letter) && !shown.is_empty() {
            gap = true;
            continue;
        }
        if gap {
            let last = shown.chars().last().unwrap_or(' ');
            let joins = last.is_alphabetic() && letter.is_ascii_digit();
            if !joins {
                shown.push(' ');
            }
            gap = false;
        }
        shown.push(letter);
    }
    shown
}

/// The text with the leading zeros of its numbers removed, but not after a dot.
fn without_leading_zeros(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut shown = String::with_capacity(text.len());
    let mut in_number = false;
    for (at, letter) in letters.iter().enumerate() {
        let more = letters.get(at + 1).is_some_and(char::is_ascii_digit);
        let after_dot = at > 0 && letters[at - 1] == '.';
        if *letter == '0' && more && !in_number && !after_dot {
            continue;
        }
        in_number = letter.is_ascii_digit();
        shown.push(*letter);
    }
    shown
}

/// The name with one space for each white space, and none at its ends.
fn spaced(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{fe0e}' | '\u{fe0f}' | '\u{feff}')
}

/// The ASCII character of a wide form, as East Asian keyboards write it; any other character itself.
fn narrow(letter: char) -> char {
    match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(letter as u32 - 0xff01 + 0x21).unwrap_or(letter),
        _ => letter,
    }
}

/// A decimal number in its shortest form; `None` for any other text.
fn number(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{dot}{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_spelling_are_recognised() {
        for (a, b, expected) in [
            ("3", "03", Some("in the form of a number")),
            ("0", "0.0", Some("in the form of a number")),
            ("-7.00", "-7", Some("in the form of a number")),
            ("c1", "C1", Some("in upper and lower case")),
            ("Zo\u{eb}", "Zoe\u{308}", Some("in Unicode form")),
            ("\u{d55c}", "\u{1112}\u{1161}\u{11ab}", Some("in Unicode form")),
            (" a", "a", Some("in white space")),
            ("\u{ff21}1", "A1", Some("in the form of its letters")),
            ("1.50", "1.5", Some("in the form of a number")),
            ("img 007", "img 7", None),
            ("\u{e9}", "e\u{300}", None),
            ("a", "a", None),
            ("3", "4", None),
            ("1.5", "1", None),
            ("\u{6570}", "\u{56fe}", None),
            ("Zo\u{eb}", "Zoe", None),
        ] {
            assert_eq!((spelling(a, b), spelling(b, a)), (expected, expected), "{a} {b}");
            assert_eq!(expected.is_some(), a != b && common_form(a) == common_form(b), "{a} {b}");
        }
        let found = misspelled(["1.0", "2", "x", "1.0"], ["1", "2", "2.0", "y"]);
        assert_eq!(found, [("1.0", "1", "in the form of a number")]);
        let found = misspelled(
            ["p1", "a_1", "P2", "-1", "q1", "a 2"],
            ["p01", "a-1", "p02", "1", "q1", "q01", "a_2", "A 2"],
        );
        assert_eq!(
            found,
            [
                ("p1", "p01", "in leading zeros"),
                ("a_1", "a-1", SEPARATORS),
                ("P2", "p02", "in leading zeros"),
                ("a 2", "A 2", CASE)
            ]
        );
        assert_eq!(look_alike(["a", "b", "A"]), Some(("a", "A", "in upper and lower case")));
        assert_eq!(look_alike(["a", "b", "ab"]), None);
        assert_eq!(look_alike(["c1", "c2", "c1", "c01"]), Some(("c1", "c01", "in leading zeros")));
        assert_eq!(look_alike(["c_1", "c_2", "c-1"]), Some(("c_1", "c-1", SEPARATORS)));
        assert_eq!(look_alike(["c1", "c2", "c2 "]), Some(("c2", "c2 ", "in white space")));
        assert_eq!(look_alike(["c1", "c10", "c1", "v1.0", "v1.00"]), None);
        for other in ["k29,", "k29;", "k29.", "'k29'", "\u{201c}k29\u{201d}", "k29\"", "['k29'", "k29 |"] {
            assert_eq!(look_alike(["k28", "k29", other]), Some(("k29", other, ENDS)), "{other}");
        }
        assert_eq!(look_alike(["3", "4,", "3,"]), Some(("3", "3,", ENDS)));
        assert_eq!(look_alike(["cat", "\u{441}at"]), Some(("cat", "\u{441}at", LOOKS)));
        assert_eq!(look_alike(["lion's", "lion\u{2019}s"]), Some(("lion's", "lion\u{2019}s", LOOKS)));
        assert_eq!(look_alike(["c", "c++", "c#", ",", ";", "5", ".5", "1", "-1", "yes", "yes?"]), None);
    }

    #[test]
    fn words_for_missing_values_are_few() {
        assert!(["", " ", "nan", "NaN", "<NA>"].into_iter().all(is_missing));
        assert!(!["None", "null", "NA", "Nan", "0"].into_iter().any(is_missing));
        for name in ["None", "null", "NA", "N/A", "-1", "-1.0", "Unknown", "?", "-", "other", "junk"] {
            assert!(may_be_no_class(name), "{name}");
        }
        for name in ["257.clutter", "0_unknown", "00-Background", "12 misc", "unassigned", "masks", "_trash"]
        {
            assert!(may_be_no_class(name), "{name}");
        }
        assert!(!["7-", "3.mask", "0none1", "101_mother", "12"].into_iter().any(may_be_no_class));
        assert!(!["na", "nancy", "0", "1", "0000", "mother", "--"].into_iter().any(may_be_no_class));
    }

    #[test]
    fn whole_numbers_with_decimals_are_whole_numbers() {
        assert!(have_decimals(["1.0", "", "-20.0"].into_iter()));
        for list in [&["1.0", "2"][..], &["1.5"], &["v1.0"], &[".0"], &["", ""], &["1.00"]] {
            assert!(!have_decimals(list.iter().copied()), "{list:?}");
        }
    }
}
