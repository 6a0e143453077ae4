//! The two parts of a data set, and the words that manifests, tables, shards and folders use for them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Whether a sample may be trained on or is held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// May be trained on.
    Train,
    /// Held out: never trained on.
    Test,
}

impl Part {
    /// `train` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// Where the parts of a set come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartsFrom {
    /// The data marks them.
    Marks,
    /// They were drawn in whole groups of the data.
    Groups,
    /// They were drawn from the samples of each class.
    Drawing,
}

/// Words for the training part, the preferred one first.
pub(crate) const TRAIN_WORDS: [&str; 2] = ["train", "training"];
/// Words for the test part, in the order in which folders with these names are looked for.
pub(crate) const TEST_WORDS: [&str; 5] = ["test", "val", "valid", "validation", "dev"];

/// The part that a word names, in upper or lower case.
pub(crate) fn part_named(word: &str) -> Option<Part> {
    let is_of = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is_of(&TRAIN_WORDS) {
        Some(Part::Train)
    } else if is_of(&TEST_WORDS) {
        Some(Part::Test)
    } else {
        None
    }
}

/// Further words that data sets use for the parts. They are not read as parts, but a name that has one is a hint at them.
const NEARLY_TRAIN: [&str; 4] = ["trainval", "trn", "tr", "seen"];
const NEARLY_TEST: [&str; 15] = [
    "testing",
    "tst",
    "te",
    "validate",
    "validating",
    "holdout",
    "heldout",
    "eval",
    "evaluate",
    "evaluation",
    "query",
    "gallery",
    "probe",
    "unseen",
    "infer",
];
/// Ends of words such as `trainset`.
const ENDS: [&str; 3] = ["set", "data", "split"];
/// Words that say nothing next to that of a part, as in `is_training_image`, `used_for_testing` and `PublicTest`.
const BESIDE_PARTS: [&str; 32] = [
    "is",
    "in",
    "for",
    "of",
    "the",
    "a",
    "my",
    "all",
    "use",
    "used",
    "set",
    "sets",
    "split",
    "part",
    "subset",
    "partition",
    "image",
    "images",
    "img",
    "imgs",
    "sample",
    "samples",
    "photo",
    "picture",
    "file",
    "row",
    "data",
    "flag",
    "mask",
    "only",
    "public",
    "private",
];

/// The part that one word in lower case names: as [`part_named`], or with an end, as in `trainset`.
fn part_of_word(word: &str) -> Option<Part> {
    part_named(word).or_else(|| ENDS.iter().find_map(|end| part_named(word.strip_suffix(end)?)))
}

/// The part that one word in lower case hints at, if it is one of the further words.
fn part_nearly(word: &str) -> Option<Part> {
    if NEARLY_TRAIN.contains(&word) {
        Some(Part::Train)
    } else {
        NEARLY_TEST.contains(&word).then_some(Part::Test)
    }
}

/// The words of a name in lower case: what is between its digits and other signs, and its parts in upper case, as in `isTrain`.
pub(crate) fn words_of(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for piece in name.split(|letter: char| !letter.is_alphabetic()) {
        let mut word = String::new();
        let mut last_is_small = false;
        for letter in piece.chars() {
            if letter.is_uppercase() && last_is_small {
                words.insert(std::mem::take(&mut word));
            }
            last_is_small = letter.is_lowercase();
            word.extend(letter.to_lowercase());
        }
        words.insert(word);
    }
    words.remove("");
    words
}

/// The part that words name; `None` if they name none or both.
pub(crate) fn part_in_words(words: &BTreeSet<String>) -> Option<Part> {
    the_only(words.iter().filter_map(|word| part_of_word(word)))
}

/// The part of a name that says nothing else, such as `test`, `testset`, `train_images` or `val2017`.
pub(crate) fn part_meant(name: &str) -> Option<Part> {
    meant(name, part_of_word)
}

/// As [`part_meant`], also with further words that data sets use for the parts: `query`, `trn`, `hold-out`.
pub(crate) fn part_hinted(name: &str) -> Option<Part> {
    meant(name, |word| part_of_word(word).or_else(|| part_nearly(word)))
}

fn meant(name: &str, part_of: impl Fn(&str) -> Option<Part>) -> Option<Part> {
    let words = words_of(name);
    // `hold-out` and `istrain` are one word.
    let joined: String = letters(name);
    let joined = joined.strip_prefix("is").unwrap_or(&joined);
    if let Some(part) = part_of(joined) {
        return Some(part);
    }
    let others = || words.iter().filter(|word| !BESIDE_PARTS.contains(&word.as_str()));
    let parts: Option<Vec<Part>> = others().map(|word| part_of(word)).collect();
    the_only(parts?.into_iter())
}

/// The letters of a name in lower case, without signs.
pub(crate) fn letters(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

/// The part that all of `parts` are; `None` if there are none, or both.
fn the_only(mut parts: impl Iterator<Item = Part>) -> Option<Part> {
    let part = parts.next()?;
    parts.all(|other| other == part).then_some(part)
}

/// The part that a name has a word of, possibly among others, as in `bounding_box_test`, or that it hints at.
pub(crate) fn part_in_name(name: &str) -> Option<Part> {
    part_in_words(&words_of(name)).or_else(|| part_hinted(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_a_part_have_a_word_of_one_or_hint_at_it() {
        let (train, test) = (Some(Part::Train), Some(Part::Test));
        for (name, meant, hinted, within) in [
            ("test", test, test, test),
            ("TRAINING", train, train, train),
            ("trainset", train, train, train),
            ("test-set", test, test, test),
            ("train_images", train, train, train),
            ("val2017", test, test, test),
            ("isTrain", train, train, train),
            ("istrain", train, train, train),
            ("PublicTest", test, test, test),
            ("trn", None, train, train),
            ("te", None, test, test),
            ("Hold-Out", None, test, test),
            ("query", None, test, test),
            ("bounding_box_train", None, None, train),
            ("B_test", None, None, test),
            ("test tube", None, None, test),
            ("train_test", None, None, None),
            ("art_gallery", None, None, None),
            ("latest", None, None, None),
            ("images", None, None, None),
            ("", None, None, None),
            ("7", None, None, None),
        ] {
            assert_eq!(
                (part_meant(name), part_hinted(name), part_in_name(name)),
                (meant, hinted, within),
                "{name}"
            );
        }
    }
}
