//! Training on a table of ready-made embeddings.

use super::{Workplace, image_folder, json, png, success};
use std::fmt::Write;

/// Classes in the first two columns, and two columns of far larger numbers that say nothing.
fn table(rows: usize) -> String {
    let mut text = String::from("id,label,a,b,c,d\n");
    for row in 0..rows {
        let (class, turn) = (row % 12, row as f64 * 2.399_963);
        let angle = class as f64 / 12.0 * std::f64::consts::TAU + 0.04 * (row as f64 * 1.7).sin();
        let (a, b, c, d) = (angle.cos(), angle.sin(), 9.0 * turn.cos(), 9.0 * turn.sin());
        writeln!(text, "r{row},class {class},{a},{b},{c},{d}").expect("a text");
    }
    text
}

#[test]
fn a_projection_of_a_table_is_trained_and_evaluated_on_unseen_classes() {
    let place = Workplace::new();
    place.write("vectors.csv", table(1200).as_bytes());
    let arguments =
        ["train", "--data", "vectors.csv", "--unseen", "4", "--embedding", "2", "--epochs", "200"];
    let more =
        ["--batch", "60", "--learning-rate", "0.5", "--scale", "8", "--margin", "0.35", "--out", "run"];
    let output = place.run(&[&arguments[..], &more].concat());
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("1200 vectors of dimension 4") && said.contains("evaluating on 400 vectors"),
        "{said}"
    );
    let raw = place.run(&["eval", "retrieval", "vectors.csv", "--json"]);
    success(&raw);
    let raw: serde_json::Value = serde_json::from_slice(&raw.stdout).expect("JSON");
    let trained = json(&place.path().join("run/report.json"));
    let (before, after) = (&raw["retrieval"]["map_at_r"], &trained["unseen"]["retrieval"]["map_at_r"]);
    let (before, after) = (before.as_f64().expect("a number"), after.as_f64().expect("a number"));
    assert!(before < 0.2 && after > 0.9, "MAP@R {before} before, {after} after");
    let html = std::fs::read_to_string(place.path().join("run/report.html")).expect("a page");
    assert!(html.contains("960 training vectors") || html.contains("training vectors of 8 known classes"));
    let model = std::fs::read(place.path().join("run/model.safetensors")).expect("a model");
    assert!(String::from_utf8_lossy(&model).contains(r#"\"takes\":\"vectors\""#));

    // the projection applied to the table gives the embeddings on which the run was evaluated
    success(&place.run(&["embed", "--model", "run", "vectors.csv", "--out", "out.npy"]));
    let projected = place.run(&["eval", "retrieval", "out.npy", "--labels", "out.names.csv", "--json"]);
    success(&projected);
    let projected: serde_json::Value = serde_json::from_slice(&projected.stdout).expect("JSON");
    let all = projected["retrieval"]["map_at_r"].as_f64().expect("a number");
    assert!(all > 0.8, "MAP@R {all} over all classes");
    assert_eq!(std::fs::read(place.path().join("out.npy")).expect("there").len(), 128 + 1200 * 2 * 4);
    assert!(!place.exists("out.npy.partial") && !place.exists("out.npy.partial.json"));
    place.refused(
        &["embed", "--model", "run", "vectors.csv", "--out", "out.npy"],
        &["out.npy", "already exists"],
    );
    place.refused(&["embed", "--model", "run", "vectors.csv", "--out", "out.txt"], &["--out", ".npy"]);
    place.write("wide.csv", b"label,x,y\na,1,2\n");
    place.refused(
        &["embed", "--model", "run", "wide.csv", "--out", "no.npy"],
        &["wide.csv", "not those of the model: found x, y, expected a, b, c, d"],
    );

    // the centres alone, which leave the vectors as they are
    let output = place.run(&[
        "train",
        "--data",
        "vectors.csv",
        "--backbone",
        "identity",
        "--unseen",
        "4",
        "--out",
        "same",
    ]);
    success(&output);
    let config = std::fs::read_to_string(place.path().join("same/config.toml")).expect("there");
    assert!(config.contains("embedding = 4"), "{config}");
}

#[test]
fn tables_that_cannot_be_trained_on_are_refused_by_name() {
    let place = Workplace::new();
    place.write("vectors.csv", table(240).as_bytes());
    place.write("unlabelled.csv", b"x,y\n1,2\n3,4\n");
    place.write("few.txt", b"a\nb\nc\n");
    place.write("zero.csv", b"label,x,y\na,1,2\nb,0,0\n");
    place.write("short.npy", b"\x93NUMPY\x01\0");
    let train = |data, more: &[&str], fragments: &[&str]| {
        place.refused(&[&["train", "--out", "no", "--data", data], more].concat(), fragments);
        assert!(!place.exists("no"), "nothing is written");
    };
    train("vectors.csv", &["--backbone", "small-cnn"], &["model.backbone", "mlp, linear or identity"]);
    train("vectors.csv", &["--labels", "few.txt"], &["few.txt", "3 labels for 240 embeddings"]);
    train("unlabelled.csv", &[], &["unlabelled.csv", "no labels"]);
    train("zero.csv", &[], &["zero.csv", "row 1 is all zeros"]);
    train("short.npy", &[], &["short.npy", "not a valid .npy"]);
    train("missing.npy", &[], &["missing.npy", "cannot be read"]);
    train("folder", &["--labels", "few.txt"], &["data.labels", "a table of embeddings"]);
}

#[test]
fn embedding_goes_on_where_it_was_stopped() {
    let place = Workplace::new();
    image_folder(&place, "images", 4, 255);
    place.write("images/class-0/deep/more.png", &png(0, 3));
    for number in 0..20 {
        place.write(&format!("images/last/{number:02}.png"), &png(9, number));
    }
    let tiny = "[data]\npath = \"images\"\nheight = 8\nwidth = 8\nchannels = 1\nunseen = 2\n[model]\nbackbone = \"linear\"\nembedding = 4\n";
    place.write("tiny.toml", format!("{tiny}[training]\nepochs = 1\n[sampler]\nbatch = 32\n").as_bytes());
    success(&place.run(&["train", "--config", "tiny.toml", "--out", "run"]));
    let embed = |out: &str| place.run(&["embed", "--model", "run", "images", "--out", out]);
    let read = |name: &str| std::fs::read(place.path().join(name)).expect("there");
    success(&embed("whole.npy"));
    let names = String::from_utf8(read("whole.names.csv")).expect("text");
    assert!(names.contains("class-0/deep/more.png,class-0") && names.lines().count() == 1042, "{names}");

    let good = read("images/last/19.png");
    place.write("images/last/19.png", &good[..40]);
    let failed = embed("out.npy");
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(failed.status.code() == Some(2) && said.contains("19.png"), "{said}");
    assert!(!place.exists("out.npy") && place.exists("out.npy.partial"), "what is done is kept");
    // a write that was cut in the middle of a row
    let cut = [read("out.npy.partial"), vec![1; 7]].concat();
    place.write("out.npy.partial", &cut);
    place.write("images/last/19.png", &good);
    let resumed = embed("out.npy");
    success(&resumed);
    let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(said.contains("resuming at row 1025 of 1041"), "{said}");
    assert!(read("out.npy") == read("whole.npy"), "the same bytes");

    // what is left of another input is not gone on with
    place.write("other.npy.partial", &cut);
    place.write("other.npy.partial.json", b"{}");
    success(&embed("other.npy"));
    assert!(read("other.npy") == read("whole.npy"));
}

#[test]
fn embeddings_in_mixed_precision_are_close_and_state_it() {
    let place = Workplace::new();
    image_folder(&place, "images", 4, 20);
    let tiny = "[data]\npath = \"images\"\nheight = 8\nwidth = 8\nchannels = 1\nunseen = 2\n[model]\nbackbone = \"linear\"\nembedding = 4\n";
    place.write("tiny.toml", format!("{tiny}[training]\nepochs = 1\n[sampler]\nbatch = 16\n").as_bytes());
    success(&place.run(&["train", "--config", "tiny.toml", "--out", "run"]));
    let embed = |precision: &str, out: &str| {
        let output =
            place.run(&["embed", "--model", "run", "images", "--precision", precision, "--out", out]);
        success(&output);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let read = |name: &str| std::fs::read(place.path().join(name)).expect("there");
    embed("full", "full.npy");
    embed("mixed", "mixed.npy");
    let rows = |name: &str| -> Vec<f32> {
        let bytes = read(name);
        let values = bytes[bytes.len() - 80 * 4 * 4..].as_chunks::<4>().0;
        values.iter().map(|value| f32::from_le_bytes(*value)).collect()
    };
    let (full, mixed) = (rows("full.npy"), rows("mixed.npy"));
    assert_ne!(full, mixed, "factors in bfloat16");
    for (full, mixed) in full.chunks(4).zip(mixed.chunks(4)) {
        let cosine: f32 = full.iter().zip(mixed).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.99, "{full:?} and {mixed:?}");
    }
    assert_eq!(json(&place.path().join("full.npy.about.json"))["precision"], "full");
    assert_eq!(json(&place.path().join("mixed.npy.about.json"))["precision"], "mixed");

    // Rows in another precision are not gone on with.
    let about = json(&place.path().join("full.npy.about.json"));
    let begun = serde_json::json!({
        "model": about["model"], "input": about["input"], "rows": 80, "dim": 4, "precision": "full", "samples": 0,
    });
    place.write("other.npy.partial.json", begun.to_string().as_bytes());
    let full = read("full.npy");
    place.write("other.npy.partial", &full[..full.len() - 16]);
    let said = embed("mixed", "other.npy");
    assert!(said.contains("in another precision; starting again"), "{said}");
    assert!(read("other.npy") == read("mixed.npy"));
}

#[test]
fn training_without_a_sample_says_what_left_them_out() {
    let place = Workplace::new();
    let mut text = String::from("id,label,a,b\n");
    for row in 0..60 {
        writeln!(text, "r{row},c{},{row}.5,1.5\nd{row},c0,{row}.5,1.5", row % 6).expect("a text");
    }
    place.write("copies.csv", text.as_bytes());
    let train =
        ["train", "--data", "copies.csv", "--unseen-classes", "c0,c1", "--batch", "8", "--out", "run"];
    place.refused(
        &train,
        &[
            "the number of known classes is 0",
            "4 classes have no training vectors",
            "Left out 40 of",
            "duplicates of",
        ],
    );
}

#[test]
fn names_that_embed_wrote_keep_their_order_whatever_the_ids_are() {
    let place = Workplace::new();
    let mut text = String::from("id,label,a,b\n");
    for (row, line) in table(120).lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        writeln!(text, "{},{}", row % 2 * 60 + row / 2, fields[1..4].join(",")).expect("a text");
    }
    place.write("vectors.csv", text.as_bytes());
    let train = ["train", "--data", "vectors.csv", "--closed-set", "--backbone", "identity", "--epochs", "1"];
    success(&place.run(&[&train[..], &["--batch", "20", "--out", "run"]].concat()));
    let measured = |out: &str| {
        success(&place.run(&["embed", "--model", "run", "vectors.csv", "-o", out]));
        let output = place.run(&["eval", "retrieval", out, "--json"]);
        success(&output);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        found["retrieval"]["map_at_r"].as_f64().expect("a number")
    };
    let (inside, beside) = (measured("e.csv"), measured("e.npy"));
    assert!(inside > 0.9 && (inside - beside).abs() < 1e-6, "{inside} and {beside}");
}

