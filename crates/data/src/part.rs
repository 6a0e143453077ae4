//! The two parts of a data set, and the words that manifests, tables, shards and folders use for them.

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
