//! `widemargin nearest`: finds the nearest neighbours of an image in a file of embeddings.
//!
//! A query is an image or a table row, embedded with the model that made the file, or a row of the file itself. The search is exact
//! ([`retrieval::search`]).

use crate::arguments::{ColumnArguments, heading, without_effect};
use crate::calibration::SavedCalibration;
use crate::decision::Decision;
use crate::embed::{mark_of, require_made_by};
use crate::eval::{copies, crowded, near_copies, respelled, score};
use crate::loaded;
use crate::say::{results, say};
use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use widemargin_data::{Depth, PixelFacts, images};
use widemargin_embedder::{Model, Takes};
use widemargin_eval::retrieval::{self, Neighbour};
use widemargin_eval::{Embeddings, files};
use widemargin_report::table::{Column, Table};
use widemargin_report::terminal::visible;
use widemargin_tables::{
    ColumnPattern, EmbeddingTable, Keys, embedding_columns, is_table, open_chosen, open_columns,
    require_no_images, unsorted_columns,
};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  widemargin nearest --model runs/mine --embeddings images.npy query.png\n  widemargin nearest --embeddings images.npy --row mug/a.jpg -k 5"
)]
pub(crate) struct NearestArguments {
    /// Model that made the embeddings: the folder of a finished run, or a model.safetensors
    #[arg(long, value_name = "RUN", required_unless_present = "row")]
    model: Option<PathBuf>,
    /// Embeddings to search: .npy, .npz, .safetensors, .csv, .parquet, .arrow or .feather, with ids and labels in the file or in NAME.names.csv
    #[arg(help_heading = heading::INPUT, long, value_name = "FILE")]
    embeddings: PathBuf,
    /// Labels of the embeddings, one per row, if the file does not contain them
    #[arg(help_heading = heading::INPUT, long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    columns: ColumnArguments,
    /// Columns of the vectors in tables of queries, such as 'e*'; a column of lists by its name
    #[arg(help_heading = heading::INPUT, long, value_name = "PATTERN", requires = "queries", conflicts_with = "row")]
    query_columns: Option<ColumnPattern>,
    /// Answer "unknown" for a query whose nearest neighbour has a lower cosine [default: the threshold of the calibration]
    #[arg(help_heading = heading::DECISION, long, value_name = "COSINE", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Calibration file from `eval calibrate`, of single embeddings [default: calibration.json of the run]
    #[arg(help_heading = heading::DECISION, long, value_name = "FILE", conflicts_with_all = ["threshold", "row"])]
    calibration: Option<PathBuf>,
    /// Number of neighbours per query
    #[arg(short, value_name = "COUNT", default_value_t = 10)]
    k: usize,
    /// Also list rows of the file that are the query itself: the same id, or an equal embedding
    #[arg(long, conflicts_with = "row")]
    keep_self: bool,
    /// Average the embeddings of each query and its mirror image, if the file was made with `embed --flip`
    #[arg(long, conflicts_with = "row")]
    flip: bool,
    /// Use this row of the file as the query: its id, or its number if rows have no ids; may be repeated
    #[arg(long, value_name = "ID", conflicts_with_all = ["model", "queries"])]
    row: Vec<String>,
    /// Query images or folders of images; for a model trained on vectors, tables with one query per row
    #[arg(value_name = "IMAGE", required_unless_present = "row")]
    queries: Vec<PathBuf>,
    /// Print one JSON object instead of one table per query
    #[arg(long)]
    json: bool,
}

/// The JSON object.
#[derive(Serialize)]
struct Answer<'a> {
    embeddings: &'a Path,
    rows: usize,
    k: usize,
    /// Nearest neighbours with cosines at or above it are of the same class as the query; null without a threshold.
    threshold: Option<f64>,
    queries: Vec<Found>,
    warnings: Vec<String>,
}

/// Sentences on queries that are rows of the file, and on cosines too close for `f32`.
fn warnings(arguments: &NearestArguments, found: &[Found], searched: &Embeddings) -> Vec<String> {
    let path = arguments.embeddings.display();
    let (queries, rows) = (
        found.iter().filter(|found| !found.itself.is_empty()).count(),
        found.iter().map(|found| found.itself.len()).sum::<usize>(),
    );
    let mut warnings = Vec::new();
    if queries > 0 && !arguments.keep_self {
        warnings.push(format!(
            "{queries} of {} queries are in {path} themselves ({rows} rows with the same id or an equal embedding), which are not listed; --keep-self lists \
             them.",
            found.len()
        ));
    }
    warnings.extend(crowded(&path, searched));
    warnings
}