#[test]
fn suspects_in_other_data_are_compared_with_means_of_the_run() {
    let place = Workplace::new();
    // Twelve classes in two columns; every label of the new rows is that of the next class.
    let row = |row: usize, label: usize| {
        let angle = (row % 12) as f64 / 12.0 * std::f64::consts::TAU + 0.02 * (row as f64).sin();
        format!("r{row},class {label},{},{}\n", angle.cos(), angle.sin())
    };
    let own: String = (0..240).map(|at| row(at, at % 12)).collect();
    let new: String = (240..252).map(|at| row(at, (at + 1) % 12)).collect();
    place.write("own.csv", format!("id,label,a,b\n{own}").as_bytes());
    place.write("new.csv", format!("id,label,a,b\n{new}").as_bytes());
    for objective in ["triplet-margin", "sub-centre"] {
        let train =
            ["train", "--data", "own.csv", "--closed-set", "--objective", objective, "--out", objective];
        let more = ["--epochs", "20", "--batch", "48", "--embedding", "2"];
        success(&place.run(&[&train[..], &more].concat()));
        let output =
            place.run(&["data", "suspects", "--run", objective, "--data", "new.csv", "-o", "s", "--json"]);
        success(&output);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let nearer = found["nearer_to_another"].as_u64().expect("a number");
        assert!(nearer >= 9, "{objective}: {nearer} of 12: {found:#}");
    }
}

