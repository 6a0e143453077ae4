//! The end of `embed`: the file in its format, its names, and what it was made by.
//!
//! A `.npy` is what was computed and takes its name by a rename. Other formats are written from it, block by block, into `OUT.writing`
//! and then renamed: stopped there, the same command finds all rows computed and writes again. `OUT.about.json` stays beside the file
//! and tells which model made it, so that nothing is compared with the embeddings of another.

use super::beside;
use crate::progress;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use widemargin_durable::{AppendFile, Error as DurableError, truncate_to, write_atomic};
use widemargin_embedder::Model;
use widemargin_tables::{About, Format, open_npy, write_table};

/// What a file of embeddings was made of.
#[derive(Serialize, Deserialize)]
pub(crate) struct MadeBy {
    /// Bytes and checksum of the model's file.
    pub(crate) model: (usize, u32),
    pub(crate) input: PathBuf,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
}

/// Bytes and checksum of the file that a model was loaded from.
pub(crate) fn identity(model: &Model) -> (usize, u32) {
    model.fingerprint().map_or((0, 0), |file| (file.bytes, file.checksum))
}

/// What made the embeddings of a file, where `embed` left that beside it.
pub(crate) fn made_by(embeddings: &Path) -> anyhow::Result<Option<MadeBy>> {
    let path = beside(embeddings, ".about.json");
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let found = serde_json::from_slice(&bytes);
    Ok(Some(found.with_context(|| format!("{}: is not what `embed` leaves", path.display()))?))
}

/// Where the names of a file without room for them lie.
fn names_path(out: &Path) -> PathBuf {
    out.with_extension("names.csv")
}

/// What `embed` left beside a file of so many rows: the columns with a meaning.
pub(crate) fn names_beside(embeddings: &Path, rows: usize) -> anyhow::Result<Option<About>> {
    let path = names_path(embeddings);
    if !path.exists() {
        return Ok(None);
    }
    let reading = || format!("reading {}", path.display());
    let mut table = csv::Reader::from_path(&path).with_context(reading)?;
    let headings = table.headers().with_context(reading)?.clone();
    let records = table.records().collect::<Result<Vec<_>, _>>().with_context(reading)?;
    ensure!(records.len() == rows, "{}: names {} rows, expected {rows}", path.display(), records.len());
    let fields = |name: &str| {
        let at = headings.iter().position(|heading| heading.eq_ignore_ascii_case(name))?;
        Some(records.iter().map(move |record| &record[at]))
    };
    let texts = |name: &str| Some(fields(name)?.map(str::to_owned).collect());
    // Cameras by name are a column as any other: nothing here compares by them.
    let cameras = fields("camera").and_then(|mut names| names.try_fold(Vec::new(), with_number));
    Ok(Some(About {
        labels: texts("label"),
        ids: texts("id"),
        cameras,
        splits: texts("split"),
        groups: texts("group"),
    }))
}

fn with_number(mut numbers: Vec<u32>, text: &str) -> Option<Vec<u32>> {
    numbers.push(text.parse().ok()?);
    Some(numbers)
}

/// Columns of texts that are written along, a text a row.
pub(super) type Extra<'a> = Vec<(&'a str, Vec<&'a str>)>;

/// What is known of the rows: columns with a meaning, and others.
pub(super) struct Known<'a> {
    pub(super) about: About,
    pub(super) extra: Extra<'a>,
}

