//! `widemargin embed`: writes a trained model's embeddings of images or table rows to a file.
//!
//! The embeddings are appended to `OUT.partial` as they are computed, always in the layout of a `.npy`. `OUT.partial.json` describes model and
//! input. If the command is interrupted, running it again resumes after the last complete row (`unfinished.rs`). At the end the file is renamed
//! or, for other formats, converted (`output.rs`).

mod output;
mod paths;
mod unfinished;

use crate::arguments::{ColumnArguments, heading};
use crate::interrupt::{self, EndsAtOnce};
use crate::loaded;
use crate::progress;
use crate::say::{results, say, shown};
use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use output::{Known, MadeBy};
pub(crate) use output::{mark_of, require_as_embedded, require_made_by, require_same_flip};
use paths::with_suffix;
use rayon::prelude::*;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use unfinished::{Made, Sums, Unfinished, changed_since, claimed, is_taken, remove_leftovers};
use widemargin_data::{
    ClassFolder, Error as DataError, FolderOptions, ImageProperties, ImageSet, Labelled, Listing,
    OpenOptions, PartFolders, PixelFacts, Source, SourceKind,
};
use widemargin_durable::{AppendFile, truncate_to, write_atomic};
use widemargin_embedder::{Model, Takes};
use widemargin_kernels::mixed;
use widemargin_model::ProductPrecision;
use widemargin_tables::{About, Format, OpenTable, npy_header, open_chosen, require_no_images};
use widemargin_train::config::PrecisionName;

/// What to do about an image that cannot be read.
const SKIP_BAD: &str =
    "to leave out images that cannot be read, give the largest share of them, such as --max-bad 1%";

/// Samples embedded between two writes.
const AT_ONCE: usize = 1024;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin embed --model runs/mine images/ --out images.npy\n  widemargin embed --model runs/mine table.parquet --out embeddings.parquet"
)]
pub(crate) struct EmbedArguments {
    /// Trained model: the folder of a finished run, or a model.safetensors
    #[arg(long, value_name = "RUN")]
    model: PathBuf,
    /// Images: a folder of any depth, one image, a manifest (.csv, .parquet, .arrow or .feather with a column `path`), .tar shards or IDX files; for a model
    /// trained on vectors, a table (.npy, .npz, .safetensors, .csv, .parquet, .arrow, .feather)
    input: PathBuf,
    /// Labels of a table, one per row, if the table does not contain them: .npy, .csv with a column `label`, or text with one per line
    #[arg(help_heading = heading::INPUT, long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    columns: ColumnArguments,
    /// Level of the folders that name the labels in a nested tree: top or deepest
    #[arg(help_heading = heading::INPUT, long, value_name = "LEVEL", value_parser = crate::arguments::class_folder, default_value = "top")]
    class_folder: ClassFolder,
    /// What folders named train, test, val and so on are: auto, none (labels like others) or only (parts; others are left out)
    #[arg(help_heading = heading::INPUT, long, value_name = "RULE", value_parser = crate::arguments::part_folders, default_value = "auto")]
    parts: PartFolders,
    /// Skip unreadable images, up to this share, such as 0.1%; decodes all images first [default: stop at the first one]
    #[arg(help_heading = heading::INPUT, long, value_name = "SHARE", value_parser = crate::arguments::share)]
    max_bad: Option<f64>,
    /// Precision: full, or mixed for products in bfloat16 with sums in f32, faster on processors that multiply bfloat16
    #[arg(long, value_name = "NAME", value_parser = crate::arguments::one_of::<PrecisionName>, default_value = "full")]
    precision: PrecisionName,
    /// Average the embeddings of each image and its mirror image (left and right exchanged), as published results often do; takes twice as long
    #[arg(long)]
    flip: bool,
    /// File to write: ids, labels, cameras, splits and groups are columns of a .csv or .parquet, but written to NAME.names.csv for .npy and
    /// .safetensors; other columns of a manifest are always written to NAME.names.csv
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object instead of a summary
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Serialize)]
struct EmbedSummary {
    file: String,
    rows: usize,
    dimension: usize,
    /// The file with the names, unless they are in the file itself.
    names: Option<String>,
    /// Unreadable images, which have no row.
    left_out: usize,
    precision: PrecisionName,
    flip: bool,
    warnings: Vec<String>,
}

/// The samples to embed, in order.
enum Input {
    Images(Box<Listing>),
    Idx(Box<ImageSet>),
    Table(Box<OpenTable>),
}

