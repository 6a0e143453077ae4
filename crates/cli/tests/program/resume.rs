//! Runs that are resumed: with changed data or settings, longer, elsewhere, and by two processes at once.

use super::{Workplace, image_folder, json, png, success};
use std::path::{Path, PathBuf};

/// A linear model of small images.
const TINY: &str = "[data]\nheight = 8\nwidth = 8\nchannels = 1\nunseen = 2\n[model]\nbackbone = \"linear\"\nembedding = 4\n[augment]\n\
flip = false\npad_and_crop = 0\n[sampler]\nbatch = 16\n[training]\nepochs = 3\n";

/// A finished run on the folder `images`.
fn finished_run() -> Workplace {
    let place = Workplace::new();
    image_folder(&place, "images", 6, 12);
    place.write("tiny.toml", TINY.as_bytes());
    success(&place.run(&["train", "--data", "images", "--config", "tiny.toml", "--out", "run"]));
    place
}

/// Removes the newest checkpoint of a run, as if it had been killed in its last epoch.
fn cut(place: &Workplace, run: &str) {
    let mut steps: Vec<PathBuf> = std::fs::read_dir(place.path().join(run).join("checkpoints"))
        .expect("there")
        .map(|entry| entry.expect("read").path())
        .collect();
    steps.sort();
    std::fs::remove_dir_all(steps.last().expect("a checkpoint")).expect("removed");
}

fn read(place: &Workplace, name: &str) -> Vec<u8> {
    std::fs::read(place.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn rename(place: &Workplace, from: &str, to: &str) {
    std::fs::rename(place.path().join(from), place.path().join(to)).expect("renamed");
}

/// All files of a folder with their content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = super::walk(folder);
    found.sort();
    found.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("there"))).collect()
}

#[test]
fn changed_data_is_refused_by_name() {
    let place = finished_run();
    let model = read(&place, "run/model.safetensors");
    cut(&place, "run");
    let before = content(&place.path().join("run"));
    let resume = ["train", "--resume", "run"];
    let suspects = ["data", "suspects", "--run", "run"];
    let refused = |fragments: &[&str]| {
        for arguments in [&resume[..], &suspects] {
            place.refused(arguments, fragments);
        }
        assert!(content(&place.path().join("run")) == before, "nothing is written: {fragments:?}");
    };
    rename(&place, "images/class-0", "images/zebra");
    refused(&["images", "1 renamed classes: \"class-0\" to \"zebra\""]);
    rename(&place, "images/zebra", "images/class-0");

    rename(&place, "images/class-1/03.png", "images/class-2/03b.png");
    refused(&["1 missing images: class-1/03.png", "1 new images: class-2/03b.png"]);
    rename(&place, "images/class-2/03b.png", "images/class-1/03.png");

    let good = read(&place, "images/class-4/07.png");
    place.write("images/class-4/07.png", &png(4, 99));
    refused(&["1 images with other content: class-4/07.png"]);
    place.write("images/class-4/07.png", &good);
    place.write("images/class-5/99.png", &png(5, 99));
    refused(&["1 new images: class-5/99.png"]);
    std::fs::remove_file(place.path().join("images/class-5/99.png")).expect("there");

    let split = read(&place, "run/split.csv");
    let text = String::from_utf8(split.clone()).expect("text");
    let line = text.lines().find(|line| line.ends_with(",train")).expect("a training sample").to_owned();
    let edited = text.replace(&line, &line.replace(",train", ",test"));
    place.write("run/split.csv", edited.as_bytes());
    let mark = text.lines().nth(1).expect("the checksum");
    assert!(mark.starts_with("# crc32 "), "{mark}");
    place.refused(&resume, &["split.csv", "damaged or edited", &format!("delete line 2, `{mark}`")]);
    let without_checksum: String =
        edited.lines().filter(|line| !line.starts_with("# crc32")).map(|line| format!("{line}\n")).collect();
    place.write("run/split.csv", without_checksum.as_bytes());
    place.refused(&resume, &["split.csv", "is in part `test`, expected `train`"]);
    place.write("run/split.csv", &split);

    // Copied files, with other times, are the same data.
    for file in super::walk(&place.path().join("images")) {
        let bytes = std::fs::read(&file).expect("there");
        std::fs::write(&file, bytes).expect("written");
    }
    success(&place.run(&resume));
    assert!(read(&place, "run/model.safetensors") == model, "the same bits");

    // After labels were corrected, the data is given by name.
    rename(&place, "images/class-1/03.png", "images/class-2/03b.png");
    place.refused(&suspects, &["--data", "1 missing images: class-1/03.png"]);
    success(&place.run(&[&suspects[..], &["--data", "images"]].concat()));
}

