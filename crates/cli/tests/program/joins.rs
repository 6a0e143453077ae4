//! Files that belong together: names, labels, cameras, pairs, scores and splits for a table of embeddings.

use super::evaluation::{ROWS, csv, found, near, npy, place};
use super::{Workplace, success};
use std::fmt::Write;

/// The rows of [`ROWS`] as a matrix, without names.
fn matrix() -> Vec<u8> {
    let numbers = ROWS.iter().flat_map(|row| [row.2.to_radians().cos(), row.2.to_radians().sin()]);
    npy("<f4", "7, 2", &numbers.flat_map(|value| (value as f32).to_le_bytes()).collect::<Vec<u8>>())
}

#[test]
fn labels_are_joined_by_id_and_names_are_found_next_to_the_file() {
    let place = place();
    let expected = found(&place, &["retrieval", "set.csv"])["retrieval"].clone();
    let with = |arguments: &[&str]| found(&place, &[&["retrieval"], arguments].concat())["retrieval"].clone();
    let mut names: Vec<String> = ROWS.iter().map(|row| format!("{},{}", row.0, row.1)).collect();
    place.write("m.npy", &matrix());
    place.write("m.names.csv", format!("id,label\n{}\n", names.join("\n")).as_bytes());
    assert_eq!(with(&["m.npy"]), expected);
    names.reverse();
    place.write("shuffled.csv", format!("id,label\n{}\n", names.join("\n")).as_bytes());
    assert_eq!(with(&["m.npy", "--labels", "shuffled.csv"]), expected);
    assert_eq!(with(&["set.csv", "--labels", "shuffled.csv"]), expected);
    for (from, to, fragments) in [
        ("a2,", "zz,", &["wrong.csv: line 7 has the id \"zz\", which m.npy does not have"][..]),
        ("a2,", "a1,", &["wrong.csv: rows 5 and 6 have the same id \"a1\""]),
        ("a2,bag\n", "", &["wrong.csv: has no row for the id \"a2\" of m.npy"]),
        ("label\n", "class\n", &["wrong.csv: has no column `label`; its columns are id, class"]),
    ] {
        let text = format!("id,label\n{}\n", names.join("\n")).replace(from, to);
        place.write("wrong.csv", text.as_bytes());
        place.refused(&["eval", "retrieval", "m.npy", "--labels", "wrong.csv"], fragments);
    }
    place.write("m.names.csv", b"id,class\na1,x\na2,x\na3,x\nb1,x\nb2,x\nc1,x\nc2,x\n");
    place.refused(
        &["eval", "retrieval", "m.npy"],
        &["m.npy: has no labels, and m.names.csv has no column `label`", "--labels"],
    );
}

#[test]
fn cameras_are_names_and_found_where_labels_are() {
    let place = place();
    place.write("m.npy", &matrix());
    let camera = |at: usize| ["c1s1", "c2s1"][at % 2];
    let list = |heading: &str, line: &dyn Fn(usize) -> String, order: &[usize]| {
        let lines: Vec<String> = order.iter().map(|&at| format!("{},{}\n", ROWS[at].0, line(at))).collect();
        format!("{heading}\n{}", lines.concat())
    };
    let (rising, falling) = ([0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]);
    let with = |at: usize| format!("{},{}", camera(at), ROWS[at].1);
    let only = |at: usize| camera(at).to_owned();
    place.write("with.csv", list("id,camera,label", &with, &rising).as_bytes());
    place.write("without.csv", list("id,label", &|at| ROWS[at].1.to_owned(), &rising).as_bytes());
    place.write("cameras.csv", list("id,camera", &only, &rising).as_bytes());
    place.write("reversed.csv", list("id,camera", &only, &falling).as_bytes());
    let retrieval = |arguments: &[&str]| {
        let base = ["retrieval", "m.npy", "--exclude-same-camera"];
        found(&place, &[&base[..], arguments].concat())["retrieval"].clone()
    };
    let expected = retrieval(&["--labels", "with.csv"]);
    let plain = found(&place, &["retrieval", "m.npy", "--labels", "without.csv"])["retrieval"].clone();
    assert_ne!(expected["map_at_r"], plain["map_at_r"]);
    for cameras in ["cameras.csv", "reversed.csv", "with.csv"] {
        assert_eq!(retrieval(&["--labels", "without.csv", "--cameras", cameras]), expected, "{cameras}");
    }
    let refused = |cameras: &str, fragments: &[&str]| {
        let base = ["eval", "retrieval", "m.npy", "--labels", "without.csv", "--exclude-same-camera"];
        place.refused(&[&base[..], &["--cameras", cameras]].concat(), fragments);
    };
    refused("without.csv", &["--cameras: without.csv: has no column `camera`; its columns are id, label"]);
    place.write("gap.csv", list("id,camera", &only, &rising).replace("a2,c2s1", "a2,").as_bytes());
    refused("gap.csv", &["--cameras: gap.csv: line 3, column `camera` holds \"\""]);
    place.refused(
        &["eval", "retrieval", "m.npy", "--labels", "without.csv", "--exclude-same-camera"],
        &["m.npy: has no cameras", "column `camera`", "--cameras"],
    );
}

