//! `.parquet`: the same columns as a `.csv`, or a column `embedding` of lists. Only built with the feature `parquet`.
//!
//! Rows are read one by one, so memory is one row group and the matrix. Sizes that a file claims are checked first ([`plausible`]).
//! Pages can be uncompressed or compressed with snappy, gzip, LZ4 or zstd; other codecs give an error.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, Type};

use super::about::{About, Columns, require_different};
use super::error::{Error, Problem, Result};
use super::mark::{self, ModelMark};
use super::numbers::{Precise, RANGE, out_of_range};
use super::pattern::{ColumnPattern, is_sample_weight, most_alike};
use super::quiet::catch_panic;
use super::rows::{Rows, read_exact_at};
use super::table::OpenTable;
use super::text_table::TextTable;
use super::{memory, moments, plausible};

/// Longest footer that is read, in bytes.
const MOST_FOOTER: u64 = 1 << 28;

/// The supported codecs, in words.
const CODECS: &str = "snappy, gzip, LZ4 or zstd";

/// Opens a file whose schema is [`plausible`].
fn open_file(path: &Path) -> Result<SerializedFileReader<File>> {
    let unreadable = |source: std::io::Error| Problem::Read(source.to_string()).at(path);
    let implausible = |reason| Problem::Malformed { format: ".parquet", reason }.at(path);
    let file = widemargin_durable::open_file(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length >= 12 {
        let end = part(&file, path, length - 8, 4)?;
        let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        if footer > (length - 8).min(MOST_FOOTER) {
            return Err(implausible(format!("the footer claims {footer} bytes in a file of {length}")));
        }
        plausible::schema(&part(&file, path, length - 8 - footer, footer)?).map_err(implausible)?;
    }
    guarded(path, || SerializedFileReader::new(file).map_err(|error| broken(&error, path)))
}

/// As [`open_file`], for reading values: checks that pages, rows and values are [`plausible`] too.
fn open_whole(path: &Path) -> Result<SerializedFileReader<File>> {
    let unreadable = |source: std::io::Error| Problem::Read(source.to_string()).at(path);
    let implausible = |reason| Problem::Malformed { format: ".parquet", reason }.at(path);
    let reader = open_file(path)?;
    let file = widemargin_durable::open_file(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut values = plausible::Claims::new("values", plausible::VALUES_PER_BYTE, length);
    let mut rows = plausible::Claims::new("rows", plausible::VALUES_PER_BYTE, length);
    for group in reader.metadata().row_groups() {
        rows.add(group.num_rows()).map_err(implausible)?;
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
            let in_pages = plausible::pages(&part(&file, path, start, count)?, ratio).map_err(implausible)?;
            values.add(column.num_values().max(in_pages)).map_err(implausible)?;
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
    catch_panic(work).unwrap_or_else(|| {
        let reason = "its reader panicked on this file".to_owned();
        Err(Problem::Malformed { format: ".parquet", reason }.at(path))
    })
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

pub(super) fn open(path: &Path, pattern: Option<&ColumnPattern>) -> Result<OpenTable> {
    guarded(path, || open_table(path, pattern))
}

fn open_table(path: &Path, pattern: Option<&ColumnPattern>) -> Result<OpenTable> {
    let at_path = |problem: Problem| problem.at(path);
    let reader = open_whole(path)?;
    let names = column_names(&reader);
    require_different(names.iter()).map_err(at_path)?;
    let index = PandasIndex::of(&reader);
    let columns = Columns::find(&names, &index.columns).map_err(at_path)?;
    // A column of lists: `embedding`, or the one that the pattern selects.
    let (list, values) = match (position(&names, "embedding"), pattern) {
        (Some(at), None) if is_list(&reader, at) => {
            require_alone(&reader, at, &names, &columns).map_err(at_path)?;
            (Some(at), None)
        }
        (_, pattern) => {
            let values = columns.values(&names, pattern);
            let chosen = match (&values, pattern) {
                (Ok(values), _) => values.columns.clone(),
                (Err(_), None) => columns.others(names.len()).collect(),
                (Err(_), Some(_)) => Vec::new(),
            };
            if let Some(at) = chosen.into_iter().find(|at| has_images(&reader, *at)) {
                return Err(Problem::ImageColumn { column: names[at].clone() }.at(path));
            }
            let values = values.map_err(at_path)?;
            let only = <[usize; 1]>::try_from(values.columns.as_slice()).ok();
            let list = only.map(|[at]| at).filter(|at| is_list(&reader, *at));
            if let (None, Some(at)) = (list, values.columns.iter().find(|at| is_list(&reader, **at))) {
                return Err(Problem::ListColumn { list: names[*at].clone() }.at(path));
            }
            (list, if list.is_some() { None } else { Some(values) })
        }
    };
    let numbers = values.as_ref().map_or(&[][..], |values| &values.columns);
    let rows_claimed: i64 = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).sum();
    memory::require(
        rows_claimed.unsigned_abs().into(),
        (numbers.len() * 2 * size_of::<f32>() + size_of::<String>()) as u128,
        path,
    )?;
    let mut texts = TextBudget::new(path)?;
    let (mut data, mut rows, mut dim) = (Precise::default(), 0, 0);
    let (mut about, mut row) = (columns.about(), Vec::new());
    let schema = reader.metadata().file_metadata().schema().get_fields();
    let mut keys = columns.keys(&names, &list.map_or_else(|| numbers.to_vec(), |list| vec![list]));
    for record in reader.get_row_iter(None).map_err(|error| broken(&error, path))? {
        let record = record.map_err(|error| broken(&error, path))?;
        let fields = fields(&record);
        let wrong = Wrong { path, row: rows };
        row.clear();
        if let Some(at) = list {
            let Field::ListInternal(found) = fields[at] else {
                return Err(wrong.cell(&names[at], fields[at], "a list of numbers"));
            };
            for field in found.elements() {
                row.push(float(field).ok_or_else(|| wrong.cell(&names[at], field, "a number"))?);
            }
        }
        for &at in numbers {
            row.push(float(fields[at]).ok_or_else(|| wrong.cell(&names[at], fields[at], "a number"))?);
        }
        let column = |at: usize| {
            list.map_or_else(|| names[numbers[at]].clone(), |list| format!("{}[{at}]", names[list]))
        };
        if let Some((at, value)) = out_of_range(&row) {
            let (column, found) = (column(at), value.to_string());
            return Err(Problem::Cell { row: rows, column, found, expected: RANGE.to_owned() }.at(path));
        }
        if rows == 0 {
            dim = row.len();
        }
        if row.len() != dim || dim == 0 {
            let (column, found) = (names[list.unwrap_or(0)].clone(), format!("{} values", row.len()));
            let expected = if dim == 0 { "at least one".to_owned() } else { format!("{dim} as in row 0") };
            return Err(Problem::Cell { row: rows, column, found, expected }.at(path));
        }
        for value in &row {
            data.push(*value);
        }
        columns.add(&mut about, |at| {
            let whole = whole(fields[at]).or_else(|| name(fields[at]));
            let name = whole.ok_or_else(|| wrong.cell(&names[at], fields[at], "a name"))?;
            texts.take(name.len())?;
            Ok(name)
        })?;
        keys.add(|at| {
            if without_text(&schema[at]).is_some() {
                return Ok(None);
            }
            let text = text(fields[at], counts_nanoseconds(&schema[at]));
            texts.take(text.as_ref().map_or(0, String::len))?;
            Ok(text)
        })?;
        rows += 1;
    }
    if let Some(numbers) = index.numbers(rows) {
        match &about.ids {
            None => about.ids = Some(numbers),
            Some(_) => keys.push("", numbers),
        }
    }
    columns.finish(&mut about, &mut keys, &names);
    keys.finish();
    if rows == 0 {
        return Err(Problem::Empty.at(path));
    }
    if let Some(values) = &values {
        values.require_no_counting(&names, &data).map_err(at_path)?;
    }
    let mark = metadata(&reader, mark::KEY).map(ModelMark::from_text).transpose();
    let mark = mark.map_err(|reason| Problem::Malformed { format: ".parquet", reason }.at(path))?;
    let columns = values.map(|values| values.names(&names));
    Ok(OpenTable { columns, mark, keys, ..OpenTable::new(Rows::precise(path, rows, dim, data), about) })
}

/// A value of the file's metadata.
fn metadata<'a>(reader: &'a SerializedFileReader<File>, key: &str) -> Option<&'a str> {
    let all = reader.metadata().file_metadata().key_value_metadata()?;
    all.iter().find(|entry| entry.key == key)?.value.as_deref()
}

/// The index that pandas has recorded.
#[derive(Default)]
struct PandasIndex {
    /// Names of stored columns.
    columns: Vec<String>,
    /// The start, stop and step of an index of numbers that is not stored.
    range: Option<[i64; 3]>,
}

impl PandasIndex {
    fn of(reader: &SerializedFileReader<File>) -> Self {
        #[derive(serde::Deserialize)]
        struct Pandas {
            /// Names, and objects for indices that are not stored.
            index_columns: Vec<serde_json::Value>,
        }
        let recorded = metadata(reader, "pandas").and_then(|text| serde_json::from_str::<Pandas>(text).ok());
        let all = recorded.map(|pandas| pandas.index_columns).unwrap_or_default();
        let columns = all.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        let range = match all.as_slice() {
            [one] if one["kind"] == "range" => {
                let number = |key: &str| one[key].as_i64();
                number("start").zip(number("stop")).zip(number("step")).map(|((a, b), c)| [a, b, c])
            }
            _ => None,
        };
        Self { columns, range }
    }

    /// The numbers of an index that is not stored, as pandas would write them to a `.csv`. If they do not fit the number of rows, another program
    /// has changed the table, and pandas does not use them either.
    fn numbers(&self, rows: usize) -> Option<Vec<String>> {
        let [start, stop, step] = self.range.map(|range| range.map(i128::from))?;
        let count = i128::try_from(rows).ok().filter(|count| *count > 0)?;
        let last = start + (count - 1) * step;
        let fits = (step > 0 && last < stop && last + step >= stop)
            || (step < 0 && last > stop && last + step <= stop);
        fits.then(|| (0..count).map(|row| (start + row * step).to_string()).collect())
    }
}

/// Rejects numeric columns next to the lists of embeddings that could be the embedding as well, and sample weights. Other numbers, such as an age,
/// are not part of the embedding.
fn require_alone(
    reader: &SerializedFileReader<File>,
    list: usize,
    names: &[String],
    columns: &Columns,
) -> Result<(), Problem> {
    let others: Vec<&str> =
        columns.others(names.len()).filter(|at| *at != list).map(|at| names[at].as_str()).collect();
    if let Some(weight) = others.iter().find(|name| is_sample_weight(name)) {
        let advice = "rename it, or choose the column of lists with --columns".to_owned();
        return Err(Problem::SampleWeights { column: (*weight).to_owned(), advice });
    }
    let fields = reader.metadata().file_metadata().schema().get_fields();
    let is_float = |name: &&&str| {
        let field = fields.iter().find(|field| field.name() == **name);
        field.is_some_and(|field| {
            field.is_primitive()
                && matches!(field.get_physical_type(), PhysicalType::FLOAT | PhysicalType::DOUBLE)
        })
    };
    let numbers: Vec<&str> = others.iter().filter(is_float).copied().collect();
    match most_alike(&numbers) {
        found if found.len() > 1 => {
            let numbers = found.into_iter().map(str::to_owned).collect();
            Err(Problem::ListAndNumbers { list: names[list].clone(), numbers })
        }
        _ => Ok(()),
    }
}

/// Whether a column holds lists.
fn is_list(reader: &SerializedFileReader<File>, at: usize) -> bool {
    !reader.metadata().file_metadata().schema().get_fields()[at].is_primitive()
}

/// How the files of images begin: PNG, JPEG, GIF, WebP, TIFF and BMP.
const IMAGES: [&[u8]; 7] = [b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM"];

/// Whether a column holds image files: their bytes, or a group of bytes and path as the library `datasets` writes them.
fn has_images(reader: &SerializedFileReader<File>, at: usize) -> bool {
    let field = &reader.metadata().file_metadata().schema().get_fields()[at];
    let is_bytes = |field: &Arc<Type>| {
        field.name() == "bytes"
            && field.is_primitive()
            && field.get_physical_type() == PhysicalType::BYTE_ARRAY
    };
    field.is_group() && field.get_fields().iter().any(is_bytes) || begins_like_images(reader, field)
}

/// Whether the first value of a column of bytes that are not marked as text begins like an image.
fn begins_like_images(reader: &SerializedFileReader<File>, field: &Arc<Type>) -> bool {
    let info = field.get_basic_info();
    let is_text = info.logical_type_ref().is_some() || info.converted_type() != ConvertedType::NONE;
    if !field.is_primitive() || field.get_physical_type() != PhysicalType::BYTE_ARRAY || is_text {
        return false;
    }
    let name = reader.metadata().file_metadata().schema().name();
    let projection = Type::group_type_builder(name).with_fields(vec![Arc::clone(field)]).build();
    let Some(rows) = projection.ok().and_then(|only| reader.get_row_iter(Some(only)).ok()) else {
        return false;
    };
    // The first that is not null.
    let first = rows.map_while(std::result::Result::ok).find_map(|row| match row.get_column_iter().next() {
        Some((_, Field::Bytes(bytes))) => Some(IMAGES.iter().any(|start| bytes.data().starts_with(start))),
        _ => None,
    });
    first.unwrap_or(false)
}

fn file_length(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path).map_err(|error| Problem::Read(error.to_string()).at(path))?;
    Ok(metadata.len())
}

/// Bounds the text that is read from a file: a page can repeat a long text millions of times in a few bytes.
struct TextBudget<'a> {
    path: &'a Path,
    left: u64,
}