#[test]
fn data_that_is_read_otherwise_is_refused_with_the_reason() {
    let place = finished_run();
    let resume = ["train", "--resume", "run"];
    let refused = |fragments: &[&str]| {
        let said = place.refused(&resume, fragments);
        assert!(said.contains("the data has changed") && !said.contains("--parts"), "{said}");
    };
    // One of 72 images is more than 1 %, and one of 144 is not.
    let good = read(&place, "images/class-4/07.png");
    place.write("images/class-4/07.png", &good[..good.len() / 2]);
    refused(&["1 of 72 images cannot be used: ", "images/class-4/07.png"]);
    place.write("images/class-4/07.png", &good);
    place.write("images/train/class-4/07.png", &good);
    refused(&["folders that are named like parts (`train`) next to others (`class-0`"]);

    image_folder(&place, "more", 6, 24);
    success(&place.run(&["train", "--data", "more", "--config", "tiny.toml", "--out", "second"]));
    let good = read(&place, "more/class-4/07.png");
    place.write("more/class-4/07.png", &good[..good.len() / 2]);
    place.refused(
        &["train", "--resume", "second"],
        &["1 images that cannot be read any more: class-4/07.png ("],
    );

    let mut list = "path,label,group\n".to_owned();
    for class in 0..6 {
        for number in 0..12 {
            list.push_str(&format!("more/class-{class}/{number:02}.png,{class},g{}\n", number % 5));
        }
    }
    place.write("more/class-4/07.png", &good);
    place.write("list.csv", list.as_bytes());
    success(&place.run(&["train", "--data", "list.csv", "--config", "tiny.toml", "--out", "third"]));
    place.write("list.csv", list.replace(",group", ",shop").as_bytes());
    place.refused(
        &["train", "--resume", "third"],
        &["images in another part (its folder, or a column `split` or `group`, was changed): more/class-"],
    );
}

#[test]
fn a_run_on_a_table_refuses_changed_rows_and_labels() {
    let place = Workplace::new();
    let rows = |label: &dyn Fn(usize) -> String, id: &dyn Fn(usize) -> String, first: f64| {
        let mut text = "id,label,e0,e1,e2\n".to_owned();
        for row in 0..60 {
            let (class, at) = ((row % 6) as f64, row as f64);
            let e0 = if row == 17 { first } else { class + 0.01 * at };
            text += &format!("\"{}\",{},{e0},{},{}\n", id(row), label(row), 1.1 - class, 0.02 * at + 0.1);
        }
        text
    };
    let (label, id) = (|row: usize| format!("class {}", row % 6), |row: usize| format!("row, {row}"));
    let table = rows(&label, &id, 0.5);
    place.write("vectors.csv", table.as_bytes());
    let train = [
        "train",
        "--data",
        "vectors.csv",
        "--epochs",
        "2",
        "--batch",
        "8",
        "--unseen",
        "2",
        "--embedding",
        "2",
    ];
    success(&place.run(&[&train[..], &["--out", "run"]].concat()));
    // The split file of a run reads back.
    success(
        &place.run(
            &[&train[..7], &["--split", "run/split.csv", "--embedding", "2", "--out", "again"]].concat(),
        ),
    );
    assert!(read(&place, "again/model.safetensors") == read(&place, "run/model.safetensors"));

    let resume = ["train", "--resume", "run"];
    let relabelled = |row: usize| if row == 4 { "class 1".to_owned() } else { label(row) };
    place.write("vectors.csv", rows(&relabelled, &id, 0.5).as_bytes());
    place.refused(&resume, &["1 vectors with another label: row, 4 from \"class 4\" to \"class 1\""]);
    place.write("vectors.csv", rows(&label, &id, 0.25).as_bytes());
    place.refused(&resume, &["1 vectors with other content: row, 17"]);
    place.write("vectors.csv", table.replacen("e0,e1", "e1,e0", 1).as_bytes());
    place.refused(&resume, &["60 vectors with other content: row, 0"]);
    place.write("vectors.csv", table.replacen("e0,e1,e2", "f0,f1,f2", 1).as_bytes());
    place.refused(&resume, &["f0", "expected", "e0"]);
    let swapped = |row: usize| id(if row < 2 { 1 - row } else { row });
    place.write("vectors.csv", rows(&label, &swapped, 0.5).as_bytes());
    place.refused(&resume, &["the data has changed", "row, 0", "row, 1"]);
    let mut lines: Vec<&str> = table.lines().collect();
    lines.swap(1, 2);
    place.write("vectors.csv", lines.join("\n").as_bytes());
    place.refused(&resume, &["the same vectors in another order, the first is row, 1"]);
    lines.swap(1, 2);
    lines.pop();
    place.write("vectors.csv", lines.join("\n").as_bytes());
    place.refused(&resume, &["1 missing vectors: row, 59"]);
    // Moved, under another name.
    rename(&place, "vectors.csv", "old.csv");
    place.write("moved/renamed.csv", table.as_bytes());
    place.refused(&resume, &["vectors.csv"]);
    success(&place.run(&["train", "--resume", "run", "--data", "moved/renamed.csv"]));
    success(&place.run(&resume));
}

