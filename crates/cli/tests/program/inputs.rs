//! One set of pictures in every form it may come in: looked into, divided, trained on and embedded.

use super::{Workplace, json, picture_folder, png, success};
use std::fmt::Write;
use std::process::Output;

const CLASSES: u8 = 6;
const EACH: u8 = 8;

/// A run of a second on pictures of 8 x 8.
const TINY: &str = "[data]\nheight = 8\nwidth = 8\nchannels = 1\nunseen = 2\n[model]\nbackbone = \"linear\"\nembedding = 4\n[training]\nepochs = 1\n[sampler]\nbatch = 8\n";

/// The same pictures as a folder, a manifest and two shards.
fn place() -> Workplace {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.as_bytes());
    picture_folder(&place, "pictures", CLASSES, EACH);
    let mut manifest = String::from("path,label,group,shop\n");
    let mut shards = [tar::Builder::new(Vec::new()), tar::Builder::new(Vec::new())];
    for class in 0..CLASSES {
        for number in 0..EACH {
            writeln!(
                manifest,
                "pictures/class-{class}/{number:02}.png,{class},g{},\"north, {number}\"",
                number / 2
            )
            .expect("a text");
            let builder = &mut shards[usize::from(number % 2)];
            let key = format!("{:05}", usize::from(class) * 100 + usize::from(number));
            for (ending, bytes) in [("png", png(class, number)), ("cls", class.to_string().into_bytes())] {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                builder
                    .append_data(&mut header, format!("{key}.{ending}"), bytes.as_slice())
                    .expect("in memory");
            }
        }
    }
    place.write("list.csv", manifest.as_bytes());
    for (number, builder) in shards.into_iter().enumerate() {
        place.write(&format!("shards/part-{number}.tar"), &builder.into_inner().expect("in memory"));
    }
    place
}

fn parsed(output: &Output) -> serde_json::Value {
    success(output);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(place: &Workplace, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).expect("there")
}

#[test]
fn folders_manifests_and_shards_are_trained_on_and_embedded_alike() {
    let place = place();
    let inputs = ["pictures", "list.csv", "shards", "shards/part-{0..1}.tar", "shards/*.tar"];
    for (number, data) in inputs.into_iter().enumerate() {
        let out = format!("run-{number}");
        success(&place.run(&["train", "--config", "tiny.toml", "--data", data, "--out", &out]));
        let report = json(&place.path().join(&out).join("report.json"));
        // The parts were drawn, so every picture of the unseen classes judges; of a set with groups, those of the groups that were drawn.
        let judges = if data == "list.csv" { EACH / 4 } else { EACH };
        assert_eq!(report["unseen"]["pictures"], 2 * u64::from(judges), "{data}");
        let split = text(&place, &format!("{out}/split.csv"));
        assert!(split.starts_with("# widemargin split 1\n") && split.lines().count() == 3 + 48, "{split}");
        let file = format!("{out}.npy");
        success(&place.run(&["embed", "--model", "run-0", data, "--out", &file]));
        let names = text(&place, &format!("{out}.names.csv"));
        let first: Vec<&str> = names.lines().take(2).collect();
        match data {
            "pictures" => assert_eq!(first, ["id,label", "class-0/00.png,class-0"]),
            "list.csv" => {
                assert_eq!(first, ["id,label,group,shop", "pictures/class-0/00.png,0,g0,\"north, 0\""]);
            }
            _ => assert_eq!(first, ["id,label", "part-0/00000,0"]),
        }
        let judged =
            place.run(&["eval", "retrieval", &file, "--labels", &format!("{out}.names.csv"), "--json"]);
        assert_eq!(parsed(&judged)["retrieval"]["queries"], 48);
    }
    // The same pictures in the same order have the same embeddings.
    let bytes = |name: &str| std::fs::read(place.path().join(name)).expect("there");
    assert!(bytes("run-0.npy") == bytes("run-1.npy") && bytes("run-2.npy") == bytes("run-4.npy"));

    success(&place.run(&["embed", "--model", "run-0", "pictures/class-0/00.png", "--out", "one.npy"]));
    assert_eq!(text(&place, "one.names.csv"), "id,label\n00.png,\n");
    place.write(
        "some.csv",
        b"path,note\npictures/class-0/00.png,x\nnowhere.png,y\npictures/class-0/01.png,z\n",
    );
    let some = ["embed", "--model", "run-0", "some.csv", "--out", "some.npy"];
    place.refused(&some, &["nowhere.png", "cannot be read"]);
    place.refused(
        &[&some[..], &["--max-bad", "10%"]].concat(),
        &["1 of 3 pictures cannot be used", "nowhere.png"],
    );
    let left_out = place.run(&[&some[..], &["--max-bad", "40%"]].concat());
    success(&left_out);
    assert!(String::from_utf8_lossy(&left_out.stderr).contains("left out nowhere.png: cannot be read"));
    assert_eq!(
        text(&place, "some.names.csv"),
        "id,label,note\npictures/class-0/00.png,,x\npictures/class-0/01.png,,z\n"
    );
    place.write("vectors.csv", b"label,x\na,1\n");
    place.refused(&["embed", "--model", "run-0", "vectors.csv", "--out", "no.npy"], &["a table of vectors"]);
    place.refused(&["embed", "--model", "run-0", "nothing-*.tar", "--out", "no.npy"], &["no file fits"]);
    place.refused(&["embed", "--model", "run-0", "tiny.toml", "--out", "no.npy"], &["nor a file of data"]);
    place.write("unlabelled.csv", b"path\npictures/class-0/00.png\n");
    let train = |data| ["train", "--config", "tiny.toml", "--data", data, "--out", "no"];
    place.refused(
        &train("unlabelled.csv"),
        &["unlabelled.csv", "1 of 1 pictures have no class", "column `label`"],
    );
    place.refused(&train("nowhere"), &["nowhere", "no such file or folder"]);
    let shard = bytes("shards/part-0.tar");
    place.write("cut.tar", &shard[..shard.len() / 2]);
    place.refused(&train("cut.tar"), &["cut.tar", "ends within"]);
}

