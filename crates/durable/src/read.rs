//! Reading of regular files: nothing that waits for a writer, never ends, or is larger than expected.
//!
//! A pipe waits until something writes to it, and a device such as `/dev/zero` never ends. Both are rejected before they are opened.
//! Errors are [`io::Error`]s whose text completes "cannot be read: "; the caller adds the path.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Largest settings, split and text files, in bytes: far more than any written by hand.
pub const MOST_TEXT: u64 = 1 << 30;

/// The byte order mark of UTF-8, which some editors and spreadsheets write first.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Opens a regular file, following links.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::InvalidInput`] for a pipe, socket or device, and for a file that claims to be empty but is not, as
/// those in `/proc` do: such a file cannot be read by position. [`io::ErrorKind::IsADirectory`] for a folder.
pub fn open_file(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    let file = regular(path)?;
    if file.metadata()?.len() == 0 && File::open(path)?.read(&mut [0])? > 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it claims a size of 0 bytes but has content; copy it to a regular file",
        ));
    }
    Ok(file)
}

/// Reads a regular file of at most `most` bytes, whatever size it claims.
///
/// # Errors
/// As [`open_file`], except that a file that claims to be empty is read; [`io::ErrorKind::FileTooLarge`] for a longer file.
pub fn read_file(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let file = regular(path.as_ref())?;
    let too_large = |found: String| {
        io::Error::new(io::ErrorKind::FileTooLarge, format!("found {found} bytes, expected at most {most}"))
    };
    let claimed = file.metadata()?.len();
    if claimed > most {
        return Err(too_large(claimed.to_string()));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(claimed as usize)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_large(format!("more than {most}")));
    }
    Ok(bytes)
}

/// Reads a text file of at most [`MOST_TEXT`] bytes, without its byte order mark.
///
/// # Errors
/// As [`read_file`]; [`io::ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    text(read_file(path, MOST_TEXT)?)
}

/// Text without its byte order mark.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn text(mut bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(invalid("it is text in UTF-16, expected UTF-8; save it as UTF-8".to_owned()));
    }
    // Joined files and careless programs write it twice.
    let marks = bytes.chunks_exact(MARK.len()).take_while(|chunk| *chunk == MARK).count();
    bytes.drain(..marks * MARK.len());
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
        invalid(format!("line {line} is not text in UTF-8; save it as UTF-8"))
    })
}

fn regular(path: &Path) -> io::Result<File> {
    // Checked before it is opened: opening a pipe waits for a writer.
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, expected a file"));
    }
    if !kind.is_file() {
        let reason =
            "it is a pipe, socket or device, expected a regular file; write the data to a file first";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for (bytes, expected) in [
            (&b"\xef\xbb\xbfa\xc3\xa9"[..], Ok("aé")),
            (b"", Ok("")),
            (b"a\xef\xbb\xbf", Ok("a\u{feff}")),
            (b"\xef\xbb\xbf\xef\xbb\xbfa", Ok("a")),
            (b"\xff\xfea\0", Err("UTF-16")),
            (b"a\nb\xff", Err("line 2 is not text in UTF-8")),
        ] {
            fs::write(&path, bytes).unwrap();
            match (read_text(&path), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn larger_files_than_expected_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read_file(&path, 5).unwrap(), b"12345");
        let error = read_file(&path, 4).unwrap_err().to_string();
        assert_eq!(error, "found 5 bytes, expected at most 4");
        assert_eq!(read_file(folder.path().join("b"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(open_file(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_regular_file_is_rejected_and_a_claimed_size_of_0_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [Path::new("/dev/zero"), Path::new("/dev/null"), &socket] {
            for error in [open_file(path).unwrap_err(), read_file(path, 10).unwrap_err()] {
                assert!(error.to_string().contains("expected a regular file"), "{error}");
            }
        }
        let claims_nothing = Path::new("/proc/self/status");
        assert!(read_text(claims_nothing).unwrap().contains("VmHWM"));
        assert!(open_file(claims_nothing).unwrap_err().to_string().contains("claims a size of 0 bytes"));
        let error = read_file(claims_nothing, 10).unwrap_err().to_string();
        assert_eq!(error, "found more than 10 bytes, expected at most 10");
    }
}
