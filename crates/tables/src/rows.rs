//! A matrix in memory or in a file, read row by row.
//!
//! Files are read by position instead of being mapped into memory. Both use the page cache, but if a file is truncated while it is in
//! use, reading returns an error, whereas a mapping would end the process.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{Problem, Result};
use super::memory;
use super::numbers::{Kind, RANGE, doubles, floats_into, out_of_range};

/// Rows per read, so that the bytes of the whole file are never in memory.
const AT_ONCE: usize = 4096;

/// The layout of the matrix in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// The first byte of the first row.
    pub(super) offset: u64,
    pub(super) kind: Kind,
    pub(super) big: bool,
    pub(super) rows: usize,
    pub(super) dim: usize,
}

/// A matrix `[rows, dim]` whose rows can be read in any order.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    count: usize,
    dim: usize,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<f32>),
    File(File, Layout),
}

impl Rows {
    /// A matrix `[rows, dim]` in memory, row-major. `path` is what errors call it.
    ///
    /// # Panics
    /// If `data` does not have the length `rows * dim`.
    pub fn in_memory(path: &Path, rows: usize, dim: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), rows * dim, "{rows} rows of {dim} numbers");
        Self { path: path.to_owned(), count: rows, dim, store: Store::Memory(data) }
    }

    pub(super) fn in_file(path: &Path, file: File, layout: Layout) -> Self {
        let (count, dim) = (layout.rows, layout.dim);
        Self { path: path.to_owned(), count, dim, store: Store::File(file, layout) }
    }

    /// The file of the matrix.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.count
    }

    /// Dimension of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether the values stay in the file until they are read.
    pub fn is_in_file(&self) -> bool {
        matches!(self.store, Store::File(..))
    }

    /// Fills `out`, a whole number of rows, from row `first` on.
    ///
    /// # Errors
    /// [`Problem::Read`] if the file has become shorter or can no longer be read.
    ///
    /// # Panics
    /// If `out` is not a whole number of rows or extends past the last row.
    pub fn read_into(&self, first: usize, out: &mut [f32]) -> Result<()> {
        self.read_with(first, &mut Vec::new(), out)
    }

    /// As [`Rows::read_into`], with a buffer for the bytes of the file that several calls can share.
    ///
    /// # Errors
    /// As [`Rows::read_into`].
    ///
    /// # Panics
    /// As [`Rows::read_into`].
    pub fn read_with(&self, first: usize, bytes: &mut Vec<u8>, out: &mut [f32]) -> Result<()> {
        let count = out.len() / self.dim.max(1);
        assert!(count * self.dim == out.len() && first + count <= self.count, "whole rows of the matrix");
        match &self.store {
            Store::Memory(data) => out.copy_from_slice(&data[first * self.dim..][..out.len()]),
            Store::File(file, layout) => {
                bytes.resize(out.len() * layout.kind.bytes(), 0);
                let place = layout.offset + (first * self.dim * layout.kind.bytes()) as u64;
                read_exact_at(file, bytes, place)
                    .map_err(|error| Problem::Read(error.to_string()).at(&self.path))?;
                floats_into(bytes, layout.kind, layout.big, out);
                if layout.kind == Kind::Double {
                    let rows = doubles(bytes, layout.kind, layout.big);
                    let mut rows = rows.chunks_exact(self.dim.max(1)).zip(first..);
                    let outside = rows.find_map(|(row, at)| Some((at, out_of_range(row)?)));
                    if let Some((row, (column, value))) = outside {
                        let (column, found) = (column.to_string(), value.to_string());
                        return Err(
                            Problem::Cell { row, column, found, expected: RANGE.to_owned() }.at(&self.path)
                        );
                    }
                }
            }
        }
        Ok(())
    }

    /// Replaces each row by its values at `order`. The rows are then in memory.
    pub(super) fn reorder(&mut self, order: &[usize]) -> Result<()> {
        let empty = Self::in_memory(&self.path, 0, self.dim, Vec::new());
        let whole = std::mem::replace(self, empty);
        let (path, count) = (whole.path.clone(), whole.count);
        let mut data = whole.into_data()?;
        reorder(&mut data, order);
        *self = Self::in_memory(&path, count, order.len(), data);
        Ok(())
    }

    /// All values, row-major.
    ///
    /// # Errors
    /// As [`Rows::read_into`].
    pub fn into_data(self) -> Result<Vec<f32>> {
        if let Store::Memory(data) = self.store {
            return Ok(data);
        }
        memory::require(self.count as u128 * self.dim as u128, size_of::<f32>() as u128, &self.path)?;
        let mut data = vec![0.0; self.count * self.dim];
        for (part, out) in data.chunks_mut((AT_ONCE * self.dim).max(1)).enumerate() {
            self.read_into(part * AT_ONCE, out)?;
        }
        Ok(data)
    }
}

/// Replaces each row of values by its values at `order`.
pub(super) fn reorder(data: &mut [f32], order: &[usize]) {
    let mut row = vec![0.0; order.len()];
    for values in data.chunks_exact_mut(order.len().max(1)) {
        row.copy_from_slice(values);
        values.iter_mut().zip(order).for_each(|(value, at)| *value = row[*at]);
    }
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], place: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, place)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut place: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, place)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => (bytes, place) = (&mut bytes[read..], place + read as u64),
        }
    }
    Ok(())
}