#[test]
fn a_set_is_described_before_it_is_trained_on() {
    let place = place();
    place.write("pictures/class-0/broken.png", b"\x89PNG");
    place.write("pictures/class-1/copy.png", &png(0, 3));
    place.write("pictures/notes.txt", b"");
    let said = place.run(&["data", "info", "pictures"]);
    success(&said);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for fragment in [
        "pictures: image folder, 49 pictures of 6 classes, 8 to 9 (median 8) a class",
        "size: 8 wide, 8 high",
        "49 PNG; 49 grey",
        "8 to 15",
        "Pictures that cannot be used (1):",
        "class-0/broken.png: ",
        "Equal pictures of different classes, of which one at least is wrong (1):",
        "class-0/03.png = class-1/copy.png (class-0, class-1)",
    ] {
        assert!(said.contains(fragment), "wanted '{fragment}' in: {said}");
    }
    let info = parsed(&place.run(&["data", "info", "pictures", "--json", "-o", "info.html"]));
    assert_eq!(
        (&info["kind"], &info["samples"], &info["bad"][0]["path"]),
        (&"image folder".into(), &49.into(), &"pictures/class-0/broken.png".into())
    );
    assert_eq!(info["samples_per_class"], serde_json::json!({"min": 8, "median": 8, "max": 9}));
    assert_eq!(info["duplicates"]["conflicting"], 1);
    let page = text(&place, "info.html");
    assert!(page.contains("<svg") && page.contains("broken.png") && !page.contains("<script"));
    success(&place.run(&["data", "info", "shards", "-o", "info.svg"]));
    assert!(text(&place, "info.svg").starts_with("<svg"));
    let list = parsed(&place.run(&["data", "info", "list.csv", "--json"]));
    assert_eq!(
        (&list["kind"], &list["groups"], &list["classes"]),
        (&"manifest".into(), &4.into(), &6.into())
    );
    place.write("vectors.csv", b"label,split,x,y\na,train,1,0\na,test,1,0\nb,train,0,1\nb,test,0,0\n");
    let table = parsed(&place.run(&["data", "info", "vectors.csv", "--json"]));
    assert_eq!((&table["shape"], &table["duplicates"]["across_parts"]), (&serde_json::json!([2]), &1.into()));
    assert_eq!(table["bad"][0]["reason"], "is all zeros; it has no direction");
    place.refused(&["data", "info", "pictures", "-o", "info.png"], &["--out", ".html or .svg"]);
}