#[test]
fn a_run_in_mixed_precision_keeps_it() {
    let place = finished_run();
    let full = read(&place, "run/model.safetensors");
    let train =
        ["train", "--data", "images", "--config", "tiny.toml", "--precision", "mixed", "--out", "mixed"];
    success(&place.run(&train));
    let model = read(&place, "mixed/model.safetensors");
    assert!(model != full, "the precision differs");
    let config = String::from_utf8(read(&place, "mixed/config.toml")).expect("text");
    assert!(config.contains("precision = \"mixed\""), "{config}");
    cut(&place, "mixed");
    place.refused(&["train", "--resume", "mixed", "--precision", "full"], &["training.precision: found"]);
    success(&place.run(&["train", "--resume", "mixed"]));
    assert!(read(&place, "mixed/model.safetensors") == model, "the same bits");
}

#[test]
fn settings_are_refused_by_name_whether_flags_or_edited() {
    let place = finished_run();
    let resume = |more: &[&str]| -> Vec<String> {
        ["train", "--resume", "run"].iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let refused = |more: &[&str], fragments: &[&str]| {
        let arguments = resume(more);
        place.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), fragments);
    };
    refused(
        &["--margin", "0.2"],
        &["--resume run: objective.margin: found 0.2", "--epochs, --data and --labels"],
    );
    refused(
        &["--learning-rate", "0.5", "--seed", "9"],
        &["optimiser.learning_rate: found 0.5", "training.seed: found 9"],
    );
    refused(&["--closed-set"], &["data.closed_set: found true, expected false"]);
    refused(&["--split", "x.csv"], &["data.split"]);
    refused(&["--epochs", "2"], &["--epochs (training.epochs): found 2, expected at least 3"]);
    refused(&["--out", "other"], &["--resume", "--out"]);
    refused(&["--config", "tiny.toml"], &["--resume", "--config"]);
    refused(&["--quick"], &["--resume", "--quick"]);
    refused(&["--compare", "softmax"], &["--resume", "--compare"]);
    // A flag with the value of the run is no change.
    success(&place.run(&["train", "--resume", "run", "--seed", "1", "--learning-rate", "0.025"]));

    let config = String::from_utf8(read(&place, "run/config.toml")).expect("text");
    let edited = config.replace("epochs = 3", "epochs = 9").replace("momentum = 0.9", "momentum = 0.8");
    place.write("run/config.toml", edited.as_bytes());
    let fragments = [
        "run/config.toml: optimiser.momentum: found 0.8, expected 0.9",
        "training.epochs: found 9, expected 3",
        "--epochs",
    ];
    refused(&[], &fragments);
    place.refused(&["data", "suspects", "--run", "run"], &fragments);
    place.write("run/config.toml", format!("# a remark\n{config}").as_bytes());
    success(&place.run(&["train", "--resume", "run"]));
    // A flipped bit in a number.
    place.write("run/config.toml", config.replace("seed = 1\n", "seed = 3\n").as_bytes());
    refused(&[], &["seed: found 3, expected 1"]);
}

