//! `.parquet` files, read and written with the crate `parquet`.
//!
//! Sizes that a file claims are checked first ([`plausible`]). Pages can be uncompressed or compressed with snappy, gzip, LZ4 or zstd; other
//! codecs give an error.

use std::cell::OnceCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, Type};

use super::super::about::About;
use super::super::error::{Error, Problem, Result};
use super::super::mark::{self, ModelMark};
use super::super::rows::{Rows, read_exact_at};
use super::super::{moments, plausible};
use super::cells::Cell;
use super::column_file::{Column, ColumnFile, Kind, Visit};

const FORMAT: &str = ".parquet";

/// Longest footer that is read, in bytes.
const MOST_FOOTER: u64 = 1 << 28;

/// The supported codecs, in words.
const CODECS: &str = "snappy, gzip, LZ4 or zstd";

/// A file whose schema is plausible.
pub(super) struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    columns: Vec<Column>,
    /// The number of rows, once everything that the file claims has been checked.
    rows: OnceCell<u64>,
}

impl ParquetFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let unreadable = |source: std::io::Error| Problem::Read(source.to_string()).at(path);
        let file = widemargin_durable::open_file(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length >= 12 {
            let end = part(&file, path, length - 8, 4)?;
            let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
            if footer > (length - 8).min(MOST_FOOTER) {
                let reason = format!("the footer claims {footer} bytes in a file of {length}");
                return Err(malformed(reason, path));
            }
            plausible::schema(&part(&file, path, length - 8 - footer, footer)?)
                .map_err(|reason| malformed(reason, path))?;
        }
        let reader = SerializedFileReader::new(file).map_err(|error| broken(&error, path))?;
        let fields = reader.metadata().file_metadata().schema().get_fields();
        let column = |field: &Arc<Type>| Column { name: field.name().to_owned(), kind: kind(field) };
        let columns = fields.iter().map(column).collect();
        Ok(Self { path: path.to_owned(), reader, columns, rows: OnceCell::new() })
    }

    /// The number of rows, if pages, rows and values are plausible.
    fn plausible_rows(&self) -> Result<u64> {
        let path = self.path.as_path();
        let unreadable = |source: std::io::Error| Problem::Read(source.to_string()).at(path);
        let implausible = |reason| malformed(reason, path);
        let file = widemargin_durable::open_file(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut values = plausible::Claims::new("values", plausible::VALUES_PER_BYTE, length);
        let mut rows = plausible::Claims::new("rows", plausible::VALUES_PER_BYTE, length);
        let mut count = 0_u64;
        for group in self.reader.metadata().row_groups() {
            rows.add(group.num_rows()).map_err(implausible)?;
            count += group.num_rows().unsigned_abs();
            for column in group.columns() {
                let codec = column.compression();
                if let Compression::BROTLI(_) | Compression::LZO = codec {
                    let found = if codec == Compression::LZO { "LZO" } else { "brotli" }.to_owned();
                    let column = column.column_path().string();
                    return Err(Problem::Codec { column, found, known: CODECS }.at(path));
                }
                let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
                let place = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
                let place =
                    place.filter(|(start, count)| start.checked_add(*count).is_some_and(|end| end <= length));
                let (start, count) = place.ok_or_else(|| {
                    let count = column.compressed_size();
                    implausible(format!("a column claims {count} bytes at {start} in a file of {length}"))
                })?;
                let ratio = plausible::most_ratio(codec);
                let in_pages =
                    plausible::pages(&part(&file, path, start, count)?, ratio).map_err(implausible)?;
                values.add(column.num_values().max(in_pages)).map_err(implausible)?;
            }
        }
        Ok(count)
    }

    fn fields(&self) -> &[Arc<Type>] {
        self.reader.metadata().file_metadata().schema().get_fields()
    }
}

impl ColumnFile for ParquetFile {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        let all = self.reader.metadata().file_metadata().key_value_metadata()?;
        all.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    fn rows(&self) -> Result<u64> {
        if let Some(rows) = self.rows.get() {
            return Ok(*rows);
        }
        let rows = self.plausible_rows()?;
        Ok(*self.rows.get_or_init(|| rows))
    }

