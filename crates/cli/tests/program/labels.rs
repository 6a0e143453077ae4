//! Labels that are no classes, labels among the values, and names of classes in two spellings.

use super::evaluation::{csv, found, near, npy};
use super::{Workplace, success};
use std::fmt::Write;

/// 24 rows of 6 classes in 3 dimensions, and a column named `extra` with the number of the class. `label` says whether there is one.
fn leaking(extra: &str, names: [&str; 3]) -> String {
    let mut text = format!("label,{},{extra}\n", names.join(","));
    for row in 0..24_u32 {
        let value = |at: u32| f64::from((row * 7 + at * 5) % 13) / 13.0 - 0.4;
        writeln!(text, "k{},{},{},{},{}", row / 4, value(0), value(1), value(2), row / 4 * 3 % 17)
            .expect("text");
    }
    text
}

#[test]
fn the_recommended_pattern_leaves_out_the_label() {
    let place = Workplace::new();
    for (extra, names, pattern) in [
        ("f_label", ["f_0", "f_1", "f_2"], "!f_label"),
        ("x_2024", ["x0", "x1", "x2"], "!x_2024"),
        ("pid", ["0", "1", "2"], "!pid"),
    ] {
        place.write("t.csv", leaking(extra, names).as_bytes());
        let recommended = format!("--columns '{pattern}'");
        place.refused(&["eval", "retrieval", "t.csv"], &[&format!("`{extra}` do not fit"), &recommended]);
        let found = found(&place, &["retrieval", "t.csv", "--columns", pattern]);
        assert!(found["compared"].to_string().contains("dimension 3"), "{found}");
        assert!(!found["warnings"].to_string().contains("it is a label"), "{found}");
    }
    // What is excluded stays excluded, in any order.
    place.write("t.csv", leaking("f_label", ["f_0", "f_1", "f_2"]).as_bytes());
    for pattern in ["!f_label,f_*", "f_*,!f_label"] {
        let found = found(&place, &["retrieval", "t.csv", "--columns", pattern]);
        assert!(found["compared"].to_string().contains("dimension 3"), "{pattern}: {found}");
    }
    place.refused(&["eval", "geometry", "t.csv", "--columns", "!f_0,f_0"], &["selects no column"]);
}

#[test]
fn a_label_among_the_values_is_named() {
    let place = Workplace::new();
    // Of words, so that no name is unlike the others.
    let words = leaking("breed", ["height", "width", "depth"]);
    place.write("words.csv", words.as_bytes());
    let advice = ["words.csv: the column `breed` looks like a label", "--columns '!breed'"];
    for task in ["verification", "retrieval", "clustering", "geometry", "calibrate"] {
        place.refused(&["eval", task, "words.csv"], &advice);
    }
    place.refused(&["train", "--data", "words.csv", "--out", "run"], &advice);
    let kept = found(&place, &["retrieval", "words.csv", "--columns", "*"]);
    assert!(kept["warnings"].to_string().contains("column `breed` has whole numbers"), "{kept}");
    // A matrix without names, as `np.c_[labels, embeddings]`.
    let (mut bytes, mut labels) = (Vec::new(), String::new());
    for line in words.lines().skip(1) {
        let (label, values) = line.split_once(',').expect("two");
        labels += &format!("{label}\n");
        let values: Vec<f32> = values.split(',').map(|value| value.parse().expect("a number")).collect();
        bytes.extend([values[3], values[0], values[1], values[2]].iter().flat_map(|v| v.to_le_bytes()));
    }
    place.write("m.npy", &npy("<f4", "24, 4", &bytes));
    place.write("m.txt", labels.as_bytes());
    let found = |task: &str| found(&place, &[task, "m.npy", "--labels", "m.txt"])["warnings"].to_string();
    for task in ["verification", "retrieval", "clustering", "geometry"] {
        assert!(found(task).contains("column 0 (counted from 0) has whole numbers"), "{task}");
    }
    // A row number, as `np.c_[range(n), embeddings]`.
    for (row, bytes) in bytes.chunks_exact_mut(16).enumerate() {
        bytes[..4].copy_from_slice(&(row as f32).to_le_bytes());
    }
    place.write("m.npy", &npy("<f4", "24, 4", &bytes));
    let numbered = "column 0 (counted from 0) ascends by one from row to row";
    assert!(found("retrieval").contains(numbered));
    let train =
        ["train", "--data", "m.npy", "--labels", "m.txt", "--epochs", "1", "--batch", "8", "--out", "run"];
    let said = place.run(&train).stderr;
    assert!(String::from_utf8_lossy(&said).contains(numbered), "{}", String::from_utf8_lossy(&said));
}

