//! `.parquet`: the same columns as a `.csv`, or a column `embedding` of lists. Only built with the feature `parquet`.
//!
//! Rows are read one by one, so memory is one row group and the matrix. Sizes that a file claims are checked first ([`plausible`]).
//! Pages can be uncompressed or compressed with snappy, gzip, LZ4 or zstd; other codecs give an error.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::{Field, List, Row};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, Type};

use super::about::{About, Columns};
use super::error::{Error, Problem, Result};
use super::rows::{Rows, read_exact_at};
use super::text_table::TextTable;
use super::{moments, plausible};

/// Longest footer that is read, in bytes.
const MOST_FOOTER: u64 = 1 << 28;

/// The supported codecs, in words.
const CODECS: &str = "snappy, gzip, LZ4 or zstd";

/// Opens a file whose schema is [`plausible`].
fn open(path: &Path) -> Result<SerializedFileReader<File>> {
    let unreadable = |source: std::io::Error| Problem::Read(source.to_string()).at(path);
    let implausible = |reason| Problem::Malformed { format: ".parquet", reason }.at(path);
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length >= 12 {
        let end = part(&file, path, length - 8, 4)?;
        let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        if footer <= (length - 8).min(MOST_FOOTER) {
            plausible::schema(&part(&file, path, length - 8 - footer, footer)?).map_err(implausible)?;
        }
    }
    guarded(path, || SerializedFileReader::new(file).map_err(|error| broken(&error, path)))
}

/// As [`open`], for reading values: checks that the pages are [`plausible`] too.
fn open_whole(path: &Path) -> Result<SerializedFileReader<File>> {
    let unreadable = |source: std::io::Error| Problem::Read(source.to_string()).at(path);
    let implausible = |reason| Problem::Malformed { format: ".parquet", reason }.at(path);
    let reader = open(path)?;
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    for group in reader.metadata().row_groups() {
        for column in group.columns() {
            let codec = column.compression();
            if let Compression::BROTLI(_) | Compression::LZO = codec {
                let found = if codec == Compression::LZO { "LZO" } else { "brotli" }.to_owned();
                let column = column.column_path().string();
                return Err(Problem::Codec { column, found, known: CODECS }.at(path));
            }
            let (start, count) = guarded(path, || Ok(column.byte_range()))?;
            if start.checked_add(count).is_none_or(|end| end > length) {
                return Err(implausible(format!(
                    "a column claims {count} bytes at {start} in a file of {length}"
                )));
            }
            let ratio = plausible::most_ratio(codec);
            plausible::pages(&part(&file, path, start, count)?, ratio).map_err(implausible)?;
        }
    }
    Ok(reader)
}

/// A range of bytes of a file.
fn part(file: &File, path: &Path, start: u64, count: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count as usize];
    let read = read_exact_at(file, &mut bytes, start);
    read.map_err(|source| Problem::Read(source.to_string()).at(path))?;
    Ok(bytes)
}

/// Turns a panic of the `parquet` crate on an invalid file into an error.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let panicked = |_| {
        let reason = "its reader panicked on this file".to_owned();
        Err(Problem::Malformed { format: ".parquet", reason }.at(path))
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

fn broken(error: &ParquetError, path: &Path) -> Error {
    Problem::Malformed { format: ".parquet", reason: error.to_string() }.at(path)
}

fn column_names(reader: &SerializedFileReader<File>) -> Vec<String> {
    let root = reader.metadata().file_metadata().schema();
    root.get_fields().iter().map(|field| field.name().to_owned()).collect()
}

/// The place of an unexpected value, for errors.
struct Wrong<'a> {
    path: &'a Path,
    row: usize,
}

impl Wrong<'_> {
    fn cell(&self, column: &str, found: &Field, expected: &str) -> Error {
        let (column, found) = (column.to_owned(), found.to_string());
        Problem::Cell { row: self.row, column, found, expected: expected.to_owned() }.at(self.path)
    }
}

pub(super) fn rows(path: &Path) -> Result<(Rows, About)> {
    guarded(path, || rows_of(path))
}