    fn each_row(&self, chosen: &[usize], visit: &mut Visit<'_>) -> Result<()> {
        self.rows()?;
        let failed = |error| broken(&error, &self.path);
        let schema = self.reader.metadata().file_metadata().schema();
        let fields: Vec<Arc<Type>> = chosen.iter().map(|at| Arc::clone(&self.fields()[*at])).collect();
        let in_nanoseconds: Vec<bool> = fields.iter().map(|field| counts_nanoseconds(field)).collect();
        let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
        let projection = projection.map_err(failed)?;
        for record in self.reader.get_row_iter(Some(projection)).map_err(failed)? {
            let record = record.map_err(failed)?;
            let fields = record.get_column_iter().map(|(_, field)| field);
            let cells = fields.zip(&in_nanoseconds).map(|(field, nanoseconds)| cell(field, *nanoseconds));
            if !visit(cells.collect())? {
                break;
            }
        }
        Ok(())
    }
}

/// A range of bytes of a file.
fn part(file: &File, path: &Path, start: u64, count: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count as usize];
    let read = read_exact_at(file, &mut bytes, start);
    read.map_err(|source| Problem::Read(source.to_string()).at(path))?;
    Ok(bytes)
}

fn malformed(reason: String, path: &Path) -> Error {
    Problem::Malformed { format: FORMAT, reason }.at(path)
}

fn broken(error: &ParquetError, path: &Path) -> Error {
    malformed(error.to_string(), path)
}

fn kind(field: &Arc<Type>) -> Kind {
    let info = field.get_basic_info();
    if field.is_group() {
        let is_bytes = |field: &Arc<Type>| {
            field.name() == "bytes"
                && field.is_primitive()
                && field.get_physical_type() == PhysicalType::BYTE_ARRAY
        };
        let is_list = info.converted_type() == ConvertedType::LIST;
        let images = field.get_fields().iter().any(is_bytes);
        return if is_list && !images { Kind::List } else { Kind::Group { images } };
    }
    if info.repetition() == Repetition::REPEATED {
        return Kind::List;
    }
    if info.converted_type() == ConvertedType::INTERVAL {
        return Kind::Interval;
    }
    let is_marked = info.logical_type_ref().is_some() || info.converted_type() != ConvertedType::NONE;
    match field.get_physical_type() {
        PhysicalType::FLOAT | PhysicalType::DOUBLE => Kind::Float,
        PhysicalType::BYTE_ARRAY if !is_marked => Kind::Bytes,
        _ => Kind::Plain,
    }
}

/// Whether the integers of a column are timestamps in nanoseconds, for which the crate has no field type.
fn counts_nanoseconds(field: &Type) -> bool {
    let logical = field.get_basic_info().logical_type_ref();
    matches!(logical, Some(LogicalType::Timestamp(stamp)) if matches!(stamp.unit, TimeUnit::NANOS))
}