/// A table without ids, with its rows from `first` on and then those before it.
fn without_ids(rows: usize, first: usize) -> String {
    let table = table(rows);
    let mut lines: Vec<&str> = table.lines().skip(1).collect();
    lines.rotate_left(first);
    let cut = |line: &str| line.split_once(',').expect("an id").1.to_owned();
    let lines: Vec<String> =
        std::iter::once("label,a,b,c,d".to_owned()).chain(lines.into_iter().map(cut)).collect();
    lines.join("\n")
}

#[test]
fn a_split_by_row_numbers_is_refused_for_the_rows_in_another_order() {
    let place = Workplace::new();
    place.write("vectors.csv", without_ids(240, 0).as_bytes());
    success(&place.run(&[
        "data",
        "split",
        "vectors.csv",
        "--by",
        "class",
        "--share",
        "0.3",
        "-o",
        "split.csv",
    ]));
    let train = ["train", "--data", "vectors.csv", "--epochs", "1", "--batch", "20", "--embedding", "2"];
    let with = |split: &str, out: &str| place.run(&[&train[..], &["--split", split, "--out", out]].concat());
    success(&with("split.csv", "first"));
    place.write("vectors.csv", without_ids(240, 7).as_bytes());
    for split in ["split.csv", "first/split.csv"] {
        place.refused(
            &[&train[..], &["--split", split, "--out", "no"]].concat(),
            &["split.csv", "row numbers", "another order", "column `id`"],
        );
    }
    // With ids, the order does not matter.
    place.write("vectors.csv", table(240).as_bytes());
    success(&place.run(&[
        "data",
        "split",
        "vectors.csv",
        "--by",
        "class",
        "--share",
        "0.3",
        "-o",
        "ids.csv",
    ]));
    let text = table(240);
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].rotate_left(7);
    place.write("vectors.csv", lines.join("\n").as_bytes());
    success(&with("ids.csv", "second"));
}

