//! Files of Arrow IPC, of pyarrow, by the rules of `.parquet`.

use super::*;

fn said(name: &str) -> String {
    read_embeddings(&fixture(name)).unwrap_err().to_string()
}

#[test]
fn lists_and_columns_are_read() {
    for (name, labels) in [
        ("list.arrow", "Ada"),
        ("fixed.arrow", "Ada"),
        ("stream.arrow", "Ada"),
        ("list.feather", "Ada"),
        ("columns.feather", "Ada"),
    ] {
        let table = read_embeddings(&fixture(name)).unwrap();
        assert_matrix(&table, name);
        assert_eq!(table.about.labels.as_ref().unwrap(), &[labels, labels, "Zoë"], "{name}");
        assert_eq!(table.about.ids.as_ref().unwrap(), &["100", "101", "102"], "{name}");
        assert_eq!(table.columns.is_some(), name == "columns.feather", "{name}");
        assert_eq!(table.about.cameras.is_some(), name == "list.arrow", "{name}");
    }
    let index = read_embeddings(&fixture("index.arrow")).unwrap();
    assert_matrix(&index, "index.arrow");
    assert_eq!(index.about.ids.unwrap(), ["100", "101", "102"]);
}

#[test]
fn values_that_are_missing_or_unlike_the_others_are_named() {
    for (name, expected) in [
        ("ragged.arrow", "row 1 of column `embedding` holds 3 values; expected 4 as in row 0"),
        ("missing.arrow", "row 2 of column `x1` holds null; expected a number"),
        ("missing_list.arrow", "row 1 of column `embedding` holds null; expected a list of numbers"),
        ("missing_element.arrow", "row 1 of column `embedding` holds null; expected a number"),
        ("with_age.arrow", "`age` do not fit the others, `x0` to `x3`; to leave it out, use --columns 'x*'"),
        ("images.arrow", "the column `image` has image files"),
        ("image_bytes.arrow", "the column `photo` has image files"),
        ("version_1.feather", "is not a valid .feather file: it is of Feather version 1"),
    ] {
        assert!(said(name).contains(expected), "{}", said(name));
    }
    let open =
        |pattern: &str| open_columns(&fixture("with_age.arrow"), None, Some(&pattern.parse().unwrap()));
    assert_eq!((open("x*").unwrap().rows.dim(), open("*").unwrap().rows.dim()), (4, 5));
    let said = open("y*").unwrap_err().to_string();
    assert!(said.contains("no column matches `y*`; its columns are x0, x1, x2, x3, age"), "{said}");
}

#[test]
fn columns_of_texts_are_those_of_parquet() {
    let [arrow, parquet] = ["kinds.arrow", "kinds.parquet"].map(|name| read_texts(&fixture(name)).unwrap());
    assert_eq!((&arrow.columns, &arrow.rows), (&parquet.columns, &parquet.rows));
    assert_eq!(arrow.left_out(), parquet.left_out());
    assert!(is_manifest(&fixture("kinds.arrow")) && !is_manifest(&fixture("list.arrow")));
    assert!(require_no_images(&fixture("images.arrow")).is_err());
    assert_eq!(read_labels(&fixture("list.feather")).unwrap(), ["Ada", "Ada", "Zoë"]);
    let found = distinct_fields(&fixture("list.arrow"), 5, |name| name == "label");
    assert_eq!((found[0].0.as_str(), found[0].1.len()), ("label", 2));
}

