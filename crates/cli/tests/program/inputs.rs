//! The same images in every input format: described, split, trained on and embedded.

use super::{Workplace, image_folder, json, png, success};
use std::fmt::Write;
use std::process::Output;

const CLASSES: u8 = 6;
const EACH: u8 = 8;

/// A run of about a second on 8 x 8 images.
const TINY: &str = "[data]\nheight = 8\nwidth = 8\nchannels = 1\nunseen = 2\n[model]\nbackbone = \"linear\"\nembedding = 4\n[training]\nepochs = 1\n[sampler]\nbatch = 8\n";

/// The same images as a folder, a manifest and two shards.
fn place() -> Workplace {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.as_bytes());
    image_folder(&place, "images", CLASSES, EACH);
    let mut manifest = String::from("path,label,group,shop\n");
    let mut shards = [tar::Builder::new(Vec::new()), tar::Builder::new(Vec::new())];
    for class in 0..CLASSES {
        for number in 0..EACH {
            writeln!(
                manifest,
                "images/class-{class}/{number:02}.png,{class},g{},\"north, {number}\"",
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

/// A split file without its checksum, for changes on purpose.
fn edited(split: &str) -> String {
    split.lines().filter(|line| !line.starts_with("# crc32")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn folders_manifests_and_shards_are_trained_on_and_embedded_alike() {
    let place = place();
    let inputs = ["images", "list.csv", "shards", "shards/part-{0..1}.tar", "shards/*.tar"];
    for (number, data) in inputs.into_iter().enumerate() {
        let out = format!("run-{number}");
        success(&place.run(&["train", "--config", "tiny.toml", "--data", data, "--out", &out]));
        let report = json(&place.path().join(&out).join("report.json"));
        // Parts were drawn, so every image of an unseen class is evaluated; with groups, only those of the held-out groups.
        let evaluated = if data == "list.csv" { EACH / 4 } else { EACH };
        assert_eq!(report["unseen"]["samples"], 2 * u64::from(evaluated), "{data}");
        let split = text(&place, &format!("{out}/split.csv"));
        let rows = split.lines().filter(|line| !line.starts_with('#')).count();
        assert!(split.starts_with("# widemargin split 1\n") && rows == 1 + 48, "{split}");
        let file = format!("{out}.npy");
        success(&place.run(&["embed", "--model", "run-0", data, "--out", &file]));
        let names = text(&place, &format!("{out}.names.csv"));
        let first: Vec<&str> = names.lines().take(2).collect();
        match data {
            "images" => assert_eq!(first, ["id,label", "class-0/00.png,class-0"]),
            "list.csv" => {
                assert_eq!(first, ["id,label,group,shop", "images/class-0/00.png,0,g0,\"north, 0\""]);
            }
            _ => assert_eq!(first, ["id,label", "part-0/00000,0"]),
        }
        let evaluated =
            place.run(&["eval", "retrieval", &file, "--labels", &format!("{out}.names.csv"), "--json"]);
        assert_eq!(parsed(&evaluated)["retrieval"]["queries"], 48);
    }
    // The same images in the same order have the same embeddings.
    let bytes = |name: &str| std::fs::read(place.path().join(name)).expect("there");
    assert!(bytes("run-0.npy") == bytes("run-1.npy") && bytes("run-2.npy") == bytes("run-4.npy"));

    success(&place.run(&["embed", "--model", "run-0", "images/class-0/00.png", "--out", "one.npy"]));
    assert_eq!(text(&place, "one.names.csv"), "id\n00.png\n");
    place.write("some.csv", b"path,note\nimages/class-0/00.png,x\nnowhere.png,y\nimages/class-0/01.png,z\n");
    let some = ["embed", "--model", "run-0", "some.csv", "--out", "some.npy"];
    place.refused(&some, &["nowhere.png", "cannot be read"]);
    place.refused(
        &[&some[..], &["--max-bad", "10%"]].concat(),
        &["1 of 3 images cannot be used", "nowhere.png"],
    );
    let left_out = place.run(&[&some[..], &["--max-bad", "40%"]].concat());
    success(&left_out);
    assert!(String::from_utf8_lossy(&left_out.stderr).contains("left out nowhere.png: cannot be read"));
    assert_eq!(text(&place, "some.names.csv"), "id,note\nimages/class-0/00.png,x\nimages/class-0/01.png,z\n");
    place.write("vectors.csv", b"label,x\na,1\n");
    place.refused(&["embed", "--model", "run-0", "vectors.csv", "--out", "no.npy"], &["a table of vectors"]);
    place.refused(&["embed", "--model", "run-0", "nothing-*.tar", "--out", "no.npy"], &["no file matches"]);
    place.refused(&["embed", "--model", "run-0", "tiny.toml", "--out", "no.npy"], &["nor a data file"]);
    place.write("unlabelled.csv", b"path\nimages/class-0/00.png\n");
    let train = |data| ["train", "--config", "tiny.toml", "--data", data, "--out", "no"];
    place.refused(
        &train("unlabelled.csv"),
        &["unlabelled.csv", "1 of 1 sample has no class", "column `label`"],
    );
    place.refused(&train("nowhere"), &["nowhere", "no such file or folder"]);
    let shard = bytes("shards/part-0.tar");
    place.write("cut.tar", &shard[..shard.len() / 2]);
    place.refused(&train("cut.tar"), &["cut.tar", "ends within"]);
    // A part in another word.
    place.write("mixed/train-0.tar", &shard);
    place.write("mixed/eval-0.tar", &bytes("shards/part-1.tar"));
    place.refused(&train("mixed"), &["train-0.tar is named like the part `train`", "eval-0.tar"]);
    place.write(
        "two.csv",
        b"path,label\nimages/class-0/00.png,a\nimages/class-0/01.png,a\nimages/class-1/00.png,b\nimages/class-1/01.png,b\n",
    );
    place.refused(&train("two.csv"), &["two: ", "of 2 classes", "--closed-set"]);
}

#[test]
fn a_set_is_described_before_it_is_trained_on() {
    let place = place();
    place.write("images/class-0/broken.png", b"\x89PNG");
    place.write("images/class-1/copy.png", &png(0, 3));
    place.write("images/notes.txt", b"");
    let said = place.run(&["data", "info", "images"]);
    success(&said);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for fragment in [
        "images: image folder, 49 images in 6 classes, 8 to 9 (median 8) per class",
        "size: width 8, height 8",
        "49 PNG; 49 grey",
        "8 to 15",
        "Unusable images (1):",
        "class-0/broken.png: ",
        "Duplicate images with different classes: at least one label is wrong (1):",
        "class-0/03.png = class-1/copy.png (class-0, class-1)",
    ] {
        assert!(said.contains(fragment), "expected '{fragment}' in: {said}");
    }
    let info = parsed(&place.run(&["data", "info", "images", "--json", "-o", "info.html"]));
    assert_eq!(
        (&info["kind"], &info["samples"], &info["bad"][0]["path"]),
        (&"image folder".into(), &49.into(), &"images/class-0/broken.png".into())
    );
    assert_eq!(info["samples_per_class"], serde_json::json!({"min": 8, "median": 8, "max": 9}));
    assert_eq!(info["duplicates"]["conflicting"], 1);
    let page = text(&place, "info.html");
    assert!(page.contains("<svg") && page.contains("broken.png") && page.matches("<script").count() == 1);
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
    place.refused(&["data", "info", "images", "-o", "info.png"], &["--out", ".html or .svg"]);
}

/// Parts of samples in tar shards that only some of them name.
#[test]
fn samples_of_shards_without_a_part_are_told() {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.replace("unseen = 2", "closed_set = true").as_bytes());
    let shard = |name: &str, part: &dyn Fn(u8) -> Option<&'static str>| {
        let mut builder = tar::Builder::new(Vec::new());
        for (class, number) in (0..4).flat_map(|class| (0..4).map(move |number| (class, number))) {
            let split = part(number).map_or_else(String::new, |part| format!(", \"split\": \"{part}\""));
            let about = format!("{{\"label\": {class}{split}}}").into_bytes();
            for (ending, bytes) in [("png", png(class, number)), ("json", about)] {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                let name = format!("{class}{number}.{ending}");
                builder.append_data(&mut header, name, bytes.as_slice()).expect("in memory");
            }
        }
        place.write(name, &builder.into_inner().expect("in memory"));
    };
    let info = |data: &str| {
        let output = place.run(&["data", "info", data]);
        success(&output);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    shard("cars-0.tar", &|number| (number < 2).then_some("test"));
    let unmarked = "8 of 16 images have no `split`, although others have one";
    let outcome = "they are in the part `train`. The first is ";
    let said = info("cars-0.tar");
    assert!(said.contains(unmarked) && said.contains(outcome), "{said}");
    let output = place.run(&["train", "--config", "tiny.toml", "--data", "cars-0.tar", "--out", "run"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(unmarked) && said.contains("evaluating on 8 test images"), "{said}");
    assert!(
        !said.contains("kept for validation"),
        "without a test part, `validation` is the test part: {said}"
    );
    let report = json(&place.path().join("run/report.json"));
    assert!(report["warnings"].to_string().contains(unmarked), "{report}");
    shard("cars-1.tar", &|number| (number < 2).then_some("train"));
    let said = info("cars-1.tar");
    let outcome = "because none is marked as test, the marks are ignored and parts are drawn";
    assert!(said.contains(unmarked) && said.contains(outcome), "{said}");
    shard("cars-2.tar", &|number| Some(if number == 0 { "test" } else { "train" }));
    assert!(!info("cars-2.tar").contains("have no `split`"));
    shard("cars-3.tar", &|number| Some(if number == 0 { "probe" } else { "train" }));
    assert!(info("cars-3.tar").contains("split is \"probe\"; expected train or test (or val)"));
    let train = ["train", "--config", "tiny.toml", "--data", "cars-3.tar", "--out", "no"];
    place.refused(&train, &["4 of 16 images cannot be used", "split is \"probe\""]);
}

#[test]
fn unusable_data_has_an_exit_status() {
    let place = place();
    place.write("lab.txt", b"a\nb\n");
    place.write("vectors.csv", b"label,x,y\na,1,0\nb,0,1\n");
    place.write("bad/a/1.png", b"no image");
    place.write("bad/b/2.png", b"no image");
    std::fs::create_dir(place.path().join("empty")).expect("a folder");
    for (data, expected) in [("bad", "no usable sample; the first of 2 bad"), ("empty", "empty: no images")] {
        let output = place.run(&["data", "info", data]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(expected), "{data}: {said}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("image folder, 0 images"));
        place.refused(&["data", "split", data, "--by", "class", "-o", "no.csv"], &[expected]);
    }
    // Missing shards are an error, as in training.
    for command in [&["data", "info"][..], &["train", "--config", "tiny.toml", "--out", "no", "--data"]] {
        let missing = [command, &["shards/part-{0..2}.tar"]].concat();
        place.refused(&missing, &["part-2.tar: no such file; 1 of 3 shards are missing"]);
    }
    // A shard that ends between two files is used, with a warning.
    let shard = std::fs::read(place.path().join("shards/part-0.tar")).expect("there");
    place.write("cut.tar", &shard[..10 * 1024]);
    let output = place.run(&["data", "info", "cut.tar"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Shards without an end-of-archive marker") && said.contains("  cut.tar"), "{said}");
    let whole = place.run(&["data", "info", "shards"]);
    assert!(!String::from_utf8_lossy(&whole.stdout).contains("end-of-archive"));

    // Flags that would have no effect, and lists that are not tables of embeddings.
    let info = |data, more: &[&str], expected: &[&str]| {
        place.refused(&[&["data", "info", data], more].concat(), expected);
    };
    info("images", &["--labels", "lab.txt"], &["labels is lab.txt", "only a table of embeddings"]);
    info("vectors.csv", &["--class-folder", "deepest"], &["--class-folder is deepest", "expected top"]);
    info("list.csv", &["--parts", "none"], &["--parts is none", "list.csv is not a folder"]);
    info("shards", &["--class-folder", "deepest"], &["class-folder is deepest"]);
    success(&place.run(&["data", "info", "vectors.csv", "--labels", "lab.txt", "--class-folder", "top"]));
    place.write("names.csv", b"filename,label\nimages/class-0/00.png,0\n");
    info(
        "names.csv",
        &[],
        &["names.csv: no column `path`; the columns are filename, label", "rename the column"],
    );
    place.write("semicolons.csv", b"path;label\nimages/class-0/00.png;0\n");
    let train = ["train", "--data", "semicolons.csv", "--out", "no"];
    place.refused(
        &train,
        &["semicolons.csv: the columns are path;label", "separated by `;`; separate them by commas"],
    );
    assert!(!place.exists("no"), "nothing is written");
}

#[test]
fn a_class_of_a_single_image_is_trained_on_or_counts_as_a_wrong_match() {
    let place = place();
    for class in 0..3 {
        place.write(&format!("images/alone-{class}/0.png"), &png(10 + class, 0));
    }
    let train = |more: &[&str], out: &str| {
        let arguments = ["train", "--config", "tiny.toml", "--data", "images", "--out", out];
        place.run(&[&arguments[..], more].concat())
    };
    let report = |out: &str| json(&place.path().join(out).join("report.json"));
    success(&train(&["--closed-set"], "closed"));
    assert_eq!(report("closed")["known"]["samples"], 12, "two of each of the six");
    success(&train(&["--unseen-classes", "class-0,class-1,alone-2"], "open"));
    let (unseen, retrieval) = (&report("open")["unseen"], &report("open")["unseen"]["retrieval"]);
    assert_eq!(unseen["samples"], 17);
    assert_eq!((&retrieval["queries"], &retrieval["excluded_queries"]), (&16.into(), &1.into()));
    let refused = train(&["--unseen-classes", "alone-0,alone-1,alone-2"], "no");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("3 samples of 3 classes"), "{said}");
    assert!(!place.exists("no"), "before anything is trained");

    // `train` accepts the split files of `data split`, also if such images are left out.
    for by in ["class", "sample"] {
        let file = format!("{by}.csv");
        success(&place.run(&["data", "split", "images", "--by", by, "--seed", "2", "-o", &file]));
        success(&train(&["--split", &file], by));
    }
    let left_out = edited(&text(&place, "sample.csv")).replace("alone-0/0.png,train", "alone-0/0.png,out");
    assert!(left_out.contains(",out\n"));
    place.write("out.csv", left_out.as_bytes());
    let output = train(&["--split", "out.csv"], "out");
    success(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("of 8 known classes"));
    // A split that cannot be used is not written.
    place.write("pairs.csv", b"path,label\nimages/class-0/00.png,a\nimages/class-0/01.png,a\nimages/class-1/00.png,b\nimages/class-1/01.png,b\n");
    let pairs = ["data", "split", "pairs.csv", "--by", "sample", "-o", "no.csv"];
    place.refused(&pairs, &["the evaluation set has 2 samples of 2 classes"]);
    assert!(!place.exists("no.csv"));
}

#[test]
fn a_split_reports_ignored_parts_and_groups() {
    let place = place();
    let split = |data: &str, more: &[&str], out: &str| {
        let output = place.run(&[&["data", "split", data, "-o", out], more].concat());
        success(&output);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = split("list.csv", &["--by", "sample"], "sample.csv");
    assert!(
        said.contains("groups have both training and held-out samples") && said.contains("--by group"),
        "{said}"
    );
    assert!(!said.contains("marked"), "{said}");
    assert_eq!(split("list.csv", &["--by", "group", "--share", "25%"], "group.csv"), "");
    let said = split("list.csv", &["--by", "group", "--share", "40%"], "more.csv");
    assert!(
        said.contains("50 % of the images are held out instead of 40 %, because each group is kept together"),
        "{said}"
    );

    // Whole classes, at least two; and at least one image of each other class.
    let said = split("images", &["--by", "class", "--share", "1%", "--hold-out", "1%"], "little.csv");
    for part in [
        "33 % of the classes are held out instead of 1 %",
        "known classes: 12 % of the images are held out instead of 1 %",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    place.refused(
        &["data", "split", "images", "-o", "few.csv", "--by", "sample", "--share", "1%"],
        &["the evaluation set has 6 samples of 6 classes", "--hold-out"],
    );

    // Eight images per class are marked: six train, two val.
    let mut list = String::from("path,label,split\n");
    for class in 0..CLASSES {
        for number in 0..EACH {
            let part = if number < 6 { "train" } else { "val" };
            writeln!(list, "images/class-{class}/{number:02}.png,{class},{part}").expect("a text");
        }
    }
    place.write("parts.csv", list.as_bytes());
    let said = split("parts.csv", &["--by", "sample", "--share", "25%"], "parts-sample.csv");
    let file = text(&place, "parts-sample.csv");
    let learnt = file.lines().filter(|line| line.contains("/06.") || line.contains("/07."));
    let learnt = learnt.filter(|line| line.ends_with(",train")).count();
    assert!(learnt > 0);
    let expected = [
        format!("{learnt} images marked `test` are trained on"),
        format!("{learnt} images marked `train` are held out"),
    ];
    assert!(expected.iter().all(|expected| said.contains(expected)), "{said}");

    // Flags that would have no effect, and files of another kind.
    let refused = |more: &[&str], expected: &[&str]| {
        place.refused(&[&["data", "split", "images"], more].concat(), expected);
    };
    refused(&["--by", "sample", "--hold-out", "10%", "-o", "no.csv"], &["--hold-out", "--by class"]);
    refused(&["--by", "class", "-o", "no.txt"], &["--out: found no.txt", ".csv"]);
    refused(&["--by", "class", "--labels", "list.csv", "-o", "no.csv"], &["labels is list.csv"]);
    assert!(!place.exists("no.csv") && !place.exists("no.txt"));
}

#[test]
fn parts_of_folders_have_many_names() {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.replace("unseen = 2", "closed_set = true").as_bytes());
    for (class, number) in (0..4).flat_map(|class| (0..EACH).map(move |number| (class, number))) {
        let part = if number < 6 { "Train" } else { "validation" };
        place.write(&format!("parts/{part}/class-{class}/{number}.png"), &png(class, number));
    }
    let output = place.run(&["train", "--config", "tiny.toml", "--data", "parts", "--out", "run"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("training on 24 of 4 known classes, evaluating on 8 test images"), "{said}");
    place.write("parts/Test/class-0/1.png", &png(0, 1));
    let info = parsed(&place.run(&["data", "info", "parts", "--json"]));
    assert_eq!(
        info["parts"],
        serde_json::json!({"train": 24, "test": 1, "validation": 8}),
        "next to `Test`, `validation` is a part of its own"
    );
}

#[test]
fn a_split_is_written_and_used() {
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
    place.refused(&again, &["class.csv", "already exists"]);
    place.refused(
        &["data", "split", "images", "--by", "group", "-o", "no.csv"],
        &["by is group", "data with groups"],
    );

    let train = |split: &str, out: &str| {
        place.run(&["train", "--config", "tiny.toml", "--data", "list.csv", "--split", split, "--out", out])
    };
    success(&train("class.csv", "open"));
    let report = json(&place.path().join("open/report.json"));
    assert_eq!(report["unseen"]["samples"], 16);
    let unseen: Vec<&str> = report["unseen"]["classes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    // The split of the file was used and is stored with the run.
    let given = text(&place, "class.csv");
    let kept = text(&place, "open/split.csv");
    let rows = |text: &str| {
        let mut rows: Vec<String> =
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        rows.sort();
        rows
    };
    assert_eq!(rows(&given), rows(&kept));
    let given = edited(&given);
    for line in given.lines().skip(3) {
        let is_unseen = unseen.iter().any(|class| line.contains(&format!("class-{class}/")));
        assert!(!is_unseen || line.ends_with(",test"), "{line}");
    }
    // A split without unseen classes gives a closed set, evaluated on its held-out samples.
    success(&train("group.csv", "closed"));
    let report = json(&place.path().join("closed/report.json"));
    assert!(report["unseen"].is_null() && report["known"]["samples"] == 12, "{report}");

    let seventeen: Vec<&str> = given.lines().filter(|line| !line.starts_with('#')).take(1 + 17).collect();
    place.write("short.csv", seventeen.join("\n").as_bytes());
    let said = train("short.csv", "no");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("short.csv: does not list samples of the data: 31,"), "{said}");
    let all = given.replace(",test", ",train").replace(",out", ",train");
    place.write("all.csv", all.as_bytes());
    let said = train("all.csv", "no");
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("0 images in the evaluation set")
            && !place.exists("no")
    );
    let both = ["train", "--data", "list.csv", "--split", "class.csv", "--unseen", "2"];
    place.refused(&both, &["--split", "--unseen"]);
}

#[test]
fn a_run_resumes_with_its_first_split() {
    let place = place();
    success(&place.run(&["data", "split", "images", "--by", "class", "--share", "0.34", "-o", "split.csv"]));
    let long = TINY.replace("epochs = 1", "epochs = 3");
    place.write("long.toml", long.as_bytes());
    let run = |out: &str| {
        place.run(&[
            "train",
            "--config",
            "long.toml",
            "--data",
            "images",
            "--split",
            "split.csv",
            "--out",
            out,
        ])
    };
    success(&run("whole"));
    success(&run("again"));
    // As if the run had been stopped after the second epoch and the file changed since.
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
fn the_class_is_the_top_folder_or_the_deepest() {
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
    place.refused(&["data", "info", "tree", "--class-folder", "last"], &["`top` or `deepest`"]);
}

#[test]
fn an_unknown_instruction_set_is_an_error() {
    let place = Workplace::new();
    let output = place
        .command(&["explain", "-o", "page"])
        .env("WIDEMARGIN_INSTRUCTION_SET", "sse9")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    let expected = "error: WIDEMARGIN_INSTRUCTION_SET=sse9: unknown instruction set; use portable";
    assert!(message.starts_with(expected), "{message}");
    assert!(!place.exists("page"));
}
