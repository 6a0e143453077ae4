//! The characters to choose from.

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::{Error, Result};

/// Blocks with alternative forms of other characters, which would be indistinguishable classes.
const OTHER_FORMS: [(u32, u32); 10] = [
    (0x2070, 0x209F),   // superscripts and subscripts
    (0x2100, 0x214F),   // letter-like symbols
    (0x2460, 0x24FF),   // enclosed alphanumerics
    (0x2E80, 0x2FDF),   // radicals, which look like ideographs
    (0x3130, 0x318F),   // Hangul compatibility letters
    (0x3200, 0x33FF),   // enclosed and squared East Asian characters
    (0xF900, 0xFAFF),   // compatibility ideographs
    (0xFB00, 0xFDFF),   // ligatures and presentation forms
    (0xFE70, 0xFFEF),   // presentation forms, half-width and full-width forms
    (0x1D400, 0x1D7FF), // mathematical letters
];
/// More of these: symbols of old computers, and the supplement of compatibility ideographs.
const OTHER_FORMS_ABOVE: [(u32, u32); 2] = [(0x1F100, 0x1FBFF), (0x2F800, 0x2FA1F)];

/// The characters to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Characters {
    /// All letters, ideographs and digits, except for blocks with alternative forms.
    #[default]
    Alphanumeric,
    /// These, ascending.
    Listed(Vec<char>),
}

impl Characters {
    /// Parses ranges (`U+4E00-U+9FFF,U+3041`). If `text` is the name of a file, uses every character of that UTF-8 file
    /// except white space.
    ///
    /// # Errors
    /// [`Error::Characters`], [`Error::Read`].
    pub fn read(text: &str) -> Result<Self> {
        let path = Path::new(text);
        let listed = if path.is_file() {
            let content = widemargin_durable::read_text(path)
                .map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
            content.chars().filter(|c| !c.is_whitespace()).collect()
        } else {
            ranges(text)?
        };
        let mut listed: Vec<char> = listed;
        listed.sort_unstable();
        listed.dedup();
        if listed.is_empty() {
            return Err(Error::Characters { found: text.to_owned() });
        }
        Ok(Self::Listed(listed))
    }

    /// Number of characters, whatever the fonts.
    pub fn count(&self) -> usize {
        match self {
            Self::Alphanumeric => ('\0'..=char::MAX).filter(|character| self.contains(*character)).count(),
            Self::Listed(listed) => listed.len(),
        }
    }

    /// Whether a character is among them.
    pub fn contains(&self, character: char) -> bool {
        match self {
            Self::Alphanumeric => {
                let code = u32::from(character);
                let mut forms = OTHER_FORMS.iter().chain(&OTHER_FORMS_ABOVE);
                character.is_alphanumeric() && !forms.any(|(first, last)| (*first..=*last).contains(&code))
            }
            Self::Listed(listed) => listed.binary_search(&character).is_ok(),
        }
    }
}

/// `U+4E00-U+9FFF,U+3041`.
fn ranges(text: &str) -> Result<Vec<char>> {
    let mut characters = Vec::new();
    for part in text.split(',') {
        let bad = || Error::Characters { found: part.to_owned() };
        let code = |text: &str| {
            let text = text.trim();
            let digits = text.strip_prefix("U+").or_else(|| text.strip_prefix("u+"))?;
            u32::from_str_radix(digits, 16).ok().filter(|code| *code <= u32::from(char::MAX))
        };
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (code(first).ok_or_else(bad)?, code(last).ok_or_else(bad)?);
        if first > last {
            return Err(bad());
        }
        characters.extend((first..=last).filter_map(char::from_u32));
    }
    Ok(characters)
}

/// The name of a character's class: `U+4E00`.
pub fn class_name(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

impl Serialize for Characters {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Alphanumeric => serializer.serialize_str("alphanumeric"),
            Self::Listed(listed) => serializer.collect_str(&listed.iter().collect::<String>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_files_are_read() {
        assert_eq!(
            Characters::read("U+42-U+44, u+41").unwrap(),
            Characters::Listed(vec!['A', 'B', 'C', 'D'])
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("characters.txt");
        #[expect(clippy::disallowed_methods, reason = "test files need not survive a crash")]
        std::fs::write(&path, "\u{FEFF}一 二\nA一").unwrap();
        let read = Characters::read(path.to_str().unwrap()).unwrap();
        assert_eq!(read, Characters::Listed(vec!['A', '一', '二']));
    }

    #[test]
    fn characters_are_counted() {
        assert_eq!(Characters::read("U+4E00-U+4E0F,U+41,U+41").unwrap().count(), 17);
        // Grows with the versions of Unicode. There are more than 90,000 ideographs and 1,114,112 code points.
        let all = Characters::default().count();
        assert!((100_000..300_000).contains(&all), "{all}");
    }

    #[test]
    fn an_invalid_list_is_an_error() {
        for text in ["", "A-Z", "U+", "U+44-U+42", "U+110000", "U+D800", "U+41,,U+42", "no/such/file.txt"] {
            assert!(matches!(Characters::read(text), Err(Error::Characters { .. })), "{text}");
        }
    }

    #[test]
    fn alternative_forms_are_not_separate_classes() {
        let all = Characters::default();
        assert!("Az9éЖ一ア가".chars().all(|c| all.contains(c)));
        // Full-width A, encircled 1, a radical, a compatibility ideograph, a ligature.
        let others = "\u{FF21}\u{2460}\u{2F00}\u{F900}\u{FB01}.,#";
        assert!(!others.chars().any(|c| all.contains(c)));
    }

    #[test]
    fn classes_are_named_by_code_point() {
        assert_eq!([class_name('A'), class_name('一'), class_name('𠀀')], ["U+0041", "U+4E00", "U+20000"]);
    }
}