fn rows_of(path: &Path) -> Result<(Rows, About)> {
    let reader = open_whole(path)?;
    let names = column_names(&reader);
    let (columns, list) = (Columns::find(&names), position(&names, "embedding"));
    let values = list.map_or_else(|| columns.numbers(names.len()), |at| vec![at]);
    if values.is_empty() {
        return Err(Problem::NoEmbeddingColumns.at(path));
    }
    let (mut data, mut rows, mut dim) = (Vec::new(), 0, 0);
    let mut about = columns.about();
    for record in reader.get_row_iter(None).map_err(|error| broken(&error, path))? {
        let record = record.map_err(|error| broken(&error, path))?;
        let fields = fields(&record);
        let wrong = Wrong { path, row: rows };
        let before = data.len();
        for &at in &values {
            match fields[at] {
                Field::ListInternal(found) if list == Some(at) => {
                    append(found, &names[at], &wrong, &mut data)?;
                }
                field => {
                    let number = float(field).ok_or_else(|| wrong.cell(&names[at], field, "a number"))?;
                    data.push(number);
                }
            }
        }
        let found = data.len() - before;
        if rows == 0 {
            dim = found;
        }
        if found != dim || dim == 0 {
            let (column, found) = (names[values[0]].clone(), format!("{found} values"));
            let expected = if dim == 0 { "at least one".to_owned() } else { format!("{dim} as in row 0") };
            return Err(Problem::Cell { row: rows, column, found, expected }.at(path));
        }
        let text = |at: usize| name(fields[at]).ok_or_else(|| wrong.cell(&names[at], fields[at], "a name"));
        columns.add(&mut about, text)?;
        rows += 1;
    }
    columns.finish(&mut about);
    if rows == 0 {
        return Err(Problem::Empty.at(path));
    }
    Ok((Rows::in_memory(path, rows, dim, data), about))
}

/// The names of the columns.
pub(super) fn names(path: &Path) -> Result<Vec<String>> {
    Ok(column_names(&open(path)?))
}

/// The columns whose values can be written as text.
pub(super) fn texts(path: &Path) -> Result<TextTable> {
    guarded(path, || texts_of(path))
}

fn texts_of(path: &Path) -> Result<TextTable> {
    let reader = open_whole(path)?;
    let schema = reader.metadata().file_metadata().schema();
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for field in schema.get_fields() {
        match without_text(field) {
            None => kept.push(field.clone()),
            Some(why) => left_out.push((field.name().to_owned(), why)),
        }
    }
    if kept.is_empty() {
        return Ok(TextTable { columns: Vec::new(), rows: Vec::new(), lines: None, left_out });
    }
    let in_nanoseconds: Vec<bool> = kept.iter().map(|field| counts_nanoseconds(field)).collect();
    let mut columns: Vec<String> = kept.iter().map(|field| field.name().to_owned()).collect();
    let failed = |error| broken(&error, path);
    // Columns that are left out are not read: lists can be long, and some types make the crate panic.
    let projection = Type::group_type_builder(schema.name()).with_fields(kept).build().map_err(failed)?;
    let (mut rows, mut not_texts) = (Vec::new(), vec![false; columns.len()]);
    for record in reader.get_row_iter(Some(projection)).map_err(failed)? {
        let record = record.map_err(failed)?;
        let written = |(at, field): (usize, &Field)| {
            text(field, in_nanoseconds[at]).unwrap_or_else(|| {
                not_texts[at] = true;
                String::new()
            })
        };
        rows.push(fields(&record).into_iter().enumerate().map(written).collect::<Vec<String>>());
    }
    for at in (0..columns.len()).rev().filter(|at| not_texts[*at]) {
        left_out.push((columns.remove(at), "bytes that are not text"));
        for row in &mut rows {
            row.remove(at);
        }
    }
    Ok(TextTable { columns, rows, lines: None, left_out })
}

/// The content of a column, in words, if it cannot be written as text.
fn without_text(field: &Type) -> Option<&'static str> {
    let info = field.get_basic_info();
    if !field.is_primitive() || info.repetition() == Repetition::REPEATED {
        return Some("lists or groups");
    }
    (info.converted_type() == ConvertedType::INTERVAL).then_some("intervals")
}

/// Whether the integers of a column are timestamps in nanoseconds, for which the crate has no field type.
fn counts_nanoseconds(field: &Type) -> bool {
    let logical = field.get_basic_info().logical_type_ref();
    matches!(logical, Some(LogicalType::Timestamp(stamp)) if matches!(stamp.unit, TimeUnit::NANOS))
}

/// A value as text (empty for null), or `None` if it cannot be written as text.
fn text(field: &Field, in_nanoseconds: bool) -> Option<String> {
    Some(match field {
        Field::Null => String::new(),
        Field::Float16(value) => value.to_string(),
        Field::Float(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        // The crate writes a decimal without decimal places with a point at the end.
        Field::Decimal(_) => field.to_string().trim_end_matches('.').to_owned(),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).ok()?.to_owned(),
        Field::Date(days) => moments::day(i64::from(*days)),
        Field::TimeMillis(value) => moments::time(i64::from(*value), 3),
        Field::TimeMicros(value) => moments::time(*value, 6),
        Field::TimestampMillis(value) => moments::moment(*value, 3),
        Field::TimestampMicros(value) => moments::moment(*value, 6),
        Field::Long(value) if in_nanoseconds => moments::moment(*value, 9),
        field => return name(field),
    })
}

