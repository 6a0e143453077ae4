//! Names of files and folders: hidden ones, endings, and names as text.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// File name endings of images, in lower case.
pub const IMAGE_ENDINGS: [&str; 17] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "tif", "tiff", "gif", "pnm", "pbm", "pgm",
    "ppm", "pam", "qoi",
];

/// Whether a file name has one of [`IMAGE_ENDINGS`], in upper or lower case.
pub fn is_image(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(is_image_ending)
}

/// Whether an ending is one of [`IMAGE_ENDINGS`], in upper or lower case.
pub(crate) fn is_image_ending(ending: &str) -> bool {
    IMAGE_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Whether a file name has this ending, in upper or lower case.
pub(crate) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The ending of a file name in lower case, with the dot; empty without an ending.
pub(crate) fn ending(path: &Path) -> String {
    path.extension()
        .map_or_else(String::new, |ending| format!(".{}", text_of(ending.as_ref()).to_lowercase()))
}

/// Whether the name begins with a dot.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Folders that other programs create, with thumbnails, deleted files or copies in them, and names that do not begin with a dot.
const OF_PROGRAMS: [&str; 9] = [
    "@eaDir",
    "@Recycle",
    "@Recently-Snapshot",
    "#recycle",
    "#snapshot",
    "__MACOSX",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// Whether a folder has a name that another program gave it, so that the images in it are no samples.
pub(crate) fn is_of_program(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| OF_PROGRAMS.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// A path as text. Different paths give different texts: bytes that are not UTF-8 are written as `\xff`.
pub(crate) fn text_of(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Name of a data set: the last component of its folder (`.` and `..` are resolved), or its file name without the ending.
pub(crate) fn name_of(path: &Path) -> String {
    let last = |path: &Path| {
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        name.map(|name| name.to_string_lossy().into_owned())
    };
    last(path)
        .or_else(|| fs::canonicalize(path).ok().as_deref().and_then(last))
        .unwrap_or_else(|| "data".to_owned())
}