impl<'a> TextBudget<'a> {
    /// Bytes of text for any file, and per byte of the file.
    const FREE: u64 = 16 << 20;
    const PER_BYTE: u64 = 1024;

    fn new(path: &'a Path) -> Result<Self> {
        let length = file_length(path)?;
        Ok(Self { path, left: Self::FREE.saturating_add(length.saturating_mul(Self::PER_BYTE)) })
    }

    fn take(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| {
            let reason = "its texts are far longer than the file".to_owned();
            Problem::Malformed { format: ".parquet", reason }.at(self.path)
        })?;
        Ok(())
    }
}

/// The names of the columns.
pub(super) fn names(path: &Path) -> Result<Vec<String>> {
    Ok(column_names(&open_file(path)?))
}

/// The first column with image files.
pub(super) fn image_column(path: &Path) -> Result<Option<String>> {
    guarded(path, || {
        let reader = open_whole(path)?;
        let names = column_names(&reader);
        Ok((0..names.len()).find(|at| has_images(&reader, *at)).map(|at| names[at].clone()))
    })
}

/// The columns whose values can be written as text.
pub(super) fn texts(path: &Path) -> Result<TextTable> {
    chosen_texts(path, |_| true)
}

/// As [`texts`], of the columns whose names are `chosen`.
pub(super) fn chosen_texts(path: &Path, chosen: impl Fn(&str) -> bool) -> Result<TextTable> {
    guarded(path, || texts_of(path, chosen))
}

