//! Valid and invalid files, made by numpy and by hand.

use std::path::{Path, PathBuf};

use super::*;

/// A folder of files for one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "a file of a test need not survive a crash")]
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn problem(&self, name: &str, bytes: impl AsRef<[u8]>) -> Problem {
        let path = self.file(name, bytes);
        let error = read_embeddings(&path).unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        error.problem
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/files").join(name)
}

/// The matrix of the fixtures: `row * 10 + column + 0.5`.
fn assert_matrix(table: &EmbeddingTable, name: &str) {
    assert_eq!((table.rows, table.dim), (3, 4), "{name}");
    let expected: Vec<f32> = (0..12).map(|at| (at / 4 * 10 + at % 4) as f32 + 0.5).collect();
    assert_eq!(table.data, expected, "{name}");
}

#[test]
fn files_of_numpy_are_read_in_every_order_and_type() {
    for name in ["f2.npy", "f4.npy", "f8.npy", "f4_big.npy", "f8_columns.npy", "f4_version_2.npy"] {
        assert_matrix(&read_embeddings(&fixture(name)).unwrap(), name);
    }
    for name in ["labels_i8.npy", "labels_u1.npy", "labels_i4_big.npy", "labels_column.npy"] {
        assert_eq!(read_labels(&fixture(name)).unwrap(), ["7", "7", "9"], "{name}");
    }
    assert_eq!(read_labels(&fixture("labels_text.npy")).unwrap(), ["Ada", "Ada", "Zoë ☂"]);
    for (name, expected) in [("objects.npy", "pickle"), ("one_dimension.npy", "[12]"), ("i4.npy", "<i4")] {
        let error = read_embeddings(&fixture(name)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
    assert!(read_labels(&fixture("f4.npy")).unwrap_err().to_string().contains("[3, 4]"));
}

#[test]
fn truncated_files_of_numpy_are_errors() {
    let folder = Folder::new();
    let whole = std::fs::read(fixture("f4.npy")).unwrap();
    for length in [0, 5, 6, 7, 9, 20, 127, whole.len() - 1] {
        let problem = folder.problem("cut.npy", &whole[..length]);
        assert!(matches!(problem, Problem::Malformed { format: ".npy", .. }), "{length}: {problem}");
    }
    let with = |from: &str, to: &str| {
        let text = String::from_utf8_lossy(&whole[10..128]).replace(from, to);
        let mut bytes = whole[..8].to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(&whole[128..]);
        folder.problem("changed.npy", bytes)
    };
    for (from, to, expected) in [
        ("(3, 4)", "(3, 5)", "does not fit"),
        ("(3, 4)", "(99999999999999999, 99999999999999999)", "does not fit"),
        ("(3, 4)", "(-3, 4)", "whole numbers"),
        ("(3, 4)", "3", "tuple"),
        ("False", "Maybe", "fortran_order"),
        ("'descr'", "'kind'", "no descr"),
        ("'<f4'", "[('a', '<f4')]", "several fields"),
    ] {
        let problem = with(from, to).to_string();
        assert!(problem.contains(expected), "{problem}");
    }
    assert!(matches!(with("<f4", "<c8"), Problem::NumberType { .. }));
}

#[test]
fn text_tables_have_labels_ids_and_cameras() {
    let folder = Folder::new();
    let path =
        folder.file("a.csv", "id, x0 ,label,x1,camera\nfirst,1.5,\"Smith, J.\",2,0\nsecond,-1e-3,cat,3,7\n");
    let table = read_embeddings(&path).unwrap();
    assert_eq!((table.rows, table.dim, table.data.as_slice()), (2, 2, &[1.5, 2.0, -1e-3, 3.0][..]));
    assert_eq!(table.about.labels.as_ref().unwrap(), &["Smith, J.", "cat"]);
    assert_eq!(table.about.ids.as_ref().unwrap(), &["first", "second"]);
    assert_eq!(table.about.cameras.as_ref().unwrap(), &[0, 7]);
    let mut classes = ClassNames::new();
    assert_eq!(["cat", "Smith, J.", "cat"].map(|name| classes.number(name)), [0, 1, 0]);
    assert_eq!(classes.names(), ["cat", "Smith, J."]);

    for (text, expected) in [
        ("x,y\n1,2\n1,two\n", "line 3, column `y` holds \"two\""),
        ("x,label\n1,\n", "line 2, column `label`"),
        ("x,camera\n1,-1\n", "line 2, column `camera`"),
        ("x,y\n1,2,3\n", "not a valid .csv"),
        ("x,y\n", "no rows"),
        ("id,label\na,b\n", "no columns of embeddings"),
        ("id,x\na,1\nb,2\na,3\n", "rows 0 and 2 have the same id \"a\""),
    ] {
        let problem = folder.problem("bad.csv", text).to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn separate_labels_must_match_the_rows() {
    let folder = Folder::new();
    let mut table = open(&fixture("f4.npy")).unwrap();
    let text = folder.file("labels.txt", "a\n b \r\na\n");
    assert_eq!(read_labels(&text).unwrap(), ["a", "b", "a"]);
    let with_column = folder.file("labels.csv", "n,label\n0,x\n1,y\n");
    let two = read_labels(&with_column).unwrap();
    let error = table.set_labels(two, &with_column).unwrap_err();
    assert_eq!(error.problem, Problem::LabelCount { rows: 3, found: 2 });
    assert!(error.to_string().contains("labels.csv"));
    table.set_labels(read_labels(&text).unwrap(), &text).unwrap();
    assert_eq!(table.read().unwrap().about.labels.unwrap(), ["a", "b", "a"]);
    let without = folder.file("other.csv", "n,m\n0,x\n");
    assert!(
        read_labels(&without).unwrap_err().to_string().contains("no column `label`; its columns are n, m")
    );
}

#[test]
fn rows_are_read_by_position() {
    let folder = Folder::new();
    for name in ["f2.npy", "f4_big.npy", "f8_columns.npy"] {
        let table = open(&fixture(name)).unwrap();
        assert_eq!(table.rows.is_in_file(), name != "f8_columns.npy");
        let mut two = [0.0; 8];
        table.rows.read_into(1, &mut two).unwrap();
        assert_eq!(two, [10.5, 11.5, 12.5, 13.5, 20.5, 21.5, 22.5, 23.5], "{name}");
    }
    let path = folder.file("shrinks.npy", std::fs::read(fixture("f4.npy")).unwrap());
    let table = open(&path).unwrap();
    folder.file("shrinks.npy", b"");
    let error = table.rows.read_into(0, &mut [0.0; 4]).unwrap_err();
    assert!(matches!(error.problem, Problem::Read(_)) && error.path == path, "{error}");
}

#[test]
fn a_written_header_can_be_read() {
    let folder = Folder::new();
    for (rows, dim) in [(1, 1), (3, 4), (0, 5), (123_456, 1)] {
        let header = npy_header(rows, dim);
        assert_eq!((header.len() % 64, header.last()), (0, Some(&b'\n')));
        let numbers: Vec<u8> = (0..rows * dim).flat_map(|at| (at as f32).to_le_bytes()).collect();
        let table = read_embeddings(&folder.file("a.npy", [header, numbers].concat())).unwrap();
        assert_eq!((table.rows, table.dim), (rows, dim));
        assert!((0..rows * dim).all(|at| table.data[at] == at as f32));
    }
}

#[test]
fn splits_and_groups_are_read() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "Split,x,group,label\ntrain,1,g1,a\ntest,2,g2,b\n");
    let table = read_embeddings(&path).unwrap();
    assert_eq!((table.dim, table.data.as_slice()), (1, &[1.0, 2.0][..]));
    assert_eq!(table.about.splits.unwrap(), ["train", "test"]);
    assert_eq!(table.about.groups.unwrap(), ["g1", "g2"]);
    assert!(folder.problem("a.csv", "split,x\n,1\n").to_string().contains("line 2, column `split`"));
}

#[test]
fn safetensors_are_read_by_name_or_as_the_only_matrix() {
    use ::safetensors::Dtype;
    use ::safetensors::tensor::{TensorView, serialize};
    let folder = Folder::new();
    let numbers: Vec<u8> =
        (0..12).flat_map(|at| ((at / 4 * 10 + at % 4) as f32 + 0.5).to_le_bytes()).collect();
    let labels: Vec<u8> = [7_i64, 7, 9].iter().flat_map(|v| v.to_le_bytes()).collect();
    let cameras: Vec<u8> = [0_i32, -1, 2].iter().flat_map(|v| v.to_le_bytes()).collect();
    let matrix = || TensorView::new(Dtype::F32, vec![3, 4], &numbers).unwrap();
    let list = || TensorView::new(Dtype::I64, vec![3], &labels).unwrap();
    let write = |name: &str, tensors: Vec<(&str, TensorView<'_>)>| {
        let path = folder.file(name, serialize(tensors, None).unwrap());
        read_embeddings(&path)
    };
    let alone = write("alone.safetensors", vec![("features", matrix()), ("labels", list()), ("ids", list())]);
    assert!(matches!(alone.unwrap_err().problem, Problem::RepeatedId { first: 0, second: 1, .. }));
    let table = write("alone.safetensors", vec![("features", matrix()), ("labels", list())]).unwrap();
    assert_matrix(&table, "alone");
    assert_eq!(table.about.labels.unwrap(), ["7", "7", "9"]);
    let named = write("named.safetensors", vec![("embeddings", matrix()), ("weights", matrix())]).unwrap();
    assert_matrix(&named, "named");
    for (name, tensors, expected) in [
        ("two", vec![("a", matrix()), ("b", matrix())], "found the tensors a, b"),
        ("none", vec![("labels", list())], "found the tensors labels"),
        ("list", vec![("embeddings", list())], "the shape [3]"),
        ("labels", vec![("embeddings", matrix()), ("labels", matrix())], "`labels` has the shape [3, 4]"),
        (
            "camera",
            vec![("x", matrix()), ("cameras", TensorView::new(Dtype::I32, vec![3], &cameras).unwrap())],
            "row 1 of column `cameras` holds -1",
        ),
        (
            "float",
            vec![("x", matrix()), ("labels", TensorView::new(Dtype::F32, vec![3], &numbers[..12]).unwrap())],
            "expected whole numbers",
        ),
    ] {
        let error = write(&format!("{name}.safetensors"), tensors).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let cut = folder.problem("cut.safetensors", b"\x10\0\0\0\0\0\0\0{}");
    assert!(matches!(cut, Problem::Malformed { format: ".safetensors", .. }));
    let whole = serialize(vec![("x", matrix()), ("labels", list())], None).unwrap();
    for length in 0..whole.len() {
        let problem = folder.problem("cut.safetensors", &whole[..length]);
        assert!(matches!(problem, Problem::Malformed { .. }), "{length}: {problem}");
    }
    let longer = folder.problem("long.safetensors", [&whole[..], b"x"].concat());
    assert!(longer.to_string().contains("but its tensors end"), "{longer}");
    let text = |shape: &str, offsets: &str| {
        let header = format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 48]].concat();
        folder.problem("header.safetensors", bytes).to_string()
    };
    for (shape, offsets) in [
        ("[3,5]", "[0,48]"),
        ("[18446744073709551615,4]", "[0,48]"),
        ("[3,4]", "[48,0]"),
        ("[2,4]", "[16,48]"),
    ] {
        assert!(text(shape, offsets).contains("its header: "), "{shape} {offsets}: {}", text(shape, offsets));
    }
    let cut = folder.problem("cut.safetensors", b"\x10\0\0\0\0\0\0\0{}");
    assert!(matches!(cut, Problem::Malformed { format: ".safetensors", .. }));
}

#[test]
fn pairs_are_found_by_id_or_by_row() {
    let folder = Folder::new();
    let with_ids = read_embeddings(&folder.file("a.csv", "id,x\np,1\nq,2\nr,3\n")).unwrap();
    let without = read_embeddings(&folder.file("b.csv", "x\n1\n2\n3\n")).unwrap();
    let by_id = folder.file("pairs.csv", "a,b,same,fold\np,r,yes,0\nq,r,0,1\n");
    let found = read_pairs(&by_id, &with_ids).unwrap();
    assert_eq!(found.pairs, [Pair { a: 0, b: 2, same: true }, Pair { a: 1, b: 2, same: false }]);
    assert_eq!(found.folds, Some(vec![0, 1]));
    let by_row = folder.file("rows.csv", "same,a,b\nTrue,0,2\nFALSE,1,2\n");
    let rows = read_pairs(&by_row, &without).unwrap();
    assert_eq!((rows.pairs, rows.folds), (found.pairs, None));
    for (text, table, expected) in [
        ("a,b,same\np,q,1\np,x,1\n", &with_ids, "line 3 has \"x\"; expected an id of"),
        ("a,b,same\n0,3,1\n", &without, "line 2 has \"3\"; expected a row from 0 to 2"),
        ("a,b\n0,1\n", &without, "no column `same`"),
        ("a,b,same\n0,1,perhaps\n", &without, "line 2, column `same` holds \"perhaps\""),
        ("a,b,same,fold\n0,1,1,x\n", &without, "column `fold`"),
        ("a,b,same\n", &without, "no rows"),
    ] {
        let error = read_pairs(&folder.file("bad.csv", text), table).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("bad.csv"), "{error}");
    }
}

