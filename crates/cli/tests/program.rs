//! The whole program, run as a user runs it, in folders of its own.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![expect(clippy::disallowed_methods, reason = "the tests write bad files on purpose")]
#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "small files, easier to read this way"
)]

#[path = "program/baseline.rs"]
mod baseline;
#[path = "program/bit_flips.rs"]
mod bit_flips;
#[path = "program/bootstrap.rs"]
mod bootstrap;
#[path = "program/columns.rs"]
mod columns;
#[path = "program/continued.rs"]
mod continued;
#[path = "program/embedding.rs"]
mod embedding;
#[path = "program/evaluation.rs"]
mod evaluation;
#[path = "program/explain.rs"]
mod explain;
#[path = "program/flip.rs"]
mod flip;
#[path = "program/foreign.rs"]
mod foreign;
#[path = "program/formats.rs"]
mod formats;
#[path = "program/groups.rs"]
mod groups;
#[path = "program/images.rs"]
mod images;
#[path = "program/inputs.rs"]
mod inputs;
#[path = "program/joins.rs"]
mod joins;
#[path = "program/json_output.rs"]
mod json_output;
#[path = "program/keys.rs"]
mod keys;
#[path = "program/labels.rs"]
mod labels;
#[path = "program/models.rs"]
mod models;
#[path = "program/objectives.rs"]
mod objectives;
#[path = "program/page.rs"]
mod page;
#[path = "program/recipe.rs"]
mod recipe;
#[path = "program/resume.rs"]
mod resume;
#[path = "program/row_numbers.rs"]
mod row_numbers;
#[path = "program/settings.rs"]
mod settings;
#[path = "program/summary.rs"]
mod summary;
#[path = "program/terminal.rs"]
mod terminal;
#[path = "program/training.rs"]
mod training;
#[path = "program/validation.rs"]
mod validation;
#[path = "program/vectors.rs"]
mod vectors;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The line of a configuration that names a few images of Fashion-MNIST.
macro_rules! clothing {
    () => {
        concat!("path = \"", env!("CARGO_MANIFEST_DIR"), "/../../data/fashion-mnist-few\"")
    };
}
const CLOTHING: &str = clothing!();

/// A run of a second or two.
const SMALL: &str = concat!(
    "\n[data]\n",
    clothing!(),
    r#"
[model]
backbone = "mlp"
hidden = [16]
embedding = 4
[sampler]
batch = 20
[training]
epochs = 2
limit = 420
"#
);

/// The same, far too long to end by itself.
fn endless() -> String {
    SMALL.replace("epochs = 2", "epochs = 100000\ncheckpoint_every = 50")
}

struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("small.toml", SMALL.as_bytes());
        folder.write("endless.toml", endless().as_bytes());
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(path, bytes).expect("written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_widemargin"));
        command.current_dir(self.path()).args(arguments).env("NO_COLOR", "1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs the program, which must end with status 2, and gives what it said; `fragments` must be in it.
    fn refused(&self, arguments: &[&str], fragments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        for fragment in fragments {
            assert!(said.contains(fragment), "{arguments:?}: expected '{fragment}' in: {said}");
        }
        said
    }

    fn exists(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }
}

fn success(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("there")).expect("JSON")
}

/// An image of 8 x 8 that says which class it is of.
fn png(class: u8, number: u8) -> Vec<u8> {
    let pixels: Vec<u8> =
        (0..64u8).map(|at| (at / 8 * 20).wrapping_mul(class + 1).wrapping_add(number)).collect();
    let mut bytes = Vec::new();
    let image = image::GrayImage::from_raw(8, 8, pixels).expect("64 values");
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).expect("encoded");
    bytes
}

/// `classes` folders of `count` images.
fn image_folder(place: &Workplace, name: &str, classes: u8, count: u8) {
    for class in 0..classes {
        for number in 0..count {
            place.write(&format!("{name}/class-{class}/{number:02}.png"), &png(class, number));
        }
    }
}