/// A query and its neighbours, nearest first.
#[derive(Serialize)]
struct Found {
    query: String,
    /// Rows of the file that are the query itself: not listed, unless `--keep-self` is given.
    itself: Vec<usize>,
    /// Whether the query is of the class of its nearest neighbour, if there is a threshold.
    known: Option<bool>,
    neighbours: Vec<Near>,
}

#[derive(Serialize)]
struct Near {
    rank: usize,
    row: usize,
    id: Option<String>,
    label: Option<String>,
    cosine: f64,
}

pub(crate) fn run(arguments: &NearestArguments) -> anyhow::Result<ExitCode> {
    let gallery = gallery(arguments)?;
    let others = gallery.rows.saturating_sub(usize::from(!arguments.row.is_empty()));
    let k = arguments.k;
    ensure!(k >= 1, "-k: found 0, expected at least 1");
    ensure!(
        k <= others,
        "-k: found {k}, expected at most {others}, the {}rows of {}",
        if others < gallery.rows { "other " } else { "" },
        arguments.embeddings.display()
    );
    let given = arguments.threshold.map(Decision::given).transpose()?;
    let searched = files::unlabelled(&gallery)?;
    let (mut found, decision, about) = match &arguments.model {
        Some(path) => {
            let (model, unfinished) = loaded::load(path, arguments.flip)?;
            let (of_model, of_calibration) = match given {
                Some(_) => (None, Vec::new()),
                None => calibrated(arguments, &model, path, (others, gallery.mark.is_some()))?,
            };
            let (found, about) = by_model(arguments, (&model, path), &gallery, &searched)?;
            (found, given.or(of_model), [unfinished.into_iter().collect(), of_calibration, about].concat())
        }
        None => (of_rows(arguments, &gallery, &searched)?, given, Vec::new()),
    };
    if let Some(decision) = &decision {
        for found in &mut found {
            found.known = found.neighbours.first().map(|near| near.cosine >= decision.threshold);
        }
    }
    let warnings = [gallery.notes.clone(), about, warnings(arguments, &found, &searched)].concat();
    for warning in &warnings {
        say!("warning: {warning}");
    }
    let mut out = results();
    if arguments.json {
        let threshold = decision.as_ref().and_then(Decision::cosine);
        let (embeddings, rows) = (arguments.embeddings.as_path(), gallery.rows);
        let answer = Answer { embeddings, rows, k, threshold, queries: found, warnings };
        writeln!(out, "{}", serde_json::to_string(&answer).context("writing the answer")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (at, found) in found.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", visible(&found.headline(decision.as_ref())))?;
        write!(out, "{}", found.table())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The embeddings to search, with their names.
fn gallery(arguments: &NearestArguments) -> anyhow::Result<EmbeddingTable> {
    let (path, labels) = (&arguments.embeddings, arguments.labels.as_deref());
    let mut table = open_chosen(path, labels, &arguments.columns.chosen())?;
    // Another program may have sorted the columns that `embed` wrote.
    table.reorder_columns(&embedding_columns(table.rows.dim()))?;
    let mut table = table.read()?;
    table.mark = mark_of(path, table.mark.take())?;
    Ok(table)
}

/// The threshold of the given calibration, or of that of the run in `path` if it has one; and warnings about it. `rows` are searched. Its rates are
/// those of the search only if the file states its model.
fn calibrated(
    arguments: &NearestArguments,
    model: &Model,
    path: &Path,
    (rows, is_stated): (usize, bool),
) -> anyhow::Result<(Option<Decision>, Vec<String>)> {
    let Some(saved) = SavedCalibration::of_model(model, path, arguments.calibration.as_deref())? else {
        return Ok((None, Vec::new()));
    };
    ensure!(
        saved.templates.is_none(),
        "--calibration: found a calibration of templates, expected one of single embeddings, which are searched"
    );
    let decision = if saved.fits(model) && is_stated {
        Decision::of_calibration(&saved)
    } else {
        Decision::plain(saved.threshold)
    };
    let mut about: Vec<String> =
        saved.warnings.into_iter().map(|warning| format!("calibration: {warning}")).collect();
    about.extend(decision.in_any_case());
    about.extend(decision.by_chance(rows));
    Ok((Some(decision), about))
}

/// Neighbours of the queries, embedded with the model; and warnings about the queries.
fn by_model(
    arguments: &NearestArguments,
    (model, path): (&Model, &Path),
    gallery: &EmbeddingTable,
    searched: &Embeddings,
) -> anyhow::Result<(Vec<Found>, Vec<String>)> {
    let mut about = Vec::new();
    ensure!(
        model.dim() == gallery.dim,
        "{}: found embeddings of dimension {}, but the model {} computes dimension {}; use the model that made the embeddings",
        arguments.embeddings.display(),
        gallery.dim,
        path.display(),
        model.dim()
    );
    let made = (arguments.embeddings.as_path(), gallery.mark.as_ref(), gallery.rows);
    if let Some(warning) = require_made_by((model, path), made)? {
        about.push(warning);
    }
    let made = format!("the embeddings of {}", path.display());
    let file = arguments.embeddings.display();
    about.extend(unsorted_columns((gallery.columns.as_deref(), &file), (None, &made)));
    let batches = batches(arguments, model, &mut about)?;
    let mut answers = Vec::new();
    let (mut row_numbers, mut undecided, mut query_ids) = (false, 0, Vec::new());
    for batch in batches {
        let Batch { names, ids, keys, values } = batch;
        let labels = vec![0; names.len()];
        let queries = Embeddings::new(&values, names.len(), model.dim(), &labels)?;
        query_ids.extend(ids.iter().flatten().cloned());
        let ids = ids.as_deref().zip(gallery.about.ids.as_deref());
        let (copies, _) = copies([&queries, searched], ids, [&keys, &gallery.keys], false);
        row_numbers |= copies.row_numbers;
        undecided += copies.undecided;
        if let Some(near) = copies.near.filter(|_| !arguments.keep_self) {
            let (query, row) = near.first;
            let row = gallery
                .about
                .ids
                .as_ref()
                .map_or_else(|| format!("row {row}"), |ids| format!("{:?}", ids[row]));
            about.push(near_copies(near, "queries", [&format!("{:?}", names[query]), &row]));
        }
        let found = if arguments.keep_self {
            retrieval::search(&queries, searched, arguments.k)?
        } else {
            retrieval::search_without(&queries, searched, arguments.k, &copies)?
        };
        answers.extend(names.into_iter().enumerate().map(|(query, name)| {
            let itself = if copies.has(query) {
                (0..searched.rows()).filter(|&row| copies.same(query, row)).collect()
            } else {
                Vec::new()
            };
            Found::new(name, itself, found.of(query).unwrap_or_default().iter(), gallery)
        }));
    }
    if row_numbers {
        about.push(
            "The ids of the queries and of the embeddings only number their rows from 0 or 1, so they were not used to find self-matches; only equal \
             embeddings were."
                .to_owned(),
        );
    }
    if let Some(ids) = gallery.about.ids.as_deref().filter(|_| !arguments.keep_self) {
        about.extend(respelled(&query_ids, ids, "queries", &arguments.embeddings));
    }
    if undecided > 0 && !arguments.keep_self {
        about.push(format!(
            "{undecided} queries are as near to an embedding of the file as a rounded copy, but different samples are as near, so they may have found \
             themselves."
        ));
    }
    Ok((answers, about))
}

/// Embedded queries that have ids and other columns of one file.
#[derive(Default)]
struct Batch {
    /// What the output calls them.
    names: Vec<String>,
    /// The ids, unless their rows have none.
    ids: Option<Vec<String>>,
    keys: Keys,
    /// The embeddings, row-major.
    values: Vec<f32>,
}

/// The queries: all images, or one batch per table, because each table has its own ids and columns. Adds warnings to `about`.
fn batches(
    arguments: &NearestArguments,
    model: &Model,
    about: &mut Vec<String>,
) -> anyhow::Result<Vec<Batch>> {
    let batches = match model.description().takes {
        Takes::Images => vec![images_of(arguments, model, about)?],
        Takes::Vectors => (arguments.queries.iter())
            .map(|query| rows_of(arguments, query, model, about))
            .collect::<anyhow::Result<_>>()?,
    };
    Ok(batches)
}

fn images_of(arguments: &NearestArguments, model: &Model, about: &mut Vec<String>) -> anyhow::Result<Batch> {
    let columns = arguments.query_columns.is_some();
    let mut facts = PixelFacts::new(model.description().preprocessing());
    let mut batch = Batch::default();
    for query in &arguments.queries {
        if is_table(query) {
            require_no_images(query)?;
            bail!(
                "{}: found a table of vectors, expected images: the model was trained on images",
                query.display()
            );
        }
        without_effect(&[("--query-columns", columns)], "with a model of images")?;
        let (found, skipped) = images(query, Depth::Deep)?;
        about.extend(skipped);
        batch.values.extend(model.embed_with_facts(&found, &mut facts)?);
        batch.names.extend(found.iter().map(|image| image.display().to_string()));
    }
    about.extend(loaded::about_pixels(&facts));
    Ok(Batch { ids: Some(batch.names.clone()), ..batch })
}

fn rows_of(
    arguments: &NearestArguments,
    query: &Path,
    model: &Model,
    about: &mut Vec<String>,
) -> anyhow::Result<Batch> {
    let mut table = open_columns(query, None, arguments.query_columns.as_ref())?;
    model.match_columns(&mut table)?;
    let (found, expected) = (table.rows.dim(), model.description().shape().values());
    ensure!(
        found == expected,
        "{}: found dimension {found}, expected {expected}, the input dimension of the model",
        query.display()
    );
    table.rows.require_float32()?;
    about.append(&mut table.notes);
    let EmbeddingTable { rows, data, about: columns, keys, .. } = table.read()?;
    let values = model.embed_vectors(&data).with_context(|| query.display().to_string())?;
    let name = |row: usize| {
        let id = columns.ids.as_ref().map_or_else(|| format!("row {row}"), |ids| ids[row].clone());
        format!("{} {id}", query.display())
    };
    Ok(Batch { names: (0..rows).map(name).collect(), ids: columns.ids, keys, values })
}

/// Neighbours of rows of the file itself; a row is not its own neighbour.
fn of_rows(
    arguments: &NearestArguments,
    gallery: &EmbeddingTable,
    searched: &Embeddings,
) -> anyhow::Result<Vec<Found>> {
    let ids = gallery.about.ids.as_ref();
    arguments
        .row
        .iter()
        .map(|name| {
            let row = match ids {
                Some(ids) => ids.iter().position(|id| id == name),
                None => name.parse().ok().filter(|row| *row < gallery.rows),
            };
            let row = row.with_context(|| {
                let expected = if ids.is_some() { "an id of" } else { "a row number, from 0, of" };
                format!("--row: found {name:?}, expected {expected} {}", arguments.embeddings.display())
            })?;
            let found = retrieval::nearest(searched, row, arguments.k)?;
            Ok(Found::new(name.clone(), Vec::new(), found.iter(), gallery))
        })
        .collect()
}

impl Found {
    fn new<'a>(
        query: String,
        itself: Vec<usize>,
        found: impl Iterator<Item = &'a Neighbour>,
        gallery: &EmbeddingTable,
    ) -> Self {
        let name = |list: &Option<Vec<String>>, row: usize| list.as_ref().map(|list| list[row].clone());
        let neighbours = found.zip(1..).map(|(neighbour, rank)| Near {
            rank,
            row: neighbour.index,
            id: name(&gallery.about.ids, neighbour.index),
            label: name(&gallery.about.labels, neighbour.index),
            cosine: neighbour.cosine,
        });
        Self { query, itself, known: None, neighbours: neighbours.collect() }
    }

    /// The query, and with a threshold the class of its nearest neighbour, or that it is unknown.
    fn headline(&self, decision: Option<&Decision>) -> String {
        let (Some(decision), Some(near)) = (decision, self.neighbours.first()) else {
            return self.query.clone();
        };
        let answer = match (self.known, &near.label, &near.id) {
            (Some(true), Some(label), _) => label.clone(),
            (Some(true), None, Some(id)) => format!("same as {id}"),
            (Some(true), None, None) => format!("same as row {}", near.row),
            _ => "unknown".to_owned(),
        };
        format!("{}: {answer} ({})", self.query, decision.reason(near.cosine))
    }

    fn table(&self) -> String {
        let mut columns = vec![Column::right("rank"), Column::right("cosine"), Column::right("row")];
        let (ids, labels) = (
            self.neighbours.iter().any(|row| row.id.is_some()),
            self.neighbours.iter().any(|row| row.label.is_some()),
        );
        columns.extend(ids.then(|| Column::left("id")));
        columns.extend(labels.then(|| Column::left("label")));
        let mut table = Table::new(columns);
        for row in &self.neighbours {
            let mut cells = vec![row.rank.to_string(), score(row.cosine), row.row.to_string()];
            cells.extend(ids.then(|| row.id.clone().unwrap_or_default()));
            cells.extend(labels.then(|| row.label.clone().unwrap_or_default()));
            table.row(cells);
        }
        table.render()
    }
}