#[test]
fn files_of_cameras_must_have_the_labels_of_the_set() {
    let place = place();
    place.write("m.npy", &matrix());
    let file = |name: &str, heading: &str, line: &dyn Fn(usize) -> String| {
        let lines: Vec<String> = (0..ROWS.len()).map(line).collect();
        place.write(name, format!("{heading}\n{}\n", lines.join("\n")).as_bytes());
    };
    let camera = |at: usize| format!("c{}", at % 2);
    file("labels.csv", "label", &|at| ROWS[at].1.to_owned());
    file("same.csv", "camera,label", &|at| format!("{},{}", camera(at), ROWS[at].1));
    file("other.csv", "camera,label", &|at| format!("{},{}", camera(at), ROWS[(at + 1) % 7].1));
    let base = ["retrieval", "m.npy", "--labels", "labels.csv", "--exclude-same-camera"];
    let retrieval = |arguments: &[&str]| found(&place, &[&base[..], arguments].concat());
    retrieval(&["--cameras", "same.csv"]);
    let refused = |arguments: &[&str], fragments: &[&str]| {
        place.refused(&[&["eval"], arguments].concat(), fragments);
    };
    refused(
        &[&base[..], &["--cameras", "other.csv"]].concat(),
        &[
            "--cameras: other.csv: line 4 has the label",
            "but labels.csv contains the label",
            "of 7 rows differ",
        ],
    );
    // Parts and groups, of the table and of the file of labels.
    file("parts.csv", "label,group", &|at| format!("{},g{at}", ROWS[at].1));
    file("moved.csv", "camera,group", &|at| format!("{},g{}", camera(at), (at + 1) % 7));
    let command =
        ["retrieval", "m.npy", "--labels", "parts.csv", "--exclude-same-camera", "--cameras", "moved.csv"];
    refused(&command, &["moved.csv: line 2 has the group \"g1\", but parts.csv contains the group \"g0\""]);
    // Cameras that are given twice, and cameras that replace those of the table.
    file("both.csv", "label,camera", &|at| format!("{},{}", ROWS[at].1, camera(at + at / 6)));
    file("cameras.csv", "camera", &camera);
    let by_cameras = ["--exclude-same-camera", "--cameras", "cameras.csv"];
    refused(
        &[&["retrieval", "m.npy", "--labels", "both.csv"][..], &by_cameras].concat(),
        &[
            "cameras.csv: line 8 has the camera \"c0\", but both.csv contains the camera \"c1\"",
            "(1 of 7 rows differ)",
        ],
    );
    std::fs::copy(place.path().join("both.csv"), place.path().join("m.names.csv")).expect("a copy");
    let said = found(&place, &[&["retrieval", "m.npy"][..], &by_cameras].concat())["warnings"].to_string();
    assert!(
        said.contains("cameras.csv: its cameras are used instead of those of m.npy; 1 of 7 differ"),
        "{said}"
    );
    // Labels that replace those next to the file.
    file("labels.csv", "label", &|at| ROWS[at].1.replace("coat", "boot"));
    let said = found(&place, &["clustering", "m.npy", "--labels", "labels.csv"])["warnings"].to_string();
    assert!(said.contains("labels.csv: its labels are used instead of those of m.names.csv; "), "{said}");
}

