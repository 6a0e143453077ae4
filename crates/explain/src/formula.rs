//! Converts formulas from a small subset of TeX to MathML.
//!
//! The texts and chapters write `\frac{a}{b}`, `z_{i}`, `\sum_{i \ne y}`. Current browsers render MathML natively, so the page
//! needs neither a script nor a font for its formulas. Anything outside the subset is an error.

use std::iter::Peekable;
use std::str::Chars;

use crate::Error;

/// How a formula is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MathStyle {
    /// Within a line of text.
    Inline,
    /// On a line of its own, limits below and above.
    Display,
}

/// Functions, set upright, and whether they take limits below and above.
const FUNCTIONS: &[(&str, bool)] = &[
    ("max", true),
    ("min", true),
    ("log", false),
    ("exp", false),
    ("cos", false),
    ("sin", false),
    ("softplus", false),
    ("softmax", false),
    ("LSE", true),
    ("pool", true),
    ("link", false),
    ("score", false),
    ("margin", false),
];

/// Commands for letters.
const LETTERS: &[(&str, &str)] = &[
    ("theta", "θ"),
    ("pi", "π"),
    ("varphi", "φ"),
    ("lambda", "λ"),
    ("infty", "∞"),
    ("partial", "∂"),
    ("R", "ℝ"),
];

/// Commands for operators and relations.
const SIGNS: &[(&str, &str)] = &[
    ("ne", "≠"),
    ("le", "≤"),
    ("ge", "≥"),
    ("cdot", "·"),
    ("to", "→"),
    ("in", "∈"),
    ("times", "×"),
    ("approx", "≈"),
    ("perp", "⟂"),
];

/// Converts a formula to MathML.
///
/// # Errors
/// [`Error::Formula`] for an unknown command, an unbalanced brace, or a subscript or superscript without content.
pub(crate) fn mathml(formula: &str, style: MathStyle) -> Result<String, Error> {
    let mut parser = Parser { rest: formula.chars().peekable(), style };
    let parsed = parser.row(None);
    let failed = |reason| Error::Formula { formula: formula.to_owned(), reason };
    let body = parsed.map_err(failed)?;
    if body.is_empty() {
        return Err(failed("the formula is empty".to_owned()));
    }
    let display = match style {
        MathStyle::Inline => "",
        MathStyle::Display => " display=\"block\"",
    };
    Ok(format!("<math{display}><mrow>{body}</mrow></math>"))
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    style: MathStyle,
}

/// One element, whether it takes limits, and whether it is the name of a function.
struct Atom {
    markup: String,
    limits: bool,
    function: bool,
}

impl Atom {
    fn plain(markup: String) -> Self {
        Self { markup, limits: false, function: false }
    }
}

