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
use widemargin_durable::{AppendFile, DurableError, truncate_to, write_atomic};
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

/// Ids and labels that `embed` left beside a file of so many rows.
pub(crate) fn names_beside(embeddings: &Path, rows: usize) -> anyhow::Result<Option<About>> {
    let path = names_path(embeddings);
    if !path.exists() {
        return Ok(None);
    }
    let reading = || format!("reading {}", path.display());
    let mut table = csv::Reader::from_path(&path).with_context(reading)?;
    let headings = table.headers().with_context(reading)?.clone();
    let column = |name: &str| headings.iter().position(|heading| heading == name);
    let (id, label) = (column("id"), column("label"));
    let records = table.records().collect::<Result<Vec<_>, _>>().with_context(reading)?;
    ensure!(records.len() == rows, "{}: names {} rows, wanted {rows}", path.display(), records.len());
    let list = |at: Option<usize>| at.map(|at| records.iter().map(|record| record[at].to_owned()).collect());
    Ok(Some(About { ids: list(id), labels: list(label), ..About::default() }))
}

/// Makes the file of the computed numbers; where its names are, if not inside.
pub(super) fn finish(
    numbers: AppendFile,
    out: &Path,
    format: Format,
    about: &About,
    extra: &[(&str, Vec<&str>)],
    by: &MadeBy,
) -> anyhow::Result<Option<PathBuf>> {
    // a reader would take other columns of a table of embeddings for numbers, so those lie beside it in any format
    let names = (!format.holds_names() || !extra.is_empty()).then(|| names_path(out));
    if let Some(path) = &names {
        write_atomic(path, &names_file(about, extra)?)?;
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
    write_table(format, &mut buffered, &rows, about).map_err(failed)?;
    buffered.flush().map_err(failed)?;
    drop(buffered);
    file.0.finish(out)?;
    bar.finish_and_clear();
    // The file is there; what it was written from is no loss if it stays.
    let _ = std::fs::remove_file(&computed);
    Ok(names)
}

/// A table of one line a row: `id`, `label` where there is one, and the extra columns.
fn names_file(about: &About, extra: &[(&str, Vec<&str>)]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = [("id", &about.ids), ("label", &about.labels)];
    let columns: Vec<_> =
        columns.into_iter().filter_map(|(name, list)| Some((name, list.as_ref()?))).collect();
    table.write_record(columns.iter().map(|(name, _)| *name).chain(extra.iter().map(|(name, _)| *name)))?;
    for row in 0..about.ids.as_ref().map_or(0, Vec::len) {
        let own = columns.iter().map(|(_, list)| list[row].as_str());
        table.write_record(own.chain(extra.iter().map(|(_, fields)| fields[row])))?;
    }
    table.into_inner().context("writing the names")
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
