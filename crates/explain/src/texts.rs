//! The texts of the page, one file per language (`text/en.toml`, `text/zh.toml`), and their markup.
//!
//! A text may contain `*emphasis*`, `` `code` ``, `[links](#chapter)` and `$formulas$`. A blank line ends a paragraph. A test
//! checks that both files have the same keys.

use std::collections::BTreeMap;

use crate::Error;
use crate::formula::{MathStyle, mathml};

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The value of the HTML attribute `lang`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// File name of the page in this language.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::English => "index.html",
            Self::Chinese => "index.zh.html",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../text/en.toml"),
            Self::Chinese => include_str!("../text/zh.toml"),
        }
    }
}

/// All texts of one language by key (with dots).
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    language: Language,
    by_key: BTreeMap<String, String>,
}

impl Texts {
    pub(crate) fn of(language: Language) -> Result<Self, Error> {
        let failed = |reason| Error::Texts { language: language.tag(), reason };
        let table: toml::Table =
            language.source().parse().map_err(|error: toml::de::Error| failed(error.to_string()))?;
        let mut by_key = BTreeMap::new();
        flatten("", &toml::Value::Table(table), &mut by_key).map_err(failed)?;
        Ok(Self { language, by_key })
    }

    /// The text as written in the file.
    pub(crate) fn raw(&self, key: &str) -> Result<&str, Error> {
        let missing = || Error::NoText { language: self.language.tag(), key: key.to_owned() };
        self.by_key.get(key).map(String::as_str).ok_or_else(missing)
    }

    /// The text escaped, for attributes and other places without markup.
    pub(crate) fn plain(&self, key: &str) -> Result<String, Error> {
        self.raw(key).map(escape)
    }

    /// The text as one line of HTML.
    pub(crate) fn line(&self, key: &str) -> Result<String, Error> {
        inline(self.raw(key)?)
    }

    /// The text as paragraphs of HTML.
    pub(crate) fn paragraphs(&self, key: &str) -> Result<String, Error> {
        let mut html = String::new();
        for paragraph in self.raw(key)?.split("\n\n").map(str::trim).filter(|text| !text.is_empty()) {
            html.push_str("<p>");
            html.push_str(&inline(paragraph)?);
            html.push_str("</p>\n");
        }
        Ok(html)
    }

    /// The texts whose keys start with `prefix`, by the rest of the key.
    pub(crate) fn below(&self, prefix: &str) -> BTreeMap<&str, &str> {
        self.by_key
            .iter()
            .filter_map(|(key, text)| Some((key.strip_prefix(prefix)?.strip_prefix('.')?, text.as_str())))
            .collect()
    }
}

fn flatten(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) -> Result<(), String> {
    match value {
        toml::Value::String(text) => {
            into.insert(prefix.to_owned(), text.trim().to_owned());
            Ok(())
        }
        toml::Value::Table(table) => table.iter().try_for_each(|(key, value)| {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            flatten(&key, value, into)
        }),
        other => Err(format!("{prefix}: found {}, expected a string or a table", other.type_str())),
    }
}

/// Appends formatted text.
pub(crate) fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    std::fmt::Write::write_fmt(text, more).expect("writing to a string cannot fail");
}

/// Escapes text for element content and attributes in quotes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Punctuation that must stay on the same line as the formula before or after it.
const OPENING: [char; 2] = ['(', '（'];
const CLOSING: [char; 12] = ['.', ',', ';', ':', ')', '?', '，', '。', '；', '：', '、', '）'];