/// All pairs of [`ROWS`], each as `line(genuine, a, b)`.
fn pairs(line: &dyn Fn(bool, &str, &str) -> String) -> String {
    let mut text = String::new();
    for (at, a) in ROWS.iter().enumerate() {
        for b in &ROWS[..at] {
            writeln!(text, "{}", line(a.1 == b.1, a.0, b.0)).expect("a text");
        }
    }
    text
}

#[test]
fn trial_lists_are_read_with_the_ids_next_to_the_file() {
    let place = place();
    place.write("m.npy", &matrix());
    let names: Vec<String> = ROWS.iter().map(|row| format!("{},{}\n", row.0, row.1)).collect();
    place.write("m.names.csv", format!("id,label\n{}", names.concat()).as_bytes());
    let all = found(&place, &["verification", "set.csv"]);
    let word = |same: bool| if same { "target" } else { "nontarget" };
    for (name, text) in [
        ("pairs.csv", format!("a,b,same\n{}", pairs(&|same, a, b| format!("{a},{b},{}", u8::from(same))))),
        ("veri.txt", pairs(&|same, a, b| format!("{} {a} {b}", u8::from(same)))),
        ("trials", pairs(&|same, a, b| format!("{a} {b} {}", word(same)))),
    ] {
        place.write(name, text.as_bytes());
        for set in ["set.csv", "m.npy"] {
            let listed = found(&place, &["verification", set, "--pairs", name]);
            for measure in ["genuine", "impostor", "auc", "eer"] {
                near(
                    &listed["verification"][measure],
                    all["verification"][measure].as_f64().expect("a number"),
                );
            }
            assert!(!listed["warnings"].to_string().contains("contradict"), "{name}");
        }
    }
    // Pairs that the labels contradict, and scores that are upside down.
    place.write("wrong.txt", pairs(&|same, a, b| format!("{} {a} {b}", u8::from(!same))).as_bytes());
    let wrong = found(&place, &["verification", "m.npy", "--pairs", "wrong.txt"]);
    let warnings = wrong["warnings"].to_string();
    for expected in [
        "21 of 21 pairs of wrong.txt contradict the labels of m.npy",
        "below 0.5: impostor pairs score higher",
    ] {
        assert!(warnings.contains(expected), "{warnings}");
    }
    place.write("one.txt", b"1 a1 a2\n1 a1 c1\n0 a1 b1\n");
    let one = found(&place, &["verification", "m.npy", "--pairs", "one.txt"]);
    let expected = "1 of 3 pairs of one.txt contradict the labels of m.npy. The first is \\\"a1\\\" and \\\"c1\\\": listed as the same class, with the labels \\\"bag\\\" and \\\"coat\\\".";
    assert!(one["warnings"].to_string().contains(expected), "{}", one["warnings"]);

    place.write("both.txt", b"1 a1 a2\n0 a1 b1\n1 b1 a1\n");
    let both = found(&place, &["verification", "m.npy", "--pairs", "both.txt"]);
    let expected = "both.txt lists 1 pairs as of the same class and also as of different classes; the first is \\\"a1\\\" and \\\"b1\\\".";
    assert!(both["warnings"].to_string().contains(expected), "{}", both["warnings"]);

    place.write("zz.txt", b"1 a1 zz\n");
    place.refused(
        &["eval", "verification", "m.npy", "--pairs", "zz.txt"],
        &["zz.txt: line 1, `b` is \"zz\"; expected an id of m.npy, such as \"a1\""],
    );
    place.write("bare.npy", &matrix());
    place.refused(
        &["eval", "verification", "bare.npy", "--pairs", "veri.txt"],
        &["veri.txt: line 1, `a` is \"a2\"; expected a row from 0 to 6 of bare.npy, which has no ids"],
    );
}