#[test]
fn unreadable_files_are_errors() {
    let missing = read_embeddings(Path::new("no/such/file.npy")).unwrap_err();
    assert!(matches!(missing.problem, Problem::Read(_)));
    let ending = read_embeddings(Path::new("faces.PKL")).unwrap_err();
    assert_eq!(ending.problem, Problem::Ending { found: "pkl".to_owned() });
    #[cfg(not(feature = "parquet"))]
    assert_eq!(read_embeddings(Path::new("faces.parquet")).unwrap_err().problem, Problem::NoParquet);
}

/// Tables written in each format are read back unchanged, with the columns that the format supports.
#[test]
fn every_format_is_read_as_it_was_written() {
    let folder = Folder::new();
    // more rows than a block, and values that are hard to write as text
    let (rows, dim) = (4100, 3);
    let hard = [0.1_f32, -1.0e-30, 3.402_823e38, 1.0 / 3.0, 0.0, 16_777_217.0];
    let data: Vec<f32> =
        (0..rows * dim).map(|at| hard[at % 6] * if at % 7 == 0 { -1.0 } else { 1.0 }).collect();
    let mut bytes = npy_header(rows, dim);
    bytes.extend(data.iter().flat_map(|value| value.to_le_bytes()));
    let source = folder.file("source.partial", bytes);
    let names = |prefix: &str| -> Vec<String> { (0..rows).map(|row| format!("{prefix}{row}")).collect() };
    let labels: Vec<String> =
        (0..rows).map(|row| ["Ada", "Zoë, \"the second\"", "7"][row % 3].to_owned()).collect();
    let named = About { ids: Some(names("a b/")), labels: Some(labels), ..About::default() };
    let numbered = About {
        ids: Some(names("")),
        labels: Some((0..rows).map(|row| (row % 5).to_string()).collect()),
        ..About::default()
    };
    let full = About {
        cameras: Some((0..rows).map(|row| [0, u32::MAX][row % 2]).collect()),
        splits: Some((0..rows).map(|row| ["train", "test"][row % 2].to_owned()).collect()),
        groups: Some(names("")),
        ..named.clone()
    };
    let without_names = About { ids: None, labels: None, splits: None, ..full.clone() };
    let mut endings = vec!["npy", "safetensors", "csv"];
    endings.extend(cfg!(feature = "parquet").then_some("parquet"));
    for ending in endings {
        let bare = About::default();
        for (what, about) in [("named", &named), ("numbered", &numbered), ("full", &full), ("bare", &bare)] {
            let name = format!("{what}.{ending}");
            let format = Format::of(Path::new(&name)).unwrap();
            let mut out = Vec::new();
            write_table(format, &mut out, &open_npy(&source).unwrap(), about).unwrap();
            let path = folder.file(&name, out);
            let table = read_embeddings(&path).unwrap();
            assert_eq!((table.rows, table.dim), (rows, dim), "{ending}");
            assert!(table.data == data, "{ending}: the same bits");
            let expected = match (format, what) {
                (Format::Csv | Format::Parquet, _) | (Format::Safetensors, "numbered") => about.clone(),
                (Format::Safetensors, "full") => without_names.clone(),
                _ => About::default(),
            };
            assert_eq!(table.about, expected, "{what}.{ending}");
        }
    }
    let error = Format::of(Path::new("out.txt")).unwrap_err().to_string();
    assert!(error.contains("unknown file extension \"txt\""), "{error}");
}

