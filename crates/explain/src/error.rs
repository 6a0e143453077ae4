//! The error type of the crate.

/// Why the page could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The trained features cannot be parsed or are inconsistent.
    #[error("trained features: {0}")]
    Features(String),
    /// The curves of the trained chain cannot be parsed or are incomplete.
    #[error("trained chain: {0}")]
    Chain(String),
    /// A text file cannot be parsed.
    #[error("texts in {language}: {reason}")]
    Texts {
        /// Tag of the language.
        language: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A text is missing.
    #[error("texts in {language}: no text for the key '{key}'")]
    NoText {
        /// Tag of the language.
        language: &'static str,
        /// The key, with dots.
        key: String,
    },
    /// A formula or another piece of markup cannot be parsed.
    #[error("'{formula}': {reason}")]
    Formula {
        /// The formula or text.
        formula: String,
        /// What is wrong.
        reason: String,
    },
    /// The template of the page refers to a missing part, or a script file has a form that the page cannot hold.
    #[error("template of the page: {0}")]
    Template(String),
}