#[test]
fn a_run_leaves_a_report_with_every_promised_figure() {
    let place = Workplace::new();
    let output = place.run(&["train", "--config", "small.toml", "--out", "run"]);
    success(&output);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(
        table.contains("am-softmax")
            && table.contains("EER")
            && table.contains("Evaluated on 3 unseen classes"),
        "{table}"
    );
    let report = json(&place.path().join("run/report.json"));
    for pointer in [
        "/unseen/verification/pairs",
        "/unseen/verification/auc",
        "/unseen/verification/eer",
        "/unseen/verification/eer_threshold",
        "/unseen/verification/tar_at_far/1e-1",
        "/unseen/verification/tar_at_far/1e-2",
        "/unseen/verification/tar_at_far/1e-3",
        "/unseen/retrieval/recall_at/1",
        "/unseen/retrieval/recall_at/5",
        "/unseen/retrieval/recall_at/10",
        "/unseen/retrieval/map_at_r",
        "/unseen/retrieval/r_precision",
        "/known/accuracy",
        "/seconds",
        "/samples_per_second",
        "/seed",
    ] {
        let value = report.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        assert!(value.as_f64().is_some_and(f64::is_finite), "{pointer}: {value}");
    }
    assert_eq!(report["device"], "cpu");
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("there");
    assert!(page.contains("<svg") && page.contains("data:image/png"));
    for file in ["config.toml", "metrics.jsonl", "checkpoints", "model.safetensors", "calibration.json"] {
        assert!(place.exists(&format!("run/{file}")), "{file}");
    }
    // The same again is the same but for times; and an old run is not overwritten.
    success(&place.run(&["train", "--config", "run/config.toml", "--out", "again", "--loader-threads", "3"]));
    let again = json(&place.path().join("again/report.json"));
    assert_eq!(report["unseen"], again["unseen"]);
    for file in ["model.safetensors", "calibration.json"] {
        let bytes =
            ["run", "again"].map(|run| std::fs::read(place.path().join(run).join(file)).expect("there"));
        assert!(bytes[0] == bytes[1], "{file}");
    }
    let before = std::fs::read(place.path().join("run/report.json")).expect("there");
    place.refused(
        &["train", "--config", "small.toml", "--out", "run"],
        &["run", "already exists", "--resume"],
    );
    assert_eq!(before, std::fs::read(place.path().join("run/report.json")).expect("there"));
}

#[test]
fn a_comparison_has_an_entry_an_objective() {
    let place = Workplace::new();
    let names = "softmax,normalized-softmax,am-softmax";
    let output = place.run(&[
        "train",
        "--config",
        "small.toml",
        "--compare",
        names,
        "--margin",
        "0.2",
        "--out",
        "all",
    ]);
    success(&output);
    let report = json(&place.path().join("all/report.json"));
    let found: Vec<&str> = report["objectives"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|o| o["objective"].as_str())
        .collect();
    assert_eq!(found, ["softmax", "normalized-softmax", "am-softmax"]);
    let table = String::from_utf8_lossy(&output.stdout);
    let rows = table.lines().filter(|line| !line.contains(" against "));
    assert_eq!(rows.filter(|line| names.split(',').any(|name| line.starts_with(name))).count(), 3, "{table}");
    for sentence in [
        "normalized-softmax against softmax: ",
        "am-softmax against softmax: ",
        "another seed can change the results",
    ] {
        assert!(table.contains(sentence), "{table}");
    }
    let margin = std::fs::read_to_string(place.path().join("all/am-softmax/config.toml")).expect("there");
    assert!(margin.contains("margin = 0.2"), "{margin}");
}

#[test]
fn closed_sets_and_visible_embeddings_are_reported() {
    let place = Workplace::new();
    success(&place.run(&[
        "train",
        "--config",
        "small.toml",
        "--closed-set",
        "--embedding",
        "2",
        "--out",
        "run",
    ]));
    let report = json(&place.path().join("run/report.json"));
    assert!(report["unseen"].is_null() && report["known"]["verification"]["auc"].is_number());
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("there");
    assert!(page.contains("circle"), "the features on the circle");
}

#[test]
fn images_in_folders_train_and_bad_ones_are_told() {
    fn train<'a>(extra: &[&'a str]) -> Vec<&'a str> {
        let folder = ["train", "--data", "images", "--config", "folder.toml", "--unseen", "2"];
        [&folder[..], extra].concat()
    }

    let place = Workplace::new();
    image_folder(&place, "images", 5, 12);
    place.write("folder.toml", SMALL.replace(CLOTHING, "height = 8\nwidth = 8\nchannels = 1").as_bytes());
    success(&place.run(&train(&["--out", "run"])));

    let mut truncated = png(0, 0);
    truncated.truncate(40);
    place.write("images/class-0/99.png", &truncated);
    place.refused(&train(&["--out", "bad"]), &["99.png", "at most 1 %", "--max-bad"]);
    assert!(!place.exists("bad"), "nothing is written");
    let output = place.run(&train(&["--out", "bad", "--max-bad", "5%"]));
    success(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("99.png"), "skipped and listed");

    // A class of which no image can be read is none; with one it is trained on.
    place.write("images/broken/0.png", &truncated);
    place.write("images/alone/0.png", &png(7, 0));
    let output =
        place.run(&train(&["--out", "alone", "--max-bad", "5%", "--unseen-classes", "class-1,class-4"]));
    success(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("of 4 known classes"), "of six");
    image_folder(&place, "single", 1, 5);
    place.refused(&["train", "--data", "single"], &["single"]);
    std::fs::create_dir(place.path().join("empty")).expect("a folder");
    place.refused(&["train", "--data", "empty"], &["empty"]);
    place.refused(&["train", "--data", "nowhere"], &["nowhere"]);
}

