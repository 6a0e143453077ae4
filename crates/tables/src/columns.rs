//! `.parquet`: the columns of a `.csv`, or a column `embedding` of lists. Built with the feature `parquet` alone.
//!
//! Rows are read one by one, so memory is one row group and the matrix; sizes that a file claims are checked first ([`plausible`]). Pages may be uncompressed or compressed by snappy,
//! gzip or LZ4; other codecs are refused with an error that names them.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::{Field, List, Row};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::about::Columns;
use super::pairs::{Named, PairFile, truth};
use super::plausible;
use super::rows::read_exact_at;
use super::{About, FileError, FileProblem, FileResult, Pair, Rows as InMemory, TextTable};

/// Longest footer that is read.
const MOST_FOOTER: u64 = 1 << 28;

/// Opens a file whose schema is [`plausible`].
fn open(path: &Path) -> FileResult<SerializedFileReader<File>> {
    let unreadable = |source: std::io::Error| FileProblem::Read(source.to_string()).at(path);
    let implausible = |reason| FileProblem::Malformed { format: ".parquet", reason }.at(path);
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

/// As [`open`], for a file whose values are to be read: its pages are [`plausible`] too.
fn open_whole(path: &Path) -> FileResult<SerializedFileReader<File>> {
    let unreadable = |source: std::io::Error| FileProblem::Read(source.to_string()).at(path);
    let implausible = |reason| FileProblem::Malformed { format: ".parquet", reason }.at(path);
    let reader = open(path)?;
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    for group in reader.metadata().row_groups() {
        for column in group.columns() {
            let (start, count) = guarded(path, || Ok(column.byte_range()))?;
            if start.checked_add(count).is_none_or(|end| end > length) {
                return Err(implausible(format!(
                    "a column of {count} bytes at {start} in a file of {length}"
                )));
            }
            plausible::pages(&part(&file, path, start, count)?).map_err(implausible)?;
        }
    }
    Ok(reader)
}

/// Some bytes of a file that has them.
fn part(file: &File, path: &Path, start: u64, count: u64) -> FileResult<Vec<u8>> {
    let mut bytes = vec![0; count as usize];
    let read = read_exact_at(file, &mut bytes, start);
    read.map_err(|source| FileProblem::Read(source.to_string()).at(path))?;
    Ok(bytes)
}

/// Does what the crate might panic at on a bad file.
fn guarded<T>(path: &Path, work: impl FnOnce() -> FileResult<T>) -> FileResult<T> {
    let panicked = |_| {
        let reason = "its reader panicked on this file".to_owned();
        Err(FileProblem::Malformed { format: ".parquet", reason }.at(path))
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

fn broken(error: &ParquetError, path: &Path) -> FileError {
    FileProblem::Malformed { format: ".parquet", reason: error.to_string() }.at(path)
}

fn column_names(reader: &SerializedFileReader<File>) -> Vec<String> {
    let root = reader.metadata().file_metadata().schema();
    root.get_fields().iter().map(|field| field.name().to_owned()).collect()
}

/// A value that is not what its column should hold.
struct Wrong<'a> {
    path: &'a Path,
    row: usize,
}

impl Wrong<'_> {
    fn cell(&self, column: &str, found: &Field, wanted: &str) -> FileError {
        let (column, found) = (column.to_owned(), found.to_string());
        FileProblem::Cell { row: self.row, column, found, wanted: wanted.to_owned() }.at(self.path)
    }
}

pub(super) fn rows(path: &Path) -> FileResult<(InMemory, About)> {
    guarded(path, || rows_of(path))
}

fn rows_of(path: &Path) -> FileResult<(InMemory, About)> {
    let reader = open_whole(path)?;
    let names = column_names(&reader);
    let (columns, list) = (Columns::find(&names), position(&names, "embedding"));
    let values = list.map_or_else(|| columns.numbers(names.len()), |at| vec![at]);
    if values.is_empty() {
        return Err(FileProblem::NoEmbeddingColumns.at(path));
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
            let (column, found) = (names[values[0]].clone(), format!("{found} numbers"));
            let wanted = if dim == 0 { "at least one".to_owned() } else { format!("{dim} as in row 0") };
            return Err(FileProblem::Cell { row: rows, column, found, wanted }.at(path));
        }
        columns.add(
            &mut about,
            |at| name(fields[at]).ok_or_else(|| wrong.cell(&names[at], fields[at], "a name")),
            |at| wrong.cell(&names[at], fields[at], "a whole number"),
        )?;
        rows += 1;
    }
    if rows == 0 {
        return Err(FileProblem::Empty.at(path));
    }
    Ok((InMemory::in_memory(path, rows, dim, data), about))
}

/// The names of the columns.
pub(super) fn names(path: &Path) -> FileResult<Vec<String>> {
    Ok(column_names(&open(path)?))
}

/// The columns whose values have a form as text.
pub(super) fn texts(path: &Path) -> FileResult<TextTable> {
    guarded(path, || texts_of(path))
}

fn texts_of(path: &Path) -> FileResult<TextTable> {
    let reader = open_whole(path)?;
    let schema = reader.metadata().file_metadata().schema();
    let kept: Vec<usize> =
        (0..schema.get_fields().len()).filter(|&at| schema.get_fields()[at].is_primitive()).collect();
    let all = column_names(&reader);
    let columns = kept.iter().map(|&at| all[at].clone()).collect();
    let mut rows = Vec::new();
    for record in reader.get_row_iter(None).map_err(|error| broken(&error, path))? {
        let record = record.map_err(|error| broken(&error, path))?;
        let fields = fields(&record);
        let wrong = Wrong { path, row: rows.len() };
        let text = |&at: &usize| match fields[at] {
            Field::Null => Ok(String::new()),
            Field::Float(value) => Ok(value.to_string()),
            Field::Double(value) => Ok(value.to_string()),
            field => name(field).ok_or_else(|| wrong.cell(&all[at], field, "text or a number")),
        };
        rows.push(kept.iter().map(text).collect::<FileResult<Vec<String>>>()?);
    }
    Ok(TextTable { columns, rows, lines: None })
}

