//! Text files: tables with a header, and files with one entry per line. Every reader of text in the workspace starts here.
//!
//! The rules, which [`row`] keeps when it writes:
//! - UTF-8, with or without a byte order mark; lines end with LF, CRLF or CR.
//! - Lines that begin with `#` before the header are comments. After the header they are data.
//! - Fields are separated by commas. A field in double quotes is used as it is, and can contain commas, line ends and doubled quotes. White
//!   space around any other field is ignored. Blank lines are ignored.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::about::require_different;
use super::error::{Error, Problem, Result};
use super::memory;

/// Separators that other programs use, and their names. None of them may be in a name unless it is quoted.
const SEPARATORS: [(char, &str); 3] = [(';', "`;`"), ('\t', "tabs"), ('|', "`|`")];

/// The text of a file, without its byte order mark.
///
/// # Errors
/// [`Problem::Read`], also for a file that is not a regular file or not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    let text = widemargin_durable::text(memory::read(path)?);
    text.map_err(|error| Problem::Read(error.to_string()).at(path))
}

/// The records of a table after its header.
pub(super) struct Records<'a> {
    path: &'a Path,
    text: &'a str,
    /// Bytes that have been read.
    at: usize,
    /// The current line, from one.
    line: u64,
    /// Names of the columns.
    pub(super) columns: Vec<String>,
}

/// A row of a table.
pub(super) struct Record<'a> {
    /// Its first line, from one.
    pub(super) line: u64,
    pub(super) fields: Vec<Cow<'a, str>>,
}

impl<'a> Records<'a> {
    /// Reads the header.
    pub(super) fn open(text: &'a str, path: &'a Path) -> Result<Self> {
        let mut records = Self { path, text, at: 0, line: 1, columns: Vec::new() };
        while records.skip_blank_lines() && records.text[records.at..].starts_with('#') {
            records.skip_line();
        }
        let first = records.text[records.at..].lines().next().unwrap_or_default();
        if first.trim().len() == "sep=,".len() && first.to_ascii_lowercase().starts_with("sep=") {
            let reason = format!(
                "line {} is `{}`, a note for Excel; expected the names of the columns: remove this line, and separate the fields by commas",
                records.line,
                first.trim()
            );
            return Err(records.malformed(reason));
        }
        let start = records.at;
        let header = records.fields()?.ok_or_else(|| Problem::NoContent.at(path))?;
        records.columns = header.fields.into_iter().map(Cow::into_owned).collect();
        if let [only] = records.columns.as_slice()
            && !text[start..].starts_with('"')
            && let Some((_, separator)) = SEPARATORS.iter().find(|(letter, _)| only.contains(*letter))
        {
            let columns = only.clone();
            return Err(Problem::Separator { separator, columns }.at(path));
        }
        // Numbers are values of a table without a header, which its reader reports.
        let is_name = |name: &&String| !name.is_empty() && name.parse::<f64>().is_err();
        require_different(records.columns.iter().filter(is_name)).map_err(|problem| problem.at(path))?;
        Ok(records)
    }

    /// The next row, with one field per column.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>> {
        self.skip_blank_lines();
        let is_comment = self.text[self.at..].starts_with('#');
        let Some(record) = self.fields()? else { return Ok(None) };
        let (found, expected) = (record.fields.len(), self.columns.len());
        if found != expected {
            let hint = if is_comment { "; comments are allowed only before the header" } else { "" };
            let fields = if found == 1 { "field" } else { "fields" };
            let reason =
                format!("line {} has {found} {fields}, but the header has {expected}{hint}", record.line);
            return Err(self.malformed(reason));
        }
        Ok(Some(record))
    }

    fn malformed(&self, reason: String) -> Error {
        Problem::Malformed { format: ".csv", reason }.at(self.path)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Whether any text is left.
    fn skip_blank_lines(&mut self) -> bool {
        loop {
            let rest = &self.text[self.at..];
            let line = rest.find(['\n', '\r']).map_or(rest, |end| &rest[..end]);
            if rest.is_empty() || !line.trim().is_empty() {
                return !rest.is_empty();
            }
            self.skip_line();
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
        self.skip_line_end();
    }

    /// Skips LF, CRLF or CR.
    fn skip_line_end(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += match rest {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => return,
        };
        self.line += 1;
    }

    /// The fields of the next record, of any number.
    fn fields(&mut self) -> Result<Option<Record<'a>>> {
        if self.at == self.text.len() {
            return Ok(None);
        }
        let mut record = Record { line: self.line, fields: Vec::with_capacity(self.columns.len()) };
        loop {
            let rest = &self.text[self.at..];
            let field = if rest.trim_start_matches([' ', '\t']).starts_with('"') {
                self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len() + 1;
                self.quoted()?
            } else {
                let end = rest.bytes().position(|byte| matches!(byte, b',' | b'\n' | b'\r'));
                let end = end.unwrap_or(rest.len());
                self.at += end;
                Cow::Borrowed(rest[..end].trim())
            };
            record.fields.push(field);
            if self.byte() != Some(b',') {
                self.skip_line_end();
                return Ok(Some(record));
            }
            self.at += 1;
        }
    }

    /// The rest of a quoted field, and white space after it.
    fn quoted(&mut self) -> Result<Cow<'a, str>> {
        let first = self.line;
        let mut field = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find('"').ok_or_else(|| {
                self.malformed(format!("the quoted field that begins in line {first} has no end"))
            })?;
            self.line += lines_in(&rest[..end]);
            if field.is_empty() {
                field = Cow::Borrowed(&rest[..end]);
            } else {
                field.to_mut().push_str(&rest[..end]);
            }
            self.at += end + 1;
            if self.byte() != Some(b'"') {
                break;
            }
            field.to_mut().push('"');
            self.at += 1;
        }
        while matches!(self.byte(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        match self.byte() {
            None | Some(b',' | b'\n' | b'\r') => Ok(field),
            Some(_) => Err(self.malformed(format!(
                "line {} has text after a quoted field; double the quotes inside it",
                self.line
            ))),
        }
    }
}