#[test]
fn a_finished_run_compares_images() {
    let place = Workplace::new();
    image_folder(&place, "images", 6, 12);
    place.write("folder.toml", SMALL.replace(CLOTHING, "height = 8\nwidth = 8\nchannels = 1").as_bytes());
    success(&place.run(&[
        "train",
        "--data",
        "images",
        "--config",
        "folder.toml",
        "--unseen",
        "3",
        "--out",
        "run",
    ]));
    assert!(place.exists("run/model.safetensors"));
    let saved = json(&place.path().join("run/calibration.json"));
    let threshold = saved["threshold"].as_f64().expect("a number");

    let ask = |a: &str, b: &str, extra: &[&str]| {
        let output = place.run(&[&["compare", "--model", "run", "--json", a, b], extra].concat());
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), answer)
    };
    let (one, other) = ("images/class-0/00.png", "images/class-3/05.png");
    let (code, itself) = ask(one, one, &[]);
    assert_eq!((code, itself["same"].as_bool()), (Some(0), Some(true)));
    assert!((itself["similarity"].as_f64().expect("a number") - 1.0).abs() < 1e-6, "{itself}");
    assert!(
        itself["warnings"].to_string().contains("1 of the 1 images of the second side are also on"),
        "{itself}"
    );
    let (code, answer) = ask(one, other, &[]);
    let similarity = answer["similarity"].as_f64().expect("a number");
    assert_eq!(answer["threshold"].as_f64(), Some(threshold));
    assert_eq!(code == Some(0), similarity >= threshold, "{answer}");
    let odds = |answer: &serde_json::Value| {
        let probability = answer["probability"].as_f64().expect("a number");
        (probability / (1.0 - probability)).ln()
    };
    // The probability follows from the distance to the threshold, so that it agrees with the answer.
    let agrees = |answer: &serde_json::Value| {
        let probability = answer["probability"].as_f64().expect("a number");
        let same = answer["same"].as_bool().expect("true or false");
        assert!(if same { probability >= 0.5 } else { probability <= 0.5 }, "{answer}");
    };
    agrees(&answer);
    for rate in ["far", "tar"] {
        assert_eq!(answer[rate], saved["rates"][rate], "{answer} {saved}");
    }
    let text = place.run(&["compare", "--model", "run", one, other]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let first = text.lines().next().expect("a line");
    assert!(first.contains("; FAR ") && first.contains(" %, TAR ") && first.ends_with(" %)"), "{text}");
    // Few pairs were compared, which the calibration and the answer state.
    assert_eq!(answer["warnings"], saved["warnings"]);
    assert!(saved["warnings"].to_string().contains("a reliable rate needs at least 10"), "{saved}");
    let even = ask(one, other, &["--prior", "0.5"]).1;
    agrees(&even);
    let line = saved["calibration"]["slope"].as_f64().expect("a number") * similarity
        + saved["calibration"]["offset"].as_f64().expect("a number");
    assert!((odds(&even) - line).abs() < 1e-6 * line.abs().max(1.0), "{even} {saved}");
    // One in ten instead of one in two: the odds are nine times lower.
    let rarer = ask(one, other, &["--prior", "0.1"]).1;
    agrees(&rarer);
    assert!((odds(&even) - odds(&rarer) - 9.0_f64.ln()).abs() < 1e-6, "{rarer}");
    assert!(rarer["threshold"].as_f64() > even["threshold"].as_f64(), "{rarer} {even}");

    // A prior at which no cosine is enough, and one at which each is.
    for (prior, same, words) in
        [("1e-300", false, "no cosine is enough"), ("0.9999999999999999", true, "every cosine is enough")]
    {
        let (code, answer) = ask(one, one, &["--prior", prior]);
        if answer["threshold"].is_null() {
            assert_eq!((code == Some(0), &answer["same"]), (same, &same.into()), "{answer}");
            assert!(answer["warnings"].to_string().contains("for every cosine from -1 to 1"), "{answer}");
            let text = place.run(&["compare", "--model", "run", one, one, "--prior", prior]);
            assert!(String::from_utf8_lossy(&text.stdout).contains(words), "{text:?}");
        } else {
            assert!(answer["threshold"].as_f64().is_some_and(|threshold| threshold.abs() <= 1.0), "{answer}");
        }
        agrees(&answer);
    }

    // Folders by the mean of their images; a threshold in the place of the calibration.
    let (code, sets) = ask("images/class-0", "images/class-3", &["--threshold", "1"]);
    assert_eq!((code, sets["images"].clone()), (Some(1), serde_json::json!([12, 12])));
    assert!(sets["probability"].is_null() && sets["calibration_applies"].is_null());
    // The calibration of the run is of single images.
    assert_eq!(answer["calibration_applies"], true, "{answer}");
    for side in [one, "images/class-0"] {
        let (_, sets) = ask(side, "images/class-3", &[]);
        assert_eq!(
            (&sets["calibration_applies"], &sets["calibrated_on"]),
            (&false.into(), &"pairs of single images".into())
        );
        assert!(sets["warnings"].to_string().contains("its error rates and probabilities do not hold"));
        let text = place.run(&["compare", "--model", "run", side, "images/class-3"]);
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(!text.contains("FAR") && !text.contains("probability"), "neither holds for means: {text}");
        assert!(sets["probability"].is_null() && sets["far"].is_null() && sets["threshold"].is_number());
    }
    assert_eq!(ask("images/class-0", "images/class-3", &["--threshold=-1"]).0, Some(0));
    let output = place.run(&["compare", "--model", "run/model.safetensors", one, one]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("same (1.00"));

    place.refused(&["compare", "--model", "run", one, "none.png"], &["none.png"]);
    place.refused(&["compare", "--model", "images", one, other], &["model.safetensors", "cannot be read"]);
    place.refused(&["compare", "--model", "folder.toml", one, other], &["folder.toml", "not a safetensors"]);
    place.refused(&["compare", "--model", "run", one, other, "--prior", "1"], &["--prior"]);
    place.refused(&["compare", "--model", "run", one, other, "--threshold", "2"], &["--threshold"]);
    place.refused(&["compare", "--model", "run", one, "images"], &["images", "no images"]);
    let mut changed = saved.clone();
    changed["score"] = "z-norm".into();
    place.write("other.json", changed.to_string().as_bytes());
    place.refused(
        &["compare", "--model", "run", one, other, "--calibration", "other.json"],
        &["other.json", "checksum"],
    );
    changed.as_object_mut().expect("an object").remove("checksum");
    place.write("other.json", changed.to_string().as_bytes());
    place.refused(
        &["compare", "--model", "run", one, other, "--calibration", "other.json"],
        &["other.json", "z-norm", "cosine"],
    );
    // The calibration names its model, and is of no use for another.
    let of_other = |model: serde_json::Value| {
        let mut changed = saved.clone();
        changed["model"] = model;
        changed.as_object_mut().expect("an object").remove("checksum");
        place.write("other.json", changed.to_string().as_bytes());
    };
    let bytes = std::fs::read(place.path().join("run/model.safetensors")).expect("there").len();
    assert_eq!(saved["model"][0].as_u64(), Some(bytes as u64));
    of_other(serde_json::json!([bytes, 1]));
    for command in
        [&["compare", "--model", "run", one, other][..], &["export", "--model", "run", "-o", "m.onnx"]]
    {
        place.refused(
            &[command, &["--calibration", "other.json"]].concat(),
            &["other.json: the calibration of another model than run"],
        );
    }
    of_other(serde_json::Value::Null);
    let unknown = ask(one, other, &["--calibration", "other.json"]).1;
    assert!(unknown["warnings"].to_string().contains("does not state which model it is for"), "{unknown}");
    std::fs::remove_file(place.path().join("run/calibration.json")).expect("there");
    place.refused(&["compare", "--model", "run", one, other], &["calibration.json", "--threshold"]);
}

