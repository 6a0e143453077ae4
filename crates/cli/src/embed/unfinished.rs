//! The files of an interrupted `embed`, and whether the next one may resume.
//!
//! `OUT.partial` contains the rows, `OUT.partial.json` describes model and input. The description is written once, at the start, so its time is
//! when the work began. An `embed` resumes only if model, input and names are the same, there are no more rows than expected, and no file of the
//! finished rows was modified since the start. Otherwise it starts again and says why.
//!
//! `OUT.partial.sums` has a line with the number of rows so far and the checksum of the newest rows for each piece of work. Only rows that fit
//! their checksums are kept.
//!
//! `OUT.partial.lock` is locked while a program writes the file.

use super::paths::with_suffix;
use crate::say::say;
use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use widemargin_durable::{
    AppendFile, Error as DurableError, Lock, open_file, read_file, read_text, truncate_to,
};
use widemargin_train::config::PrecisionName;

/// The ending of the file with the checksums.
const SUMS: &str = ".partial.sums";

/// The endings of the files that belong to `.partial`.
const LEFT: [&str; 3] = [".partial.json", SUMS, ".partial.lock"];

/// Model and input of an unfinished file.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Made {
    /// Size in bytes and checksum of the model's file.
    pub(super) model: (usize, u32),
    pub(super) input: PathBuf,
    pub(super) rows: usize,
    pub(super) dim: usize,
    /// Absent in files that were begun before there was a choice.
    #[serde(default)]
    pub(super) precision: PrecisionName,
    /// Whether each embedding is averaged over the image and its mirror image.
    #[serde(default)]
    pub(super) flip: bool,
    /// Checksum of the names of all images; for a table, of its size and the time of its last change.
    pub(super) samples: u32,
}

/// Claims the output file: no other program writes it while the lock exists.
pub(super) fn claimed(out: &Path) -> anyhow::Result<Lock> {
    let lock = Lock::take(with_suffix(out, ".partial.lock")).map_err(|error| match error {
        DurableError::Locked { .. } => {
            anyhow!("{}: another `embed` is writing it; wait for it to end", out.display())
        }
        other => other.into(),
    })?;
    if let Some(warning) = lock.warning() {
        say!("warning: {warning}");
    }
    ensure!(!is_taken(out), "{}: already exists; choose another name with --out", out.display());
    Ok(lock)
}

/// Whether the name is in use, also by a link to a file that does not exist.
pub(super) fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The checksums of an unfinished file.
pub(super) struct Sums(AppendFile);

impl Sums {
    /// The file of the checksums, and the number of rows among the first `done` of the unfinished file that fit them. Checksums of later rows
    /// are removed. If rows are damaged, says so on standard error.
    pub(super) fn of(out: &Path, header: usize, dim: usize, done: usize) -> anyhow::Result<(Self, usize)> {
        let (path, partial) = (with_suffix(out, SUMS), with_suffix(out, ".partial"));
        let text = if done > 0 { read_text(&path).unwrap_or_default() } else { String::new() };
        let reading = || format!("{}: cannot be read", partial.display());
        let (mut intact, mut kept) = (0, 0);
        if !text.is_empty() {
            let mut rows = open_file(&partial).with_context(reading)?;
            rows.seek(SeekFrom::Start(header as u64)).with_context(reading)?;
            for line in text.split_inclusive('\n') {
                let sum = line.strip_suffix('\n').and_then(|line| line.split_once(' '));
                let Some((end, sum)) = sum.and_then(|(end, sum)| Some((end.parse::<usize>().ok()?, sum)))
                else {
                    break;
                };
                if end <= intact || end > done {
                    break;
                }
                let mut bytes = vec![0; 4 * dim * (end - intact)];
                rows.read_exact(&mut bytes).with_context(reading)?;
                if sum != digits(&bytes) {
                    say!("{}: damaged after row {intact}; continuing from there", partial.display());
                    break;
                }
                (intact, kept) = (end, kept + line.len());
            }
        }
        if path.exists() {
            truncate_to(&path, kept as u64)?;
        }
        Ok((Self(AppendFile::open(&path)?), intact))
    }