/// Number of line ends: LF, CRLF or CR.
fn lines_in(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let ends = |at: usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    (0..bytes.len()).filter(|at| ends(*at)).count() as u64
}

/// Writes a row of a text table, so that every field reads back as it is.
///
/// # Errors
/// Those of `out`.
pub fn write_row<Field: AsRef<str>>(
    out: &mut (impl io::Write + ?Sized),
    fields: impl IntoIterator<Item = Field>,
) -> io::Result<()> {
    let (mut line, mut count) = (String::new(), 0);
    for field in fields {
        if count > 0 {
            line.push(',');
        }
        count += 1;
        let field = field.as_ref();
        if needs_quotes(field) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(field);
        }
    }
    if line.is_empty() && count > 0 {
        // Without quotes this would be a blank line.
        line.push_str("\"\"");
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

fn needs_quotes(field: &str) -> bool {
    let separator = |letter| SEPARATORS.iter().any(|(separator, _)| *separator == letter);
    field.contains(|letter| matches!(letter, ',' | '"' | '\n' | '\r') || separator(letter))
        || field.starts_with(['#', '\u{feff}'])
        || field.trim().len() != field.len()
}

/// One entry per line. White space around entries and blank lines at the end are ignored. An entry in double quotes is read as in a table.
pub(super) fn lines(text: &str, path: &Path) -> Result<Vec<String>> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim_end();
    if text.is_empty() {
        return Err(Problem::NoContent.at(path));
    }
    let entries: Result<Vec<String>> =
        text.split('\n').enumerate().map(|(at, line)| unquoted(line.trim(), at + 1, path)).collect();
    let entries = entries?;
    match entries.iter().position(String::is_empty) {
        Some(blank) => {
            let reason = format!("line {} is blank; expected one entry per line", blank + 1);
            Err(Problem::Malformed { format: "text", reason }.at(path))
        }
        None => Ok(entries),
    }
}

/// An entry without its quotes, if it has them.
fn unquoted(line: &str, number: usize, path: &Path) -> Result<String> {
    let Some(rest) = line.strip_prefix('"') else { return Ok(line.to_owned()) };
    let is_entry = |inside: &&str| inside.split("\"\"").all(|part| !part.contains('"'));
    if let Some(inside) = rest.strip_suffix('"').filter(is_entry) {
        Ok(inside.replace("\"\"", "\""))
    } else {
        let reason = format!(
            "line {number} begins with a quote, but is not one quoted entry; quote the whole entry and double the quotes inside it"
        );
        Err(Problem::Malformed { format: "text", reason }.at(path))
    }
}

