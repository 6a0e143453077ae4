//! `train --from`: runs that continue another one with other classes; and `--weights` with a run folder.

use super::{SMALL, Workplace, json, png, success};

/// A run on image folders of a few seconds.
const IMAGES: &str = "[data]\nchannels = 1\nheight = 8\nwidth = 8\n[model]\nbackbone = \"mlp\"\nhidden = [16]\nembedding = 4\n[augment]\n\
                      flip = false\npad_and_crop = 0\n[sampler]\nbatch = 16\n[optimiser]\nlearning_rate = 0.05\n[training]\nepochs = 2\nseed = 4\n";

/// Folders `c0`, `c1`, ... of these classes with 10 images each.
fn classes(place: &Workplace, data: &str, numbers: impl IntoIterator<Item = u8>) {
    for class in numbers {
        for image in 0..10 {
            place.write(&format!("{data}/c{class}/{image}.png"), &png(class, image));
        }
    }
}

/// A run `old` on classes 0 to 9, and data `new` without class 1 and with the classes 20 and 21.
fn place() -> Workplace {
    let place = Workplace::new();
    place.write("images.toml", IMAGES.as_bytes());
    classes(&place, "data", 0..10);
    success(&place.run(&[
        "train",
        "--data",
        "data",
        "--config",
        "images.toml",
        "--unseen-classes",
        "c2,c5,c7",
        "--out",
        "old",
    ]));
    classes(&place, "new", (0..10).filter(|class| *class != 1).chain([20, 21]));
    place
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn config(place: &Workplace, run: &str) -> String {
    std::fs::read_to_string(place.path().join(run).join("config.toml")).expect("there")
}

/// The part of each sample in a run's split, by its path.
fn parts(place: &Workplace, run: &str) -> std::collections::BTreeMap<String, String> {
    let text = std::fs::read_to_string(place.path().join(run).join("split.csv")).expect("there");
    let rows = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(','));
    let rows = rows.filter(|(_, part)| ["train", "test"].contains(part));
    rows.map(|(path, part)| (path.to_owned(), part.to_owned())).collect()
}

