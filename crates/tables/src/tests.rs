//! Valid and invalid files, made by numpy and by hand.
#![expect(clippy::disallowed_methods, reason = "the files of a test need not survive a crash")]

use std::path::{Path, PathBuf};

use super::mark::values_checksum;
use super::*;

mod any_two_files;
#[cfg(feature = "parquet")]
mod arrow;
mod joins;
mod npz;

/// A folder of files for one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

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
    assert_eq!(table.about.cameras.as_ref().unwrap(), &["0", "7"]);
    let mut classes = ClassNames::new();
    assert_eq!(["cat", "Smith, J.", "cat"].map(|name| classes.number(name)), [0, 1, 0]);
    assert_eq!(classes.names(), ["cat", "Smith, J."]);

    for (text, expected) in [
        ("x,y\n1,2\n1,two\n", "line 3, column `y` holds \"two\""),
        ("x,label\n1,\n", "line 2, column `label`"),
        ("x,camera\n1,\n", "line 2, column `camera`"),
        ("x,y\n1,2,3\n", "not a valid .csv"),
        ("x,y\n", "no rows"),
        ("", "is empty"),
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
    let table = folder.file("f4.npy", std::fs::read(fixture("f4.npy")).unwrap());
    let text = folder.file("labels.txt", "a\n b \r\na\n");
    assert_eq!(read_labels(&text).unwrap(), ["a", "b", "a"]);
    let with_column = folder.file("labels.csv", "n,label\n0,x\n1,y\n");
    let error = open_labelled(&table, Some(&with_column)).unwrap_err();
    assert_eq!(error.problem, Problem::NameCount { what: "label", rows: 3, found: 2, hint: Box::default() });
    assert!(error.to_string().contains("labels.csv: 2 labels for 3 embeddings"), "{error}");
    assert_eq!(open_labelled(&table, Some(&text)).unwrap().about.labels.unwrap(), ["a", "b", "a"]);
    let without = folder.file("other.csv", "n,m\n0,x\n");
    assert!(
        read_labels(&without).unwrap_err().to_string().contains("no column `label`; its columns are n, m")
    );
    let gaps = folder.file("gaps.txt", "a\n\nb\n");
    assert!(read_labels(&gaps).unwrap_err().to_string().contains("line 2 is blank"));
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
    assert!(matches!(error.problem, Problem::Read(_)) && *error.path == *path, "{error}");
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
    assert!(
        named.notes.len() == 1 && named.notes[0].ends_with("are not used: weights."),
        "{:?}",
        named.notes
    );
    // In the singular or plural, as the columns of other formats.
    for names in [["Label", "split", "group", "camera"], ["labels", "splits", "Groups", "CAMERAS"]] {
        let mut tensors: Vec<_> = names.iter().map(|name| (*name, list())).collect();
        tensors.extend([("embeddings", matrix()), ("fold", list()), ("partition", list())]);
        let table = write("columns.safetensors", tensors).unwrap();
        let expected = Some(["7", "7", "9"].map(str::to_owned).to_vec());
        let About { labels, ids, cameras, splits, groups } = table.about;
        assert_eq!([&labels, &cameras, &splits, &groups], [&expected; 4]);
        assert_eq!(ids, None);
        assert!(table.notes[0].ends_with("are not used: fold, partition."), "{:?}", table.notes);
    }
    for (name, tensors, expected) in [
        ("two", vec![("a", matrix()), ("b", matrix())], "several arrays may be the embeddings: a, b"),
        ("none", vec![("labels", list())], "no array is clearly the embeddings; its arrays are labels [3]"),
        ("list", vec![("embeddings", list())], "the shape [3]"),
        ("labels", vec![("embeddings", matrix()), ("labels", matrix())], "`labels` has the shape [3, 4]"),
        (
            "label and labels",
            vec![("x", matrix()), ("label", list()), ("labels", list())],
            "several arrays may be the labels: label, labels; its arrays are label [3], labels [3], x [3, 4]. Choose one with --label-column NAME",
        ),
        (
            "weights",
            vec![("embeddings", matrix()), ("weights", list())],
            "the column `weights` looks like the weight of a sample",
        ),
        (
            "column of weights",
            vec![
                ("embeddings", matrix()),
                ("sample_weight", TensorView::new(Dtype::F32, vec![3, 1], &numbers[..12]).unwrap()),
            ],
            "`sample_weight` looks like the weight of a sample, and sample weights are not supported; remove the array",
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
    assert_eq!((rows.pairs, rows.folds), (found.pairs.clone(), None));
    // By another column that names the rows, if it has all names of the list.
    let keyed = |column: &str| {
        let table = folder.file("keyed.csv", format!("image_id,x0,x1\n{column}"));
        open_columns(&table, None, Some(&"x*".parse().unwrap())).unwrap().read().unwrap()
    };
    let by_key = keyed("605,1,.5\n17,2,.5\n2,3,.5\n");
    let list = folder.file("keyed-pairs.csv", "a,b,same\n605,2,1\n17,2,0\n");
    assert_eq!(read_pairs(&list, &by_key).unwrap().pairs, found.pairs);
    let other = folder.file("keyed-pairs.csv", "a,b,same\n0,2,1\n1,2,0\n");
    assert_eq!(read_pairs(&other, &by_key).unwrap().pairs, found.pairs, "row numbers");
    let error = read_pairs(&other, &keyed("2,1,.5\n1,2,.5\n0,3,.5\n")).unwrap_err().to_string();
    assert!(
        error.contains("row numbers of") && error.contains("numbers in its column `image_id`"),
        "{error}"
    );
    for (text, table, expected) in [
        ("a,b,same\np,q,1\np,x,1\n", &with_ids, "line 3, `b` is \"x\"; expected an id of"),
        ("a,b,same\n0,3,1\n", &without, "line 2, `b` is \"3\"; expected a row from 0 to 2 of"),
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
fn trial_lists_without_column_names_are_read() {
    let folder = Folder::new();
    let table = read_embeddings(&folder.file("a.csv", "id,x\np/1.wav,1\nq/1.wav,2\nr/1.wav,3\n")).unwrap();
    let expected = [Pair { a: 0, b: 2, same: true }, Pair { a: 1, b: 2, same: false }];
    for (name, text) in [
        ("veri.txt", "1 p/1.wav r/1.wav\n0 q/1.wav r/1.wav\n"),
        ("trials", "\n# made by hand\np/1.wav r/1.wav target\r\n\r\nq/1.wav\tr/1.wav\tnontarget\r\n"),
        ("marked.txt", "\u{feff}1\tp/1.wav\tr/1.wav\n-1\tq/1.wav\tr/1.wav"),
        ("list.csv", "p/1.wav,r/1.wav,true\nq/1.wav,r/1.wav,FALSE\n"),
        ("list.txt", "1;p/1.wav;r/1.wav\n0;q/1.wav;r/1.wav\n"),
        ("scored.txt", "p/1.wav r/1.wav 0.5 genuine\nq/1.wav r/1.wav 0.1 impostor\n"),
    ] {
        let found = read_pairs(&folder.file(name, text), &table).unwrap();
        assert_eq!((found.pairs.as_slice(), found.folds), (&expected[..], None), "{name}");
    }
    // Row numbers, where only one column is 0 or 1 throughout.
    let without = read_embeddings(&folder.file("b.csv", "x\n1\n2\n3\n")).unwrap();
    let rows = read_pairs(&folder.file("rows.txt", "1 0 2\n0 1 2\n"), &without).unwrap();
    assert_eq!(rows.pairs, expected);
    for (text, table, problem) in [
        (
            "1 0 1\n0 1 0\n",
            &without,
            "line 1 is \"1 0 1\"; expected a list of one form; name the columns (a, b, same)",
        ),
        ("1 0 2\n0 1 2\n2 1 2\n", &without, "line 3 is \"2 1 2\"; expected field 1 to be 1 or 0"),
        ("1 0 2\n0 1\n", &without, "line 2 is \"0 1\"; expected 3 fields"),
        ("10\t300\n", &without, "line 1 is \"10\\t300\"; expected `1 a.wav b.wav` or `a.wav b.wav 1`"),
        ("1 p/1.wav zz.wav\n", &table, "line 1, `b` is \"zz.wav\"; expected an id of"),
        ("1 p/1.wav r/1.wav\n", &without, "which has no ids"),
        ("", &table, "has no rows"),
    ] {
        let error = read_pairs(&folder.file("bad.txt", text), table).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("bad.txt"), "{error}");
    }
}

#[test]
fn scores_are_read_with_their_truth_or_joined_to_it() {
    let folder = Folder::new();
    let expected = ScoreFile {
        scores: vec![0.75, -2.5],
        same: vec![true, false],
        folds: None,
        doubtful: DoubtfulPairs::default(),
    };
    for (name, text) in [
        ("s.csv", "score,same\n0.75,1\n-2.5,0\n"),
        ("t.csv", "Same,a,b,Score\ntarget,p,q,0.75\nnontarget,p,r,-2.5\n"),
        ("s.txt", "0.75 1\n-2.5 0\n"),
        ("t.txt", "p q target 0.75\np r nontarget -2.5\n"),
        ("u.txt", "1 p q 7.5e-1\n0 p r -2.5\n"),
    ] {
        let path = folder.file(name, text);
        assert!(is_score_file(&path), "{name}");
        assert_eq!(read_scores(&path, None).unwrap(), expected, "{name}");
    }
    let text = "a,b,score,same\np,q,1,1\nq,p,1,0\np,q,2,1\nr,r,1,1\nr,s,1,0\nr,s,1,0\n";
    let doubtful = read_scores(&folder.file("doubtful.csv", text), None).unwrap().doubtful;
    let of = |count: usize, a: &str, b: &str| Some((count, [a, b].map(str::to_owned)));
    let (contradictory, repeated, itself) = (of(2, "q", "p"), of(1, "r", "s"), of(1, "r", "r"));
    assert_eq!(doubtful, DoubtfulPairs { contradictory, repeated, itself });
    let folds = folder.file("f.csv", "score,same,fold\n0.75,1,3\n-2.5,0,4\n");
    assert_eq!(read_scores(&folds, None).unwrap().folds, Some(vec![3, 4]));
    for (name, text) in [
        ("e.csv", "label,score,same,x0\na,1,2,3\n"),
        ("l.csv", "label,x\na,1\n"),
        ("n.csv", "0.5,1\n0.25,0\n"),
        ("labels.txt", "a\nb\n"),
        ("pairs.txt", "1 p q\n"),
    ] {
        assert!(!is_score_file(&folder.file(name, text)), "{name}");
    }
    assert!(!is_score_file(Path::new("no/such.txt")) && !is_score_file(&fixture("f4.npy")));

    assert!(is_score_file(&folder.file("c.csv", "a,b,score\np,q,0.75\n")), "its truth is in another list");
    let keys = folder.file("keys.txt", "0 r p\n1 p q\n");
    let scores = folder.file("k.txt", "p q 0.75\np r -2.5\n");
    assert_eq!(read_scores(&scores, Some(&keys)).unwrap(), expected, "by both names, in either order");
    for (text, list, problem) in [
        ("p q 0.75\n", "1 p q\n0 p r\n", "has no score of \"p\" and \"r\", a pair of"),
        ("p q 0.75\np z 1\n", "1 p q\n0 p r\n", "line 2 has a score of \"p\" and \"z\", a pair that"),
        ("p q 0.75\nq p 99\n", "1 p q\n", "line 2 has another score of \"p\" and \"q\""),
        ("p q 0.75\n", "1 p q\n0 q p\n", "line 2 contradicts line 1"),
        ("0 p q 0.75\n", "1 p q\n", "line 1 contradicts line 1 of"),
    ] {
        let (scores, list) = (folder.file("k.txt", text), folder.file("keys.txt", list));
        let error = read_scores(&scores, Some(&list)).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    for (text, problem) in [
        ("score,same\nnan,1\n", "line 2 has the score NaN; expected a finite number"),
        ("score,same\n1e300,1\n", "line 2 has the score 1e300"),
        ("score,same\n,1\n", "line 2, column `score` holds \"\"; expected a number"),
        ("score,same\n0.5,maybe\n", "line 2, column `same` holds \"maybe\""),
        ("score,label\n0.5,1\n", "has no column `same`; its columns are score, label"),
        ("score,same\n", "has no rows"),
    ] {
        let found = read_scores(&folder.file("bad.csv", text), None);
        let error = found.unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("bad.csv"), "{error}");
    }
    // Names of columns or entries with spaces between them: which of both it is decides the first line.
    for text in ["a b same\np q 1\n", "same a b\n1 p q\n", "a b target\np q target\n", "score same\n0.5 1\n"]
    {
        let said = read_scores(&folder.file("spaces.txt", text), None).unwrap_err().to_string();
        assert!(
            said.contains("spaces.txt: line 1 is") && said.contains("commas between the names"),
            "{said}"
        );
    }
    let entries = folder.file("entries.txt", "a b 0.75 target\na c -2.5 nontarget\n");
    assert!(is_score_file(&entries));
    assert_eq!(read_scores(&entries, None).unwrap(), expected);
    let said = read_scores(&folder.file("ab.txt", "a b 0.5\na c 0.1\n"), None).unwrap_err().to_string();
    assert!(said.contains("line 1 is \"a b 0.5\"; expected `1 a.wav b.wav 0.71` or"), "{said}");
    let tags = folder.file("tags.txt", "# scores of a model\n#a b 0.5 1\n#a c 0.2 0\nb c 0.1 0\n");
    let said = read_scores(&tags, None).unwrap_err().to_string();
    assert!(
        said.contains("line 2 is \"#a b 0.5 1\"; expected a comment, because it begins with `#`"),
        "{said}"
    );
    let decimals = folder.file("decimals.csv", "score,same\n0.5,1.0\n0.25,0.0\n");
    assert_eq!(read_scores(&decimals, None).unwrap().same, [true, false]);
    let binary = folder.file("binary.txt", "1 1\n0 1\n1 0\n");
    let error = read_scores(&binary, None).unwrap_err().to_string();
    assert!(error.contains("expected a list of one form; name the columns (score, same)"), "{error}");
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
        cameras: Some((0..rows).map(|row| ["0", "4294967295"][row % 2].to_owned()).collect()),
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
            write_table(format, &mut out, &open_npy(&source).unwrap(), about, None).unwrap();
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
    write_table(Format::Csv, &mut out, &open_npy(&source).unwrap(), &about, None).unwrap();
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
    // With labels or ids among the numbers, an error about columns would blame what is no name.
    for text in ["0.1,0.25,cat\n0.3,0.5,dog\n", "a.png,0.5,-1e-3\nb.png,1,2\n", "0.1,cat\n0.3,dog\n"] {
        let problem = folder.problem("a.csv", text);
        let first = text.lines().next().unwrap();
        let expected = format!("has no header: the first line ({first}, ...) seems to be a row");
        assert!(problem.to_string().contains(&expected), "{problem}");
    }
    // pandas uses such column names
    for text in ["0,1,2\n5,6,7\n", "1,2\n5,6\n", "label,0.5\na,1\n"] {
        assert_eq!(read_embeddings(&folder.file("a.csv", text)).unwrap().rows, 1, "{text}");
    }
}

#[test]
fn doubles_that_f32_cannot_hold_are_named() {
    let folder = Folder::new();
    let said = read_embeddings(&fixture("out_of_range.npy")).unwrap_err().to_string();
    assert!(said.contains("row 1 of column `1` holds -0.0000"), "{said}");
    assert!(said.contains("; expected values that f32 can hold"), "{said}");
    for (row, expected) in [
        ("1,1e39", "line 3, column `y` holds \"1e39\"; expected values that f32 can hold"),
        ("-1e400,1", "column `x` holds \"-1e400\""),
        ("1e-50,0", "column `x` holds \"1e-50\""),
        ("0,1e-400", "column `y` holds \"1e-400\""),
    ] {
        let said = folder.problem("a.csv", format!("x,y\n1,2\n{row}\n")).to_string();
        assert!(said.contains(expected), "{said}");
    }
    // Zeros, infinities and small values next to larger ones are read; whether they can be used is decided later.
    let table = read_embeddings(&folder.file("a.csv", "x,y\n0,-0e9\ninf,NaN\n1,1e-60\n")).unwrap();
    assert_eq!(
        (table.data[..3].to_vec(), table.data[4..].to_vec()),
        (vec![0.0, 0.0, f32::INFINITY], vec![1.0, 0.0])
    );
}

#[test]
fn columns_are_matched_by_name() {
    let folder = Folder::new();
    let read = |text: &str| read_embeddings(&folder.file("a.csv", text)).unwrap();
    let first = read("label,e0,e1,e2\na,1,2,3\nb,4,5,6\n");
    let mut other = read("e2,e0,label,e1\n3,1,a,2\n6,4,b,5\n");
    assert_ne!(other.data, first.data);
    other.match_columns_of(&first).unwrap();
    assert_eq!((&other.data, &other.columns), (&first.data, &first.columns));
    let mut table = open(&folder.file("b.csv", "e1,e0,e2\n2,1,3\n5,4,6\n")).unwrap();
    table.match_columns(first.columns.as_deref().unwrap(), "the model").unwrap();
    assert_eq!(table.read().unwrap().data, first.data);
    for (heading, expected) in [
        ("e0,e1,e3", "the columns of the embedding are not those of the model: found e3, expected e2"),
        ("e0,e1", "e2 are missing"),
        ("e0,e1,e2,e3", "found also e3"),
        ("E0,E1,E2", "found E0, E1, E2, expected e0, e1, e2"),
    ] {
        let row = "1,".repeat(heading.split(',').count());
        let text = format!("{heading}\n{}\n", row.trim_end_matches(','));
        let mut table = open(&folder.file("c.csv", text)).unwrap();
        let said =
            table.match_columns(first.columns.as_deref().unwrap(), "the model").unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains("c.csv"), "{said}");
    }
    // A matrix without names is used as it is.
    let mut unnamed = open(&fixture("f4.npy")).unwrap();
    unnamed.match_columns(&["a".to_owned()], "the model").unwrap();
    let said = open_columns(&fixture("f4.npy"), None, Some(&"x*".parse().unwrap())).unwrap_err().to_string();
    assert!(said.contains("f4.npy: its values have no column names"), "{said}");
}

#[test]
fn columns_that_are_no_values_are_named() {
    let folder = Folder::new();
    let rows = |heading: &str, first: &dyn Fn(usize) -> String| -> String {
        let rows = (0..12).map(|row| format!("{},{}.5,{}.25\n", first(row), row % 3, row % 5));
        format!("{heading}\n{}", rows.collect::<String>())
    };
    let count = |row: usize| (7 * row).to_string();
    for (heading, expected) in [
        ("img_id,x0,x1", "`img_id` looks like a row number"),
        ("index,a,b", "`index` looks like a row number"),
        ("number,a,b", "`number` looks like a row number"),
        ("age,x0,x1", "`age` do not fit the others, `x0` to `x1`; to leave it out, use --columns 'x*'"),
        ("weight,a,b", "`weight` looks like the weight of a sample"),
        ("label,label,x", "two columns `label`"),
        ("label,Label,x", "two columns `label`"),
    ] {
        let text = rows(heading, &count);
        let said = folder.problem("a.csv", &text).to_string();
        assert!(said.contains(expected), "{heading}: {said}");
        if !heading.starts_with("label") {
            let name = heading.split(',').next().unwrap();
            let pattern = format!("!{name}").parse().unwrap();
            let path = folder.file("a.csv", &text);
            assert_eq!(open_columns(&path, None, Some(&pattern)).unwrap().rows.dim(), 2, "{heading}");
            assert_eq!(
                open_columns(&path, None, Some(&"*".parse().unwrap())).unwrap().rows.dim(),
                3,
                "{heading}"
            );
        }
    }
    assert_eq!(
        read_embeddings(&folder.file("a.csv", rows("n,a,b", &|row| (row % 7).to_string()))).unwrap().dim,
        3
    );
}

#[test]
fn long_names_are_clipped_in_messages() {
    let folder = Folder::new();
    let name = "n".repeat(1_000_000);
    for text in [
        format!("{name},x\na,1\n"),
        format!("label,x\n{name},y\n"),
        format!("label,x\na,{name}\n"),
        format!("{name},{name}\n1,2\n"),
        format!("id,x\n{name},1\n{name},2\n"),
        format!("{name};x\n"),
    ] {
        let said = folder.problem("a.csv", text).to_string();
        assert!(said.len() < 500, "{} bytes: {said:.500}", said.len());
    }
}

#[test]
fn a_byte_order_mark_and_crlf_change_nothing() {
    let folder = Folder::new();
    let plain = "# made by hand\nid,label,x0,x1\n#tag,a,1,2\n\" lead\",b,3,4\n";
    let expected = read_embeddings(&folder.file("a.csv", plain)).unwrap();
    assert_eq!(expected.about.ids.as_ref().unwrap(), &["#tag", " lead"]);
    let changed = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    assert_eq!(read_embeddings(&folder.file("a.csv", changed)).unwrap(), expected);
    let twice = format!("\u{feff}\u{feff}{plain}");
    assert_eq!(read_embeddings(&folder.file("a.csv", twice)).unwrap(), expected);
    for (name, text) in [("l.txt", "\u{feff}a\r\nb\r\n"), ("l.csv", "\u{feff}label,n\r\na,1\r\nb,2\r\n")] {
        assert_eq!(read_labels(&folder.file(name, text)).unwrap(), ["a", "b"], "{name}");
    }
    for (name, text) in [("e.csv", ""), ("e.csv", "# only a comment\n"), ("e.csv", "\u{feff}")] {
        assert_eq!(folder.problem(name, text), Problem::NoContent, "{text:?}");
        assert!(matches!(read_labels(&folder.file(name, text)).unwrap_err().problem, Problem::NoContent));
    }
    assert!(folder.problem("a.csv", b"\xff\xfel\0").to_string().contains("UTF-16"));
}

/// A file states which model made it, so that a copy keeps the statement.
#[test]
fn the_model_that_made_a_file_is_stored_in_it() {
    let folder = Folder::new();
    let classes = Some(TrainingClasses {
        data: "birds".to_owned(),
        trained: vec!["a \"b\"".to_owned()],
        unseen: vec!["\u{e9}".to_owned()],
        validation: vec!["v".to_owned()],
    });
    let source = open_npy(&fixture("f4.npy")).unwrap();
    let values = Some(values_checksum(&source).unwrap());
    let is_altered = false;
    let mark = ModelMark {
        model_bytes: 5_000_000_000,
        model_checksum: u32::MAX,
        rows: 3,
        values,
        classes,
        flip: true,
        is_altered,
    };
    let mut endings = vec![("npy", false), ("safetensors", true), ("csv", false)];
    endings.extend(cfg!(feature = "parquet").then_some(("parquet", true)));
    for (ending, keeps) in endings {
        let name = format!("a.{ending}");
        let mut out = Vec::new();
        let format = Format::of(Path::new(&name)).unwrap();
        write_table(format, &mut out, &source, &About::default(), Some(&mark)).unwrap();
        let table = read_embeddings(&folder.file(&name, out)).unwrap();
        assert_matrix(&table, &name);
        assert_eq!(table.mark, keeps.then(|| mark.clone()), "{name}");
    }
    assert!(mark.is_same_model(&ModelMark { rows: 9, ..mark.clone() }));
    assert!(!mark.is_same_model(&ModelMark { model_checksum: 0, ..mark.clone() }));
}

/// A merge by another program keeps the statement of the first file.
#[test]
fn rows_that_were_replaced_are_named() {
    let folder = Folder::new();
    let rows = |order: &[usize], last: f32| {
        let all = [1.0, 2.0, 3.0, 4.0, 0.0, last];
        let data = order.iter().flat_map(|row| all[2 * row..][..2].to_vec()).collect();
        Rows::in_memory(Path::new("rows"), order.len(), 2, data)
    };
    let written = |ending: &str, rows: &Rows, values: Option<u64>| {
        let name = format!("a.{ending}");
        let (format, mut out) = (Format::of(Path::new(&name)).unwrap(), Vec::new());
        let mark = ModelMark {
            model_bytes: 1,
            model_checksum: 2,
            rows: 3,
            values,
            classes: None,
            flip: false,
            is_altered: false,
        };
        write_table(format, &mut out, rows, &About::default(), Some(&mark)).unwrap();
        read_embeddings(&folder.file(&name, out)).unwrap()
    };
    let mut endings = vec!["safetensors"];
    endings.extend(cfg!(feature = "parquet").then_some("parquet"));
    for ending in endings {
        let all = rows(&[0, 1, 2], 5.0);
        let sum = values_checksum(&all).unwrap();
        for (rows, values, is_altered) in [
            (&all, None, false),
            (&rows(&[2, 0, 1], 5.0), Some(sum), false),
            (&rows(&[0, 1, 2], -5.0), Some(sum), true),
            (&rows(&[0, 1, 1], 5.0), Some(sum), true),
            // Rows that were added or removed have another number.
            (&rows(&[0, 1], 5.0), Some(sum), false),
        ] {
            let table = written(ending, rows, values);
            assert_eq!(table.mark.expect("stated").is_altered, is_altered, "{ending}");
            assert_eq!(table.notes.concat().contains("rows were replaced or changed"), is_altered);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn devices_and_files_of_a_claimed_size_of_0_are_not_tables() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    let mut endings = vec!["npy", "npz", "safetensors", "csv"];
    endings
        .extend(cfg!(feature = "parquet").then_some(["parquet", "arrow", "feather"]).into_iter().flatten());
    for ending in endings {
        let endless = folder.0.path().join(format!("endless.{ending}"));
        symlink("/dev/zero", &endless).unwrap();
        let said = read_embeddings(&endless).unwrap_err().to_string();
        assert!(said.contains("expected a regular file"), "{said}");
        if ending != "npz" {
            let said = read_labels(&endless).unwrap_err().to_string();
            assert!(said.contains("expected a regular file"), "{said}");
        }
        assert!(!is_manifest(&endless));
        let claims_nothing = folder.0.path().join(format!("claims.{ending}"));
        symlink("/proc/self/status", &claims_nothing).unwrap();
        let said = read_embeddings(&claims_nothing).unwrap_err().to_string();
        let expected = if ending == "csv" { "separated by" } else { "claims a size of 0 bytes" };
        assert!(said.contains(expected), "{said}");
    }
}
