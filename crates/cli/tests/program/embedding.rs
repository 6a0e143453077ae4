//! `embed`: what it may go on with, whose files it may write over, and what goes along with the numbers.

use super::{Workplace, image_folder, png, success};
use std::fmt::Write;
use std::process::Output;
use widemargin_tables::{npy_header, read_embeddings};

/// A run of a second on images of 8 x 8.
const TINY: &str = "[data]\npath = \"images\"\nheight = 8\nwidth = 8\nchannels = 1\nunseen = 2\n[model]\nbackbone = \"linear\"\nembedding = 4\n[training]\nepochs = 1\n[sampler]\nbatch = 8\n";

fn embed(place: &Workplace, input: &str, out: &str) -> Output {
    place.run(&["embed", "--model", "run", input, "-o", out])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn bytes(place: &Workplace, name: &str) -> Vec<u8> {
    std::fs::read(place.path().join(name)).expect("there")
}

fn text(place: &Workplace, name: &str) -> String {
    String::from_utf8(bytes(place, name)).expect("text")
}

/// 1,030 images, a run on them, and their embeddings in `whole.npy`.
fn images() -> Workplace {
    let place = Workplace::new();
    place.write("tiny.toml", TINY.as_bytes());
    image_folder(&place, "images", 5, 206);
    success(&place.run(&["train", "--config", "tiny.toml", "--out", "run"]));
    success(&embed(&place, "images", "whole.npy"));
    place
}

const LAST: &str = "images/class-4/99.png";

/// Stops an `embed` behind 1,024 of 1,030 images, by one that cannot be read until it is whole again.
fn stopped(place: &Workplace, out: &str) {
    let good = bytes(place, LAST);
    place.write(LAST, &good[..40]);
    let failed = embed(place, "images", out);
    assert!(failed.status.code() == Some(2) && said(&failed).contains("99.png"), "{}", said(&failed));
    place.write(LAST, &good);
    for rest in [".partial", ".partial.json"] {
        assert!(place.exists(&format!("{out}{rest}")), "{out}{rest}");
    }
}

#[test]
fn two_at_once_do_not_write_to_one_file() {
    let place = images();
    stopped(&place, "out.npy");
    let before = bytes(&place, "out.npy.partial");
    let lock = widemargin_durable::Lock::take(place.path().join("out.npy.partial.lock")).expect("free");
    let command = ["embed", "--model", "run", "images", "-o", "out.npy"];
    place.refused(&command, &["out.npy: another `embed` is writing it"]);
    assert!(bytes(&place, "out.npy.partial") == before && !place.exists("out.npy"));
    drop(lock);
    let resumed = embed(&place, "images", "out.npy");
    success(&resumed);
    assert!(said(&resumed).contains("resuming at row 1025 of 1030"), "{}", said(&resumed));
    assert!(bytes(&place, "out.npy") == bytes(&place, "whole.npy"));
    // nothing is left behind, by one that could not begin either
    place.refused(&["embed", "--model", "run", "nowhere", "-o", "none.npy"], &["nowhere"]);
    for left in ["out.npy.partial.lock", "none.npy.partial.lock", "out.npy.partial.json"] {
        assert!(!place.exists(left), "{left}");
    }
}

#[test]
fn rows_that_cannot_be_trusted_are_not_gone_on_with() {
    let place = images();
    // as two programs left it that wrote to one file
    stopped(&place, "long.npy");
    let rows = bytes(&place, "long.npy.partial");
    place.write("long.npy.partial", &[&rows[..], &rows[128..]].concat());
    let anew = embed(&place, "images", "long.npy");
    success(&anew);
    assert!(said(&anew).contains("more than 1030 rows take; starting again"), "{}", said(&anew));
    assert!(bytes(&place, "long.npy") == bytes(&place, "whole.npy"));

    stopped(&place, "other.npy");
    let mut rows = bytes(&place, "other.npy.partial");
    rows[60] ^= 1;
    place.write("other.npy.partial", &rows);
    let anew = embed(&place, "images", "other.npy");
    success(&anew);
    assert!(said(&anew).contains("not written by `embed`; starting again"), "{}", said(&anew));
    assert!(bytes(&place, "other.npy") == bytes(&place, "whole.npy"));

    // a bit of the rows that are done was damaged
    stopped(&place, "bit.npy");
    let mut rows = bytes(&place, "bit.npy.partial");
    let middle = rows.len() / 2;
    rows[middle] ^= 1;
    place.write("bit.npy.partial", &rows);
    let anew = embed(&place, "images", "bit.npy");
    success(&anew);
    assert!(said(&anew).contains("damaged after row 0; continuing from there"), "{}", said(&anew));
    assert!(bytes(&place, "bit.npy") == bytes(&place, "whole.npy"));
    assert!(!place.exists("bit.npy.partial.sums"));

    // one of the rows that are done shows something else now; one that is not done may
    stopped(&place, "out.npy");
    place.write("images/class-2/07.png", &png(9, 9));
    let anew = embed(&place, "images", "out.npy");
    success(&anew);
    let told = said(&anew);
    assert!(told.contains("07.png was modified since the start; starting again"), "{told}");
    assert!(!told.contains("resuming"), "{told}");
    success(&embed(&place, "images", "now.npy"));
    assert!(bytes(&place, "out.npy") == bytes(&place, "now.npy"));
    assert!(bytes(&place, "out.npy") != bytes(&place, "whole.npy"));
}

/// A shard of so many images of a class.
fn shard(class: u8, images: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (number, bytes) in images.iter().enumerate() {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, format!("{class}-{number:04}.png"), bytes.as_slice())
            .expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

#[test]
fn of_shards_those_that_are_done_must_be_as_they_were() {
    let place = Workplace::new();
    image_folder(&place, "images", 4, 8);
    place.write("tiny.toml", TINY.as_bytes());
    success(&place.run(&["train", "--config", "tiny.toml", "--out", "run"]));
    let first: Vec<Vec<u8>> = (0..1024_u32).map(|at| png((at / 200) as u8, (at % 200) as u8)).collect();
    let (good, bad) = (vec![png(1, 1), png(2, 2)], vec![png(1, 1), b"no image".to_vec()]);
    let fresh = |out: &str| {
        place.write("shards/a.tar", &shard(0, &first));
        place.write("shards/b.tar", &shard(1, &bad));
        assert_eq!(embed(&place, "shards", out).status.code(), Some(2));
        place.write("shards/b.tar", &shard(1, &good));
    };
    fresh("one.npy");
    let resumed = embed(&place, "shards", "one.npy");
    success(&resumed);
    assert!(said(&resumed).contains("resuming at row 1025 of 1026"), "{}", said(&resumed));
    fresh("two.npy");
    place.write("shards/a.tar", &shard(0, &first));
    let anew = embed(&place, "shards", "two.npy");
    success(&anew);
    assert!(said(&anew).contains("a.tar was modified since the start; starting again"), "{}", said(&anew));
    assert!(bytes(&place, "one.npy") == bytes(&place, "two.npy"));
}

#[test]
fn unfinished_rows_of_something_else_are_told_of() {
    let place = images();
    image_folder(&place, "fewer", 2, 3);
    success(&embed(&place, "fewer", "fewer.npy"));
    stopped(&place, "out.npy");
    let anew = embed(&place, "fewer", "out.npy");
    success(&anew);
    let told = said(&anew);
    assert!(told.contains("out.npy.partial: unfinished embeddings of 1030 samples of "), "{told}");
    assert!(told.contains("images; starting again"), "{told}");
    assert!(bytes(&place, "out.npy") == bytes(&place, "fewer.npy"));

    success(&place.run(&["train", "--config", "tiny.toml", "--seed", "9", "--out", "second"]));
    stopped(&place, "by.npy");
    let anew = place.run(&["embed", "--model", "second", "images", "-o", "by.npy"]);
    success(&anew);
    assert!(
        said(&anew).contains("unfinished embeddings of 1030 samples by a different model"),
        "{}",
        said(&anew)
    );

    stopped(&place, "more.npy");
    place.write("images/class-0/more.png", &png(0, 1));
    let anew = embed(&place, "images", "more.npy");
    success(&anew);
    assert!(said(&anew).contains("images, which has changed; starting again"), "{}", said(&anew));

    place.write("broken.npy.partial", &bytes(&place, "whole.npy")[..9000]);
    place.write("broken.npy.partial.json", b"{}");
    let anew = embed(&place, "fewer", "broken.npy");
    success(&anew);
    assert!(
        said(&anew).contains("unfinished, of an unknown model and input; starting again"),
        "{}",
        said(&anew)
    );
}

#[test]
fn names_of_others_are_not_written_over() {
    let place = images();
    let command = |out| ["embed", "--model", "run", "images", "-o", out];
    // of another file of the same name, or of somebody's own
    place.refused(&command("whole.safetensors"), &["whole.names.csv: already exists", "whole.safetensors"]);
    place.write("mine.names.csv", b"my own\n");
    place.refused(&command("mine.npy"), &["mine.names.csv: already exists", "-o"]);
    assert_eq!(text(&place, "mine.names.csv"), "my own\n");
    assert!(!place.exists("mine.npy.partial") && !place.exists("mine.npy.partial.lock"), "before any work");
    // a format that holds all names leaves them alone
    success(&embed(&place, "images", "mine.parquet"));
    assert_eq!(text(&place, "mine.names.csv"), "my own\n");
    place.write("list.csv", b"path,shop\nimages/class-0/00.png,north\n");
    let with_more = ["embed", "--model", "run", "list.csv", "-o", "mine.csv"];
    place.refused(&with_more, &["mine.names.csv: already exists"]);

    // those that it left itself when it was stopped at its end are written again
    stopped(&place, "out.safetensors");
    place.write("out.names.csv", b"id,label\n");
    place.refused(&command("out.safetensors"), &["out.names.csv: already exists"]);
    assert!(place.exists("out.safetensors.partial"), "what is done is kept");
    place.write("out.names.csv", &bytes(&place, "whole.names.csv"));
    let resumed = embed(&place, "images", "out.safetensors");
    success(&resumed);
    assert!(said(&resumed).contains("resuming at row 1025"), "{}", said(&resumed));
    assert_eq!(text(&place, "out.names.csv"), text(&place, "whole.names.csv"));
}

/// Rows of six classes, with what else may be known of them.
fn table(known: bool) -> String {
    let mut text = String::from(if known { "id,label,camera,split,group,a,b,c\n" } else { "label,a,b,c\n" });
    for row in 0..60_u32 {
        let (class, turn) = (row % 6, f64::from(row) * 0.7);
        let angle = f64::from(class) + 0.1 * turn.sin();
        if known {
            let part = ["train", "test"][(row / 6 % 2) as usize];
            write!(text, "r{row},class {class},{},{part},g{},", row / 12 % 3, row / 6).expect("a text");
        } else {
            write!(text, "class {class},").expect("a text");
        }
        writeln!(text, "{},{},{}", angle.cos(), angle.sin(), 0.3 * turn.cos()).expect("a text");
    }
    text
}

/// A run on vectors, and files of the same: with all that may be known, and with nothing, as text and as numpy has it.
fn vectors() -> Workplace {
    let place = Workplace::new();
    place.write("vectors.csv", table(false).as_bytes());
    place.write("full.csv", table(true).as_bytes());
    let (mut bare, mut labels) = (String::from("a,b,c\n"), String::new());
    let mut numbers = npy_header(60, 3);
    for line in table(false).lines().skip(1) {
        let (label, rest) = line.split_once(',').expect("a label");
        writeln!(bare, "{rest}").expect("a text");
        writeln!(labels, "{label}").expect("a text");
        let values = rest.split(',').map(|value| value.parse::<f32>().expect("a number"));
        numbers.extend(values.flat_map(f32::to_le_bytes));
    }
    place.write("bare.csv", bare.as_bytes());
    place.write("bare.npy", &numbers);
    place.write("labels.txt", labels.as_bytes());
    let train = ["train", "--data", "vectors.csv", "--unseen", "2", "--embedding", "2", "--epochs", "2"];
    success(&place.run(&[&train[..], &["--batch", "16", "--out", "run"]].concat()));
    place
}

fn found(place: &Workplace, arguments: &[&str]) -> serde_json::Value {
    let output = place.run(arguments);
    success(&output);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn what_is_known_of_the_rows_of_a_table_goes_along() {
    let place = vectors();
    let expected = read_embeddings(&place.path().join("full.csv")).expect("a table").about;
    for out in ["a.parquet", "b.csv", "c.safetensors", "d.npy"] {
        success(&embed(&place, "full.csv", out));
        let about = read_embeddings(&place.path().join(out)).expect("a table").about;
        assert_eq!(about, expected, "{out}");
        let names = format!("{}.names.csv", &out[..1]);
        if out == "a.parquet" || out == "b.csv" {
            assert!(!place.exists(&names));
        } else {
            let lines: Vec<String> = text(&place, &names).lines().take(2).map(str::to_owned).collect();
            assert_eq!(lines, ["id,label,camera,split,group", "r0,class 0,0,train,g0"], "{out}");
        }
    }
    let evaluated = |out: &str, labels: &[&str]| {
        let base = ["eval", "retrieval", out, "--exclude-same-camera", "--json"];
        found(&place, &[&base[..], labels].concat())["retrieval"].clone()
    };
    let of_parquet = evaluated("a.parquet", &[]);
    assert!(of_parquet["queries"].as_u64().is_some_and(|queries| queries > 0), "{of_parquet}");
    assert_eq!(evaluated("b.csv", &[]), of_parquet);
    for out in ["c.safetensors", "d.npy"] {
        let names = format!("{}.names.csv", &out[..1]);
        assert_eq!(evaluated(out, &["--labels", &names]), of_parquet);
        assert_eq!(evaluated(out, &[]), of_parquet);
    }
    // `nearest` finds the names in the separate file
    let nearest = found(&place, &["nearest", "--embeddings", "d.npy", "--row", "r7", "-k", "1", "--json"]);
    assert!(nearest["queries"][0]["neighbours"][0]["label"].is_string(), "{nearest}");
}

#[test]
fn labels_may_lie_beside_a_table() {
    let place = vectors();
    for bare in ["bare.npy", "bare.csv"] {
        let out = format!("of-{}.csv", &bare[5..]);
        let command = ["embed", "--model", "run", bare, "--labels", "labels.txt", "-o", &out];
        success(&place.run(&command));
        let about = read_embeddings(&place.path().join(&out)).expect("a table").about;
        assert_eq!(about.labels.expect("labels")[7], "class 1");
    }
    success(&embed(&place, "bare.npy", "none.npy"));
    assert!(text(&place, "none.names.csv").starts_with("id\n0\n1\n"), "no labels, no column of them");
    let suspects = ["data", "suspects", "--run", "run", "--data", "bare.npy", "-o", "s", "--json"];
    let of_bare = found(&place, &[&suspects[..], &["--labels", "labels.txt"]].concat());
    let of_own = ["data", "suspects", "--run", "run", "--data", "vectors.csv", "-o", "s", "--json"];
    assert_eq!(of_bare["suspects"], found(&place, &of_own)["suspects"]);

    place.write("few.txt", b"a\nb\n");
    image_folder(&place, "images", 2, 2);
    let embed = |input| ["embed", "--model", "run", input, "-o", "no.npy", "--labels"];
    place.refused(
        &[&embed("bare.npy")[..], &["few.txt"]].concat(),
        &["few.txt", "2 labels for 60 embeddings"],
    );
    // Labels inside the table and labels given for it must be the same.
    assert_eq!(
        found(&place, &[&of_own[..], &["--labels", "labels.txt"]].concat())["suspects"],
        of_bare["suspects"]
    );
    place.write("other.txt", text(&place, "labels.txt").replacen("class 1\n", "class 2\n", 1).as_bytes());
    let own = ["other.txt: line 2 has the label \"class 2\"", "vectors.csv contains the label \"class 1\""];
    place.refused(&[&embed("vectors.csv")[..], &["other.txt"]].concat(), &own);
    place.refused(&[&of_own[..], &["--labels", "other.txt"]].concat(), &own);
    let of_images = ["data", "suspects", "--run", "run", "--data", "images", "--labels", "labels.txt"];
    place.refused(&of_images, &["labels is labels.txt", "only a table of embeddings"]);
    place.refused(&["data", "suspects", "--run", "run", "--labels", "labels.txt"], &["--data"]);
}

#[test]
fn columns_of_manifests_go_along_as_far_as_they_can() {
    let place = Workplace::new();
    image_folder(&place, "images", 4, 8);
    place.write("tiny.toml", TINY.as_bytes());
    success(&place.run(&["train", "--config", "tiny.toml", "--out", "run"]));
    let mut list = String::from("path,label,camera,group\n");
    for number in 0..8 {
        writeln!(list, "images/class-{}/{number:02}.png,{},{number},g{}", number % 4, number % 4, number / 4)
            .expect("a text");
    }
    place.write("list.csv", list.as_bytes());
    success(&embed(&place, "list.csv", "list.parquet"));
    let about = read_embeddings(&place.path().join("list.parquet")).expect("a table").about;
    assert_eq!(about.cameras, Some((0..8).map(|camera: i32| camera.to_string()).collect()));
    assert_eq!(about.groups.expect("groups")[4], "g1");
    assert!(!place.exists("list.names.csv"), "all is inside");
    let labels = ["embed", "--model", "run", "images", "--labels", "tiny.toml", "-o", "no.npy"];
    place.refused(&labels, &["labels is tiny.toml", "only a table of embeddings"]);

    // images of no class have a gap, which a table of text has no room for
    image_folder(&place, "some", 1, 1);
    place.write("some/stray.png", &png(1, 1));
    success(&embed(&place, "some", "some.csv"));
    assert_eq!(text(&place, "some.names.csv"), "id,label\nclass-0/00.png,class-0\nstray.png,\n");
    // They are found next to it.
    let about = read_embeddings(&place.path().join("some.csv")).expect("a table").about;
    let labels = Some(vec!["class-0".to_owned(), String::new()]);
    assert_eq!((about.ids.map(|ids| ids.len()), about.labels), (Some(2), labels));
    place.write("named.csv", &list.replace(",0,g", ",north,g").into_bytes());
    success(&embed(&place, "named.csv", "named.npy"));
    assert!(
        text(&place, "named.names.csv")
            .starts_with("id,label,camera,group\nimages/class-0/00.png,0,north,g0\n")
    );
    found(
        &place,
        &["nearest", "--embeddings", "named.npy", "--row", "images/class-1/01.png", "-k", "1", "--json"],
    );

    // columns of .parquet of every kind
    let fixture = |name: &str| format!("{}/../tables/fixtures/files/{name}", env!("CARGO_MANIFEST_DIR"));
    place.write("kinds.parquet", &std::fs::read(fixture("kinds.parquet")).expect("there"));
    place.write("a.png", &png(0, 0));
    place.write("b.png", &png(1, 0));
    let output = embed(&place, "kinds.parquet", "kinds.npy");
    success(&output);
    for told in [
        "left out the column `bytes` of kinds.parquet: it contains bytes that are not text",
        "`list`",
        "`pair`",
    ] {
        assert!(said(&output).contains(told), "{told}: {}", said(&output));
    }
    let names = text(&place, "kinds.names.csv");
    assert!(
        names.starts_with("id,thousandths,millionths,billionths,naive,day,"),
        "no label, no column of it: {names}"
    );
    assert!(names.contains("\na.png,2026-11-25 10:00:00.250,"), "{names}");
    place.write("lists.parquet", &std::fs::read(fixture("lists.parquet")).expect("there"));
    let lists = ["embed", "--model", "run", "lists.parquet", "-o", "no.npy"];
    place.refused(
        &lists,
        &["lists.parquet: column `label` holds lists or groups", "expected texts or numbers"],
    );
}
