//! `widemargin embed`: a trained model's embeddings of many pictures, or of a table, as one file.
//!
//! The numbers go to `OUT.partial` as they are computed, as those of a `.npy` whatever the format, and beside it lies what it is made of
//! (`OUT.partial.json`): the same command finds it and goes on behind the last whole row; another one starts anew. When it is whole the
//! file takes its name or, in another format, is written from it (`output.rs`).

mod output;

use crate::{interrupt, progress};
use anyhow::{Context, bail, ensure};
use clap::Args;
use output::MadeBy;
pub(crate) use output::{identity, made_by, names_beside};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use widemargin_data::{ClassFolder, Labelled, Listing, OpenOptions, PictureSet, Source, recognise};
use widemargin_durable::{AppendFile, truncate_to, write_atomic};
use widemargin_embedder::{Model, Takes};
use widemargin_tables::{About, Format, OpenTable, npy_header, open};

/// Samples that are embedded between two writes.
const AT_ONCE: usize = 1024;

#[derive(Args)]
pub(crate) struct EmbedArguments {
    /// Folder of a finished run, or a model's file
    #[arg(long, value_name = "RUN")]
    model: PathBuf,
    /// Folder of pictures of any depth, or one picture; a manifest (.csv or .parquet with a column `path`); .tar shards (a file, a
    /// pattern, a folder); IDX files; or, for a model of vectors, a table: .npy, .safetensors, .csv, .parquet
    input: PathBuf,
    /// Which folder of a deeper tree is the label: top, or deepest
    #[arg(long, value_name = "WHICH", value_parser = crate::data::class_folder, default_value = "top")]
    class_folder: ClassFolder,
    /// Leave out pictures that cannot be read, up to this share such as 0.1%; all are decoded to find them first [default: stop at the
    /// first]
    #[arg(long, value_name = "SHARE", value_parser = crate::train::share)]
    max_bad: Option<f64>,
    /// The file to write: .parquet and .csv hold ids and labels; those of .npy and .safetensors go beside it, as .names.csv, and so does
    /// whatever else came with pictures
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
    Pictures(Box<Listing>),
    Idx(Box<PictureSet>),
    Table(Box<OpenTable>),
}

pub(crate) fn run(arguments: &EmbedArguments) -> anyhow::Result<ExitCode> {
    let out = &arguments.out;
    let format =
        Format::of(out).context("--out: wanted a name that ends in .npy, .safetensors, .csv or .parquet")?;
    ensure!(!out.exists(), "{}: exists already", out.display());
    let stop = interrupt::listen()?;
    let model = Model::load(&arguments.model)?;
    let input = input(&model, arguments)?;
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
    let names = output::finish(file, out, format, &input.about(), &input.extra_columns(), &by)?;
    // What is left of it has no more use, and no harm if it stays.
    let _ = std::fs::remove_file(&about);
    let mut said = std::io::stdout().lock();
    let place =
        names.map_or_else(|| "names inside".to_owned(), |names| format!("names in {}", names.display()));
    writeln!(said, "{}: {rows} embeddings of {} numbers; {place}", out.display(), model.dim())?;
    Ok(ExitCode::SUCCESS)
}

fn input(model: &Model, arguments: &EmbedArguments) -> anyhow::Result<Input> {
    let path = arguments.input.as_path();
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
        Takes::Pictures => match recognise(path)? {
            Source::Table => bail!("{}: a table of vectors, and the model takes pictures", path.display()),
            Source::Idx => {
                let set = PictureSet::open(path, &OpenOptions::default())?;
                let (found, wanted) = (set.shape(), model.description().shape());
                ensure!(
                    found == wanted,
                    "{}: pictures of {found}, wanted {wanted} as the model takes",
                    path.display()
                );
                Ok(Input::Idx(Box::new(set)))
            }
            Source::Folder | Source::Manifest | Source::Shards | Source::Picture => {
                let mut listing = Listing::open(path, arguments.class_folder)?;
                if let Some(most) = arguments.max_bad {
                    for bad in listing.leave_out_bad(most)? {
                        eprintln!("left out {}: {}", bad.path.display(), bad.reason);
                    }
                } else if let Some(bad) = listing.bad().first() {
                    bail!("{}: {}", bad.path.display(), bad.reason);
                }
                ensure!(
                    !listing.is_empty(),
                    widemargin_data::DataError::NoPictures { path: path.to_path_buf() }
                );
                Ok(Input::Pictures(Box::new(listing)))
            }
        },
    }
}

