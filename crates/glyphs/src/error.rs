//! The error type of the crate.

use std::path::PathBuf;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a set could not be drawn or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No font could be used.
    #[error(
        "no fonts found in {} ({skipped} files could not be used); on Debian, install some with: apt-get install \
         fonts-dejavu fonts-liberation fonts-freefont-ttf fonts-noto-cjk fonts-wqy-zenhei fonts-arphic-ukai \
         fonts-ipafont; or give folders or files with --fonts",
        listed(looked)
    )]
    NoFonts {
        /// The places that were searched.
        looked: Vec<PathBuf>,
        /// Number of font files that could not be used.
        skipped: usize,
    },
    /// A given folder or file does not exist.
    #[error("{path}: no such folder or font file")]
    MissingFonts {
        /// Its path.
        path: PathBuf,
    },
    /// The fonts have too few characters with enough different drawings.
    #[error(
        "found {found} characters with at least {least} different drawings in {faces} fonts, expected {expected}: install \
         more fonts, or request fewer classes or fewer samples per class"
    )]
    TooFewCharacters {
        /// Characters with enough drawings.
        found: usize,
        /// Requested classes.
        expected: usize,
        /// Smallest number of drawings per character.
        least: usize,
        /// Faces that were searched.
        faces: usize,
    },
    /// The fonts cover too few characters, whatever their drawings.
    #[error(
        "{covered} characters are in at least {least} of {faces} fonts, expected {expected}: install more fonts, or request \
         fewer classes or fewer samples per class"
    )]
    TooFewCovered {
        /// Characters that enough faces have.
        covered: usize,
        /// Requested classes.
        expected: usize,
        /// Smallest number of faces per character.
        least: usize,
        /// Faces that were searched.
        faces: usize,
    },
    /// A list of characters could not be read.
    #[error(
        "characters: found {found:?}, expected a file of characters, or ranges such as U+4E00-U+9FFF,U+3041 (hexadecimal, \
         first not after last)"
    )]
    Characters {
        /// The part that could not be read.
        found: String,
    },
    /// A setting is out of range.
    #[error("{name}: found {found}, expected {expected}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        found: String,
        /// The expected range.
        expected: String,
    },
    /// The target of the set already exists.
    #[error("{path}: already exists and is not an empty folder; choose another name or remove it")]
    Taken {
        /// The target.
        path: PathBuf,
    },
    /// A file or folder could not be read.
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
