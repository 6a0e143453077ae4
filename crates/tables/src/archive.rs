//! Zip archives, as numpy writes them: entries that are stored as they are or compressed with deflate, also with 64-bit sizes.
//!
//! The list of the entries at the end of the file says where each is and how large. An entry is checked against its CRC-32.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::echo::echo;
use super::error::{Error, Problem, Result};
use super::memory;
use super::rows::read_exact_at;

const FORMAT: &str = ".npz";
/// Largest list of entries that is read.
const MOST_LIST: u64 = 1 << 26;
/// Largest factor of deflate, which bounds what an entry can claim.
const MOST_RATIO: u64 = 1032;

/// The end record, without its comment, and the records of archives with 64-bit sizes.
const END: usize = 22;
const LOCATOR: usize = 20;
const END_64: usize = 56;
/// The fixed part of an entry in the list, and of the header before its data.
const LISTED: usize = 46;
const LOCAL: usize = 30;

/// An archive whose list of entries has been read.
pub(super) struct Archive<'a> {
    pub(super) file: File,
    path: &'a Path,
    pub(super) entries: Vec<Entry>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The position of its first byte.
    pub(super) start: u64,
    packed: u64,
    /// Bytes without compression.
    pub(super) size: u64,
    checksum: u32,
    pub(super) is_deflated: bool,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut wide = [0; 8];
    // Every caller has checked the length.
    wide[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(wide)
}

impl<'a> Archive<'a> {
    pub(super) fn open(file: File, path: &'a Path) -> Result<Self> {
        let mut archive = Self { file, path, entries: Vec::new() };
        let length = archive.length()?;
        let (start, size, count) = archive.list_of_entries(length)?;
        if size > MOST_LIST || start.checked_add(size).is_none_or(|end| end > length) {
            return Err(archive.malformed(format!(
                "its list of entries claims {size} bytes at {start} in a file of {length}"
            )));
        }
        let list = archive.bytes(start, size as usize)?;
        let (mut rest, mut seen) = (list.as_slice(), HashSet::new());
        for _ in 0..count {
            let (entry, after) = archive.entry(rest, length)?;
            rest = after;
            if !seen.insert(entry.name.clone()) {
                return Err(Problem::RepeatedColumn { column: entry.name }.at(path));
            }
            archive.entries.push(entry);
        }
        // Nothing else shows that the number of entries is wrong, so that an array would be missed.
        if !rest.is_empty() {
            return Err(archive.malformed(format!("its list of entries is longer than {count} entries")));
        }
        Ok(archive)
    }

    fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|error| self.unreadable(&error))?.len())
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        Problem::Read(error.to_string()).at(self.path)
    }

    fn malformed(&self, reason: impl Into<String>) -> Error {
        Problem::Malformed { format: FORMAT, reason: reason.into() }.at(self.path)
    }

    fn bytes(&self, start: u64, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        read_exact_at(&self.file, &mut bytes, start).map_err(|error| self.unreadable(&error))?;
        Ok(bytes)
    }

    /// Position, size and number of entries of the list.
    fn list_of_entries(&self, length: u64) -> Result<(u64, u64, u64)> {
        let no_end = || {
            self.malformed(
                "it does not end like a zip archive; the program that wrote it may have been stopped",
            )
        };
        let tail = length.min(END as u64 + 0xffff);
        let bytes = self.bytes(length - tail, tail as usize)?;
        let is_end = |at: &usize| {
            bytes[*at..].starts_with(b"PK\x05\x06")
                && at + END + number::<2>(&bytes, at + 20) as usize == bytes.len()
        };
        let places = (0..(bytes.len() + 1).saturating_sub(END)).rev();
        let end = places.into_iter().find(is_end).ok_or_else(no_end)?;
        let (count, size, start) =
            (number::<2>(&bytes, end + 10), number::<4>(&bytes, end + 12), number::<4>(&bytes, end + 16));
        if count != 0xffff && size != 0xffff_ffff && start != 0xffff_ffff {
            return Ok((start, size, count));
        }
        let place = (length - tail + end as u64).checked_sub(LOCATOR as u64).ok_or_else(no_end)?;
        let locator = self.bytes(place, LOCATOR)?;
        let place = number::<8>(&locator, 8);
        if !locator.starts_with(b"PK\x06\x07")
            || place.checked_add(END_64 as u64).is_none_or(|end| end > length)
        {
            return Err(no_end());
        }
        let end = self.bytes(place, END_64)?;
        if !end.starts_with(b"PK\x06\x06") {
            return Err(no_end());
        }
        Ok((number::<8>(&end, 48), number::<8>(&end, 40), number::<8>(&end, 32)))
    }

    /// The first entry of a list, and the rest of the list.
    fn entry<'b>(&self, list: &'b [u8], length: u64) -> Result<(Entry, &'b [u8])> {
        let cut = || self.malformed("its list of entries is cut");
        if list.len() < LISTED || !list.starts_with(b"PK\x01\x02") {
            return Err(cut());
        }
        let short = |at: usize| number::<2>(list, at) as usize;
        let (names, extra, comment) = (short(28), short(30), short(32));
        let (head, rest) = list.split_at_checked(LISTED + names + extra + comment).ok_or_else(cut)?;
        let name = String::from_utf8_lossy(&head[LISTED..LISTED + names]).into_owned();
        let mut wide = [number::<4>(list, 24), number::<4>(list, 20), number::<4>(list, 42)];
        wide_numbers(&head[LISTED + names..LISTED + names + extra], &mut wide).ok_or_else(cut)?;
        let [size, packed, header] = wide;
        if number::<2>(list, 8) & 1 != 0 {
            return Err(self.malformed(format!("the entry `{name}` is encrypted")));
        }
        let is_deflated = match short(10) {
            0 => false,
            8 => true,
            method => {
                return Err(self.malformed(format!(
                    "the entry `{name}` is compressed with method {method}; numpy writes 0 or 8 (deflate)"
                )));
            }
        };
        let outside = || {
            self.malformed(format!(
                "the entry `{name}` claims {packed} bytes at {header} in a file of {length}"
            ))
        };
        if header.checked_add(LOCAL as u64).is_none_or(|end| end > length) {
            return Err(outside());
        }
        let local = self.bytes(header, LOCAL)?;
        if !local.starts_with(b"PK\x03\x04") {
            return Err(self.malformed(format!("the entry `{name}` is not where the list of entries says")));
        }
        let start = header + LOCAL as u64 + number::<2>(&local, 26) + number::<2>(&local, 28);
        let named = self.bytes(
            header + LOCAL as u64,
            number::<2>(&local, 26).min(length - header - LOCAL as u64) as usize,
        )?;
        if named != head[LISTED..LISTED + names] {
            let other = String::from_utf8_lossy(&named);
            return Err(
                self.malformed(format!("the entry `{name}` is called `{}` before its data", echo(&other)))
            );
        }
        if start.checked_add(packed).is_none_or(|end| end > length) {
            return Err(outside());
        }
        let fits = if is_deflated { size <= packed.saturating_mul(MOST_RATIO) } else { size == packed };
        if !fits {
            return Err(self.malformed(format!("the entry `{name}` claims {size} bytes in {packed}")));
        }
        let checksum = number::<4>(list, 16) as u32;
        Ok((Entry { name, start, packed, size, checksum, is_deflated }, rest))
    }

    /// The first bytes of an entry, at most `most`.
    pub(super) fn beginning(&self, entry: &Entry, most: usize) -> Result<Vec<u8>> {
        let count = entry.size.min(most as u64);
        let mut bytes = Vec::new();
        self.reader(entry).take(count).read_to_end(&mut bytes).map_err(|error| self.broken(entry, &error))?;
        Ok(bytes)
    }

    /// All bytes of an entry.
    pub(super) fn whole(&self, entry: &Entry) -> Result<Vec<u8>> {
        memory::require(entry.size.into(), 1, self.path)?;
        let mut bytes = Vec::new();
        let mut reader = self.reader(entry).take(entry.size.saturating_add(1));
        reader.read_to_end(&mut bytes).map_err(|error| self.broken(entry, &error))?;
        self.require_checksum(entry, bytes.len() as u64, crc32fast::hash(&bytes))?;
        Ok(bytes)
    }

    /// Reads an entry whole to compare its checksum.
    pub(super) fn check(&self, entry: &Entry) -> Result<()> {
        let (mut reader, mut sum, mut size) = (self.reader(entry), crc32fast::Hasher::new(), 0);
        let mut block = vec![0; 1 << 20];
        loop {
            match reader.read(&mut block).map_err(|error| self.broken(entry, &error))? {
                0 => return self.require_checksum(entry, size, sum.finalize()),
                count => {
                    sum.update(&block[..count]);
                    size += count as u64;
                }
            }
        }
    }

    fn require_checksum(&self, entry: &Entry, size: u64, checksum: u32) -> Result<()> {
        if (size, checksum) == (entry.size, entry.checksum) {
            return Ok(());
        }
        Err(self.malformed(format!(
            "the entry `{}` is damaged: its checksum or size is not that of the archive",
            entry.name
        )))
    }

    fn broken(&self, entry: &Entry, error: &io::Error) -> Error {
        self.malformed(format!("the entry `{}` cannot be read: {error}", entry.name))
    }

    fn reader<'b>(&'b self, entry: &Entry) -> Box<dyn Read + 'b> {
        let stored = Stored { file: &self.file, at: entry.start, end: entry.start + entry.packed };
        if entry.is_deflated { Box::new(DeflateDecoder::new(stored)) } else { Box::new(stored) }
    }
}

/// Replaces size, packed size and position by those of the extra field for 64-bit sizes, where they do not fit.
fn wide_numbers(mut extra: &[u8], wide: &mut [u64; 3]) -> Option<()> {
    while extra.len() >= 4 {
        let (id, length) = (number::<2>(extra, 0), number::<2>(extra, 2) as usize);
        let (field, rest) = extra[4..].split_at_checked(length)?;
        if id == 1 {
            let mut at = 0;
            for value in wide.iter_mut().filter(|value| **value == 0xffff_ffff) {
                field.get(at..at + 8)?;
                *value = number::<8>(field, at);
                at += 8;
            }
        }
        extra = rest;
    }
    Some(())
}

/// A range of a file.
struct Stored<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Stored<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (self.end - self.at).min(out.len() as u64) as usize;
        read_exact_at(self.file, &mut out[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
