//! What can be wrong with what the page is made of.

/// Why the page could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The trained features cannot be read or do not fit together.
    #[error("trained features: {0}")]
    Features(String),
    /// A text file cannot be read.
    #[error("texts in {language}: {reason}")]
    Texts {
        /// Tag of the language.
        language: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A text is asked for that is not there.
    #[error("texts in {language}: found no '{key}'")]
    NoText {
        /// Tag of the language.
        language: &'static str,
        /// Its key, with dots.
        key: String,
    },
    /// A formula cannot be read.
    #[error("formula '{formula}': {reason}")]
    Formula {
        /// The formula.
        formula: String,
        /// What is wrong.
        reason: String,
    },
    /// The template names something that there is not.
    #[error("template of the page: {0}")]
    Template(String),
}
