//! Text for markup: escaping, formatting of numbers, and the width of text.

/// Escapes text for element content and for quoted attributes, in HTML and in XML.
///
/// Characters that XML does not allow (most control characters) become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Appends formatted text.
pub(crate) fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    std::fmt::Write::write_fmt(text, more).expect("writing to a string cannot fail");
}

/// A coordinate with at most two decimals. It must be finite, and is clamped far outside any drawing.
pub(crate) fn coordinate(value: f64) -> String {
    debug_assert!(value.is_finite(), "a coordinate must be finite");
    let text = format!("{:.2}", value.clamp(-1e5, 1e5));
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// `0.1234` as `12.34 %`, with a non-breaking space; a value that is not finite gives a dash.
pub(crate) fn percent(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{:.decimals$}\u{a0}%", value * 100.0) } else { "–".to_owned() }
}

/// A value with a fixed number of decimals; a value that is not finite gives a dash.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "–".to_owned() }
}

/// About four significant digits.
pub(crate) fn compact(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && size.is_finite() && !(1e-3..1e7).contains(&size) {
        format!("{value:.2e}")
    } else {
        let decimals = if size >= 100.0 {
            0
        } else if size >= 10.0 {
            1
        } else {
            3
        };
        fixed(value, decimals)
    }
}

/// A position on an axis: a whole number without decimals, others as [`compact`].
pub(crate) fn position(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { compact(value) }
}

/// A count with thin spaces between groups of three digits, if it has five digits or more.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// The approximate width of text in a sans-serif font of `size` pixels, rather too large than too small.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let ems: f64 = text
        .chars()
        .map(|character| match character {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.32,
            ' ' | 'f' | 'r' | 't' | 'I' | '(' | ')' | '[' | ']' | '-' => 0.42,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
            'A'..='Z' => 0.72,
            _ if character < '\u{1100}' => 0.6,
            _ => 1.05,
        })
        .sum();
    ems * size
}

/// The text, or as much of its beginning as fits into `room` pixels, with an ellipsis.
pub(crate) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = width("…", size);
    for character in text.chars() {
        used += width(character.encode_utf8(&mut [0; 4]), size);
        if used > room {
            break;
        }
        kept.push(character);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_control_characters_replaced() {
        assert_eq!(escape(r#"<a b="c" d='e'>&"#), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
        assert_eq!(escape("a\u{0}b\u{1b}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
        assert_eq!(escape("Bär 猫"), "Bär 猫");
    }

    #[test]
    fn coordinates_are_short() {
        for (value, text) in [(1.0, "1"), (-0.001, "0"), (0.126, "0.13"), (100.0, "100"), (1e300, "100000")] {
            assert_eq!(coordinate(value), text);
        }
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(percent(0.12346, 2), "12.35\u{a0}%");
        assert_eq!(percent(f64::NAN, 2), "–");
        assert_eq!(fixed(f64::INFINITY, 1), "–");
        for (value, text) in
            [(0.0, "0.000"), (0.12345, "0.123"), (12.345, "12.3"), (12_345.6, "12346"), (1e-5, "1.00e-5")]
        {
            assert_eq!(compact(value), text);
        }
        assert_eq!(compact(f64::NAN), "–");
        assert_eq!(
            (position(12_000.0), position(0.5), position(-0.0)),
            ("12000".into(), "0.500".into(), "-0".into())
        );
        assert_eq!(count(1234), "1234");
        assert_eq!(count(12345), "12\u{202f}345");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn long_text_is_cut_to_fit() {
        assert_eq!(fit("short", 10.0, 100.0), "short");
        let cut = fit("a very long name of a class that never ends", 10.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 80.0, "{cut}");
        assert_eq!(fit("ab", 10.0, 0.0), "…");
    }
}