/// Query and gallery as in Market-1501: junk is -1, distractors are 0000.
fn market(place: &Workplace) {
    place.write("q.csv", b"id,label,camera,x,y\nq1,0001,1,1.0,0.0\nq2,0002,1,0.0,1.0\n");
    place.write(
        "g.csv",
        b"id,label,camera,x,y\ng1,0001,1,0.99,0.02\nj1,-1,2,0.98,0.05\ng2,0001,2,0.9,0.2\nd1,0000,2,0.1,0.95\ng3,0002,2,0.2,0.9\nj2,-1,3,0.3,0.85\n",
    );
}

#[test]
fn junk_is_left_out_as_the_protocol_does() {
    let place = Workplace::new();
    market(&place);
    let command = ["retrieval", "q.csv", "--gallery", "g.csv", "--exclude-same-camera"];
    let whole = found(&place, &command);
    let warnings = whole["warnings"].to_string();
    assert!(warnings.contains("2 embeddings have the label"), "{warnings}");
    assert!(warnings.contains("--ignore '-1' leaves them out, as the protocol of Market-1501"), "{warnings}");
    // q1 finds junk before g2 (its row of the same camera is ignored), q2 a distractor before g3.
    near(&whole["retrieval"]["mean_average_precision"], 0.5);
    let ignored = found(&place, &[&command[..], &["--ignore", "-1"]].concat());
    assert!(ignored["compared"].to_string().contains("without 2 rows with the label"), "{ignored}");
    assert!(!ignored["warnings"].to_string().contains("have the label"), "{ignored}");
    near(&ignored["retrieval"]["mean_average_precision"], 0.75);
    let twice = found(&place, &[&command[..], &["--ignore", "-1", "--ignore", "-1"]].concat());
    assert_eq!(twice["compared"], ignored["compared"]);
    let refused = |arguments: &[&str], fragment: &str| {
        place.refused(&[&["eval"], arguments].concat(), &[fragment]);
    };
    refused(&[&command[..], &["--ignore", "-2"]].concat(), "--ignore: no row has the label \"-2\"");
    refused(
        &[&command[..], &["--ignore", "1"]].concat(),
        "\"0001\" differs from it only in the form of a number",
    );
    place.write("pairs.csv", b"a,b,same\nj1,j2,1\ng1,g3,0\n");
    refused(
        &["verification", "g.csv", "--pairs", "pairs.csv", "--ignore", "-1"],
        "--ignore: has no effect with --pairs",
    );
    // Cameras in a file of their own are of all rows.
    let cameras: String = ["1", "2", "2", "2", "2", "3"].map(|camera| format!("{camera}\n")).concat();
    place.write("cameras.txt", cameras.as_bytes());
    let given = [&command[..], &["--gallery-cameras", "cameras.txt", "--ignore", "-1"]].concat();
    near(&found(&place, &given)["retrieval"]["mean_average_precision"], 0.75);
}

#[test]
fn labels_that_may_mean_no_class_are_counted() {
    let place = Workplace::new();
    let rows = |name: &str| {
        csv(&[
            ("a", "bag", 0.0),
            ("b", "bag", 5.0),
            ("c", "boot", 80.0),
            ("d", "boot", 70.0),
            ("e", name, 20.0),
            ("f", name, 60.0),
        ])
    };
    for name in [
        "_trash",
        "BACKGROUND_Google",
        "-1",
        "unknown",
        "?",
        "-",
        "Other",
        "junk",
        "distractor",
        "none",
        "null",
    ] {
        place.write("set.csv", rows(name).as_bytes());
        for task in ["verification", "retrieval", "clustering", "geometry", "calibrate"] {
            let extra: &[&str] = if task == "clustering" { &["--clusters", "3"] } else { &[] };
            let said = found(&place, &[&[task, "set.csv"], extra].concat())["warnings"].to_string();
            assert!(
                said.contains("2 embeddings have the label") && said.contains("--ignore"),
                "{task} {name}: {said}"
            );
        }
        let output = place.run(&["data", "info", "set.csv"]);
        success(&output);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("may mean no class") && said.contains("(2 samples)"), "{name}: {said}");
    }
    // Without them, the result is that of the other rows.
    let ignored = found(&place, &["verification", "set.csv", "--ignore", "null"]);
    place.write("fewer.csv", rows("null").split_inclusive('\n').take(5).collect::<String>().as_bytes());
    assert_eq!(ignored["verification"], found(&place, &["verification", "fewer.csv"])["verification"]);
}