#[test]
fn columns_of_labels_and_embeddings_are_chosen_by_name() {
    let folder = Folder::new();
    let csv = folder.file("a.csv", "label,species,x0,x1\nb,p,1,2\na,q,3,4.5\n");
    let chosen = |path: &Path, labels: Option<&Path>, embedding: Option<&str>, label: &str| {
        let embedding = embedding.map(ColumnPattern::exactly);
        let chosen = ChosenColumns { embedding, label: Some(label.to_owned()) };
        open_chosen(path, labels, &chosen).map_err(|error| error.to_string())
    };
    // The column `label` is then neither label nor value.
    let table = chosen(&csv, None, None, "species").unwrap();
    assert_eq!((table.rows.dim(), table.about.labels.unwrap()), (2, vec!["p".to_owned(), "q".to_owned()]));
    let said = chosen(&csv, None, None, "kind").unwrap_err();
    assert!(
        said.contains("--label-column: has no column `kind`; its columns are label, species, x0, x1"),
        "{said}"
    );
    for name in ["list.arrow", "list.parquet"] {
        let table = chosen(&fixture(name), None, Some("embedding"), "camera").unwrap();
        assert_eq!((table.rows.dim(), table.about.cameras), (4, None), "{name}");
        assert_eq!(table.about.labels.unwrap(), ["0", "1", "0"], "{name}");
        let said = chosen(&fixture(name), None, Some("vectors"), "camera").unwrap_err();
        assert!(
            said.contains("--embedding-column: has no column `vectors`; its columns are embedding"),
            "{said}"
        );
    }
    // With a file of labels, the column is one of that file.
    let labels = folder.file("l.csv", "x,kind,label\n0,k0,\n1,k1,\n");
    let plain = folder.file("b.csv", "x0,x1\n1,2\n3,4.5\n");
    let table = chosen(&plain, Some(&labels), None, "kind").unwrap();
    assert_eq!(table.about.labels.unwrap(), ["k0", "k1"]);
    let said = chosen(&plain, Some(&labels), None, "sort").unwrap_err();
    assert!(
        said.contains("l.csv: --label-column: has no column `sort`; its columns are x, kind, label"),
        "{said}"
    );
    let text = folder.file("l.txt", "a\nb\n");
    let said = chosen(&plain, Some(&text), None, "kind").unwrap_err();
    assert!(
        said.contains("l.txt: --label-column: has no column `kind`; its columns have no names"),
        "{said}"
    );
    // A matrix without names has them next to it.
    let matrix = folder.file("m.npy", std::fs::read(fixture("f4.npy")).unwrap());
    let said = chosen(&matrix, None, None, "kind").unwrap_err();
    assert!(said.contains("m.npy: --label-column: has no column `kind`"), "{said}");
    folder.file("m.names.csv", "kind,label\nk0,a\nk1,b\nk2,c\n");
    assert_eq!(chosen(&matrix, None, None, "kind").unwrap().about.labels.unwrap(), ["k0", "k1", "k2"]);
    let said = chosen(&matrix, None, None, "sort").unwrap_err();
    assert!(
        said.contains("m.names.csv: --label-column: has no column `sort`; its columns are kind, label"),
        "{said}"
    );
}

#[test]
fn cut_files_are_errors() {
    let folder = Folder::new();
    for name in ["list.arrow", "stream.arrow", "list.feather", "columns.feather"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in 0..whole.len() {
            let problem = folder.problem(name, &whole[..length]);
            assert!(matches!(problem, Problem::Malformed { .. }), "{name}, {length}: {problem}");
        }
    }
    let stream = std::fs::read(fixture("stream.arrow")).unwrap();
    let problem = folder.problem("twice.arrow", [&stream[..], &stream].concat()).to_string();
    assert!(problem.contains("bytes behind its last record batch"), "{problem}");
    let cut = folder.problem("cut.arrow", &stream[..stream.len() - 8]).to_string();
    assert!(cut.contains("without the marker at the end of a stream"), "{cut}");
}

/// No flipped bit makes the reader panic, allocate what the file claims, or find other rows.
#[test]
fn flipped_bits_are_errors_or_other_values() {
    let folder = Folder::new();
    for name in ["list.arrow", "list.feather", "columns.feather"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        // All bits would take a minute.
        for bit in (0..8 * whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = read_embeddings(&folder.file(name, bytes)) {
                assert_eq!(found.data.len(), found.rows * found.dim, "{name}, bit {bit}");
            }
        }
    }
}