fn cell(field: &Field, in_nanoseconds: bool) -> Cell {
    match field {
        Field::Null => Cell::Null,
        Field::Bool(value) => Cell::Bool(*value),
        Field::Long(value) if in_nanoseconds => Cell::Moment(moments::moment(*value, 9)),
        Field::Byte(value) => Cell::Whole(i128::from(*value)),
        Field::Short(value) => Cell::Whole(i128::from(*value)),
        Field::Int(value) => Cell::Whole(i128::from(*value)),
        Field::Long(value) => Cell::Whole(i128::from(*value)),
        Field::UByte(value) => Cell::Whole(i128::from(*value)),
        Field::UShort(value) => Cell::Whole(i128::from(*value)),
        Field::UInt(value) => Cell::Whole(i128::from(*value)),
        Field::ULong(value) => Cell::Whole(i128::from(*value)),
        Field::Float16(value) => Cell::Single(value.to_f32()),
        Field::Float(value) => Cell::Single(*value),
        Field::Double(value) => Cell::Double(*value),
        // The crate writes a decimal without decimal places with a point at the end.
        Field::Decimal(_) => Cell::Decimal(field.to_string().trim_end_matches('.').to_owned()),
        Field::Str(text) => Cell::Text(text.clone()),
        Field::Bytes(bytes) => Cell::Bytes(bytes.data().to_vec()),
        Field::Date(days) => Cell::Moment(moments::day(i64::from(*days))),
        Field::TimeMillis(value) => Cell::Moment(moments::time(i64::from(*value), 3)),
        Field::TimeMicros(value) => Cell::Moment(moments::time(*value, 6)),
        Field::TimestampMillis(value) => Cell::Moment(moments::moment(*value, 3)),
        Field::TimestampMicros(value) => Cell::Moment(moments::moment(*value, 6)),
        Field::ListInternal(list) => {
            Cell::List(list.elements().iter().map(|field| cell(field, false)).collect())
        }
        Field::Group(_) => Cell::Other("a group of values"),
        Field::MapInternal(_) => Cell::Other("a map"),
    }
}
/// The error of a write: that of the file, if the writer of the format only passes it on.
pub(super) fn written(error: ParquetError) -> std::io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(of_file) => *of_file,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    }
}

/// Writes rows and their labels and ids, with one row group per block.
pub(crate) fn write(
    out: impl std::io::Write + Send,
    rows: &Rows,
    about: &About,
    mark: Option<&ModelMark>,
    block: usize,
) -> std::io::Result<()> {
    let columns = about.columns();
    let texts: Vec<String> =
        columns.iter().map(|column| format!("required binary {} (UTF8); ", column.name)).collect();
    let texts = texts.concat();
    let list = "required group embedding (LIST) { repeated group list { required float element; } }";
    let schema = parse_message_type(&format!("message embeddings {{ {texts}{list} }}")).map_err(written)?;
    let numbers = ColumnPath::new(["embedding", "list", "element"].map(str::to_owned).to_vec());
    // values hardly repeat, so neither a dictionary nor a codec makes them smaller
    let mark = mark.map(|mark| vec![KeyValue::new(mark::KEY.to_owned(), mark.to_text())]);
    let properties = WriterProperties::builder()
        .set_column_dictionary_enabled(numbers, false)
        .set_key_value_metadata(mark)
        .build();
    let mut writer =
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(written)?;
    let mut values = Vec::new();
    for first in (0..rows.rows()).step_by(block) {
        let count = block.min(rows.rows() - first);
        values.resize(count * rows.dim(), 0.0);
        rows.read_into(first, &mut values).map_err(std::io::Error::other)?;
        let mut group = writer.next_row_group().map_err(written)?;
        for known in &columns {
            let mut column = group.next_column().map_err(written)?.expect("a column of labels or ids");
            let texts = known.texts[first..first + count].iter().map(|text| ByteArray::from(text.as_str()));
            let texts: Vec<ByteArray> = texts.collect();
            column.typed::<ByteArrayType>().write_batch(&texts, None, None).map_err(written)?;
            column.close().map_err(written)?;
        }
        // 0 at the start of a list, 1 inside a list
        let repeated: Vec<i16> = (0..values.len()).map(|at| i16::from(at % rows.dim() != 0)).collect();
        let defined = vec![1; values.len()];
        let mut column = group.next_column().map_err(written)?.expect("the column of embeddings");
        let typed = column.typed::<FloatType>();
        typed.write_batch(&values, Some(&defined), Some(&repeated)).map_err(written)?;
        column.close().map_err(written)?;
        group.close().map_err(written)?;
    }
    writer.close().map(|_| ()).map_err(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_kind_are_cells() {
        let number = |field: Field| cell(&field, false).number();
        assert_eq!(number(Field::UByte(200)), Some(200.0));
        assert_eq!(number(Field::ULong(1 << 60)), Some((1_u64 << 60) as f64));
        let decimal =
            |value: i32, scale: i32| Field::Decimal(parquet::data_type::Decimal::from_i32(value, 9, scale));
        assert_eq!((number(decimal(1250, 2)), number(decimal(-5, 0))), (Some(12.5), Some(-5.0)));
    }
}
