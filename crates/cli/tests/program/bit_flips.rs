//! A flipped bit in a file that the program wrote is noticed by the command that reads it, or changes nothing.
//!
//! A few bits per file; `WIDEMARGIN_MUTATIONS=2000` flips that many of each. Results: `docs/src/formats/inputs.md`.

use super::{CLOTHING, SMALL, Workplace, image_folder, success};
use std::path::Path;
use widemargin_chance::{Purpose, Stream};

/// Bits per file without `WIDEMARGIN_MUTATIONS`.
const QUICK: usize = 4;
const SEED: u64 = 18;

/// Values in JSON that differ between equal runs.
const VARYING: [&str; 3] = ["seconds", "samples_per_second", "started"];

/// A command that reads files of `good`. It runs on a copy of that folder, `copy`, and may write into it.
struct Reader<'a> {
    arguments: &'a [&'a str],
    /// The files with its answer, below `copy`, apart from standard output.
    answers: &'a [&'a str],
}

/// What a command answered: exit status, standard output if it is JSON (tables of `train` have times), and files.
#[derive(PartialEq)]
struct Answer(Option<i32>, String, Vec<Option<String>>);

/// Runs the command on a fresh copy of `good` in which `change` was made. Returns the answer and standard error.
fn answer(place: &Workplace, reader: &Reader<'_>, change: impl FnOnce(&Path)) -> (Answer, String) {
    let copy = place.path().join("copy");
    if copy.exists() {
        std::fs::remove_dir_all(&copy).expect("removed");
    }
    copy_folder(&place.path().join("good"), &copy);
    change(&copy);
    let output = place.run(reader.arguments);
    let files = reader.answers.iter().map(|name| std::fs::read(copy.join(name)).ok().map(steady));
    let is_json = output.stdout.starts_with(b"{");
    let printed = if is_json { steady(output.stdout) } else { String::new() };
    let found = Answer(output.status.code(), printed, files.collect());
    (found, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a list").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The text of a file without what varies between equal runs: times in JSON, and on a page everything but the curves.
fn steady(bytes: Vec<u8>) -> String {
    if let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&bytes) {
        clear(&mut json);
        return json.to_string();
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return format!("{:02x?}", error.as_bytes()),
    };
    if !text.starts_with("<!") {
        return text;
    }
    text.split('<').filter(|tag| tag.starts_with("path") || tag.starts_with("polyline")).collect()
}

fn clear(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(entries) => {
            entries.retain(|key, _| !VARYING.contains(&key.as_str()));
            entries.values_mut().for_each(clear);
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(clear),
        _ => {}
    }
}

/// Flips bits of files of `good`, and expects an error, another message, or the same answer each time.
fn flip(place: &Workplace, files: &[&str], reader: &Reader<'_>) {
    let (expected, usual) = answer(place, reader, |_| {});
    assert_ne!(expected.0, Some(2), "{files:?}: {usual}");
    let missing = reader.answers.iter().zip(&expected.2).find(|(_, content)| content.is_none());
    assert!(missing.is_none(), "{files:?}: no answer in {missing:?}: {usual}");
    for file in files {
        flip_one(place, file, reader, (&expected, &usual));
    }
}

fn flip_one(place: &Workplace, file: &str, reader: &Reader<'_>, (expected, usual): (&Answer, &str)) {
    let count =
        std::env::var("WIDEMARGIN_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(QUICK);
    let good = std::fs::read(place.path().join("good").join(file)).unwrap_or_else(|_| panic!("no {file}"));
    let kind = file.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = Stream::new(SEED, Purpose::Test, kind, 0);
    let (mut refused, mut reported, mut harmless, mut silent) = (0, 0, 0, Vec::new());
    for _ in 0..count {
        let bit = random.below(8 * good.len());
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let (found, said) =
            answer(place, reader, |copy| std::fs::write(copy.join(file), &bad).expect("room on the disk"));
        if found.0 == Some(2) {
            assert!(said.contains("error: ") && !said.contains("panicked"), "{file}, bit {bit}: {said}");
            refused += 1;
        } else if found == *expected {
            harmless += 1;
        } else if said.lines().any(|line| !usual.contains(line)) {
            reported += 1;
        } else {
            silent.push(bit);
        }
    }
    say(&format!(
        "{file}: {count} bits: {refused} refused, {reported} reported, {harmless} without effect, {} silent",
        silent.len()
    ));
    let first = &silent[..silent.len().min(8)];
    assert!(
        silent.is_empty(),
        "{file}: {} of {count} bits change the answer silently: {first:?}",
        silent.len()
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "past the test harness, which shows the output of failed tests only"
)]
fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A table of vectors, and in `good` a run on it.
fn vectors() -> Workplace {
    let place = Workplace::new();
    let mut table = "id,label,e0,e1,e2,e3,e4,e5\n".to_owned();
    let mut random = Stream::new(SEED, Purpose::Test, 1, 0);
    for row in 0..120_u16 {
        let class = row % 8;
        let values: Vec<String> = (0..6)
            .map(|at| format!("{:.4}", random.unit() + f32::from(class >> (at % 3) & 1) * 1.5))
            .collect();
        table.extend([format!("row-{row},class-{class},"), values.join(","), "\n".to_owned()]);
    }
    place.write("good/table.csv", table.as_bytes());
    place.write(
        "vectors.toml",
        b"[data]\nunseen = 3\n[model]\nbackbone = \"linear\"\nembedding = 4\n[sampler]\nbatch = 20\n[training]\nepochs = 2\n",
    );
    success(&place.run(&[
        "train",
        "--data",
        "good/table.csv",
        "--config",
        "vectors.toml",
        "--out",
        "good/run",
    ]));
    place
}

#[test]
fn models() {
    let place = vectors();
    let embed = ["embed", "--model", "copy/run", "copy/table.csv", "-o", "copy/out.npy"];
    flip(
        &place,
        &["run/model.safetensors"],
        &Reader { arguments: &embed, answers: &["out.npy", "out.names.csv"] },
    );
    let weights = [
        "train",
        "--data",
        "copy/table.csv",
        "--config",
        "vectors.toml",
        "--weights",
        "copy/run/model.safetensors",
        "--epochs",
        "1",
        "--out",
        "copy/next",
    ];
    flip(&place, &["run/model.safetensors"], &Reader { arguments: &weights, answers: &["next/report.json"] });
}

#[test]
fn calibrations() {
    let place = Workplace::new();
    image_folder(&place, "images", 6, 12);
    let config = SMALL.replace(CLOTHING, "path = \"images\"\nheight = 8\nwidth = 8");
    place.write("images.toml", config.as_bytes());
    place.write("good/note.txt", b"");
    success(&place.run(&["train", "--config", "images.toml", "--out", "good/run"]));
    let (a, b) = ("images/class-0/00.png", "images/class-0/01.png");
    let compare = ["compare", "--model", "copy/run", "--json", a, b];
    flip(&place, &["run/calibration.json"], &Reader { arguments: &compare, answers: &[] });
}

#[test]
fn splits() {
    let place = vectors();
    success(&place.run(&["data", "split", "good/table.csv", "--by", "class", "--out", "good/split.csv"]));
    let train = [
        "train",
        "--data",
        "copy/table.csv",
        "--split",
        "copy/split.csv",
        "--backbone",
        "linear",
        "--batch",
        "20",
        "--epochs",
        "1",
        "--out",
        "copy/next",
    ];
    flip(&place, &["split.csv"], &Reader { arguments: &train, answers: &["next/report.json"] });
}

/// The names of the files in a folder of `good`, with the folder.
fn files_in(place: &Workplace, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(place.path().join("good").join(folder)).expect("a list").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.into_iter().map(|name| format!("{folder}/{name}")).collect()
}

/// Removes the newest checkpoint of a finished run, as if it had been killed, and what it wrote after it. Returns the newest that is left.
fn cut(place: &Workplace, run: &str) -> String {
    let mut steps = files_in(place, &format!("{run}/checkpoints"));
    let last = steps.pop().expect("a checkpoint");
    std::fs::remove_dir_all(place.path().join("good").join(last)).expect("removed");
    for file in ["model.safetensors", "calibration.json", "report.json", "report.html"] {
        std::fs::remove_file(place.path().join("good").join(run).join(file)).expect("removed");
    }
    steps.pop().expect("one before")
}

#[test]
fn run_folders() {
    let place = vectors();
    let checkpoint = cut(&place, "run");
    let parts = ["model", "head", "optimiser", "progress"].map(|part| format!("{checkpoint}/{part}"));
    let own = ["config.toml", "settings", "samples", "split.csv", "untrained", "metrics.jsonl"];
    let mut files: Vec<String> = own.iter().map(|file| format!("run/{file}")).collect();
    files.push("run/events.out.tfevents.0.widemargin".to_owned());
    files.extend(parts);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let resume = ["train", "--resume", "copy/run"];
    let answers = ["run/report.json", "run/model.safetensors", "run/calibration.json", "run/report.html"];
    flip(&place, &files, &Reader { arguments: &resume, answers: &answers });
}

#[test]
fn configurations() {
    let place = vectors();
    let train =
        ["train", "--data", "copy/table.csv", "--config", "copy/run/config.toml", "--out", "copy/next"];
    let answers = ["next/report.json", "next/model.safetensors"];
    flip(&place, &["run/config.toml"], &Reader { arguments: &train, answers: &answers });
}

#[test]
fn sweeps() {
    let place = vectors();
    let sweep = ["sweep", "--data", "good/table.csv", "--config", "vectors.toml", "--epochs", "1"];
    success(&place.run(&[&sweep[..], &["--margin", "0.1,0.2", "--out", "good/swept"]].concat()));
    let runs = files_in(&place, "swept/runs");
    let mut files =
        ["sweep.toml", "plan", "samples", "split.csv"].map(|file| format!("swept/{file}")).to_vec();
    files.extend(["evaluation-1.json", "config.toml", "settings"].map(|file| format!("{}/{file}", runs[0])));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let resume = ["sweep", "--resume", "copy/swept", "--json"];
    flip(&place, &files, &Reader { arguments: &resume, answers: &["swept/sweep.json"] });
}

#[test]
fn embeddings() {
    let place = vectors();
    for ending in ["npy", "safetensors", "csv", "parquet"] {
        let (file, copy) = (format!("out.{ending}"), format!("copy/out.{ending}"));
        let good = format!("good/{file}");
        success(&place.run(&["embed", "--model", "good/run", "good/table.csv", "-o", &good]));
        let about = format!("{file}.about.json");
        let mut files = vec![file.as_str(), &about];
        if place.exists("good/out.names.csv") {
            files.push("out.names.csv");
        }
        for arguments in [
            &["eval", "retrieval", &copy, "--json"][..],
            &["nearest", "--embeddings", &copy, "--row", "row-3", "--json"],
        ] {
            flip(&place, &files, &Reader { arguments, answers: &[] });
        }
        for file in files {
            std::fs::remove_file(place.path().join("good").join(file)).expect("there");
        }
    }
}

/// One row more than `embed` computes at a time is in the unfinished file.
#[test]
fn unfinished_embeddings() {
    let place = Workplace::new();
    place.write("good/note.txt", b"");
    success(&place.run(&["train", "--config", "small.toml", "--epochs", "1", "--out", "run"]));
    for number in 0..1030_u16 {
        let (class, shade) = (number % 7, (number / 7) as u8);
        place.write(&format!("images/{number:04}.png"), &super::png(class as u8, shade));
    }
    place.write("images/1028.png", b"not an image");
    place.refused(&["embed", "--model", "run", "images", "-o", "good/out.npy"], &["1028.png"]);
    place.write("images/1028.png", &super::png(1, 1));
    let embed = ["embed", "--model", "run", "images", "-o", "copy/out.npy"];
    let reader = Reader { arguments: &embed, answers: &["out.npy", "out.names.csv"] };
    let (_, said) = answer(&place, &reader, |_| {});
    assert!(said.contains("resuming at row 1025 of 1030"), "{said}");
    flip(&place, &["out.npy.partial", "out.npy.partial.json", "out.npy.partial.sums"], &reader);
}