/// As [`texts`], with the index that pandas has recorded as a first column without a name, as in a `.csv`. An index with a name is a column already.
pub(super) fn texts_with_index(path: &Path) -> Result<TextTable> {
    let mut table = texts(path)?;
    let index = PandasIndex::of(&open_file(path)?);
    if let Some(at) = table.columns.iter().position(|name| name == "__index_level_0__") {
        table.columns[at].clear();
        table.columns[..=at].rotate_right(1);
        table.rows.iter_mut().for_each(|row| row[..=at].rotate_right(1));
    } else if let Some(numbers) = index.numbers(table.rows.len()) {
        table.columns.insert(0, String::new());
        table.rows.iter_mut().zip(numbers).for_each(|(row, number)| row.insert(0, number));
    }
    Ok(table)
}

fn texts_of(path: &Path, chosen: impl Fn(&str) -> bool) -> Result<TextTable> {
    let reader = open_whole(path)?;
    let schema = reader.metadata().file_metadata().schema();
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for field in schema.get_fields().iter().filter(|field| chosen(field.name())) {
        match without_text(field) {
            None => kept.push(field.clone()),
            Some(why) => left_out.push((field.name().to_owned(), why)),
        }
    }
    if kept.is_empty() {
        return Ok(TextTable { columns: Vec::new(), rows: Vec::new(), lines: None, left_out });
    }
    let mut fields_claimed = plausible::Claims::new("fields", plausible::FIELDS_PER_BYTE, file_length(path)?);
    for group in reader.metadata().row_groups() {
        let count = i64::try_from(kept.len()).unwrap_or(i64::MAX);
        fields_claimed
            .add(group.num_rows().saturating_mul(count))
            .map_err(|reason| Problem::Malformed { format: ".parquet", reason }.at(path))?;
    }
    let mut texts = TextBudget::new(path)?;
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
        let row: Vec<String> = fields(&record).into_iter().enumerate().map(written).collect();
        texts.take(row.iter().map(String::len).sum())?;
        rows.push(row);
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

/// The error of a write: that of the file, if the writer of the format only passes it on.
fn written(error: ParquetError) -> std::io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(of_file) => *of_file,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    }
}