/// Converts the markup of a text to HTML.
pub(crate) fn inline(text: &str) -> Result<String, Error> {
    let mut html = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '*', '`', '[']) {
        html.push_str(&escape(&rest[..at]));
        let mark = &rest[at..=at];
        let inside = &rest[at + 1..];
        let unclosed =
            || Error::Formula { formula: text.to_owned(), reason: format!("'{mark}' is not closed") };
        let end = inside.find(if mark == "[" { "]" } else { mark }).ok_or_else(unclosed)?;
        let (inner, mut after) = (&inside[..end], &inside[end + 1..]);
        match mark {
            "$" => {
                // no line break between a formula and its punctuation
                let signs = after.len() - after.trim_start_matches(CLOSING).len();
                let opened = html.ends_with(OPENING).then(|| html.pop()).flatten();
                let formula = mathml(inner, MathStyle::Inline)?;
                if signs == 0 && opened.is_none() {
                    html.push_str(&formula);
                } else {
                    html.push_str("<span class=\"whole\">");
                    html.extend(opened);
                    html.push_str(&formula);
                    html.push_str(&after[..signs]);
                    html.push_str("</span>");
                    after = &after[signs..];
                }
            }
            "*" => {
                html.push_str("<em>");
                html.push_str(&inline(inner)?);
                html.push_str("</em>");
            }
            "`" => {
                // no line break within an option such as --scale
                let word = |word: &str| {
                    let word_html = escape(word);
                    if word.starts_with('-') {
                        format!("<span class=\"whole\">{word_html}</span>")
                    } else {
                        word_html
                    }
                };
                html.push_str("<code>");
                html.push_str(&inner.split(' ').map(word).collect::<Vec<_>>().join(" "));
                html.push_str("</code>");
            }
            _ => {
                let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
                let (target, following) = target.ok_or_else(unclosed)?;
                html.push_str("<a href=\"");
                html.push_str(&escape(target));
                html.push_str("\">");
                html.push_str(&inline(inner)?);
                html.push_str("</a>");
                after = following;
            }
        }
        rest = after;
    }
    html.push_str(&escape(rest));
    Ok(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that are the same in both languages.
    const SAME: &[&str] = &[
        "axes.lse",
        "axes.softplus",
        "live.common.am-softmax",
        "live.common.arcface",
        "live.common.sphereface",
        "live.smooth.soft",
    ];

    /// Texts of punctuation and placeholders only.
    const SIGNS: &[&str] = &["live.common.of", "live.common.at"];

    #[test]
    fn both_languages_are_complete() {
        let [english, chinese] =
            Language::ALL.map(|language| Texts::of(language).expect("the file is valid"));
        let keys = |texts: &Texts| texts.by_key.keys().cloned().collect::<Vec<_>>();
        let (found, expected) = (keys(&chinese), keys(&english));
        let missing: Vec<_> = expected.iter().filter(|key| !found.contains(key)).collect();
        let extra: Vec<_> = found.iter().filter(|key| !expected.contains(key)).collect();
        assert!(missing.is_empty() && extra.is_empty(), "zh lacks {missing:?} and has extra {extra:?}");
        for (key, text) in &english.by_key {
            let other = &chinese.by_key[key];
            assert!(!text.is_empty() && !other.is_empty(), "{key} is empty");
            let same = SAME.contains(&key.as_str());
            assert_eq!(text == other, same, "{key}: '{text}' and '{other}'");
            let signs = SIGNS.contains(&key.as_str());
            let han = other.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character));
            assert!(han || same || signs, "{key} has no Chinese: {other}");
        }
    }

    #[test]
    fn both_languages_have_the_same_formulas_links_and_placeholders() {
        let [english, chinese] =
            Language::ALL.map(|language| Texts::of(language).expect("the file is valid"));
        for (key, text) in &english.by_key {
            let marks = |text: &str| {
                let mut found: Vec<String> = text.split('$').skip(1).step_by(2).map(str::to_owned).collect();
                found.extend(
                    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned),
                );
                found.extend(
                    text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).map(str::to_owned),
                );
                found.sort();
                found.dedup();
                found
            };
            assert_eq!(marks(text), marks(&chinese.by_key[key]), "{key}");
        }
    }

    #[test]
    fn the_markup_of_every_text_is_valid() {
        for language in Language::ALL {
            let texts = Texts::of(language).expect("the file is valid");
            for key in
                texts.by_key.keys().filter(|key| !key.starts_with("live.") && !key.starts_with("plain."))
            {
                texts.paragraphs(key).unwrap_or_else(|error| panic!("{key}: {error}"));
            }
        }
    }

    #[test]
    fn markup_becomes_html_and_other_text_is_escaped() {
        let html = inline("a < *b $z_y$* `c*d --e` [e](#f) & g").expect("valid markup");
        let formula = mathml("z_y", MathStyle::Inline).expect("valid markup");
        assert_eq!(
            html,
            format!(
                "a &lt; <em>b {formula}</em> <code>c*d <span class=\"whole\">--e</span></code> <a href=\"#f\">e</a> &amp; g"
            )
        );
        let whole = inline("（$z_y$），a").expect("valid markup");
        assert_eq!(whole, format!("<span class=\"whole\">（{formula}），</span>a"));
        for wrong in ["a *b", "$z", "[a]", "[a](b"] {
            assert!(inline(wrong).is_err(), "{wrong}");
        }
    }
}
