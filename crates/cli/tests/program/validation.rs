//! Evaluation during training: the validation part, the best model, early stopping, and what the reports say about it.

use super::{Workplace, image_folder, json, png, success};
use std::collections::BTreeSet;
use std::process::Output;

/// A linear model of small images.
const TINY: &str = "[data]\nheight = 8\nwidth = 8\nchannels = 1\n[model]\nbackbone = \"linear\"\nembedding = 4\n[augment]\nflip = false\n\
pad_and_crop = 0\n[sampler]\nbatch = 8\n[training]\nepochs = 4\n";

fn train(place: &Workplace, data: &str, more: &[&str], out: &str) -> Output {
    let run = ["train", "--config", "tiny.toml", "--data", data, "--out", out];
    let output = place.run(&[&run[..], more].concat());
    success(&output);
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn read(place: &Workplace, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of a run's `split.csv`: sample and part.
fn split(place: &Workplace, run: &str) -> Vec<(String, String)> {
    let text = read(place, &format!("{run}/split.csv"));
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.filter_map(|line| line.rsplit_once(',')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// The classes of the samples in one of `parts`.
fn classes(rows: &[(String, String)], parts: &[&str]) -> BTreeSet<String> {
    let rows = rows.iter().filter(|(_, part)| parts.contains(&part.as_str()));
    rows.map(|(sample, _)| sample.split('/').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_run_is_validated_on_classes_of_their_own_and_ends_with_the_best_model() {
    let place = Workplace::new();
    image_folder(&place, "images", 9, 12);
    place.write("tiny.toml", TINY.as_bytes());
    let every = ["--unseen", "2", "--evaluate-every", "1"];
    let output = train(&place, "images", &every, "run");
    let said = stderr(&output);
    for expected in [
        "after every epoch: validation on 36 images of 3 classes, none of them trained on: class-",
        "epoch 1 of 4: validation MAP@R ",
        "; the best so far",
        "epoch 4 of 4: validation MAP@R ",
        "warning: There are only 3 validation classes",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let rows = split(&place, "run");
    let validation = classes(&rows, &["validation"]);
    let report = json(&place.path().join("run/report.json"));
    let unseen: BTreeSet<String> = report["unseen"]["classes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|class| class.as_str().map(str::to_owned))
        .collect();
    assert_eq!((validation.len(), unseen.len()), (3, 2));
    assert!(validation.is_disjoint(&unseen) && validation.is_disjoint(&classes(&rows, &["train"])));
    // The unseen classes are those of a run without evaluations.
    train(&place, "images", &["--unseen", "2"], "plain");
    let plain = json(&place.path().join("plain/report.json"));
    assert_eq!(plain["unseen"]["classes"], report["unseen"]["classes"]);
    assert!(plain.get("validation").is_none() && !place.exists("plain/validation.jsonl"));

    let lines: Vec<serde_json::Value> = read(&place, "run/validation.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let found = &report["validation"];
    assert_eq!(found["history"].as_array().expect("a list"), &lines);
    assert_eq!((lines.len(), &found["samples"], &found["measure"]), (4, &36.into(), &"MAP@R".into()));
    let map = |line: &serde_json::Value| line["map_at_r"].as_f64().expect("a number");
    let best = lines.iter().rev().max_by(|a, b| map(a).total_cmp(&map(b))).expect("four");
    assert_eq!((&found["best"], &found["epoch"]), (best, &best["epoch"]));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let sentence =
        format!("am-softmax: the best validation MAP@R was {:.2} % after epoch", 100.0 * map(best));
    assert!(out.contains(&sentence), "{out}");
    let page = read(&place, "run/report.html");
    assert!(page.contains("Validation MAP@R") && page.contains(&sentence));
    let events = std::fs::read(place.path().join("run/events.out.tfevents.0.widemargin")).expect("there");
    assert!(events.windows(19).any(|part| part == b"validation/map_at_r"));

    // The part is selected for evaluation by its name, with the same result as during training for the model that was kept.
    success(&place.run(&["embed", "--model", "run", "images", "-o", "e.csv"]));
    let again = place.run(&[
        "eval",
        "retrieval",
        "e.csv",
        "--split",
        "run/split.csv",
        "--part",
        "validation",
        "--json",
    ]);
    success(&again);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    let difference = again["retrieval"]["map_at_r"].as_f64().expect("a number") - map(best);
    assert!(difference.abs() < 1e-3, "{again}");

    // A run that stopped early or keeps its last model says so.
    let slow = [&every[..], &["--learning-rate", "1e-300", "--patience", "1", "--keep", "last"]].concat();
    let said = stderr(&train(&place, "images", &slow, "slow"));
    assert!(
        said.contains("training ended after epoch 2, because 1 evaluations in a row were not better"),
        "{said}"
    );
    let found = json(&place.path().join("slow/report.json"))["validation"].clone();
    assert_eq!(
        (&found["epoch"], &found["ended_early"], &found["keep"]),
        (&2.into(), &1.into(), &"last".into())
    );
    let before = std::fs::read(place.path().join("slow/model.safetensors")).expect("there");
    success(&place.run(&["train", "--resume", "slow"]));
    assert!(std::fs::read(place.path().join("slow/model.safetensors")).expect("there") == before);
    let longer = place.run(&["train", "--resume", "slow", "--epochs", "6"]);
    success(&longer);
    assert!(stderr(&longer).contains("epoch 3 of 6: validation"), "{}", stderr(&longer));
}

#[test]
fn a_validation_part_of_the_data_is_one_rule_for_folders_columns_and_split_files() {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.as_bytes());
    let (mut list, mut rule) = ("path,label,split\n".to_owned(), "sample,part\n".to_owned());
    for class in 0..8_u8 {
        for number in 0..6_u8 {
            // Classes 0 to 3 are trained on; 4 and 5 are validation classes, of which a few images are of class 0; 6 and 7 are unseen.
            let part = match (class, number) {
                (0, 0) | (4 | 5, _) => "val",
                (0..4, _) => "train",
                _ => "test",
            };
            let name = format!("{part}/c{class}/{number}.png");
            place.write(&format!("d/{name}"), &png(class, number));
            list.push_str(&format!("d/{name},c{class},{part}\n"));
            rule.push_str(&format!("{name},{part}\n"));
        }
    }
    place.write("list.csv", list.as_bytes());
    place.write("rule.csv", rule.as_bytes());
    let unused = "13 images in the part `validation` are kept for validation and not used for training or the final evaluation";
    let mut measured = Vec::new();
    for (data, more, out) in
        [("d", &[][..], "folders"), ("list.csv", &[], "columns"), ("d", &["--split", "rule.csv"], "file")]
    {
        let said = stderr(&train(&place, data, more, out));
        assert!(said.contains(unused), "{out}: {said}");
        assert!(
            said.contains(
                "training on 23 of 4 known classes, evaluating on 12 images of unseen classes: c6, c7"
            ),
            "{said}"
        );
        let validation = split(&place, out).iter().filter(|(_, part)| part == "validation").count();
        assert_eq!(validation, 13, "{out}");
        let every = [more, &["--evaluate-every", "2"]].concat();
        let evaluated = format!("{out}-validated");
        let said = stderr(&train(&place, data, &every, &evaluated));
        assert!(
            said.contains(
                "after every 2 epochs: validation on 13 images of 3 classes, 1 of them trained on: c0, c4, c5"
            ) && !said.contains("kept for validation"),
            "{out}: {said}"
        );
        let report = json(&place.path().join(&evaluated).join("report.json"));
        measured.push((report["validation"]["history"].clone(), report["unseen"].clone()));
    }
    assert!(measured.iter().all(|found| *found == measured[0]), "the same samples give the same measures");
    // Too little to compare, and settings without effect.
    for class in [4, 5] {
        std::fs::remove_dir_all(place.path().join(format!("d/val/c{class}"))).expect("there");
    }
    let run = ["train", "--config", "tiny.toml", "--data", "d", "--evaluate-every", "1", "--out", "no"];
    place.refused(&run, &["the validation part is 1 of 1 class; expected two images of one class"]);
    let without = ["train", "--config", "tiny.toml", "--data", "d", "--patience", "3"];
    place.refused(&without, &["--patience: has no effect without --evaluate-every"]);
    place.write("tiny.toml", format!("{TINY}patience = 3\n").as_bytes());
    let said = stderr(&train(&place, "d", &[], "without"));
    assert!(said.contains("training.patience: no effect without evaluations during training"), "{said}");
}

#[test]
fn a_run_killed_between_evaluations_resumes_to_the_same_model() {
    let place = Workplace::new();
    image_folder(&place, "images", 9, 12);
    place.write("tiny.toml", TINY.as_bytes());
    let every = ["--unseen", "2", "--evaluate-every", "1", "--learning-rate", "0.5"];
    train(&place, "images", &every, "run");
    let model = std::fs::read(place.path().join("run/model.safetensors")).expect("there");
    let log = read(&place, "run/validation.jsonl");
    // As if it had been killed after the evaluation of the third epoch and before its checkpoint.
    let mut steps: Vec<_> = std::fs::read_dir(place.path().join("run/checkpoints"))
        .expect("there")
        .map(|entry| entry.expect("read").path())
        .collect();
    steps.sort();
    if steps.len() > 1 {
        std::fs::remove_dir_all(steps.last().expect("a checkpoint")).expect("removed");
    }
    success(&place.run(&["train", "--resume", "run"]));
    assert!(std::fs::read(place.path().join("run/model.safetensors")).expect("there") == model);
    assert_eq!(read(&place, "run/validation.jsonl"), log);
}

#[test]
fn averaged_weights_and_accumulated_batches_resume_to_the_same_model() {
    let place = Workplace::new();
    image_folder(&place, "images", 6, 12);
    place.write("tiny.toml", TINY.as_bytes());
    let flags = ["--unseen", "2", "--average", "0.9", "--accumulate", "2"];
    train(&place, "images", &flags, "run");
    let model = std::fs::read(place.path().join("run/model.safetensors")).expect("there");
    // The trained weights are a model, too: of the same run, but not that of its calibration.
    for (file, out) in [("run", "averaged.npy"), ("run/unaveraged.safetensors", "trained.npy")] {
        success(&place.run(&["embed", "--model", file, "images", "-o", out]));
        let evaluated = place.run(&["eval", "retrieval", out, "--split", "run/split.csv"]);
        success(&evaluated);
        let told = String::from_utf8_lossy(&evaluated.stderr).into_owned();
        assert!(!told.contains("another model"), "{told}");
    }
    assert_ne!(
        std::fs::read(place.path().join("averaged.npy")).expect("there"),
        std::fs::read(place.path().join("trained.npy")).expect("there")
    );
    place.refused(
        &[
            "compare",
            "--model",
            "run/unaveraged.safetensors",
            "images/class-0/00.png",
            "images/class-1/00.png",
        ],
        &["calibration"],
    );
    let lines = read(&place, "run/metrics.jsonl").lines().count();
    assert_eq!(
        lines,
        4 * 2,
        "40 training images: two steps of two batches of 8 per epoch, and a batch that is left out"
    );
    let mut steps: Vec<_> = std::fs::read_dir(place.path().join("run/checkpoints"))
        .expect("there")
        .map(|entry| entry.expect("read").path())
        .collect();
    steps.sort();
    let newest = steps.last().expect("a checkpoint");
    assert!(newest.join("average").exists());
    std::fs::remove_dir_all(newest).expect("removed");
    success(&place.run(&["train", "--resume", "run"]));
    assert!(std::fs::read(place.path().join("run/model.safetensors")).expect("there") == model);
    for (more, said) in [
        (["--average", "1"], "--average (training.average): found 1, expected at least 0 and below 1"),
        (["--accumulate", "0"], "--accumulate (training.accumulate): found 0, expected 1 to 65536"),
        (
            ["--accumulate", "99"],
            "fewer than the 99 batches of 8 of one step; choose a smaller batch or accumulate fewer",
        ),
    ] {
        let run = ["train", "--config", "tiny.toml", "--data", "images", "--out", "no"];
        place.refused(&[&run[..], &more].concat(), &[said]);
    }
}
