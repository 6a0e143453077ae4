//! Finds columns of image files.

use super::super::error::Result;
use super::cells::Cell;
use super::column_file::{ColumnFile, Kind};

/// How the files of images begin: PNG, JPEG, GIF, WebP, TIFF and BMP.
const IMAGES: [&[u8]; 7] = [b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM"];

/// Whether a column holds image files: their bytes, or a group of bytes and path as the library `datasets` writes them.
pub(super) fn has_images(file: &dyn ColumnFile, at: usize) -> bool {
    match file.columns()[at].kind {
        Kind::Group { images } => images,
        Kind::Bytes => begins_like_images(file, at).unwrap_or(false),
        _ => false,
    }
}

/// Whether the first value that is not null begins like an image.
fn begins_like_images(file: &dyn ColumnFile, at: usize) -> Result<bool> {
    let mut found = false;
    file.each_row(&[at], &mut |cells| match &cells[0] {
        Cell::Bytes(bytes) => {
            found = IMAGES.iter().any(|start| bytes.starts_with(start));
            Ok(false)
        }
        _ => Ok(true),
    })?;
    Ok(found)
}