#[test]
fn scores_that_another_program_computed_are_evaluated_and_calibrated() {
    let place = place();
    // The cosines of all pairs, as another program would write them.
    let angle = |name: &str| ROWS.iter().find(|row| row.0 == name).expect("a row").2.to_radians();
    let scored =
        |same: bool, a: &str, b: &str| format!("{a},{b},{},{}", u8::from(same), (angle(a) - angle(b)).cos());
    place.write("s.csv", format!("a,b,same,score\n{}", pairs(&scored)).as_bytes());
    let cosines = found(&place, &["verification", "set.csv"]);
    let scores = found(&place, &["scores", "s.csv", "--folds", "3", "--bootstrap", "20"]);
    for measure in ["auc", "eer", "eer_threshold", "genuine", "impostor"] {
        near(&scores["verification"][measure], cosines["verification"][measure].as_f64().expect("a number"));
    }
    near(&scores["minimum_cllr"], cosines["minimum_cllr"].as_f64().expect("a number"));
    assert_eq!((&scores["score"], scores["costs"].as_array().map(Vec::len)), (&"score".into(), Some(2)));
    assert!(scores["own_calibration"]["calibration"]["slope"].as_f64().is_some_and(|slope| slope > 0.0));
    assert!(
        scores["own_calibration"]["cllr"].as_f64() < scores["own_calibration"]["cllr_of_scores"].as_f64()
    );
    assert_eq!(scores["cross_validation"]["folds"].as_array().map(Vec::len), Some(3));
    let by_verification = found(&place, &["verification", "s.csv", "--folds", "3", "--bootstrap", "20"]);
    assert_eq!(by_verification, scores);

    // A list without names, and scores apart from the list of pairs.
    place.write("s.txt", pairs(&|same, a, b| scored(same, a, b).replace(',', " ")).as_bytes());
    place.write("veri.txt", pairs(&|same, a, b| format!("{} {b} {a}", u8::from(same))).as_bytes());
    let mut lines: Vec<String> = pairs(&|_, a, b| format!("{a} {b} {}", (angle(a) - angle(b)).cos()))
        .lines()
        .map(str::to_owned)
        .collect();
    lines.reverse();
    place.write("only.txt", lines.join("\n").as_bytes());
    place.write("only.csv", format!("a,b,score\n{}", lines.join("\n").replace(' ', ",")).as_bytes());
    for arguments in [
        &["scores", "s.txt"][..],
        &["scores", "only.txt", "--pairs", "veri.txt"],
        &["verification", "only.csv", "--pairs", "veri.txt"],
    ] {
        let found = found(&place, arguments);
        assert_eq!(found["verification"]["auc"], scores["verification"]["auc"]);
        assert_eq!(found["verification"]["eer"], scores["verification"]["eer"]);
    }

    // A calibration of scores is saved and used as any other.
    found(&place, &["calibrate", "s.csv", "--far", "0.2", "-o", "calibration.json"]);
    let again = found(&place, &["scores", "s.csv", "--calibration", "calibration.json"]);
    assert_eq!(again["calibration"]["file"]["score"], "score");
    place.refused(
        &["eval", "verification", "set.csv", "--calibration", "calibration.json"],
        &["kind score", "cosine"],
    );
    let output = place.run(&["eval", "scores", "s.csv", "--figures", "figures"]);
    success(&output);
    let table = String::from_utf8_lossy(&output.stdout);
    for words in ["21 scores of s.csv", "Calibration fitted to these scores", "0.05, 1, 1", "minimum Cllr"] {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    assert!(place.exists("figures/det.svg"));

    // High scores that mean different: reported, not calibrated.
    place.write("down.csv", b"score,same\n1,1\n2,1\n3,0\n4,0\n");
    let down = found(&place, &["scores", "down.csv"]);
    let warnings = down["warnings"].to_string();
    assert!(
        warnings.contains("AUC is 0.0000, below 0.5") && warnings.contains("could not be calibrated"),
        "{warnings}"
    );
    // Scores that 32 bits could not separate.
    place.write("large.csv", b"score,same\n1000000.01,1\n1000000.02,1\n1000000,0\n1000000.005,0\n");
    near(&found(&place, &["scores", "large.csv"])["verification"]["auc"], 1.0);

    for (text, expected) in [
        (
            "score,same\n0.5,1\n0.4,1\n",
            "s.csv: found 2 genuine and 0 impostor pairs, expected at least one of each",
        ),
        ("score,same\n0.5,1\n0.5,0\n", "s.csv: all 2 scores are 0.5; expected scores that differ"),
        ("score,same\nNaN,1\n0.5,0\n", "s.csv: line 2 has the score NaN; expected a finite number"),
        ("score,same\n0.5,1\n,0\n", "s.csv: line 3, column `score` holds \"\"; expected a number"),
        ("score,same\n0.5,1\n0.2,2\n", "s.csv: line 3, column `same` holds \"2\"; expected 1 or 0"),
        ("score,label\n0.5,1\n", "s.csv: has no column `same`; its columns are score, label"),
        ("score,same\n", "s.csv: has no rows"),
    ] {
        place.write("s.csv", text.as_bytes());
        place.refused(&["eval", "scores", "s.csv"], &[expected]);
    }
    place.write("s.csv", b"score,same\n0.5,1\n0.2,0\n");
    for flag in [&["--labels", "x"][..], &["--balanced"], &["--sampled", "9"], &["--probe", "set.csv"]] {
        let refused = [&["eval", "verification", "s.csv"], flag].concat();
        place.refused(&refused, &[&format!("{}: s.csv has scores of pairs", flag[0])]);
    }
}

#[test]
fn flags_without_effect_are_refused() {
    let place = place();
    let refused = |arguments: &[&str], fragments: &[&str]| {
        place.refused(&[&["eval", "verification", "set.csv"], arguments].concat(), fragments);
    };
    refused(&["--confidence", "0.9"], &["--bootstrap"]);
    refused(&["--folds", "3"], &["--folds: requires a list of pairs"]);
    refused(&["--part", "train"], &["--split"]);
    let others = [("z1", "bag", 20.0), ("z2", "bag", 30.0), ("z3", "boot", 100.0), ("z4", "z", 50.0)];
    place.write("cohort.csv", csv(&others).as_bytes());
    let cohort = |normalisation: &'static str| {
        ["--probe", "probe.csv", "--cohort", "cohort.csv", "--normalisation", normalisation]
    };
    refused(
        &[&cohort("adaptive-s")[..], &["--top", "5"]].concat(),
        &["--top: found 5, expected 2 to 4, the number of embeddings of cohort.csv"],
    );
    refused(&cohort("adaptive-s"), &["--top: found 300 (the default), expected 2 to 4"]);
    refused(
        &[&cohort("z")[..], &["--top", "3"]].concat(),
        &["--top: found 3", "only --normalisation adaptive-s"],
    );
    refused(&["--top", "3"], &["--cohort"]);
    place.write("probe.csv", csv(&ROWS[3..]).as_bytes());
    let shared = found(&place, &[&["verification", "set.csv"], &cohort("z")[..]].concat());
    let expected = "2 classes of the cohort cohort.csv are also evaluated, such as \\\"bag\\\"";
    assert!(shared["warnings"].to_string().contains(expected), "{}", shared["warnings"]);
}

