//! `widemargin embed`: a trained model's embeddings of many pictures, or of a table, as one file.
//!
//! The numbers go to `OUT.partial` as they are computed, as those of a `.npy` whatever the format, and beside it lies what it is made of
//! (`OUT.partial.json`): the same command finds it and goes on behind the last whole row; another one starts anew. When it is whole the
//! file takes its name or, in another format, is written from it (`output.rs`).

mod output;

use crate::pictures::{Depth, pictures};
use crate::{interrupt, progress};
use anyhow::{Context, bail, ensure};
use clap::Args;
use output::MadeBy;
pub(crate) use output::{identity, made_by, names_beside};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use widemargin_durable::{AppendFile, truncate_to, write_atomic};
use widemargin_embedder::{Model, Takes};
use widemargin_tables::{About, Format, OpenTable, is_table, npy_header, open};

/// Samples that are embedded between two writes.
const AT_ONCE: usize = 1024;

#[derive(Args)]
pub(crate) struct EmbedArguments {
    /// Folder of a finished run, or a model's file
    #[arg(long, value_name = "RUN")]
    model: PathBuf,
    /// Folder of pictures of any depth, or one picture; or, for a model of vectors, a table: .npy, .safetensors, .csv, .parquet
    input: PathBuf,
    /// The file to write: .parquet and .csv hold ids and labels; those of .npy and .safetensors go beside it, as .names.csv
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// What an unfinished file is made of.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Made {
    /// Bytes and checksum of the model's file.
    model: (usize, u32),
    input: PathBuf,
    rows: usize,
    dim: usize,
    /// Checksum of the names of all pictures; of a table, of its length and the time of its last change.
    samples: u32,
}

/// What is to be embedded, in order.
enum Input {
    Pictures(Vec<PathBuf>),
    Table(Box<OpenTable>),
}

pub(crate) fn run(arguments: &EmbedArguments) -> anyhow::Result<ExitCode> {
    let out = &arguments.out;
    let format =
        Format::of(out).context("--out: wanted a name that ends in .npy, .safetensors, .csv or .parquet")?;
    ensure!(!out.exists(), "{}: exists already", out.display());
    let stop = interrupt::listen()?;
    let model = Model::load(&arguments.model)?;
    let input = input(&model, &arguments.input)?;
    let rows = input.rows();
    let made = made(arguments, &model, &input)?;

    let (partial, about) = (beside(out, ".partial"), beside(out, ".partial.json"));
    let header = npy_header(rows, model.dim());
    let row_bytes = 4 * model.dim() as u64;
    let known = std::fs::read(&about).ok().and_then(|bytes| serde_json::from_slice::<Made>(&bytes).ok());
    let length = std::fs::metadata(&partial).map_or(0, |metadata| metadata.len());
    let whole = length.saturating_sub(header.len() as u64) / row_bytes;
    let done = if known.as_ref() == Some(&made) { whole.min(rows as u64) as usize } else { 0 };
    let keep = if done > 0 { header.len() as u64 + done as u64 * row_bytes } else { 0 };
    if length > 0 {
        truncate_to(&partial, keep)?;
    }
    let mut file = AppendFile::open(&partial)?;
    if done > 0 {
        eprintln!("going on behind row {done} of {rows}");
    } else {
        write_atomic(&about, &serde_json::to_vec(&made).context("writing what the file is made of")?)?;
        file.append(&header)?;
    }

    let bar = progress::counted(input.kind(), rows as u64);
    let mut at = done;
    while at < rows {
        if stop.load(Ordering::Relaxed) != 0 {
            bar.finish_and_clear();
            file.sync()?;
            eprintln!("stopped behind row {at} of {rows}; the same command goes on from there");
            return Ok(ExitCode::from((128 + stop.load(Ordering::Relaxed)) as u8));
        }
        let count = AT_ONCE.min(rows - at);
        let embeddings = input.embed(&model, at, count)?;
        let bytes: Vec<u8> = embeddings.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.append(&bytes)?;
        at += count;
        bar.set_position(at as u64);
    }
    let by = MadeBy { model: made.model, input: made.input, rows, dim: made.dim };
    let names = output::finish(file, out, format, &input.about(&arguments.input), &by)?;
    // What is left of it has no more use, and no harm if it stays.
    let _ = std::fs::remove_file(&about);
    let mut said = std::io::stdout().lock();
    let place =
        names.map_or_else(|| "names inside".to_owned(), |names| format!("names in {}", names.display()));
    writeln!(said, "{}: {rows} embeddings of {} numbers; {place}", out.display(), model.dim())?;
    Ok(ExitCode::SUCCESS)
}

