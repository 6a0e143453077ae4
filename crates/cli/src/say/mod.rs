//! The only way from the program to the terminal: [`say!`] for standard error, [`results`] for standard output.
//!
//! What is said on standard error never ends or stops a run: if it is closed, if its reader is gone or does not read, or if it is a log on
//! a full disk, the text is lost and the work goes on ([`standard_error`]). Results that cannot be written are an error. Both show control
//! characters of names as escape sequences ([`widemargin_report::terminal`]); `clippy.toml` disallows other ways to print.

mod standard_error;

use anyhow::Error;
use standard_error::Speaker;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, IsTerminal, Stderr, StdoutLock, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use widemargin_report::terminal::{visible, visible_lines};

/// Columns of text that is broken into lines.
const WIDTH: usize = 80;

/// Indent of the further lines of a message.
const INDENT: usize = 2;

/// Longest message on standard error, in characters. A name in a damaged file can be of any length.
const LONGEST: usize = 10_000;

/// Says a line on standard error; the arguments are those of `format!`.
macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// The function behind [`say!`]. A message is one line: line breaks inside are escaped.
pub(crate) fn line(text: Arguments<'_>) {
    let text = text.to_string();
    if is_quiet() && text.starts_with("note: ") {
        return;
    }
    let mut line = clipped(&visible(&text));
    if is_prose(&line) && stderr().is_terminal() {
        line = wrapped("", &line, INDENT);
    } else {
        line.push('\n');
    }
    // In one piece, so that lines of several threads do not mix.
    speak(line);
}

/// Whether a line has several words and is no row of a table, so that it may be broken into lines where a person reads it.
fn is_prose(line: &str) -> bool {
    line.chars().count() > WIDTH && !line.contains("  ")
}

/// Whether only results, warnings and errors are printed.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out notes and progress from here on.
pub(crate) fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Says text of several lines that ends with a line break, such as the help after a wrong flag.
pub(crate) fn block(text: &str) {
    speak(visible_lines(text).into_owned());
}

/// Waits until everything said is written, but not long for a reader that does not read. To be called before the program ends.
pub(crate) fn finish() {
    if let Some(Some(speaker)) = SPEAKER.get() {
        speaker.finish();
    }
}

/// `None` if its thread cannot be started.
static SPEAKER: OnceLock<Option<Arc<Speaker>>> = OnceLock::new();

fn speak(text: String) {
    match SPEAKER.get_or_init(|| Speaker::start(stderr()).ok()) {
        Some(speaker) => speaker.say(text.into_bytes()),
        // If it cannot be written, nothing can be said about it.
        None => drop(stderr().write_all(text.as_bytes())),
    }
}

#[expect(clippy::disallowed_methods, reason = "the place through which everything is said")]
fn stderr() -> Stderr {
    io::stderr()
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}... ({} more bytes)", &text[..end], text.len() - end),
    }
}

/// Standard output, for the results of a command. Line breaks and tabs are kept; escape names inside with [`visible`].
#[expect(clippy::disallowed_methods, reason = "the place through which all results are written")]
pub(crate) fn results() -> Results<StdoutLock<'static>> {
    Results { out: io::stdout().lock(), cut: Vec::new() }
}

/// A sentence among the results, with its line break: broken into lines on a terminal, one line elsewhere.
#[expect(clippy::disallowed_methods, reason = "asks only what the results are written to")]
pub(crate) fn sentence(text: &str) -> String {
    let text = visible(text);
    if is_prose(&text) && io::stdout().is_terminal() {
        wrapped("", &text, INDENT)
    } else {
        format!("{text}\n")
    }
}

/// A path within a line of results.
pub(crate) fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy()).into_owned()
}

/// Words after a beginning, broken at 80 columns; further lines are indented.
pub(crate) fn wrapped(beginning: &str, words: &str, indent: usize) -> String {
    let (mut text, mut line) = (String::new(), beginning.to_owned());
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let gap = if line.ends_with(' ') || line.is_empty() { "" } else { " " };
        if line.chars().count() + gap.len() + word.chars().count() > WIDTH && !line.trim().is_empty() {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(indent) + word;
        } else {
            line.push_str(gap);
            line.push_str(word);
        }
    }
    text + line.trim_end() + "\n"
}

/// A writer that escapes control characters.
pub(crate) struct Results<Out: Write> {
    out: Out,
    /// The first bytes of a character whose other bytes were not written yet.
    cut: Vec<u8>,
}