#[test]
fn the_rows_of_one_part_are_evaluated() {
    let place = place();
    // Bag is known, with a held-out row; boot and coat are unseen.
    let mut split = String::from("# widemargin split 1\n# by hand\nsample,part\n");
    for (id, part) in [
        ("c2", "test"),
        ("b2", "test"),
        ("a1", "train"),
        ("a2", "train"),
        ("a3", "test"),
        ("b1", "test"),
        ("c1", "test"),
    ] {
        writeln!(split, "{id},{part}").expect("a text");
    }
    place.write("split.csv", split.as_bytes());
    place.write("unseen.csv", csv(&ROWS[3..]).as_bytes());
    let expected = found(&place, &["retrieval", "unseen.csv"]);
    let chosen = found(&place, &["retrieval", "set.csv", "--split", "split.csv", "--part", "test"]);
    assert_eq!(chosen["retrieval"], expected["retrieval"]);
    assert!(
        chosen["compared"]
            .as_str()
            .is_some_and(|lead| lead.contains("set.csv, part test of split.csv: 4 embeddings of 2")),
        "{chosen}"
    );
    for task in ["verification", "clustering", "geometry", "calibrate"] {
        let expected = found(&place, &[task, "unseen.csv"]);
        let chosen = found(&place, &[task, "set.csv", "--split", "split.csv"]);
        for key in ["verification", "agreement", "geometry", "saved"] {
            assert_eq!(chosen[key], expected[key], "{task}");
        }
    }
    found(&place, &["clustering", "set.csv", "--split", "split.csv", "--assignments", "rows.csv"]);
    let rows = std::fs::read_to_string(place.path().join("rows.csv")).expect("there");
    assert!(rows.contains("\n3,b1,boot,") && !rows.contains("a1"), "{rows}");
    // Cameras are joined before the rows are chosen.
    let cameras: Vec<String> = ROWS.iter().rev().map(|row| format!("{},{}\n", row.0, &row.0[1..])).collect();
    place.write("cameras.csv", format!("id,camera\n{}", cameras.concat()).as_bytes());
    found(
        &place,
        &[
            "retrieval",
            "set.csv",
            "--split",
            "split.csv",
            "--exclude-same-camera",
            "--cameras",
            "cameras.csv",
        ],
    );
    // Held-out rows of known classes are in a part of their own.
    let gallery = ["retrieval", "set.csv", "--split", "split.csv", "--gallery", "set.csv", "--part"];
    let queries = |part| found(&place, &[&gallery[..], &[part]].concat())["retrieval"]["queries"].clone();
    assert_eq!([queries("held-out"), queries("train")], [1, 2].map(serde_json::Value::from));

    // With one unseen class, the set is closed and held-out rows of known classes are evaluated.
    place.write("closed.csv", split.replace("c1,test", "c1,train").as_bytes());
    let closed = found(&place, &["retrieval", "set.csv", "--split", "closed.csv", "--gallery", "set.csv"]);
    assert!(
        closed["compared"].as_str().is_some_and(|lead| lead.contains("2 embeddings of 2 classes")),
        "{closed}"
    );

    // Rows without ids are named as `train` and `data split` name them.
    place.write("m.npy", &matrix());
    let labels: Vec<&str> = ROWS.iter().map(|row| row.1).collect();
    place.write("labels.txt", labels.join("\n").as_bytes());
    let parts = ["train", "train", "test", "test", "test", "test", "test"];
    let numbered: Vec<String> =
        parts.iter().enumerate().map(|(row, part)| format!("row {row},{part}\n")).collect();
    place.write("rows-split.csv", format!("sample,part\n{}", numbered.concat()).as_bytes());
    let by_row =
        found(&place, &["retrieval", "m.npy", "--labels", "labels.txt", "--split", "rows-split.csv"]);
    assert_eq!(by_row["retrieval"], expected["retrieval"]);

    let refused = |split: &str, more: &[&str], fragments: &[&str]| {
        place.write("bad.csv", split.as_bytes());
        place.refused(&[&["eval", "retrieval", "set.csv", "--split", "bad.csv"], more].concat(), fragments);
    };
    refused(
        &split.replace("c1,", "zz,"),
        &[],
        &["bad.csv: line 10 has the id \"zz\", which set.csv does not have"],
    );
    refused(&split.replace("c1,test\n", ""), &[], &["bad.csv: has no row for the id \"c1\" of set.csv"]);
    refused(&split.replace("c1,test", "a1,test"), &[], &["bad.csv", "same id \"a1\""]);
    refused(
        &split.replace("a3,test", "a3,out"),
        &["--part", "held-out"],
        &["--part held-out: no row of set.csv"],
    );
    place.write("pairs.csv", b"a,b,same\na1,a2,1\na1,b1,0\n");
    place.refused(
        &["eval", "verification", "set.csv", "--split", "split.csv", "--pairs", "pairs.csv"],
        &["--split", "--pairs"],
    );
}

