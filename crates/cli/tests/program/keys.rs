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

#[test]
fn a_shared_column_names_the_samples_of_queries_and_gallery() {
    let place = place();
    let write = |name: &str, key: &str, order: &[usize], turn: f64, text: &dyn Fn(usize) -> String| {
        let direction = |row: usize| (ROWS[row].2 + turn).to_radians().sin_cos();
        let table = rows(&format!("{key},label,e0,e1"), order, &|row| {
            let (y, x) = direction(row);
            format!("{},{},{x},{y}", text(row), ROWS[row].1)
        });
        place.write(&format!("{name}.csv"), &table);
        let values = order.iter().flat_map(|row| {
            let (y, x) = direction(*row);
            [x, y]
        });
        let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        place.write(&format!("{name}.npy"), &npy("<f8", &format!("{}, 2", order.len()), &bytes));
        let names = rows(&format!("{key},label"), order, &|row| format!("{},{}", text(row), ROWS[row].1));
        place.write(&format!("{name}.names.csv"), &names);
    };
    let matches = |ending: &str, columns: &[&str]| {
        let [queries, gallery] = ["q", "g"].map(|name| format!("{name}.{ending}"));
        let command = ["retrieval", &queries, "--gallery", &gallery];
        let found = found(&place, &[&command[..], columns].concat());
        (found["self_matches"]["pairs"].clone(), found["warnings"].to_string())
    };
    let file = |row: usize| format!("im/{}.png", ROWS[row].0);
    let number = |row: usize| (103 + row * 7).to_string();
    let columns = ["--columns", "e*"];
    for (key, text) in [
        ("id", &file as &dyn Fn(usize) -> String),
        ("path", &file),
        ("sample", &file),
        ("File_Name", &file),
        ("name", &file),
        ("image_id", &number),
    ] {
        write("g", key, &RISING, 0.0, text);
        write("q", &key.to_lowercase(), &MIXED[..4], 1.0, text);
        for (ending, columns) in [("csv", &columns[..]), ("npy", &[])] {
            let (pairs, said) = matches(ending, columns);
            assert_eq!(pairs, 4, "{key} {ending}: {said}");
            let key = if key == "id" || (ending == "npy" && ["path", "sample"].contains(&key)) {
                "id".to_owned()
            } else {
                format!("`{}`", key.to_lowercase())
            };
            assert!(said.contains(&format!("4 pairs with the same {key}")), "{key} {ending}: {said}");
        }
    }
    // Numbers that count the rows, and numbers of other columns, name no samples.
    let count = |row: usize| row.to_string();
    for (key, text, order) in [
        ("image_id", &count as &dyn Fn(usize) -> String, &RISING[..4]),
        ("age", &number, &MIXED[..4]),
        ("row", &number, &MIXED[..4]),
    ] {
        write("g", key, &RISING, 0.0, text);
        write("q", key, order, 1.0, text);
        assert_eq!(matches("csv", &columns).0, 0, "{key}");
    }
    // Texts with other labels are told.
    write("g", "filename", &RISING, 0.0, &file);
    write("q", "filename", &MIXED[..4], 1.0, &|row| file((row + 3) % 7));
    let (pairs, said) = matches("csv", &columns);
    assert_eq!(pairs, 0, "{said}");
    assert!(
        said.contains("texts of the column `filename` occur in both files with different labels"),
        "{said}"
    );
    // One sample per class: a name may be that of the class.
    let (pairs, said) = {
        write("g", "name", &[0, 3, 5], 0.0, &|row| ROWS[row].1.to_uppercase());
        write("q", "name", &[1, 4, 6], 1.0, &|row| ROWS[row].1.to_uppercase());
        matches("csv", &columns)
    };
    assert_eq!(pairs, 0, "{said}");

    // Rows of queries of a model.
    let label = |row: usize| row % 6;
    let table = |name: &str, header: &str, count: usize, shift: f64, text: &dyn Fn(usize) -> String| {
        let line = |row: usize| {
            let values: Vec<String> =
                (0..4).map(|at| ((row * 5 + at * 7) as f64 * 1.3 + shift).sin().to_string()).collect();
            format!("{},c{},{}\n", text(row), label(row), values.join(","))
        };
        let text = format!("{header},label,e0,e1,e2,e3\n{}", (0..count).map(line).collect::<String>());
        place.write(name, text.as_bytes());
    };
    let file = |row: usize| format!("im/{row:03}.png");
    table("set.csv", "id", 48, 0.0, &file);
    let train = ["train", "--data", "set.csv", "--unseen", "2", "--batch", "8", "--epochs", "1"];
    success(&place.run(&[&train[..], &["--embedding", "3", "--out", "run"]].concat()));
    success(&place.run(&["embed", "--model", "run", "set.csv", "-o", "out.csv"]));
    let embedded = std::fs::read_to_string(place.path().join("out.csv")).expect("there");
    place.write("keyed.csv", embedded.replacen("id,", "filename,", 1).as_bytes());
    table("queries.csv", "filename", 5, 0.05, &file);
    let nearest = ["nearest", "--model", "run", "--embeddings", "keyed.csv", "queries.csv", "-k", "3"];
    let nearest = [&nearest[..], &["--columns", "x*", "--query-columns", "e*"]].concat();
    let output = place.run(&[&nearest[..], &["--json"]].concat());
    success(&output);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for query in 0..5 {
        assert_eq!(found["queries"][query]["itself"], serde_json::json!([query]), "{found}");
    }

    // Each table of queries has its own columns and row numbers.
    table("numbered.csv", "", 5, 0.1, &|row| row.to_string());
    table("more.csv", "", 5, 0.2, &|row| row.to_string());
    place.write("counted.csv", counted(&embedded).as_bytes());
    let itself = |gallery: &str, queries: &[&str]| {
        let nearest = ["nearest", "--model", "run", "--embeddings", gallery, "-k", "3", "--json"];
        let output =
            place.run(&[&nearest[..], &["--columns", "x*", "--query-columns", "e*"], queries].concat());
        success(&output);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let queries = found["queries"].as_array().expect("a list").iter();
        queries.map(|query| query["itself"].as_array().expect("a list").len()).collect::<Vec<usize>>()
    };
    assert_eq!(itself("keyed.csv", &["queries.csv", "numbered.csv"]), [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(itself("counted.csv", &["numbered.csv", "more.csv"]), [0; 10]);

    // The same ids in another spelling, in two tables.
    table("one.csv", "id", 3, 0.3, &|row| format!("im\\{row:03}.PNG"));
    table("two.csv", "id", 2, 0.4, &|row| format!("im/{:02}.png", row + 90));
    let nearest = ["nearest", "--model", "run", "--embeddings", "out.csv", "one.csv", "two.csv", "-k", "3"];
    let nearest = [&nearest[..], &["--columns", "x*", "--query-columns", "e*"]].concat();
    let said = String::from_utf8_lossy(&place.run(&nearest).stderr).into_owned();
    let expected = "3 queries have an id that differs only in spelling from one of out.csv";
    assert!(said.contains(expected), "{said}");
}

/// The id of a row.
type Id = fn(usize) -> String;

#[test]
fn ids_in_another_spelling_are_named() {
    let place = place();
    let write = |name: &str, shift: f64, id: &dyn Fn(usize) -> String| {
        let line = |row: usize| {
            let [x, y] = direction(row);
            format!("{},{},{x},{}", id(row), ROWS[row].1, y + shift)
        };
        place.write(name, &rows("id,label,x,y", &RISING, &line));
    };
    let spellings: [[Id; 2]; 3] = [
        [|row| format!("0{}", 1000 + row), |row| (1000 + row).to_string()],
        [|row| format!("caf\u{e9}{row}"), |row| format!("cafe\u{301}{row}")],
        [|row| format!("a/{row}.png"), |row| format!(".\\A\\{row}.png")],
    ];
    for [gallery, queries] in spellings {
        write("g.csv", 0.0, &gallery);
        let said = |task: &str, flag: &str, id: &dyn Fn(usize) -> String, more: &[&str]| {
            write("q.csv", 0.1, id);
            found(&place, &[&[task, "q.csv", flag, "g.csv"], more].concat())["warnings"].to_string()
        };
        let expected = "have an id that differs only in spelling from one of ";
        for (task, flag) in
            [("retrieval", "--gallery"), ("identification", "--gallery"), ("verification", "--probe")]
        {
            let found = said(task, flag, &queries, &[]);
            assert!(found.contains(expected) && found.contains("\"7 "), "{task}: {found}");
        }
        for (id, more) in
            [(gallery, &[][..]), (|row| format!("other{row}"), &[]), (queries, &["--keep-self"])]
        {
            let found = said("retrieval", "--gallery", &id, more);
            assert!(!found.contains(expected), "{found}");
        }
    }
}

/// A table with its row numbers, as pandas writes its index, in place of ids.
fn counted(table: &str) -> String {
    let line = |(row, line): (usize, &str)| match (row, line.split_once(',').expect("columns").1) {
        (0, columns) => format!(",{columns}\n"),
        (row, fields) => format!("{},{fields}\n", row - 1),
    };
    table.lines().enumerate().map(line).collect()
}

#[test]
fn queries_that_look_like_copies_are_said_and_compared() {
    let place = place();
    // Three decimals are further from the values than rows count as equal.
    let value = |row: usize, column: usize| (((row * row + 3) * (column + 2)) as f64 * 0.37).sin() / 4.0;
    let columns: Vec<String> = (0..16).map(|column| format!("e{column}")).collect();
    let write = |name: &str, count: usize, decimals: usize, turn: f64| {
        let header = format!("label,{}", columns.join(","));
        let table = rows(&header, &(0..count).collect::<Vec<usize>>(), &|row| {
            let values = (0..16)
                .map(|column| format!("{:.decimals$}", value(row, column) + turn * value(row + 99, column)));
            format!("k{},{}", row % 3, values.collect::<Vec<String>>().join(","))
        });
        place.write(name, &table);
    };
    write("g.csv", 30, 9, 0.0);
    write("q.csv", 12, 3, 0.0);
    write("other.csv", 12, 9, 0.7);
    let of = |command: &[&str]| found(&place, command);
    let copies = of(&["retrieval", "q.csv", "--gallery", "g.csv"]);
    let said = copies["warnings"].to_string();
    assert!(
        said.contains("12 of 12 queries that were tried are at least 16 times as near to one embedding"),
        "{said}"
    );
    assert!(said.contains("The first is row 0, next to row 0."), "{said}");
    assert_eq!(copies["self_matches"]["near"]["found"], 12);
    assert_eq!(copies["self_matches"]["pairs"], 0);
    for command in [
        &["retrieval", "q.csv", "--gallery", "g.csv", "--keep-self"][..],
        &["retrieval", "other.csv", "--gallery", "g.csv"],
    ] {
        let said = of(command)["warnings"].to_string();
        assert!(!said.contains("that were tried"), "{said}");
    }
}