#[test]
fn a_run_is_extended_and_its_data_may_move() {
    let place = finished_run();
    success(&place.run(&["train", "--data", "images", "--config", "tiny.toml", "--out", "other"]));
    let short = read(&place, "run/model.safetensors");
    let output = place.run(&["train", "--resume", "run", "--epochs", "6"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("extended from 3 to 6 epochs"), "{said}");
    let long = read(&place, "run/model.safetensors");
    assert!(long != short, "it was trained");
    let text = String::from_utf8(read(&place, "run/config.toml")).expect("text");
    assert!(
        text.contains("\n# Planned for 3 epochs, extended to 6.\n") && text.contains("epochs = 6\n"),
        "{text}"
    );
    let lines = |run: &str| {
        String::from_utf8(read(&place, &format!("{run}/metrics.jsonl"))).expect("text").lines().count()
    };
    assert_eq!(lines("run"), 2 * lines("other"));
    assert!(json(&place.path().join("run/report.json")).is_object());
    // Killed in the added epochs, and the data moved in between: the same bits.
    cut(&place, "run");
    rename(&place, "images", "elsewhere");
    place.refused(&["train", "--resume", "run"], &["images", "no such file"]);
    success(&place.run(&["train", "--resume", "run", "--data", "elsewhere"]));
    assert!(read(&place, "run/model.safetensors") == long);
    cut(&place, "run");
    success(&place.run(&["train", "--resume", "run"]));
    assert!(read(&place, "run/model.safetensors") == long);
    // Other data is not the same data.
    image_folder(&place, "foreign", 6, 11);
    place.refused(
        &["train", "--resume", "other", "--data", "foreign"],
        &["foreign", "6 missing images: class-0/11.png"],
    );
    success(&place.run(&["train", "--resume", "other", "--data", "elsewhere", "--epochs", "6"]));
    assert!(read(&place, "other/model.safetensors") == long);
}

#[cfg(unix)]
#[test]
fn an_extension_that_was_stopped_is_named_wherever_its_model_is_used() {
    let place = finished_run();
    let model = read(&place, "run/model.safetensors");
    let extended = ["train", "--resume", "run", "--epochs", "100000"];
    let mut child = place.command(&extended).stderr(std::process::Stdio::piped()).spawn().expect("started");
    // The signal must come after the run has begun to train.
    let steps = || read(&place, "run/metrics.jsonl").len();
    let before = steps();
    while steps() <= before {
        assert!(child.try_wait().expect("a state").is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    super::signal(&child, "TERM");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("model.safetensors and the reports are those of 3 epochs"), "{said}");
    assert!(said.contains("the model in run is still that of 3 of 100000 epochs"), "{said}");
    assert!(read(&place, "run/model.safetensors") == model);
    let [a, b] = ["images/class-0/00.png", "images/class-1/00.png"];
    let says = |arguments: &[&str]| {
        let output = place.run(arguments);
        String::from_utf8_lossy(&output.stderr)
            .contains("run: the run was extended to 100000 epochs and is not finished")
    };
    for file in ["run", "run/model.safetensors"] {
        let out = |name: &str| format!("{}-{name}", file.len());
        let (vectors, exported) = (out("e.npy"), out("e.onnx"));
        assert!(says(&["embed", "--model", file, "images", "-o", &vectors]), "{file}");
        assert!(says(&["nearest", "--model", file, "--embeddings", &vectors, "-k", "1", a]), "{file}");
        assert!(says(&["export", "--model", file, "-o", &exported]), "{file}");
        assert!(says(&["compare", "--model", file, a, b]), "{file}");
    }
    let weights = ["--weights", "run/model.safetensors", "--out", "started"];
    assert!(says(&[&["train", "--config", "tiny.toml", "--data", "images"], &weights[..]].concat()));
    // A run that has ended has a model of all its epochs.
    success(&place.run(&["train", "--data", "images", "--config", "tiny.toml", "--out", "other"]));
    success(&place.run(&["train", "--resume", "other", "--epochs", "4"]));
    let output = place.run(&["export", "--model", "other", "-o", "other.onnx"]);
    success(&output);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("not finished"));
}

#[test]
fn a_comparison_says_which_settings_do_not_apply() {
    let place = Workplace::new();
    image_folder(&place, "images", 6, 12);
    place.write("tiny.toml", TINY.as_bytes());
    let compare = |names: &str, out: &str| {
        let arguments =
            ["train", "--data", "images", "--config", "tiny.toml", "--epochs", "1", "--margin", "0.2"];
        place.run(&[&arguments[..], &["--compare", names, "--out", out]].concat())
    };
    let output = compare("arcface,softmax", "both");
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("note: margin = 0.2 does not apply to softmax, which has no such setting"),
        "{said}"
    );
    let output = compare("softmax,normalized-softmax", "none");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains(
            "--margin (objective.margin): found margin = 0.2, but softmax, normalized-softmax have no"
        ),
        "{said}"
    );
    assert!(!place.exists("none"));
}