impl<'a> Known<'a> {
    /// Sorts columns that came along: those with a meaning, of which each row has an entry, count as such.
    pub(super) fn new(mut about: About, mut extra: Extra<'a>) -> Self {
        let find = |extra: &Extra<'_>, name: &str| {
            let whole = |fields: &[&str]| fields.iter().all(|field| !field.trim().is_empty());
            extra.iter().position(|(found, fields)| found.eq_ignore_ascii_case(name) && whole(fields))
        };
        let mut texts = |name: &str| {
            let fields = extra.remove(find(&extra, name)?).1;
            Some(fields.into_iter().map(str::to_owned).collect())
        };
        about.splits = about.splits.or_else(|| texts("split"));
        about.groups = about.groups.or_else(|| texts("group"));
        if about.cameras.is_none()
            && let Some(at) = find(&extra, "camera")
            && let Some(cameras) = extra[at].1.iter().copied().try_fold(Vec::new(), with_number)
        {
            about.cameras = Some(cameras);
            extra.remove(at);
        }
        Self { about, extra }
    }

    /// Where names lie beside a file in this format, if they do. A reader would take other columns of a table of embeddings for numbers,
    /// so those lie beside it in any format.
    pub(super) fn names(&self, out: &Path, format: Format) -> Option<PathBuf> {
        let inside = self.about.columns().iter().all(|column| format.holds(column));
        (!inside || !self.extra.is_empty()).then(|| names_path(out))
    }

    /// A table of one line a row: `id`, what else has a meaning, and the extra columns.
    fn file(&self) -> anyhow::Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let columns = self.about.columns();
        let names = columns.iter().map(|column| column.name);
        table.write_record(names.chain(self.extra.iter().map(|(name, _)| *name)))?;
        for row in 0..self.about.ids.as_ref().map_or(0, Vec::len) {
            for column in &columns {
                table.write_field(column.text(row).as_ref())?;
            }
            table.write_record(self.extra.iter().map(|(_, fields)| fields[row]))?;
        }
        table.into_inner().context("writing the names")
    }

    /// Refuses to write names where a file lies that an `embed` to this very file, stopped at its end, did not leave.
    pub(super) fn require_room(&self, out: &Path, format: Format, unfinished: bool) -> anyhow::Result<()> {
        let Some(path) = self.names(out, format).filter(|path| path.exists()) else { return Ok(()) };
        let left = || -> anyhow::Result<bool> {
            let found = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            Ok(found == self.file()?)
        };
        ensure!(unfinished && left()?, "{}", taken(&path, out));
        Ok(())
    }
}

/// Refuses a format whose names lie beside it where they have no room, before anything is known of them.
pub(super) fn require_room_for_names(out: &Path, format: Format) -> anyhow::Result<()> {
    let path = names_path(out);
    ensure!(format.holds_names() || !path.exists(), "{}", taken(&path, out));
    Ok(())
}

fn taken(names: &Path, out: &Path) -> String {
    let (names, out) = (names.display(), out.display());
    format!(
        "{names}: exists already, and the names of {out} would be written there; name another file with -o, or move this one away"
    )
}

/// Makes the file of the computed numbers; where its names are, if not inside.
pub(super) fn finish(
    numbers: AppendFile,
    out: &Path,
    format: Format,
    known: &Known<'_>,
    by: &MadeBy,
) -> anyhow::Result<Option<PathBuf>> {
    // Somebody may have put a file there while the numbers were computed; they are kept then.
    known.require_room(out, format, true)?;
    let names = known.names(out, format);
    if let Some(path) = &names {
        write_atomic(path, &known.file()?)?;
    }
    let made_by = serde_json::to_vec_pretty(by).context("writing what the file was made by")?;
    write_atomic(beside(out, ".about.json"), &made_by)?;
    if format == Format::Npy {
        numbers.finish(out)?;
        return Ok(names);
    }
    numbers.sync()?;
    let computed = numbers.path().to_owned();
    let rows = open_npy(&computed)?;
    let place = beside(out, ".writing");
    if place.exists() {
        truncate_to(&place, 0)?;
    }
    let bar = progress::waiting("writing the file");
    let failed = |error: std::io::Error| match error.downcast::<DurableError>() {
        Ok(error) => anyhow::Error::from(error),
        Err(error) => anyhow::Error::from(error).context(format!("writing {}", out.display())),
    };
    let mut file = Growing(AppendFile::open(&place)?);
    let mut buffered = BufWriter::with_capacity(1 << 20, &mut file);
    write_table(format, &mut buffered, &rows, &known.about).map_err(failed)?;
    buffered.flush().map_err(failed)?;
    drop(buffered);
    file.0.finish(out)?;
    bar.finish_and_clear();
    // The file is there; what it was written from is no loss if it stays.
    let _ = std::fs::remove_file(&computed);
    Ok(names)
}

/// A log as what a writer writes to.
struct Growing(AppendFile);

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.append(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
