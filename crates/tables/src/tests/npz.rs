//! Archives of numpy.

use super::*;

/// An archive of arrays that are stored as they are.
fn archive(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (name, data) in arrays {
        let name = format!("{name}.npy");
        let size = (data.len() as u32).to_le_bytes();
        let fixed =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &crc32fast::hash(data).to_le_bytes(), &size, &size];
        let fixed = [fixed.concat(), (name.len() as u16).to_le_bytes().to_vec(), vec![0, 0]].concat();
        let start = (bytes.len() as u32).to_le_bytes();
        list.extend([&b"PK\x01\x02\x14\x00"[..], &fixed, &[0; 10], &start, name.as_bytes()].concat());
        bytes.extend([&b"PK\x03\x04"[..], &fixed, name.as_bytes(), data].concat());
    }
    let (count, start) = ((arrays.len() as u16).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    let size = (list.len() as u32).to_le_bytes();
    bytes.extend([&list[..], b"PK\x05\x06\0\0\0\0", &count, &count, &size, &start, &[0, 0]].concat());
    bytes
}

/// An array of a type, such as `<f4`.
fn array(kind: &str, shape: &str, data: Vec<u8>) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn whole(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn matrix() -> Vec<u8> {
    array("<f8", "3, 2", doubles(&[1.0, 0.5, 2.0, 0.25, 3.0, 0.125]))
}

#[test]
fn archives_of_numpy_are_read_in_every_order_and_type() {
    for (name, labels, ids, in_file) in [
        ("stored.npz", "7 7 9", Some("Ada0 Ada1 Zoë2"), true),
        ("deflated.npz", "7 7 9", Some("Ada0 Ada1 Zoë2"), false),
        ("big.npz", "7 7 9", None, true),
        ("columns.npz", "Ada Ada Zoë", None, false),
        ("bytes.npz", "Ada Ada Zoë", None, true),
    ] {
        let table = open(&fixture(name)).unwrap();
        assert_eq!(table.rows.is_in_file(), in_file, "{name}");
        assert_eq!((&table.columns, table.notes.len()), (&None, 0), "{name}: {:?}", table.notes);
        let table = table.read().unwrap();
        assert_matrix(&table, name);
        let words = |texts: Option<Vec<String>>| texts.map(|texts| texts.join(" "));
        assert_eq!(words(table.about.labels).as_deref(), Some(labels), "{name}");
        assert_eq!(words(table.about.ids).as_deref(), ids, "{name}");
    }
}

#[test]
fn arrays_are_chosen_or_named() {
    let path = fixture("ambiguous.npz");
    let open = |embedding: Option<&str>, label: Option<&str>| {
        let embedding = embedding.map(ColumnPattern::exactly);
        let chosen = ChosenColumns { embedding, label: label.map(str::to_owned) };
        open_chosen(&path, None, &chosen).map_err(|error| error.to_string())
    };
    let said = open(None, None).unwrap_err();
    assert!(said.contains("ambiguous.npz: several arrays may be the embeddings: embeddings, x"), "{said}");
    assert!(said.contains("labels [3]") && said.contains("--embedding-column NAME"), "{said}");
    let said = open(Some("x"), None).unwrap_err();
    assert!(said.contains("several arrays may be the labels: labels, y"), "{said}");
    let table = open(Some("x"), Some("y")).unwrap().read().unwrap();
    assert_matrix(&table, "chosen");
    // The other labels are a column that may join the rows to other files.
    assert!(table.notes[0].ends_with("these arrays are not used: embeddings."), "{:?}", table.notes);
    let said = open(Some("x"), Some("species")).unwrap_err();
    assert!(
        said.contains("--label-column: has no column `species`; its columns are embeddings, labels, x, y"),
        "{said}"
    );
    // A pattern is for columns, and a matrix alone has no names.
    let said = open_columns(&path, None, Some(&"x*".parse().unwrap())).unwrap_err().to_string();
    assert!(said.contains("its values have no column names"), "{said}");
    let chosen = ChosenColumns { embedding: Some(ColumnPattern::exactly("x")), label: None };
    let said = open_chosen(&fixture("f4.npy"), None, &chosen).unwrap_err().to_string();
    assert!(said.contains("--embedding-column: has no column `x`; its columns have no names"), "{said}");
    let said = read_embeddings(&fixture("objects.npz")).unwrap_err().to_string();
    assert!(said.contains("the array `labels`: it contains Python objects, which require pickle"), "{said}");
    let said = read_labels(&fixture("stored.npz")).unwrap_err().to_string();
    assert!(said.contains("extension \"npz\""), "{said}");
}

#[test]
fn arrays_that_do_not_fit_are_errors() {
    let folder = Folder::new();
    let said = |arrays: &[(&str, Vec<u8>)]| folder.problem("a.npz", archive(arrays)).to_string();
    for (arrays, expected) in [
        (
            vec![("x", matrix()), ("labels", array("<i8", "2,", whole(&[1, 2])))],
            "the array `labels` has the shape [2]; expected one value per row",
        ),
        (
            vec![("x", matrix()), ("labels", array("<f8", "3,", doubles(&[0.5, 1.0, 2.0])))],
            "the array `labels` has values of type <f8; expected whole numbers or text",
        ),
        (
            vec![("x", matrix()), ("labels", array("<i8", "3, 2", whole(&[1; 6])))],
            "the array `labels` has the shape [3, 2]",
        ),
        (
            vec![("x", matrix()), ("ids", array("<i8", "3,", whole(&[1, 2, 1])))],
            "rows 0 and 2 have the same id \"1\"",
        ),
        (
            vec![("x", matrix()), ("weights", array("<f8", "3,", doubles(&[1.0; 3])))],
            "`weights` looks like the weight of a sample",
        ),
        (
            vec![("x", array("<i8", "3, 2", whole(&[1; 6])))],
            "the array `x` has values of type <i8; expected floats",
        ),
        (
            vec![("embeddings", array("<f8", "3,", doubles(&[1.0; 3])))],
            "the array `embeddings` has the shape [3]; expected a matrix",
        ),
        (
            vec![("labels", array("<i8", "3,", whole(&[1; 3])))],
            "no array is clearly the embeddings; its arrays are labels [3]",
        ),
        (vec![("a", matrix()), ("b", matrix())], "several arrays may be the embeddings: a, b"),
        (vec![("x", matrix()), ("x", matrix())], "two columns `x.npy`"),
        (
            vec![("x", array("<f8", "3, 9", doubles(&[1.0; 6])))],
            "the array `x`: the shape [3, 9] of 8-byte values does not fit",
        ),
        (vec![], "no array is clearly the embeddings"),
    ] {
        let found = said(&arrays);
        assert!(found.contains(expected), "{found}");
    }
    let path = folder.file("a.npz", archive(&[("x", array("<f8", "2, 1", doubles(&[1.0, 1e39])))]));
    let said = read_embeddings(&path).unwrap_err().to_string();
    assert!(said.contains("row 1 of column `0` holds 1"), "{said}");
}

/// As for a `.npy`: by ids, by a shared column, or by position with a warning.
#[test]
fn archives_are_joined_to_names_and_labels() {
    let folder = Folder::new();
    let path = folder.file("a.npz", std::fs::read(fixture("keys.npz")).unwrap());
    let labels = folder.file("labels.csv", "path,label\na.png,x\nb.png,y\nc.png,z\n");
    let table = open_labelled(&path, Some(&labels)).unwrap();
    assert_eq!(table.about.labels.unwrap(), ["z", "x", "y"]);
    let other = folder.file("other.csv", "path,label\na.png,x\nb.png,y\nd.png,z\n");
    let said = open_labelled(&path, Some(&other)).unwrap_err().to_string();
    assert!(said.contains("d.png"), "{said}");
    folder.file("a.names.csv", "path,label,camera\nc.png,2,1\nb.png,1,0\na.png,0,0\n");
    let table = open(&path).unwrap();
    assert_eq!(table.about.labels.as_ref().unwrap(), &["2", "0", "1"]);
    assert_eq!(table.about.cameras.unwrap(), ["1", "0", "0"]);
    // Labels in both places must be the same.
    let ids = array("<i8", "3,", whole(&[5, 6, 7]));
    let own = array("<i8", "3,", whole(&[1, 2, 3]));
    let both = folder.file("b.npz", archive(&[("x", matrix()), ("ids", ids), ("labels", own)]));
    folder.file("b.names.csv", "id,label\n7,3\n6,2\n5,9\n");
    let said = open(&both).unwrap_err().to_string();
    assert!(said.contains("label \"9\"") && said.contains("the label \"1\" for the same row"), "{said}");
}

#[test]
fn damaged_archives_are_errors() {
    let folder = Folder::new();
    for name in ["stored.npz", "deflated.npz"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in 0..whole.len() {
            let problem = folder.problem("cut.npz", &whole[..length]);
            assert!(matches!(problem, Problem::Malformed { format: ".npz", .. }), "{length}: {problem}");
        }
        let expected = read_embeddings(&fixture(name)).unwrap();
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let path = folder.file(name, bytes);
            // The time and the attributes of an entry say nothing of its values.
            if let Ok(found) = read_embeddings(&path) {
                assert_eq!(
                    (found.data, found.about),
                    (expected.data.clone(), expected.about.clone()),
                    "{name}, bit {bit}"
                );
            }
        }
    }
    for (bytes, expected) in
        [(&b"PK"[..], "does not end like a zip archive"), (b"", "does not end like a zip archive")]
    {
        assert!(folder.problem("a.npz", bytes).to_string().contains(expected));
    }
}