#[test]
fn an_interrupted_comparison_continues() {
    let place = Workplace::new();
    image_folder(&place, "images", 6, 12);
    place.write("tiny.toml", TINY.as_bytes());
    let compare = [
        "train",
        "--data",
        "images",
        "--config",
        "tiny.toml",
        "--compare",
        "softmax,am-softmax,arcface",
        "--margin",
        "0.2",
    ];
    success(&place.run(&[&compare[..], &["--out", "whole"]].concat()));
    success(&place.run(&[&compare[..], &["--out", "cut"]].concat()));
    let model = |folder: &str, name: &str| read(&place, &format!("{folder}/{name}/model.safetensors"));
    // Stopped in the second of three.
    cut(&place, "cut/am-softmax");
    for gone in ["cut/am-softmax/model.safetensors", "cut/report.json"] {
        std::fs::remove_file(place.path().join(gone)).expect("there");
    }
    std::fs::remove_dir_all(place.path().join("cut/arcface")).expect("there");
    rename(&place, "images/class-0", "images/zebra");
    place.refused(&["train", "--resume", "cut"], &["1 renamed classes"]);
    rename(&place, "images/zebra", "images/class-0");
    place.refused(&["train", "--resume", "cut", "--epochs", "9"], &["--resume", "comparison", "--epochs"]);
    place.refused(
        &["train", "--resume", "cut", "--margin", "0.3"],
        &["objective.margin: found 0.3, expected 0.2"],
    );
    place.refused(&["sweep", "--resume", "cut"], &["cut", "comparison", "train --resume"]);
    success(&place.run(&["train", "--resume", "cut"]));
    for name in ["softmax", "am-softmax", "arcface"] {
        assert!(model("cut", name) == model("whole", name), "{name}");
    }
    let figures = |folder: &str| {
        let report = json(&place.path().join(folder).join("report.json"));
        let of = |one: &serde_json::Value| (one["objective"].clone(), one["unseen"].clone());
        report["objectives"].as_array().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(figures("cut"), figures("whole"));
    place.refused(&[&compare[..], &["--out", "cut"]].concat(), &["cut", "already exists", "--resume"]);

    let plan = String::from_utf8(read(&place, "cut/sweep.toml")).expect("text");
    place.write("cut/sweep.toml", plan.replace("seed = 1\n", "seed = 2\n").as_bytes());
    place.refused(&["train", "--resume", "cut"], &["sweep.toml", "training.seed: found 2, expected 1"]);
}

#[test]
fn a_second_process_is_refused_at_once() {
    let place = finished_run();
    let lock = widemargin_durable::Lock::take(place.path().join("run/.lock")).expect("free");
    let said =
        place.refused(&["train", "--resume", "run"], &["run: another process is training this run; wait"]);
    assert!(!said.contains("remove"), "{said}");
    success(&place.run(&["data", "suspects", "--run", "run", "--count", "3"]));
    drop(lock);
    success(&place.run(&["train", "--resume", "run"]));
    assert!(!place.exists("run/.lock"));

    let sweep = [
        "sweep",
        "--data",
        "images",
        "--config",
        "tiny.toml",
        "--epochs",
        "1",
        "--margin",
        "0.1,0.2",
        "--out",
        "swept",
    ];
    success(&place.run(&sweep));
    let lock = widemargin_durable::Lock::take(place.path().join("swept/.lock")).expect("free");
    place.refused(&["sweep", "--resume", "swept"], &["swept: another process is training these runs; wait"]);
    drop(lock);
    rename(&place, "images/class-3", "images/tiger");
    place.refused(&["sweep", "--resume", "swept"], &["1 renamed classes: \"class-3\" to \"tiger\""]);
    rename(&place, "images/tiger", "images/class-3");
    let results = "swept/runs/01-margin-0.1/evaluation-1.json";
    let text = String::from_utf8(read(&place, results)).expect("text");
    place.write(results, text.replace("\"epochs\": 1", "\"epochs\": 3").as_bytes());
    place.refused(&["sweep", "--resume", "swept"], &["evaluation-1.json", "checksum"]);
    place.write(results, text.as_bytes());
    success(&place.run(&["sweep", "--resume", "swept"]));
}

#[test]
fn results_of_another_run_are_refused() {
    let place = finished_run();
    let other = ["train", "--data", "images", "--config", "tiny.toml", "--seed", "2", "--out", "other"];
    success(&place.run(&other));
    let swap = |file: &str| {
        let own = read(&place, &format!("run/{file}"));
        place.write(&format!("run/{file}"), &read(&place, &format!("other/{file}")));
        own
    };
    let own = swap("untrained");
    place.refused(&["train", "--resume", "run"], &["run/untrained: the baseline of another run"]);
    place.write("run/untrained", &own);
    success(&place.run(&["train", "--resume", "run"]));

    let own = swap("calibration.json");
    let (a, b) = ("images/class-0/00.png", "images/class-0/01.png");
    let compare = ["compare", "--model", "run", a, b];
    let message = "run/calibration.json: the calibration of another model than run";
    place.refused(&compare, &[message]);
    place.refused(&["export", "--model", "run", "-o", "model.onnx"], &[message]);
    place.write("run/calibration.json", &own);
    let code = place.run(&compare).status.code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
    success(&place.run(&["export", "--model", "run", "-o", "model.onnx"]));

    let sweep =
        ["sweep", "--data", "images", "--config", "tiny.toml", "--epochs", "1", "--margin", "0.1,0.2"];
    success(&place.run(&[&sweep[..], &["--out", "swept"]].concat()));
    let of = |run: &str| format!("swept/runs/{run}/evaluation-1.json");
    let first = read(&place, &of("01-margin-0.1"));
    place.write(&of("02-margin-0.2"), &first);
    place.refused(
        &["sweep", "--resume", "swept"],
        &["02-margin-0.2/evaluation-1.json: the results of another run"],
    );
}

/// Where the signal meets the run depends on the machine: before the first checkpoint, between two steps, or in the evaluation.
#[cfg(unix)]
#[test]
fn a_signal_at_any_time_leaves_a_run_that_can_be_resumed() {
    let place = finished_run();
    let model = read(&place, "run/model.safetensors");
    let places = [
        "config.toml",
        "settings",
        "samples",
        "checkpoints",
        "metrics.jsonl",
        "model.safetensors",
        "calibration.json",
    ];
    for (at, file) in places.into_iter().enumerate() {
        let out = format!("run-{at}");
        let train = ["train", "--data", "images", "--config", "tiny.toml", "--out", &out];
        let mut child =
            place.command(&train).stderr(std::process::Stdio::piped()).spawn().expect("the program starts");
        let start = std::time::Instant::now();
        let mut ended = false;
        while !ended && !place.exists(&format!("{out}/{file}")) {
            assert!(start.elapsed() < std::time::Duration::from_mins(2), "{file} never came");
            ended = child.try_wait().expect("asked").is_some();
        }
        if !ended {
            super::signal(&child, "TERM");
        }
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(143 | 0)), "{file}: {:?}, {said}", output.status);
        success(&place.run(&["train", "--resume", &out]));
        assert!(read(&place, &format!("{out}/model.safetensors")) == model, "{file}");
        assert!(place.exists(&format!("{out}/report.html")), "{file}");
    }
}