#[test]
fn a_split_is_drawn_written_kept_and_obeyed() {
    let place = place();
    let split = |by: &str, more: &[&str]| {
        let out = format!("{by}.csv");
        let arguments = ["data", "split", "list.csv", "--by", by, "-o", &out, "--seed", "3", "--json"];
        parsed(&place.run(&[&arguments[..], more].concat()))
    };
    let groups = split("group", &["--share", "25%"]);
    assert_eq!(
        (&groups["train"], &groups["test"], &groups["unseen_classes"]),
        (&36.into(), &12.into(), &0.into())
    );
    let classes = split("class", &["--share", "0.34", "--hold-out", "25%"]);
    assert_eq!((&classes["known_classes"], &classes["unseen_classes"]), (&4.into(), &2.into()));
    assert_eq!((&classes["train"], &classes["test"]), (&24.into(), &24.into()));
    let again = ["data", "split", "list.csv", "--by", "class", "-o", "class.csv"];
    place.refused(&again, &["class.csv", "exists already"]);
    place.refused(
        &["data", "split", "pictures", "--by", "group", "-o", "no.csv"],
        &["by is group", "data with groups"],
    );

    let train = |split: &str, out: &str| {
        place.run(&["train", "--config", "tiny.toml", "--data", "list.csv", "--split", split, "--out", out])
    };
    success(&train("class.csv", "open"));
    let report = json(&place.path().join("open/report.json"));
    assert_eq!(report["unseen"]["pictures"], 16);
    let unseen: Vec<&str> = report["unseen"]["classes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    // What the file says is what was used, and is kept.
    let given = text(&place, "class.csv");
    let kept = text(&place, "open/split.csv");
    let rows = |text: &str| {
        let mut rows: Vec<String> = text.lines().skip(2).map(str::to_owned).collect();
        rows.sort();
        rows
    };
    assert_eq!(rows(&given), rows(&kept));
    for line in given.lines().skip(3) {
        let is_unseen = unseen.iter().any(|class| line.contains(&format!("class-{class}/")));
        assert!(!is_unseen || line.ends_with(",test"), "{line}");
    }
    // A split without unseen classes makes a closed set, judged by its own test part.
    success(&train("group.csv", "closed"));
    let report = json(&place.path().join("closed/report.json"));
    assert!(report["unseen"].is_null() && report["known"]["pictures"] == 12, "{report}");

    place.write("short.csv", given.lines().take(20).collect::<Vec<_>>().join("\n").as_bytes());
    let said = train("short.csv", "no");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("short.csv: does not name samples that the data has: 31 of them"), "{said}");
    let all = given.replace(",test", ",train").replace(",out", ",train");
    place.write("all.csv", all.as_bytes());
    let said = train("all.csv", "no");
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("0 pictures to judge the result by")
            && !place.exists("no")
    );
    let both = ["train", "--data", "list.csv", "--split", "class.csv", "--unseen", "2"];
    place.refused(&both, &["--split", "--unseen"]);
}

#[test]
fn a_run_goes_on_with_the_split_it_began_with() {
    let place = place();
    success(&place.run(&[
        "data",
        "split",
        "pictures",
        "--by",
        "class",
        "--share",
        "0.34",
        "-o",
        "split.csv",
    ]));
    let long = TINY.replace("epochs = 1", "epochs = 3");
    place.write("long.toml", long.as_bytes());
    let run = |out: &str| {
        place.run(&[
            "train",
            "--config",
            "long.toml",
            "--data",
            "pictures",
            "--split",
            "split.csv",
            "--out",
            out,
        ])
    };
    success(&run("whole"));
    success(&run("again"));
    // As if it had been stopped behind the second epoch, and the file had changed since.
    for entry in std::fs::read_dir(place.path().join("again/checkpoints")).expect("there") {
        let path = entry.expect("there").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with('9')) {
            std::fs::remove_dir_all(path).expect("removed");
        }
    }
    place.write("split.csv", b"sample,part\nx,train\n");
    success(&place.run(&["train", "--resume", "again"]));
    let model = |run: &str| std::fs::read(place.path().join(run).join("model.safetensors")).expect("there");
    assert!(model("whole") == model("again"));
}

#[test]
fn deeper_trees_have_the_top_folder_or_the_deepest_as_class() {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.as_bytes());
    for (class, folder) in ["bird/duck", "bird/owl", "fish/carp", "fish/eel", "cat"].into_iter().enumerate() {
        for number in 0..EACH {
            place.write(&format!("tree/{folder}/{number}.png"), &png(class as u8, number));
        }
    }
    let classes = |which: &str| {
        let info = parsed(&place.run(&["data", "info", "tree", "--class-folder", which, "--json"]));
        let names =
            info["per_class"].as_array().expect("a list").iter().filter_map(|class| class["class"].as_str());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(classes("top"), ["bird", "cat", "fish"]);
    assert_eq!(classes("deepest"), ["bird/duck", "bird/owl", "cat", "fish/carp", "fish/eel"]);
    success(&place.run(&[
        "train",
        "--config",
        "tiny.toml",
        "--data",
        "tree",
        "--class-folder",
        "deepest",
        "--out",
        "run",
    ]));
    assert!(text(&place, "run/config.toml").contains("class_folder = \"deepest\""));
    success(&place.run(&[
        "embed",
        "--model",
        "run",
        "tree",
        "--class-folder",
        "deepest",
        "--out",
        "tree.npy",
    ]));
    assert!(text(&place, "tree.names.csv").contains("bird/duck/0.png,bird/duck\n"));
    place.refused(&["data", "info", "tree", "--class-folder", "last"], &["top or deepest"]);
}