pub(crate) fn run(arguments: &EmbedArguments) -> anyhow::Result<ExitCode> {
    let out = &arguments.out;
    let format = Format::of(out).context("--out")?;
    ensure!(!is_taken(out), "{}: already exists; choose another name with --out", out.display());
    let stop = interrupt::listen()?;
    let claim = claimed(out)?;
    let unfinished = Unfinished::find(out);
    if !unfinished.is_known() {
        output::require_room_for_names(out, format)?;
    }
    let (model, unfinished_run) = loaded::load(&arguments.model, arguments.flip)?;
    let mut warnings: Vec<String> = unfinished_run.into_iter().collect();
    let model = match arguments.precision {
        PrecisionName::Full => model,
        PrecisionName::Mixed => {
            if !mixed::is_fast() {
                warnings.push(
                    "this processor does not multiply bfloat16, so --precision mixed is slower than full"
                        .to_owned(),
                );
            }
            model.with_products(ProductPrecision::Bf16)
        }
    };
    for warning in &warnings {
        say!("warning: {warning}");
    }
    let (input, left_out) = input(&model, arguments)?;
    if let Input::Table(table) = &input {
        for note in &table.notes {
            say!("warning: {note}");
        }
        warnings.extend_from_slice(&table.notes);
    }
    let rows = input.rows();
    input.known().require_room(out, format, unfinished.is_known())?;
    let made = made(arguments, &model, &input)?;

    let (partial, about) = (with_suffix(out, ".partial"), with_suffix(out, ".partial.json"));
    let header = npy_header(rows, model.dim());
    let done = unfinished.rows(&made, &header, |done, began| input.changed(arguments, done, began))?;
    let (mut sums, done) = Sums::of(out, header.len(), model.dim(), done)?;
    let keep = if done > 0 { (header.len() + 4 * done * model.dim()) as u64 } else { 0 };
    if unfinished.length > 0 {
        truncate_to(&partial, keep)?;
    }
    let mut file = AppendFile::open(&partial)?;
    if done > 0 {
        say!("resuming at row {} of {rows}", done + 1);
    } else {
        write_atomic(
            &about,
            &serde_json::to_vec(&made).context("writing the description of the unfinished file")?,
        )?;
        file.append(&header)?;
    }

    let bar = progress::counted(input.kind(), rows as u64);
    let advance = progress::advancing(&bar);
    let mut facts = PixelFacts::new(model.description().preprocessing());
    let mut at = done;
    advance(at as u64, rows as u64);
    while at < rows {
        if stop.load(Ordering::Relaxed) != 0 {
            bar.finish_and_clear();
            file.sync()?;
            say!("stopped after row {at} of {rows}; run the same command to resume");
            return Ok(ExitCode::from((128 + stop.load(Ordering::Relaxed)) as u8));
        }
        let count = AT_ONCE.min(rows - at);
        let embeddings = input.embed(&model, at, count, &mut facts)?;
        let bytes: Vec<u8> = embeddings.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.append(&bytes)?;
        at += count;
        sums.add(at, &bytes)?;
        advance(at as u64, rows as u64);
    }
    let by = MadeBy::new(&model, made.input, made.precision, rows);
    for sentence in loaded::about_pixels(&facts) {
        say!("warning: {sentence}");
        warnings.push(sentence);
    }
    let names = output::finish(file, out, format, &input.known(), by)?;
    drop(claim);
    remove_leftovers(out);
    // The reader of the results may never read them.
    let complete = format!("stopped; {} is complete", out.display());
    let _at_once = EndsAtOnce::saying(complete.clone());
    let signal = stop.load(Ordering::Relaxed);
    if signal != 0 {
        say!("{complete}");
        return Ok(ExitCode::from((128 + signal) as u8));
    }
    let mut out_stream = results();
    if arguments.json {
        let summary = EmbedSummary {
            file: out.display().to_string(),
            rows,
            dimension: model.dim(),
            names: names.map(|names| names.display().to_string()),
            left_out,
            precision: arguments.precision,
            flip: arguments.flip,
            warnings,
        };
        writeln!(out_stream, "{}", serde_json::to_string(&summary).context("writing JSON")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let place =
        names.map_or_else(|| "names in the file".to_owned(), |names| format!("names in {}", shown(&names)));
    writeln!(out_stream, "{}: {rows} embeddings of dimension {}; {place}", shown(out), model.dim())?;
    Ok(ExitCode::SUCCESS)
}

/// The samples to embed, and the number of unreadable images that were left out.
fn input(model: &Model, arguments: &EmbedArguments) -> anyhow::Result<(Input, usize)> {
    let path = arguments.input.as_path();
    let labels = arguments.labels.as_deref();
    match model.description().takes {
        Takes::Vectors => {
            let mut table = open_chosen(path, labels, &arguments.columns.chosen())?;
            model.match_columns(&mut table)?;
            let (found, expected) = (table.rows.dim(), model.description().shape().values());
            ensure!(
                found == expected,
                "{}: found dimension {found}, expected {expected}, the input dimension of the model",
                path.display()
            );
            table.rows.require_float32()?;
            Ok((Input::Table(Box::new(table)), 0))
        }
        Takes::Images => {
            let source = Source::detect(path)?;
            if source.kind() == SourceKind::Table {
                require_no_images(path)?;
                bail!(
                    "{}: found a table of vectors, expected images: the model was trained on images",
                    path.display()
                )
            }
            source.require_no_labels(labels)?;
            source.require_no_columns(&arguments.columns.chosen())?;
            if source.kind() == SourceKind::Idx {
                let set = ImageSet::from_source(&source, &OpenOptions::default())?;
                let (found, expected) = (set.shape(), model.description().shape());
                ensure!(
                    found == expected,
                    "{}: found images of {found}, expected {expected}, the input shape of the model",
                    path.display()
                );
                return Ok((Input::Idx(Box::new(set)), 0));
            }
            let folders = FolderOptions { class_folder: arguments.class_folder, parts: arguments.parts };
            let mut listing = Listing::open(&source, folders)?;
            for sentence in listing.skipped_files().sentences() {
                say!("{sentence}");
            }
            let mut left_out = 0;
            if let Some(most) = arguments.max_bad {
                for bad in listing.leave_out_bad(most)? {
                    say!("left out {}: {}", bad.path.display(), bad.reason);
                    left_out += 1;
                }
            } else if let Some(bad) = listing.bad().first() {
                bail!("{}: {}; {SKIP_BAD}", bad.path.display(), bad.reason);
            }
            for (column, what) in listing.columns_left_out() {
                say!("left out the column `{column}` of {}: it contains {what}", path.display());
            }
            ensure!(!listing.is_empty(), listing.no_images());
            Ok((Input::Images(Box::new(listing)), left_out))
        }
    }
}

fn made(arguments: &EmbedArguments, model: &Model, input: &Input) -> anyhow::Result<Made> {
    let samples = match input {
        Input::Images(listing) => {
            let mut names = crc32fast::Hasher::new();
            for image in 0..listing.len() {
                names.update(listing.path(image).as_os_str().as_encoded_bytes());
                names.update(&[0]);
            }
            names.finalize()
        }
        Input::Idx(set) => crc32fast::hash(format!("{} {}", set.len(), set.shape()).as_bytes()),
        Input::Table(table) => {
            let path = table.rows.path();
            let metadata =
                std::fs::metadata(path).with_context(|| format!("{}: cannot be read", path.display()))?;
            crc32fast::hash(format!("{} {:?}", metadata.len(), metadata.modified().ok()).as_bytes())
        }
    };
    let input_path = std::path::absolute(&arguments.input).unwrap_or_else(|_| arguments.input.clone());
    let model_file = output::identity(model);
    Ok(Made {
        model: model_file,
        input: input_path,
        rows: input.rows(),
        dim: model.dim(),
        precision: arguments.precision,
        flip: arguments.flip,
        samples,
    })
}

impl Input {
    fn rows(&self) -> usize {
        match self {
            Self::Images(listing) => listing.len(),
            Self::Idx(set) => set.len(),
            Self::Table(table) => table.rows.rows(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Images(_) | Self::Idx(_) => "images",
            Self::Table(_) => "rows",
        }
    }

    /// Embeddings of `count` samples, starting at `first`. Adds facts about the image files to `facts`.
    fn embed(
        &self,
        model: &Model,
        first: usize,
        count: usize,
        facts: &mut PixelFacts,
    ) -> anyhow::Result<Vec<f32>> {
        match self {
            Self::Images(listing) => {
                let (shape, preprocessing) =
                    (model.description().shape(), model.description().preprocessing());
                let pixels = (first..first + count)
                    .into_par_iter()
                    .map(|image| listing.decode(image, shape, &preprocessing));
                let decoded = pixels.collect::<Result<Vec<(Vec<u8>, ImageProperties)>, _>>();
                let decoded = decoded.map_err(|error| match error {
                    bad @ DataError::BadImage { .. } => anyhow!("{bad}; {SKIP_BAD}"),
                    other => other.into(),
                })?;
                let mut pixels = Vec::with_capacity(count * shape.values());
                for (image, (decoded, properties)) in (first..).zip(decoded) {
                    pixels.extend(decoded);
                    facts.add(listing.id(image), &properties);
                }
                model.embed_pixels(&pixels).with_context(|| {
                    let last = listing.id(first + count - 1);
                    format!("images {} to {last}; positions count from the first of them", listing.id(first))
                })
            }
            Self::Idx(set) => {
                let pixels = (first..first + count).map(|sample| set.read(sample));
                let pixels = pixels.collect::<Result<Vec<_>, _>>()?.concat();
                model
                    .embed_pixels(&pixels)
                    .with_context(|| format!("positions count from {}", set.sample_id(first)))
            }
            Self::Table(table) => {
                let mut rows = vec![0.0; count * table.rows.dim()];
                table.rows.read_into(first, &mut rows)?;
                model.embed_vectors(&rows).with_context(|| {
                    let last = first + count - 1;
                    format!(
                        "{}: rows {first} to {last}; positions count from row {first}",
                        table.rows.path().display()
                    )
                })
            }
        }
    }

    /// The first file, among those of the first `done` samples, that was modified at `time` or later.
    fn changed(
        &self,
        arguments: &EmbedArguments,
        done: usize,
        time: SystemTime,
    ) -> anyhow::Result<Option<PathBuf>> {
        let first = |files: Vec<&Path>| -> anyhow::Result<Option<PathBuf>> {
            let changed = files.par_iter().map(|file| changed_since(file, time));
            let changed = changed.collect::<anyhow::Result<Vec<bool>>>()?;
            let mut found = files.iter().zip(changed).filter(|(_, changed)| *changed);
            Ok(found.next().map(|(file, _)| file.to_path_buf()))
        };
        match self {
            Self::Images(listing) => {
                let mut files: Vec<&Path> = (0..done).map(|image| listing.file(image)).collect();
                // The images of a shard are consecutive.
                files.dedup();
                first(files)
            }
            Self::Idx(_) => {
                let folder = &arguments.input;
                let reading = || format!("reading {}", folder.display());
                let mut files = Vec::new();
                for entry in std::fs::read_dir(folder).with_context(reading)? {
                    let path = entry.with_context(reading)?.path();
                    let is_images = |name: &str| {
                        name.contains("images") && name.contains("idx3") && name.contains("ubyte")
                    };
                    if path.file_name().and_then(|name| name.to_str()).is_some_and(is_images) {
                        files.push(path);
                    }
                }
                files.sort();
                first(files.iter().map(PathBuf::as_path).collect())
            }
            // `Made::samples` covers the time of its last change.
            Self::Table(_) => Ok(None),
        }
    }

    /// Ids, labels if any sample has one, and everything else known of the samples: split, group, camera, and other columns of a manifest or
    /// of the JSON in shards.
    fn known(&self) -> Known<'_> {
        match self {
            Self::Images(listing) => {
                let all = 0..listing.len();
                let labelled = all.clone().any(|image| listing.label(image).is_some());
                let label = |image| listing.label(image).unwrap_or("").to_owned();
                let about = About {
                    ids: Some(all.clone().map(|image| listing.id(image).to_owned()).collect()),
                    labels: labelled.then(|| all.clone().map(label).collect()),
                    ..About::default()
                };
                let mut extra: Vec<_> = listing
                    .extra_columns()
                    .into_iter()
                    .map(|name| (name, Vec::with_capacity(listing.len())))
                    .collect();
                for image in all {
                    let fields = listing.extra_fields(image);
                    extra.iter_mut().zip(fields).for_each(|(column, field)| column.1.push(field));
                }
                Known::new(about, extra)
            }
            Self::Idx(set) => {
                let label = |label: &u32| set.class_names()[*label as usize].clone();
                let ids = Some((0..set.len()).map(|sample| set.sample_id(sample)).collect());
                let labels = Some(set.labels().iter().map(label).collect());
                Known::new(About { ids, labels, ..About::default() }, Vec::new())
            }
            Self::Table(table) => {
                let mut about = table.about.clone();
                let rows = || (0..table.rows.rows()).map(|row| row.to_string()).collect();
                about.ids.get_or_insert_with(|| table.keys.names().map_or_else(rows, <[String]>::to_vec));
                Known::new(about, Vec::new())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a file of a test need not survive a crash")]
    fn only_idx_files_with_images_are_watched_for_changes() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = EmbedArguments {
            model: "run".into(),
            input: folder.path().to_path_buf(),
            labels: None,
            columns: ColumnArguments::default(),
            class_folder: ClassFolder::default(),
            parts: PartFolders::default(),
            max_bad: None,
            precision: PrecisionName::Full,
            flip: false,
            out: "out.npy".into(),
            json: false,
        };
        let clothing = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/fashion-mnist-few");
        let set = ImageSet::open(clothing, &OpenOptions::default()).unwrap();
        let input = Input::Idx(Box::new(set));
        std::fs::write(folder.path().join("classes.txt"), "a").unwrap();
        std::fs::write(folder.path().join("out.npy.partial"), "b").unwrap();
        let begin = SystemTime::UNIX_EPOCH;
        assert_eq!(input.changed(&arguments, 7, begin).unwrap(), None);
        let images = folder.path().join("t10k-images.idx3-ubyte.gz");
        std::fs::write(&images, "c").unwrap();
        let late = SystemTime::now() + Duration::from_hours(1);
        assert_eq!(input.changed(&arguments, 7, late).unwrap(), None);
        assert_eq!(input.changed(&arguments, 7, begin).unwrap(), Some(images));
    }
}