/// Reads a text file with one entry per line, such as a list of class names.
///
/// # Errors
/// [`Problem::Read`]; [`Problem::NoContent`] without entries; [`Problem::Malformed`] for a blank line between entries.
pub fn read_lines(path: &Path) -> Result<Vec<String>> {
    lines(&read_text(path)?, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The columns, and the rows with their lines.
    type Table = (Vec<String>, Vec<(u64, Vec<String>)>);

    fn table(text: &str) -> Result<Table> {
        let mut records = Records::open(text, Path::new("t.csv"))?;
        let mut rows = Vec::new();
        while let Some(record) = records.next()? {
            rows.push((record.line, record.fields.iter().map(|field| field.as_ref().to_owned()).collect()));
        }
        Ok((records.columns, rows))
    }

    #[test]
    fn fields_lines_and_comments_follow_the_rules() {
        let text = "# a \"comment\n\n#another\r\nname , \"x y\",z\r\n#tag, \" a\"\"b \" ,\n\n\"l\r\nm\",,\" \"\r last ,\"\",#\n# x,y,z";
        let (columns, rows) = table(text).unwrap();
        assert_eq!(columns, ["name", "x y", "z"]);
        let row = |fields: [&str; 3]| fields.map(str::to_owned).to_vec();
        assert_eq!(
            rows,
            [
                (5, row(["#tag", " a\"b ", ""])),
                (7, row(["l\r\nm", "", " "])),
                (9, row(["last", "", "#"])),
                (10, row(["# x", "y", "z"])),
            ]
        );
        for newline in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "1,2", "", "3,"].join(newline);
            let rows = table(&text).unwrap().1;
            assert_eq!(rows[1], (4, vec!["3".to_owned(), String::new()]), "{newline:?}");
        }
    }

    #[test]
    fn bad_tables_are_errors() {
        for (text, expected) in [
            ("", "is empty"),
            ("\r\n \n# only a comment\n", "is empty"),
            ("label;x;y\na;1;2\n", "separated by `;`; separate them by commas"),
            ("label\tx\na\t1\n", "separated by tabs"),
            ("label|x\n", "separated by `|`"),
            (
                "sep=,\nlabel,x\na,1\n",
                "line 1 is `sep=,`, a note for Excel; expected the names of the columns",
            ),
            ("SEP=;\r\nlabel;x\na;1\n", "line 1 is `SEP=;`"),
            ("a,b\n1\n", "line 2 has 1 field, but the header has 2"),
            (
                "a,b\n1,2\n# late\n",
                "line 3 has 1 field, but the header has 2; comments are allowed only before",
            ),
            ("a,b\n1,2,3\n", "line 2 has 3 fields"),
            ("a,b\n\n1,\"2\n", "the quoted field that begins in line 3 has no end"),
            ("a,b\n\"1\"2,3\n", "line 2 has text after a quoted field"),
            ("a,b,a\n", "two columns `a`"),
        ] {
            let said = table(text).unwrap_err().to_string();
            assert!(said.starts_with("t.csv: ") && said.contains(expected), "{said}");
        }
        assert_eq!(table("\"a;b\"\n1\n").unwrap().0, ["a;b"], "quoted");
    }

    #[test]
    fn lines_are_entries() {
        let read = |text| lines(text, Path::new("l.txt"));
        assert_eq!(read("#tag\r\n a b \rc\n\n\n").unwrap(), ["#tag", "a b", "c"]);
        assert_eq!(read("\"cat\"\n \" a \"\"b\"\"\"\n7\" disc").unwrap(), ["cat", " a \"b\"", "7\" disc"]);
        for text in ["\"cat\n", "\"a\" b\"\n", "\"a\",\"b\""] {
            assert!(read(text).unwrap_err().to_string().contains("line 1 begins with a quote"), "{text}");
        }
        assert!(read("a\n\nb\n").unwrap_err().to_string().contains("line 2 is blank"));
        assert!(read(" \n").unwrap_err().to_string().contains("is empty"));
    }

    proptest! {
        /// Names of any kind, including those that look like comments, blank lines, quotes and other separators.
        #[test]
        fn what_is_written_reads_back(
            names in prop::collection::vec(
                prop_oneof![
                    any::<String>(),
                    "[ \t#;|,\"\r\n\u{feff}\u{a0}a☂]{0,6}",
                ],
                1..12,
            ),
            width in 1..4_usize,
        ) {
            let mut out = Vec::new();
            let columns: Vec<String> = (0..width).map(|at| format!("c{at}")).collect();
            write_row(&mut out, &columns).unwrap();
            let rows: Vec<Vec<String>> =
                names.iter().map(|name| (0..width).map(|at| name.repeat(at + 1)).collect()).collect();
            for row in &rows {
                write_row(&mut out, row).unwrap();
            }
            let text = String::from_utf8(out).unwrap();
            for text in [text.clone(), format!("# {text}").replacen("c0", "x\nc0", 1)] {
                let (found, read) = table(&text).unwrap();
                prop_assert_eq!(&found, &columns);
                prop_assert_eq!(read.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), rows.clone());
            }
        }
    }
}
