//! Writes the final file of `embed`, its names, and what made it.
//!
//! For `.npy`, the computed file is renamed. Other formats are converted block by block into `OUT.writing` and then renamed; if this is
//! interrupted, running the command again finds all rows computed and converts again. `OUT.about.json` stays next to the file and identifies the
//! model, so that embeddings of different models are not compared.

use super::paths::with_suffix;
use crate::progress;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use widemargin_durable::{AppendFile, Error as DurableError, truncate_to, write_atomic};
use widemargin_embedder::Model;
use widemargin_tables::{About, Format, names_path, open_npy, write_table};

/// The model and input that made a file of embeddings.
#[derive(Serialize, Deserialize)]
pub(crate) struct MadeBy {
    /// Size in bytes and checksum of the model's file.
    pub(crate) model: (usize, u32),
    pub(crate) input: PathBuf,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
}

/// Size in bytes and checksum of the file that a model was loaded from.
pub(crate) fn identity(model: &Model) -> (usize, u32) {
    model.fingerprint().map_or((0, 0), |file| (file.bytes, file.checksum))
}

/// What made a file of embeddings, if `embed` wrote it.
pub(crate) fn made_by(embeddings: &Path) -> anyhow::Result<Option<MadeBy>> {
    let path = with_suffix(embeddings, ".about.json");
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let found = serde_json::from_slice(&bytes);
    Ok(Some(found.with_context(|| format!("{}: not a file written by `embed`", path.display()))?))
}

/// Further columns of text, one entry per row.
pub(super) type Extra<'a> = Vec<(&'a str, Vec<&'a str>)>;

/// What is known of the rows: columns with a known meaning, and others.
pub(super) struct Known<'a> {
    pub(super) about: About,
    pub(super) extra: Extra<'a>,
}

impl<'a> Known<'a> {
    /// Moves the columns with a known meaning from `extra` to `about`, if every row has an entry.
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
        about.cameras = about.cameras.or_else(|| texts("camera"));
        Self { about, extra }
    }

    /// The separate file with the names, if the format needs one. Other columns are always separate, because a reader of the table would take
    /// them for values of the embedding.
    pub(super) fn names(&self, out: &Path, format: Format) -> Option<PathBuf> {
        let inside = self.about.columns().iter().all(|column| format.holds(column));
        (!inside || !self.extra.is_empty()).then(|| names_path(out))
    }

    /// The names as CSV: `id`, the other columns with a known meaning, and the extra columns.
    fn file(&self) -> anyhow::Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let columns = self.about.columns();
        let names = columns.iter().map(|column| column.name);
        table.write_record(names.chain(self.extra.iter().map(|(name, _)| *name)))?;
        for row in 0..self.about.ids.as_ref().map_or(0, Vec::len) {
            for column in &columns {
                table.write_field(column.text(row))?;
            }
            table.write_record(self.extra.iter().map(|(_, fields)| fields[row]))?;
        }
        table.into_inner().context("writing the names")
    }

    /// Rejects a name file that already exists, unless an interrupted `embed` to the same output wrote it.
    pub(super) fn require_room(&self, out: &Path, format: Format, unfinished: bool) -> anyhow::Result<()> {
        let Some(path) = self.names(out, format).filter(|path| path.exists()) else { return Ok(()) };
        let left = || -> anyhow::Result<bool> {
            let found =
                std::fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
            Ok(found == self.file()?)
        };
        ensure!(unfinished && left()?, "{}", taken(&path, out));
        Ok(())
    }
}

/// Rejects a format that needs a separate name file if that file exists, before anything is computed.
pub(super) fn require_room_for_names(out: &Path, format: Format) -> anyhow::Result<()> {
    let path = names_path(out);
    ensure!(format.holds_names() || !path.exists(), "{}", taken(&path, out));
    Ok(())
}

fn taken(names: &Path, out: &Path) -> String {
    let (names, out) = (names.display(), out.display());
    format!(
        "{names}: already exists, and the names of {out} would be written there; choose another output with -o, or move this file away"
    )
}

/// Writes the final file from the computed embeddings; returns the file with the names, if there is one.
pub(super) fn finish(
    numbers: AppendFile,
    out: &Path,
    format: Format,
    known: &Known<'_>,
    by: &MadeBy,
) -> anyhow::Result<Option<PathBuf>> {
    // A name file may have appeared since the start; then the computed embeddings are kept.
    known.require_room(out, format, true)?;
    let names = known.names(out, format);
    if let Some(path) = &names {
        write_atomic(path, &known.file()?)?;
    }
    let made_by = serde_json::to_vec_pretty(by).context("writing the description of the file")?;
    write_atomic(with_suffix(out, ".about.json"), &made_by)?;
    if format == Format::Npy {
        numbers.finish(out)?;
        return Ok(names);
    }
    numbers.sync()?;
    let computed = numbers.path().to_owned();
    let rows = open_npy(&computed)?;
    let place = with_suffix(out, ".writing");
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
    // The final file is written; the computed one is harmless if it stays.
    let _ = std::fs::remove_file(&computed);
    Ok(names)
}

/// An append-only file as a writer.
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