#[test]
fn impossible_wishes_are_refused_before_anything_is_written() {
    let place = Workplace::new();
    place.write("typo.toml", b"[training]\nepochs = 1\n\n[optimiser]\nlearning_rte = 0.1\n");
    place.refused(&["train", "--config", "typo.toml"], &["typo.toml", "line 5", "learning_rate"]);
    place.refused(&["train", "--config", "missing.toml"], &["missing.toml"]);
    place.refused(&["train", "--margin", "7"], &["margin"]);
    place.refused(&["train", "--scale", "-1"], &["scale"]);
    place.refused(&["train", "--objective", "am-sotfmax"], &["am-softmax"]);
    place.refused(&["train", "--device", "tpu"], &["tpu", "cpu"]);
    place.refused(&["train", "--precision", "half"], &["half", "`full` or `mixed`"]);
    place.refused(&["train", "--hold-out", "100%"], &["hold_out", "below 1"]);
    place.refused(&["train", "--backbone", "resnet"], &["resnet", "small-cnn"]);
    place.refused(
        &["train", "--config", "small.toml", "--unseen-classes", "Trousers,Bag"],
        &["Trousers", "Trouser"],
    );
    place.refused(&["train", "--max-bad", "200%"], &["share"]);
    place.refused(&["train", "--resume", "nowhere"], &["nowhere", "run folder"]);
    assert!(!place.exists("runs"), "nothing is written");
}