fn input(model: &Model, path: &Path) -> anyhow::Result<Input> {
    match model.description().takes {
        Takes::Vectors => {
            let table = open(path)?;
            let (found, wanted) = (table.rows.dim(), model.description().shape().values());
            ensure!(
                found == wanted,
                "{}: rows of {found} numbers, wanted {wanted} as the model takes",
                path.display()
            );
            Ok(Input::Table(Box::new(table)))
        }
        Takes::Pictures if is_table(path) => {
            bail!("{}: a table of vectors, and the model takes pictures", path.display())
        }
        Takes::Pictures => Ok(Input::Pictures(pictures(path, Depth::Deep)?)),
    }
}

fn made(arguments: &EmbedArguments, model: &Model, input: &Input) -> anyhow::Result<Made> {
    let samples = match input {
        Input::Pictures(files) => {
            let each =
                files.iter().flat_map(|file| file.as_os_str().as_encoded_bytes().iter().copied().chain([0]));
            crc32fast::hash(&each.collect::<Vec<u8>>())
        }
        Input::Table(table) => {
            let path = table.rows.path();
            let metadata = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
            crc32fast::hash(format!("{} {:?}", metadata.len(), metadata.modified().ok()).as_bytes())
        }
    };
    let input_path = std::path::absolute(&arguments.input).unwrap_or_else(|_| arguments.input.clone());
    let model_file = output::identity(model);
    Ok(Made { model: model_file, input: input_path, rows: input.rows(), dim: model.dim(), samples })
}

impl Input {
    fn rows(&self) -> usize {
        match self {
            Self::Pictures(files) => files.len(),
            Self::Table(table) => table.rows.rows(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Pictures(_) => "pictures",
            Self::Table(_) => "rows",
        }
    }

    /// Embeddings of `count` samples from `first` on.
    fn embed(&self, model: &Model, first: usize, count: usize) -> anyhow::Result<Vec<f32>> {
        match self {
            Self::Pictures(files) => Ok(model.embed(&files[first..first + count])?),
            Self::Table(table) => {
                let mut rows = vec![0.0; count * table.rows.dim()];
                table.rows.read_into(first, &mut rows)?;
                model.embed_vectors(&rows).with_context(|| {
                    let last = first + count - 1;
                    format!("{}: rows {first} to {last}, counted from {first}", table.rows.path().display())
                })
            }
        }
    }

    /// Ids, and labels where there are any. The id of a picture is its path below the input, its label the first folder of that.
    fn about(&self, input: &Path) -> About {
        let (ids, labels): (Vec<String>, Option<Vec<String>>) = match self {
            Self::Pictures(files) => {
                let named = files.iter().map(|file| {
                    let inside = file.strip_prefix(input).unwrap_or(file);
                    let folder = inside.components().next().filter(|_| inside.components().count() > 1);
                    let label = folder
                        .map_or_else(String::new, |folder| folder.as_os_str().to_string_lossy().into_owned());
                    (inside.to_string_lossy().into_owned(), label)
                });
                let (ids, labels) = named.unzip();
                (ids, Some(labels))
            }
            Self::Table(table) => {
                let numbers = || (0..table.rows.rows()).map(|row| row.to_string()).collect();
                (table.about.ids.clone().unwrap_or_else(numbers), table.about.labels.clone())
            }
        };
        About { ids: Some(ids), labels, ..About::default() }
    }
}

/// The path with something behind its name.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(what);
    name.into()
}