impl Parser<'_> {
    /// A thin space after the name of a function, unless a parenthesis follows.
    fn space_after_function(&mut self) -> &'static str {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
        let mut ahead = self.rest.clone();
        let parenthesis = match ahead.next() {
            None | Some('(' | ')' | ',' | '}') => true,
            Some('\\') => ahead.take(4).eq("left".chars()),
            Some(_) => false,
        };
        if parenthesis { "" } else { "<mspace width=\"0.17em\"/>" }
    }

    /// Parses elements up to `end`, or to the end of the formula.
    fn row(&mut self, end: Option<char>) -> Result<String, String> {
        let mut row = String::new();
        loop {
            while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
            match self.rest.peek().copied() {
                None if end.is_none() => return Ok(row),
                None => return Err("a brace is not closed".to_owned()),
                found if found == end => {
                    self.rest.next();
                    return Ok(row);
                }
                Some('}') => return Err("a closing brace has no opening one".to_owned()),
                Some(_) => {
                    let atom = self.atom()?;
                    let function = atom.function;
                    row.push_str(&self.scripted(atom)?);
                    if function {
                        row.push_str(self.space_after_function());
                    }
                }
            }
        }
    }

    /// Parses the subscript and superscript of an element.
    fn scripted(&mut self, atom: Atom) -> Result<String, String> {
        let (mut below, mut above) = (None, None);
        while let Some(mark) = self.rest.next_if(|next| matches!(next, '_' | '^')) {
            let target = if mark == '_' { &mut below } else { &mut above };
            if target.is_some() {
                return Err(format!("two '{mark}' after one element"));
            }
            *target = Some(self.atom()?.markup);
        }
        let limits = atom.limits && self.style == MathStyle::Display;
        let tag = |sub: &'static str, under: &'static str| if limits { under } else { sub };
        let base = atom.markup;
        Ok(match (below, above) {
            (None, None) => base,
            (Some(below), None) => {
                let tag = tag("msub", "munder");
                format!("<{tag}>{base}{below}</{tag}>")
            }
            (None, Some(above)) => {
                let tag = tag("msup", "mover");
                format!("<{tag}>{base}{above}</{tag}>")
            }
            (Some(below), Some(above)) => {
                let tag = tag("msubsup", "munderover");
                format!("<{tag}>{base}{below}{above}</{tag}>")
            }
        })
    }

    fn atom(&mut self) -> Result<Atom, String> {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
        let Some(first) = self.rest.next() else { return Err("the formula ends too early".to_owned()) };
        let operator = |sign: &str| Atom::plain(format!("<mo>{sign}</mo>"));
        Ok(match first {
            '{' => Atom::plain(format!("<mrow>{}</mrow>", self.row(Some('}'))?)),
            '\\' => return self.command(),
            '0'..='9' => {
                let mut number = first.to_string();
                while let Some(digit) = self.rest.next_if(|next| next.is_ascii_digit() || *next == '.') {
                    number.push(digit);
                }
                Atom::plain(format!("<mn>{number}</mn>"))
            }
            letter if letter.is_alphabetic() => Atom::plain(format!("<mi>{letter}</mi>")),
            '-' => operator("−"),
            '<' => operator("&lt;"),
            '>' => operator("&gt;"),
            '+' | '=' | ',' | '/' | ':' => operator(&first.to_string()),
            '|' => Atom::plain("<mo stretchy=\"false\" lspace=\"0\" rspace=\"0\">|</mo>".to_owned()),
            '(' | ')' | '[' | ']' => Atom::plain(format!("<mo stretchy=\"false\">{first}</mo>")),
            other => return Err(format!("found '{other}', expected a letter, a number or an operator")),
        })
    }

    fn command(&mut self) -> Result<Atom, String> {
        let mut name = String::new();
        while let Some(letter) = self.rest.next_if(char::is_ascii_alphabetic) {
            name.push(letter);
        }
        match name.as_str() {
            "" => {
                return match self.rest.next() {
                    // a thin space
                    Some(',') => Ok(Atom::plain("<mspace width=\"0.17em\"/>".to_owned())),
                    found => Err(format!("found '\\{}'", found.map(String::from).unwrap_or_default())),
                };
            }
            "quad" => return Ok(Atom::plain("<mspace width=\"1.4em\"/>".to_owned())),
            "frac" => {
                let (above, below) = (self.braced()?, self.braced()?);
                return Ok(Atom::plain(format!("<mfrac><mrow>{above}</mrow><mrow>{below}</mrow></mfrac>")));
            }
            "left" | "right" => {
                let fence = self.rest.next().filter(|fence| matches!(fence, '(' | ')' | '|' | '[' | ']'));
                let fence = fence.ok_or_else(|| format!("'\\{name}' without a parenthesis"))?;
                let form = if name == "left" { "prefix" } else { "postfix" };
                return Ok(Atom::plain(format!("<mo form=\"{form}\" stretchy=\"true\">{fence}</mo>")));
            }
            "sum" => return Ok(Atom { markup: "<mo>∑</mo>".to_owned(), limits: true, function: false }),
            _ => {}
        }
        if let Some((name, limits)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
            return Ok(Atom { markup: format!("<mi>{name}</mi>"), limits: *limits, function: true });
        }
        if let Some((_, letter)) = LETTERS.iter().find(|(known, _)| *known == name) {
            return Ok(Atom::plain(format!("<mi>{letter}</mi>")));
        }
        if let Some((_, sign)) = SIGNS.iter().find(|(known, _)| *known == name) {
            return Ok(Atom::plain(format!("<mo>{sign}</mo>")));
        }
        Err(format!("unknown command '\\{name}'"))
    }

    fn braced(&mut self) -> Result<String, String> {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
        match self.rest.next() {
            Some('{') => self.row(Some('}')),
            _ => Err("'\\frac' needs two parts in braces".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inline(formula: &str) -> String {
        mathml(formula, MathStyle::Inline).expect(formula)
    }

    #[test]
    fn scripts_fractions_and_names_become_elements() {
        assert_eq!(inline("z_y"), "<math><mrow><msub><mi>z</mi><mi>y</mi></msub></mrow></math>");
        assert_eq!(
            inline("e^{-s}"),
            "<math><mrow><msup><mi>e</mi><mrow><mo>−</mo><mi>s</mi></mrow></msup></mrow></math>"
        );
        assert_eq!(
            inline("\\frac{C}{C - 1}"),
            "<math><mrow><mfrac><mrow><mi>C</mi></mrow><mrow><mi>C</mi><mo>−</mo><mn>1</mn></mrow></mfrac></mrow></math>"
        );
        assert!(inline("\\cos \\theta_y < 0.5").contains(
            "<mi>cos</mi><mspace width=\"0.17em\"/><msub><mi>θ</mi><mi>y</mi></msub><mo>&lt;</mo><mn>0.5</mn>"
        ));
        assert!(inline("x_i^2").contains("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"));
    }

    #[test]
    fn limits_are_set_below_in_display_formulas_only() {
        let formula = "\\max_{i \\ne y} z_i";
        assert!(mathml(formula, MathStyle::Display).expect("good").contains("<munder><mi>max</mi>"));
        assert!(inline(formula).contains("<msub><mi>max</mi>"));
        let (bare, parenthesis) = (inline(formula), inline("\\max \\left( a \\right)"));
        assert!(bare.contains("<mspace") && !parenthesis.contains("<mspace"));
    }

    #[test]
    fn other_notation_is_an_error() {
        for (formula, fragment) in [
            ("", "is empty"),
            ("a_", "ends too early"),
            ("a_b_c", "two '_'"),
            ("{a", "not closed"),
            ("a}", "no opening"),
            ("\\frac{a}b", "two parts"),
            ("\\alpha", "unknown command '\\alpha'"),
            ("a & b", "found '&'"),
            ("\\left a", "without a parenthesis"),
        ] {
            let error = mathml(formula, MathStyle::Inline).expect_err(formula).to_string();
            assert!(error.contains(fragment), "{formula}: expected '{fragment}' in: {error}");
        }
    }
}
