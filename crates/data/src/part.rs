//! The parts of a data set, and the words that manifests, tables, shards and folders use for them.
//!
//! Words such as `val` name the validation part if the data also has a test part. Without one, they name the test part: many data sets have
//! the folders `train` and `val` only. [`settle`] decides this once all samples are known.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Whether a sample may be trained on, or what it is held out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// May be trained on.
    Train,
    /// Held out for the final evaluation: never trained on.
    Test,
    /// Held out for evaluations during training: never trained on, and not in the final evaluation.
    Validation,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Train, Self::Test, Self::Validation];

    /// `train`, `test` or `validation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }

    /// Whether its samples are never trained on.
    pub fn is_held_out(self) -> bool {
        self != Self::Train
    }
}

/// Makes the validation part the test part if no sample is in a test part.
pub(crate) fn settle<'a>(parts: impl Iterator<Item = &'a mut Part>) {
    let parts: Vec<&mut Part> = parts.collect();
    if parts.iter().all(|part| **part != Part::Test) {
        for part in parts.into_iter().filter(|part| **part == Part::Validation) {
            *part = Part::Test;
        }
    }
}

/// Whether names that have these parts name both a training part and a held-out one.
pub(crate) fn has_both(parts: impl Iterator<Item = Option<Part>>) -> bool {
    let (mut train, mut held_out) = (false, false);
    for part in parts.flatten() {
        (train, held_out) = (train || !part.is_held_out(), held_out || part.is_held_out());
    }
    train && held_out
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
/// Words for the test part.
pub(crate) const TEST_WORDS: [&str; 1] = ["test"];
/// Words for the validation part.
pub(crate) const VALIDATION_WORDS: [&str; 4] = ["val", "valid", "validation", "dev"];

/// The part that a word names, in upper or lower case; see [`settle`].
pub(crate) fn part_named(word: &str) -> Option<Part> {
    let is_of = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is_of(&TRAIN_WORDS) {
        Some(Part::Train)
    } else if is_of(&TEST_WORDS) {
        Some(Part::Test)
    } else if is_of(&VALIDATION_WORDS) {
        Some(Part::Validation)
    } else {
        None
    }
}

/// Further words that data sets use for the parts. They are not read as parts, but a name that has one is a hint at them.
const NEARLY_TRAIN: [&str; 4] = ["trainval", "trn", "tr", "seen"];
const NEARLY_VALIDATION: [&str; 2] = ["validate", "validating"];
const NEARLY_TEST: [&str; 13] = [
    "testing",
    "tst",
    "te",
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
    } else if NEARLY_VALIDATION.contains(&word) {
        Some(Part::Validation)
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

/// The part that words name; `None` if they name none, or a training part and a held-out one.
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

/// The part that all of `parts` are; `None` if there are none, or a training part and a held-out one. Names such as `test-dev` are of the test part.
fn the_only(parts: impl Iterator<Item = Part>) -> Option<Part> {
    let parts: Vec<Part> = parts.collect();
    let first = *parts.first()?;
    let alike = parts.iter().all(|part| part.is_held_out() == first.is_held_out());
    let part = if parts.contains(&Part::Test) { Part::Test } else { first };
    alike.then_some(part)
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
        let (train, test, val) = (Some(Part::Train), Some(Part::Test), Some(Part::Validation));
        for (name, meant, hinted, within) in [
            ("test", test, test, test),
            ("TRAINING", train, train, train),
            ("trainset", train, train, train),
            ("test-set", test, test, test),
            ("train_images", train, train, train),
            ("val2017", val, val, val),
            ("Validation-Set", val, val, val),
            ("validate", None, val, val),
            ("test-dev2017", test, test, test),
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

    #[test]
    fn a_validation_part_without_a_test_part_is_the_test_part() {
        use Part::{Test, Train, Validation};
        for (mut parts, expected) in [
            (vec![Train, Validation, Test], vec![Train, Validation, Test]),
            (vec![Train, Validation, Validation], vec![Train, Test, Test]),
            (vec![Train, Train], vec![Train, Train]),
            (vec![], vec![]),
        ] {
            settle(parts.iter_mut());
            assert_eq!(parts, expected);
        }
        assert!(has_both([None, Some(Validation), Some(Train)].into_iter()));
        assert!(!has_both([Some(Validation), Some(Test)].into_iter()));
    }
}
