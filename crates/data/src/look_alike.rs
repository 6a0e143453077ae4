//! Names that look the same but are different texts, so that they probably mean one class.

use std::collections::BTreeMap;

use widemargin_tables::{appearance, may_be_no_class};

/// Groups of names that differ only in case, spaces, invisible characters, signs between words, the way in which an accent is written, letters
/// that look the same, or the way in which a number is written (`3` and `03`, `0` and `0.0`).
pub(crate) fn look_alikes<Name: AsRef<str>>(names: &[Name]) -> Vec<Vec<&str>> {
    let mut groups = BTreeMap::<String, Vec<&str>>::new();
    for name in names {
        groups.entry(appearance(name.as_ref())).or_default().push(name.as_ref());
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

/// Names that may mean that a sample has no class.
pub(crate) fn no_classes(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).filter(|name| may_be_no_class(name)).collect()
}

/// Names in quotes, with everything escaped that cannot be seen, such as the way in which an accent is written.
pub(crate) fn escaped(names: &[&str], between: &str) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_are_found() {
        for (one, other) in [
            ("Cat", "cat"),
            ("big  cat", " Big cat"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("\u{1ec7}", "e\u{323}\u{302}"),
            ("\u{d55c}\u{ae00}", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("\u{304c}", "\u{304b}\u{3099}"),
            ("\u{ff21}1", "a1"),
            ("dog\u{200b}", "dog"),
            ("3", "03"),
            ("0", "0.0"),
            ("-0", "+00."),
            ("-7.50", "-07.5"),
            ("img 007", "img 7"),
            ("a00", "a0"),
            ("bird_1", "bird-1"),
            ("bird 1", "bird1"),
            ("sea-lion", "sea_lion"),
            ("sea\u{2013}lion", "sea lion"),
            ("lion\u{2019}s", "lion's"),
            ("\u{441}at", "cat"),
            ("class__01", "class 1"),
        ] {
            assert_eq!(appearance(one), appearance(other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("caf\u{e9}", "cafe"),
            ("3", "30"),
            ("0.05", "0.5"),
            ("v1.05", "v1.5"),
            ("a10", "a1"),
            ("-1", "1"),
            ("9007199254740993", "9007199254740992"),
            ("1.2.0", "1.2"),
            ("a b", "ab"),
            ("1_2", "12"),
            ("-x", "x"),
            ("\u{434}\u{430}", "da"),
        ] {
            assert_ne!(appearance(one), appearance(other), "{one:?} {other:?}");
        }
        assert_eq!(look_alikes(&["b", "a", "A", "B", "c"]), [["a", "A"], ["b", "B"]]);
        assert_eq!(escaped(&["a", "A"], " = "), r#""a" = "A""#);
        let names = ["nan", "nancy", "N/A", "-1", "1", "na", "junk"].map(str::to_owned);
        assert_eq!(no_classes(&names), ["nan", "N/A", "-1", "junk"]);
        assert_eq!(escaped(&["caf\u{e9}", "cafe\u{301}"], " = "), "\"caf\u{e9}\" = \"cafe\\u{301}\"");
        assert_eq!(escaped(&["a ", "a"], ", "), r#""a ", "a""#);
    }
}