#[test]
fn tables_with_names_next_to_them_are_trained_on() {
    let place = Workplace::new();
    let (mut names, mut data) = (String::from("id,label\n"), Vec::new());
    for row in 0..60 {
        writeln!(names, "r{row},class {}", row % 6).expect("a text");
        let angle = f64::from(row % 6) + 0.01 * f64::from(row);
        data.extend([angle.cos(), angle.sin(), 0.1].iter().flat_map(|value| (*value as f32).to_le_bytes()));
    }
    place.write("v.npy", &npy("<f4", "60, 3", &data));
    place.write("v.names.csv", names.as_bytes());
    let train =
        ["train", "--data", "v.npy", "--unseen", "2", "--embedding", "2", "--epochs", "1", "--batch", "10"];
    success(&place.run(&[&train[..], &["--out", "run"]].concat()));
    let split = std::fs::read_to_string(place.path().join("run/split.csv")).expect("there");
    assert!(split.contains("\nr7,"), "{split}");
    // The run's embeddings of its own evaluation set.
    success(&place.run(&["embed", "--model", "run", "v.npy", "-o", "e.npy"]));
    let chosen = found(&place, &["retrieval", "e.npy", "--split", "run/split.csv"]);
    let report = super::json(&place.path().join("run/report.json"));
    assert_eq!(chosen["retrieval"]["queries"], report["unseen"]["samples"]);
    near(
        &chosen["retrieval"]["map_at_r"],
        report["unseen"]["retrieval"]["map_at_r"].as_f64().expect("a number"),
    );
    // The split of another run, whose model was trained on other rows.
    let of_another = "run-2/model.safetensors, but another model made the embeddings";
    let mut other = train;
    other[4] = "3";
    success(&place.run(&[&other[..], &["--out", "run-2"]].concat()));
    assert!(!chosen["warnings"].to_string().contains("another model"), "{}", chosen["warnings"]);
    let other = found(&place, &["retrieval", "e.npy", "--split", "run-2/split.csv"]);
    let warnings = other["warnings"].to_string();
    assert!(warnings.contains("--split: run-2/split.csv") && warnings.contains(of_another), "{warnings}");
    // An existing folder, and a device that is not there, are reported before the data is read.
    place.write("v.names.csv", b"id,label\n");
    place.refused(&[&train[..], &["--out", "run"]].concat(), &["the run folder run already exists"]);
    place.refused(
        &[&train[..], &["--out", "no", "--device", "tpu"]].concat(),
        &["training.device", "'tpu'", "cpu"],
    );
    place.refused(&[&train[..], &["--out", "no"]].concat(), &["v.names.csv: 0 names for 60 embeddings"]);
    assert!(!place.exists("no"));
}

