//! Reads embeddings and labels; the file extension gives the format.

use std::path::Path;

use widemargin_durable::open_file;

use super::about::About;
#[cfg(feature = "parquet")]
use super::columns;
use super::error::{Error, Problem, Result};
use super::keys::counts_from;
use super::names::{NamedRows, RowNames};
use super::pattern::{ChosenColumns, ColumnPattern};
use super::rows::Rows;
use super::table::{EmbeddingTable, OpenTable, can_choose, ending, has_column_names, is_table};
use super::{csv_table, fields, memory, npy, npz, tensors, text};

/// Opens a file of embeddings; its extension gives the format. Names that a `.npy`, `.npz` or `.safetensors` does not contain are read from
/// `NAME.names.csv` next to it, if that exists, and so are the labels of another table that has none.
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`]; also if the names do not fit the rows.
pub fn open(path: &Path) -> Result<OpenTable> {
    open_columns(path, None, None)
}

/// As [`open`], with the labels of another file. It is joined by id if both have ids, and may also have the columns `id`, `camera`, `split` and
/// `group`, which are used if the table lacks them. Labels given this way replace those of `NAME.names.csv`.
///
/// # Errors
/// As [`open`] and [`RowNames::in_order_of`]; [`Problem::TwoNames`] if the table contains other labels, cameras, splits or groups.
pub fn open_labelled(path: &Path, labels: Option<&Path>) -> Result<OpenTable> {
    open_columns(path, labels, None)
}

/// As [`open_labelled`], with a pattern that selects the columns of the embedding in a `.csv` or `.parquet`.
///
/// # Errors
/// As [`open_labelled`]; [`Problem::NoColumnNames`] for a pattern with a file of another format.
pub fn open_columns(
    path: &Path,
    labels: Option<&Path>,
    columns: Option<&ColumnPattern>,
) -> Result<OpenTable> {
    open_chosen(path, labels, &ChosenColumns { embedding: columns.cloned(), label: None })
}

/// As [`open_columns`], with the name of the column of labels as well: of the file of labels if there is one, else of the table, or of
/// `NAME.names.csv` if the table has no such column and may have such a file.
///
/// # Errors
/// As [`open_columns`]; [`Problem::NoLabelColumn`] if there is no such column.
pub fn open_chosen(path: &Path, labels: Option<&Path>, chosen: &ChosenColumns) -> Result<OpenTable> {
    let (mut table, beside) = open_with_names(path, labels.is_some(), chosen)?;
    table.require_unique_ids(path)?;
    let altered = table.mark.as_mut().map(|mark| mark.compare(&table.rows)).transpose()?;
    table.notes.extend(altered.flatten());
    let beside = joined(&mut table, beside)?;
    let given = labels.map(|file| RowNames::read_labels(file, chosen.label.as_deref())).transpose()?;
    let given = joined(&mut table, given)?;
    let about = &mut table.about;
    if let Some(names) = &given {
        let labels = names.required("label")?;
        if let Some(own) = &about.labels {
            names.require_same("label", rows(own), path)?;
        } else if let Some((beside, own)) =
            beside.as_ref().and_then(|names| Some((names, names.texts("label")?)))
        {
            table.notes.extend(names.replaced("label", rows(&own), beside.path()));
        }
        about.labels = Some(labels);
    } else if let (None, Some(names), Some(own)) = (&chosen.label, &beside, &about.labels) {
        names.require_same("label", rows(own), path)?;
    }
    for names in [&given, &beside].into_iter().flatten() {
        let columns = [("camera", &about.cameras), ("split", &about.splits), ("group", &about.groups)];
        for (column, own) in columns.into_iter().filter_map(|(column, own)| Some((column, own.as_ref()?))) {
            names.require_same(column, rows(own), path)?;
        }
    }
    if let (Some(given), Some(beside)) = (&given, &beside) {
        for column in ["camera", "split", "group"] {
            let own = beside.texts(column);
            own.map_or(Ok(()), |own| given.require_same(column, rows(&own), beside.path()))?;
        }
    }
    for names in [&given, &beside].into_iter().flatten() {
        let fill = |column: &mut Option<Vec<String>>, name| {
            *column = column.take().or_else(|| names.texts(name));
        };
        fill(&mut about.labels, "label");
        fill(&mut about.cameras, "camera");
        fill(&mut about.splits, "split");
        fill(&mut about.groups, "group");
    }
    table.notes.extend(about.labels.as_deref().and_then(|labels| fields::note(labels, path)));
    Ok(table)
}

/// Opens the table itself, and the names next to it. The chosen column of labels is in one of them, unless a file of labels is `given`.
fn open_with_names(
    path: &Path,
    given: bool,
    chosen: &ChosenColumns,
) -> Result<(OpenTable, Option<RowNames>)> {
    let without = ChosenColumns { label: None, ..chosen.clone() };
    let wanted = chosen.label.as_deref().filter(|_| !given);
    let found = open_alone(path, if wanted.is_some() { chosen } else { &without });
    if let (Some(label), Err(Error { problem: Problem::NoLabelColumn { .. }, .. })) = (wanted, &found)
        && let Some(mut names) = RowNames::beside(path)?
    {
        names.choose_labels(label)?;
        let mut table = open_alone(path, &without)?;
        table.about.labels = None;
        return Ok((table, Some(names)));
    }
    let table = found?;
    // A table whose columns have names has its own; the file may belong to another table of the same name. Labels are worth a look.
    let has_own = has_column_names(path);
    let beside =
        if has_own && (given || table.about.labels.is_some()) { None } else { RowNames::beside(path)? };
    Ok((table, beside.filter(|names| !has_own || names.texts("label").is_some())))
}

/// All rows with their texts.
fn rows(texts: &[String]) -> impl Iterator<Item = (usize, &str)> {
    texts.iter().map(String::as_str).enumerate()
}

/// Names in the order of the rows of a table. If it has no ids, it gets theirs, or the shared column that joined them; ids that only count the
/// rows are replaced by such a column.
fn joined(table: &mut OpenTable, names: Option<RowNames>) -> Result<Option<RowNames>> {
    let Some(names) = names else { return Ok(None) };
    let (path, rows) = (table.rows.path(), table.rows.rows());
    let ids = table.about.ids.as_deref();
    let names = names.in_order_of(NamedRows { path, rows, ids, keys: &table.keys })?;
    let only_count = ids.is_some_and(|ids| counts_from(0, ids.iter().map(String::as_str)));
    if let Some(key) = names.key().filter(|_| only_count || ids.is_none()) {
        table.about.ids = Some(key);
    } else if table.about.ids.is_none() {
        table.about.ids = names.ids();
        table.require_unique_ids(names.path())?;
    }
    table.notes.extend_from_slice(names.notes());
    names.add_keys(&mut table.keys);
    Ok(Some(names))
}

/// Opens a file of embeddings with what it contains itself.
fn open_alone(path: &Path, chosen: &ChosenColumns) -> Result<OpenTable> {
    let file = || open_file(path).map_err(|error| Problem::Read(error.to_string()).at(path));
    let format = ending(path);
    if let Some(columns) =
        chosen.embedding.as_ref().filter(|columns| is_table(path) && !can_choose(path, columns))
    {
        let problem = match columns.name() {
            Some(name) => Problem::NoEmbeddingColumn { column: name.to_owned(), found: Vec::new() },
            None => Problem::NoColumnNames,
        };
        return Err(problem.at(path));
    }
    match format.as_str() {
        "npy" => match &chosen.label {
            Some(label) => Err(Problem::NoLabelColumn { column: label.clone(), found: Vec::new() }.at(path)),
            None => Ok(OpenTable::new(npy::rows(file()?, path)?, About::default())),
        },
        "npz" => npz::open(file()?, path, chosen),
        "safetensors" => tensors::open(file()?, path, chosen),
        "csv" => csv_table::open(&text::read_text(path)?, path, chosen),
        #[cfg(feature = "parquet")]
        "parquet" | "arrow" | "feather" => columns::open(path, chosen),
        #[cfg(not(feature = "parquet"))]
        "parquet" | "arrow" | "feather" => Err(Problem::NoParquet.at(path)),
        _ => Err(Problem::Ending { found: format }.at(path)),
    }
}

/// The rows of a `.npy` file of any name; they stay in the file.
///
/// # Errors
/// As [`open`].
pub fn open_npy(path: &Path) -> Result<Rows> {
    let file = open_file(path).map_err(|error| Problem::Read(error.to_string()).at(path))?;
    npy::rows(file, path)
}

/// Reads the matrix of a `.npy` in full precision: its values, row-major, and the numbers of rows and columns.
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`].
pub fn read_npy_f64(path: &Path) -> Result<(Vec<f64>, [usize; 2])> {
    npy::matrix(&memory::read(path)?, path)
}

/// Reads embeddings; the file extension gives the format.
///
/// # Errors
/// As [`open`].
pub fn read_embeddings(path: &Path) -> Result<EmbeddingTable> {
    open(path)?.read()
}

/// Reads a file of labels: `.npy` (integers or text), `.csv` or `.parquet` (the column `label`), or any other file as text with one label per
/// line.
///
/// # Errors
/// [`Error`](crate::Error) with the path and the [`Problem`]; also for an empty label.
pub fn read_labels(path: &Path) -> Result<Vec<String>> {
    RowNames::read(path, "label")?.required("label")
}
