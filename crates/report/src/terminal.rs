//! Text from outside, such as names of files and classes, made safe to show on a terminal.
//!
//! A control character in a name could move the cursor, change colours or overwrite earlier lines. Each one is shown as an escape
//! sequence: `\n`, `\r`, `\t`, or `\u` with four hexadecimal digits, such as `\u001b`. JSON reads these sequences inside strings as
//! the original characters, so escaping JSON does not change what it says.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every control character escaped, for a name within a line.
///
/// ```
/// use widemargin_report::terminal::visible;
///
/// assert_eq!(visible("red\u{1b}[31m\nline"), "red\\u001b[31m\\nline");
/// assert_eq!(visible("Größe 👩‍🚀"), "Größe 👩‍🚀");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// As [`visible`], but keeps line breaks and tabs, for text that is already laid out.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_control(character) && !matches!(character, '\n' | '\t'))
}

/// Whether a terminal might act on the character instead of showing it, or show nothing. Besides control characters, these are the
/// separators of lines and paragraphs, the characters that change the direction of the text, and those without width. The joiners of
/// emoji and of Persian words are shown.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn escaped(text: &str, escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escape) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !escape(character) => shown.push(character),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // As in JSON: a character beyond 16 bits is two numbers.
            _ => {
                for number in character.encode_utf16(&mut [0; 2]) {
                    write!(shown, "\\u{number:04x}").expect("writing to a string cannot fail");
                }
            }
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_escaped() {
        for code in (0..=0x1f)
            .chain(0x7f..=0x9f)
            .chain([0xad, 0x200b, 0x200f, 0x2028, 0x202e, 0x2060, 0x2066, 0xfeff, 0xe0041])
        {
            let character = char::from_u32(code).expect("a character");
            let text = format!("a{character}b");
            let shown = visible(&text);
            assert!(shown.starts_with("a\\") && shown.ends_with('b'), "{code:x}: {shown}");
            assert!(!shown.contains(character), "{code:x}: {shown}");
            let kept = matches!(character, '\n' | '\t');
            assert_eq!(visible_lines(&text).contains(character), kept, "{code:x}");
        }
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        for text in ["", "plain", "Größe", "猫", "👩‍🚀", "non\u{a0}breaking", "back\\slash"] {
            assert!(matches!(visible(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
