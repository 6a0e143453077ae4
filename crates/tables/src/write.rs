//! Writes tables in any of the formats that can be read.
//!
//! Rows are written in blocks, so memory does not depend on the size of the table. The caller provides the writer.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use super::about::{About, AboutColumn};
use super::error::{Error, Problem, Result};
use super::mark::{KEY, ModelMark, values_checksum};
use super::npy::npy_header;
use super::rows::Rows;
use super::table::ending;
use super::text::write_row;

/// Rows per block, and per row group of a `.parquet`.
const BLOCK: usize = 4096;

/// A file format for tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Embeddings only; names need another file.
    Npy,
    /// Embeddings, and labels, ids, cameras and groups if they are integers; other names need another file.
    Safetensors,
    /// Columns `id`, `label`, `camera`, `split` and `group`, and one column per dimension.
    Csv,
    /// The same columns as a `.csv`, and a column `embedding` of lists.
    Parquet,
}

impl Format {
    /// The format for a file name.
    ///
    /// # Errors
    /// [`Problem::Ending`] for another extension, [`Problem::NoParquet`] without the feature `parquet`.
    pub fn of(path: &Path) -> Result<Self> {
        match ending(path).as_str() {
            "npy" => Ok(Self::Npy),
            "safetensors" => Ok(Self::Safetensors),
            "csv" => Ok(Self::Csv),
            "parquet" if cfg!(feature = "parquet") => Ok(Self::Parquet),
            "parquet" => Err(Problem::NoParquet.at(path)),
            other => Err(Problem::OutputEnding { found: other.to_owned() }.at(path)),
        }
    }

    /// Whether the file can have ids and labels that are not integers.
    pub fn holds_names(self) -> bool {
        matches!(self, Self::Csv | Self::Parquet)
    }

    /// Whether the file can have a column, whatever its values are. A `.csv` cannot have a column with gaps, because its reader
    /// treats an empty field as an error.
    pub fn holds(self, column: &AboutColumn<'_>) -> bool {
        match self {
            Self::Npy | Self::Safetensors => false,
            Self::Csv => !column.has_gaps(),
            Self::Parquet => true,
        }
    }
}

/// Writes `rows` with those columns of `about` that the format supports, and with the model that made them in a `.parquet` or `.safetensors`.
///
/// # Errors
/// Errors of `out`, and [`Problem::Read`] as [`io::Error::other`] for rows that can no longer be read.
pub fn write_table(
    format: Format,
    out: impl Write + Send,
    rows: &Rows,
    about: &About,
    mark: Option<&ModelMark>,
) -> io::Result<()> {
    let with_values = |mark: &ModelMark| {
        let values = mark.values.map_or_else(|| values_checksum(rows), Ok)?;
        Ok(ModelMark { values: Some(values), ..mark.clone() })
    };
    let mark = mark.map(with_values).transpose().map_err(|error: Error| io::Error::other(error))?;
    let mark = mark.as_ref();
    match format {
        Format::Npy => {
            let mut out = out;
            out.write_all(&npy_header(rows.rows(), rows.dim()))?;
            blocks(rows, |_, numbers| out.write_all(&bytes(numbers)))
        }
        Format::Safetensors => safetensors(out, rows, about, mark),
        Format::Csv => csv(out, rows, about),
        #[cfg(feature = "parquet")]
        Format::Parquet => super::columns::write(out, rows, about, mark, BLOCK),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Err(io::Error::other(Problem::NoParquet)),
    }
}

/// Calls `take` with each block and the number of its first row.
fn blocks(rows: &Rows, mut take: impl FnMut(usize, &[f32]) -> io::Result<()>) -> io::Result<()> {
    let mut numbers = Vec::new();
    for first in (0..rows.rows()).step_by(BLOCK) {
        numbers.resize(BLOCK.min(rows.rows() - first) * rows.dim(), 0.0);
        rows.read_into(first, &mut numbers).map_err(io::Error::other)?;
        take(first, &numbers)?;
    }
    Ok(())
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The names as integers, if each is an integer in its usual form.
fn whole(names: Option<&Vec<String>>) -> Option<Vec<i64>> {
    let number = |name: &String| name.parse().ok().filter(|number: &i64| number.to_string() == *name);
    names?.iter().map(number).collect()
}

fn safetensors(mut out: impl Write, rows: &Rows, about: &About, mark: Option<&ModelMark>) -> io::Result<()> {
    let lists: [(&str, Option<Vec<i64>>); 4] = [
        ("labels", whole(about.labels.as_ref())),
        ("ids", whole(about.ids.as_ref())),
        ("cameras", whole(about.cameras.as_ref())),
        ("groups", whole(about.groups.as_ref())),
    ];
    let mut end = 4 * rows.rows() * rows.dim();
    let mut header = serde_json::json!({
        "embeddings": {"dtype": "F32", "shape": [rows.rows(), rows.dim()], "data_offsets": [0, end]}
    });
    if let Some(mark) = mark {
        header["__metadata__"] = serde_json::json!({ KEY: mark.to_text() });
    }
    for (name, list) in &lists {
        if let Some(list) = list {
            let offsets = [end, end + 8 * list.len()];
            header[*name] =
                serde_json::json!({"dtype": "I64", "shape": [list.len()], "data_offsets": offsets});
            end = offsets[1];
        }
    }
    let mut header = header.to_string();
    // the format aligns the values to 8 bytes
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    blocks(rows, |_, numbers| out.write_all(&bytes(numbers)))?;
    for list in lists.iter().filter_map(|(_, list)| list.as_ref()) {
        out.write_all(&list.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(())
}

/// The names of the columns of an embedding, as written to a `.csv`.
pub fn embedding_columns(dim: usize) -> Vec<String> {
    (0..dim).map(|at| format!("x{at}")).collect()
}

fn csv(mut out: impl Write, rows: &Rows, about: &About) -> io::Result<()> {
    let columns = embedding_columns(rows.dim());
    let known: Vec<AboutColumn<'_>> =
        about.columns().into_iter().filter(|column| Format::Csv.holds(column)).collect();
    write_row(&mut out, known.iter().map(|column| column.name.to_owned()).chain(columns))?;
    blocks(rows, |first, numbers| {
        for (at, row) in numbers.chunks(rows.dim()).enumerate() {
            let names = known.iter().map(|column| Cow::Borrowed(column.text(first + at)));
            let values = row.iter().map(|value| Cow::Owned(value.to_string()));
            write_row(&mut out, names.chain(values))?;
        }
        Ok(())
    })?;
    out.flush()
}