    /// Adds the checksum of the newest rows, which end at row `end`.
    pub(super) fn add(&mut self, end: usize, rows: &[u8]) -> anyhow::Result<()> {
        Ok(self.0.append(format!("{end} {}\n", digits(rows)).as_bytes())?)
    }
}

fn digits(rows: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(rows))
}

/// Removes what remains of unfinished files next to `out` whose rows are gone: their program was killed after it had finished the file, or the
/// user removed `.partial`. Files in use are kept.
pub(super) fn remove_leftovers(out: &Path) {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let of = |ending: &str| Some(path.to_str()?.strip_suffix(ending)?.to_owned());
        let Some(of) = LEFT.iter().find_map(|ending| of(ending)) else { continue };
        if Path::new(&format!("{of}.partial")).exists() || is_in_use(&format!("{of}.partial.lock")) {
            continue;
        }
        // It harms nobody if it stays.
        let _ = fs::remove_file(&path);
    }
}

/// Whether a program holds the lock, or whether that cannot be told.
fn is_in_use(lock: &str) -> bool {
    match open_file(lock) {
        Ok(file) => file.try_lock().is_err(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// The unfinished part of an output file.
pub(super) struct Unfinished {
    path: PathBuf,
    /// Size of `OUT.partial` in bytes.
    pub(super) length: u64,
    /// Its model and input, and when it was started, if known.
    known: Option<(Made, SystemTime)>,
}

impl Unfinished {
    pub(super) fn find(out: &Path) -> Self {
        let (path, about) = (with_suffix(out, ".partial"), with_suffix(out, ".partial.json"));
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let made = read_file(&about, u64::MAX).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let began = fs::metadata(&about).and_then(|metadata| metadata.modified()).ok();
        Self { path, length, known: made.zip(began) }
    }

    /// Whether an `embed` to this file was interrupted.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// The number of rows that can be kept. If there are rows but none can be kept, says why on standard error.
    ///
    /// `header` is what the file must start with; `changed` looks for a file, among those of the first samples, that was modified since then.
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
            None => "unfinished, of an unknown model and input".to_owned(),
            Some((known, _)) if known != made => format!("unfinished {}", known.difference(made)),
            Some(_) if begun > row_bytes * made.rows as u64 => {
                format!("found {} bytes, more than {} rows take", self.length, made.rows)
            }
            Some(_) if !begins_with(&self.path, header)? => "not written by `embed`".to_owned(),
            Some((_, began)) => {
                let done = (begun / row_bytes) as usize;
                match changed(done, *began)? {
                    None => return Ok(done),
                    Some(file) => {
                        format!("unfinished, but {} was modified since the start", file.display())
                    }
                }
            }
        };
        say!("{}: {reason}; starting again", self.path.display());
        Ok(0)
    }
}

impl Made {
    /// How the unfinished file differs from `expected`, in words.
    fn difference(&self, expected: &Self) -> String {
        let (rows, input) = (self.rows, self.input.display());
        if self.input != expected.input {
            let model = if self.model == expected.model { "" } else { ", by a different model" };
            format!("embeddings of {rows} samples of {input}{model}")
        } else if self.model != expected.model {
            format!("embeddings of {rows} samples by a different model")
        } else if self.precision != expected.precision {
            format!("embeddings of {rows} samples in another precision")
        } else {
            format!("embeddings of {rows} samples of {input}, which has changed")
        }
    }
}

fn begins_with(path: &Path, header: &[u8]) -> anyhow::Result<bool> {
    let mut start = vec![0; header.len()];
    let read = open_file(path).and_then(|mut file| file.read_exact(&mut start));
    read.with_context(|| format!("{}: cannot be read", path.display()))?;
    Ok(start == header)
}

/// Whether a file was modified at `time` or later.
pub(super) fn changed_since(path: &Path, time: SystemTime) -> anyhow::Result<bool> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    Ok(modified.with_context(|| format!("{}: cannot be read", path.display()))? >= time)
}