#[test]
fn names_that_differ_only_in_spelling_are_not_compared_without_a_word() {
    let place = place();
    let set = |name: &str, label: &dyn Fn(&str) -> String, camera: &dyn Fn(usize) -> String| {
        let rows = ROWS.iter().enumerate().map(|(at, row)| {
            let (y, x) = (row.2 + 0.5 * at as f64).to_radians().sin_cos();
            format!("{name}{at},{},{},{x},{y}\n", label(row.1), camera(at))
        });
        let text: String = std::iter::once("id,label,camera,x,y\n".to_owned()).chain(rows).collect();
        place.write(&format!("{name}.csv"), text.as_bytes());
    };
    let plain = |label: &str| label.to_owned();
    let number = |label: &str| label.len().to_string();
    set("q", &plain, &|at| format!("c{}", at % 2));
    set("shifted", &plain, &|at| format!("c{}", at % 2 + 2));
    set("upper", &plain, &|at| format!("C{}", at % 2));
    set("same", &plain, &|at| format!("c{}", (at + 1) % 2));
    let retrieval = ["retrieval", "q.csv", "--exclude-same-camera", "--gallery"];
    let warnings =
        |gallery: &str| found(&place, &[&retrieval[..], &[gallery]].concat())["warnings"].to_string();
    assert!(!warnings("same.csv").contains("camera"));
    let said = warnings("shifted.csv");
    assert!(said.contains("excludes nothing: the cameras of the queries (c0, c1)"), "{said}");
    place.refused(
        &["eval", "retrieval", "q.csv", "--exclude-same-camera", "--gallery", "upper.csv"],
        &["the camera \"C0\" of the gallery differs from \"c0\" of the queries only in upper and lower case"],
    );
    // The same within one file, and with leading zeros.
    for (name, other, how) in
        [("mixed", "C1", "in upper and lower case"), ("padded", "c01", "in leading zeros")]
    {
        set(name, &plain, &|at| if at % 2 == 0 { "c1".to_owned() } else { other.to_owned() });
        let file = format!("{name}.csv");
        place.refused(
            &["eval", "retrieval", &file, "--exclude-same-camera"],
            &[&file, "cameras \"c1\"", other, how],
        );
    }
    set("zero", &plain, &|at| format!("c0{}", at % 2));
    place.refused(
        &["eval", "retrieval", "q.csv", "--exclude-same-camera", "--gallery", "zero.csv"],
        &["the camera \"c00\" of the gallery differs from \"c0\" of the queries only in leading zeros"],
    );
    // Whole numbers with decimals are whole numbers, with leading zeros they are other classes.
    set("numbers", &number, &|at| at.to_string());
    set("decimals", &|label| format!("{}.0", label.len()), &|at| format!("{at}.0"));
    set("zeros", &|label| format!("0{}", label.len()), &|at| at.to_string());
    let same = |gallery: &str| {
        found(&place, &["retrieval", "numbers.csv", "--gallery", gallery])["retrieval"]["recall_at"].clone()
    };
    assert_eq!(same("decimals.csv"), same("numbers.csv"));
    place.refused(
        &["eval", "retrieval", "numbers.csv", "--gallery", "zeros.csv"],
        &["zeros.csv: the class \"03\" differs from \"3\" of another file only in the form of a number"],
    );
    set("Case", &|label| label.to_uppercase(), &|at| at.to_string());
    set("nan", &|label| if label == "coat" { "nan" } else { label }.to_owned(), &|at| at.to_string());
    let both = std::fs::read_to_string(place.path().join("q.csv")).expect("there")
        + &std::fs::read_to_string(place.path().join("Case.csv"))
            .expect("there")
            .replace("id,label,camera,x,y\n", "");
    place.write("both.csv", both.as_bytes());
    let said = found(&place, &["retrieval", "both.csv"])["warnings"].to_string();
    assert!(said.contains("differ only in upper and lower case; they are two classes"), "{said}");
    place.refused(
        &["eval", "retrieval", "nan.csv"],
        &["nan.csv: row 5 (id \"nan5\") has the label \"nan\", a word for a missing value"],
    );
    // Ids that differ only in spelling.
    let labels =
        ["id,label\n".to_owned(), ROWS.map(|row| format!("{},{}\n", row.0.to_uppercase(), row.1)).concat()];
    place.write("ids.csv", labels.concat().as_bytes());
    place.refused(
        &["eval", "retrieval", "set.csv", "--labels", "ids.csv"],
        &["ids.csv: line 2 has the id \"A1\"", "(\"a1\" differs from \"A1\" only in upper and lower case)"],
    );
    // Two cameras for a row.
    let other = [
        "id,label,camera\n".to_owned(),
        ROWS.iter().enumerate().map(|(at, row)| format!("q{at},{},c9\n", row.1)).collect(),
    ];
    place.write("other.csv", other.concat().as_bytes());
    place.refused(
        &["eval", "retrieval", "q.csv", "--labels", "other.csv"],
        &["other.csv: line 2 has the camera \"c9\", but q.csv contains the camera \"c0\" for the same row"],
    );
}

#[test]
fn values_of_64_bits_keep_their_differences() {
    let place = place();
    let set = |name: &str, offset: f64| {
        let rows = ROWS.iter().chain(&ROWS).enumerate().map(|(at, (_, label, angle))| {
            let (y, x) = (angle + at as f64 * 0.1).to_radians().sin_cos();
            format!("r{at},{label},{},{},{offset}\n", offset + 10.0 * x, offset + 10.0 * y)
        });
        let text: String = std::iter::once("id,label,x,y,z\n".to_owned()).chain(rows).collect();
        place.write(name, text.as_bytes());
    };
    set("near.csv", 1e5);
    set("far.csv", 1e6);
    let auc = |name: &str| found(&place, &["verification", name])["verification"]["auc"].clone();
    near(&auc("far.csv"), auc("near.csv").as_f64().expect("a number"));
    set("lost.csv", 1e8);
    place.refused(
        &["eval", "verification", "lost.csv"],
        &["lost.csv", "which even 64-bit floats do not separate; subtract the mean of each column"],
    );
    place.refused(
        &["train", "--data", "lost.csv", "--out", "run"],
        &["lost.csv: 32-bit floats", "subtract the mean of each column"],
    );
}
