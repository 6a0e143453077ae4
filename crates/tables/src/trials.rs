//! Lists of pairs as text: with named columns, or as trial lists without names.
//!
//! | form | example | used by |
//! |---|---|---|
//! | `.csv` or `.parquet` with the columns `a`, `b`, `same`, `score`, `fold` | `a,b,same` | |
//! | `same a b` | `1 x.wav y.wav` | VoxCeleb |
//! | `a b same` | `x.wav y.wav target` | Kaldi, NIST |
//! | a score after or instead of `same` | `x.wav y.wav 0.71` | score files |
//! | only `score same`, or `same score` | `0.71 1` | |
//!
//! The fields of a list without names are separated by tabs, commas, semicolons or spaces. Its form is the one that fits every line; a list that
//! fits none or several is an error.

use std::path::Path;

use super::error::{Problem, Result};
use super::table::ending;
use super::text::read_text;
use super::text_table::{Place, TextTable};
use super::texts::read_texts;

/// The words for pairs of the same class, and the words for pairs of different classes.
const SAME: [&str; 6] = ["1", "true", "yes", "target", "tgt", "genuine"];
const DIFFERENT: [&str; 9] =
    ["0", "-1", "false", "no", "nontarget", "non-target", "nontgt", "impostor", "imposter"];
/// The same, for errors.
const TRUTHS: &str = "1 or 0, true or false, yes or no, target or nontarget";

/// The meaning of a word in the column `same`.
pub(super) fn truth(word: &str) -> Option<bool> {
    let is = |known: &&str| word.eq_ignore_ascii_case(known);
    if SAME.iter().any(is) { Some(true) } else { DIFFERENT.iter().any(is).then_some(false) }
}

/// One entry of a list.
pub(super) struct Trial<'a> {
    pub(super) place: Place,
    pub(super) a: Option<&'a str>,
    pub(super) b: Option<&'a str>,
    pub(super) same: Option<bool>,
    pub(super) score: Option<f64>,
    pub(super) fold: Option<usize>,
}

/// What an entry must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) pair: bool,
    pub(super) same: bool,
    pub(super) score: bool,
}

/// A field of a list without names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    A,
    B,
    Same,
    Score,
}

impl Role {
    fn fits(self, field: &str) -> bool {
        match self {
            Self::A | Self::B => !field.is_empty(),
            Self::Same => truth(field).is_some(),
            Self::Score => field.parse::<f64>().is_ok(),
        }
    }
}

type Form = &'static [Role];

/// The forms of lists without names.
const FORMS: [Form; 8] = [
    &[Role::Same, Role::A, Role::B],
    &[Role::A, Role::B, Role::Same],
    &[Role::A, Role::B, Role::Score],
    &[Role::Same, Role::A, Role::B, Role::Score],
    &[Role::A, Role::B, Role::Same, Role::Score],
    &[Role::A, Role::B, Role::Score, Role::Same],
    &[Role::Score, Role::Same],
    &[Role::Same, Role::Score],
];

impl Wanted {
    fn has(self, form: &[Role]) -> bool {
        let has = |role| form.contains(&role);
        (!self.pair || has(Role::A)) && (!self.same || has(Role::Same)) && (!self.score || has(Role::Score))
    }

    /// The forms that have all of it, for errors.
    fn in_words(self) -> String {
        let example = |form: Form| {
            let word = |role: &Role| match role {
                Role::A => "a.wav",
                Role::B => "b.wav",
                Role::Same => "1",
                Role::Score => "0.71",
            };
            form.iter().map(word).collect::<Vec<_>>().join(" ")
        };
        let forms = FORMS.iter().copied().filter(|form| self.has(form));
        forms.map(|form| format!("`{}`", example(form))).collect::<Vec<_>>().join(" or ")
    }