/// Writes rows and their labels and ids, with one row group per block.
pub(super) fn write(
    out: impl std::io::Write + Send,
    rows: &Rows,
    about: &About,
    block: usize,
) -> std::io::Result<()> {
    let failed = std::io::Error::other::<ParquetError>;
    let columns = about.columns();
    let texts: String =
        columns.iter().map(|column| format!("required binary {} (UTF8); ", column.name)).collect();
    let list = "required group embedding (LIST) { repeated group list { required float element; } }";
    let schema = parse_message_type(&format!("message embeddings {{ {texts}{list} }}")).map_err(failed)?;
    let numbers = ColumnPath::new(["embedding", "list", "element"].map(str::to_owned).to_vec());
    // values hardly repeat, so neither a dictionary nor a codec makes them smaller
    let properties = WriterProperties::builder().set_column_dictionary_enabled(numbers, false).build();
    let mut writer =
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
    let mut values = Vec::new();
    for first in (0..rows.rows()).step_by(block) {
        let count = block.min(rows.rows() - first);
        values.resize(count * rows.dim(), 0.0);
        rows.read_into(first, &mut values).map_err(std::io::Error::other)?;
        let mut group = writer.next_row_group().map_err(failed)?;
        for known in &columns {
            let mut column = group.next_column().map_err(failed)?.expect("a column of labels or ids");
            let texts = known.texts[first..first + count].iter().map(|text| ByteArray::from(text.as_str()));
            let texts: Vec<ByteArray> = texts.collect();
            column.typed::<ByteArrayType>().write_batch(&texts, None, None).map_err(failed)?;
            column.close().map_err(failed)?;
        }
        // 0 at the start of a list, 1 inside a list
        let repeated: Vec<i16> = (0..values.len()).map(|at| i16::from(at % rows.dim() != 0)).collect();
        let defined = vec![1; values.len()];
        let mut column = group.next_column().map_err(failed)?.expect("the column of embeddings");
        let typed = column.typed::<FloatType>();
        typed.write_batch(&values, Some(&defined), Some(&repeated)).map_err(failed)?;
        column.close().map_err(failed)?;
        group.close().map_err(failed)?;
    }
    writer.close().map(|_| ()).map_err(failed)
}

fn position(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|found| found.eq_ignore_ascii_case(name))
}

fn fields(row: &Row) -> Vec<&Field> {
    row.get_column_iter().map(|(_, field)| field).collect()
}

fn append(list: &List, column: &str, wrong: &Wrong<'_>, data: &mut Vec<f32>) -> Result<()> {
    for field in list.elements() {
        data.push(float(field).ok_or_else(|| wrong.cell(column, field, "a number"))?);
    }
    Ok(())
}

fn float(field: &Field) -> Option<f32> {
    match field {
        Field::Float(value) => Some(*value),
        Field::Double(value) => Some(*value as f32),
        Field::Float16(value) => Some(value.to_f32()),
        Field::Byte(value) => Some(f32::from(*value)),
        Field::Short(value) => Some(f32::from(*value)),
        Field::Int(value) => Some(*value as f32),
        Field::Long(value) => Some(*value as f32),
        _ => None,
    }
}

