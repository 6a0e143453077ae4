//! Names from files in messages: short, and without control characters.

use std::fmt::{Display, Write};

/// Most characters of a name in a message.
const MOST: usize = 80;

/// A name as messages show it: at most about 80 characters, with control characters escaped as in `\n`.
///
/// A name from a file can have any length, and characters that move the cursor or change the colours of a terminal.
pub fn echo(name: &str) -> String {
    let mut shown = String::new();
    for (at, letter) in name.chars().enumerate() {
        if at == MOST {
            let _ = write!(shown, "... ({} characters)", name.chars().count());
            break;
        }
        if unprintable(letter) {
            let _ = write!(shown, "{}", letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Control characters, and characters that change the direction of the text or have no width.
fn unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Several names, separated by commas: the first ones, and how many more there are.
pub fn echo_list<Name: AsRef<str>>(names: &[Name]) -> String {
    const MOST_NAMES: usize = 12;
    first_names(names.iter().map(|name| echo(name.as_ref())), MOST_NAMES)
}

/// The first `most` names, separated by commas, and how many more there are, as in `a, b and 7 more`.
///
/// The names are written as they are: use [`echo`] for those of a file.
pub fn first_names<Name: Display>(
    names: impl IntoIterator<Item = Name, IntoIter: ExactSizeIterator>,
    most: usize,
) -> String {
    let names = names.into_iter();
    let more = names.len().saturating_sub(most);
    let mut shown = String::new();
    for (at, name) in names.take(most).enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(shown, "{}{name}", if at == 0 { "" } else { ", " });
    }
    if more > 0 {
        let _ = write!(shown, " and {more} more");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        assert_eq!(echo("Zoë ☂ #1"), "Zoë ☂ #1");
        assert_eq!(echo("a\u{1b}[31m\nb\u{202e}"), "a\\u{1b}[31m\\nb\\u{202e}");
        assert_eq!(echo("a\u{ad}\u{2060}\u{feff}b"), "a\\u{ad}\\u{2060}\\u{feff}b");
        let long = "ä".repeat(20_000_000);
        let shown = echo(&long);
        assert!(shown.chars().count() < 120 && shown.ends_with("... (20000000 characters)"), "{shown}");
        assert_eq!(echo(&"x".repeat(80)).len(), 80);
        assert_eq!(echo_list(&["a", "b\n"]), "a, b\\n");
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(echo_list(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 88 more");
        assert_eq!(first_names(["a", "b"], 2), "a, b");
        assert_eq!(
            (first_names([1, 2, 3], 2), first_names([1], 0)),
            ("1, 2 and 1 more".to_owned(), " and 1 more".to_owned())
        );
    }
}