impl<Out: Write> Write for Results<Out> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cut.extend_from_slice(bytes);
        let mut from = 0;
        while from < self.cut.len() {
            let rest = &self.cut[from..];
            let (whole, skipped) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), 0),
                Err(error) => match error.error_len() {
                    Some(bad) => (error.valid_up_to(), bad),
                    None if error.valid_up_to() == 0 => break,
                    None => (error.valid_up_to(), 0),
                },
            };
            let text = String::from_utf8_lossy(&rest[..whole]);
            self.out.write_all(visible_lines(&text).as_bytes()).map_err(lost)?;
            if skipped > 0 {
                self.out.write_all("\u{fffd}".as_bytes()).map_err(lost)?;
            }
            from += whole + skipped;
        }
        self.cut.drain(..from);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().map_err(lost)
    }
}

/// The error for results that could not be written. It keeps the kind of the system's error.
fn lost(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output: the results cannot be written: {error}"))
}

/// Whether the error is that the reader of the results is gone, as after `| head`.
pub(crate) fn reader_is_gone(error: &Error) -> bool {
    let gone = |kind| kind == ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| gone(error.kind()))
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|error| error.io_error_kind().is_some_and(gone))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&[u8]]) -> String {
        let mut results = Results { out: Vec::new(), cut: Vec::new() };
        for piece in pieces {
            results.write_all(piece).expect("memory takes everything");
        }
        String::from_utf8(results.out).expect("text")
    }

    #[test]
    fn results_keep_their_layout_and_nothing_else_that_controls() {
        assert_eq!(written(&[b"a\tb\n", b"\x1b[31mred\r\x7f\n"]), "a\tb\n\\u001b[31mred\\r\\u007f\n");
        let text = serde_json::json!({ "name": "\u{9b}31m\u{1b}\n\u{202e}" }).to_string();
        let shown = written(&[text.as_bytes()]);
        assert!(!shown.contains(['\u{9b}', '\u{1b}', '\u{202e}']), "{shown}");
        assert_eq!(
            shown.parse::<serde_json::Value>().expect("JSON"),
            text.parse::<serde_json::Value>().expect("JSON")
        );
    }

    #[test]
    fn characters_may_be_cut_anywhere_and_bytes_that_are_no_text_are_replaced() {
        let text = "Größe 猫👩‍🚀\u{9b}\n";
        for at in 0..text.len() {
            let (start, end) = text.as_bytes().split_at(at);
            assert_eq!(written(&[start, end]), "Größe 猫👩‍🚀\\u009b\n", "{at}");
        }
        assert_eq!(written(&[b"a\xffb\xc3", b"(\n"]), "a\u{fffd}b\u{fffd}(\n");
    }

    #[test]
    fn prose_is_broken_into_lines_and_rows_of_tables_are_not() {
        let long = "warning: ".to_owned() + &"a few words ".repeat(10);
        assert!(is_prose(long.trim_end()) && !is_prose("short") && !is_prose(&format!("{long}  1.0")));
        let lines = wrapped("", long.trim_end(), INDENT);
        assert!(
            lines.lines().count() == 2 && lines.lines().all(|line| line.chars().count() <= WIDTH),
            "{lines}"
        );
        assert!(
            lines.lines().nth(1).is_some_and(|line| line.starts_with("  a") || line.starts_with("  f")),
            "{lines}"
        );
    }

    #[test]
    fn long_messages_are_clipped() {
        assert_eq!(clipped("short"), "short");
        let long = clipped(&"é".repeat(LONGEST + 5));
        assert!(long.ends_with("é... (10 more bytes)"), "{}", &long[long.len() - 40..]);
    }

    #[test]
    fn lost_results_are_an_error_and_a_reader_that_is_gone_is_recognised() {
        struct Failing(ErrorKind);
        impl Write for Failing {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        for (kind, gone) in [(ErrorKind::BrokenPipe, true), (ErrorKind::StorageFull, false)] {
            let mut results = Results { out: Failing(kind), cut: Vec::new() };
            let error = writeln!(results, "answer").expect_err("nothing can be written");
            assert!(error.to_string().contains("standard output"), "{error}");
            assert_eq!(reader_is_gone(&error.into()), gone);
            let json = serde_json::to_writer(&mut results, &1).expect_err("nothing can be written");
            assert_eq!(reader_is_gone(&json.into()), gone);
        }
    }
}
