//! Writes the final file of `embed`, its names, and what made it.
//!
//! For `.npy`, the computed file is renamed. Other formats are converted block by block into `OUT.writing` and then renamed; if this is
//! interrupted, running the command again finds all rows computed and converts again. `OUT.about.json` stays next to the file. It identifies the
//! model, so that embeddings of different models are not compared, and has the checksums of the file and its names.

use super::paths::with_suffix;
use crate::progress;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use widemargin_durable::{
    AppendFile, Error as DurableError, MOST_TEXT, open_file, read_file, truncate_to, write_atomic,
};
use widemargin_embedder::Model;
use widemargin_tables::{
    About, Format, ModelMark, TrainingClasses, made_by_path, names_path, open_npy, write_row, write_table,
};
use widemargin_train::config::PrecisionName;

/// The model and input that made a file of embeddings, and what was written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MadeBy {
    /// Size in bytes and checksum of the model's file.
    model: (usize, u32),
    input: PathBuf,
    rows: usize,
    dim: usize,
    #[serde(default)]
    precision: PrecisionName,
    /// The classes of the model's training, if its file lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<TrainingClasses>,
    /// Whether each embedding is averaged over the image and its mirror image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    flip: bool,
    /// Size in bytes and checksum of the file of embeddings.
    #[serde(default)]
    file: Option<(u64, u32)>,
    /// The same of the file with the names.
    #[serde(default)]
    names: Option<(u64, u32)>,
}

impl MadeBy {
    /// What `model` made of `input` in this precision.
    pub(super) fn new(model: &Model, input: PathBuf, precision: PrecisionName, rows: usize) -> Self {
        let classes = model.description().classes.clone();
        let (flip, model, dim) = (model.flips(), identity(model), model.dim());
        Self { model, input, rows, dim, precision, classes, flip, file: None, names: None }
    }

    /// Writes it next to the file of embeddings.
    fn write(&self, out: &Path) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(self).context("writing the description of the file")?;
        Ok(write_atomic(made_by_path(out), &bytes)?)
    }

    fn mark(&self) -> ModelMark {
        let (model_bytes, model_checksum) = (self.model.0 as u64, self.model.1);
        ModelMark {
            model_bytes,
            model_checksum,
            rows: self.rows as u64,
            values: None,
            classes: self.classes.clone(),
            flip: self.flip,
            is_altered: false,
        }
    }
}

/// Size in bytes and checksum of the file that a model was loaded from.
pub(super) fn identity(model: &Model) -> (usize, u32) {
    model.fingerprint().map_or((0, 0), |file| (file.bytes, file.checksum))
}

/// The model that made a file of embeddings, if the file (`inside`) or the file that `embed` wrote next to it states it.
///
/// Fails if the embeddings or their names have changed since `embed` wrote them.
pub(crate) fn mark_of(embeddings: &Path, inside: Option<ModelMark>) -> anyhow::Result<Option<ModelMark>> {
    let about = made_by_path(embeddings);
    if !about.exists() {
        return Ok(inside);
    }
    let bytes =
        read_file(&about, MOST_TEXT).with_context(|| format!("{}: cannot be read", about.display()))?;
    let found = serde_json::from_slice(&bytes);
    let made: MadeBy =
        found.with_context(|| format!("{}: not a file written by `embed`", about.display()))?;
    let names = names_path(embeddings);
    for (path, written) in [(embeddings, made.file), (&names, made.names)] {
        if let Some(written) = written.filter(|_| path.exists()) {
            ensure!(
                size_and_checksum(path)? == written,
                "{}: damaged, or changed since `embed` wrote it; if it was changed on purpose, remove {}",
                path.display(),
                about.display()
            );
        }
    }
    let is_altered = inside.as_ref().is_some_and(|inside| inside.is_altered);
    let mark = ModelMark { is_altered, ..made.mark() };
    ensure!(
        inside.is_none_or(|inside| inside.is_same_model(&mark) && inside.flip == mark.flip),
        "{}: made by a different model than {} states; remove the file that is wrong",
        embeddings.display(),
        about.display()
    );
    Ok(Some(mark))
}

/// Rejects embeddings as data if they or their names have changed since `embed` wrote them: the names would be those of other rows.
pub(crate) fn require_as_embedded(data: &Path) -> anyhow::Result<()> {
    if data.is_file() {
        mark_of(data, None)?;
    }
    Ok(())
}

