//! What an `embed` that was stopped leaves, and whether the next one may go on with it.
//!
//! `OUT.partial` holds the rows, `OUT.partial.json` what they are of; nothing but its beginning is written to either, so the time of the
//! second is when the work began. Rows are gone on with only where model, input and names are the same, the rows are no more than are
//! expected, and no file of those that are done was changed since. Else the work begins anew, and it is said of what the old was.
//!
//! `OUT.partial.lock` is locked as long as a program is at work on the file. The system drops the lock with the program, however it ends.

use super::beside;
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What an unfinished file is made of.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Made {
    /// Bytes and checksum of the model's file.
    pub(super) model: (usize, u32),
    pub(super) input: PathBuf,
    pub(super) rows: usize,
    pub(super) dim: usize,
    /// Checksum of the names of all images; of a table, of its length and the time of its last change.
    pub(super) samples: u32,
}

/// Keeps other programs from the same file as long as it lives.
pub(super) struct Claim {
    path: PathBuf,
    partial: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Claim {
    /// Takes the file that is to be made; refused while another program is at work on it.
    #[expect(clippy::disallowed_methods, reason = "a file that holds nothing but a lock has nothing to lose")]
    pub(super) fn take(out: &Path) -> anyhow::Result<Self> {
        let (path, partial) = (beside(out, ".partial.lock"), beside(out, ".partial"));
        let file = loop {
            let opened = File::options().read(true).append(true).create(true).open(&path);
            let file = opened.with_context(|| format!("{}: cannot be made", path.display()))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    bail!("{}: another `embed` is at work on it", out.display())
                }
                // Some file systems know no locks.
                Err(TryLockError::Error(error)) => {
                    eprintln!(
                        "warning: {}: cannot be locked ({error}); let no other `embed` write to {}",
                        path.display(),
                        out.display()
                    );
                    break file;
                }
            }
            // Whoever had it may have removed it since it was opened: then its lock keeps nobody away.
            if is_still(&path, &file) {
                break file;
            }
        };
        let claim = Self { path, partial, _file: file };
        ensure!(!out.exists(), "{}: exists already", out.display());
        Ok(claim)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // It belongs to unfinished rows; where there are none it has no use.
        if !self.partial.exists() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn is_still(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(named), Ok(opened)) = (fs::metadata(path), file.metadata()) else { return false };
    (named.dev(), named.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_still(path: &Path, _: &File) -> bool {
    path.exists()
}

/// What lies there of a file that is to be made.
pub(super) struct Unfinished {
    path: PathBuf,
    /// Bytes of `OUT.partial`.
    pub(super) length: u64,
    /// What it is made of and when that was begun, if that can be told.
    known: Option<(Made, SystemTime)>,
}

impl Unfinished {
    pub(super) fn find(out: &Path) -> Self {
        let (path, about) = (beside(out, ".partial"), beside(out, ".partial.json"));
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let made = fs::read(&about).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let began = fs::metadata(&about).and_then(|metadata| metadata.modified()).ok();
        Self { path, length, known: made.zip(began) }
    }

    /// Whether an `embed` to this file was stopped.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// How many rows of it may be gone on with. If there are some and none may, standard error hears what they are of.
    ///
    /// `header` is how the numbers must begin; `changed` looks for a file of the first so many samples that was changed since then.
    pub(super) fn rows(
        &self,
        made: &Made,
        header: &[u8],
        changed: impl FnOnce(usize, SystemTime) -> anyhow::Result<Option<PathBuf>>,
    ) -> anyhow::Result<usize> {
        let row_bytes = 4 * made.dim as u64;
        let begun = self.length.saturating_sub(header.len() as u64);
        if begun == 0 {
            return Ok(0);
        }
        let reason = match &self.known {
            None => "unfinished, and it cannot be told of what".to_owned(),
            Some((known, _)) if known != made => format!("unfinished {}", known.difference(made)),
            Some(_) if begun > row_bytes * made.rows as u64 => {
                format!("{} bytes, more than {} rows have", self.length, made.rows)
            }
            Some(_) if !begins_with(&self.path, header)? => "not what `embed` leaves".to_owned(),
            Some((_, began)) => {
                let done = (begun / row_bytes) as usize;
                match changed(done, *began)? {
                    None => return Ok(done),
                    Some(file) => {
                        format!("unfinished, and {} was changed since it was begun", file.display())
                    }
                }
            }
        };
        eprintln!("{}: {reason}; beginning anew", self.path.display());
        Ok(0)
    }
}

impl Made {
    /// What is made of other things than `expected`, in words.
    fn difference(&self, expected: &Self) -> String {
        let (rows, input) = (self.rows, self.input.display());
        if self.input != expected.input {
            let model = if self.model == expected.model { "" } else { ", by another model" };
            format!("embeddings of {rows} samples of {input}{model}")
        } else if self.model != expected.model {
            format!("embeddings of {rows} samples by another model")
        } else {
            format!("embeddings of {input} as it was before, {rows} samples")
        }
    }
}

fn begins_with(path: &Path, header: &[u8]) -> anyhow::Result<bool> {
    let mut start = vec![0; header.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.with_context(|| format!("reading {}", path.display()))?;
    Ok(start == header)
}

/// Whether a file was changed at a time or later.
pub(super) fn changed_since(path: &Path, time: SystemTime) -> anyhow::Result<bool> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    Ok(modified.with_context(|| format!("reading {}", path.display()))? >= time)
}
