//! A matrix in memory or in a file, read row by row.
//!
//! Files are read by position instead of being mapped into memory. Both use the page cache, but if a file is truncated while it is in
//! use, reading returns an error, whereas a mapping would end the process.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{Problem, Result};
use super::memory;
use super::numbers::{Kind, Precise, RANGE, doubles, floats_into, out_of_range, split};
use super::precision::Rounding;

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
    /// The values, and what `f32` rounded off each of them if they were read as `f64`.
    Memory(Vec<f32>, Option<Vec<f32>>),
    File(File, Layout),
}

impl Rows {
    /// A matrix `[rows, dim]` in memory, row-major. `path` is what errors call it.
    ///
    /// # Panics
    /// If `data` does not have the length `rows * dim`.
    pub fn in_memory(path: &Path, rows: usize, dim: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), rows * dim, "{rows} rows of {dim} numbers");
        Self { path: path.to_owned(), count: rows, dim, store: Store::Memory(data, None) }
    }

    /// Values that were read as `f64`.
    pub(super) fn precise(path: &Path, rows: usize, dim: usize, values: Precise) -> Self {
        let (data, rests) = values.into_parts();
        assert_eq!(data.len(), rows * dim, "{rows} rows of {dim} numbers");
        Self { path: path.to_owned(), count: rows, dim, store: Store::Memory(data, rests) }
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
            Store::Memory(data, _) => out.copy_from_slice(&data[first * self.dim..][..out.len()]),
            Store::File(file, layout) => {
                if layout.kind == Kind::Double {
                    let values = self.doubles(first, count, bytes)?;
                    out.iter_mut().zip(values).for_each(|(out, value)| *out = value as f32);
                    return Ok(());
                }
                bytes.resize(out.len() * layout.kind.bytes(), 0);
                let place = layout.offset + (first * self.dim * layout.kind.bytes()) as u64;
                read_exact_at(file, bytes, place)
                    .map_err(|error| Problem::Read(error.to_string()).at(&self.path))?;
                floats_into(bytes, layout.kind, layout.big, out);
            }
        }
        Ok(())
    }

    /// Replaces each row by its values at `order`. The rows are then in memory.
    pub(super) fn reorder(&mut self, order: &[usize]) -> Result<()> {
        let empty = Self::in_memory(&self.path, 0, self.dim, Vec::new());
        let whole = std::mem::replace(self, empty);
        let (path, count) = (whole.path.clone(), whole.count);
        let (mut data, mut rests) = whole.into_parts()?;
        reorder(&mut data, order);
        if let Some(rests) = &mut rests {
            reorder(rests, order);
        }
        *self = Self { path, count, dim: order.len(), store: Store::Memory(data, rests) };
        Ok(())
    }

    /// Rejects values of 64 bits whose differences from row to row are lost in 32 bits: for uses that take the values as `f32`, such as
    /// training. Only such values are read.
    ///
    /// # Errors
    /// [`Problem::Rounded`]; those of [`Rows::read_into`].
    pub fn require_float32(&self) -> Result<()> {
        let mut rounding = Rounding::new(self.dim);
        match &self.store {
            Store::Memory(data, Some(rests)) if self.dim > 0 => {
                for (row, rests) in data.chunks_exact(self.dim).zip(rests.chunks_exact(self.dim)) {
                    rounding.add(row.iter().zip(rests).map(|(value, rest)| (*value, *rest)));
                }
            }
            Store::File(_, Layout { kind: Kind::Double, .. }) if self.dim > 0 => {
                let mut bytes = Vec::new();
                for first in (0..self.count).step_by(AT_ONCE) {
                    let values = self.doubles(first, AT_ONCE.min(self.count - first), &mut bytes)?;
                    for row in values.chunks_exact(self.dim) {
                        rounding.add(row.iter().map(|value| split(*value)));
                    }
                }
            }
            Store::Memory(..) | Store::File(..) => return Ok(()),
        }
        rounding.require_little().map_err(|problem| problem.at(&self.path))
    }

    /// Values of a file of `f64`, `count` rows from `first` on.
    fn doubles(&self, first: usize, count: usize, bytes: &mut Vec<u8>) -> Result<Vec<f64>> {
        let Store::File(file, layout) = &self.store else { return Ok(Vec::new()) };
        bytes.resize(count * self.dim * layout.kind.bytes(), 0);
        let place = layout.offset + (first * self.dim * layout.kind.bytes()) as u64;
        read_exact_at(file, bytes, place).map_err(|error| Problem::Read(error.to_string()).at(&self.path))?;
        let values = doubles(bytes, layout.kind, layout.big);
        let mut rows = values.chunks_exact(self.dim.max(1)).zip(first..);
        match rows.find_map(|(row, at)| Some((at, out_of_range(row)?))) {
            Some((row, outside)) => Err(outside_at(row, outside).at(&self.path)),
            None => Ok(values),
        }
    }

    /// All values, row-major.
    ///
    /// # Errors
    /// As [`Rows::read_into`].
    pub fn into_data(self) -> Result<Vec<f32>> {
        if let Store::Memory(data, _) = self.store {
            return Ok(data);
        }
        memory::require(self.count as u128 * self.dim as u128, size_of::<f32>() as u128, &self.path)?;
        let mut data = vec![0.0; self.count * self.dim];
        for (part, out) in data.chunks_mut((AT_ONCE * self.dim).max(1)).enumerate() {
            self.read_into(part * AT_ONCE, out)?;
        }
        Ok(data)
    }

    /// All values, row-major, and what `f32` rounded off each of them; `None` if that is nothing.
    ///
    /// # Errors
    /// As [`Rows::read_into`].
    pub(super) fn into_parts(self) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
        match self.store {
            Store::Memory(data, rests) => Ok((data, rests)),
            Store::File(_, Layout { kind: Kind::Double, .. }) => {
                let both = 2 * size_of::<f32>() as u128;
                memory::require(self.count as u128 * self.dim as u128, both, &self.path)?;
                let (mut values, mut bytes) = (Precise::default(), Vec::new());
                for first in (0..self.count).step_by(AT_ONCE) {
                    let part = self.doubles(first, AT_ONCE.min(self.count - first), &mut bytes)?;
                    for value in part {
                        values.push(value);
                    }
                }
                Ok(values.into_parts())
            }
            Store::File(..) => Ok((self.into_data()?, None)),
        }
    }
}

/// The problem of a value that `f32` cannot hold.
pub(super) fn outside_at(row: usize, (column, value): (usize, f64)) -> Problem {
    Problem::Cell { row, column: column.to_string(), found: value.to_string(), expected: RANGE.to_owned() }
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