    /// The columns of a list with names, for errors.
    fn columns(self) -> String {
        let parts = [(self.pair, "a, b"), (self.score, "score"), (self.same, "same")];
        parts.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// How the fields of a list without names are separated.
#[derive(Debug, Clone, Copy)]
enum Separator {
    Letter(char),
    Spaces,
}

const SEPARATORS: [Separator; 4] =
    [Separator::Letter('\t'), Separator::Letter(','), Separator::Letter(';'), Separator::Spaces];

impl Separator {
    fn split(self, line: &str) -> Vec<&str> {
        match self {
            Self::Letter(letter) => line.split(letter).map(str::trim).collect(),
            Self::Spaces => line.split_whitespace().collect(),
        }
    }
}

/// Whether a file has scores of pairs instead of embeddings. `false` for a file that cannot be read.
///
/// A `.csv` or `.parquet` has scores if it has the column `score` and either `same` or both `a` and `b`, and neither `label` nor `embedding`. Any other file that is not a
/// table of embeddings has scores if its first line has the form of a list with scores.
pub fn is_score_file(path: &Path) -> bool {
    if super::table::has_column_names(path) {
        let columns = super::texts::column_names(path);
        let has = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let pairs = has("same") || (has("a") && has("b"));
        return has("score") && pairs && !has("label") && !has("embedding");
    }
    if super::table::is_table(path) {
        return false;
    }
    let Ok(text) = read(path) else { return false };
    let wanted = Wanted { pair: false, same: false, score: true };
    numbered(&text).next().is_some_and(|(_, line)| is_header(line) || candidates(line, wanted).is_some())
}

/// Calls `take` with each entry of a list.
pub(super) fn each(
    path: &Path,
    wanted: Wanted,
    mut take: impl FnMut(&Trial<'_>) -> Result<()>,
) -> Result<()> {
    let count = if super::table::has_typed_columns(path) {
        of_table(&read_texts(path)?, path, wanted, &mut take)?
    } else {
        let text = read(path)?;
        let first = numbered(&text).next().ok_or_else(|| Problem::Empty.at(path))?.1;
        let named = is_header(first) || (ending(path) == "csv" && candidates(first, wanted).is_none());
        if named {
            require_commas(&text, path, wanted)?;
            of_table(&read_texts(path)?, path, wanted, &mut take)?
        } else {
            of_list(&text, path, wanted, &mut take)?
        }
    };
    if count == 0 { Err(Problem::Empty.at(path)) } else { Ok(()) }
}

fn read(path: &Path) -> Result<String> {
    Ok(read_text(path)?.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The lines that are not blank, with their numbers from one. Lines before the first entry that begin with `#` are comments.
fn numbered(text: &str) -> impl Iterator<Item = (u64, &str)> {
    filled(text).skip_while(|(_, line)| line.starts_with('#'))
}

/// The comments before the first entry.
fn comments(text: &str) -> impl Iterator<Item = (u64, &str)> {
    filled(text).take_while(|(_, line)| line.starts_with('#'))
}

/// The lines that are not blank, with their numbers from one.
fn filled(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    lines.filter(|(_, line)| !line.is_empty())
}

/// Rejects a first line whose names of columns are separated by spaces.
fn require_commas(text: &str, path: &Path, wanted: Wanted) -> Result<()> {
    let Some((line, first)) = numbered(text).next() else { return Ok(()) };
    if first.contains([',', ';', '\t', '|', '"']) || Separator::Spaces.split(first).len() < 2 {
        return Ok(());
    }
    let expected = format!(
        "commas between the names of the columns ({}), and in all lines after them; or if this is a pair, {}",
        wanted.columns(),
        wanted.in_words()
    );
    Err(Problem::Trial { line, found: first.to_owned(), expected }.at(path))
}

/// Whether a line has the names of columns: `same` or `score`, or both `a` and `b`. A line with a number has none: it is an entry.
fn is_header(line: &str) -> bool {
    let names = |separator: &Separator| {
        let fields = separator.split(line);
        if fields.iter().any(|field| field.parse::<f64>().is_ok()) {
            return false;
        }
        let has = |name: &str| fields.iter().any(|field| field.trim_matches('"').eq_ignore_ascii_case(name));
        has("same") || has("score") || (has("a") && has("b"))
    };
    SEPARATORS.iter().any(names)
}

/// The separator and the forms that fit a line.
fn candidates(line: &str, wanted: Wanted) -> Option<(Separator, Vec<Form>)> {
    SEPARATORS.into_iter().find_map(|separator| {
        let fields = separator.split(line);
        let fit = |form: &Form| wanted.has(form) && fits(form, &fields);
        let forms: Vec<Form> = FORMS.into_iter().filter(fit).collect();
        (!forms.is_empty()).then_some((separator, forms))
    })
}

fn fits(form: &[Role], fields: &[&str]) -> bool {
    form.len() == fields.len() && form.iter().zip(fields).all(|(role, field)| role.fits(field))
}

fn of_list(
    text: &str,
    path: &Path,
    wanted: Wanted,
    take: &mut impl FnMut(&Trial<'_>) -> Result<()>,
) -> Result<usize> {
    let no_form = |line: u64, found: &str| {
        let expected = format!(
            "{}, or the names of the columns ({}) in the first line, separated by commas",
            wanted.in_words(),
            wanted.columns()
        );
        Problem::Trial { line, found: found.to_owned(), expected }.at(path)
    };
    let (line, first) = numbered(text).next().ok_or_else(|| Problem::Empty.at(path))?;
    let (separator, mut forms) = candidates(first, wanted).ok_or_else(|| no_form(line, first))?;
    for (line, found) in numbered(text) {
        let fields = separator.split(found);
        let form = forms[0];
        forms.retain(|form| fits(form, &fields));
        if forms.is_empty() {
            // The first field at fault says more than the whole line.
            let at = form.iter().zip(&fields).position(|(role, field)| !role.fits(field));
            let expected = match at.map(|at| (form[at], fields[at])) {
                Some((Role::Same, _)) if form.len() == fields.len() => {
                    format!("field {} to be {TRUTHS}", at.unwrap_or(0) + 1)
                }
                Some((Role::Score, _)) if form.len() == fields.len() => {
                    format!("field {} to be a number", at.unwrap_or(0) + 1)
                }
                _ => format!("{} fields, as in the lines before it", form.len()),
            };
            return Err(Problem::Trial { line, found: found.to_owned(), expected }.at(path));
        }
    }
    let &[form] = forms.as_slice() else {
        let expected =
            format!("a list of one form; name the columns ({}) in the first line", wanted.columns());
        return Err(Problem::Trial { line, found: first.to_owned(), expected }.at(path));
    };
    // Ids can begin with `#` too.
    if let Some((line, found)) = comments(text).find(|(_, found)| fits(form, &separator.split(found))) {
        let expected = format!(
            "a comment, because it begins with `#` and is before the first entry, but it has the form of an entry; name the columns ({}) in the first line",
            wanted.columns()
        );
        return Err(Problem::Trial { line, found: found.to_owned(), expected }.at(path));
    }
    let mut count = 0;
    for (line, found) in numbered(text) {
        let fields = separator.split(found);
        let field = |role| form.iter().position(|found| *found == role).map(|at| fields[at]);
        take(&Trial {
            place: Place::Line(line),
            a: field(Role::A),
            b: field(Role::B),
            same: field(Role::Same).and_then(truth),
            score: field(Role::Score).and_then(|field| field.parse().ok()),
            fold: None,
        })?;
        count += 1;
    }
    Ok(count)
}

fn of_table(
    table: &TextTable,
    path: &Path,
    wanted: Wanted,
    take: &mut impl FnMut(&Trial<'_>) -> Result<()>,
) -> Result<usize> {
    let column = |column: &'static str, required: bool| {
        if required {
            return table.required(column).map(Some).map_err(|problem| problem.at(path));
        }
        Ok(table.column(column))
    };
    let (a, b) = (column("a", wanted.pair)?, column("b", wanted.pair)?);
    let (score, same) = (column("score", wanted.score)?, column("same", wanted.same)?);
    let fold = table.column("fold");
    for (row, fields) in table.rows.iter().enumerate() {
        let name = |at: Option<usize>| at.map(|at| fields[at].as_str());
        let wrong = |at: usize, expected| table.wrong(row, at, expected).at(path);
        let number = |at: usize| fields[at].parse().map_err(|_| wrong(at, "a number"));
        // Programs write `1.0` for 1 in a column with gaps.
        let whole_word = |at: usize| fields[at].strip_suffix(".0").unwrap_or(&fields[at]);
        let word = |at: usize| truth(whole_word(at)).ok_or_else(|| wrong(at, TRUTHS));
        let whole = |at: usize| fields[at].parse().map_err(|_| wrong(at, "a whole number"));
        take(&Trial {
            place: table.place(row),
            a: name(a),
            b: name(b),
            same: same.map(word).transpose()?,
            score: score.filter(|_| wanted.score).map(number).transpose()?,
            fold: fold.map(whole).transpose()?,
        })?;
    }
    Ok(table.rows.len())
}