#[test]
fn embeddings_that_changed_since_embed_wrote_them_are_no_data() {
    let place = Workplace::new();
    place.write("vectors.csv", table(240).as_bytes());
    let train = ["train", "--epochs", "1", "--batch", "20", "--embedding", "2"];
    success(&place.run(&[&train[..], &["--data", "vectors.csv", "--out", "run"]].concat()));
    success(&place.run(&["embed", "--model", "run", "vectors.csv", "--out", "out.npy"]));
    success(&place.run(&[&train[..], &["--data", "out.npy", "--out", "again"]].concat()));
    let names = std::fs::read_to_string(place.path().join("out.names.csv")).expect("there");
    let mut lines: Vec<&str> = names.lines().collect();
    lines[1..].rotate_left(5);
    place.write("out.names.csv", lines.join("\n").as_bytes());
    for command in [
        &[&train[..], &["--data", "out.npy", "--out", "no"]].concat()[..],
        &["data", "info", "out.npy"],
        &["data", "split", "out.npy", "--by", "class", "-o", "split.csv"],
    ] {
        place.refused(command, &["out.names.csv", "changed since `embed` wrote it", "out.npy.about.json"]);
    }
}

#[test]
fn weights_of_samples_are_refused_in_files_of_names_too() {
    let place = Workplace::new();
    let values: String = (0..240).map(|at| format!("{},{}\n", (at % 7) as f64 - 2.5, at % 11)).collect();
    place.write("vectors.csv", format!("a,b\n{values}").as_bytes());
    for (column, file) in [("weight", "labels.csv"), ("class_weight", "labels.csv")] {
        let labels: String = (0..240).map(|at| format!("c{},1\n", at % 12)).collect();
        place.write(file, format!("label,{column}\n{labels}").as_bytes());
        for command in [
            &["train", "--data", "vectors.csv", "--labels", file][..],
            &["data", "info", "vectors.csv", "--labels", file],
        ] {
            place.refused(command, &[file, column, "sample weights are not supported"]);
        }
    }
}

#[test]
fn a_flag_overrides_quick_and_settings_without_effect_are_told_in_sweeps() {
    let place = Workplace::new();
    place.write("vectors.csv", table(240).as_bytes());
    let train = ["train", "--data", "vectors.csv", "--quick", "--embedding", "2", "--batch", "90"];
    success(&place.run(&[&train[..], &["--epochs", "5", "--out", "five"]].concat()));
    success(&place.run(&[&train[..], &["--out", "three"]].concat()));
    let config =
        |run: &str| std::fs::read_to_string(place.path().join(run).join("config.toml")).expect("there");
    assert!(config("five").contains("\nepochs = 5\n") && config("five").contains("\nbatch = 90\n"));
    assert!(config("three").contains("\nepochs = 3\n"));

    place.write("grid.toml", b"schedule.power = [2.0, 3.0]\n");
    let sweep = ["sweep", "--data", "vectors.csv", "--quick", "--grid", "grid.toml", "--out", "sweep"];
    let output = place.run(&sweep);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("warning: 02-power-3: schedule.power: no effect"), "{said}");

    // A path in a configuration is one of the current folder, and the run stores the whole of it.
    place.write("relative.toml", b"[data]\npath = \"vectors.csv\"\n[model]\nbackbone = \"linear\"\n");
    success(&place.run(&["train", "--config", "relative.toml", "--quick", "--out", "relative"]));
    let whole = place.path().canonicalize().expect("there").join("vectors.csv");
    let found = config("relative");
    let stored = found.lines().find(|line| line.starts_with("path = ")).expect("a path");
    assert!(
        stored.starts_with("path = \"/") && stored.ends_with("vectors.csv\"") && whole.exists(),
        "{stored}"
    );
}
