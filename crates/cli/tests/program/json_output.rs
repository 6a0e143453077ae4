//! `--json`: one object on standard output, and nothing else there.

use super::{Workplace, image_folder, success};
use serde_json::Value;

/// Runs a command with `--json` and gives the object.
fn object(place: &Workplace, arguments: &[&str]) -> Value {
    let output = place.run(&[arguments, &["--json"]].concat());
    success(&output);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{arguments:?}: {error} in {}", String::from_utf8_lossy(&output.stdout));
    });
    assert!(found.is_object(), "{arguments:?}: {found}");
    found
}

/// The keys of an object, which `serde_json` sorts.
fn keys(found: &Value) -> Vec<&str> {
    found.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn commands_on_data_print_one_object() {
    let place = Workplace::new();
    image_folder(&place, "images", 4, 6);
    let info = object(&place, &["data", "info", "images"]);
    assert_eq!((&info["samples"], &info["classes"]), (&24.into(), &4.into()));
    let split =
        object(&place, &["data", "split", "images", "--by", "class", "--share", "50%", "-o", "split.csv"]);
    assert_eq!(
        keys(&split),
        ["bad", "copies", "file", "known_classes", "out", "test", "train", "unseen_classes"]
    );
    assert_eq!((&split["file"], &split["unseen_classes"]), (&"split.csv".into(), &2.into()));
    let preview = object(&place, &["data", "preview", "images", "--count", "3", "-o", "page.html"]);
    assert_eq!(keys(&preview), ["file", "images", "notes", "samples", "seed", "versions"]);
    assert_eq!((&preview["file"], &preview["images"]), (&"page.html".into(), &24.into()));
    assert_eq!(preview["samples"].as_array().map(Vec::len), Some(3));
    assert!(place.exists("page.html") && preview["notes"].is_array());
}

#[test]
fn training_and_what_uses_its_model_print_one_object() {
    let place = Workplace::new();
    let report = object(&place, &["train", "--config", "small.toml", "--out", "run"]);
    assert_eq!(report["device"], "cpu");
    image_folder(&place, "images", 2, 3);
    place.write("images/class-0/broken.png", b"no image");
    let size = ["--run", "run", "--count", "2"];
    let suspects = object(&place, &[&["data", "suspects"], &size[..]].concat());
    assert_eq!(suspects["suspects"].as_array().map(Vec::len), Some(2));
    for (out, names) in [("out.npy", Some("out.names.csv")), ("out.csv", None)] {
        let made = object(&place, &["embed", "--model", "run", "images", "--max-bad", "50%", "-o", out]);
        assert_eq!(
            keys(&made),
            ["dimension", "file", "flip", "left_out", "names", "precision", "rows", "warnings"]
        );
        assert_eq!((&made["file"], made["names"].as_str()), (&out.into(), names), "{made}");
        assert_eq!((&made["rows"], &made["dimension"]), (&6.into(), &4.into()));
        assert_eq!((&made["left_out"], &made["precision"]), (&1.into(), &"full".into()));
    }
    // An error leaves standard output empty.
    let output = place.run(&["embed", "--model", "run", "images", "-o", "out.npy", "--json"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
}