/// Rejects embeddings of another model than `model`, whose path is `of`. Returns a warning if the file does not state its model, or has rows that
/// the statement does not cover.
pub(crate) fn require_made_by(
    (model, of): (&Model, &Path),
    (embeddings, mark, rows): (&Path, Option<&ModelMark>, usize),
) -> anyhow::Result<Option<String>> {
    let (path, of) = (embeddings.display(), of.display());
    let Some(mark) = mark else {
        return Ok(Some(format!(
            "{path} does not state which model made it; unless it was {of}, the cosines have no meaning"
        )));
    };
    let (bytes, checksum) = identity(model);
    ensure!(
        (mark.model_bytes, mark.model_checksum) == (bytes as u64, checksum),
        "{path}: made by a different model than {of}; embeddings of two models cannot be compared"
    );
    require_same_flip(&path, mark.flip, &"the queries", model.flips())?;
    let written = mark.rows;
    Ok((rows as u64 > written).then(|| {
        format!(
            "{path} has {rows} rows, but `embed` wrote {written}: rows were added, perhaps of another model"
        )
    }))
}

/// Rejects embeddings that are averaged over mirror images together with those that are not: their cosines mean different things.
pub(crate) fn require_same_flip(
    path: &dyn Display,
    flip: bool,
    other: &dyn Display,
    other_flip: bool,
) -> anyhow::Result<()> {
    let how = |flip| if flip { "with" } else { "without" };
    ensure!(
        flip == other_flip,
        "{path}: made {} --flip, but {other} {} it; use --flip for both or for neither",
        how(flip),
        how(other_flip)
    );
    Ok(())
}

fn size_and_checksum(path: &Path) -> anyhow::Result<(u64, u32)> {
    let reading = || format!("{}: cannot be read", path.display());
    let mut file = open_file(path).with_context(reading)?;
    let (mut sum, mut size, mut block) = (crc32fast::Hasher::new(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut block).with_context(reading)? {
            0 => return Ok((size, sum.finalize())),
            count => {
                sum.update(&block[..count]);
                size += count as u64;
            }
        }
    }
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
        let mut table = Vec::new();
        let columns = self.about.columns();
        let names = columns.iter().map(|column| column.name);
        write_row(&mut table, names.chain(self.extra.iter().map(|(name, _)| *name)))?;
        for row in 0..self.about.ids.as_ref().map_or(0, Vec::len) {
            let known = columns.iter().map(|column| column.text(row));
            write_row(&mut table, known.chain(self.extra.iter().map(|(_, fields)| fields[row])))?;
        }
        Ok(table)
    }

    /// Rejects a name file that already exists, unless an interrupted `embed` to the same output wrote it.
    pub(super) fn require_room(&self, out: &Path, format: Format, unfinished: bool) -> anyhow::Result<()> {
        let Some(path) = self.names(out, format).filter(|path| path.exists()) else { return Ok(()) };
        let left = || -> anyhow::Result<bool> {
            let found =
                read_file(&path, u64::MAX).with_context(|| format!("{}: cannot be read", path.display()))?;
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
    mut by: MadeBy,
) -> anyhow::Result<Option<PathBuf>> {
    // A name file may have appeared since the start; then the computed embeddings are kept.
    known.require_room(out, format, true)?;
    let names = known.names(out, format);
    if let Some(path) = &names {
        write_atomic(path, &known.file()?)?;
        by.names = Some(size_and_checksum(path)?);
    }
    numbers.sync()?;
    let computed = numbers.path().to_owned();
    if format == Format::Npy {
        by.file = Some(size_and_checksum(&computed)?);
        by.write(out)?;
        numbers.finish_new(out)?;
        return Ok(names);
    }
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
    let written = write_table(format, &mut buffered, &rows, &known.about, Some(&by.mark()));
    let written = written.and_then(|()| buffered.flush()).map_err(failed);
    drop(buffered);
    if let Err(error) = written.and_then(|()| Ok(file.0.sync()?)) {
        // The next `embed` converts the computed rows again; on a full disk, this needs the room.
        let _ = std::fs::remove_file(&place);
        return Err(error);
    }
    by.file = Some(size_and_checksum(&place)?);
    by.write(out)?;
    file.0.finish_new(out)?;
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