/// Writes rows and their labels and ids, with one row group per block.
pub(super) fn write(
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

fn position(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|found| found.eq_ignore_ascii_case(name))
}

fn fields(row: &Row) -> Vec<&Field> {
    row.get_column_iter().map(|(_, field)| field).collect()
}

fn float(field: &Field) -> Option<f64> {
    match field {
        Field::Float(value) => Some(f64::from(*value)),
        Field::Double(value) => Some(*value),
        Field::Float16(value) => Some(value.to_f64()),
        Field::Byte(value) => Some(f64::from(*value)),
        Field::Short(value) => Some(f64::from(*value)),
        Field::Int(value) => Some(f64::from(*value)),
        Field::Long(value) => Some(*value as f64),
        Field::UByte(value) => Some(f64::from(*value)),
        Field::UShort(value) => Some(f64::from(*value)),
        Field::UInt(value) => Some(f64::from(*value)),
        Field::ULong(value) => Some(*value as f64),
        Field::Decimal(_) => field.to_string().trim_end_matches('.').parse().ok(),
        _ => None,
    }
}

/// A whole number in a column of floats, as text: pandas makes a column of integers with gaps one of floats.
fn whole(field: &Field) -> Option<String> {
    let value = match field {
        Field::Float(value) => f64::from(*value),
        Field::Double(value) => *value,
        _ => return None,
    };
    (value.fract() == 0.0 && value.abs() < 1e15).then(|| value.to_string())
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
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/files").join(name)
    }

    enum Values {
        Doubles(&'static [f64]),
        Longs(&'static [i64]),
        Texts(&'static [&'static str]),
        /// Lists of two floats.
        Lists(&'static [f32]),
    }

    /// A file with these columns, and what pandas has recorded.
    fn written(path: &Path, columns: &[(&str, Values)], pandas: Option<&str>) {
        use parquet::data_type::{DoubleType, Int64Type};
        let of = |(name, values): &(&str, Values)| match values {
            Values::Doubles(_) => format!("required double {name}; "),
            Values::Longs(_) => format!("required int64 {name}; "),
            Values::Texts(_) => format!("required binary {name} (UTF8); "),
            Values::Lists(_) => {
                format!(
                    "required group {name} (LIST) {{ repeated group list {{ required float element; }} }} "
                )
            }
        };
        let schema = format!("message m {{ {} }}", columns.iter().map(of).collect::<String>());
        let metadata = pandas.map(|text| vec![KeyValue::new("pandas".to_owned(), text.to_owned())]);
        let properties = WriterProperties::builder().set_key_value_metadata(metadata).build();
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for (_, values) in columns {
            let mut column = group.next_column().unwrap().unwrap();
            match values {
                Values::Doubles(list) => column.typed::<DoubleType>().write_batch(list, None, None),
                Values::Longs(list) => column.typed::<Int64Type>().write_batch(list, None, None),
                Values::Texts(list) => {
                    let list: Vec<ByteArray> = list.iter().map(|text| ByteArray::from(*text)).collect();
                    column.typed::<ByteArrayType>().write_batch(&list, None, None)
                }
                Values::Lists(list) => {
                    let repeated: Vec<i16> = (0..list.len()).map(|at| (at % 2) as i16).collect();
                    let defined = vec![1; list.len()];
                    column.typed::<FloatType>().write_batch(list, Some(&defined), Some(&repeated))
                }
            }
            .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        widemargin_durable::write_atomic(path, &bytes).unwrap();
    }

    fn range(start: i64, stop: i64, step: i64) -> String {
        format!(
            r#"{{"index_columns": [{{"kind": "range", "name": null, "start": {start}, "stop": {stop}, "step": {step}}}]}}"#
        )
    }

    /// Columns next to the embedding join the table to its labels.
    #[test]
    fn shared_columns_and_indices_join_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let (path, labels) = (folder.path().join("t.parquet"), folder.path().join("l.csv"));
        let labelled = |columns: &[(&str, Values)], pandas: Option<&str>, text: &str| {
            written(&path, columns, pandas);
            widemargin_durable::write_atomic(&labels, text.as_bytes()).unwrap();
            let found = super::super::open_labelled(&path, Some(&labels));
            found.map(|table| table.about.labels.unwrap()).map_err(|error| error.to_string())
        };
        let lists = || Values::Lists(&[1.0, 0.5, 2.0, 0.25, 3.0, 0.125]);
        for name in ["path", "sample", "filename", "image"] {
            let of = |pandas| {
                let columns = [(name, Values::Texts(&["p", "q", "r"])), ("embedding", lists())];
                labelled(&columns, pandas, &format!("{name},label\nr,c\np,a\nq,b\n"))
            };
            assert_eq!(of(None).unwrap(), ["a", "b", "c"], "{name}");
            assert_eq!(of(Some(&range(0, 3, 1))).unwrap(), ["a", "b", "c"], "{name} with an index");
        }
        // Whole numbers join, measurements and lists do not.
        let columns = [
            ("image_id", Values::Longs(&[7, 3, 5])),
            ("height", Values::Doubles(&[1.5, 2.0, 3.0])),
            ("embedding", lists()),
        ];
        let text = "image_id,height,label\n3,9,b\n5,8,c\n7,7,a\n";
        assert_eq!(labelled(&columns, None, text).unwrap(), ["a", "b", "c"]);
        // An index next to ids that the labels do not have.
        let columns = [
            ("id", Values::Texts(&["p", "q", "r"])),
            ("__index_level_0__", Values::Longs(&[2, 0, 1])),
            ("embedding", lists()),
        ];
        let pandas = r#"{"index_columns": ["__index_level_0__"]}"#;
        let text = ",label\n0,a\n1,b\n2,c\n";
        assert_eq!(labelled(&columns, Some(pandas), text).unwrap(), ["c", "a", "b"]);
        // An index that is repeated, with and without a name, shows the order.
        for (name, given) in [("__index_level_0__", ""), ("frame", "frame")] {
            let columns = [(name, Values::Longs(&[0, 1, 0])), ("embedding", lists())];
            let pandas = format!(r#"{{"index_columns": ["{name}"]}}"#);
            let found = labelled(&columns, Some(&pandas), &format!("{given},label\n0,a\n1,b\n0,a\n"));
            assert_eq!(found.unwrap(), ["a", "b", "a"]);
            let said =
                labelled(&columns, Some(&pandas), &format!("{given},label\n1,b\n0,a\n0,a\n")).unwrap_err();
            assert!(
                said.contains("l.csv: line 2 has \"1\" in the ") && said.contains("has \"0\" there"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_index_that_pandas_only_describes_is_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let (table, labels) = (folder.path().join("t.parquet"), folder.path().join("l.parquet"));
        let values =
            || [("x0", Values::Doubles(&[0.5, 1.0, 2.5])), ("x1", Values::Doubles(&[1.0, 0.5, 0.25]))];
        for (pandas, expected) in [
            (range(5, 8, 1), Some(["5", "6", "7"])),
            (range(9, 4, -2), Some(["9", "7", "5"])),
            (range(0, 3, 1), Some(["0", "1", "2"])),
            // Another program has removed rows.
            (range(0, 30, 1), None),
            (range(5, 8, 0), None),
            (range(i64::MIN, i64::MAX, 1), None),
        ] {
            written(&table, &values(), Some(&pandas));
            let found = read_embeddings(&table).unwrap();
            let expected = expected.map(|ids| ids.map(str::to_owned).to_vec());
            assert_eq!((found.dim, found.about.ids), (2, expected), "{pandas}");
        }
        let names = || [("label", Values::Texts(&["a", "b", "c"]))];
        let joined = |of_table: &str, of_labels: &str| {
            written(&table, &values(), Some(of_table));
            written(&labels, &names(), Some(of_labels));
            crate::open_labelled(&table, Some(&labels)).map(|table| table.about.labels.unwrap().concat())
        };
        assert_eq!(joined(&range(5, 8, 1), &range(7, 4, -1)).unwrap(), "cba");
        let said = joined(&range(5, 8, 1), &range(6, 9, 1)).unwrap_err().to_string();
        assert!(said.contains("l.parquet: row 2 has the id \"8\", which"), "{said}");
        assert!(joined(&range(0, 3, 1), &range(5, 8, 1)).is_err());
        // An index that is stored joins in the same way.
        let stored =
            [("label", Values::Texts(&["a", "b", "c"])), ("__index_level_0__", Values::Longs(&[7, 6, 5]))];
        written(&table, &values(), Some(&range(5, 8, 1)));
        written(&labels, &stored, Some(r#"{"index_columns": ["__index_level_0__"]}"#));
        let found = crate::open_labelled(&table, Some(&labels)).unwrap();
        assert_eq!(found.about.labels.unwrap().concat(), "cba");
    }

    #[test]
    fn lists_next_to_other_columns_are_chosen_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let lists = |name: &'static str| (name, Values::Lists(&[1.0, 2.0, 3.0, 4.0]));
        let said = |columns: &[(&str, Values)], pattern: Option<&str>| {
            written(&path, columns, None);
            let pattern = pattern.map(|pattern| pattern.parse().unwrap());
            crate::open_columns(&path, None, pattern.as_ref())
                .map(|table| table.rows.dim())
                .map_err(|error| error.to_string())
        };
        let number = |name: &'static str| (name, Values::Doubles(&[0.5, 1.5]));
        assert_eq!(said(&[lists("embedding"), number("age")], None), Ok(2));
        let both = || [lists("embedding"), number("e0"), number("e1"), number("e2")];
        let error = said(&both(), None).unwrap_err();
        assert!(error.contains("`embedding` of lists and also the numeric columns `e0, e1, e2`"), "{error}");
        assert_eq!((said(&both(), Some("embedding")), said(&both(), Some("e?"))), (Ok(2), Ok(3)));
        let error = said(&[lists("embedding"), number("weight")], None).unwrap_err();
        assert!(error.contains("`weight` looks like the weight of a sample"), "{error}");
        let named = || [lists("vector"), number("age")];
        let error = said(&named(), None).unwrap_err();
        assert!(
            error.contains("`vector` holds lists; if it is the embedding, use --columns 'vector'"),
            "{error}"
        );
        assert_eq!(said(&named(), Some("vector")), Ok(2));
    }

    #[test]
    fn numbers_of_every_kind_are_values_and_whole_floats_are_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let label = ("label", Values::Doubles(&[3.0, -1.0]));
        written(
            &path,
            &[label, ("x0", Values::Longs(&[1, 2])), ("x1", Values::Doubles(&[0.5, 1e8 + 0.25]))],
            None,
        );
        let table = read_embeddings(&path).unwrap();
        assert_eq!(table.about.labels.as_ref().unwrap(), &["3", "-1"]);
        assert_eq!((table.data, table.rests.unwrap()[3]), (vec![1.0, 0.5, 2.0, 1e8], 0.25));
        written(&path, &[("label", Values::Doubles(&[3.5, 1.0])), ("x", Values::Longs(&[1, 2]))], None);
        let said = read_embeddings(&path).unwrap_err().to_string();
        assert!(said.contains("row 0 of column `label` holds 3.5; expected a name"), "{said}");
        assert_eq!(float(&Field::UByte(200)), Some(200.0));
        assert_eq!(float(&Field::ULong(1 << 60)), Some((1_u64 << 60) as f64));
        let decimal =
            |value: i32, scale: i32| Field::Decimal(parquet::data_type::Decimal::from_i32(value, 9, scale));
        assert_eq!((float(&decimal(1250, 2)), float(&decimal(-5, 0))), (Some(12.5), Some(-5.0)));
    }

    #[test]
    fn the_error_of_a_file_is_passed_on_as_it_is() {
        let full = || std::io::Error::new(std::io::ErrorKind::StorageFull, "disk full");
        let found = super::written(ParquetError::from(full()));
        assert_eq!((found.kind(), found.to_string()), (full().kind(), full().to_string()));
        assert!(
            super::written(ParquetError::General("a column".to_owned())).to_string().contains("a column")
        );
    }

    #[test]
    fn two_columns_of_one_name_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("twice.parquet");
        let schema = "message m { required float e0; required float e1; required float e0; }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut bytes = Vec::new();
        SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap().close().unwrap();
        widemargin_durable::write_atomic(&path, &bytes).unwrap();
        let error = read_embeddings(&path).unwrap_err().to_string();
        assert!(error.contains("two columns `e0`"), "{error}");
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
    fn the_index_that_pandas_records_is_no_value() {
        let named = read_embeddings(&fixture("named_index.parquet")).unwrap();
        assert_eq!(
            (named.dim, named.columns.unwrap()),
            (4, ["x0", "x1", "x2", "x3"].map(str::to_owned).to_vec())
        );
        assert_eq!(named.about.ids.unwrap(), ["100", "101", "102"]);
        let several = read_embeddings(&fixture("multi_index.parquet")).unwrap();
        assert_eq!((several.dim, several.data.len(), several.about.ids), (4, 12, None));
    }

    #[test]
    fn a_column_unlike_the_others_is_an_error_or_left_out() {
        let path = fixture("with_age.parquet");
        let said = read_embeddings(&path).unwrap_err().to_string();
        assert!(said.contains("`age` do not fit the others, `x0` to `x3`"), "{said}");
        let open = |pattern: &str| crate::open_columns(&path, None, Some(&pattern.parse().unwrap()));
        assert_eq!((open("x*").unwrap().rows.dim(), open("*").unwrap().rows.dim()), (4, 5));
        assert_eq!(open("!age").unwrap().columns.unwrap().len(), 4);
        let said = open("y*").unwrap_err().to_string();
        assert!(said.contains("no column matches `y*`; its columns are x0, x1, x2, x3, age"), "{said}");
        // A column of lists can have any name.
        let list = fixture("ragged.parquet");
        let said =
            crate::open_columns(&list, None, Some(&"embedding".parse().unwrap())).unwrap_err().to_string();
        assert!(said.contains("holds 3 values; expected 4"), "{said}");
    }

    #[test]
    fn claims_are_checked_before_memory_is_used() {
        let path = fixture("many_rows.parquet");
        for said in [
            read_embeddings(&path).unwrap_err().to_string(),
            crate::read_texts(&path).unwrap_err().to_string(),
        ] {
            assert!(said.contains("claims 67108864 rows in 1148 bytes"), "{said}");
        }
    }

    #[test]
    fn a_double_that_f32_cannot_hold_is_named() {
        let said = read_embeddings(&fixture("out_of_range.parquet")).unwrap_err().to_string();
        assert!(said.contains("row 1 of column `x1` holds -1"), "{said}");
        assert!(said.contains("00000; expected values that f32 can hold"), "{said}");
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
        let said =
            [table.required("list"), table.required("other")].map(|found| found.unwrap_err().to_string());
        assert!(said[0].contains("column `list` holds lists or groups"), "{said:?}");
        assert!(said[1].contains("has no column `other`"), "{said:?}");
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
