//! Splits that name rows by their numbers.

use super::evaluation::found;
use super::{Workplace, success};

/// Tables of 60 rows in 6 classes, with and without an index of pandas, in this order and in another.
fn tables(place: &Workplace) {
    let line = |row: usize| {
        let angle = (row % 6) as f64 + 0.01 * row as f64;
        format!("class {},{},{},0.1{row}\n", row % 6, angle.cos(), angle.sin())
    };
    let other = |row: usize| row * 11 % 60;
    for (name, of) in [("t", &(|row| row) as &dyn Fn(usize) -> usize), ("other", &other)] {
        let plain: String = (0..60).map(|row| line(of(row))).collect();
        let counted: String = (0..60).map(|row| format!("{row},{}", line(of(row)))).collect();
        place.write(&format!("{name}.csv"), format!("label,x,y,z\n{plain}").as_bytes());
        place.write(&format!("{name}-index.csv"), format!(",label,x,y,z\n{counted}").as_bytes());
    }
    let sorted: String = (0..60).map(|row| format!("{},{}", other(row), line(other(row)))).collect();
    place.write("sorted-index.csv", format!(",label,x,y,z\n{sorted}").as_bytes());
}

#[test]
fn a_split_by_row_numbers_is_refused_for_rows_in_another_order() {
    let place = Workplace::new();
    tables(&place);
    let train = ["--unseen", "2", "--embedding", "2", "--epochs", "1", "--batch", "10"];
    for (kind, out) in [("", "plain"), ("-index", "index")] {
        let [table, other] = ["t", "other"].map(|name| format!("{name}{kind}.csv"));
        let split = format!("{out}-split.csv");
        success(&place.run(&["data", "split", &table, "--by", "class", "--share", "0.4", "-o", &split]));
        success(&place.run(&[&["train", "--data", &table, "--out", out], &train[..]].concat()));
        for split in [split, format!("{out}/split.csv")] {
            let text = std::fs::read_to_string(place.path().join(&split)).expect("there");
            assert!(text.contains("\n# rows "), "{text}");
            found(&place, &["retrieval", &table, "--split", &split]);
            for command in [&["eval", "retrieval"][..], &["train", "--epochs", "1", "--out", "no", "--data"]]
            {
                place.refused(
                    &[command, &[&other, "--split", &split]].concat(),
                    &[&split, "it names samples by their row numbers", "the rows are in another order"],
                );
            }
        }
    }
    // The rows of a table that kept its index when it was sorted are still known.
    let of = |table| found(&place, &["retrieval", table, "--split", "index-split.csv"])["retrieval"].clone();
    assert_eq!(of("sorted-index.csv")["queries"], of("t-index.csv")["queries"]);
}

#[test]
fn a_split_is_refused_for_rows_that_changed_places_within_their_classes() {
    let place = Workplace::new();
    // Rows of the same classes in the same order, each with the values of another one of its class, or with values of its own.
    let table = |name: &str, of: &dyn Fn(usize) -> usize| {
        let line = |row: usize| {
            let value = of(row) as f64;
            format!("class {},{},{},{}\n", row % 6, value.sin(), value.cos(), (row % 6) as f64 + 0.01 * value)
        };
        let text: String = (0..60).map(line).collect();
        place.write(name, format!("label,x,y,z\n{text}").as_bytes());
    };
    table("t.csv", &|row| row);
    table("moved.csv", &|row| (row + 24) % 60);
    table("anew.csv", &|row| row + 100);
    success(&place.run(&["data", "split", "t.csv", "--by", "sample", "-o", "split.csv"]));
    let train = |data: &str, out: &str, more: &[&str]| {
        let flags =
            ["train", "--embedding", "2", "--epochs", "1", "--batch", "10", "--data", data, "--out", out];
        place.run(&[&flags[..], more].concat())
    };
    success(&train("t.csv", "run", &["--split", "split.csv"]));
    for (split, more) in [("split.csv", &[][..]), ("run/split.csv", &["--weights", "run/model.safetensors"])]
    {
        let output = train("moved.csv", "no", &[&["--split", split], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in [split, "have the content that another sample in another part had", "\"row "] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let output = train("anew.csv", "anew", &["--split", "split.csv"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("60 of 60 rows have other content than when "), "{said}");
}

#[test]
fn samples_of_a_split_can_have_decimals_and_other_ids_next_to_them() {
    let place = Workplace::new();
    let rows = |id: &dyn Fn(usize) -> String| -> String {
        let line = |row: usize| format!("{},c{},{row}.5,{}\n", id(row), row % 4, row % 3);
        (0..12).map(line).collect()
    };
    place.write("t.csv", format!("id,label,x,y\n{}", rows(&|row| (1000 + row).to_string())).as_bytes());
    let split = |name: &str, header: &str, line: &dyn Fn(usize) -> String| {
        place.write(name, format!("{header}\n{}", (0..12).map(line).collect::<String>()).as_bytes());
    };
    split("plain.csv", "sample,part", &|row| format!("{},test\n", 1000 + row));
    split("decimals.csv", "sample,part", &|row| format!("{}.0,test\n", 1000 + row));
    split("two.csv", "id,sample,part", &|row| format!("{},{},test\n", 1000 + row, 1011 - row));
    let of = |split| found(&place, &["retrieval", "t.csv", "--split", split])["retrieval"].clone();
    assert_eq!(of("decimals.csv"), of("plain.csv"));
    assert_eq!(of("two.csv"), of("plain.csv"));
    split("wrong.csv", "id,sample,part", &|row| format!("{},s{row},test\n", 1000 + row));
    place.refused(
        &["eval", "retrieval", "t.csv", "--split", "wrong.csv"],
        &["wrong.csv: line 2 has the id \"s0\", which t.csv does not have", "the column `sample`"],
    );
}