#[test]
fn scale_and_margin_are_suggested_and_taken() {
    let place = Workplace::new();
    let output = place.run(&["suggest", "--classes", "7", "--dim", "4", "--json"]);
    success(&output);
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    let output = place.run(&["suggest", "--classes", "7", "--dim", "4"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains("smallest scale, no margin") && told.contains("`train --margin auto` uses 0.1"),
        "{told}"
    );
    assert!(told.lines().filter(|line| line.contains("  ")).all(|line| line.chars().count() <= 80), "{told}");
    assert_eq!(figures["auto_margin"], 0.1);
    place.refused(&["suggest", "--classes", "1", "--dim", "4"], &["classes is 1", "2 or more"]);

    let output = place.run(&[
        "train",
        "--config",
        "small.toml",
        "--scale",
        "auto",
        "--margin",
        "auto",
        "--out",
        "run",
    ]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("am-softmax: auto: scale "), "{said}");
    // What was chosen is what the run has written down.
    let config = std::fs::read_to_string(place.path().join("run/config.toml")).expect("there");
    let config: toml::Table = config.parse().expect("TOML");
    assert_eq!(config["objective"]["scale"].as_float(), figures["scale"].as_f64());
    // Smaller than recommended for more classes.
    assert!(figures["margin"].as_f64() > Some(0.1), "{figures}");
    assert_eq!(config["objective"]["margin"].as_float(), Some(0.1));
    place.refused(&["train", "--objective", "softmax", "--scale", "auto"], &["auto", "softmax"]);
}

#[test]
fn losses_are_told_and_checked_against_references() {
    let place = Workplace::new();
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../objective/fixtures/small.json");
    let output = place.run(&["loss", "check", reference]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("ok       triplet_margin") && said.contains("41 within 1e-9, 0 out, 0 unknown"),
        "{said}"
    );
    success(&place.run(&["loss", "check", reference, "--precision", "f32"]));
    assert_eq!(place.run(&["loss", "check", reference, "--tolerance", "0"]).status.code(), Some(1));
    let text = std::fs::read_to_string(reference).expect("there").replace("fast_ap", "slow_ap");
    place.write("unknown.json", text.as_bytes());
    let output = place.run(&["loss", "check", "unknown.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("unknown  slow_ap"));
    place.write("broken.json", b"{\"features\": [[1, 2], [3]], \"labels\": [0, 1], \"cases\": []}");
    place.refused(
        &["loss", "check", "broken.json"],
        &["broken.json", "row 1 of features has 1 values, expected 2"],
    );
    let mut file: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(reference).expect("there")).expect("JSON");
    for (field, value, expected) in [
        ("loss", serde_json::json!(null), "case 1 (hinge_max): loss is null, expected a number"),
        ("grad_features", serde_json::json!([]), "case 1 (hinge_max): grad_features has 0 rows, expected 8"),
        (
            "gradweights",
            serde_json::json!([]),
            "case 1 (hinge_max): unknown field `gradweights`; expected name",
        ),
    ] {
        let mut changed = file.clone();
        changed["cases"][1][field] = value;
        place.write("short.json", changed.to_string().as_bytes());
        place.refused(&["loss", "check", "short.json"], &["short.json", expected]);
    }
    file["cases"] = serde_json::json!([]);
    place.write("empty.json", file.to_string().as_bytes());
    place.refused(&["loss", "check", "empty.json"], &["empty.json", "`cases` is empty"]);

    place.write(
        "two.json",
        br#"{"features": [[1, 0], [0.6, 0.8]], "weights": [[1, 0], [0, 1], [-1, 0]], "labels": [0, 1]}"#,
    );
    let output = place.run(&["loss", "two.json", "--parameters", r#"{"scale": 10, "margin": 0.2}"#]);
    success(&output);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    // by hand: leads of -8 and -18 for the first sample, 0 and -12 for the second
    let expected = [(1.0 + (-8f64).exp() + (-18f64).exp()).ln(), (2.0 + (-12f64).exp()).ln()];
    for (at, expected) in expected.iter().enumerate() {
        assert!((found["losses"][at].as_f64().expect("a number") - expected).abs() < 1e-12, "{found}");
    }
    let output = place.run(&["loss", "two.json", "--objective", "triplet-margin"]);
    success(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("its loss is 0"), "said and defined");
    place.refused(
        &["loss", "two.json", "--objective", "triplet-margin", "--reduction", "sum"],
        &["triplet-margin", "reduction"],
    );
    // three rows are three classes, or one class with three centres and one margin
    let several = |margins: &str| format!(r#"{{"sub_centres": 3, "class_margins": {margins}}}"#);
    place.write(
        "one.json",
        br#"{"features": [[1, 0]], "weights": [[1, 0], [0, 1], [-1, 0], [0, 1], [1, 1], [0, -1]], "labels": [1]}"#,
    );
    success(&place.run(&[
        "loss",
        "one.json",
        "--objective",
        "arcface",
        "--parameters",
        &several("[0.3, 0.5]"),
    ]));
    place.refused(
        &["loss", "one.json", "--objective", "arcface", "--parameters", &several("[0.3]")],
        &["found 1 class margins", "expected 2"],
    );
    place.refused(
        &["loss", "two.json", "--objective", "arcface", "--parameters", r#"{"sub_centres": 2}"#],
        &["two.json", "3 rows", "multiple of 2"],
    );
    place.refused(&["loss", "two.json", "--objective", "contrastiv"], &["did you mean `contrastive`"]);
    place.refused(&["loss", "two.json", "--parameters", r#"{"margn": 1}"#], &["margn", "am-softmax"]);
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend([1.0f32, 0.0, 0.6, 0.8].iter().flat_map(|value| value.to_le_bytes()));
    place.write("x.npy", &npy);
    let labels = "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend(u16::try_from(labels.len()).expect("short").to_le_bytes());
    npy.extend(labels.as_bytes());
    npy.extend([5i64, 5].iter().flat_map(|value| value.to_le_bytes()));
    place.write("y.npy", &npy);
    let output =
        place.run(&["loss", "--objective", "contrastive", "--features", "x.npy", "--labels", "y.npy"]);
    success(&output);
    place.refused(&["loss", "--features", "y.npy", "--labels", "y.npy"], &["y.npy"]);

    let unknown = place.run(&["loss", "two.json", "--objective", "mean-squared-error"]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(said.contains("hinge-sum") && said.contains("soft-triple"), "every name is listed: {said}");
}

#[test]
fn objectives_are_listed_with_their_parameters() {
    let place = Workplace::new();
    let listed = |arguments: &[&str]| {
        let output = place.run(&[&["loss", "--list"], arguments].concat());
        success(&output);
        String::from_utf8(output.stdout).expect("text")
    };
    let text = listed(&[]);
    assert!(text.contains("am-softmax") && text.contains("scale (30), margin (0.35)"), "{text}");
    assert!(text.contains("signal-to-noise-ratio-contrastive"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let json: serde_json::Value = serde_json::from_str(&listed(&["--json"])).expect("JSON alone");
    let entries = json.as_array().expect("a list");
    assert_eq!(entries.len(), 43);
    let entry = entries.iter().find(|entry| entry["name"] == "am-softmax").expect("listed");
    let margin = &entry["parameters"][1];
    assert_eq!(
        (&margin["name"], &margin["default"], &margin["high"]),
        (&"margin".into(), &0.35.into(), &2.0.into())
    );
    let one = listed(&["arc-face"]);
    assert!(
        one.starts_with("arcface, against class centres") && one.contains("easy_margin = false"),
        "{one}"
    );
    assert!(
        one.contains("in radians from 0 to 1.5708 (not degrees)")
            && one.lines().all(|line| line.chars().count() <= 80),
        "{one}"
    );
    place.refused(&["loss", "--list", "arcfce"], &["did you mean `arcface`"]);
    place.refused(&["loss", "--json"], &["--list"]);
}

#[test]
fn objectives_on_pairs_train_and_are_reported() {
    let place = Workplace::new();
    let text = SMALL
        .replace("batch = 20", "name = \"class-balanced\"\nclasses_per_batch = 5\nsamples_per_class = 4");
    let text = text + "[objective]\nname = \"triplet-margin\"\nminer = \"batch-hard\"\nmargin = 0.2\n";
    place.write("pairs.toml", text.as_bytes());
    let output = place.run(&["train", "--config", "pairs.toml", "--embedding", "2", "--out", "run"]);
    success(&output);
    let report = json(&place.path().join("run/report.json"));
    assert!(report["known"]["accuracy"].as_f64().is_some_and(|accuracy| accuracy > 0.2), "{report}");
    assert!(report["formula"].as_str().is_some_and(|formula| formula.contains("triplet-margin")));
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("there");
    assert!(page.contains("circle") && !page::without_images(&page).contains("NaN"));
    let output = place.run(&["train", "--config", "small.toml", "--objective", "supcon", "--out", "warned"]);
    success(&output);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("class-balanced"),
        "a sampler that fits is named"
    );
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.expect("kill is there").success());
}

/// Starts an endless run and waits until it is behind its first steps.
#[cfg(unix)]
fn start_endless(place: &Workplace, out: &str) -> Child {
    let command = place.command(&["train", "--config", "endless.toml", "--out", out]);
    wait_for_steps(command, &place.path().join(out).join("metrics.jsonl"))
}

/// Starts a run and waits until its log has grown by some steps.
#[cfg(unix)]
fn wait_for_steps(mut command: Command, metrics: &Path) -> Child {
    let length = || std::fs::metadata(metrics).map_or(0, |file| file.len());
    let (before, start) = (length(), Instant::now());
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    while length() < before + 2_000 {
        assert!(start.elapsed() < Duration::from_mins(2), "the run does not get going");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[cfg(unix)]
#[test]
fn signals_save_and_end_and_the_run_can_go_on() {
    let place = Workplace::new();
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let child = start_endless(&place, name);
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains("--resume"), "{said}");
        let checkpoints =
            || std::fs::read_dir(place.path().join(name).join("checkpoints")).expect("there").count();
        assert!(checkpoints() >= 1);
    }
    // What was saved goes on, from its last step, until it is stopped again.
    let metrics = place.path().join("INT/metrics.jsonl");
    let lines = || std::fs::read_to_string(&metrics).expect("there").lines().count();
    let before = lines();
    let child = wait_for_steps(place.command(&["train", "--resume", "INT"]), &metrics);
    // Nobody else trains in the same folder meanwhile.
    place.refused(&["train", "--resume", "INT"], &["INT: another process is training this run"]);
    signal(&child, "INT");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains(&format!("resuming at step {}", before + 1)), "{said}");
    assert!(lines() > before);

    // A flipped bit in the newest checkpoint: the one before is taken, and that is said.
    let mut steps: Vec<_> = std::fs::read_dir(place.path().join("TERM/checkpoints"))
        .expect("there")
        .map(|e| e.expect("read").path())
        .collect();
    steps.sort();
    for (at, folder) in steps.iter().rev().enumerate() {
        let file = folder.join("model");
        let mut bytes = std::fs::read(&file).expect("there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(&file, bytes).expect("damaged");
        if at + 1 == steps.len() {
            place.refused(&["train", "--resume", "TERM"], &["no checkpoint can be loaded", "model"]);
        }
    }
}

/// An evaluation has nothing to save: it ends with the status of the signal.
#[cfg(target_os = "linux")]
#[test]
fn signals_end_an_evaluation() {
    let place = Workplace::new();
    let rows: String = (0..400).map(|row| format!("{},{},{}\n", row % 5, row % 17, row % 23 + 1)).collect();
    place.write("set.csv", format!("label,x,y\n{rows}").as_bytes());
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let child = place
            .command(&["eval", "verification", "set.csv", "--bootstrap", "100000000"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // It listens as soon as SIGTERM, the fourteenth bit, is among the caught signals.
        let caught = || {
            let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.is_some_and(|mask| mask >> 14 & mask >> 1 & 1 == 1)
        };
        let start = Instant::now();
        while !caught() {
            assert!(start.elapsed() < Duration::from_mins(2), "it does not listen");
            std::thread::yield_now();
        }
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
    }
}

/// Both signals wait while the program is held; let go, it meets the second in the middle of a long step.
#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_program_at_once() {
    let place = Workplace::new();
    let text =
        SMALL.replace("backbone = \"mlp\"", "backbone = \"iresnet18\"").replace("batch = 20", "batch = 200");
    place.write("slow.toml", text.as_bytes());
    let mut child = place
        .command(&["train", "--config", "slow.toml", "--out", "run"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let metrics = place.path().join("run/metrics.jsonl");
    let start = Instant::now();
    while std::fs::metadata(&metrics).map_or(0, |file| file.len()) == 0 {
        assert!(start.elapsed() < Duration::from_mins(2), "the run does not get going");
        assert!(child.try_wait().expect("asked").is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    for name in ["STOP", "INT", "TERM", "CONT"] {
        signal(&child, name);
    }
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(130 | 143)), "{said}");
    assert!(said.contains("Ctrl-C again quits without saving"), "{said}");
    assert!(!said.contains("--resume"), "it took the time to save: {said}");
}

/// Every write beyond a size fails, as on a full disk; the checkpoint before stays and nothing else is left.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_that_loses_nothing() {
    let place = Workplace::new();
    success(&place.run(&["train", "--config", "small.toml", "--out", "fits"]));
    let program = env!("CARGO_BIN_EXE_widemargin");
    // Blocks of 1,024 bytes: enough for the logs' beginning, too few for a checkpoint of this backbone.
    let script = format!("trap '' XFSZ; ulimit -f 40; exec {program} train --config small.toml --out full");
    let output =
        Command::new("bash").args(["-c", &script]).current_dir(place.path()).output().expect("bash is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("full"), "the file is named: {said}");
    let left: Vec<_> = walk(&place.path().join("full/checkpoints"));
    assert!(left.is_empty(), "no half checkpoint: {left:?}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_bench_speaks_json_and_help_is_there() {
    let place = Workplace::new();
    let output =
        place.run(&["bench", "train", "--backbone", "linear", "--batch", "16", "--steps", "3", "--json"]);
    success(&output);
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert!(figures["samples_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{figures}");
    let work = |figures: &serde_json::Value| {
        ["backbone", "size", "channels", "batch", "classes", "embedding", "weights"]
            .map(|name| figures[name].to_string())
            .join(" ")
    };
    assert_eq!(work(&figures), format!("\"linear\" [1,512] 1 16 10 128 {}", 512 * 128 + 128));
    // The size on the command line is the size that is measured.
    let sizes = ["--size", "8x12", "--channels", "3", "--batch", "5", "--warm-up", "0"];
    let output = place.run(&[&["bench", "train", "--steps", "1", "--json"][..], &sizes].concat());
    success(&output);
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert!(work(&figures).starts_with("\"small-cnn\" [8,12] 3 5 10 128 "), "{figures}");
    place.refused(&["bench", "train", "--size", "28x"], &["--size", "112x96"]);
    place.refused(&["bench", "train", "--size", "2"], &["small-cnn", "2 x 2", "at least 4 x 4"]);
    place.refused(&["bench", "train", "--channels", "2"], &["channels", "2", "1 or 3"]);
    for arguments in [&["--help"][..], &["train", "--help"], &["--version"]] {
        success(&place.run(arguments));
    }
    assert_eq!(place.run(&["trian"]).status.code(), Some(2));
}

/// A figure of the head is of the settings on the command line: flags that the mode ignores are rejected.
#[test]
fn a_bench_of_the_head_rejects_flags_without_effect() {
    let place = Workplace::new();
    let sizes = ["bench", "head", "--classes", "300", "--dim", "8", "--batch", "4", "--steps", "1"];
    let with = |extra: &[&'static str]| [&sizes[..], extra].concat();
    for (mode, flags) in [
        ("dense", &["--threshold", "0.1"][..]),
        ("dense", &["--rate", "0.1"]),
        ("sampled", &["--threshold", "0.1"]),
        ("sampled", &["--check"]),
        ("dense", &["--screened-error", "0.05"]),
        ("screened", &["--rate", "0.1"]),
        ("screened", &["--kept-scores-mib", "4"]),
    ] {
        let arguments = with(&[&["--mode", mode], flags].concat());
        place.refused(&arguments, &[flags[0], "no effect", mode]);
    }
    let both = with(&["--threshold", "0.01", "--screened-error", "0.05"]);
    place.refused(&both, &["--screened-error", "no effect", "--threshold"]);
    place.refused(&with(&["--screened-error", "0.5"]), &["screened_error", "0.5", "0.005 to 0.2"]);
    for flags in [
        &["--mode", "dense", "--kept-scores-mib", "0", "--check"][..],
        &["--mode", "sampled", "--rate", "0.5", "--kept-scores-mib", "1"],
        &["--mode", "screened", "--threshold", "0.01", "--check"],
        &["--threshold", "0", "--kept-scores-mib", "1"],
        &["--screened-error", "0.1", "--centres", "bf16", "--optimiser-state", "bf16", "--check"],
    ] {
        success(&place.run(&with(flags)));
    }
}