/// Text, or an integer or boolean as text.
fn name(field: &Field) -> Option<String> {
    match field {
        Field::Str(text) => Some(text.clone()),
        Field::Bool(value) => Some(value.to_string()),
        Field::Byte(value) => Some(value.to_string()),
        Field::Short(value) => Some(value.to_string()),
        Field::Int(value) => Some(value.to_string()),
        Field::Long(value) => Some(value.to_string()),
        Field::UByte(value) => Some(value.to_string()),
        Field::UShort(value) => Some(value.to_string()),
        Field::UInt(value) => Some(value.to_string()),
        Field::ULong(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{read_embeddings, read_pairs};

    fn fixture(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/files").join(name)
    }

    #[test]
    fn lists_and_columns_are_read() {
        let expected: Vec<f32> = (0..12).map(|at| (at / 4 * 10 + at % 4) as f32 + 0.5).collect();
        for name in ["list.parquet", "columns.parquet"] {
            let table = read_embeddings(&fixture(name)).unwrap();
            assert_eq!((table.rows, table.dim, &table.data), (3, 4, &expected), "{name}");
            assert_eq!(table.about.labels.as_ref().unwrap(), &["Ada", "Ada", "Zoë"]);
            assert_eq!(table.about.ids.as_ref().unwrap(), &["100", "101", "102"]);
        }
        assert_eq!(
            read_embeddings(&fixture("list.parquet")).unwrap().about.cameras,
            Some(["0", "1", "0"].map(str::to_owned).to_vec())
        );
        let error = read_embeddings(&fixture("ragged.parquet")).unwrap_err().to_string();
        assert!(
            error.contains("row 1 of column `embedding` holds 3 values; expected 4 as in row 0"),
            "{error}"
        );
        let error = read_embeddings(&fixture("missing.parquet")).unwrap_err().to_string();
        assert!(error.contains("row 2 of column `x1` holds null"), "{error}");
    }

    #[test]
    fn columns_of_texts_are_read_and_lists_left_out() {
        let (path, vectors) = (fixture("manifest.parquet"), fixture("list.parquet"));
        let table = crate::read_texts(&path).unwrap();
        assert_eq!(table.columns, ["path", "label", "weight"]);
        assert_eq!(table.rows, [["a/1.png", "7", "0.5"], ["b/2.png", "9", ""], ["b/3.png", "9", "2"]]);
        let said = table.wrong(1, 2, "a number").at(&path).to_string();
        assert!(said.contains("row 1 of column `weight` holds \"\"; expected a number"), "{said}");
        assert!(crate::is_manifest(&path) && !crate::is_manifest(&vectors));
        assert_eq!(crate::read_texts(&vectors).unwrap().columns, ["camera", "label", "id"]);
    }

    #[test]
    fn every_codec_is_read_or_named() {
        let expected: Vec<f32> = (0..12).map(|at| (at / 4 * 10 + at % 4) as f32 + 0.5).collect();
        let table = read_embeddings(&fixture("zstd.parquet")).unwrap();
        assert_eq!((table.rows, table.dim, table.data), (3, 4, expected));
        assert_eq!(table.about.labels.unwrap(), ["Ada", "Ada", "Zoë"]);
        // from an index of pandas
        assert_eq!(table.about.ids.unwrap(), ["100", "101", "102"]);
        let said = read_embeddings(&fixture("brotli.parquet")).unwrap_err().to_string();
        assert!(said.contains("column `x0` is compressed with brotli, which is not supported"), "{said}");
        assert!(said.contains("snappy, gzip, LZ4 or zstd"), "{said}");
    }

    #[test]
    fn columns_of_many_kinds_are_texts() {
        let table = crate::read_texts(&fixture("kinds.parquet")).unwrap();
        let rows: Vec<[&str; 2]> = (0..table.columns.len())
            .map(|at| [table.rows[0][at].as_str(), table.rows[1][at].as_str()])
            .collect();
        let found: Vec<(&str, [&str; 2])> = table.columns.iter().map(String::as_str).zip(rows).collect();
        assert_eq!(
            found,
            [
                ("path", ["a.png", "b.png"]),
                ("thousandths", ["2026-11-25 10:00:00.250", ""]),
                ("millionths", ["2026-11-25 10:00:00.000001", "1969-12-31 23:59:59"]),
                ("billionths", ["2026-11-25 10:00:00.000000001", "1970-01-01 00:00:00"]),
                ("naive", ["2026-11-25 10:00:00", ""]),
                ("day", ["2026-11-25", "1900-03-01"]),
                ("time", ["07:30:00", "23:59:59.999999"]),
                ("price", ["12.50", "-0.05"]),
                ("count", ["12345678901234567890", ""]),
                ("words", ["Zoë", ""]),
                ("half", ["0.5", "-2"]),
                ("small", ["200", "0"]),
                ("yes", ["true", "false"]),
            ]
        );
        let mut left_out = table.left_out().to_vec();
        left_out.sort();
        let expected =
            [("bytes", "bytes that are not text"), ("list", "lists or groups"), ("pair", "lists or groups")];
        assert_eq!(left_out, expected.map(|(name, why)| (name.to_owned(), why)));
    }

    #[test]
    fn pairs_are_read() {
        let table = read_embeddings(&fixture("list.parquet")).unwrap();
        let found = read_pairs(&fixture("pairs.parquet"), &table).unwrap();
        assert_eq!(
            found.pairs.iter().map(|p| (p.a, p.b, p.same)).collect::<Vec<_>>(),
            [(0, 1, true), (1, 2, false)]
        );
        assert_eq!(found.folds, Some(vec![0, 1]));
        let error = read_pairs(&fixture("list.parquet"), &table).unwrap_err().to_string();
        assert!(error.contains("no column `a`"), "{error}");
    }
}
