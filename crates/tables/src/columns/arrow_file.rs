//! `.arrow` and `.feather` files: the file format of Arrow IPC, which Feather version 2 is too, and its stream format, which the library
//! `datasets` of Hugging Face writes. Read with the crates of Arrow.
//!
//! The file format is the stream format between two magic strings, with an index at its end, so both are read as a stream. Sizes that a file
//! claims are checked first ([`stream`]).

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{ArrowError, DataType, Schema};

use super::super::error::{Error, Problem, Result};
use super::super::memory;
use super::arrow_cells::cell;
use super::arrow_stream::{self as stream, Stream};
use super::column_file::{Column, ColumnFile, Kind, Visit};

/// A file whose schema is known.
pub(super) struct ArrowFile {
    path: PathBuf,
    format: &'static str,
    schema: Schema,
    columns: Vec<Column>,
    /// The record batches, once everything that the file claims has been checked.
    whole: OnceCell<Whole>,
}

struct Whole {
    bytes: Buffer,
    rows: u64,
}

impl ArrowFile {
    pub(super) fn open(path: &Path, format: &'static str) -> Result<Self> {
        let malformed = |reason: String| Problem::Malformed { format, reason }.at(path);
        let file = widemargin_durable::open_file(path);
        let file = file.map_err(|error| Problem::Read(error.to_string()).at(path))?;
        let message = stream::schema_message(&file, path, malformed)?;
        let message = arrow_ipc::root_as_message(&message).map_err(|error| malformed(error.to_string()))?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| malformed("its first message is no schema".to_owned()))?;
        let schema = try_fb_to_schema(schema).map_err(|error| malformed(error.to_string()))?;
        let column = |field: &arrow_schema::FieldRef| Column {
            name: field.name().clone(),
            kind: kind(field.data_type()),
        };
        let columns = schema.fields().iter().map(column).collect();
        Ok(Self { path: path.to_owned(), format, schema, columns, whole: OnceCell::new() })
    }

    fn malformed(&self, reason: impl Into<String>) -> Error {
        Problem::Malformed { format: self.format, reason: reason.into() }.at(&self.path)
    }

    fn broken(&self, error: &ArrowError) -> Error {
        self.malformed(error.to_string())
    }

    fn whole(&self) -> Result<&Whole> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let bytes = memory::read(&self.path)?;
        let Stream { range, rows } = stream::checked(&bytes).map_err(|reason| self.malformed(reason))?;
        let bytes = Buffer::from_vec(bytes).slice_with_length(range.start, range.len());
        Ok(self.whole.get_or_init(|| Whole { bytes, rows }))
    }
}

impl ColumnFile for ArrowFile {
    fn format(&self) -> &'static str {
        self.format
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.schema.metadata.get(key).map(String::as_str)
    }

    fn rows(&self) -> Result<u64> {
        Ok(self.whole()?.rows)
    }

    fn each_row(&self, chosen: &[usize], visit: &mut Visit<'_>) -> Result<()> {
        let (mut bytes, mut decoder) = (self.whole()?.bytes.clone(), StreamDecoder::new());
        while !bytes.is_empty() {
            let Some(batch) = decoder.decode(&mut bytes).map_err(|error| self.broken(&error))? else { break };
            if batch.num_columns() != self.columns.len() {
                return Err(self.malformed("a record batch has other columns than the schema"));
            }
            if !each_row_of(&batch, chosen, visit)? {
                return Ok(());
            }
        }
        decoder.finish().map_err(|error| self.broken(&error))
    }
}

/// Whether to go on after a batch.
fn each_row_of(batch: &RecordBatch, chosen: &[usize], visit: &mut Visit<'_>) -> Result<bool> {
    for row in 0..batch.num_rows() {
        let cells = chosen.iter().map(|at| cell(batch.column(*at).as_ref(), row)).collect();
        if !visit(cells)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn kind(of: &DataType) -> Kind {
    match of {
        DataType::Float32 | DataType::Float64 => Kind::Float,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Kind::Bytes
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => Kind::List,
        DataType::Struct(fields) => Kind::Group {
            images: fields
                .iter()
                .any(|field| field.name() == "bytes" && kind(field.data_type()) == Kind::Bytes),
        },
        DataType::Map(..) | DataType::Union(..) | DataType::RunEndEncoded(..) => {
            Kind::Group { images: false }
        }
        DataType::Duration(_) | DataType::Interval(_) => Kind::Interval,
        DataType::Dictionary(_, values) => kind(values),
        _ => Kind::Plain,
    }
}