pub(super) fn pairs(path: &Path, rows: &Named<'_>) -> FileResult<PairFile> {
    guarded(path, || pairs_of(path, rows))
}

fn pairs_of(path: &Path, rows: &Named<'_>) -> FileResult<PairFile> {
    let reader = open_whole(path)?;
    let names = column_names(&reader);
    let column = |name| {
        position(&names, name)
            .ok_or_else(|| FileProblem::NoColumn { column: name, found: names.join(", ") }.at(path))
    };
    let (a, b, same, fold) = (column("a")?, column("b")?, column("same")?, position(&names, "fold"));
    let (mut pairs, mut folds) = (Vec::new(), Vec::new());
    for (row, record) in reader.get_row_iter(None).map_err(|error| broken(&error, path))?.enumerate() {
        let record = record.map_err(|error| broken(&error, path))?;
        let fields = fields(&record);
        let wrong = Wrong { path, row };
        let find = |at: usize, column| {
            let id = name(fields[at]).ok_or_else(|| wrong.cell(column, fields[at], "a name"))?;
            // As if the header were line 1.
            rows.find(&id, row as u64 + 2, path)
        };
        let said = name(fields[same]).and_then(|word| truth(&word));
        let same = said.ok_or_else(|| wrong.cell("same", fields[same], "1 or 0, or true or false"))?;
        pairs.push(Pair { a: find(a, "a")?, b: find(b, "b")?, same });
        if let Some(at) = fold {
            let number = name(fields[at]).and_then(|name| name.parse().ok());
            folds.push(number.ok_or_else(|| wrong.cell("fold", fields[at], "a whole number"))?);
        }
    }
    if pairs.is_empty() {
        return Err(FileProblem::Empty.at(path));
    }
    Ok(PairFile { pairs, folds: fold.map(|_| folds) })
}

/// Writes ids, labels and rows, a row group a block.
pub(super) fn write(
    out: impl std::io::Write + Send,
    rows: &InMemory,
    about: &About,
    block: usize,
) -> std::io::Result<()> {
    let failed = std::io::Error::other::<ParquetError>;
    let names = [("id", &about.ids), ("label", &about.labels)];
    let names: Vec<_> = names.into_iter().filter_map(|(name, list)| Some((name, list.as_ref()?))).collect();
    let texts: Vec<String> =
        names.iter().map(|(name, _)| format!("required binary {name} (UTF8); ")).collect();
    let texts = texts.concat();
    let list = "required group embedding (LIST) { repeated group list { required float element; } }";
    let schema = parse_message_type(&format!("message embeddings {{ {texts}{list} }}")).map_err(failed)?;
    let numbers = ColumnPath::new(["embedding", "list", "element"].map(str::to_owned).to_vec());
    // embeddings hardly repeat: neither a dictionary nor a codec makes them shorter
    let properties = WriterProperties::builder().set_column_dictionary_enabled(numbers, false).build();
    let mut writer =
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
    let mut values = Vec::new();
    for first in (0..rows.rows()).step_by(block) {
        let count = block.min(rows.rows() - first);
        values.resize(count * rows.dim(), 0.0);
        rows.read_into(first, &mut values).map_err(std::io::Error::other)?;
        let mut group = writer.next_row_group().map_err(failed)?;
        for (_, list) in &names {
            let texts: Vec<ByteArray> =
                list[first..first + count].iter().map(|text| ByteArray::from(text.as_str())).collect();
            let mut column = group.next_column().map_err(failed)?.expect("a column a list of names");
            column.typed::<ByteArrayType>().write_batch(&texts, None, None).map_err(failed)?;
            column.close().map_err(failed)?;
        }
        // 0 where a list begins, 1 where it goes on
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

fn append(list: &List, column: &str, wrong: &Wrong<'_>, data: &mut Vec<f32>) -> FileResult<()> {
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

/// Text, or a whole number or truth as text.
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
        let wanted: Vec<f32> = (0..12).map(|at| (at / 4 * 10 + at % 4) as f32 + 0.5).collect();
        for name in ["list.parquet", "columns.parquet"] {
            let table = read_embeddings(&fixture(name)).unwrap();
            assert_eq!((table.rows, table.dim, &table.data), (3, 4, &wanted), "{name}");
            assert_eq!(table.about.labels.as_ref().unwrap(), &["Ada", "Ada", "Zoë"]);
            assert_eq!(table.about.ids.as_ref().unwrap(), &["100", "101", "102"]);
        }
        assert_eq!(read_embeddings(&fixture("list.parquet")).unwrap().about.cameras, Some(vec![0, 1, 0]));
        let error = read_embeddings(&fixture("ragged.parquet")).unwrap_err().to_string();
        assert!(
            error.contains("row 1 of column `embedding` holds 3 numbers; 4 as in row 0 is needed"),
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
        assert!(said.contains("row 1 of column `weight` holds \"\"; a number is needed"), "{said}");
        assert!(crate::is_manifest(&path) && !crate::is_manifest(&vectors));
        assert_eq!(crate::read_texts(&vectors).unwrap().columns, ["camera", "label", "id"]);
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
