//! What surrounds training: files of embeddings in every format, neighbours in them, suspect labels, sweeps, long tails.

use super::{Workplace, image_folder, json, png, success};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// A linear model of small images, of a run of a second.
const TINY: &str = "[data]\npath = \"images\"\nheight = 8\nwidth = 8\nchannels = 1\nunseen = 2\n[model]\nbackbone = \"linear\"\n\
embedding = 4\n[augment]\nflip = false\npad_and_crop = 0\n[sampler]\nbatch = 16\n";

fn tiny_run(place: &Workplace) {
    image_folder(place, "images", 5, 20);
    place.write("tiny.toml", format!("{TINY}[training]\nepochs = 4\n").as_bytes());
    success(&place.run(&["train", "--config", "tiny.toml", "--out", "run"]));
}

fn said(place: &Workplace, arguments: &[&str]) -> Value {
    let output = place.run(arguments);
    success(&output);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn embeddings_in_every_format_are_the_same_and_are_searched() {
    let place = Workplace::new();
    tiny_run(&place);
    let embed = |out: &str| place.run(&["embed", "--model", "run", "images", "-o", out]);
    let read = |name: &str| std::fs::read(place.path().join(name)).expect("there");
    for out in ["e.npy", "f.safetensors", "e.csv", "e.parquet"] {
        success(&embed(out));
        for rest in [".partial", ".partial.json", ".partial.lock", ".writing"] {
            assert!(!place.exists(&format!("{out}{rest}")), "{out}{rest} is left");
        }
        assert!(place.exists(&format!("{out}.about.json")));
        // inside for two of them, beside for the others
        let names = format!("{}.names.csv", &out[..1]);
        assert!(place.exists(&names));
        let beside = ["--labels", &names];
        let labels = if out.ends_with("npy") || out.ends_with("safetensors") { &beside[..] } else { &[] };
        let found = said(&place, &[&["eval", "retrieval", out, "--json"], labels].concat());
        let expected = said(&place, &["eval", "retrieval", "e.npy", "--labels", "e.names.csv", "--json"]);
        assert_eq!(found["retrieval"], expected["retrieval"], "{out}");
        let query = "images/class-3/07.png";
        // the image is itself in the file: by default it is not listed
        let ask = ["nearest", "--model", "run", "--embeddings", out, "-k", "3", query];
        let apart = said(&place, &[&ask[..], &["--json"]].concat());
        let itself = apart["queries"][0]["itself"].as_array().expect("a list");
        assert!(!itself.is_empty() && apart["warnings"].to_string().contains("--keep-self"), "{apart}");
        let listed = apart["queries"][0]["neighbours"].as_array().expect("a list");
        assert!(
            listed.iter().all(|found| found["id"] != "class-3/07.png" && !itself.contains(&found["row"]))
        );
        let ask = [&ask[..], &["--keep-self"]].concat();
        let found = said(&place, &[&ask[..], &["--json"]].concat());
        let neighbours = found["queries"][0]["neighbours"].as_array().expect("a list");
        let itself = neighbours.iter().find(|found| found["id"].as_str() == Some("class-3/07.png"));
        let itself = itself.unwrap_or_else(|| panic!("{out}: itself is among the nearest: {found}"));
        assert_eq!((found["queries"][0]["query"].as_str(), found["rows"].as_u64()), (Some(query), Some(100)));
        assert_eq!(itself["label"].as_str(), Some("class-3"), "{out}");
        let cosine = |found: &Value| found["cosine"].as_f64().expect("a number");
        // images of a class are so alike that others may round to the same cosine; none is nearer
        assert!((cosine(itself) - 1.0).abs() < 1e-5, "{out}: {found}");
        assert!(cosine(&neighbours[0]) <= cosine(itself) + 1e-6, "{out}: {found}");
        let table = String::from_utf8(place.run(&ask).stdout).expect("text");
        assert!(
            table.starts_with(query) && table.contains("1.0000") && table.lines().count() == 6,
            "{table}"
        );
    }
    // a row of the file is not its own neighbour
    let of_row = said(
        &place,
        &["nearest", "--embeddings", "e.parquet", "--row", "class-3/07.png", "-k", "99", "--json"],
    );
    let ids = of_row["queries"][0]["neighbours"].as_array().expect("a list");
    assert!(ids.len() == 99 && ids.iter().all(|row| row["id"] != "class-3/07.png"));

    // stopped while the last format was written: what is computed is not computed again
    std::fs::remove_file(place.path().join("e.csv")).expect("there");
    let whole = read("e.npy");
    let good = read("images/class-4/19.png");
    place.write("images/class-4/19.png", &good[..30]);
    assert_eq!(embed("e.csv").status.code(), Some(2), "an image that cannot be read");
    place.write("images/class-4/19.png", &good);
    success(&embed("e.csv"));
    std::fs::remove_file(place.path().join("e.csv")).expect("there");
    place.write("e.csv.writing", b"half of a fi");
    success(&embed("e.csv"));
    assert!(read("e.npy") == whole && !place.exists("e.csv.writing"));

    let nearest = |more: &[&str], fragments: &[&str]| {
        place.refused(&[&["nearest", "--embeddings", "e.npy"], more].concat(), fragments);
    };
    let image = "images/class-0/00.png";
    nearest(&["--model", "run", image, "-k", "101"], &["-k: found 101, expected at most 100", "e.npy"]);
    nearest(&["--model", "run", image, "-k", "0"], &["-k: found 0"]);
    nearest(&["--row", "nobody"], &["--row: found \"nobody\"", "an id of e.npy"]);
    nearest(&["--model", "run", "nowhere.png"], &["nowhere.png"]);
    place.refused(&["embed", "--model", "run", "images", "-o", "e.txt"], &["--out", ".parquet", "\"txt\""]);
    // another model, with the same and with another dimension
    success(&place.run(&["train", "--config", "tiny.toml", "--seed", "9", "--out", "other"]));
    nearest(&["--model", "other", image], &["e.npy", "made by a different model than other"]);
    success(&place.run(&["train", "--config", "tiny.toml", "--embedding", "3", "--out", "flat"]));
    nearest(
        &["--model", "flat", image],
        &["e.npy: found embeddings of dimension 4", "flat computes dimension 3"],
    );
}

/// 200 images of 5 classes, of which every twentieth is in the folder of another class.
fn flipped(place: &Workplace) -> Vec<String> {
    let mut wrong = Vec::new();
    for class in 0..5u8 {
        for number in 0..40u8 {
            let flip = (number + 3 * class) % 20 == 7;
            let folder = if flip { (class + 2) % 5 } else { class };
            let name = format!("class-{folder}/{class}-{number:02}.png");
            place.write(&format!("images/{name}"), &png(class, number / 4));
            wrong.extend(flip.then_some(name));
        }
    }
    wrong
}

#[test]
fn flipped_labels_are_found_near_the_top() {
    let place = Workplace::new();
    let wrong = flipped(&place);
    assert_eq!(wrong.len(), 10);
    let known = TINY.replace("unseen = 2", "closed_set = true");
    place.write("tiny.toml", format!("{known}[training]\nepochs = 6\n").as_bytes());
    for (objective, more) in [
        ("am-softmax", ""),
        ("sub-centre", ""),
        ("triplet-margin", "name = \"class-balanced\"\nclasses_per_batch = 4\nsamples_per_class = 4\n"),
    ] {
        let run = format!("run-{objective}");
        let text = format!("{known}{more}[training]\nepochs = 6\n[objective]\nname = \"{objective}\"\n");
        place.write("other.toml", text.as_bytes());
        success(&place.run(&["train", "--config", "other.toml", "--out", &run]));
        let found = said(&place, &["data", "suspects", "--run", &run, "--count", "30", "--json"]);
        assert_eq!(
            (found["samples"].as_u64(), found["suspects"].as_array().map(Vec::len)),
            (Some(200), Some(30))
        );
        let list = found["suspects"].as_array().expect("a list");
        let split = std::fs::read_to_string(place.path().join(&run).join("split.csv")).expect("a split");
        let part = |sample: &Value| {
            let name = format!("{},", sample.as_str().expect("a name"));
            let line = split.lines().find(|line| line.starts_with(&name)).expect("in the split");
            line[name.len()..].split(',').next().expect("a part").to_owned()
        };
        assert!(list.iter().all(|line| line["part"] == part(&line["sample"])), "{list:#?}");
        let is_wrong = |line: &&Value| {
            wrong.iter().any(|name| line["sample"].as_str().is_some_and(|s| s.ends_with(name.as_str())))
        };
        let hits = list[..10].iter().filter(is_wrong).count();
        // by chance one in twenty
        assert!(hits >= 7, "{objective}: {hits} of 10: {list:#?}");
        let leads: Vec<f64> = list.iter().map(|line| line["lead"].as_f64().expect("a number")).collect();
        assert!(leads.windows(2).all(|pair| pair[0] >= pair[1]), "{leads:?}");
        // the class that it looks like is the one that it is of
        let right = list[..10].iter().filter(is_wrong).filter(|line| {
            let file = Path::new(line["sample"].as_str().expect("a name")).file_name().expect("a file");
            line["looks_like"] == format!("class-{}", &file.to_string_lossy()[..1])
        });
        assert!(right.count() >= 6, "{objective}: {list:#?}");
        assert_eq!(json(&place.path().join(&run).join("suspects.json")), found);
        let html = std::fs::read_to_string(place.path().join(&run).join("suspects.html")).expect("a page");
        assert_eq!(html.matches("class=\"thumb\"").count(), 90, "three images a suspect");
        assert!(html.contains("200 samples") && !html.contains("<script"));
    }
    // The same images under other names: the part is that of the run, by content.
    let drawn = ["--data", "images", "--count", "200", "--json", "-o", "again"];
    let found = said(&place, &[&["data", "suspects", "--run", "run-am-softmax"], &drawn[..]].concat());
    let split = std::fs::read_to_string(place.path().join("run-am-softmax/split.csv")).expect("a split");
    for line in found["suspects"].as_array().expect("a list") {
        let name = line["sample"].as_str().expect("a name");
        let trained = split.lines().any(|row| row.starts_with(&format!("{name},train")));
        assert!(!trained || line["part"] == "train", "{line}");
        assert!(line["part"].is_null() || line["part"] == "train", "{line}");
    }
    // other data, by the names of the classes; one of them the run does not know
    for number in 0..6u8 {
        place.write(&format!("more/class-1/{number}.png"), &png(1, number));
        place.write(&format!("more/class-2/{number}.png"), &png(if number == 0 { 4 } else { 2 }, number));
        place.write(&format!("more/unknown/{number}.png"), &png(9, number));
    }
    let output = place.run(&[
        "data",
        "suspects",
        "--run",
        "run-am-softmax",
        "--data",
        "more",
        "-o",
        "there",
        "--count",
        "3",
    ]);
    success(&output);
    let (table, messages) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(messages.contains("left out 6 samples"), "{messages}");
    let first = table.lines().find(|line| line.trim_start().starts_with("1 ")).expect("a first row");
    assert!(first.contains("class-2/0.png") && first.contains("class-4"), "{table}");
    assert!(place.exists("there/suspects.html"));
    place.refused(&["data", "suspects", "--run", "nowhere"], &["nowhere", "is this a run folder?"]);
    place.write("strange/x/1.png", &png(1, 1));
    place.write("strange/x/2.png", &png(1, 2));
    place.write("strange/y/1.png", &png(1, 1));
    place.write("strange/y/2.png", &png(1, 2));
    place.refused(
        &["data", "suspects", "--run", "run-am-softmax", "--data", "strange"],
        &["no sample of a class that the run was trained on"],
    );
}

/// `sweep.json` without what no two machines have the same.
fn figures(folder: &Path) -> Value {
    let mut found = json(&folder.join("sweep.json"));
    for run in found["runs"].as_array_mut().expect("runs") {
        for result in run["rounds"].as_array_mut().expect("a list") {
            result["seconds"] = Value::Null;
        }
    }
    found
}

#[test]
fn a_sweep_that_was_killed_goes_on_to_the_same_end() {
    let place = Workplace::new();
    image_folder(&place, "images", 5, 40);
    let text = format!("{TINY}[training]\nepochs = 40\ncheckpoint_every = 3\n");
    place.write("tiny.toml", text.as_bytes());
    place.write("grid.toml", b"optimiser.learning_rate = [0.05, 0.2]\n");
    let sweep = [
        "sweep",
        "--config",
        "tiny.toml",
        "--margin",
        "0.1,0.3",
        "--scale",
        "8,16",
        "--grid",
        "grid.toml",
        "--halving",
        "--first-epochs",
        "10",
    ];
    let output = place.run(&[&sweep[..], &["--out", "whole"]].concat());
    success(&output);
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(table.contains("MAP@R") && table.contains("learning") && table.contains(" rate "), "{table}");
    let expected = figures(&place.path().join("whole"));
    let runs = expected["runs"].as_array().expect("runs");
    let rounds: Vec<usize> = runs.iter().map(|run| run["rounds"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(rounds, [3, 3, 2, 2, 1, 1, 1, 1], "eight, four, and two to the end");
    let worth = |run: &Value, round: usize| run["rounds"][round]["map_at_r"].as_f64().expect("a number");
    assert!(worth(&runs[0], 2) >= worth(&runs[1], 2));
    let least = runs[..4].iter().map(|run| worth(run, 0)).fold(f64::INFINITY, f64::min);
    assert!(runs[4..].iter().all(|run| worth(run, 0) <= least), "the better half goes on");
    let html = std::fs::read_to_string(place.path().join("whole/sweep.html")).expect("a page");
    assert_eq!(html.matches("<svg xmlns").count(), 4, "three axes and the rounds");
    let best = runs[0]["run"].as_str().expect("a name");
    for file in ["model.safetensors", "report.html", "calibration.json"] {
        assert!(place.exists(&format!("whole/runs/{best}/{file}")), "the best is a whole run: {file}");
    }

    // killed in one of the runs, wherever that was, twice
    let mut child =
        place.command(&[&sweep[..], &["--out", "cut"]].concat()).spawn().expect("the program starts");
    wait_for(&place, "cut/runs/03-margin-0.1-scale-16-learning_rate-0.05/checkpoints");
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(!place.exists("cut/sweep.json"));
    let mut child = place.command(&["sweep", "--resume", "cut"]).spawn().expect("the program starts");
    wait_for(&place, "cut/runs/06-margin-0.3-scale-8-learning_rate-0.2/checkpoints");
    child.kill().expect("killed");
    child.wait().expect("ended");
    success(&place.run(&["sweep", "--resume", "cut", "--json"]));
    assert_eq!(figures(&place.path().join("cut")), expected);
    let model = |sweep: &str| {
        std::fs::read(place.path().join(format!("{sweep}/runs/{best}/model.safetensors"))).expect("there")
    };
    assert!(model("cut") == model("whole"), "the same bits");

    place.refused(&[&sweep[..], &["--out", "whole"]].concat(), &["whole", "already exists"]);
    place.refused(&["sweep", "--config", "tiny.toml", "--out", "no"], &["nothing to sweep"]);
    place.refused(&["sweep", "--margin", "0.1,9", "--out", "no"], &["objective.margin = 9", "expected"]);
    place.refused(
        &["sweep", "--margin", "0.1,0.3,0.1", "--out", "no"],
        &["objective.margin: 0.1 is given twice"],
    );
    place.refused(&["sweep", "--resume", "cut", "--by", "eer"], &["--resume", "--by"]);
    place.refused(&["sweep", "--resume", "cut", "--epochs", "9"], &["--resume", "--epochs"]);
    place.refused(&["train", "--resume", "cut", "--epochs", "9"], &["--resume"]);
    place.refused(&["sweep", "--resume", "nowhere"], &["nowhere", "is this the folder of a sweep?"]);
    assert!(!place.exists("no"), "nothing is written");
}

#[test]
fn a_sweep_keeps_to_a_split_and_to_the_folders_of_classes() {
    let place = Workplace::new();
    for (class, folder) in (0..6u8).zip(["a/x", "a/y", "a/z", "b/x", "b/y", "b/z"]) {
        for number in 0..20 {
            place.write(&format!("images/{folder}/{number:02}.png"), &png(class, number));
        }
    }
    place.write("tiny.toml", format!("{TINY}[training]\nepochs = 1\n").as_bytes());
    let deepest = ["--class-folder", "deepest"];
    let split = ["data", "split", "images", "--by", "class", "--share", "33%", "-o", "split.csv"];
    success(&place.run(&[&split[..], &deepest].concat()));
    let sweep =
        ["sweep", "--config", "tiny.toml", "--split", "split.csv", "--margin", "0.1,0.3", "--out", "swept"];
    let output = place.run(&[&sweep[..], &deepest].concat());
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("of 4 known classes, evaluating on 40 images of unseen"), "{said}");
    let rows = |name: &str| {
        let text = std::fs::read_to_string(place.path().join(name)).expect("there");
        let mut rows: Vec<String> =
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let second = "swept/runs/02-margin-0.3";
    for copy in ["swept/split.csv", "swept/runs/01-margin-0.1/split.csv", &format!("{second}/split.csv")] {
        assert_eq!(rows(copy), rows("split.csv"));
    }
    // It goes on by its own copy, whatever has become of the file.
    let expected = figures(&place.path().join("swept"));
    place.write("split.csv", b"sample,part\nx,train\n");
    std::fs::remove_file(place.path().join(second).join("evaluation-1.json")).expect("there");
    success(&place.run(&["sweep", "--resume", "swept"]));
    assert_eq!(figures(&place.path().join("swept")), expected);

    place.refused(&[&sweep[..], &["--unseen", "2"]].concat(), &["--split", "--unseen"]);
    place.write("vectors.csv", b"label,x\na,1\nb,2\n");
    let table = ["sweep", "--data", "vectors.csv", "--margin", "0.1"];
    place.refused(&[&table[..], &deepest].concat(), &["--class-folder", "one sub-folder per class"]);
    place.refused(&["train", "--class-folder", "deepest"], &["--class-folder", "one sub-folder per class"]);
}

fn wait_for(place: &Workplace, name: &str) {
    let start = Instant::now();
    while !place.exists(name) {
        assert!(start.elapsed() < Duration::from_mins(2), "{name} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_run_that_goes_to_infinity_does_not_end_its_sweep() {
    let place = Workplace::new();
    image_folder(&place, "images", 5, 20);
    place.write(
        "tiny.toml",
        format!("{TINY}[training]\nepochs = 2\n[objective]\nname = \"softmax\"\n").as_bytes(),
    );
    let sweep = ["sweep", "--config", "tiny.toml", "--learning-rate", "1e30,0.05", "--out", "swept"];
    let output = place.run(&sweep);
    success(&output);
    let found = json(&place.path().join("swept/sweep.json"));
    assert_eq!(found["runs"][0]["settings"]["optimiser.learning_rate"], 0.05);
    let failed = found["runs"][1]["rounds"][0]["failed"].as_str().expect("a reason");
    assert!(failed.starts_with("the run diverged at step "), "{failed}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("diverged"));
}

#[test]
fn long_tails_are_set_by_flags() {
    let place = Workplace::new();
    for class in 0..5u8 {
        for number in 0..(8 * (class + 1)) {
            place.write(&format!("images/class-{class}/{number:02}.png"), &png(class, number));
        }
    }
    place.write("tiny.toml", format!("{TINY}[training]\nepochs = 2\n").as_bytes());
    let train = ["train", "--config", "tiny.toml", "--out"];
    let more = ["tail", "--margin-by-count", "--sampler", "by-frequency", "--sampling-power", "0"];
    success(&place.run(&[&train[..], &more].concat()));
    let config = std::fs::read_to_string(place.path().join("tail/config.toml")).expect("there");
    for line in ["margin_by_count = 0.25", "name = \"by-frequency\"", "power = 0.0"] {
        assert!(config.contains(line), "{config}");
    }
    let formula =
        json(&place.path().join("tail/report.json"))["formula"].as_str().expect("a formula").to_owned();
    assert!(formula.contains("one margin per class"), "{formula}");
    let balanced =
        ["balanced", "--sampler", "class-balanced", "--classes-per-batch", "3", "--samples-per-class", "4"];
    success(&place.run(&[&train[..], &balanced].concat()));
    place.refused(
        &[&train[..], &["no", "--margin-by-count", "2"]].concat(),
        &["objective.margin_by_count", "0 to 1"],
    );
    place.refused(
        &[&train[..], &["no", "--objective", "softmax", "--margin-by-count"]].concat(),
        &["objective.margin_by_count"],
    );
    place.refused(&[&train[..], &["no", "--sampler", "by-chance"]].concat(), &["by-frequency"]);
}
