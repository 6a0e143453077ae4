//! Bounds the text that is read from a file: a page can repeat a long text millions of times in a few bytes.

use super::super::error::{Problem, Result};
use super::column_file::ColumnFile;

/// Bytes of text that may still be read.
pub(super) struct TextBudget<'a> {
    file: &'a dyn ColumnFile,
    left: u64,
}

impl<'a> TextBudget<'a> {
    /// Bytes of text for any file, and per byte of the file.
    const FREE: u64 = 16 << 20;
    const PER_BYTE: u64 = 1024;

    pub(super) fn new(file: &'a dyn ColumnFile) -> Result<Self> {
        let length = file_length(file)?;
        Ok(Self { file, left: Self::FREE.saturating_add(length.saturating_mul(Self::PER_BYTE)) })
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| {
            self.file.problem("its texts are far longer than the file").at(self.file.path())
        })?;
        Ok(())
    }
}

pub(super) fn file_length(file: &dyn ColumnFile) -> Result<u64> {
    let unreadable = |error: std::io::Error| Problem::Read(error.to_string()).at(file.path());
    Ok(std::fs::metadata(file.path()).map_err(unreadable)?.len())
}
