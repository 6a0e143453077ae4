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

/// The words of a name in lower case: what is between its digits and other signs.
pub(crate) fn words_of(name: &str) -> BTreeSet<String> {
    let words = name.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// The part that words name; `None` if they name none or both.
pub(crate) fn part_in_words(words: &BTreeSet<String>) -> Option<Part> {
    let mut parts = words.iter().filter_map(|word| part_named(word));
    let part = parts.next()?;
    parts.all(|other| other == part).then_some(part)
}
