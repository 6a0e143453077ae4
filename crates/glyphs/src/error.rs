//! What can keep a set of glyphs from being drawn or written.

use std::path::PathBuf;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no set of glyphs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No font could be used.
    #[error(
        "no fonts found in {} ({skipped} files could not be used); on Debian, install some with: apt-get install \
         fonts-dejavu fonts-liberation fonts-freefont-ttf fonts-noto-cjk fonts-wqy-zenhei fonts-arphic-ukai \
         fonts-ipafont; or name folders or files with --fonts",
        listed(looked)
    )]
    NoFonts {
        /// Where they were looked for.
        looked: Vec<PathBuf>,
        /// Files that look like fonts and cannot be read as such.
        skipped: usize,
    },
    /// A place that was given is not there.
    #[error("{path}: no such folder or font file")]
    MissingFonts {
        /// What was given.
        path: PathBuf,
    },
    /// The fonts have not enough of the characters.
    #[error(
        "found {found} characters with at least {least} different drawings in {faces} fonts, expected {expected}: install \
         more fonts, or ask for fewer classes or fewer samples a class"
    )]
    TooFewCharacters {
        /// Characters that would do.
        found: usize,
        /// Classes asked for.
        expected: usize,
        /// Drawings that each must have.
        least: usize,
        /// Faces that were looked into.
        faces: usize,
    },
    /// The fonts do not even have enough of the characters, whatever they look like.
    #[error(
        "{covered} characters are in at least {least} of {faces} fonts, expected {expected}: install more fonts, or ask for fewer classes or \
         fewer samples a class"
    )]
    TooFewCovered {
        /// Characters that so many faces have.
        covered: usize,
        /// Classes asked for.
        expected: usize,
        /// Faces that must have each.
        least: usize,
        /// Faces that were looked into.
        faces: usize,
    },
    /// A list of characters that is none.
    #[error(
        "characters: found {found:?}, expected a file of characters, or ranges such as U+4E00-U+9FFF,U+3041 (hexadecimal, \
         first not after last)"
    )]
    Characters {
        /// The part that could not be read.
        found: String,
    },
    /// A setting out of its range.
    #[error("{name}: found {found}, expected {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: String,
    },
    /// The place where the set is to go is taken.
    #[error("{path}: is not an empty folder; choose another name or remove it")]
    Taken {
        /// The place.
        path: PathBuf,
    },
    /// The operating system refused to read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// An image could not be encoded.
    #[error("an image of {size} x {size} cannot be encoded as PNG")]
    Encode {
        /// Its side in pixels.
        size: usize,
        /// The reason.
        source: image::ImageError,
    },
    /// The set could not be written.
    #[error("the set cannot be written")]
    Write(#[from] widemargin_durable::Error),
}

impl Error {
    pub(crate) fn setting(name: &'static str, found: impl ToString, expected: impl Into<String>) -> Self {
        Self::Setting { name, found: found.to_string(), expected: expected.into() }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}
