//! `.parquet` files of pyarrow and of the crate `parquet`.

use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::super::{read_embeddings, read_pairs};
use super::parquet_file::written as passed_on;

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
            format!("required group {name} (LIST) {{ repeated group list {{ required float element; }} }} ")
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
        let said = labelled(&columns, Some(&pandas), &format!("{given},label\n1,b\n0,a\n0,a\n")).unwrap_err();
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
    let values = || [("x0", Values::Doubles(&[0.5, 1.0, 2.5])), ("x1", Values::Doubles(&[1.0, 0.5, 0.25]))];
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
}

#[test]
fn the_error_of_a_file_is_passed_on_as_it_is() {
    let full = || std::io::Error::new(std::io::ErrorKind::StorageFull, "disk full");
    let found = passed_on(ParquetError::from(full()));
    assert_eq!((found.kind(), found.to_string()), (full().kind(), full().to_string()));
    assert!(passed_on(ParquetError::General("a column".to_owned())).to_string().contains("a column"));
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
    assert!(error.contains("row 1 of column `embedding` holds 3 values; expected 4 as in row 0"), "{error}");
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
    let said = crate::open_columns(&list, None, Some(&"embedding".parse().unwrap())).unwrap_err().to_string();
    assert!(said.contains("holds 3 values; expected 4"), "{said}");
}

#[test]
fn claims_are_checked_before_memory_is_used() {
    let path = fixture("many_rows.parquet");
    for said in
        [read_embeddings(&path).unwrap_err().to_string(), crate::read_texts(&path).unwrap_err().to_string()]
    {
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
    let rows: Vec<[&str; 2]> =
        (0..table.columns.len()).map(|at| [table.rows[0][at].as_str(), table.rows[1][at].as_str()]).collect();
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
    let said = [table.required("list"), table.required("other")].map(|found| found.unwrap_err().to_string());
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
