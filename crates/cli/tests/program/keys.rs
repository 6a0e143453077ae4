//! Files without ids that share a column of another name.

use super::evaluation::{ROWS, found, npy, place};
use super::{Workplace, success};

/// A file with these columns, of the rows of [`ROWS`] in an order.
fn rows(header: &str, order: &[usize], line: &dyn Fn(usize) -> String) -> Vec<u8> {
    let lines: Vec<String> = order.iter().map(|row| format!("{}\n", line(*row))).collect();
    format!("{header}\n{}", lines.concat()).into_bytes()
}

const RISING: [usize; 7] = [0, 1, 2, 3, 4, 5, 6];
const MIXED: [usize; 7] = [3, 0, 6, 2, 5, 1, 4];

fn direction(row: usize) -> [f64; 2] {
    let (y, x) = ROWS[row].2.to_radians().sin_cos();
    [x, y]
}

#[test]
fn labels_and_cameras_are_joined_by_a_shared_column() {
    let place = place();
    let retrieval = |arguments: &[&str]| {
        let found = found(&place, &[&["retrieval"], arguments].concat());
        (found["retrieval"].clone(), found["warnings"].to_string())
    };
    let (expected, said) = retrieval(&["set.csv"]);
    assert!(!said.contains("joined"), "{said}");
    let number = |row: usize| 100 + row * 37 % 100;
    for (name, key) in [
        ("image_id", &(|row: usize| number(row).to_string()) as &dyn Fn(usize) -> String),
        ("file_name", &|row| format!("{}.jpg", ROWS[row].0)),
    ] {
        let table = rows(&format!("{name},e0,e1"), &RISING, &|row| {
            let [x, y] = direction(row);
            format!("{},{x},{y}", key(row))
        });
        place.write("keyed.csv", &table);
        let labels = rows(&format!("label,{}", name.replace('_', "")), &MIXED, &|row| {
            format!("{},{}", ROWS[row].1, key(row))
        });
        place.write("labels.csv", &labels);
        let (labelled, said) = retrieval(&["keyed.csv", "--labels", "labels.csv", "--columns", "e*"]);
        assert_eq!(labelled, expected, "{name}");
        assert!(said.contains("labels.csv: the rows are joined by the column"), "{said}");
        let other = String::from_utf8(labels).expect("a text").replace(&format!(",{}\n", key(4)), ",9999\n");
        place.write("labels.csv", other.as_bytes());
        let refused = ["eval", "retrieval", "keyed.csv", "--labels", "labels.csv", "--columns", "e*"];
        place.refused(
            &refused,
            &[
                "labels.csv: line 8 has the id \"9999\", which keyed.csv does not have",
                "joined by the column",
            ],
        );
    }
    // Names next to a matrix, and cameras of a table that has its labels.
    let numbers = RISING.iter().flat_map(|row| direction(*row));
    place.write(
        "m.npy",
        &npy("<f4", "7, 2", &numbers.flat_map(|value| (value as f32).to_le_bytes()).collect::<Vec<u8>>()),
    );
    place.write("m.names.csv", &rows("filename", &RISING, &|row| ROWS[row].0.to_owned()));
    place.write(
        "labels.csv",
        &rows("filename,label", &MIXED, &|row| format!("{},{}", ROWS[row].0, ROWS[row].1)),
    );
    assert_eq!(retrieval(&["m.npy", "--labels", "labels.csv"]).0, expected);
    let camera = |row: usize| format!("c{}", row % 2);
    let table = rows("key,label,e0,e1", &RISING, &|row| {
        let [x, y] = direction(row);
        format!("k{row},{},{x},{y}", ROWS[row].1)
    });
    place.write("keyed.csv", &table);
    place.write("cameras.csv", &rows("key,camera", &MIXED, &|row| format!("k{row},{}", camera(row))));
    place.write("in-order.csv", &rows("camera", &RISING, &camera));
    let with = |cameras: &str| {
        let flags = ["keyed.csv", "--columns", "e*", "--exclude-same-camera", "--cameras", cameras];
        retrieval(&flags)
    };
    let (by_key, said) = with("cameras.csv");
    assert_eq!(by_key, with("in-order.csv").0);
    assert!(said.contains("cameras.csv: the rows are joined by the column `key`"), "{said}");
}

/// A table of 60 rows in 6 classes with a column `name`, and its labels in another order.
fn keyed(place: &Workplace) {
    let line = |row: usize| {
        let angle = (row % 6) as f64 + 0.01 * row as f64;
        format!("n{row},{},{},0.1{row}\n", angle.cos(), angle.sin())
    };
    place.write("t.csv", format!("name,e0,e1,e2\n{}", (0..60).map(line).collect::<String>()).as_bytes());
    let label = |row: usize| format!("n{},class {}\n", row * 7 % 60, row * 7 % 60 % 6);
    place.write("l.csv", format!("name,label\n{}", (0..60).map(label).collect::<String>()).as_bytes());
}

#[test]
fn training_and_embed_join_by_a_shared_column() {
    let place = Workplace::new();
    keyed(&place);
    let data = ["--data", "t.csv", "--labels", "l.csv", "--columns", "e*"];
    let train = ["--unseen", "2", "--embedding", "2", "--epochs", "1", "--batch", "10", "--out", "run"];
    let output = place.run(&[&["train"], &data[..], &train[..]].concat());
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("l.csv: the rows are joined by the column `name`, as in "), "{said}");
    let split = std::fs::read_to_string(place.path().join("run/split.csv")).expect("there");
    assert!(split.contains("\nn7,"), "{split}");
    let embed = ["embed", "--model", "run", "t.csv", "--labels", "l.csv", "--columns", "e*", "-o", "e.csv"];
    success(&place.run(&embed));
    let table = widemargin_tables::read_embeddings(&place.path().join("e.csv")).expect("a table");
    let (ids, labels) = (table.about.ids.expect("ids"), table.about.labels.expect("labels"));
    for (row, (id, label)) in ids.iter().zip(&labels).enumerate() {
        assert_eq!((id, label), (&format!("n{row}"), &format!("class {}", row % 6)));
    }
    // Without labels, the names of the rows are kept, so that labels can be joined later.
    for out in ["later.npy", "later.parquet", "later.csv"] {
        success(&place.run(&["embed", "--model", "run", "t.csv", "--columns", "e*", "-o", out]));
        let of =
            |arguments: &[&str]| found(&place, &[&["retrieval"], arguments].concat())["retrieval"].clone();
        assert_eq!(of(&[out, "--labels", "l.csv"]), of(&["e.csv"]), "{out}");
    }
}