#[test]
fn some_classes_in_another_spelling_are_named() {
    let place = Workplace::new();
    let rows = |names: [&str; 3], turn: f64| {
        csv(&[("a", names[0], turn), ("b", names[1], 60.0 + turn), ("c", names[2], 120.0 + turn)])
    };
    let tasks = [["retrieval", "--gallery"], ["identification", "--gallery"], ["verification", "--probe"]];
    place.write("one.csv", rows(["p1", "p2", "p3"], 0.0).as_bytes());
    place.write("zeros.csv", rows(["p1", "p2", "p03"], 5.0).as_bytes());
    place.write("separators.csv", rows(["p1", "p2", "p_3"], 5.0).as_bytes());
    place.write("minus.csv", rows(["p1", "p2", "p-3"], 0.0).as_bytes());
    for [task, flag] in tasks {
        place.refused(
            &["eval", task, "one.csv", flag, "zeros.csv"],
            &["of another file only in leading zeros; write both in the same way"],
        );
        let warnings = found(&place, &[task, "minus.csv", flag, "separators.csv"])["warnings"].to_string();
        assert!(
            warnings.contains("of another file only in `_`, `-` or a space; they are two classes"),
            "{task}: {warnings}"
        );
    }
}

#[test]
fn a_sign_left_at_the_end_of_a_label_is_named() {
    let place = Workplace::new();
    let set = csv(&[("a", "", 0.0), ("b", "", 9.0), ("c", "", 60.0), ("d", "", 69.0)]);
    place.write("set.csv", set.replace("id,label,", "id,").replace(",,", ",").as_bytes());
    place.write("list.txt", b"k1,\nk1,\nk2,\nk2");
    let run = |labels: &'static str| ["eval", "retrieval", "set.csv", "--labels", labels];
    place.refused(
        &run("list.txt"),
        &["list.txt: 3 of 4 lines end with commas, such as \"k1,\"; expected one label per line"],
    );
    place.write("some.txt", b"k1\nk1\nk2,\nk2");
    let said = found(&place, &run("some.txt")[1..])["warnings"].to_string();
    assert!(said.contains("differ only in a sign at an end; they are two classes"), "{said}");
}

#[test]
fn labels_of_two_columns_are_recognised() {
    let place = Workplace::new();
    let mut bytes = Vec::new();
    let mut labels = String::new();
    for row in 0..8_u32 {
        let angle = f64::from(row) * 0.3;
        bytes.extend([angle.cos() as f32, angle.sin() as f32].iter().flat_map(|value| value.to_le_bytes()));
        labels += &format!("im/{row}.jpg k{}\n", row / 2);
    }
    place.write("m.npy", &npy("<f4", "8, 2", &bytes));
    place.write("m.txt", labels.as_bytes());
    place.write("m.csv", format!("label\n{labels}").as_bytes());
    for task in ["verification", "retrieval", "geometry"] {
        place.refused(&["eval", task, "m.npy", "--labels", "m.csv"], &["look like two columns"]);
    }
    let said = found(&place, &["clustering", "m.npy", "--labels", "m.csv"])["warnings"].to_string();
    assert!(
        said.contains("look like two columns") && said.contains("all 8 embeddings have different labels"),
        "{said}"
    );
    // In a text, no line is a label.
    for between in [" ", "\t", ", ", ";"] {
        place.write("m.txt", labels.replace(' ', between).as_bytes());
        for command in [
            &["eval", "clustering", "m.npy", "--labels"][..],
            &["train", "--epochs", "1", "--out", "run", "--data", "m.npy", "--labels"],
            &["data", "info", "m.npy", "--labels"],
        ] {
            let expected = [
                format!("m.txt: line 1 is \"im/0.jpg{}k0\", and", between.replace('\t', "\\t")),
                "expected one label per line".to_owned(),
                "a .csv with the columns `id` and `label`".to_owned(),
            ];
            place.refused(&[command, &["m.txt"]].concat(), &expected.each_ref().map(String::as_str));
        }
    }
    let quoted: String = labels.lines().map(|line| format!("\"{line}\"\n")).collect();
    place.write("m.txt", quoted.as_bytes());
    found(&place, &["clustering", "m.npy", "--labels", "m.txt"]);
    // Classes of two words: their lines are repeated.
    place.write("m.txt", "red car\nblue car\n".repeat(4).as_bytes());
    let said = found(&place, &["retrieval", "m.npy", "--labels", "m.txt"]);
    assert!(said["compared"].to_string().contains("2 classes"), "{said}");
    let single: String = (0..8).map(|row| format!("im{row}\n")).collect();
    place.write("m.txt", single.as_bytes());
    let said = found(&place, &["clustering", "m.npy", "--labels", "m.txt"])["warnings"].to_string();
    assert!(!said.contains("two columns") && said.contains("have different labels"), "{said}");
}
