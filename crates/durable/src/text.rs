//! A checksum inside a text file that people may read and edit.
//!
//! The text contains the word `crc32`, followed within a few characters by eight hexadecimal digits, as in `"crc32": "1c291ca3"` (JSON) or
//! `# crc32 1c291ca3` (a comment). They are the CRC-32 (IEEE) of the whole text with zeros in place of the digits.

use std::ops::Range;

const WORD: &str = "crc32";
/// The digits of a checksum that is not known yet.
pub const UNKNOWN_CHECKSUM: &str = "00000000";
/// Most bytes between the word and the digits.
const BETWEEN: usize = 8;

/// Whether a text is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextState {
    /// It has no checksum.
    Unknown,
    /// Its checksum fits.
    Intact,
    /// It was changed after it was written, by an editor or by damage.
    Changed,
}

/// Puts the checksum in place of [`UNKNOWN_CHECKSUM`].
///
/// # Panics
/// If the text has no place for a checksum.
pub fn seal_text(text: &str) -> String {
    let place = place(text).filter(|place| text[place.clone()] == *UNKNOWN_CHECKSUM);
    let place = place.expect("the caller leaves room for the checksum");
    format!("{}{}{}", &text[..place.start], checksum(text, &place), &text[place.end..])
}

/// Compares a text with its checksum.
pub fn text_state(text: &str) -> TextState {
    match place(text) {
        None => TextState::Unknown,
        Some(place) if checksum(text, &place) == text[place.clone()] => TextState::Intact,
        Some(_) => TextState::Changed,
    }
}

/// Where the digits are.
fn place(text: &str) -> Option<Range<usize>> {
    let after = text.find(WORD)? + WORD.len();
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let start = (after..after + BETWEEN).find(|at| is_digit(*at))?;
    let end = start + UNKNOWN_CHECKSUM.len();
    ((start..end).all(is_digit) && !is_digit(end)).then_some(start..end)
}

fn checksum(text: &str, place: &Range<usize>) -> String {
    let mut crc = crc32fast::Hasher::new();
    for piece in [&text[..place.start], UNKNOWN_CHECKSUM, &text[place.end..]] {
        crc.update(piece.as_bytes());
    }
    format!("{:08x}", crc.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed_or_hits_the_mark_alone() {
        for text in [
            "{\"a\": 1.5,\n \"crc32\": \"00000000\", \"b\": [2]}\n",
            "# crc32 00000000\nid,part\nabc,train\n",
        ] {
            let sealed = seal_text(text);
            assert_eq!(text_state(&sealed), TextState::Intact);
            let mark = sealed.find(WORD).unwrap();
            for bit in 0..8 * sealed.len() {
                let mut bytes = sealed.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let Ok(flipped) = String::from_utf8(bytes) else { continue };
                match text_state(&flipped) {
                    TextState::Changed => {}
                    // The rest of the text is as it was.
                    TextState::Unknown => assert!((mark..mark + 24).contains(&(bit / 8)), "bit {bit}"),
                    TextState::Intact => panic!("bit {bit} of {sealed}"),
                }
            }
        }
    }

    #[test]
    fn a_text_without_digits_has_no_checksum() {
        for text in [
            "",
            "crc32",
            "crc32 1234567",
            "crc32 123456789",
            "crc32 is the name of a class",
            "CRC32 00000000",
        ] {
            assert_eq!(text_state(text), TextState::Unknown, "{text}");
        }
        assert_eq!(text_state("crc32 = 00000000"), TextState::Changed);
    }
}