fn made(arguments: &EmbedArguments, model: &Model, input: &Input) -> anyhow::Result<Made> {
    let samples = match input {
        Input::Pictures(listing) => {
            let mut names = crc32fast::Hasher::new();
            for picture in 0..listing.len() {
                names.update(listing.path(picture).as_os_str().as_encoded_bytes());
                names.update(&[0]);
            }
            names.finalize()
        }
        Input::Idx(set) => crc32fast::hash(format!("{} {}", set.len(), set.shape()).as_bytes()),
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
            Self::Pictures(listing) => listing.len(),
            Self::Idx(set) => set.len(),
            Self::Table(table) => table.rows.rows(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Pictures(_) | Self::Idx(_) => "pictures",
            Self::Table(_) => "rows",
        }
    }

    /// Embeddings of `count` samples from `first` on.
    fn embed(&self, model: &Model, first: usize, count: usize) -> anyhow::Result<Vec<f32>> {
        match self {
            Self::Pictures(listing) => {
                let shape = model.description().shape();
                let pixels =
                    (first..first + count).into_par_iter().map(|picture| listing.decode(picture, shape));
                let pixels: Vec<Vec<u8>> = pixels.collect::<Result<_, _>>()?;
                model.embed_pixels(&pixels.concat()).with_context(|| {
                    let last = listing.id(first + count - 1);
                    format!("pictures {} to {last}, counted from the first", listing.id(first))
                })
            }
            Self::Idx(set) => {
                let pixels = (first..first + count).map(|sample| set.read(sample));
                let pixels = pixels.collect::<Result<Vec<_>, _>>()?.concat();
                model.embed_pixels(&pixels).with_context(|| format!("counted from {}", set.sample_id(first)))
            }
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

    /// Ids, and labels where there are any.
    fn about(&self) -> About {
        let (ids, labels) = match self {
            Self::Pictures(listing) => {
                let all = 0..listing.len();
                let label = |picture| listing.label(picture).unwrap_or("").to_owned();
                (
                    all.clone().map(|picture| listing.id(picture).to_owned()).collect(),
                    Some(all.map(label).collect()),
                )
            }
            Self::Idx(set) => {
                let label = |label: &u32| set.class_names()[*label as usize].clone();
                let ids = (0..set.len()).map(|sample| set.sample_id(sample)).collect();
                (ids, Some(set.labels().iter().map(label).collect()))
            }
            Self::Table(table) => {
                let numbers = || (0..table.rows.rows()).map(|row| row.to_string()).collect();
                (table.about.ids.clone().unwrap_or_else(numbers), table.about.labels.clone())
            }
        };
        About { ids: Some(ids), labels, ..About::default() }
    }

    /// What else is known of the samples, column by column: of pictures their part, group, other columns of a manifest or of the JSON of
    /// shards.
    fn extra_columns(&self) -> Vec<(&str, Vec<&str>)> {
        let Self::Pictures(listing) = self else { return Vec::new() };
        let mut columns: Vec<_> = listing
            .extra_columns()
            .into_iter()
            .map(|name| (name, Vec::with_capacity(listing.len())))
            .collect();
        for picture in 0..listing.len() {
            columns
                .iter_mut()
                .zip(listing.extra_fields(picture))
                .for_each(|(column, field)| column.1.push(field));
        }
        columns
    }
}

/// The path with something behind its name.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(what);
    name.into()
}