#[test]
fn a_run_continues_another_one_with_other_classes() {
    let place = place();
    let output = place.run(&["train", "--from", "old", "--data", "new", "--epochs", "1", "--out", "next"]);
    success(&output);
    let told = said(&output);
    for part in [
        "continuing the run",
        "peak learning rate 0.005, a tenth of 0.05",
        "6 classes kept, 2 new (c20, c21), whose centres start at their mean embedding, 1 dropped (c1)",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let text = config(&place, "next");
    for part in ["learning_rate = 0.005", "from = ", "seed = 4", "embedding = 4", "height = 8"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The evaluation set is that of the first run, and so are the parts of samples that both have.
    let report = json(&place.path().join("next/report.json"));
    assert_eq!(report["unseen"]["classes"], serde_json::json!(["c2", "c5", "c7"]));
    let (old, new) = (parts(&place, "old"), parts(&place, "next"));
    let both: Vec<&String> = old.keys().filter(|path| new.contains_key(*path)).collect();
    assert!(both.len() == 90 && both.iter().all(|path| old[*path] == new[*path]));
    // The baseline is the model of the first run.
    let first = json(&place.path().join("old/report.json"));
    let recall =
        |report: &serde_json::Value, pointer| report.pointer(pointer).and_then(serde_json::Value::as_f64);
    assert_eq!(
        recall(&report, "/untrained/unseen/retrieval/recall_at/1"),
        recall(&first, "/unseen/retrieval/recall_at/1")
    );
    assert!(
        report["untrained"]["weights"].as_str().is_some_and(|weights| weights.ends_with("old")),
        "{report}"
    );

    // It can be resumed and repeated, with its configuration, and continued itself at the same rate.
    let model = |run: &str| std::fs::read(place.path().join(run).join("model.safetensors")).expect("there");
    success(&place.run(&["train", "--config", "next/config.toml", "--out", "again"]));
    assert!(model("again") == model("next"));
    let output = place.run(&[
        "train",
        "--from",
        "next",
        "--epochs",
        "1",
        "--learning-rate",
        "0.004",
        "--out",
        "third",
    ]);
    success(&output);
    assert!(said(&output).contains("peak learning rate 0.004; that run had 0.005"), "{}", said(&output));
    let output = place.run(&["train", "--from", "next", "--epochs", "1", "--out", "fourth"]);
    success(&output);
    assert!(said(&output).contains("peak learning rate 0.005; that run had 0.005"), "{}", said(&output));
    std::fs::rename(place.path().join("old"), place.path().join("moved")).expect("moved");
    success(&place.run(&["train", "--resume", "next", "--epochs", "2"]));
}

#[test]
fn flags_that_contradict_the_earlier_run_are_refused() {
    let place = place();
    let refused = |extra: &[&str], fragments: &[&str]| {
        place.refused(
            &[&["train", "--from", "old", "--data", "new", "--out", "bad"], extra].concat(),
            fragments,
        );
        assert!(!place.exists("bad"), "{extra:?}");
    };
    refused(
        &["--backbone", "linear"],
        &["--backbone (model.backbone): found \"linear\", expected \"mlp\" as in the run"],
    );
    refused(&["--embedding", "5"], &["--embedding (model.embedding): found 5, expected 4"]);
    refused(
        &["--objective", "triplet-margin"],
        &["--objective (objective.name)", "expected an objective with 1 class centres"],
    );
    refused(&["--weights", "old"], &["--weights", "cannot be used with"]);
    refused(&["--config", "images.toml"], &["--config", "cannot be used with"]);
    refused(&["--unseen", "9"], &["--unseen (data.unseen): found 9, expected 5 or no number"]);
    let other = ["train", "--from", "new", "--data", "new", "--out", "bad"];
    place.refused(&other, &["--from: ", "is this a run folder?"]);
    classes(&place, "foreign", 30..38);
    let foreign = ["train", "--from", "old", "--data", "foreign", "--out", "bad"];
    place.refused(&foreign, &["--from (model.from): none of the", "use its weights alone"]);
    let table = "label,e0,e1\na,1,2\na,2,1\nb,1,1\nb,3,1\nc,1,4\nc,2,5\n";
    place.write("table.csv", table.as_bytes());
    let table = ["train", "--from", "old", "--data", "table.csv", "--out", "bad"];
    place.refused(&table, &["--from (model.from): the run", "was trained on images; the data has vectors"]);
    assert!(!place.exists("bad"));
}

#[test]
fn weights_may_be_a_run_folder() {
    let place = Workplace::new();
    success(&place.run(&["train", "--config", "small.toml", "--out", "first"]));
    let model = |run: &str| std::fs::read(place.path().join(run).join("model.safetensors")).expect("there");
    for (weights, out) in [("first", "folder"), ("first/model.safetensors", "file")] {
        success(&place.run(&[
            "train",
            "--config",
            "small.toml",
            "--weights",
            weights,
            "--seed",
            "2",
            "--out",
            out,
        ]));
    }
    assert!(model("folder") == model("file"));
    assert!(config(&place, "folder").contains("model.safetensors\""));
    place.write("folder.toml", SMALL.replace("[sampler]", "weights = \"first\"\n[sampler]").as_bytes());
    success(&place.run(&["train", "--config", "folder.toml", "--seed", "2", "--out", "key"]));
    assert!(model("key") == model("file"));

    // A run that is not finished has checkpoints only, which --from takes.
    std::fs::remove_file(place.path().join("first/model.safetensors")).expect("there");
    let train = ["train", "--config", "small.toml", "--out", "bad", "--weights"];
    place.refused(
        &[&train[..], &["first"]].concat(),
        &[
            "--weights (model.weights): the run",
            "has checkpoints, but no model.safetensors yet",
            "train --resume",
            "--from",
        ],
    );
    success(&place.run(&["train", "--from", "first", "--epochs", "1", "--out", "continued"]));
    place.write("empty/readme", b"nothing");
    place.refused(
        &[&train[..], &["empty"]].concat(),
        &["--weights (model.weights): found the folder", "without a model.safetensors"],
    );
    assert!(!place.exists("bad"));
}