/// Images without a class leave gaps. A text table with an empty field could not be read.
#[test]
fn a_column_with_gaps_is_left_out_of_text_tables() {
    let folder = Folder::new();
    let numbers: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let source = folder.file("source.partial", [npy_header(2, 1), numbers].concat());
    let texts = |texts: [&str; 2]| Some(texts.map(str::to_owned).to_vec());
    let about = About { ids: texts(["a", "b"]), labels: texts(["x", ""]), ..About::default() };
    let held = |format: Format| about.columns().into_iter().map(|c| format.holds(&c)).collect::<Vec<_>>();
    assert_eq!((held(Format::Csv), held(Format::Parquet)), (vec![true, false], vec![true, true]));
    let mut out = Vec::new();
    write_table(Format::Csv, &mut out, &open_npy(&source).unwrap(), &about).unwrap();
    let table = read_embeddings(&folder.file("gaps.csv", out)).unwrap();
    assert_eq!((table.about.labels, table.about.ids), (None, about.ids));
}

#[test]
fn the_index_of_pandas_is_not_part_of_the_embedding() {
    let folder = Folder::new();
    let read = |text: &str| read_embeddings(&folder.file("a.csv", text)).unwrap();
    for heading in ["", "Unnamed: 0", "\"\""] {
        let table = read(&format!("{heading},x,label,y\n7,1,a,2\n9,3,b,4\n"));
        assert_eq!((table.dim, table.data.as_slice()), (2, &[1.0, 2.0, 3.0, 4.0][..]), "{heading}");
        assert_eq!(table.about.ids.unwrap(), ["7", "9"], "{heading}");
    }
    // written twice, and together with a column `id`
    let table = read(",Unnamed: 0,id,0,1\n0,5,p,1,2\n1,6,q,3,4\n");
    assert_eq!((table.dim, table.about.ids.unwrap()), (2, vec!["p".to_owned(), "q".to_owned()]));
    // in concatenated tables the index repeats or has gaps: then there are no ids
    for text in [",x\n0,1\n1,2\n0,3\n", ",x\na,1\n,2\n"] {
        let table = read(text);
        assert_eq!((table.dim, table.about.ids), (1, None), "{text}");
    }
    // text in an unnamed column that is not the index is an error
    let problem = folder.problem("a.csv", "x,\n1,a\n");
    assert!(problem.to_string().contains("column `` holds \"a\""), "{problem}");
}

#[test]
fn a_text_table_without_column_names_is_an_error() {
    let folder = Folder::new();
    for text in ["0.5,1.5,2.5,3\n1,2,3,4\n", "1,2,4\n1,2,3\n", "-1e-3,nan\n1,2\n"] {
        let problem = folder.problem("a.csv", text);
        assert!(matches!(problem, Problem::NoHeading { .. }), "{text}: {problem}");
        let first = text.split(',').next().unwrap();
        assert!(problem.to_string().contains(&format!("a row of numbers ({first},")), "{problem}");
    }
    // pandas uses such column names
    for text in ["0,1,2\n5,6,7\n", "1,2\n5,6\n", "label,0.5\na,1\n"] {
        assert_eq!(read_embeddings(&folder.file("a.csv", text)).unwrap().rows, 1, "{text}");
    }
}
